//! Bars made from minutes beside the provider's own hours and days. Every difference is listed, to the cent.
//!
//! What the files show: the provider's coarser bars count the same shares to the last one, and only the regular session.
//! Their prices leave out some prints that its minutes hold, so that some opens and closes come from a later or earlier
//! print of the same minute and some highs and lows lie inside the minutes' range, by 3 cents at most. Its days are its
//! hours put together, without any difference.

mod support;

use std::collections::BTreeMap;

use support::Fixtures;
use tidemark_market::resample::resample;
use tidemark_market::{Bar, Calendar, Spans, TimeRange, Timeframe, Timestamp};

const AAPL_DAYS: [&str; 2] = ["AAPL_20140605", "AAPL_20140606"];
const SPY_DAYS: [&str; 4] = ["SPY_20131004", "SPY_20131007", "SPY_20131008", "SPY_20131009"];

fn in_session(calendar: Calendar, bars: &[Bar]) -> Vec<Bar> {
    let Some((first, last)) = bars.first().zip(bars.last()) else { return Vec::new() };
    let sessions = calendar.sessions(TimeRange { start: first.ts, end: last.ts.plus(1) });
    let sessions: Spans = sessions.iter().map(|it| TimeRange { start: it.open, end: it.close }).collect();
    bars.iter().filter(|bar| sessions.contains(bar.ts)).copied().collect()
}

/// The minutes of the regular sessions of those files.
fn minutes(fixtures: &Fixtures, days: &[&str]) -> Vec<Bar> {
    let days: Vec<Bar> = days.iter().flat_map(|day| fixtures.bars(&format!("us_equity/minute_{day}.csv"))).collect();
    in_session(Calendar::Xnys, &days)
}

fn by_time(bars: &[Bar]) -> BTreeMap<Timestamp, Bar> {
    bars.iter().map(|bar| (bar.ts, *bar)).collect()
}

/// Where a price of `made` is not that of `theirs`, in cents, such as `2014-06-05T13:00:00Z high +2`.
fn differences(made: &Bar, theirs: &Bar) -> Vec<String> {
    let pairs = [
        ("open", made.open, theirs.open),
        ("high", made.high, theirs.high),
        ("low", made.low, theirs.low),
        ("close", made.close, theirs.close),
    ];
    let cents = |made: f64, theirs: f64| ((made - theirs) * 100.0).round();
    let differing = pairs.into_iter().filter(|(_, made, theirs)| cents(*made, *theirs) != 0.0);
    differing.map(|(name, mine, theirs)| format!("{} {name} {:+}", made.ts, cents(mine, theirs))).collect()
}

/// Asserts what holds of every bar, and that `known` are all the differences in prices there are.
fn compare(minutes: &[Bar], theirs: &[Bar], timeframe: Timeframe, known: &[&str]) {
    let theirs = by_time(theirs);
    let mut found = Vec::new();
    for made in resample(minutes, timeframe, Calendar::Xnys) {
        let their = theirs[&made.ts];
        let parts: Vec<&Bar> =
            minutes.iter().filter(|bar| Calendar::Xnys.bar_start(timeframe, bar.ts) == made.ts).collect();
        let (first, last) = (parts[0], parts[parts.len() - 1]);
        assert_eq!(made.volume, their.volume, "{}: the same shares", made.ts);
        assert!(made.low <= their.low && their.high <= made.high, "{}: inside the minutes' range", made.ts);
        assert!(first.low <= their.open && their.open <= first.high, "{}: opens in the first minute", made.ts);
        assert!(last.low <= their.close && their.close <= last.high, "{}: closes in the last minute", made.ts);
        found.extend(differences(&made, &their));
    }
    eprintln!("{timeframe}: {found:#?}");
    assert_eq!(found, known);
}

#[test]
fn hours_from_minutes_are_the_providers_but_for_prints_its_hours_leave_out() {
    let Some(fixtures) = Fixtures::find() else { return };
    let known = [
        "2014-06-05T13:00:00Z high +2",
        "2014-06-05T14:00:00Z high +1",
        "2014-06-05T14:00:00Z close +7",
        "2014-06-05T15:00:00Z low -2",
        "2014-06-05T16:00:00Z low -3",
        "2014-06-05T17:00:00Z open +11",
        "2014-06-05T17:00:00Z close -7",
        "2014-06-05T18:00:00Z open +10",
        "2014-06-05T18:00:00Z high +3",
        "2014-06-05T19:00:00Z open +5",
        "2014-06-05T19:00:00Z low -1",
        "2014-06-06T14:00:00Z open +1",
        "2014-06-06T15:00:00Z high +1",
        "2014-06-06T16:00:00Z high +1",
        "2014-06-06T16:00:00Z close -1",
        "2014-06-06T17:00:00Z open -4",
        "2014-06-06T17:00:00Z high +2",
        "2014-06-06T17:00:00Z low -1",
        "2014-06-06T18:00:00Z open +3",
        "2014-06-06T18:00:00Z close -3",
        "2014-06-06T19:00:00Z high +1",
    ];
    let minutes = minutes(&fixtures, &AAPL_DAYS);
    compare(&minutes, &fixtures.bars("us_equity/hour_AAPL.csv"), Timeframe::H1, &known);
    assert_eq!(resample(&minutes, Timeframe::H1, Calendar::Xnys).len(), 14);
}

#[test]
fn days_from_minutes_are_the_providers_but_for_prints_its_days_leave_out() {
    let Some(fixtures) = Fixtures::find() else { return };
    let known = ["2014-06-05T04:00:00Z high +2", "2014-06-06T04:00:00Z high +1", "2014-06-06T04:00:00Z low -1"];
    compare(&minutes(&fixtures, &AAPL_DAYS), &fixtures.bars("us_equity/daily_AAPL.csv"), Timeframe::D1, &known);
    let known = ["2013-10-08T04:00:00Z low -1"];
    compare(&minutes(&fixtures, &SPY_DAYS), &fixtures.bars("us_equity/daily_SPY.csv"), Timeframe::D1, &known);
}

#[test]
fn days_from_the_providers_hours_are_its_days() {
    let Some(fixtures) = Fixtures::find() else { return };
    let days = by_time(&fixtures.bars("us_equity/daily_AAPL.csv"));
    let made = resample(&fixtures.bars("us_equity/hour_AAPL.csv"), Timeframe::D1, Calendar::Xnys);
    assert_eq!(made.len(), 2_830);
    for bar in made {
        assert_eq!(Some(&bar), days.get(&bar.ts));
    }
}

/// Of these days the fixtures hold no coarser bar to compare with (the hours of IBM begin in 2015), so that only what
/// belongs to a session is told: minutes before and after it, and after the early close of 2015-12-24.
#[test]
fn a_day_counts_the_minutes_of_its_session() {
    let Some(fixtures) = Fixtures::find() else { return };
    for (name, regular, extended, close) in [
        ("IBM_20131007", 3_905_041.0, 3_960_266.0, 182.01),
        ("IBM_20131008", 5_378_435.0, 5_474_351.0, 178.72),
        ("BAC_20131007", 62_286_611.0, 64_410_352.0, 13.81),
        ("GOOG_20151223", 1_526_523.0, 1_551_397.0, 750.31),
        ("GOOG_20151224", 515_572.0, 521_596.0, 748.4),
    ] {
        let minutes = fixtures.bars(&format!("us_equity/minute_{name}.csv"));
        let day = |calendar| resample(&in_session(calendar, &minutes), Timeframe::D1, calendar);
        let (inside, all) = (day(Calendar::Xnys), day(Calendar::XnysExtended));
        assert_eq!((inside.len(), all.len()), (1, 1));
        assert_eq!((inside[0].volume, all[0].volume, inside[0].close), (regular, extended, close), "{name}");
        assert_eq!(all[0].volume, minutes.iter().map(|bar| bar.volume).sum::<f64>(), "{name}: all are in a session");
    }
}
