//! What a bar must satisfy before it is stored, and why one does not.

use serde::{Deserialize, Serialize};

use crate::bar::Bar;
use crate::calendar::Calendar;
use crate::spans::Spans;
use crate::time::TimeRange;
use crate::timeframe::Timeframe;

/// Why a bar was not stored. The name of each is its stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Defect {
    /// A price or the volume is NaN or infinite.
    NotFinite,
    /// A price is zero or less.
    NotPositive,
    /// Not `low ≤ open, close ≤ high`.
    OutOfOrder,
    /// The volume is negative.
    NegativeVolume,
    /// The time is not where a bar of this timeframe can begin.
    OffGrid,
    /// The time is not inside the slice that was asked for.
    OutsideSlice,
    /// Another bar of the same time came in the same answer.
    Duplicate,
}

impl Defect {
    /// Whether the bar's values are wrong, as opposed to its time or that it came twice.
    #[must_use]
    pub const fn is_of_values(self) -> bool {
        matches!(self, Self::NotFinite | Self::NotPositive | Self::OutOfOrder | Self::NegativeVolume)
    }

    /// The stable code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFinite => "not_finite",
            Self::NotPositive => "not_positive",
            Self::OutOfOrder => "out_of_order",
            Self::NegativeVolume => "negative_volume",
            Self::OffGrid => "off_grid",
            Self::OutsideSlice => "outside_slice",
            Self::Duplicate => "duplicate",
        }
    }
}

/// A provider's answer, sorted out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Validated {
    /// Good bars, sorted by time, one for each time.
    pub bars: Vec<Bar>,
    /// Bars that fail, with the first reason found.
    pub quarantined: Vec<(Bar, Defect)>,
    /// Good bars of the slice that lie outside its session time: extended hours, which a regular series leaves out.
    pub out_of_session: usize,
}

/// Sorts out the bars a provider answered for `slice`, whose session time is `sessions`. The order of `bars` does not
/// matter: of several bars for one time the one with the greatest volume stays, since a bar only ever gains trades.
#[must_use]
pub fn validate(
    mut bars: Vec<Bar>,
    slice: TimeRange,
    sessions: &Spans,
    timeframe: Timeframe,
    calendar: Calendar,
) -> Validated {
    bars.sort_by(fullest_first);
    let mut validated = Validated::default();
    for bar in bars {
        let last = validated.bars.last().map(|last| last.ts);
        match defect(&bar, slice, timeframe, calendar) {
            Some(defect) => validated.quarantined.push((bar, defect)),
            None if last == Some(bar.ts) => validated.quarantined.push((bar, Defect::Duplicate)),
            None if sessions.contains(bar.ts) => validated.bars.push(bar),
            None => validated.out_of_session += 1,
        }
    }
    validated
}

/// By time; among equal times the greatest volume first, then by prices, so that any order of arrival ends the same.
#[must_use]
pub fn fullest_first(a: &Bar, b: &Bar) -> std::cmp::Ordering {
    a.ts.cmp(&b.ts)
        .then_with(|| b.volume.total_cmp(&a.volume))
        .then_with(|| a.close.total_cmp(&b.close))
        .then_with(|| a.open.total_cmp(&b.open))
        .then_with(|| a.high.total_cmp(&b.high))
        .then_with(|| a.low.total_cmp(&b.low))
}

/// What is wrong with a bar by itself: the first reason found.
#[must_use]
pub fn defect(bar: &Bar, slice: TimeRange, timeframe: Timeframe, calendar: Calendar) -> Option<Defect> {
    let prices = [bar.open, bar.high, bar.low, bar.close];
    let within = |price: f64| bar.low <= price && price <= bar.high;
    if !prices.iter().all(|price| price.is_finite()) || !bar.volume.is_finite() {
        Some(Defect::NotFinite)
    } else if prices.iter().any(|price| *price <= 0.0) {
        Some(Defect::NotPositive)
    } else if !within(bar.open) || !within(bar.close) {
        Some(Defect::OutOfOrder)
    } else if bar.volume < 0.0 {
        Some(Defect::NegativeVolume)
    } else if !slice.contains(bar.ts) {
        Some(Defect::OutsideSlice)
    } else if !calendar.is_on_grid(timeframe, bar.ts) {
        Some(Defect::OffGrid)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::{HOUR, MINUTE, Timestamp};

    const OPEN: Timestamp = Timestamp(1_710_336_600_000);

    fn slice() -> TimeRange {
        TimeRange { start: OPEN, end: OPEN.plus(HOUR) }
    }

    fn good(minute: i64) -> Bar {
        Bar::new(OPEN.plus(minute * MINUTE), 10.0, 11.0, 9.0, 10.5, 100.0)
    }

    fn check(bars: Vec<Bar>) -> Validated {
        validate(bars, slice(), &slice().into(), Timeframe::M1, Calendar::Xnys)
    }

    #[test]
    fn each_defect_is_named_and_the_rest_is_kept() {
        let bad = [
            (Bar { high: f64::NAN, ..good(0) }, Defect::NotFinite),
            (Bar { volume: f64::INFINITY, ..good(1) }, Defect::NotFinite),
            (Bar { low: -1.0, ..good(2) }, Defect::NotPositive),
            (Bar { close: 12.0, ..good(3) }, Defect::OutOfOrder),
            (Bar { low: 12.0, ..good(4) }, Defect::OutOfOrder),
            (Bar { volume: -1.0, ..good(5) }, Defect::NegativeVolume),
            (Bar { ts: OPEN.plus(6 * MINUTE + 1), ..good(6) }, Defect::OffGrid),
            (good(60), Defect::OutsideSlice),
            (good(-1), Defect::OutsideSlice),
        ];
        let mut bars: Vec<Bar> = bad.iter().map(|(bar, _)| *bar).collect();
        bars.push(good(30));
        let validated = check(bars);
        assert_eq!(validated.bars, [good(30)]);
        assert_eq!(validated.quarantined.len(), bad.len());
        for (bar, defect) in bad {
            let found = validated.quarantined.iter().any(|(other, why)| other.ts == bar.ts && *why == defect);
            assert!(found, "{bar:?} {defect:?}");
        }
    }

    proptest! {
        #[test]
        fn order_and_repetition_of_arrival_do_not_matter(
            minutes in proptest::collection::vec((0_i64..60, 0_u32..3), 0..40), seed in any::<prop::sample::Index>(),
        ) {
            let bars: Vec<Bar> =
                minutes.iter().map(|(minute, volume)| Bar { volume: f64::from(*volume), ..good(*minute) }).collect();
            let mut shuffled = bars.clone();
            shuffled.reverse();
            if !shuffled.is_empty() {
                let middle = seed.index(shuffled.len());
                shuffled.rotate_left(middle);
                shuffled.push(shuffled[middle]);
            }
            let (once, again) = (check(bars), check(shuffled));
            prop_assert_eq!(&once.bars, &again.bars);
            prop_assert!(once.bars.windows(2).all(|pair| pair[0].ts < pair[1].ts));
        }
    }
}
