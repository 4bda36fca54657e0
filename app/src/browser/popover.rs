//! Popovers: parts that the browser lays over the page and takes away again.

use wasm_bindgen::JsCast;

/// Takes the popover of that id off the page, where it is open.
pub fn close(id: &str) {
    let element = web_sys::window().and_then(|window| window.document()?.get_element_by_id(id));
    if let Some(element) = element.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) {
        // Refused only where it is no popover.
        let _ = element.hide_popover();
    }
}
