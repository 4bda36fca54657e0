//! The arithmetic that indicators share.

/// The mean of the newest `count` values; NaN where there are fewer, or one of them is absent.
pub(super) fn mean_of_last<T>(items: &[T], count: usize, value: impl Fn(&T) -> f64) -> f64 {
    items
        .len()
        .checked_sub(count)
        .map_or(f64::NAN, |start| items[start..].iter().map(value).sum::<f64>() / count as f64)
}

/// The standard deviation of the newest `count` values about their mean, as of a whole population.
pub(super) fn deviation_of_last<T>(items: &[T], count: usize, value: impl Fn(&T) -> f64) -> f64 {
    let mean = mean_of_last(items, count, &value);
    mean_of_last(items, count, |item| (value(item) - mean).powi(2)).sqrt()
}

/// The next value of an exponential average, of which the newest value is a part of `share`; the seed where there is none yet.
pub(super) fn smoothed(previous: Option<&f64>, newest: f64, share: f64, seed: impl FnOnce() -> f64) -> f64 {
    match previous {
        Some(previous) if !previous.is_nan() => previous + share * (newest - previous),
        _ => seed(),
    }
}
