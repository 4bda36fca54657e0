//! Times as the exchange's clock shows them, by the browser's own `Intl`: no time zone table is shipped.

use std::cell::RefCell;

use js_sys::{Array, Date, Intl, Object, Reflect};
use tidemark_market::calendar::utc_to_new_york;
use tidemark_market::time::MINUTE;
use tidemark_market::{AssetClass, Timeframe, Timestamp};
use wasm_bindgen::JsValue;

use crate::series::SeriesKey;
use crate::stores::settings::Clock;
use tidemark_market::ticks::Wall;

/// Writes times of one series by one clock. The exchange's is New York's for equities and currencies, UTC for crypto.
pub struct TimeText {
    zone: Zone,
    full: Intl::DateTimeFormat,
}

/// Whose clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zone {
    NewYork,
    Utc,
    Local,
}

impl Zone {
    /// By its name; the browser's own has none.
    const fn name(self) -> Option<&'static str> {
        match self {
            Self::NewYork => Some("America/New_York"),
            Self::Utc => Some("UTC"),
            Self::Local => None,
        }
    }
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
            AssetClass::Equity | AssetClass::Fx => Zone::NewYork,
            AssetClass::Crypto => Zone::Utc,
        };
        let zone = match clock {
            Clock::Exchange => exchange,
            _ if series.timeframe >= Timeframe::D1 => exchange,
            Clock::Utc => Zone::Utc,
            Clock::Local => Zone::Local,
        };
        Self { zone, full: full(zone, series.timeframe >= Timeframe::D1) }
    }

    /// What the clock shows, in milliseconds since 1970 as if it were UTC's: reckoned, since a frame of the chart asks for
    /// hundreds.
    #[must_use]
    pub fn wall(&self, at: Timestamp) -> Wall {
        match self.zone {
            Zone::Utc => at.millis(),
            Zone::NewYork => utc_to_new_york(at).map_or(at.millis(), |wall| wall.and_utc().timestamp_millis()),
            Zone::Local => at.millis() - date(at).get_timezone_offset() as i64 * MINUTE,
        }
    }

    /// In full: `Fri, Mar 8, 2024, 09:30 EST`.
    #[must_use]
    pub fn full(&self, at: Timestamp) -> String {
        text(&self.full, at)
    }
}

thread_local! {
    /// What was made before: one takes a browser half a millisecond, and all of a watchlist want the same.
    static MADE: RefCell<Vec<((Zone, bool), Intl::DateTimeFormat)>> = const { RefCell::new(Vec::new()) };
}

fn full(zone: Zone, is_daily: bool) -> Intl::DateTimeFormat {
    let wanted = (zone, is_daily);
    let made = MADE.with_borrow(|made| made.iter().find(|(of, _)| *of == wanted).map(|(_, format)| format.clone()));
    made.unwrap_or_else(|| {
        let day = [("day", "numeric"), ("month", "short")];
        let time = [("hour", "2-digit"), ("minute", "2-digit"), ("hourCycle", "h23")];
        let zoned = [("year", "numeric"), ("weekday", "short"), ("timeZoneName", "short")];
        let fields = if is_daily { [&day[..], &zoned[..2]].concat() } else { [&day[..], &time, &zoned].concat() };
        let format = format(zone.name(), &fields);
        MADE.with_borrow_mut(|made| made.push((wanted, format.clone())));
        format
    })
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

fn text(format: &Intl::DateTimeFormat, at: Timestamp) -> String {
    let written = format.format().call1(&JsValue::UNDEFINED, &date(at));
    written.ok().and_then(|text| text.as_string()).unwrap_or_else(|| at.to_string())
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are exact in an f64")]
fn date(at: Timestamp) -> Date {
    Date::new(&JsValue::from_f64(at.millis() as f64))
}
