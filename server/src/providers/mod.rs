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
    /// When the next window begins.
    pub resets_at: Timestamp,
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
