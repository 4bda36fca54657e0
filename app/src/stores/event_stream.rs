//! The server's events for one series, as a stream that opens itself again.

use futures::channel::mpsc::UnboundedSender;
use futures::{StreamExt, stream};
use gloo_net::eventsource::State;
use gloo_net::eventsource::futures::EventSource;
use gloo_timers::future::TimeoutFuture;
use leptos::logging::warn;
use serde::Deserialize;
use tidemark_market::SeriesProgress;

/// What the stream tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The connection is there.
    Opened,
    /// It is gone, for now or for good.
    Lost,
    /// How far the series is.
    Progress(SeriesProgress),
    /// Bars or coverage are at this revision.
    Bars(u64),
}

#[derive(Deserialize)]
struct Landed {
    revision: u64,
}

/// Reads the events of `url` into `events` for as long as it is polled. The browser opens a broken connection again by
/// itself; one that it gives up is opened anew after `reopen_ms`.
pub async fn follow(url: String, reopen_ms: u32, events: UnboundedSender<Event>) {
    loop {
        if let Err(error) = read(&url, &events).await {
            warn!("The event stream {url} can't be opened: {error}");
        }
        if events.unbounded_send(Event::Lost).is_err() {
            return;
        }
        TimeoutFuture::new(reopen_ms).await;
    }
}

/// Until the browser gives the connection up. The error is the browser's own words.
async fn read(url: &str, events: &UnboundedSender<Event>) -> Result<(), String> {
    let mut source = EventSource::new(url).map_err(|error| error.to_string())?;
    let mut kinds = Vec::new();
    for kind in ["open", "error", "progress", "bars"] {
        kinds.push(source.subscribe(kind).map_err(|error| error.to_string())?);
    }
    let mut messages = stream::select_all(kinds);
    while let Some(message) = messages.next().await {
        let event = match message {
            Ok((kind, message)) => read_event(&kind, message.data().as_string().as_deref()),
            Err(_) => Some(Event::Lost),
        };
        let is_refused = event.is_some_and(|event| events.unbounded_send(event).is_err());
        if is_refused || source.state() == State::Closed {
            break;
        }
    }
    Ok(())
}

fn read_event(kind: &str, data: Option<&str>) -> Option<Event> {
    let event = match (kind, data) {
        ("open", _) => Ok(Event::Opened),
        ("error", _) => Ok(Event::Lost),
        ("progress", Some(data)) => serde_json::from_str(data).map(Event::Progress),
        ("bars", Some(data)) => serde_json::from_str(data).map(|landed: Landed| Event::Bars(landed.revision)),
        _ => return None,
    };
    event
        .inspect_err(|error| warn!("A {kind} event can't be read: {error}. Reload the page for its newest version."))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read() {
        assert_eq!(read_event("bars", Some(r#"{"revision":12}"#)), Some(Event::Bars(12)));
        assert_eq!(read_event("open", None), Some(Event::Opened));
        assert_eq!(read_event("error", None), Some(Event::Lost));
        let progress = SeriesProgress { revision: 3, queued: 2, ..Default::default() };
        let text = serde_json::to_string(&progress).unwrap();
        assert_eq!(read_event("progress", Some(&text)), Some(Event::Progress(progress)));
    }
}
