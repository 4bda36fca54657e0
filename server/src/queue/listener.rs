//! One LISTEN connection a process: wakes the dispatcher and the keeper of leases, and tells the event hub.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgListener, PgNotification};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::notifier;
use crate::db::queue::{CONTROL_CHANNEL, QUEUED_CHANNEL};
use crate::events::EventHub;

/// How long to wait before connecting again.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);
/// How long the connection may be silent before it is asked whether it still is one: a peer that is gone without a word
/// would be listened to for ever.
const SILENCE: Duration = Duration::from_secs(5);
/// How long it may take to answer that.
const LONGEST_ANSWER: Duration = Duration::from_secs(3);

/// The duty that listens.
#[derive(Clone)]
pub struct ListenerDuty {
    /// Where to listen.
    pub pool: PgPool,
    /// This process's name.
    pub process: String,
    /// Rung when runs were queued.
    pub queued: Arc<Notify>,
    /// Rung when an operator did something that runs in flight may have to obey.
    pub controlled: Arc<Notify>,
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
        listener.listen_all([QUEUED_CHANNEL, CONTROL_CHANNEL, notifier::CHANGED_CHANNEL]).await?;
        self.everything_may_have_changed();
        loop {
            match tokio::time::timeout(SILENCE, listener.try_recv()).await {
                Ok(Ok(Some(told))) => self.hear(&told),
                Ok(Ok(None)) => self.everything_may_have_changed(),
                Ok(Err(error)) => return Err(error),
                Err(_) => still_there(&mut listener).await?,
            }
        }
    }

    fn hear(&self, told: &PgNotification) {
        match told.channel() {
            // It has told itself.
            QUEUED_CHANNEL if told.payload() == self.process => {}
            QUEUED_CHANNEL => self.queued.notify_one(),
            CONTROL_CHANNEL => self.controlled.notify_one(),
            _ => match notifier::read(told.payload()) {
                Some(series) => series.iter().for_each(|series| self.hub.changed(series)),
                None => self.hub.everything_changed(),
            },
        }
    }

    fn everything_may_have_changed(&self) {
        self.queued.notify_one();
        self.controlled.notify_one();
        self.hub.everything_changed();
    }
}

async fn still_there(listener: &mut PgListener) -> Result<(), sqlx::Error> {
    let asked = sqlx::query("select 1").execute(listener);
    tokio::time::timeout(LONGEST_ANSWER, asked).await.map_err(|_| sqlx::Error::PoolTimedOut)?.map(|_| ())
}
