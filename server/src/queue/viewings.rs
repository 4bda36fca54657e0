//! Telling the queue who looks at what: runs for a series that nobody looks at any more fall back to the background.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use tidemark_app::backend::SeriesKey;
use tokio_util::sync::CancellationToken;

use crate::db;
use crate::events::EventHub;

/// How soon it is noticed that a viewer has left.
const PERIOD: Duration = Duration::from_secs(2);
/// How long viewers are believed in after their process last spoke of them.
const STAY: Duration = Duration::from_secs(60);

/// The duty that tells.
#[derive(Clone)]
pub struct ViewingsDuty {
    /// Where to tell.
    pub pool: PgPool,
    /// Who listens.
    pub hub: EventHub,
    /// This process's name.
    pub process: String,
}

impl ViewingsDuty {
    /// Tells until `shutdown`, and then that all have left.
    pub async fn run(self, shutdown: CancellationToken) {
        let (mut told, mut told_at) = (Vec::new(), Instant::now());
        loop {
            let is_over = tokio::select! {
                () = tokio::time::sleep(PERIOD) => false,
                () = shutdown.cancelled() => true,
            };
            let watched = if is_over { Vec::new() } else { self.hub.watched() };
            if watched != told || (!told.is_empty() && told_at.elapsed() > STAY / 3) {
                self.tell(&watched).await;
                (told, told_at) = (watched, Instant::now());
            }
            if is_over {
                return;
            }
        }
    }

    async fn tell(&self, watched: &[SeriesKey]) {
        match db::viewings::book(&self.pool, &self.process, watched, STAY).await {
            Ok(0) => {}
            Ok(runs) => tracing::debug!(runs, "runs that nobody waits for fell back to the background"),
            Err(error) => tracing::warn!(%error, "viewers could not be booked; trying again"),
        }
    }
}
