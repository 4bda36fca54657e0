//! The series that this page had last, so that going back to one does not wait for the store.

use super::Cached;
use crate::series::SeriesKey;

/// The most bars of all series together: some 24 MB.
const MOST_BARS: usize = 300_000;

/// Series as they are stored, the one used last first.
#[derive(Default)]
pub struct Memory(Vec<Cached>);

impl Memory {
    /// The series, which is the one used last from now on.
    pub fn recall(&mut self, series: &SeriesKey) -> Option<&Cached> {
        let place = self.0.iter().position(|cached| is_of(cached, series))?;
        self.0[..=place].rotate_right(1);
        self.0.first()
    }

    pub fn holds(&self, series: &SeriesKey) -> bool {
        self.0.iter().any(|cached| is_of(cached, series))
    }

    /// Takes the series in; those used longest ago go where it gets too much.
    pub fn keep(&mut self, cached: Cached) {
        self.forget(&SeriesKey::of(&cached.data));
        self.0.insert(0, cached);
        let mut bars = 0;
        self.0.retain(|cached| {
            bars += cached.data.layers.iter().map(|layer| layer.bars.len()).sum::<usize>();
            bars <= MOST_BARS
        });
    }

    /// The server has confirmed the series at `checked`; milliseconds since the epoch, by the browser's clock.
    pub fn confirm(&mut self, series: &SeriesKey, checked: i64) {
        self.0.iter_mut().filter(|cached| is_of(cached, series)).for_each(|cached| cached.checked = checked);
    }

    pub fn forget(&mut self, series: &SeriesKey) {
        self.0.retain(|cached| !is_of(cached, series));
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

fn is_of(cached: &Cached, series: &SeriesKey) -> bool {
    cached.data.symbol == series.symbol && cached.data.timeframe == series.timeframe
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use tidemark_market::wire::{ChartData, LayerBars};
    use tidemark_market::{Bar, Layer, TimeRange, Timestamp};

    use super::*;

    fn series(symbol: &str) -> SeriesKey {
        SeriesKey::parse(symbol, "h1").unwrap()
    }

    fn cached(symbol: &str, bars: usize) -> Cached {
        let bars = vec![Bar::new(Timestamp(0), 1.0, 2.0, 0.5, 1.5, 9.0); bars];
        let SeriesKey { symbol, timeframe } = series(symbol);
        let data = ChartData {
            symbol,
            timeframe,
            window: TimeRange { start: Timestamp(0), end: Timestamp(1) },
            since: None,
            revision: 1,
            layers: vec![LayerBars { layer: Layer::Historical, bars, bands: Vec::new() }],
            gaps: Vec::new(),
            holes: Vec::new(),
            derived: Vec::new(),
            providers: Vec::new(),
            synthetic: true,
        };
        Cached { data: Rc::new(data), checked: 1 }
    }

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let mut memory = Memory::default();
        for symbol in ["A", "B", "C"] {
            memory.keep(cached(symbol, MOST_BARS / 3));
        }
        assert!(memory.recall(&series("A")).is_some());
        memory.keep(cached("D", MOST_BARS / 3));
        let held = ["A", "B", "C", "D"].map(|symbol| memory.holds(&series(symbol)));
        assert_eq!(held, [true, false, true, true]);
        memory.keep(cached("E", MOST_BARS + 1));
        assert!(!memory.holds(&series("E")), "more than all of it");
    }

    #[test]
    fn a_series_is_held_once_and_as_it_was_told_last() {
        let mut memory = Memory::default();
        memory.keep(cached("A", 1));
        memory.keep(cached("A", 2));
        memory.confirm(&series("A"), 7);
        assert_eq!(memory.recall(&series("A")), Some(&Cached { checked: 7, ..cached("A", 2) }));
        memory.forget(&series("A"));
        assert_eq!(memory.recall(&series("A")), None);
    }
}
