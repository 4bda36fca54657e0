//! Time of which there are no bars: why, and the room it takes between those that are there.
//!
//! Bars lie side by side whatever time passed between them, so that closed hours take no room. Session time that is not
//! held takes as much as its bars will: then nothing moves when they come, and a hole is seen as long as it is.

use std::borrow::Cow;
use std::ops::Range;

use tidemark_market::coverage::Reason;
use tidemark_market::wire::ChartData;
use tidemark_market::{Bar, Calendar, Spans, TimeRange, Timeframe, Timestamp};

use crate::stores::holding::because;

/// How many bars one hole takes the room of at most, and how many all of them do: what is longer is not drawn to scale.
const MOST_OF_ONE: usize = 300;
const MOST_OF_ALL: usize = 3_000;

/// Session time without bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lack {
    /// From where to where.
    pub range: TimeRange,
    /// Why; `None` while it has not come, or nobody has asked for it.
    pub reason: Option<Reason>,
}

/// What lacks, and where that is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blank {
    /// What.
    pub lack: Lack,
    /// Where it begins, in positions from that of the oldest bar on: bar 0 spans −0.5 to 0.5.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
}

/// The room that is kept between the bars of a chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Room {
    /// The places on the axis that are kept free, and their times; sorted.
    free: Vec<(usize, Timestamp)>,
    blanks: Vec<Blank>,
}

impl Room {
    /// The room between `bars` for what of `lacks` has no bar. Both are sorted.
    #[must_use]
    pub fn between(bars: &[Bar], lacks: &[Lack], calendar: Calendar, timeframe: Timeframe) -> Self {
        let (Some(first), Some(last)) = (bars.first(), bars.last()) else { return Self::default() };
        let is_lacking = |at: &Timestamp| bars.binary_search_by_key(at, |bar| bar.ts).is_err();
        let times = |lack: &Lack| {
            let reason = lack.reason;
            let mut starts = calendar.bar_starts(timeframe, lack.range, MOST_OF_ONE);
            starts.retain(is_lacking);
            starts.into_iter().map(move |at| (at, reason))
        };
        // The newest are those that someone sees first.
        let mut lacking: Vec<_> = lacks.iter().rev().flat_map(|lack| times(lack).rev()).take(MOST_OF_ALL).collect();
        lacking.reverse();
        let older = lacking.partition_point(|(at, _)| *at < first.ts);
        let newer = lacking.partition_point(|(at, _)| *at < last.ts);
        let axis = bars.len() + newer - older;
        let mut room = Self::default();
        let end = |at: Timestamp| calendar.bar_end(timeframe, at);
        let mut before = 0;
        for (number, (at, reason)) in lacking.iter().enumerate() {
            let place = if number < older {
                number as f64 - older as f64
            } else if number < newer {
                before += bars[before..].partition_point(|bar| bar.ts < *at);
                let place = before + number - older;
                room.free.push((place, *at));
                place as f64
            } else {
                (axis + number - newer) as f64
            };
            room.take(place, Lack { range: TimeRange { start: *at, end: end(*at) }, reason: *reason });
        }
        room
    }

    /// Takes one more place, as a part of the blank before it where it goes on.
    fn take(&mut self, place: f64, lack: Lack) {
        match self.blanks.last_mut() {
            Some(last) if last.to == place - 0.5 && last.lack.reason == lack.reason => {
                last.to = place + 0.5;
                last.lack.range.end = lack.range.end;
            }
            _ => self.blanks.push(Blank { lack, from: place - 0.5, to: place + 0.5 }),
        }
    }

    /// What lacks, sorted.
    #[must_use]
    pub fn blanks(&self) -> &[Blank] {
        &self.blanks
    }

    /// The bars of the axis: `bars`, with those that are lacking in between.
    #[must_use]
    pub fn fill<'a>(&self, bars: &'a [Bar]) -> Cow<'a, [Bar]> {
        self.spread(bars, Bar::lacking)
    }

    /// The values of the axis: those of its bars, and NaN in between.
    #[must_use]
    pub fn fill_values<'a>(&self, values: &'a [f64]) -> Cow<'a, [f64]> {
        self.spread(values, |_| f64::NAN)
    }

    fn spread<'a, T: Clone>(&self, list: &'a [T], lacking: impl Fn(Timestamp) -> T) -> Cow<'a, [T]> {
        if self.free.is_empty() {
            return Cow::Borrowed(list);
        }
        let mut spread = Vec::with_capacity(list.len() + self.free.len());
        let mut rest = list;
        for (place, at) in &self.free {
            let (here, later) = rest.split_at((place - spread.len()).min(rest.len()));
            spread.extend_from_slice(here);
            spread.push(lacking(*at));
            rest = later;
        }
        spread.extend_from_slice(rest);
        Cow::Owned(spread)
    }

    /// Which of the bars lies at that place of the axis; `None` where it is kept free.
    #[must_use]
    pub fn bar_at(&self, place: usize) -> Option<usize> {
        let before = self.free.binary_search_by_key(&place, |(free, _)| *free).err()?;
        place.checked_sub(before)
    }

    /// The places kept free that lie side by side with `place`, itself one of them; empty where it is none.
    #[must_use]
    pub fn free_around(&self, place: usize) -> Range<usize> {
        let Ok(mine) = self.free.binary_search_by_key(&place, |(free, _)| *free) else { return place..place };
        let joins = |pair: &[(usize, Timestamp)]| pair[0].0 + 1 == pair[1].0;
        let before = self.free[..=mine].windows(2).rev().take_while(|pair| joins(pair)).count();
        let after = self.free[mine..].windows(2).take_while(|pair| joins(pair)).count();
        place - before..place + after + 1
    }
}

/// What of the window of `data` has no bars, and why; sorted.
#[must_use]
pub fn lacks(data: &ChartData) -> Vec<Lack> {
    let mut left: Spans = data.gaps.iter().copied().collect();
    let mut lacks = Vec::new();
    for reason in [Reason::Failed, Reason::Outside, Reason::Empty] {
        let spans = because(data, reason);
        left = left.subtract(&spans);
        lacks.extend(spans.ranges().iter().map(|range| Lack { range: *range, reason: Some(reason) }));
    }
    lacks.extend(left.ranges().iter().map(|range| Lack { range: *range, reason: None }));
    lacks.sort_unstable_by_key(|lack| lack.range);
    lacks
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use proptest::prelude::*;
    use tidemark_market::time::HOUR;

    use super::*;

    fn bars(hours: &[i64]) -> Vec<Bar> {
        hours.iter().map(|hour| Bar::new(Timestamp(hour * HOUR), 1.0, 2.0, 0.5, *hour as f64, 1.0)).collect()
    }

    fn lack(start: i64, end: i64, reason: Option<Reason>) -> Lack {
        Lack { range: TimeRange { start: Timestamp(start * HOUR), end: Timestamp(end * HOUR) }, reason }
    }

    fn room(hours: &[i64], lacks: &[Lack]) -> Room {
        Room::between(&bars(hours), lacks, Calendar::AlwaysOpen, Timeframe::H1)
    }

    #[test]
    fn a_hole_takes_as_much_room_as_its_bars_will() {
        let lacks = [lack(12, 15, None), lack(15, 16, Some(Reason::Failed))];
        let room = room(&[10, 11, 16, 17], &lacks);
        let places: Vec<_> = room.blanks().iter().map(|it| (it.from, it.to, it.lack)).collect();
        assert_eq!(places, [(1.5, 4.5, lacks[0]), (4.5, 5.5, lacks[1])]);
        let axis = room.fill(&bars(&[10, 11, 16, 17])).into_owned();
        assert_eq!(axis.iter().map(|bar| bar.ts.0 / HOUR).collect::<Vec<_>>(), (10..18).collect::<Vec<_>>());
        assert_eq!(
            (1..7).map(|place| room.bar_at(place)).collect::<Vec<_>>(),
            [Some(1), None, None, None, None, Some(2)]
        );
        assert_eq!((room.free_around(3), room.free_around(1)), (2..6, 1..1));
    }

    #[test]
    fn what_lacks_at_the_ends_lies_beside_the_bars() {
        let room = room(&[10, 11], &[lack(8, 10, Some(Reason::Empty)), lack(12, 13, None)]);
        let places: Vec<_> = room.blanks().iter().map(|it| (it.from, it.to)).collect();
        assert_eq!(places, [(-2.5, -0.5), (1.5, 2.5)]);
        assert_eq!(room.fill(&bars(&[10, 11])).len(), 2);
    }

    #[test]
    fn a_bar_that_is_there_lacks_nothing() {
        assert_eq!(room(&[10, 11, 12], &[lack(11, 12, None)]), Room::default());
        assert_eq!(room(&[], &[lack(11, 12, None)]), Room::default());
    }

    #[test]
    fn the_longest_hole_takes_no_more_than_it_may() {
        let room = room(&[0, 100_000], &[lack(1, 100_000, None)]);
        assert_eq!(room.fill(&bars(&[0, 100_000])).len(), 2 + MOST_OF_ONE);
    }

    proptest! {
        #[test]
        fn every_bar_keeps_its_order_and_is_found_again(
            held in proptest::collection::btree_set(0_i64..60, 1..40), cuts in proptest::collection::btree_set(0_i64..60, 0..8)
        ) {
            let held: Vec<i64> = held.into_iter().collect();
            let cuts: Vec<i64> = cuts.into_iter().collect();
            let lacks: Vec<Lack> = cuts.chunks_exact(2).map(|pair| lack(pair[0], pair[1], None)).collect();
            let bars = bars(&held);
            let room = Room::between(&bars, &lacks, Calendar::AlwaysOpen, Timeframe::H1);
            let axis = room.fill(&bars).into_owned();
            prop_assert!(axis.windows(2).all(|pair| pair[0].ts < pair[1].ts));
            let there: Vec<Bar> = axis.iter().filter(|bar| !bar.is_lacking()).copied().collect();
            prop_assert_eq!(&there, &bars);
            for (place, bar) in axis.iter().enumerate() {
                prop_assert_eq!(room.bar_at(place).map(|at| bars[at]), (!bar.is_lacking()).then_some(*bar));
            }
            let values: Vec<f64> = bars.iter().map(|bar| bar.close).collect();
            let spread: Vec<u64> = room.fill_values(&values).iter().map(|value| value.to_bits()).collect();
            prop_assert_eq!(spread, axis.iter().map(|bar| bar.close.to_bits()).collect::<Vec<_>>());
            let taken: f64 = room.blanks().iter().map(|blank| blank.to - blank.from).sum();
            let meant = lacks.iter().flat_map(|lack| lack.range.start.0 / HOUR..lack.range.end.0 / HOUR);
            prop_assert_eq!(taken, meant.filter(|hour| !held.contains(hour)).count() as f64);
        }
    }
}
