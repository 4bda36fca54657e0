//! The binary form of chart data: columns of differences, a third of JSON's size and decoded without parsing text.
//!
//! A frame is `TMK`, a version byte, the body and a 64-bit FNV-1a hash of all before it (little endian), so that a torn
//! or foreign value in a browser's store is told from a good one. Integers are LEB128 varints, signed ones zigzag.
//! Prices whose decimals are few are scaled to integers and stored as differences, others as raw `f64`: either way every
//! value comes back bit for bit.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bar::Bar;
use crate::coverage::{Hole, Reason};
use crate::layer::Layer;
use crate::symbol::Symbol;
use crate::time::{MINUTE, TimeRange, Timestamp};
use crate::timeframe::Timeframe;

const MAGIC: &[u8; 4] = b"TMK\x02";
const HASH_LENGTH: usize = 8;
/// 10^8 keeps the smallest unit of a crypto price.
const MAX_SCALE: u8 = 8;
/// Integers up to 2^53 are exact in an `f64`.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
const RAW: u8 = 255;

/// What a chart needs of one series over one window.
#[derive(Clone, Debug, PartialEq)]
pub struct ChartData {
    /// Whose.
    pub symbol: Symbol,
    /// At which length.
    pub timeframe: Timeframe,
    /// Over which time.
    pub window: TimeRange,
    /// The revision the reader held: only what changed after it is here. `None`: everything in the window is here.
    pub since: Option<u64>,
    /// The revision of this answer.
    pub revision: u64,
    /// Bars by layer; at most one entry a layer.
    pub layers: Vec<LayerBars>,
    /// Session time in the window that is not covered, in whole closed bars. Always the whole truth, never a change.
    pub gaps: Vec<TimeRange>,
    /// Why time in the window is without bars: answered empty, out of reach, failed. The whole truth too.
    pub holes: Vec<Hole>,
    /// What was answered from bars of a finer timeframe that is held, since the series itself lacks it.
    pub derived: Vec<Derived>,
    /// Who delivered the series' bars, by name.
    pub providers: Vec<String>,
    /// Whether any of them makes its bars up; the page must say so.
    pub synthetic: bool,
}

/// Bars made of finer ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derived {
    /// From where to where.
    pub range: TimeRange,
    /// Of which bars they are made.
    pub source: Timeframe,
}

/// One layer's bars, sorted by time.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerBars {
    /// Which.
    pub layer: Layer,
    /// Sorted by time.
    pub bars: Vec<Bar>,
    /// For a forecast its low and high bound, one for each bar; else empty.
    pub bands: Vec<(f64, f64)>,
}

/// The bars of one of the layers; none where it is not among them.
#[must_use]
pub fn bars_of(layers: &[LayerBars], layer: Layer) -> &[Bar] {
    layers.iter().find(|entry| entry.layer == layer).map_or(&[], |entry| &entry.bars)
}

/// Bytes that are no frame of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// Not made by [`encode`], or by another version of it.
    #[error("these bytes are not chart data of this version")]
    Foreign,
    /// Cut short or altered.
    #[error("the chart data is damaged")]
    Damaged,
}

/// The frame of `data`.
#[must_use]
pub fn encode(data: &ChartData) -> Vec<u8> {
    let bars: usize = data.layers.iter().map(|layer| layer.bars.len()).sum();
    let mut out = Writer(Vec::with_capacity(64 + bars * 16));
    out.0.extend_from_slice(MAGIC);
    out.text(data.symbol.as_str());
    out.text(data.timeframe.as_str());
    out.range(data.window);
    out.unsigned(data.since.map_or(0, |since| since + 1));
    out.unsigned(data.revision);
    out.unsigned(data.layers.len() as u64);
    for layer in &data.layers {
        out.layer(layer);
    }
    out.unsigned(data.gaps.len() as u64);
    let mut last = 0;
    for gap in &data.gaps {
        out.signed(gap.start.0.wrapping_sub(last));
        out.signed(gap.millis());
        last = gap.end.0;
    }
    out.unsigned(data.holes.len() as u64);
    data.holes.iter().for_each(|hole| out.hole(hole));
    out.unsigned(data.derived.len() as u64);
    for derived in &data.derived {
        out.range(derived.range);
        out.text(derived.source.as_str());
    }
    out.unsigned(data.providers.len() as u64);
    for provider in &data.providers {
        out.text(provider);
    }
    out.0.push(u8::from(data.synthetic));
    let hash = fnv1a(&out.0);
    out.0.extend_from_slice(&hash.to_le_bytes());
    out.0
}

/// What [`encode`] made `bytes` of.
///
/// # Errors
/// Where they are not a whole, unaltered frame of this version.
pub fn decode(bytes: &[u8]) -> Result<ChartData, WireError> {
    if !bytes.starts_with(MAGIC) {
        return Err(WireError::Foreign);
    }
    let split = bytes.len().checked_sub(HASH_LENGTH).filter(|split| *split >= MAGIC.len()).ok_or(WireError::Damaged)?;
    let (body, hash) = bytes.split_at(split);
    if hash != fnv1a(body).to_le_bytes() {
        return Err(WireError::Damaged);
    }
    Reader(&body[MAGIC.len()..]).chart_data().ok_or(WireError::Damaged)
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The fewest decimals that hold every value exactly; `None` where more than [`MAX_SCALE`] are needed.
fn common_scale(values: impl Iterator<Item = f64> + Clone) -> Option<u8> {
    let mut scale = 0;
    for value in values {
        while !is_exact(value, scale) {
            scale += 1;
            if scale > MAX_SCALE {
                return None;
            }
        }
    }
    Some(scale)
}

fn is_exact(value: f64, scale: u8) -> bool {
    (value * power(scale)).abs() < MAX_EXACT && unscaled(scaled(value, scale), scale).to_bits() == value.to_bits()
}

fn power(scale: u8) -> f64 {
    [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8][usize::from(scale.min(MAX_SCALE))]
}

#[expect(clippy::cast_possible_truncation, reason = "`is_exact` has bounded the value below 2^53")]
fn scaled(value: f64, scale: u8) -> i64 {
    (value * power(scale)).round() as i64
}

#[expect(clippy::cast_precision_loss, reason = "`is_exact` has bounded the value below 2^53")]
fn unscaled(value: i64, scale: u8) -> f64 {
    value as f64 / power(scale)
}

struct Writer(Vec<u8>);

impl Writer {
    fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    fn signed(&mut self, value: i64) {
        self.unsigned((value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned());
    }

    fn text(&mut self, text: &str) {
        self.unsigned(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn range(&mut self, range: TimeRange) {
        self.signed(range.start.0);
        self.signed(range.end.0);
    }

    fn hole(&mut self, hole: &Hole) {
        self.range(hole.range);
        self.text(hole.reason.as_str());
        self.unsigned(hole.checks.into());
        self.signed(hole.checked_at.0);
    }

    fn layer(&mut self, layer: &LayerBars) {
        self.text(layer.layer.as_str());
        self.unsigned(layer.bars.len() as u64);
        self.times(&layer.bars);
        self.prices(&layer.bars);
        self.column(layer.bars.iter().map(|bar| bar.volume));
        self.optional(layer.bars.iter().map(|bar| bar.vwap));
        self.optional(layer.bars.iter().map(|bar| bar.trades.map(f64::from)));
        self.0.push(u8::from(!layer.bands.is_empty()));
        if !layer.bands.is_empty() {
            let mut bands = layer.bands.clone();
            bands.resize(layer.bars.len(), (0.0, 0.0));
            self.column(bands.iter().map(|band| band.0));
            self.column(bands.iter().map(|band| band.1));
        }
    }

    /// Differences of differences: within a session all but the first are 0.
    fn times(&mut self, bars: &[Bar]) {
        let unit = if bars.iter().all(|bar| bar.ts.0 % MINUTE == 0) { MINUTE } else { 1 };
        self.signed(unit);
        let (mut last, mut step) = (0_i64, 0_i64);
        for bar in bars {
            let ts = bar.ts.0 / unit;
            let next = ts.wrapping_sub(last);
            self.signed(next.wrapping_sub(step));
            (last, step) = (ts, next);
        }
    }

    /// The open as its distance from the last close, the others as theirs from the open.
    fn prices(&mut self, bars: &[Bar]) {
        let values = bars.iter().flat_map(|bar| [bar.open, bar.high, bar.low, bar.close]);
        let Some(scale) = common_scale(values.clone()) else {
            self.0.push(RAW);
            values.for_each(|value| self.raw(value));
            return;
        };
        self.0.push(scale);
        let mut last = 0;
        for bar in bars {
            let open = scaled(bar.open, scale);
            let close = scaled(bar.close, scale);
            self.signed(open - last);
            self.signed(scaled(bar.high, scale) - open);
            self.signed(scaled(bar.low, scale) - open);
            self.signed(close - open);
            last = close;
        }
    }

    fn column(&mut self, values: impl Iterator<Item = f64> + Clone) {
        let Some(scale) = common_scale(values.clone()) else {
            self.0.push(RAW);
            values.for_each(|value| self.raw(value));
            return;
        };
        self.0.push(scale);
        let mut last = 0;
        for value in values {
            let value = scaled(value, scale);
            self.signed(value - last);
            last = value;
        }
    }

    /// A bit for each value that says whether it is there, then those that are.
    fn optional(&mut self, values: impl Iterator<Item = Option<f64>> + Clone) {
        let present = values.clone().flatten().count();
        self.unsigned(present as u64);
        if present == 0 {
            return;
        }
        let (mut bits, mut length) = (0_u8, 0);
        for value in values.clone() {
            bits |= u8::from(value.is_some()) << length;
            length += 1;
            if length == 8 {
                self.0.push(bits);
                (bits, length) = (0, 0);
            }
        }
        if length > 0 {
            self.0.push(bits);
        }
        self.column(values.flatten());
    }

    fn raw(&mut self, value: f64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn chart_data(&mut self) -> Option<ChartData> {
        let symbol = self.text()?.parse().ok()?;
        let timeframe = self.text()?.parse().ok()?;
        let window = self.range()?;
        let since = self.unsigned()?.checked_sub(1);
        let revision = self.unsigned()?;
        let layers = self.list(Self::layer)?;
        let mut last = 0_i64;
        let gaps = self.list(|reader| {
            let start = last.wrapping_add(reader.signed()?);
            last = start.checked_add(reader.signed()?)?;
            Some(TimeRange { start: Timestamp(start), end: Timestamp(last) })
        })?;
        let holes = self.list(Self::hole)?;
        let derived =
            self.list(|reader| Some(Derived { range: reader.range()?, source: reader.text()?.parse().ok()? }))?;
        let providers = self.list(Self::text)?;
        let synthetic = self.byte()? == 1;
        self.0.is_empty().then_some(ChartData {
            symbol,
            timeframe,
            window,
            since,
            revision,
            layers,
            gaps,
            holes,
            derived,
            providers,
            synthetic,
        })
    }

    fn range(&mut self) -> Option<TimeRange> {
        Some(TimeRange { start: Timestamp(self.signed()?), end: Timestamp(self.signed()?) })
    }

    fn hole(&mut self) -> Option<Hole> {
        let (range, reason) = (self.range()?, Reason::parse(&self.text()?)?);
        let checks = u32::try_from(self.unsigned()?).ok()?;
        Some(Hole { range, reason, checks, checked_at: Timestamp(self.signed()?) })
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// A length that the bytes left can hold at one byte an item at least.
    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.unsigned()?).ok().filter(|length| *length <= self.0.len())
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.length()?).map(|_| item(self)).collect()
    }

    /// As many values as that, which [`Reader::length`] has bounded.
    fn many<T>(&mut self, length: usize, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        // Collected into an option, they would not know how many come.
        let mut items = Vec::with_capacity(length);
        for _ in 0..length {
            items.push(item(self)?);
        }
        Some(items)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.length()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn layer(&mut self) -> Option<LayerBars> {
        let layer = self.text()?.parse().ok()?;
        let length = self.length()?;
        let times = self.times(length)?;
        let prices = self.prices(length)?;
        let volumes = self.column(length)?;
        let vwaps = self.optional(length)?;
        let trades = self.optional(length)?;
        let bars = (0..length)
            .map(|i| {
                let [open, high, low, close] = prices[i];
                let (ts, volume, vwap) = (times[i], volumes[i], vwaps[i]);
                Bar { ts, open, high, low, close, volume, vwap, trades: trades[i].map(to_count) }
            })
            .collect();
        let bands = match self.byte()? {
            0 => Vec::new(),
            _ => self.column(length)?.into_iter().zip(self.column(length)?).collect(),
        };
        Some(LayerBars { layer, bars, bands })
    }

    fn times(&mut self, length: usize) -> Option<Vec<Timestamp>> {
        let unit = self.signed()?;
        let (mut last, mut step) = (0_i64, 0_i64);
        self.many(length, |reader| {
            step = step.wrapping_add(reader.signed()?);
            last = last.wrapping_add(step);
            last.checked_mul(unit).map(Timestamp)
        })
    }

    fn prices(&mut self, length: usize) -> Option<Vec<[f64; 4]>> {
        let scale = self.byte()?;
        if scale == RAW {
            return self.many(length, |it| Some([it.raw()?, it.raw()?, it.raw()?, it.raw()?]));
        }
        let mut last = 0_i64;
        self.many(length, |reader| {
            let open = last.checked_add(reader.signed()?)?;
            let high = open.checked_add(reader.signed()?)?;
            let low = open.checked_add(reader.signed()?)?;
            last = open.checked_add(reader.signed()?)?;
            Some([open, high, low, last].map(|value| unscaled(value, scale)))
        })
    }

    fn column(&mut self, length: usize) -> Option<Vec<f64>> {
        let scale = self.byte()?;
        if scale == RAW {
            return self.many(length, Self::raw);
        }
        let mut last = 0_i64;
        self.many(length, |reader| {
            last = last.checked_add(reader.signed()?)?;
            Some(unscaled(last, scale))
        })
    }

    fn optional(&mut self, length: usize) -> Option<Vec<Option<f64>>> {
        let present = usize::try_from(self.unsigned()?).ok().filter(|present| *present <= length)?;
        if present == 0 {
            return Some(vec![None; length]);
        }
        let (bits, rest) = self.0.split_at_checked(length.div_ceil(8))?;
        self.0 = rest;
        let mut values = self.column(present)?.into_iter();
        let mut places = 0..length;
        self.many(length, |_| {
            let i = places.next()?;
            if bits[i / 8] >> (i % 8) & 1 == 1 { values.next().map(Some) } else { Some(None) }
        })
    }

    fn raw(&mut self) -> Option<f64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(f64::from_le_bytes(*bytes))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "written from a u32; `as` saturates")]
fn to_count(value: f64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_price() -> impl Strategy<Value = f64> {
        prop_oneof![(1_i64..10_000_000).prop_map(|cents| unscaled(cents, 2)), any::<f64>()]
    }

    fn any_bar() -> impl Strategy<Value = Bar> {
        let prices = (any_price(), any_price(), any_price(), any_price(), any_price());
        let rest = (proptest::option::of(any_price()), proptest::option::of(any::<u32>()));
        (any::<i32>(), prices, rest).prop_map(|(ts, (open, high, low, close, volume), (vwap, trades))| Bar {
            ts: Timestamp(i64::from(ts) * 60_000),
            open,
            high,
            low,
            close,
            volume,
            vwap,
            trades,
        })
    }

    fn any_layer() -> impl Strategy<Value = LayerBars> {
        let layer = prop_oneof![Just(Layer::Historical), Just(Layer::Intraday)];
        (layer, proptest::collection::vec(any_bar(), 0..40), any::<bool>()).prop_map(|(layer, bars, has_bands)| {
            let bands = if has_bands { bars.iter().map(|bar| (bar.low, bar.high)).collect() } else { Vec::new() };
            LayerBars { layer, bars, bands }
        })
    }

    fn hole(range: TimeRange, seed: u32) -> Hole {
        let reason = Reason::ALL[seed as usize % 3];
        Hole { range, reason, checks: seed, checked_at: Timestamp(i64::from(seed)) }
    }

    fn any_data() -> impl Strategy<Value = ChartData> {
        let ranges = proptest::collection::vec((any::<i32>(), 1_i64..1_000_000), 0..10).prop_map(|ranges| {
            ranges
                .into_iter()
                .map(|(start, length)| {
                    let start = Timestamp(i64::from(start));
                    TimeRange { start, end: start.plus(length) }
                })
                .collect::<Vec<_>>()
        });
        (proptest::collection::vec(any_layer(), 0..3), ranges, any::<u32>(), proptest::option::of(any::<u32>()))
            .prop_map(|(layers, gaps, revision, since)| ChartData {
                holes: gaps.iter().map(|range| hole(*range, revision)).collect(),
                derived: gaps.iter().map(|range| Derived { range: *range, source: Timeframe::M5 }).collect(),
                symbol: "X:BTCUSD".parse().unwrap(),
                timeframe: Timeframe::H1,
                window: TimeRange { start: Timestamp(-5), end: Timestamp(1_700_000_000_000) },
                since: since.map(u64::from),
                revision: revision.into(),
                layers,
                gaps,
                providers: vec!["demo-intraday".to_owned()],
                synthetic: true,
            })
    }

    /// `==` on floats would call a NaN unequal to itself and 0 equal to -0.
    fn bits(data: &ChartData) -> String {
        let bar = |bar: &Bar| {
            let values = [bar.open, bar.high, bar.low, bar.close, bar.volume].map(f64::to_bits);
            (bar.ts, values, bar.vwap.map(f64::to_bits), bar.trades)
        };
        let layers: Vec<_> = data
            .layers
            .iter()
            .map(|layer| {
                let bands: Vec<_> = layer.bands.iter().map(|(a, b)| (a.to_bits(), b.to_bits())).collect();
                (layer.layer, layer.bars.iter().map(bar).collect::<Vec<_>>(), bands)
            })
            .collect();
        format!("{layers:?} {:?}", ChartData { layers: Vec::new(), ..data.clone() })
    }

    proptest! {
        #[test]
        fn every_value_comes_back_bit_for_bit(data in any_data()) {
            let back = decode(&encode(&data)).unwrap();
            prop_assert_eq!(bits(&back), bits(&data));
        }

        #[test]
        fn damage_is_noticed(data in any_data(), at in any::<prop::sample::Index>(), cut in any::<bool>()) {
            let mut bytes = encode(&data);
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] ^= 0x20 }
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn a_body_of_noise_is_refused_without_a_panic(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = MAGIC.to_vec();
            bytes.extend(noise);
            let hash = fnv1a(&bytes);
            bytes.extend(hash.to_le_bytes());
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn an_hour_bar_takes_a_dozen_bytes() {
        let bars: Vec<Bar> = (0..1_000)
            .map(|i| {
                let open = unscaled(19_000 + (i * 37) % 500, 2);
                Bar::new(
                    Timestamp(1_700_000_000_000 / MINUTE * MINUTE + i * 60 * MINUTE),
                    open,
                    open + 0.5,
                    open - 0.25,
                    open + 0.1,
                    1_000_000.0,
                )
            })
            .map(|bar| Bar {
                high: (bar.high * 100.0).round() / 100.0,
                close: (bar.close * 100.0).round() / 100.0,
                ..bar
            })
            .collect();
        let data = ChartData {
            symbol: "AAPL".parse().unwrap(),
            timeframe: Timeframe::H1,
            window: TimeRange { start: Timestamp(0), end: Timestamp(1) },
            since: None,
            revision: 1,
            layers: vec![LayerBars { layer: Layer::Historical, bars, bands: Vec::new() }],
            gaps: Vec::new(),
            holes: Vec::new(),
            derived: Vec::new(),
            providers: Vec::new(),
            synthetic: false,
        };
        assert!(encode(&data).len() < 12_000, "{}", encode(&data).len());
    }
}
