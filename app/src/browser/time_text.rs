//! Times as the exchange's clock shows them, by the browser's own `Intl`: no time zone table is shipped.

use js_sys::{Array, Date, Intl, Object, Reflect};
use tidemark_market::{AssetClass, Timeframe, Timestamp};
use wasm_bindgen::JsValue;

use crate::series::SeriesKey;
use crate::stores::settings::Clock;

/// Writes times of one series by one clock. The exchange's is New York's for equities and currencies, UTC for crypto.
pub struct TimeText {
    axis: Intl::DateTimeFormat,
    full: Intl::DateTimeFormat,
    year: Intl::DateTimeFormat,
    month: Intl::DateTimeFormat,
    day: Intl::DateTimeFormat,
    time: Intl::DateTimeFormat,
}

impl TimeText {
    /// The writer for that series, by the exchange's clock.
    #[must_use]
    pub fn new(series: &SeriesKey) -> Self {
        Self::by(series, Clock::Exchange)
    }

    /// The writer for that series, by that clock. A day's or a week's bar belongs to the exchange's day on any clock.
    #[must_use]
    pub fn by(series: &SeriesKey, clock: Clock) -> Self {
        let exchange = match series.symbol.asset_class() {
            AssetClass::Equity | AssetClass::Fx => "America/New_York",
            AssetClass::Crypto => "UTC",
        };
        let zone = match clock {
            Clock::Exchange => Some(exchange),
            _ if series.timeframe >= Timeframe::D1 => Some(exchange),
            Clock::Utc => Some("UTC"),
            Clock::Local => None,
        };
        let is_daily = series.timeframe >= Timeframe::D1;
        let day = [("day", "numeric"), ("month", "short")];
        let time = [("hour", "2-digit"), ("minute", "2-digit"), ("hourCycle", "h23")];
        let (short, long): (Vec<_>, Vec<_>) = if is_daily {
            (
                [&day[..], &[("year", "numeric")]].concat(),
                [&day[..], &[("year", "numeric"), ("weekday", "short")]].concat(),
            )
        } else {
            let zoned = [("year", "numeric"), ("weekday", "short"), ("timeZoneName", "short")];
            ([&day[..], &time].concat(), [&day[..], &time, &zoned].concat())
        };
        let one = |field: (&'static str, &'static str)| format(zone, &[field]);
        Self {
            axis: format(zone, &short),
            full: format(zone, &long),
            year: one(("year", "numeric")),
            month: one(("month", "short")),
            day: format(zone, &day),
            time: format(zone, &time),
        }
    }

    /// For an axis: `Mar 8, 09:30`.
    #[must_use]
    pub fn axis(&self, at: Timestamp) -> String {
        text(&self.axis, at)
    }

    /// Beside an axis, as short as what stands to the left allows: `2025`, `Mar`, `Mar 8` or `09:30`.
    #[must_use]
    pub fn tick(&self, timeframe: Timeframe, at: Timestamp, before: Option<Timestamp>) -> String {
        let differs =
            |format: &Intl::DateTimeFormat| before.is_some_and(|before| text(format, before) != text(format, at));
        if differs(&self.year) {
            text(&self.year, at)
        } else if before.is_none() || differs(&self.day) {
            let is_coarse = timeframe >= Timeframe::D1 && differs(&self.month);
            text(if is_coarse { &self.month } else { &self.day }, at)
        } else {
            text(&self.time, at)
        }
    }

    /// In full: `Fri, Mar 8, 2024, 09:30 EST`.
    #[must_use]
    pub fn full(&self, at: Timestamp) -> String {
        text(&self.full, at)
    }
}

fn format(zone: Option<&str>, fields: &[(&str, &str)]) -> Intl::DateTimeFormat {
    let options = Object::new();
    let zone = zone.map(|zone| ("timeZone", zone));
    for (name, value) in zone.iter().chain(fields) {
        // Setting a field of a plain object can't fail.
        let _ = Reflect::set(&options, &JsValue::from_str(name), &JsValue::from_str(value));
    }
    Intl::DateTimeFormat::new(&Array::of1(&JsValue::from_str("en-US")), &options)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are exact in an f64")]
fn text(format: &Intl::DateTimeFormat, at: Timestamp) -> String {
    let date = Date::new(&JsValue::from_f64(at.millis() as f64));
    let written = format.format().call1(&JsValue::UNDEFINED, &date);
    written.ok().and_then(|text| text.as_string()).unwrap_or_else(|| at.to_string())
}
