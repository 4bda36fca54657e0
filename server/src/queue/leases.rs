//! Keeping the leases of a process's runs: one statement for all of them, on a connection of its own, so that nothing else
//! the process does can cost it a lease.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use tidemark_app::backend::SeriesKey;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::notifier::Notifier;
use crate::db;
use crate::db::queue::{ClaimedRun, Held};

/// What waits for the database longer than this is tried again the next time.
const LONGEST_RENEWAL: Duration = Duration::from_secs(5);

/// The leases that this process holds.
#[derive(Clone, Default)]
pub struct Leases(Arc<Mutex<HashMap<(i64, i16), Entry>>>);

struct Entry {
    series: SeriesKey,
    progress: Arc<AtomicU8>,
    told: u8,
    lost: CancellationToken,
}

/// One lease, kept until it is dropped.
pub struct Lease {
    leases: Leases,
    key: (i64, i16),
    progress: Arc<AtomicU8>,
    lost: CancellationToken,
}

impl Lease {
    /// Says how far the run is, in percent.
    pub fn progress(&self, percent: u8) {
        self.progress.store(percent.min(99), Ordering::Relaxed);
    }

    /// Returns once the run is no longer ours: work on it must stop.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.entries().remove(&self.key);
    }
}

impl Leases {
    /// Keeps the lease of a run that was just claimed.
    #[must_use]
    pub fn keep(&self, run: &ClaimedRun) -> Lease {
        let (key, progress, lost) = ((run.id, run.attempt), Arc::new(AtomicU8::new(0)), CancellationToken::new());
        let entry = Entry { series: run.series.clone(), progress: Arc::clone(&progress), told: 0, lost: lost.clone() };
        self.entries().insert(key, entry);
        Lease { leases: self.clone(), key, progress, lost }
    }

    fn held(&self) -> Vec<Held> {
        let held = |(&(run, attempt), entry): (&(i64, i16), &Entry)| Held {
            run,
            attempt,
            progress: entry.progress.load(Ordering::Relaxed),
        };
        self.entries().iter().map(held).collect()
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, HashMap<(i64, i16), Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The duty that renews.
#[derive(Clone)]
pub struct LeaseDuty {
    /// A pool that nobody else uses.
    pub pool: PgPool,
    /// What is held.
    pub leases: Leases,
    /// This process's name.
    pub worker: String,
    /// How long a claim lasts without a sign of life.
    pub lease: Duration,
    /// Where progress is told.
    pub notifier: Notifier,
    /// Rung when an operator did something that runs in flight may have to obey.
    pub controlled: Arc<Notify>,
}

impl LeaseDuty {
    /// Renews three times a lease, and whenever an operator intervened, until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.lease / 3) => {}
                () = self.controlled.notified() => {}
                () = shutdown.cancelled() => return,
            }
            self.renew().await;
        }
    }

    /// A database that is away for a while is no loss yet: whether a run is still ours is decided by the statement that
    /// ends it.
    async fn renew(&self) {
        let held = self.leases.held();
        if held.is_empty() {
            return;
        }
        let renewal = db::queue::renew(&self.pool, &self.worker, &held, self.lease);
        match tokio::time::timeout(LONGEST_RENEWAL, renewal).await {
            Ok(Ok(lost)) => self.take_in(&held, &lost),
            Ok(Err(error)) => tracing::warn!(%error, "leases could not be renewed; trying again"),
            Err(_) => tracing::warn!("leases could not be renewed in time; trying again"),
        }
    }

    fn take_in(&self, held: &[Held], lost: &[i64]) {
        let mut entries = self.leases.entries();
        for renewed in held {
            let Some(entry) = entries.get_mut(&(renewed.run, renewed.attempt)) else { continue };
            if lost.contains(&renewed.run) {
                entry.lost.cancel();
            }
            if entry.told != renewed.progress {
                entry.told = renewed.progress;
                self.notifier.changed(&entry.series);
            }
        }
    }
}
