//! What an address asks to see: a series, and how to read it.

use tidemark_market::{Adjust, Timestamp};

use crate::problem::Problem;
use crate::series::SeriesKey;

/// One series, as of a moment, in certain shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Which series.
    pub series: SeriesKey,
    /// As it was known at this moment; as it is known now where `None`.
    pub as_of: Option<Timestamp>,
    /// In which shares prices are read.
    pub adjust: Adjust,
}

impl Visit {
    /// Reads `/chart/{symbol}?tf=&as_of=&adjust=`: `as_of` in RFC 3339, `adjust` as `splits` (the default) or `none`.
    ///
    /// # Errors
    /// `bad_symbol`, `bad_timeframe`, `bad_request`, status 400.
    pub fn parse(symbol: &str, timeframe: &str, as_of: Option<&str>, adjust: Option<&str>) -> Result<Self, Problem> {
        let as_of = as_of.map(|text| {
            let detail = || format!("{text:?} is not a time. Write as_of=2024-03-08T14:30:00Z.");
            Timestamp::parse(text).ok_or_else(|| Problem::unreadable(detail()))
        });
        Ok(Self {
            series: SeriesKey::parse(symbol, timeframe)?,
            as_of: as_of.transpose()?,
            adjust: read_adjust(adjust)?,
        })
    }

    /// Its address.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = self.series.path();
        if let Some(as_of) = self.as_of {
            path.push_str(&format!("&as_of={as_of}"));
        }
        if self.adjust != Adjust::default() {
            path.push_str(&format!("&adjust={}", self.adjust.as_str()));
        }
        path
    }

    /// Whether it is the series as every visit sees it, which is what the browser keeps.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        self.as_of.is_none() && self.adjust == Adjust::default()
    }
}

/// The way of reading prices of that name; in today's shares where none is given.
///
/// # Errors
/// `bad_request`.
pub fn read_adjust(name: Option<&str>) -> Result<Adjust, Problem> {
    let Some(name) = name else { return Ok(Adjust::default()) };
    let detail = || format!("{name:?} is no way to read prices. Use adjust=splits or adjust=none.");
    Adjust::parse(name).ok_or_else(|| Problem::unreadable(detail()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_or_refused() {
        let read = |as_of, adjust| Visit::parse("aapl", "1h", as_of, adjust);
        assert!(read(None, None).unwrap().is_usual());
        let then = read(Some("2024-03-08T14:30:00Z"), Some("none")).unwrap();
        assert_eq!((then.as_of, then.adjust), (Some(Timestamp(1_709_908_200_000)), Adjust::None));
        assert!(!then.is_usual());
        assert_eq!(then.path(), "/chart/AAPL?tf=h1&as_of=2024-03-08T14:30:00Z&adjust=none");
        assert_eq!(read(Some("yesterday"), None).unwrap_err().code, "bad_request");
        assert_eq!(read(None, Some("dividends")).unwrap_err().code, "bad_request");
    }
}
