//! What the reader of the page may know and choose of the bars that this browser keeps.

use leptos::logging::warn;
use leptos::prelude::*;
use leptos::task::spawn_local;
use tidemark_market::Timeframe;

use crate::browser::bar_cache::{self, Usage};
use crate::browser::{quota, storage};
use crate::stores::settings::Choice;

/// How long stored bars are shown without asking the server whether they are still all there is. It is asked all the same
/// once a bar has closed since, and what it says of the series' revision always counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StaleAfter {
    /// It is always asked.
    AtOnce,
    /// A minute.
    #[default]
    Minute,
    /// Five minutes.
    FiveMinutes,
    /// An hour.
    Hour,
}

impl Choice for StaleAfter {
    const KEY: &'static str = "tidemark:stale-after";
    const ALL: &'static [Self] = &[Self::AtOnce, Self::Minute, Self::FiveMinutes, Self::Hour];

    fn as_str(self) -> &'static str {
        match self {
            Self::AtOnce => "0",
            Self::Minute => "1",
            Self::FiveMinutes => "5",
            Self::Hour => "60",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::AtOnce => "At once",
            Self::Minute => "A minute",
            Self::FiveMinutes => "Five minutes",
            Self::Hour => "An hour",
        }
    }
}

impl StaleAfter {
    const fn millis(self) -> i64 {
        const MINUTE: i64 = 60_000;
        match self {
            Self::AtOnce => 0,
            Self::Minute => MINUTE,
            Self::FiveMinutes => 5 * MINUTE,
            Self::Hour => 60 * MINUTE,
        }
    }

    /// Whether bars of this length that the server confirmed at `checked` need no question at `now`; both in milliseconds
    /// since the epoch. A clock that was set back makes everything stale.
    #[must_use]
    pub fn is_fresh(self, timeframe: Timeframe, checked: i64, now: i64) -> bool {
        // Bars of all exchanges begin at multiples of these lengths, or of a part of them.
        let period = timeframe.min(Timeframe::H1).millis();
        let has_closed = now.div_euclid(period) != checked.div_euclid(period);
        (0..self.millis()).contains(&(now - checked)) && !has_closed
    }
}

/// The settings of the stored bars: signals, and what changes them.
#[derive(Clone, Copy)]
pub struct CacheStore {
    stale_after: RwSignal<StaleAfter>,
    usage: RwSignal<Option<Usage>>,
    is_kept: RwSignal<Option<bool>>,
}

impl CacheStore {
    /// The default at first, so that server and browser render the same, then what was chosen in this browser.
    #[must_use]
    pub fn new() -> Self {
        let store = Self {
            stale_after: RwSignal::new(StaleAfter::default()),
            usage: RwSignal::new(None),
            is_kept: RwSignal::new(None),
        };
        Effect::new(move || store.stale_after.set(StaleAfter::stored()));
        store
    }

    /// How long stored bars are shown unasked.
    #[must_use]
    pub fn stale_after(self) -> Signal<StaleAfter> {
        self.stale_after.into()
    }

    /// Chooses it, from the next chart on.
    pub fn choose(self, stale_after: StaleAfter) {
        self.stale_after.set(stale_after);
        storage::write(StaleAfter::KEY, stale_after.as_str());
    }

    /// How much is stored; `None` before [`CacheStore::look`] has answered, and where nothing can be stored.
    #[must_use]
    pub fn usage(self) -> Signal<Option<Usage>> {
        self.usage.into()
    }

    /// Whether the browser promised to keep it when its disk gets full; `None` where it does not say.
    #[must_use]
    pub fn is_kept(self) -> Signal<Option<bool>> {
        self.is_kept.into()
    }

    /// Looks how much is stored now.
    pub fn look(self) {
        spawn_local(async move {
            self.is_kept.set(quota::is_kept().await);
            self.measure().await;
        });
    }

    /// Forgets all stored bars, in all tabs. What is on screen stays.
    pub fn clear(self) {
        spawn_local(async move {
            if let Some(cache) = bar_cache::shared().await
                && let Err(error) = cache.clear().await
            {
                warn!(
                    "The stored bars could not be cleared: {error}. Clear this site's data in the browser's settings."
                );
            }
            self.measure().await;
        });
    }

    /// Asks the browser to keep the bars when its disk gets full.
    pub fn keep(self) {
        spawn_local(async move { self.is_kept.set(quota::keep().await) });
    }

    async fn measure(self) {
        let usage = match bar_cache::shared().await {
            Some(cache) => cache.usage().await.ok(),
            None => None,
        };
        self.usage.set(usage);
    }
}

impl Default for CacheStore {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    #[test]
    fn bars_are_fresh_for_a_while_and_until_one_closes() {
        let fresh = |age: StaleAfter, timeframe, checked, now| age.is_fresh(timeframe, checked, now);
        assert!(fresh(StaleAfter::Minute, Timeframe::H1, 10 * MINUTE, 10 * MINUTE + 59_999));
        assert!(!fresh(StaleAfter::Minute, Timeframe::H1, 10 * MINUTE, 11 * MINUTE));
        assert!(fresh(StaleAfter::Hour, Timeframe::H1, 10 * MINUTE, 59 * MINUTE));
        assert!(!fresh(StaleAfter::Hour, Timeframe::H1, 59 * MINUTE, 60 * MINUTE), "an hour has closed");
        assert!(!fresh(StaleAfter::Hour, Timeframe::M5, 4 * MINUTE, 5 * MINUTE));
        assert!(!fresh(StaleAfter::Hour, Timeframe::D1, 59 * MINUTE, 60 * MINUTE), "days end on an hour");
        assert!(!fresh(StaleAfter::AtOnce, Timeframe::H1, 10 * MINUTE, 10 * MINUTE));
        assert!(!fresh(StaleAfter::Hour, Timeframe::H1, 11 * MINUTE, 10 * MINUTE), "the clock was set back");
    }
}
