//! One coalescing teller of changes, and of new runs.
//!
//! A NOTIFY takes a database-wide lock at commit, so none is sent inside a transaction that enqueues, claims or writes.
//! Workers say here which series changed; every [`PERIOD`] one NOTIFY names them all. A lost one costs a listener a second,
//! never an event, since listeners read the tables. Who has queued runs says so here too: this process's dispatcher hears
//! it at once, those of other processes through Postgres.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tidemark_app::backend::SeriesKey;
use tokio::sync::{Mutex, Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::db;
use crate::db::patient::Patient;
use crate::db::queue::QUEUED_CHANNEL;

/// The channel listeners hear of changed series on; the payload is [`written`] series, one a line.
pub const CHANGED_CHANNEL: &str = "job_changed";

/// The least time between two NOTIFYs of one process.
const PERIOD: Duration = Duration::from_millis(100);

/// Postgres takes payloads below 8,000 bytes; with more the payload is empty, which means "anything may have changed".
const MAX_PAYLOAD: usize = 7_000;

/// Where changes are told.
#[derive(Clone, Debug)]
pub struct Notifier {
    changes: mpsc::UnboundedSender<SeriesKey>,
    bells: Arc<Bells>,
}

/// Rung when runs were queued.
#[derive(Debug, Default)]
struct Bells {
    here: Arc<Notify>,
    elsewhere: Notify,
}

impl Notifier {
    /// Tells that the series' runs, bars or coverage changed.
    pub fn changed(&self, series: &SeriesKey) {
        if self.changes.send(series.clone()).is_err() {
            tracing::debug!(%series.symbol, "the notifier has stopped; listeners find the change by themselves");
        }
    }

    /// Tells that runs were queued.
    pub fn queued(&self) {
        self.bells.here.notify_one();
        self.bells.elsewhere.notify_one();
    }

    /// Rung when runs were queued, here or in another process.
    #[must_use]
    pub fn bell(&self) -> Arc<Notify> {
        Arc::clone(&self.bells.here)
    }
}

/// The duty that sends what [`Notifier`]s are told.
#[derive(Clone, Debug)]
pub struct NotifierDuty {
    pool: PgPool,
    process: String,
    bells: Arc<Bells>,
    changes: Arc<Mutex<mpsc::UnboundedReceiver<SeriesKey>>>,
}

/// A notifier and its duty. The process of that name need not hear what it says itself.
#[must_use]
pub fn notifier(pool: PgPool, process: &str) -> (Notifier, NotifierDuty) {
    let (sender, changes) = mpsc::unbounded_channel();
    let (bells, process) = (Arc::<Bells>::default(), process.to_owned());
    let notifier = Notifier { changes: sender, bells: Arc::clone(&bells) };
    (notifier, NotifierDuty { pool, process, bells, changes: Arc::new(Mutex::new(changes)) })
}

impl NotifierDuty {
    /// Sends until `shutdown`, and what was told by then.
    pub async fn run(self, shutdown: CancellationToken) {
        tokio::join!(self.tell_queued(&shutdown), self.tell_changes(&shutdown));
    }

    async fn tell_queued(&self, shutdown: &CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = self.bells.elsewhere.notified() => db::queue::tell(&self.pool, QUEUED_CHANNEL, &self.process).await,
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn tell_changes(&self, shutdown: &CancellationToken) {
        let changes = &mut *self.changes.lock().await;
        loop {
            tokio::select! {
                first = changes.recv() => match first {
                    Some(first) => self.send(first, changes).await,
                    None => return shutdown.cancelled().await,
                },
                () = shutdown.cancelled() => break,
            }
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                () = shutdown.cancelled() => break,
            }
        }
        if let Ok(last) = changes.try_recv() {
            self.send(last, changes).await;
        }
    }

    async fn send(&self, first: SeriesKey, changes: &mut mpsc::UnboundedReceiver<SeriesKey>) {
        let mut changed = BTreeSet::from([written(&first)]);
        while let Ok(next) = changes.try_recv() {
            changed.insert(written(&next));
        }
        let payload = Vec::from_iter(changed).join("\n");
        let payload = if payload.len() > MAX_PAYLOAD { "" } else { &payload };
        let sent =
            sqlx::query!("select pg_notify($1, $2)", CHANGED_CHANNEL, payload).execute(Patient(&self.pool)).await;
        if let Err(error) = sent {
            tracing::warn!(%error, "a change could not be told; listeners find it by themselves within seconds");
        }
    }
}

/// A series in a payload: `AAPL h1`.
#[must_use]
pub fn written(series: &SeriesKey) -> String {
    format!("{} {}", series.symbol, series.timeframe)
}

/// The series a payload names; `None` where it may be any.
#[must_use]
pub fn read(payload: &str) -> Option<Vec<SeriesKey>> {
    payload
        .lines()
        .map(|line| {
            let (symbol, timeframe) = line.split_once(' ')?;
            Some(SeriesKey { symbol: symbol.parse().ok()?, timeframe: timeframe.parse().ok()? })
        })
        .collect::<Option<Vec<_>>>()
        .filter(|series| !series.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_names_what_it_was_made_of() {
        let series = |symbol: &str, timeframe: &str| SeriesKey {
            symbol: symbol.parse().unwrap(),
            timeframe: timeframe.parse().unwrap(),
        };
        let both = [series("AAPL", "h1"), series("X:BTCUSD", "m1")];
        let payload = both.iter().map(written).collect::<Vec<_>>().join("\n");
        assert_eq!(read(&payload), Some(both.to_vec()));
        assert_eq!(read(""), None);
        assert_eq!(read("nonsense"), None);
    }
}
