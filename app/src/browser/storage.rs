//! `localStorage`, which may be missing, full or forbidden: then nothing is kept.

use leptos::ev;
use leptos::logging::warn;
use leptos::prelude::*;

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

/// Forgets the text.
pub fn remove(key: &str) {
    if let Some(storage) = storage() {
        // Refused where storage is forbidden: then there is nothing to forget.
        let _ = storage.remove_item(key);
    }
}

/// Calls `act` with what is stored now whenever another tab of this browser changes it, until the caller's owner is gone.
pub fn on_change(key: impl Into<String>, act: impl Fn(Option<String>) + 'static) {
    let key = key.into();
    let listener = window_event_listener(ev::storage, move |event| {
        if event.key().as_deref() == Some(key.as_str()) {
            act(event.new_value());
        }
    });
    on_cleanup(move || listener.remove());
}
