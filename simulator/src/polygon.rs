//! Polygon.io's endpoints: routes, parameters, errors, and the small answers. `aggs` makes the bodies of bars.
//!
//! Not simulated: second bars, CSV, the other endpoints.

mod aggs;
mod splits;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use chrono_tz::America::New_York;
use serde_json::{Value, json};
use tidemark_market::{AssetClass, Calendar, Hours, Symbol, TimeRange, Timestamp};

use crate::polygon::aggs::Ask;
use crate::serve::{Call, Incoming, Provider, Refusal, serve};
use crate::state::Shared;
use crate::tradier::Phase;
use crate::window::Window;

const DEFAULT_LIMIT: usize = 5_000;
const MAX_LIMIT: usize = 50_000;

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{from}/{to}", get(aggregates))
        .route("/v3/reference/tickers/{ticker}", get(ticker))
        .route("/v3/reference/splits", get(splits::splits))
        .route("/v1/marketstatus/now", get(market_status))
}

/// What Polygon says where it refuses.
pub(crate) fn refuse(shared: &Shared, refusal: Refusal) -> Response {
    let (status, code, field, text) = match refusal {
        Refusal::NoKey => (StatusCode::UNAUTHORIZED, "ERROR", "error", "API Key was not provided"),
        Refusal::WrongKey => (StatusCode::UNAUTHORIZED, "ERROR", "error", "Unknown API Key"),
        Refusal::RateLimit => (
            StatusCode::TOO_MANY_REQUESTS,
            "ERROR",
            "error",
            "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue.",
        ),
        Refusal::ServerError => (StatusCode::INTERNAL_SERVER_ERROR, "ERROR", "error", "Internal server error"),
        Refusal::Plan => (
            StatusCode::FORBIDDEN,
            "NOT_AUTHORIZED",
            "message",
            "Your plan doesn't include this data timeframe. Please upgrade your plan.",
        ),
    };
    failure(shared, status, code, field, text)
}

/// A body in which text stands where bars belong.
pub(crate) fn wrong_shape() -> Response {
    body(StatusCode::OK, &json!({"status": "OK", "resultsCount": "some", "results": {"v": "many", "t": []}}))
}

fn failure(shared: &Shared, status: StatusCode, code: &str, field: &str, text: &str) -> Response {
    let mut value = json!({"status": code, "request_id": shared.request_id()});
    value[field] = Value::from(text);
    body(status, &value)
}

fn bad_request(shared: &Shared, text: &str) -> Response {
    failure(shared, StatusCode::BAD_REQUEST, "ERROR", "error", text)
}

fn body(status: StatusCode, value: &Value) -> Response {
    json_text(status, value.to_string())
}

fn json_text(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// A cursor of hexadecimal digits that carries parameters.
fn write_cursor(parameters: &str) -> String {
    parameters.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// What the cursor of the request carries; nothing where it has none.
fn read_cursor(incoming: &Incoming) -> Result<HashMap<String, String>, String> {
    let wrong = || "The cursor is not one of ours".to_owned();
    let bytes = incoming
        .parameter("cursor")
        .unwrap_or_default()
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(wrong)?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    Ok(text.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
}

type AggregatesPath = (String, String, String, String, String);

async fn aggregates(Path(path): Path<AggregatesPath>, incoming: Incoming) -> Response {
    let ask = read_ask(&path, &incoming);
    let call = Call {
        symbol: path.0.parse().ok(),
        range: ask.as_ref().ok().map(|ask| ask.range),
        timeframe: Window::parse(&path.1, &path.2).map(|window| timeframe_name(window, &path.1, &path.2)),
        ..incoming.call(Provider::Polygon)
    };
    serve(&incoming, call, move |shared, rows| match ask {
        Err(text) => bad_request(shared, &text),
        Ok(ask) if ask.range.start > shared.now() => refuse(shared, Refusal::Plan),
        Ok(ask) => json_text(StatusCode::OK, aggs::answer(shared, &ask, rows)),
    })
    .await
}

/// Where the client found us; the next page is there, too.
fn host(incoming: &Incoming) -> &str {
    incoming.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost")
}

fn timeframe_name(window: Window, multiplier: &str, timespan: &str) -> String {
    window.timeframe().map_or_else(|| format!("{multiplier}/{timespan}"), |timeframe| timeframe.to_string())
}

/// Reads the parameters, of which a cursor carries what the first page was asked with.
fn read_ask(path: &AggregatesPath, incoming: &Incoming) -> Result<Ask, String> {
    let (ticker, multiplier, timespan, from, to) = path;
    let carried = read_cursor(incoming)?;
    let parameter = |name: &str| carried.get(name).map(String::as_str).or_else(|| incoming.parameter(name));
    let symbol: Symbol = ticker.parse().map_err(|_| format!("Invalid ticker: '{ticker}'"))?;
    let window = Window::parse(multiplier, timespan)
        .ok_or_else(|| format!("Could not parse the aggregate window '{multiplier}/{timespan}'"))?;
    let calendar = symbol.calendar(Hours::Regular);
    let start = read_time(calendar, from, 0).ok_or_else(|| format!("Could not parse the time parameter: '{from}'"))?;
    let end = read_time(calendar, to, 1).ok_or_else(|| format!("Could not parse the time parameter: '{to}'"))?;
    if end < start {
        return Err("The parameter 'to' cannot be a time that occurs before 'from'".to_owned());
    }
    let limit = match parameter("limit").map(str::parse) {
        None => DEFAULT_LIMIT,
        Some(Ok(limit)) if (1..=MAX_LIMIT).contains(&limit) => limit,
        Some(_) => return Err(format!("The parameter 'limit' must be a number from 1 to {MAX_LIMIT}")),
    };
    let descending = match parameter("sort").map(str::to_ascii_lowercase).as_deref() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(other) => return Err(format!("The parameter 'sort' must be asc or desc, not '{other}'")),
    };
    let adjusted = !parameter("adjusted").is_some_and(|value| value.eq_ignore_ascii_case("false"));
    Ok(Ask {
        ticker: ticker.clone(),
        range: TimeRange { start, end: end.max(start.plus(1)) },
        last: if to.parse::<i64>().is_ok() { end } else { end.plus(-1) },
        symbol,
        window,
        span: (multiplier.clone(), timespan.clone()),
        to: to.clone(),
        from: from.clone(),
        limit,
        descending,
        adjusted,
        host: host(incoming).to_owned(),
    })
}

/// Epoch milliseconds, or the exchange's midnight of a date, `days` later.
fn read_time(calendar: Calendar, text: &str, days: u64) -> Option<Timestamp> {
    let at = match text.parse::<i64>() {
        Ok(millis) => Timestamp(millis),
        Err(_) => {
            let day: NaiveDate = text.parse().ok()?;
            calendar.day_start(day.checked_add_days(chrono::Days::new(days))?)
        }
    };
    at.to_datetime().map(|_| at)
}

async fn ticker(Path(ticker): Path<String>, incoming: Incoming) -> Response {
    let symbol: Option<Symbol> = ticker.parse().ok();
    let call = Call { symbol: symbol.clone(), ..incoming.call(Provider::Polygon) };
    serve(&incoming, call, move |shared, _| match symbol.filter(|symbol| is_known(shared, &ticker, symbol)) {
        None => failure(shared, StatusCode::NOT_FOUND, "NOT_FOUND", "message", "Ticker not found."),
        Some(symbol) => {
            let results = details(&symbol);
            body(StatusCode::OK, &json!({"request_id": shared.request_id(), "results": results, "status": "OK"}))
        }
    })
    .await
}

/// Tickers are case sensitive, and a share class has a dot.
fn is_known(shared: &Shared, ticker: &str, symbol: &Symbol) -> bool {
    ticker == symbol.as_str() && symbol.at_venue().is_none() && shared.knows(symbol)
}

fn details(symbol: &Symbol) -> Value {
    match symbol.asset_class() {
        AssetClass::Equity => json!({
            "ticker": symbol.as_str(), "name": format!("{symbol} (simulated)"), "market": "stocks", "locale": "us",
            "primary_exchange": "XNYS", "type": "CS", "active": true, "currency_name": "usd",
        }),
        AssetClass::Crypto | AssetClass::Fx => {
            let pair = symbol.as_str().trim_start_matches("X:").trim_start_matches("C:");
            let (base, currency) = pair.split_at_checked(pair.len().saturating_sub(3)).unwrap_or((pair, ""));
            json!({
                "ticker": symbol.as_str(), "name": format!("{base} - {currency} (simulated)"), "market": symbol.asset_class().as_str(),
                "locale": "global", "active": true, "currency_symbol": currency, "currency_name": currency,
                "base_currency_symbol": base, "base_currency_name": base,
            })
        }
    }
}

async fn market_status(incoming: Incoming) -> Response {
    serve(&incoming, incoming.call(Provider::Polygon), |shared, _| body(StatusCode::OK, &status(shared.now()))).await
}

fn status(now: Timestamp) -> Value {
    let phase = Phase::at(now);
    let market = match phase {
        Phase::Open => "open",
        Phase::PreMarket | Phase::PostMarket => "extended-hours",
        Phase::Closed => "closed",
    };
    let time = now.to_datetime().unwrap_or(DateTime::<Utc>::UNIX_EPOCH).with_timezone(&New_York);
    json!({
        "market": market,
        "earlyHours": phase == Phase::PreMarket,
        "afterHours": phase == Phase::PostMarket,
        "serverTime": time.to_rfc3339_opts(SecondsFormat::Secs, false),
        "exchanges": {"nyse": market, "nasdaq": market, "otc": market},
        "currencies": {"fx": if is_fx_open(now) { "open" } else { "closed" }, "crypto": "open"},
    })
}

fn is_fx_open(now: Timestamp) -> bool {
    !Calendar::Fx.sessions(TimeRange { start: now, end: now.plus(1) }).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_market::time::DAY;

    #[test]
    fn a_date_ends_with_its_day_and_milliseconds_are_exact() {
        let read = |calendar, text, days| read_time(calendar, text, days).map(|at| at.0);
        assert_eq!(read(Calendar::Xnys, "2023-01-03", 0), Some(1_672_722_000_000));
        assert_eq!(read(Calendar::Xnys, "2023-01-03", 1), Some(1_672_722_000_000 + DAY));
        assert_eq!(read(Calendar::AlwaysOpen, "2023-01-01", 0), Some(1_672_531_200_000));
        assert_eq!(read(Calendar::Xnys, "1672722000001", 1), Some(1_672_722_000_001));
        assert_eq!(read(Calendar::Xnys, "yesterday", 0), None);
        assert_eq!(read(Calendar::Xnys, "9223372036854775807", 0), None);
    }
}
