//! Coinbase Exchange's endpoints: candles and products.
//!
//! Candles come newest first as `[time, low, high, open, close, volume]`, `time` in seconds. An interval without a trade
//! has none, the one under way has, and a request that spans more than 300 is refused. Every error is an object with
//! `message`. A request without a `User-Agent` is refused.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};
use tidemark_market::time::SECOND;
use tidemark_market::{Bar, Symbol, TimeRange, Timestamp, Venue};

use crate::serve::{Call, Incoming, Provider, Refusal, serve};
use crate::state::Shared;
use crate::venue::{self, Interval, Routes};

/// More intervals are refused.
const MAX_ROWS: i64 = 300;
/// What a candle can span, in seconds.
const GRANULARITIES: [i64; 6] = [60, 300, 900, 3_600, 21_600, 86_400];

pub(crate) fn routes() -> Routes {
    Routes::new().route("/products/{id}/candles", get(candles)).route("/products/{id}", get(product))
}

/// What Coinbase says where it refuses.
pub(crate) fn refuse(refusal: Refusal) -> Response {
    let (status, text) = match refusal {
        Refusal::NoKey | Refusal::WrongKey => (StatusCode::UNAUTHORIZED, "Unauthorized."),
        Refusal::RateLimit => (StatusCode::TOO_MANY_REQUESTS, "Public rate limit exceeded"),
        Refusal::ServerError => (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
        Refusal::Plan => (StatusCode::FORBIDDEN, "Forbidden"),
    };
    failure(status, text)
}

/// A body in which text stands where bars belong.
pub(crate) fn wrong_shape() -> Response {
    venue::json(StatusCode::OK, &json!({"candles": "some"}))
}

fn failure(status: StatusCode, text: &str) -> Response {
    venue::json(status, &json!({"message": text}))
}

/// Every pair with a dash is a product.
fn listed(shared: &Shared, id: &str) -> Option<Symbol> {
    venue::symbol_at(Venue::Coinbase, id).filter(|symbol| id.contains('-') && shared.knows(symbol))
}

fn no_agent(incoming: &Incoming) -> bool {
    !incoming.headers.contains_key(header::USER_AGENT)
}

async fn candles(Path(id): Path<String>, incoming: Incoming) -> Response {
    let ask = read_ask(&incoming);
    let symbol = venue::symbol_at(Venue::Coinbase, &id);
    let asked = incoming.parameter("granularity").unwrap_or_default();
    let call = venue::bars_call(&incoming, Provider::Coinbase, symbol.as_ref(), ask.as_ref().ok().copied(), asked);
    let no_agent = no_agent(&incoming);
    serve(&incoming, call, move |shared, rows| match (listed(shared, &id), ask) {
        _ if no_agent => failure(StatusCode::BAD_REQUEST, "User-Agent header is required."),
        (None, _) => failure(StatusCode::NOT_FOUND, "NotFound"),
        (_, Err(text)) => failure(StatusCode::BAD_REQUEST, text),
        (Some(symbol), Ok((interval, range))) => {
            let mut bars = rows.of(venue::traded(shared, &symbol, interval, range));
            bars.reverse();
            venue::json(StatusCode::OK, &bars.iter().map(candle).collect())
        }
    })
    .await
}

/// The candles from the one that begins at or after `start` to the one that begins at or before `end`; without both the
/// newest. Times are RFC 3339, or seconds since the epoch.
fn read_ask(incoming: &Incoming) -> Result<(Interval, TimeRange), &'static str> {
    let seconds = incoming.parameter("granularity").map_or(Ok(60), str::parse);
    let seconds = seconds.ok().filter(|seconds| GRANULARITIES.contains(seconds)).ok_or("Unsupported granularity")?;
    let interval = Interval::minutes(seconds / 60);
    let time = |name| incoming.parameter(name).map(|text| read_time(text).ok_or("Invalid start or end")).transpose();
    let (Some(start), Some(end)) = (time("start")?, time("end")?) else {
        let end = interval.start(incoming.shared.now()).plus(interval.length);
        return Ok((interval, TimeRange { start: end.plus(-MAX_ROWS * interval.length), end }));
    };
    let range = TimeRange::new(start, end.plus(1)).ok_or("start must be before end")?;
    if end.0.saturating_sub(start.0) > MAX_ROWS * interval.length {
        return Err("granularity too small for the requested time range. Count of aggregations requested exceeds 300");
    }
    Ok((interval, range))
}

fn read_time(text: &str) -> Option<Timestamp> {
    match text.parse::<i64>() {
        Ok(seconds) => Some(Timestamp(seconds.checked_mul(SECOND)?)),
        Err(_) => Timestamp::parse(text),
    }
}

fn candle(bar: &Bar) -> Value {
    json!([bar.ts.0 / SECOND, bar.low, bar.high, bar.open, bar.close, bar.volume])
}

async fn product(Path(id): Path<String>, incoming: Incoming) -> Response {
    let call = Call { symbol: venue::symbol_at(Venue::Coinbase, &id), ..incoming.call(Provider::Coinbase) };
    let no_agent = no_agent(&incoming);
    serve(&incoming, call, move |shared, _| match listed(shared, &id).and(id.split_once('-')) {
        _ if no_agent => failure(StatusCode::BAD_REQUEST, "User-Agent header is required."),
        None => failure(StatusCode::NOT_FOUND, "NotFound"),
        Some((base, quote)) => venue::json(
            StatusCode::OK,
            &json!({
                "id": id, "base_currency": base, "quote_currency": quote, "quote_increment": "0.01",
                "base_increment": "0.00000001", "display_name": format!("{base}-{quote}"), "min_market_funds": "1",
                "margin_enabled": false, "post_only": false, "limit_only": false, "cancel_only": false,
                "status": "online", "status_message": "", "trading_disabled": false,
            }),
        ),
    })
    .await
}
