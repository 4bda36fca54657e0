//! The connection itself: an `EventSource` that opens itself again.

use futures::channel::mpsc::UnboundedSender;
use futures::{StreamExt, stream};
use gloo_net::eventsource::State;
use gloo_net::eventsource::futures::EventSource;
use gloo_timers::future::TimeoutFuture;
use leptos::logging::warn;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tidemark_market::{Forming, SeriesProgress};

use super::Event;
use super::tab::{Input, News};
use crate::series::SeriesKey;

/// What the server tells of a series.
const KINDS: [&str; 3] = ["bars", "progress", "forming"];

/// `data` of an event of a stream of several series.
#[derive(Deserialize)]
struct Named<T> {
    series: String,
    data: T,
}

#[derive(Deserialize)]
struct Landed {
    revision: u64,
}

/// Reads the events of `url` into `inputs` for as long as it is polled. The browser opens a broken connection again by
/// itself; one that it gives up is opened anew after `reopen_ms`.
pub async fn follow(url: String, reopen_ms: u32, inputs: UnboundedSender<Input>) {
    loop {
        if let Err(error) = read(&url, &inputs).await {
            warn!("The event stream {url} can't be opened: {error}");
        }
        if inputs.unbounded_send(Input::Link(false)).is_err() {
            return;
        }
        TimeoutFuture::new(reopen_ms).await;
    }
}

/// Until the browser gives the connection up. The error is the browser's own words.
async fn read(url: &str, inputs: &UnboundedSender<Input>) -> Result<(), String> {
    let mut source = EventSource::new(url).map_err(|error| error.to_string())?;
    let mut kinds = Vec::new();
    for kind in ["open", "error"].into_iter().chain(KINDS) {
        kinds.push(source.subscribe(kind).map_err(|error| error.to_string())?);
    }
    let mut messages = stream::select_all(kinds);
    while let Some(message) = messages.next().await {
        let input = match message {
            Ok((kind, _)) if kind == "open" => Some(Input::Link(true)),
            Ok((kind, _)) if kind == "error" => Some(Input::Link(false)),
            Ok((kind, message)) => message.data().as_string().and_then(|data| news(&kind, data)).map(Input::News),
            Err(_) => Some(Input::Link(false)),
        };
        let is_refused = input.is_some_and(|input| inputs.unbounded_send(input).is_err());
        if is_refused || source.state() == State::Closed {
            break;
        }
    }
    Ok(())
}

fn news(kind: &str, data: String) -> Option<News> {
    let named: Named<IgnoredAny> = parsed(kind, &data)?;
    let series = SeriesKey::parse_written(&named.series).ok()?;
    Some(News { series, kind: kind.to_owned(), data })
}

/// What the news say; `None` for what another version of the page or the server says.
pub fn read_event(news: &News) -> Option<Event> {
    let (kind, data) = (news.kind.as_str(), &news.data);
    match kind {
        "progress" => parsed(kind, data).map(|named: Named<SeriesProgress>| Event::Progress(named.data)),
        "forming" => parsed(kind, data).map(|named: Named<Forming>| Event::Forming(named.data)),
        "bars" => parsed(kind, data).map(|named: Named<Landed>| Event::Bars(named.data.revision)),
        _ => None,
    }
}

fn parsed<T: DeserializeOwned>(kind: &str, data: &str) -> Option<Named<T>> {
    serde_json::from_str(data)
        .inspect_err(|error| warn!("A {kind} event can't be read: {error}. Reload the page for its newest version."))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read() {
        let landed = news("bars", r#"{"series":"X:BTCUSD:h1","data":{"revision":12}}"#.to_owned()).unwrap();
        assert_eq!(landed.series.to_string(), "X:BTCUSD h1");
        assert_eq!(read_event(&landed), Some(Event::Bars(12)));
        let progress = SeriesProgress { revision: 3, queued: 2, ..Default::default() };
        let text = format!(r#"{{"series":"AAPL:h1","data":{}}}"#, serde_json::to_string(&progress).unwrap());
        assert_eq!(read_event(&news("progress", text).unwrap()), Some(Event::Progress(progress)));
    }
}
