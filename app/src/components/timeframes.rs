//! The timeframe switch: links, so that each can be opened elsewhere. (The router's own link would mark them all: it
//! compares paths without their query.)

use leptos::prelude::*;
use tidemark_market::{Symbol, Timeframe};

use crate::chart::look::Look;
use crate::series::SeriesKey;

/// One link a timeframe; the one on screen is marked.
#[component]
pub fn Timeframes(
    /// The symbol on screen.
    symbol: Signal<Option<Symbol>>,
    /// The timeframe on screen.
    timeframe: Signal<Timeframe>,
    /// How the chart looks; links keep it.
    look: Signal<Look>,
    /// One is about to be opened.
    on_near: Callback<Timeframe>,
) -> impl IntoView {
    let link = move |choice: Timeframe| {
        let href = move || {
            let symbol = symbol.get().or_else(|| "AAPL".parse().ok());
            symbol.map_or_else(String::new, |symbol| {
                let path = SeriesKey { symbol, timeframe: choice }.path();
                format!("{path}{}", look.get().kept().query())
            })
        };
        let current = move || (symbol.get().is_some() && timeframe.get() == choice).then_some("page");
        view! {
            <li>
                <a
                    class="timeframe"
                    href=href
                    data-testid=format!("timeframe-{choice}")
                    aria-current=current
                    on:pointerenter=move |_| on_near.run(choice)
                    on:focus=move |_| on_near.run(choice)
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
