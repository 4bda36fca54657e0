//! `localStorage`, which may be missing, full or forbidden: then nothing is kept.

use leptos::logging::warn;

fn storage() -> Option<web_sys::Storage> {
    web_sys::window()?.local_storage().ok().flatten()
}

/// The stored text, where there is one.
#[must_use]
pub fn read(key: &str) -> Option<String> {
    storage()?.get_item(key).ok().flatten()
}

/// Stores the text; a refusal is logged, since the page works without.
pub fn write(key: &str, text: &str) {
    let is_kept = storage().is_some_and(|storage| storage.set_item(key, text).is_ok());
    if !is_kept {
        warn!("{key} can't be stored in this browser; it lasts until the page is closed.");
    }
}
