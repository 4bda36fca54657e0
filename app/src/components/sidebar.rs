//! The sidebar: beside the page where there is room, and a drawer that the header's button opens where there is none.

use leptos::prelude::*;

use crate::browser::popover;

/// Its name in the document, for the button that opens it.
pub const SIDEBAR: &str = "sidebar";

/// The brand, and what is inside. Being a popover it opens without any script, and closes on Escape or a touch beside it.
#[component]
pub fn Sidebar(
    /// The address of what is on screen: a drawer closes when it changes.
    place: Signal<String>,
    /// The inside.
    children: Children,
) -> impl IntoView {
    Effect::new(move |before: Option<String>| {
        let now = place.get();
        if before.is_some_and(|before| before != now) {
            popover::close(SIDEBAR);
        }
        now
    });
    view! {
        <aside id=SIDEBAR class="sidebar" popover="auto" aria-label="Sidebar">
            <div class="sidebar-head">
                <a href="/" class="brand">
                    <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
                        <path d="M2 9c3.3-3 6.7-3 10 0s6.7 3 10 0M2 15c3.3-3 6.7-3 10 0s6.7 3 10 0" />
                    </svg>
                    "Tidemark"
                </a>
                <button
                    type="button"
                    class="icon-button sidebar-close"
                    popovertarget=SIDEBAR
                    popovertargetaction="hide"
                    aria-label="Close the watchlist"
                >
                    "✕"
                </button>
            </div>
            {children()}
        </aside>
    }
    .into_any()
}
