//! The chart's bars as a table, and in sentences.

use leptos::prelude::*;
use tidemark_market::compare::aligned;
use tidemark_market::{AssetClass, Bar, Timestamp};

use super::dialogue::Dialogue;
use super::pager::Pager;
use crate::browser::time_text::TimeText;
use crate::chart::compare::Beside;
use crate::stores::chart_store::Drawing;
use crate::stores::shortcuts::Shortcuts;
use crate::summary::change;
use crate::text::{Prices, price, volume};

/// The summary's name in the document, for what it describes.
pub const SUMMARY: &str = "chart-summary";

/// Rows on one page: a table of ten thousand would hold up the page.
const ROWS: usize = 100;

/// A dialogue with the bars that are drawn, the newest first, a page at a time.
#[component]
pub fn BarTable(
    /// What is drawn.
    drawing: Signal<Option<Drawing>>,
    /// What is drawn beside it.
    #[prop(into)]
    besides: Signal<Vec<Beside>>,
    /// The same in sentences.
    #[prop(into)]
    summary: Signal<String>,
    /// Whether it is open.
    open: RwSignal<bool>,
) -> impl IntoView {
    view! {
        <Dialogue id="bar-table" title="Bars" open is_wide=true>
            <Rows drawing besides summary />
        </Dialogue>
    }
    .into_any()
}

#[component]
fn Rows(drawing: Signal<Option<Drawing>>, besides: Signal<Vec<Beside>>, summary: Signal<String>) -> impl IntoView {
    let page = RwSignal::new(0_usize);
    let count = Signal::derive(move || drawing.with(|it| it.as_ref().map_or(0, |it| it.picture.bars.len())));
    let rows = move || {
        drawing.with(|drawing| {
            let drawing = drawing.as_ref()?;
            let (bars, times) = (&drawing.picture.bars, TimeText::new(&drawing.series));
            let end = bars.len().saturating_sub(page.get() * ROWS);
            let first = end.saturating_sub(ROWS);
            let shown: Vec<Timestamp> = bars[first..end].iter().map(|bar| bar.ts).collect();
            let class = drawing.series.symbol.asset_class();
            let closes = |beside: &Beside| {
                let class = beside.symbol.asset_class();
                let text = |close: f64| if close.is_nan() { "–".to_owned() } else { price(class, close) };
                aligned(&shown, beside.bars(), drawing.series.timeframe).into_iter().map(text).collect()
            };
            let others: Vec<Vec<String>> = besides.with(|besides| besides.iter().map(closes).collect());
            let row = |at: usize| {
                let others = others.iter().map(|closes| closes[at - first].clone());
                row(class, &bars[at], at.checked_sub(1).map(|before| &bars[before]), others, &times)
            };
            Some((first..end).rev().map(row).collect_view())
        })
    };
    let names = move || {
        let name = |it: Beside| view! { <th scope="col" class="number">{format!("{} close", it.symbol)}</th> };
        besides.get().into_iter().map(name).collect_view()
    };
    view! {
        <div class="table-scroll" tabindex="0" role="region" aria-label="Bars, as a table">
            <table class="table" data-testid="bars">
                <caption>{summary}</caption>
                <thead>
                    <tr>
                        <th scope="col">"Time"</th>
                        {["Open", "High", "Low", "Close", "Change", "Volume"]
                            .map(|name| view! { <th scope="col" class="number">{name}</th> })}
                        {names}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <Pager page count rows=ROWS />
    }
    .into_any()
}

fn row(
    class: AssetClass,
    bar: &Bar,
    before: Option<&Bar>,
    others: impl Iterator<Item = String>,
    times: &TimeText,
) -> AnyView {
    let change = before.map_or_else(|| "–".to_owned(), |before| change(before.close, bar.close));
    let prices = Prices::like(class, bar.close);
    let [open, high, low, close] = [bar.open, bar.high, bar.low, bar.close].map(|price| prices.text(price));
    let figures = [open, high, low, close, change, volume(bar.volume)];
    let others = others.map(|close| view! { <td class="number">{close}</td> });
    view! {
        <tr>
            <th scope="row">{times.full(bar.ts)}</th>
            {figures.map(|figure| view! { <td class="number">{figure}</td> })}
            {others.collect_view()}
        </tr>
    }
    .into_any()
}

/// The sentences, for what describes itself by them, and read aloud when someone asks for it.
#[component]
pub fn SpokenSummary(
    /// The sentences.
    #[prop(into)]
    summary: Signal<String>,
    /// Where the key is registered.
    shortcuts: Shortcuts,
) -> impl IntoView {
    let spoken = RwSignal::new(String::new());
    let speak = move |()| {
        let text = summary.get_untracked();
        // What stays the same is not read again.
        spoken.update(|spoken| *spoken = if *spoken == text { format!("{text}\u{a0}") } else { text });
    };
    shortcuts.add("Chart", &["s"], "Read the chart's summary aloud", Callback::new(speak));
    view! {
        <p id=SUMMARY class="unseen" data-testid="summary">
            {summary}
        </p>
        <p class="unseen" role="status" data-testid="spoken">
            {spoken}
        </p>
    }
    .into_any()
}
