//! Bars as the database's functions take them, a column each, and as rows come back.

use chrono::{DateTime, Utc};
use tidemark_market::splits::{Basis, adjusted};
use tidemark_market::{Adjust, Bar, Split};

use super::to_utc;

/// One array for each column of the bars.
pub(super) struct Columns {
    pub ts: Vec<DateTime<Utc>>,
    pub open: Vec<f64>,
    pub high: Vec<f64>,
    pub low: Vec<f64>,
    pub close: Vec<f64>,
    pub volume: Vec<f64>,
    pub vwap: Vec<Option<f64>>,
    pub trades: Vec<Option<i32>>,
}

impl From<&[Bar]> for Columns {
    fn from(bars: &[Bar]) -> Self {
        Self {
            ts: bars.iter().map(|bar| to_utc(bar.ts)).collect(),
            open: bars.iter().map(|bar| bar.open).collect(),
            high: bars.iter().map(|bar| bar.high).collect(),
            low: bars.iter().map(|bar| bar.low).collect(),
            close: bars.iter().map(|bar| bar.close).collect(),
            volume: bars.iter().map(|bar| bar.volume).collect(),
            vwap: bars.iter().map(|bar| bar.vwap).collect(),
            trades: bars.iter().map(|bar| bar.trades.and_then(|trades| i32::try_from(trades).ok())).collect(),
        }
    }
}

/// The values of a stored bar.
pub(super) struct Values {
    pub ts: DateTime<Utc>,
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    pub volume: f64,
    pub vwap: Option<f64>,
    pub trades: Option<i32>,
    /// When it came in later shares than those of its time; `None` where it is as traded.
    pub adjusted_at: Option<DateTime<Utc>>,
}

impl Values {
    /// The bar as it is to be read.
    pub(super) fn read(self, splits: &[Split], adjust: Adjust) -> Bar {
        let stored = Bar {
            ts: self.ts.into(),
            open: self.open,
            high: self.high,
            low: self.low,
            close: self.close,
            volume: self.volume,
            vwap: self.vwap,
            trades: self.trades.and_then(|trades| u32::try_from(trades).ok()),
        };
        let basis = self.adjusted_at.map_or(Basis::AsTraded, |at| Basis::AdjustedAt(at.into()));
        if splits.is_empty() { stored } else { adjusted(stored, basis, splits, adjust) }
    }
}
