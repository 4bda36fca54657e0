//! Where things are in a frame: which price lies how high, which position how far to the right.

use tidemark_market::indicators::Pane;

use super::{Subject, compare, indicators, visible};
use crate::chart::look::{Kind, ScaleKind};
use crate::chart::scale::Scale;
use crate::chart::viewport::Viewport;
use crate::text::{self, Prices};

/// For the values.
pub(super) const RIGHT: f64 = 72.0;
/// For the times.
pub(super) const BELOW: f64 = 28.0;
const ABOVE: f64 = 6.0;
/// How far apart values are written at least.
pub(super) const VALUES_APART: f64 = 52.0;
/// The part of the height that volume takes, the part of each pane of an indicator, and how much of it they have together
/// at most: then each takes less.
const VOLUME_PART: f64 = 0.18;
const PANE_PART: f64 = 0.17;
const MOST_BELOW: f64 = 0.62;
/// What lies between two panes.
const BETWEEN: f64 = 12.0;
/// How far lines over the bars may stretch the scale of prices at either end, as a part of what the bars take.
const STRETCH: f64 = 0.5;

/// Where things are in a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub(super) viewport: Viewport,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) price: Scale,
    pub(super) volume: Scale,
    /// The scales of indicators with a pane of their own, each with its place among all indicators, downwards.
    pub(super) panes: Vec<(usize, Scale)>,
}

impl Layout {
    /// How wide a canvas of that width draws bars.
    #[must_use]
    pub fn plot_width(width: f64) -> f64 {
        (width - RIGHT).max(1.0)
    }

    /// Where the layout of `subject` puts things.
    #[must_use]
    pub fn of(subject: &Subject) -> Self {
        let width = Self::plot_width(subject.size.0);
        let own = indicators::places(subject, Pane::Own);
        let heights = Heights::of(subject.size.1, own.len());
        let columns = visible(subject);
        let fold = |values: &[f64], start: f64, pick: fn(f64, f64) -> f64| values.iter().copied().fold(start, pick);
        let (lows, highs) = match subject.look.kind {
            Kind::Line | Kind::Area => (columns.close, columns.close),
            Kind::Candles | Kind::Hollow | Kind::Bars => (columns.low, columns.high),
        };
        let (mut low, mut high) = (fold(lows, f64::MAX, f64::min), fold(highs, f64::MIN, f64::max));
        if subject.viewport.to > subject.pyramid.positions().end as f64 {
            low = subject.bands.iter().fold(low, |low, band| low.min(band.0));
            high = subject.bands.iter().fold(high, |high, band| high.max(band.1));
        }
        let range = if low <= high { stretched((low, high), indicators::range_over_bars(subject)) } else { (0.0, 1.0) };
        let range = compare::range_in_view(subject).map_or(range, |(low, high)| (low.min(range.0), high.max(range.1)));
        let base = compare::first_in_view(subject).map(|bar| bar.close).unwrap_or_default();
        let scale = if subject.compared.is_empty() { subject.look.scale } else { ScaleKind::Percent };
        let prices = Prices::like(subject.class, range.1);
        let pane = |(number, place): (usize, &usize)| {
            let part = (heights.pane_top(number), heights.pane);
            (*place, Scale::new(ScaleKind::Linear, 0.0, indicators::range_of_pane(subject, *place), part))
        };
        Self {
            viewport: subject.viewport,
            width,
            height: subject.size.1,
            price: Scale::new(scale, base, range, (ABOVE, heights.price)).of_prices(prices),
            volume: Scale::from_zero(fold(columns.volume, 0.0, f64::max), (heights.volume_top(), heights.volume)),
            panes: own.iter().enumerate().map(pane).collect(),
        }
    }

    /// How prices are written on it.
    #[must_use]
    pub const fn prices(&self) -> Prices {
        self.price.prices()
    }

    /// Where a position lies, in pixels from the left.
    #[must_use]
    pub fn x(&self, position: f64) -> f64 {
        (position - self.viewport.from) * self.per_position()
    }

    /// The position at `x`.
    #[must_use]
    pub fn position(&self, x: f64) -> f64 {
        self.viewport.from + x / self.per_position()
    }

    /// Where a price lies, in pixels from the top.
    #[must_use]
    pub fn y(&self, price: f64) -> f64 {
        self.price.y(price)
    }

    /// The middle of the pane of prices.
    #[must_use]
    pub fn middle(&self) -> f64 {
        self.y_of_price_bottom() / 2.0
    }

    /// Whether a point lies among the bars, beside no axis.
    #[must_use]
    pub fn contains(&self, x: f64, y: f64) -> bool {
        (0.0..self.width).contains(&x) && (0.0..self.bottom()).contains(&y)
    }

    /// How many bars lie side by side in that many pixels.
    #[must_use]
    pub fn bars_in(&self, pixels: f64) -> f64 {
        pixels / self.per_position()
    }

    /// The width of the panes, and where that of prices ends.
    #[must_use]
    pub fn pane(&self) -> (f64, f64) {
        (self.width, self.y_of_price_bottom())
    }

    /// The price at `y`, with no more digits than a pixel tells.
    #[must_use]
    pub fn round_price(&self, y: f64) -> f64 {
        let price = self.price.value(y);
        let per_pixel = (self.price.value(y - 1.0) - price).abs();
        let digits = -per_pixel.log10().floor();
        // Nothing is rounded where a pixel tells nothing of it.
        if !(-12.0..=12.0).contains(&digits) {
            return price;
        }
        let power = 10_f64.powf(digits.abs());
        if digits < 0.0 { (price / power).round() * power } else { (price * power).round() / power }
    }

    pub(super) fn per_position(&self) -> f64 {
        self.width / self.viewport.span().max(f64::MIN_POSITIVE)
    }

    pub(super) fn bottom(&self) -> f64 {
        self.height - BELOW
    }

    /// Where the pane of prices ends.
    #[must_use]
    pub fn y_of_price_bottom(&self) -> f64 {
        self.volume.top() - BETWEEN / 2.0
    }

    /// Where one pane ends and the next begins.
    pub(super) fn seams(&self) -> impl Iterator<Item = f64> + '_ {
        std::iter::once(&self.volume)
            .chain(self.panes.iter().map(|(_, scale)| scale))
            .map(|it| it.top() - BETWEEN / 2.0)
    }

    /// How the value that lies at `y` is written, by the scale of the pane there.
    pub(super) fn text_at(&self, y: f64) -> String {
        if y <= self.y_of_price_bottom() {
            return self.price.text(self.price.value(y));
        }
        match self.panes.iter().rev().find(|(_, scale)| y >= scale.top() - BETWEEN / 2.0) {
            Some((_, scale)) => scale.text(scale.value(y)),
            None => text::volume(self.volume.value(y).max(0.0)),
        }
    }
}

/// How high each pane is, from the top: prices, volume, and the indicators with one of their own.
struct Heights {
    price: f64,
    volume: f64,
    pane: f64,
}

impl Heights {
    fn of(canvas: f64, panes: usize) -> Self {
        let height = (canvas - ABOVE - BELOW).max(1.0);
        let below = VOLUME_PART + PANE_PART * panes as f64;
        let less = (MOST_BELOW / below).min(1.0);
        let pane = (height * PANE_PART * less - BETWEEN).max(1.0);
        let volume = height * VOLUME_PART * less;
        let price = height - volume - BETWEEN - (pane + BETWEEN) * panes as f64;
        Self { price: price.max(1.0), volume, pane }
    }

    fn volume_top(&self) -> f64 {
        ABOVE + self.price + BETWEEN
    }

    fn pane_top(&self, number: usize) -> f64 {
        self.volume_top() + self.volume + BETWEEN + (self.pane + BETWEEN) * number as f64
    }
}

/// The range of the bars, made wider for lines over them, within limits.
fn stretched((low, high): (f64, f64), over: Option<(f64, f64)>) -> (f64, f64) {
    let room = (high - low) * STRETCH;
    let Some((lowest, highest)) = over else { return (low, high) };
    (low.min(lowest.max(low - room)), high.max(highest.min(high + room)))
}
