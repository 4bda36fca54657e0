//! Series beside each other: the closes of another one at a chart's bars, in percent of where both stood at one time.
//!
//! The other series' bar counts at a bar of the chart where it is the newest that has begun, and has not been over for as
//! long as it took: hours that begin at half past the hour meet those that begin at the full hour. Where there is none the
//! line has a hole, as over a night that only one of both trades in.

use thiserror::Error;

use crate::bar::Bar;
use crate::symbol::{Symbol, SymbolError};
use crate::time::Timestamp;
use crate::timeframe::Timeframe;

/// How many symbols are compared with a chart's own at most.
pub const MOST: usize = 4;

/// Why a list of symbols can't be compared.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CompareError {
    /// One of them is none.
    #[error(transparent)]
    Symbol(#[from] SymbolError),
    /// More than [`MOST`].
    #[error("{0} symbols are more than can be compared. Name {MOST} at most.")]
    TooMany(usize),
}

/// The symbols of `MSFT,QQQ`, each once.
///
/// # Errors
/// What is no symbol, and more than [`MOST`] of them.
pub fn parse_list(text: &str) -> Result<Vec<Symbol>, CompareError> {
    let mut symbols: Vec<Symbol> = Vec::new();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let symbol = part.parse()?;
        if !symbols.contains(&symbol) {
            symbols.push(symbol);
        }
    }
    if symbols.len() > MOST { Err(CompareError::TooMany(symbols.len())) } else { Ok(symbols) }
}

/// Writes the list that [`parse_list`] reads.
#[must_use]
pub fn format_list(symbols: &[Symbol]) -> String {
    symbols.iter().map(Symbol::as_str).collect::<Vec<_>>().join(",")
}

/// The close of `other` at each of `times`, NaN where it has none there. Both are sorted by time.
#[must_use]
pub fn aligned(times: &[Timestamp], other: &[Bar], timeframe: Timeframe) -> Vec<f64> {
    let mut begun = 0;
    let close_at = |at: &Timestamp| {
        begun += other[begun..].iter().take_while(|bar| bar.ts <= *at).count();
        let newest = begun.checked_sub(1).map(|place| &other[place]);
        newest.filter(|bar| at.0 - bar.ts.0 < timeframe.millis()).map_or(f64::NAN, |bar| bar.close)
    };
    times.iter().map(close_at).collect()
}

/// What counts as 0 percent of `bars` where the first bar in view begins at `first`: the close at that time, else the last
/// one before it, else the first one after. `None` where there are no bars.
#[must_use]
pub fn base(bars: &[Bar], first: Timestamp) -> Option<f64> {
    let begun = bars.partition_point(|bar| bar.ts <= first);
    bars.get(begun.saturating_sub(1)).map(|bar| bar.close)
}

/// How far `value` lies from `base`, in percent of it.
#[must_use]
pub fn percent(value: f64, base: f64) -> f64 {
    (value / base - 1.0) * 100.0
}

/// The value of another series as it lies on the scale of one: as many percent from `base` as `value` from `other_base`.
#[must_use]
pub fn rebased(value: f64, other_base: f64, base: f64) -> f64 {
    value / other_base * base
}

/// The lowest and the highest of `values`, those that are NaN left out; `None` where there is none.
#[must_use]
pub fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|value| !value.is_nan()).fold(None, |range, value| match range {
        Some((low, high)) => Some((value.min(low), value.max(high))),
        None => Some((value, value)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_set;
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000;

    fn bar(minute: i64, close: f64) -> Bar {
        Bar::new(Timestamp(minute * MINUTE), close, close, close, close, 1.0)
    }

    fn times(minutes: &[i64]) -> Vec<Timestamp> {
        minutes.iter().map(|minute| Timestamp(minute * MINUTE)).collect()
    }

    /// NaN, which equals nothing, as `None`.
    fn at(minutes: &[i64], other: &[Bar], timeframe: Timeframe) -> Vec<Option<f64>> {
        let closes = aligned(&times(minutes), other, timeframe);
        closes.into_iter().map(|close| Some(close).filter(|close| !close.is_nan())).collect()
    }

    #[test]
    fn a_list_is_read_and_written() {
        let list = parse_list(" msft,QQQ,x:btcusd,MSFT,").unwrap();
        assert_eq!(format_list(&list), "MSFT,QQQ,X:BTCUSD");
        assert_eq!(parse_list(""), Ok(Vec::new()));
        assert_eq!(parse_list("A,B,A B"), Err(CompareError::Symbol(SymbolError::Character(' '))));
        let refusal = parse_list("A,B,C,D,E").unwrap_err().to_string();
        assert_eq!(refusal, "5 symbols are more than can be compared. Name 4 at most.");
    }

    #[test]
    fn bars_of_the_same_time_meet() {
        let other = [bar(0, 1.0), bar(1, 2.0), bar(2, 3.0)];
        assert_eq!(at(&[0, 1, 2], &other, Timeframe::M1), [Some(1.0), Some(2.0), Some(3.0)]);
    }

    #[test]
    fn bars_that_begin_at_another_minute_of_the_hour_meet_while_they_last() {
        let other = [bar(30, 1.0), bar(90, 2.0)];
        assert_eq!(at(&[0, 60, 120, 149, 150], &other, Timeframe::H1), [None, Some(1.0), Some(2.0), Some(2.0), None]);
    }

    #[test]
    fn where_the_other_does_not_trade_is_a_hole() {
        let other = [bar(0, 1.0), bar(5, 2.0)];
        assert_eq!(at(&[0, 1, 4, 5, 6], &other, Timeframe::M1), [Some(1.0), None, None, Some(2.0), None]);
        assert_eq!(at(&[0, 1], &[], Timeframe::M1), [None, None]);
    }

    #[test]
    fn percent_is_of_the_close_where_the_view_begins_or_the_nearest_one() {
        let bars = [bar(10, 50.0), bar(20, 60.0)];
        let base_at = |minute: i64| base(&bars, Timestamp(minute * MINUTE));
        assert_eq!(base_at(10), Some(50.0));
        assert_eq!(base_at(19), Some(50.0), "the last before");
        assert_eq!(base_at(900), Some(60.0));
        assert_eq!(base_at(0), Some(50.0), "the first after");
        assert_eq!(base(&[], Timestamp(0)), None);
        assert_eq!((percent(60.0, 50.0).round(), percent(50.0, 50.0)), (20.0, 0.0));
    }

    #[test]
    fn a_range_takes_all_in_but_holes() {
        assert_eq!(range([f64::NAN, 2.0, -1.0, f64::NAN].into_iter()), Some((-1.0, 2.0)));
        assert_eq!(range([f64::NAN].into_iter()), None);
    }

    prop_compose! {
        fn series()(minutes in btree_set(0_i64..400, 0..120), closes in prop::collection::vec(1.0..1e4, 120))
            -> Vec<Bar> {
            minutes.into_iter().zip(closes).map(|(minute, close)| bar(minute, close)).collect()
        }
    }

    proptest! {
        #[test]
        fn alignment_is_what_a_search_from_the_start_finds(main in series(), other in series()) {
            let minutes: Vec<i64> = main.iter().map(|bar| bar.ts.0 / MINUTE).collect();
            for timeframe in [Timeframe::M1, Timeframe::M5, Timeframe::H1] {
                let found = |minute: &i64| {
                    let now = minute * MINUTE;
                    let newest = other.iter().rev().find(|bar| bar.ts.0 <= now)?;
                    (newest.ts.0 > now - timeframe.millis()).then_some(newest.close)
                };
                let expected: Vec<Option<f64>> = minutes.iter().map(found).collect();
                prop_assert_eq!(at(&minutes, &other, timeframe), expected);
            }
        }

        #[test]
        fn a_series_beside_itself_is_itself(main in series(), first in 0_i64..400) {
            let minutes: Vec<i64> = main.iter().map(|bar| bar.ts.0 / MINUTE).collect();
            let closes: Vec<Option<f64>> = main.iter().map(|bar| Some(bar.close)).collect();
            prop_assert_eq!(at(&minutes, &main, Timeframe::M1), closes);
            if let Some(base) = base(&main, Timestamp(first * MINUTE)) {
                let range = range(main.iter().map(|bar| rebased(bar.close, base, base)));
                prop_assert!(range.is_some_and(|(low, high)| low <= high));
            }
        }

        #[test]
        fn rebasing_keeps_percents(value in 0.01..1e5, other in 0.01..1e5, base in 0.01..1e5) {
            let here = percent(rebased(value, other, base), base);
            let there = percent(value, other);
            prop_assert!((here - there).abs() <= 1e-9 * there.abs().max(1.0) * 100.0, "{here} is not {there}");
        }
    }
}
