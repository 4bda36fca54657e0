//! The line above the chart: one bar's figures and how far it is from the close before; the hovered one's or the newest's.

use leptos::prelude::*;
use tidemark_market::{AssetClass, Bar};

use crate::first_paint::FirstPaint;
use crate::stores::chart_store::Drawing;
use crate::text::{Prices, volume};

/// Open, high, low, close, volume, and the change since the close before.
#[component]
pub fn Legend(
    /// What kind of thing is on screen.
    class: Signal<AssetClass>,
    /// What is drawn.
    drawing: Signal<Option<Drawing>>,
    /// The place of the bar under the pointer.
    #[prop(into)]
    hovered: Signal<Option<usize>>,
) -> impl IntoView {
    let first = FirstPaint::of_request().newest;
    let pair = Memo::new(move |_| {
        drawing.with(|drawing| {
            let Some(drawing) = drawing else { return first.map(|bar| (bar, None)) };
            let bars = &drawing.picture.bars;
            let at = hovered.get().filter(|at| *at < bars.len()).or(bars.len().checked_sub(1))?;
            let before = at.checked_sub(1).and_then(|before| bars.get(before));
            Some((*bars.get(at)?, before.map(|bar| bar.close)))
        })
    });
    let bar = Memo::new(move |_| pair.get().map(|(bar, _)| bar));
    let change = move || match pair.get() {
        Some((bar, Some(before))) if before > 0.0 => {
            let by = bar.close - before;
            let sign = if by < 0.0 { "−" } else { "+" };
            let by_text = Prices::like(class.get(), bar.close).text(by.abs());
            format!("{sign}{by_text} ({sign}{:.2} %)", (by / before * 100.0).abs())
        }
        _ => String::new(),
    };
    let figure = move |name: &'static str, read: fn(&Bar, Prices) -> String| {
        let text = move |bar: Bar| read(&bar, Prices::like(class.get(), bar.close));
        let value = move || bar.get().map_or_else(|| "–".to_owned(), text);
        view! {
            <div class="figure">
                <dt>{name}</dt>
                <dd>{value}</dd>
            </div>
        }
    };
    let direction = move || match pair.get() {
        Some((bar, before)) if bar.close < before.unwrap_or(bar.open) => "down",
        Some(_) => "up",
        None => "none",
    };
    view! {
        <dl class="legend" data-testid="legend" data-direction=direction>
            {figure("O", |bar, prices| prices.text(bar.open))}
            {figure("H", |bar, prices| prices.text(bar.high))}
            {figure("L", |bar, prices| prices.text(bar.low))}
            {figure("C", |bar, prices| prices.text(bar.close))}
            {figure("V", |bar, _| volume(bar.volume))}
            <div class="figure">
                <dt class="unseen">"Change"</dt>
                <dd data-testid="legend-change">{change}</dd>
            </div>
        </dl>
    }
    .into_any()
}
