//! The clock: one tick a minute, one leader at a time. It sees to what nobody asked for: expired leases and periodic
//! definitions.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::db;
use crate::error::Error;
use crate::service::Service;

/// The time between two ticks.
const PERIOD: Duration = Duration::from_secs(60);

/// The duty that ticks.
#[derive(Clone)]
pub struct OrchestratorDuty {
    /// What a tick works with.
    pub service: Arc<Service>,
}

/// What a tick did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ticked {
    /// Whether this process was the leader; else another one ticked and nothing was done here.
    pub is_leader: bool,
    /// Series of which runs had lost their worker.
    pub reaped_series: usize,
    /// Series whose periodic definitions were due.
    pub refreshed_series: usize,
    /// Slices made for them.
    pub created_slices: u32,
}

impl OrchestratorDuty {
    /// Ticks at once and each minute until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut clock = tokio::time::interval(PERIOD);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = clock.tick() => {}
                () = shutdown.cancelled() => return,
            }
            match tick(&self.service).await {
                Ok(ticked) => tracing::debug!(?ticked, "tick"),
                Err(error) => tracing::warn!(%error, "a tick failed; the next one makes up for it"),
            }
        }
    }
}

/// One tick.
///
/// # Errors
/// Where the database fails; the next tick does what this one did not.
pub async fn tick(service: &Service) -> Result<Ticked, Error> {
    let Some(mut leader) = db::periodic::lead(&service.pool).await? else {
        return Ok(Ticked::default());
    };
    let reaped = db::queue::reap(&service.pool).await?;
    reaped.iter().for_each(|series| service.notifier.changed(series));
    let due = db::periodic::due(&mut leader).await?;
    let mut created_slices = 0;
    for definition in &due {
        match service.refresh(&definition.series, definition.window.start).await {
            Ok(created) => created_slices += created,
            Err(error) => tracing::warn!(series = ?definition.series, %error, "a series could not be refreshed"),
        }
        db::periodic::put_off(&service.pool, &definition.series).await?;
    }
    leader.commit().await?;
    Ok(Ticked { is_leader: true, reaped_series: reaped.len(), refreshed_series: due.len(), created_slices })
}
