//! What is compared with a chart's series: closes at its bars, and their lines as far as they are in view.

use std::sync::Arc;

use tidemark_market::compare::{aligned, base, percent};
use tidemark_market::view::{Frame, Line, Pyramid};
use tidemark_market::{Bar, Symbol, Timeframe, Timestamp};

use crate::stores::holding::Picture;

/// A symbol beside the chart's own.
#[derive(Clone, Debug)]
pub struct Beside {
    /// Its place among the colours, which it keeps while others come and go.
    pub seat: usize,
    /// Which it is.
    pub symbol: Symbol,
    /// Its bars; `None` while they are not known.
    pub picture: Option<Arc<Picture>>,
}

impl PartialEq for Beside {
    /// Bars are the same where they are the same in memory: thousands are not gone through for each change of the page.
    fn eq(&self, other: &Self) -> bool {
        let is_same_picture = match (&self.picture, &other.picture) {
            (Some(mine), Some(its)) => Arc::ptr_eq(mine, its),
            (mine, its) => mine.is_none() && its.is_none(),
        };
        is_same_picture && self.seat == other.seat && self.symbol == other.symbol
    }
}

impl Beside {
    /// Its bars, as far as they are known.
    #[must_use]
    pub fn bars(&self) -> &[Bar] {
        self.picture.as_ref().map_or(&[], |picture| &picture.bars)
    }
}

/// All that is compared with one series.
#[derive(Clone, Debug, Default)]
pub struct Comparisons {
    list: Vec<Comparison>,
    /// The frame whose lines are laid.
    laid: Option<Frame>,
}

#[derive(Clone, Debug)]
struct Comparison {
    beside: Beside,
    /// At each place of the chart's axis; NaN where there is none.
    closes: Vec<f64>,
    line: Line,
}

/// Where a compared symbol stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Which it is.
    pub symbol: Symbol,
    /// Whether it has bars.
    pub is_drawn: bool,
    /// In percent of where it was at the first bar in view; `None` where that is not known.
    pub percent: Option<f64>,
}

impl Comparisons {
    /// Whether the chart stands alone.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Has these beside bars that begin at `times`. What is there already is not aligned again.
    pub fn choose(&mut self, list: &[Beside], times: &[Timestamp], timeframe: Option<Timeframe>) {
        let mut before = std::mem::take(&mut self.list);
        for beside in list {
            let known = before.iter().position(|it| it.beside == *beside);
            let anew = || Comparison {
                beside: beside.clone(),
                closes: closes(beside, times, timeframe),
                line: Line::default(),
            };
            self.list.push(known.map_or_else(anew, |place| before.swap_remove(place)));
        }
        self.laid = None;
    }

    /// The chart's bars begin at these times now.
    pub fn align(&mut self, times: &[Timestamp], timeframe: Option<Timeframe>) {
        for it in &mut self.list {
            it.closes = closes(&it.beside, times, timeframe);
        }
        self.laid = None;
    }

    /// Makes the lines of `frame`, where that is another one or closes have changed.
    pub fn lay(&mut self, pyramid: &Pyramid, frame: Frame) {
        if self.laid != Some(frame) {
            for it in &mut self.list {
                it.line = pyramid.line(frame, &it.closes);
            }
            self.laid = Some(frame);
        }
    }

    /// The seat of each, its line in the frame that was laid last, and what counts as 0 percent of it where the first bar in
    /// view begins at `first`. Those without bars are left out.
    pub fn lines(&self, first: Timestamp) -> impl Iterator<Item = (usize, &Line, f64)> {
        self.list.iter().filter_map(move |it| Some((it.beside.seat, &it.line, base(it.beside.bars(), first)?)))
    }

    /// Where each stands at that place of the chart's axis, or, `or_before`, at the last one before it that has a
    /// close.
    #[must_use]
    pub fn readings(&self, place: usize, or_before: bool, first: Timestamp) -> Vec<Reading> {
        let percent = |it: &Comparison| {
            let here = it.closes.get(..=place)?.iter().rev().take(if or_before { usize::MAX } else { 1 });
            let close = here.copied().find(|close| !close.is_nan())?;
            Some(percent(close, base(it.beside.bars(), first)?))
        };
        let reading = |it: &Comparison| Reading {
            symbol: it.beside.symbol.clone(),
            is_drawn: !it.beside.bars().is_empty(),
            percent: percent(it),
        };
        self.list.iter().map(reading).collect()
    }

    /// For a table of bars that begin at `times`: each symbol, its close at each of them, and what counts as 0 percent of it.
    pub fn columns(
        &self,
        times: &[Timestamp],
        timeframe: Option<Timeframe>,
        first: Option<Timestamp>,
    ) -> impl Iterator<Item = Column<'_>> {
        self.list.iter().map(move |it| Column {
            symbol: &it.beside.symbol,
            closes: closes(&it.beside, times, timeframe),
            base: first.and_then(|first| base(it.beside.bars(), first)),
        })
    }

    /// The seat of that symbol.
    #[must_use]
    pub fn seat(&self, symbol: &Symbol) -> Option<usize> {
        self.list.iter().find(|it| it.beside.symbol == *symbol).map(|it| it.beside.seat)
    }
}

/// A compared symbol in a table of the chart's bars.
#[derive(Clone, Debug)]
pub struct Column<'a> {
    /// Which it is.
    pub symbol: &'a Symbol,
    /// At each bar; NaN where there is none.
    pub closes: Vec<f64>,
    /// What counts as 0 percent; `None` where it has no bars.
    pub base: Option<f64>,
}

fn closes(beside: &Beside, times: &[Timestamp], timeframe: Option<Timeframe>) -> Vec<f64> {
    timeframe.map_or_else(Vec::new, |timeframe| aligned(times, beside.bars(), timeframe))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(minute: i64, close: f64) -> Bar {
        Bar::new(Timestamp(minute * 60_000), close, close, close, close, 1.0)
    }

    fn beside(seat: usize, symbol: &str, bars: &[Bar]) -> Beside {
        let picture = Some(Arc::new(Picture { bars: bars.to_vec(), ..Picture::default() }));
        Beside { seat, symbol: symbol.parse().unwrap(), picture }
    }

    fn percents(comparisons: &Comparisons, place: usize, or_before: bool) -> Vec<Option<f64>> {
        let readings = comparisons.readings(place, or_before, Timestamp(60_000));
        readings.into_iter().map(|reading| reading.percent).collect()
    }

    #[test]
    fn each_is_told_in_percent_of_the_first_bar_in_view() {
        let times: Vec<_> = (0..4).map(|minute| bar(minute, 1.0).ts).collect();
        let mut comparisons = Comparisons::default();
        let late = beside(1, "QQQ", &[bar(2, 40.0), bar(3, 50.0)]);
        let waiting = Beside { seat: 2, symbol: "SPY".parse().unwrap(), picture: None };
        let list = [beside(0, "MSFT", &[bar(0, 5.0), bar(1, 10.0), bar(2, 11.0)]), late, waiting];
        comparisons.choose(&list, &times, Some(Timeframe::M1));
        let rounded = |place, or_before| -> Vec<_> {
            percents(&comparisons, place, or_before).into_iter().map(|it| it.map(f64::round)).collect()
        };
        assert_eq!(rounded(1, false), [Some(0.0), None, None]);
        assert_eq!(rounded(2, false), [Some(10.0), Some(0.0), None]);
        assert_eq!(rounded(3, false), [None, Some(25.0), None], "MSFT has no bar there");
        assert_eq!(rounded(3, true), [Some(10.0), Some(25.0), None], "but one before");
    }

    #[test]
    fn what_changes_is_aligned_anew() {
        let times: Vec<_> = (0..3).map(|minute| bar(minute, 1.0).ts).collect();
        let mut comparisons = Comparisons::default();
        let list = [beside(0, "MSFT", &[bar(0, 5.0), bar(1, 10.0)])];
        comparisons.choose(&list, &times[..1], Some(Timeframe::M1));
        assert_eq!(comparisons.list[0].closes, [5.0]);
        comparisons.align(&times[..2], Some(Timeframe::M1));
        assert_eq!(comparisons.list[0].closes, [5.0, 10.0]);
        let longer = [beside(0, "MSFT", &[bar(0, 5.0), bar(1, 10.0), bar(2, 20.0)])];
        comparisons.choose(&longer, &times, Some(Timeframe::M1));
        assert_eq!(comparisons.list[0].closes, [5.0, 10.0, 20.0]);
        comparisons.choose(&[], &times, Some(Timeframe::M1));
        assert!(comparisons.is_empty());
    }
}
