//! What an operator can do to the queue: an action on a run, a series, a provider or everything.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tidemark_app::backend::SeriesKey;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Nothing more is claimed; what is being fetched is given back unharmed.
    Pause,
    /// Takes a pause back.
    Resume,
    /// What is queued or being fetched ends as `cancelled`.
    Cancel,
    /// What failed or was cancelled within a week is queued anew, and what waits for its next try goes now.
    Retry,
}

impl Action {
    /// The name in the API and in `operator_actions`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
            Self::Retry => "retry",
        }
    }
}

/// To what it is done. Written as `run 17`, `series AAPL h1`, `provider polygon` or `all`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One run, by its number.
    Run(i64),
    /// All runs of a series, and those to come.
    Series(SeriesKey),
    /// All runs of a provider, and those to come.
    Provider(String),
    /// Everything.
    All,
}

/// The text is no scope.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is nothing to act on. Write `run 17`, `series AAPL h1`, `provider polygon` or `all`.")]
pub struct ScopeError(pub String);

impl Scope {
    /// `run`, `series`, `provider` or `all`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Run(_) => "run",
            Self::Series(_) => "series",
            Self::Provider(_) => "provider",
            Self::All => "all",
        }
    }

    /// Which one; empty for all.
    #[must_use]
    pub fn target(&self) -> String {
        match self {
            Self::Run(run) => run.to_string(),
            Self::Series(series) => format!("{} {}", series.symbol, series.timeframe),
            Self::Provider(name) => name.clone(),
            Self::All => String::new(),
        }
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let scope = match words[..] {
            ["all"] => Some(Self::All),
            ["run", run] => run.parse().ok().map(Self::Run),
            ["provider", name] => Some(Self::Provider(name.to_owned())),
            ["series", symbol, timeframe] => symbol
                .parse()
                .ok()
                .zip(timeframe.parse().ok())
                .map(|(symbol, timeframe)| Self::Series(SeriesKey { symbol, timeframe })),
            _ => None,
        };
        scope.ok_or_else(|| ScopeError(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            other => write!(f, "{} {}", other.kind(), other.target()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_written_as_it_is_read() {
        for text in ["run 17", "series AAPL h1", "series X:BTCUSD m1", "provider polygon", "all"] {
            assert_eq!(text.parse::<Scope>().map(|scope| scope.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "run", "run x", "series AAPL", "everything", "run 1 2"] {
            assert!(text.parse::<Scope>().unwrap_err().to_string().contains("Write `run 17`"), "{text}");
        }
    }
}
