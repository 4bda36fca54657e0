//! What turns the pages of a long table.

use leptos::prelude::*;

use crate::text::grouped;

/// Buttons to the first, previous, next and last page, and which rows are shown. Nothing where all fit on one.
#[component]
pub fn Pager(
    /// The page that is shown, from 0.
    page: RwSignal<usize>,
    /// How many rows there are.
    #[prop(into)]
    count: Signal<usize>,
    /// How many fit on a page.
    rows: usize,
) -> impl IntoView {
    let last = move || count.get().saturating_sub(1) / rows;
    let is_long = move || last() > 0;
    // Rows may have gone.
    Effect::new(move || page.maybe_update(|page| std::mem::replace(page, (*page).min(last())) != *page));
    let shown = move || {
        let first = page.get() * rows;
        let end = (first + rows).min(count.get());
        format!("{}–{} of {}", grouped(first as u64 + 1), grouped(end as u64), grouped(count.get() as u64))
    };
    let button = move |label: &'static str, sign: &'static str, to: fn(usize, usize) -> usize| {
        let is_there = move || to(page.get(), last()) == page.get();
        view! {
            <button
                type="button"
                class="button"
                aria-label=label
                disabled=is_there
                on:click=move |_| page.update(|page| *page = to(*page, last()))
            >
                {sign}
            </button>
        }
    };
    view! {
        <Show when=is_long>
            <div class="pager">
                {button("First page", "«", |_, _| 0)}
                {button("Previous page", "‹", |page, _| page.saturating_sub(1))}
                <span role="status">{shown}</span>
                {button("Next page", "›", |page, last| (page + 1).min(last))}
                {button("Last page", "»", |_, last| last)}
            </div>
        </Show>
    }
    .into_any()
}
