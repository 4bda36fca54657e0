//! Numbers as the page writes them.

use tidemark_market::AssetClass;
use tidemark_market::time::MINUTE;

/// `1234567` as `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 bar`, `2 bars`, `1,234 bars`.
#[must_use]
pub fn counted(number: u64, one: &str) -> String {
    format!("{} {one}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A size in short: `950 B`, `12 kB`, `3.4 MB`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
pub fn bytes(size: u64) -> String {
    match size {
        0..1_000 => format!("{size} B"),
        1_000..1_000_000 => format!("{:.0} kB", size as f64 / 1e3),
        _ => format!("{:.1} MB", size as f64 / 1e6),
    }
}

/// How prices of one size are written, and what they differ by: with the decimals that their market is used to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// None where they are no market's: then each has those that its own size calls for.
    decimals: Option<usize>,
}

impl Prices {
    /// For prices of about `price`. Shares are written in cents, currencies in tenths of a pip, of which a price of 20 and
    /// more, as of dollars in yen, has a hundred in place of ten thousand; coins with five digits that count or more.
    #[must_use]
    pub fn like(class: AssetClass, price: f64) -> Self {
        let size = price.abs();
        let decimals = match class {
            AssetClass::Fx if size >= 20.0 => 3,
            AssetClass::Fx => 5,
            AssetClass::Crypto if (1.0..100.0).contains(&size) => 4,
            AssetClass::Crypto if (0.01..1.0).contains(&size) => 6,
            AssetClass::Equity | AssetClass::Crypto => decimals_of(size),
        };
        Self { decimals: Some(decimals) }
    }

    /// A price, or a difference of two.
    #[must_use]
    pub fn text(self, value: f64) -> String {
        format!("{value:.*}", self.decimals.unwrap_or_else(|| decimals_of(value.abs())))
    }
}

/// A price, as its own size calls for.
#[must_use]
pub fn price(class: AssetClass, value: f64) -> String {
    Prices::like(class, value).text(value)
}

/// Any number: 2 decimals from one on, more below.
#[must_use]
pub fn number(value: f64) -> String {
    Prices::default().text(value)
}

const fn decimals_of(size: f64) -> usize {
    if size >= 1.0 || size == 0.0 {
        2
    } else if size >= 0.01 {
        4
    } else {
        8
    }
}

/// A change in percent with its sign: `+1.23 %`, `−0.40 %`.
#[must_use]
pub fn percent(value: f64) -> String {
    let sign = if value < 0.0 { '−' } else { '+' };
    format!("{sign}{:.2} %", value.abs())
}

/// A length of time, given in milliseconds, in its largest unit: `5 min`, `3 h`, `2 d`.
#[must_use]
pub fn duration(millis: i64) -> String {
    match millis.max(0) / MINUTE {
        minutes @ 0..60 => format!("{minutes} min"),
        minutes @ 60..2_880 => format!("{} h", minutes / 60),
        minutes => format!("{} d", minutes / 1_440),
    }
}

/// A volume in short: `950`, `12.3K`, `4.56M`.
#[must_use]
pub fn volume(value: f64) -> String {
    [(1e9, "B"), (1e6, "M"), (1e3, "K")]
        .into_iter()
        .find(|(unit, _)| value >= *unit)
        .map_or_else(|| format!("{value:.0}"), |(unit, name)| format!("{:.2}{name}", value / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_easily() {
        assert_eq!([0, 12, 999, 1_000, 1_234_567].map(grouped), ["0", "12", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1, 1_234].map(|n| counted(n, "bar")), ["0 bars", "1 bar", "1,234 bars"]);
        assert_eq!([190.123, 0.1234, 0.000_012_34].map(number), ["190.12", "0.1234", "0.00001234"]);
        assert_eq!([1.234, -0.4, 0.0].map(percent), ["+1.23 %", "−0.40 %", "+0.00 %"]);
        assert_eq!([5 * MINUTE, 180 * MINUTE, 2_880 * MINUTE].map(duration), ["5 min", "3 h", "2 d"]);
        assert_eq!([950.0, 12_345.0, 4_560_000.0].map(volume), ["950", "12.35K", "4.56M"]);
    }

    #[test]
    fn prices_have_the_decimals_of_their_market() {
        let written = |class, prices: &[f64]| prices.iter().map(|value| price(class, *value)).collect::<Vec<_>>();
        assert_eq!(written(AssetClass::Equity, &[4_321.5, 190.123, 0.1234]), ["4321.50", "190.12", "0.1234"]);
        assert_eq!(written(AssetClass::Fx, &[1.085_43, 0.8612, 149.987]), ["1.08543", "0.86120", "149.987"]);
        assert_eq!(
            written(AssetClass::Crypto, &[91_234.5, 2.1234, 0.312_34, 0.000_012_34]),
            ["91234.50", "2.1234", "0.312340", "0.00001234"]
        );
        assert_eq!(Prices::like(AssetClass::Equity, 190.0).text(0.05), "0.05", "what they differ by is written alike");
    }
}
