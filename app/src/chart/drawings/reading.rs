//! What lies between two points of a chart, in words.

use tidemark_market::time::{DAY, HOUR, MINUTE};

use super::Point;
use super::plane::Plane;
use crate::text::{Prices, counted, percent};

/// What two points are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// From the first price to the second.
    pub change: f64,
    /// How it is written.
    pub prices: Prices,
    /// The same, in percent of the first.
    pub percent: f64,
    /// From the first bar to the second; negative where that is older.
    pub bars: i64,
    /// The same in milliseconds.
    pub millis: i64,
}

impl Reading {
    /// From one point to the other.
    #[must_use]
    pub fn between([from, to]: [Point; 2], plane: &Plane) -> Self {
        let bars = plane.position(to.at).round() - plane.position(from.at).round();
        Self {
            change: to.price - from.price,
            prices: plane.prices(),
            percent: (to.price / from.price - 1.0) * 100.0,
            bars: bars as i64,
            millis: to.at.0.saturating_sub(from.at.0),
        }
    }

    /// Price and percent, as a line: `+3.21 (+1.75 %)`.
    #[must_use]
    pub fn height(&self) -> String {
        format!("{}{} ({})", sign(self.change < 0.0), self.prices.text(self.change.abs()), percent(self.percent))
    }

    /// Bars and time, as a line: `12 bars, 3 d 4 h`.
    #[must_use]
    pub fn width(&self) -> String {
        let back = if self.bars < 0 || self.millis < 0 { "−" } else { "" };
        format!("{back}{}, {back}{}", counted(self.bars.unsigned_abs(), "bar"), span(self.millis.unsigned_abs()))
    }
}

const fn sign(is_negative: bool) -> char {
    if is_negative { '−' } else { '+' }
}

/// A length of time in its two largest units: `3 d 4 h`, `45 min`.
fn span(millis: u64) -> String {
    let [day, hour, minute] = [DAY, HOUR, MINUTE].map(i64::unsigned_abs);
    let pair = |large: u64, small: u64, names: [&str; 2]| match (millis / large, millis % large / small) {
        (many, 0) => format!("{many} {}", names[0]),
        (many, rest) => format!("{many} {} {rest} {}", names[0], names[1]),
    };
    match millis {
        _ if millis >= day => pair(day, hour, ["d", "h"]),
        _ if millis >= hour => pair(hour, minute, ["h", "min"]),
        _ => format!("{} min", millis / minute),
    }
}

#[cfg(test)]
mod tests {
    use tidemark_market::AssetClass;

    use super::*;

    #[test]
    fn a_reading_reads_easily() {
        let prices = Prices::like(AssetClass::Equity, 180.0);
        let up = Reading { change: 3.2, prices, percent: 1.754, bars: 12, millis: 3 * DAY + 4 * HOUR + MINUTE };
        assert_eq!((up.height(), up.width()), ("+3.20 (+1.75 %)".to_owned(), "12 bars, 3 d 4 h".to_owned()));
        let back = Reading { change: -0.05, prices, percent: -0.4, bars: -1, millis: -45 * MINUTE };
        assert_eq!((back.height(), back.width()), ("−0.05 (−0.40 %)".to_owned(), "−1 bar, −45 min".to_owned()));
        assert_eq!(
            [0, HOUR, DAY + HOUR - 1, 90 * MINUTE].map(|it| span(it.unsigned_abs())),
            ["0 min", "1 h", "1 d", "1 h 30 min"]
        );
    }
}
