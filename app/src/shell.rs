//! The HTML document around the page, as the server sends it.

use leptos::hydration::{AutoReload, HydrationScripts};
use leptos::prelude::*;
use leptos_meta::{HashedStylesheet, MetaTags};

use crate::App;
use crate::browser::theme;

/// The document: ECharts is asked for before the WASM, and both before the page is parsed to its end.
#[must_use]
pub fn shell(options: LeptosOptions) -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="dark light" />
                <meta name="description" content="A local store of market bars that keeps itself complete, and its chart." />
                <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
                <script inner_html=theme::BEFORE_FIRST_PAINT></script>
                <HashedStylesheet id="leptos" options=options.clone() />
                <script src="/vendor/echarts.js" defer></script>
                <AutoReload options=options.clone() />
                <HydrationScripts options />
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}
