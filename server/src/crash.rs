//! Points at which a test can have this process killed, to see that nothing is lost: `TIDEMARK_CRASH_AT=before_commit`.
//! Builds for use have none.

/// Ends the process as SIGKILL does, where the environment names this point.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    static CRASH_AT: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("TIDEMARK_CRASH_AT").ok());
    if CRASH_AT.as_deref() == Some(name) {
        std::process::abort();
    }
}

/// Does nothing.
#[cfg(not(debug_assertions))]
pub fn point(_name: &str) {}
