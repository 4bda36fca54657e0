//! Performance marks, for whoever measures the page: `tidemark:navigate` when a series is opened, `tidemark:cache-read`
//! when its bars are read and decoded, `tidemark:painted` when its first frame is on screen. The latter two are
//! measures too, of the same name, since `tidemark:navigate`.

/// A series is opened.
pub const NAVIGATE: &str = "tidemark:navigate";
/// The cache has answered.
pub const CACHE_READ: &str = "tidemark:cache-read";
/// The first frame of a series is on screen.
pub const PAINTED: &str = "tidemark:painted";

fn performance() -> Option<web_sys::Performance> {
    web_sys::window()?.performance()
}

/// Marks now as [`NAVIGATE`].
pub fn start() {
    if let Some(performance) = performance() {
        // A mark is a courtesy to a profiler: where it is refused, nothing is lost.
        let _ = performance.mark(NAVIGATE);
    }
}

/// Marks now as `name`, and measures it since [`NAVIGATE`].
pub fn reached(name: &str) {
    if let Some(performance) = performance() {
        let _ = performance.mark(name);
        let _ = performance.measure_with_start_mark_and_end_mark(name, NAVIGATE, name);
    }
}
