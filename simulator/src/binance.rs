//! Binance's endpoints: klines and exchange information.
//!
//! A kline is `[openTime, "open", "high", "low", "close", "volume", closeTime, "quoteVolume", trades, "takerBase",
//! "takerQuote", "0"]`, times in milliseconds; an interval without a trade has a flat one, and the one under way has
//! one. At most 1000 are answered, from `startTime` on, else the newest. Weeks begin on Monday. Every error is an object
//! with `code` and `msg`. Not simulated: seconds, months, and the ban with status 418 of who goes on after a 429.

use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};
use tidemark_market::time::DAY;
use tidemark_market::{Bar, Symbol, TimeRange, Timestamp, Venue};

use crate::serve::{Call, Incoming, Provider, Refusal, serve};
use crate::state::Shared;
use crate::venue::{self, Interval, Routes};

const DEFAULT_LIMIT: i64 = 500;
const MAX_LIMIT: i64 = 1_000;

/// What it says in a country where it does not serve, with status 451.
const RESTRICTED: &str = "Service unavailable from a restricted location according to 'b. Eligibility' in \
                          https://www.binance.com/en/terms. Please contact customer service if you believe you \
                          received this message in error.";

pub(crate) fn routes() -> Routes {
    Routes::new().route("/api/v3/klines", get(klines)).route("/api/v3/exchangeInfo", get(exchange_info))
}

/// What Binance says where it refuses.
pub(crate) fn refuse(refusal: Refusal) -> Response {
    match refusal {
        Refusal::NoKey | Refusal::WrongKey => {
            failure(StatusCode::UNAUTHORIZED, -2_015, "Invalid API-key, IP, or permissions for action.")
        }
        Refusal::RateLimit => failure(
            StatusCode::TOO_MANY_REQUESTS,
            -1_003,
            "Too much request weight used; current limit is 6000 request weight per 1 MINUTE.",
        ),
        Refusal::ServerError => failure(
            StatusCode::INTERNAL_SERVER_ERROR,
            -1_001,
            "Internal error; unable to process your request. Please try again.",
        ),
        Refusal::Plan => failure(StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS, 0, RESTRICTED),
    }
}

/// A body in which text stands where bars belong.
pub(crate) fn wrong_shape() -> Response {
    venue::json(StatusCode::OK, &json!({"klines": "some"}))
}

fn failure(status: StatusCode, code: i32, text: &str) -> Response {
    venue::json(status, &json!({"code": code, "msg": text}))
}

fn unknown_symbol() -> Response {
    failure(StatusCode::BAD_REQUEST, -1_121, "Invalid symbol.")
}

fn listed(shared: &Shared, pair: &str) -> Option<Symbol> {
    venue::symbol_at(Venue::Binance, pair).filter(|symbol| shared.knows(symbol))
}

/// What is asked for.
#[derive(Clone, Copy)]
struct Ask {
    interval: Interval,
    start: Option<Timestamp>,
    /// The last millisecond in which a kline may begin.
    end: Timestamp,
    limit: i64,
}

impl Ask {
    fn read(incoming: &Incoming) -> Result<Self, (i32, String)> {
        let malformed = |name: &str| {
            let text = format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.");
            (-1_102, text)
        };
        incoming.parameter("symbol").ok_or_else(|| malformed("symbol"))?;
        let interval = incoming.parameter("interval").ok_or_else(|| malformed("interval"))?;
        let interval = read_interval(interval).ok_or((-1_120, "Invalid interval.".to_owned()))?;
        let number = |name: &str| incoming.parameter(name).map(str::parse).transpose().map_err(|_| malformed(name));
        let limit = number("limit")?.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
        let end = number("endTime")?.map_or_else(|| incoming.shared.now(), Timestamp);
        Ok(Self { interval, start: number("startTime")?.map(Timestamp), end, limit })
    }

    /// The time of the klines to answer, of which `history` has rows.
    fn range(self, history: TimeRange) -> Option<TimeRange> {
        let Self { interval, start, end, limit } = self;
        let length = limit * interval.length;
        let after = interval.start(end).plus(interval.length).min(history.end);
        match start {
            Some(start) => {
                let start = interval.start_from(start.max(history.start));
                TimeRange::new(start, start.plus(length).min(after))
            }
            None => TimeRange::new(after.plus(-length), after),
        }
    }

    /// Without knowing where rows begin.
    fn asked(self) -> (Interval, TimeRange) {
        let all = TimeRange { start: self.start.unwrap_or_default(), end: Timestamp(i64::MAX) };
        let none = TimeRange { start: self.end, end: self.end.plus(1) };
        (self.interval, self.range(all).unwrap_or(none))
    }
}

fn read_interval(text: &str) -> Option<Interval> {
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: i64 = count.parse().ok()?;
    Some(match (count, unit) {
        (1 | 3 | 5 | 15 | 30, "m") => Interval::minutes(count),
        (1 | 2 | 4 | 6 | 8 | 12, "h") => Interval::minutes(60 * count),
        (1 | 3, "d") => Interval::minutes(1_440 * count),
        (1, "w") => Interval { length: 7 * DAY, phase: 4 * DAY },
        _ => return None,
    })
}

async fn klines(incoming: Incoming) -> Response {
    let ask = Ask::read(&incoming);
    let pair = incoming.parameter("symbol").unwrap_or_default().to_owned();
    let symbol = venue::symbol_at(Venue::Binance, &pair);
    let interval = incoming.parameter("interval").unwrap_or_default();
    let asked = ask.as_ref().ok().map(|ask| ask.asked());
    let call = venue::bars_call(&incoming, Provider::Binance, symbol.as_ref(), asked, interval);
    serve(&incoming, call, move |shared, rows| match (listed(shared, &pair), ask) {
        (_, Err((code, text))) => failure(StatusCode::BAD_REQUEST, code, &text),
        (None, _) => unknown_symbol(),
        (Some(symbol), Ok(ask)) => {
            let range = venue::history(shared, &symbol, ask.interval).and_then(|history| ask.range(history));
            let bars = range.map(|range| venue::with_flat_rows(shared, &symbol, ask.interval, range));
            let bars = rows.of(bars.unwrap_or_default());
            venue::json(StatusCode::OK, &bars.iter().map(|bar| kline(bar, ask.interval)).collect())
        }
    })
    .await
}

/// Half of what is traded is taken.
fn kline(bar: &Bar, interval: Interval) -> Value {
    let text = |value| venue::fixed(value, 8);
    let money = bar.volume * bar.vwap.unwrap_or((bar.high + bar.low) / 2.0);
    json!([
        bar.ts.0,
        text(bar.open),
        text(bar.high),
        text(bar.low),
        text(bar.close),
        text(bar.volume),
        bar.ts.0 + interval.length - 1,
        text(money),
        bar.trades.unwrap_or_default(),
        text(bar.volume / 2.0),
        text(money / 2.0),
        "0",
    ])
}

async fn exchange_info(incoming: Incoming) -> Response {
    let pair = incoming.parameter("symbol").unwrap_or_default().to_owned();
    let call = Call { symbol: venue::symbol_at(Venue::Binance, &pair), ..incoming.call(Provider::Binance) };
    serve(&incoming, call, move |shared, _| match listed(shared, &pair) {
        None => unknown_symbol(),
        Some(_) => {
            let (base, quote) = assets(&pair);
            venue::json(
                StatusCode::OK,
                &json!({
                    "timezone": "UTC", "serverTime": shared.now().0, "rateLimits": [], "exchangeFilters": [],
                    "symbols": [{
                        "symbol": pair, "status": "TRADING", "baseAsset": base, "baseAssetPrecision": 8,
                        "quoteAsset": quote, "quotePrecision": 8, "quoteAssetPrecision": 8,
                        "isSpotTradingAllowed": true, "permissions": ["SPOT"],
                    }],
                }),
            )
        }
    })
    .await
}

/// The pair has no separator: what is quoted in is told by its end.
fn assets(pair: &str) -> (&str, &str) {
    let quoted = ["USDT", "USDC", "FDUSD", "BTC", "ETH", "BNB", "EUR", "TRY"];
    let parts = quoted.iter().find_map(|quote| Some((pair.strip_suffix(quote)?, *quote)));
    parts.or_else(|| pair.split_at_checked(pair.len().saturating_sub(3))).unwrap_or((pair, ""))
}
