//! Computing an indicator, bar by bar.

use super::formulas::{deviation_of_last, mean_of_last, smoothed};
use super::{Kind, Spec};
use crate::bar::Bar;
use crate::calendar::Calendar;
use crate::timeframe::Timeframe;

/// An indicator over a series: one column of values for each of its lines, one value for each bar, NaN where there is none.
///
/// Each value follows from the bars up to its own and from the values before. So a new bar, and one that moves, cost one
/// step; and the values are bit for bit those of computing everything anew.
#[derive(Clone, Debug)]
pub struct Indicator {
    spec: Spec,
    calendar: Calendar,
    timeframe: Timeframe,
    lines: Vec<Vec<f64>>,
    /// What the next step needs of the last beyond the lines, by bar too.
    carried: Vec<Vec<f64>>,
}

impl Indicator {
    /// One without bars. The calendar says where sessions begin, for VWAP.
    #[must_use]
    pub fn new(spec: Spec, calendar: Calendar, timeframe: Timeframe) -> Self {
        let columns = |count| vec![Vec::new(); count];
        let carried = match spec.kind() {
            Kind::Sma | Kind::Ema | Kind::Bollinger => 0,
            Kind::Atr => 1,
            Kind::Macd => 2,
            Kind::Vwap => 3,
            Kind::Rsi => 4,
        };
        let lines = columns(spec.kind().outputs().len());
        Self { spec, calendar, timeframe, lines, carried: columns(carried) }
    }

    /// The indicator over `bars`, which are sorted by time.
    #[must_use]
    pub fn over(spec: Spec, calendar: Calendar, timeframe: Timeframe, bars: &[Bar]) -> Self {
        let mut indicator = Self::new(spec, calendar, timeframe);
        indicator.update(bars, 0);
        indicator
    }

    /// Takes `bars` over, which are the whole series; those before the place `from` are as they were the last time.
    pub fn update(&mut self, bars: &[Bar], from: usize) {
        let from = from.min(self.len());
        self.lines.iter_mut().chain(&mut self.carried).for_each(|column| column.truncate(from));
        for end in from + 1..=bars.len() {
            self.step(&bars[..end]);
        }
    }

    /// Forgets the oldest `bars`, which are no longer part of the series. Values after them stay as they are.
    pub fn forget(&mut self, bars: usize) {
        let bars = bars.min(self.len());
        self.lines.iter_mut().chain(&mut self.carried).for_each(|column| drop(column.drain(..bars)));
    }

    /// What it computes.
    #[must_use]
    pub const fn spec(&self) -> Spec {
        self.spec
    }

    /// For how many bars it has values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.first().map_or(0, Vec::len)
    }

    /// Whether it has seen no bar.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of its lines, in the order of [`Kind::outputs`].
    #[must_use]
    pub fn lines(&self) -> &[Vec<f64>] {
        &self.lines
    }

    /// Goes on by the last of `bars`.
    fn step(&mut self, bars: &[Bar]) {
        let [first, second, third] = std::array::from_fn(|place| self.spec.values().get(place).copied().unwrap_or(0.0));
        match self.spec.kind() {
            Kind::Sma => self.lines[0].push(mean_of_last(bars, first as usize, close)),
            Kind::Ema => push_average(&mut self.lines[0], bars, first),
            Kind::Vwap => self.step_vwap(bars),
            Kind::Bollinger => self.step_bollinger(bars, first as usize, second),
            Kind::Rsi => self.step_rsi(bars, first),
            Kind::Macd => self.step_macd(bars, first, second, third),
            Kind::Atr => self.step_atr(bars, first),
        }
    }

    fn step_bollinger(&mut self, bars: &[Bar], length: usize, deviations: f64) {
        let middle = mean_of_last(bars, length, close);
        let reach = deviations * deviation_of_last(bars, length, close);
        for (line, value) in self.lines.iter_mut().zip([middle, middle + reach, middle - reach]) {
            line.push(value);
        }
    }

    /// Carries gains, losses, and the average of either.
    fn step_rsi(&mut self, bars: &[Bar], length: f64) {
        let change = bars.windows(2).next_back().map_or(f64::NAN, |pair| pair[1].close - pair[0].close);
        let (moves, averages) = self.carried.split_at_mut(2);
        for ((moves, average), sign) in moves.iter_mut().zip(averages).zip([1.0, -1.0]) {
            let newest = (sign * change).clamp(0.0, f64::INFINITY);
            moves.push(newest);
            let seed = || mean_of_last(moves, length as usize, |moved| *moved);
            average.push(smoothed(average.last(), newest, 1.0 / length, seed));
        }
        let [gain, loss] = [last(&self.carried[2]), last(&self.carried[3])];
        // Where nothing moved at all, neither side is the stronger.
        self.lines[0].push(if gain + loss == 0.0 { 50.0 } else { 100.0 * gain / (gain + loss) });
    }

    /// Carries true ranges.
    fn step_atr(&mut self, bars: &[Bar], length: f64) {
        let newest = true_range(bars);
        self.carried[0].push(newest);
        let seed = || mean_of_last(&self.carried[0], length as usize, |range| *range);
        let average = smoothed(self.lines[0].last(), newest, 1.0 / length, seed);
        self.lines[0].push(average);
    }

    /// Carries both averages.
    fn step_macd(&mut self, bars: &[Bar], fast: f64, slow: f64, signal: f64) {
        push_average(&mut self.carried[0], bars, fast);
        push_average(&mut self.carried[1], bars, slow);
        let macd = last(&self.carried[0]) - last(&self.carried[1]);
        self.lines[0].push(macd);
        let seed = || mean_of_last(&self.lines[0], signal as usize, |macd| *macd);
        let average = smoothed(self.lines[1].last(), macd, share(signal), seed);
        self.lines[1].push(average);
        self.lines[2].push(macd - average);
    }

    /// Carries the money and the volume of the session, and when its day ends.
    fn step_vwap(&mut self, bars: &[Bar]) {
        let Some(bar) = bars.last().filter(|_| self.timeframe < Timeframe::D1) else {
            self.lines[0].push(f64::NAN);
            return self.carried.iter_mut().for_each(|column| column.push(f64::NAN));
        };
        let [money, volume, end] = [0, 1, 2].map(|place| last(&self.carried[place]));
        let is_same_day = (bar.ts.0 as f64) < end;
        let (money, volume) = if is_same_day { (money, volume) } else { (0.0, 0.0) };
        let end = if is_same_day { end } else { self.calendar.bar_end(Timeframe::D1, bar.ts).0 as f64 };
        let money = money + (bar.high + bar.low + bar.close) / 3.0 * bar.volume;
        let volume = volume + bar.volume;
        for (column, value) in self.carried.iter_mut().zip([money, volume, end]) {
            column.push(value);
        }
        self.lines[0].push(money / volume);
    }
}

fn close(bar: &Bar) -> f64 {
    bar.close
}

fn last(column: &[f64]) -> f64 {
    column.last().copied().unwrap_or(f64::NAN)
}

/// The newest value's part of an exponential average.
fn share(length: f64) -> f64 {
    2.0 / (length + 1.0)
}

/// Goes on with the exponential average of closes, which begins as their simple one.
fn push_average(column: &mut Vec<f64>, bars: &[Bar], length: f64) {
    let next = smoothed(column.last(), bars.last().map_or(f64::NAN, close), share(length), || {
        mean_of_last(bars, length as usize, close)
    });
    column.push(next);
}

/// How far the last bar reaches, from the close before it on.
fn true_range(bars: &[Bar]) -> f64 {
    match bars {
        [.., before, bar] => bar.high.max(before.close) - bar.low.min(before.close),
        [bar] => bar.high - bar.low,
        [] => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::{HOUR, MINUTE, Timestamp};

    /// Bars of some days, some minutes apart.
    fn any_bars() -> impl Strategy<Value = Vec<Bar>> {
        let row = (1_i64..400, 1.0..1000.0, 0.0..50.0, 0.0..50.0, prop_oneof![Just(0.0), 1.0..900.0]);
        (0_i64..10_000, proptest::collection::vec(row, 1..150)).prop_map(|(start, rows)| {
            let mut at = Timestamp(1_700_000_000_000 / MINUTE * MINUTE).plus(start * HOUR);
            let bar = |(step, low, open, close, volume): (i64, f64, f64, f64, f64)| {
                at = at.plus(step * MINUTE);
                Bar::new(at, low + open, low + open.max(close), low, low + close, volume)
            };
            rows.into_iter().map(bar).collect()
        })
    }

    fn any_spec() -> impl Strategy<Value = Spec> {
        let values = (2_u8..30, 1_u8..30, 1_u8..12);
        (proptest::sample::select(Kind::ALL.to_vec()), values).prop_map(|(kind, (first, more, third))| {
            let values = match kind {
                Kind::Macd => vec![first.into(), f64::from(first) + f64::from(more), third.into()],
                Kind::Bollinger => vec![first.into(), f64::from(third) / 2.0],
                _ => vec![first.into(); kind.parameters().len()],
            };
            Spec::new(kind, &values).unwrap()
        })
    }

    fn any_calendar() -> impl Strategy<Value = Calendar> {
        proptest::sample::select(Calendar::ALL.to_vec())
    }

    fn bits(indicator: &Indicator) -> Vec<Vec<u64>> {
        let column =
            |line: &Vec<f64>| line.iter().map(|value| if value.is_nan() { 0 } else { value.to_bits() }).collect();
        indicator.lines().iter().map(column).collect()
    }

    proptest! {
        #[test]
        fn step_by_step_is_as_all_at_once(
            bars in any_bars(), spec in any_spec(), calendar in any_calendar(), from in 0_usize..150
        ) {
            let whole = Indicator::over(spec, calendar, Timeframe::M1, &bars);
            let mut stepping = Indicator::new(spec, calendar, Timeframe::M1);
            for end in 1..=bars.len() {
                let moving = Bar { close: bars[end - 1].low, volume: 5.0, ..bars[end - 1] };
                let before = [&bars[..end - 1], &[moving]].concat();
                stepping.update(&before, end - 1);
                stepping.update(&bars[..end], end - 1);
            }
            prop_assert_eq!(bits(&stepping), bits(&whole));
            stepping.update(&bars, from);
            prop_assert_eq!(bits(&stepping), bits(&whole));
            prop_assert!(whole.lines().iter().all(|line| line.len() == bars.len()));
        }

        #[test]
        fn after_the_warm_up_it_does_not_matter_where_bars_begin(
            steps in proptest::collection::vec(-1.0..1.0_f64, 1500), spec in any_spec(), cut in 0_usize..700
        ) {
            let mut price = 100.0;
            let walk = |(place, step): (i64, &f64)| {
                let open = price;
                price = (price + step).max(1.0);
                let (high, low) = (open.max(price) + 0.25, open.min(price) - 0.25);
                Bar::new(Timestamp(1_700_006_400_000 + place * HOUR), open, high, low, price, 10.0 + step)
            };
            let bars: Vec<Bar> = (0..).zip(&steps).map(walk).collect();
            let over = |bars: &[Bar]| Indicator::over(spec, Calendar::AlwaysOpen, Timeframe::H1, bars);
            let (whole, part) = (over(&bars), over(&bars[cut..]));
            for (whole, part) in whole.lines().iter().zip(part.lines()) {
                for place in spec.warm_up(Timeframe::H1)..part.len() {
                    let (whole, part) = (whole[cut + place], part[place]);
                    prop_assert!((whole - part).abs() < 1e-6, "{}: {} and {} at {}", spec, whole, part, place);
                }
            }
        }

        #[test]
        fn what_is_bounded_stays_in_its_bounds(bars in any_bars(), spec in any_spec(), calendar in any_calendar()) {
            let indicator = Indicator::over(spec, calendar, Timeframe::M1, &bars);
            let prices = || bars.iter().flat_map(|bar| [bar.high, bar.low]);
            let (lowest, highest) = (prices().fold(f64::MAX, f64::min) - 1e-9, prices().fold(f64::MIN, f64::max) + 1e-9);
            let bounds = match spec.kind() {
                Kind::Sma | Kind::Ema | Kind::Vwap => lowest..=highest,
                Kind::Rsi => 0.0..=100.0,
                Kind::Atr => 0.0..=highest - lowest,
                Kind::Bollinger | Kind::Macd => f64::MIN..=f64::MAX,
            };
            let mut values = indicator.lines().iter().flatten().filter(|value| !value.is_nan());
            prop_assert!(values.all(|value| bounds.contains(value)));
        }
    }

    fn bar(at: &str, price: f64, volume: f64) -> Bar {
        Bar::new(Timestamp::parse(at).unwrap(), price, price, price, price, volume)
    }

    #[test]
    fn vwap_begins_anew_with_each_session_of_the_exchange() {
        let bars = [
            bar("2024-03-08T19:00:00Z", 10.0, 100.0),
            bar("2024-03-08T20:00:00Z", 13.0, 50.0),
            // Over the weekend New York's clocks are put forward.
            bar("2024-03-11T13:00:00Z", 20.0, 0.0),
            bar("2024-03-11T14:00:00Z", 21.0, 10.0),
            bar("2024-03-12T00:00:00Z", 24.0, 5.0),
        ];
        let values = |calendar, timeframe| {
            Indicator::over(Spec::usual(Kind::Vwap), calendar, timeframe, &bars).lines()[0].clone()
        };
        let new_york = values(Calendar::Xnys, Timeframe::H1);
        assert_eq!((new_york[0], new_york[1], new_york[3], new_york[4]), (10.0, 11.0, 21.0, 22.0));
        assert!(new_york[2].is_nan(), "nothing has traded yet");
        assert_eq!(values(Calendar::AlwaysOpen, Timeframe::H1)[4], 24.0, "a day of UTC begins at its midnight");
        assert!(values(Calendar::Xnys, Timeframe::D1).iter().all(|value| value.is_nan()));
    }

    #[test]
    fn a_market_that_stands_still_is_neither_strong_nor_weak() {
        let bars: Vec<Bar> = (0..20).map(|hour| Bar::new(Timestamp(hour * HOUR), 5.0, 5.0, 5.0, 5.0, 1.0)).collect();
        let last = |text: &str| {
            let indicator = Indicator::over(text.parse().unwrap(), Calendar::AlwaysOpen, Timeframe::H1, &bars);
            indicator.lines().iter().map(|line| line[19]).collect::<Vec<_>>()
        };
        assert_eq!(last("rsi-14"), [50.0]);
        assert_eq!(last("bb-20-2"), [5.0, 5.0, 5.0]);
        assert_eq!(last("atr-14"), [0.0]);
        assert_eq!(last("macd-3-6-4"), [0.0, 0.0, 0.0]);
    }
}
