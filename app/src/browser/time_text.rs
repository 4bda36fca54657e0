//! Times as the exchange's clock shows them, by the browser's own `Intl`: no time zone table is shipped.

use js_sys::{Array, Date, Intl, Object, Reflect};
use tidemark_market::{AssetClass, Timeframe, Timestamp};
use wasm_bindgen::JsValue;

use crate::series::SeriesKey;

/// Writes times of one series: New York's for equities, UTC for crypto.
pub struct TimeText {
    axis: Intl::DateTimeFormat,
    full: Intl::DateTimeFormat,
}

impl TimeText {
    /// The writer for that series.
    #[must_use]
    pub fn new(series: &SeriesKey) -> Self {
        let zone = match series.symbol.asset_class() {
            AssetClass::Equity | AssetClass::Fx => "America/New_York",
            AssetClass::Crypto => "UTC",
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
        Self { axis: format(zone, &short), full: format(zone, &long) }
    }

    /// For an axis: `Mar 8, 09:30`.
    #[must_use]
    pub fn axis(&self, at: Timestamp) -> String {
        text(&self.axis, at)
    }

    /// In full: `Fri, Mar 8, 2024, 09:30 EST`.
    #[must_use]
    pub fn full(&self, at: Timestamp) -> String {
        text(&self.full, at)
    }
}

fn format(zone: &str, fields: &[(&str, &str)]) -> Intl::DateTimeFormat {
    let options = Object::new();
    for (name, value) in [&[("timeZone", zone)], fields].concat() {
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
