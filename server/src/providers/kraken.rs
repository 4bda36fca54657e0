//! Kraken: recent bars of the pairs at that venue.
//!
//! What is particular: a row is `[time, "open", "high", "low", "close", "vwap", "volume", count]`, `time` in seconds and
//! prices in text; only the newest 720 rows are there, whatever `since` is, so one request is all there is; an interval
//! without a trade has a flat row of volume 0, which Kraken's own downloads leave out; the last row is not committed;
//! weeks begin on Thursday, so ours are built from days; errors are texts with status 200; an answer names the pair as
//! Kraken does (`XXBTZUSD`), not as it was asked for.

use async_trait::async_trait;
use reqwest::Url;
use serde_json::Value;
use tidemark_market::time::{MINUTE, SECOND};
use tidemark_market::{Calendar, Symbol, TimeRange, Timeframe, Timestamp, Venue};

use super::error::{Failure, ProviderError};
use super::http::{Complaint, Http, HttpSettings, SettingsError};
use super::rows::Column::At;
use super::rows::{Columns, integer, number};
use super::venue::{self, Candles, Pair};
use super::{FetchRequest, Fetched, Listing, Provider};

const CANDLES: Candles = Candles {
    venue: Venue::Kraken,
    finer,
    page: None,
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

/// How many rows there are, with the one that is not committed.
const ROWS: i64 = 720;

/// The adapter.
pub struct Kraken {
    http: Http,
}

impl Kraken {
    /// An adapter that asks nothing yet.
    ///
    /// # Errors
    /// Where no request can be made with these settings.
    pub fn new(settings: HttpSettings) -> Result<Self, SettingsError> {
        Ok(Self { http: Http::new(settings, complaint)? })
    }
}

#[async_trait]
impl Provider for Kraken {
    fn name(&self) -> &str {
        self.http.name()
    }

    fn is_synthetic(&self) -> bool {
        self.http.is_synthetic()
    }

    fn supports(&self, symbol: &Symbol, _timeframe: Timeframe) -> bool {
        venue::pair_at(Venue::Kraken, symbol).is_some()
    }

    /// The newest rows alone, of which the oldest may be gone when the answer is made.
    fn reach(&self, calendar: Calendar, timeframe: Timeframe, now: Timestamp) -> Option<Timestamp> {
        Some(reach(calendar, timeframe, now))
    }

    async fn fetch(
        &self,
        request: &FetchRequest,
        progress: &(dyn Fn(u8) + Send + Sync),
    ) -> Result<Fetched, ProviderError> {
        let mut fetched = CANDLES.fetch(&self.http, request, progress).await?;
        let FetchRequest { calendar, timeframe, .. } = *request;
        if finer(timeframe) != timeframe {
            // The first one may lack parts that are no longer there.
            let reach = reach(calendar, timeframe, fetched.answered_at);
            fetched.bars.retain(|bar| reach <= bar.ts);
        }
        Ok(fetched)
    }

    async fn knows(&self, symbol: &Symbol) -> Result<Option<Listing>, ProviderError> {
        let Some(pair) = venue::pair_at(Venue::Kraken, symbol) else { return Ok(None) };
        let url = self.http.url("/0/public/AssetPairs", &[("pair", pair)]);
        venue::knows(&self.http, symbol, url, read_pair).await
    }
}

fn reach(calendar: Calendar, timeframe: Timeframe, now: Timestamp) -> Timestamp {
    let finer = finer(timeframe);
    let oldest = calendar.bar_start(finer, now).plus(-(ROWS - 1) * finer.millis());
    if calendar.is_on_grid(timeframe, oldest) { oldest } else { calendar.bar_end(timeframe, oldest) }
}

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
