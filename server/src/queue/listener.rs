//! One LISTEN connection a process: wakes the dispatcher and tells the event hub.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::notifier;
use crate::events::EventHub;

/// The channel that tells of new runs; the payload is empty.
pub const QUEUED_CHANNEL: &str = "job_queued";

/// How long to wait before connecting again.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// The duty that listens.
#[derive(Clone)]
pub struct ListenerDuty {
    /// Where to listen.
    pub pool: PgPool,
    /// Rung when runs were queued.
    pub queued: Arc<Notify>,
    /// Told which series changed.
    pub hub: EventHub,
}

impl ListenerDuty {
    /// Listens until `shutdown`, connecting again where the connection breaks. What was missed meanwhile is made up for by
    /// treating everything as changed once listening again.
    pub async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let ended = tokio::select! {
                ended = self.listen() => ended,
                () = shutdown.cancelled() => return,
            };
            if let Err(error) = ended {
                tracing::warn!(%error, "the database's notifications are lost; listening again in a second");
            }
            tokio::select! {
                () = tokio::time::sleep(RECONNECT_AFTER) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn listen(&self) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        // sqlx would connect again by itself without saying so, and what was sent meanwhile would be lost unnoticed.
        listener.ignore_pool_close_event(true);
        listener.listen_all([QUEUED_CHANNEL, notifier::CHANGED_CHANNEL]).await?;
        self.everything_may_have_changed();
        loop {
            match listener.try_recv().await? {
                Some(told) if told.channel() == QUEUED_CHANNEL => self.queued.notify_one(),
                Some(told) => match notifier::read(told.payload()) {
                    Some(series) => series.iter().for_each(|series| self.hub.changed(series)),
                    None => self.hub.everything_changed(),
                },
                None => self.everything_may_have_changed(),
            }
        }
    }

    fn everything_may_have_changed(&self) {
        self.queued.notify_one();
        self.hub.everything_changed();
    }
}
