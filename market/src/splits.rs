//! Share splits: bars are stored as traded, and prices from before a split are adjusted on reading.
//!
//! A split of `from` old shares into `to` new ones divides earlier prices by `to / from` and multiplies earlier volumes by
//! it. So it is done by every vendor that adjusts for splits alone; dividends change nothing here.

use serde::{Deserialize, Serialize};

use crate::bar::Bar;
use crate::time::Timestamp;

/// `from` shares became `to` shares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// The first instant at which the new shares trade: the start of the exchange's day, UTC.
    pub at: Timestamp,
    /// Shares before, such as 1.
    pub from: f64,
    /// Shares after, such as 7.
    pub to: f64,
}

/// How prices are to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Adjust {
    /// As traded.
    None,
    /// In today's shares.
    #[default]
    Splits,
}

impl Adjust {
    /// The name in addresses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Splits => "splits",
        }
    }

    /// The way of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::None, Self::Splits].into_iter().find(|adjust| adjust.as_str() == name)
    }
}

/// The shares a stored bar's prices are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Those of the time it traded.
    AsTraded,
    /// Those of a later time: its provider delivers nothing else, and had adjusted it for the splits until then.
    AdjustedAt(Timestamp),
}

/// The bar as it is to be read. `splits` are those in effect, in any order.
#[must_use]
pub fn adjusted(bar: Bar, basis: Basis, splits: &[Split], adjust: Adjust) -> Bar {
    let held = match basis {
        Basis::AsTraded => bar.ts,
        Basis::AdjustedAt(at) => at.max(bar.ts),
    };
    match adjust {
        Adjust::Splits => scaled(bar, shares(splits, held, Timestamp(i64::MAX))),
        Adjust::None => scaled(bar, shares(splits, bar.ts, held).recip()),
    }
}

/// How many shares one share of the time `after` is at `until`.
fn shares(splits: &[Split], after: Timestamp, until: Timestamp) -> f64 {
    let between = splits.iter().filter(|split| after < split.at && split.at <= until);
    between.map(|split| split.to / split.from).product()
}

/// With prices for that many shares in place of one. Rounded to millionths, so that equal prices stay equal and short.
fn scaled(bar: Bar, shares: f64) -> Bar {
    if (shares - 1.0).abs() < f64::EPSILON {
        return bar;
    }
    let price = |price: f64| (price / shares * 1e6).round() / 1e6;
    Bar {
        open: price(bar.open),
        high: price(bar.high),
        low: price(bar.low),
        close: price(bar.close),
        vwap: bar.vwap.map(price),
        volume: (bar.volume * shares * 1e6).round() / 1e6,
        ..bar
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Apple: 7 for 1 on 2014-06-09 and 4 for 1 on 2020-08-31.
    fn apple() -> [Split; 2] {
        let split = |at: &str, to| Split { at: Timestamp::parse(at).unwrap(), from: 1.0, to };
        [split("2014-06-09T04:00:00Z", 7.0), split("2020-08-31T04:00:00Z", 4.0)]
    }

    fn bar(at: &str, price: f64) -> Bar {
        Bar::new(Timestamp::parse(at).unwrap(), price, price, price, price, 100.0)
    }

    #[test]
    fn what_traded_before_a_split_is_read_in_todays_shares() {
        let friday = bar("2014-06-06T04:00:00Z", 645.57);
        let read = adjusted(friday, Basis::AsTraded, &apple(), Adjust::Splits);
        assert_eq!((read.close, read.volume), (23.056_071, 2_800.0));
        assert_eq!(adjusted(friday, Basis::AsTraded, &apple(), Adjust::None), friday);
        let monday = bar("2014-06-09T04:00:00Z", 93.7);
        assert_eq!(adjusted(monday, Basis::AsTraded, &apple(), Adjust::Splits).close, 23.425);
        let later = bar("2021-01-04T05:00:00Z", 129.41);
        assert_eq!(adjusted(later, Basis::AsTraded, &apple(), Adjust::Splits), later);
    }

    #[test]
    fn a_bar_that_came_adjusted_is_reconciled() {
        let between = Basis::AdjustedAt(Timestamp::parse("2016-01-01T00:00:00Z").unwrap());
        let friday = bar("2014-06-06T04:00:00Z", 92.224_285);
        assert!((adjusted(friday, between, &apple(), Adjust::None).close - 645.57).abs() < 1e-5);
        assert!((adjusted(friday, between, &apple(), Adjust::Splits).close - 23.056_071).abs() < 1e-6);
    }
}
