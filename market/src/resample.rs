//! Coarser bars from finer ones.
//!
//! A coarser bar holds the finer bars that begin in it, whole. h4 and d1 bars lie inside one day of the exchange, so none
//! spans two sessions; a w1 bar holds the days of one week. Which bars are handed in decides what the result counts: a
//! regular series' minutes make regular days. The hour that begins at 09:00 New York time then holds 09:30 to 10:00,
//! while a provider's own 09:00 hour may count what traded before the opening too.

use crate::bar::Bar;
use crate::calendar::Calendar;
use crate::spans::Spans;
use crate::time::{TimeRange, Timestamp};
use crate::timeframe::Timeframe;

const COARSEST_FIRST: [Timeframe; 7] =
    [Timeframe::D1, Timeframe::H4, Timeframe::H1, Timeframe::M30, Timeframe::M15, Timeframe::M5, Timeframe::M1];

/// The timeframes from whose bars those at `timeframe` can be made, the coarsest first: it needs the fewest. They are all
/// finer ones, since every grid of [`Calendar::bar_start`] holds that of the next coarser: New York's midnight and 17:00
/// are full hours of UTC.
#[must_use]
pub fn sources(timeframe: Timeframe) -> &'static [Timeframe] {
    &COARSEST_FIRST[COARSEST_FIRST.partition_point(|finer| *finer >= timeframe)..]
}

/// Those of the [`sources`] whose stored bars hold the calendar's sessions and nothing else. The New York Stock Exchange
/// opens at half past nine, and providers' hour bars of 09:00 hold trades from before: nothing is made of those.
pub fn clean_sources(timeframe: Timeframe, calendar: Calendar) -> impl Iterator<Item = Timeframe> {
    let is_mixed = move |finer: Timeframe| calendar == Calendar::Xnys && matches!(finer, Timeframe::H1 | Timeframe::H4);
    sources(timeframe).iter().copied().filter(move |finer| !is_mixed(*finer))
}

/// The bars at `timeframe` in `wanted` that finer bars make up wholly: those whose session time is `covered` all through.
/// `wanted` is of whole bars.
#[must_use]
pub fn answered(wanted: &Spans, covered: &Spans, calendar: Calendar, timeframe: Timeframe, finer: Timeframe) -> Spans {
    let Some(hull) = wanted.hull() else { return Spans::empty() };
    let always = Timestamp(i64::MAX / 2);
    let needed: Spans = calendar.session_spans(finer, hull, always).into();
    let missing = needed.intersect(wanted).subtract(covered);
    let lacking = missing.ranges().iter().map(|range| TimeRange {
        start: calendar.bar_start(timeframe, range.start),
        end: calendar.bar_end(timeframe, range.end.plus(-1)),
    });
    wanted.subtract(&lacking.collect())
}

/// Bars at `timeframe` from finer bars sorted by time, aligned as [`Calendar::bar_start`] aligns them. The average price
/// is weighted by volume and told only where every part that traded tells it; the trade count where every part does.
#[must_use]
pub fn resample(finer: &[Bar], timeframe: Timeframe, calendar: Calendar) -> Vec<Bar> {
    finer
        .chunk_by(|a, b| calendar.bar_start(timeframe, a.ts) == calendar.bar_start(timeframe, b.ts))
        .filter_map(|parts| merge(parts, calendar.bar_start(timeframe, parts.first()?.ts)))
        .collect()
}

/// The one bar, beginning at `ts`, that `parts` make up, which are sorted by time; `None` where there are none.
#[must_use]
pub fn merge(parts: &[Bar], ts: Timestamp) -> Option<Bar> {
    let (first, last) = (parts.first()?, parts.last()?);
    let volume: f64 = parts.iter().map(|bar| bar.volume).sum();
    Some(Bar {
        ts,
        open: first.open,
        high: parts.iter().map(|bar| bar.high).fold(first.high, f64::max),
        low: parts.iter().map(|bar| bar.low).fold(first.low, f64::min),
        close: last.close,
        volume,
        vwap: weighted_average(parts, volume),
        trades: parts.iter().map(|bar| bar.trades).try_fold(0_u32, |sum, trades| sum.checked_add(trades?)),
    })
}

fn weighted_average(parts: &[Bar], volume: f64) -> Option<f64> {
    if let [only] = parts {
        return only.vwap;
    }
    let traded = parts.iter().filter(|bar| bar.volume > 0.0);
    let money: Option<f64> = traded.map(|bar| bar.vwap.map(|vwap| vwap * bar.volume)).sum();
    money.filter(|_| volume > 0.0).map(|money| money / volume)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::calendar::{END, FIRST};
    use crate::time::{DAY, TimeRange};

    /// Bars in the sessions of some days anywhere from 1990 to 2035: of the source's grid, with holes.
    fn any_series() -> impl Strategy<Value = (Calendar, Timeframe, Vec<Bar>)> {
        let calendar = proptest::sample::select(Calendar::ALL.to_vec());
        let source = proptest::sample::select(vec![Timeframe::M1, Timeframe::M5, Timeframe::M15, Timeframe::H1]);
        let values = proptest::collection::vec((1_u32..10_000, 0_u32..500, 0_u32..500, 0_u32..50), 1..200);
        let gaps = proptest::collection::vec(1_usize..40, 200);
        (calendar, source, FIRST.0..END.0 - 30 * DAY, values, gaps).prop_map(
            |(calendar, source, start, values, gaps)| {
                let mut grid = grid(calendar, source, Timestamp(start));
                let bars = values.into_iter().zip(gaps).map_while(|(values, gap)| Some(bar(grid.nth(gap)?, values)));
                (calendar, source, bars.collect())
            },
        )
    }

    fn grid(calendar: Calendar, timeframe: Timeframe, start: Timestamp) -> impl Iterator<Item = Timestamp> {
        let month = TimeRange { start, end: start.plus(30 * DAY) };
        calendar.session_spans(timeframe, month, month.end).into_iter().flat_map(move |span| {
            std::iter::successors(Some(span.start), move |at| Some(calendar.bar_end(timeframe, *at)))
                .take_while(move |at| *at < span.end)
        })
    }

    /// Whole numbers, so that sums are exact in any order.
    fn bar(ts: Timestamp, (low, open, close, volume): (u32, u32, u32, u32)) -> Bar {
        let price = |above: u32| f64::from(low + above);
        Bar {
            vwap: Some(price(1)),
            trades: Some(volume),
            ..Bar::new(ts, price(open), price(open.max(close) + 7), price(0), price(close), f64::from(volume))
        }
    }

    /// What one would do by hand: bars are sorted into drawers, one for each coarser bar.
    fn naive(bars: &[Bar], timeframe: Timeframe, calendar: Calendar) -> Vec<Bar> {
        let mut drawers: BTreeMap<Timestamp, Bar> = BTreeMap::new();
        for bar in bars {
            let drawer = drawers.entry(calendar.bar_start(timeframe, bar.ts));
            let ts = *drawer.key();
            drawer
                .and_modify(|sum| {
                    sum.high = sum.high.max(bar.high);
                    sum.low = sum.low.min(bar.low);
                    sum.close = bar.close;
                    sum.volume += bar.volume;
                    sum.trades = Some(sum.trades.unwrap() + bar.trades.unwrap());
                })
                .or_insert(Bar { ts, ..*bar });
        }
        drawers.into_values().collect()
    }

    fn without_averages(bars: &[Bar]) -> Vec<Bar> {
        bars.iter().map(|bar| Bar { vwap: None, ..*bar }).collect()
    }

    fn coarser(source: Timeframe) -> impl Iterator<Item = Timeframe> {
        Timeframe::ALL.into_iter().filter(move |timeframe| sources(*timeframe).contains(&source))
    }

    proptest! {
        #[test]
        fn resampling_equals_a_naive_model((calendar, source, bars) in any_series()) {
            for timeframe in coarser(source) {
                let made = resample(&bars, timeframe, calendar);
                let want = naive(&bars, timeframe, calendar);
                prop_assert_eq!(without_averages(&made), without_averages(&want), "{} from {}", timeframe, source);
                let volume = |bars: &[Bar]| bars.iter().map(|bar| bar.volume).sum::<f64>();
                prop_assert_eq!(volume(&made), volume(&bars));
            }
        }

        #[test]
        fn resampling_twice_is_resampling_once((calendar, source, bars) in any_series()) {
            for timeframe in coarser(source) {
                let once = resample(&bars, timeframe, calendar);
                prop_assert_eq!(&resample(&once, timeframe, calendar), &once);
                for between in coarser(source).filter(|between| sources(timeframe).contains(between)) {
                    let by_steps = resample(&resample(&bars, between, calendar), timeframe, calendar);
                    prop_assert_eq!(without_averages(&by_steps), without_averages(&once), "{} over {}", timeframe, between);
                    for (steps, once) in by_steps.iter().zip(&once) {
                        let is_same = match (steps.vwap, once.vwap) {
                            (Some(steps), Some(once)) => (steps - once).abs() < 1e-9 * once,
                            (steps, once) => steps == once,
                        };
                        prop_assert!(is_same, "{:?} over {}, {:?}", steps.vwap, between, once.vwap);
                    }
                }
            }
        }

        #[test]
        fn no_bar_up_to_a_day_mixes_two_sessions((calendar, source, bars) in any_series()) {
            for timeframe in coarser(source).filter(|timeframe| *timeframe <= Timeframe::D1) {
                let whole = |ts: Timestamp| TimeRange { start: ts, end: calendar.bar_end(timeframe, ts) };
                for made in resample(&bars, timeframe, calendar) {
                    prop_assert_eq!(calendar.sessions(whole(made.ts)).len(), 1, "{} {}", timeframe, made.ts);
                }
            }
        }

        #[test]
        fn bars_of_a_source_nest(calendar in proptest::sample::select(Calendar::ALL.to_vec()), at in FIRST.0..END.0) {
            for timeframe in Timeframe::ALL {
                let (start, end) =
                    (calendar.bar_start(timeframe, Timestamp(at)), calendar.bar_end(timeframe, Timestamp(at)));
                for finer in sources(timeframe) {
                    prop_assert!(calendar.is_on_grid(*finer, start) && calendar.is_on_grid(*finer, end),
                                 "{} in {}", finer, timeframe);
                }
            }
        }
    }

    #[test]
    fn sources_are_the_finer_timeframes_the_coarsest_first() {
        let names = |timeframe| sources(timeframe).iter().map(|finer| finer.as_str()).collect::<Vec<_>>();
        assert_eq!(names(Timeframe::M1), [""; 0]);
        assert_eq!(names(Timeframe::M15), ["m5", "m1"]);
        assert_eq!(names(Timeframe::H4), ["h1", "m30", "m15", "m5", "m1"]);
        assert_eq!(names(Timeframe::W1), ["d1", "h4", "h1", "m30", "m15", "m5", "m1"]);
    }
}
