//! What is known of a series' quality: bars that look wrong, and the report that counts all that is not as it should be.
//!
//! A suspicion changes nothing: the bar is stored and drawn as it came. Rules that a bar must satisfy to be stored at all
//! are in [`crate::validate`].

use serde::{Deserialize, Serialize};

use crate::bar::Bar;
use crate::calendar::{Calendar, Hours};
use crate::symbol::Symbol;
use crate::time::{TimeRange, Timestamp};
use crate::timeframe::Timeframe;

/// How many bars before a bar tell what is usual.
pub const RECENT_BARS: usize = 20;

/// With fewer before it a bar is not judged.
pub const LEAST_RECENT_BARS: usize = 10;

/// How many usual ranges a spike sticks out of the recent prices.
pub const SPIKE_RANGES: f64 = 8.0;

/// What share of the price a spike sticks out at least: in quiet minutes, when the usual range is a cent, eight of them
/// are the spread between bid and ask.
pub const SPIKE_LEAST_MOVE: f64 = 0.005;

/// How many of a kind a report lists.
pub const LISTED: usize = 100;

/// Why a bar looks wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspicion {
    /// A price far outside of the recent ones, and the next bar is back among them.
    Spike,
    /// No volume, and yet a price other than the last one.
    PriceMoveWithoutVolume,
}

impl Suspicion {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::PriceMoveWithoutVolume => "price_move_without_volume",
        }
    }
}

/// A bar that looks wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flag {
    /// When the bar begins.
    pub ts: Timestamp,
    /// Why it looks wrong.
    pub suspicion: Suspicion,
    /// How far it moved, as a share of the close before it: 0.02 is 2 %. A spike's is what sticks out.
    pub relative_move: f64,
}

/// The bars that look wrong, in order; `bars` are those of one series, sorted by time, all in the same shares.
///
/// A bar is a [`Suspicion::Spike`] where its high or low lies outside the span of the [`RECENT_BARS`] before it by more
/// than [`SPIKE_RANGES`] usual ranges and by more than [`SPIKE_LEAST_MOVE`] of the price, while the next bar lies within
/// one usual range of that span. The usual range is the average true range of those bars (J. Welles Wilder, New Concepts
/// in Technical Trading Systems, 1978), or the next bar's own range where that is wider, since after an opening or news
/// all ranges are wide. A gap, an earnings jump or a split stays where it went, so the next bar is not back. A spike of
/// two bars is not found, and the newest bar is not judged before its next is there.
///
/// [`Suspicion::PriceMoveWithoutVolume`] is told only where some bar has a volume: indices and some currencies have none.
#[must_use]
pub fn suspicions(bars: &[Bar]) -> Vec<Flag> {
    let has_volumes = bars.iter().any(|bar| bar.volume > 0.0);
    let flags = bars.iter().enumerate().flat_map(|(index, bar)| {
        let flag = |suspicion| move |relative_move| Flag { ts: bar.ts, suspicion, relative_move };
        let before = &bars[index.saturating_sub(RECENT_BARS)..index];
        let spike = bars.get(index + 1).and_then(|next| spike(before, bar, next));
        let unpaid = if has_volumes { move_without_volume(before.last(), bar) } else { None };
        let spike = spike.map(flag(Suspicion::Spike));
        spike.into_iter().chain(unpaid.map(flag(Suspicion::PriceMoveWithoutVolume)))
    });
    flags.collect()
}

/// By what share of the price `bar` sticks out, where it is a spike.
fn spike(before: &[Bar], bar: &Bar, next: &Bar) -> Option<f64> {
    let last = before.last().filter(|_| before.len() >= LEAST_RECENT_BARS)?;
    let low = before.iter().map(|bar| bar.low).fold(f64::INFINITY, f64::min);
    let high = before.iter().map(|bar| bar.high).fold(f64::NEG_INFINITY, f64::max);
    let usual = average_true_range(before).max(next.high - next.low);
    let is_back = low - usual <= next.low && next.high <= high + usual;
    let sticks_out = (bar.high - high).max(low - bar.low);
    let relative = sticks_out / last.close;
    (is_back && sticks_out > SPIKE_RANGES * usual && relative > SPIKE_LEAST_MOVE).then_some(relative)
}

/// The mean over all bars but the first of the distance between the bar's extremes, the close before included.
fn average_true_range(bars: &[Bar]) -> f64 {
    let ranges = bars.windows(2).map(|pair| pair[1].high.max(pair[0].close) - pair[1].low.min(pair[0].close));
    let (count, sum) = ranges.fold((0.0, 0.0), |(count, sum), range| (count + 1.0, sum + range));
    if count > 0.0 { sum / count } else { 0.0 }
}

fn move_without_volume(last: Option<&Bar>, bar: &Bar) -> Option<f64> {
    let close_before = last.map_or(bar.open, |last| last.close);
    let farthest = (bar.high - close_before).abs().max((bar.low - close_before).abs());
    (bar.volume == 0.0 && (farthest > 0.0 || bar.high != bar.low)).then(|| farthest / close_before)
}

/// How many bars the calendar allows in `window` that are closed at `now`: those that begin in it and hold some session
/// time. A bar in which nobody traded is among them.
#[must_use]
pub fn expected_bars(calendar: Calendar, timeframe: Timeframe, window: TimeRange, now: Timestamp) -> u64 {
    let whole_bars = TimeRange {
        start: calendar.bar_start(timeframe, window.start),
        end: calendar.bar_end(timeframe, window.end.plus(-1)),
    };
    let first = if whole_bars.start < window.start { calendar.bar_end(timeframe, window.start) } else { window.start };
    let spans = calendar.session_spans(timeframe, whole_bars, now).into_iter();
    let begin_inside = spans.filter_map(|span| TimeRange::new(span.start.max(first), span.end.min(window.end)));
    begin_inside.map(|span| bars_that_begin(calendar, timeframe, span)).sum()
}

/// Of a span that begins with a bar.
fn bars_that_begin(calendar: Calendar, timeframe: Timeframe, span: TimeRange) -> u64 {
    if timeframe <= Timeframe::H1 {
        return span.millis().unsigned_abs().div_ceil(timeframe.millis().unsigned_abs());
    }
    let next = |at: &Timestamp| Some(calendar.bar_end(timeframe, *at));
    std::iter::successors(Some(span.start), next).take_while(|at| *at < span.end).map(|_| 1).sum()
}

/// How many there are of something, and the newest of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed<T> {
    /// All of them.
    pub count: u64,
    /// Up to [`LISTED`] of them, the newest first.
    pub newest: Vec<T>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { count: 0, newest: Vec::new() }
    }
}

impl<T> FromIterator<T> for Listed<T> {
    /// Counts all, and keeps the first [`LISTED`]: the newest are to come first.
    fn from_iter<I: IntoIterator<Item = T>>(newest_first: I) -> Self {
        newest_first.into_iter().fold(Self::default(), |mut listed, item| {
            listed.count += 1;
            if listed.newest.len() < LISTED {
                listed.newest.push(item);
            }
            listed
        })
    }
}

/// A bar that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantinedBar {
    /// Its time as it came, which may be none.
    pub ts: String,
    /// The code of the rule it broke.
    pub reason: String,
    /// Who delivered it.
    pub provider: String,
    /// When it came.
    pub at: Timestamp,
}

/// A bar of which the recent and the settled value differ; see [`crate::layer::disagrees`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Disagreement {
    /// When the bar begins.
    pub ts: Timestamp,
    /// As it was recently.
    pub intraday_close: f64,
    /// As it settled.
    pub historical_close: f64,
    /// The largest difference of the four prices, as a share of the settled one.
    pub relative_difference: f64,
}

/// What is not as it should be in a window of a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QualityReport {
    /// Of which instrument.
    pub symbol: Symbol,
    /// Of which bars.
    pub timeframe: Timeframe,
    /// Of which part of the day.
    pub hours: Hours,
    /// From where to where.
    pub window: TimeRange,
    /// Bars that the calendar allows; see [`expected_bars`].
    pub expected_bars: u64,
    /// Bars that are stored. With bars in which nobody traded, there are fewer than expected and nothing is missing.
    pub present_bars: u64,
    /// Session time that is not covered: not asked for yet, on its way, or given up.
    pub missing: Listed<TimeRange>,
    /// Session time that was asked for more than once, and believed to be without trades.
    pub empty: Listed<TimeRange>,
    /// Session time that no configured provider has: beyond its depth or the plan.
    pub outside: Listed<TimeRange>,
    /// Session time whose last attempt failed.
    pub failed: Listed<TimeRange>,
    /// Bars that were refused.
    pub quarantined: Listed<QuarantinedBar>,
    /// How many bars have more than one version.
    pub corrected: u64,
    /// Bars whose recent and settled values differ.
    pub disagreements: Listed<Disagreement>,
    /// Bars that look wrong.
    pub suspicions: Listed<Flag>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::calendar::{END, FIRST};
    use crate::time::MINUTE;

    /// Forty minutes around 100 with a range of 0.2, of which `change` sees index and bar.
    fn quiet(change: impl Fn(usize, Bar) -> Bar) -> Vec<Bar> {
        let minute = |index: usize| {
            let drift = 100.0 + 0.1 * f64::from(u8::try_from(index % 3).unwrap());
            let ts = Timestamp(i64::try_from(index).unwrap() * MINUTE);
            change(index, Bar::new(ts, drift, drift + 0.1, drift - 0.1, drift + 0.05, 1_000.0))
        };
        (0..40).map(minute).collect()
    }

    fn flagged(bars: &[Bar]) -> Vec<(i64, Suspicion)> {
        suspicions(bars).into_iter().map(|flag| (flag.ts.0 / MINUTE, flag.suspicion)).collect()
    }

    fn shifted(bar: Bar, by: f64) -> Bar {
        Bar { open: bar.open + by, high: bar.high + by, low: bar.low + by, close: bar.close + by, ..bar }
    }

    #[test]
    fn a_price_that_leaves_the_recent_range_and_returns_is_a_spike() {
        assert_eq!(flagged(&quiet(|_, bar| bar)), []);
        let wick_up = quiet(|index, bar| if index == 25 { Bar { high: 110.0, ..bar } } else { bar });
        assert_eq!(flagged(&wick_up), [(25, Suspicion::Spike)]);
        assert!((suspicions(&wick_up)[0].relative_move - 0.097).abs() < 0.001);
        let wick_down = quiet(|index, bar| if index == 25 { Bar { low: 90.0, ..bar } } else { bar });
        assert_eq!(flagged(&wick_down), [(25, Suspicion::Spike)]);
        let whole_bar = quiet(|index, bar| if index == 25 { shifted(bar, -50.0) } else { bar });
        assert_eq!(flagged(&whole_bar), [(25, Suspicion::Spike)]);
    }

    #[test]
    fn what_stays_is_no_spike() {
        for jump in [-50.0, -5.0, 5.0, 300.0] {
            let gap = quiet(|index, bar| if index >= 25 { shifted(bar, jump) } else { bar });
            assert_eq!(flagged(&gap), [], "{jump}");
        }
        let split = quiet(|index, bar| if index >= 25 { shifted(bar, -85.7) } else { bar });
        assert_eq!(flagged(&split), []);
        let two_bars = quiet(|index, bar| if (25..27).contains(&index) { shifted(bar, 9.0) } else { bar });
        assert_eq!(flagged(&two_bars), [], "half a move that takes two bars");
    }

    #[test]
    fn an_opening_is_no_spike() {
        let wild = |bar: Bar| Bar { high: bar.high + 2.0, low: bar.low - 2.0, ..bar };
        let opening = quiet(|index, bar| if index >= 25 { wild(bar) } else { bar });
        assert_eq!(flagged(&opening), []);
    }

    #[test]
    fn small_moves_and_first_and_last_bars_are_not_judged() {
        let cents = quiet(|index, bar| {
            let flat = Bar { open: 100.0, high: 100.0, low: 100.0, close: 100.0, ..bar };
            if index == 25 { Bar { high: 100.4, ..flat } } else { flat }
        });
        assert_eq!(flagged(&cents), [], "less than half a percent");
        for index in [0, 9, 39] {
            let edge = quiet(|at, bar| if at == index { Bar { high: 110.0, ..bar } } else { bar });
            assert_eq!(flagged(&edge), [], "{index}");
        }
        let tenth = quiet(|at, bar| if at == 10 { Bar { high: 110.0, ..bar } } else { bar });
        assert_eq!(flagged(&tenth), [(10, Suspicion::Spike)]);
        assert_eq!(suspicions(&[]), []);
    }

    #[test]
    fn a_price_can_not_move_without_volume() {
        let moved = quiet(|index, bar| if index == 5 { Bar { volume: 0.0, ..bar } } else { bar });
        assert_eq!(flagged(&moved), [(5, Suspicion::PriceMoveWithoutVolume)]);
        let close = moved[4].close;
        let held = |bar: Bar| Bar { open: close, high: close, low: close, close, volume: 0.0, ..bar };
        let still = quiet(|index, bar| if index == 5 { held(bar) } else { bar });
        assert_eq!(flagged(&still), [], "a flat row for a minute without trades");
        let without_volumes = quiet(|_, bar| Bar { volume: 0.0, ..bar });
        assert_eq!(flagged(&without_volumes), []);
    }

    #[test]
    fn bars_are_expected_where_a_session_is() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let week = TimeRange { start: at("2024-07-01T00:00:00Z"), end: at("2024-07-06T00:00:00Z") };
        let expected = |calendar, timeframe| expected_bars(calendar, timeframe, week, week.end);
        // Four sessions, one of them until 13:00.
        assert_eq!(expected(Calendar::Xnys, Timeframe::M1), 3 * 390 + 210);
        assert_eq!(expected(Calendar::Xnys, Timeframe::H1), 3 * 7 + 4);
        assert_eq!(expected(Calendar::Xnys, Timeframe::H4), 4 * 2);
        assert_eq!(expected(Calendar::Xnys, Timeframe::D1), 4);
        assert_eq!(expected(Calendar::XnysExtended, Timeframe::M1), 3 * 960 + 780);
        assert_eq!(expected(Calendar::AlwaysOpen, Timeframe::M5), 5 * 288);
        let friday_noon = at("2024-07-05T16:30:00Z");
        assert_eq!(expected_bars(Calendar::Xnys, Timeframe::H1, week, friday_noon), 2 * 7 + 4 + 3, "what is closed");
        let part = TimeRange { start: at("2024-07-01T13:31:30Z"), end: at("2024-07-01T13:34:00Z") };
        assert_eq!(expected_bars(Calendar::Xnys, Timeframe::M1, part, week.end), 2, "13:32 and 13:33");
    }

    proptest! {
        #[test]
        fn expected_bars_equal_those_counted_one_by_one(
            calendar in proptest::sample::select(Calendar::ALL.to_vec()),
            timeframe in proptest::sample::select(vec![Timeframe::M15, Timeframe::H1, Timeframe::H4, Timeframe::D1, Timeframe::W1]),
            start in FIRST.0 / MINUTE..END.0 / MINUTE - 40 * 1_440, minutes in 1..20 * 1_440_i64, now in 0..20 * 1_440_i64,
        ) {
            let window = TimeRange { start: Timestamp(start * MINUTE), end: Timestamp((start + minutes) * MINUTE) };
            let now = window.start.plus(now * MINUTE);
            let first = calendar.bar_start(timeframe, window.start);
            let grid = std::iter::successors(Some(first), |at| Some(calendar.bar_end(timeframe, *at)));
            let holds_a_session = |at: &Timestamp| {
                let bar = TimeRange { start: *at, end: calendar.bar_end(timeframe, *at) };
                bar.end <= calendar.closed_through(timeframe, now) && !calendar.sessions(bar).is_empty()
            };
            let begun = grid.take_while(|at| *at < window.end).filter(|at| window.contains(*at));
            let counted = u64::try_from(begun.filter(holds_a_session).count()).unwrap();
            prop_assert_eq!(expected_bars(calendar, timeframe, window, now), counted);
        }
    }

    #[test]
    fn a_report_counts_all_and_lists_the_newest() {
        let listed: Listed<u32> = (0..250).rev().collect();
        assert_eq!((listed.count, listed.newest.len(), listed.newest[0]), (250, LISTED, 249));
    }
}
