//! What the venues of crypto pairs have in common: no key, pairs under the venue's own names, bars of fixed lengths that
//! are counted from the epoch.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tidemark_market::resample::merge;
use tidemark_market::time::{DAY, MINUTE};
use tidemark_market::{Bar, Hours, Symbol, TimeRange, Timestamp, Venue};

use crate::serve::{Call, Incoming, Provider};
use crate::state::Shared;
use crate::window::Window;

/// So many intervals before a range are searched for the price that its first flat rows repeat.
const LOOK_BACK: i64 = 30;

/// Intervals of `length` of which one begins at `phase`, both in milliseconds, the latter since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) length: i64,
    pub(crate) phase: i64,
}

impl Interval {
    pub(crate) const fn minutes(count: i64) -> Self {
        Self { length: count * MINUTE, phase: 0 }
    }

    /// Where the interval that holds `at` begins.
    pub(crate) fn start(self, at: Timestamp) -> Timestamp {
        let since = at.0.saturating_sub(self.phase);
        Timestamp(since.div_euclid(self.length).saturating_mul(self.length).saturating_add(self.phase))
    }

    /// The first start of an interval that is not before `at`.
    pub(crate) fn start_from(self, at: Timestamp) -> Timestamp {
        self.start(at.plus(self.length - 1))
    }

    /// The longest window of which it is made.
    fn window(self) -> Window {
        if self.length % DAY == 0 {
            return Window::Days(1);
        }
        let minutes =
            [240, 60, 30, 15, 5].into_iter().find(|minutes| self.length % (i64::from(*minutes) * MINUTE) == 0);
        Window::Minutes(minutes.unwrap_or(1))
    }

    /// `h1` and the like; `asked` where Tidemark has no such length.
    pub(crate) fn name(self, asked: &str) -> String {
        let is_epoch_aligned = self.phase == 0 && self.window().nominal_millis() == self.length;
        let own = self.window().timeframe().filter(|_| is_epoch_aligned);
        own.map_or_else(|| asked.to_owned(), |timeframe| timeframe.to_string())
    }
}

/// The symbol that `venue` calls `pair`, in exactly this spelling.
pub(crate) fn symbol_at(venue: Venue, pair: &str) -> Option<Symbol> {
    let symbol: Symbol = format!("{}:{pair}", venue.as_str()).parse().ok()?;
    (symbol.at_venue()?.1 == pair).then_some(symbol)
}

/// The call for bars that span `range`.
pub(crate) fn bars_call(
    incoming: &Incoming,
    provider: Provider,
    symbol: Option<&Symbol>,
    ask: Option<(Interval, TimeRange)>,
    asked: &str,
) -> Call {
    Call {
        symbol: symbol.cloned(),
        range: ask.map(|(_, range)| range),
        timeframe: ask.map(|(interval, _)| interval.name(asked)),
        ..incoming.call(provider)
    }
}

/// From the first interval that can have a row to the end of the one under way, or of the last that was recorded.
pub(crate) fn history(shared: &Shared, symbol: &Symbol, interval: Interval) -> Option<TimeRange> {
    let span = shared.source.span(symbol, shared.now())?;
    TimeRange::new(interval.start(span.start), interval.start(span.end.plus(-1)).plus(interval.length))
}

/// The bars of the intervals that begin in `range` and in which something was traded, the one under way included.
pub(crate) fn traded(shared: &Shared, symbol: &Symbol, interval: Interval, range: TimeRange) -> Vec<Bar> {
    let whole = TimeRange::new(interval.start_from(range.start), interval.start_from(range.end));
    let Some(whole) = whole.and_then(|whole| whole.intersect(history(shared, symbol, interval)?)) else {
        return Vec::new();
    };
    let parts = shared.source.bars(symbol, interval.window(), whole, shared.now(), Hours::Regular);
    parts
        .chunk_by(|a, b| interval.start(a.ts) == interval.start(b.ts))
        .filter_map(|parts| merge(parts, interval.start(parts.first()?.ts)))
        .collect()
}

/// The same with a flat row, at the last price, for each interval in which nothing was traded.
pub(crate) fn with_flat_rows(shared: &Shared, symbol: &Symbol, interval: Interval, range: TimeRange) -> Vec<Bar> {
    let earlier = TimeRange { start: range.start.plus(-LOOK_BACK * interval.length), ..range };
    let last = history(shared, symbol, interval).map_or(range.end, |history| history.end.min(range.end));
    let mut rows: Vec<Bar> = Vec::new();
    let bars = traded(shared, symbol, interval, earlier);
    for (index, bar) in bars.iter().enumerate() {
        let next = bars.get(index + 1).map_or(last, |next| next.ts);
        let flat = |ts| Bar {
            vwap: Some(0.0),
            trades: Some(0),
            ..Bar::new(ts, bar.close, bar.close, bar.close, bar.close, 0.0)
        };
        let following = std::iter::successors(Some(bar.ts.plus(interval.length)), |ts| Some(ts.plus(interval.length)));
        rows.push(*bar);
        rows.extend(following.take_while(|ts| *ts < next).map(flat));
    }
    rows.retain(|row| range.contains(row.ts));
    rows
}

pub(crate) fn json(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// A price or volume with `decimals` after the point; `NaN` for one that is not there.
pub(crate) fn fixed(value: f64, decimals: usize) -> Value {
    Value::from(format!("{value:.decimals$}"))
}

pub(crate) type Routes = axum::Router<Arc<Shared>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_counted_from_their_phase() {
        let monday = Interval { length: 7 * DAY, phase: 4 * DAY };
        let at = |text| Timestamp::parse(text).unwrap();
        assert_eq!(monday.start(at("2024-03-13T12:00:00Z")), at("2024-03-11T00:00:00Z"));
        assert_eq!(Interval::minutes(10_080).start(at("2024-03-13T12:00:00Z")), at("2024-03-07T00:00:00Z"));
        assert_eq!(Interval::minutes(5).start_from(at("2024-03-13T12:00:01Z")), at("2024-03-13T12:05:00Z"));
        let names = [1, 60, 360, 1_440, 10_080].map(|minutes| Interval::minutes(minutes).name("asked"));
        assert_eq!(names, ["m1", "h1", "asked", "d1", "asked"]);
    }
}
