//! What the cache knows of a series beside its bars, and how bars are spread over chunks: values in, values out.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tidemark_market::coverage::Hole;
use tidemark_market::wire::{ChartData, Derived, LayerBars};
use tidemark_market::{TimeRange, Timestamp};

use super::chunk;
use crate::series::SeriesKey;
use crate::stores::holding::Changed;

/// The most bars of a chunk that is written anew: a long series is few values, and yet each is small, mostly 30 to 50 kB.
/// Chromium keeps a value of more than 64 KiB in a file of its own, which takes three times as long to read.
pub const CHUNK_BARS: usize = 2_048;

/// How much the cache may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Series.
    pub series: usize,
    /// Bytes of bars.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { series: 200, bytes: 128 << 20 }
    }
}

impl Limits {
    /// A fifth of what the browser grants at most, so that it has no reason to clear the whole store.
    #[must_use]
    pub fn within(self, quota: u64) -> Self {
        Self { bytes: self.bytes.min(quota / 5), ..self }
    }
}

/// All but the bars.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub series: SeriesKey,
    pub revision: u64,
    pub window: TimeRange,
    pub gaps: Vec<TimeRange>,
    pub holes: Vec<Hole>,
    pub derived: Vec<Derived>,
    pub providers: Vec<String>,
    pub synthetic: bool,
    /// When the series was last opened or written; milliseconds since the epoch, by the browser's clock.
    pub used: i64,
    /// When the server last said that this is how the series stands, by the same clock.
    pub checked: i64,
    /// Each chunk's size in bytes, by the time from which on it holds the bars, up to the next one's.
    pub chunks: BTreeMap<i64, u64>,
}

impl Entry {
    /// What [`Entry::write`] made of it; `None` where that was something else.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub fn bytes(&self) -> u64 {
        self.chunks.values().sum()
    }

    /// The series, of its chunks in order of time.
    pub fn join(self, chunks: Vec<Vec<LayerBars>>) -> ChartData {
        let mut layers: Vec<LayerBars> = Vec::new();
        for mut layer in chunks.into_iter().flatten() {
            match layers.iter_mut().find(|known| known.layer == layer.layer) {
                Some(known) => {
                    known.bars.append(&mut layer.bars);
                    known.bands.append(&mut layer.bands);
                }
                None => layers.push(layer),
            }
        }
        layers.iter_mut().for_each(|layer| trim(layer, self.window.start));
        layers.sort_by_key(|layer| layer.layer);
        ChartData {
            symbol: self.series.symbol,
            timeframe: self.series.timeframe,
            window: self.window,
            since: None,
            revision: self.revision,
            layers,
            gaps: self.gaps,
            holes: self.holes,
            derived: self.derived,
            providers: self.providers,
            synthetic: self.synthetic,
        }
    }
}

/// Takes off what fell out of the window after its chunk was written.
fn trim(layer: &mut LayerBars, start: Timestamp) {
    let fallen = layer.bars.partition_point(|bar| bar.ts < start);
    layer.bars.drain(..fallen);
    layer.bands.drain(..fallen.min(layer.bands.len()));
}

/// What a write changes in the chunks.
pub struct Spread {
    /// Whether what is stored is to go first.
    pub is_whole: bool,
    /// The chunks to write.
    pub frames: BTreeMap<i64, Vec<u8>>,
    /// The chunks that are empty now.
    pub gone: BTreeSet<i64>,
    kept: BTreeMap<i64, u64>,
}

impl Spread {
    /// What to write of `data` over what `known` says is stored. `None` where nothing is to be written: what is stored is
    /// newer than the change.
    pub fn of(series: &SeriesKey, data: &ChartData, changed: &Changed, known: Option<&Entry>) -> Option<Self> {
        match (changed, known) {
            (Changed::Since(_, _), Some(known)) if known.revision > data.revision => None,
            (Changed::Since(revision, times), Some(known))
                if known.revision >= *revision && known.window.start <= data.window.start =>
            {
                Some(Self::of_change(series, data, times, known))
            }
            // What is stored is nothing, or less than what the change builds on.
            _ => Some(Self::whole(series, data)),
        }
    }

    fn whole(series: &SeriesKey, data: &ChartData) -> Self {
        let frames = frames(series, data, i64::MIN, i64::MAX, None);
        Self { is_whole: true, frames, gone: BTreeSet::new(), kept: BTreeMap::new() }
    }

    /// Chunks without a changed bar stay as they are.
    fn of_change(series: &SeriesKey, data: &ChartData, times: &BTreeSet<Timestamp>, known: &Entry) -> Self {
        let mut spread =
            Self { is_whole: false, frames: BTreeMap::new(), gone: BTreeSet::new(), kept: BTreeMap::new() };
        let mut starts: Vec<i64> = known.chunks.keys().copied().collect();
        let first = starts.first().copied().unwrap_or(i64::MAX);
        starts.push(i64::MAX);
        // What is older than all that is stored.
        spread.frames.extend(frames(series, data, i64::MIN, first, None));
        for edges in starts.windows(2) {
            let (start, end) = (edges[0], edges[1]);
            let is_touched = times.range(Timestamp(start)..Timestamp(end)).next().is_some();
            let is_empty = data.layers.iter().all(|layer| cut(layer, start, end).is_empty());
            match known.chunks.get(&start) {
                _ if is_empty => drop(spread.gone.insert(start)),
                Some(bytes) if !is_touched => drop(spread.kept.insert(start, *bytes)),
                _ => spread.frames.extend(frames(series, data, start, end, Some(start))),
            }
        }
        spread
    }

    /// The entry to store beside them. `now` is milliseconds since the epoch.
    pub fn entry(&self, data: &ChartData, series: SeriesKey, now: i64) -> Entry {
        let mut chunks = self.kept.clone();
        chunks.extend(self.frames.iter().map(|(start, frame)| (*start, frame.len() as u64)));
        Entry {
            series,
            revision: data.revision,
            window: data.window,
            gaps: data.gaps.clone(),
            holes: data.holes.clone(),
            derived: data.derived.clone(),
            providers: data.providers.clone(),
            synthetic: data.synthetic,
            used: now,
            checked: now,
            chunks,
        }
    }
}

/// The bars of `[start, end)` in chunks of [`CHUNK_BARS`]; the first keeps the name `first`, where it had one.
fn frames(series: &SeriesKey, data: &ChartData, start: i64, end: i64, first: Option<i64>) -> BTreeMap<i64, Vec<u8>> {
    let mut times: Vec<i64> =
        data.layers.iter().flat_map(|layer| cut(layer, start, end)).map(|bar| bar.ts.millis()).collect();
    // Layers stand one after the other, each in order: runs, which a stable sort merges.
    times.sort();
    let mut starts: Vec<i64> = times.iter().copied().step_by(CHUNK_BARS).collect();
    if let (Some(known), Some(start)) = (first, starts.first_mut()) {
        *start = known;
    }
    let ends = starts.iter().copied().skip(1).chain([end]);
    starts.iter().copied().zip(ends).map(|(start, end)| (start, frame(series, data, start, end))).collect()
}

fn frame(series: &SeriesKey, data: &ChartData, start: i64, end: i64) -> Vec<u8> {
    let part = |layer: &LayerBars| {
        let bars = cut(layer, start, end).to_vec();
        let from = layer.bars.partition_point(|bar| bar.ts.millis() < start);
        let bands = layer.bands.get(from..from + bars.len()).unwrap_or_default().to_vec();
        LayerBars { layer: layer.layer, bars, bands }
    };
    let parts: Vec<LayerBars> = data.layers.iter().map(part).filter(|layer| !layer.bars.is_empty()).collect();
    chunk::encode(series, parts)
}

fn cut(layer: &LayerBars, start: i64, end: i64) -> &[tidemark_market::Bar] {
    let place = |at: i64| layer.bars.partition_point(|bar| bar.ts.millis() < at);
    &layer.bars[place(start)..place(end)]
}

/// The series that must go so that `stored` with `newest` in it keeps to the limits: those used longest ago. `newest`
/// itself stays.
pub fn victims(stored: &[Entry], newest: &Entry, limits: Limits) -> Vec<SeriesKey> {
    let mut others: Vec<&Entry> = stored.iter().filter(|entry| entry.series != newest.series).collect();
    others.sort_by_key(|entry| entry.used);
    let mut bytes = newest.bytes() + others.iter().map(|entry| entry.bytes()).sum::<u64>();
    let mut count = others.len() + 1;
    others
        .into_iter()
        .take_while(|entry| {
            let is_over = bytes > limits.bytes || count > limits.series;
            bytes -= entry.bytes();
            count -= 1;
            is_over
        })
        .map(|entry| entry.series.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use tidemark_market::{Bar, Layer, Timeframe};

    use super::*;

    fn data(times: &[i64]) -> ChartData {
        let bars = times.iter().map(|ts| Bar::new(Timestamp(*ts), 1.0, 2.0, 0.5, 1.5, 9.0)).collect();
        ChartData {
            symbol: "AAPL".parse().unwrap(),
            timeframe: Timeframe::H1,
            window: TimeRange { start: Timestamp(0), end: Timestamp(i64::MAX) },
            since: None,
            revision: 4,
            layers: vec![LayerBars { layer: Layer::Historical, bars, bands: Vec::new() }],
            gaps: Vec::new(),
            holes: Vec::new(),
            derived: Vec::new(),
            providers: vec!["demo".to_owned()],
            synthetic: true,
        }
    }

    fn series(symbol: &str) -> SeriesKey {
        SeriesKey::parse(symbol, "h1").unwrap()
    }

    fn entry(symbol: &str, used: i64, bytes: u64) -> Entry {
        let chunks = BTreeMap::from([(0, bytes)]);
        Entry { series: series(symbol), used, chunks, ..stored(&data(&[])) }
    }

    fn spread(data: &ChartData, changed: &Changed, known: Option<&Entry>) -> Spread {
        Spread::of(&series("AAPL"), data, changed, known).unwrap()
    }

    fn stored(data: &ChartData) -> Entry {
        spread(data, &Changed::All, None).entry(data, series("AAPL"), 1)
    }

    fn since(revision: u64, times: &[i64]) -> Changed {
        Changed::Since(revision, times.iter().copied().map(Timestamp).collect())
    }

    #[test]
    fn bars_are_spread_over_chunks_and_joined_again() {
        let times: Vec<i64> = (0..10_000).map(|i| i * 7).collect();
        let whole = data(&times);
        let spread = spread(&whole, &Changed::All, None);
        assert_eq!(
            spread.frames.keys().copied().collect::<Vec<_>>(),
            [0, 2_048, 4_096, 6_144, 8_192].map(|bar| bar * 7)
        );
        let entry = spread.entry(&whole, series("AAPL"), 1);
        let chunks = spread.frames.values().map(|frame| chunk::decode(&series("AAPL"), frame).unwrap()).collect();
        assert_eq!(Entry::parse(&entry.write()).unwrap().join(chunks), whole);
    }

    #[test]
    fn an_update_writes_the_chunks_it_touches() {
        let before = data(&(0..12_000).collect::<Vec<_>>());
        let known = stored(&before);
        let after = data(&(5_000..12_001).collect::<Vec<_>>());
        let spread = spread(&after, &since(4, &[12_000]), Some(&known));
        assert_eq!(spread.frames.keys().copied().collect::<Vec<_>>(), [10_240]);
        assert_eq!(spread.gone, BTreeSet::from([0, 2_048]));
        let entry = spread.entry(&after, series("AAPL"), 2);
        assert_eq!(entry.chunks.keys().copied().collect::<Vec<_>>(), [4_096, 6_144, 8_192, 10_240]);
    }

    #[test]
    fn a_chunk_that_grew_is_parted_and_older_bars_become_one_of_their_own() {
        let known = stored(&data(&(1_000..5_000).collect::<Vec<_>>()));
        let after = data(&(0..6_000).collect::<Vec<_>>());
        let changed = since(4, &(0..1_000).chain(5_000..6_000).collect::<Vec<_>>());
        let spread = spread(&after, &changed, Some(&known));
        assert_eq!(spread.frames.keys().copied().collect::<Vec<_>>(), [0, 3_048, 5_096]);
    }

    #[test]
    fn a_change_is_not_written_over_what_it_does_not_build_on() {
        let now = data(&[0, 1]);
        let older = Entry { revision: 2, ..stored(&data(&[0])) };
        assert!(spread(&now, &since(3, &[1]), Some(&older)).is_whole, "another tab stored less than was held here");
        let newer = Entry { revision: 9, ..stored(&data(&[0])) };
        assert!(Spread::of(&series("AAPL"), &now, &since(3, &[1]), Some(&newer)).is_none(), "another tab was faster");
    }

    #[test]
    fn the_browsers_quota_bounds_the_cache() {
        let limits = Limits { series: 9, bytes: 1_000 };
        assert_eq!((limits.within(2_000).bytes, limits.within(u64::MAX).bytes), (400, 1_000));
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let stored = [entry("A", 3, 10), entry("B", 1, 10), entry("C", 2, 10)];
        let newest = entry("D", 4, 10);
        let gone = |series, bytes| victims(&stored, &newest, Limits { series, bytes });
        assert_eq!(gone(4, 40), []);
        assert_eq!(gone(3, 40), [series("B")]);
        assert_eq!(gone(4, 20), [series("B"), series("C")]);
        assert_eq!(gone(4, 5), [series("B"), series("C"), series("A")], "the newest stays");
    }
}
