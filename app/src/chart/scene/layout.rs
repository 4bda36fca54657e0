//! Where things are in a frame: which price lies how high, which position how far to the right.

use super::{Subject, visible};
use crate::chart::look::Kind;
use crate::chart::scale::Scale;
use crate::chart::viewport::Viewport;

/// For the values.
pub(super) const RIGHT: f64 = 72.0;
/// For the times.
pub(super) const BELOW: f64 = 28.0;
const ABOVE: f64 = 6.0;
/// The part of the height that volume takes, and what lies between both panes.
const VOLUME_PART: f64 = 0.18;
const BETWEEN: f64 = 12.0;

/// Where things are in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    pub(super) viewport: Viewport,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) price: Scale,
    pub(super) volume: Scale,
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
        let (width, height) = (Self::plot_width(subject.size.0), (subject.size.1 - ABOVE - BELOW).max(1.0));
        let volume_height = height * VOLUME_PART;
        let price_height = (height - volume_height - BETWEEN).max(1.0);
        let columns = visible(subject);
        let fold = |values: &[f64], start: f64, pick: fn(f64, f64) -> f64| values.iter().copied().fold(start, pick);
        let (lows, highs) = match subject.look.kind {
            Kind::Line | Kind::Area => (columns.close, columns.close),
            Kind::Candles | Kind::Hollow | Kind::Bars => (columns.low, columns.high),
        };
        let (mut low, mut high) = (fold(lows, f64::MAX, f64::min), fold(highs, f64::MIN, f64::max));
        if subject.viewport.to > subject.pyramid.positions().end as f64 {
            low = subject.forecast.iter().fold(low, |low, bar| low.min(bar.low));
            high = subject.forecast.iter().fold(high, |high, bar| high.max(bar.high));
        }
        let range = if low <= high { (low, high) } else { (0.0, 1.0) };
        let base = columns.close.first().copied().unwrap_or_default();
        Self {
            viewport: subject.viewport,
            width,
            height: subject.size.1,
            price: Scale::new(subject.look.scale, base, range, (ABOVE, price_height)),
            volume: Scale::from_zero(
                fold(columns.volume, 0.0, f64::max),
                (ABOVE + price_height + BETWEEN, volume_height),
            ),
        }
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

    /// Whether a point lies among the bars, beside no axis.
    #[must_use]
    pub fn contains(&self, x: f64, y: f64) -> bool {
        (0.0..self.width).contains(&x) && (0.0..self.bottom()).contains(&y)
    }

    pub(super) fn per_position(&self) -> f64 {
        self.width / self.viewport.span().max(f64::MIN_POSITIVE)
    }

    pub(super) fn bottom(&self) -> f64 {
        self.height - BELOW
    }

    pub(super) fn y_of_price_bottom(&self) -> f64 {
        ABOVE + (self.height - ABOVE - BELOW) * (1.0 - VOLUME_PART) - BETWEEN / 2.0
    }
}
