//! Which times are written beside the axis: where a minute, an hour, a day, a month or a year begins, as close as they fit,
//! and each as long as what it begins.
//!
//! A mark stands where a bar's time lies in another unit than the time of the bar before, so that it depends on these two
//! alone, and stays on its bar when the view moves.

use crate::time::{DAY, HOUR, MINUTE};
use chrono::{DateTime, Datelike, NaiveDate};

/// What a wall clock shows, in milliseconds since 1970 as if it were UTC's.
pub type Wall = i64;

/// How far apart marks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many minutes of a day.
    Minutes(i64),
    /// So many days.
    Days(i64),
    /// So many months.
    Months(i64),
}

/// What a mark begins, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Some minutes.
    Minutes,
    /// A day.
    Day,
    /// A month.
    Month,
    /// A year.
    Year,
}

const STEPS: [Step; 22] = [
    Step::Minutes(1),
    Step::Minutes(2),
    Step::Minutes(5),
    Step::Minutes(10),
    Step::Minutes(15),
    Step::Minutes(30),
    Step::Minutes(60),
    Step::Minutes(120),
    Step::Minutes(180),
    Step::Minutes(360),
    Step::Minutes(720),
    Step::Days(1),
    Step::Days(2),
    Step::Days(3),
    Step::Days(7),
    Step::Days(14),
    Step::Months(1),
    Step::Months(3),
    Step::Months(6),
    Step::Months(12),
    Step::Months(24),
    Step::Months(60),
];
/// The coarsest.
const LAST: Step = Step::Months(120);

impl Step {
    /// The finest one whose marks are `apart` pixels from each other, where a bar of `bar_millis` takes `per_bar` of them
    /// and a day of the market, on average of all days, `per_day`.
    #[must_use]
    pub fn fitting(apart: f64, per_bar: f64, bar_millis: i64, per_day: f64) -> Self {
        let pixels = |step: Self| match step {
            // Where a day is narrow, its hours are of no use.
            Self::Minutes(_) if per_day < 2.0 * apart => 0.0,
            Self::Minutes(minutes) => (minutes * MINUTE) as f64 / bar_millis as f64 * per_bar,
            Self::Days(days) => days as f64 * per_day,
            Self::Months(months) => months as f64 * 30.4 * per_day,
        };
        STEPS.into_iter().find(|step| pixels(*step) >= apart).unwrap_or(LAST)
    }

    /// The unit of this length that holds a time, by number.
    fn number(self, at: Wall) -> i64 {
        match self {
            Self::Minutes(minutes) => at.div_euclid(minutes * MINUTE),
            // The first of January 1970 was a Thursday; weeks begin on Monday.
            Self::Days(days) => (at.div_euclid(DAY) + 3).div_euclid(days),
            Self::Months(months) => months_of(at).div_euclid(months),
        }
    }

    /// What begins between two times; `None` where both lie in the same unit.
    #[must_use]
    pub fn rank(self, before: Wall, at: Wall) -> Option<Rank> {
        let begun = begun(before, at);
        let is_larger = self.is_larger(begun);
        (is_larger || self.number(before) != self.number(at)).then_some(begun)
    }

    /// Whether a mark of that rank begins more than this step does, so that it is written stronger.
    #[must_use]
    pub const fn is_larger(self, rank: Rank) -> bool {
        match self {
            Self::Minutes(_) => !matches!(rank, Rank::Minutes),
            Self::Days(_) => matches!(rank, Rank::Month | Rank::Year),
            Self::Months(months) => months < 12 && matches!(rank, Rank::Year),
        }
    }
}

/// The largest unit of which a new one has begun.
fn begun(before: Wall, at: Wall) -> Rank {
    let (month_before, month) = (months_of(before), months_of(at));
    if month_before.div_euclid(12) != month.div_euclid(12) {
        Rank::Year
    } else if month_before != month {
        Rank::Month
    } else if before.div_euclid(DAY) != at.div_euclid(DAY) {
        Rank::Day
    } else {
        Rank::Minutes
    }
}

/// What is written at a mark.
#[must_use]
pub fn text(rank: Rank, at: Wall) -> String {
    let date = date_of(at);
    let month = || date.map_or("", |date| MONTHS[date.month0() as usize % 12]);
    match rank {
        Rank::Year => date.map_or_else(String::new, |date| date.year().to_string()),
        Rank::Month => month().to_owned(),
        Rank::Day => format!("{} {}", month(), date.map_or(1, |date| date.day())),
        Rank::Minutes => {
            let minutes = at.rem_euclid(DAY) / MINUTE;
            format!("{:02}:{:02}", minutes / (HOUR / MINUTE), minutes % (HOUR / MINUTE))
        }
    }
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn date_of(at: Wall) -> Option<NaiveDate> {
    DateTime::from_timestamp_millis(at).map(|at| at.date_naive())
}

fn months_of(at: Wall) -> i64 {
    date_of(at).map_or(0, |date| i64::from(date.year()) * 12 + i64::from(date.month0()))
}

/// A mark and where it stands, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tick {
    /// From the left.
    pub x: f64,
    /// What it begins.
    pub rank: Rank,
    /// The time of its bar.
    pub at: Wall,
}

/// The marks that are kept so that none is nearer than `apart` to one that begins more, and none on the heels of its like.
#[must_use]
pub fn spaced(mut ticks: Vec<Tick>, apart: f64) -> Vec<Tick> {
    ticks.sort_by(|a, b| b.rank.cmp(&a.rank).then(a.x.total_cmp(&b.x)));
    let mut kept: Vec<Tick> = Vec::new();
    for tick in ticks {
        if kept.iter().all(|other| (other.x - tick.x).abs() >= apart) {
            kept.push(tick);
        }
    }
    kept.sort_by(|a, b| a.x.total_cmp(&b.x));
    kept
}

#[cfg(test)]
mod tests {
    use crate::{Calendar, Timeframe, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Wall {
        Timestamp::parse(text).unwrap().0
    }

    fn texts(times: &[Wall], step: Step) -> Vec<String> {
        let pairs = times.windows(2);
        pairs.filter_map(|pair| Some(text(step.rank(pair[0], pair[1])?, pair[1]))).collect()
    }

    fn every(start: &str, step: i64, count: i64) -> Vec<Wall> {
        (0..count).map(|i| at(start) + i * step).collect()
    }

    #[test]
    fn each_mark_says_what_begins_there() {
        let hours = every("2024-12-31T20:00:00Z", HOUR, 8);
        assert_eq!(texts(&hours, Step::Minutes(60)), ["21:00", "22:00", "23:00", "2025", "01:00", "02:00", "03:00"]);
        assert_eq!(texts(&hours, Step::Minutes(180)), ["21:00", "2025", "03:00"]);
        let days = every("2024-02-26T05:00:00Z", DAY, 9);
        assert_eq!(texts(&days, Step::Days(1))[2..5], ["Feb 29", "Mar", "Mar 2"]);
        assert_eq!(texts(&days, Step::Days(7)), ["Mar", "Mar 4"], "a month in a week, and Monday");
        let months = every("2023-11-15T00:00:00Z", 30 * DAY, 6);
        assert_eq!(texts(&months, Step::Months(1)), ["Dec", "2024", "Feb", "Mar", "Apr"]);
    }

    #[test]
    fn a_session_that_opens_at_half_past_begins_its_day() {
        let bars = [at("2024-03-12T15:30:00Z"), at("2024-03-13T09:30:00Z"), at("2024-03-13T10:00:00Z")];
        assert_eq!(texts(&bars, Step::Minutes(60)), ["Mar 13", "10:00"]);
        assert_eq!(texts(&bars, Step::Minutes(720)), ["Mar 13"]);
    }

    #[test]
    fn larger_boundaries_are_written_stronger() {
        assert!(Step::Minutes(30).is_larger(Rank::Day) && !Step::Minutes(30).is_larger(Rank::Minutes));
        assert!(Step::Days(7).is_larger(Rank::Month) && !Step::Days(7).is_larger(Rank::Day));
        assert!(Step::Months(3).is_larger(Rank::Year) && !Step::Months(12).is_larger(Rank::Year));
    }

    #[test]
    fn the_finest_step_that_fits_is_taken() {
        let day = 6.5;
        assert_eq!(Step::fitting(72.0, 8.0, 5 * MINUTE, 8.0 * 78.0), Step::Minutes(60));
        assert_eq!(Step::fitting(72.0, 8.0, HOUR, 8.0 * day), Step::Days(2));
        assert_eq!(Step::fitting(72.0, 30.0, HOUR, 30.0 * day), Step::Minutes(180));
        assert_eq!(Step::fitting(72.0, 1e-6, DAY, 1e-6), LAST);
    }

    proptest! {
        #[test]
        fn marks_keep_their_distance_and_the_larger_ones_their_place(
            places in proptest::collection::vec((0.0..1000.0_f64, 0_usize..4), 0..60)
        ) {
            let ranks = [Rank::Minutes, Rank::Day, Rank::Month, Rank::Year];
            let ticks: Vec<Tick> = places.iter().map(|(x, rank)| Tick { x: *x, rank: ranks[*rank], at: 0 }).collect();
            let kept = spaced(ticks.clone(), 40.0);
            prop_assert!(kept.windows(2).all(|pair| pair[1].x - pair[0].x >= 40.0));
            for tick in ticks {
                let is_near = |other: &Tick| (other.x - tick.x).abs() < 40.0 && other.rank >= tick.rank;
                prop_assert!(kept.iter().any(is_near), "{:?} is kept or near one that counts as much", tick);
            }
        }

        #[test]
        fn a_mark_depends_on_its_bar_and_the_one_before_alone(
            start in 0_i64..1_800_000_000_000, hours in proptest::collection::vec(1_i64..90, 2..40), step in 0_usize..22
        ) {
            let mut times = vec![start];
            for hour in hours {
                times.push(times[times.len() - 1] + hour * HOUR);
            }
            let step = STEPS[step];
            for pair in times.windows(2) {
                let rank = step.rank(pair[0], pair[1]);
                prop_assert!(rank.is_some() || step.number(pair[0]) == step.number(pair[1]));
                let is_new_year = date_of(pair[0]).unwrap().year() != date_of(pair[1]).unwrap().year();
                prop_assert_eq!(rank == Some(Rank::Year), is_new_year && rank.is_some());
            }
        }

        #[test]
        fn bars_of_a_day_get_a_mark_each_day(day in 0_i64..12_000, minutes in proptest::sample::select(vec![30_i64, 60, 360])) {
            let first = Timestamp(946_684_800_000 + day * DAY);
            let range = crate::TimeRange { start: first, end: first.plus(7 * DAY) };
            let walls = |calendar: Calendar| -> Vec<Wall> {
                let spans = calendar.session_spans(Timeframe::M30, range, Timestamp(i64::MAX / 2));
                let starts = spans.into_iter().flat_map(|span| calendar.bar_starts(Timeframe::M30, span, 1_000));
                starts.filter_map(crate::calendar::utc_to_new_york).map(|at| at.and_utc().timestamp_millis()).collect()
            };
            let times = walls(Calendar::Xnys);
            let days = times.windows(2).filter(|pair| pair[0].div_euclid(DAY) != pair[1].div_euclid(DAY)).count();
            let step = Step::Minutes(minutes);
            let marked = times.windows(2).filter_map(|pair| step.rank(pair[0], pair[1])).filter(|rank| *rank > Rank::Minutes).count();
            prop_assert_eq!(days, marked);
        }
    }
}
