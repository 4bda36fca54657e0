//! What an answer covers: booked from the bars that came, never from how many there are.
//!
//! A provider may silently start later than it was asked, stop earlier, or lack a day. Time in which bars are to be
//! expected and none came is doubted: it is asked for once more before it is believed to be empty. A minute in which
//! nothing traded is not doubted: pauses as long as the answer shows elsewhere are its nature.

use serde::{Deserialize, Serialize};

use crate::spans::Spans;
use crate::time::{TimeRange, Timestamp};

/// A pause inside a session is doubted only where it is longer than this part of the session too.
const INNER_PART: i64 = 8;

/// Time younger than this is never believed to be empty, in milliseconds: delayed plans are 15 minutes behind, and a
/// provider's clock may be wrong.
pub const YOUNG_MILLIS: u64 = 30 * 60 * 1_000;

/// What an answer tells of the time it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Booking {
    /// Known now.
    pub covered: Spans,
    /// Bars may have traded, and none came.
    pub doubted: Spans,
}

impl Booking {
    /// Doubts time that was taken for covered.
    pub fn doubt(&mut self, spans: &Spans) {
        self.covered = self.covered.subtract(spans);
        self.doubted = self.doubted.union(spans);
    }

    /// Takes out what of the doubted time lies before `at`.
    #[must_use]
    pub fn take_before(&mut self, at: Timestamp) -> Spans {
        let Some(hull) = self.doubted.hull() else { return Spans::empty() };
        let Some(before) = TimeRange::new(hull.start, at) else { return Spans::empty() };
        let taken = self.doubted.clip(before);
        self.doubted = self.doubted.subtract(&taken);
        taken
    }
}

/// Why time without bars is without bars. The name of each is its stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A provider answered no bars for it; believed once it did so twice.
    Empty,
    /// The provider's plan or depth does not reach it.
    Outside,
    /// It could not be fetched.
    Failed,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Empty, Self::Outside, Self::Failed];

    /// The stable code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Outside => "outside",
            Self::Failed => "failed",
        }
    }

    /// The reason of that code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == code)
    }
}

/// Time without bars, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    /// From where to where.
    pub range: TimeRange,
    /// Why.
    pub reason: Reason,
    /// How many times that was answered.
    pub checks: u32,
    /// When it was answered last.
    pub checked_at: Timestamp,
}

/// What bars at these times tell of `sessions`, the session time that was asked for, in whole bars of `bar_millis`
/// (nominal). Times are sorted; those outside of the sessions do not count.
///
/// A session without bars is doubted. So is a silence at a session's start or end that is longer than the answer's long
/// pause (see [`long_pause`]), and one inside that is longer than an eighth of the session as well.
#[must_use]
pub fn book(times: &[Timestamp], sessions: &[TimeRange], bar_millis: i64) -> Booking {
    let silences: Vec<Silence> = sessions.iter().flat_map(|session| silences(times, *session, bar_millis)).collect();
    let long = long_pause(times, sessions, &silences);
    let doubted: Spans = silences.iter().filter(|silence| silence.is_doubtful(long)).map(|it| it.range).collect();
    let asked: Spans = sessions.iter().copied().collect();
    Booking { covered: asked.subtract(&doubted), doubted }
}

/// A stretch of one session without bars.
#[derive(Clone, Copy, Debug)]
struct Silence {
    range: TimeRange,
    session: TimeRange,
}

impl Silence {
    fn is_inner(&self) -> bool {
        self.session.start < self.range.start && self.range.end < self.session.end
    }

    fn is_doubtful(&self, long: i64) -> bool {
        let part = if self.is_inner() { self.session.millis() / INNER_PART } else { 0 };
        self.range == self.session || self.range.millis() > long.max(part)
    }
}

fn within(times: &[Timestamp], session: TimeRange) -> &[Timestamp] {
    let first = times.partition_point(|at| *at < session.start);
    let after = times.partition_point(|at| *at < session.end);
    &times[first..after.max(first)]
}

fn silences(times: &[Timestamp], session: TimeRange, bar_millis: i64) -> Vec<Silence> {
    let mut silences = Vec::new();
    let mut known = session.start;
    for at in within(times, session).iter().copied().chain([session.end]) {
        // Less than a bar is no bar's time: the day on which clocks are put back is longer than its nominal length.
        let silence = TimeRange::new(known, at).filter(|range| range.millis() >= bar_millis);
        silences.extend(silence.map(|range| Silence { range, session }));
        known = at.plus(bar_millis).max(known);
    }
    silences
}

/// The longest pause between two bars of one session, in milliseconds, one in a hundred of all steps from bar to bar left
/// aside, and one at least. 0 where the other steps lack no bar.
fn long_pause(times: &[Timestamp], sessions: &[TimeRange], silences: &[Silence]) -> i64 {
    let steps: usize = sessions.iter().map(|session| within(times, *session).len().saturating_sub(1)).sum();
    let mut pauses: Vec<i64> = silences.iter().filter(|it| it.is_inner()).map(|it| it.range.millis()).collect();
    pauses.sort_unstable();
    pauses.len().checked_sub(steps.div_ceil(100) + 1).map_or(0, |at| pauses[at])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::{HOUR, MINUTE};

    const OPEN: Timestamp = Timestamp(1_710_336_600_000);

    fn minutes(from: i64, to: i64) -> TimeRange {
        TimeRange { start: OPEN.plus(from * MINUTE), end: OPEN.plus(to * MINUTE) }
    }

    /// The opens of three days: 390 minutes each.
    fn sessions() -> Vec<TimeRange> {
        (0..3).map(|day| minutes(day * 1_440, day * 1_440 + 390)).collect()
    }

    fn every(step: usize, range: TimeRange) -> impl Iterator<Item = Timestamp> {
        (range.start.0..range.end.0).step_by(step * MINUTE as usize).map(Timestamp)
    }

    fn doubted(times: &[Timestamp]) -> Vec<TimeRange> {
        book(times, &sessions(), MINUTE).doubted.into()
    }

    #[test]
    fn a_whole_answer_covers_what_was_asked() {
        let times: Vec<_> = sessions().into_iter().flat_map(|session| every(1, session)).collect();
        assert_eq!(doubted(&times), []);
    }

    #[test]
    fn an_answer_that_starts_later_or_stops_earlier_leaves_out_what_it_left_out() {
        let times: Vec<_> = every(1, minutes(120, 390)).chain(every(1, minutes(1_440, 1_800))).collect();
        assert_eq!(doubted(&times), [minutes(0, 120), minutes(1_800, 1_830), minutes(2_880, 3_270)]);
        assert_eq!(doubted(&[]), sessions());
    }

    #[test]
    fn a_day_without_bars_and_a_long_hole_are_doubted() {
        let holed = every(1, minutes(0, 390)).filter(|at| !minutes(100, 190).contains(*at));
        let times: Vec<_> = holed.chain(every(1, minutes(2_880, 3_270))).collect();
        assert_eq!(doubted(&times), [minutes(100, 190), minutes(1_440, 1_830)]);
    }

    #[test]
    fn the_pauses_of_a_quiet_market_are_its_nature() {
        let times: Vec<_> = sessions()
            .into_iter()
            .flat_map(|session| every(7, TimeRange { start: session.start.plus(5 * MINUTE), ..session }))
            .collect();
        assert_eq!(doubted(&times), [], "six minutes of pause everywhere, five at the start");
        let late: Vec<_> = times.iter().copied().filter(|at| *at >= OPEN.plus(40 * MINUTE)).collect();
        assert_eq!(doubted(&late), [minutes(0, 40)]);
    }

    #[test]
    fn a_week_in_which_clocks_are_put_back_is_whole_with_its_bar() {
        let week = TimeRange { start: OPEN, end: OPEN.plus((7 * 24 + 1) * HOUR) };
        assert!(book(&[OPEN], &[week], 7 * 24 * HOUR).doubted.is_empty());
    }

    #[test]
    fn a_missing_day_bar_is_doubted() {
        let day = |day: i64| TimeRange { start: OPEN.plus(day * 24 * HOUR), end: OPEN.plus((day + 1) * 24 * HOUR) };
        let days: Vec<_> = (0..5).map(day).collect();
        let times: Vec<_> = [0, 1, 3, 4].map(|at| day(at).start).into();
        assert_eq!(Vec::from(book(&times, &days, 24 * HOUR).doubted), [day(2)]);
    }

    proptest! {
        #[test]
        fn covered_and_doubted_are_exactly_what_was_asked(bars in proptest::collection::btree_set(0_i64..3_300, 0..400)) {
            let times: Vec<_> = bars.into_iter().map(|minute| OPEN.plus(minute * MINUTE)).collect();
            let asked: Spans = sessions().into_iter().collect();
            let booking = book(&times, &sessions(), MINUTE);
            prop_assert_eq!(booking.covered.union(&booking.doubted), asked.clone());
            prop_assert!(booking.covered.intersect(&booking.doubted).is_empty());
            for at in times.iter().filter(|at| asked.contains(**at)) {
                prop_assert!(booking.covered.contains(*at), "a bar is always covered");
            }
        }
    }
}
