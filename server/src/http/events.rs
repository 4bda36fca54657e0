//! `GET /api/v1/events?symbol=AAPL&tf=h1`: server-sent events of one series, and `?series=AAPL:h1,X:BTCUSD:m5` of several
//! over one connection, since a browser opens few.
//!
//! `run`, `bars`, `failure`, `forming` and `progress` carry JSON; see [`crate::events`]. Where several series were asked for, it stands
//! in `data` beside the `series`. Each event has an id that names the states that were told, a part for each series. A
//! client that comes back with it as `Last-Event-ID` is told nothing twice of a series that is still in that state; of
//! any other it gets the whole state at once. A comment every 15 s keeps the connection alive.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use futures::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tidemark_app::api::parse;
use tidemark_app::backend::SeriesKey;
use tidemark_app::problem::Problem;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::problem::Answer;
use crate::events::{Event, EventHub, SeriesState};

const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a browser waits before it connects again.
const RECONNECT: Duration = Duration::from_secs(1);
/// More than anyone looks at in one browser.
const MOST_SERIES: usize = 100;

/// `symbol` and `tf`, or `series`.
#[derive(Debug, Deserialize)]
pub struct EventsQuery {
    symbol: Option<String>,
    #[serde(alias = "tf")]
    timeframe: Option<String>,
    series: Option<String>,
}

/// What is listened to.
struct Wanted {
    series: Vec<SeriesKey>,
    /// Whether each event says of which series it is.
    is_named: bool,
}

impl EventsQuery {
    fn wanted(&self) -> Result<Wanted, Problem> {
        match (&self.symbol, &self.timeframe, &self.series) {
            (Some(symbol), Some(timeframe), None) => {
                Ok(Wanted { series: vec![parse::series(symbol, timeframe)?], is_named: false })
            }
            (None, None, Some(list)) => {
                let series = list.split(',').map(SeriesKey::parse_written).collect::<Result<Vec<_>, _>>()?;
                if series.len() > MOST_SERIES {
                    let detail = format!("One stream tells of {MOST_SERIES} series at most. Open a second one.");
                    return Err(Problem::unreadable(detail));
                }
                Ok(Wanted { series, is_named: true })
            }
            _ => {
                Err(Problem::unreadable("Name one series as symbol=AAPL&tf=h1, or several as series=AAPL:h1,MSFT:m5."))
            }
        }
    }
}

pub async fn stream(
    State(hub): State<EventHub>,
    State(shutdown): State<CancellationToken>,
    headers: HeaderMap,
    query: Result<Query<EventsQuery>, QueryRejection>,
) -> Answer<Sse<impl Stream<Item = Result<SseEvent, Infallible>>>> {
    let Query(query) = query?;
    let wanted = query.wanted()?;
    let last_id = headers.get("last-event-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    let last_ids: Vec<&str> = last_id.split(',').collect();
    let mut listeners = Vec::with_capacity(wanted.series.len());
    for (place, series) in wanted.series.iter().enumerate() {
        let mut states = hub.listen(series).await?;
        states.mark_changed();
        // An id of other series names no state of these, but for a rare chance.
        let last_id = last_ids.get(place).filter(|_| last_ids.len() == wanted.series.len());
        let last_id = last_id.map(|id| (*id).to_owned());
        let listener = Listener { place, states, known: None, last_id };
        listeners.push(stream::unfold(listener, Listener::next).boxed());
    }
    let events = told(wanted, stream::select_all(listeners)).take_until(shutdown.cancelled_owned()).map(Ok);
    let hello = stream::once(async { Ok(SseEvent::default().retry(RECONNECT).comment("hello")) });
    Ok(Sse::new(hello.chain(events)).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

/// The changes as events, whose ids name the last told state of every series.
fn told(wanted: Wanted, changes: impl Stream<Item = Change>) -> impl Stream<Item = SseEvent> {
    let open = OpenStream::count();
    let mut ids = vec![String::new(); wanted.series.len()];
    changes.flat_map(move |change| {
        let _ = &open;
        ids[change.place] = change.id;
        let (id, name) = (ids.join(","), wanted.is_named.then(|| wanted.series[change.place].written()));
        let events: Vec<_> = change.events.iter().filter_map(|event| written(event, name.as_deref(), &id)).collect();
        stream::iter(events)
    })
}

/// Counts open streams, for the time it lives.
struct OpenStream;

impl OpenStream {
    fn count() -> Self {
        metrics::gauge!("tidemark_event_streams").increment(1);
        Self
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        metrics::gauge!("tidemark_event_streams").decrement(1);
    }
}

/// What is to be told of a series.
struct Change {
    place: usize,
    /// Names the state that it leads to.
    id: String,
    events: Vec<Event>,
}

struct Listener {
    place: usize,
    states: watch::Receiver<Arc<SeriesState>>,
    known: Option<Arc<SeriesState>>,
    last_id: Option<String>,
}

impl Listener {
    /// What leads to the next state; `None` where there will be none.
    async fn next(mut self) -> Option<(Change, Self)> {
        self.states.changed().await.ok()?;
        let state = Arc::clone(&self.states.borrow_and_update());
        let id = state.id();
        let is_known = self.last_id.take().is_some_and(|last| last == id);
        let events = if is_known { Vec::new() } else { state.since(self.known.as_deref()) };
        self.known = Some(state);
        Some((Change { place: self.place, id, events }, self))
    }
}

#[derive(Serialize)]
struct Named<'a, T> {
    series: &'a str,
    data: T,
}

fn written(event: &Event, series: Option<&str>, id: &str) -> Option<SseEvent> {
    let written = match event {
        Event::Progress(progress) => carrying("progress", series, progress),
        Event::Run(run) => carrying("run", series, run),
        Event::Bars(revision) => carrying("bars", series, json!({ "revision": revision })),
        Event::Failure(failure) => carrying("failure", series, failure),
        Event::Forming(forming) => carrying("forming", series, forming),
    };
    written.map(|sse| sse.id(id)).inspect_err(|error| tracing::error!(%error, "an event could not be written")).ok()
}

fn carrying(kind: &str, series: Option<&str>, data: impl Serialize) -> Result<SseEvent, axum::Error> {
    let sse = SseEvent::default().event(kind);
    match series {
        Some(series) => sse.json_data(Named { series, data }),
        None => sse.json_data(data),
    }
}
