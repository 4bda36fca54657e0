//! The page for addresses that lead nowhere.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;

use crate::components::vacancy::Waves;
use crate::response::set_status;

/// Says so, with ways on.
#[component]
pub fn NotFound() -> impl IntoView {
    set_status(404);
    view! {
        <Title text="Not found · Tidemark" />
        <main class="lost">
            <Waves />
            <h1>"There is no page at this address"</h1>
            <p>"A chart's address looks like /chart/AAPL?tf=h1."</p>
            <p class="lost-ways">
                <A href="/chart/AAPL?tf=h1" attr:class="button">
                    "Open AAPL at one hour"
                </A>
                <A href="/chart/X:BTCUSD?tf=h1" attr:class="button">
                    "Open Bitcoin"
                </A>
            </p>
        </main>
    }
    .into_any()
}
