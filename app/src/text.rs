//! Numbers as the page writes them.

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

/// A price with as many decimals as its size calls for: 2 from one unit on, more below.
#[must_use]
pub fn price(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 1.0 || size == 0.0 => 2,
        size if size >= 0.01 => 4,
        _ => 8,
    };
    format!("{value:.decimals$}")
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
        assert_eq!([190.123, 0.1234, 0.000_012_34].map(price), ["190.12", "0.1234", "0.00001234"]);
        assert_eq!([1.234, -0.4, 0.0].map(percent), ["+1.23 %", "−0.40 %", "+0.00 %"]);
        assert_eq!([5 * MINUTE, 180 * MINUTE, 2_880 * MINUTE].map(duration), ["5 min", "3 h", "2 d"]);
        assert_eq!([950.0, 12_345.0, 4_560_000.0].map(volume), ["950", "12.35K", "4.56M"]);
    }
}
