//! The chart's host element: makes the chart once, hands it every drawing, and tells in attributes what is on screen.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use leptos::html::Div;
use leptos::prelude::*;
use tidemark_market::Bar;

use super::bar_table::SUMMARY;
use crate::browser::echarts::PriceChart;
use crate::browser::theme::ThemeWatch;
use crate::browser::{marks, page};
use crate::components::first_paint::FirstPaintView;
use crate::series::SeriesKey;
use crate::stores::chart_store::Drawing;
use crate::stores::holding::Picture;
use crate::text::{counted, price};

const HOST: &str = "price-chart";

/// Candles and volume. While nothing is known of the series, a placeholder of the same size.
#[component]
pub fn Chart(
    /// What to draw.
    drawing: Signal<Option<Drawing>>,
    /// Whether bars are on their way.
    is_waiting: Signal<bool>,
    /// Gets the place of the bar under the pointer.
    hovered: RwSignal<Option<usize>>,
) -> impl IntoView {
    let host = NodeRef::<Div>::new();
    let painted = RwSignal::new(None::<Painted>);
    let is_broken = RwSignal::new(false);
    Effect::new(move |canvas: Option<Option<Canvas>>| {
        let mut canvas = canvas.flatten().or_else(|| {
            let made = Canvas::mount(host.get()?.as_ref(), hovered);
            is_broken.set(made.is_none());
            made
        })?;
        drawing.with(|drawing| canvas.show(drawing.as_ref(), painted));
        Some(canvas)
    });
    let told = move |read: fn(&Painted) -> String| move || painted.with(|it| it.as_ref().map(read));
    let has_bars = move || drawing.with(|it| it.as_ref().is_some_and(|it| !it.picture.bars.is_empty()));
    let is_empty = move || is_waiting.get() && !has_bars();
    view! {
        <div class="canvas">
            <div
                id=HOST
                class="chart"
                node_ref=host
                role="img"
                aria-describedby=SUMMARY
                aria-label=move || painted.with(|it| it.as_ref().map_or("Chart, loading".to_owned(), Painted::label))
                data-testid="chart"
                data-bars=told(|it| it.bars.to_string())
                data-revision=told(|it| it.revision.to_string())
                data-painted-from=told(|it| it.from.to_owned())
                data-symbol=told(|it| it.symbol.clone())
                data-timeframe=told(|it| it.timeframe.clone())
            ></div>
            <Show when=move || painted.with(Option::is_none)>
                <FirstPaintView />
            </Show>
            <Show when=is_empty>
                <div class="skeleton" aria-hidden="true"></div>
            </Show>
            <Show when=move || is_broken.get()>
                <p class="chart-error" role="alert">
                    "The chart library did not load. Run `npm run build:echarts`, then reload the page."
                </p>
            </Show>
        </div>
    }
    .into_any()
}

/// What is on screen, told once its frame is painted.
#[derive(Clone, Debug, PartialEq)]
struct Painted {
    symbol: String,
    timeframe: String,
    bars: usize,
    revision: u64,
    from: &'static str,
    last: Option<Bar>,
}

impl Painted {
    fn of(drawing: &Drawing) -> Self {
        Self {
            symbol: drawing.series.symbol.to_string(),
            timeframe: drawing.series.timeframe.to_string(),
            bars: drawing.picture.closed().len(),
            revision: drawing.revision,
            from: drawing.from.as_str(),
            last: drawing.picture.bars.last().copied(),
        }
    }

    fn label(&self) -> String {
        let close = self.last.map_or_else(String::new, |bar| format!(", last price {}", price(bar.close)));
        let bars = counted(self.bars as u64, "bar");
        format!("Candles and volume of {} at {}: {bars}{close}", self.symbol, self.timeframe)
    }
}

/// The chart with what it shows now.
struct Canvas {
    chart: PriceChart,
    shown: Option<(SeriesKey, Arc<Picture>)>,
    /// Counts what was shown, so that the word of a frame that was overtaken is not passed on.
    turn: Rc<Cell<u64>>,
    theme: ThemeWatch,
    coloured: u32,
}

impl Canvas {
    fn mount(host: &web_sys::Element, hovered: RwSignal<Option<usize>>) -> Option<Self> {
        let chart = PriceChart::mount(HOST, host, move |place| {
            if hovered.get_untracked() != place {
                hovered.set(place);
            }
        })?;
        Some(Self { chart, shown: None, turn: Rc::default(), theme: ThemeWatch::new(), coloured: 0 })
    }

    /// Draws what differs from what is shown, and tells `painted` when the frame is on screen.
    fn show(&mut self, drawing: Option<&Drawing>, painted: RwSignal<Option<Painted>>) {
        self.turn.set(self.turn.get() + 1);
        self.follow_theme();
        let Some(drawing) = drawing else {
            self.chart.clear();
            self.shown = None;
            painted.set(None);
            return;
        };
        let (is_same_series, is_same_picture) = match &self.shown {
            Some((series, picture)) => (*series == drawing.series, Arc::ptr_eq(picture, &drawing.picture)),
            None => (false, false),
        };
        if !is_same_picture {
            self.chart.draw(&drawing.series, &drawing.picture);
            self.shown = Some((drawing.series.clone(), Arc::clone(&drawing.picture)));
        }
        let (turn, mine, now) = (Rc::clone(&self.turn), self.turn.get(), Painted::of(drawing));
        page::after_paint(move || {
            if turn.get() == mine {
                painted.set(Some(now));
                if !is_same_series {
                    marks::reached(marks::PAINTED);
                }
            }
        });
    }

    fn follow_theme(&mut self) {
        let changes = self.theme.changes();
        if std::mem::replace(&mut self.coloured, changes) != changes && self.shown.is_some() {
            self.chart.recolour();
        }
    }
}
