//! The timeframe switch: links, so that each can be opened elsewhere. (The router's own link would mark them all: it
//! compares paths without their query.)

use leptos::prelude::*;
use tidemark_market::{Symbol, Timeframe};

use crate::chart::look::Look;
use crate::series::SeriesKey;
use crate::stores::chart_store::ChartStore;

/// One link a timeframe; the one on screen is marked.
#[component]
pub fn Timeframes(
    /// The symbol on screen.
    symbol: Signal<Option<Symbol>>,
    /// The timeframe on screen.
    timeframe: Signal<Timeframe>,
    /// How the chart looks; links keep it.
    look: Signal<Look>,
    /// What reads ahead.
    store: ChartStore,
) -> impl IntoView {
    let link = move |choice: Timeframe| {
        let series = move || symbol.get().map(|symbol| SeriesKey { symbol, timeframe: choice });
        let href = move || {
            let series = series().or_else(|| SeriesKey::parse("AAPL", choice.as_str()).ok());
            series.map_or_else(String::new, |series| look.get().address(&series))
        };
        let near = move || untrack(series).into_iter().for_each(|series| store.prepare(series));
        let press = move || untrack(series).into_iter().for_each(|series| store.prepare_now(series));
        let current = move || (symbol.get().is_some() && timeframe.get() == choice).then_some("page");
        view! {
            <li>
                <a
                    class="timeframe"
                    href=href
                    data-testid=format!("timeframe-{choice}")
                    aria-current=current
                    on:pointerenter=move |_| near()
                    on:focus=move |_| near()
                    on:pointerdown=move |_| press()
                >
                    {choice.as_str()}
                </a>
            </li>
        }
    };
    view! {
        <nav aria-label="Timeframe">
            <ul class="timeframes">{Timeframe::ALL.into_iter().map(link).collect_view()}</ul>
        </nav>
    }
    .into_any()
}
