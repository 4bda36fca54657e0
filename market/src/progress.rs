//! How far a series' hydration is, as told to the page and to tools.

use serde::{Deserialize, Serialize};

use crate::time::TimeRange;

/// The state of one series' current hydration: every run since the series was last at rest. A whole state, never a
/// difference, so that a listener that missed one is put right by the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesProgress {
    /// Grows with every change of the series' bars or coverage.
    pub revision: u64,
    /// Which hydration this is; grows by one with each. 0 where there never was one.
    pub hydration: u64,
    /// Slices that wait.
    pub queued: u32,
    /// Slices being fetched.
    pub running: u32,
    /// Slices fetched.
    pub success: u32,
    /// Slices given up.
    pub failed: u32,
    /// Slices called off.
    pub cancelled: u32,
    /// Bars written by this hydration so far.
    pub rows_written: u64,
    /// Share of the work done, 0 to 100; running slices count with their own share.
    pub percent: u8,
    /// Who serves or served it.
    pub providers: Vec<String>,
    /// The newest failure of a slice that was given up.
    pub failure: Option<RunFailure>,
    /// Why queued slices do not start yet, where a provider holds them back: a sentence.
    pub waiting: Option<String>,
}

/// A run that ended in failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFailure {
    /// Stable code, such as `provider_unreachable`.
    pub code: String,
    /// What happened and what to do.
    pub message: String,
    /// What was being fetched.
    pub slice: TimeRange,
}

/// One run's state, as told by the event stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunProgress {
    /// The run's id.
    pub run: i64,
    /// What it fetches.
    pub slice: TimeRange,
    /// `queued`, `running`, `success`, `failed` or `cancelled`.
    pub status: String,
    /// Share of this slice, 0 to 100.
    pub percent: u8,
    /// Which try this is, from 1; 0 before the first.
    pub attempt: u32,
    /// Bars written.
    pub rows_written: u64,
    /// Who serves it.
    pub provider: Option<String>,
}

impl SeriesProgress {
    /// All slices of this hydration.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.queued + self.running + self.success + self.failed + self.cancelled
    }

    /// Slices that have ended, one way or another.
    #[must_use]
    pub const fn done(&self) -> u32 {
        self.success + self.failed + self.cancelled
    }

    /// Whether slices wait or run.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.queued + self.running > 0
    }
}
