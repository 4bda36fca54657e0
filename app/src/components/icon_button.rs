//! A button that shows a drawing in place of words.

use leptos::prelude::*;

/// The drawing is `path`, in strokes on 20 × 20; `label` says to screen readers what the button does.
#[component]
pub fn IconButton(
    /// Its `data-testid`.
    id: &'static str,
    /// What it does.
    label: &'static str,
    /// What a pointer at rest is told.
    title: &'static str,
    /// The drawing.
    path: &'static str,
    /// It was pressed.
    on_press: Callback<()>,
    /// Its classes.
    #[prop(default = "icon-button")]
    class: &'static str,
) -> impl IntoView {
    view! {
        <button
            type="button"
            class=class
            data-testid=id
            aria-label=label
            title=title
            on:click=move |_| on_press.run(())
        >
            <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
                <path d=path />
            </svg>
        </button>
    }
    .into_any()
}
