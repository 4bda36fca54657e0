//! What can be made to go wrong, for which requests, and how often.

use serde::{Deserialize, Serialize};
use tidemark_market::{Symbol, TimeRange, Timestamp};

use crate::serve::{Call, Provider};

/// How many rows [`FaultKind::FalseValues`] adds to an answer that has any.
pub const FALSE_VALUES: usize = 7;

/// A way in which a provider fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Status 429, as when the limit is used up.
    RateLimit,
    /// Status 500.
    ServerError,
    /// Status 500 with 20,000 characters of text.
    LongError,
    /// Status 200 with the full length announced and half of the body sent, then the connection is closed.
    TruncatedBody,
    /// The same, but the connection is reset.
    ResetBody,
    /// The connection is reset before any byte of the answer.
    Reset,
    /// No answer, until the client gives up or the simulator stops.
    Stall,
    /// Status 200 without any bar.
    Empty,
    /// Status 200 with JSON in which text stands where the bars belong.
    WrongShape,
    /// Status 200 with an HTML page.
    WrongContentType,
    /// Status 200 with JSON of 256 MiB.
    HugeBody,
    /// Status 200 with JSON that opens and never ends, as fast as it is read.
    EndlessBody,
    /// Status 200 with the true answer, a byte at a time, with a pause after each; see
    /// [`Settings::drip_ms`](crate::Settings::drip_ms).
    SlowDrip,
    /// Status 200 with half of the true answer, compressed by gzip. The stream of the compression breaks off, the body
    /// itself ends in order.
    HalfGzip,
    /// Status 200 with a body that no provider means; the next such request gets the next of
    /// [`malformed::BODIES`](crate::malformed::BODIES), from the front again after the last.
    MalformedBody,
    /// Status 200 with every true bar, and three false ones: a copy of the first with a negative low, a copy of the
    /// first without a close (`null`, or the text `NaN` where prices are text and at Tradier), and the last once more.
    /// The newest is moved to the front.
    BadRows,
    /// Status 200 with every true bar in an order without order; of every third a copy, and of every third a state from
    /// when it was under way, with half its volume.
    ShuffledRows,
    /// Status 200 with every true bar, and [`FALSE_VALUES`] copies of the first with other values: one after another a
    /// high that is NaN, a close that is infinite, a low above its high, a negative volume, a price of nothing, a high of
    /// 1e308, and no volume. What JSON has no number for is `null`, or its name as text where prices are text and at
    /// Tradier.
    FalseValues,
    /// Status 401.
    Unauthorized,
    /// Status 403: the plan does not include the data. At Binance 451: the country is not served.
    Plan,
    /// Status 200 without the bars of the first half of the time asked for; of a page, of the time from its start on.
    StartsLater,
    /// Status 200 without the bars of the second half of the time asked for, and without a next page.
    EndsEarlier,
}

/// A fault that waits for requests for bars. No other request meets one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Only for this symbol; `None` is any.
    #[serde(default)]
    pub symbol: Option<Symbol>,
    /// Only at this provider; `None` is any.
    #[serde(default)]
    pub provider: Option<Provider>,
    /// Only where the range asked for ends after this (epoch ms in JSON); `None` is any.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// Only where the range asked for begins before this (epoch ms in JSON); `None` is any.
    #[serde(default)]
    pub to: Option<Timestamp>,
    /// How many requests it meets before it is used up; `None` is all of them.
    #[serde(default)]
    pub times: Option<u32>,
    /// What `Retry-After` says where the status is 429, 500, 403 or 451; `None` leaves it out.
    #[serde(default)]
    pub retry_after_seconds: Option<u32>,
    /// Whether `Retry-After` says it as a date, by the clock of `Date`, instead of in seconds.
    #[serde(default)]
    pub retry_after_as_date: bool,
}

impl Fault {
    /// The fault for every request for bars, for ever.
    #[must_use]
    pub const fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            symbol: None,
            provider: None,
            from: None,
            to: None,
            times: None,
            retry_after_seconds: None,
            retry_after_as_date: false,
        }
    }

    /// The fault for the next request for bars only.
    #[must_use]
    pub fn once(kind: FaultKind) -> Self {
        Self { times: Some(1), ..Self::new(kind) }
    }

    fn meets(&self, call: &Call, asked: TimeRange) -> bool {
        self.symbol.as_ref().is_none_or(|symbol| call.symbol.as_ref() == Some(symbol))
            && self.provider.is_none_or(|provider| provider == call.provider)
            && self.from.is_none_or(|from| from < asked.end)
            && self.to.is_none_or(|to| asked.start < to)
    }
}

/// The first waiting fault that meets the request, counted down; what is used up is gone.
pub(crate) fn take(faults: &mut Vec<Fault>, call: &Call) -> Option<Fault> {
    let asked = call.range?;
    let position = faults.iter().position(|fault| fault.times != Some(0) && fault.meets(call, asked))?;
    let fault = faults[position].clone();
    if let Some(times) = &mut faults[position].times {
        *times -= 1;
    }
    faults.retain(|fault| fault.times != Some(0));
    Some(fault)
}
