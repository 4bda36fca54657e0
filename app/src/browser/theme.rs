//! Whether dark or light colours are wanted: tells when that changes, since a canvas does not follow the style sheet.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;

/// Counts the changes of the colour scheme for as long as it lives.
pub struct ThemeWatch {
    changes: ArcRwSignal<u32>,
    query: Option<web_sys::MediaQueryList>,
    _handler: Closure<dyn FnMut()>,
}

impl ThemeWatch {
    /// Starts watching.
    #[must_use]
    pub fn new() -> Self {
        // Shared by count, since it must outlive the run of the effect that makes it.
        let changes = ArcRwSignal::new(0);
        let told = changes.clone();
        let handler = Closure::<dyn FnMut()>::new(move || told.update(|count| *count += 1));
        let query = web_sys::window().and_then(|it| it.match_media("(prefers-color-scheme: dark)").ok().flatten());
        if let Some(query) = &query {
            query.set_onchange(Some(handler.as_ref().unchecked_ref()));
        }
        Self { changes, query, _handler: handler }
    }

    /// How often it changed; tracked by the effect that asks.
    #[must_use]
    pub fn changes(&self) -> u32 {
        self.changes.get()
    }
}

impl Default for ThemeWatch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for ThemeWatch {
    fn drop(&mut self) {
        if let Some(query) = &self.query {
            query.set_onchange(None);
        }
    }
}
