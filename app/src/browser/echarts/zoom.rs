//! Which bars the chart shows: kept by time while bars come and go around them.

use tidemark_market::Timestamp;

use crate::stores::holding::FIRST_VIEW;

/// What ECharts tells: percent of the way from the first bar to the last.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    pub start: f64,
    pub end: f64,
}

/// Places of the first and the last bar shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub start: usize,
    pub end: usize,
}

impl Share {
    /// The same over so many bars.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "places in a list"
    )]
    pub fn range(self, bars: usize) -> Range {
        let last = bars.saturating_sub(1);
        let place = |percent: f64| ((percent / 100.0 * last as f64).round() as usize).min(last);
        Range { start: place(self.start), end: place(self.end) }
    }
}

impl Range {
    /// The newest bars.
    pub fn newest(bars: usize) -> Self {
        Self { start: bars.saturating_sub(FIRST_VIEW), end: bars.saturating_sub(1) }
    }

    /// The same in percent of so many bars.
    #[expect(clippy::cast_precision_loss, reason = "places in a list")]
    pub fn share(self, bars: usize) -> Share {
        let last = bars.saturating_sub(1).max(1) as f64;
        Share { start: self.start as f64 / last * 100.0, end: self.end as f64 / last * 100.0 }
    }
}

/// Where the range is after `before` became `now`: the same time, or, where it showed the newest bar, the newest still.
/// A chart that showed all of its few bars grows to the first view.
pub fn moved(range: Range, before: &[Timestamp], now: &[Timestamp]) -> Range {
    let showed_all = range.start == 0 && range.end + 1 >= before.len();
    if now.is_empty() || before.is_empty() || (showed_all && before.len() <= FIRST_VIEW) {
        return Range::newest(now.len());
    }
    let last = now.len() - 1;
    if range.end + 1 >= before.len() {
        let start = if showed_all { 0 } else { last.saturating_sub(range.end - range.start) };
        return Range { start, end: last };
    }
    let place = |old: usize| now.partition_point(|at| *at < before[old]).min(last);
    Range { start: place(range.start), end: place(range.end) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(range: std::ops::Range<i64>) -> Vec<Timestamp> {
        range.map(Timestamp).collect()
    }

    #[test]
    fn the_newest_bar_stays_in_view() {
        let range = moved(Range { start: 800, end: 999 }, &times(0..1_000), &times(0..1_010));
        assert_eq!(range, Range { start: 810, end: 1_009 });
    }

    #[test]
    fn older_bars_do_not_move_what_is_looked_at() {
        let range = moved(Range { start: 10, end: 20 }, &times(100..200), &times(50..200));
        assert_eq!(range, Range { start: 60, end: 70 });
    }

    #[test]
    fn a_filling_chart_grows_to_the_first_view() {
        let few = Range { start: 0, end: 9 };
        assert_eq!(moved(few, &times(90..100), &times(50..100)), Range { start: 0, end: 49 });
        assert_eq!(moved(few, &times(90..100), &times(-900..100)), Range { start: 850, end: 999 });
        assert_eq!(moved(Range { start: 0, end: 0 }, &[], &times(0..3)), Range { start: 0, end: 2 });
    }

    #[test]
    fn who_zoomed_out_stays_zoomed_out() {
        let all = Range { start: 0, end: 999 };
        assert_eq!(moved(all, &times(0..1_000), &times(0..1_100)), Range { start: 0, end: 1_099 });
    }

    #[test]
    fn percent_and_places_agree() {
        for range in [Range { start: 0, end: 9_999 }, Range { start: 9_850, end: 9_999 }, Range { start: 3, end: 4 }] {
            assert_eq!(range.share(10_000).range(10_000), range);
        }
    }
}
