//! What all requests of one simulator share, from its settings to its log.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use chrono::Utc;
use tidemark_market::time::{DAY, MINUTE};
use tidemark_market::{Symbol, TimeRange, Timestamp};
use tokio::sync::watch;

use crate::config::SimulatorConfig;
use crate::control::{Settings, SettingsChange};
use crate::faults::Fault;
use crate::limits::{Limits, Quota};
use crate::lock;
use crate::log::Log;
use crate::malformed;
use crate::random::mix;
use crate::serve::Provider;
use crate::source::Source;

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) source: Source,
    pub(crate) settings: Mutex<Settings>,
    pub(crate) faults: Mutex<Vec<Fault>>,
    pub(crate) log: Log,
    limits: Mutex<Limits>,
    keys: Option<Vec<String>>,
    seed: u64,
    answers: AtomicU64,
    malformed: AtomicUsize,
    /// Has no sender any more once the simulator is stopped.
    pub(crate) until_stopped: watch::Receiver<()>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(config: &SimulatorConfig, source: Source, until_stopped: watch::Receiver<()>) -> Self {
        let settings = Settings {
            latency_ms: u64::try_from(config.latency.as_millis()).unwrap_or(u64::MAX),
            requests_per_minute: config.requests_per_minute,
            unknown_symbols: Vec::new(),
            clock: config.clock,
            history_days: None,
            window_ms: MINUTE.unsigned_abs(),
            clock_skew_ms: 0,
            drip_ms: 100,
        };
        Self {
            source,
            settings: Mutex::new(settings),
            faults: Mutex::default(),
            log: Log::default(),
            limits: Mutex::default(),
            keys: config.keys.clone(),
            seed: config.seed,
            answers: AtomicU64::new(0),
            malformed: AtomicUsize::new(0),
            until_stopped,
        }
    }

    pub(crate) fn change(&self, change: SettingsChange) -> Settings {
        let mut settings = lock(&self.settings);
        settings.latency_ms = change.latency_ms.unwrap_or(settings.latency_ms);
        settings.clock = change.clock.unwrap_or(settings.clock);
        settings.history_days = change.history_days.unwrap_or(settings.history_days);
        if let Some(symbols) = change.unknown_symbols {
            settings.unknown_symbols = symbols;
        }
        settings.clock_skew_ms = change.clock_skew_ms.unwrap_or(settings.clock_skew_ms);
        settings.drip_ms = change.drip_ms.unwrap_or(settings.drip_ms);
        if change.requests_per_minute.is_some() || change.window_ms.is_some() {
            settings.requests_per_minute = change.requests_per_minute.unwrap_or(settings.requests_per_minute);
            settings.window_ms = change.window_ms.unwrap_or(settings.window_ms);
            lock(&self.limits).clear();
        }
        settings.clone()
    }

    /// What the time is to the providers.
    pub(crate) fn now(&self) -> Timestamp {
        lock(&self.settings).clock.unwrap_or_else(|| Utc::now().into())
    }

    /// Whether the providers know the symbol.
    pub(crate) fn knows(&self, symbol: &Symbol) -> bool {
        let name = symbol.at_venue().map_or(symbol.as_str(), |(_, pair)| pair);
        !name.starts_with("ZZZ") && !lock(&self.settings).unknown_symbols.contains(symbol)
    }

    /// The time of which the providers have bars.
    pub(crate) fn kept(&self) -> TimeRange {
        let days = lock(&self.settings).history_days.map(i64::from);
        let start = days.map_or(Timestamp(i64::MIN), |days| self.now().plus(-days * DAY));
        TimeRange { start, end: Timestamp(i64::MAX) }
    }

    /// A new id in Polygon's form: 32 hexadecimal digits.
    pub(crate) fn request_id(&self) -> String {
        let count = self.next_answer();
        let first = mix(self.seed ^ mix(count));
        format!("{first:016x}{:016x}", mix(first ^ count))
    }

    /// Whether the key opens the door.
    pub(crate) fn accepts(&self, key: &str) -> bool {
        !key.is_empty() && self.keys.as_ref().is_none_or(|keys| keys.iter().any(|accepted| accepted == key))
    }

    /// Counts a request against the key's limit; `None` where there is no limit.
    pub(crate) fn take_quota(&self, provider: Provider, key: &str) -> Option<Quota> {
        let (allowed, window) = {
            let settings = lock(&self.settings);
            (settings.requests_per_minute?, millis(settings.window_ms))
        };
        Some(lock(&self.limits).take(provider, key, allowed, Utc::now().timestamp_millis(), window))
    }

    /// How long the window of a limit is, in milliseconds.
    pub(crate) fn window(&self) -> i64 {
        millis(lock(&self.settings).window_ms)
    }

    /// A number that no other answer gets.
    pub(crate) fn next_answer(&self) -> u64 {
        self.answers.fetch_add(1, Ordering::Relaxed)
    }

    /// Differs from answer to answer, and is the same again with an equal seed and equal requests.
    pub(crate) fn salt(&self) -> u64 {
        mix(self.seed ^ mix(self.next_answer()))
    }

    /// The next body that no provider means.
    pub(crate) fn next_malformed(&self) -> &'static [u8] {
        malformed::nth(self.malformed.fetch_add(1, Ordering::Relaxed))
    }
}

fn millis(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
