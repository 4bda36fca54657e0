//! The watchlist: the symbols someone watches, with their prices, and what works on all of them.

mod entry;
mod filling;
pub mod manage;
mod reorder;
mod sparkline;

use leptos::prelude::*;
use tidemark_market::{Symbol, Timeframe};

use self::entry::Entry;
use self::filling::FillingView;
use self::reorder::Reorder;
use super::icon_button::IconButton;
use crate::chart::look::Look;
use crate::stores::chart_store::ChartStore;
use crate::stores::filling::Filling;
use crate::stores::quotes::Quotes;
use crate::stores::settings::Choice;
use crate::stores::shortcuts::use_shortcuts;
use crate::stores::watchlists::Watchlists;
use crate::stores::watchlists::lists::{List, MOST_SYMBOLS};
use crate::stores::watchlists::order::Order;

/// The list that is shown, a switch between lists, and what adds, moves, removes and hydrates.
#[component]
pub fn WatchlistView(
    /// The lists.
    watchlists: Watchlists,
    /// Prices of what is on them.
    quotes: Quotes,
    /// The hydration of all of them.
    filling: Filling,
    /// The symbol on screen.
    symbol: Signal<Option<Symbol>>,
    /// The timeframe on screen.
    timeframe: Signal<Timeframe>,
    /// How the chart looks; links keep it.
    look: Signal<Look>,
    /// What reads ahead.
    store: ChartStore,
    /// Opens what makes, names and deletes lists.
    on_manage: Callback<()>,
) -> impl IntoView {
    let symbols = watchlists.symbols();
    let reorder = Reorder::new(watchlists);
    let lines = Memo::new(move |_| {
        let change = |symbol: &Symbol| quotes.of(symbol).and_then(|quote| quote.change_percent);
        watchlists.order().get().sorted(symbols.get(), change)
    });
    let toggled = RwSignal::new(String::new());
    let toggle = Callback::new(move |()| {
        let Some(symbol) = symbol.get_untracked() else { return };
        let (is_watched, is_full) = symbols.with_untracked(|list| (list.contains(&symbol), list.len() >= MOST_SYMBOLS));
        toggled.set(if is_watched {
            watchlists.remove(&symbol);
            format!("{symbol} is off the watchlist.")
        } else if is_full {
            format!("The watchlist is full: {MOST_SYMBOLS} symbols are the most.")
        } else {
            watchlists.add(symbol.clone());
            format!("{symbol} is on the watchlist.")
        });
    });
    use_shortcuts().add("Page", &["w"], "Put the symbol on the watchlist, or take it off", toggle);
    let candidate =
        move || symbol.get().filter(|it| symbols.with(|list| !list.contains(it) && list.len() < MOST_SYMBOLS));
    view! {
        <nav aria-label="Watchlist" class="watch">
            <div class="watch-head">
                <Picker watchlists />
                <button
                    type="button"
                    class="icon-button"
                    data-testid="watch-fill"
                    aria-label=move || format!("Hydrate all at {}", timeframe.get())
                    title=move || format!("Hydrate all at {}", timeframe.get())
                    disabled=move || symbols.with(Vec::is_empty)
                    on:click=move |_| filling.start(symbols.get_untracked(), timeframe.get_untracked())
                >
                    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
                        <path d="M10 3v10M6 9l4 4 4-4M4 17h12" />
                    </svg>
                </button>
                <IconButton
                    id="watch-manage"
                    label="Manage watchlists"
                    title="Manage watchlists"
                    path="M4 10h.1M10 10h.1M16 10h.1"
                    on_press=on_manage
                />
            </div>
            <FillingView filling />
            <Columns watchlists />
            <ul
                class="watchlist"
                data-testid="watchlist"
                data-dragging=move || reorder.is_dragging().then_some("true")
            >
                <For each=move || lines.get() key=Clone::clone let:entry>
                    <Entry entry watchlists quotes reorder symbol timeframe look store />
                </For>
            </ul>
            <p class="unseen" aria-live="assertive" data-testid="watch-announcer">
                {reorder.told()}
            </p>
            <p class="unseen" role="status" data-testid="watch-toggled">
                {toggled}
            </p>
            <Show when=move || symbols.with(Vec::is_empty)>
                <p class="watch-note" data-testid="watch-empty">
                    "Nothing is watched here yet. Open a symbol, then press Watch."
                </p>
            </Show>
            <Note testid="watch-note" text=watchlists.note() />
            <Note testid="watch-problem" text=quotes.problem() />
            <Show when=move || candidate().is_some()>
                <button
                    type="button"
                    class="button watch-add"
                    data-testid="watch-add"
                    on:click=move |_| candidate().into_iter().for_each(|symbol| watchlists.add(symbol))
                >
                    {move || format!("Watch {}", candidate().map(String::from).unwrap_or_default())}
                </button>
            </Show>
        </nav>
    }
    .into_any()
}

/// Which list is shown.
#[component]
fn Picker(watchlists: Watchlists) -> impl IntoView {
    let option = move |list: List| {
        let is_shown = move || watchlists.shown() == list.id;
        view! {
            <option value=list.id.to_string() selected=is_shown prop:selected=is_shown>
                {list.name}
            </option>
        }
    };
    view! {
        <select
            class="watch-picker"
            data-testid="watch-lists"
            aria-label="List"
            on:change=move |event| event_target_value(&event).parse().into_iter().for_each(|id| watchlists.show(id))
        >
            {move || watchlists.all().into_iter().map(option).collect_view()}
        </select>
    }
    .into_any()
}

/// Headings that sort the lines.
#[component]
fn Columns(watchlists: Watchlists) -> impl IntoView {
    let order = watchlists.order();
    let heading = move |name: &'static str, pressed: fn(Order) -> Order, ways: &'static [(Order, &'static str)]| {
        let arrow = move || ways.iter().find(|(way, _)| *way == order.get()).map(|(_, arrow)| *arrow);
        let title = move || format!("Sort {}", pressed(order.get()).label());
        view! {
            <button
                type="button"
                data-testid=format!("watch-sort-{}", name.to_lowercase())
                title=title
                aria-pressed=move || arrow().is_some().to_string()
                on:click=move |_| watchlists.set_order(pressed(order.get_untracked()))
            >
                {name}
                <span aria-hidden="true">{arrow}</span>
            </button>
        }
    };
    view! {
        <div class="watch-columns" role="group" aria-label="Order of the lines">
            {heading("Symbol", Order::symbol_pressed, &[(Order::Symbol, " ↑")])}
            {heading("Change", Order::change_pressed, &[(Order::Rise, " ↓"), (Order::Fall, " ↑")])}
            <span class="unseen" role="status">
                {move || format!("Sorted {}", order.get().label())}
            </span>
        </div>
    }
    .into_any()
}

/// A sentence, where there is one.
#[component]
fn Note(testid: &'static str, text: Signal<Option<String>>) -> impl IntoView {
    view! {
        <Show when=move || text.with(Option::is_some)>
            <p class="watch-note" data-testid=testid>
                {text}
            </p>
        </Show>
    }
    .into_any()
}
