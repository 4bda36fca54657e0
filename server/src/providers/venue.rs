//! What the adapters of crypto venues share: one venue's pairs, no key, rows in pages of a fixed number of intervals, and
//! a newest row that is still under way.
//!
//! A row in which nothing was traded is no bar, wherever it comes from: Kraken and Binance fill such intervals with flat
//! rows of volume 0, Coinbase leaves them out, and a series must not depend on which. That the time is known is for
//! coverage to say. What had not ended when the venue answered, by the venue's own clock, is left out: it can change.

use async_trait::async_trait;
use reqwest::Url;
use serde_json::Value;
use tidemark_market::{Calendar, Symbol, TimeRange, Timeframe, Timestamp, Venue};

use super::error::{Failure, ProviderError};
use super::http::{Complaint, Http, HttpSettings, SettingsError};
use super::rows::{Columns, Rows};
use super::{FetchRequest, Fetched, Limit, Listing, Provider, binance, coinbase, kraken};

/// How a venue is asked, and how its answers are read.
pub(super) struct Candles {
    pub venue: Venue,
    /// What an error's body says.
    pub complaint: fn(&Value) -> Option<Complaint>,
    /// The request for what the venue says of a pair.
    pub pair_url: fn(&Http, &str) -> Url,
    /// The pair, where the answer is one.
    pub read_pair: fn(&Value) -> Option<Pair<'_>>,
    /// How many of the newest rows it keeps, the one under way included; `None` where it keeps all.
    pub rows_kept: Option<i64>,
    /// The longest timeframe it has of which the asked one is made.
    pub finer: fn(Timeframe) -> Timeframe,
    /// So many intervals may be asked for at once; all of the slice where `None`.
    pub page: Option<i64>,
    /// What the venue allows an address.
    pub limit: Limit,
    /// The request for a pair's bars of a timeframe that begin in a range of whole intervals.
    pub url: fn(&Http, &str, Timeframe, TimeRange) -> Url,
    /// The rows of an answer.
    pub list: fn(&Value) -> Result<&[Value], String>,
    pub columns: Columns,
}

/// The adapter of a crypto venue that asks for no key.
pub struct CryptoVenue {
    candles: &'static Candles,
    http: Http,
}

impl CryptoVenue {
    /// An adapter that asks nothing yet.
    ///
    /// # Errors
    /// Where no request can be made with these settings.
    pub fn new(venue: Venue, settings: HttpSettings) -> Result<Self, SettingsError> {
        let candles = candles_of(venue);
        Ok(Self { candles, http: Http::new(settings, candles.complaint)? })
    }

    /// What the venue's documents say that it allows.
    #[must_use]
    pub fn documented_limit(venue: Venue) -> Limit {
        candles_of(venue).limit
    }

    async fn candles(
        &self,
        request: &FetchRequest,
        progress: &(dyn Fn(u8) + Send + Sync),
    ) -> Result<Fetched, ProviderError> {
        let Some(pair) = self.pair(&request.symbol) else {
            let detail = "it serves pairs of its own alone";
            return Err(self.http.error(Failure::BadRequest, &request.to_string(), detail));
        };
        self.candles.fetch(&self.http, pair, request, progress).await
    }

    fn pair<'a>(&self, symbol: &'a Symbol) -> Option<&'a str> {
        symbol.at_venue().filter(|(at, _)| *at == self.candles.venue).map(|(_, pair)| pair)
    }
}

const fn candles_of(venue: Venue) -> &'static Candles {
    match venue {
        Venue::Coinbase => &coinbase::CANDLES,
        Venue::Binance => &binance::CANDLES,
        Venue::Kraken => &kraken::CANDLES,
    }
}

#[async_trait]
impl Provider for CryptoVenue {
    fn name(&self) -> &str {
        self.http.name()
    }

    fn is_synthetic(&self) -> bool {
        self.http.is_synthetic()
    }

    fn supports(&self, symbol: &Symbol, _timeframe: Timeframe) -> bool {
        self.pair(symbol).is_some()
    }

    /// The rows of a request, or all that the venue keeps.
    fn page(&self, _symbol: &Symbol, timeframe: Timeframe) -> i64 {
        let rows = self.candles.page.or(self.candles.rows_kept);
        rows.map_or(i64::MAX, |rows| rows * (self.candles.finer)(timeframe).millis())
    }

    fn limit(&self) -> Limit {
        self.http.limit()
    }

    /// Of the newest rows, where the venue keeps no others, the oldest may be gone when the answer is made.
    fn reach(&self, calendar: Calendar, timeframe: Timeframe, now: Timestamp) -> Option<Timestamp> {
        let finer = (self.candles.finer)(timeframe);
        let oldest = calendar.bar_start(finer, now).plus(-(self.candles.rows_kept? - 1) * finer.millis());
        Some(if calendar.is_on_grid(timeframe, oldest) { oldest } else { calendar.bar_end(timeframe, oldest) })
    }

    async fn fetch(
        &self,
        request: &FetchRequest,
        progress: &(dyn Fn(u8) + Send + Sync),
    ) -> Result<Fetched, ProviderError> {
        let FetchRequest { calendar, timeframe, .. } = *request;
        let mut fetched = self.candles(request, progress).await?;
        // The last row is under way.
        fetched.bars.retain(|bar| calendar.bar_end(timeframe, bar.ts) <= fetched.answered_at);
        if (self.candles.finer)(timeframe) != timeframe
            && let Some(reach) = self.reach(calendar, timeframe, fetched.answered_at)
        {
            // The first one may lack parts that are no longer there.
            fetched.bars.retain(|bar| reach <= bar.ts);
        }
        Ok(fetched)
    }

    async fn forming(&self, request: &FetchRequest) -> Result<Fetched, ProviderError> {
        self.candles(request, &|_| {}).await
    }

    async fn knows(&self, symbol: &Symbol) -> Result<Option<Listing>, ProviderError> {
        let Some(pair) = self.pair(symbol) else { return Ok(None) };
        self.candles.look_up(&self.http, symbol, pair).await
    }
}

impl Candles {
    async fn fetch(
        &self,
        http: &Http,
        pair: &str,
        request: &FetchRequest,
        progress: &(dyn Fn(u8) + Send + Sync),
    ) -> Result<Fetched, ProviderError> {
        let subject = request.to_string();
        let malformed = |detail: String| http.error(Failure::Malformed, &subject, &detail);
        let finer = (self.finer)(request.timeframe);
        let (mut rows, mut requests) = (Rows::default(), 0);
        let (mut allowance, mut answered_at) = (None, None);
        for page in pages(request.slice, finer, self.page) {
            let answer = http.get((self.url)(http, pair, finer, page), &subject).await?;
            rows.read((self.list)(&answer.body).map_err(&malformed)?, &self.columns);
            requests += 1;
            allowance = answer.allowance;
            answered_at.get_or_insert(answer.at);
            progress(percent(page.end, request.slice));
        }
        if let Some(ruin) = rows.ruin() {
            return Err(malformed(ruin));
        }
        rows.drop_untraded();
        rows.trim(request);
        if request.timeframe != finer {
            rows.coarsen(finer, request);
        }
        let answered_at = answered_at.unwrap_or_default();
        let (bars, unreadable_rows) = (rows.bars, rows.notes);
        Ok(Fetched { bars, adjusted: false, answered_at, allowance, requests, unreadable_rows })
    }

    /// What the venue says of the pair; `None` where there is none under exactly this name.
    async fn look_up(&self, http: &Http, symbol: &Symbol, name: &str) -> Result<Option<Listing>, ProviderError> {
        let subject = format!("The listing of {symbol}");
        let answer = match http.get((self.pair_url)(http, name), &subject).await {
            Ok(answer) => answer,
            Err(error) if error.code == Failure::SymbolUnknown.code() => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(pair) = (self.read_pair)(&answer.body) else {
            return Err(http.error(Failure::Malformed, &subject, "its answer describes no pair"));
        };
        let is_code = pair.quote.len() == 3 && pair.quote.bytes().all(|byte| byte.is_ascii_alphabetic());
        Ok((pair.name == name).then(|| Listing {
            symbol: symbol.clone(),
            name: Some(format!("{} / {} at {}", pair.base, pair.quote, title(self.venue))),
            currency: is_code.then(|| pair.quote.to_ascii_uppercase()),
        }))
    }
}

/// The parts of the slice that are asked for one by one.
fn pages(slice: TimeRange, timeframe: Timeframe, intervals: Option<i64>) -> impl Iterator<Item = TimeRange> {
    let length = intervals.map_or(i64::MAX, |intervals| intervals * timeframe.millis());
    let page = move |start: Timestamp| TimeRange::new(start, start.plus(length).min(slice.end));
    std::iter::successors(page(slice.start), move |last| page(last.end))
}

fn percent(done: Timestamp, slice: TimeRange) -> u8 {
    let percent = done.0.saturating_sub(slice.start.0).saturating_mul(100) / slice.millis().max(1);
    u8::try_from(percent.clamp(0, 100)).unwrap_or(100)
}

/// What a venue says of a pair.
pub(super) struct Pair<'a> {
    /// As it writes the pair itself.
    pub name: &'a str,
    pub base: &'a str,
    pub quote: &'a str,
}

const fn title(venue: Venue) -> &'static str {
    match venue {
        Venue::Coinbase => "Coinbase",
        Venue::Binance => "Binance",
        Venue::Kraken => "Kraken",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidemark_market::time::MINUTE;

    use super::*;

    proptest! {
        #[test]
        fn pages_make_up_the_slice_and_none_is_too_long(
            start in 0..1_000_000_i64,
            count in 1..2_000_i64,
            intervals in proptest::option::of(1..1_100_i64),
        ) {
            let slice = TimeRange { start: Timestamp(start * MINUTE), end: Timestamp((start + count) * MINUTE) };
            let pages: Vec<_> = pages(slice, Timeframe::M1, intervals).collect();
            prop_assert_eq!((pages[0].start, pages[pages.len() - 1].end), (slice.start, slice.end));
            prop_assert!(pages.windows(2).all(|pair| pair[0].end == pair[1].start));
            let longest = intervals.unwrap_or(count) * MINUTE;
            prop_assert!(pages.iter().all(|page| page.start < page.end && page.millis() <= longest));
            prop_assert_eq!(i64::try_from(pages.len()).unwrap(), (count * MINUTE + longest - 1) / longest);
        }
    }
}
