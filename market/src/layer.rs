//! The layers of a series: who may write where, and which one wins on reading. This is the one place that says so; the
//! database enforces what [`writable`] answers.
//!
//! | layer | may be written at `now` | read |
//! | --- | --- | --- |
//! | historical | what is settled: bars closed [`SETTLING_MILLIS`] ago | first |
//! | intraday | from the eighth newest session on ([`INTRADAY_SESSIONS`] and [`GRACE_SESSIONS`]), open-ended | where there is no historical bar |
//! | forecast | what is not closed | after the last bar that happened |
//!
//! So the time that has happened is never without a layer to hold it, a forecast never covers what happened, and a
//! session that settles is written once more, by the historical layer, which then hides the intraday one. Where the two
//! differ, [`disagrees`] says by how much.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bar::Bar;
use crate::calendar::{Calendar, END, FIRST};
use crate::time::{DAY, HOUR, TimeRange, Timestamp};
use crate::timeframe::Timeframe;

/// How many sessions, the current one included, the intraday layer holds: today and five full days. The rest is
/// historical. Kept well inside what Tradier still has (20 days of minutes, 40 of quarter hours).
pub const INTRADAY_SESSIONS: usize = 6;

/// How long after a session's close its day counts as settled: end-of-day plans publish it by then.
pub const SETTLING_MILLIS: i64 = 12 * HOUR;

/// How many sessions more the intraday layer may be written for than it is planned for: a run that was planned in time
/// may wait for its provider or its next attempt while sessions pass.
pub const GRACE_SESSIONS: usize = 2;

/// By how much of its price an intraday bar may differ from the historical one before it is told: 0.1 %. Vendors leave
/// out different prints (odd lots, late reports): in the recorded minutes and hours of AAPL that makes 0.02 % at most,
/// and 0.1 % is one cent of a share at ten dollars. A wrong bar, a bad tick or a missed split is far beyond.
pub const DISAGREEMENT_TOLERANCE: f64 = 0.001;

/// Where a bar comes from and how final it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// Settled sessions, adjusted.
    Historical,
    /// Recent sessions, as traded.
    Intraday,
    /// Not yet happened, with a band.
    Forecast,
}

/// The text is no layer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not a layer. Use historical, intraday or forecast.")]
pub struct LayerError(pub String);

impl Layer {
    /// All of them, in the order in which they win: a bar of an earlier layer hides one of a later layer.
    pub const ALL: [Self; 3] = [Self::Historical, Self::Intraday, Self::Forecast];

    /// The name in the database and on the wire; also the job type that fills it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Historical => "historical",
            Self::Intraday => "intraday",
            Self::Forecast => "forecast",
        }
    }
}

impl FromStr for Layer {
    type Err = LayerError;

    fn from_str(text: &str) -> Result<Self, LayerError> {
        Self::ALL
            .into_iter()
            .find(|layer| layer.as_str() == text)
            .ok_or_else(|| LayerError(text.chars().take(16).collect()))
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The first instant of the intraday layer at `now`: the start of the [`INTRADAY_SESSIONS`]th newest session that has
/// opened. Day and week bars have no intraday layer: theirs begins where nothing is settled yet.
#[must_use]
pub fn intraday_start(calendar: Calendar, timeframe: Timeframe, now: Timestamp) -> Timestamp {
    if timeframe >= Timeframe::D1 {
        return settled_through(calendar, timeframe, now);
    }
    newest_sessions_start(calendar, timeframe, now, INTRADAY_SESSIONS)
}

fn settled_through(calendar: Calendar, timeframe: Timeframe, now: Timestamp) -> Timestamp {
    calendar.closed_through(timeframe, now.plus(-SETTLING_MILLIS))
}

/// The start of the first bar of the last `count` sessions that have opened; `now` where there was none in three weeks.
fn newest_sessions_start(calendar: Calendar, timeframe: Timeframe, now: Timestamp, count: usize) -> Timestamp {
    let recent = TimeRange { start: now.plus(-21 * DAY), end: now.plus(1) };
    let sessions = calendar.sessions(recent);
    let first = sessions.len().saturating_sub(count);
    sessions.get(first).map_or(now, |session| calendar.bar_start(timeframe, session.open))
}

/// The times of which `layer` may be written at `now`, in whole bars and within what the calendars know. Every slice that
/// was planned stays inside while its run may live. Empty, its start its end, where there is nothing: a day or week
/// series has no intraday layer, and waits until its bars are settled.
#[must_use]
pub fn writable(layer: Layer, calendar: Calendar, timeframe: Timeframe, now: Timestamp) -> TimeRange {
    let known = |at: Timestamp| at.clamp(FIRST, END);
    match layer {
        Layer::Historical => TimeRange { start: FIRST, end: known(settled_through(calendar, timeframe, now)) },
        Layer::Intraday if !has_layer(timeframe, layer) => TimeRange { start: END, end: END },
        Layer::Intraday => {
            let start = newest_sessions_start(calendar, timeframe, now, INTRADAY_SESSIONS + GRACE_SESSIONS);
            TimeRange { start: known(start), end: END }
        }
        Layer::Forecast => TimeRange { start: known(calendar.closed_through(timeframe, now)), end: END },
    }
}

/// Where the layers of what has happened meet, as the database keeps it of a series; see [`writable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Historical bars begin before.
    pub settled_through: Timestamp,
    /// Intraday bars begin then or later.
    pub intraday_from: Timestamp,
}

impl Bounds {
    /// Those at `now`.
    #[must_use]
    pub fn at(calendar: Calendar, timeframe: Timeframe, now: Timestamp) -> Self {
        Self {
            settled_through: writable(Layer::Historical, calendar, timeframe, now).end,
            intraday_from: writable(Layer::Intraday, calendar, timeframe, now).start,
        }
    }
}

/// The largest relative difference between the prices of two bars of one time, both as traded, where it exceeds
/// [`DISAGREEMENT_TOLERANCE`]. Volume does not count: vendors differ on whether auctions, odd lots and late reports are
/// in it, and a recent bar still gains trades.
#[must_use]
pub fn disagrees(intraday: &Bar, historical: &Bar) -> Option<f64> {
    let prices = |bar: &Bar| [bar.open, bar.high, bar.low, bar.close];
    let pairs = prices(intraday).into_iter().zip(prices(historical));
    let largest = pairs.map(|(recent, settled)| ((recent - settled) / settled).abs()).fold(0.0, f64::max);
    (largest > DISAGREEMENT_TOLERANCE).then_some(largest)
}

/// Whether a series at this timeframe has the layer at all.
#[must_use]
pub fn has_layer(timeframe: Timeframe, layer: Layer) -> bool {
    layer != Layer::Intraday || timeframe < Timeframe::D1
}

/// One bar for each time, from the first layer of [`Layer::ALL`] that has one. Forecast bars show only after the last
/// bar that happened. Each input is sorted by time; so is the result.
#[must_use]
pub fn merge(historical: &[Bar], intraday: &[Bar], forecast: &[Bar]) -> Vec<Bar> {
    let mut merged = Vec::with_capacity(historical.len() + intraday.len() + forecast.len());
    let mut later = intraday.iter().peekable();
    for bar in historical {
        while let Some(other) = later.next_if(|other| other.ts < bar.ts) {
            merged.push(*other);
        }
        later.next_if(|other| other.ts == bar.ts);
        merged.push(*bar);
    }
    merged.extend(later.copied());
    let last = merged.last().map(|bar| bar.ts);
    merged.extend(forecast.iter().filter(|bar| last.is_none_or(|last| bar.ts > last)).copied());
    merged
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::slicing::{Ask, Sizes, plan};
    use crate::spans::Spans;
    use crate::time::MINUTE;

    fn bars(times: &[i64], price: f64) -> Vec<Bar> {
        times.iter().map(|ts| Bar::new(Timestamp(*ts), price, price, price, price, 1.0)).collect()
    }

    fn any_times() -> impl Strategy<Value = Vec<i64>> {
        proptest::collection::btree_set(0_i64..30, 0..15).prop_map(|set| set.into_iter().collect())
    }

    proptest! {
        #[test]
        fn merging_equals_a_naive_map(h in any_times(), i in any_times(), f in any_times()) {
            let (h, i, f) = (bars(&h, 1.0), bars(&i, 2.0), bars(&f, 3.0));
            let mut naive: BTreeMap<Timestamp, Bar> = i.iter().chain(&h).map(|bar| (bar.ts, *bar)).collect();
            let last = naive.keys().next_back().copied();
            naive.extend(f.iter().filter(|bar| last.is_none_or(|last| bar.ts > last)).map(|bar| (bar.ts, *bar)));
            prop_assert_eq!(merge(&h, &i, &f), naive.into_values().collect::<Vec<_>>());
        }
    }

    /// A time from 1991 to 2035 at which a layer is written, to the minute.
    fn any_series() -> impl Strategy<Value = (Calendar, Timeframe, Timestamp)> {
        let minutes = (FIRST.plus(366 * DAY).0 / MINUTE)..(END.0 / MINUTE);
        let (calendars, timeframes) = (Calendar::ALL.to_vec(), Timeframe::ALL.to_vec());
        (proptest::sample::select(calendars), proptest::sample::select(timeframes), minutes)
            .prop_map(|(calendar, timeframe, minute)| (calendar, timeframe, Timestamp(minute * MINUTE)))
    }

    proptest! {
        #[test]
        fn what_happened_has_a_layer_to_be_written_in((calendar, timeframe, now) in any_series()) {
            let may = |layer| Spans::from(writable(layer, calendar, timeframe, now));
            let closed = Spans::from(TimeRange { start: FIRST, end: calendar.closed_through(timeframe, now).min(END) });
            let (historical, intraday) = (may(Layer::Historical), may(Layer::Intraday));
            if has_layer(timeframe, Layer::Intraday) {
                prop_assert!(closed.subtract(&historical.union(&intraday)).is_empty());
            } else {
                prop_assert!(intraday.is_empty());
                let unsettled = closed.subtract(&historical);
                prop_assert!(unsettled.millis() <= 7 * DAY + HOUR, "{:?}", unsettled);
            }
            prop_assert!(historical.subtract(&closed).is_empty(), "what is settled is closed");
            prop_assert!(may(Layer::Forecast).intersect(&closed).is_empty());
            for layer in Layer::ALL {
                for range in may(layer).ranges() {
                    let is_edge = |at| at == FIRST || at == END || calendar.is_on_grid(timeframe, at);
                    prop_assert!(is_edge(range.start) && is_edge(range.end), "{} {}", layer, range);
                }
            }
        }

        #[test]
        fn what_is_planned_may_be_written_for_two_sessions((calendar, timeframe, now) in any_series()) {
            let window = TimeRange { start: now.plus(-30 * DAY), end: now };
            let sizes = Sizes { historical: 7 * DAY, intraday: 7 * DAY };
            let ask = Ask { calendar, timeframe, window, visible: None, now, sizes, slice_millis: None };
            let next_sessions = calendar.sessions(TimeRange { start: now.plus(1), end: now.plus(21 * DAY) });
            let later = next_sessions.get(GRACE_SESSIONS - 1).map_or(now, |session| session.open);
            let Ok(slices) = plan(&ask) else { return Ok(()) };
            for slice in slices {
                for at in [now, later] {
                    let may = Spans::from(writable(slice.layer, calendar, timeframe, at));
                    prop_assert!(Spans::from(slice.range).subtract(&may).is_empty(), "{:?} at {}", slice, at);
                }
            }
        }
    }

    #[test]
    fn each_layer_has_its_time() {
        let monday_noon = Timestamp::parse("2024-03-18T16:00:00Z").unwrap();
        let may = |layer| writable(layer, Calendar::Xnys, Timeframe::H1, monday_noon).to_string();
        assert_eq!(may(Layer::Historical), "[1990-01-01T00:00:00Z, 2024-03-18T05:00:00Z)", "Friday has settled");
        assert_eq!(may(Layer::Intraday), "[2024-03-07T14:00:00Z, 2036-01-01T00:00:00Z)");
        assert_eq!(may(Layer::Forecast), "[2024-03-18T16:00:00Z, 2036-01-01T00:00:00Z)");
    }

    #[test]
    fn a_disagreement_is_told_beyond_a_tenth_of_a_percent() {
        let settled = Bar::new(Timestamp(0), 100.0, 102.0, 99.0, 101.0, 5_000.0);
        assert_eq!(disagrees(&settled, &settled), None);
        assert_eq!(disagrees(&Bar { volume: 1.0, ..settled }, &settled), None, "volume does not count");
        assert_eq!(disagrees(&Bar { open: 100.09, high: 102.1, ..settled }, &settled), None);
        let told = disagrees(&Bar { open: 100.2, low: 98.01, ..settled }, &settled).unwrap();
        assert!((told - 0.01).abs() < 1e-12, "the low's, the largest: {told}");
        assert_eq!(disagrees(&Bar { high: 204.0, ..settled }, &settled), Some(1.0));
    }

    #[test]
    fn six_sessions_are_intraday_whatever_the_weekend() {
        let monday_noon = Timestamp::parse("2024-03-18T16:00:00Z").unwrap();
        let start = intraday_start(Calendar::Xnys, Timeframe::H1, monday_noon);
        assert_eq!(start.to_string(), "2024-03-11T13:00:00Z");
        let crypto = intraday_start(Calendar::AlwaysOpen, Timeframe::H1, monday_noon);
        assert_eq!(crypto.to_string(), "2024-03-13T00:00:00Z");
    }
}
