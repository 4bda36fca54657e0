//! From times and prices to pixels, and back. The axis goes on beyond the bars: after the newest at the times that the
//! calendar expects bars, and beyond those and before the oldest at the mean distance of the bars that are held.

use tidemark_market::time::DAY;
use tidemark_market::view::Pyramid;
use tidemark_market::{Bar, Calendar, TimeRange, Timeframe, Timestamp};

use super::Point;
use crate::chart::scene::Layout;
use crate::text::Prices;

/// How many bars after the newest are expected one by one.
const AHEAD: usize = 200;
/// Longer than any market is closed at a time.
const LONGEST_PAUSE: i64 = 6 * DAY;

/// When the bars after `newest` are expected to begin.
#[must_use]
pub fn expected(calendar: Calendar, timeframe: Timeframe, newest: Timestamp) -> Vec<Timestamp> {
    // Sessions take a fifth of a stock's week; a day's and a week's bar are nearly as long as they are apart.
    let sparse = if timeframe >= Timeframe::D1 { 2 } else { 6 };
    let reach = timeframe.millis() * AHEAD as i64 * sparse + LONGEST_PAUSE;
    let start = calendar.bar_end(timeframe, newest);
    let Some(range) = TimeRange::new(start, start.plus(reach)) else { return Vec::new() };
    let mut times: Vec<Timestamp> = Vec::new();
    for span in calendar.session_spans(timeframe, range, range.end.plus(reach)) {
        let mut at = span.start.max(start);
        while at < span.end && times.len() < AHEAD {
            times.push(at);
            at = calendar.bar_end(timeframe, at);
        }
    }
    times.dedup();
    times
}

/// A frame's pane of prices, as far as drawings know it.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    pyramid: &'a Pyramid,
    ahead: &'a [Timestamp],
    layout: &'a Layout,
    oldest: Timestamp,
    newest: Timestamp,
    /// Milliseconds from bar to bar where no bar is held or expected.
    step: f64,
}

impl<'a> Plane<'a> {
    /// That of a frame; `ahead` is what is [`expected`]. `None` where there are no bars, and so no times.
    #[must_use]
    pub fn new(pyramid: &'a Pyramid, ahead: &'a [Timestamp], layout: &'a Layout) -> Option<Self> {
        let (oldest, newest) = (*pyramid.times().first()?, *pyramid.times().last()?);
        let mean = (newest.0 - oldest.0) as f64 / (pyramid.times().len() as f64 - 1.0);
        let next = ahead.first().map_or(60_000.0, |next| (next.0 - newest.0) as f64);
        let step = if mean >= 1.0 { mean } else { next.max(1.0) };
        Some(Self { pyramid, ahead, layout, oldest, newest, step })
    }

    /// How prices are written on it.
    #[must_use]
    pub const fn prices(&self) -> Prices {
        self.layout.prices()
    }

    /// Where a time lies among the bars.
    #[must_use]
    pub fn position(&self, at: Timestamp) -> f64 {
        let all = self.pyramid.positions();
        if at < self.oldest {
            return all.start as f64 - (self.oldest.0 - at.0) as f64 / self.step;
        }
        if at <= self.newest {
            return self.pyramid.position_of(at).unwrap_or_default();
        }
        let passed = self.ahead.partition_point(|next| *next <= at);
        let before = if passed == 0 { self.newest } else { self.ahead[passed - 1] };
        let length = self.ahead.get(passed).map_or(self.step, |next| (next.0 - before.0) as f64);
        (all.end - 1) as f64 + passed as f64 + (at.0 - before.0) as f64 / length
    }

    /// The time at a position; between bars by the time that passes.
    #[must_use]
    pub fn time(&self, position: f64) -> Timestamp {
        let all = self.pyramid.positions();
        let (first, last) = (all.start as f64, (all.end - 1) as f64);
        if position < first {
            return self.oldest.plus(((position - first) * self.step).round() as i64);
        }
        let whole = position.floor();
        let begun = |at: f64| {
            if at <= last {
                return self.pyramid.times().get((at - first) as usize).copied();
            }
            self.ahead.get((at - last) as usize - 1).copied()
        };
        let Some(before) = begun(whole) else {
            let (at, time) = match self.ahead.last() {
                Some(time) => (last + self.ahead.len() as f64, *time),
                None => (last, self.newest),
            };
            return time.plus(((position - at) * self.step).round() as i64);
        };
        let length = begun(whole + 1.0).map_or(self.step, |after| (after.0 - before.0) as f64);
        before.plus(((position - whole) * length).round() as i64)
    }

    /// Where a point lies, in pixels from the canvas' left and top.
    #[must_use]
    pub fn place(&self, point: Point) -> (f64, f64) {
        (self.layout.x(self.position(point.at)), self.layout.y(point.price))
    }

    /// How high a price lies.
    #[must_use]
    pub fn y(&self, price: f64) -> f64 {
        self.layout.y(price)
    }

    /// The point of the bar there, at a price as round as a pixel allows; snapped, at the nearest of its open, high, low
    /// and close.
    #[must_use]
    pub fn point(&self, (x, y): (f64, f64), is_snapped: bool) -> Point {
        let position = self.layout.position(x).round();
        let price = if is_snapped { self.snapped(position, y) } else { None };
        Point { at: self.time(position), price: price.unwrap_or_else(|| self.layout.round_price(y)) }
    }

    fn snapped(&self, position: f64, y: f64) -> Option<f64> {
        let Bar { open, high, low, close, .. } = self.pyramid.bar_at(position as i64)?;
        let apart = |price: &f64| (self.layout.y(*price) - y).abs();
        [open, high, low, close].into_iter().min_by(|a, b| apart(a).total_cmp(&apart(b)))
    }

    /// The point that lies so many pixels to the right of `point` and below it; in time by whole bars.
    #[must_use]
    pub fn moved(&self, point: Point, (right, down): (f64, f64)) -> Point {
        let bars = self.layout.bars_in(right).round();
        let at = if bars == 0.0 { point.at } else { self.time(self.position(point.at) + bars) };
        Point { at, price: self.moved_price(point.price, down) }
    }

    /// The price that lies so many pixels below `price`.
    #[must_use]
    pub fn moved_price(&self, price: f64, down: f64) -> f64 {
        if down == 0.0 { price } else { self.layout.round_price(self.layout.y(price) + down) }
    }

    /// Whether a place lies in the pane of prices.
    #[must_use]
    pub fn contains(&self, (x, y): (f64, f64)) -> bool {
        self.layout.contains(x, y) && y < self.layout.y_of_price_bottom()
    }

    /// The place nearest to it that lies in the pane of prices.
    #[must_use]
    pub fn within(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let (width, bottom) = self.layout.pane();
        (x.clamp(0.0, width - 1.0), y.clamp(0.0, bottom - 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_expected_when_the_market_is_open() {
        // Friday, the last hour of the session.
        let friday = Timestamp::parse("2024-03-08T20:00:00Z").unwrap();
        let times = expected(Calendar::Xnys, Timeframe::H1, friday);
        assert_eq!(times.len(), AHEAD);
        // Monday, after the clocks changed.
        assert_eq!(times[0], Timestamp::parse("2024-03-11T13:00:00Z").unwrap());
        assert_eq!(times[7], Timestamp::parse("2024-03-12T13:00:00Z").unwrap());
        for timeframe in [Timeframe::M1, Timeframe::H4, Timeframe::D1, Timeframe::W1] {
            for calendar in [Calendar::Xnys, Calendar::Fx, Calendar::AlwaysOpen] {
                let newest = calendar.bar_start(timeframe, friday);
                let times = expected(calendar, timeframe, newest);
                assert!(times[0] > newest && times.windows(2).all(|pair| pair[0] < pair[1]), "{calendar} {timeframe}");
                assert!(times.iter().all(|at| calendar.is_on_grid(timeframe, *at)), "{calendar} {timeframe}");
                assert_eq!(times.len(), AHEAD, "{calendar} {timeframe}");
            }
        }
    }
}
