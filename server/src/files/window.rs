//! Rows in order, a stretch at a time.
//!
//! A window holds some ten thousand rows. It is put in order, and the half that the file has passed is handed over, in whole
//! sessions. A row that belongs before what was handed over is refused; within a window order does not matter. The half
//! that stays keeps a row whose time is far ahead of its neighbours' from making them late.

use std::cmp::Ordering;

use tidemark_market::validate::{Defect, fullest_first};
use tidemark_market::{Bar, Layer, TimeRange, Timestamp};

use super::rejects::{Reason, Reject};

/// How many rows make a window full.
pub const ROWS: usize = 20_000;

/// Which way rows go in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// As most files.
    OldestFirst,
    /// As some vendors answer.
    NewestFirst,
}

/// A good row.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its bar.
    pub bar: Bar,
    /// The session it belongs to, in whole bars.
    pub session: TimeRange,
    /// Where it is to be written.
    pub layer: Layer,
    /// Its line or number.
    pub number: u64,
    /// As the file has it.
    pub text: Box<str>,
}

/// Rows of whole sessions, oldest first, one for each time.
#[derive(Debug, Default)]
pub struct Taken {
    /// The rows.
    pub rows: Vec<Placed>,
    /// Rows whose time another one has.
    pub rejects: Vec<Reject>,
    /// Whether more of the file's older sessions may come, or came before.
    pub has_older: bool,
    /// The same of newer ones.
    pub has_newer: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Window {
    rows: Vec<Placed>,
    direction: Direction,
    /// Where what was handed over begins or ends.
    passed: Option<Timestamp>,
    size: usize,
    unit: &'static str,
}

impl Window {
    /// An empty one that is full with `size` rows. `unit` is what rows' numbers count.
    pub const fn new(direction: Direction, size: usize, unit: &'static str) -> Self {
        Self { rows: Vec::new(), direction, passed: None, size, unit }
    }

    /// Takes a row in, unless it comes too late.
    pub fn push(&mut self, row: Placed) -> Result<(), Reject> {
        let is_late = self.passed.is_some_and(|passed| match self.direction {
            Direction::OldestFirst => row.bar.ts < passed,
            Direction::NewestFirst => row.bar.ts >= passed,
        });
        if is_late {
            let detail = format!("{} belongs before rows that were taken already", row.bar.ts);
            return Err(Reject { number: row.number, reason: Reason::Unsorted, detail, lost: None, text: row.text });
        }
        self.rows.push(row);
        Ok(())
    }

    /// Whether it is time for [`Window::take`].
    pub fn is_full(&self) -> bool {
        self.rows.len() >= self.size
    }

    /// Hands over what is complete, or `everything`.
    pub fn take(&mut self, everything: bool) -> Taken {
        let (mut rows, rejects) = in_order(std::mem::take(&mut self.rows), self.unit);
        let began = self.passed.is_some();
        if let (false, Some(first), Some(last)) = (everything, rows.first(), rows.last()) {
            let middle = &rows[rows.len() / 2];
            // One session may fill half of the window.
            let edge = match self.direction {
                Direction::OldestFirst if middle.session.start > first.session.start => middle.session.start,
                Direction::OldestFirst => last.session.start,
                Direction::NewestFirst if middle.session.end < last.session.end => middle.session.end,
                Direction::NewestFirst => first.session.end,
            };
            let newer = rows.split_off(rows.partition_point(|row| row.session.start < edge));
            self.rows = match self.direction {
                Direction::OldestFirst => newer,
                Direction::NewestFirst => std::mem::replace(&mut rows, newer),
            };
            self.passed = if rows.is_empty() { self.passed } else { Some(edge) };
        }
        let (before, after) = (began, !everything);
        let (has_older, has_newer) = match self.direction {
            Direction::OldestFirst => (before, after),
            Direction::NewestFirst => (after, before),
        };
        Taken { rows, rejects, has_older, has_newer }
    }
}

/// Sorted by time. Of several rows of one time the one stays that would stay of a provider's answer.
fn in_order(mut rows: Vec<Placed>, unit: &str) -> (Vec<Placed>, Vec<Reject>) {
    rows.sort_by(order);
    let mut kept: Vec<Placed> = Vec::with_capacity(rows.len());
    let mut rejects = Vec::new();
    for row in rows {
        match kept.last() {
            Some(last) if last.bar.ts == row.bar.ts => rejects.push(Reject {
                number: row.number,
                reason: Reason::Defect(Defect::Duplicate),
                detail: format!("{} is the time of {unit} {} too", row.bar.ts, last.number),
                lost: None,
                text: row.text,
            }),
            _ => kept.push(row),
        }
    }
    (kept, rejects)
}

fn order(a: &Placed, b: &Placed) -> Ordering {
    fullest_first(&a.bar, &b.bar).then_with(|| a.number.cmp(&b.number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidemark_market::time::MINUTE;

    use super::*;

    /// Sessions of ten minutes.
    fn row(number: u64, minute: i64) -> Placed {
        let start = Timestamp(minute.div_euclid(10) * 10 * MINUTE);
        Placed {
            bar: Bar::new(Timestamp(minute * MINUTE), 1.0, 1.0, 1.0, 1.0, 1.0),
            session: TimeRange { start, end: start.plus(10 * MINUTE) },
            layer: Layer::Historical,
            number,
            text: "".into(),
        }
    }

    /// What comes out, batch by batch, and the rejects.
    fn run(direction: Direction, size: usize, minutes: &[i64]) -> (Vec<Vec<i64>>, Vec<Reject>) {
        let mut window = Window::new(direction, size, "line");
        let (mut batches, mut rejects) = (Vec::new(), Vec::new());
        let mut keep = |taken: Taken, rejects: &mut Vec<Reject>| {
            rejects.extend(taken.rejects);
            batches.push(taken.rows.iter().map(|row| row.bar.ts.0 / MINUTE).collect::<Vec<_>>());
        };
        for (number, minute) in minutes.iter().enumerate() {
            if let Err(reject) = window.push(row(number as u64, *minute)) {
                rejects.push(reject);
            }
            if window.is_full() {
                keep(window.take(false), &mut rejects);
            }
        }
        keep(window.take(true), &mut rejects);
        (batches, rejects)
    }

    #[test]
    fn sessions_are_handed_over_whole() {
        let minutes: Vec<i64> = (0..35).collect();
        let (batches, rejects) = run(Direction::OldestFirst, 15, &minutes);
        assert!(rejects.is_empty());
        assert_eq!(batches.concat(), minutes);
        assert!(batches.iter().all(|batch| batch.first().is_none_or(|first| first % 10 == 0)), "{batches:?}");
    }

    #[test]
    fn a_row_far_ahead_of_its_neighbours_makes_none_of_them_late() {
        let forward: Vec<i64> = (0..5).chain([9_000]).chain(5..200).collect();
        let backward: Vec<i64> = (0..200).rev().take(5).chain([-9_000]).chain((0..195).rev()).collect();
        for (direction, minutes) in [(Direction::OldestFirst, forward), (Direction::NewestFirst, backward)] {
            let (batches, rejects) = run(direction, 40, &minutes);
            assert_eq!((batches.concat().len(), rejects.len()), (201, 0), "{direction:?}");
        }
    }

    #[test]
    fn what_comes_far_too_late_is_refused() {
        let mut minutes: Vec<i64> = (0..35).collect();
        minutes.push(3);
        let (batches, rejects) = run(Direction::OldestFirst, 15, &minutes);
        assert_eq!(batches.concat().len(), 35);
        assert_eq!(
            rejects.iter().map(|reject| (reject.number, reject.reason)).collect::<Vec<_>>(),
            [(35, Reason::Unsorted)]
        );
    }

    proptest! {
        #[test]
        fn any_order_within_a_window_and_any_direction_ends_the_same(
            minutes in proptest::collection::vec(0_i64..100, 0..60), size in 61_usize..70,
        ) {
            let mut sorted = minutes.clone();
            sorted.sort_unstable();
            sorted.dedup();
            for direction in [Direction::OldestFirst, Direction::NewestFirst] {
                let (batches, rejects) = run(direction, size, &minutes);
                prop_assert_eq!(batches.concat(), sorted.clone());
                prop_assert_eq!(rejects.len(), minutes.len() - sorted.len());
            }
        }

        #[test]
        fn every_row_is_handed_over_or_refused(minutes in proptest::collection::vec(0_i64..300, 0..200), size in 1_usize..40) {
            for direction in [Direction::OldestFirst, Direction::NewestFirst] {
                let (batches, rejects) = run(direction, size, &minutes);
                let mut out = batches.concat();
                prop_assert_eq!(out.len() + rejects.len(), minutes.len());
                out.sort_unstable();
                prop_assert!(out.windows(2).all(|pair| pair[0] < pair[1]), "one bar for each time");
            }
        }

        #[test]
        fn a_file_in_order_loses_nothing(count in 0_i64..200, size in 1_usize..40) {
            let forward: Vec<i64> = (0..count).collect();
            let backward: Vec<i64> = forward.iter().rev().copied().collect();
            for (direction, minutes) in [(Direction::OldestFirst, &forward), (Direction::NewestFirst, &backward)] {
                let (batches, rejects) = run(direction, size, minutes);
                prop_assert!(rejects.is_empty());
                let mut out = batches.concat();
                out.sort_unstable();
                prop_assert_eq!(&out, &forward);
            }
        }
    }
}
