//! Polygon.io, also known as Massive: aggregates of stocks, currency and crypto pairs, asked for as traded; and splits.
//!
//! What is particular: volumes come in exponent form; an answer without bars has no `results`; a range is widened to
//! whole windows, so bars outside the slice are trimmed here; `next_url` names a host and lacks the key; errors speak
//! in `error` or in `message`. Stocks come with extended hours, and the hour bar of 09:00 in New York mixes both.
//! Where its 4-hour windows begin is not told; ours count from the exchange's midnight, so h4 is built from hour bars.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;
use serde_json::Value;
use tidemark_market::time::{DAY, MINUTE};
use tidemark_market::{AssetClass, Calendar, Split, Symbol, TimeRange, Timeframe, Timestamp};

use super::error::{Failure, ProviderError};
use super::http::{Answer, Complaint, Http, HttpSettings, SettingsError};
use super::rows::Column::Key;
use super::rows::{Columns, Rows, integer, not, number};
use super::{Allowance, FetchRequest, Fetched, Limit, Listing, Provider};

/// Base bars a page may be made of; the most that is allowed. They are days for days and weeks, and minutes for
/// everything below.
const PAGE_LIMIT: &str = "50000";
const PAGE_BARS: i64 = 50_000;

/// A stock has 960 minutes a day, from 04:00 to 20:00 in New York, and trades on 52 days of any 72 at most: 49,920
/// minutes, and 60 more where the clocks are set forward. The next 80 minutes may make it 50,000.
const STOCK_PAGE_DAYS: i64 = 72;

/// More pages than any slice needs: a chain of links that is longer never ends.
const MAX_PAGES: u32 = 200;

const COLUMNS: Columns = Columns {
    time: |row| integer(row, Key("t")).map(Timestamp),
    open: Key("o"),
    high: Key("h"),
    low: Key("l"),
    close: Key("c"),
    volume: Key("v"),
    vwap: |row| number(row, Key("vw")).ok(),
    trades: Key("n"),
};

/// The adapter.
pub struct Polygon {
    http: Http,
}

impl Polygon {
    /// An adapter that asks nothing yet.
    ///
    /// # Errors
    /// Where no request can be made with these settings.
    pub fn new(settings: HttpSettings) -> Result<Self, SettingsError> {
        Ok(Self { http: Http::new(settings, complaint)? })
    }

    /// What a plan allows; `per_minute` is 0 for one without a limit. Not told, it is the least that is sold, until the
    /// answers say otherwise.
    #[must_use]
    pub const fn plan_limit(per_minute: Option<u32>) -> Limit {
        match per_minute {
            Some(0) => Limit::NONE,
            Some(requests) => Limit::known(requests, Duration::from_secs(60)),
            None => Limit::guessed(5, Duration::from_secs(60)),
        }
    }
}

#[async_trait]
impl Provider for Polygon {
    fn name(&self) -> &str {
        self.http.name()
    }

    fn is_synthetic(&self) -> bool {
        self.http.is_synthetic()
    }

    fn supports(&self, symbol: &Symbol, _timeframe: Timeframe) -> bool {
        symbol.at_venue().is_none()
    }

    fn page(&self, symbol: &Symbol, timeframe: Timeframe) -> i64 {
        match symbol.asset_class() {
            _ if timeframe >= Timeframe::D1 => PAGE_BARS * DAY,
            AssetClass::Equity => STOCK_PAGE_DAYS * DAY,
            AssetClass::Crypto | AssetClass::Fx => PAGE_BARS * MINUTE,
        }
    }

    fn limit(&self) -> Limit {
        self.http.limit()
    }

    async fn fetch(
        &self,
        request: &FetchRequest,
        progress: &(dyn Fn(u8) + Send + Sync),
    ) -> Result<Fetched, ProviderError> {
        let subject = request.to_string();
        let malformed = |detail: String| self.http.error(Failure::Malformed, &subject, &detail);
        let mut rows = Rows::default();
        let mut adjusted = None;
        let mut pages = Pages::from(self.http.url(&aggregates_path(request), &aggregates_query(request.timeframe)));
        while let Some(answer) = pages.next(&self.http, &subject).await? {
            let page = Page::read(&answer.body, &request.symbol).map_err(&malformed)?;
            if *adjusted.get_or_insert(page.adjusted) != page.adjusted {
                return Err(malformed("only some of its pages are adjusted for splits".to_owned()));
            }
            rows.read(page.rows, &COLUMNS);
            progress(if pages.next.is_none() { 100 } else { percent(&rows, request.slice) });
        }
        if let Some(ruin) = rows.ruin() {
            return Err(malformed(ruin));
        }
        rows.trim(request);
        if request.timeframe != asked_timeframe(request.timeframe) {
            rows.coarsen(asked_timeframe(request.timeframe), request);
        }
        Ok(Fetched {
            bars: rows.bars,
            adjusted: adjusted.unwrap_or(false),
            answered_at: pages.answered_at.unwrap_or_default(),
            allowance: pages.allowance,
            requests: pages.read,
            unreadable_rows: rows.notes,
        })
    }

    async fn knows(&self, symbol: &Symbol) -> Result<Option<Listing>, ProviderError> {
        let subject = format!("The listing of {symbol}");
        let url = self.http.url(&format!("/v3/reference/tickers/{symbol}"), &[]);
        match self.http.get(url, &subject).await {
            Ok(answer) => {
                listing(&answer.body).map(Some).map_err(|detail| self.http.error(Failure::Malformed, &subject, &detail))
            }
            Err(error) if error.code == Failure::SymbolUnknown.code() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A pair is never split.
    async fn splits(&self, symbol: &Symbol) -> Result<Option<Vec<Split>>, ProviderError> {
        if symbol.asset_class() != AssetClass::Equity {
            return Ok(Some(Vec::new()));
        }
        let subject = format!("The splits of {symbol}");
        let query = [("ticker", symbol.as_str()), ("limit", SPLITS_LIMIT)];
        let mut pages = Pages::from(self.http.url("/v3/reference/splits", &query));
        let mut splits = Vec::new();
        while let Some(answer) = pages.next(&self.http, &subject).await? {
            let page = splits_of(&answer.body, symbol);
            splits.extend(page.map_err(|detail| self.http.error(Failure::Malformed, &subject, &detail))?);
        }
        Ok(Some(splits))
    }
}

/// A chain of answers, each with a link to the next.
struct Pages {
    next: Option<Url>,
    asked: HashSet<Url>,
    read: u32,
    allowance: Option<Allowance>,
    /// Of the first.
    answered_at: Option<Timestamp>,
}

impl From<Url> for Pages {
    fn from(first: Url) -> Self {
        Self { next: Some(first), asked: HashSet::new(), read: 0, allowance: None, answered_at: None }
    }
}

impl Pages {
    async fn next(&mut self, http: &Http, subject: &str) -> Result<Option<Answer>, ProviderError> {
        let Some(url) = self.next.take() else { return Ok(None) };
        let malformed = |detail: &str| http.error(Failure::Malformed, subject, detail);
        if self.read == MAX_PAGES || !self.asked.insert(url.clone()) {
            return Err(malformed(&format!("its pages do not end ({} were read)", self.read)));
        }
        let answer = http.get(url, subject).await?;
        let link = answer.body["next_url"].as_str();
        let link =
            link.map(|link| http.follow(link).ok_or_else(|| malformed("its link to the next page can't be read")));
        self.next = link.transpose()?;
        self.read += 1;
        self.allowance = answer.allowance;
        self.answered_at.get_or_insert(answer.at);
        Ok(Some(answer))
    }
}

/// Bars are stored as traded.
/// As traded, but for weeks: one in which a share was split would mix old and new shares. Those come adjusted, and are
/// reckoned back on reading.
const fn aggregates_query(timeframe: Timeframe) -> [(&'static str, &'static str); 3] {
    let adjusted = if matches!(timeframe, Timeframe::W1) { "true" } else { "false" };
    [("adjusted", adjusted), ("sort", "asc"), ("limit", PAGE_LIMIT)]
}

/// Splits that a page may have; the most that is allowed.
const SPLITS_LIMIT: &str = "1000";

/// The last millisecond counts as asked for.
fn aggregates_path(request: &FetchRequest) -> String {
    let (multiplier, timespan) = window(request.timeframe);
    let TimeRange { start, end } = request.slice;
    let (from, to) = (start.millis(), end.plus(-1).millis());
    format!("/v2/aggs/ticker/{}/range/{multiplier}/{timespan}/{from}/{to}", request.symbol)
}

const fn window(timeframe: Timeframe) -> (u8, &'static str) {
    match timeframe {
        Timeframe::M1 => (1, "minute"),
        Timeframe::M5 => (5, "minute"),
        Timeframe::M15 => (15, "minute"),
        Timeframe::M30 => (30, "minute"),
        Timeframe::H1 | Timeframe::H4 => (1, "hour"),
        Timeframe::D1 => (1, "day"),
        Timeframe::W1 => (1, "week"),
    }
}

/// The timeframe that [`window`] asks for.
const fn asked_timeframe(timeframe: Timeframe) -> Timeframe {
    match timeframe {
        Timeframe::H4 => Timeframe::H1,
        other => other,
    }
}

/// How far into the slice the newest bar lies; the last page is still to come.
fn percent(rows: &Rows, slice: TimeRange) -> u8 {
    let last = rows.bars.last().map_or(slice.start, |bar| bar.ts);
    let done = last.0.saturating_sub(slice.start.0).saturating_mul(100) / slice.millis().max(1);
    u8::try_from(done.clamp(0, 99)).unwrap_or(99)
}

struct Page<'a> {
    rows: &'a [Value],
    /// Where it does not say, as it was asked for.
    adjusted: bool,
}

impl<'a> Page<'a> {
    /// Checks what would otherwise pass for "no bars" or for another symbol's bars.
    fn read(body: &'a Value, symbol: &Symbol) -> Result<Self, String> {
        if !matches!(body["status"].as_str(), Some("OK" | "DELAYED")) {
            return Err(format!("its answer is no page of bars ({})", not(body, "status", "OK or DELAYED")));
        }
        if let Some(other) = body["ticker"].as_str().filter(|ticker| !ticker.eq_ignore_ascii_case(symbol.as_str())) {
            return Err(format!("its answer is about {other:?}"));
        }
        let rows = match &body["results"] {
            Value::Null => &[],
            Value::Array(rows) => rows.as_slice(),
            _ => return Err("its answer is no page of bars (results is not an array)".to_owned()),
        };
        if rows.is_empty() && body["resultsCount"].as_u64().is_some_and(|count| count > 0) {
            return Err(format!("it counts {} bars and sends none", body["resultsCount"]));
        }
        Ok(Self { rows, adjusted: body["adjusted"].as_bool().unwrap_or(false) })
    }
}

/// The splits of the symbol on one page.
fn splits_of(body: &Value, symbol: &Symbol) -> Result<Vec<Split>, String> {
    let rows = body["results"].as_array().ok_or_else(|| not(body, "results", "an array"))?;
    rows.iter().filter(|row| row["ticker"].as_str() == Some(symbol.as_str())).map(split).collect()
}

/// The new shares trade from the day on that is told.
fn split(row: &Value) -> Result<Split, String> {
    let day = row["execution_date"].as_str().and_then(|day| day.parse().ok());
    let day = day.ok_or_else(|| not(row, "execution_date", "a date"))?;
    let shares = |name| number(row, Key(name)).ok().filter(|shares| *shares > 0.0);
    Ok(Split {
        at: Calendar::Xnys.day_start(day),
        from: shares("split_from").ok_or_else(|| not(row, "split_from", "a number of shares"))?,
        to: shares("split_to").ok_or_else(|| not(row, "split_to", "a number of shares"))?,
    })
}

/// `NOT_AUTHORIZED` means that the plan lacks it; a wrong key is an `ERROR` with status 401.
fn complaint(body: &Value) -> Option<Complaint> {
    let failure = match body["status"].as_str()? {
        "NOT_AUTHORIZED" => Some(Failure::Plan),
        "NOT_FOUND" => Some(Failure::SymbolUnknown),
        "ERROR" => None,
        _ => return None,
    };
    let text = body["error"].as_str().or(body["message"].as_str()).unwrap_or_default();
    Some(Complaint { failure, text: text.to_owned() })
}

/// A pair's `currency_name` is a name in words, its code is in `currency_symbol`; a stock has the code in the former.
fn listing(body: &Value) -> Result<Listing, String> {
    let ticker = &body["results"];
    let symbol = ticker["ticker"].as_str().and_then(|text| text.parse().ok());
    let symbol = symbol.ok_or_else(|| not(ticker, "ticker", "a symbol"))?;
    let text = |name: &str| ticker[name].as_str().filter(|text| !text.is_empty());
    let is_code = |text: &&str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let currency = ["currency_symbol", "currency_name"].into_iter().filter_map(text).find(is_code);
    Ok(Listing { symbol, name: text("name").map(str::to_owned), currency: currency.map(str::to_ascii_uppercase) })
}
