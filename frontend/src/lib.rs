//! The WASM entry: takes over the page that the server rendered, or renders it alone.

use tidemark_app::App;
use wasm_bindgen::prelude::wasm_bindgen;

/// Takes over the server-rendered page. A document that the browser kept for when there is no server holds none: it is
/// rendered here.
#[cfg(feature = "hydrate")]
#[wasm_bindgen]
pub fn run() {
    console_error_panic_hook::set_once();
    if tidemark_app::browser::page::is_empty() {
        leptos::mount::mount_to_body(App);
    } else {
        leptos::mount::hydrate_body(App);
    }
}

/// Renders the page in the browser; it talks to the companion server that the document names.
#[cfg(feature = "csr")]
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
    if let Some(origin) = tidemark_app::browser::page::server_origin() {
        leptos::server_fn::client::set_server_url(origin.leak());
    }
    leptos::mount::mount_to_body(App);
}
