//! Synthetic bars: a random walk over days, a bridge over the minutes of each.
//!
//! The bars follow from the seed, the symbol and the day alone. Minutes are made a day at a time and every coarser bar
//! is made of them; what a whole day sums up to is kept, since years of days are asked for again and again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use tidemark_market::resample::merge;
use tidemark_market::time::MINUTE;
use tidemark_market::{AssetClass, Bar, Hours, Symbol, TimeRange, Timestamp};

use crate::days::{TradingDay, positions, trading_days};
use crate::lock;
use crate::random::{Random, hash_text, mix};

/// How many symbols are kept ready; the oldest makes room.
const KEPT_SYMBOLS: usize = 64;
/// A venue has one order book, a provider many: some minutes of a venue's pair have no trade.
const UNTRADED_AT_A_VENUE: f64 = 0.03;
/// Between these the walk is reflected.
const LOWEST: f64 = 20.0;
const HIGHEST: f64 = 500.0;
/// How much prices of stocks and coins grow each day.
const DRIFT: f64 = 0.0002;

/// How many bars are wanted at most, and from which end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) limit: usize,
    pub(crate) newest_first: bool,
}

pub(crate) struct Generator {
    seed: u64,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    series: HashMap<Symbol, Arc<Series>>,
    order: VecDeque<Symbol>,
}

/// One symbol: its character, where each day ends, and the days summed up so far.
struct Series {
    days: &'static [TradingDay],
    crypto: bool,
    /// How many of all minutes of a session have no trade.
    untraded: f64,
    root: u64,
    /// How much is reckoned for a price of one.
    unit: f64,
    volatility: f64,
    volume: f64,
    closes: Vec<f64>,
    sums: Mutex<HashMap<usize, DaySum>>,
}

#[derive(Clone, Copy)]
struct DaySum {
    extended: Bar,
    regular: Bar,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, kept: Mutex::default() }
    }

    /// Minute bars that begin in `range` and not after `now`, sorted; more than `wanted.limit` of them only as far as
    /// the last day brings them along.
    pub(crate) fn minutes(&self, symbol: &Symbol, range: TimeRange, hours: Hours, wanted: Wanted) -> Vec<Bar> {
        let series = self.series(symbol);
        let mut positions: Vec<usize> = positions(symbol.calendar(Hours::Regular), range).collect();
        if wanted.newest_first {
            positions.reverse();
        }
        let mut days = Vec::new();
        let mut count = 0;
        for position in positions {
            if count > wanted.limit {
                break;
            }
            let minutes = series.minutes(position, hours, range);
            count += minutes.len();
            days.push(minutes);
        }
        if wanted.newest_first {
            days.reverse();
        }
        days.concat()
    }

    /// Day bars that begin in `range`, sorted. The day of `now` is summed up to then.
    pub(crate) fn days(&self, symbol: &Symbol, range: TimeRange, hours: Hours, now: Timestamp) -> Vec<Bar> {
        let series = self.series(symbol);
        positions(symbol.calendar(Hours::Regular), range)
            .filter(|position| range.contains(series.days[*position].midnight))
            .filter_map(|position| series.day(position, hours, now))
            .collect()
    }

    fn series(&self, symbol: &Symbol) -> Arc<Series> {
        let mut kept = lock(&self.kept);
        if let Some(series) = kept.series.get(symbol) {
            return Arc::clone(series);
        }
        if kept.order.len() >= KEPT_SYMBOLS
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.series.remove(&oldest);
        }
        let series = Arc::new(Series::new(self.seed, symbol));
        kept.series.insert(symbol.clone(), Arc::clone(&series));
        kept.order.push_back(symbol.clone());
        series
    }
}

impl Series {
    fn new(seed: u64, symbol: &Symbol) -> Self {
        let root = mix(seed ^ hash_text(symbol.as_str()));
        let mut random = Random::new(root);
        let days = trading_days(symbol.calendar(Hours::Regular));
        let volatility = 0.009 + 0.012 * random.unit();
        let volume = 800.0 * 60_f64.powf(random.unit());
        let level = 60.0 * 4_f64.powf(random.unit());
        let class = symbol.asset_class();
        // One currency is worth about one of another, or a hundred yen, and stays so.
        let is_fx = class == AssetClass::Fx;
        let (level, volatility, drift) =
            if is_fx { (level.sqrt() * 10.0, volatility / 4.0, 0.0) } else { (level, volatility, DRIFT) };
        let closes = walk(days, root, level, volatility, drift);
        let crypto = class == AssetClass::Crypto;
        let untraded = if symbol.at_venue().is_some() { UNTRADED_AT_A_VENUE } else { 0.0 };
        Self { days, crypto, untraded, root, unit: unit_of(symbol), volatility, volume, closes, sums: Mutex::default() }
    }

    fn day(&self, position: usize, hours: Hours, now: Timestamp) -> Option<Bar> {
        let day = self.days[position];
        if now < day.end {
            let so_far = TimeRange::new(day.midnight, now.plus(1))?;
            return merge(&self.minutes(position, hours, so_far), day.midnight);
        }
        let known = lock(&self.sums).get(&position).copied();
        let sum = match known {
            Some(sum) => sum,
            None => {
                let sum = self.sum_up(position)?;
                lock(&self.sums).insert(position, sum);
                sum
            }
        };
        Some(match hours {
            Hours::Extended => sum.extended,
            Hours::Regular => sum.regular,
        })
    }

    fn sum_up(&self, position: usize) -> Option<DaySum> {
        let day = self.days[position];
        let minutes = self.all_minutes(position);
        let extended = merge(&minutes, day.midnight)?;
        let regular = if self.crypto { extended } else { merge(within(&minutes, day.open, day.close), day.midnight)? };
        Some(DaySum { extended, regular })
    }

    fn minutes(&self, position: usize, hours: Hours, range: TimeRange) -> Vec<Bar> {
        let day = self.days[position];
        let (first, after) = match hours {
            Hours::Extended => (day.start, day.end),
            Hours::Regular => (day.open, day.close),
        };
        within(&self.all_minutes(position), first.max(range.start), after.min(range.end)).to_vec()
    }

    fn all_minutes(&self, position: usize) -> Vec<Bar> {
        let day = self.days[position];
        let mut random = Random::new(mix(self.root ^ day.midnight.0.unsigned_abs()));
        let close = self.closes[position];
        let before = if position > 0 { self.closes[position - 1] } else { close };
        let open = if self.crypto { before } else { cents(before * (1.0 + 0.2 * self.volatility * random.normal())) };
        let mut bars = Vec::with_capacity(if self.crypto { 1_440 } else { 800 });
        self.quiet(&mut bars, &mut random, (day.start, day.open), (before, open));
        self.busy(&mut bars, &mut random, (day.open, day.close), (open, close));
        self.quiet(&mut bars, &mut random, (day.close, day.end), (close, close));
        bars
    }

    /// A session: the most is traded at both ends.
    fn busy(&self, bars: &mut Vec<Bar>, random: &mut Random, span: (Timestamp, Timestamp), prices: (f64, f64)) {
        let path = bridge(random, span, prices, self.volatility * 0.7);
        let count = path.len().saturating_sub(1) as f64;
        for (index, pair) in path.windows(2).enumerate() {
            let from_middle = 2.0 * (index as f64 + 0.5) / count - 1.0;
            let shape = if self.crypto { 1.0 } else { 0.5 + 1.5 * from_middle * from_middle };
            let draw = random.quarters();
            if draw[3] >= self.untraded {
                bars.push(self.bar(span.0.plus(index as i64 * MINUTE), pair, shape, draw));
            }
        }
    }

    /// Extended hours: some minutes trade, and little.
    fn quiet(&self, bars: &mut Vec<Bar>, random: &mut Random, span: (Timestamp, Timestamp), prices: (f64, f64)) {
        let path = bridge(random, span, prices, self.volatility * 0.2);
        for (index, pair) in path.windows(2).enumerate() {
            let draw = random.quarters();
            if draw[3] < 0.25 {
                bars.push(self.bar(span.0.plus(index as i64 * MINUTE), pair, 0.02, draw));
            }
        }
    }

    fn bar(&self, ts: Timestamp, pair: &[f64], shape: f64, draw: [f64; 4]) -> Bar {
        let (first, last) = (pair[0], pair[1]);
        let reach = first * self.volatility * 0.03;
        let priced = |price: f64| parts(price) / (100.0 * self.unit);
        let open = priced(first);
        let close = priced(last);
        let high = priced(first.max(last) + reach * draw[0] * draw[0]);
        let low = priced(first.min(last) - reach * draw[1] * draw[1]);
        let shares = (self.volume * shape * (0.4 + 1.2 * draw[2])).max(1.0);
        let volume = if self.crypto { whole(shares * 1e3) / 1e6 } else { whole(shares) };
        Bar {
            vwap: Some(whole((open + high + low + close) * self.unit * 2_500.0 + 0.5) / (1e4 * self.unit)),
            trades: Some((shares / 90.0) as u32 + 1),
            ..Bar::new(ts, open, high, low, close, volume)
        }
    }
}

/// How much is reckoned for a price of one: as for a stock, in whose cents currencies have pips.
pub(crate) fn unit_of(symbol: &Symbol) -> f64 {
    if symbol.asset_class() == AssetClass::Fx && !symbol.as_str().ends_with("JPY") { 100.0 } else { 1.0 }
}

/// Where each day ends: small daily steps, reflected so that the price stays one of a stock.
fn walk(days: &[TradingDay], root: u64, level: f64, volatility: f64, drift: f64) -> Vec<f64> {
    let (bottom, top) = (LOWEST.ln(), HIGHEST.ln());
    let mut at = level.ln();
    days.iter()
        .map(|day| {
            let step = Random::new(mix(root ^ 1 ^ day.midnight.0.unsigned_abs())).normal();
            at += drift + volatility * step;
            at = if at > top { 2.0 * top - at } else { at };
            at = if at < bottom { 2.0 * bottom - at } else { at };
            cents(at.exp())
        })
        .collect()
}

/// The price at each minute's border: from the first price to the second, with noise that is gone at both ends. The
/// noise over the whole span is about `noise` times the price.
fn bridge(random: &mut Random, span: (Timestamp, Timestamp), prices: (f64, f64), noise: f64) -> Vec<f64> {
    let count = usize::try_from((span.1.0 - span.0.0) / MINUTE).unwrap_or(0);
    if count == 0 {
        return Vec::new();
    }
    let step = prices.0 * noise / (count as f64).sqrt();
    let mut path = Vec::with_capacity(count + 1);
    let mut at = 0.0;
    path.push(at);
    for _ in 0..count {
        at += step * random.normal();
        path.push(at);
    }
    let drift = (prices.1 - prices.0 - at) / count as f64;
    for (index, value) in path.iter_mut().enumerate() {
        *value += prices.0 + drift * index as f64;
    }
    path
}

fn within(bars: &[Bar], first: Timestamp, after: Timestamp) -> &[Bar] {
    let start = bars.partition_point(|bar| bar.ts < first);
    let end = bars.partition_point(|bar| bar.ts < after);
    &bars[start..end.max(start)]
}

/// Cut off to a whole number. On x86-64's base instructions `f64::trunc` is a call, and this is the generator's hot loop.
fn whole(value: f64) -> f64 {
    value as i64 as f64
}

/// To two decimals.
fn cents(price: f64) -> f64 {
    parts(price) / 100.0
}

/// How many hundredths it is. Prices are positive, so that cutting off after half of one rounds.
fn parts(price: f64) -> f64 {
    whole(price * 100.0 + 0.5)
}
