//! What is said at the left edge of the chart, where its oldest bar is in view.

use leptos::prelude::*;

use crate::stores::older::Behind;

/// Whether older bars are on their way, or why there are none. Nothing where there may be more.
#[component]
pub fn OldestNote(
    /// How the series goes on before its oldest bar.
    behind: Signal<Behind>,
    /// Whether that bar is in view.
    is_in_view: Signal<bool>,
) -> impl IntoView {
    let said = move || match behind.get() {
        _ if !is_in_view.get() => None,
        Behind::More => None,
        Behind::Awaited => Some("Older bars are on their way."),
        Behind::Ends(end) => Some(end.sentence()),
    };
    view! {
        <p class="oldest" role="status" data-testid="oldest">
            {said}
        </p>
    }
    .into_any()
}
