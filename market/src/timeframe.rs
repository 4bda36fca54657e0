//! The lengths a bar can have.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::time::{DAY, HOUR, MINUTE};

/// How much time one bar spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Timeframe {
    /// One minute.
    M1,
    /// Five minutes.
    M5,
    /// Fifteen minutes.
    M15,
    /// Thirty minutes.
    M30,
    /// One hour.
    H1,
    /// Four hours.
    H4,
    /// One day of the exchange's calendar.
    D1,
    /// One week, from Sunday midnight of the exchange.
    W1,
}

/// The text is no timeframe.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not a timeframe. Use one of m1, m5, m15, m30, h1, h4, d1, w1.")]
pub struct TimeframeError(pub String);

impl Timeframe {
    /// All of them, the shortest first.
    pub const ALL: [Self; 8] = [Self::M1, Self::M5, Self::M15, Self::M30, Self::H1, Self::H4, Self::D1, Self::W1];

    /// The next shorter one; the shortest itself.
    #[must_use]
    pub fn shorter(self) -> Self {
        Self::ALL.into_iter().rev().find(|it| *it < self).unwrap_or(self)
    }

    /// The next longer one; the longest itself.
    #[must_use]
    pub fn longer(self) -> Self {
        Self::ALL.into_iter().find(|it| *it > self).unwrap_or(self)
    }

    /// The one written form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::M1 => "m1",
            Self::M5 => "m5",
            Self::M15 => "m15",
            Self::M30 => "m30",
            Self::H1 => "h1",
            Self::H4 => "h4",
            Self::D1 => "d1",
            Self::W1 => "w1",
        }
    }

    /// The nominal length in milliseconds. A day or week that holds a change of clocks is an hour longer or shorter.
    #[must_use]
    pub const fn millis(self) -> i64 {
        match self {
            Self::M1 => MINUTE,
            Self::M5 => 5 * MINUTE,
            Self::M15 => 15 * MINUTE,
            Self::M30 => 30 * MINUTE,
            Self::H1 => HOUR,
            Self::H4 => 4 * HOUR,
            Self::D1 => DAY,
            Self::W1 => 7 * DAY,
        }
    }
}

impl FromStr for Timeframe {
    type Err = TimeframeError;

    /// Reads `h1`, `1h`, `60` (minutes, as TradingView writes), `1D`, `1w` and the like. Case does not matter, but for
    /// `1M`, which elsewhere means a month and is refused.
    fn from_str(text: &str) -> Result<Self, TimeframeError> {
        let refused = || TimeframeError(text.chars().take(16).collect());
        let trimmed = text.trim();
        if trimmed == "1M" || trimmed == "M" {
            return Err(refused());
        }
        Ok(match trimmed.to_ascii_lowercase().as_str() {
            "m1" | "1m" | "1" | "1min" => Self::M1,
            "m5" | "5m" | "5" | "5min" => Self::M5,
            "m15" | "15m" | "15" | "15min" => Self::M15,
            "m30" | "30m" | "30" | "30min" => Self::M30,
            "h1" | "1h" | "60" | "60m" | "60min" | "1hour" => Self::H1,
            "h4" | "4h" | "240" | "240m" | "4hour" => Self::H4,
            "d1" | "1d" | "d" | "1440" | "day" | "1day" => Self::D1,
            "w1" | "1w" | "w" | "10080" | "week" | "1week" => Self::W1,
            _ => return Err(refused()),
        })
    }
}

impl TryFrom<String> for Timeframe {
    type Error = TimeframeError;

    fn try_from(text: String) -> Result<Self, TimeframeError> {
        text.parse()
    }
}

impl From<Timeframe> for String {
    fn from(timeframe: Timeframe) -> Self {
        timeframe.as_str().to_owned()
    }
}

impl fmt::Display for Timeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read_and_one_is_written() {
        for (text, written) in [("1h", "h1"), ("60", "h1"), ("1D", "d1"), ("H4", "h4"), ("1m", "m1"), ("W", "w1")] {
            assert_eq!(text.parse::<Timeframe>().map(|tf| tf.to_string()), Ok(written.to_owned()));
        }
        for timeframe in Timeframe::ALL {
            assert_eq!(timeframe.as_str().parse(), Ok(timeframe));
        }
    }

    #[test]
    fn a_month_is_not_a_minute() {
        assert!("1M".parse::<Timeframe>().is_err());
        assert!("h7".parse::<Timeframe>().is_err());
        assert!("".parse::<Timeframe>().is_err());
    }
}
