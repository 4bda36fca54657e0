//! The line above the chart: one bar's figures, the hovered one's or the newest's.

use leptos::prelude::*;
use tidemark_market::Bar;

use crate::first_paint::FirstPaint;
use crate::stores::chart_store::Drawing;
use crate::text::{price, volume};

/// Open, high, low, close and volume.
#[component]
pub fn Legend(
    /// What is drawn.
    drawing: Signal<Option<Drawing>>,
    /// The place of the bar under the pointer.
    #[prop(into)]
    hovered: Signal<Option<usize>>,
) -> impl IntoView {
    let first = FirstPaint::of_request().newest;
    let bar = Memo::new(move |_| {
        drawing.with(|drawing| {
            let Some(drawing) = drawing else { return first };
            let bars = &drawing.picture.bars;
            hovered.get().and_then(|at| bars.get(at)).or(bars.last()).copied()
        })
    });
    let figure = move |name: &'static str, read: fn(&Bar) -> String| {
        let value = move || bar.get().map_or_else(|| "–".to_owned(), |bar| read(&bar));
        view! {
            <div class="figure">
                <dt>{name}</dt>
                <dd>{value}</dd>
            </div>
        }
    };
    let direction = move || match bar.get() {
        Some(bar) if bar.close < bar.open => "down",
        Some(_) => "up",
        None => "none",
    };
    view! {
        <dl class="legend" data-testid="legend" data-direction=direction>
            {figure("O", |bar| price(bar.open))}
            {figure("H", |bar| price(bar.high))}
            {figure("L", |bar| price(bar.low))}
            {figure("C", |bar| price(bar.close))}
            {figure("V", |bar| volume(bar.volume))}
        </dl>
    }
    .into_any()
}
