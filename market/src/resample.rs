//! Coarser bars from finer ones.

use crate::bar::Bar;
use crate::calendar::Calendar;
use crate::spans::Spans;
use crate::time::{TimeRange, Timestamp};
use crate::timeframe::Timeframe;

/// The timeframes of which a coarser one can be made, the coarsest first. The New York Stock Exchange's regular session
/// begins at half past: providers' hour bars of 09:00 hold trades from before it, so nothing is made of hours there.
#[must_use]
pub fn sources(timeframe: Timeframe, calendar: Calendar) -> Vec<Timeframe> {
    let holds_other_hours =
        |finer: Timeframe| calendar == Calendar::Xnys && matches!(finer, Timeframe::H1 | Timeframe::H4);
    Timeframe::ALL.into_iter().rev().filter(|finer| *finer < timeframe && !holds_other_hours(*finer)).collect()
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
/// is weighted by volume and told only where every part tells it; so is the trade count.
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
    let money: Option<f64> = parts.iter().map(|bar| bar.vwap.map(|vwap| vwap * bar.volume)).sum();
    money.filter(|_| volume > 0.0).map(|money| money / volume)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::MINUTE;

    fn any_bars() -> impl Strategy<Value = Vec<Bar>> {
        proptest::collection::btree_map(0_i64..800, (1.0..100.0_f64, 0.0..5.0_f64, 0_u32..50), 0..80).prop_map(|bars| {
            bars.into_iter()
                .map(|(quarter, (price, spread, volume))| Bar {
                    ts: Timestamp(1_709_560_800_000 + quarter * 15 * MINUTE),
                    open: price,
                    high: price + spread,
                    low: price - spread / 2.0,
                    close: price + spread / 3.0,
                    volume: f64::from(volume),
                    vwap: Some(price),
                    trades: Some(volume),
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn resampling_twice_is_resampling_once(bars in any_bars()) {
            for timeframe in [Timeframe::H1, Timeframe::H4, Timeframe::D1, Timeframe::W1] {
                let once = resample(&bars, timeframe, Calendar::Xnys);
                prop_assert_eq!(&resample(&once, timeframe, Calendar::Xnys), &once);
                prop_assert_eq!(once.iter().map(|bar| bar.trades.unwrap()).sum::<u32>(),
                                bars.iter().map(|bar| bar.trades.unwrap()).sum::<u32>());
            }
        }
    }
}
