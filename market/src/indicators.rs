//! Technical indicators: lines that follow from a series' bars.
//!
//! A [`Spec`] names one with its parameters, as addresses and the API write it: `sma-20`, `bb-20-2`, `macd-12-26-9`. An
//! [`Indicator`] computes it, bar by bar. Formulas, sources and seeds are in `docs/indicators.md`.

mod formulas;
mod indicator;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

pub use indicator::Indicator;

use crate::time::DAY;
use crate::timeframe::Timeframe;

/// The most indicators that one chart or request may have.
pub const MOST: usize = 8;

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Simple moving average of closes.
    Sma,
    /// Exponential moving average of closes.
    Ema,
    /// Average price by volume since the session began.
    Vwap,
    /// Bollinger bands: the simple average, and so many standard deviations above and below it.
    Bollinger,
    /// Wilder's relative strength index.
    Rsi,
    /// Moving average convergence and divergence.
    Macd,
    /// Wilder's average true range.
    Atr,
}

/// A number that tunes an indicator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// As people call it.
    pub name: &'static str,
    /// The least it may be.
    pub least: f64,
    /// The most it may be.
    pub most: f64,
    /// It is a whole multiple of this.
    pub step: f64,
    /// What it is where nothing is said.
    pub usual: f64,
}

/// Where an indicator is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    /// Over the bars: its values are prices.
    Price,
    /// Below them, on a scale of its own.
    Own,
}

/// How one of its lines is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A line.
    Line,
    /// Columns from zero.
    Histogram,
}

/// One of the lines of an indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its name in answers and legends.
    pub name: &'static str,
    /// How it is drawn.
    pub shape: Shape,
}

const fn line(name: &'static str) -> Output {
    Output { name, shape: Shape::Line }
}

/// How many bars count.
const fn length(name: &'static str, least: f64, usual: f64) -> Parameter {
    Parameter { name, least, most: 500.0, step: 1.0, usual }
}

impl Kind {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 7] = [Self::Sma, Self::Ema, Self::Vwap, Self::Bollinger, Self::Rsi, Self::Macd, Self::Atr];

    /// The name in addresses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sma => "sma",
            Self::Ema => "ema",
            Self::Vwap => "vwap",
            Self::Bollinger => "bb",
            Self::Rsi => "rsi",
            Self::Macd => "macd",
            Self::Atr => "atr",
        }
    }

    /// The name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Sma => "Simple moving average",
            Self::Ema => "Exponential moving average",
            Self::Vwap => "Volume-weighted average price",
            Self::Bollinger => "Bollinger bands",
            Self::Rsi => "Relative strength index",
            Self::Macd => "MACD",
            Self::Atr => "Average true range",
        }
    }

    /// What can be tuned, in the order in which addresses write it.
    #[must_use]
    pub const fn parameters(self) -> &'static [Parameter] {
        const AVERAGE: &[Parameter] = &[length("length", 1.0, 20.0)];
        const WILDER: &[Parameter] = &[length("length", 2.0, 14.0)];
        const BANDS: &[Parameter] = &[
            length("length", 2.0, 20.0),
            Parameter { name: "deviations", least: 0.1, most: 10.0, step: 0.1, usual: 2.0 },
        ];
        const MACD: &[Parameter] = &[length("fast", 1.0, 12.0), length("slow", 2.0, 26.0), length("signal", 1.0, 9.0)];
        match self {
            Self::Sma | Self::Ema => AVERAGE,
            Self::Vwap => &[],
            Self::Bollinger => BANDS,
            Self::Rsi | Self::Atr => WILDER,
            Self::Macd => MACD,
        }
    }

    /// Its lines.
    #[must_use]
    pub const fn outputs(self) -> &'static [Output] {
        const MACD: &[Output] = &[line("macd"), line("signal"), Output { name: "histogram", shape: Shape::Histogram }];
        match self {
            Self::Sma => const { &[line("sma")] },
            Self::Ema => const { &[line("ema")] },
            Self::Vwap => const { &[line("vwap")] },
            Self::Bollinger => const { &[line("middle"), line("upper"), line("lower")] },
            Self::Rsi => const { &[line("rsi")] },
            Self::Macd => MACD,
            Self::Atr => const { &[line("atr")] },
        }
    }

    /// Where it is drawn.
    #[must_use]
    pub const fn pane(self) -> Pane {
        match self {
            Self::Sma | Self::Ema | Self::Vwap | Self::Bollinger => Pane::Price,
            Self::Rsi | Self::Macd | Self::Atr => Pane::Own,
        }
    }

    /// Values at which readers look: where a pane has a line across.
    #[must_use]
    pub const fn guides(self) -> &'static [f64] {
        match self {
            Self::Rsi => &[30.0, 70.0],
            Self::Macd => &[0.0],
            _ => &[],
        }
    }
}

/// An indicator with its parameters, which are in their ranges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    kind: Kind,
    values: [f64; 3],
}

/// Why something is no indicator.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum SpecError {
    /// No indicator has that name.
    #[error("{0:?} is not an indicator. Use sma-20, ema-50, vwap, bb-20-2, rsi-14, macd-12-26-9 or atr-14.")]
    Unknown(String),
    /// It has more or fewer parameters, or one that is no number.
    #[error("{given:?} can't be read. Write it like {example}.")]
    Unreadable {
        /// What was written.
        given: String,
        /// The indicator with its usual parameters.
        example: Spec,
    },
    /// A parameter is out of its range.
    #[error("The {name} of {kind} can't be {given}. Use {least} to {most}, in steps of {step}.", kind = kind.as_str())]
    OutOfRange {
        /// Of which indicator.
        kind: Kind,
        /// Which parameter.
        name: &'static str,
        /// What was written.
        given: f64,
        /// The least it may be.
        least: f64,
        /// The most it may be.
        most: f64,
        /// It is a multiple of this.
        step: f64,
    },
    /// MACD's averages are the wrong way round.
    #[error("MACD's fast average must be shorter than its slow one. Use macd-12-26-9.")]
    FastIsSlow,
    /// More than a chart or an answer holds.
    #[error("These are more than {MOST} indicators. Ask for fewer at once.")]
    TooMany,
}

impl Spec {
    /// The indicator with these parameters, which are [`Kind::parameters`] in order; the usual ones where there are none.
    ///
    /// # Errors
    /// Another number of parameters; one out of its range; a fast average that is not the shorter one.
    pub fn new(kind: Kind, values: &[f64]) -> Result<Self, SpecError> {
        let parameters = kind.parameters();
        if values.is_empty() {
            return Ok(Self::usual(kind));
        }
        let spec = Self { kind, values: std::array::from_fn(|place| values.get(place).copied().unwrap_or_default()) };
        if values.len() != parameters.len() {
            let given = std::iter::once(kind.as_str().to_owned()).chain(values.iter().map(f64::to_string));
            let given = given.collect::<Vec<_>>().join("-");
            return Err(SpecError::Unreadable { given, example: Self::usual(kind) });
        }
        for (parameter, value) in parameters.iter().zip(values) {
            let Parameter { name, least, most, step, .. } = *parameter;
            let is_step = ((value / step).round() - value / step).abs() < 1e-9;
            if !(is_step && (least..=most).contains(value)) {
                return Err(SpecError::OutOfRange { kind, name, given: *value, least, most, step });
            }
        }
        if kind == Kind::Macd && values[0] >= values[1] { Err(SpecError::FastIsSlow) } else { Ok(spec) }
    }

    /// The indicator with the parameters that most people use.
    #[must_use]
    pub fn usual(kind: Kind) -> Self {
        let parameters = kind.parameters();
        Self { kind, values: std::array::from_fn(|place| parameters.get(place).map_or(0.0, |it| it.usual)) }
    }

    /// What is computed.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Its parameters, as many as [`Kind::parameters`].
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values[..self.kind.parameters().len()]
    }

    /// How many bars before one a value needs, so that it does not depend on where the bars begin. Averages over a fixed
    /// number of bars need just these; of exponential ones the rest of the seed's weight is then below a billionth. VWAP
    /// needs its session, a day at most.
    #[must_use]
    pub fn warm_up(&self, timeframe: Timeframe) -> usize {
        let [first, second, third] = self.values.map(|value| value as usize);
        match self.kind {
            Kind::Sma | Kind::Bollinger => first.saturating_sub(1),
            Kind::Ema => exponential(first),
            Kind::Vwap => usize::try_from(DAY / timeframe.millis()).unwrap_or_default(),
            Kind::Rsi => wilder(first) + 1,
            Kind::Macd => exponential(second) + exponential(third),
            Kind::Atr => wilder(first) + 1,
        }
    }
}

/// Until less than a billionth of the seed is left of an exponential average: its bars, and ln(10⁹) · (length + 1) / 2 more.
const fn exponential(length: usize) -> usize {
    length + (length + 1) * 21 / 2
}

/// The same of Wilder's average, which forgets half as fast: ln(10⁹) · length more.
const fn wilder(length: usize) -> usize {
    length + length * 21
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        self.values().iter().try_for_each(|value| write!(f, "-{value}"))
    }
}

impl FromStr for Spec {
    type Err = SpecError;

    /// Reads `sma-20`; a name alone means its usual parameters. Case does not matter.
    fn from_str(text: &str) -> Result<Self, SpecError> {
        let given = || text.chars().take(32).collect::<String>();
        let lower = text.trim().to_ascii_lowercase();
        let (name, rest) = lower.split_once('-').map_or((lower.as_str(), None), |(name, rest)| (name, Some(rest)));
        let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == name);
        let kind = kind.ok_or_else(|| SpecError::Unknown(given()))?;
        let values: Option<Vec<f64>> =
            rest.map_or(Some(Vec::new()), |rest| rest.split('-').map(|value| value.parse().ok()).collect());
        values
            .filter(|values| rest.is_none() || values.len() == kind.parameters().len())
            .ok_or_else(|| SpecError::Unreadable { given: given(), example: Self::usual(kind) })
            .and_then(|values| Self::new(kind, &values))
    }
}

/// Reads a list such as `sma-20,rsi-14`, in its order; what stands there twice counts once.
///
/// # Errors
/// The first that is no indicator; more than [`MOST`].
pub fn parse_list(text: &str) -> Result<Vec<Spec>, SpecError> {
    let mut specs: Vec<Spec> = Vec::new();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let spec = part.parse()?;
        if !specs.contains(&spec) {
            specs.push(spec);
        }
    }
    if specs.len() > MOST { Err(SpecError::TooMany) } else { Ok(specs) }
}

/// Writes the list that [`parse_list`] reads.
#[must_use]
pub fn format_list(specs: &[Spec]) -> String {
    specs.iter().map(Spec::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in ["sma-20", "ema-50", "vwap", "bb-20-2", "bb-20-2.5", "rsi-14", "macd-12-26-9", "atr-14"] {
            assert_eq!(text.parse::<Spec>().unwrap().to_string(), text);
        }
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(Spec::usual(kind)));
            assert_eq!(Spec::new(kind, Spec::usual(kind).values()), Ok(Spec::usual(kind)), "the usual is allowed");
        }
        assert_eq!(" BB-20-2 ".parse(), Ok(Spec::usual(Kind::Bollinger)));
    }

    #[test]
    fn what_is_no_indicator_is_refused_with_what_to_do() {
        let refusal = |text: &str| text.parse::<Spec>().unwrap_err().to_string();
        assert_eq!(
            refusal("kama-3"),
            "\"kama-3\" is not an indicator. Use sma-20, ema-50, vwap, bb-20-2, rsi-14, macd-12-26-9 or atr-14."
        );
        assert_eq!(refusal("sma-x"), "\"sma-x\" can't be read. Write it like sma-20.");
        assert_eq!(refusal("vwap-3"), "\"vwap-3\" can't be read. Write it like vwap.");
        assert_eq!(refusal("macd-12-26"), "\"macd-12-26\" can't be read. Write it like macd-12-26-9.");
        assert_eq!(refusal("sma-0"), "The length of sma can't be 0. Use 1 to 500, in steps of 1.");
        assert_eq!(refusal("ema-501"), "The length of ema can't be 501. Use 1 to 500, in steps of 1.");
        assert_eq!(refusal("rsi-14.5"), "The length of rsi can't be 14.5. Use 2 to 500, in steps of 1.");
        assert_eq!(refusal("bb-20-NaN"), "The deviations of bb can't be NaN. Use 0.1 to 10, in steps of 0.1.");
        assert_eq!(refusal("macd-26-12-9"), "MACD's fast average must be shorter than its slow one. Use macd-12-26-9.");
    }

    #[test]
    fn a_list_keeps_its_order_and_holds_each_once() {
        let list = parse_list("rsi-14, sma-20,rsi-14,").unwrap();
        assert_eq!(format_list(&list), "rsi-14,sma-20");
        assert_eq!(parse_list(""), Ok(Vec::new()));
        assert_eq!(parse_list("sma-1,sma-2,sma-3,sma-4,sma-5,sma-6,sma-7,sma-8,sma-9"), Err(SpecError::TooMany));
    }
}
