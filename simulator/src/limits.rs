//! Rate limits: a fixed window for each key at each provider, opened by its first request.

use std::collections::HashMap;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use chrono::Utc;

use crate::serve::Provider;

/// Where a key stands in its window, this request counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) allowed: u32,
    pub(crate) used: u32,
    /// When the window ends, in epoch milliseconds.
    pub(crate) expiry: i64,
    pub(crate) exceeded: bool,
}

#[derive(Default)]
pub(crate) struct Limits(HashMap<(Provider, String), (i64, u32)>);

impl Limits {
    /// Counts a request at `now` (epoch milliseconds), unless the limit is used up; a window that it opens lasts `window`.
    pub(crate) fn take(&mut self, provider: Provider, key: &str, allowed: u32, now: i64, window: i64) -> Quota {
        self.0.retain(|_, (expiry, _)| *expiry > now);
        let (expiry, used) = self.0.entry((provider, key.to_owned())).or_insert((now.saturating_add(window), 0));
        let exceeded = *used >= allowed;
        if !exceeded {
            *used += 1;
        }
        Quota { allowed, used: *used, expiry: *expiry, exceeded }
    }

    /// Opens every window anew.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Quota {
    /// Writes how many seconds are left of the window.
    pub(crate) fn write_wait(self, headers: &mut HeaderMap) {
        let left = self.expiry.saturating_sub(Utc::now().timestamp_millis()).max(0);
        headers.insert(RETRY_AFTER, HeaderValue::from(left / 1_000 + 1));
    }

    /// Writes Tradier's headers, by a clock that is `skew` milliseconds ahead.
    pub(crate) fn write(self, headers: &mut HeaderMap, skew: i64) {
        let values = [
            ("x-ratelimit-allowed", i64::from(self.allowed)),
            ("x-ratelimit-used", i64::from(self.used)),
            ("x-ratelimit-available", i64::from(self.allowed.saturating_sub(self.used))),
            ("x-ratelimit-expiry", self.expiry.saturating_add(skew)),
        ];
        for (name, value) in values {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_opens_with_the_first_request_and_ends_when_it_has_lasted() {
        let mut limits = Limits::default();
        let mut take = |key, now| limits.take(Provider::Tradier, key, 2, now, 60_000);
        assert_eq!(take("a", 1_000), Quota { allowed: 2, used: 1, expiry: 61_000, exceeded: false });
        assert_eq!(take("a", 50_000), Quota { allowed: 2, used: 2, expiry: 61_000, exceeded: false });
        assert_eq!(take("a", 60_999), Quota { allowed: 2, used: 2, expiry: 61_000, exceeded: true });
        assert!(!take("b", 60_999).exceeded, "another key has a window of its own");
        assert_eq!(take("a", 61_000), Quota { allowed: 2, used: 1, expiry: 121_000, exceeded: false });
    }
}
