//! One price bar.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Open, high, low, close and volume over `[ts, ts + timeframe)`. Prices are in the instrument's currency, as `f64`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// When the bar begins, UTC.
    pub ts: Timestamp,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Shares or coins traded; may be a fraction.
    pub volume: f64,
    /// Volume-weighted average price, where the provider tells it. May lie outside `[low, high]` (Polygon reports some
    /// such bars).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vwap: Option<f64>,
    /// Number of trades, where the provider tells it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trades: Option<u32>,
}

impl Bar {
    /// A bar without average price and trade count.
    #[must_use]
    pub const fn new(ts: Timestamp, open: f64, high: f64, low: f64, close: f64, volume: f64) -> Self {
        Self { ts, open, high, low, close, volume, vwap: None, trades: None }
    }

    /// In the place of a bar that is not there: its prices are NaN.
    #[must_use]
    pub const fn lacking(ts: Timestamp) -> Self {
        Self::new(ts, f64::NAN, f64::NAN, f64::NAN, f64::NAN, 0.0)
    }

    /// Whether it is only in a bar's place.
    #[must_use]
    pub const fn is_lacking(&self) -> bool {
        self.close.is_nan()
    }
}
