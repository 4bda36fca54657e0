//! Bars older than those that are held: which stretch of them to ask for, how it joins what is held, and where they end.

use tidemark_market::coverage::{Hole, Reason};
use tidemark_market::layer::Layer;
use tidemark_market::wire::{ChartData, Derived, LayerBars};
use tidemark_market::{Spans, TimeRange, Timeframe, Timestamp, calendar};

use super::holding::{because, layer_of, merge_layer, time_of};
use crate::chart::look::{Part, Reach};
use crate::series::SeriesKey;

/// How many bars one question reaches back, about: the fewest and the most.
const FEWEST: i64 = 1_000;
const MOST: i64 = 20_000;
/// A chart that holds so many bars asks for no older ones.
pub const MOST_HELD: usize = 250_000;

/// What the viewer sees who has come near the oldest bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sight {
    /// The times of the first and the last bar in view.
    pub range: TimeRange,
    /// How many bars fit.
    pub span: f64,
    /// How many of the bars held lie before those in view; negative where the view begins before the oldest of them.
    pub before: f64,
}

impl Sight {
    /// Whether less than what is in view is held before it.
    #[must_use]
    pub fn is_near_oldest(&self) -> bool {
        self.before < self.span
    }

    /// About the time that is in view, that of bars which are not held yet included.
    #[must_use]
    pub fn time(&self, series: &SeriesKey) -> TimeRange {
        let unseen = whole(-self.before).max(0);
        let start = self.range.start.plus(-time_of(series, unseen));
        TimeRange { start, end: self.range.end.plus(series.timeframe.millis()) }
    }
}

/// Why there are no older bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The provider's plan or depth ends here.
    Depth,
    /// The provider has none.
    First,
    /// They could not be fetched.
    Failed,
    /// Sessions are not known before.
    Calendar,
    /// Enough are held.
    TooMany,
}

impl End {
    /// A sentence, which tells what to do where something can be done.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Depth => "No older bars: they lie outside of the provider's plan or depth.",
            Self::First => "No older bars: the provider has none before these.",
            Self::Failed => "Older bars could not be fetched. Click the strip below to try again.",
            Self::Calendar => "No older bars: sessions before 1990 are not known.",
            Self::TooMany => "No older bars: more would be too many. Choose a longer timeframe.",
        }
    }
}

/// How a series goes on before its oldest bar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behind {
    /// There may be more.
    #[default]
    More,
    /// They are on their way.
    Awaited,
    /// There are none.
    Ends(End),
}

/// How the series goes on before the oldest bar of what is held.
#[must_use]
pub fn behind(series: &SeriesKey, data: &ChartData) -> Behind {
    let Some(first) = first_bar(data) else { return Behind::Awaited };
    let before = TimeRange { start: data.window.start, end: first };
    let gaps = data.gaps.iter().copied().collect::<Spans>().clip(before);
    let without = |reason| because(data, reason).clip(before);
    let (outside, failed) = (without(Reason::Outside), without(Reason::Failed));
    let held = data.layers.iter().map(|layer| layer.bars.len()).sum::<usize>();
    if !gaps.subtract(&outside).subtract(&failed).subtract(&without(Reason::Empty)).is_empty() {
        Behind::Awaited
    } else if !outside.is_empty() {
        Behind::Ends(End::Depth)
    } else if !failed.intersect(&gaps).is_empty() {
        Behind::Ends(End::Failed)
    } else if before.millis() > time_of(series, FEWEST * 9 / 10) {
        Behind::Ends(End::First)
    } else if data.window.start <= calendar::FIRST {
        Behind::Ends(End::Calendar)
    } else if held >= MOST_HELD {
        Behind::Ends(End::TooMany)
    } else {
        Behind::More
    }
}

fn first_bar(data: &ChartData) -> Option<Timestamp> {
    data.layers
        .iter()
        .filter(|layer| layer.layer != Layer::Forecast)
        .filter_map(|it| it.bars.first())
        .map(|it| it.ts)
        .min()
}

/// From when on the series is to be held so that `part` can be seen, where `newest` is its newest bar's time; `None` where
/// the usual window will do.
#[must_use]
pub fn wanted_from(part: Part, timeframe: Timeframe, newest: Timestamp) -> Option<Timestamp> {
    let wanted = match part {
        Part::Newest => None,
        Part::Between(range) => Some(range.start),
        // Of a short timeframe all bars are too many to ask for by one click: those are all that are held.
        Part::Reach(Reach::All) => (timeframe >= Timeframe::D1).then_some(calendar::FIRST),
        Part::Reach(reach) => reach.start(newest),
    };
    wanted.map(|at| at.max(calendar::FIRST))
}

/// The stretch before `held_from` that is asked for next by someone who sees `span` bars: some pages of them.
#[must_use]
pub fn next_stretch(series: &SeriesKey, held_from: Timestamp, span: f64) -> Option<TimeRange> {
    let bars = whole(2.0 * span).clamp(FEWEST, MOST);
    TimeRange::new(held_from.plus(-time_of(series, bars)).max(calendar::FIRST), held_from)
}

/// The stretch before `held_from` that is asked for next by someone who wants to see what begins at `wanted`.
#[must_use]
pub fn stretch_towards(series: &SeriesKey, held_from: Timestamp, wanted: Timestamp) -> Option<TimeRange> {
    let [nearest, farthest] = [FEWEST, MOST].map(|bars| held_from.plus(-time_of(series, bars)));
    let start = wanted.min(nearest).max(farthest).max(calendar::FIRST);
    TimeRange::new(start, held_from).filter(|_| wanted < held_from)
}

/// What is held with the older stretch before it; `None` where the answer is of another database or does not reach what is
/// held. The revision stays: what changed since is asked for over both.
#[must_use]
pub fn prepend(held: &ChartData, older: &ChartData) -> Option<ChartData> {
    let fits = older.since.is_none()
        && older.revision >= held.revision
        && older.window.start < held.window.start
        && older.window.end >= held.window.start;
    if !fits {
        return None;
    }
    let layers = Layer::ALL
        .into_iter()
        .map(|layer| merge_layer(layer, layer_of(older, layer), layer_of(held, layer), older.window.start))
        .filter(|layer| !layer.bars.is_empty());
    let gaps: Spans = older.gaps.iter().chain(&held.gaps).copied().collect();
    let is_before = |start: Timestamp| start < held.window.start;
    let holes = older.holes.iter().filter(|hole| is_before(hole.range.start)).chain(&held.holes);
    let derived = older.derived.iter().filter(|it| is_before(it.range.start)).chain(&held.derived);
    let mut providers = held.providers.clone();
    providers.extend(older.providers.iter().filter(|name| !held.providers.contains(name)).cloned());
    Some(ChartData {
        symbol: held.symbol.clone(),
        timeframe: held.timeframe,
        window: TimeRange { start: older.window.start, end: held.window.end },
        since: None,
        revision: held.revision,
        layers: layers.collect(),
        gaps: gaps.into(),
        holes: holes.copied().collect(),
        derived: derived.copied().collect(),
        providers,
        synthetic: held.synthetic || older.synthetic,
    })
}

/// The part of what is held that begins at `start`, as an answer to that window would tell it.
#[must_use]
pub fn from_start(data: &ChartData, start: Timestamp) -> ChartData {
    let kept = TimeRange { start, end: data.window.end.max(start) };
    let always = TimeRange { end: Timestamp(i64::MAX), ..kept };
    let layers = data
        .layers
        .iter()
        .map(|layer| {
            let first = layer.bars.partition_point(|bar| bar.ts < start);
            let bands = layer.bands.get(first..).unwrap_or_default().to_vec();
            LayerBars { layer: layer.layer, bars: layer.bars[first..].to_vec(), bands }
        })
        .filter(|layer| !layer.bars.is_empty());
    let holes = data.holes.iter().filter_map(|hole| Some(Hole { range: hole.range.intersect(always)?, ..*hole }));
    let derived = data.derived.iter().filter_map(|it| Some(Derived { range: it.range.intersect(always)?, ..*it }));
    ChartData {
        symbol: data.symbol.clone(),
        timeframe: data.timeframe,
        window: kept,
        since: data.since,
        revision: data.revision,
        layers: layers.collect(),
        gaps: data.gaps.iter().filter_map(|gap| gap.intersect(always)).collect(),
        holes: holes.collect(),
        derived: derived.collect(),
        providers: data.providers.clone(),
        synthetic: data.synthetic,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "positions of bars on screen are far below 2^53")]
fn whole(bars: f64) -> i64 {
    bars.ceil() as i64
}

#[cfg(test)]
mod tests {
    use tidemark_market::time::{DAY, HOUR};
    use tidemark_market::{Bar, wire};

    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn series() -> SeriesKey {
        SeriesKey::parse("X:BTCUSD", "h1").unwrap()
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp(NOW / HOUR * HOUR).plus(hours * HOUR)
    }

    fn range(start: i64, end: i64) -> TimeRange {
        TimeRange { start: at(start), end: at(end) }
    }

    fn data(revision: u64, window: TimeRange, bars: std::ops::Range<i64>) -> ChartData {
        let bars = bars.map(|hour| Bar::new(at(hour), 1.0, 1.0, 1.0, 1.0, 1.0)).collect();
        ChartData {
            symbol: series().symbol,
            timeframe: Timeframe::H1,
            window,
            since: None,
            revision,
            layers: vec![LayerBars { layer: Layer::Historical, bars, bands: Vec::new() }],
            gaps: Vec::new(),
            holes: Vec::new(),
            derived: Vec::new(),
            providers: vec!["demo".to_owned()],
            synthetic: false,
        }
    }

    fn hole(range: TimeRange, reason: Reason) -> Hole {
        Hole { range, reason, checks: 1, checked_at: at(0) }
    }

    #[test]
    fn an_older_stretch_joins_what_is_held_and_leaves_its_revision() {
        let held = ChartData { gaps: vec![range(-10, -8)], ..data(5, range(-10, 0), -8..0) };
        let older = ChartData { gaps: vec![range(-12, -10)], ..data(7, range(-20, -10), -20..-12) };
        let joined = prepend(&held, &older).unwrap();
        assert_eq!((joined.revision, joined.window), (5, range(-20, 0)));
        assert_eq!(joined.gaps, [range(-12, -8)]);
        let times: Vec<_> = wire::bars_of(&joined.layers, Layer::Historical).iter().map(|bar| bar.ts).collect();
        assert_eq!(times, (-20..-12).chain(-8..0).map(at).collect::<Vec<_>>());
        assert_eq!(from_start(&joined, at(-10)), ChartData { gaps: vec![range(-10, -8)], ..held });
    }

    #[test]
    fn an_answer_of_another_database_or_time_does_not_join() {
        let held = data(5, range(-10, 0), -10..0);
        assert_eq!(prepend(&held, &data(4, range(-20, -10), -20..-10)), None);
        assert_eq!(prepend(&held, &data(5, range(-20, -11), -20..-11)), None);
        assert_eq!(prepend(&held, &ChartData { since: Some(5), ..data(5, range(-20, -10), 0..0) }), None);
    }

    #[test]
    fn the_series_goes_on_until_it_is_known_to_end() {
        let window = range(-2_000, 0);
        let held = |gaps: &[TimeRange], holes: &[Hole], first| {
            let data = ChartData { gaps: gaps.to_vec(), holes: holes.to_vec(), ..data(1, window, first..0) };
            behind(&series(), &data)
        };
        let early = range(-2_000, -1_990);
        assert_eq!(held(&[], &[], -2_000), Behind::More);
        assert_eq!(held(&[range(-50, -40)], &[], -2_000), Behind::More, "a hole among the bars is none before them");
        assert_eq!(held(&[early], &[], -1_990), Behind::Awaited);
        assert_eq!(held(&[early], &[hole(early, Reason::Outside)], -1_990), Behind::Ends(End::Depth));
        assert_eq!(held(&[early], &[hole(early, Reason::Failed)], -1_990), Behind::Ends(End::Failed));
        assert_eq!(held(&[], &[hole(early, Reason::Empty)], -1_990), Behind::More, "a quiet day");
        assert_eq!(held(&[], &[], -1_000), Behind::Ends(End::First));
        assert_eq!(held(&[], &[], 0), Behind::Awaited, "nothing is known of it yet");
    }

    #[test]
    fn one_question_reaches_back_some_pages_but_not_for_ever() {
        let hours = |range: Option<TimeRange>| range.map(|range| range.millis() / HOUR);
        assert_eq!(hours(next_stretch(&series(), at(0), 150.0)), Some(FEWEST));
        assert_eq!(hours(next_stretch(&series(), at(0), 4_000.0)), Some(8_000));
        assert_eq!(hours(next_stretch(&series(), at(0), 1e6)), Some(MOST));
        assert_eq!(next_stretch(&series(), calendar::FIRST, 150.0), None);
        assert_eq!(hours(stretch_towards(&series(), at(0), at(-3_000))), Some(3_000));
        assert_eq!(hours(stretch_towards(&series(), at(0), at(-3))), Some(FEWEST));
        assert_eq!(hours(stretch_towards(&series(), at(0), at(-90_000))), Some(MOST));
        assert_eq!(stretch_towards(&series(), at(0), at(1)), None);
    }

    #[test]
    fn a_part_is_wanted_from_where_it_begins() {
        let wanted = |part, timeframe| wanted_from(part, timeframe, at(0));
        assert_eq!(wanted(Part::Newest, Timeframe::H1), None);
        assert_eq!(wanted(Part::Between(range(-9, -3)), Timeframe::H1), Some(at(-9)));
        assert_eq!(wanted(Part::Reach(Reach::Days(5, "5D")), Timeframe::H1), Some(at(0).plus(-5 * DAY)));
        assert_eq!(wanted(Part::Reach(Reach::All), Timeframe::H1), None);
        assert_eq!(wanted(Part::Reach(Reach::All), Timeframe::D1), Some(calendar::FIRST));
    }

    #[test]
    fn what_is_in_view_reaches_before_the_oldest_bar() {
        let sight = Sight { range: range(-10, -1), span: 30.0, before: -20.5 };
        assert!(sight.is_near_oldest());
        assert_eq!(sight.time(&series()), range(-31, 0));
        assert!(!Sight { before: 31.0, ..sight }.is_near_oldest());
    }
}
