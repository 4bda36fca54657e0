//! How the hydration of a whole list stands.

use leptos::prelude::*;

use crate::stores::filling::{Fill, Filling};

/// Progress, then the result with what failed and why; nothing where nobody asked for it.
#[component]
pub fn FillingView(
    /// The hydration.
    filling: Filling,
) -> impl IntoView {
    let state = filling.state();
    let of = move |read: fn(&Fill) -> String| state.with(|fill| fill.as_ref().map(read).unwrap_or_default());
    let is_active = move || state.with(|fill| fill.as_ref().is_some_and(Fill::is_active));
    let percent = Memo::new(move |_| state.with(|fill| fill.as_ref().map_or(0, Fill::percent)));
    let failures = Memo::new(move |_| state.with(|fill| fill.as_ref().map(Fill::failures).unwrap_or_default()));
    let failure = |(symbol, reason)| {
        view! {
            <li>
                <strong>{String::from(symbol)}</strong>
                " "
                {reason}
            </li>
        }
    };
    view! {
        <Show when=move || state.with(Option::is_some)>
            <div
                class="watch-filling"
                data-testid="watch-filling"
                data-state=move || if is_active() { "active" } else { "done" }
            >
                <p role="status">{move || of(Fill::sentence)}</p>
                <Show when=is_active>
                    <progress
                        class="watch-progress"
                        max="100"
                        value=move || percent.get().to_string()
                        aria-label="Hydrated"
                    ></progress>
                </Show>
                <p class="hint">{move || of(|fill| fill.waiting().unwrap_or_default())}</p>
                <ul class="watch-failures">{move || failures.get().into_iter().map(failure).collect_view()}</ul>
                <button type="button" class="link" data-testid="watch-filling-stop" on:click=move |_| filling.stop()>
                    {move || if is_active() { "Stop" } else { "Close" }}
                </button>
            </div>
        </Show>
    }
    .into_any()
}
