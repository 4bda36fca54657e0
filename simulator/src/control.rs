//! Changes a running simulator: settings, faults, and the log of requests. Over HTTP under `/control`, in a process by
//! [`Control`].

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Deserializer, Serialize};
use tidemark_market::{Symbol, Timestamp};

use crate::faults::Fault;
use crate::lock;
use crate::log::RequestLog;
use crate::state::Shared;

/// What can be set while the simulator runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How long each provider request waits before it is answered, in milliseconds.
    pub latency_ms: u64,
    /// Requests that one key may make of one provider in a window, which is a minute unless [`Settings::window_ms`] says
    /// otherwise; `None` is no limit.
    pub requests_per_minute: Option<u32>,
    /// Symbols that the providers do not know, besides those that begin with `ZZZ`.
    pub unknown_symbols: Vec<Symbol>,
    /// What the time is to the providers (epoch ms in JSON); `None` goes by the system's clock.
    pub clock: Option<Timestamp>,
    /// How many days back the providers have bars: earlier ones are left out of answers, without a word. `None` is all.
    pub history_days: Option<u32>,
    /// How long the window of a limit is, in milliseconds; [`Settings::requests_per_minute`] are allowed in each.
    pub window_ms: u64,
    /// How far the providers' clocks are ahead in what headers tell: `Date`, a `Retry-After` that is a date, and Tradier's
    /// `X-Ratelimit-Expiry`. Negative where they are behind. Which bars there are does not change.
    pub clock_skew_ms: i64,
    /// How long [`FaultKind::SlowDrip`](crate::FaultKind::SlowDrip) pauses after each byte, in milliseconds.
    pub drip_ms: u64,
}

/// The settings that change; what is `None`, or left out of the JSON, stays. Where a setting can be nothing, that is
/// `Some(None)`, or `null` in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsChange {
    /// See [`Settings::latency_ms`].
    pub latency_ms: Option<u64>,
    /// See [`Settings::requests_per_minute`]. A change opens every key's window anew.
    #[serde(deserialize_with = "present")]
    pub requests_per_minute: Option<Option<u32>>,
    /// See [`Settings::unknown_symbols`]. Replaces the list.
    pub unknown_symbols: Option<Vec<Symbol>>,
    /// See [`Settings::clock`].
    #[serde(deserialize_with = "present")]
    pub clock: Option<Option<Timestamp>>,
    /// See [`Settings::history_days`].
    #[serde(deserialize_with = "present")]
    pub history_days: Option<Option<u32>>,
    /// See [`Settings::window_ms`]. A change opens every key's window anew.
    pub window_ms: Option<u64>,
    /// See [`Settings::clock_skew_ms`].
    pub clock_skew_ms: Option<i64>,
    /// See [`Settings::drip_ms`].
    pub drip_ms: Option<u64>,
}

/// Tells a `null` from a field that is not there.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A hold on a simulator in the same process.
#[derive(Clone, Debug)]
pub struct Control(Arc<Shared>);

impl Control {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// The settings as they are.
    #[must_use]
    pub fn settings(&self) -> Settings {
        lock(&self.0.settings).clone()
    }

    /// Changes settings, for requests that arrive from now on; answers how they are then.
    pub fn change(&self, change: SettingsChange) -> Settings {
        self.0.change(change)
    }

    /// Sets how long each provider request waits.
    pub fn set_latency(&self, latency: Duration) {
        let latency_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
        self.change(SettingsChange { latency_ms: Some(latency_ms), ..SettingsChange::default() });
    }

    /// Sets the limit of each key at each provider, and opens its window anew.
    pub fn set_requests_per_minute(&self, limit: Option<u32>) {
        self.change(SettingsChange { requests_per_minute: Some(limit), ..SettingsChange::default() });
    }

    /// Sets which symbols are unknown, besides those that begin with `ZZZ`.
    pub fn set_unknown_symbols(&self, symbols: Vec<Symbol>) {
        self.change(SettingsChange { unknown_symbols: Some(symbols), ..SettingsChange::default() });
    }

    /// Fixes the time; `None` goes by the system's clock again.
    pub fn set_clock(&self, clock: Option<Timestamp>) {
        self.change(SettingsChange { clock: Some(clock), ..SettingsChange::default() });
    }

    /// Sets how many days back there are bars; `None` is all.
    pub fn set_history_days(&self, days: Option<u32>) {
        self.change(SettingsChange { history_days: Some(days), ..SettingsChange::default() });
    }

    /// Sets how long the window of a limit is, and opens every one anew.
    pub fn set_window(&self, window: Duration) {
        let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        self.change(SettingsChange { window_ms: Some(window_ms), ..SettingsChange::default() });
    }

    /// Sets how far the clocks that headers tell of are ahead, in milliseconds.
    pub fn set_clock_skew(&self, millis: i64) {
        self.change(SettingsChange { clock_skew_ms: Some(millis), ..SettingsChange::default() });
    }

    /// Sets how long a slow drip pauses after each byte.
    pub fn set_drip(&self, pause: Duration) {
        let drip_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        self.change(SettingsChange { drip_ms: Some(drip_ms), ..SettingsChange::default() });
    }

    /// Puts faults behind those that already wait. A request meets the first that fits.
    pub fn add_faults(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.0.faults).extend(faults);
    }

    /// The faults that still wait.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        lock(&self.0.faults).clone()
    }

    /// Takes every fault back.
    pub fn clear_faults(&self) {
        lock(&self.0.faults).clear();
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> RequestLog {
        self.0.log.read()
    }

    /// Empties the log of requests.
    pub fn clear_requests(&self) {
        self.0.log.clear();
    }
}

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/settings", post(change_settings))
        .route("/faults", post(add_faults).delete(clear_faults))
        .route("/requests", get(read_requests).delete(clear_requests))
}

async fn change_settings(State(shared): State<Arc<Shared>>, Json(change): Json<SettingsChange>) -> Json<Settings> {
    Json(Control(shared).change(change))
}

async fn add_faults(State(shared): State<Arc<Shared>>, Json(faults): Json<Vec<Fault>>) -> StatusCode {
    Control(shared).add_faults(faults);
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(shared): State<Arc<Shared>>) -> StatusCode {
    Control(shared).clear_faults();
    StatusCode::NO_CONTENT
}

async fn read_requests(State(shared): State<Arc<Shared>>) -> Json<RequestLog> {
    Json(Control(shared).requests())
}

async fn clear_requests(State(shared): State<Arc<Shared>>) -> StatusCode {
    Control(shared).clear_requests();
    StatusCode::NO_CONTENT
}
