//! What moves by itself.

use super::page;

/// Whether the reader has asked for as little motion as can be.
#[must_use]
pub fn is_reduced() -> bool {
    let query =
        web_sys::window().and_then(|window| window.match_media("(prefers-reduced-motion: reduce)").ok().flatten());
    query.is_some_and(|query| query.matches())
}

/// Calls `step` before each frame with the milliseconds since the one before, until it returns `false`.
pub fn each_frame(step: impl FnMut(f64) -> bool + 'static) {
    next(step, now());
}

fn next(mut step: impl FnMut(f64) -> bool + 'static, before: f64) {
    page::at_frame(move || {
        let now = now();
        if step(now - before) {
            next(step, now);
        }
    });
}

fn now() -> f64 {
    web_sys::window().and_then(|window| window.performance()).map_or(0.0, |clock| clock.now())
}
