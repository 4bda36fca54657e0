//! The bars the page holds of a series: how an answer of the server becomes part of them, and what is drawn of them.

use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use tidemark_market::coverage::Reason;
use tidemark_market::layer::{Layer, merge};
use tidemark_market::wire::{ChartData, LayerBars, bars_of};
use tidemark_market::{AssetClass, Bar, Hours, Spans, TimeRange, Timeframe, Timestamp};

use crate::chart::room::{self, Lack, Room};
use crate::series::SeriesKey;

/// How many of the newest bars a chart shows at first, and which are asked for before all others.
pub const FIRST_VIEW: usize = 150;

/// What to do with an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Absorbed {
    /// Hold this; `changed` says what to write to the cache.
    Hold {
        /// The whole series.
        data: Rc<ChartData>,
        /// What differs from what was held.
        changed: Changed,
    },
    /// What was held belongs to another database or lacks a part: drop it and load in full.
    Reload,
}

/// The part of a series that an answer changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Everything.
    All,
    /// The bars at these times, since this revision; may be none.
    Since(u64, BTreeSet<Timestamp>),
}

impl Changed {
    /// Whether no bar changed.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Since(_, times) if times.is_empty())
    }
}

/// What `answer` makes of `held`. An answer to "since" is merged in, and names the providers of what it brings alone; a
/// full one replaces. Bars that left the window are dropped, so that the page holds what the server would answer in
/// full.
#[must_use]
pub fn absorb(held: Option<&ChartData>, answer: ChartData) -> Absorbed {
    let Some(since) = answer.since else {
        return Absorbed::Hold { data: Rc::new(answer), changed: Changed::All };
    };
    let Some(held) = held.filter(|held| fits(held, &answer, since)) else { return Absorbed::Reload };
    let changed = answer.layers.iter().flat_map(|layer| &layer.bars).map(|bar| bar.ts).collect();
    let layers = Layer::ALL
        .into_iter()
        .filter_map(|layer| {
            let merged = merge_layer(layer, layer_of(held, layer), layer_of(&answer, layer), answer.window.start);
            (!merged.bars.is_empty()).then_some(merged)
        })
        .collect();
    let mut providers = held.providers.clone();
    providers.extend(answer.providers.iter().filter(|name| !held.providers.contains(name)).cloned());
    let synthetic = held.synthetic || answer.synthetic;
    let data = Rc::new(ChartData { layers, since: None, providers, synthetic, ..answer });
    Absorbed::Hold { data, changed: Changed::Since(since, changed) }
}

fn fits(held: &ChartData, answer: &ChartData, since: u64) -> bool {
    since <= held.revision && answer.revision >= held.revision && held.window.start <= answer.window.start
}

pub(super) fn layer_of(data: &ChartData, layer: Layer) -> Option<&LayerBars> {
    data.layers.iter().find(|entry| entry.layer == layer)
}

type Row = (Bar, Option<(f64, f64)>);

fn rows(layer: Option<&LayerBars>, from: Timestamp) -> impl Iterator<Item = Row> + '_ {
    layer
        .into_iter()
        .flat_map(|layer| layer.bars.iter().enumerate().map(|(i, bar)| (*bar, layer.bands.get(i).copied())))
        .filter(move |(bar, _)| bar.ts >= from)
}

/// The bars of both, the newer one's where both have one.
pub(super) fn merge_layer(
    layer: Layer,
    held: Option<&LayerBars>,
    newer: Option<&LayerBars>,
    from: Timestamp,
) -> LayerBars {
    let mut later = rows(newer, from).peekable();
    let mut merged: Vec<Row> = Vec::new();
    for row in rows(held, from) {
        while let Some(other) = later.next_if(|other| other.0.ts < row.0.ts) {
            merged.push(other);
        }
        merged.push(later.next_if(|other| other.0.ts == row.0.ts).unwrap_or(row));
    }
    merged.extend(later);
    let bands = match layer {
        Layer::Forecast => merged.iter().map(|(bar, band)| band.unwrap_or((bar.low, bar.high))).collect(),
        Layer::Historical | Layer::Intraday => Vec::new(),
    };
    LayerBars { layer, bars: merged.into_iter().map(|(bar, _)| bar).collect(), bands }
}

/// What the series lacks in its window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lacks {
    /// Stretches that may be had.
    pub gaps: usize,
    /// Whether some of the window lies beyond the provider's plan or depth.
    pub is_out_of_reach: bool,
    /// Whether the provider had no bars yet for time that is too recent to believe that.
    pub is_awaited: bool,
}

/// What is missing and why. Where a provider's depth ends is told of the time from `usual` on: before that the viewer has
/// gone back as far as there are bars.
#[must_use]
pub fn lacks(data: &ChartData, usual: Timestamp) -> Lacks {
    let gaps: Spans = data.gaps.iter().copied().collect();
    let gaps_because = |reason| gaps.intersect(&because(data, reason));
    let (awaited, out_of_reach) = (gaps_because(Reason::Empty), gaps_because(Reason::Outside));
    Lacks {
        gaps: gaps.subtract(&awaited).subtract(&out_of_reach).ranges().len(),
        is_out_of_reach: out_of_reach.ranges().iter().any(|range| range.end > usual),
        is_awaited: !awaited.is_empty(),
    }
}

/// The time without bars for that reason.
pub(crate) fn because(data: &ChartData, reason: Reason) -> Spans {
    data.holes.iter().filter(|hole| hole.reason == reason).map(|hole| hole.range).collect()
}

/// How many bars that are not stored yet are drawn at most: one that is under way, and one before it that has just closed.
pub const MOST_FORMING: usize = 2;

/// What is drawn: one bar for each time, and what is expected after them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// What happened, sorted by time; the last of them may be [`Picture::forming`].
    pub bars: Vec<Bar>,
    /// How many of the last bars are not stored: under way, or just over and not fetched as closed ones yet.
    pub forming: usize,
    /// What is expected after the last of them.
    pub forecast: Vec<Bar>,
    /// The band in which each of those is expected to lie.
    pub bands: Vec<(f64, f64)>,
    /// The places of the bars of the intraday layer, those under way among them, side by side as one.
    pub recent: Vec<Range<usize>>,
    /// The bars of that layer in whose places settled ones show.
    pub under: Vec<Bar>,
    /// Session time that is not held, sorted.
    pub lacks: Vec<Lack>,
    /// The room that is kept for it.
    pub room: Room,
}

impl Picture {
    /// The bars that are stored.
    #[must_use]
    pub fn closed(&self) -> &[Bar] {
        &self.bars[..self.bars.len().saturating_sub(self.forming)]
    }
}

/// The picture of what is held, and of the bars under way, sorted by time, that come after it.
#[must_use]
pub fn picture(data: &ChartData, forming: &[Bar]) -> Picture {
    let bars = |layer| bars_of(&data.layers, layer);
    let (historical, intraday) = (bars(Layer::Historical), bars(Layer::Intraday));
    let mut drawn = merge(historical, intraday, &[]);
    let stored = drawn.len();
    let last = drawn.last().map(|bar| bar.ts);
    drawn.extend(forming.iter().filter(|bar| last.is_none_or(|last| bar.ts > last)));
    let (under, mut recent) = laid(historical, intraday, &drawn[..stored]);
    join(&mut recent, stored..drawn.len());
    let (forecast, bands) = expected(data, drawn.last().map(|bar| bar.ts));
    let lacks = room::lacks(data);
    // Bars begin at the same times in all hours.
    let room = Room::between(&drawn, &lacks, data.symbol.calendar(Hours::Regular), data.timeframe);
    Picture { forming: drawn.len() - stored, bars: drawn, forecast, bands, recent, under, lacks, room }
}

/// Which bars of the intraday layer are hidden by historical ones, and the places of the others among all, which hold them.
fn laid(historical: &[Bar], intraday: &[Bar], all: &[Bar]) -> (Vec<Bar>, Vec<Range<usize>>) {
    let (mut under, mut recent) = (Vec::new(), Vec::new());
    let mut settled = historical.iter().peekable();
    let mut place = 0;
    for bar in intraday {
        while settled.next_if(|it| it.ts < bar.ts).is_some() {}
        if settled.peek().is_some_and(|it| it.ts == bar.ts) {
            under.push(*bar);
        } else {
            place += all[place..].iter().take_while(|it| it.ts < bar.ts).count();
            join(&mut recent, place..place + 1);
        }
    }
    (under, recent)
}

fn join(runs: &mut Vec<Range<usize>>, next: Range<usize>) {
    match runs.last_mut() {
        Some(last) if last.end == next.start => last.end = next.end,
        _ => runs.extend(Some(next).filter(|next| !next.is_empty())),
    }
}

/// What is expected after `last`, and the band of each bar.
fn expected(data: &ChartData, last: Option<Timestamp>) -> (Vec<Bar>, Vec<(f64, f64)>) {
    let rows = rows(layer_of(data, Layer::Forecast), last.map_or(Timestamp(i64::MIN), |last| last.plus(1)));
    rows.map(|(bar, band)| (bar, band.unwrap_or((bar.low, bar.high)))).unzip()
}

/// Takes a bar under way in place of what was known of it before.
pub fn take_forming(known: &mut Vec<Bar>, bar: Bar) {
    known.retain(|other| other.ts < bar.ts);
    known.push(bar);
    known.drain(..known.len().saturating_sub(MOST_FORMING));
}

/// About the time of the newest [`FIRST_VIEW`] bars before `end`: what the viewer sees first.
#[must_use]
pub fn first_view(series: &SeriesKey, end: Timestamp) -> TimeRange {
    let bars = i64::try_from(FIRST_VIEW).unwrap_or(i64::MAX);
    TimeRange { start: end.plus(-time_of(series, bars)), end }
}

/// About how long it takes that many bars of the series to trade, in milliseconds. Nights and weekends of an exchange are
/// reckoned in by their share, without its calendar; slices are asked for by it on the server anyway.
#[must_use]
pub fn time_of(series: &SeriesKey, bars: i64) -> i64 {
    let traded = bars.saturating_mul(series.timeframe.millis());
    match (series.symbol.asset_class(), series.timeframe) {
        (AssetClass::Crypto, _) | (_, Timeframe::W1) => traded,
        (_, Timeframe::D1) | (AssetClass::Fx, _) => traded / 5 * 7,
        // Seven of the day's hours hold a part of the session.
        (AssetClass::Equity, _) => traded / 7 * 24 / 5 * 7,
    }
}

#[cfg(test)]
mod tests {
    use tidemark_market::coverage::Hole;

    use super::*;

    fn bar(ts: i64, price: f64) -> Bar {
        Bar::new(Timestamp(ts), price, price, price, price, 1.0)
    }

    fn data(since: Option<u64>, revision: u64, window: (i64, i64), layers: &[(Layer, &[Bar])]) -> ChartData {
        ChartData {
            symbol: "AAPL".parse().unwrap(),
            timeframe: Timeframe::H1,
            window: TimeRange { start: Timestamp(window.0), end: Timestamp(window.1) },
            since,
            revision,
            layers: layers
                .iter()
                .map(|(layer, bars)| LayerBars { layer: *layer, bars: bars.to_vec(), bands: Vec::new() })
                .collect(),
            gaps: Vec::new(),
            holes: Vec::new(),
            derived: Vec::new(),
            providers: Vec::new(),
            synthetic: false,
        }
    }

    #[test]
    fn a_change_is_merged_by_layer_and_the_window_moves_on() {
        let held = data(None, 3, (0, 30), &[(Layer::Intraday, &[bar(0, 1.0), bar(10, 1.0), bar(20, 1.0)])]);
        let answer = data(
            Some(3),
            5,
            (10, 40),
            &[(Layer::Historical, &[bar(10, 2.0)]), (Layer::Intraday, &[bar(20, 3.0), bar(30, 3.0)])],
        );
        let Absorbed::Hold { data, changed } = absorb(Some(&held), answer) else { panic!("fits") };
        assert_eq!((data.revision, data.since), (5, None));
        assert_eq!(changed, Changed::Since(3, [10, 20, 30].map(Timestamp).into()));
        assert_eq!(picture(&data, &[]).bars, [bar(10, 2.0), bar(20, 3.0), bar(30, 3.0)]);
        assert_eq!(layer_of(&data, Layer::Intraday).map(|layer| layer.bars.len()), Some(3), "10, 20 and 30");
    }

    #[test]
    fn who_delivered_the_old_bars_is_still_named() {
        let made_up = ChartData {
            providers: vec!["demo".to_owned()],
            synthetic: true,
            ..data(None, 3, (0, 30), &[(Layer::Intraday, &[bar(0, 1.0)])])
        };
        let nothing_new = data(Some(3), 4, (0, 30), &[]);
        let Absorbed::Hold { data, .. } = absorb(Some(&made_up), nothing_new) else { panic!("fits") };
        assert_eq!((&data.providers, data.synthetic), (&vec!["demo".to_owned()], true));
    }

    #[test]
    fn a_full_answer_replaces() {
        let held = data(None, 3, (0, 30), &[(Layer::Intraday, &[bar(0, 1.0)])]);
        let full = data(None, 4, (0, 30), &[(Layer::Intraday, &[bar(10, 1.0)])]);
        assert_eq!(
            absorb(Some(&held), full.clone()),
            Absorbed::Hold { data: Rc::new(full.clone()), changed: Changed::All }
        );
        assert_eq!(absorb(None, full.clone()), Absorbed::Hold { data: Rc::new(full), changed: Changed::All });
    }

    #[test]
    fn a_replaced_database_or_a_longer_window_is_loaded_in_full() {
        let held = data(None, 3, (10, 30), &[(Layer::Intraday, &[bar(10, 1.0)])]);
        assert_eq!(absorb(Some(&held), data(Some(3), 2, (10, 30), &[])), Absorbed::Reload);
        assert_eq!(absorb(Some(&held), data(Some(3), 4, (0, 30), &[])), Absorbed::Reload);
        assert_eq!(absorb(None, data(Some(3), 4, (0, 30), &[])), Absorbed::Reload);
    }

    #[test]
    fn what_a_late_provider_has_not_yet_is_no_gap_that_could_be_filled() {
        let range = |start, end| TimeRange { start: Timestamp(start), end: Timestamp(end) };
        let hole = |range, reason| Hole { range, reason, checks: 1, checked_at: Timestamp(0) };
        let late = ChartData {
            gaps: vec![range(0, 10), range(20, 30)],
            holes: vec![hole(range(5, 8), Reason::Failed), hole(range(20, 30), Reason::Empty)],
            ..data(None, 1, (0, 30), &[])
        };
        assert_eq!(lacks(&late, Timestamp(0)), Lacks { gaps: 1, is_out_of_reach: false, is_awaited: true });
        assert_eq!(lacks(&data(None, 1, (0, 30), &[]), Timestamp(0)), Lacks::default());
    }

    #[test]
    fn forecast_shows_after_the_last_bar() {
        let layers: &[(Layer, &[Bar])] =
            &[(Layer::Intraday, &[bar(10, 1.0)]), (Layer::Forecast, &[bar(10, 2.0), bar(20, 2.0)])];
        let picture = picture(&data(None, 1, (0, 30), layers), &[]);
        assert_eq!(picture.bars, [bar(10, 1.0)]);
        assert_eq!((picture.forecast, picture.bands), (vec![bar(20, 2.0)], vec![(2.0, 2.0)]));
    }

    #[test]
    fn a_picture_knows_of_which_layer_its_bars_are() {
        let layers: &[(Layer, &[Bar])] = &[
            (Layer::Historical, &[bar(10, 1.0), bar(30, 1.0)]),
            (Layer::Intraday, &[bar(20, 2.0), bar(30, 2.0), bar(40, 2.0)]),
        ];
        let picture = picture(&data(None, 1, (0, 50), layers), &[bar(50, 3.0)]);
        assert_eq!(picture.recent, [1..2, 3..5]);
        assert_eq!(picture.under, [bar(30, 2.0)]);
    }

    #[test]
    fn a_bar_under_way_is_drawn_last_until_the_closed_one_is_there() {
        let mut forming = Vec::new();
        for told in [bar(20, 2.0), bar(20, 2.1), bar(30, 3.0)] {
            take_forming(&mut forming, told);
        }
        let held = |times: &[i64]| {
            let bars: Vec<Bar> = times.iter().map(|ts| bar(*ts, 1.0)).collect();
            data(None, 1, (0, 40), &[(Layer::Intraday, &bars), (Layer::Forecast, &[bar(30, 9.0), bar(40, 9.0)])])
        };
        let before = picture(&held(&[10]), &forming);
        assert_eq!(before.bars, [bar(10, 1.0), bar(20, 2.1), bar(30, 3.0)]);
        assert_eq!((before.closed(), &before.forecast), (&before.bars[..1], &vec![bar(40, 9.0)]));
        let after = picture(&held(&[10, 20]), &forming);
        assert_eq!((after.bars[1], after.forming), (bar(20, 1.0), 1), "the closed one counts");
        take_forming(&mut forming, bar(40, 4.0));
        assert_eq!(forming, [bar(30, 3.0), bar(40, 4.0)]);
    }

    #[test]
    fn the_first_view_reaches_over_nights_and_weekends() {
        let end = Timestamp(1_700_000_000_000);
        let hours = |symbol: &str, timeframe: &str| {
            first_view(&SeriesKey::parse(symbol, timeframe).unwrap(), end).millis() / tidemark_market::time::HOUR
        };
        assert_eq!(hours("X:BTCUSD", "h1"), 150);
        assert_eq!(hours("AAPL", "h1"), 719);
        assert_eq!(hours("AAPL", "d1"), 150 * 24 * 7 / 5);
    }
}
