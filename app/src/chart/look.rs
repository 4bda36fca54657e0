//! How a chart is to look, as its address says:
//! `type=line&scale=log&tz=utc&range=1M&hours=regular&ind=sma-20&vs=MSFT`. What is usual is left out.

use tidemark_market::indicators::{Spec, format_list, parse_list};
use tidemark_market::shown::Layers;
use tidemark_market::time::DAY;
use tidemark_market::{Hours, Symbol, TimeRange, Timestamp, compare};

use crate::problem::Problem;
use crate::series::SeriesKey;
use crate::stores::settings::{Choice, Clock};

/// How bars are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Filled candles.
    #[default]
    Candles,
    /// Candles that are hollow where the price rose.
    Hollow,
    /// Open, high, low and close as strokes.
    Bars,
    /// A line through the closes.
    Line,
    /// The same over a coloured ground.
    Area,
}

/// How high values are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScaleKind {
    /// By their difference.
    #[default]
    Linear,
    /// By their ratio.
    Log,
    /// By their difference, written as percent of the first bar in view.
    Percent,
}

/// How far back from the newest bar the chart reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Days.
    Days(i64, &'static str),
    /// From New Year's Day, UTC, on.
    Year,
    /// All that is held.
    All,
}

/// Which part of the series is in view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// The newest bars.
    #[default]
    Newest,
    /// As far back as that.
    Reach(Reach),
    /// From one time to another.
    Between(TimeRange),
}

/// Which part of the day is in view, where a series holds more than regular hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoursShown(pub Hours);

impl Default for HoursShown {
    /// All that is held.
    fn default() -> Self {
        Self(Hours::Extended)
    }
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// `type=`
    pub kind: Kind,
    /// `scale=`
    pub scale: ScaleKind,
    /// `tz=`; as the settings say where `None`.
    pub clock: Option<Clock>,
    /// `range=`, or `from=` and `to=`.
    pub part: Part,
    /// `hours=`
    pub hours: HoursShown,
    /// `layers=`
    pub layers: Layers,
    /// `ind=`, in the order in which they were added.
    pub indicators: Vec<Spec>,
    /// `vs=`, in the order in which they were added.
    pub compared: Vec<Symbol>,
}

impl Kind {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 5] = [Self::Candles, Self::Hollow, Self::Bars, Self::Line, Self::Area];

    /// The name in the address.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Candles => "candles",
            Self::Hollow => "hollow",
            Self::Bars => "bars",
            Self::Line => "line",
            Self::Area => "area",
        }
    }

    /// The name on the page.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Candles => "Candles",
            Self::Hollow => "Hollow candles",
            Self::Bars => "Bars",
            Self::Line => "Line",
            Self::Area => "Area",
        }
    }
}

impl ScaleKind {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::Linear, Self::Log, Self::Percent];

    /// The name in the address.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Log => "log",
            Self::Percent => "percent",
        }
    }

    /// The name on the page.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Linear => "Linear",
            Self::Log => "Log",
            Self::Percent => "Percent",
        }
    }
}

impl Reach {
    /// All of them, the shortest first.
    pub const ALL: [Self; 9] = [
        Self::Days(1, "1D"),
        Self::Days(5, "5D"),
        Self::Days(30, "1M"),
        Self::Days(91, "3M"),
        Self::Days(182, "6M"),
        Self::Year,
        Self::Days(365, "1Y"),
        Self::Days(5 * 365, "5Y"),
        Self::All,
    ];

    /// The name in the address and on the page.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Days(_, name) => name,
            Self::Year => "YTD",
            Self::All => "All",
        }
    }

    /// The first time in view where `newest` is the newest bar's; `None` for all.
    #[must_use]
    pub fn start(self, newest: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Days(days, _) => Some(newest.plus(-days * DAY)),
            Self::Year => {
                let text = newest.to_string();
                Timestamp::parse(&format!("{}-01-01T00:00:00Z", text.get(..4)?))
            }
            Self::All => None,
        }
    }
}

impl Look {
    /// Reads it from what `asked` tells of each name.
    ///
    /// # Errors
    /// `bad_request`, status 400.
    pub fn parse(asked: impl Fn(&str) -> Option<String>) -> Result<Self, Problem> {
        let part = match (asked("range"), asked("from"), asked("to")) {
            (Some(text), ..) => Part::Reach(among("range", &text, &Reach::ALL, |it| it.as_str())?),
            (None, None, None) => Part::Newest,
            (None, Some(from), Some(to)) => Part::Between(
                TimeRange::new(time("from", &from)?, time("to", &to)?)
                    .ok_or_else(|| Problem::unreadable("from= is not before to=.".to_owned()))?,
            ),
            (None, ..) => return Err(Problem::unreadable("from= and to= belong together.".to_owned())),
        };
        Ok(Self {
            kind: one("type", asked("type"), &Kind::ALL, |it| it.as_str())?,
            scale: one("scale", asked("scale"), &ScaleKind::ALL, |it| it.as_str())?,
            clock: asked("tz").map(|text| among("tz", &text, Clock::ALL, |it| it.as_str())).transpose()?,
            part,
            hours: asked("hours").map_or_else(|| Ok(HoursShown::default()), |text| hours(&text))?,
            layers: asked("layers").map_or_else(|| Ok(Layers::default()), |text| layers(&text))?,
            indicators: asked("ind").map_or_else(|| Ok(Vec::new()), |text| indicators(&text))?,
            compared: asked("vs").map_or_else(|| Ok(Vec::new()), |text| compared(&text))?,
        })
    }

    /// The same for another series, whose bars lie elsewhere: times in view are not kept.
    #[must_use]
    pub fn kept(self) -> Self {
        let part = if matches!(self.part, Part::Between(_)) { Part::Newest } else { self.part };
        Self { part, ..self }
    }

    /// The same with `symbol` compared no more, be it that it was removed or is the chart's own.
    #[must_use]
    pub fn without(mut self, symbol: &Symbol) -> Self {
        self.compared.retain(|other| other != symbol);
        self
    }

    /// The address of a series that is to look like this.
    #[must_use]
    pub fn address(self, series: &SeriesKey) -> String {
        format!("{}{}", series.path(), self.kept().without(&series.symbol).query())
    }

    /// The scale that is in force: what is compared, is in percent.
    #[must_use]
    pub const fn scale_in_force(&self) -> ScaleKind {
        if self.compared.is_empty() { self.scale } else { ScaleKind::Percent }
    }

    /// What it adds to an address; empty for the usual look.
    #[must_use]
    pub fn query(&self) -> String {
        let mut query = String::new();
        let mut add = |name: &str, value: &str| {
            query.push('&');
            query.push_str(name);
            query.push('=');
            query.push_str(value);
        };
        match self.part {
            Part::Newest => {}
            Part::Reach(reach) => add("range", reach.as_str()),
            Part::Between(range) => {
                add("from", &range.start.to_string());
                add("to", &range.end.to_string());
            }
        }
        if self.kind != Kind::default() {
            add("type", self.kind.as_str());
        }
        if self.scale != ScaleKind::default() {
            add("scale", self.scale.as_str());
        }
        if let Some(clock) = self.clock {
            add("tz", clock.as_str());
        }
        if self.hours != HoursShown::default() {
            add("hours", self.hours.0.as_str());
        }
        if self.layers != Layers::default() {
            add("layers", &self.layers.format());
        }
        if !self.indicators.is_empty() {
            add("ind", &format_list(&self.indicators));
        }
        if !self.compared.is_empty() {
            add("vs", &compare::format_list(&self.compared));
        }
        query
    }
}

fn one<T: Copy + Default>(
    name: &str,
    text: Option<String>,
    all: &[T],
    as_str: impl Fn(T) -> &'static str,
) -> Result<T, Problem> {
    text.map_or_else(|| Ok(T::default()), |text| among(name, &text, all, as_str))
}

fn among<T: Copy>(name: &str, text: &str, all: &[T], as_str: impl Fn(T) -> &'static str) -> Result<T, Problem> {
    all.iter().copied().find(|it| as_str(*it).eq_ignore_ascii_case(text)).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|it| as_str(*it)).collect();
        Problem::unreadable(format!("{name}={text} is not known. Use one of {}.", names.join(", ")))
    })
}

fn hours(text: &str) -> Result<HoursShown, Problem> {
    let unknown = || Problem::unreadable(format!("hours={text} is not known. Use regular or extended."));
    Hours::parse(text).map(HoursShown).ok_or_else(unknown)
}

fn layers(text: &str) -> Result<Layers, Problem> {
    let unknown = || {
        let names = "historical, intraday and forecast, separated by commas, or none";
        Problem::unreadable(format!("layers={text} is not known. Use those of {names}."))
    };
    Layers::parse(text).ok_or_else(unknown)
}

fn indicators(text: &str) -> Result<Vec<Spec>, Problem> {
    parse_list(text).map_err(|error| Problem::unreadable(format!("ind={text} can't be shown. {error}")))
}

fn compared(text: &str) -> Result<Vec<Symbol>, Problem> {
    compare::parse_list(text).map_err(|error| Problem::unreadable(format!("vs={text} can't be compared. {error}")))
}

fn time(name: &str, text: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse(text)
        .ok_or_else(|| Problem::unreadable(format!("{text:?} is not a time. Write {name}=2024-03-08T14:30:00Z.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Look, Problem> {
        let pairs: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        Look::parse(|name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned()))
    }

    #[test]
    fn an_address_comes_back_as_it_was() {
        for query in [
            "",
            "&range=1M",
            "&range=YTD&type=hollow&scale=log&tz=utc",
            "&hours=regular&layers=historical,forecast",
            "&layers=none",
            "&type=line&ind=sma-20,bb-20-2.5,macd-12-26-9",
            "&scale=log&ind=sma-20&vs=MSFT,X:BTCUSD,BRK.B",
            "&from=2024-03-01T00:00:00Z&to=2024-03-08T14:30:00Z&type=area&scale=percent",
        ] {
            assert_eq!(parse(query).unwrap().query(), query);
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for query in [
            "type=pie",
            "scale=cubic",
            "range=2D",
            "tz=mars",
            "from=2024-03-08T14:30:00Z",
            "from=1&to=1",
            "hours=night",
            "layers=tea",
            "ind=kama-3",
            "ind=sma-0",
            "vs=A B",
            "vs=A,B,C,D,E",
        ] {
            assert_eq!(parse(query).unwrap_err().code, "bad_request", "{query}");
        }
    }

    #[test]
    fn what_is_compared_is_in_percent_and_never_with_itself() {
        let look = parse("scale=log&vs=MSFT,QQQ").unwrap();
        assert_eq!(look.scale_in_force(), ScaleKind::Percent);
        let look = look.without(&"QQQ".parse().unwrap());
        assert_eq!(look.query(), "&scale=log&vs=MSFT");
        assert_eq!(look.without(&"MSFT".parse().unwrap()).scale_in_force(), ScaleKind::Log);
    }

    #[test]
    fn ranges_reach_back_from_the_newest_bar() {
        let newest = Timestamp::parse("2024-03-08T14:30:00Z").unwrap();
        assert_eq!(Reach::Year.start(newest), Timestamp::parse("2024-01-01T00:00:00Z"));
        assert_eq!(Reach::Days(1, "1D").start(newest), Timestamp::parse("2024-03-07T14:30:00Z"));
        assert_eq!(Reach::All.start(newest), None);
    }
}
