//! The bar under the crosshair, said aloud where keys have moved it there. To whoever moves the pointer the legend shows it.

use leptos::prelude::*;
use tidemark_market::{AssetClass, Bar};

use super::chart::Command;
use crate::browser::time_text::TimeText;
use crate::stores::chart_store::Drawing;
use crate::stores::settings::Clock;
use crate::text::{Prices, volume};

/// Time and figures of the bar, for screen readers alone.
#[component]
pub fn PointedBar(
    /// What is drawn.
    drawing: Signal<Option<Drawing>>,
    /// The place of the bar under the crosshair.
    #[prop(into)]
    hovered: Signal<Option<usize>>,
    /// What the chart is told to do.
    command: RwSignal<Option<Command>>,
    /// By whose clock times are written.
    clock: Signal<Clock>,
) -> impl IntoView {
    let is_by_key = RwSignal::new(false);
    Effect::new(move || is_by_key.set(matches!(command.get(), Some(Command::StepPointer(_)))));
    Effect::new(move || {
        let listener = window_event_listener(leptos::ev::pointermove, move |_| {
            if is_by_key.get_untracked() {
                is_by_key.set(false);
            }
        });
        on_cleanup(move || listener.remove());
    });
    let said = Memo::new(move |_| {
        let at = hovered.get().filter(|_| is_by_key.get())?;
        drawing.with(|drawing| {
            let drawing = drawing.as_ref()?;
            let bar = drawing.picture.bars.get(at)?;
            let class = drawing.series.symbol.asset_class();
            Some(sentence(bar, class, &TimeText::by(&drawing.series, clock.get()).full(bar.ts)))
        })
    });
    view! {
        <p class="unseen" role="status" data-testid="pointed-bar">
            {said}
        </p>
    }
    .into_any()
}

fn sentence(bar: &Bar, class: AssetClass, when: &str) -> String {
    let prices = Prices::like(class, bar.close);
    let [open, high, low, close] = [bar.open, bar.high, bar.low, bar.close].map(|price| prices.text(price));
    format!("{when}: open {open}, high {high}, low {low}, close {close}, volume {}.", volume(bar.volume))
}

#[cfg(test)]
mod tests {
    use tidemark_market::Timestamp;

    use super::*;

    #[test]
    fn a_bar_is_said_with_its_time_first() {
        let (open, high, low, close) = (1.0, 4.0, 0.5, 2.0);
        let bar = Bar { ts: Timestamp(0), open, high, low, close, volume: 1_500.0, vwap: None, trades: None };
        let text = "Fri, Mar 8: open 1.00, high 4.00, low 0.50, close 2.00, volume 1.50K.";
        assert_eq!(sentence(&bar, AssetClass::Equity, "Fri, Mar 8"), text);
    }
}
