//! The time, as a value that can be handed in.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tidemark_market::Timestamp;

/// Where planning takes its "now" from. Leases, back-off and schedules do not: they use the database's clock.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's.
    #[default]
    System,
    /// One that stands still until it is set.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `at`.
    #[must_use]
    pub fn fixed(at: Timestamp) -> Self {
        Self::Fixed(Arc::new(AtomicI64::new(at.0)))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => chrono::Utc::now().into(),
            Self::Fixed(at) => Timestamp(at.load(Ordering::Relaxed)),
        }
    }
}
