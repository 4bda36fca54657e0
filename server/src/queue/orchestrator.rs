//! The clock: one tick a minute, by one leader at a time. It sees to what nobody asked for: expired leases, periodic
//! definitions, retention.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::db;
use crate::error::Error;
use crate::service::Service;

/// The time between two ticks.
const PERIOD: Duration = Duration::from_secs(60);
/// How long a leader that says nothing is believed in; after it any other process leads.
const LEAD_FOR: Duration = Duration::from_secs(6);
/// How often a leader says that it is there, and another looks whether it is.
const SAY_EVERY: Duration = Duration::from_secs(2);
/// When what a tick took on is due again if the tick dies over it.
const AGAIN_IN: Duration = Duration::from_secs(120);

/// The duty that ticks.
#[derive(Clone)]
pub struct OrchestratorDuty {
    /// What a tick works with.
    pub service: Arc<Service>,
    /// This process's name.
    pub process: String,
    /// How long ended runs are kept.
    pub keep_runs: Duration,
}

/// What a tick did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ticked {
    /// Series of which runs had lost their worker.
    pub reaped_series: usize,
    /// Series whose periodic definitions were due.
    pub due_series: usize,
    /// Those of them that lacked something.
    pub refreshed_series: usize,
    /// Slices made for them.
    pub created_slices: u32,
    /// Days of ended runs that were dropped.
    pub dropped_days: u32,
    /// Runs that fell back to the background, since nobody waits for them any more.
    pub fallen_back: u32,
}

impl OrchestratorDuty {
    /// Leads where nobody else does, and ticks while it leads, until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let pool = &self.service.pool;
        loop {
            if let Err(error) = self.lead(pool).await {
                tracing::warn!(%error, "a tick failed; the next one makes up for it");
            }
            tokio::select! {
                () = tokio::time::sleep(SAY_EVERY) => {}
                () = shutdown.cancelled() => break,
            }
        }
        if let Err(error) = db::clock::resign_lead(pool, &self.process).await {
            tracing::debug!(%error, "the lead could not be given up; it runs out by itself");
        }
    }

    async fn lead(&self, pool: &PgPool) -> Result<(), Error> {
        let term = db::clock::take_lead(pool, &self.process, LEAD_FOR).await?;
        metrics::gauge!("tidemark_is_leader").set(if term.is_some() { 1 } else { 0 });
        let Some(term) = term else { return Ok(()) };
        if db::clock::begin_tick(pool, &self.process, term, PERIOD).await? {
            let ticked = tick(&self.service, self.keep_runs).await?;
            metrics::counter!("tidemark_ticks_total").increment(1);
            tracing::debug!(?ticked, "tick");
        }
        Ok(())
    }
}

/// One tick. Two at once do each thing once.
///
/// # Errors
/// Where the database fails; the next tick does what this one did not.
pub async fn tick(service: &Service, keep_runs: Duration) -> Result<Ticked, Error> {
    let reaped = db::queue::reap(&service.pool).await?;
    reaped.iter().for_each(|series| service.notifier.changed(series));
    let due = db::clock::take_due(&service.pool, AGAIN_IN).await?;
    let mut ticked = Ticked { reaped_series: reaped.len(), due_series: due.len(), ..Ticked::default() };
    let mut next = Vec::with_capacity(due.len());
    for due in &due {
        match service.refresh(due).await {
            Ok(0) => {}
            Ok(created) => {
                ticked.refreshed_series += 1;
                ticked.created_slices += created;
            }
            Err(error) => tracing::warn!(series = %due.series, %error, "a series could not be refreshed"),
        }
        next.extend(service.next_due(&due.series, due.settings, due.schedule).map(|at| (due.series.clone(), at)));
    }
    db::clock::put_off(&service.pool, &next).await?;
    let kept = db::clock::keep_house(&service.pool, keep_runs).await?;
    Ok(Ticked { dropped_days: kept.dropped_days, fallen_back: kept.fallen_back, ..ticked })
}
