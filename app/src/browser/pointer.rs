//! Where pointers are, and dragging: a line of a list by a handle in it, or what the chart shows.

use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, PointerEvent};

/// How near to the edge of what scrolls the pointer makes it scroll, and by how much, in pixels.
const EDGE: f64 = 28.0;
const SCROLL: f64 = 10.0;

/// What is dragged by: it hears of a pointer that it took until that is released.
const DRAGGED_BY: &str = "button, .chart";

/// Has all further moves of the pointer told to the handle, wherever they are.
pub fn capture(event: &PointerEvent) {
    if let Some(handle) = handle(event) {
        // Refused where the pointer is gone already.
        let _ = handle.set_pointer_capture(event.pointer_id());
    }
}

/// Whether it is within the element of that id.
#[must_use]
pub fn is_within(event: &PointerEvent, id: &str) -> bool {
    let element = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    element.and_then(|element| element.closest(&format!("#{id}")).ok().flatten()).is_some()
}

/// Where the pointer is, from the top of the list and not of the window, so that scrolling counts as moving.
#[must_use]
pub fn height(event: &PointerEvent) -> f64 {
    let list = handle(event).and_then(|handle| handle.closest("ul").ok().flatten());
    f64::from(event.client_y()) - list.map_or(0.0, |list| list.get_bounding_client_rect().top())
}

/// How high the handle's line is.
#[must_use]
pub fn line_height(event: &PointerEvent) -> f64 {
    let line = handle(event).and_then(|handle| handle.closest("li").ok().flatten());
    line.and_then(|line| line.dyn_into::<HtmlElement>().ok()).map_or(1.0, |line| f64::from(line.offset_height()))
}

/// Scrolls what the list is in where the pointer is at its edge.
pub fn scroll_along(event: &PointerEvent) {
    let Some(area) = handle(event).and_then(|handle| handle.closest("nav").ok().flatten()) else { return };
    let (bounds, at) = (area.get_bounding_client_rect(), f64::from(event.client_y()));
    if at < bounds.top() + EDGE {
        area.scroll_by_with_x_and_y(0.0, -SCROLL);
    } else if at > bounds.bottom() - EDGE {
        area.scroll_by_with_x_and_y(0.0, SCROLL);
    }
}

fn handle(event: &PointerEvent) -> Option<Element> {
    event.target()?.dyn_into::<Element>().ok()?.closest(DRAGGED_BY).ok()?
}
