//! What a file's beginning tells of all of it: timeframe, zone, and whether the newest row comes first.

use std::collections::BTreeMap;
use std::path::Path;

use chrono_tz::Tz;
use tidemark_market::time::{DAY, HOUR, MINUTE, SECOND};
use tidemark_market::{Timeframe, Timestamp};

use super::FileError;
use super::rows::{Row, Rows, Unread};
use super::times::{Moment, Style};
use super::window::Direction;

/// How many rows are looked at.
pub const SAMPLE: usize = 4_096;

/// Where times without a zone are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// All times are instants, and need none.
    None,
    /// The one that was given.
    Given(Tz),
    /// Dates alone, of day or week bars: they name the exchange's days.
    Days,
}

/// What was told or found out.
#[derive(Clone, Debug)]
pub struct Inferred {
    /// Of the bars.
    pub timeframe: Timeframe,
    /// Of the times.
    pub zone: Zone,
    /// Of the rows.
    pub direction: Direction,
    /// The number of the first row that can be read, and how its time is written.
    pub first: (u64, Style),
    /// How the file is read, in words.
    pub description: String,
    /// What rows' numbers count.
    pub unit: &'static str,
}

/// Looks at the first [`SAMPLE`] rows. `timeframe` and `zone` are what was said of the file.
///
/// # Errors
/// Where it is no file of bars, or its timeframe or zone can't be told, or is not what was said.
pub fn inspect(path: &Path, timeframe: Option<Timeframe>, zone: Option<Tz>) -> Result<Inferred, FileError> {
    let mut rows = Rows::open(path)?;
    let sample = sample(path, &mut rows)?;
    let times: Vec<Timestamp> = sample.iter().map(|row| row.moment.roughly()).collect();
    let timeframe = match timeframe {
        Some(timeframe) => check_timeframe(path, &times, timeframe).map(|()| timeframe)?,
        None => infer_timeframe(path, &times)?,
    };
    let zone = infer_zone(path, &sample, rows.unit(), timeframe, zone)?;
    let backward = times.windows(2).filter(|pair| pair[1] < pair[0]).count();
    let direction = if backward * 2 > times.len() { Direction::NewestFirst } else { Direction::OldestFirst };
    let first = check_styles(path, &sample, rows.unit())?;
    Ok(Inferred { timeframe, zone, direction, first, description: rows.describe(), unit: rows.unit() })
}

/// How the first row's time is written, and with it all that were looked at.
fn check_styles(path: &Path, sample: &[Row], unit: &'static str) -> Result<(u64, Style), FileError> {
    let mut styles = sample.iter().map(|row| (row.number, row.moment.style()));
    let (first, first_style) = styles.next().unwrap_or((0, Style::Local));
    match styles.find(|(_, style)| !first_style.agrees(*style)) {
        None => Ok((first, first_style)),
        Some((second, style)) => Err(FileError::MixedZones {
            path: path.display().to_string(),
            unit,
            first,
            first_style: first_style.describe(),
            second,
            second_style: style.describe(),
        }),
    }
}

fn sample(path: &Path, rows: &mut Rows) -> Result<Vec<Row>, FileError> {
    let mut sample = Vec::new();
    let mut unread: Option<Unread> = None;
    let mut tried = 0;
    while tried < SAMPLE
        && let Some(row) = rows.next()?
    {
        tried += 1;
        match row {
            Ok(row) => sample.push(Row { text: None, ..row }),
            Err(bad) => unread = unread.or(Some(bad)),
        }
    }
    match unread {
        Some(Unread { number, detail, .. }) if sample.is_empty() => {
            let unit = if rows.unit() == "line" { "Line" } else { "Row" };
            Err(FileError::NoRows { path: path.display().to_string(), rows: tried, unit, number, detail })
        }
        _ => Ok(sample),
    }
}

/// Steps from row to row, whichever way, and how often each is taken.
fn steps(times: &[Timestamp]) -> BTreeMap<i64, usize> {
    let mut steps = BTreeMap::new();
    for pair in times.windows(2).filter(|pair| pair[0] != pair[1]) {
        let step = i64::try_from(pair[1].0.abs_diff(pair[0].0)).unwrap_or(i64::MAX);
        *steps.entry(step).or_insert(0) += 1;
    }
    steps
}

/// The shortest of the most frequent ones.
fn most_frequent(steps: &BTreeMap<i64, usize>) -> Option<i64> {
    steps.iter().rev().max_by_key(|(_, count)| **count).map(|(step, _)| *step)
}

fn infer_timeframe(path: &Path, times: &[Timestamp]) -> Result<Timeframe, FileError> {
    let path = || path.display().to_string();
    let step = most_frequent(&steps(times)).ok_or_else(|| FileError::TimeframeUnknown { path: path() })?;
    let found = Timeframe::ALL.into_iter().find(|timeframe| timeframe.millis() == step);
    found.ok_or_else(|| FileError::NoTimeframe { path: path(), step: in_words(step) })
}

/// Refuses finer bars than was said, and bars of which no two of many are as far apart as was said: a month's bar is no
/// day's bar, though it begins where one does.
fn check_timeframe(path: &Path, times: &[Timestamp], timeframe: Timeframe) -> Result<(), FileError> {
    let steps = steps(times);
    let Some(step) = most_frequent(&steps) else { return Ok(()) };
    // Days and weeks in which clocks are changed.
    let slack = if timeframe >= Timeframe::D1 { HOUR } else { 0 };
    let fits = |step: i64, timeframe: Timeframe| (step - timeframe.millis()).abs() <= slack;
    // Few days may leave some out; but days a week apart are weeks.
    let is_sure = times.len() > 3 || (timeframe == Timeframe::D1 && fits(step, Timeframe::W1));
    let is_other = step < timeframe.millis() - slack || (is_sure && !steps.keys().any(|step| fits(*step, timeframe)));
    if is_other {
        let (path, timeframe) = (path.display().to_string(), timeframe.to_string());
        return Err(FileError::OtherTimeframe { path, step: in_words(step), timeframe });
    }
    Ok(())
}

fn infer_zone(
    path: &Path,
    sample: &[Row],
    unit: &'static str,
    timeframe: Timeframe,
    given: Option<Tz>,
) -> Result<Zone, FileError> {
    let Some(local) = sample.iter().find(|row| row.moment.style() == Style::Local) else { return Ok(Zone::None) };
    let is_local = |row: &Row| row.moment.style() == Style::Local;
    let is_day = |moment: Moment| moment.day().is_some();
    if let Some(zone) = given {
        return Ok(Zone::Given(zone));
    }
    if timeframe >= Timeframe::D1 && sample.iter().filter(|row| is_local(row)).all(|row| is_day(row.moment)) {
        return Ok(Zone::Days);
    }
    let time = super::times::written(local.moment);
    Err(FileError::ZoneNeeded { path: path.display().to_string(), unit, number: local.number, time })
}

/// "31 days", "2 hours", "90 seconds".
fn in_words(millis: i64) -> String {
    let units = [(DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (SECOND, "second"), (1, "millisecond")];
    let (length, name) = units.into_iter().find(|(length, _)| millis % length == 0).unwrap_or((1, "millisecond"));
    let count = millis / length;
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(millis: &[i64]) -> Vec<Timestamp> {
        millis.iter().copied().map(Timestamp).collect()
    }

    fn infer(millis: &[i64]) -> Result<Timeframe, String> {
        infer_timeframe(Path::new("f"), &times(millis)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_most_frequent_step_is_the_timeframe() {
        assert_eq!(infer(&[0, MINUTE, 2 * MINUTE, 9 * MINUTE, DAY]), Ok(Timeframe::M1));
        assert_eq!(infer(&[3 * HOUR, 2 * HOUR, HOUR]), Ok(Timeframe::H1));
        assert_eq!(infer(&[0, DAY, 4 * DAY, 5 * DAY]), Ok(Timeframe::D1));
        assert_eq!(infer(&[0, 0]), Err("f: one time alone does not tell the timeframe. Give --timeframe.".to_owned()));
    }

    #[test]
    fn a_step_of_no_timeframe_is_named() {
        let refused = infer(&[0, 31 * DAY, 62 * DAY, 92 * DAY]).unwrap_err();
        assert!(
            refused.contains("the most frequent step from row to row is 31 days, which is no timeframe"),
            "{refused}"
        );
        assert!(infer(&[0, 90_000, 180_000]).unwrap_err().contains("90 seconds"));
    }

    #[test]
    fn what_was_said_of_the_timeframe_must_fit() {
        let check = |millis: &[i64], timeframe| check_timeframe(Path::new("f"), &times(millis), timeframe).is_ok();
        assert!(check(&[0], Timeframe::D1));
        assert!(check(&[0, DAY - HOUR, 3 * DAY], Timeframe::D1));
        assert!(check(&[0, 7 * MINUTE, 9 * MINUTE, 10 * MINUTE], Timeframe::M1));
        assert!(!check(&[0, MINUTE, 2 * MINUTE], Timeframe::H1));
        assert!(!check(&[0, 31 * DAY, 62 * DAY, 92 * DAY], Timeframe::D1));
        assert!(!check(&[0, 7 * DAY, 14 * DAY], Timeframe::D1), "weeks");
        assert!(!check(&[i64::MIN, i64::MAX, 0, 1], Timeframe::D1), "no overflow");
    }
}
