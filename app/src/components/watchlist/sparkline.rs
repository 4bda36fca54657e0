//! A few closes as a line, coloured by whether they rose.

use leptos::prelude::*;
use tidemark_market::quote::{Quote, Spark};

/// The drawing's own units; it is stretched to its place.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 100.0;

/// Decoration: the change beside it is said in words.
#[component]
pub fn Sparkline(
    /// The quote whose closes are drawn; an empty place of the same size without.
    quote: Memo<Option<Quote>>,
) -> impl IntoView {
    let line = move || quote.with(|quote| quote.as_ref().and_then(|it| it.spark.as_ref()).map(line));
    let direction = move || quote.with(|quote| quote.as_ref().and_then(|it| it.spark.as_ref()).and_then(direction));
    view! {
        <svg
            class="watch-spark"
            data-direction=direction
            viewBox=format!("0 -5 {WIDTH} {}", HEIGHT + 10.0)
            preserveAspectRatio="none"
            aria-hidden="true"
        >
            <path d=line />
        </svg>
    }
    .into_any()
}

fn direction(spark: &Spark) -> Option<&'static str> {
    let (first, last) = (spark.closes.first()?, spark.closes.last()?);
    Some(if last > first {
        "up"
    } else if last < first {
        "down"
    } else {
        "flat"
    })
}

/// The path, rounded to whole units. A single close, or closes that are all the same, make a level line.
fn line(spark: &Spark) -> String {
    let low = spark.closes.iter().copied().fold(f64::INFINITY, f64::min);
    let high = spark.closes.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    let step = WIDTH / (spark.closes.len().max(2) - 1) as f64;
    let mut path = String::with_capacity(spark.closes.len() * 9);
    for (index, close) in spark.closes.iter().enumerate() {
        let share = if high > low { (close - low) / (high - low) } else { 0.5 };
        #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
        let x = index as f64 * step;
        path.push(if index == 0 { 'M' } else { 'L' });
        path.push_str(&whole(x));
        path.push(' ');
        path.push_str(&whole(HEIGHT * (1.0 - share)));
    }
    if spark.closes.len() == 1 {
        path.push_str("H400");
    }
    path
}

#[expect(clippy::cast_possible_truncation, reason = "within the drawing")]
fn whole(value: f64) -> String {
    (value.round() as i32).to_string()
}

#[cfg(test)]
mod tests {
    use tidemark_market::{Timeframe, Timestamp};

    use super::*;

    fn drawn(closes: &[f64]) -> String {
        line(&Spark { timeframe: Timeframe::H1, from: Timestamp(0), closes: closes.to_vec() })
    }

    #[test]
    fn closes_become_a_line_from_low_to_high() {
        assert_eq!(drawn(&[1.0, 3.0, 2.0]), "M0 100L200 0L400 50");
        assert_eq!(drawn(&[2.0, 2.0]), "M0 50L400 50");
        assert_eq!(drawn(&[2.0]), "M0 50H400");
    }
}
