//! The way that every provider request takes: written down, delayed, admitted, then answered or failed.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tidemark_market::time::SECOND;
use tidemark_market::{Bar, Symbol, TimeRange, Timestamp};
use tokio::sync::watch;

use crate::connection::Connection;
use crate::faults::{self, FALSE_VALUES, Fault, FaultKind};
use crate::log::InFlight;
use crate::random::mix;
use crate::state::Shared;
use crate::{binance, coinbase, kraken, lock, polygon, stopped, tradier};

const CHUNK_BYTES: usize = 64 * 1024;
const HUGE_CHUNKS: usize = 4_096;
const LONG_ERROR_CHARS: usize = 20_000;

/// Who is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Polygon.io, now Massive.
    Polygon,
    /// Tradier.
    Tradier,
    /// Coinbase Exchange.
    Coinbase,
    /// Binance.
    Binance,
    /// Kraken.
    Kraken,
}

impl Provider {
    /// Whether a request must have a key.
    pub(crate) const fn asks_for_a_key(self) -> bool {
        matches!(self, Self::Polygon | Self::Tradier)
    }
}

/// A request as it came in.
pub(crate) struct Incoming {
    pub(crate) shared: Arc<Shared>,
    pub(crate) connection: Connection,
    pub(crate) headers: HeaderMap,
    pub(crate) query: HashMap<String, String>,
    path: String,
}

impl FromRequestParts<Arc<Shared>> for Incoming {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Response> {
        let Query(query) = Query::try_from_uri(&parts.uri).map_err(IntoResponse::into_response)?;
        let ConnectInfo(connection) =
            ConnectInfo::from_request_parts(parts, shared).await.map_err(IntoResponse::into_response)?;
        let path = without_key(&parts.uri.to_string());
        Ok(Self { shared: Arc::clone(shared), connection, headers: parts.headers.clone(), query, path })
    }
}

fn without_key(uri: &str) -> String {
    let Some((path, query)) = uri.split_once('?') else { return uri.to_owned() };
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("apiKey=")).collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

impl Incoming {
    /// A parameter; `None` where it is absent or empty.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The call to `provider` that this is, for no bars.
    pub(crate) fn call(&self, provider: Provider) -> Call {
        let bearer = self.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim);
        let key = match provider {
            Provider::Polygon => bearer.or_else(|| self.parameter("apiKey")),
            Provider::Tradier => bearer,
            Provider::Coinbase | Provider::Binance | Provider::Kraken => None,
        };
        let key = key.unwrap_or_default().to_owned();
        Call { provider, path: self.path.clone(), key, symbol: None, range: None, timeframe: None }
    }
}

/// What the gate, the faults and the log need to know of a request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) provider: Provider,
    pub(crate) path: String,
    pub(crate) key: String,
    pub(crate) symbol: Option<Symbol>,
    /// What time the bars asked for span; `None` where no bars are asked for.
    pub(crate) range: Option<TimeRange>,
    pub(crate) timeframe: Option<String>,
}

/// Why a provider refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoKey,
    WrongKey,
    RateLimit,
    ServerError,
    Plan,
}

/// What is to become of the bars of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    quality: Quality,
    /// Bars that begin outside are left out.
    kept: TimeRange,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quality {
    True,
    None,
    Bad,
    /// In an order that the number decides.
    Shuffled(u64),
    FalseValues,
}

impl Rows {
    /// What a fault makes of those that are kept.
    fn under(fault: FaultKind, asked: Option<TimeRange>, kept: TimeRange, salt: u64) -> Self {
        let middle = asked.map(|asked| asked.start.plus(asked.millis() / 2));
        let start = middle.filter(|_| fault == FaultKind::StartsLater).unwrap_or(kept.start);
        let end = middle.filter(|_| fault == FaultKind::EndsEarlier).unwrap_or(kept.end);
        let quality = match fault {
            FaultKind::Empty => Quality::None,
            FaultKind::BadRows => Quality::Bad,
            FaultKind::ShuffledRows => Quality::Shuffled(salt),
            FaultKind::FalseValues => Quality::FalseValues,
            _ => Quality::True,
        };
        Self { quality, kept: TimeRange { start: start.max(kept.start), end } }
    }

    /// Whether there is more from `next` on (where `descending`, up to it).
    pub(crate) fn go_on(self, next: Timestamp, descending: bool) -> bool {
        self.quality != Quality::None && if descending { self.kept.start <= next } else { next < self.kept.end }
    }

    /// The bars as the answer tells them. A close that is not there is NaN.
    pub(crate) fn of(self, mut bars: Vec<Bar>) -> Vec<Bar> {
        bars.retain(|bar| self.kept.contains(bar.ts));
        match (self.quality, bars.first().copied(), bars.last().copied()) {
            (Quality::None, ..) => Vec::new(),
            (Quality::Bad, Some(first), Some(last)) => {
                let mut rows = vec![last, Bar { low: -first.low, ..first }, Bar { close: f64::NAN, ..first }];
                rows.extend(bars);
                rows
            }
            (Quality::Shuffled(salt), ..) => shuffled(bars, salt),
            (Quality::FalseValues, Some(first), _) => {
                bars.splice(1..1, false_copies(first));
                bars
            }
            _ => bars,
        }
    }
}

/// Answers `call` with `answer`, unless the gate or a fault is in the way. `answer` runs where it may take its time.
pub(crate) async fn serve<F>(incoming: &Incoming, call: Call, answer: F) -> Response
where
    F: FnOnce(&Shared, Rows) -> Response + Send + 'static,
{
    let shared = &incoming.shared;
    let mut in_flight = shared.log.open(&call, shared.window());
    let (latency, skew) = {
        let settings = lock(&shared.settings);
        (Duration::from_millis(settings.latency_ms), settings.clock_skew_ms)
    };
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let key_refused = refused_key(shared, &call);
    let quota = if key_refused.is_none() { shared.take_quota(call.provider, &call.key) } else { None };
    let limit_refused = quota.filter(|quota| quota.exceeded).map(|_| Refusal::RateLimit);
    let mut response = match key_refused.or(limit_refused) {
        Some(refusal) => refuse(shared, call.provider, refusal),
        None => answer_or_fail(incoming, &call, &mut in_flight, answer).await,
    };
    match (call.provider, quota) {
        (Provider::Tradier, Some(quota)) => quota.write(response.headers_mut(), skew),
        (Provider::Binance, Some(quota)) if quota.exceeded => quota.write_wait(response.headers_mut()),
        _ => {}
    }
    if !call.provider.asks_for_a_key() || skew != 0 {
        tell_time(told_time(shared, call.provider), response.headers_mut());
    }
    if !incoming.connection.is_reset() {
        in_flight.answered(response.status());
    }
    response
}

/// What headers tell of the time. At a venue a client tells by it which row is still under way, so that it goes by the
/// time that is set; elsewhere by the system's clock, as the HTTP server's own `Date` does.
fn told_time(shared: &Shared, provider: Provider) -> Timestamp {
    let now = if provider.asks_for_a_key() { Utc::now().into() } else { shared.now() };
    now.plus(lock(&shared.settings).clock_skew_ms)
}

fn tell_time(now: Timestamp, headers: &mut HeaderMap) {
    headers.extend(http_date(now).map(|date| (header::DATE, date)));
}

fn http_date(at: Timestamp) -> Option<HeaderValue> {
    at.to_datetime()?.format("%a, %d %b %Y %H:%M:%S GMT").to_string().parse().ok()
}

/// Every bar, copies and earlier states in an order without order.
fn shuffled(bars: Vec<Bar>, salt: u64) -> Vec<Bar> {
    let again = bars.iter().enumerate().filter_map(|(i, bar)| match i % 3 {
        0 => Some(*bar),
        1 if bar.volume > 0.0 => Some(Bar { close: bar.open, volume: bar.volume / 2.0, ..*bar }),
        _ => None,
    });
    let mut rows: Vec<(u64, Bar)> = bars.iter().copied().chain(again).map(|bar| (0, bar)).collect();
    for (i, (order, _)) in (0..).zip(&mut rows) {
        *order = mix(salt ^ i);
    }
    rows.sort_by_key(|(order, _)| *order);
    rows.into_iter().map(|(_, bar)| bar).collect()
}

/// One for each way in which values are false.
fn false_copies(bar: Bar) -> [Bar; FALSE_VALUES] {
    [
        Bar { high: f64::NAN, ..bar },
        Bar { close: f64::INFINITY, ..bar },
        Bar { low: 2.0 * bar.high, ..bar },
        Bar { volume: -1.0, ..bar },
        Bar { low: 0.0, ..bar },
        Bar { high: 1e308, ..bar },
        Bar { volume: 0.0, ..bar },
    ]
}

fn refused_key(shared: &Shared, call: &Call) -> Option<Refusal> {
    let refusal = if call.key.is_empty() { Refusal::NoKey } else { Refusal::WrongKey };
    (call.provider.asks_for_a_key() && !shared.accepts(&call.key)).then_some(refusal)
}

async fn answer_or_fail<F>(incoming: &Incoming, call: &Call, in_flight: &mut InFlight, answer: F) -> Response
where
    F: FnOnce(&Shared, Rows) -> Response + Send + 'static,
{
    let fault = faults::take(&mut lock(&incoming.shared.faults), call);
    match fault {
        None => {
            let rows = Rows { quality: Quality::True, kept: incoming.shared.kept() };
            compute(&incoming.shared, answer, rows).await
        }
        Some(fault) => {
            in_flight.met(fault.kind);
            fail(incoming, call, &fault, answer).await
        }
    }
}

fn refuse(shared: &Shared, provider: Provider, refusal: Refusal) -> Response {
    match provider {
        Provider::Polygon => polygon::refuse(shared, refusal),
        Provider::Tradier => tradier::refuse(refusal),
        Provider::Coinbase => coinbase::refuse(refusal),
        Provider::Binance => binance::refuse(refusal),
        Provider::Kraken => kraken::refuse(refusal),
    }
}

async fn compute<F>(shared: &Arc<Shared>, answer: F, rows: Rows) -> Response
where
    F: FnOnce(&Shared, Rows) -> Response + Send + 'static,
{
    let owned = Arc::clone(shared);
    match tokio::task::spawn_blocking(move || answer(&owned, rows)).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(%error, "an answer could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn fail<F>(incoming: &Incoming, call: &Call, fault: &Fault, answer: F) -> Response
where
    F: FnOnce(&Shared, Rows) -> Response + Send + 'static,
{
    let (shared, provider) = (&incoming.shared, call.provider);
    let rows = Rows::under(fault.kind, call.range, shared.kept(), shared.salt());
    let refused = |refusal| {
        let mut response = refuse(shared, provider, refusal);
        let retry_after = fault.retry_after_seconds.and_then(|seconds| {
            let date = || http_date(told_time(shared, provider).plus(i64::from(seconds) * SECOND));
            if fault.retry_after_as_date { date() } else { Some(HeaderValue::from(seconds)) }
        });
        response.headers_mut().extend(retry_after.map(|value| (header::RETRY_AFTER, value)));
        response
    };
    match fault.kind {
        FaultKind::RateLimit => refused(Refusal::RateLimit),
        FaultKind::ServerError => refused(Refusal::ServerError),
        FaultKind::Unauthorized => refused(Refusal::WrongKey),
        FaultKind::Plan => refused(Refusal::Plan),
        FaultKind::Empty
        | FaultKind::BadRows
        | FaultKind::ShuffledRows
        | FaultKind::FalseValues
        | FaultKind::StartsLater
        | FaultKind::EndsEarlier => compute(shared, answer, rows).await,
        FaultKind::LongError => {
            let text = "Something went wrong. ".chars().cycle().take(LONG_ERROR_CHARS).collect::<String>();
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
        FaultKind::TruncatedBody => truncate(compute(shared, answer, rows).await, None).await,
        FaultKind::ResetBody => truncate(compute(shared, answer, rows).await, Some(incoming.connection.clone())).await,
        FaultKind::WrongShape => match provider {
            Provider::Polygon => polygon::wrong_shape(),
            Provider::Tradier => tradier::wrong_shape(),
            Provider::Coinbase => coinbase::wrong_shape(),
            Provider::Binance => binance::wrong_shape(),
            Provider::Kraken => kraken::wrong_shape(),
        },
        FaultKind::WrongContentType => {
            ([(header::CONTENT_TYPE, "text/html")], "<html><body><h1>Down for maintenance</h1></body></html>")
                .into_response()
        }
        FaultKind::HugeBody => spaces(HUGE_CHUNKS),
        FaultKind::EndlessBody => spaces(usize::MAX),
        FaultKind::SlowDrip => {
            let pause = Duration::from_millis(lock(&shared.settings).drip_ms);
            drip(compute(shared, answer, rows).await, pause, shared.until_stopped.clone()).await
        }
        FaultKind::HalfGzip => half_gzip(compute(shared, answer, rows).await).await,
        FaultKind::MalformedBody => {
            ([(header::CONTENT_TYPE, "application/json")], shared.next_malformed()).into_response()
        }
        FaultKind::Reset => {
            incoming.connection.reset();
            StatusCode::OK.into_response()
        }
        FaultKind::Stall => {
            stopped(shared.until_stopped.clone()).await;
            incoming.connection.reset();
            StatusCode::OK.into_response()
        }
    }
}

/// Announces the whole body, sends half of it, and breaks off; resets the connection where it is given.
async fn truncate(response: Response, connection: Option<Connection>) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    let half = bytes.slice(..bytes.len() / 2);
    let broken = async move {
        // What was written before is sent while this waits; an error at once would take it back.
        tokio::task::yield_now().await;
        if let Some(connection) = connection {
            connection.reset();
        }
        Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe))
    };
    let halves = stream::once(async { Ok(half) }).chain(stream::once(broken));
    Response::from_parts(parts, Body::from_stream(halves))
}

/// A byte at a time.
async fn drip(response: Response, pause: Duration, until_stopped: watch::Receiver<()>) -> Response {
    let (parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let drops = stream::iter(0..bytes.len()).then(move |i| {
        let drop = bytes.slice(i..=i);
        async move {
            tokio::time::sleep(pause).await;
            Ok::<_, Infallible>(drop)
        }
    });
    Response::from_parts(parts, Body::from_stream(drops.take_until(stopped(until_stopped))))
}

/// The header of gzip, and half of what the one block it announces is to hold, as it is.
async fn half_gzip(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let mut half = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1];
    half.extend(length.to_le_bytes());
    half.extend((!length).to_le_bytes());
    half.extend(&bytes[..usize::from(length / 2)]);
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(half))
}

/// JSON that opens and then goes on in spaces, for so many chunks.
fn spaces(count: usize) -> Response {
    let first = Bytes::from_static(b"{\"results\":[");
    let spaces = Bytes::from(vec![b' '; CHUNK_BYTES]);
    let last = Bytes::from_static(b"]}");
    let chunks = std::iter::once(first).chain(std::iter::repeat_n(spaces, count)).chain([last]);
    let body = Body::from_stream(stream::iter(chunks.map(Ok::<_, Infallible>)));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
