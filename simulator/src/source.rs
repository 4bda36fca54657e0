//! Where the bars of a symbol come from: its feed where it has one, else the generator.

use std::collections::HashMap;

use tidemark_market::calendar::FIRST;
use tidemark_market::time::MINUTE;
use tidemark_market::{Bar, Calendar, Hours, Split, Symbol, TimeRange, Timestamp};

use crate::feed::Feeds;
use crate::generator::{Generator, Wanted, unit_of};
use crate::window::Window;

pub(crate) struct Source {
    feeds: Feeds,
    /// Those of each symbol, the newest first.
    splits: HashMap<Symbol, Vec<Split>>,
    generator: Generator,
}

impl Source {
    pub(crate) fn new(feeds: Feeds, splits: Vec<(Symbol, Split)>, generator: Generator) -> Self {
        let mut by_symbol: HashMap<Symbol, Vec<Split>> = HashMap::new();
        for (symbol, split) in splits {
            by_symbol.entry(symbol).or_default().push(split);
        }
        for splits in by_symbol.values_mut() {
            splits.sort_by_key(|split| std::cmp::Reverse(split.at));
        }
        Self { feeds, splits: by_symbol, generator }
    }

    /// The splits of the symbol, the newest first.
    pub(crate) fn splits(&self, symbol: &Symbol) -> &[Split] {
        self.splits.get(symbol).map_or(&[], Vec::as_slice)
    }

    /// Which symbols have splits.
    pub(crate) fn split_symbols(&self) -> impl Iterator<Item = &Symbol> {
        self.splits.keys()
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
            let mut minutes = self.generator.minutes(symbol, range, hours, wanted);
            if let Some(last) = minutes.last_mut().filter(|last| now < last.ts.plus(MINUTE)) {
                *last = so_far(last, now, 100.0 * unit_of(symbol));
            }
            minutes
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
        window.group(&self.base(symbol, window, range, now, hours, all), symbol.calendar(Hours::Regular))
    }

    /// From the oldest bar there may be to just after the start of the newest one that begins not after `now`; `None`
    /// where there is none.
    pub(crate) fn span(&self, symbol: &Symbol, now: Timestamp) -> Option<TimeRange> {
        let (first, last) = self.feeds.ends(symbol).unwrap_or((FIRST, now));
        TimeRange::new(first, last.min(now).plus(1))
    }

    fn recorded(&self, symbol: &Symbol, window: Window, range: TimeRange, hours: Hours) -> Vec<Bar> {
        let Some((timeframe, bars)) = self.feeds.for_length(symbol, window.timeframe()) else { return Vec::new() };
        if timeframe.millis() > window.nominal_millis() {
            return Vec::new();
        }
        let calendar = symbol.calendar(Hours::Regular);
        let start = bars.partition_point(|bar| bar.ts < range.start);
        let end = bars.partition_point(|bar| bar.ts < range.end);
        let counts = |bar: &&Bar| hours == Hours::Extended || trades_in_session(calendar, bar.ts, timeframe.millis());
        bars[start..end.max(start)].iter().filter(counts).copied().collect()
    }
}

/// A minute that is not over at `now`: its price is on a straight way from the open to the close, in whole `parts`.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of a minute")]
fn so_far(minute: &Bar, now: Timestamp, parts: f64) -> Bar {
    let share = (now.0 - minute.ts.0) as f64 / MINUTE as f64;
    let close = minute.open + (minute.close - minute.open) * share;
    let close = ((close * parts).round() / parts).clamp(minute.low, minute.high);
    Bar {
        high: minute.open.max(close),
        low: minute.open.min(close),
        close,
        volume: (minute.volume * share).floor(),
        vwap: None,
        trades: None,
        ..*minute
    }
}

fn trades_in_session(calendar: Calendar, start: Timestamp, length: i64) -> bool {
    TimeRange::new(start, start.plus(length)).is_some_and(|bar| !calendar.sessions(bar).is_empty())
}
