//! The indicators of a chart: computed from its bars, step by step as they come, and their lines as far as they are in view.

use std::sync::Arc;

use thiserror::Error;
use tidemark_market::indicators::{Indicator, Kind, MOST, Pane, Parameter, Spec, SpecError};
use tidemark_market::view::{Frame, Line, Pyramid};
use tidemark_market::{Bar, Hours};

use crate::series::SeriesKey;
use crate::stores::holding::Picture;

/// What is computed of one series.
#[derive(Clone, Debug, Default)]
pub struct Indicators {
    specs: Vec<Spec>,
    series: Option<SeriesKey>,
    picture: Arc<Picture>,
    /// One for each of `specs`; none while there is no series.
    list: Vec<Indicator>,
    /// The lines of each, in this frame.
    laid: Option<(Frame, Vec<Vec<Line>>)>,
}

impl Indicators {
    /// Takes over the bars of `series`. Of one that was there before, what differs is computed.
    pub fn take(&mut self, series: &SeriesKey, picture: &Arc<Picture>) {
        let before = std::mem::replace(&mut self.picture, Arc::clone(picture));
        self.laid = None;
        if self.series.as_ref() != Some(series) {
            self.series = Some(series.clone());
            self.list.clear();
            return self.compute();
        }
        if !self.list.is_empty() {
            let (gone, kept) = carried_over(&before.bars, &picture.bars);
            for indicator in &mut self.list {
                indicator.forget(gone);
                indicator.update(&picture.bars, kept);
            }
        }
    }

    /// Has these, in that order. Those that are there are not computed again.
    pub fn choose(&mut self, specs: &[Spec]) {
        if self.specs != specs {
            self.specs = specs.to_vec();
            self.compute();
        }
    }

    /// Forgets the series, and keeps which indicators are wanted.
    pub fn clear(&mut self) {
        *self = Self { specs: std::mem::take(&mut self.specs), ..Self::default() };
    }

    /// What they are computed of.
    #[must_use]
    pub fn bars(&self) -> &[Bar] {
        &self.picture.bars
    }

    /// Each with its values at all bars.
    #[must_use]
    pub fn list(&self) -> &[Indicator] {
        &self.list
    }

    fn compute(&mut self) {
        let Some(series) = &self.series else { return };
        // Days are the same, whether extended hours are part of them or not.
        let calendar = series.symbol.calendar(Hours::Regular);
        let mut before = std::mem::take(&mut self.list);
        for spec in &self.specs {
            let known = before.iter().position(|indicator| indicator.spec() == *spec);
            let anew = || Indicator::over(*spec, calendar, series.timeframe, &self.picture.bars);
            self.list.push(known.map_or_else(anew, |place| before.swap_remove(place)));
        }
        self.laid = None;
    }

    /// Makes the lines of `frame`, where that is another one or values have changed.
    pub fn lay(&mut self, pyramid: &Pyramid, frame: Frame) {
        if self.laid.as_ref().is_none_or(|(laid, _)| *laid != frame) {
            let line = |values: &Vec<f64>| pyramid.line(frame, &self.picture.room.fill_values(values));
            let lines = |indicator: &Indicator| indicator.lines().iter().map(line).collect();
            self.laid = Some((frame, self.list.iter().map(lines).collect()));
        }
    }

    /// Which they are.
    #[must_use]
    pub fn specs(&self) -> &[Spec] {
        &self.specs
    }

    /// Which they are, each with its lines in the frame that was laid last.
    pub fn lines(&self) -> impl Iterator<Item = (Spec, &[Line])> {
        let laid = self.laid.as_ref().map_or(&[][..], |(_, lines)| lines);
        self.specs.iter().copied().zip(laid.iter().map(Vec::as_slice))
    }

    /// The values of each at the bar of that place among the bars; `None` where there is none.
    #[must_use]
    pub fn at(&self, place: usize) -> Vec<Vec<Option<f64>>> {
        let value = |line: &Vec<f64>| line.get(place).copied().filter(|value| !value.is_nan());
        self.list.iter().map(|indicator| indicator.lines().iter().map(value).collect()).collect()
    }
}

/// How many of the oldest bars are gone from `before`, and how many of the first of `now` are as they were.
fn carried_over(before: &[Bar], now: &[Bar]) -> (usize, usize) {
    let Some(first) = now.first() else { return (before.len(), 0) };
    let gone = before.partition_point(|bar| bar.ts < first.ts);
    (gone, before[gone..].iter().zip(now).take_while(|(before, now)| before == now).count())
}

/// Why a list of indicators stays as it is.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Refusal {
    /// Its parameters are out of their ranges.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// No number was typed.
    #[error("{name} has to be a number. Use {least} to {most}.")]
    NoNumber {
        /// Which parameter.
        name: &'static str,
        /// The least it may be.
        least: f64,
        /// The most it may be.
        most: f64,
    },
    /// The list has it.
    #[error("{} is there already.", name(.0))]
    Doubled(Spec),
}

/// The name of an indicator on the page: `SMA 20`, `BB 20, 2`.
#[must_use]
pub fn name(spec: &Spec) -> String {
    let values: Vec<String> = spec.values().iter().map(f64::to_string).collect();
    format!("{} {}", spec.kind().as_str().to_ascii_uppercase(), values.join(", ")).trim_end().to_owned()
}

/// How many of them have a pane of their own.
#[must_use]
pub fn panes_of(specs: &[Spec]) -> usize {
    specs.iter().filter(|spec| spec.kind().pane() == Pane::Own).count()
}

/// Which of [`MOST`] colours one of the lines of the indicator at `place` has. MACD's signal crosses it, so it has another.
#[must_use]
pub fn colour(place: usize, kind: Kind, line: usize) -> usize {
    let is_signal = kind == Kind::Macd && line == 1;
    (if is_signal { place + MOST / 2 } else { place }) % MOST
}

/// What is added where someone wants one more of `kind`: the usual one, or where that is there, one over longer times.
/// `None` where there is room for no more.
#[must_use]
pub fn one_more(kind: Kind, chosen: &[Spec]) -> Option<Spec> {
    let longer = |times: u32| {
        let value = |it: &Parameter| if it.step < 1.0 { it.usual } else { it.usual * f64::from(times) };
        Spec::new(kind, &kind.parameters().iter().map(value).collect::<Vec<_>>()).ok()
    };
    let is_new = |spec: &Spec| !chosen.contains(spec);
    (1..=MOST as u32).filter_map(longer).find(is_new).filter(|_| chosen.len() < MOST)
}

/// `chosen` with one parameter of the one at `place` set to what was typed.
///
/// # Errors
/// No number, or one out of its range; parameters that do not go together, or that another one has.
pub fn tuned(chosen: &[Spec], place: usize, parameter: usize, typed: &str) -> Result<Vec<Spec>, Refusal> {
    let mut list = chosen.to_vec();
    let Some(spec) = list.get_mut(place) else { return Ok(list) };
    let mut values = spec.values().to_vec();
    if let (Some(value), Some(it)) = (values.get_mut(parameter), spec.kind().parameters().get(parameter)) {
        let refusal = Refusal::NoNumber { name: it.name, least: it.least, most: it.most };
        *value = typed.trim().parse().map_err(|_| refusal)?;
    }
    *spec = Spec::new(spec.kind(), &values)?;
    let spec = *spec;
    let is_doubled = list.iter().filter(|it| **it == spec).count() > 1;
    if is_doubled { Err(Refusal::Doubled(spec)) } else { Ok(list) }
}

/// `chosen` without the one at `place`.
#[must_use]
pub fn without(chosen: &[Spec], place: usize) -> Vec<Spec> {
    chosen.iter().enumerate().filter(|(at, _)| *at != place).map(|(_, spec)| *spec).collect()
}

#[cfg(test)]
mod tests {
    use tidemark_market::Timestamp;
    use tidemark_market::indicators::parse_list;
    use tidemark_market::view::Visible;

    use super::*;

    fn series() -> SeriesKey {
        SeriesKey::parse("AAPL", "h1").unwrap()
    }

    fn bars(from: i64, to: i64) -> Vec<Bar> {
        let bar = |i: i64| {
            let price = 100.0 + (i * 7 % 31) as f64;
            Bar::new(Timestamp(i * 3_600_000), price, price + 1.0, price - 1.0, price, 5.0)
        };
        (from..to).map(bar).collect()
    }

    fn picture(bars: Vec<Bar>) -> Arc<Picture> {
        Arc::new(Picture { bars, ..Picture::default() })
    }

    fn specs(text: &str) -> Vec<Spec> {
        parse_list(text).unwrap()
    }

    #[test]
    fn a_new_bar_goes_on_from_what_is_there_and_older_ones_may_go() {
        let mut indicators = Indicators::default();
        indicators.choose(&specs("sma-5,rsi-14"));
        indicators.take(&series(), &picture(bars(0, 100)));
        let before = indicators.at(60);
        indicators.take(&series(), &picture(bars(10, 101)));
        assert_eq!(indicators.at(50), before, "ten are gone before it");
        let mut fresh = Indicators::default();
        fresh.take(&series(), &picture(bars(0, 101)));
        fresh.choose(&specs("sma-5,rsi-14"));
        assert_eq!(indicators.at(90), fresh.at(100), "the new one follows from the ones before");
        assert_eq!(indicators.at(91), [[None], [None]]);
    }

    #[test]
    fn what_is_carried_over_is_what_has_not_changed() {
        let mut moved = bars(0, 10);
        moved[9].close += 1.0;
        assert_eq!(carried_over(&bars(0, 10), &moved), (0, 9));
        assert_eq!(carried_over(&bars(0, 10), &bars(3, 12)), (3, 7));
        assert_eq!(carried_over(&bars(5, 10), &bars(0, 10)), (0, 0), "older ones change all that follows");
        assert_eq!(carried_over(&bars(0, 10), &[]), (10, 0));
        assert_eq!(carried_over(&[], &bars(0, 10)), (0, 0));
    }

    #[test]
    fn another_series_and_another_choice_are_computed_anew() {
        let mut indicators = Indicators::default();
        indicators.take(&series(), &picture(bars(0, 40)));
        indicators.choose(&specs("sma-5"));
        indicators.choose(&specs("atr-14,sma-5"));
        assert_eq!(indicators.specs(), specs("atr-14,sma-5"));
        let value = indicators.at(39)[1][0].unwrap();
        indicators.take(&SeriesKey::parse("MSFT", "h1").unwrap(), &picture(bars(1, 41)));
        assert_ne!(indicators.at(39)[1][0].unwrap(), value);
        indicators.clear();
        assert_eq!((indicators.specs().len(), indicators.at(0)), (2, Vec::new()));
    }

    #[test]
    fn lines_are_made_of_the_frame_in_view() {
        let mut indicators = Indicators::default();
        indicators.choose(&specs("sma-5,macd"));
        indicators.take(&series(), &picture(bars(0, 5_000)));
        let pyramid = Pyramid::new(&bars(0, 5_000));
        let frame = pyramid.frame(Visible { from: 100.0, to: 200.0, width: 800.0 });
        indicators.lay(&pyramid, frame);
        let counts: Vec<usize> = indicators.lines().map(|(_, lines)| lines.len()).collect();
        assert_eq!(counts, [1, 3]);
        assert!(indicators.lines().all(|(_, lines)| lines.iter().all(|line| line.position.len() < 200)));
    }

    #[test]
    fn one_more_of_a_kind_is_another_one() {
        assert_eq!(one_more(Kind::Sma, &[]), "sma-20".parse().ok());
        assert_eq!(one_more(Kind::Sma, &specs("sma-20,sma-40")), "sma-60".parse().ok());
        assert_eq!(one_more(Kind::Macd, &specs("macd")), "macd-24-52-18".parse().ok());
        assert_eq!(one_more(Kind::Bollinger, &specs("bb")), "bb-40-2".parse().ok());
        assert_eq!(one_more(Kind::Vwap, &specs("vwap")), None, "there is but one");
        assert_eq!(one_more(Kind::Atr, &specs("sma-1,sma-2,sma-3,sma-4,sma-5,sma-6,sma-7,sma-8")), None);
    }

    #[test]
    fn lines_that_cross_differ_in_colour() {
        assert_eq!([0, 1, 2].map(|line| colour(5, Kind::Macd, line)), [5, 1, 5]);
        assert_eq!([0, 1, 2].map(|line| colour(5, Kind::Bollinger, line)), [5, 5, 5]);
    }

    #[test]
    fn what_is_typed_is_taken_or_refused_with_what_to_do() {
        let list = specs("sma-20,macd,sma-50");
        let tune = |place, parameter, typed: &str| {
            tuned(&list, place, parameter, typed)
                .map(|list| tidemark_market::indicators::format_list(&list))
                .map_err(|refusal| refusal.to_string())
        };
        assert_eq!(tune(0, 0, " 30 ").as_deref(), Ok("sma-30,macd-12-26-9,sma-50"));
        assert_eq!(tune(1, 1, "40").as_deref(), Ok("sma-20,macd-12-40-9,sma-50"));
        assert_eq!(tune(0, 0, "").unwrap_err(), "length has to be a number. Use 1 to 500.");
        assert_eq!(tune(0, 0, "501").unwrap_err(), "The length of sma can't be 501. Use 1 to 500, in steps of 1.");
        assert_eq!(tune(0, 0, "50").unwrap_err(), "SMA 50 is there already.");
        assert_eq!(without(&list, 1), specs("sma-20,sma-50"));
        assert_eq!(name(&list[1]), "MACD 12, 26, 9");
        assert_eq!(name(&Spec::usual(Kind::Vwap)), "VWAP");
    }
}
