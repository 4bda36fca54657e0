//! New York's clocks.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::America::New_York;

use crate::time::Timestamp;

/// The UTC instant of a New York wall time. Of a time that clocks show twice the first is meant, and a time that they
/// skip is read as if they had not been put forward yet. No session opens or closes at either.
#[must_use]
pub fn new_york_to_utc(day: NaiveDate, time: NaiveTime) -> Timestamp {
    let wall = day.and_time(time);
    let utc: DateTime<Utc> = match New_York.from_local_datetime(&wall).earliest() {
        Some(at) => at.with_timezone(&Utc),
        None => wall.and_utc() + chrono::Duration::hours(5),
    };
    Timestamp::from(utc)
}

/// The New York wall time of a UTC instant; `None` outside the years chrono knows.
#[must_use]
pub fn utc_to_new_york(at: Timestamp) -> Option<NaiveDateTime> {
    Some(at.to_datetime()?.with_timezone(&New_York).naive_local())
}

/// The full hour of a wall clock.
pub(super) fn wall(hour: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or(NaiveTime::MIN)
}

/// Reads `09:30`.
pub(super) fn parse_time(text: &str) -> Option<NaiveTime> {
    NaiveTime::parse_from_str(text, "%H:%M").ok()
}
