//! The chart before there is one: the server's drawing, and a sentence for those who will see no other.

use leptos::prelude::*;

use crate::first_paint::FirstPaint;

/// Read by browsers without scripts alone, which also see no state that a script would have to keep up.
const WITHOUT_SCRIPT: &str = "<style>.banner,.skeleton{display:none}</style>\
    <p class=\"no-script\">Without JavaScript this page shows the newest bars that were stored when it was opened. \
    Reload it for newer ones.</p>";

/// What the server drew, at the place where the chart will be.
#[component]
pub fn FirstPaintView() -> impl IntoView {
    view! {
        <div class="first-paint" data-testid="first-paint" inner_html=FirstPaint::of_request().html></div>
        <noscript inner_html=WITHOUT_SCRIPT></noscript>
    }
    .into_any()
}
