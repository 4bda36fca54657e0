//! What can go wrong inside, and the one place that says what the outside is told of it.

use thiserror::Error;
use tidemark_app::problem::Problem;
use tidemark_market::Timestamp;
use tidemark_market::slicing::WindowError;

use crate::providers::ProviderError;

/// Why a request could not be served.
#[derive(Debug, Error)]
pub enum Error {
    /// The asked window makes no sense.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// A moment that is not past.
    #[error("{0} has not come yet, so that nothing is known as of then. Ask for a moment in the past.")]
    NotYet(Timestamp),
    /// Someone set the series to other hours while it was read.
    #[error("{0} was set to other hours while it was read. Ask again.")]
    ChangedMeanwhile(String),
    /// What is on its way of the series is not one viewer's to call off.
    #[error("Someone else looks at {0} too: what is on its way goes on. An operator may cancel it.")]
    WatchedByOthers(String),
    /// No provider knows the symbol.
    #[error("No provider knows {0}. Check the spelling; crypto pairs are written like X:BTCUSD.")]
    UnknownSymbol(String),
    /// No provider is set up for such an instrument.
    #[error("No provider is set up for {0}. See the README's section on real keys.")]
    NoProvider(String),
    /// A provider had to be asked and could not answer.
    #[error("{symbol} is new here, and {provider} could not be asked whether it exists: {source}")]
    Unverified {
        /// The symbol asked for.
        symbol: String,
        /// Who was asked.
        provider: String,
        /// What it answered.
        source: ProviderError,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// A stored value is not what this version writes.
    #[error("the database holds a {what} that this version can't read: {value}")]
    Corrupt {
        /// What kind of value.
        what: &'static str,
        /// The value.
        value: String,
    },
}

/// Why the database did not take what it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another transaction was in the way; trying again helps.
    Conflict,
    /// It breaks a rule of the tables; the same values break it again.
    Rule,
}

impl Error {
    /// `None` where the database did not answer, or could not do it for now.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        let Self::Database(sqlx::Error::Database(error)) = self else { return None };
        match error.code()?.get(..2)? {
            // Serialization failure and deadlock.
            "40" => Some(Refusal::Conflict),
            // Constraint violations and bad values.
            "22" | "23" => Some(Refusal::Rule),
            _ => None,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match &error {
            Error::Window(_) => Self::new(400, "bad_range", "That range makes no sense", error.to_string()),
            Error::NotYet(_) => Self::new(400, "bad_range", "That moment has not come yet", error.to_string()),
            Error::ChangedMeanwhile(_) => {
                Self::new(503, "changed_meanwhile", "The series was changed meanwhile", error.to_string())
            }
            Error::WatchedByOthers(_) => {
                Self::new(409, "watched_by_others", "Others wait for it too", error.to_string())
            }
            Error::UnknownSymbol(_) => Self::new(404, "unknown_symbol", "Unknown symbol", error.to_string()),
            Error::NoProvider(_) => Self::new(422, "no_provider", "No provider for this symbol", error.to_string()),
            Error::Unverified { .. } => {
                tracing::warn!(%error, "a new symbol could not be checked");
                Self::new(503, "provider_unavailable", "The provider can't be asked now", error.to_string())
            }
            Error::Database(source) => {
                tracing::error!(error = %source, "the database failed");
                Self::new(
                    503,
                    "storage_unavailable",
                    "The store can't be reached",
                    "The server can't reach its database. It tries again by itself; what the page shows stays as it is.",
                )
            }
            Error::Corrupt { .. } => {
                tracing::error!(%error, "a stored value can't be read");
                Self::new(500, "unexpected", "Something unexpected went wrong", error.to_string())
            }
        }
    }
}
