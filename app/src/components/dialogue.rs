//! A dialogue over the page. The browser's own `<dialog>` keeps the focus inside, closes on Escape and gives the focus
//! back to where it was.

use leptos::html::Dialog;
use leptos::prelude::*;

/// Title, Close and what is inside, which is there only while it is open.
#[component]
pub fn Dialogue(
    /// Its name in the document: `data-testid` is the same, and `…-title`, `…-close` are parts.
    id: &'static str,
    /// What it is about.
    #[prop(into)]
    title: Signal<String>,
    /// Whether it is open: set it to open or close it.
    open: RwSignal<bool>,
    /// Whether it takes the width of the page, as for a table.
    #[prop(optional)]
    is_wide: bool,
    /// The inside.
    children: ChildrenFn,
) -> impl IntoView {
    let dialog = NodeRef::<Dialog>::new();
    Effect::new(move || {
        let Some(dialog) = dialog.get() else { return };
        match (open.get(), dialog.open()) {
            // Refused only where it is not part of the page: then nobody sees it.
            (true, false) => drop(dialog.show_modal()),
            (false, true) => dialog.close(),
            _ => {}
        }
    });
    // The dialog itself is hit only beside its inside, which fills it.
    let close_beside = move |event: leptos::ev::MouseEvent| {
        if event.target() == event.current_target() {
            open.set(false);
        }
    };
    // It is heard of a little later: whoever has opened it again meanwhile wants it open.
    let on_close = move |_| {
        if dialog.get_untracked().is_none_or(|dialog| !dialog.open()) {
            open.set(false);
        }
    };
    view! {
        <dialog
            node_ref=dialog
            id=id
            class="dialog"
            class:dialog-wide=is_wide
            data-testid=id
            aria-labelledby=format!("{id}-title")
            on:close=on_close
            on:click=close_beside
        >
            <div class="dialog-inside">
                <header class="dialog-head">
                    <h2 id=format!("{id}-title")>{title}</h2>
                    <button
                        type="button"
                        class="button"
                        data-testid=format!("{id}-close")
                        on:click=move |_| open.set(false)
                    >
                        "Close"
                    </button>
                </header>
                <Show when=move || open.get()>{children()}</Show>
            </div>
        </dialog>
    }
    .into_any()
}
