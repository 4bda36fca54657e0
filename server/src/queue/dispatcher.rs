//! Claims runs for this process's free hands and hands each to a worker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::worker::Workshop;
use crate::db;

/// The longest the dispatcher sleeps: what a lost notification costs.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// How often a dispatcher that is never idle looks for leases that have run out.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long to wait after the database failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The duty that claims.
#[derive(Clone)]
pub struct DispatcherDuty {
    /// What workers work with.
    pub workshop: Arc<Workshop>,
    /// Rung when runs were queued.
    pub queued: Arc<Notify>,
    /// How many runs at once.
    pub workers: u16,
    /// How long runs in flight may go on when the process is to stop; then they are given back.
    pub drain: Duration,
}

impl DispatcherDuty {
    /// Claims until `shutdown`, then waits for the workers, which give back what they can't finish in time.
    pub async fn run(self, shutdown: CancellationToken) {
        let hands = Arc::new(Semaphore::new(usize::from(self.workers)));
        let (at_work, stop) = (TaskTracker::new(), CancellationToken::new());
        // What a process of this machine left behind when it was killed is taken up at once.
        self.reap().await;
        let mut looked = Instant::now();
        while !shutdown.is_cancelled() {
            let claimed = self.claim(&hands, &at_work, &shutdown, &stop).await;
            // Not before: what was just queued would wait for it.
            if looked.elapsed() > LOOK_EVERY {
                self.reap().await;
                looked = Instant::now();
            }
            let sleep = match claimed {
                Ok(true) => continue,
                Ok(false) => self.sleep_time().await,
                Err(error) => {
                    tracing::warn!(%error, "no run could be claimed; trying again in a second");
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                () = self.queued.notified() => {}
                () = tokio::time::sleep(sleep) => {
                    self.reap().await;
                    looked = Instant::now();
                }
                () = shutdown.cancelled() => {}
            }
        }
        at_work.close();
        tokio::select! {
            () = at_work.wait() => {}
            () = tokio::time::sleep(self.drain) => stop.cancel(),
        }
        at_work.wait().await;
    }

    /// Claims as many runs as hands are free, once a quarter of them is. Whether there were that many, and maybe more.
    async fn claim(
        &self,
        hands: &Arc<Semaphore>,
        at_work: &TaskTracker,
        shutdown: &CancellationToken,
        stop: &CancellationToken,
    ) -> Result<bool, crate::error::Error> {
        let enough = tokio::select! {
            enough = hands.acquire_many(u32::from(self.workers / 4).max(1)) => enough,
            () = shutdown.cancelled() => return Ok(false),
        };
        drop(enough);
        let free = i32::try_from(hands.available_permits()).unwrap_or(i32::MAX);
        let workshop = &self.workshop;
        let runs = db::queue::claim(&workshop.pool, &workshop.worker, workshop.lease, free).await?;
        let is_full = i32::try_from(runs.len()).is_ok_and(|claimed| claimed == free);
        for run in runs {
            let Ok(hand) = Arc::clone(hands).acquire_owned().await else { break };
            let (workshop, queued, stop) = (Arc::clone(workshop), Arc::clone(&self.queued), stop.clone());
            at_work.spawn(async move {
                workshop.work(run, stop).await;
                drop(hand);
                // A try that failed is due again after its back-off, which the present sleep knows nothing of.
                queued.notify_one();
            });
        }
        Ok(is_full)
    }

    /// Until the next delayed run, provider or lease is due; a moment longer, so that it is then.
    async fn sleep_time(&self) -> Duration {
        match db::queue::due_in(&self.workshop.pool).await {
            Ok(due) => due.map_or(LONGEST_SLEEP, |due| (due + Duration::from_millis(5)).min(LONGEST_SLEEP)),
            Err(_) => AFTER_FAILURE,
        }
    }

    async fn reap(&self) {
        match db::queue::reap(&self.workshop.pool).await {
            Ok(series) => series.iter().for_each(|series| self.workshop.notifier.changed(series)),
            Err(error) => tracing::warn!(%error, "expired leases could not be looked for; trying again in seconds"),
        }
    }
}
