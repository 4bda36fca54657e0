//! What was asked, when and with what result, and how much of it overlapped.

use std::collections::VecDeque;
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
    status: Option<u16>,
    fault: Option<FaultKind>,
}

impl Log {
    pub(crate) fn open(&self, call: &Call) -> InFlight {
        let mut state = lock(&self.0);
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
            arrived: Utc::now().into(),
            ended: None,
            status: None,
            fault: None,
        });
        if let Some(range) = call.range.map(|range| told_apart(call.provider, range)) {
            let (symbol, timeframe) = (call.symbol.clone(), call.timeframe.clone());
            state.in_flight.push(Flight { id, provider: call.provider, symbol, timeframe, range });
            state.max_concurrent_overlap = state.max_concurrent_overlap.max(state.overlap_of_newest());
        }
        InFlight { log: self.clone(), id, status: None, fault: None }
    }

    pub(crate) fn read(&self) -> RequestLog {
        let state = lock(&self.0);
        RequestLog {
            requests: state.entries.iter().cloned().collect(),
            dropped: state.dropped,
            max_concurrent_overlap: state.max_concurrent_overlap,
        }
    }

    /// Forgets all; requests in flight still count for overlaps to come.
    pub(crate) fn clear(&self) {
        let mut state = lock(&self.0);
        state.entries.clear();
        state.dropped = 0;
        state.max_concurrent_overlap = 0;
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
