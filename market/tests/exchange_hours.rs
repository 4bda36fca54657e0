//! A second opinion on the calendar of US equities: the crate exchange-hours, over all the years it knows. Each known
//! disagreement is listed with its reason; any other fails.
#![expect(clippy::unwrap_used, reason = "what a test needs is there, or the test fails")]

use std::collections::BTreeSet;

use chrono::NaiveDate;
use exchange_hours::{Exchange, SessionKind, calendar_for_exchange};
use tidemark_market::calendar::utc_to_new_york;
use tidemark_market::time::HOUR;
use tidemark_market::{Calendar, Session, Spans, TimeRange, Timestamp};

/// What only one of the two holds for open: the day, from and until in New York time.
type Surplus = BTreeSet<(NaiveDate, String)>;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// From 2010, the first year of the crate, to `end`.
fn known(end: &str) -> TimeRange {
    TimeRange::new(at("2010-01-01T05:00:00Z"), at(end)).unwrap()
}

fn theirs(exchange: Exchange, kind: SessionKind, range: TimeRange) -> Spans {
    let calendar = calendar_for_exchange(exchange);
    let mut found = Vec::new();
    let mut next = range.start;
    while next < range.end {
        let bounds = calendar.session_bounds_with(next.to_datetime().unwrap(), kind);
        let (open, close) = bounds.unwrap().unwrap();
        next = Timestamp::from(close);
        found.push(TimeRange { start: Timestamp::from(open), end: next });
    }
    // What it tells as three, before, in and after the regular session, is one.
    found.into()
}

fn ours(calendar: Calendar, range: TimeRange) -> Spans {
    calendar.sessions(range).iter().map(|Session { open, close }| TimeRange { start: *open, end: *close }).collect()
}

fn surplus(of: &Spans, over: &Spans) -> Surplus {
    let local = |at: Timestamp| utc_to_new_york(at).unwrap();
    let hours =
        |range: &TimeRange| format!("{}-{}", local(range.start).format("%H:%M"), local(range.end).format("%H:%M"));
    of.subtract(over).ranges().iter().map(|range| (local(range.start).date(), hours(range))).collect()
}

#[test]
fn the_regular_sessions_are_those_of_the_crate() {
    let range = known("2028-12-29T21:00:00Z");
    let (theirs, ours) = (theirs(Exchange::Nyse, SessionKind::Regular, range), ours(Calendar::Xnys, range));
    assert_eq!(ours.ranges().len(), 4_777);
    assert_eq!(surplus(&ours, &theirs), Surplus::new());
    // The exchange was closed on the day of mourning for George H. W. Bush, which the crate does not know.
    assert_eq!(surplus(&theirs, &ours), Surplus::from([(date("2018-12-05"), "09:30-16:00".to_owned())]));
}

/// Nasdaq is the one market with extended hours whose holidays the crate knows, until 2026.
#[test]
fn the_extended_sessions_are_those_of_the_crate() {
    let range = known("2026-12-31T21:00:00Z");
    let (theirs, ours) = (theirs(Exchange::Nasdaq, SessionKind::Both, range), ours(Calendar::XnysExtended, range));
    // Past its last regular session the crate knows nothing, not even what it would need to end that day.
    let (theirs, ours) = (theirs.clip(range), ours.clip(range));

    let days = || ours.ranges().iter().map(|session| utc_to_new_york(session.start).unwrap().date());
    // Nasdaq opened at 07:00 until it moved to 04:00 on 2013-03-18; NYSE Arca had opened at 04:00 before.
    let late_opens = days().filter(|day| *day < date("2013-03-18")).map(|day| (day, "04:00-07:00".to_owned()));
    // On early closes the crate ends every session at 13:00, for want of a source; the late session of the electronic
    // markets ends at 17:00. For 2023-07-03 it misses Nasdaq's early close, though not the New York Stock Exchange's.
    let is_early =
        |day: &NaiveDate| Calendar::Xnys.session_on(*day).is_some_and(|it| it.close.0 - it.open.0 < 6 * HOUR);
    let early_closes = days().filter(is_early).filter(|day| *day != date("2023-07-03"));
    let early_closes = early_closes.map(|day| (day, "13:00-17:00".to_owned()));
    let only_ours: Surplus = late_opens.chain(early_closes).collect();
    assert_eq!(only_ours.len(), 805 + 35);
    assert_eq!(surplus(&ours, &theirs), only_ours);
    let only_theirs = [(date("2018-12-05"), "04:00-20:00".to_owned()), (date("2023-07-03"), "17:00-20:00".to_owned())];
    assert_eq!(surplus(&theirs, &ours), Surplus::from(only_theirs));
}
