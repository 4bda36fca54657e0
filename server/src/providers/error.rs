//! What can go wrong at a provider, and the one place that decides what an HTTP status or a broken connection means.

use std::time::Duration;

use reqwest::StatusCode;
use thiserror::Error;

use super::Allowance;

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// It may pass: ask again after a while.
    Transient,
    /// Too many requests: ask again when the provider says so.
    Throttled,
    /// It will not pass by itself: the same request fails the same way.
    Permanent,
    /// The key's plan does not hold this; another provider may.
    Plan,
}

/// Why a provider did not answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ProviderError {
    /// What to do about it.
    pub class: ErrorClass,
    /// Stable, such as `provider_timeout`.
    pub code: &'static str,
    /// A sentence or two for the reader: what happened, to what, what to do. Holds no key and no URL.
    pub message: String,
    /// How long the provider asks to be left alone, at most a day.
    pub retry_after: Option<Duration>,
    /// What it said of its rate limit along with the error.
    pub allowance: Option<Allowance>,
}

/// How long a provider that said "too many requests" and no more is left alone.
pub const UNTOLD_THROTTLE: Duration = Duration::from_secs(15);

impl ProviderError {
    /// What was not even asked, since the provider's budget is spent. `subject` begins the message.
    #[must_use]
    pub fn busy(provider: &str, subject: &str) -> Self {
        let message =
            format!("{subject} was not asked for: {provider} allows no more requests now. Try again in a minute.");
        let code = Failure::Throttled.code();
        Self { class: ErrorClass::Transient, code, message, retry_after: None, allowance: None }
    }

    /// How long the provider is to be left alone by everyone, where its limit turned the request away.
    #[must_use]
    pub fn holds_back_for(&self) -> Option<Duration> {
        (self.class == ErrorClass::Throttled).then(|| self.retry_after.unwrap_or(UNTOLD_THROTTLE))
    }

    /// Whether it speaks of the provider as a whole, and not of what was asked for.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        self.is_any(&[Failure::Unreachable, Failure::Timeout, Failure::ServerError])
    }

    /// Whether less might have been answered.
    #[must_use]
    pub fn asks_for_less(&self) -> bool {
        self.is_any(&[Failure::Timeout, Failure::TooLarge])
    }

    /// Whether a part of what was asked for may be at fault, and the rest be had without it.
    #[must_use]
    pub fn may_be_a_part(&self) -> bool {
        self.asks_for_less() || self.is_any(&[Failure::Malformed, Failure::ServerError])
    }

    fn is_any(&self, failures: &[Failure]) -> bool {
        failures.iter().any(|failure| failure.code() == self.code)
    }
}

/// The kinds of errors; each has one class, code and advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Unreachable,
    Timeout,
    ServerError,
    Throttled,
    Unauthorized,
    Plan,
    Restricted,
    Malformed,
    TooLarge,
    BadRequest,
    SymbolUnknown,
}

impl Failure {
    pub(super) const fn class(self) -> ErrorClass {
        match self {
            Self::Unreachable | Self::Timeout | Self::ServerError | Self::Malformed => ErrorClass::Transient,
            Self::Throttled => ErrorClass::Throttled,
            Self::Unauthorized | Self::TooLarge | Self::BadRequest | Self::SymbolUnknown => ErrorClass::Permanent,
            Self::Plan | Self::Restricted => ErrorClass::Plan,
        }
    }

    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "provider_unreachable",
            Self::Timeout => "provider_timeout",
            Self::ServerError => "provider_server_error",
            Self::Throttled => "provider_throttled",
            Self::Unauthorized => "provider_unauthorized",
            Self::Plan => "provider_plan",
            Self::Restricted => "provider_restricted",
            Self::Malformed => "provider_malformed",
            Self::TooLarge => "provider_too_large",
            Self::BadRequest => "provider_bad_request",
            Self::SymbolUnknown => "symbol_unknown",
        }
    }

    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::Unreachable => "Check the network and the provider's base URL, then try again.",
            Self::Timeout | Self::ServerError | Self::Malformed => "Try again in a while.",
            Self::Throttled => "Try again when its limit has been reset.",
            Self::Unauthorized => "Check the provider's key in the configuration.",
            Self::Plan => "Ask for what the plan includes, or use a key of a larger plan.",
            Self::Restricted => {
                "It does not serve the country that this server is in: chart the pair at another venue, such as COINBASE:BTC-USD."
            }
            Self::TooLarge => "Ask for a shorter slice, or raise the limit.",
            Self::BadRequest => "Check the symbol, the range and the provider's base URL.",
            Self::SymbolUnknown => "Check the spelling of the symbol.",
        }
    }

    /// Of a status that is no success. Redirects are not followed: a key goes to the configured host alone. Binance says
    /// 418 to who goes on after a 429, and 451 to the countries that it does not serve.
    pub(super) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            401 | 407 => Self::Unauthorized,
            402 | 403 => Self::Plan,
            408 => Self::Timeout,
            418 | 429 => Self::Throttled,
            451 => Self::Restricted,
            500.. => Self::ServerError,
            _ => Self::BadRequest,
        }
    }

    /// Of a request that got no answer, or a part of one.
    pub(super) fn of_transport(error: &reqwest::Error) -> Self {
        if error.is_connect() {
            Self::Unreachable
        } else if error.is_timeout() {
            Self::Timeout
        } else if error.is_body() || error.is_decode() {
            Self::Malformed
        } else if error.is_builder() {
            Self::BadRequest
        } else {
            Self::Unreachable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_decides_what_happens_next() {
        for (status, code, class) in [
            (400, "provider_bad_request", ErrorClass::Permanent),
            (301, "provider_bad_request", ErrorClass::Permanent),
            (401, "provider_unauthorized", ErrorClass::Permanent),
            (403, "provider_plan", ErrorClass::Plan),
            (408, "provider_timeout", ErrorClass::Transient),
            (418, "provider_throttled", ErrorClass::Throttled),
            (429, "provider_throttled", ErrorClass::Throttled),
            (451, "provider_restricted", ErrorClass::Plan),
            (500, "provider_server_error", ErrorClass::Transient),
            (503, "provider_server_error", ErrorClass::Transient),
            (599, "provider_server_error", ErrorClass::Transient),
        ] {
            let failure = Failure::of_status(StatusCode::from_u16(status).unwrap());
            assert_eq!((failure.code(), failure.class()), (code, class), "{status}");
        }
    }
}
