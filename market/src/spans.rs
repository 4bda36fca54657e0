//! Sets of time: sorted, disjoint, non-touching spans. Coverage, gaps and sessions are such sets, and a gap is set
//! arithmetic: `asked ∩ sessions − covered`. The database does the same with `tstzmultirange`.

use serde::{Deserialize, Serialize};

use crate::time::{TimeRange, Timestamp};

/// A set of points in time, kept as sorted, disjoint, non-touching, non-empty ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<TimeRange>", into = "Vec<TimeRange>")]
pub struct Spans(Vec<TimeRange>);

impl Spans {
    /// The empty set.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// The ranges, sorted.
    #[must_use]
    pub fn ranges(&self) -> &[TimeRange] {
        &self.0
    }

    /// Whether nothing is inside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Milliseconds inside.
    #[must_use]
    pub fn millis(&self) -> i64 {
        self.0.iter().map(|range| range.millis()).sum()
    }

    /// The smallest range that holds all; `None` where there is nothing to hold.
    #[must_use]
    pub fn hull(&self) -> Option<TimeRange> {
        TimeRange::new(self.0.first()?.start, self.0.last()?.end)
    }

    /// Whether `at` is inside.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        let after = self.0.partition_point(|range| range.start <= at);
        after > 0 && self.0[after - 1].contains(at)
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.0.iter().chain(&other.0).copied().collect()
    }

    /// What is in both.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let (mut mine, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut common = Vec::new();
        while let (Some(a), Some(b)) = (mine.peek(), theirs.peek()) {
            common.extend(a.intersect(**b));
            if a.end <= b.end {
                mine.next()
            } else {
                theirs.next()
            };
        }
        Self(common)
    }

    /// What is in this and not in the other.
    #[must_use]
    pub fn subtract(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut cuts = other.0.as_slice();
        for range in &self.0 {
            let passed = cuts.partition_point(|cut| cut.end <= range.start);
            cuts = &cuts[passed..];
            let mut start = range.start;
            for cut in cuts.iter().take_while(|cut| cut.start < range.end) {
                left.extend(TimeRange::new(start, cut.start));
                start = start.max(cut.end);
            }
            left.extend(TimeRange::new(start, range.end));
        }
        Self(left)
    }

    /// What lies inside `window`.
    #[must_use]
    pub fn clip(&self, window: TimeRange) -> Self {
        self.intersect(&Self(vec![window]))
    }
}

impl FromIterator<TimeRange> for Spans {
    /// Sorts, drops what is empty and joins what overlaps or touches.
    fn from_iter<I: IntoIterator<Item = TimeRange>>(ranges: I) -> Self {
        let mut ranges: Vec<_> = ranges.into_iter().filter(|range| range.start < range.end).collect();
        ranges.sort_unstable();
        let mut joined: Vec<TimeRange> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match joined.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        Self(joined)
    }
}

impl From<Vec<TimeRange>> for Spans {
    fn from(ranges: Vec<TimeRange>) -> Self {
        ranges.into_iter().collect()
    }
}

impl From<Spans> for Vec<TimeRange> {
    fn from(spans: Spans) -> Self {
        spans.0
    }
}

impl From<TimeRange> for Spans {
    fn from(range: TimeRange) -> Self {
        std::iter::once(range).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn any_ranges() -> impl Strategy<Value = Vec<TimeRange>> {
        proptest::collection::vec((0_i64..60, 0_i64..12), 0..12).prop_map(|pairs| {
            pairs
                .into_iter()
                .map(|(start, length)| TimeRange { start: Timestamp(start), end: Timestamp(start + length) })
                .collect()
        })
    }

    fn points(spans: &Spans) -> BTreeSet<i64> {
        spans.ranges().iter().flat_map(|range| range.start.0..range.end.0).collect()
    }

    fn naive_points(ranges: &[TimeRange]) -> BTreeSet<i64> {
        ranges.iter().flat_map(|range| range.start.0..range.end.0).collect()
    }

    fn is_normal(spans: &Spans) -> bool {
        spans.ranges().iter().all(|range| range.start < range.end)
            && spans.ranges().windows(2).all(|pair| pair[0].end < pair[1].start)
    }

    proptest! {
        #[test]
        fn the_algebra_equals_a_naive_set_of_points(a in any_ranges(), b in any_ranges()) {
            let (left, right) = (Spans::from(a.clone()), Spans::from(b.clone()));
            let (naive_left, naive_right) = (naive_points(&a), naive_points(&b));
            prop_assert_eq!(points(&left), naive_left.clone());
            for (got, want) in [
                (left.union(&right), &naive_left | &naive_right),
                (left.intersect(&right), &naive_left & &naive_right),
                (left.subtract(&right), &naive_left - &naive_right),
            ] {
                prop_assert!(is_normal(&got), "{:?}", got);
                prop_assert_eq!(got.millis(), i64::try_from(want.len()).unwrap());
                prop_assert_eq!(points(&got), want);
            }
            for at in 0..75 {
                prop_assert_eq!(left.contains(Timestamp(at)), naive_left.contains(&at));
            }
        }
    }
}
