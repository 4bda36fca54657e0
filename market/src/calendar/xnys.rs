//! The days and hours of the New York Stock Exchange.
//!
//! The table of its holidays and early closes (`data/xnys.txt`) is written by `data/generate_xnys.py` from the Python
//! package exchange_calendars and spans 1990 to 2035.

use std::collections::HashMap;
use std::sync::LazyLock;

use chrono::{Datelike, Duration, NaiveDate, NaiveTime, Weekday};

use super::Calendar;
use super::new_york::{parse_time, wall};
use super::overrides::{Day, installed};

static SHIPPED: LazyLock<HashMap<NaiveDate, Day>> =
    LazyLock::new(|| include_str!("../../data/xnys.txt").lines().filter_map(parse_line).collect());

fn parse_line(line: &str) -> Option<(NaiveDate, Day)> {
    let mut words = line.split(' ');
    let date = words.next()?.parse().ok()?;
    match (words.next()?, words.next()) {
        ("closed", None) => Some((date, Day::Closed)),
        (open, Some(close)) => Some((date, Day::Hours(parse_time(open)?, parse_time(close)?))),
        _ => None,
    }
}

/// Open and close of the regular session in New York time; `None` on a day without one.
pub(super) fn regular_hours(day: NaiveDate) -> Option<(NaiveTime, NaiveTime)> {
    let is_weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    match installed(Calendar::Xnys, day).or_else(|| SHIPPED.get(&day).copied()) {
        Some(Day::Closed) => None,
        Some(Day::Hours(open, close)) => Some((open, close)),
        None if is_weekend => None,
        None => Some((NaiveTime::from_hms_opt(9, 30, 0)?, wall(16))),
    }
}

/// From 04:00 to 20:00; after an early close until four hours past it.
pub(super) fn extended_hours(day: NaiveDate) -> Option<(NaiveTime, NaiveTime)> {
    let (_, close) = regular_hours(day)?;
    let late = if close < wall(16) { close + Duration::hours(4) } else { wall(20) };
    Some((wall(4), late))
}
