//! The way past the watchlist and the tools, for whoever goes by keyboard.

use leptos::prelude::*;

use crate::browser::page;

/// The name in the document of what is given the focus: the chart with all that is about it, since the chart itself is
/// hidden while it has no bars.
pub const BOARD: &str = "board";

/// The page's first link: gives the chart the focus. Seen while it has the focus itself.
#[component]
pub fn SkipLink() -> impl IntoView {
    // The address is the page's state, and keeps free of where the focus is.
    let skip = |event: leptos::ev::MouseEvent| {
        event.prevent_default();
        page::focus(BOARD);
    };
    view! {
        <a class="skip-link" href=format!("#{BOARD}") data-testid="skip-link" on:click=skip>
            "Skip to the chart"
        </a>
    }
    .into_any()
}
