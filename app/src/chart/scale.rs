//! How high a value is drawn, and which values are written beside it.

use super::look::ScaleKind;
use crate::text::Prices;

/// A pane's scale of values over a stretch of the canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    kind: ScaleKind,
    /// What counts as 0 percent.
    base: f64,
    low: f64,
    high: f64,
    top: f64,
    height: f64,
    prices: Prices,
}

impl Scale {
    /// The scale on which `low` lies near the bottom and `high` near the top.
    #[must_use]
    pub fn new(kind: ScaleKind, base: f64, (low, high): (f64, f64), (top, height): (f64, f64)) -> Self {
        // The logarithm of nothing is not to be had: such a scale stays linear.
        let kind = if kind == ScaleKind::Log && low <= 0.0 { ScaleKind::Linear } else { kind };
        let kind = if kind == ScaleKind::Percent && base <= 0.0 { ScaleKind::Linear } else { kind };
        let (low, high) = (lifted(kind, low), lifted(kind, high));
        let room = if high > low { (high - low) * 0.06 } else { (high.abs() * 0.01).max(1e-9) };
        Self { kind, base, low: low - room, high: high + room, top, height, prices: Prices::default() }
    }

    /// A scale from 0 to `high`.
    #[must_use]
    pub fn from_zero(high: f64, (top, height): (f64, f64)) -> Self {
        let high = if high > 0.0 { high * 1.05 } else { 1.0 };
        Self { kind: ScaleKind::Linear, base: 0.0, low: 0.0, high, top, height, prices: Prices::default() }
    }

    /// The same for prices.
    #[must_use]
    pub const fn of_prices(self, prices: Prices) -> Self {
        Self { prices, ..self }
    }

    /// How prices on it are written, and what they differ by.
    #[must_use]
    pub const fn prices(&self) -> Prices {
        self.prices
    }

    /// Where its pane begins, in pixels from the top of the canvas.
    #[must_use]
    pub const fn top(&self) -> f64 {
        self.top
    }

    /// Where its pane ends.
    #[must_use]
    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// Where `value` lies, in pixels from the top of the canvas.
    #[must_use]
    pub fn y(&self, value: f64) -> f64 {
        self.top + (self.high - lifted(self.kind, value)) / (self.high - self.low) * self.height
    }

    /// What lies at `y`.
    #[must_use]
    pub fn value(&self, y: f64) -> f64 {
        let value = self.high - (y - self.top) / self.height * (self.high - self.low);
        if self.kind == ScaleKind::Log { value.exp() } else { value }
    }

    /// How `value` is written beside the scale.
    #[must_use]
    pub fn text(&self, value: f64) -> String {
        match self.kind {
            ScaleKind::Percent => format!("{:+.2} %", (value / self.base - 1.0) * 100.0),
            ScaleKind::Linear | ScaleKind::Log => self.prices.text(value),
        }
    }

    /// Round values, no nearer to each other than `apart` pixels.
    #[must_use]
    pub fn ticks(&self, apart: f64) -> Vec<f64> {
        let count = (self.height / apart).floor().max(1.0);
        match self.kind {
            ScaleKind::Linear => multiples(self.low, self.high, count),
            ScaleKind::Percent => {
                let percent = |value: f64| (value / self.base - 1.0) * 100.0;
                let marks = multiples(percent(self.low), percent(self.high), count);
                marks.into_iter().map(|mark| self.base * (1.0 + mark / 100.0)).collect()
            }
            ScaleKind::Log => {
                let step = (self.high - self.low) / count;
                let mut ticks: Vec<f64> =
                    (0..count as u32).map(|i| rounded((self.low + (f64::from(i) + 0.5) * step).exp())).collect();
                ticks.dedup();
                ticks
            }
        }
    }
}

fn lifted(kind: ScaleKind, value: f64) -> f64 {
    if kind == ScaleKind::Log { value.max(f64::MIN_POSITIVE).ln() } else { value }
}

/// Multiples of 1, 2 or 5 times a power of ten between both, `count` at most.
fn multiples(low: f64, high: f64, count: f64) -> Vec<f64> {
    let rough = (high - low) / count;
    let power = 10_f64.powf(rough.log10().floor());
    let Some(step) = [1.0, 2.0, 5.0, 10.0].iter().map(|it| it * power).find(|step| *step >= rough) else {
        return Vec::new();
    };
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last).map(|number| number as f64 * step).collect()
}

/// With two digits that count.
fn rounded(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor() - 1.0);
    (value / power).round() * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(kind: ScaleKind) -> Scale {
        Scale::new(kind, 100.0, (90.0, 130.0), (10.0, 400.0))
    }

    #[test]
    fn heights_and_values_are_inverse_on_every_scale() {
        for kind in [ScaleKind::Linear, ScaleKind::Log, ScaleKind::Percent] {
            let scale = scale(kind);
            assert!((scale.value(scale.y(117.0)) - 117.0).abs() < 1e-9);
            assert!(scale.y(130.0) > 10.0 && scale.y(90.0) < 410.0 && scale.y(130.0) < scale.y(90.0));
        }
    }

    #[test]
    fn written_values_are_round_and_apart() {
        let ticks = scale(ScaleKind::Linear).ticks(60.0);
        assert_eq!(ticks, [90.0, 100.0, 110.0, 120.0, 130.0]);
        let scale = scale(ScaleKind::Percent);
        let texts: Vec<_> = scale.ticks(60.0).into_iter().map(|value| scale.text(value)).collect();
        assert_eq!(texts, ["-10.00 %", "+0.00 %", "+10.00 %", "+20.00 %", "+30.00 %"]);
    }
}
