//! Candles, volume, price axis, times and last price as markup that keeps the chart's places at every size: what must
//! stretch is SVG in shares of its box, what must not is text beside it.

use std::fmt::Write;

use tidemark_market::calendar::utc_to_new_york;
use tidemark_market::wire::ChartData;
use tidemark_market::{AssetClass, Bar, Timeframe, Timestamp};

use super::FirstPaint;
use crate::chart::look::Look;
use crate::series::SeriesKey;
use crate::stores::holding::{FIRST_VIEW, picture};
use crate::stores::shown::{Choice, chosen};
use crate::text::Prices;

/// The height of the drawings in their own units.
const HEIGHT: f64 = 1_000.0;
/// How much of its place a candle takes.
const BODY: f64 = 0.7;
/// About how many prices and times are written.
const PRICES: f64 = 5.0;
const TIMES: usize = 8;

impl FirstPaint {
    /// The newest bars of what a chart was answered, in the hours and layers of that look; an empty one where there are
    /// none.
    #[must_use]
    pub fn of(data: &ChartData, look: &Look) -> Self {
        let series = SeriesKey::of(data);
        let bars = chosen(&series, picture(data, &[]), Choice::of(look)).bars;
        let bars = &bars[bars.len().saturating_sub(FIRST_VIEW)..];
        let Some(last) = bars.last() else { return Self::default() };
        let (scale, written) = (Scale::of(bars), Prices::like(series.symbol.asset_class(), last.close));
        let html = [
            format!(
                r#"<div class="first-prices">{}{}{}</div>"#,
                candles(&series, bars, &scale, &written.text(last.close)),
                prices(&scale, written),
                level(last, &scale, written)
            ),
            format!(r#"<div class="first-volumes">{}</div>"#, volumes(bars)),
            format!(r#"<div class="first-times" aria-hidden="true">{}</div>"#, times(&series, bars)),
        ];
        Self { html: html.concat(), newest: Some(*last) }
    }
}

/// Prices, and a step between round ones.
struct Scale {
    low: f64,
    high: f64,
    step: f64,
}

impl Scale {
    fn of(bars: &[Bar]) -> Self {
        let low = bars.iter().map(|bar| bar.low).fold(f64::INFINITY, f64::min);
        let high = bars.iter().map(|bar| bar.high).fold(f64::NEG_INFINITY, f64::max);
        let span = if high > low { high - low } else { high.abs().max(1.0) / 100.0 };
        // The room that the chart's own scale leaves.
        let room = span * 0.06;
        Self { low: low - room, high: high + room, step: round_step(span / PRICES) }
    }

    /// From the top, as a share of the height.
    fn share(&self, price: f64) -> f64 {
        (self.high - price) / (self.high - self.low)
    }

    fn y(&self, price: f64) -> f64 {
        self.share(price) * HEIGHT
    }

    fn steps(&self) -> impl Iterator<Item = f64> + '_ {
        std::iter::successors(Some((self.low / self.step).ceil() * self.step), |price| Some(price + self.step))
            .take_while(|price| *price < self.high)
    }
}

/// 1, 2, 3, 5 or 10 times a power of ten, near `rough`.
fn round_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [(1.5, 1.0), (2.5, 2.0), (4.0, 3.0), (7.0, 5.0)]
        .into_iter()
        .find(|(below, _)| rough / power < *below)
        .map_or(10.0, |(_, factor)| factor);
    factor * power
}

fn candles(series: &SeriesKey, bars: &[Bar], scale: &Scale, last: &str) -> String {
    let grid: String = scale.steps().map(|price| format!("M0 {:.1}H{}", scale.y(price), bars.len())).collect();
    let mut html = format!(
        r#"<svg role="img" aria-label="The newest {} bars of {series}, last price {last}" viewBox="0 0 {} {HEIGHT}" preserveAspectRatio="none"><path class="first-grid" d="{grid}"/>"#,
        bars.len(),
        bars.len(),
    );
    for (class, is_up) in [("first-up", true), ("first-down", false)] {
        let shapes: String =
            placed(bars).filter(|(_, bar)| (bar.close >= bar.open) == is_up).map(|it| candle(it, scale)).collect();
        push_path(&mut html, class, &shapes);
    }
    html + "</svg>"
}

fn candle((middle, bar): (f64, &Bar), scale: &Scale) -> String {
    let (top, bottom) = (scale.y(bar.open.max(bar.close)), scale.y(bar.open.min(bar.close)));
    let (left, right) = (middle - BODY / 2.0, middle + BODY / 2.0);
    let (high, low) = (scale.y(bar.high), scale.y(bar.low));
    format!("M{middle} {high:.1}V{low:.1}M{left:.2} {top:.1}H{right:.2}V{bottom:.1}H{left:.2}Z")
}

fn volumes(bars: &[Bar]) -> String {
    let most = bars.iter().map(|bar| bar.volume).fold(0.0, f64::max);
    let most = if most > 0.0 { most * 1.05 } else { 1.0 };
    let mut html =
        format!(r#"<svg aria-hidden="true" viewBox="0 0 {} {HEIGHT}" preserveAspectRatio="none">"#, bars.len());
    for (class, is_up) in [("first-up", true), ("first-down", false)] {
        let shapes: String = placed(bars)
            .filter(|(_, bar)| (bar.close >= bar.open) == is_up)
            .map(|(middle, bar)| {
                let top = (1.0 - bar.volume / most) * HEIGHT;
                let (left, right) = (middle - BODY / 2.0, middle + BODY / 2.0);
                format!("M{left:.2} {HEIGHT}V{top:.0}H{right:.2}V{HEIGHT}Z")
            })
            .collect();
        push_path(&mut html, class, &shapes);
    }
    html + "</svg>"
}

fn push_path(html: &mut String, class: &str, shapes: &str) {
    // Writing to a string can't fail.
    let _ = write!(html, r#"<path class="{class}" d="{shapes}"/>"#);
}

fn prices(scale: &Scale, written: Prices) -> String {
    let label = |at| {
        let (top, price) = (scale.share(at) * 100.0, written.text(at));
        format!(r#"<span class="first-price" style="top:{top:.2}%">{price}</span>"#)
    };
    scale.steps().map(label).collect()
}

fn level(last: &Bar, scale: &Scale, written: Prices) -> String {
    let top = scale.share(last.close) * 100.0;
    format!(r#"<span class="first-level" style="top:{top:.2}%"><b>{}</b></span>"#, written.text(last.close))
}

fn times(series: &SeriesKey, bars: &[Bar]) -> String {
    let every = bars.len().div_ceil(TIMES).max(1);
    #[expect(clippy::cast_precision_loss, reason = "few bars")]
    let share = |middle: f64| middle / bars.len() as f64 * 100.0;
    placed(bars)
        .skip(every / 2)
        .step_by(every)
        .map(|(middle, bar)| format!(r#"<span style="left:{:.2}%">{}</span>"#, share(middle), written(series, bar.ts)))
        .collect()
}

/// As the chart's axis writes it: `Mar 8, 09:30` on the exchange's clock, `Mar 8, 2024` for days and weeks.
fn written(series: &SeriesKey, at: Timestamp) -> String {
    let local = match series.symbol.asset_class() {
        AssetClass::Crypto => at.to_datetime().map(|at| at.naive_utc()),
        AssetClass::Equity | AssetClass::Fx => utc_to_new_york(at),
    };
    let form = if series.timeframe >= Timeframe::D1 { "%b %-d, %Y" } else { "%b %-d, %H:%M" };
    local.map_or_else(String::new, |at| at.format(form).to_string())
}

/// Each bar with the middle of its place; a place is one unit wide.
#[expect(clippy::cast_precision_loss, reason = "places of few bars")]
fn placed(bars: &[Bar]) -> impl Iterator<Item = (f64, &Bar)> {
    bars.iter().enumerate().map(|(place, bar)| (place as f64 + 0.5, bar))
}

#[cfg(test)]
mod tests {
    use tidemark_market::wire::LayerBars;
    use tidemark_market::{Layer, TimeRange};

    use super::*;

    fn chart(bars: Vec<Bar>) -> ChartData {
        ChartData {
            symbol: "AAPL".parse().unwrap(),
            timeframe: Timeframe::H1,
            window: TimeRange { start: Timestamp(0), end: Timestamp(i64::MAX) },
            since: None,
            revision: 1,
            layers: vec![LayerBars { layer: Layer::Historical, bars, bands: Vec::new() }],
            gaps: Vec::new(),
            holes: Vec::new(),
            derived: Vec::new(),
            providers: Vec::new(),
            synthetic: false,
        }
    }

    fn hours(count: i64) -> Vec<Bar> {
        let bar = |hour| Bar::new(Timestamp(1_709_908_200_000 + hour * 3_600_000), 100.0, 103.0, 99.0, 102.0, 10.0);
        (0..count).map(bar).collect()
    }

    #[test]
    fn the_newest_bars_are_drawn_with_prices_times_and_the_last_price() {
        let drawn = FirstPaint::of(&chart(hours(200)), &Look::default());
        assert_eq!(drawn.newest, hours(200).last().copied());
        assert!(drawn.html.contains("The newest 150 bars of AAPL h1, last price 102.00"), "{}", drawn.html);
        assert!(drawn.html.contains("<b>102.00</b>"));
        assert!(drawn.html.contains(">99.00</span>") && drawn.html.contains(">103.00</span>"));
    }

    #[test]
    fn times_are_the_exchanges() {
        let drawn = FirstPaint::of(&chart(hours(1)), &Look::default());
        assert!(drawn.html.contains(">Mar 8, 09:30<"), "{}", drawn.html);
    }

    #[test]
    fn hours_and_layers_are_those_of_the_look() {
        let look = |name: &str, value: &str| Look::parse(|asked| (asked == name).then(|| value.to_owned())).unwrap();
        // From 09:30 on, eleven hours: the last five after the close.
        let drawn = FirstPaint::of(&chart(hours(11)), &look("hours", "regular"));
        assert!(drawn.html.contains("The newest 7 bars of"), "{}", drawn.html);
        assert_eq!(FirstPaint::of(&chart(hours(11)), &look("layers", "intraday")), FirstPaint::default());
    }

    #[test]
    fn no_bars_draw_nothing_and_equal_prices_have_room() {
        assert_eq!(FirstPaint::of(&chart(Vec::new()), &Look::default()), FirstPaint::default());
        let flat = vec![Bar::new(Timestamp(0), 5.0, 5.0, 5.0, 5.0, 0.0)];
        assert!(!FirstPaint::of(&chart(flat), &Look::default()).html.contains("NaN"));
    }
}
