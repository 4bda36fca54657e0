//! Tradier: recent bars of US stocks within a day by `timesales`, days and weeks by `history`.
//!
//! What is particular: times are asked for in New York wall time and answered in epoch seconds as well, which are the
//! ones read here; there is no interval above 15 minutes, so m30, h1 and h4 are built from quarter hours; an empty
//! answer is `null` or the text `"null"`, and no proof of no trades: whoever calls asks once more; one row comes as an
//! object instead of an array; `price` is not the close; a share class is written with a slash; the default form is
//! XML, and errors may be plain text. Minutes go back 20 days and longer intervals 40, with extended hours 10 and 18;
//! beyond that answers are empty. Bars are as traded.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{Days, NaiveDateTime};
use serde_json::Value;
use tidemark_market::calendar::{new_york_to_utc, utc_to_new_york};
use tidemark_market::time::{DAY, MINUTE, SECOND};
use tidemark_market::{AssetClass, Calendar, Symbol, TimeRange, Timeframe, Timestamp};

use super::error::{Failure, ProviderError};
use super::http::{Complaint, Http, HttpSettings, SettingsError};
use super::rows::Column::Key;
use super::rows::{Columns, Rows, integer, not, number};
use super::{FetchRequest, Fetched, Limit, Listing, Provider};

/// The adapter.
pub struct Tradier {
    http: Http,
}

impl Tradier {
    /// An adapter that asks nothing yet.
    ///
    /// # Errors
    /// Where no request can be made with these settings.
    pub fn new(settings: HttpSettings) -> Result<Self, SettingsError> {
        Ok(Self { http: Http::new(settings, complaint)? })
    }

    /// What the least of its endpoints allows, until the answers say otherwise.
    #[must_use]
    pub const fn first_limit() -> Limit {
        Limit::guessed(60, Duration::from_secs(60))
    }
}

#[async_trait]
impl Provider for Tradier {
    fn name(&self) -> &str {
        self.http.name()
    }

    fn is_synthetic(&self) -> bool {
        self.http.is_synthetic()
    }

    fn supports(&self, symbol: &Symbol, _timeframe: Timeframe) -> bool {
        symbol.asset_class() == AssetClass::Equity
    }

    /// It knows no pages: all that it still has comes at once, and of days twenty years.
    fn page(&self, _symbol: &Symbol, timeframe: Timeframe) -> i64 {
        match timeframe {
            Timeframe::M1 => 20 * DAY,
            Timeframe::M5 | Timeframe::M15 | Timeframe::M30 | Timeframe::H1 | Timeframe::H4 => 40 * DAY,
            Timeframe::D1 | Timeframe::W1 => 7_305 * DAY,
        }
    }

    fn limit(&self) -> Limit {
        self.http.limit()
    }

    /// Days at the exchange, of which today is not counted.
    fn reach(&self, calendar: Calendar, timeframe: Timeframe, now: Timestamp) -> Option<Timestamp> {
        let days = match (timeframe, session_filter(calendar)) {
            (Timeframe::D1 | Timeframe::W1, _) => return None,
            (Timeframe::M1, "all") => 10,
            (Timeframe::M1, _) => 20,
            (_, "all") => 18,
            _ => 40,
        };
        Some(calendar.day_start(calendar.local_date(now)?.checked_sub_days(Days::new(days))?))
    }

    async fn fetch(
        &self,
        request: &FetchRequest,
        progress: &(dyn Fn(u8) + Send + Sync),
    ) -> Result<Fetched, ProviderError> {
        let subject = request.to_string();
        let Some(ask) = Ask::of(request) else {
            return Err(self.http.error(
                Failure::BadRequest,
                &subject,
                "it serves US stocks of the years it knows alone",
            ));
        };
        let malformed = |detail: String| self.http.error(Failure::Malformed, &subject, &detail);
        let query: Vec<_> = ask.query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let url = self.http.url(ask.path, &query);
        let answer = self.http.get(url, &subject).await?;
        let mut rows = Rows::default();
        rows.read(list(&answer.body, ask.list).map_err(&malformed)?, &ask.columns);
        if let Some(ruin) = rows.ruin() {
            return Err(malformed(ruin));
        }
        for bar in rows.bars.iter_mut().filter(|_| request.timeframe == Timeframe::W1) {
            bar.ts = Calendar::Xnys.bar_start(Timeframe::W1, bar.ts);
        }
        rows.trim(request);
        if request.timeframe != ask.timeframe {
            rows.coarsen(ask.timeframe, request);
        }
        progress(100);
        Ok(Fetched {
            bars: rows.bars,
            adjusted: false,
            answered_at: answer.at,
            allowance: answer.allowance,
            requests: 1,
            unreadable_rows: rows.notes,
        })
    }

    async fn knows(&self, symbol: &Symbol) -> Result<Option<Listing>, ProviderError> {
        if symbol.asset_class() != AssetClass::Equity {
            return Ok(None);
        }
        let subject = format!("The listing of {symbol}");
        let url = self.http.url("/v1/markets/quotes", &[("symbols", &spelled(symbol))]);
        let answer = self.http.get(url, &subject).await?;
        listing(&answer.body, symbol).map_err(|detail| self.http.error(Failure::Malformed, &subject, &detail))
    }
}

/// A request to one of the two endpoints.
struct Ask {
    path: &'static str,
    query: Vec<(&'static str, String)>,
    /// Where the rows are.
    list: [&'static str; 2],
    columns: Columns,
    /// Of the rows.
    timeframe: Timeframe,
}

impl Ask {
    /// `None` for what is no US stock, and for a time that no calendar reaches.
    fn of(request: &FetchRequest) -> Option<Self> {
        if request.symbol.asset_class() != AssetClass::Equity {
            return None;
        }
        match request.timeframe {
            Timeframe::M1 => Self::timesales(request, Timeframe::M1, "1min"),
            Timeframe::M5 => Self::timesales(request, Timeframe::M5, "5min"),
            Timeframe::M15 | Timeframe::M30 | Timeframe::H1 | Timeframe::H4 => {
                Self::timesales(request, Timeframe::M15, "15min")
            }
            Timeframe::D1 => Self::history(request, "daily"),
            Timeframe::W1 => Self::history(request, "weekly"),
        }
    }

    /// It is not told whether a bar that begins at `end` counts: the end of the slice is asked for, and what is too
    /// much is trimmed.
    fn timesales(request: &FetchRequest, timeframe: Timeframe, interval: &str) -> Option<Self> {
        let TimeRange { start, end } = request.slice;
        let minute = |at| Some(utc_to_new_york(at)?.format("%Y-%m-%d %H:%M").to_string());
        Some(Self {
            path: "/v1/markets/timesales",
            query: query(request, interval, minute(start)?, minute(end.plus(MINUTE - 1))?),
            list: ["series", "data"],
            columns: columns(|row| {
                integer(row, Key("timestamp")).map(|seconds| Timestamp(seconds.saturating_mul(SECOND)))
            }),
            timeframe,
        })
    }

    fn history(request: &FetchRequest, interval: &str) -> Option<Self> {
        let TimeRange { start, end } = request.slice;
        let day = |at| Some(utc_to_new_york(at)?.date().to_string());
        Some(Self {
            path: "/v1/markets/history",
            query: query(request, interval, day(start)?, day(end.plus(-1))?),
            list: ["history", "day"],
            columns: columns(midnight),
            timeframe: request.timeframe,
        })
    }
}

fn query(request: &FetchRequest, interval: &str, start: String, end: String) -> Vec<(&'static str, String)> {
    vec![
        ("symbol", spelled(&request.symbol)),
        ("interval", interval.to_owned()),
        ("start", start),
        ("end", end),
        ("session_filter", session_filter(request.calendar).to_owned()),
    ]
}

/// Which hours a series of that calendar has.
fn session_filter(calendar: Calendar) -> &'static str {
    if calendar == Calendar::XnysExtended { "all" } else { "open" }
}

const fn columns(time: fn(&Value) -> Result<Timestamp, String>) -> Columns {
    Columns {
        time,
        open: Key("open"),
        high: Key("high"),
        low: Key("low"),
        close: Key("close"),
        volume: Key("volume"),
        vwap: |row| number(row, Key("vwap")).ok(),
        trades: Key("trades"),
    }
}

/// Midnight in New York of a row's `date`.
fn midnight(row: &Value) -> Result<Timestamp, String> {
    let text = row["date"].as_str().map(|date| format!("{date}T00:00:00"));
    let midnight =
        text.and_then(|text| text.parse::<NaiveDateTime>().ok()).ok_or_else(|| not(row, "date", "a date"))?;
    Ok(new_york_to_utc(midnight.date(), midnight.time()))
}

fn spelled(symbol: &Symbol) -> String {
    symbol.as_str().replace('.', "/")
}

/// The rows at `body[outer][inner]`: an array, one object, or none where `body[outer]` is `null` or `"null"`.
fn list<'a>(body: &'a Value, [outer, inner]: [&'static str; 2]) -> Result<&'a [Value], String> {
    let rows = match body.get(outer) {
        Some(Value::Null) => return Ok(&[]),
        Some(Value::String(text)) if text == "null" => return Ok(&[]),
        Some(Value::Object(list)) => list.get(inner),
        _ => return Err(format!("its answer is no list of bars ({})", not(body, outer, "an object"))),
    };
    match rows {
        Some(Value::Array(rows)) => Ok(rows),
        Some(row @ Value::Object(_)) => Ok(std::slice::from_ref(row)),
        Some(Value::Null) => Ok(&[]),
        _ => Err(format!("its answer is no list of bars ({})", not(&body[outer], inner, "an array or object"))),
    }
}

/// `errors` is Tradier's own, `fault` its gateway's.
fn complaint(body: &Value) -> Option<Complaint> {
    let told = |name: &str| body.get(name).filter(|value| !value.is_null());
    if let Some(fault) = told("fault") {
        let code = fault["detail"]["errorcode"].as_str().unwrap_or_default();
        let text = fault["faultstring"].as_str().unwrap_or(code).to_owned();
        return Some(Complaint { failure: fault_failure(&code.to_ascii_lowercase()), text });
    }
    let errors = told("errors")?;
    let error = &errors["error"];
    let text = error.as_str().or(error[0].as_str()).map_or_else(|| errors.to_string(), str::to_owned);
    Some(Complaint { failure: None, text })
}

fn fault_failure(code: &str) -> Option<Failure> {
    let has_any = |words: &[&str]| words.iter().any(|word| code.contains(word));
    if has_any(&["quota", "ratelimit", "spikearrest"]) {
        Some(Failure::Throttled)
    } else if has_any(&["token", "apikey", "oauth"]) {
        Some(Failure::Unauthorized)
    } else {
        None
    }
}

/// Tradier lists what trades in the US, in dollars; it does not say so in a quote.
fn listing(body: &Value, symbol: &Symbol) -> Result<Option<Listing>, String> {
    let quotes = match body.get("quotes") {
        Some(Value::Object(quotes)) => quotes,
        Some(Value::Null) => return Ok(None),
        _ => return Err(not(body, "quotes", "an object")),
    };
    let is_meant =
        |quote: &&Value| quote["symbol"].as_str().and_then(|text| text.parse().ok()).as_ref() == Some(symbol);
    let quote = match quotes.get("quote") {
        Some(Value::Array(quotes)) => quotes.iter().find(is_meant),
        other => other.filter(is_meant),
    };
    Ok(quote.map(|quote| Listing {
        symbol: symbol.clone(),
        name: quote["description"].as_str().map(str::to_owned),
        currency: Some("USD".to_owned()),
    }))
}
