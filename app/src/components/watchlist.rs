//! What the sidebar holds: the symbols someone watches.

use leptos::prelude::*;
use tidemark_market::{Symbol, Timeframe};

use crate::series::SeriesKey;
use crate::stores::watchlist::Watchlist;

/// Links to the watched symbols at the timeframe on screen, and what adds and removes.
#[component]
pub fn WatchlistView(
    /// The list.
    watchlist: Watchlist,
    /// The symbol on screen.
    symbol: Signal<Option<Symbol>>,
    /// The timeframe on screen.
    timeframe: Signal<Timeframe>,
) -> impl IntoView {
    let candidate = move || symbol.get().filter(|symbol| !watchlist.has(symbol));
    view! {
        <nav aria-label="Watchlist" class="watch">
            <h2 class="caption">"Watchlist"</h2>
            <ul class="watchlist" data-testid="watchlist">
                <For each=move || watchlist.symbols() key=Clone::clone let:entry>
                    <Entry entry watchlist symbol timeframe />
                </For>
            </ul>
            <Show when=move || watchlist.note().get().is_some()>
                <p class="watch-note" data-testid="watch-note">
                    {watchlist.note()}
                </p>
            </Show>
            <Show when=move || candidate().is_some()>
                <button
                    type="button"
                    class="button watch-add"
                    data-testid="watch-add"
                    on:click=move |_| candidate().into_iter().for_each(|symbol| watchlist.add(symbol))
                >
                    {move || format!("Watch {}", candidate().map(String::from).unwrap_or_default())}
                </button>
            </Show>
        </nav>
    }
    .into_any()
}

#[component]
fn Entry(
    entry: Symbol,
    watchlist: Watchlist,
    symbol: Signal<Option<Symbol>>,
    timeframe: Signal<Timeframe>,
) -> impl IntoView {
    let entry = StoredValue::new(entry);
    let name = entry.with_value(|entry| entry.as_str().to_owned());
    let label = name.clone();
    let href = move || SeriesKey { symbol: entry.get_value(), timeframe: timeframe.get() }.path();
    let current = move || (symbol.get() == Some(entry.get_value())).then_some("page");
    view! {
        <li>
            <a class="watch-link" href=href data-testid=format!("watch-{name}") aria-current=current>
                {label}
            </a>
            <button
                type="button"
                class="watch-remove"
                data-testid=format!("watch-remove-{name}")
                aria-label=format!("Remove {name} from the watchlist")
                on:click=move |_| entry.with_value(|entry| watchlist.remove(entry))
            >
                "×"
            </button>
        </li>
    }
    .into_any()
}
