//! One line of the watchlist.

use leptos::prelude::*;
use tidemark_market::quote::{Freshness, Quote};
use tidemark_market::{Symbol, Timeframe};

use super::reorder::{Reorder, handle};
use super::sparkline::Sparkline;
use crate::browser::time_text::TimeText;
use crate::chart::look::Look;
use crate::series::SeriesKey;
use crate::stores::chart_store::ChartStore;
use crate::stores::quotes::Quotes;
use crate::stores::watchlists::Watchlists;
use crate::stores::watchlists::order::Order;
use crate::text::{counted, duration, percent, price};

/// A link to the symbol with its price, change, picture and freshness; a handle that moves it, and what removes it.
#[component]
pub fn Entry(
    /// Which symbol.
    entry: Symbol,
    /// The lists.
    watchlists: Watchlists,
    /// Prices.
    quotes: Quotes,
    /// What moves it.
    reorder: Reorder,
    /// The symbol on screen.
    symbol: Signal<Option<Symbol>>,
    /// The timeframe on screen.
    timeframe: Signal<Timeframe>,
    /// How the chart looks; the link keeps it.
    look: Signal<Look>,
    /// What reads ahead.
    store: ChartStore,
) -> impl IntoView {
    let name = entry.as_str().to_owned();
    let label = name.clone();
    let quote = {
        let entry = entry.clone();
        Memo::new(move |_| quotes.of(&entry))
    };
    let entry = StoredValue::new(entry);
    let series = move || SeriesKey { symbol: entry.get_value(), timeframe: timeframe.get() };
    let href = move || look.get().address(&series());
    let current = move || (symbol.get() == Some(entry.get_value())).then_some("page");
    let near = move || store.prepare(untrack(series));
    let is_grabbed = Memo::new(move |_| entry.with_value(|entry| reorder.is_grabbed(entry)));
    let is_by_hand = move || watchlists.order().get() == Order::Hand;
    let remove = move |_| entry.with_value(|entry| watchlists.remove(entry));
    let step = move |by: isize| move |_| entry.with_value(|entry| reorder.step(entry, by));
    view! {
        <li
            class="watch-row"
            data-testid=format!("watch-row-{name}")
            data-grabbed=move || is_grabbed.get().then_some("true")
            data-dragged=move || entry.with_value(|entry| reorder.is_dragged(entry)).then_some("true")
            style:transform=move || entry.with_value(|entry| reorder.transform(entry))
        >
            <button
                type="button"
                id=handle(&name)
                class="watch-handle"
                data-testid=format!("watch-move-{name}")
                aria-label=format!("Move {name}")
                aria-pressed=move || is_grabbed.get().to_string()
                disabled=move || !is_by_hand()
                title=move || {
                    if is_by_hand() {
                        "Drag, or press and use the arrow keys"
                    } else {
                        "Lines are sorted: press the heading until they are in your own order to move them"
                    }
                }
                on:click=move |_| entry.with_value(|entry| reorder.toggle(entry))
                on:keydown=move |event| entry.with_value(|entry| reorder.on_key(entry, &event))
                on:pointerdown=move |event| entry.with_value(|entry| reorder.begin(entry, &event))
                on:pointermove=move |event| reorder.follow(&event)
                on:pointerup=move |_| reorder.end(true)
                on:pointercancel=move |_| reorder.end(false)
            >
                <svg viewBox="0 0 8 14" width="8" height="14" aria-hidden="true">
                    <path d="M2 2h.1M6 2h.1M2 7h.1M6 7h.1M2 12h.1M6 12h.1" />
                </svg>
            </button>
            <a
                class="watch-link"
                href=href
                draggable="false"
                data-testid=format!("watch-{name}")
                aria-current=current
                title=move || quote.with(|quote| quote.as_ref().map(told))
                on:pointerenter=move |_| near()
                on:focus=move |_| near()
                on:pointerdown=move |_| store.prepare_now(untrack(series))
            >
                <span class="watch-symbol">{label}</span>
                <Sparkline quote />
                <Price quote />
                <FreshnessMark quote />
            </a>
            <Show
                when=move || is_grabbed.get()
                fallback={
                    let name = name.clone();
                    move || {
                        view! {
                            <button
                                type="button"
                                class="watch-remove"
                                data-testid=format!("watch-remove-{name}")
                                aria-label=format!("Remove {name} from the watchlist")
                                on:click=remove
                            >
                                "×"
                            </button>
                        }
                    }
                }
            >
                <span class="watch-steps">
                    <button type="button" aria-label="Move up" data-testid="watch-up" on:click=step(-1)>
                        "↑"
                    </button>
                    <button type="button" aria-label="Move down" data-testid="watch-down" on:click=step(1)>
                        "↓"
                    </button>
                    <button type="button" aria-label="Remove from the watchlist" on:click=remove>
                        "×"
                    </button>
                </span>
            </Show>
        </li>
    }
    .into_any()
}

/// The last price and how far it moved.
#[component]
fn Price(quote: Memo<Option<Quote>>) -> impl IntoView {
    let of = move |read: fn(&Quote) -> Option<String>| {
        move || quote.with(|quote| quote.as_ref().and_then(read)).unwrap_or_default()
    };
    let direction = move || {
        let change = quote.with(|quote| quote.as_ref().and_then(|quote| quote.change));
        change.map_or("flat", |change| {
            if change > 0.0 {
                "up"
            } else if change < 0.0 {
                "down"
            } else {
                "flat"
            }
        })
    };
    view! {
        <span class="watch-price" data-part="price">
            {of(|quote| quote.last.map(|last| price(quote.symbol.asset_class(), last.price)))}
        </span>
        <span class="watch-change" data-part="change" data-direction=direction>
            {of(|quote| quote.change_percent.map(percent))}
        </span>
    }
    .into_any()
}

/// A dot, and in words what it means.
#[component]
fn FreshnessMark(quote: Memo<Option<Quote>>) -> impl IntoView {
    let freshness = move || quote.with(|quote| quote.as_ref().map(|quote| quote.freshness.as_str()));
    view! {
        <span class="watch-fresh" data-freshness=freshness>
            {move || quote.with(|quote| quote.as_ref().map(age).unwrap_or_default())}
        </span>
    }
    .into_any()
}

fn age(quote: &Quote) -> String {
    let made_up = if quote.synthetic { ", synthetic" } else { "" };
    let late = || quote.expected_through.zip(quote.known_through).map(|(due, known)| due.millis() - known.millis());
    match quote.freshness {
        Freshness::Fresh => format!("fresh{made_up}"),
        Freshness::Late => format!("{} late{made_up}", duration(late().unwrap_or(0))),
        Freshness::Empty => "not stored".to_owned(),
    }
}

/// What there is to say of a symbol: its name, when its price was made, and what the picture shows.
fn told(quote: &Quote) -> String {
    let mut told = quote.name.clone().unwrap_or_else(|| quote.symbol.to_string());
    if let Some(last) = quote.last {
        let series = SeriesKey { symbol: quote.symbol.clone(), timeframe: last.timeframe };
        let price = price(series.symbol.asset_class(), last.price);
        told.push_str(&format!("\n{price} at {}", TimeText::new(&series).full(last.at)));
    }
    if let Some(spark) = &quote.spark {
        told.push_str(&format!("\nLine: {} of {}", counted(spark.closes.len() as u64, "close"), spark.timeframe));
    }
    told
}
