//! Points at which a test can have this process killed, to see that nothing is lost: `TIDEMARK_CRASH_AT=before_commit`;
//! and a symbol whose runs make their worker panic: `TIDEMARK_PANIC_ON=AAPL`. Builds for use have none.

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

/// Panics where the environment names this symbol.
#[cfg(debug_assertions)]
pub fn poison(symbol: &str) {
    static PANIC_ON: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("TIDEMARK_PANIC_ON").ok());
    assert!(PANIC_ON.as_deref() != Some(symbol), "told to panic on {symbol}");
}

/// Does nothing.
#[cfg(not(debug_assertions))]
pub fn poison(_symbol: &str) {}
