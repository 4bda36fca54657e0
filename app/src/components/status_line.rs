//! The line below the chart: what exactly is on screen.

use leptos::prelude::*;
use tidemark_market::Adjust;

use crate::browser::time_text::TimeText;
use crate::stores::chart_store::Drawing;
use crate::text::{counted, price};

/// Bars shown, revision, the newest bar's time, the source and the bar under way; and a badge where bars are made up.
#[component]
pub fn StatusLine(
    /// What is drawn.
    drawing: Signal<Option<Drawing>>,
    /// What else is offered there.
    children: Children,
) -> impl IntoView {
    let of = move |read: fn(&Drawing) -> String| move || drawing.with(|it| it.as_ref().map(read));
    let is_synthetic = move || drawing.with(|it| it.as_ref().is_some_and(|it| it.synthetic));
    view! {
        <footer class="status" data-testid="status-line">
            <span data-testid="status-bars">{of(|it| counted(it.picture.closed().len() as u64, "bar"))}</span>
            <span data-testid="status-revision">{of(|it| format!("Revision {}", it.revision))}</span>
            <span data-testid="status-newest">{of(newest)}</span>
            <span data-testid="status-source">{of(source)}</span>
            <span data-testid="status-made-of">{of(made_of)}</span>
            <span data-testid="status-adjust">{of(shares)}</span>
            <span data-testid="status-forming">{of(forming)}</span>
            {children()}
            <Show when=is_synthetic>
                <strong class="badge" data-testid="synthetic">
                    "Synthetic demo data"
                </strong>
            </Show>
        </footer>
    }
    .into_any()
}

fn newest(drawing: &Drawing) -> String {
    let at = drawing.newest().map(|at| TimeText::new(&drawing.series).full(at));
    at.map_or_else(String::new, |at| format!("Newest bar {at}"))
}

fn forming(drawing: &Drawing) -> String {
    let last = drawing.picture.bars.last().filter(|_| drawing.picture.forming > 0);
    last.map_or_else(String::new, |bar| {
        let close = price(drawing.series.symbol.asset_class(), bar.close);
        format!("Bar under way since {}: {close}", TimeText::new(&drawing.series).full(bar.ts))
    })
}

fn made_of(drawing: &Drawing) -> String {
    let names: Vec<_> = drawing.made_of.iter().map(|timeframe| timeframe.as_str()).collect();
    if names.is_empty() { String::new() } else { format!("Partly made of {} bars", names.join(", ")) }
}

fn shares(drawing: &Drawing) -> String {
    if drawing.adjust == Adjust::None { "Prices as traded".to_owned() } else { String::new() }
}

fn source(drawing: &Drawing) -> String {
    match drawing.providers.as_slice() {
        [] => String::new(),
        names => format!("Source {}", names.join(", ")),
    }
}
