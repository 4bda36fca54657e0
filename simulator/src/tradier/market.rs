//! Quotes, the clock and the calendar.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use chrono::{Datelike, NaiveDate};
use serde_json::{Map, Value, json};
use tidemark_market::calendar::utc_to_new_york;
use tidemark_market::time::DAY;
use tidemark_market::{Calendar, Hours, Symbol, TimeRange, Timestamp};

use crate::days::{TradingDay, positions, trading_days};
use crate::serve::{Call, Incoming, Provider, serve};
use crate::state::Shared;
use crate::tradier::{accepted, listed, plain_text, wants_json};
use crate::window::Window;

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/markets/quotes", get(quotes))
        .route("/v1/markets/clock", get(clock))
        .route("/v1/markets/calendar", get(calendar))
}

/// What the exchange does at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    PreMarket,
    Open,
    PostMarket,
    Closed,
}

impl Phase {
    /// The phase at `now`.
    pub(crate) fn at(now: Timestamp) -> Self {
        match day_at(now) {
            Some(day) if day.contains(day.start, day.open, now) => Self::PreMarket,
            Some(day) if day.contains(day.open, day.close, now) => Self::Open,
            Some(day) if day.contains(day.close, day.end, now) => Self::PostMarket,
            _ => Self::Closed,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::PreMarket => "premarket",
            Self::Open => "open",
            Self::PostMarket => "postmarket",
            Self::Closed => "closed",
        }
    }
}

impl TradingDay {
    fn contains(&self, start: Timestamp, end: Timestamp, at: Timestamp) -> bool {
        start <= at && at < end
    }

    /// The changes of phase, in order.
    fn changes(&self) -> [(Timestamp, Phase); 4] {
        [
            (self.start, Phase::PreMarket),
            (self.open, Phase::Open),
            (self.close, Phase::PostMarket),
            (self.end, Phase::Closed),
        ]
    }
}

/// The trading day whose trading has not ended at `at` and has begun by the end of its date.
fn day_at(at: Timestamp) -> Option<&'static TradingDay> {
    let position = positions(Calendar::Xnys, TimeRange { start: at, end: at.plus(1) }).next()?;
    trading_days(Calendar::Xnys).get(position)
}

async fn quotes(incoming: Incoming) -> Response {
    let asked = incoming.parameter("symbols").unwrap_or_default().to_owned();
    let wants_json = wants_json(&incoming.headers);
    let call = Call { symbol: asked.parse().ok(), ..incoming.call(Provider::Tradier) };
    serve(&incoming, call, move |shared, _| {
        let texts: Vec<&str> = asked.split(',').map(str::trim).filter(|text| !text.is_empty()).collect();
        if texts.is_empty() {
            return plain_text(StatusCode::BAD_REQUEST, "Invalid parameter, symbols: is required.");
        }
        accepted(wants_json, &json!({"quotes": all_quotes(shared, &texts)}))
    })
    .await
}

fn all_quotes(shared: &Shared, texts: &[&str]) -> Value {
    let (mut known, mut unmatched) = (Vec::new(), Vec::new());
    for text in texts {
        match listed(shared, text) {
            Some(symbol) => known.push(quote(shared, text, &symbol)),
            None => unmatched.push(Value::from(*text)),
        }
    }
    let mut answer = Map::new();
    if !known.is_empty() {
        answer.insert("quote".to_owned(), one_or_many(known));
    }
    if !unmatched.is_empty() {
        answer.insert("unmatched_symbols".to_owned(), json!({"symbol": one_or_many(unmatched)}));
    }
    Value::Object(answer)
}

fn one_or_many(mut values: Vec<Value>) -> Value {
    if values.len() == 1 { values.remove(0) } else { Value::Array(values) }
}

/// The newest session and the one before.
fn quote(shared: &Shared, text: &str, symbol: &Symbol) -> Value {
    let now = shared.now();
    let lately = TimeRange { start: now.plus(-14 * DAY), end: now.plus(1) };
    let days = shared.source.bars(symbol, Window::Days(1), lately, now, Hours::Regular);
    let today = days.last();
    let before = days.len().checked_sub(2).and_then(|position| days.get(position));
    let change = today.zip(before).map(|(today, before)| today.close - before.close);
    let percentage = change.zip(before).map(|(change, before)| 100.0 * change / before.close);
    let cents = |value: f64| (value * 100.0).round() / 100.0;
    json!({
        "symbol": text.to_ascii_uppercase(),
        "description": format!("{symbol} (simulated)"),
        "exch": "N",
        "type": "stock",
        "last": today.map(|bar| bar.close),
        "change": change.map(cents),
        "volume": today.map(|bar| bar.volume as i64),
        "open": today.map(|bar| bar.open),
        "high": today.map(|bar| bar.high),
        "low": today.map(|bar| bar.low),
        "close": today.filter(|_| Phase::at(now) != Phase::Open).map(|bar| bar.close),
        "bid": today.map(|bar| cents(bar.close - 0.01)),
        "ask": today.map(|bar| cents(bar.close + 0.01)),
        "change_percentage": percentage.map(cents),
        "prevclose": before.map(|bar| bar.close),
        "trade_date": now.millis(),
    })
}

async fn clock(incoming: Incoming) -> Response {
    let wants_json = wants_json(&incoming.headers);
    serve(&incoming, incoming.call(Provider::Tradier), move |shared, _| {
        accepted(wants_json, &json!({"clock": clock_at(shared.now())}))
    })
    .await
}

fn clock_at(now: Timestamp) -> Value {
    let phase = Phase::at(now);
    let soon = TimeRange { start: now, end: now.plus(14 * DAY) };
    let days = &trading_days(Calendar::Xnys)[positions(Calendar::Xnys, soon)];
    let next = days.iter().flat_map(TradingDay::changes).find(|(at, _)| *at > now);
    let date = Calendar::Xnys.local_date(now);
    let description = match (phase, date.and_then(|date| Calendar::Xnys.session_on(date)), date) {
        (Phase::Open, Some(session), Some(date)) => {
            let from = wall_time(Calendar::Xnys.day_start(date), session.open);
            let to = wall_time(Calendar::Xnys.day_start(date), session.close);
            format!("Market is open from {from} to {to}")
        }
        _ => "Market is closed.".to_owned(),
    };
    json!({
        "date": date.map(|date| date.to_string()),
        "description": description,
        "state": phase.as_str(),
        "timestamp": now.millis() / 1_000,
        "next_change": next.map(|(at, _)| wall_time(now, at)),
        "next_state": next.map(|(_, phase)| phase.as_str()),
    })
}

fn wall_time(fallback: Timestamp, at: Timestamp) -> String {
    utc_to_new_york(at).or_else(|| utc_to_new_york(fallback)).unwrap_or_default().format("%H:%M").to_string()
}

async fn calendar(incoming: Incoming) -> Response {
    let wants_json = wants_json(&incoming.headers);
    let today = Calendar::Xnys.local_date(incoming.shared.now()).unwrap_or_default();
    let number = |name: &str| incoming.parameter(name).map(str::parse::<i32>);
    let year = number("year").unwrap_or(Ok(today.year()));
    let month = number("month").unwrap_or(i32::try_from(today.month()).or(Ok(1)));
    let first = year.ok().zip(month.ok()).and_then(|(year, month)| {
        let first = NaiveDate::from_ymd_opt(year, u32::try_from(month).ok()?, 1)?;
        (1990..2036).contains(&year).then_some(first)
    });
    serve(&incoming, incoming.call(Provider::Tradier), move |_, _| match first {
        None => plain_text(StatusCode::BAD_REQUEST, "Invalid parameter, month or year: out of range."),
        Some(first) => {
            let days: Vec<Value> =
                first.iter_days().take_while(|day| day.month() == first.month()).map(calendar_day).collect();
            let month = json!({"month": first.month(), "year": first.year(), "days": {"day": days}});
            accepted(wants_json, &json!({"calendar": month}))
        }
    })
    .await
}

fn calendar_day(date: NaiveDate) -> Value {
    let midnight = Calendar::Xnys.day_start(date);
    let days = trading_days(Calendar::Xnys);
    match days.binary_search_by_key(&midnight, |day| day.midnight) {
        Err(_) => json!({"date": date.to_string(), "status": "closed", "description": "Market is closed"}),
        Ok(position) => {
            let day = &days[position];
            let span = |start, end| json!({"start": wall_time(midnight, start), "end": wall_time(midnight, end)});
            json!({
                "date": date.to_string(), "status": "open", "description": "Market is open",
                "premarket": span(day.start, day.open), "open": span(day.open, day.close),
                "postmarket": span(day.close, day.end),
            })
        }
    }
}
