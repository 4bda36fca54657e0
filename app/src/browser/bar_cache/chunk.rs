//! A stretch of a series' bars as one buffer of columns, which is read by copying.
//!
//! Every value takes eight bytes, little endian: a head of magic and checksum, then for each layer its number, its bars'
//! count and the columns time, open, high, low, close, volume, average price and trade count (NaN where there is none),
//! and for a forecast the two bounds. The checksum is seeded with the series' name, so that a torn or foreign buffer is
//! told from a good one.

use tidemark_market::layer::Layer;
use tidemark_market::wire::LayerBars;
use tidemark_market::{Bar, Timestamp};

use crate::series::SeriesKey;

type Word = [u8; 8];

const MAGIC: Word = *b"TMCOL\0\0\x02";
const COLUMNS: usize = 8;

/// The buffer of these bars of the series.
pub fn encode(series: &SeriesKey, layers: &[LayerBars]) -> Vec<u8> {
    let rows: usize = layers.iter().map(|layer| layer.bars.len()).sum();
    let mut out: Vec<u8> = Vec::with_capacity((2 + rows * COLUMNS + layers.len() * 3) * size_of::<Word>());
    out.extend(MAGIC);
    out.extend(Word::default());
    for layer in layers {
        write_layer(&mut out, layer);
    }
    let hash = checksum(series, words(&out).unwrap_or_default());
    out[size_of::<Word>()..2 * size_of::<Word>()].copy_from_slice(&hash.to_le_bytes());
    out
}

/// What [`encode`] made `bytes` of; `None` where that was something else or of another series.
pub fn decode(series: &SeriesKey, bytes: &[u8]) -> Option<Vec<LayerBars>> {
    let all = words(bytes)?;
    let [magic, hash, rest @ ..] = all else { return None };
    let mut rest = rest;
    if *magic != MAGIC || u64::from_le_bytes(*hash) != checksum(series, all) {
        return None;
    }
    let mut layers = Vec::new();
    while !rest.is_empty() {
        layers.push(read_layer(&mut rest)?);
    }
    Some(layers)
}

fn words(bytes: &[u8]) -> Option<&[Word]> {
    let (words, torn) = bytes.as_chunks();
    torn.is_empty().then_some(words)
}

/// Of all but the head.
fn checksum(series: &SeriesKey, all: &[Word]) -> u64 {
    const FACTOR: u64 = 0x517c_c1b7_2722_0a95;
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    let seed = series.to_string().bytes().fold(0, |hash, byte| mix(hash, byte.into()));
    all.iter().skip(2).fold(seed, |hash, word| mix(hash, u64::from_le_bytes(*word)))
}

fn write_layer(out: &mut Vec<u8>, layer: &LayerBars) {
    let bars = &layer.bars;
    let number = Layer::ALL.iter().position(|other| *other == layer.layer).unwrap_or_default();
    for head in [number as u64, bars.len() as u64, u64::from(!layer.bands.is_empty())] {
        out.extend(head.to_le_bytes());
    }
    out.extend(bars.iter().flat_map(|bar| bar.ts.millis().to_le_bytes()));
    let values: [fn(&Bar) -> f64; 5] =
        [|bar| bar.open, |bar| bar.high, |bar| bar.low, |bar| bar.close, |bar| bar.volume];
    for value in values {
        out.extend(bars.iter().flat_map(|bar| value(bar).to_le_bytes()));
    }
    out.extend(bars.iter().flat_map(|bar| bar.vwap.unwrap_or(f64::NAN).to_le_bytes()));
    out.extend(bars.iter().flat_map(|bar| bar.trades.map_or(f64::NAN, f64::from).to_le_bytes()));
    if !layer.bands.is_empty() {
        // A bar without a band would move those after it.
        let band = |place: usize| layer.bands.get(place).copied().unwrap_or_default();
        out.extend((0..bars.len()).flat_map(|place| band(place).0.to_le_bytes()));
        out.extend((0..bars.len()).flat_map(|place| band(place).1.to_le_bytes()));
    }
}

fn read_layer(rest: &mut &[Word]) -> Option<LayerBars> {
    let [number, count, has_bands] = *take(rest, 3)? else { return None };
    let [number, count] = [number, count].map(|word| usize::try_from(u64::from_le_bytes(word)).ok());
    let (layer, count) = (*Layer::ALL.get(number?)?, count?);
    let times = take(rest, count)?;
    let (opens, highs, lows) = (take(rest, count)?, take(rest, count)?, take(rest, count)?);
    let (closes, volumes) = (take(rest, count)?, take(rest, count)?);
    let (vwaps, trades) = (take(rest, count)?, take(rest, count)?);
    let bar = |place: usize| Bar {
        ts: Timestamp(i64::from_le_bytes(times[place])),
        open: f64::from_le_bytes(opens[place]),
        high: f64::from_le_bytes(highs[place]),
        low: f64::from_le_bytes(lows[place]),
        close: f64::from_le_bytes(closes[place]),
        volume: f64::from_le_bytes(volumes[place]),
        vwap: present(vwaps[place]),
        trades: present(trades[place]).map(count_of),
    };
    let bars = (0..count).map(bar).collect();
    let bands = match u64::from_le_bytes(has_bands) {
        0 => Vec::new(),
        _ => {
            let (lows, highs) = (take(rest, count)?, take(rest, count)?);
            lows.iter().zip(highs).map(|(low, high)| (f64::from_le_bytes(*low), f64::from_le_bytes(*high))).collect()
        }
    };
    Some(LayerBars { layer, bars, bands })
}

fn take<'a>(rest: &mut &'a [Word], count: usize) -> Option<&'a [Word]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

fn present(word: Word) -> Option<f64> {
    Some(f64::from_le_bytes(word)).filter(|value| !value.is_nan())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "written from a u32; `as` saturates")]
fn count_of(value: f64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(symbol: &str) -> SeriesKey {
        SeriesKey::parse(symbol, "h1").unwrap()
    }

    fn layers() -> Vec<LayerBars> {
        let bar = |i: i64| {
            let price = 100.0 + i as f64 / 3.0;
            let vwap = (i % 2 == 0).then_some(price + 0.1);
            let trades = (i % 3 == 0).then_some(u32::MAX);
            Bar { vwap, trades, ..Bar::new(Timestamp(i - 5), price, price, price, price, 0.000_001) }
        };
        let bars: Vec<Bar> = (0..10).map(bar).collect();
        let bands = bars.iter().map(|bar| (bar.low - 1.0, bar.high + 1.0)).collect();
        vec![
            LayerBars { layer: Layer::Historical, bars: bars.clone(), bands: Vec::new() },
            LayerBars { layer: Layer::Intraday, bars: Vec::new(), bands: Vec::new() },
            LayerBars { layer: Layer::Forecast, bars, bands },
        ]
    }

    #[test]
    fn every_value_comes_back() {
        let bytes = encode(&series("AAPL"), &layers());
        assert_eq!(decode(&series("AAPL"), &bytes), Some(layers()));
        assert_eq!(decode(&series("AAPL"), &encode(&series("AAPL"), &[])), Some(Vec::new()));
    }

    #[test]
    fn what_is_torn_altered_or_of_another_series_is_refused() {
        let bytes = encode(&series("AAPL"), &layers());
        assert_eq!(decode(&series("MSFT"), &bytes), None);
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 0x20;
            assert_eq!(decode(&series("AAPL"), &altered), None, "byte {at}");
            assert_eq!(decode(&series("AAPL"), &bytes[..at]), None, "cut at {at}");
        }
    }
}
