//! `GET /api/v1/events?symbol=AAPL&tf=h1`: server-sent events of one series.
//!
//! `run`, `bars`, `failure` and `progress` carry JSON; see [`crate::events`]. Each has an id that names the state it
//! belongs to. A client that comes back with a `Last-Event-ID` of the present state is told nothing twice; with any
//! other it gets the whole state at once. A comment every 15 s keeps the connection alive.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use futures::{Stream, StreamExt, stream};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::problem::Answer;
use super::series::SeriesQuery;
use crate::events::{Event, EventHub, SeriesState};

const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a browser waits before it connects again.
const RECONNECT: Duration = Duration::from_secs(1);

pub async fn stream(
    State(hub): State<EventHub>,
    State(shutdown): State<CancellationToken>,
    headers: HeaderMap,
    query: Result<Query<SeriesQuery>, QueryRejection>,
) -> Answer<Sse<impl Stream<Item = Result<SseEvent, Infallible>>>> {
    let Query(query) = query?;
    let mut states = hub.listen(&query.series()?).await?;
    states.mark_changed();
    let last_id = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let listener = Listener { states, known: None, last_id, _open: OpenStream::count() };
    let events =
        stream::unfold(listener, Listener::next).flat_map(stream::iter).take_until(shutdown.cancelled_owned()).map(Ok);
    let hello = stream::once(async { Ok(SseEvent::default().retry(RECONNECT).comment("hello")) });
    Ok(Sse::new(hello.chain(events)).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
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

struct Listener {
    states: watch::Receiver<Arc<SeriesState>>,
    known: Option<Arc<SeriesState>>,
    last_id: Option<String>,
    _open: OpenStream,
}

impl Listener {
    /// The events that lead to the next state; `None` where there will be none.
    async fn next(mut self) -> Option<(Vec<SseEvent>, Self)> {
        self.states.changed().await.ok()?;
        let state = Arc::clone(&self.states.borrow_and_update());
        let is_known = self.last_id.take().is_some_and(|id| id == state.id());
        let events = if is_known { Vec::new() } else { state.since(self.known.as_deref()) };
        let id = state.id();
        self.known = Some(state);
        Some((events.iter().filter_map(|event| written(event, &id)).collect(), self))
    }
}

fn written(event: &Event, id: &str) -> Option<SseEvent> {
    let sse = SseEvent::default().id(id);
    let written = match event {
        Event::Progress(progress) => sse.event("progress").json_data(progress),
        Event::Run(run) => sse.event("run").json_data(run),
        Event::Bars(revision) => sse.event("bars").json_data(json!({ "revision": revision })),
        Event::Failure(failure) => sse.event("failure").json_data(failure),
    };
    written.inspect_err(|error| tracing::error!(%error, "an event could not be written")).ok()
}
