//! Indicators against published tables. `docs/indicators.md` names the sources.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use tidemark_market::indicators::{Indicator, Spec};
use tidemark_market::{Bar, Calendar, Timeframe, Timestamp};

fn closes(closes: &[f64]) -> Vec<Bar> {
    let bar = |(day, close): (i64, &f64)| Bar::new(Timestamp(day * 86_400_000), *close, *close, *close, *close, 1.0);
    (0..).zip(closes).map(bar).collect()
}

/// The values of each line from the first bar that has one.
fn values(spec: &str, timeframe: Timeframe, bars: &[Bar]) -> Vec<Vec<f64>> {
    let spec: Spec = spec.parse().unwrap();
    let indicator = Indicator::over(spec, Calendar::AlwaysOpen, timeframe, bars);
    let known = |line: &Vec<f64>| line.iter().copied().skip_while(|value| value.is_nan()).collect();
    indicator.lines().iter().map(known).collect()
}

/// As far as the source prints it: half a unit of its last decimal, and a hair.
fn assert_printed(values: &[f64], printed: &[f64], decimals: i32) {
    assert_eq!(values.len(), printed.len(), "as many values");
    for (place, (value, printed)) in values.iter().zip(printed).enumerate() {
        let off = (value - printed).abs();
        assert!(off <= 0.501 * 10_f64.powi(-decimals), "{value}, printed as {printed}, at {place}");
    }
}

/// Intel's closes of 2010-03-24 to 2010-05-05.
const INTEL: [f64; 30] = [
    22.2734, 22.194, 22.0847, 22.1741, 22.184, 22.1344, 22.2337, 22.4323, 22.2436, 22.2933, 22.1542, 22.3926, 22.3816,
    22.6109, 23.3558, 24.0519, 23.753, 23.8324, 23.9516, 23.6338, 23.8225, 23.8722, 23.6537, 23.187, 23.0976, 23.326,
    22.6805, 23.0976, 22.4025, 22.1725,
];

#[test]
fn moving_averages_are_stockcharts() {
    let bars = closes(&INTEL);
    let simple = [
        22.22475, 22.21283, 22.23269, 22.26238, 22.30606, 22.42324, 22.61499, 22.76692, 22.90693, 23.07773, 23.21178,
        23.37861, 23.52657, 23.65378, 23.71139, 23.68557, 23.61298, 23.50573, 23.43225, 23.27734, 23.13121,
    ];
    assert_printed(&values("sma-10", Timeframe::D1, &bars)[0], &simple, 5);
    let exponential = [
        22.22, 22.21, 22.24, 22.27, 22.33, 22.52, 22.80, 22.97, 23.13, 23.28, 23.34, 23.43, 23.51, 23.54, 23.47, 23.40,
        23.39, 23.26, 23.23, 23.08, 22.92,
    ];
    assert_printed(&values("ema-10", Timeframe::D1, &bars)[0], &exponential, 2);
}

#[test]
fn rsi_is_stockcharts() {
    let bars = closes(&[
        44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433, 46.0826, 45.8931, 46.0328,
        45.614, 46.282, 46.282, 46.0028, 46.0328, 46.4116, 46.2222, 45.6439, 46.2122, 46.2521, 45.7137, 46.4515,
        45.7835, 45.3548, 44.0288, 44.1783, 44.2181, 44.5672, 43.4205, 42.6628, 43.1314,
    ]);
    let printed = [
        70.5328, 66.3186, 66.5498, 69.4063, 66.3552, 57.9749, 62.9296, 63.2571, 56.0593, 62.3771, 54.7076, 50.4228,
        39.9898, 41.4605, 41.8689, 45.4632, 37.3040, 33.0795, 37.7730,
    ];
    assert_printed(&values("rsi-14", Timeframe::D1, &bars)[0], &printed, 4);
}

#[test]
fn bollinger_bands_are_stockcharts() {
    let bars = closes(&[
        86.1557, 89.0867, 88.7829, 90.3228, 89.0671, 91.1453, 89.4397, 89.1750, 86.9302, 87.6752, 86.9596, 89.4299,
        89.3221, 88.7241, 87.4497, 87.2634, 89.4985, 87.9006, 89.1260, 90.7043, 92.9001, 92.9784, 91.8021, 92.6647,
        92.6843, 92.3021, 92.7725, 92.5373, 92.9490, 93.2039, 91.0669, 89.8318, 89.7435, 90.3994, 90.7387, 88.0177,
        88.0867, 88.8439, 90.7781, 90.5416, 91.3894, 90.6500,
    ]);
    let middle = [
        88.71, 89.05, 89.24, 89.39, 89.51, 89.69, 89.75, 89.91, 90.08, 90.38, 90.66, 90.86, 90.88, 90.91, 90.99, 91.15,
        91.19, 91.12, 91.17, 91.25, 91.24, 91.17, 91.05,
    ];
    let upper = [
        91.29, 91.95, 92.61, 92.93, 93.31, 93.73, 93.90, 94.27, 94.57, 94.79, 95.04, 94.91, 94.90, 94.90, 94.86, 94.67,
        94.56, 94.68, 94.58, 94.53, 94.53, 94.37, 94.15,
    ];
    let lower = [
        86.12, 86.14, 85.87, 85.85, 85.70, 85.65, 85.59, 85.56, 85.60, 85.98, 86.27, 86.82, 86.87, 86.91, 87.12, 87.63,
        87.83, 87.56, 87.76, 87.97, 87.95, 87.96, 87.95,
    ];
    let bands = values("bb-20-2", Timeframe::D1, &bars);
    for (band, printed) in bands.iter().zip([middle, upper, lower]) {
        assert_printed(band, &printed, 2);
    }
}

#[test]
fn atr_is_stockcharts() {
    let rows = [
        (48.70, 47.79, 48.16),
        (48.72, 48.14, 48.61),
        (48.90, 48.39, 48.75),
        (48.87, 48.37, 48.63),
        (48.82, 48.24, 48.74),
        (49.05, 48.64, 49.03),
        (49.20, 48.94, 49.07),
        (49.35, 48.86, 49.32),
        (49.92, 49.50, 49.91),
        (50.19, 49.87, 50.13),
        (50.12, 49.20, 49.53),
        (49.66, 48.90, 49.50),
        (49.88, 49.43, 49.75),
        (50.19, 49.73, 50.03),
        (50.36, 49.26, 50.31),
        (50.57, 50.09, 50.52),
        (50.65, 50.30, 50.41),
        (50.43, 49.21, 49.34),
        (49.63, 48.98, 49.37),
        (50.33, 49.61, 50.23),
        (50.29, 49.20, 49.24),
        (50.17, 49.43, 49.93),
        (49.32, 48.08, 48.43),
        (48.50, 47.64, 48.18),
        (48.32, 41.55, 46.57),
        (46.80, 44.28, 45.41),
        (47.80, 47.31, 47.77),
        (48.39, 47.20, 47.72),
        (48.66, 47.90, 48.62),
        (48.79, 47.73, 47.85),
    ];
    let bar =
        |(day, (high, low, close)): (i64, (f64, f64, f64))| Bar::new(Timestamp(day), close, high, low, close, 1.0);
    let bars: Vec<Bar> = (0..).zip(rows).map(bar).collect();
    // The table's prices have more decimals than it prints, so that its averages differ by up to 0.006 from those of
    // the printed prices; those of the printed prices are 0.554, 0.593, 0.585 and so on.
    let of_printed_prices = [
        0.554, 0.593, 0.585, 0.568, 0.615, 0.617, 0.642, 0.674, 0.692, 0.775, 0.781, 1.209, 1.302, 1.380, 1.367, 1.336,
        1.316,
    ];
    let printed =
        [0.56, 0.59, 0.59, 0.57, 0.62, 0.62, 0.64, 0.67, 0.69, 0.78, 0.78, 1.21, 1.30, 1.38, 1.37, 1.34, 1.32];
    let averages = &values("atr-14", Timeframe::D1, &bars)[0];
    assert_printed(averages, &of_printed_prices, 3);
    let within = |(average, printed): (&f64, &f64)| (average - printed).abs() < 0.0065;
    assert!(averages.iter().zip(&printed).all(within), "{averages:?}");
}

#[test]
fn macd_is_investexcels() {
    let bars = closes(&[
        459.99, 448.85, 446.06, 450.81, 442.8, 448.97, 444.57, 441.4, 430.47, 420.05, 431.14, 425.66, 430.58, 431.72,
        437.87, 428.43, 428.35, 432.5, 443.66, 455.72, 454.49, 452.08, 452.73, 461.91, 463.58, 461.14, 452.08, 442.66,
        428.91, 429.79, 431.99, 427.72, 423.2, 426.21, 426.98, 435.69, 434.33, 429.8, 419.85, 426.24, 402.8,
    ]);
    let macd = [
        8.2752695, 7.7033784, 6.4160748, 4.2375198, 2.5525833, 1.3788857, 0.1029815, -1.258402, -2.070558, -2.621842,
        -2.329067, -2.181632, -2.402626, -3.342122, -3.530363, -5.507471,
    ];
    let signal = [3.0375259, 1.9056522, 1.0587084, 0.4106403, -0.152013, -0.790035, -1.3381, -2.171975];
    let histogram =
        [-5.108084059, -4.527494558, -3.387775176, -2.59227244, -2.250613279, -2.55208695, -2.192262723, -3.335496669];
    let lines = values("macd-12-26-9", Timeframe::D1, &bars);
    assert_printed(&lines[0], &macd, 6);
    assert_printed(&lines[1], &signal, 6);
    assert_printed(&lines[2], &histogram, 9);
}

#[test]
fn vwap_is_stockcharts() {
    let rows = [
        (127.36, 126.99, 127.28, 89_329.0),
        (127.31, 127.10, 127.11, 16_137.0),
        (127.21, 127.11, 127.15, 23_945.0),
        (127.15, 126.93, 127.04, 20_679.0),
        (127.08, 126.98, 126.98, 27_252.0),
        (127.19, 126.99, 127.07, 20_915.0),
        (127.09, 126.82, 126.93, 17_372.0),
        (127.08, 126.95, 127.05, 17_600.0),
        (127.18, 127.05, 127.11, 13_896.0),
        (127.16, 127.05, 127.15, 6_700.0),
        (127.31, 127.08, 127.30, 13_848.0),
        (127.35, 127.20, 127.28, 9_925.0),
        (127.34, 127.25, 127.28, 5_540.0),
        (127.29, 127.17, 127.29, 10_803.0),
        (127.36, 127.25, 127.25, 19_400.0),
    ];
    let bar = |(minute, (high, low, close, volume)): (i64, (f64, f64, f64, f64))| {
        Bar::new(Timestamp(minute * 60_000), close, high, low, close, volume)
    };
    let bars: Vec<Bar> = (0..).zip(rows).map(bar).collect();
    let printed = [
        127.2100, 127.2044, 127.1956, 127.1741, 127.1494, 127.1424, 127.1267, 127.1191, 127.1188, 127.1188, 127.1246,
        127.1300, 127.1332, 127.1374, 127.1467,
    ];
    assert_printed(&values("vwap", Timeframe::M1, &bars)[0], &printed, 4);
}
