//! What the cache knows of a series beside its bars, and how bars are spread over chunks: values in, values out.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tidemark_market::coverage::Hole;
use tidemark_market::wire::{self, ChartData, Derived, LayerBars};
use tidemark_market::{TimeRange, Timeframe, Timestamp};

use crate::series::SeriesKey;
use crate::stores::holding::Changed;

/// How many bars' time a chunk spans: two years of hours, so that an update rewrites some ten kilobytes and a long
/// series is still few values.
const CHUNK_BARS: i64 = 16_384;

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
        Self { series: 200, bytes: 64 << 20 }
    }
}

/// How much time a chunk spans, in milliseconds.
#[must_use]
pub const fn chunk_span(timeframe: Timeframe) -> i64 {
    timeframe.millis() * CHUNK_BARS
}

/// All but the bars.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub series: SeriesKey,
    pub revision: u64,
    pub window: TimeRange,
    pub gaps: Vec<TimeRange>,
    #[serde(default)]
    pub holes: Vec<Hole>,
    #[serde(default)]
    pub derived: Vec<Derived>,
    pub providers: Vec<String>,
    pub synthetic: bool,
    /// Milliseconds since the epoch.
    pub used: i64,
    /// Each chunk's size in bytes, by its start.
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
    pub fn join(self, chunks: Vec<ChartData>) -> ChartData {
        let mut layers: Vec<LayerBars> = Vec::new();
        for mut layer in chunks.into_iter().flat_map(|chunk| chunk.layers) {
            match layers.iter_mut().find(|known| known.layer == layer.layer) {
                Some(known) => {
                    known.bars.append(&mut layer.bars);
                    known.bands.append(&mut layer.bands);
                }
                None => layers.push(layer),
            }
        }
        layers.iter_mut().for_each(|layer| trim(layer, self.window.start));
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
    /// What to write of `data` over what `known` says is stored.
    pub fn of(data: &ChartData, changed: &Changed, known: Option<&Entry>) -> Self {
        let chunk_of = |ts: Timestamp| ts.millis().div_euclid(chunk_span(data.timeframe)) * chunk_span(data.timeframe);
        let all: BTreeSet<i64> = data.layers.iter().flat_map(|layer| &layer.bars).map(|bar| chunk_of(bar.ts)).collect();
        let (Changed::Bars(times), Some(known)) = (changed, known) else {
            let frames = all.iter().map(|start| (*start, frame(data, *start))).collect();
            return Self { is_whole: true, frames, gone: BTreeSet::new(), kept: BTreeMap::new() };
        };
        let touched: BTreeSet<i64> = times.iter().map(|ts| chunk_of(*ts)).collect();
        let stale = |start: &i64| touched.contains(start) || !known.chunks.contains_key(start);
        Self {
            is_whole: false,
            frames: all.iter().filter(|start| stale(start)).map(|start| (*start, frame(data, *start))).collect(),
            gone: known.chunks.keys().filter(|start| !all.contains(start)).copied().collect(),
            kept: known.chunks.iter().filter(|(start, _)| all.contains(start)).map(|(k, v)| (*k, *v)).collect(),
        }
    }

    /// The entry to store beside them.
    pub fn entry(&self, data: &ChartData, series: SeriesKey, used: i64) -> Entry {
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
            used,
            chunks,
        }
    }
}

/// The chunk that starts there, as bytes.
fn frame(data: &ChartData, start: i64) -> Vec<u8> {
    let window = TimeRange { start: Timestamp(start), end: Timestamp(start).plus(chunk_span(data.timeframe)) };
    let cut = |layer: &LayerBars| {
        let from = layer.bars.partition_point(|bar| bar.ts < window.start);
        let to = layer.bars.partition_point(|bar| bar.ts < window.end);
        let bands = layer.bands.get(from..to).unwrap_or_default().to_vec();
        LayerBars { layer: layer.layer, bars: layer.bars[from..to].to_vec(), bands }
    };
    wire::encode(&ChartData {
        symbol: data.symbol.clone(),
        timeframe: data.timeframe,
        window,
        since: None,
        revision: data.revision,
        layers: data.layers.iter().map(cut).filter(|layer| !layer.bars.is_empty()).collect(),
        gaps: Vec::new(),
        holes: Vec::new(),
        derived: Vec::new(),
        providers: Vec::new(),
        synthetic: data.synthetic,
    })
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
    use tidemark_market::{Bar, Layer};

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
        let spread = Spread::of(&data(&[]), &Changed::All, None);
        Entry { chunks: BTreeMap::from([(0, bytes)]), ..spread.entry(&data(&[]), series(symbol), used) }
    }

    #[test]
    fn bars_are_spread_over_chunks_and_joined_again() {
        let span = chunk_span(Timeframe::H1);
        let whole = data(&[0, span - 1, span, 5 * span]);
        let spread = Spread::of(&whole, &Changed::All, None);
        assert_eq!(spread.frames.keys().copied().collect::<Vec<_>>(), [0, span, 5 * span]);
        let entry = spread.entry(&whole, series("AAPL"), 1);
        let chunks = spread.frames.values().map(|frame| wire::decode(frame).unwrap()).collect();
        assert_eq!(Entry::parse(&entry.write()).unwrap().join(chunks), whole);
    }

    #[test]
    fn an_update_writes_the_chunks_it_touches() {
        let span = chunk_span(Timeframe::H1);
        let before = data(&[0, span, 2 * span]);
        let known = Spread::of(&before, &Changed::All, None).entry(&before, series("AAPL"), 1);
        let after = data(&[span, 2 * span, 2 * span + 1, 3 * span]);
        let changed = Changed::Bars([2 * span + 1, 3 * span].map(Timestamp).into());
        let spread = Spread::of(&after, &changed, Some(&known));
        assert_eq!(spread.frames.keys().copied().collect::<Vec<_>>(), [2 * span, 3 * span]);
        assert_eq!(spread.gone, BTreeSet::from([0]));
        let entry = spread.entry(&after, series("AAPL"), 2);
        assert_eq!(entry.chunks.keys().copied().collect::<Vec<_>>(), [span, 2 * span, 3 * span]);
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
