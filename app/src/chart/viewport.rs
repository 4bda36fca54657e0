//! Which part of the axis is on screen, in positions of bars: bar 7 spans 6.5 to 7.5.

use std::ops::Range;

use crate::stores::holding::FIRST_VIEW;

/// The fewest bars that fill the chart.
const CLOSEST: f64 = 8.0;
/// Room after the newest bar, as a part of the width.
const MARGIN: f64 = 0.04;
/// How much room what is expected takes at most, as a part of that of the bars in view.
const AHEAD: f64 = 0.25;
/// How much of the chart stays filled with bars at either end, as a part of the width.
const HELD: f64 = 0.1;

/// The visible part.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Viewport {
    /// The position at the left edge.
    pub from: f64,
    /// The position at the right edge.
    pub to: f64,
    /// Whether it moves on with new bars.
    pub follows: bool,
}

impl Viewport {
    /// The newest bars, as many as a chart shows at first.
    #[must_use]
    pub fn newest(positions: &Range<i64>) -> Self {
        Self::last(positions, FIRST_VIEW as f64)
    }

    /// The oldest bars, as many.
    #[must_use]
    pub fn oldest(positions: &Range<i64>) -> Self {
        let first = positions.start as f64 - 0.5;
        Self::between(first, first + FIRST_VIEW as f64, positions)
    }

    /// All bars.
    #[must_use]
    pub fn all(positions: &Range<i64>) -> Self {
        Self::last(positions, (positions.end - positions.start) as f64)
    }

    /// The newest `bars` of them, where there are so many.
    #[must_use]
    pub fn last(positions: &Range<i64>, bars: f64) -> Self {
        let held = (positions.end - positions.start) as f64;
        let bars = bars.min(held).max(CLOSEST);
        let to = positions.end as f64 - 0.5 + bars * MARGIN;
        Self { from: positions.end as f64 - 0.5 - bars, to, follows: true }
    }

    /// From one position to another.
    #[must_use]
    pub fn between(from: f64, to: f64, positions: &Range<i64>) -> Self {
        Self { from, to: to.max(from + CLOSEST), follows: false }.kept(positions)
    }

    /// With so many positions more after the newest bar in view, as far as that leaves most of it to bars.
    #[must_use]
    pub fn with_ahead(self, ahead: f64, positions: &Range<i64>) -> Self {
        let newest = positions.end as f64 - 0.5;
        let ahead = (ahead + 0.5).min((newest - self.from) * AHEAD);
        Self { to: self.to.max(newest + ahead), ..self }
    }

    /// How many positions fit.
    #[must_use]
    pub fn span(self) -> f64 {
        self.to - self.from
    }

    /// Moved by so many positions; to the right, towards newer bars, where positive.
    #[must_use]
    pub fn panned(self, by: f64, positions: &Range<i64>) -> Self {
        Self { from: self.from + by, to: self.to + by, ..self }.kept(positions)
    }

    /// Showing `factor` times as much, with what lies at `share` of the width (0 at the left, 1 at the right) held in place.
    #[must_use]
    pub fn zoomed(self, factor: f64, share: f64, positions: &Range<i64>) -> Self {
        let most = ((positions.end - positions.start) as f64 * (1.0 + 2.0 * HELD)).max(CLOSEST);
        let span = (self.span() * factor).clamp(CLOSEST, most);
        let anchor = self.from + self.span() * share;
        Self { from: anchor - span * share, to: anchor + span * (1.0 - share), ..self }.kept(positions)
    }

    /// With positions now reaching to `positions` instead of `before`: it moves on where it follows, grows where it showed
    /// all of a few bars, and else stays.
    #[must_use]
    pub fn after(self, before: &Range<i64>, positions: &Range<i64>) -> Self {
        let held = before.end - before.start;
        let showed_all = self.follows && self.from <= before.start as f64 && held < FIRST_VIEW as i64;
        if before.is_empty() || showed_all {
            return Self::newest(positions);
        }
        let by = if self.follows { (positions.end - before.end) as f64 } else { 0.0 };
        Self { from: self.from + by, to: self.to + by, ..self }
    }

    /// Never beside all bars; following where the newest is in view.
    fn kept(self, positions: &Range<i64>) -> Self {
        let (first, end) = (positions.start as f64 - 0.5, positions.end as f64 - 0.5);
        let room = self.span() * HELD;
        let by = if self.to < first + room {
            first + room - self.to
        } else if self.from > end - room {
            end - room - self.from
        } else {
            0.0
        };
        let moved = Self { from: self.from + by, to: self.to + by, ..self };
        Self { follows: moved.to >= end, ..moved }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_bars_come_first_and_new_ones_move_in() {
        let view = Viewport::newest(&(0..1_000));
        assert_eq!((view.from, view.follows), (849.5, true));
        let later = view.after(&(0..1_000), &(0..1_003));
        assert_eq!((later.from, later.to), (view.from + 3.0, view.to + 3.0));
    }

    #[test]
    fn who_looks_at_older_bars_is_not_moved() {
        let view = Viewport::newest(&(0..1_000)).panned(-300.0, &(0..1_000));
        assert!(!view.follows);
        assert_eq!(view.after(&(0..1_000), &(-500..1_001)), view);
    }

    #[test]
    fn a_filling_chart_grows_to_the_first_view() {
        let few = Viewport::newest(&(0..10));
        assert_eq!(few.after(&(0..10), &(-40..10)), Viewport::newest(&(-40..10)));
    }

    #[test]
    fn zooming_holds_what_is_under_the_pointer() {
        let view = Viewport::between(100.0, 200.0, &(0..1_000));
        let near = view.zoomed(0.5, 0.25, &(0..1_000));
        assert!((near.from + near.span() * 0.25 - 125.0).abs() < 1e-9);
        assert_eq!(near.span(), 50.0);
        assert_eq!(near.zoomed(1e-9, 0.5, &(0..1_000)).span(), CLOSEST);
    }

    #[test]
    fn the_chart_never_leaves_its_bars() {
        let view = Viewport::newest(&(0..1_000));
        let far = view.panned(1e6, &(0..1_000));
        assert!(far.from < 999.5 && far.follows);
        let old = view.panned(-1e6, &(0..1_000));
        assert!(old.to > -0.5 && !old.follows);
    }
}
