//! Days on which a market's hours depart from what Tidemark ships: closures that nobody could know before the release.
//!
//! An operator writes them in a file, one day a line; the dates are the market's own:
//!
//! ```text
//! # A day of mourning.
//! XNYS 2027-01-15 closed
//! # Hours in New York time; the late session then ends four hours after the close.
//! XNYS 2027-01-18 09:30 13:00
//! # The currencies' day that begins at 17:00 on December 24 in New York.
//! FX 2027-12-25 closed
//! ```
//!
//! They win over the shipped table, also where it knows a holiday: a line with hours opens one.

use std::collections::HashMap;
use std::sync::OnceLock;

use chrono::{NaiveDate, NaiveTime};
use thiserror::Error;

use super::new_york::{parse_time, wall};
use super::{Calendar, END, FIRST};
use crate::time::Timestamp;

/// How a market keeps one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Day {
    Closed,
    Hours(NaiveTime, NaiveTime),
}

/// What an override file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    xnys: HashMap<NaiveDate, Day>,
    fx: HashMap<NaiveDate, Day>,
}

/// A line that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("Line {line}: {problem}")]
pub struct OverridesError {
    /// Which line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a line, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// Not the words that a line has.
    #[error("{0:?} is not an override. Write `XNYS 2027-01-15 closed` or `XNYS 2027-01-15 09:30 13:00`.")]
    Shape(String),
    /// No market whose days can be overridden.
    #[error("{0:?} has no days to override. Write XNYS (its extended hours follow) or FX.")]
    Market(String),
    /// No date.
    #[error("{0:?} is not a date. Write year, month and day, such as 2027-01-15.")]
    Date(String),
    /// A date that the calendars do not know.
    #[error("{0} is outside of the calendars, which span 1990 to 2035. Leave the line out.")]
    OutOfRange(NaiveDate),
    /// No time of day.
    #[error("{0:?} is not a time of day. Write hours and minutes in New York time, such as 09:30.")]
    Time(String),
    /// Hours that the extended ones do not hold, or reversed ones.
    #[error("{open} to {close} are not hours of a session. Write an opening at 04:00 or later, then a close by 20:00.")]
    Hours {
        /// As written.
        open: NaiveTime,
        /// As written.
        close: NaiveTime,
    },
    /// Currencies have no hours of their own on a day.
    #[error("A day of FX can only be closed. Write `FX {0} closed`.")]
    FxHours(NaiveDate),
    /// The same day of the same market once more.
    #[error("{market} {date} is said above already. Keep one of the two lines.")]
    Twice {
        /// Whose day.
        market: Calendar,
        /// Which day.
        date: NaiveDate,
    },
}

/// Overrides can be installed once: what a calendar has answered stays true while the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("The calendar overrides are installed already. Restart to read them anew.")]
pub struct AlreadyInstalled;

static INSTALLED: OnceLock<Overrides> = OnceLock::new();

/// Makes every calendar of this process keep `overrides`. To be called at start-up, before a calendar is asked.
///
/// # Errors
/// Where it was called before.
pub fn install(overrides: Overrides) -> Result<(), AlreadyInstalled> {
    INSTALLED.set(overrides).map_err(|_| AlreadyInstalled)
}

/// What is installed says of that day of the market whose file name is that of `calendar`.
pub(super) fn installed(calendar: Calendar, date: NaiveDate) -> Option<Day> {
    INSTALLED.get()?.day(calendar, date)
}

impl Overrides {
    /// Reads a file as the module describes it.
    ///
    /// # Errors
    /// At the first line that is neither an override, nor empty, nor a `#` comment.
    pub fn parse(text: &str) -> Result<Self, OverridesError> {
        let mut overrides = Self::default();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let words = line.split('#').next().unwrap_or_default();
            overrides.add(words.trim()).map_err(|problem| OverridesError { line: index + 1, problem })?;
        }
        Ok(overrides)
    }

    /// How many days are overridden.
    #[must_use]
    pub fn len(&self) -> usize {
        self.xnys.len() + self.fx.len()
    }

    /// Whether no day is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn add(&mut self, line: &str) -> Result<(), Problem> {
        if line.is_empty() {
            return Ok(());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let (market, date, rest) = match words.as_slice() {
            [market, date, rest @ ..] => (parse_market(market)?, parse_date(date)?, rest),
            _ => return Err(Problem::Shape(quoted(line))),
        };
        let day = match rest {
            ["closed"] => Day::Closed,
            [_, _] if market == Calendar::Fx => return Err(Problem::FxHours(date)),
            [open, close] => parse_hours(open, close)?,
            _ => return Err(Problem::Shape(quoted(line))),
        };
        match self.days_mut(market).insert(date, day) {
            None => Ok(()),
            Some(_) => Err(Problem::Twice { market, date }),
        }
    }

    fn days_mut(&mut self, market: Calendar) -> &mut HashMap<NaiveDate, Day> {
        if market == Calendar::Fx { &mut self.fx } else { &mut self.xnys }
    }

    fn day(&self, calendar: Calendar, date: NaiveDate) -> Option<Day> {
        match calendar {
            Calendar::Xnys | Calendar::XnysExtended => self.xnys.get(&date).copied(),
            Calendar::Fx => self.fx.get(&date).copied(),
            Calendar::AlwaysOpen => None,
        }
    }
}

fn parse_market(word: &str) -> Result<Calendar, Problem> {
    match Calendar::parse(word) {
        Some(market @ (Calendar::Xnys | Calendar::Fx)) => Ok(market),
        _ => Err(Problem::Market(quoted(word))),
    }
}

fn parse_date(word: &str) -> Result<NaiveDate, Problem> {
    let date: NaiveDate = word.parse().map_err(|_| Problem::Date(quoted(word)))?;
    let midnight = Timestamp::from(date.and_time(NaiveTime::MIN).and_utc());
    if midnight < FIRST || END <= midnight {
        return Err(Problem::OutOfRange(date));
    }
    Ok(date)
}

fn parse_hours(open: &str, close: &str) -> Result<Day, Problem> {
    let time = |word: &str| parse_time(word).ok_or_else(|| Problem::Time(quoted(word)));
    let (open, close) = (time(open)?, time(close)?);
    if open < wall(4) || close <= open || wall(20) < close {
        return Err(Problem::Hours { open, close });
    }
    Ok(Day::Hours(open, close))
}

/// Enough of what was written to find it again.
fn quoted(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_file_is_read_day_by_day() {
        let text = "\u{feff}# mourning\r\nXNYS 2027-01-15 closed # all day\r\n\r\n  XNYS\t2027-01-18 09:30 13:00\r\nFX 2027-12-25 closed";
        let overrides = Overrides::parse(text).unwrap();
        let day = |calendar: Calendar, text: &str| overrides.day(calendar, date(text));
        let half_day = Day::Hours(NaiveTime::from_hms_opt(9, 30, 0).unwrap(), wall(13));
        assert_eq!(overrides.len(), 3);
        assert_eq!(day(Calendar::Xnys, "2027-01-15"), Some(Day::Closed));
        assert_eq!(day(Calendar::XnysExtended, "2027-01-18"), Some(half_day));
        assert_eq!(day(Calendar::Fx, "2027-12-25"), Some(Day::Closed));
        assert_eq!(day(Calendar::Fx, "2027-01-15"), None);
        assert_eq!(day(Calendar::AlwaysOpen, "2027-01-15"), None);
        assert!(Overrides::parse("# nothing\n").unwrap().is_empty());
    }

    #[test]
    fn a_bad_line_is_named_with_what_to_write_instead() {
        let said = |line: &str| Overrides::parse(&format!("# first\n{line}\n")).unwrap_err().to_string();
        for (line, want) in [
            ("XNYS", "Line 2: \"XNYS\" is not an override. Write `XNYS 2027-01-15 closed` or"),
            ("XNYS 2027-01-15", "Line 2: \"XNYS 2027-01-15\" is not an override."),
            ("XNYS 2027-01-15 shut", "Line 2: \"XNYS 2027-01-15 shut\" is not an override."),
            ("XNYS 2027-01-15 closed all day", "Line 2: \"XNYS 2027-01-15 closed all day\" is not an override."),
            ("XLON 2027-01-15 closed", "Line 2: \"XLON\" has no days to override. Write XNYS"),
            ("24x7 2027-01-15 closed", "Line 2: \"24x7\" has no days to override."),
            ("XNYS-extended 2027-01-15 closed", "Line 2: \"XNYS-extended\" has no days to override."),
            ("XNYS 15.01.2027 closed", "Line 2: \"15.01.2027\" is not a date. Write year,"),
            ("XNYS 1989-12-29 closed", "Line 2: 1989-12-29 is outside of the calendars, which span 1990 to 2035."),
            ("XNYS 2036-01-02 closed", "Line 2: 2036-01-02 is outside"),
            ("XNYS 2027-01-15 9:30am 13:00", "Line 2: \"9:30am\" is not a time of day."),
            ("XNYS 2027-01-15 13:00 09:30", "Line 2: 13:00:00 to 09:30:00 are not hours of a session."),
            ("XNYS 2027-01-15 03:30 13:00", "Line 2: 03:30:00 to 13:00:00 are not hours"),
            ("XNYS 2027-01-15 09:30 20:30", "Line 2: 09:30:00 to 20:30:00 are not hours"),
            ("FX 2027-12-25 09:30 13:00", "Line 2: A day of FX can only be closed. Write `FX 2027-12-25 closed`."),
            ("FX 2027-12-25 closed\nFX 2027-12-25 closed", "Line 3: FX 2027-12-25 is said above already. Keep one"),
        ] {
            assert!(said(line).starts_with(want), "{line}: {}", said(line));
        }
    }
}
