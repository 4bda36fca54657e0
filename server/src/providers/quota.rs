//! What an answer's headers say of the rate limit: `Retry-After` in both its forms, and Tradier's `X-Ratelimit-…`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use tidemark_market::Timestamp;

use super::Allowance;

/// Nothing is waited for longer, whatever a header says.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Tradier's three headers; `None` unless all are there and readable. `X-Ratelimit-Expiry` is in epoch milliseconds.
pub(super) fn allowance(headers: &HeaderMap) -> Option<Allowance> {
    let count = |name| Some(u32::try_from(number(headers, name)?.max(0)).unwrap_or(u32::MAX));
    let resets_at = Timestamp(number(headers, "x-ratelimit-expiry")?);
    Some(Allowance {
        allowed: count("x-ratelimit-allowed")?,
        available: count("x-ratelimit-available")?,
        resets_at,
        resets_in: until(resets_at, provider_time(headers)).min(LONGEST_WAIT),
    })
}

/// How long to wait from `now` on: what `Retry-After` says in seconds or as an HTTP date, else until the window of a
/// used-up [`Allowance`] ends.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let wait = match text(headers, RETRY_AFTER.as_str()) {
        Some(value) => match value.parse() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => http_date(value).map(|at| until(at, now)),
        },
        None => None,
    };
    let exhausted = || allowance(headers).filter(|allowance| allowance.available == 0);
    wait.or_else(|| exhausted().map(|allowance| until(allowance.resets_at, now))).map(|wait| wait.min(LONGEST_WAIT))
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(at.0.saturating_sub(now.0)).unwrap_or(0))
}

/// The provider's own clock, so that ours may be wrong; ours where it does not tell.
pub(super) fn provider_time(headers: &HeaderMap) -> Timestamp {
    text(headers, DATE.as_str()).and_then(http_date).unwrap_or_else(|| Timestamp::from(Utc::now()))
}

fn http_date(text: &str) -> Option<Timestamp> {
    let at = DateTime::parse_from_rfc2822(text).ok()?;
    Some(Timestamp(at.timestamp_millis()))
}

fn number(headers: &HeaderMap, name: &str) -> Option<i64> {
    text(headers, name)?.parse().ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn wait(fields: &[(&'static str, &str)]) -> Option<u64> {
        let headers = headers(fields);
        retry_after(&headers, provider_time(&headers)).map(|wait| wait.as_secs())
    }

    #[test]
    fn a_wait_is_told_in_seconds_or_as_a_date_by_the_providers_clock() {
        let date = ("date", "Sat, 09 Mar 2024 16:46:57 GMT");
        assert_eq!(wait(&[date, ("retry-after", " 7 ")]), Some(7));
        assert_eq!(wait(&[date, ("retry-after", "Sat, 09 Mar 2024 16:47:09 GMT")]), Some(12));
        assert_eq!(wait(&[date, ("retry-after", "Sat, 09 Mar 2024 16:00:00 GMT")]), Some(0));
        assert_eq!(wait(&[date, ("retry-after", "18446744073709551615")]), Some(86_400));
        assert_eq!(wait(&[date, ("retry-after", "soon")]), None);
        assert_eq!(wait(&[date, ("retry-after", "-5")]), None);
    }

    #[test]
    fn a_used_up_window_is_waited_out() {
        let recorded = |available| {
            [
                ("date", "Sat, 09 Mar 2024 16:46:57 GMT"),
                ("x-ratelimit-allowed", "200"),
                ("x-ratelimit-available", available),
                ("x-ratelimit-expiry", "1710002820000"),
            ]
        };
        assert_eq!(wait(&recorded("0")), Some(3));
        assert_eq!(wait(&recorded("199")), None);
        assert_eq!(
            allowance(&headers(&recorded("199"))),
            Some(Allowance {
                allowed: 200,
                available: 199,
                resets_at: Timestamp(1_710_002_820_000),
                resets_in: Duration::from_secs(3)
            })
        );
        assert_eq!(allowance(&headers(&recorded("many"))), None);
    }
}
