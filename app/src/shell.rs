//! The HTML document around the page, as the server sends it.

use leptos::hydration::AutoReload;
use leptos::prelude::*;
use leptos_meta::MetaTags;

use crate::App;
use crate::assets::Assets;
use crate::browser::theme;

/// The document with the page in it.
#[must_use]
pub fn shell(options: LeptosOptions, assets: &Assets) -> impl IntoView + use<> {
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                {head(assets)} <AutoReload options />
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}

/// The document without a page: what a browser keeps for when the server can't be reached, and fills by itself.
#[must_use]
pub fn empty_shell(assets: &Assets) -> String {
    let document = view! {
        <html lang="en">
            <head>
                <title>"Tidemark"</title>
                {head(assets)}
            </head>
            <body data-page="empty"></body>
        </html>
    };
    format!("<!DOCTYPE html>{}", document.to_html())
}

/// ECharts is asked for before the WASM, and both before the page is parsed to its end.
fn head(assets: &Assets) -> impl IntoView + use<> {
    let Assets { style, script, wasm, charts, worker } = assets.clone();
    let start = format!("import start, {{ run }} from '{script}';start({{ module_or_path: '{wasm}' }}).then(run);");
    // Once the page is up: what it keeps for later must not hold up what it needs now.
    let keep = worker.map(|worker| {
        format!(
            "if('serviceWorker' in navigator)addEventListener('load',()=>navigator.serviceWorker.register('{worker}'))"
        )
    });
    view! {
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="dark light" />
        <meta name="description" content="A local store of market bars that keeps itself complete, and its chart." />
        <link rel="icon" href="/favicon.png" type="image/png" sizes="32x32" />
        <script inner_html=theme::BEFORE_FIRST_PAINT></script>
        <link id="leptos" rel="stylesheet" href=style />
        <script src=charts defer></script>
        <link rel="modulepreload" href=script />
        <link rel="preload" href=wasm r#as="fetch" r#type="application/wasm" crossorigin="anonymous" />
        <script type="module" inner_html=start></script>
        {keep.map(|keep| view! { <script inner_html=keep></script> })}
    }
}
