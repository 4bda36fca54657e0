//! How long a slice may be: learned from how long its fetch took.
//!
//! What one request holds is told by the provider's adapter, its page. How much of that comes in good time is not: it
//! depends on the plan, the day and the distance. So a size begins at [`first_size`], doubles while answers are quick,
//! and halves where they are not. Sizes are wall-clock time, pauses between sessions included, as slices are.
//!
//! A size that doubles within [`TARGET_MILLIS`] takes twice as long at worst, which is not slow yet: where the time an
//! answer takes grows with its length, the size comes to rest.

use crate::time::{DAY, HOUR, MINUTE, SECOND, TimeRange};
use crate::timeframe::Timeframe;

/// The size that a series of minutes begins with; see [`first_size`].
pub const START_MILLIS: i64 = DAY;

/// No size gets smaller, unless a page does.
pub const MIN_MILLIS: i64 = 2 * HOUR;

/// Within this an answer is quick.
pub const TARGET_MILLIS: u32 = 2 * SECOND as u32;

/// Beyond this an answer is slow.
pub const SLOW_MILLIS: u32 = 3 * TARGET_MILLIS;

/// A slice has to be so much of the size, as a divisor, to say that a longer one would do: a quarter, since the session
/// of a stock exchange, beyond which a slice of a day cannot reach, is little more than a quarter of a day.
const USED: i64 = 4;

/// One fetched run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// What was asked for.
    pub slice: TimeRange,
    /// How many requests it took.
    pub requests: u32,
    /// How many bars came.
    pub rows: u32,
    /// From the first request to the last answer.
    pub latency_millis: u32,
}

/// The size to begin with, while nothing is known: as many bars as there are minutes in [`START_MILLIS`], or a `page`,
/// the longest time whose bars surely fit one request, where that is less.
#[must_use]
pub fn first_size(timeframe: Timeframe, page: i64) -> i64 {
    (START_MILLIS / MINUTE * timeframe.millis()).min(page)
}

/// The size after a fetch: `current`, its double or its half, between [`MIN_MILLIS`] and `page`.
///
/// Rows need no rule beside `page`, which is the time whose rows fit a request. But an answer without any says nothing of
/// how long rows take, so that the size does not grow by it.
#[must_use]
pub fn next_size(current: i64, page: i64, measured: &Measured) -> i64 {
    let size = if is_slow(measured) && measured.slice.millis() <= current {
        current / 2
    } else if is_quick(measured) && measured.slice.millis() >= current / USED {
        current.saturating_mul(2)
    } else {
        // A slow slice that is longer than the size was planned before the size shrank, and has been counted.
        current
    };
    size.max(MIN_MILLIS).min(page)
}

/// The size after a fetch that ended in a time-out or in an answer that was too large.
#[must_use]
pub fn after_failure(current: i64) -> i64 {
    (current / 2).max(MIN_MILLIS.min(current))
}

const fn is_quick(measured: &Measured) -> bool {
    measured.requests == 1 && measured.rows > 0 && measured.latency_millis <= TARGET_MILLIS
}

const fn is_slow(measured: &Measured) -> bool {
    measured.requests > 1 || measured.latency_millis > SLOW_MILLIS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Timestamp;

    const PAGE: i64 = 72 * DAY;

    fn quick(millis: i64) -> Measured {
        let slice = TimeRange { start: Timestamp(0), end: Timestamp(millis) };
        Measured { slice, requests: 1, rows: 100, latency_millis: 300 }
    }

    #[test]
    fn a_quick_answer_doubles_the_size_and_a_slow_one_halves_it() {
        let next = |measured: Measured| next_size(4 * DAY, PAGE, &measured) / DAY;
        let full = quick(4 * DAY);
        assert_eq!(next(full), 8);
        assert_eq!(next(Measured { latency_millis: 2_000, ..full }), 8);
        assert_eq!(next(Measured { latency_millis: 2_001, ..full }), 4, "neither quick nor slow");
        assert_eq!(next(Measured { latency_millis: 6_000, ..full }), 4);
        assert_eq!(next(Measured { latency_millis: 6_001, ..full }), 2);
        assert_eq!(next(Measured { requests: 2, ..full }), 2, "it was more than a page");
        assert_eq!(next(Measured { rows: 0, ..full }), 4, "nothing came of which to learn");
        assert_eq!(next(quick(DAY - 1)), 4, "too short to tell");
        assert_eq!(next(Measured { requests: 2, ..quick(8 * DAY) }), 4, "planned before the size shrank");
    }

    #[test]
    fn a_session_of_a_stock_exchange_is_enough_to_learn_from() {
        let session = quick(6 * HOUR + 30 * MINUTE);
        assert_eq!(next_size(START_MILLIS, PAGE, &session), 2 * DAY);
    }

    #[test]
    fn a_page_and_two_hours_are_the_bounds() {
        assert_eq!(next_size(60 * DAY, PAGE, &quick(60 * DAY)), PAGE);
        assert_eq!(next_size(3 * HOUR, PAGE, &Measured { requests: 2, ..quick(3 * HOUR) }), 2 * HOUR);
        assert_eq!(next_size(DAY, HOUR, &quick(DAY)), HOUR, "a page may be less");
        assert_eq!((after_failure(DAY), after_failure(3 * HOUR), after_failure(HOUR)), (12 * HOUR, 2 * HOUR, HOUR));
    }

    #[test]
    fn a_size_begins_with_a_day_of_minutes_or_as_many_other_bars() {
        assert_eq!(first_size(Timeframe::M1, PAGE), DAY);
        assert_eq!(first_size(Timeframe::H1, PAGE), 60 * DAY);
        assert_eq!(first_size(Timeframe::H4, PAGE), PAGE);
        assert_eq!(first_size(Timeframe::M1, 5 * HOUR), 5 * HOUR);
        assert_eq!(first_size(Timeframe::D1, 300 * DAY), 300 * DAY);
    }

    /// The sizes of runs that each use all of the size that the one before left.
    fn sizes(page: i64, latency_millis: impl Fn(i64) -> i64) -> Vec<i64> {
        let learn = |size: &i64| {
            let latency_millis = u32::try_from(latency_millis(*size)).unwrap_or(u32::MAX);
            Some(next_size(*size, page, &Measured { latency_millis, ..quick(*size) }))
        };
        std::iter::successors(Some(START_MILLIS.min(page)), learn).take(64).collect()
    }

    proptest! {
        #[test]
        fn a_size_stays_within_its_bounds(
            current in 1_i64..=i64::MAX,
            page in MINUTE..50_000 * DAY,
            slice in 1_i64..=i64::MAX,
            (requests, rows, latency_millis) in (1_u32..4, 0_u32..3, 0_u32..10_000),
        ) {
            let next = next_size(current, page, &Measured { requests, rows, latency_millis, ..quick(slice) });
            prop_assert!(next <= page && next >= MIN_MILLIS.min(page), "{}", next);
            let failed = after_failure(current);
            prop_assert!(failed <= current && failed >= MIN_MILLIS.min(current), "{}", failed);
        }

        #[test]
        fn quick_answers_lead_to_whole_pages(page in 2 * HOUR..50_000 * DAY, latency in 0_i64..=2_000) {
            let sizes = sizes(page, |_| latency);
            prop_assert!(sizes.is_sorted());
            prop_assert_eq!(sizes[20], page, "a million days are twenty doublings");
        }

        #[test]
        fn a_provider_that_takes_its_time_is_met_half_way(per_hour in 1_i64..2_000, page in 2 * HOUR..50_000 * DAY) {
            let sizes = sizes(page, |size| size / HOUR * per_hour);
            let rest = sizes[63];
            prop_assert_eq!(rest, sizes[62], "it comes to rest");
            let is_slow = rest / HOUR * per_hour > i64::from(SLOW_MILLIS);
            prop_assert!(!is_slow, "{} h", rest / HOUR);
        }
    }
}
