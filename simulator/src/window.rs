//! The length of an answered bar, as Polygon lets one ask for it: a multiple of a unit of time.

use chrono::{Datelike, Days, Months, NaiveDate};
use tidemark_market::resample::merge;
use tidemark_market::time::MINUTE;
use tidemark_market::{Bar, Calendar, TimeRange, Timeframe, Timestamp};

/// So many minutes, days, weeks or months. Days and more are those of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    Minutes(u32),
    Days(u32),
    Weeks(u32),
    Months(u32),
}

/// Days from 1970-01-01 to the first Sunday.
const FIRST_SUNDAY: i64 = 3;

impl Window {
    /// Reads `1` and `hour` as Polygon writes them. Seconds are not simulated.
    pub(crate) fn parse(multiplier: &str, timespan: &str) -> Option<Self> {
        let count = multiplier.parse().ok().filter(|count| (1..=10_000).contains(count))?;
        Some(match timespan {
            "minute" => Self::Minutes(count),
            "hour" => Self::Minutes(count * 60),
            "day" => Self::Days(count),
            "week" => Self::Weeks(count),
            "month" => Self::Months(count),
            "quarter" => Self::Months(count * 3),
            "year" => Self::Months(count * 12),
            _ => return None,
        })
    }

    /// Whether the bars are made of minutes; the others are made of days.
    pub(crate) const fn is_intraday(self) -> bool {
        matches!(self, Self::Minutes(_))
    }

    pub(crate) const fn timeframe(self) -> Option<Timeframe> {
        Some(match self {
            Self::Minutes(1) => Timeframe::M1,
            Self::Minutes(5) => Timeframe::M5,
            Self::Minutes(15) => Timeframe::M15,
            Self::Minutes(30) => Timeframe::M30,
            Self::Minutes(60) => Timeframe::H1,
            Self::Minutes(240) => Timeframe::H4,
            Self::Days(1) => Timeframe::D1,
            Self::Weeks(1) => Timeframe::W1,
            _ => return None,
        })
    }

    /// Milliseconds, for comparing lengths; a month counts 30 days.
    pub(crate) const fn nominal_millis(self) -> i64 {
        MINUTE
            * match self {
                Self::Minutes(count) => count as i64,
                Self::Days(count) => count as i64 * 1_440,
                Self::Weeks(count) => count as i64 * 7 * 1_440,
                Self::Months(count) => count as i64 * 30 * 1_440,
            }
    }

    /// The window that holds `at`; `None` outside the years chrono knows.
    pub(crate) fn around(self, calendar: Calendar, at: Timestamp) -> Option<TimeRange> {
        if let Self::Minutes(count) = self {
            return Some(minutes_around(count, calendar, at));
        }
        let day = calendar.local_date(at)?;
        let (first, after) = self.days_around(day)?;
        TimeRange::new(calendar.day_start(first), calendar.day_start(after))
    }

    fn days_around(self, day: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
        let since_epoch = i64::from(day.to_epoch_days());
        let every = |days: i64, phase: i64| {
            let first = day.checked_sub_days(Days::new((since_epoch - phase).rem_euclid(days).unsigned_abs()))?;
            Some((first, first.checked_add_days(Days::new(days.unsigned_abs()))?))
        };
        match self {
            Self::Minutes(_) => None,
            Self::Days(count) => every(i64::from(count), 0),
            Self::Weeks(count) => every(i64::from(count) * 7, FIRST_SUNDAY),
            Self::Months(count) => {
                let month = i64::from(day.year()) * 12 + i64::from(day.month0());
                let into = u32::try_from(month.rem_euclid(i64::from(count))).ok()?;
                let first = day.with_day(1)?.checked_sub_months(Months::new(into))?;
                Some((first, first.checked_add_months(Months::new(count))?))
            }
        }
    }

    /// Bars of this length from finer ones that are sorted by time.
    pub(crate) fn group(self, finer: &[Bar], calendar: Calendar) -> Vec<Bar> {
        let mut bars = Vec::new();
        let mut rest = finer;
        while let Some(window) = rest.first().and_then(|bar| self.around(calendar, bar.ts)) {
            let (parts, after) = rest.split_at(rest.partition_point(|bar| bar.ts < window.end));
            bars.extend(merge(parts, window.start));
            rest = after;
        }
        bars
    }
}

/// What divides an hour lies on the hour; what does not counts from the exchange's midnight and ends with its day.
fn minutes_around(count: u32, calendar: Calendar, at: Timestamp) -> TimeRange {
    let length = i64::from(count) * MINUTE;
    let (origin, limit) = if 60 % count == 0 {
        (Timestamp(0), Timestamp(i64::MAX))
    } else {
        (calendar.bar_start(Timeframe::D1, at), calendar.bar_end(Timeframe::D1, at))
    };
    let start = origin.plus((at.0.saturating_sub(origin.0)).div_euclid(length) * length);
    TimeRange { start, end: start.plus(length).min(limit) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_begin_where_the_calendar_begins_its_bars() {
        for (multiplier, timespan) in
            [("1", "minute"), ("15", "minute"), ("1", "hour"), ("4", "hour"), ("1", "day"), ("1", "week")]
        {
            let window = Window::parse(multiplier, timespan).unwrap();
            let timeframe = window.timeframe().unwrap();
            for calendar in [Calendar::Xnys, Calendar::Fx, Calendar::AlwaysOpen] {
                for hours in 0..500 {
                    let at = Timestamp(1_709_900_000_000 + hours * 3_500_000);
                    let around = window.around(calendar, at).unwrap();
                    assert_eq!(around.start, calendar.bar_start(timeframe, at), "{window:?} {at}");
                    assert_eq!(around.end, calendar.bar_end(timeframe, at), "{window:?} {at}");
                }
            }
        }
    }

    #[test]
    fn months_and_quarters_begin_on_their_first_day() {
        let at = Timestamp::parse("2024-08-20T15:00:00Z").unwrap();
        let start = |count, span| Window::parse(count, span).unwrap().around(Calendar::Xnys, at).unwrap().start;
        assert_eq!(start("1", "month").to_string(), "2024-08-01T04:00:00Z");
        assert_eq!(start("1", "quarter").to_string(), "2024-07-01T04:00:00Z");
        assert_eq!(start("1", "year").to_string(), "2024-01-01T05:00:00Z");
    }
}
