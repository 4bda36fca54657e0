//! Where the bars of a symbol come from: its feed where it has one, else the generator.

use tidemark_market::{Bar, Calendar, Symbol, TimeRange, Timestamp};

use crate::feed::Feeds;
use crate::generator::{Generator, Hours, Wanted};
use crate::window::Window;

pub(crate) struct Source {
    feeds: Feeds,
    generator: Generator,
}

impl Source {
    pub(crate) const fn new(feeds: Feeds, generator: Generator) -> Self {
        Self { feeds, generator }
    }

    /// The bars of which those of `window` are made, that begin in `range` and not after `now`: minutes or days from the
    /// generator; from a feed its own bars of that length, else its finest ones, and none where those are coarser.
    pub(crate) fn base(
        &self,
        symbol: &Symbol,
        window: Window,
        range: TimeRange,
        now: Timestamp,
        hours: Hours,
        wanted: Wanted,
    ) -> Vec<Bar> {
        let Some(range) = TimeRange::new(range.start, range.end.min(now.plus(1))) else { return Vec::new() };
        if self.feeds.has(symbol) {
            self.recorded(symbol, window, range, hours)
        } else if window.is_intraday() {
            self.generator.minutes(symbol, range, hours, wanted)
        } else {
            self.generator.days(symbol, range, hours, now)
        }
    }

    /// Whole bars of `window` that begin in `range`, which starts and ends with one.
    pub(crate) fn bars(
        &self,
        symbol: &Symbol,
        window: Window,
        range: TimeRange,
        now: Timestamp,
        hours: Hours,
    ) -> Vec<Bar> {
        let all = Wanted { limit: usize::MAX, newest_first: false };
        window
            .group(&self.base(symbol, window, range, now, hours, all), symbol.calendar(tidemark_market::Hours::Regular))
    }

    fn recorded(&self, symbol: &Symbol, window: Window, range: TimeRange, hours: Hours) -> Vec<Bar> {
        let Some((timeframe, bars)) = self.feeds.for_length(symbol, window.timeframe()) else { return Vec::new() };
        if timeframe.millis() > window.nominal_millis() {
            return Vec::new();
        }
        let calendar = symbol.calendar(tidemark_market::Hours::Regular);
        let start = bars.partition_point(|bar| bar.ts < range.start);
        let end = bars.partition_point(|bar| bar.ts < range.end);
        let counts = |bar: &&Bar| hours == Hours::Extended || trades_in_session(calendar, bar.ts, timeframe.millis());
        bars[start..end.max(start)].iter().filter(counts).copied().collect()
    }
}

fn trades_in_session(calendar: Calendar, start: Timestamp, length: i64) -> bool {
    TimeRange::new(start, start.plus(length)).is_some_and(|bar| !calendar.sessions(bar).is_empty())
}
