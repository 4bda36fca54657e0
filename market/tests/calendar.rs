//! What must hold of sessions and bars on any day from 1990 to 2035: over changes of clocks, half days and holidays.
#![expect(clippy::unwrap_used, reason = "what a test needs is there, or the test fails")]

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, Weekday};
use proptest::prelude::*;
use tidemark_market::calendar::{END, FIRST, utc_to_new_york};
use tidemark_market::time::{DAY, HOUR, MINUTE};
use tidemark_market::{Calendar, Session, Spans, TimeRange, Timeframe, Timestamp};

/// Up to `days` days, one range in three across a change of New York's clocks.
fn any_range(days: i64) -> impl Strategy<Value = TimeRange> {
    let anywhere = (FIRST.0 / MINUTE..END.0 / MINUTE).prop_map(|minute| Timestamp(minute * MINUTE));
    let around_a_change =
        (1990..2036_i32, any::<bool>(), -72 * 60..72 * 60_i64).prop_map(|(year, in_spring, minutes)| {
            let changes = changes_of_clocks(year);
            changes[usize::from(!in_spring)].plus(minutes * MINUTE)
        });
    (prop_oneof![2 => anywhere.boxed(), 1 => around_a_change.boxed()], 1..days * 24 * 60).prop_map(
        |(middle, minutes)| {
            let start = middle.plus(-minutes / 2 * MINUTE);
            TimeRange { start, end: start.plus(minutes * MINUTE) }
        },
    )
}

/// The minutes of the year at which New York's offset from UTC changes: found by looking, not by a rule.
fn changes_of_clocks(year: i32) -> Vec<Timestamp> {
    let new_year = Timestamp::from(NaiveDate::from_ymd_opt(year, 1, 1).unwrap().and_time(NaiveTime::MIN).and_utc());
    let offset = |at: Timestamp| wall_clock(at).and_utc().timestamp_millis() - at.0;
    let hours: Vec<Timestamp> = (0..365 * 24).map(|hour| new_year.plus(hour * HOUR)).collect();
    hours.windows(2).filter(|pair| offset(pair[0]) != offset(pair[1])).map(|pair| pair[1]).collect()
}

fn wall_clock(at: Timestamp) -> NaiveDateTime {
    utc_to_new_york(at).unwrap()
}

fn time(hour: u32, minute: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, minute, 0).unwrap()
}

fn any_calendar() -> impl Strategy<Value = Calendar> {
    proptest::sample::select(Calendar::ALL.to_vec())
}

fn spans(sessions: &[Session]) -> Spans {
    sessions.iter().map(|session| TimeRange { start: session.open, end: session.close }).collect()
}

/// Each whole New York week from Sunday 17:00 to Friday 17:00 that overlaps `range`.
fn currency_weeks(range: TimeRange) -> Spans {
    let first = wall_clock(range.start).date() - Days::new(8);
    let sundays = first.iter_days().filter(|day| day.weekday() == Weekday::Sun);
    sundays
        .map(|sunday| TimeRange {
            start: tidemark_market::calendar::new_york_to_utc(sunday, time(17, 0)),
            end: tidemark_market::calendar::new_york_to_utc(sunday + Days::new(5), time(17, 0)),
        })
        .take_while(|week| week.start < range.end)
        .collect()
}

proptest! {
    #[test]
    fn sessions_are_sorted_disjoint_and_those_of_the_range(calendar in any_calendar(), range in any_range(400)) {
        let sessions = calendar.sessions(range);
        for session in &sessions {
            prop_assert!(session.open < session.close);
            prop_assert!(session.open < range.end && range.start < session.close);
        }
        for pair in sessions.windows(2) {
            prop_assert!(pair[0].close <= pair[1].open, "{:?}", pair);
        }
        let wider = TimeRange { start: range.start.plus(-9 * DAY), end: range.end.plus(9 * DAY) };
        let among_more = calendar.sessions(wider).into_iter().filter(|session| {
            session.open < range.end.min(END) && range.start.max(FIRST) < session.close
        });
        prop_assert_eq!(sessions, among_more.collect::<Vec<_>>());
    }

    #[test]
    fn equities_open_and_close_by_new_yorks_clocks(range in any_range(400)) {
        for session in Calendar::Xnys.sessions(range) {
            let (open, close) = (wall_clock(session.open), wall_clock(session.close));
            prop_assert_eq!(open.date(), close.date());
            prop_assert_eq!(open.time(), time(9, 30));
            prop_assert!([time(13, 0), time(14, 0), time(16, 0)].contains(&close.time()), "{}", close);
            prop_assert!(!matches!(open.weekday(), Weekday::Sat | Weekday::Sun));
            let extended = Calendar::XnysExtended.session_on(open.date()).unwrap();
            prop_assert_eq!(wall_clock(extended.open).time(), time(4, 0));
            let late = extended.close.0 - session.close.0;
            prop_assert_eq!(late, 4 * HOUR, "the late session lasts four hours: {:?}", extended);
        }
        let regular = spans(&Calendar::Xnys.sessions(range));
        let extended = spans(&Calendar::XnysExtended.sessions(range));
        prop_assert!(regular.subtract(&extended).is_empty());
    }

    #[test]
    fn currencies_trade_from_sunday_to_friday_without_a_hole(range in any_range(60)) {
        let known = range.intersect(TimeRange { start: FIRST, end: END });
        let Some(known) = known else { return Ok(()) };
        let sessions = Calendar::Fx.sessions(range);
        prop_assert_eq!(spans(&sessions).clip(known), currency_weeks(known).clip(known));
        for session in sessions {
            prop_assert_eq!(wall_clock(session.open).time(), time(17, 0));
            prop_assert_eq!(session.close.0 - session.open.0, DAY, "clocks change while the market rests");
        }
    }

    #[test]
    fn crypto_is_always_open(range in any_range(60)) {
        let known = Spans::from(range).clip(TimeRange { start: FIRST, end: END });
        prop_assert!(known.subtract(&spans(&Calendar::AlwaysOpen.sessions(range))).is_empty());
    }

    #[test]
    fn bars_tile_time(calendar in any_calendar(), timeframe in 0..8_usize, range in any_range(40)) {
        let timeframe = Timeframe::ALL[timeframe];
        let mut at = range.start;
        for _ in 0..60 {
            let (start, end) = (calendar.bar_start(timeframe, at), calendar.bar_end(timeframe, at));
            prop_assert!(start <= at && at < end, "{} {} {}", start, at, end);
            prop_assert!(end.0 - start.0 <= timeframe.millis() + HOUR);
            prop_assert_eq!(calendar.bar_start(timeframe, start), start);
            prop_assert_eq!(calendar.bar_start(timeframe, end.plus(-1)), start);
            prop_assert_eq!(calendar.bar_start(timeframe, end), end, "the next bar begins where this one ends");
            prop_assert_eq!(calendar.bar_end(timeframe, start), end);
            at = end;
        }
    }

    #[test]
    fn no_bar_up_to_a_day_holds_two_sessions(calendar in any_calendar(), range in any_range(60)) {
        let sessions = calendar.sessions(range);
        for timeframe in Timeframe::ALL.into_iter().filter(|timeframe| *timeframe <= Timeframe::D1) {
            for pair in sessions.windows(2) {
                let (last, next) = (pair[0].close.plus(-1), pair[1].open);
                prop_assert!(calendar.bar_end(timeframe, last) <= calendar.bar_start(timeframe, next),
                             "{} {:?}", timeframe, pair);
            }
        }
        for session in sessions {
            let (first, last) = (session.open, session.close.plus(-1));
            let day = calendar.bar_start(Timeframe::D1, first);
            prop_assert_eq!(day, calendar.bar_start(Timeframe::D1, last), "a session is of one day");
            let end = calendar.bar_end(Timeframe::D1, first);
            for at in [first, last] {
                prop_assert!(day <= calendar.bar_start(Timeframe::H4, at) && calendar.bar_end(Timeframe::H4, at) <= end);
            }
        }
    }

    #[test]
    fn a_week_holds_whole_days(calendar in any_calendar(), range in any_range(2)) {
        let week = TimeRange {
            start: calendar.bar_start(Timeframe::W1, range.start),
            end: calendar.bar_end(Timeframe::W1, range.start),
        };
        let days = std::iter::successors(Some(week.start), |day| Some(calendar.bar_end(Timeframe::D1, *day)));
        let days: Vec<Timestamp> = days.take_while(|day| *day < week.end).collect();
        prop_assert_eq!(days.len(), 7);
        prop_assert!(days.iter().all(|day| calendar.is_on_grid(Timeframe::D1, *day)));
        prop_assert!(calendar.is_on_grid(Timeframe::D1, week.end));
        prop_assert_eq!(calendar.local_date(week.start).unwrap().weekday(), Weekday::Sun);
    }

    #[test]
    fn what_is_closed_stays_closed(calendar in any_calendar(), timeframe in 0..8_usize, range in any_range(20)) {
        let timeframe = Timeframe::ALL[timeframe];
        let (earlier, later) = (calendar.closed_through(timeframe, range.start), calendar.closed_through(timeframe, range.end));
        prop_assert!(earlier <= later);
        let open_time = TimeRange { start: range.start, end: earlier };
        prop_assert!(calendar.sessions(open_time).is_empty(), "no session is left in what is closed");
    }
}

#[test]
fn clocks_change_twice_in_every_year() {
    for year in 1990..2036 {
        let changes = changes_of_clocks(year);
        assert_eq!(changes.len(), 2, "{year}");
        assert!(changes.iter().all(|at| wall_clock(*at).weekday() == Weekday::Sun), "{year}");
    }
}

#[test]
fn half_days_are_half_days() {
    let halves = Calendar::Xnys
        .sessions(TimeRange { start: FIRST, end: END })
        .into_iter()
        .filter(|session| session.close.0 - session.open.0 < 6 * HOUR + 30 * MINUTE);
    let lengths: Vec<i64> = halves.map(|session| (session.close.0 - session.open.0) / MINUTE).collect();
    assert_eq!(lengths.iter().filter(|minutes| **minutes == 210).count(), 94, "until 13:00");
    assert_eq!(lengths.iter().filter(|minutes| **minutes == 270).count(), 4, "until 14:00");
    assert_eq!(lengths.len(), 98);
}
