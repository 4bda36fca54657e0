//! The layers of a series: which one a session belongs to, and which one wins on reading.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bar::Bar;
use crate::calendar::Calendar;
use crate::time::{DAY, HOUR, TimeRange, Timestamp};
use crate::timeframe::Timeframe;

/// How many sessions, the current one included, the intraday layer holds: today and five full days. The rest is
/// historical. Kept well inside what Tradier still has (20 days of minutes, 40 of quarter hours).
pub const INTRADAY_SESSIONS: usize = 6;

/// How long after a session's close its day counts as settled: end-of-day plans publish it by then.
pub const SETTLING_MILLIS: i64 = 12 * HOUR;

/// A settled bar of which a price lies further than this from the recent one, relative, is recorded as a disagreement. A
/// tenth of a percent is above what rounding and late prints change, and below what a chart's reader would overlook.
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

/// Until when sessions are settled at `now`: the historical layer holds bars that begin before.
#[must_use]
pub fn settled_through(calendar: Calendar, timeframe: Timeframe, now: Timestamp) -> Timestamp {
    calendar.closed_through(timeframe, now.plus(-SETTLING_MILLIS))
}

/// From when on the intraday layer may be written at `now`: two sessions more than it holds, for runs on their way.
#[must_use]
pub fn writable_from(calendar: Calendar, timeframe: Timeframe, now: Timestamp) -> Timestamp {
    newest_sessions_start(calendar, timeframe, now, INTRADAY_SESSIONS + 2)
}

fn newest_sessions_start(calendar: Calendar, timeframe: Timeframe, now: Timestamp, count: usize) -> Timestamp {
    let recent = TimeRange { start: now.plus(-21 * DAY), end: now.plus(1) };
    let sessions = calendar.sessions(recent);
    let first = sessions.len().saturating_sub(count);
    sessions.get(first).map_or(now, |session| calendar.bar_start(timeframe, session.open))
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

    #[test]
    fn six_sessions_are_intraday_whatever_the_weekend() {
        let monday_noon = Timestamp::parse("2024-03-18T16:00:00Z").unwrap();
        let start = intraday_start(Calendar::Xnys, Timeframe::H1, monday_noon);
        assert_eq!(start.to_string(), "2024-03-11T13:00:00Z");
        let crypto = intraday_start(Calendar::AlwaysOpen, Timeframe::H1, monday_noon);
        assert_eq!(crypto.to_string(), "2024-03-13T00:00:00Z");
    }
}
