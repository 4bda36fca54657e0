//! When a periodic definition is due.
//!
//! A [`Schedule`] and a calendar fix a set of moments; [`Schedule::next`] tells the first of them after another. Nothing
//! is counted from the last time that something was done, so that a restart, a pause or a second process changes nothing.
//!
//! | written | due |
//! | --- | --- |
//! | `every 5m` | at each multiple of five minutes since 1970, whether or not the market is open |
//! | `open 1m` | each minute after a session's open, and at its close |
//! | `close` | [`AFTER_CLOSE_MILLIS`] after a session's close; for day and week bars once the session has settled |
//! | `weekly` | once the last session of a week has settled |

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::calendar::{Calendar, END, FIRST, Session};
use crate::layer::SETTLING_MILLIS;
use crate::time::{DAY, MINUTE, TimeRange, Timestamp};
use crate::timeframe::Timeframe;

/// How long after a session's close `close` is due for bars shorter than a day: providers have the last ones by then.
pub const AFTER_CLOSE_MILLIS: i64 = 15 * MINUTE;

const MINUTES_OF_AN_HOUR: u32 = 60;
const MINUTES_OF_A_DAY: u32 = 24 * MINUTES_OF_AN_HOUR;
const MOST_MINUTES: u32 = 7 * MINUTES_OF_A_DAY;

/// How far ahead sessions are looked for at once.
const LOOK_AHEAD_MILLIS: i64 = 14 * DAY;

/// When to ask again; see the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Schedule {
    /// At any time.
    Every(Period),
    /// While a session is open, and once at its close.
    Open(Period),
    /// After each session.
    Close,
    /// After the last session of each week.
    Weekly,
}

/// From one minute to seven days, in whole minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(NonZeroU32);

/// Why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// Another word, or something behind it.
    #[error("{0:?} is not a schedule. Write one like `every 5m`, `open 1m`, `close` or `weekly`.")]
    Unknown(String),
    /// What stands behind `every` or `open`.
    #[error("{0:?} is not a period. Write minutes, hours or days from 1m to 7d, such as 5m, 4h or 1d.")]
    Period(String),
}

impl Period {
    /// `None` where that is less than a minute or more than seven days.
    #[must_use]
    pub const fn from_minutes(minutes: u32) -> Option<Self> {
        match NonZeroU32::new(minutes) {
            Some(minutes) if minutes.get() <= MOST_MINUTES => Some(Self(minutes)),
            _ => None,
        }
    }

    /// In whole minutes.
    #[must_use]
    pub const fn minutes(self) -> u32 {
        self.0.get()
    }

    /// In milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.get() as i64 * MINUTE
    }
}

impl Schedule {
    /// The first moment after `after` at which a series of `timeframe` that keeps `calendar` is due; `None` where the
    /// calendars know none.
    #[must_use]
    pub fn next(&self, calendar: Calendar, timeframe: Timeframe, after: Timestamp) -> Option<Timestamp> {
        match *self {
            Self::Every(period) => multiple_after(Timestamp(0), period, after),
            Self::Open(period) => first_due(calendar, after, |session| next_within(session, period, after)),
            Self::Close if timeframe < Timeframe::D1 => {
                first_due(calendar, after, |session| Some(session.close.plus(AFTER_CLOSE_MILLIS)))
            }
            Self::Close => first_due(calendar, after, |session| Some(session.close.plus(SETTLING_MILLIS))),
            Self::Weekly => first_due(calendar, after, |session| {
                ends_week(calendar, session).then(|| session.close.plus(SETTLING_MILLIS))
            }),
        }
    }
}

/// The first moment after `after` that `due` tells of a session. Those of later sessions are later, and none lies more
/// than [`SETTLING_MILLIS`] after its session.
fn first_due(calendar: Calendar, after: Timestamp, due: impl Fn(Session) -> Option<Timestamp>) -> Option<Timestamp> {
    let start = after.max(FIRST).plus(-SETTLING_MILLIS).max(FIRST);
    let windows = std::iter::successors(Some(start), |start| Some(start.plus(LOOK_AHEAD_MILLIS)));
    windows
        .take_while(|start| *start < END)
        .flat_map(|start| calendar.sessions(TimeRange { start, end: start.plus(LOOK_AHEAD_MILLIS) }))
        .filter_map(due)
        .find(|at| *at > after)
}

/// The first multiple of the period since the open, or the close.
fn next_within(session: Session, period: Period, after: Timestamp) -> Option<Timestamp> {
    let next = multiple_after(session.open, period, after.max(session.open))?;
    Some(next.min(session.close))
}

fn multiple_after(origin: Timestamp, period: Period, after: Timestamp) -> Option<Timestamp> {
    let periods = after.0.checked_sub(origin.0)?.div_euclid(period.millis()).checked_add(1)?;
    Some(Timestamp(origin.0.checked_add(periods.checked_mul(period.millis())?)?))
}

/// Whether no session is left in the week that holds the session.
fn ends_week(calendar: Calendar, session: Session) -> bool {
    let end = calendar.bar_end(Timeframe::W1, session.close.plus(-1));
    TimeRange::new(session.close, end).is_none_or(|rest| calendar.sessions(rest).is_empty())
}

impl FromStr for Period {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (count, unit) = text.split_at(digits);
        let unit = match unit.trim().to_ascii_lowercase().as_str() {
            "m" | "min" | "minute" | "minutes" => Some(1),
            "h" | "hour" | "hours" => Some(MINUTES_OF_AN_HOUR),
            "d" | "day" | "days" => Some(MINUTES_OF_A_DAY),
            _ => None,
        };
        let count = if count.is_empty() { Some(1) } else { count.parse().ok() };
        let minutes = count.zip(unit).and_then(|(count, unit): (u32, u32)| count.checked_mul(unit));
        minutes.and_then(Self::from_minutes).ok_or_else(|| ScheduleError::Period(shortened(text)))
    }
}

impl fmt::Display for Period {
    /// In the longest unit of which it is a multiple.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.minutes() {
            minutes if minutes % MINUTES_OF_A_DAY == 0 => write!(f, "{}d", minutes / MINUTES_OF_A_DAY),
            minutes if minutes % MINUTES_OF_AN_HOUR == 0 => write!(f, "{}h", minutes / MINUTES_OF_AN_HOUR),
            minutes => write!(f, "{minutes}m"),
        }
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let text = text.trim();
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        match (word.to_ascii_lowercase().as_str(), rest.trim()) {
            ("every", period) => Ok(Self::Every(period.parse()?)),
            ("open", period) => Ok(Self::Open(period.parse()?)),
            ("close", "") => Ok(Self::Close),
            ("weekly", "") => Ok(Self::Weekly),
            _ => Err(ScheduleError::Unknown(shortened(text))),
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(32).collect()
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(period) => write!(f, "every {period}"),
            Self::Open(period) => write!(f, "open {period}"),
            Self::Close => f.write_str("close"),
            Self::Weekly => f.write_str("weekly"),
        }
    }
}

impl TryFrom<String> for Schedule {
    type Error = ScheduleError;

    fn try_from(text: String) -> Result<Self, ScheduleError> {
        text.parse()
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    /// The first `count` moments after `after`.
    fn due(schedule: &str, calendar: Calendar, timeframe: Timeframe, after: &str, count: usize) -> Vec<String> {
        let schedule: Schedule = schedule.parse().unwrap();
        let next = |after: &Timestamp| schedule.next(calendar, timeframe, *after);
        std::iter::successors(next(&at(after)), next).take(count).map(|at| at.to_string()).collect()
    }

    #[test]
    fn one_form_is_written_and_others_are_read() {
        for (text, written) in [
            ("every 5m", "every 5m"),
            (" Every  5 minutes ", "every 5m"),
            ("every 60m", "every 1h"),
            ("every hour", "every 1h"),
            ("every 36h", "every 36h"),
            ("every 48 h", "every 2d"),
            ("open 1min", "open 1m"),
            ("OPEN 90m", "open 90m"),
            ("Close", "close"),
            ("weekly", "weekly"),
        ] {
            let schedule: Schedule = text.parse().unwrap();
            assert_eq!(schedule.to_string(), written);
            assert_eq!(written.parse(), Ok(schedule));
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_an_example() {
        for text in ["", "daily", "close 5m", "weekly x", "5m"] {
            let error = text.parse::<Schedule>().unwrap_err();
            assert_eq!(error, ScheduleError::Unknown(text.to_owned()));
            assert!(error.to_string().contains("`every 5m`"), "{error}");
        }
        for period in ["", "0m", "8d", "5", "5s", "-5m", "1.5h", "99999999999m", "4294967295d", "5m 5m"] {
            let error = format!("every {period}").parse::<Schedule>().unwrap_err();
            assert_eq!(error, ScheduleError::Period(period.to_owned()));
        }
    }

    #[test]
    fn every_counts_round_the_clock() {
        let next = |schedule, after| due(schedule, Calendar::Xnys, Timeframe::M5, after, 2);
        assert_eq!(next("every 5m", "2024-03-16T23:57:30Z"), ["2024-03-17T00:00:00Z", "2024-03-17T00:05:00Z"]);
        assert_eq!(next("every 5m", "2024-03-17T00:00:00Z"), ["2024-03-17T00:05:00Z", "2024-03-17T00:10:00Z"]);
        assert_eq!(next("every 1d", "2024-03-16T12:00:00Z"), ["2024-03-17T00:00:00Z", "2024-03-18T00:00:00Z"]);
    }

    #[test]
    fn open_is_due_while_a_session_is_open_and_at_its_close() {
        let next = |after, count| due("open 1m", Calendar::Xnys, Timeframe::M1, after, count);
        // The clocks were changed over the weekend: Friday's close is 21:00 UTC, Monday's open 13:30.
        let over_the_weekend = next("2024-03-08T20:58:30Z", 4);
        assert_eq!(over_the_weekend[..2], ["2024-03-08T20:59:00Z", "2024-03-08T21:00:00Z"]);
        assert_eq!(over_the_weekend[2..], ["2024-03-11T13:31:00Z", "2024-03-11T13:32:00Z"]);
        let early_close = next("2024-07-03T16:59:00Z", 2);
        assert_eq!(early_close, ["2024-07-03T17:00:00Z", "2024-07-05T13:31:00Z"], "the 4th is a holiday");
        let hours = due("open 4h", Calendar::Xnys, Timeframe::H1, "2024-03-11T13:30:00Z", 3);
        assert_eq!(hours, ["2024-03-11T17:30:00Z", "2024-03-11T20:00:00Z", "2024-03-12T17:30:00Z"]);
    }

    #[test]
    fn crypto_is_always_open_and_currencies_rest_at_the_weekend() {
        let crypto = due("open 30m", Calendar::AlwaysOpen, Timeframe::M30, "2024-03-16T23:20:00Z", 3);
        assert_eq!(crypto, ["2024-03-16T23:30:00Z", "2024-03-17T00:00:00Z", "2024-03-17T00:30:00Z"]);
        let currencies = due("open 30m", Calendar::Fx, Timeframe::M30, "2024-03-15T20:40:00Z", 2);
        assert_eq!(currencies, ["2024-03-15T21:00:00Z", "2024-03-17T21:30:00Z"]);
    }

    #[test]
    fn close_waits_for_the_last_bars() {
        let next = |calendar, timeframe, after| due("close", calendar, timeframe, after, 2);
        let july = "2024-07-03T12:00:00Z";
        assert_eq!(next(Calendar::Xnys, Timeframe::M5, july), ["2024-07-03T17:15:00Z", "2024-07-05T20:15:00Z"]);
        assert_eq!(next(Calendar::Xnys, Timeframe::D1, july), ["2024-07-04T05:00:00Z", "2024-07-06T08:00:00Z"]);
        let november = "2024-11-01T21:00:00Z";
        assert_eq!(next(Calendar::Xnys, Timeframe::H1, november), ["2024-11-04T21:15:00Z", "2024-11-05T21:15:00Z"]);
        // "After" is exclusive: the day before settles at that very moment.
        assert_eq!(next(Calendar::AlwaysOpen, Timeframe::D1, july), ["2024-07-04T12:00:00Z", "2024-07-05T12:00:00Z"]);
    }

    #[test]
    fn weekly_is_due_when_the_week_has_settled() {
        let next = |calendar| due("weekly", calendar, Timeframe::M5, "2024-03-24T13:00:00Z", 2);
        // Good Friday is a holiday, so Thursday's session is the last.
        assert_eq!(next(Calendar::Xnys), ["2024-03-29T08:00:00Z", "2024-04-06T08:00:00Z"]);
        assert_eq!(next(Calendar::XnysExtended), ["2024-03-29T12:00:00Z", "2024-04-06T12:00:00Z"]);
        assert_eq!(next(Calendar::Fx), ["2024-03-30T09:00:00Z", "2024-04-06T09:00:00Z"]);
        assert_eq!(next(Calendar::AlwaysOpen), ["2024-03-31T12:00:00Z", "2024-04-07T12:00:00Z"]);
    }

    #[test]
    fn nothing_is_due_beyond_what_the_calendars_know() {
        for text in ["open 1m", "close", "weekly"] {
            let schedule: Schedule = text.parse().unwrap();
            for calendar in Calendar::ALL {
                assert_eq!(schedule.next(calendar, Timeframe::M1, END.plus(DAY)), None);
                assert_eq!(schedule.next(calendar, Timeframe::M1, Timestamp(i64::MAX)), None);
                assert!(schedule.next(calendar, Timeframe::M1, Timestamp(i64::MIN)).is_some());
            }
        }
        let every: Schedule = "every 1m".parse().unwrap();
        assert_eq!(every.next(Calendar::Fx, Timeframe::M1, Timestamp(i64::MAX)), None);
        assert!(every.next(Calendar::Fx, Timeframe::M1, Timestamp(i64::MIN)).is_some());
    }

    fn any_schedule() -> impl Strategy<Value = Schedule> {
        let period = || (1..=MOST_MINUTES).prop_map(|minutes| Period::from_minutes(minutes).unwrap());
        prop_oneof![
            period().prop_map(Schedule::Every),
            period().prop_map(Schedule::Open),
            Just(Schedule::Close),
            Just(Schedule::Weekly)
        ]
    }

    proptest! {
        #[test]
        fn the_next_moment_is_one_of_a_fixed_set(
            schedule in any_schedule(),
            calendar in proptest::sample::select(Calendar::ALL.to_vec()),
            timeframe in proptest::sample::select(Timeframe::ALL.to_vec()),
            after in FIRST.0..END.0 - 30 * DAY,
            later in 0..10 * DAY,
        ) {
            let next = |after| schedule.next(calendar, timeframe, Timestamp(after)).unwrap();
            let first = next(after);
            prop_assert!(first.0 > after);
            prop_assert_eq!(next(first.0 - 1), first);
            prop_assert!(next(after + later) >= first);
            if after + later < first.0 {
                prop_assert_eq!(next(after + later), first, "nothing is due in between");
            }
            prop_assert_eq!(schedule.to_string().parse(), Ok(schedule));
        }
    }
}
