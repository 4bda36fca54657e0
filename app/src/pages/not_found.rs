//! The page for an address that is none of ours.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;

use crate::response::set_status;

/// Says so, with a way back.
#[component]
pub fn NotFound() -> impl IntoView {
    set_status(404);
    view! {
        <Title text="Not found · Tidemark" />
        <main class="lost">
            <h1>"There is no page at this address"</h1>
            <p>"A chart's address looks like /chart/AAPL?tf=h1."</p>
            <A href="/chart/AAPL?tf=h1" attr:class="button">"Open AAPL at one hour"</A>
        </main>
    }
}
