//! A stretch of a series' bars as the store keeps it: a frame of [`tidemark_market::wire`], which is a third of the bytes
//! that the values take, and bytes are what reading costs. The frame names the series and has a checksum, so that a torn or
//! foreign one is told from a good one.

use tidemark_market::wire::{self, ChartData, LayerBars};
use tidemark_market::{TimeRange, Timestamp};

use crate::series::SeriesKey;

/// What the frame of a stretch leaves open: the series' entry tells it.
const UNTOLD: TimeRange = TimeRange { start: Timestamp(0), end: Timestamp(0) };

/// The frame of these bars of the series.
pub fn encode(series: &SeriesKey, layers: Vec<LayerBars>) -> Vec<u8> {
    let SeriesKey { symbol, timeframe } = series.clone();
    wire::encode(&ChartData {
        symbol,
        timeframe,
        window: UNTOLD,
        since: None,
        revision: 0,
        layers,
        gaps: Vec::new(),
        holes: Vec::new(),
        derived: Vec::new(),
        providers: Vec::new(),
        synthetic: false,
    })
}

/// What [`encode`] made `bytes` of; `None` where that was something else or of another series.
pub fn decode(series: &SeriesKey, bytes: &[u8]) -> Option<Vec<LayerBars>> {
    let stretch = wire::decode(bytes).ok()?;
    (stretch.symbol == series.symbol && stretch.timeframe == series.timeframe).then_some(stretch.layers)
}

#[cfg(test)]
mod tests {
    use tidemark_market::{Bar, Layer};

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
        let bytes = encode(&series("AAPL"), layers());
        assert_eq!(decode(&series("AAPL"), &bytes), Some(layers()));
        assert_eq!(decode(&series("AAPL"), &encode(&series("AAPL"), Vec::new())), Some(Vec::new()));
    }

    #[test]
    fn what_is_torn_altered_or_of_another_series_is_refused() {
        let bytes = encode(&series("AAPL"), layers());
        assert_eq!(decode(&series("MSFT"), &bytes), None);
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 0x20;
            assert_eq!(decode(&series("AAPL"), &altered), None, "byte {at}");
            assert_eq!(decode(&series("AAPL"), &bytes[..at]), None, "cut at {at}");
        }
    }
}
