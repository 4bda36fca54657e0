//! Which series a page, a request or a cache entry is about.

use std::fmt;

use serde::{Deserialize, Serialize};
use tidemark_market::symbol::SymbolError;
use tidemark_market::timeframe::TimeframeError;
use tidemark_market::wire::ChartData;
use tidemark_market::{Symbol, Timeframe};

use crate::problem::Problem;

/// One series, parsed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SeriesKey {
    /// Whose bars.
    pub symbol: Symbol,
    /// At which length.
    pub timeframe: Timeframe,
}

impl SeriesKey {
    /// The series of that name.
    ///
    /// # Errors
    /// `bad_symbol` or `bad_timeframe`, status 400.
    pub fn parse(symbol: &str, timeframe: &str) -> Result<Self, Problem> {
        Ok(Self { symbol: read_symbol(symbol)?, timeframe: read_timeframe(timeframe)? })
    }

    /// Whose bars these are.
    #[must_use]
    pub fn of(data: &ChartData) -> Self {
        Self { symbol: data.symbol.clone(), timeframe: data.timeframe }
    }

    /// The address of its page.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/chart/{}?tf={}", self.symbol, self.timeframe)
    }

    /// `AAPL:h1`, as it is written where several stand in a row.
    #[must_use]
    pub fn written(&self) -> String {
        format!("{}:{}", self.symbol, self.timeframe)
    }

    /// What [`SeriesKey::written`] wrote.
    ///
    /// # Errors
    /// As [`SeriesKey::parse`].
    pub fn parse_written(text: &str) -> Result<Self, Problem> {
        let (symbol, timeframe) = text.rsplit_once(':').unwrap_or((text, ""));
        Self::parse(symbol, timeframe)
    }

    /// The address of the event stream of these series, as a path and query.
    #[must_use]
    pub fn events_path(series: &[Self]) -> String {
        let written: Vec<String> = series.iter().map(|series| series.written().replace(':', "%3A")).collect();
        format!("/api/v1/events?series={}", written.join(","))
    }
}

/// The symbol that is written so.
///
/// # Errors
/// `bad_symbol`, status 400.
pub fn read_symbol(text: &str) -> Result<Symbol, Problem> {
    text.parse()
        .map_err(|error: SymbolError| Problem::new(400, "bad_symbol", "That is not a symbol", error.to_string()))
}

/// The timeframe that is written so.
///
/// # Errors
/// `bad_timeframe`, status 400.
pub fn read_timeframe(text: &str) -> Result<Timeframe, Problem> {
    text.parse().map_err(|error: TimeframeError| {
        Problem::new(400, "bad_timeframe", "That is not a timeframe", error.to_string())
    })
}

impl fmt::Display for SeriesKey {
    /// `AAPL h1`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.symbol, self.timeframe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written() {
        let key = SeriesKey::parse("x:btcusd", "60").unwrap();
        assert_eq!(key.to_string(), "X:BTCUSD h1");
        assert_eq!(key.path(), "/chart/X:BTCUSD?tf=h1");
        assert_eq!(SeriesKey::parse_written(&key.written()).unwrap(), key);
        let both = [key, SeriesKey::parse("AAPL", "m5").unwrap()];
        assert_eq!(SeriesKey::events_path(&both), "/api/v1/events?series=X%3ABTCUSD%3Ah1,AAPL%3Am5");
    }

    #[test]
    fn a_bad_address_says_what_to_do() {
        let problem = SeriesKey::parse("A;DROP", "h1").unwrap_err();
        assert_eq!((problem.status, problem.code.as_str()), (400, "bad_symbol"));
        let problem = SeriesKey::parse("AAPL", "h7").unwrap_err();
        assert!(problem.detail.contains("Use one of m1"), "{problem}");
        assert_eq!(SeriesKey::parse_written("AAPL").unwrap_err().code, "bad_timeframe");
    }
}
