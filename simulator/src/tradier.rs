//! Tradier's endpoints: routes, parameters, errors, and answers of bars. `market` makes quotes, clock and calendar.
//!
//! Crypto pairs and the dot of a share class (`BRK.B` for `BRK/B`) are unknown here, as they are there. Not simulated:
//! ticks. A client that does not accept JSON gets XML, which is Tradier's default.

mod market;
mod xml;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, Weekday};
use serde_json::{Map, Value, json};
use tidemark_market::calendar::{new_york_to_utc, utc_to_new_york};
use tidemark_market::{AssetClass, Bar, Calendar, Hours, Symbol, TimeRange, Timestamp};

use crate::serve::{Call, Incoming, Provider, Refusal, serve};
use crate::state::Shared;
pub(crate) use crate::tradier::market::Phase;
use crate::window::Window;

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/markets/timesales", get(timesales))
        .route("/v1/markets/history", get(history))
        .merge(market::routes())
}

/// What Tradier says where it refuses: plain text, or its gateway's fault.
pub(crate) fn refuse(refusal: Refusal) -> Response {
    match refusal {
        Refusal::NoKey | Refusal::WrongKey => plain_text(StatusCode::UNAUTHORIZED, "Invalid Access Token"),
        Refusal::Plan => plain_text(StatusCode::FORBIDDEN, "Not authorized for this market data"),
        Refusal::RateLimit => {
            let fault =
                gateway_fault("Rate limit quota violation. Quota limit exceeded.", "policies.ratelimit.QuotaViolation");
            body(StatusCode::TOO_MANY_REQUESTS, &fault)
        }
        Refusal::ServerError => {
            let fault = gateway_fault(
                "The Service is temporarily unavailable",
                "messaging.adaptors.http.flow.ServiceUnavailable",
            );
            body(StatusCode::INTERNAL_SERVER_ERROR, &fault)
        }
    }
}

fn gateway_fault(text: &str, code: &str) -> Value {
    json!({"fault": {"faultstring": text, "detail": {"errorcode": code}}})
}

/// A body in which text stands where bars belong.
pub(crate) fn wrong_shape() -> Response {
    let text = json!({"data": "some", "day": "some"});
    body(StatusCode::OK, &json!({"series": text, "history": text}))
}

/// Tradier really writes `plain/text`.
fn plain_text(status: StatusCode, text: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "plain/text")], text.to_owned()).into_response()
}

fn body(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json;charset=UTF-8")], value.to_string()).into_response()
}

/// In the form that the client accepts.
fn accepted(wants_json: bool, value: &Value) -> Response {
    if wants_json {
        body(StatusCode::OK, value)
    } else {
        ([(header::CONTENT_TYPE, "application/xml;charset=UTF-8")], xml::write(value)).into_response()
    }
}

fn wants_json(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("json"))
}

/// Bars asked for, of timesales or of history.
struct Ask {
    /// The symbol as Tradier writes it.
    symbol: String,
    window: Window,
    hours: Hours,
    /// From the start asked for to the end, whose bar counts.
    range: TimeRange,
}

/// The symbol that Tradier writes so; `None` where it knows none.
fn listed(shared: &Shared, text: &str) -> Option<Symbol> {
    let symbol: Symbol = text.parse().ok().filter(|_| !text.contains('.'))?;
    (symbol.asset_class() == AssetClass::Equity && shared.knows(&symbol)).then_some(symbol)
}

async fn timesales(incoming: Incoming) -> Response {
    let name = incoming.parameter("interval").map(|interval| match interval {
        "1min" => "m1".to_owned(),
        "5min" => "m5".to_owned(),
        "15min" => "m15".to_owned(),
        other => other.to_owned(),
    });
    let wants_json = wants_json(&incoming.headers);
    let ask = read_timesales(&incoming);
    serve(&incoming, bars_call(&incoming, &ask, name), move |shared, rows| match ask {
        Err(text) => plain_text(StatusCode::BAD_REQUEST, &text),
        Ok(ask) => {
            let bars = rows.of(bars_of(shared, &ask, kept_since(shared.now(), &ask)));
            accepted(wants_json, &json!({"series": list_of("data", bars.iter().map(timesale).collect())}))
        }
    })
    .await
}

async fn history(incoming: Incoming) -> Response {
    let name = incoming.parameter("interval").unwrap_or("daily").to_owned();
    let name = if name == "daily" { "d1".to_owned() } else { name };
    let wants_json = wants_json(&incoming.headers);
    let ask = read_history(&incoming);
    serve(&incoming, bars_call(&incoming, &ask, Some(name)), move |shared, rows| match ask {
        Err(text) => plain_text(StatusCode::BAD_REQUEST, &text),
        Ok(ask) => {
            let bars = rows.of(bars_of(shared, &ask, None));
            let days = bars.iter().map(|bar| history_day(bar, ask.window)).collect();
            accepted(wants_json, &json!({"history": list_of("day", days)}))
        }
    })
    .await
}

fn bars_call(incoming: &Incoming, ask: &Result<Ask, String>, timeframe: Option<String>) -> Call {
    let symbol = incoming.parameter("symbol").and_then(|text| text.parse().ok());
    let range = ask.as_ref().ok().map(|ask| ask.range);
    Call { symbol, range, timeframe, ..incoming.call(Provider::Tradier) }
}

fn read_timesales(incoming: &Incoming) -> Result<Ask, String> {
    let window = match incoming.parameter("interval").unwrap_or("tick") {
        "1min" => Window::Minutes(1),
        "5min" => Window::Minutes(5),
        "15min" => Window::Minutes(15),
        other => return Err(format!("Invalid parameter, interval: {other} is not one of 1min, 5min, 15min.")),
    };
    let hours = match incoming.parameter("session_filter").unwrap_or("all") {
        "all" => Hours::Extended,
        "open" => Hours::Regular,
        other => return Err(format!("Invalid parameter, session_filter: {other} is not one of all, open.")),
    };
    read_ask(incoming, window, hours)
}

fn read_history(incoming: &Incoming) -> Result<Ask, String> {
    let window = match incoming.parameter("interval").unwrap_or("daily") {
        "daily" => Window::Days(1),
        "weekly" => Window::Weeks(1),
        "monthly" => Window::Months(1),
        other => return Err(format!("Invalid parameter, interval: {other} is not one of daily, weekly, monthly.")),
    };
    read_ask(incoming, window, Hours::Regular)
}

/// Without a start, today counts; without an end, all since.
fn read_ask(incoming: &Incoming, window: Window, hours: Hours) -> Result<Ask, String> {
    let symbol = incoming.parameter("symbol").ok_or("Invalid parameter, symbol: is required.")?;
    if symbol.parse::<Symbol>().is_err() {
        return Err(format!("Invalid parameter, symbol: {symbol} is not a symbol."));
    }
    let now = incoming.shared.now();
    let start = match incoming.parameter("start") {
        None => midnight_of(now),
        Some(text) => read_wall_time(text, NaiveTime::MIN).ok_or(wrong_time("start", text))?,
    };
    let end = match incoming.parameter("end") {
        None => now.max(start),
        Some(text) => read_wall_time(text, LAST_MINUTE).ok_or(wrong_time("end", text))?,
    };
    let range = TimeRange { start, end: end.max(start.plus(1)) };
    if end < start {
        return Err("Invalid parameter, end: is before start.".to_owned());
    }
    Ok(Ask { symbol: symbol.to_owned(), window, hours, range })
}

fn wrong_time(name: &str, text: &str) -> String {
    format!("Invalid parameter, {name}: {text} is not YYYY-MM-DD or YYYY-MM-DD HH:MM.")
}

const LAST_MINUTE: NaiveTime = match NaiveTime::from_hms_opt(23, 59, 0) {
    Some(time) => time,
    None => NaiveTime::MIN,
};

/// Reads New York wall time; a date alone has `time`.
fn read_wall_time(text: &str, time: NaiveTime) -> Option<Timestamp> {
    let text = text.replace('T', " ");
    let wall = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M")
        .or_else(|_| NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S"))
        .ok()
        .or_else(|| Some(text.parse::<NaiveDate>().ok()?.and_time(time)))?;
    Some(new_york_to_utc(wall.date(), wall.time()))
}

fn midnight_of(at: Timestamp) -> Timestamp {
    Calendar::Xnys.local_date(at).map_or(at, |day| Calendar::Xnys.day_start(day))
}

/// Bars that begin before this are no longer kept: a documented depth in days, by interval and filter.
fn kept_since(now: Timestamp, ask: &Ask) -> Option<Timestamp> {
    let days = match (ask.window, ask.hours) {
        (Window::Minutes(1), Hours::Regular) => 20,
        (Window::Minutes(1), Hours::Extended) => 10,
        (_, Hours::Regular) => 40,
        (_, Hours::Extended) => 18,
    };
    let today = Calendar::Xnys.local_date(now)?;
    Some(Calendar::Xnys.day_start(today.checked_sub_days(Days::new(days))?))
}

fn bars_of(shared: &Shared, ask: &Ask, since: Option<Timestamp>) -> Vec<Bar> {
    let calendar = Calendar::Xnys;
    let around = |at| ask.window.around(calendar, at);
    let (Some(first), Some(last), Some(symbol)) =
        (around(ask.range.start), around(ask.range.end), listed(shared, &ask.symbol))
    else {
        return Vec::new();
    };
    let range = TimeRange { start: first.start, end: last.end };
    let mut bars = shared.source.bars(&symbol, ask.window, range, shared.now(), ask.hours);
    if ask.window.is_intraday() {
        bars.retain(|bar| ask.range.start <= bar.ts && bar.ts <= ask.range.end);
    }
    bars.retain(|bar| since.is_none_or(|since| since <= bar.ts));
    bars
}

/// `null` where there is none, an object where there is one, else an array.
fn list_of(key: &str, mut rows: Vec<Value>) -> Value {
    match rows.len() {
        0 => Value::Null,
        1 => json!({key: rows.remove(0)}),
        _ => json!({key: rows}),
    }
}

fn timesale(bar: &Bar) -> Value {
    let time = utc_to_new_york(bar.ts).map(|wall| wall.format("%Y-%m-%dT%H:%M:%S").to_string());
    let middle = (bar.high + bar.low) / 2.0;
    let mut row = Map::new();
    row.insert("time".to_owned(), Value::from(time));
    row.insert("timestamp".to_owned(), Value::from(bar.ts.millis() / 1_000));
    row.insert("price".to_owned(), number(middle));
    write_prices(&mut row, bar);
    row.insert("vwap".to_owned(), number(bar.vwap.unwrap_or(middle)));
    Value::Object(row)
}

/// A week is named after its Monday, a month after its first day.
fn history_day(bar: &Bar, window: Window) -> Value {
    let first = Calendar::Xnys.local_date(bar.ts);
    let day = first.and_then(|day| match window {
        Window::Weeks(_) => Some(day.week(Weekday::Sun).checked_first_day()?.succ_opt()?),
        Window::Months(_) => day.with_day(1),
        _ => Some(day),
    });
    let mut row = Map::new();
    row.insert("date".to_owned(), Value::from(day.map(|day| day.to_string())));
    write_prices(&mut row, bar);
    Value::Object(row)
}

fn write_prices(row: &mut Map<String, Value>, bar: &Bar) {
    for (key, price) in [("open", bar.open), ("high", bar.high), ("low", bar.low), ("close", bar.close)] {
        row.insert(key.to_owned(), number(price));
    }
    row.insert("volume".to_owned(), Value::from(bar.volume as i64));
}

/// A price that is not there is the text `NaN`; one without end the text `Infinity`.
fn number(value: f64) -> Value {
    if value.is_nan() {
        Value::from("NaN")
    } else if value.is_infinite() {
        Value::from("Infinity")
    } else {
        Value::from(value)
    }
}
