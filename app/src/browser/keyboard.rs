//! Keys that are pressed while nobody types.

use leptos::ev;
use leptos::prelude::*;

/// Where keys belong to the element that has the focus.
const FIELDS: &str = "input, textarea, select, [contenteditable]";

/// Calls `act` with the name of each key pressed while no field has the focus and no dialogue is open, until the caller's
/// owner is gone. `act` answers whether the key means something; then it does nothing else.
///
/// Names are the browser's (`?`, `ArrowLeft`, `Home`), letters in lower case, after `Ctrl+` (or the command key), `Alt+`
/// and, for keys that write nothing, `Shift+`: `Shift+ArrowLeft`.
pub fn on_key(act: impl Fn(&str) -> bool + 'static) {
    let listener = window_event_listener(ev::keydown, move |event| {
        if !event.default_prevented() && !event.is_composing() && !is_taken() && act(&name(&event)) {
            event.prevent_default();
        }
    });
    on_cleanup(move || listener.remove());
}

/// Asked of the focus, not of the event: the field it was meant for may just have given the focus away.
fn is_taken() -> bool {
    let focused = document().active_element();
    let is_typing = focused.is_some_and(|element| matches!(element.closest(FIELDS), Ok(Some(_))));
    let dialog = document().query_selector("dialog[open]");
    is_typing || matches!(dialog, Ok(Some(_)))
}

fn name(event: &web_sys::KeyboardEvent) -> String {
    let key = event.key();
    let writes = key.chars().count() == 1;
    // Some keyboards write `?` or `[` with AltGr, which looks like Ctrl and Alt.
    let composes = writes && event.get_modifier_state("AltGraph");
    let mut name = String::new();
    for (is_held, modifier) in [
        ((event.ctrl_key() || event.meta_key()) && !composes, "Ctrl+"),
        (event.alt_key() && !composes, "Alt+"),
        (event.shift_key() && !writes, "Shift+"),
    ] {
        if is_held {
            name.push_str(modifier);
        }
    }
    name.push_str(&if writes { letter(event, &key) } else { key });
    name
}

/// What the key writes by itself: some systems write other letters while Alt is held.
fn letter(event: &web_sys::KeyboardEvent, key: &str) -> String {
    let printed = event.code();
    match printed.strip_prefix("Key") {
        Some(letter) if event.alt_key() && !key.is_ascii() => letter.to_lowercase(),
        _ => key.to_lowercase(),
    }
}
