//! Coinbase Exchange: candles of the pairs at that venue.
//!
//! What is particular: a row is `[time, low, high, open, close, volume]`, `time` in seconds, newest first; an interval
//! without a trade has no row; a request that spans more than 300 intervals is refused, and whether the end counts is not
//! told, so the last row's start is asked for; there are no 30 minutes, 4 hours and weeks, which are built from finer
//! bars; a request must say who asks (`User-Agent`).

use std::time::Duration;

use reqwest::Url;
use serde_json::Value;
use tidemark_market::time::SECOND;
use tidemark_market::{TimeRange, Timeframe, Timestamp, Venue};

use super::Limit;
use super::error::Failure;
use super::http::{Complaint, Http};
use super::rows::Column::At;
use super::rows::{Columns, integer};
use super::venue::{Candles, Pair};

pub(super) const CANDLES: Candles = Candles {
    venue: Venue::Coinbase,
    complaint,
    pair_url: |http, pair| http.url(&format!("/products/{pair}"), &[]),
    read_pair,
    rows_kept: None,
    finer,
    page: Some(300),
    limit: LIMIT,
    url: candles_url,
    list: |body| body.as_array().map(Vec::as_slice).ok_or_else(|| "its answer is no list of candles".to_owned()),
    columns: Columns {
        time: |row| integer(row, At(0, "time")).map(|seconds| Timestamp(seconds.saturating_mul(SECOND))),
        low: At(1, "low"),
        high: At(2, "high"),
        open: At(3, "open"),
        close: At(4, "close"),
        volume: At(5, "volume"),
        vwap: |_| None,
        trades: At(6, "trades"),
    },
};

/// Requests in a second to its public endpoints, by address.
const LIMIT: Limit = Limit::known(10, Duration::from_secs(1));

const fn finer(timeframe: Timeframe) -> Timeframe {
    match timeframe {
        Timeframe::M30 => Timeframe::M15,
        Timeframe::H4 => Timeframe::H1,
        Timeframe::W1 => Timeframe::D1,
        other => other,
    }
}

fn candles_url(http: &Http, pair: &str, timeframe: Timeframe, range: TimeRange) -> Url {
    let granularity = (timeframe.millis() / SECOND).to_string();
    let (start, end) = (range.start.to_string(), range.end.plus(-timeframe.millis()).to_string());
    let query = [("granularity", granularity.as_str()), ("start", &start), ("end", &end)];
    http.url(&format!("/products/{pair}/candles"), &query)
}

fn complaint(body: &Value) -> Option<Complaint> {
    let text = body["message"].as_str()?;
    let failure = match text {
        "NotFound" => Some(Failure::SymbolUnknown),
        _ if text.to_ascii_lowercase().contains("rate limit") => Some(Failure::Throttled),
        _ => None,
    };
    Some(Complaint { failure, text: text.to_owned() })
}

fn read_pair(body: &Value) -> Option<Pair<'_>> {
    let text = |name: &str| body[name].as_str();
    Some(Pair { name: text("id")?, base: text("base_currency")?, quote: text("quote_currency")? })
}
