//! The settings of the bars that this browser keeps.

use leptos::prelude::*;

use super::settings::choices;
use crate::browser::bar_cache::Usage;
use crate::stores::cache::CacheStore;
use crate::text::{bytes, grouped};

/// How much is stored, how long it is shown unasked, and what can be done about it. Looks once it is shown.
#[component]
pub fn CacheSettings(
    /// What is stored.
    store: CacheStore,
) -> impl IntoView {
    Effect::new(move || store.look());
    let used = move || match store.usage().get() {
        Some(usage) => told(&usage),
        None => "No bars are kept in this browser.".to_owned(),
    };
    let is_empty = move || store.usage().with(|usage| usage.is_none_or(|usage| usage.series == 0));
    view! {
        {choices(
            "Ask about stored bars after",
            "A chart that was open before is shown from this browser. The server is asked whether that is still all there \
             is once it is older than this, once a bar has closed since, or once the server says that something changed.",
            store.stale_after(),
            move |choice| store.choose(choice),
        )}
        <fieldset class="setting" data-testid="stored-bars">
            <legend>"Stored bars"</legend>
            <p data-testid="stored-bars-usage">{used}</p>
            <div class="choices">
                <button
                    type="button"
                    class="button"
                    data-testid="stored-bars-clear"
                    disabled=is_empty
                    on:click=move |_| store.clear()
                >
                    "Clear"
                </button>
                <Show when=move || store.is_kept().get() == Some(false)>
                    <button type="button" class="button" data-testid="stored-bars-keep" on:click=move |_| store.keep()>
                        "Keep when the disk gets full"
                    </button>
                </Show>
            </div>
        </fieldset>
    }
    .into_any()
}

fn told(usage: &Usage) -> String {
    format!("{} series, {} of at most {}.", grouped(usage.series as u64), bytes(usage.bytes), bytes(usage.limit))
}
