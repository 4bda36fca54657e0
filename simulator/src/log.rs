//! What was asked, when and with what result, and how much of it overlapped.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use chrono::Utc;
use serde::{Deserialize, Serialize};
use tidemark_market::{Symbol, TimeRange, Timestamp};

use crate::faults::FaultKind;
use crate::lock;
use crate::serve::{Call, Provider};

/// How many requests are kept; older ones make room and are counted.
const KEPT_REQUESTS: usize = 50_000;

/// One request to a provider. Times are epoch milliseconds in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestEntry {
    /// Counts up from 1.
    pub id: u64,
    /// Who was asked.
    pub provider: Provider,
    /// Path and query, without the key.
    pub path: String,
    /// The symbol, where one was asked for.
    pub symbol: Option<Symbol>,
    /// Where the range asked for begins, where bars were asked for.
    pub start: Option<Timestamp>,
    /// Where it ends.
    pub end: Option<Timestamp>,
    /// `h1` and the like; lengths that Tidemark does not have as `2/hour` or `monthly`.
    pub timeframe: Option<String>,
    /// When the request arrived, by the system's clock.
    pub arrived: Timestamp,
    /// When its answer was ready, or its client gone; `None` while it is in flight.
    pub ended: Option<Timestamp>,
    /// The status of the answer; `None` while in flight, and where the client or the connection was gone before.
    pub status: Option<u16>,
    /// The fault it met.
    pub fault: Option<FaultKind>,
}

/// The log so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestLog {
    /// The newest requests (50,000 at most), in order of arrival.
    pub requests: Vec<RequestEntry>,
    /// How many older ones are no longer kept.
    pub dropped: u64,
    /// The greatest number of requests that were in flight at once at one provider for one point in time of one symbol
    /// and timeframe. 1 means that nothing was fetched twice at once. A later page of a paging does not meet the page
    /// before, which has ended by then. Of a request to Kraken, which names no end, the start alone counts.
    pub max_concurrent_overlap: usize,
    /// What each provider was asked; one that was not asked is not here.
    pub providers: BTreeMap<Provider, ProviderTally>,
}

/// How much one provider was asked, of whichever key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderTally {
    /// All requests, those no longer kept included.
    pub requests: u64,
    /// How many were answered with status 429.
    pub throttled: u64,
    /// The greatest number of requests that arrived within any time as long as the window of a limit. A window of the
    /// limit opens with a request, so that two of them may lie in here in part.
    pub max_in_window: usize,
}

impl RequestLog {
    /// How many requests `provider` answered with status 429.
    #[must_use]
    pub fn throttled(&self, provider: Provider) -> u64 {
        self.providers.get(&provider).map_or(0, |tally| tally.throttled)
    }

    /// The greatest number of requests to `provider` in any window; see [`ProviderTally::max_in_window`].
    #[must_use]
    pub fn max_in_window(&self, provider: Provider) -> usize {
        self.providers.get(&provider).map_or(0, |tally| tally.max_in_window)
    }
}

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    last_id: u64,
    entries: VecDeque<RequestEntry>,
    dropped: u64,
    in_flight: Vec<Flight>,
    max_concurrent_overlap: usize,
    tallies: BTreeMap<Provider, Tally>,
}

#[derive(Default)]
struct Tally {
    counts: ProviderTally,
    /// When those of the newest window arrived, in epoch milliseconds.
    lately: VecDeque<i64>,
}

impl Tally {
    fn arrived(&mut self, now: i64, window: i64) {
        self.lately.push_back(now);
        while self.lately.front().is_some_and(|first| now.saturating_sub(*first) >= window) {
            self.lately.pop_front();
        }
        self.counts.requests += 1;
        self.counts.max_in_window = self.counts.max_in_window.max(self.lately.len());
    }
}

struct Flight {
    id: u64,
    provider: Provider,
    symbol: Option<Symbol>,
    timeframe: Option<String>,
    range: TimeRange,
}

/// A request in flight; it has ended when this is dropped.
pub(crate) struct InFlight {
    log: Log,
    id: u64,
    provider: Provider,
    status: Option<u16>,
    fault: Option<FaultKind>,
}

impl Log {
    /// Writes a request down that arrives now, where the window of a limit is `window` milliseconds long.
    pub(crate) fn open(&self, call: &Call, window: i64) -> InFlight {
        let mut state = lock(&self.0);
        let now = Utc::now();
        state.tallies.entry(call.provider).or_default().arrived(now.timestamp_millis(), window);
        state.last_id += 1;
        let id = state.last_id;
        if state.entries.len() >= KEPT_REQUESTS {
            state.entries.pop_front();
            state.dropped += 1;
        }
        state.entries.push_back(RequestEntry {
            id,
            provider: call.provider,
            path: call.path.clone(),
            symbol: call.symbol.clone(),
            start: call.range.map(|range| range.start),
            end: call.range.map(|range| range.end),
            timeframe: call.timeframe.clone(),
            arrived: now.into(),
            ended: None,
            status: None,
            fault: None,
        });
        if let Some(range) = call.range.map(|range| told_apart(call.provider, range)) {
            let (symbol, timeframe) = (call.symbol.clone(), call.timeframe.clone());
            state.in_flight.push(Flight { id, provider: call.provider, symbol, timeframe, range });
            state.max_concurrent_overlap = state.max_concurrent_overlap.max(state.overlap_of_newest());
        }
        InFlight { log: self.clone(), id, provider: call.provider, status: None, fault: None }
    }

    pub(crate) fn read(&self) -> RequestLog {
        let state = lock(&self.0);
        RequestLog {
            requests: state.entries.iter().cloned().collect(),
            dropped: state.dropped,
            max_concurrent_overlap: state.max_concurrent_overlap,
            providers: state.tallies.iter().map(|(provider, tally)| (*provider, tally.counts)).collect(),
        }
    }

    /// Forgets all; requests in flight still count for overlaps to come.
    pub(crate) fn clear(&self) {
        let mut state = lock(&self.0);
        state.entries.clear();
        state.dropped = 0;
        state.max_concurrent_overlap = 0;
        state.tallies.clear();
    }
}

/// What of a request must not be asked for twice at once. One to Kraken has no end, so that any two overlap: they are
/// told apart by where they begin.
fn told_apart(provider: Provider, range: TimeRange) -> TimeRange {
    if provider == Provider::Kraken { TimeRange { end: range.start.plus(1), ..range } } else { range }
}

impl State {
    /// The greatest number of requests in flight that share a point with the newest one, which counts.
    fn overlap_of_newest(&self) -> usize {
        let Some(newest) = self.in_flight.last() else { return 0 };
        let ranges: Vec<TimeRange> = self
            .in_flight
            .iter()
            .filter(|other| (other.provider, &other.symbol) == (newest.provider, &newest.symbol))
            .filter(|other| other.timeframe == newest.timeframe)
            .filter_map(|other| other.range.intersect(newest.range))
            .collect();
        let depth = |at| ranges.iter().filter(|range| range.contains(at)).count();
        ranges.iter().map(|range| depth(range.start)).max().unwrap_or(0)
    }
}

impl InFlight {
    /// Writes down the fault that it met.
    pub(crate) fn met(&mut self, fault: FaultKind) {
        self.fault = Some(fault);
    }

    /// Writes down the status of the answer that is about to be sent.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status.as_u16());
        if status == StatusCode::TOO_MANY_REQUESTS {
            lock(&self.log.0).tallies.entry(self.provider).or_default().counts.throttled += 1;
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = lock(&self.log.0);
        let id = self.id;
        state.in_flight.retain(|flight| flight.id != id);
        if let Ok(position) = state.entries.binary_search_by_key(&id, |entry| entry.id) {
            let entry = &mut state.entries[position];
            (entry.status, entry.fault) = (self.status, self.fault);
            entry.ended = Some(Utc::now().into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_window_is_told_wherever_it_lies() {
        let mut tally = Tally::default();
        for now in [0, 50, 120, 130, 140, 219, 220, 900] {
            tally.arrived(now, 100);
        }
        assert_eq!((tally.counts.requests, tally.counts.max_in_window), (8, 4), "from 120 to 219");
    }
}
