//! What a watchlist tells of a symbol: its last price, how far that moved, a small picture of it, and how fresh it is.
//!
//! A symbol may be stored at several timeframes, each as far as someone looked at it. [`plan`] says which of them answers
//! what, [`quote`] what their bars come to.

use serde::{Deserialize, Serialize};

use crate::bar::Bar;
use crate::calendar::{Calendar, Hours, Session};
use crate::layer::{Layer, SETTLING_MILLIS, has_layer};
use crate::resample::clean_sources;
use crate::spans::Spans;
use crate::symbol::Symbol;
use crate::time::{DAY, HOUR, MINUTE, TimeRange, Timestamp};
use crate::timeframe::Timeframe;

/// How many closes the small picture has.
pub const SPARK_BARS: usize = 40;

/// The most symbols one question is answered for.
pub const MOST_QUOTES: usize = 100;

/// The longest time between two sessions of any calendar, and some days more.
const LONGEST_PAUSE: i64 = 21 * DAY;

/// How old the newest bar is against what the calendar says should be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Freshness {
    /// All closed bars are there, but for the newest where that has just closed.
    Fresh,
    /// Bars are there, and newer ones should be.
    Late,
    /// There are none.
    Empty,
}

impl Freshness {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Late => "late",
            Self::Empty => "empty",
        }
    }
}

/// A close, when it was made and what length its bar has.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Close {
    /// In today's shares.
    pub price: f64,
    /// When the bar's trading ended, epoch milliseconds.
    pub at: Timestamp,
    /// Of which series.
    pub timeframe: Timeframe,
}

/// The newest closes, the oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spark {
    /// Of which series.
    pub timeframe: Timeframe,
    /// When the first of its bars begins, epoch milliseconds.
    pub from: Timestamp,
    /// [`SPARK_BARS`], or fewer where fewer are stored; in today's shares.
    pub closes: Vec<f64>,
}

/// What is told of one symbol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quote {
    /// Whose.
    pub symbol: Symbol,
    /// Such as `Apple Inc.`, where it is known.
    pub name: Option<String>,
    /// The newest close of any of its series.
    pub last: Option<Close>,
    /// The close of the session before that of the last price, where it is stored.
    pub previous: Option<Close>,
    /// From the previous close to the last price.
    pub change: Option<f64>,
    /// The same in percent of the previous close.
    pub change_percent: Option<f64>,
    /// From the finest series that is as new as the last price and long enough.
    pub spark: Option<Spark>,
    /// Of the asked timeframe, or of the finer one it can be made of where that is newer.
    pub freshness: Freshness,
    /// Until when bars are known there.
    pub known_through: Option<Timestamp>,
    /// Until when they could be.
    pub expected_through: Option<Timestamp>,
    /// Whether any of its bars is made up.
    pub synthetic: bool,
    /// Of the series at the asked timeframe; 0 where nobody asked for it yet.
    pub revision: u64,
}

/// What is stored of one of a symbol's series.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The series' number in its store.
    pub id: i32,
    /// At which length.
    pub timeframe: Timeframe,
    /// Which part of the day.
    pub hours: Hours,
    /// Grows with every change.
    pub revision: u64,
    /// How many bars; those in two layers may count twice.
    pub bars: u64,
    /// When the oldest and the newest bar begin; `None` where there is none.
    pub ends: Option<(Timestamp, Timestamp)>,
    /// What is covered, of the days up to the newest bar and after it.
    pub covered: Spans,
}

/// Bars to be read: the newest `most` of a series that begin in `range`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Of the series with this number.
    pub id: i32,
    /// Its timeframe.
    pub timeframe: Timeframe,
    /// Where its bars begin and end.
    pub calendar: Calendar,
    /// In which they begin.
    pub range: TimeRange,
    /// At most so many.
    pub most: usize,
}

/// Which bars tell what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The bar of the last price.
    pub last: Option<Probe>,
    /// The last bar of the session before.
    pub previous: Option<Probe>,
    /// The bars of the small picture.
    pub spark: Option<Probe>,
}

impl Held {
    fn calendar(&self, symbol: &Symbol) -> Calendar {
        symbol.calendar(self.hours)
    }

    /// When the newest bar's trading ended.
    fn newest_close(&self, symbol: &Symbol) -> Option<Timestamp> {
        let (_, newest) = self.ends?;
        Some(closes_at(self.calendar(symbol), self.timeframe, newest))
    }

    fn known_through(&self, symbol: &Symbol) -> Option<Timestamp> {
        let (_, newest) = self.ends?;
        let bar_end = self.calendar(symbol).bar_end(self.timeframe, newest);
        Some(self.covered.hull().map_or(bar_end, |hull| hull.end.max(bar_end)))
    }

    fn probe(&self, symbol: &Symbol, range: TimeRange, most: usize) -> Probe {
        Probe { id: self.id, timeframe: self.timeframe, calendar: self.calendar(symbol), range, most }
    }
}

impl Plan {
    /// What is to be read for last price, previous close and picture.
    #[must_use]
    pub const fn probes(&self) -> [Option<Probe>; 3] {
        [self.last, self.previous, self.spark]
    }
}

/// Which bars of what is held of a symbol are to be read for its quote.
#[must_use]
pub fn plan(symbol: &Symbol, held: &[Held]) -> Plan {
    let newest = held
        .iter()
        .filter_map(|it| Some((it.newest_close(symbol)?, it)))
        .max_by_key(|(close, it)| (*close, std::cmp::Reverse(it.timeframe)));
    let Some((_, newest)) = newest else { return Plan::default() };
    let Some((_, at)) = newest.ends else { return Plan::default() };
    let session = only_session(newest.calendar(symbol), newest.timeframe, at);
    Plan {
        last: Some(newest.probe(symbol, TimeRange { start: at, end: at.plus(1) }, 1)),
        previous: session.and_then(|session| previous_probe(symbol, held, newest, session)),
        spark: spark_probe(symbol, held, session.map_or(at, |session| session.open)),
    }
}

/// The session in which a bar traded; `None` where it spans several.
fn only_session(calendar: Calendar, timeframe: Timeframe, ts: Timestamp) -> Option<Session> {
    let bar = TimeRange { start: ts, end: calendar.bar_end(timeframe, ts) };
    match calendar.sessions(bar)[..] {
        [session] if timeframe <= Timeframe::D1 => Some(session),
        _ => None,
    }
}

/// The bar that closed the session before: of the series of the last price where it is covered there, else of the finest
/// that has it.
fn previous_probe(symbol: &Symbol, held: &[Held], newest: &Held, session: Session) -> Option<Probe> {
    let calendar = newest.calendar(symbol);
    let before = TimeRange { start: session.open.plus(-LONGEST_PAUSE), end: session.open };
    let previous = calendar.sessions(before).pop()?;
    let mut others: Vec<&Held> = held.iter().filter(|it| it.timeframe <= Timeframe::D1).collect();
    others.sort_by_key(|it| it.timeframe);
    let has_it = |it: &&Held| it.calendar(symbol) == calendar && it.covered.contains(previous.close.plus(-1));
    let source = std::iter::once(newest).chain(others).find(has_it)?;
    let first = calendar.bar_start(source.timeframe, previous.open);
    let end = calendar.bar_start(source.timeframe, session.open);
    Some(source.probe(symbol, TimeRange::new(first, end)?, 1))
}

/// The newest bars of the finest series that has enough and reaches into the last session, else of the longest.
fn spark_probe(symbol: &Symbol, held: &[Held], session_open: Timestamp) -> Option<Probe> {
    let recent = || held.iter().filter(|it| it.newest_close(symbol).is_some_and(|close| close > session_open));
    let enough = recent().filter(|it| it.bars >= SPARK_BARS as u64).min_by_key(|it| it.timeframe);
    let source = enough.or_else(|| recent().max_by_key(|it| it.bars))?;
    let (first, newest) = source.ends?;
    Some(source.probe(symbol, TimeRange { start: first, end: newest.plus(1) }, SPARK_BARS))
}

/// What is read for a [`Plan`], each sorted by time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// Of [`Plan::last`].
    pub last: Vec<Bar>,
    /// Of [`Plan::previous`].
    pub previous: Vec<Bar>,
    /// Of [`Plan::spark`].
    pub spark: Vec<Bar>,
}

/// The quote at `now` of a symbol that is asked for at `timeframe`. Its name, and whether its bars are made up, is for
/// the caller to fill in.
#[must_use]
pub fn quote(symbol: &Symbol, timeframe: Timeframe, held: &[Held], plan: &Plan, read: &Read, now: Timestamp) -> Quote {
    let last = close(plan.last, &read.last, now);
    let previous = close(plan.previous, &read.previous, now);
    let change = last.zip(previous).map(|(last, previous)| last.price - previous.price);
    let age = age(symbol, timeframe, held, now);
    let own = held.iter().find(|it| it.timeframe == timeframe);
    Quote {
        symbol: symbol.clone(),
        name: None,
        last,
        previous,
        change,
        change_percent: change.zip(previous).map(|(change, previous)| change / previous.price * 100.0),
        spark: plan.spark.zip(read.spark.first()).map(|(probe, first)| Spark {
            timeframe: probe.timeframe,
            from: first.ts,
            closes: read.spark.iter().map(|bar| bar.close).collect(),
        }),
        freshness: age.freshness,
        known_through: age.known_through,
        expected_through: age.expected_through,
        synthetic: false,
        revision: own.map_or(0, |own| own.revision),
    }
}

fn close(probe: Option<Probe>, bars: &[Bar], now: Timestamp) -> Option<Close> {
    let (probe, bar) = (probe?, bars.last()?);
    let at = closes_at(probe.calendar, probe.timeframe, bar.ts).min(now);
    Some(Close { price: bar.close, at, timeframe: probe.timeframe })
}

/// When trading in a bar ends: with the bar, or with the last session in it.
fn closes_at(calendar: Calendar, timeframe: Timeframe, ts: Timestamp) -> Timestamp {
    let end = calendar.bar_end(timeframe, ts);
    calendar.sessions(TimeRange { start: ts, end }).last().map_or(end, |session| session.close.min(end))
}

struct Age {
    freshness: Freshness,
    known_through: Option<Timestamp>,
    expected_through: Option<Timestamp>,
}

/// How fresh the series at `timeframe` is: by its own bars or by finer ones that it is made of, whichever is less late.
fn age(symbol: &Symbol, timeframe: Timeframe, held: &[Held], now: Timestamp) -> Age {
    let own = held.iter().find(|it| it.timeframe == timeframe);
    let calendar = symbol.calendar(own.map_or(Hours::Regular, |own| own.hours));
    let finer = clean_sources(timeframe, calendar)
        .filter_map(|finer| held.iter().find(|it| it.timeframe == finer && it.calendar(symbol) == calendar));
    let best = own
        .into_iter()
        .chain(finer)
        .filter_map(|it| {
            let (known, expected) = (it.known_through(symbol)?, expected_through(calendar, it.timeframe, now)?);
            Some((expected.0.saturating_sub(known.0).max(0), it.timeframe, known, expected))
        })
        .min_by_key(|(late, ..)| *late);
    let Some((late, source, known, expected)) = best else {
        let expected_through = expected_through(calendar, timeframe, now);
        return Age { freshness: Freshness::Empty, known_through: None, expected_through };
    };
    let due = expected_through(calendar, source, now.plus(-way(source)));
    let is_fresh = late == 0 || due.is_none_or(|due| known >= due);
    let freshness = if is_fresh { Freshness::Fresh } else { Freshness::Late };
    Age { freshness, known_through: Some(known), expected_through: Some(expected) }
}

/// How long a closed bar may take to get here before it is late: its own length, 5 minutes at least and an hour at most.
fn way(timeframe: Timeframe) -> i64 {
    timeframe.millis().clamp(5 * MINUTE, HOUR)
}

/// The end of the newest bar that a provider can have at `now`. Day and week bars come when they have settled.
fn expected_through(calendar: Calendar, timeframe: Timeframe, now: Timestamp) -> Option<Timestamp> {
    let known_at = if has_layer(timeframe, Layer::Intraday) { now } else { now.plus(-SETTLING_MILLIS) };
    let recent = TimeRange { start: now.plus(-LONGEST_PAUSE), end: now };
    calendar.session_spans(timeframe, recent, known_at).last().map(|span| span.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    /// A series whose bars begin at `first` to `last`, all of it covered.
    fn held(id: i32, symbol: &Symbol, timeframe: Timeframe, bars: u64, first: &str, last: &str) -> Held {
        let calendar = symbol.calendar(Hours::Regular);
        let (first, last) = (at(first), at(last));
        let covered = Spans::from(vec![TimeRange { start: first, end: calendar.bar_end(timeframe, last) }]);
        Held { id, timeframe, hours: Hours::Regular, revision: 7, bars, ends: Some((first, last)), covered }
    }

    fn bar(ts: Timestamp, close: f64) -> Bar {
        Bar::new(ts, close, close, close, close, 1.0)
    }

    fn apple() -> Symbol {
        "AAPL".parse().unwrap()
    }

    /// A Friday at noon in New York.
    const NOON: &str = "2024-03-15T16:00:00Z";

    fn answered(held: &[Held], timeframe: Timeframe, now: &str) -> Quote {
        quote(&apple(), timeframe, held, &plan(&apple(), held), &Read::default(), at(now))
    }

    #[test]
    fn the_last_price_is_the_newest_series_and_the_change_is_from_the_session_before() {
        let days = held(1, &apple(), Timeframe::D1, 500, "2022-03-14T04:00:00Z", "2024-03-14T04:00:00Z");
        let hours = held(2, &apple(), Timeframe::H1, 90, "2024-03-01T14:00:00Z", "2024-03-15T15:00:00Z");
        let held = [days, hours];
        let plan = plan(&apple(), &held);
        assert_eq!(plan.last.map(|it| (it.id, it.range.start)), Some((2, at("2024-03-15T15:00:00Z"))));
        let previous = plan.previous.unwrap();
        assert_eq!((previous.id, previous.range.end), (2, at("2024-03-15T13:00:00Z")), "Thursday's last hour");
        assert_eq!(previous.range.start, at("2024-03-14T13:00:00Z"));
        let read = Read {
            last: vec![bar(at("2024-03-15T15:00:00Z"), 110.0)],
            previous: vec![bar(at("2024-03-14T19:00:00Z"), 100.0)],
            ..Read::default()
        };
        let told = quote(&apple(), Timeframe::H1, &held, &plan, &read, at(NOON));
        assert_eq!((told.change, told.change_percent.map(f64::round)), (Some(10.0), Some(10.0)));
        assert_eq!(told.last.unwrap().at, at(NOON));
        assert_eq!(told.previous.unwrap().at, at("2024-03-14T20:00:00Z"), "when the session ended");
        assert_eq!((told.freshness, told.revision), (Freshness::Fresh, 7));
    }

    #[test]
    fn a_close_that_the_newest_series_lacks_is_another_ones() {
        let days = held(1, &apple(), Timeframe::D1, 500, "2022-03-14T04:00:00Z", "2024-03-14T04:00:00Z");
        let today = held(2, &apple(), Timeframe::M5, 30, "2024-03-15T13:30:00Z", "2024-03-15T15:55:00Z");
        let plan = plan(&apple(), &[days, today.clone()]);
        assert_eq!((plan.last.map(|it| it.id), plan.previous.map(|it| it.id)), (Some(2), Some(1)));
        assert_eq!(plan.spark.map(|it| it.id), Some(2), "30 bars of today rather than 500 of before");
        assert_eq!(super::plan(&apple(), &[today]).previous, None, "a guess would be no close");
    }

    #[test]
    fn a_day_bar_closes_with_its_session_and_a_week_has_no_session_before() {
        let days = held(1, &apple(), Timeframe::D1, 2, "2024-03-13T04:00:00Z", "2024-03-14T04:00:00Z");
        let day_plan = plan(&apple(), std::slice::from_ref(&days));
        assert_eq!(day_plan.previous.map(|it| it.range.start), Some(at("2024-03-13T04:00:00Z")));
        let read = Read { last: vec![bar(at("2024-03-14T04:00:00Z"), 1.0)], ..Read::default() };
        let told = quote(&apple(), Timeframe::D1, &[days], &day_plan, &read, at(NOON));
        assert_eq!(told.last.map(|it| it.at), Some(at("2024-03-14T20:00:00Z")));
        let weeks = held(1, &apple(), Timeframe::W1, 9, "2024-01-07T05:00:00Z", "2024-03-03T05:00:00Z");
        assert_eq!(plan(&apple(), &[weeks]).previous, None);
    }

    #[test]
    fn the_picture_is_of_the_finest_series_that_is_long_enough_and_new() {
        let days = held(1, &apple(), Timeframe::D1, 500, "2022-03-14T04:00:00Z", "2024-03-14T04:00:00Z");
        let hours = held(2, &apple(), Timeframe::H1, 90, "2024-03-01T14:00:00Z", "2024-03-15T15:00:00Z");
        let quarters = held(3, &apple(), Timeframe::M15, 39, "2024-03-14T13:30:00Z", "2024-03-15T15:45:00Z");
        let old_minutes = held(4, &apple(), Timeframe::M1, 900, "2024-02-01T14:30:00Z", "2024-02-05T20:59:00Z");
        let spark = plan(&apple(), &[days, hours, quarters, old_minutes]).spark.unwrap();
        assert_eq!((spark.id, spark.most), (2, SPARK_BARS));
    }

    #[test]
    fn fresh_is_what_the_calendar_allows() {
        let hours = |last| [held(1, &apple(), Timeframe::H1, 90, "2024-03-01T14:00:00Z", last)];
        let of = |last, now| answered(&hours(last), Timeframe::H1, now).freshness;
        assert_eq!(of("2024-03-15T15:00:00Z", "2024-03-15T16:30:00Z"), Freshness::Fresh);
        assert_eq!(of("2024-03-15T14:00:00Z", "2024-03-15T16:30:00Z"), Freshness::Fresh, "the newest is on its way");
        assert_eq!(of("2024-03-15T14:00:00Z", "2024-03-15T17:30:00Z"), Freshness::Late);
        assert_eq!(of("2024-03-15T19:00:00Z", "2024-03-17T12:00:00Z"), Freshness::Fresh, "nothing trades on Sunday");
        assert_eq!(answered(&[], Timeframe::H1, NOON).freshness, Freshness::Empty);
        let late = answered(&hours("2024-03-14T18:00:00Z"), Timeframe::H1, NOON);
        assert_eq!((late.known_through, late.expected_through), (Some(at("2024-03-14T19:00:00Z")), Some(at(NOON))));
    }

    #[test]
    fn finer_bars_make_a_series_fresh_and_coarser_ones_do_not() {
        let minutes = [held(1, &apple(), Timeframe::M1, 900, "2024-03-13T13:30:00Z", "2024-03-15T15:59:00Z")];
        assert_eq!(answered(&minutes, Timeframe::H1, NOON).freshness, Freshness::Fresh);
        assert_eq!(answered(&minutes, Timeframe::H1, NOON).revision, 0);
        let days = [held(1, &apple(), Timeframe::D1, 500, "2022-03-14T04:00:00Z", "2024-03-14T04:00:00Z")];
        assert_eq!(answered(&days, Timeframe::D1, NOON).freshness, Freshness::Fresh);
        assert_eq!(answered(&days, Timeframe::H1, NOON).freshness, Freshness::Empty);
    }
}
