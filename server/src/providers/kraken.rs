//! Kraken: recent bars of the pairs at that venue.
//!
//! What is particular: a row is `[time, "open", "high", "low", "close", "vwap", "volume", count]`, `time` in seconds and
//! prices in text; only the newest 720 rows are there, whatever `since` is, so one request is all there is; an interval
//! without a trade has a flat row of volume 0, which Kraken's own downloads leave out; the last row is not committed;
//! weeks begin on Thursday, so ours are built from days; errors are texts with status 200; an answer names the pair as
//! Kraken does (`XXBTZUSD`), not as it was asked for.

use std::time::Duration;

use reqwest::Url;
use serde_json::Value;
use tidemark_market::time::{MINUTE, SECOND};
use tidemark_market::{TimeRange, Timeframe, Timestamp, Venue};

use super::Limit;
use super::error::Failure;
use super::http::{Complaint, Http};
use super::rows::Column::At;
use super::rows::{Columns, integer, number};
use super::venue::{Candles, Pair};

pub(super) const CANDLES: Candles = Candles {
    venue: Venue::Kraken,
    complaint,
    pair_url: |http, pair| http.url("/0/public/AssetPairs", &[("pair", pair)]),
    read_pair,
    rows_kept: Some(ROWS),
    finer,
    page: None,
    limit: LIMIT,
    url: ohlc_url,
    list,
    columns: Columns {
        time: |row| integer(row, At(0, "time")).map(|seconds| Timestamp(seconds.saturating_mul(SECOND))),
        open: At(1, "open"),
        high: At(2, "high"),
        low: At(3, "low"),
        close: At(4, "close"),
        vwap: |row| number(row, At(5, "vwap")).ok(),
        volume: At(6, "volume"),
        trades: At(7, "count"),
    },
};

/// Requests to its public endpoints are to be a second apart, by address and pair.
const LIMIT: Limit = Limit::known(1, Duration::from_secs(1));

/// How many rows there are, with the one that is not committed.
const ROWS: i64 = 720;

const fn finer(timeframe: Timeframe) -> Timeframe {
    match timeframe {
        Timeframe::W1 => Timeframe::D1,
        other => other,
    }
}

/// Rows after `since` are answered; whether one that begins at it counts is not told.
fn ohlc_url(http: &Http, pair: &str, timeframe: Timeframe, range: TimeRange) -> Url {
    let minutes = (timeframe.millis() / MINUTE).to_string();
    let since = (range.start.millis() / SECOND - 1).to_string();
    http.url("/0/public/OHLC", &[("pair", pair), ("interval", &minutes), ("since", &since)])
}

fn list(body: &Value) -> Result<&[Value], String> {
    let named = body["result"].as_object().and_then(|result| result.iter().find(|(name, _)| *name != "last"));
    let rows = named.and_then(|(_, rows)| rows.as_array());
    rows.map(Vec::as_slice).ok_or_else(|| "its answer has no list of rows".to_owned())
}

/// What begins with a W is a warning.
fn complaint(body: &Value) -> Option<Complaint> {
    let texts: Vec<&str> = body["error"].as_array()?.iter().filter_map(Value::as_str).collect();
    let text = *texts.iter().find(|text| !text.starts_with('W'))?;
    let failure = match text {
        "EQuery:Unknown asset pair" => Some(Failure::SymbolUnknown),
        "EGeneral:Too many requests" | "EAPI:Rate limit exceeded" => Some(Failure::Throttled),
        "EGeneral:Internal error" => Some(Failure::ServerError),
        _ if text.starts_with("EService:") => Some(Failure::ServerError),
        _ => None,
    };
    Some(Complaint { failure, text: texts.join(", ") })
}

fn read_pair(body: &Value) -> Option<Pair<'_>> {
    let pair = body["result"].as_object()?.values().next()?;
    let (base, quote) = pair["wsname"].as_str()?.split_once('/')?;
    Some(Pair { name: pair["altname"].as_str()?, base, quote })
}
