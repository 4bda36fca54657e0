//! Dark or light: the choice in force on `<html>`, and word of its changes, since a canvas does not follow the style
//! sheet.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;

/// Where the choice is kept: `dark`, `light`, or nothing for the system's wish.
pub const KEY: &str = "tidemark:theme";

/// Run in the document's head, so that the first frame has the chosen colours.
pub const BEFORE_FIRST_PAINT: &str = "try{const t=localStorage.getItem('tidemark:theme');\
    if(t==='dark'||t==='light')document.documentElement.dataset.theme=t}catch{}";

const ATTRIBUTE: &str = "data-theme";

/// Puts that theme in force; `None` follows the system.
pub fn apply(theme: Option<&str>) {
    let root = web_sys::window().and_then(|window| window.document()?.document_element());
    if let Some(root) = root {
        // Neither is refused: the attribute's name is a good one.
        let _ = match theme {
            Some(theme) => root.set_attribute(ATTRIBUTE, theme),
            None => root.remove_attribute(ATTRIBUTE),
        };
    }
}

/// Counts the changes of the colour scheme, by the system or by choice, for as long as it lives.
pub struct ThemeWatch {
    changes: ArcRwSignal<u32>,
    query: Option<web_sys::MediaQueryList>,
    observer: Option<web_sys::MutationObserver>,
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
        let observer = watch_choice(&handler);
        Self { changes, query, observer, _handler: handler }
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
        if let Some(observer) = &self.observer {
            observer.disconnect();
        }
    }
}

fn watch_choice(handler: &Closure<dyn FnMut()>) -> Option<web_sys::MutationObserver> {
    let root = web_sys::window()?.document()?.document_element()?;
    let observer = web_sys::MutationObserver::new(handler.as_ref().unchecked_ref()).ok()?;
    let wanted = web_sys::MutationObserverInit::new();
    wanted.set_attributes(true);
    wanted.set_attribute_filter(&js_sys::Array::of1(&ATTRIBUTE.into()));
    observer.observe_with_options(&root, &wanted).ok()?;
    Some(observer)
}
