//! New York's clocks, by the law on daylight saving time as it stood and stands since 1987. So a page that reckons with an
//! exchange's days need not carry the world's time zones.

use chrono::{DateTime, Datelike, Days, Duration, NaiveDate, NaiveDateTime, NaiveTime, Utc, Weekday};

use crate::time::Timestamp;

/// From this year on clocks are put forward in March and back in November.
const ENERGY_POLICY_ACT: i32 = 2007;

/// The UTC instant of a New York wall time. Of a time that clocks show twice the first is meant, and a time that they
/// skip is read as if they had not been put forward yet. No session opens or closes at either.
#[must_use]
pub fn new_york_to_utc(day: NaiveDate, time: NaiveTime) -> Timestamp {
    let wall = day.and_time(time);
    let is_summer = summer(day.year()).is_some_and(|(start, end)| {
        let put_forward = start + Duration::hours(1);
        put_forward <= wall && wall < end
    });
    Timestamp::from((wall + Duration::hours(if is_summer { 4 } else { 5 })).and_utc())
}

/// The New York wall time of a UTC instant; `None` outside the years chrono knows.
#[must_use]
pub fn utc_to_new_york(at: Timestamp) -> Option<NaiveDateTime> {
    let utc: DateTime<Utc> = at.to_datetime()?;
    let standard = utc.naive_utc().checked_sub_signed(Duration::hours(5))?;
    let is_summer = summer(standard.year()).is_some_and(|(start, end)| {
        let put_back = end - Duration::hours(1);
        start <= standard && standard < put_back
    });
    if is_summer { standard.checked_add_signed(Duration::hours(1)) } else { Some(standard) }
}

/// When clocks are put forward, as they show it before, and when back, as they show it before. Both at two in the night.
fn summer(year: i32) -> Option<(NaiveDateTime, NaiveDateTime)> {
    let (start, end) = if year >= ENERGY_POLICY_ACT {
        (first_sunday(year, 3)? + Days::new(7), first_sunday(year, 11)?)
    } else {
        (first_sunday(year, 4)?, first_sunday(year, 11)? - Days::new(7))
    };
    Some((start.and_time(wall(2)), end.and_time(wall(2))))
}

fn first_sunday(year: i32, month: u32) -> Option<NaiveDate> {
    NaiveDate::from_weekday_of_month_opt(year, month, Weekday::Sun, 1)
}

/// The full hour of a wall clock.
pub(super) fn wall(hour: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or(NaiveTime::MIN)
}

/// Reads `09:30`.
pub(super) fn parse_time(text: &str) -> Option<NaiveTime> {
    NaiveTime::parse_from_str(text, "%H:%M").ok()
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use chrono_tz::America::New_York;

    use super::*;
    use crate::calendar::{END, FIRST};
    use crate::time::MINUTE;

    /// What the time zone database says.
    fn database_says(wall: NaiveDateTime) -> Timestamp {
        match New_York.from_local_datetime(&wall).earliest() {
            Some(at) => Timestamp::from(at.with_timezone(&Utc)),
            None => Timestamp::from((wall + Duration::hours(5)).and_utc()),
        }
    }

    #[test]
    fn the_rule_is_what_the_time_zone_database_says_at_every_half_hour() {
        for at in (FIRST.0..END.0).step_by(usize::try_from(30 * MINUTE).unwrap()).map(Timestamp) {
            let wall = at.to_datetime().unwrap().with_timezone(&New_York).naive_local();
            assert_eq!(utc_to_new_york(at), Some(wall), "{at}");
            let as_wall = at.to_datetime().unwrap().naive_utc();
            assert_eq!(new_york_to_utc(as_wall.date(), as_wall.time()), database_says(as_wall), "{as_wall}");
        }
    }
}
