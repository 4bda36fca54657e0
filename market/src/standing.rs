//! How the time of a series stands: what is held, on its way, or was not to be had, over a whole window.

use serde::{Deserialize, Serialize};

use crate::calendar::Hours;
use crate::coverage::Reason;
use crate::spans::Spans;
use crate::symbol::Symbol;
use crate::time::{TimeRange, Timestamp};
use crate::timeframe::Timeframe;

/// How a stretch of session time stands. The name of each is its stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Held.
    Present,
    /// Not held, and answered from finer bars.
    Derived,
    /// Being fetched.
    Running,
    /// On its way.
    Queued,
    /// Could not be fetched.
    Failed,
    /// A provider answered no bars for it.
    Empty,
    /// Beyond the provider's plan or depth.
    Outside,
    /// Not asked for yet.
    Missing,
}

impl Standing {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 8] = [
        Self::Present,
        Self::Derived,
        Self::Running,
        Self::Queued,
        Self::Failed,
        Self::Empty,
        Self::Outside,
        Self::Missing,
    ];

    /// The stable code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Derived => "derived",
            Self::Running => "running",
            Self::Queued => "queued",
            Self::Failed => "failed",
            Self::Empty => "empty",
            Self::Outside => "outside",
            Self::Missing => "missing",
        }
    }
}

impl From<Reason> for Standing {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Empty => Self::Empty,
            Reason::Outside => Self::Outside,
            Reason::Failed => Self::Failed,
        }
    }
}

/// A stretch of time that stands alike from its start to its end, closed hours aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// From where to where; both lie in session time.
    pub range: TimeRange,
    /// How it stands.
    pub standing: Standing,
    /// What more is known of it.
    #[serde(flatten)]
    pub detail: Detail,
}

/// What is known of a stretch beyond how it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// Of one that is being fetched: how much of it has come, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// Who fetches it, or was asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Why it was not to be had, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was asked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
    /// When it will be asked for again by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask_again_at: Option<Timestamp>,
}

/// How a series stands over a window, at one revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingReport {
    /// Whose bars.
    pub symbol: Symbol,
    /// At which length.
    pub timeframe: Timeframe,
    /// Which part of the day counts.
    pub hours: Hours,
    /// From the first to the last session time of it.
    pub window: TimeRange,
    /// The series' revision.
    pub revision: u64,
    /// The series' hydration, as in its progress.
    pub hydration: u64,
    /// The whole window, sorted. Two neighbours differ.
    pub stretches: Vec<Stretch>,
    /// When the market is closed in between, sorted.
    pub closed: Vec<TimeRange>,
}

/// What is known of a series' time. Parts may overlap: what is held counts before what is on its way, except that time
/// which was found empty is told as such.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Session time that bars, or the lack of them, are known of.
    pub covered: Spans,
    /// Session time that finer bars answer.
    pub derived: Spans,
    /// What is being fetched or waits; it may reach over closed hours.
    pub live: Vec<Stretch>,
    /// What was not to be had.
    pub holes: Vec<Stretch>,
}

/// How `asked`, session time, stands: stretches that fill it, sorted. One goes on over closed hours where it stands
/// alike after them.
#[must_use]
pub fn stretches(asked: &Spans, known: Known) -> Vec<Stretch> {
    let plain = |standing| move |range: &TimeRange| Stretch { range: *range, standing, detail: Detail::default() };
    let (is_empty, mut first): (Vec<_>, Vec<_>) =
        known.holes.into_iter().partition(|hole| hole.standing == Standing::Empty);
    // Runs come before what was said of their time earlier; the running ones before those that wait.
    let (running, queued): (Vec<_>, Vec<_>) = known.live.into_iter().partition(|run| run.standing == Standing::Running);
    first.splice(0..0, running.into_iter().chain(queued));
    let mut laid = Vec::new();
    let mut left = asked.clone();
    let mut lay = |stretches: &mut dyn Iterator<Item = Stretch>, within: Option<&Spans>| {
        for stretch in stretches {
            let mut parts = left.clip(stretch.range);
            if let Some(within) = within {
                parts = parts.intersect(within);
            }
            left = left.subtract(&parts);
            laid.extend(parts.ranges().iter().map(|range| Stretch { range: *range, ..stretch.clone() }));
        }
    };
    // Believed to be empty: covered, without bars.
    lay(&mut is_empty.iter().cloned(), Some(&known.covered));
    lay(&mut known.covered.ranges().iter().map(plain(Standing::Present)), None);
    lay(&mut first.into_iter(), None);
    lay(&mut is_empty.into_iter(), None);
    lay(&mut known.derived.ranges().iter().map(plain(Standing::Derived)), None);
    let missing = left.clone();
    laid.extend(missing.ranges().iter().map(plain(Standing::Missing)));
    joined(laid)
}

/// Sorted, with neighbours that stand alike as one. The whole of session time is laid, so that what lies between two
/// neighbours is closed.
fn joined(mut laid: Vec<Stretch>) -> Vec<Stretch> {
    laid.sort_unstable_by_key(|stretch| stretch.range);
    let mut joined: Vec<Stretch> = Vec::with_capacity(laid.len());
    for stretch in laid {
        match joined.last_mut() {
            Some(last) if last.standing == stretch.standing && last.detail == stretch.detail => {
                last.range.end = stretch.range.end;
            }
            _ => joined.push(stretch),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(start: i64, end: i64) -> TimeRange {
        TimeRange { start: Timestamp(start), end: Timestamp(end) }
    }

    fn spans(ranges: &[(i64, i64)]) -> Spans {
        ranges.iter().map(|(start, end)| range(*start, *end)).collect()
    }

    fn stretch(start: i64, end: i64, standing: Standing) -> Stretch {
        Stretch { range: range(start, end), standing, detail: Detail::default() }
    }

    fn told(asked: &[(i64, i64)], known: Known) -> Vec<(i64, i64, Standing)> {
        let stretches = stretches(&spans(asked), known);
        stretches.iter().map(|it| (it.range.start.0, it.range.end.0, it.standing)).collect()
    }

    #[test]
    fn every_kind_of_time_is_told_and_what_stands_alike_is_one_over_closed_hours() {
        let known = Known {
            covered: spans(&[(0, 10), (20, 30), (40, 44)]),
            derived: spans(&[(66, 70)]),
            live: vec![stretch(45, 70, Standing::Queued), stretch(44, 46, Standing::Running)],
            holes: vec![
                stretch(25, 30, Standing::Empty),
                stretch(46, 50, Standing::Failed),
                stretch(60, 62, Standing::Outside),
            ],
        };
        assert_eq!(
            told(&[(0, 10), (20, 30), (40, 50), (60, 70)], known),
            [
                (0, 25, Standing::Present),
                (25, 30, Standing::Empty),
                (40, 44, Standing::Present),
                (44, 46, Standing::Running),
                (46, 70, Standing::Queued),
            ]
        );
    }

    #[test]
    fn at_rest_there_is_a_reason_or_nobody_asked_yet() {
        let known = Known {
            covered: spans(&[(5, 10)]),
            derived: spans(&[(0, 1)]),
            live: Vec::new(),
            holes: vec![
                stretch(2, 3, Standing::Failed),
                stretch(3, 4, Standing::Outside),
                stretch(4, 5, Standing::Empty),
            ],
        };
        assert_eq!(
            told(&[(0, 10)], known),
            [
                (0, 1, Standing::Derived),
                (1, 2, Standing::Missing),
                (2, 3, Standing::Failed),
                (3, 4, Standing::Outside),
                (4, 5, Standing::Empty),
                (5, 10, Standing::Present),
            ]
        );
        assert_eq!(told(&[(0, 4)], Known::default()), [(0, 4, Standing::Missing)]);
        assert_eq!(told(&[], Known::default()), []);
    }

    fn any_spans() -> impl Strategy<Value = Spans> {
        proptest::collection::vec((0_i64..60, 1_i64..12), 0..8)
            .prop_map(|pairs| pairs.into_iter().map(|(start, length)| range(start, start + length)).collect())
    }

    fn any_stretches(of: &'static [Standing]) -> impl Strategy<Value = Vec<Stretch>> {
        proptest::collection::vec((0_i64..60, 1_i64..12, proptest::sample::select(of)), 0..6)
            .prop_map(|all| all.into_iter().map(|(start, length, it)| stretch(start, start + length, it)).collect())
    }

    proptest! {
        #[test]
        fn all_that_is_asked_stands_somehow_once(
            asked in any_spans(), covered in any_spans(), derived in any_spans(),
            live in any_stretches(&[Standing::Queued, Standing::Running]),
            holes in any_stretches(&[Standing::Empty, Standing::Outside, Standing::Failed]),
        ) {
            let known = Known { covered: covered.clone(), derived, live, holes };
            let laid = stretches(&asked, known);
            prop_assert!(laid.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start));
            let parts: Vec<Spans> = laid.iter().map(|it| asked.clip(it.range)).collect();
            let whole = parts.iter().fold(Spans::empty(), |whole, part| whole.union(part));
            prop_assert_eq!(whole, asked.clone());
            for (part, stretch) in parts.iter().zip(&laid) {
                let is_held = matches!(stretch.standing, Standing::Present | Standing::Empty);
                prop_assert!(is_held || part.intersect(&covered).is_empty(), "what is held is told as held");
            }
        }
    }
}
