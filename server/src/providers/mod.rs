//! Where bars come from: one trait, and an adapter for each provider over real HTTP.
//!
//! An adapter knows its provider's quirks and nothing of the queue or the database: it is handed a slice and answers
//! bars or a [`ProviderError`], and whoever calls validates, stores and retries. It imports `market` alone.
//! A key goes into one request header and nowhere else: not into a URL, a log line, an error or a `Debug` text.

mod binance;
mod coinbase;
mod error;
mod http;
mod kraken;
#[cfg(test)]
mod over_http;
mod polygon;
mod quota;
mod rows;
mod tradier;
mod venue;

use std::time::Duration;

use async_trait::async_trait;
use tidemark_market::{Bar, Calendar, Split, Symbol, TimeRange, Timeframe, Timestamp};

pub use error::{ErrorClass, ProviderError, UNTOLD_THROTTLE};
pub use http::{ApiKey, HttpSettings, SettingsError};
pub use polygon::Polygon;
pub use tradier::Tradier;
pub use venue::CryptoVenue;

/// How many notes on unreadable rows an answer keeps.
pub const MAX_NOTES: usize = 100;

/// Someone who sells or gives bars.
#[async_trait]
pub trait Provider: Send + Sync {
    /// As in the configuration and in `job_runs.provider`.
    fn name(&self) -> &str;

    /// Whether its bars are made up, which every page that shows them says.
    fn is_synthetic(&self) -> bool;

    /// Whether it can be asked for such a series at all.
    fn supports(&self, symbol: &Symbol, timeframe: Timeframe) -> bool;

    /// The oldest time it still has bars of, at `now`, for a series that keeps `calendar`; a bar of `timeframe` begins
    /// there. `None` where it goes back as far as there are bars, or does not say.
    fn reach(&self, _calendar: Calendar, _timeframe: Timeframe, _now: Timestamp) -> Option<Timestamp> {
        None
    }

    /// The longest time, in milliseconds, whose bars surely fit one request.
    fn page(&self, symbol: &Symbol, timeframe: Timeframe) -> i64;

    /// What it allows, as far as that is known before it is asked.
    fn limit(&self) -> Limit;

    /// The bars of a slice, with as many requests as that takes. `progress` is told percents, from 0 to 100, now and
    /// then; they are a guess from how far in time the answers have come.
    ///
    /// # Errors
    /// As [`ErrorClass`] sorts them. An answer of which a part could not be read is no error, one that could not be
    /// read at all is. No bars are no error either, and no proof that nothing was traded.
    async fn fetch(
        &self,
        request: &FetchRequest,
        progress: &(dyn Fn(u8) + Send + Sync),
    ) -> Result<Fetched, ProviderError>;

    /// The bar of the request's slice, which is one bar long and under way, as far as it has formed; no bar where the
    /// provider tells none.
    ///
    /// # Errors
    /// As [`Provider::fetch`].
    async fn forming(&self, request: &FetchRequest) -> Result<Fetched, ProviderError> {
        self.fetch(request, &|_| {}).await
    }

    /// What the provider knows of a symbol; `None` where it says that there is no such symbol.
    ///
    /// # Errors
    /// Where it did not say either.
    async fn knows(&self, symbol: &Symbol) -> Result<Option<Listing>, ProviderError>;

    /// All splits of the symbol, announced ones included; `None` where it does not tell splits.
    ///
    /// # Errors
    /// As [`ErrorClass`] sorts them.
    async fn splits(&self, _symbol: &Symbol) -> Result<Option<Vec<Split>>, ProviderError> {
        Ok(None)
    }
}

/// What is asked of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// Of which instrument.
    pub symbol: Symbol,
    /// Of which length.
    pub timeframe: Timeframe,
    /// By whose sessions: tells whether extended hours are wanted.
    pub calendar: Calendar,
    /// Bars that begin inside. Both edges lie where a bar of `timeframe` can begin.
    pub slice: TimeRange,
}

impl std::fmt::Display for FetchRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} from {} to {}", self.symbol, self.timeframe, self.slice.start, self.slice.end)
    }
}

/// What a provider answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    /// Bars that begin inside the slice, extended hours included. In any order, a time may come twice, and no value is
    /// checked: see `market::validate`.
    pub bars: Vec<Bar>,
    /// Whether prices and volumes are adjusted for splits.
    pub adjusted: bool,
    /// When it answered, by its own clock; of several answers, the first. What had not ended by then is not known yet.
    pub answered_at: Timestamp,
    /// What the last answer said of the rate limit.
    pub allowance: Option<Allowance>,
    /// How many requests it took.
    pub requests: u32,
    /// Rows that are no bar, and bars left out since a part of them is missing, each with the reason; at most
    /// [`MAX_NOTES`].
    pub unreadable_rows: Vec<String>,
}

/// What a provider says it still allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Requests in a whole window.
    pub allowed: u32,
    /// Requests left in this one.
    pub available: u32,
    /// When the next window begins, by the provider's clock.
    pub resets_at: Timestamp,
    /// How long it is until then.
    pub resets_in: Duration,
}

/// How often a provider may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// In a period; `None` where there is no limit.
    pub requests: Option<u32>,
    /// How long a period is.
    pub period: Duration,
    /// How many at once; `None` where that does not matter.
    pub concurrency: Option<u32>,
    /// Whether `requests` is a guess to begin with, to be replaced by what its answers say.
    pub is_learning: bool,
}

impl Limit {
    /// No limit.
    pub const NONE: Self = Self { requests: None, ..Self::known(0, Duration::from_secs(60)) };

    /// What the provider's documents say.
    #[must_use]
    pub const fn known(requests: u32, period: Duration) -> Self {
        Self { requests: Some(requests), period, concurrency: None, is_learning: false }
    }

    /// A guess.
    #[must_use]
    pub const fn guessed(requests: u32, period: Duration) -> Self {
        Self { is_learning: true, ..Self::known(requests, period) }
    }
}

/// A symbol as its provider lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// In our one written form.
    pub symbol: Symbol,
    /// Such as `Apple Inc.`, where it is told.
    pub name: Option<String>,
    /// Three capital letters, such as `USD`, where it is told.
    pub currency: Option<String>,
}

#[cfg(test)]
mod tests {
    use tidemark_market::Venue;
    use tidemark_market::time::{DAY, HOUR, MINUTE};

    use super::*;

    fn settings(limit: Limit) -> HttpSettings {
        HttpSettings { key: None, limit, ..HttpSettings::stub("stub") }
    }

    fn page(provider: &dyn Provider, symbol: &str, timeframe: Timeframe) -> i64 {
        provider.page(&symbol.parse().unwrap(), timeframe)
    }

    #[test]
    fn a_page_of_polygon_is_fifty_thousand_base_bars() {
        let polygon = Polygon::new(settings(Limit::NONE)).unwrap();
        for timeframe in [Timeframe::M1, Timeframe::H4] {
            assert_eq!(page(&polygon, "X:BTCUSD", timeframe), 50_000 * MINUTE);
            assert_eq!(page(&polygon, "AAPL", timeframe), 72 * DAY);
        }
        assert_eq!(page(&polygon, "AAPL", Timeframe::D1), 50_000 * DAY);
    }

    #[test]
    fn the_minutes_of_a_stock_fit_a_page_wherever_it_begins() {
        let polygon = Polygon::new(settings(Limit::NONE)).unwrap();
        let page = page(&polygon, "AAPL", Timeframe::M1);
        let year = Timestamp::parse("2023-01-01T00:00:00Z").unwrap();
        // Holidays, of which there is one in every 72 days of 2023, do not count: a closure may be called off.
        let minutes = |start: Timestamp| -> i64 {
            let slice = TimeRange { start, end: start.plus(page) };
            let days = (-1..74).filter_map(|day| Calendar::Xnys.local_date(start.plus(day * DAY)));
            let open = days.filter(|day| Calendar::Fx.session_on(*day).is_some()).map(|day| {
                let midnight = Calendar::Xnys.day_start(day);
                TimeRange { start: midnight.plus(4 * HOUR), end: midnight.plus(20 * HOUR) }
            });
            open.filter_map(|session| session.intersect(slice)).map(|part| part.millis() / MINUTE).sum()
        };
        let most = (0..366 * 24).map(|hour| minutes(year.plus(hour * HOUR))).max();
        assert_eq!(most, Some(49_980));
    }

    #[test]
    fn a_page_of_tradier_is_all_it_still_has() {
        let tradier = Tradier::new(settings(Limit::NONE)).unwrap();
        let days = |timeframe| page(&tradier, "AAPL", timeframe) / DAY;
        assert_eq!((days(Timeframe::M1), days(Timeframe::H1), days(Timeframe::D1)), (20, 40, 7_305));
    }

    #[test]
    fn a_page_of_a_venue_is_made_of_the_bars_that_are_asked_for() {
        let days = |venue, symbol, timeframe| {
            page(&CryptoVenue::new(venue, settings(Limit::NONE)).unwrap(), symbol, timeframe) as f64 / DAY as f64
        };
        let coinbase = |timeframe| days(Venue::Coinbase, "COINBASE:BTC-USD", timeframe);
        assert_eq!((coinbase(Timeframe::H1), coinbase(Timeframe::H4)), (12.5, 12.5), "h4 is made of h1");
        assert_eq!((coinbase(Timeframe::D1), coinbase(Timeframe::W1)), (300.0, 300.0));
        let binance = |timeframe| days(Venue::Binance, "BINANCE:BTCUSDT", timeframe);
        assert_eq!((binance(Timeframe::H1) * 24.0, binance(Timeframe::W1)), (1_000.0, 1_000.0));
        let kraken = |timeframe| days(Venue::Kraken, "KRAKEN:XBTUSD", timeframe);
        assert_eq!((kraken(Timeframe::M1), kraken(Timeframe::H4)), (0.5, 120.0), "all it keeps");
    }

    #[test]
    fn a_provider_tells_what_it_allows() {
        let of = |limit: Limit| (limit.requests, limit.period.as_secs(), limit.is_learning);
        assert_eq!(of(Polygon::plan_limit(Some(100))), (Some(100), 60, false));
        assert_eq!(of(Polygon::plan_limit(Some(0))), (None, 60, false));
        assert_eq!(of(Polygon::plan_limit(None)), (Some(5), 60, true));
        assert_eq!(of(Tradier::first_limit()), (Some(60), 60, true));
        let venues = Venue::ALL.map(|venue| of(CryptoVenue::documented_limit(venue)));
        assert_eq!(venues, [(Some(10), 1, false), (Some(3_000), 60, false), (Some(1), 1, false)]);
        let told = Tradier::new(settings(Tradier::first_limit())).unwrap().limit();
        assert_eq!(told, Tradier::first_limit());
    }
}
