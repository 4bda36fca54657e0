//! What of a long series a chart is handed: the bars in view with a margin, at the level of detail that its width can show.
//!
//! Bars lie at whole **positions**: bar 7 spans 6.5 to 7.5 on the axis, whatever time passed since bar 6. Where a bar would
//! be narrower than [`NARROWEST_BAR`] pixels, neighbours are merged by two, four, eight and so on, always at fixed multiples
//! of positions, so that panning moves merged bars and never changes them. A place may be kept free by
//! [`Bar::lacking`]: such a bar counts for nothing where it is merged. A [`Pyramid`] holds every level in columns of
//! `f64`, as a chart's typed arrays want them. A step of panning or zooming looks at what is in view alone:
//!
//! ```
//! use tidemark_market::view::{Pyramid, Visible};
//! # use tidemark_market::{Bar, Timestamp};
//! # let bars: Vec<Bar> = (0..1000).map(|i| Bar::new(Timestamp(i), 1.0, 2.0, 0.5, 1.5, 9.0)).collect();
//! let pyramid = Pyramid::new(&bars);
//! let frame = pyramid.frame(Visible { from: 200.0, to: 800.0, width: 300.0 });
//! let columns = pyramid.columns(frame);
//! assert_eq!((frame.bars_each(), columns.position[1] - columns.position[0]), (4, 4.0));
//! ```

use std::ops::Range;

use crate::bar::Bar;
use crate::time::Timestamp;

/// The fewest pixels that a bar gets; where there are fewer, bars are merged.
pub const NARROWEST_BAR: f64 = 1.5;

/// The coarsest level merges two to the power of this many bars: millions of bars fit on a phone.
const COARSEST: usize = 16;

/// A margin is one to two pages wide, and a view four to eight pages: frames change once a page.
const PAGES_IN_VIEW: f64 = 8.0;

/// What a chart shows of its axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Visible {
    /// The position at its left edge; may lie between bars, and before the first of them.
    pub from: f64,
    /// The position at its right edge.
    pub to: f64,
    /// How wide that is drawn, in CSS pixels.
    pub width: f64,
}

/// Which bars are handed to the chart, and how many are merged into one. Frames of views that differ little are equal: then
/// the chart holds what it needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    first: i64,
    end: i64,
    level: usize,
}

impl Frame {
    /// How many bars one drawn bar stands for; fewer at the ends of the series.
    #[must_use]
    pub const fn bars_each(self) -> i64 {
        1 << self.level
    }

    /// The positions of the bars it holds.
    #[must_use]
    pub const fn positions(self) -> Range<i64> {
        self.first..self.end
    }
}

/// Bars in columns of equal length, the oldest first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Columns<'a> {
    /// Where each is drawn: the middle of the positions it stands for.
    pub position: &'a [f64],
    /// First prices.
    pub open: &'a [f64],
    /// Highest prices.
    pub high: &'a [f64],
    /// Lowest prices.
    pub low: &'a [f64],
    /// Last prices.
    pub close: &'a [f64],
    /// What was traded.
    pub volume: &'a [f64],
}

/// A line's points in columns of equal length, from left to right.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Where each is drawn.
    pub position: Vec<f64>,
    /// How high; NaN where the line has a hole.
    pub value: Vec<f64>,
}

/// How a series differs from what a pyramid held before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Not at all.
    Nothing,
    /// Within these positions, which hold other bars than before or none any more. All others are as they were.
    At(Range<i64>),
    /// No bar is left of it, and positions count anew.
    Everything,
}

/// A series at every level of detail.
#[derive(Clone, Debug, PartialEq)]
pub struct Pyramid {
    first: i64,
    times: Vec<Timestamp>,
    levels: Vec<Level>,
}

impl Pyramid {
    /// The pyramid of `bars`, which are sorted by time. The first lies at position 0.
    #[must_use]
    pub fn new(bars: &[Bar]) -> Self {
        Self::beginning_at(0, bars)
    }

    fn beginning_at(first: i64, bars: &[Bar]) -> Self {
        let mut pyramid = Self { first, times: Vec::new(), levels: vec![Level::default(); COARSEST + 1] };
        pyramid.extend(bars);
        pyramid
    }

    /// The positions of all its bars.
    #[must_use]
    pub fn positions(&self) -> Range<i64> {
        self.first..self.first + as_position(self.times.len())
    }

    /// When each bar begins, by its place among [`Pyramid::positions`].
    #[must_use]
    pub fn times(&self) -> &[Timestamp] {
        &self.times
    }

    /// When the bar nearest to `position` begins; `None` where there are no bars.
    #[must_use]
    pub fn time_at(&self, position: f64) -> Option<Timestamp> {
        let last = self.times.len().checked_sub(1)?;
        let place = (position - as_f64(self.first)).round().clamp(0.0, last as f64);
        self.times.get(place as usize).copied()
    }

    /// The bar at a position, without average price and count of trades; `None` where there is none.
    #[must_use]
    pub fn bar_at(&self, position: i64) -> Option<Bar> {
        let (ts, it) = self.held_at(position)?;
        let is_there = !it.close.is_nan();
        is_there.then(|| Bar::new(ts, it.open, it.high, it.low, it.close, it.volume))
    }

    /// Where a time lies among the bars: on the one that begins then, else between its neighbours by the time that passed,
    /// and at the nearest end where it is older or newer than all. `None` where there are no bars.
    #[must_use]
    pub fn position_of(&self, at: Timestamp) -> Option<f64> {
        let place = match self.times.binary_search(&at) {
            Ok(place) => place as f64,
            Err(0) if self.times.is_empty() => return None,
            Err(0) => 0.0,
            Err(next) => {
                let before = self.times[next - 1];
                let length = self.times.get(next).map_or(f64::INFINITY, |after| (after.0 - before.0) as f64);
                (next - 1) as f64 + (at.0 - before.0) as f64 / length
            }
        };
        Some(as_f64(self.first) + place)
    }

    /// Appends a bar that is newer than all.
    pub fn push(&mut self, bar: &Bar) {
        self.extend(std::slice::from_ref(bar));
    }

    /// Puts `bar` in the place of the newest one; of no effect where there is none.
    pub fn replace_last(&mut self, bar: &Bar) {
        if let Some(place) = self.times.len().checked_sub(1) {
            self.truncate(place);
            self.push(bar);
        }
    }

    /// Takes over `bars` in place of what is held, sorted by time, and says how they differ. The newest bar that both have
    /// keeps its position, so that bars before it may come and go while a viewer looks at newer ones.
    pub fn take(&mut self, bars: &[Bar]) -> Change {
        let Some(first) = self.first_position_of(bars) else {
            *self = Self::new(bars);
            return Change::Everything;
        };
        let Some(changed) = self.differences(first, bars) else { return Change::Nothing };
        if first == self.first {
            let same = self.place_of(changed.start);
            self.truncate(same);
            self.extend(&bars[same..]);
        } else {
            *self = Self::beginning_at(first, bars);
        }
        Change::At(changed)
    }

    /// What the chart is to be handed to show `visible`. Empty where the chart has no width or there are no bars.
    #[must_use]
    pub fn frame(&self, visible: Visible) -> Frame {
        let span = visible.to - visible.from;
        if !(span > 0.0 && span.is_finite() && visible.width > 0.0) {
            return Frame::default();
        }
        let level = level_for(visible.width / span);
        let page = (span / PAGES_IN_VIEW).log2().ceil().exp2().max((1_u64 << level) as f64);
        let first = ((visible.from / page).floor() - 1.0) * page;
        let end = ((visible.to / page).ceil() + 1.0) * page;
        let all = self.positions();
        let within = |position: f64| (position as i64).clamp(all.start, all.end);
        Frame { first: within(first), end: within(end), level }
    }

    /// The bars of a frame of this pyramid.
    #[must_use]
    pub fn columns(&self, frame: Frame) -> Columns<'_> {
        let Some(level) = self.levels.get(frame.level).filter(|_| frame.first < frame.end) else {
            return Columns::default();
        };
        let place = |position: i64| (position >> frame.level) - (self.first >> frame.level);
        let as_place = |number: i64| usize::try_from(number).unwrap_or_default();
        level.columns(as_place(place(frame.first))..as_place(place(frame.end - 1) + 1))
    }

    /// The points of a line in a frame, from the `values` of all bars (NaN where the line has none). Of merged bars it
    /// passes the lowest and the highest value in the order in which they come, so that no peak is lost.
    #[must_use]
    pub fn line(&self, frame: Frame, values: &[f64]) -> Line {
        let mut line = Line::default();
        let mut start = frame.first;
        while start < frame.end {
            let end = ((start >> frame.level) + 1) << frame.level;
            let end = end.min(frame.end);
            let places = self.place_of(start)..self.place_of(end).min(values.len());
            line.pass(start, values.get(places).unwrap_or_default());
            start = end;
        }
        line
    }

    fn place_of(&self, position: i64) -> usize {
        usize::try_from(position - self.first).unwrap_or_default()
    }

    /// Where `bars` begin if the newest of them that is held too stays where it is.
    fn first_position_of(&self, bars: &[Bar]) -> Option<i64> {
        let found = |held: &Timestamp| bars.binary_search_by_key(held, |bar| bar.ts).ok();
        let (place, new_place) =
            self.times.iter().enumerate().rev().find_map(|(place, held)| Some((place, found(held)?)))?;
        Some(self.first + as_position(place) - as_position(new_place))
    }

    /// From the first to the last position at which `bars`, the first of which lies at `first`, are not what is held.
    fn differences(&self, first: i64, bars: &[Bar]) -> Option<Range<i64>> {
        let new = |position: i64| bars.get(usize::try_from(position - first).ok()?).map(|bar| (bar.ts, bar.into()));
        let differs = |position: &i64| self.held_at(*position) != new(*position);
        let end = self.positions().end.max(first + as_position(bars.len()));
        let mut all = self.first.min(first)..end;
        let start = all.find(differs)?;
        let last = all.rfind(differs).unwrap_or(start);
        Some(start..last + 1)
    }

    fn held_at(&self, position: i64) -> Option<(Timestamp, Merged)> {
        let place = usize::try_from(position - self.first).ok()?;
        Some((*self.times.get(place)?, self.levels[0].merged(place)))
    }

    fn extend(&mut self, bars: &[Bar]) {
        let from = self.times.len();
        for (place, bar) in bars.iter().enumerate() {
            self.levels[0].push(as_f64(self.first + as_position(from + place)), Merged::from(bar));
            self.times.push(bar.ts);
        }
        self.raise(self.first + as_position(from));
    }

    fn truncate(&mut self, places: usize) {
        self.times.truncate(places);
        self.levels[0].truncate(places);
        self.raise(self.first + as_position(places));
    }

    /// Makes the merged bars anew that hold positions from `from` on.
    fn raise(&mut self, from: i64) {
        for level in 1..self.levels.len() {
            let (finer, coarser) = self.levels.split_at_mut(level);
            if let (Some(finer), Some(coarser)) = (finer.last(), coarser.first_mut()) {
                coarser.rebuild(finer, self.first, level, from);
            }
        }
    }
}

impl Default for Pyramid {
    /// That of no bars.
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Line {
    /// Goes on through the lowest and the highest of neighbouring values, the first of which lies at `first`; a hole where
    /// there are none.
    fn pass(&mut self, first: i64, values: &[f64]) {
        let present = || values.iter().enumerate().filter(|(_, value)| !value.is_nan());
        let lowest = present().min_by(|a, b| a.1.total_cmp(b.1));
        let highest = present().max_by(|a, b| a.1.total_cmp(b.1));
        let (Some(lowest), Some(highest)) = (lowest, highest) else {
            return self.push(first, f64::NAN);
        };
        let (earlier, later) = if lowest.0 <= highest.0 { (lowest, highest) } else { (highest, lowest) };
        self.push(first + as_position(earlier.0), *earlier.1);
        if earlier.0 < later.0 {
            self.push(first + as_position(later.0), *later.1);
        }
    }

    fn push(&mut self, position: i64, value: f64) {
        self.position.push(as_f64(position));
        self.value.push(value);
    }
}

/// Positions are far below 2^53.
const fn as_f64(position: i64) -> f64 {
    position as f64
}

fn as_position(place: usize) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

/// The finest level at which a bar is wide enough, if one bar of the series gets that many pixels.
fn level_for(pixels: f64) -> usize {
    let merged = (NARROWEST_BAR / pixels).log2().ceil();
    merged.clamp(0.0, COARSEST as f64) as usize
}

/// One bar of a level.
#[derive(Clone, Copy, Debug)]
struct Merged {
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
}

impl Merged {
    fn with(self, later: Self) -> Self {
        Self {
            open: if self.open.is_nan() { later.open } else { self.open },
            high: self.high.max(later.high),
            low: self.low.min(later.low),
            close: if later.close.is_nan() { self.close } else { later.close },
            volume: self.volume + later.volume,
        }
    }
}

/// Bit by bit, so that a bar that is lacking is the same as another.
impl PartialEq for Merged {
    fn eq(&self, other: &Self) -> bool {
        let bits = |it: &Self| [it.open, it.high, it.low, it.close, it.volume].map(f64::to_bits);
        bits(self) == bits(other)
    }
}

impl From<&Bar> for Merged {
    fn from(bar: &Bar) -> Self {
        Self { open: bar.open, high: bar.high, low: bar.low, close: bar.close, volume: bar.volume }
    }
}

/// The series with a fixed number of bars merged into each.
#[derive(Clone, Debug, Default, PartialEq)]
struct Level {
    position: Vec<f64>,
    open: Vec<f64>,
    high: Vec<f64>,
    low: Vec<f64>,
    close: Vec<f64>,
    volume: Vec<f64>,
}

impl Level {
    fn push(&mut self, position: f64, bar: Merged) {
        self.position.push(position);
        self.open.push(bar.open);
        self.high.push(bar.high);
        self.low.push(bar.low);
        self.close.push(bar.close);
        self.volume.push(bar.volume);
    }

    fn truncate(&mut self, length: usize) {
        for column in [&mut self.position, &mut self.open, &mut self.high, &mut self.low, &mut self.close] {
            column.truncate(length);
        }
        self.volume.truncate(length);
    }

    fn merged(&self, place: usize) -> Merged {
        Merged {
            open: self.open[place],
            high: self.high[place],
            low: self.low[place],
            close: self.close[place],
            volume: self.volume[place],
        }
    }

    /// Merges the finer level's bars by two, from the one on that holds position `from`. `first` is that of the series.
    fn rebuild(&mut self, finer: &Self, first: i64, level: usize, from: i64) {
        let (first_here, first_finer) = (first >> level, first >> (level - 1));
        let keep = usize::try_from((from >> level) - first_here).unwrap_or_default();
        self.truncate(keep);
        let mut number = first_here + as_position(keep);
        loop {
            let place = |number: i64| usize::try_from(number - first_finer).ok().filter(|it| *it < finer.open.len());
            let part = |number: i64| place(number).map(|place| finer.merged(place));
            let whole = match (part(2 * number), part(2 * number + 1)) {
                (Some(earlier), Some(later)) => earlier.with(later),
                (Some(only), None) | (None, Some(only)) => only,
                (None, None) => break,
            };
            let middle = as_f64(number << level) + (as_f64(1 << level) - 1.0) / 2.0;
            self.push(middle, whole);
            number += 1;
        }
    }

    fn columns(&self, places: Range<usize>) -> Columns<'_> {
        let end = places.end.min(self.position.len());
        let places = places.start.min(end)..end;
        Columns {
            position: &self.position[places.clone()],
            open: &self.open[places.clone()],
            high: &self.high[places.clone()],
            low: &self.low[places.clone()],
            close: &self.close[places.clone()],
            volume: &self.volume[places],
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bars of whole prices and volumes, so that sums are exact in any order.
    fn any_bars() -> impl Strategy<Value = Vec<Bar>> {
        proptest::collection::vec((1_i64..5, 1_u32..1000, 0_u32..50, 0_u32..50, 0_u32..900), 1..600).prop_map(|rows| {
            let mut at = 0;
            let bar = |(step, low, open, close, volume): (i64, u32, u32, u32, u32)| {
                at += step;
                let price = |above: u32| f64::from(low + above);
                let high = price(open.max(close) + 3);
                Bar::new(Timestamp(at), price(open), high, price(0), price(close), f64::from(volume))
            };
            rows.into_iter().map(bar).collect()
        })
    }

    fn any_view() -> impl Strategy<Value = Visible> {
        (-300.0..700.0, 0.5..700.0, 10.0..2000.0).prop_map(|(from, span, width)| Visible {
            from,
            to: from + span,
            width,
        })
    }

    fn of_frame(frame: Frame, bars: &[Bar], first: i64) -> &[Bar] {
        let place = |position: i64| usize::try_from(position - first).unwrap();
        &bars[place(frame.positions().start)..place(frame.positions().end)]
    }

    fn bar(at: i64) -> Bar {
        let price = at as f64;
        Bar::new(Timestamp(at), price, price + 1.0, price - 1.0, price, 1.0)
    }

    fn bars(times: &[i64]) -> Vec<Bar> {
        times.iter().map(|at| bar(*at)).collect()
    }

    proptest! {
        #[test]
        fn no_extreme_and_no_volume_is_lost(bars in any_bars(), visible in any_view()) {
            let pyramid = Pyramid::new(&bars);
            let frame = pyramid.frame(visible);
            let columns = pyramid.columns(frame);
            let meant = of_frame(frame, &bars, 0);
            let highest = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::MIN, f64::max);
            let lowest = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::MAX, f64::min);
            prop_assert_eq!(highest(&mut columns.high.iter().copied()), highest(&mut meant.iter().map(|bar| bar.high)));
            prop_assert_eq!(lowest(&mut columns.low.iter().copied()), lowest(&mut meant.iter().map(|bar| bar.low)));
            prop_assert_eq!(columns.volume.iter().sum::<f64>(), meant.iter().map(|bar| bar.volume).sum::<f64>());
            prop_assert_eq!(columns.open.first().copied(), meant.first().map(|bar| bar.open));
            prop_assert_eq!(columns.close.last().copied(), meant.last().map(|bar| bar.close));
            prop_assert!(columns.position.is_sorted());
        }

        #[test]
        fn what_is_in_view_is_in_the_frame_and_not_much_more(bars in any_bars(), visible in any_view()) {
            let pyramid = Pyramid::new(&bars);
            let frame = pyramid.frame(visible);
            for position in pyramid.positions() {
                let is_visible = visible.from <= position as f64 && position as f64 <= visible.to;
                prop_assert!(!is_visible || frame.positions().contains(&position), "{} of {:?}", position, frame);
            }
            let drawn = pyramid.columns(frame).position.len() as f64;
            prop_assert!(drawn <= 2.0 * visible.width / NARROWEST_BAR + 8.0, "{} bars", drawn);
        }

        #[test]
        fn panning_never_changes_a_merged_bar(bars in any_bars(), visible in any_view(), step in -80.0..80.0) {
            let pyramid = Pyramid::new(&bars);
            let rows = |from: f64| {
                let columns = pyramid.columns(pyramid.frame(Visible { from, to: from + visible.to - visible.from, ..visible }));
                let at = |place: usize| {
                    (columns.position[place], columns.open[place], columns.high[place], columns.low[place], columns.volume[place])
                };
                (0..columns.position.len()).map(at).collect::<Vec<_>>()
            };
            let before = rows(visible.from);
            for row in rows(visible.from + step) {
                let same_place = before.iter().find(|it| it.0 == row.0);
                prop_assert!(same_place.is_none_or(|it| *it == row), "{:?}, formerly {:?}", row, same_place);
            }
        }

        #[test]
        fn appending_and_replacing_end_where_building_does(bars in any_bars(), cut in 0_usize..600) {
            let cut = cut.min(bars.len() - 1);
            let mut pyramid = Pyramid::new(&bars[..cut]);
            for bar in &bars[cut..] {
                pyramid.push(&Bar { high: bar.high + 7.0, low: 0.5, close: 1.0, volume: 1.0, ..*bar });
                pyramid.replace_last(bar);
            }
            prop_assert_eq!(pyramid, Pyramid::new(&bars));
        }

        #[test]
        fn whatever_is_taken_over_is_held_and_told(
            bars in any_bars(), drop in proptest::collection::vec(any::<bool>(), 600), change in 0_usize..600
        ) {
            let held: Vec<Bar> = bars.iter().zip(&drop).filter(|(_, drop)| !**drop).map(|(bar, _)| *bar).collect();
            let mut newer = bars.clone();
            let change = change.min(bars.len() - 1);
            newer[change].volume += 1.0;
            let mut pyramid = Pyramid::new(&held);
            let before = pyramid.clone();
            let told = pyramid.take(&newer);
            let first = pyramid.positions().start;
            prop_assert_eq!(&pyramid, &Pyramid::beginning_at(first, &newer));
            let is_same = |position: i64| before.held_at(position) == pyramid.held_at(position);
            let all = before.first.min(first)..before.positions().end.max(pyramid.positions().end);
            let kept: Vec<i64> = match told {
                Change::Nothing => all.collect(),
                Change::At(changed) => all.filter(|position| !changed.contains(position)).collect(),
                Change::Everything => Vec::new(),
            };
            prop_assert!(kept.into_iter().all(is_same));
        }

        #[test]
        fn a_line_keeps_its_peaks(bars in any_bars(), visible in any_view(), warm_up in 0_usize..50) {
            let pyramid = Pyramid::new(&bars);
            let value = |(place, bar): (usize, &Bar)| if place < warm_up { f64::NAN } else { bar.close };
            let values: Vec<f64> = bars.iter().enumerate().map(value).collect();
            let frame = pyramid.frame(visible);
            let line = pyramid.line(frame, &values);
            let meant = frame.positions().filter_map(|position| values.get(position as usize)).copied();
            let peak = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::NAN, f64::max);
            let trough = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::NAN, f64::min);
            prop_assert_eq!(peak(&mut line.value.iter().copied()).to_bits(), peak(&mut meant.clone()).to_bits());
            prop_assert_eq!(trough(&mut line.value.iter().copied()).to_bits(), trough(&mut meant.clone()).to_bits());
            prop_assert!(line.position.is_sorted());
            prop_assert!(line.position.iter().all(|position| frame.positions().contains(&(*position as i64))));
        }
    }

    #[test]
    fn a_place_that_is_kept_free_counts_for_nothing() {
        let mut with_room = bars(&[1, 2, 3, 4, 5, 6]);
        for place in [1, 2, 3] {
            with_room[place] = Bar::lacking(with_room[place].ts);
        }
        let mut pyramid = Pyramid::new(&with_room);
        assert_eq!(pyramid.take(&with_room), Change::Nothing);
        assert_eq!((pyramid.bar_at(1), pyramid.bar_at(4)), (None, Some(bar(5))));
        let columns = pyramid.columns(pyramid.frame(Visible { from: 0.0, to: 6.0, width: 3.0 * NARROWEST_BAR }));
        assert_eq!((columns.open[0], columns.close[0], columns.high[0]), (1.0, 1.0, 2.0));
        assert!(columns.open[1].is_nan() && columns.high[1].is_nan());
        assert_eq!(columns.volume, [1.0, 0.0, 2.0]);
        assert_eq!(pyramid.take(&bars(&[1, 2, 3, 4, 5, 6])), Change::At(1..4), "what comes takes its place");
    }

    #[test]
    fn bars_are_merged_only_where_they_would_be_too_narrow() {
        let pyramid = Pyramid::new(&(0..1000).map(bar).collect::<Vec<_>>());
        let each = |span, width| pyramid.frame(Visible { from: 0.0, to: span, width }).bars_each();
        assert_eq!(each(100.0, 800.0), 1);
        assert_eq!(each(1000.0, 1500.0), 1);
        assert_eq!(each(1000.0, 1400.0), 2);
        assert_eq!(each(100_000.0, 1000.0), 256, "2.56 pixels each");
    }

    #[test]
    fn small_steps_need_nothing_new() {
        let pyramid = Pyramid::new(&(0..5000).map(bar).collect::<Vec<_>>());
        let frame = |from: f64| pyramid.frame(Visible { from, to: from + 400.0, width: 900.0 });
        let changes = (0..100).filter(|step| frame(f64::from(*step)) != frame(f64::from(*step) + 1.0)).count();
        assert!(changes <= 4, "{changes} of 100 steps, a quarter of the view");
    }

    #[test]
    fn what_is_newer_stays_where_it_is_when_older_bars_come() {
        let mut pyramid = Pyramid::new(&bars(&[50, 60, 70]));
        assert_eq!(pyramid.take(&bars(&[20, 30, 50, 60, 70])), Change::At(-2..0));
        assert_eq!(pyramid.positions(), -2..3);
        assert_eq!(pyramid.take(&bars(&[20, 30, 40, 50, 60, 70, 80])), Change::At(-3..4), "both ends grew");
        assert_eq!((pyramid.positions(), pyramid.position_of(Timestamp(70))), (-3..4, Some(2.0)));
        assert_eq!(pyramid.take(&bars(&[20, 30, 40, 50, 60, 70, 80])), Change::Nothing);
        assert_eq!(pyramid.take(&bars(&[500])), Change::Everything);
        assert_eq!(pyramid.take(&[]), Change::Everything);
    }

    #[test]
    fn a_new_bar_and_a_moving_one_are_told_alone() {
        let mut pyramid = Pyramid::new(&bars(&[1, 2, 3]));
        assert_eq!(pyramid.take(&bars(&[1, 2, 3, 4])), Change::At(3..4));
        let moved = [bar(1), bar(2), bar(3), Bar { close: 4.5, ..bar(4) }];
        assert_eq!(pyramid.take(&moved), Change::At(3..4));
    }

    #[test]
    fn times_and_positions_answer_each_other() {
        let mut pyramid = Pyramid::new(&bars(&[100, 200, 400]));
        assert_eq!(pyramid.take(&bars(&[0, 100, 200, 400])), Change::At(-1..0));
        let position = |at| pyramid.position_of(Timestamp(at));
        assert_eq!(
            [position(-5), position(0), position(300), position(400), position(999)].map(Option::unwrap),
            [-1.0, -1.0, 1.5, 2.0, 2.0]
        );
        let time = |position| pyramid.time_at(position).map(Timestamp::millis);
        assert_eq!([time(-7.0), time(0.4), time(0.6), time(9.0)], [Some(0), Some(100), Some(200), Some(400)]);
        assert_eq!((Pyramid::default().time_at(0.0), Pyramid::default().position_of(Timestamp(0))), (None, None));
    }

    #[test]
    fn a_chart_without_width_is_handed_nothing() {
        let pyramid = Pyramid::new(&bars(&[1, 2, 3]));
        for visible in [
            Visible { from: 0.0, to: 3.0, width: 0.0 },
            Visible { from: 3.0, to: 3.0, width: 9.0 },
            Visible { from: f64::NAN, to: 3.0, width: 9.0 },
            Visible { from: 100.0, to: 200.0, width: 9.0 },
        ] {
            assert_eq!(pyramid.columns(pyramid.frame(visible)), Columns::default());
        }
    }
}
