//! Performance marks, for whoever measures the page: `tidemark:navigate` when a series is chosen and `tidemark:painted`
//! when its first frame is on screen; `tidemark:cache-asked` when the cache's store is asked for a series and
//! `tidemark:cache-read` when its bars are read and decoded. The second of each is a measure too, since the first.

/// A series is chosen, or opened by its address.
pub const NAVIGATE: &str = "tidemark:navigate";
/// The first frame of a series is on screen.
pub const PAINTED: &str = "tidemark:painted";
/// The store is asked for a series.
pub const CACHE_ASKED: &str = "tidemark:cache-asked";
/// The store has answered with it.
pub const CACHE_READ: &str = "tidemark:cache-read";

fn performance() -> Option<web_sys::Performance> {
    web_sys::window()?.performance()
}

/// Marks now as `name`.
pub fn set(name: &str) {
    if let Some(performance) = performance() {
        // A mark is a courtesy to a profiler: where it is refused, nothing is lost.
        let _ = performance.mark(name);
    }
}

/// Marks now as `name`, and measures it since the last mark `from`.
pub fn reached(name: &str, from: &str) {
    if let Some(performance) = performance() {
        let _ = performance.mark(name);
        let _ = performance.measure_with_start_mark_and_end_mark(name, from, name);
    }
}
