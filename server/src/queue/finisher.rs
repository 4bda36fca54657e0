//! Ending runs in batches: what is answered while one statement is under way is written by the next.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tidemark_market::{Layer, Timestamp};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::crash;
use crate::db;
use crate::db::queue::{Answer, ClaimedRun};
use crate::error::Error;

/// The most runs that one statement ends.
const MAX_RUNS: usize = 1_000;
/// The most bars that one statement writes, unless one run brought more.
const MAX_BARS: usize = 20_000;

/// How many statements are under way at once. A series always goes the same way, since they would wait for its row.
const WAYS: usize = 2;

/// Where answered runs are handed in.
#[derive(Clone, Debug)]
pub struct Finisher(Vec<mpsc::UnboundedSender<Answered>>);

/// The number of bars written; `None` where the lease was lost.
pub type Finished = Result<Option<u32>, Arc<Error>>;

struct Answered {
    run: Arc<ClaimedRun>,
    answer: Arc<Answer>,
    done: oneshot::Sender<Finished>,
}

impl Finisher {
    /// Writes what the run brought and ends it.
    ///
    /// # Errors
    /// Where the database fails; then nothing was written.
    pub async fn finish(&self, run: &Arc<ClaimedRun>, answer: Arc<Answer>) -> Finished {
        let (done, finished) = oneshot::channel();
        let way = usize::try_from(run.series_id).unwrap_or(0) % self.0.len();
        if self.0[way].send(Answered { run: Arc::clone(run), answer, done }).is_err() {
            return Ok(None);
        }
        finished.await.unwrap_or(Ok(None))
    }
}

/// The duty that ends runs.
#[derive(Clone)]
pub struct FinisherDuty {
    pool: PgPool,
    worker: String,
    recheck_in: Duration,
    answered: Arc<Mutex<mpsc::UnboundedReceiver<Answered>>>,
}

/// A finisher and its duties. Doubted time is asked for again after `recheck_in`.
#[must_use]
pub fn finisher(pool: &PgPool, worker: &str, recheck_in: Duration) -> (Finisher, Vec<FinisherDuty>) {
    let way = |_| {
        let (sender, answered) = mpsc::unbounded_channel();
        let answered = Arc::new(Mutex::new(answered));
        (sender, FinisherDuty { pool: pool.clone(), worker: worker.to_owned(), recheck_in, answered })
    };
    let (senders, duties) = (0..WAYS).map(way).unzip();
    (Finisher(senders), duties)
}

impl FinisherDuty {
    /// Ends runs until `shutdown`, and what was handed in by then.
    pub async fn run(self, shutdown: CancellationToken) {
        let answered = &mut *self.answered.lock().await;
        loop {
            let first = tokio::select! {
                biased;
                first = answered.recv() => first,
                () = shutdown.cancelled() => return,
            };
            match first {
                Some(first) => self.finish(batch(first, answered)).await,
                None => return shutdown.cancelled().await,
            }
        }
    }

    async fn finish(&self, mut batch: Vec<Answered>) {
        batch.sort_by(|one, other| place(one).cmp(&place(other)));
        match self.write(&batch).await {
            // One that the database refuses must not cost the others theirs.
            Err(error) if batch.len() > 1 && error.refusal().is_some() => {
                for answered in batch {
                    let alone = vec![answered];
                    let written = self.write(&alone).await;
                    tell(alone, written);
                }
            }
            written => tell(batch, written),
        }
    }

    async fn write(&self, batch: &[Answered]) -> Result<HashMap<i64, u32>, Error> {
        let answered: Vec<_> = batch.iter().map(|answered| (&*answered.run, &*answered.answer)).collect();
        crash::point("before_commit");
        let written = db::queue::finish(&self.pool, &self.worker, &answered, self.recheck_in).await;
        crash::point("after_commit");
        metrics::histogram!("tidemark_runs_per_finish").record(u32::try_from(batch.len()).unwrap_or(0));
        written
    }
}

/// Runs of one series and layer stand together.
fn place(answered: &Answered) -> (i32, Layer, &str, bool, Timestamp) {
    let run = &answered.run;
    (run.series_id, run.layer, &run.provider, answered.answer.adjusted, run.slice.start)
}

fn tell(batch: Vec<Answered>, written: Result<HashMap<i64, u32>, Error>) {
    let written = written.map_err(Arc::new);
    for answered in batch {
        let run = answered.run.id;
        let finished = written.as_ref().map(|written| written.get(&run).copied()).map_err(Arc::clone);
        if answered.done.send(finished).is_err() {
            tracing::debug!(run, "nobody waits for the end of this run any more");
        }
    }
}

/// The first and all that are there already, up to the limits.
fn batch(first: Answered, answered: &mut mpsc::UnboundedReceiver<Answered>) -> Vec<Answered> {
    let mut bars = first.answer.validated.bars.len();
    let mut batch = vec![first];
    while batch.len() < MAX_RUNS && bars < MAX_BARS {
        let Ok(next) = answered.try_recv() else { break };
        bars += next.answer.validated.bars.len();
        batch.push(next);
    }
    batch
}
