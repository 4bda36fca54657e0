//! Binance: klines of the pairs at that venue.
//!
//! What is particular: a row is `[openTime, "open", "high", "low", "close", "volume", closeTime, "quoteVolume", trades,
//! …]`, times in milliseconds and numbers in text; 1000 rows at most; an interval without a trade has a flat row; weeks
//! begin on Monday, so ours are built from days; who goes on after a 429 gets 418, both with `Retry-After`; whole
//! countries, the US among them, get 451.

use std::time::Duration;

use reqwest::Url;
use serde_json::Value;
use tidemark_market::{TimeRange, Timeframe, Timestamp, Venue};

use super::Limit;
use super::error::Failure;
use super::http::{Complaint, Http};
use super::rows::Column::{self, At};
use super::rows::{Columns, integer, number};
use super::venue::{Candles, Pair};

pub(super) const CANDLES: Candles = Candles {
    venue: Venue::Binance,
    complaint,
    pair_url: |http, pair| http.url("/api/v3/exchangeInfo", &[("symbol", pair)]),
    read_pair,
    rows_kept: None,
    finer: |timeframe| if matches!(timeframe, Timeframe::W1) { Timeframe::D1 } else { timeframe },
    page: Some(1_000),
    limit: LIMIT,
    url: klines_url,
    list: |body| body.as_array().map(Vec::as_slice).ok_or_else(|| "its answer is no list of klines".to_owned()),
    columns: Columns {
        time: |row| integer(row, At(0, "openTime")).map(Timestamp),
        open: At(1, "open"),
        high: At(2, "high"),
        low: At(3, "low"),
        close: At(4, "close"),
        volume: VOLUME,
        vwap: average,
        trades: At(8, "trades"),
    },
};

/// A minute allows a weight of 6,000, by address; klines of 1,000 rows weigh 2.
const LIMIT: Limit = Limit::known(3_000, Duration::from_secs(60));

const VOLUME: Column = At(5, "volume");

/// It tells what was paid in all.
fn average(row: &Value) -> Option<f64> {
    let (paid, volume) = (number(row, At(7, "quoteVolume")).ok()?, number(row, VOLUME).ok()?);
    (volume > 0.0).then(|| paid / volume)
}

const fn interval(timeframe: Timeframe) -> &'static str {
    match timeframe {
        Timeframe::M1 => "1m",
        Timeframe::M5 => "5m",
        Timeframe::M15 => "15m",
        Timeframe::M30 => "30m",
        Timeframe::H1 => "1h",
        Timeframe::H4 => "4h",
        Timeframe::D1 => "1d",
        Timeframe::W1 => "1w",
    }
}

/// Klines that begin at `endTime` count.
fn klines_url(http: &Http, pair: &str, timeframe: Timeframe, range: TimeRange) -> Url {
    let (start, end) = (range.start.millis().to_string(), range.end.plus(-1).millis().to_string());
    let query = [
        ("symbol", pair),
        ("interval", interval(timeframe)),
        ("startTime", &start),
        ("endTime", &end),
        ("limit", "1000"),
    ];
    http.url("/api/v3/klines", &query)
}

fn complaint(body: &Value) -> Option<Complaint> {
    let failure = match body["code"].as_i64()? {
        -1_121 => Some(Failure::SymbolUnknown),
        -1_003 => Some(Failure::Throttled),
        _ => None,
    };
    Some(Complaint { failure, text: body["msg"].as_str().unwrap_or_default().to_owned() })
}

fn read_pair(body: &Value) -> Option<Pair<'_>> {
    let text = |name: &str| body["symbols"][0][name].as_str();
    Some(Pair { name: text("symbol")?, base: text("baseAsset")?, quote: text("quoteAsset")? })
}
