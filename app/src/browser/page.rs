//! What the page is told by the document and window it runs in.

use futures::channel::oneshot;
use futures::future::select;
use gloo_timers::future::TimeoutFuture;
use leptos::ev;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};

const POLL_MS: u32 = 15_000;
/// How long [`painted`] waits for a frame.
const LONGEST_FRAME_MS: u32 = 100;

/// The time between two questions while live updates can't be had: 15 s, or the number in
/// `window.__tidemark_poll_ms`, which a test sets before the page loads.
#[must_use]
pub fn poll_ms() -> u32 {
    let told = web_sys::window().and_then(|window| {
        js_sys::Reflect::get(&window, &JsValue::from_str("__tidemark_poll_ms")).ok().and_then(|value| value.as_f64())
    });
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    told.map_or(POLL_MS, |ms| ms.clamp(50.0, 600_000.0) as u32)
}

/// The companion server's origin, as `<meta name="tidemark-server" content="https://…">` tells it; `None` where the
/// page comes from its server.
#[must_use]
pub fn server_origin() -> Option<String> {
    let document = web_sys::window()?.document()?;
    let meta = document.query_selector("meta[name=tidemark-server]").ok().flatten()?;
    let origin = meta.get_attribute("content")?;
    let origin = origin.trim().trim_end_matches('/');
    (!origin.is_empty()).then(|| origin.to_owned())
}

/// Whether the document holds no page yet: it is the one that the service worker keeps.
#[must_use]
pub fn is_empty() -> bool {
    let body = web_sys::window().and_then(|window| window.document()?.body());
    body.is_some_and(|body| body.has_attribute("data-page"))
}

/// Milliseconds since the epoch by the browser's clock.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit")]
pub fn now_ms() -> i64 {
    js_sys::Date::now() as i64
}

/// A name that no other tab has.
#[must_use]
pub fn random_name() -> String {
    format!("{:x}-{:x}", now_ms(), js_sys::Math::random().to_bits())
}

/// The value of a design token (`--name`) as it is in force.
#[must_use]
pub fn token(name: &str) -> String {
    let style = web_sys::window().and_then(|window| {
        let root = window.document()?.document_element()?;
        window.get_computed_style(&root).ok().flatten()
    });
    style.and_then(|style| style.get_property_value(name).ok()).unwrap_or_default().trim().to_owned()
}

/// The colours of design tokens as they are in force: `rgb(…)`, whatever function of style sheets a token is written with.
#[must_use]
pub fn colours(names: &[&str]) -> Vec<String> {
    let read = || {
        let window = web_sys::window()?;
        let document = window.document()?;
        let probe = document.create_element("span").ok()?.dyn_into::<web_sys::HtmlElement>().ok()?;
        // A canvas is not recoloured where the system sets the colours: one that took them here would lose all contrasts.
        probe.style().set_property("forced-color-adjust", "none").ok()?;
        document.body()?.append_child(&probe).ok()?;
        let style = window.get_computed_style(&probe).ok().flatten()?;
        let colour = |name: &&str| {
            probe.style().set_property("color", &format!("var({name})")).ok()?;
            style.get_property_value("color").ok()
        };
        let colours = names.iter().map(|name| colour(name).unwrap_or_default()).collect();
        probe.remove();
        Some(colours)
    };
    read().unwrap_or_else(|| vec![String::new(); names.len()])
}

/// Calls `act` right before the browser's next frame.
pub fn at_frame(act: impl FnOnce() + 'static) {
    let Some(window) = web_sys::window() else { return };
    let act = wasm_bindgen::closure::Closure::once_into_js(act);
    // Refused where no frame will ever come, as in a closed window.
    let _ = window.request_animation_frame(act.unchecked_ref());
}

/// Gives the focus to the element of that id.
pub fn focus(id: &str) {
    let element = web_sys::window().and_then(|window| window.document()?.get_element_by_id(id));
    if let Some(element) = element.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) {
        // Refused where it is not shown.
        let _ = element.focus();
    }
}

/// Brings the element of that id into view within what scrolls around it.
pub fn reveal(id: &str) {
    let element = web_sys::window().and_then(|window| window.document()?.get_element_by_id(id));
    if let Some(element) = element {
        let nearest = web_sys::ScrollIntoViewOptions::new();
        nearest.set_block(web_sys::ScrollLogicalPosition::Nearest);
        element.scroll_into_view_with_scroll_into_view_options(&nearest);
    }
}

/// Whether anyone can see the page.
#[must_use]
pub fn is_visible() -> bool {
    web_sys::window().and_then(|window| window.document()).is_some_and(|document| !document.hidden())
}

/// Calls `act` whenever the page can be seen again, until the caller's owner is gone.
pub fn on_visible(act: impl Fn() + 'static) {
    let listener = window_event_listener(ev::visibilitychange, move |_| {
        if is_visible() {
            act();
        }
    });
    on_cleanup(move || listener.remove());
}

/// Where the element begins, and how wide it is, in pixels of the window.
#[must_use]
pub fn horizontal(element: &web_sys::Element) -> (f64, f64) {
    let place = element.get_bounding_client_rect();
    (place.left(), place.width())
}

/// Until the frame being prepared is on screen, and whoever else waited for it has been told. A page that nobody sees has
/// none: it is not waited for there, nor long where none comes.
pub async fn painted() {
    if is_visible() {
        let (sender, receiver) = oneshot::channel();
        // Refused where whoever waits has gone.
        after_paint(move || _ = sender.send(()));
        select(receiver, TimeoutFuture::new(LONGEST_FRAME_MS)).await;
        TimeoutFuture::new(0).await;
    }
}

/// Calls `act` once the frame being prepared is on screen.
pub fn after_paint(act: impl FnOnce() + 'static) {
    let Some(window) = web_sys::window() else { return };
    let later = wasm_bindgen::closure::Closure::once_into_js(move || {
        // A frame's callbacks run before it is painted; a timer set in one runs after.
        leptos::task::spawn_local(async move {
            gloo_timers::future::TimeoutFuture::new(0).await;
            act();
        });
    });
    // Refused where no frame will ever come, as in a closed window.
    let _ = window.request_animation_frame(later.unchecked_ref());
}
