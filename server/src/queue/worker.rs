//! One run from claim to end: fetch, validate, write, finish, while the lease is kept.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use sqlx::PgPool;
use tidemark_market::coverage::{self, Booking};
use tidemark_market::validate::{Validated, validate};
use tidemark_market::{Bar, Spans, TimeRange, Timestamp};
use tokio_util::sync::CancellationToken;

use super::finisher::{Finished, Finisher};
use super::leases::{Lease, Leases};
use super::notifier::Notifier;
use crate::db::queue::{Answer, ClaimedRun, Failure, Fate, QUEUED_CHANNEL, Retry};
use crate::error::{Error, Refusal};
use crate::providers::{Allowance, ErrorClass, FetchRequest, Fetched, Provider, ProviderError};
use crate::registry::Registry;
use crate::sizes::SizeBook;
use crate::{crash, db};

/// The longest a retry waits.
const LONGEST_RETRY: Duration = Duration::from_secs(300);
/// How many first retries a provider that is down is left alone for, to begin with.
const FIRST_PAUSE: u32 = 5;
/// How long to wait before a database that is away is handed a run's bars again.
const STORE_AGAIN: Duration = Duration::from_millis(500);

/// What workers share.
pub struct Workshop {
    /// The database.
    pub pool: PgPool,
    /// Who fetches.
    pub registry: Registry,
    /// Where changes are told.
    pub notifier: Notifier,
    /// This process's name in `lease_owner`; no two processes share it.
    pub worker: String,
    /// How long a claim lasts without a sign of life.
    pub lease: Duration,
    /// How long the first retry waits.
    pub first_retry: Duration,
    /// Where leases are kept.
    pub leases: Leases,
    /// Where answers are handed in.
    pub finisher: Finisher,
    /// How long slices may be.
    pub sizes: Arc<SizeBook>,
}

/// How a fetch ended.
enum Outcome {
    Fetched(Result<Fetched, ProviderError>),
    LeaseLost,
    Stopped,
}

impl Workshop {
    /// Works on `run` until it has ended, is given back, or belongs to another. It is given back on `stop`.
    pub async fn work(&self, run: ClaimedRun, stop: CancellationToken) {
        crash::point("after_claim");
        let run = Arc::new(run);
        let lease = self.leases.keep(&run);
        self.notifier.changed(&run.series);
        // A panic is one run's: its siblings go on, and nobody waits for its lease to run out.
        let result = match AssertUnwindSafe(self.serve(&run, &lease, stop)).catch_unwind().await {
            Ok(result) => result,
            Err(_) => Box::pin(self.fail(&run, &worker_panicked())).await,
        };
        match result {
            Ok(true) => self.notifier.changed(&run.series),
            Ok(false) => {
                metrics::counter!("tidemark_leases_lost_total").increment(1);
                tracing::warn!(
                    run = run.id,
                    attempt = run.attempt,
                    "the run was taken away; what it brought was dropped"
                );
                self.notifier.changed(&run.series);
            }
            Err(error) => {
                tracing::error!(run = run.id, %error, "the end of a run could not be booked; its lease will run out");
            }
        }
    }

    /// False where the lease was lost. What is rare is boxed, here and below: a future is as large as the largest that it may
    /// wait for, and is copied for each run.
    async fn serve(&self, run: &Arc<ClaimedRun>, lease: &Lease, stop: CancellationToken) -> Result<bool, Error> {
        crash::poison(run.series.symbol.as_str());
        match self.registry.named(&run.provider).cloned() {
            Some(provider) => self.fetch_and_finish(run, &*provider, lease, stop).await,
            None => Box::pin(self.fail(run, &provider_is_gone(&run.provider))).await,
        }
    }

    /// False where the lease was lost.
    async fn fetch_and_finish(
        &self,
        run: &Arc<ClaimedRun>,
        provider: &dyn Provider,
        lease: &Lease,
        stop: CancellationToken,
    ) -> Result<bool, Error> {
        let started = Instant::now();
        let outcome = fetch(run, provider, lease, &stop).await;
        let took = started.elapsed();
        metrics::histogram!("tidemark_fetch_seconds", "provider" => run.provider.clone()).record(took.as_secs_f64());
        match outcome {
            Outcome::Fetched(Ok(fetched)) => self.finish(run, provider, fetched, took, lease).await,
            Outcome::Fetched(Err(error)) => Box::pin(self.fail(run, &error)).await,
            Outcome::LeaseLost => Ok(false),
            Outcome::Stopped => Box::pin(self.give_back(run)).await,
        }
    }

    /// Gives the run back and wakes the other processes, so that one of them takes it up at once.
    async fn give_back(&self, run: &ClaimedRun) -> Result<bool, Error> {
        let released = db::queue::release(&self.pool, run, &self.worker).await?;
        db::queue::tell(&self.pool, QUEUED_CHANNEL, &self.worker).await;
        Ok(released)
    }

    async fn finish(
        &self,
        run: &Arc<ClaimedRun>,
        provider: &dyn Provider,
        fetched: Fetched,
        took: Duration,
        lease: &Lease,
    ) -> Result<bool, Error> {
        if fetched.allowance.is_some() {
            Box::pin(self.book_allowance(run, fetched.allowance.as_ref(), None)).await;
        }
        self.sizes.learn(provider, run, &fetched, took).await;
        let (answer, gone) = self.answer_of(run, provider, fetched);
        let answer = Arc::new(answer);
        let stored = tokio::select! {
            stored = self.store(run, &answer) => stored,
            () = lease.lost() => return Ok(false),
        };
        let written = match stored {
            Ok(written) => written,
            Err(error) => return Box::pin(self.refused_by_store(run, &error)).await,
        };
        let Some(written) = written else { return Ok(false) };
        self.count_doubts(run, &answer.booking);
        self.count_end(run, "success");
        metrics::counter!("tidemark_bars_written_total", "provider" => run.provider.clone()).increment(written.into());
        tracing::debug!(run = run.id, slice = %run.slice, written, "slice fetched");
        if let Err(error) = Box::pin(self.book_outside(run, &gone)).await {
            tracing::warn!(run = run.id, %error, "what the provider no longer keeps could not be booked");
        }
        Ok(true)
    }

    /// Hands the bars to the database, and again for as long as it is away: they were fetched, and need not be fetched
    /// twice. Whether the run is still ours is decided by the statement that ends it.
    async fn store(&self, run: &Arc<ClaimedRun>, answer: &Arc<Answer>) -> Finished {
        loop {
            match self.finisher.finish(run, Arc::clone(answer)).await {
                Err(error) if error.refusal() != Some(Refusal::Rule) => {
                    tracing::warn!(run = run.id, %error, "the bars could not be stored; trying again");
                    tokio::time::sleep(STORE_AGAIN).await;
                }
                stored => return stored,
            }
        }
    }

    /// Ends a run whose bars break a rule of the database.
    async fn refused_by_store(&self, run: &ClaimedRun, error: &Error) -> Result<bool, Error> {
        let message = format!("The bars could not be stored: {error}. The server's log has more.");
        let class = ErrorClass::Permanent;
        self.fail(run, &ProviderError { class, code: STORAGE_REFUSED, message, retry_after: None, allowance: None })
            .await
    }

    /// What is to be written and booked, and the time that the provider no longer reaches.
    fn answer_of(&self, run: &ClaimedRun, provider: &dyn Provider, fetched: Fetched) -> (Answer, Spans) {
        let sessions = sessions_in(run);
        let session_time: Spans = sessions.iter().copied().collect();
        let validated = self.sort_out(run, fetched.bars, &session_time);
        for reason in &fetched.unreadable_rows {
            metrics::counter!("tidemark_bars_quarantined_total", "provider" => run.provider.clone(), "reason" => "unreadable")
                .increment(1);
            tracing::warn!(run = run.id, provider = run.provider, reason, "a row could not be read");
        }
        let times: Vec<Timestamp> = validated.bars.iter().map(|bar| bar.ts).collect();
        let mut booking = coverage::book(&times, &sessions, run.series.timeframe.millis());
        if sessions.is_empty() {
            // Nothing can be known of it but that the market was closed.
            booking.covered = vec![run.slice].into();
        }
        let refused = refused(run, &validated).intersect(&session_time);
        booking.doubt(&refused);
        let reach = provider.reach(run.calendar, run.series.timeframe, fetched.answered_at);
        let gone = reach.map_or_else(Spans::empty, |reach| booking.take_before(reach));
        let (adjusted, requests, unreadable) = (fetched.adjusted, fetched.requests, fetched.unreadable_rows);
        (Answer { adjusted, requests, validated, unreadable, booking, refused }, gone)
    }

    /// What was within the provider's reach when it was asked for, and no longer when it answered.
    async fn book_outside(&self, run: &ClaimedRun, gone: &Spans) -> Result<(), Error> {
        if gone.is_empty() {
            return Ok(());
        }
        let stretches: Vec<_> = gone.ranges().iter().map(|range| (run.layer, *range)).collect();
        db::queue::book_outside(&self.pool, &run.series, &run.provider, &stretches).await
    }

    fn count_doubts(&self, run: &ClaimedRun, booking: &Booking) {
        if let Some(doubted) = booking.doubted.hull() {
            metrics::counter!("tidemark_answers_doubted_total", "provider" => run.provider.clone()).increment(1);
            tracing::info!(run = run.id, provider = run.provider, %doubted, "the answer left out session time");
        }
    }

    fn sort_out(&self, run: &ClaimedRun, bars: Vec<Bar>, sessions: &Spans) -> Validated {
        let validated = validate(bars, run.slice, sessions, run.series.timeframe, run.calendar);
        for (bar, defect) in &validated.quarantined {
            metrics::counter!("tidemark_bars_quarantined_total", "provider" => run.provider.clone(), "reason" => defect.as_str())
                .increment(1);
            tracing::warn!(run = run.id, ts = %bar.ts, reason = defect.as_str(), "a bar was quarantined");
        }
        validated
    }

    async fn fail(&self, run: &ClaimedRun, error: &ProviderError) -> Result<bool, Error> {
        metrics::counter!("tidemark_provider_errors_total", "provider" => run.provider.clone(), "code" => error.code)
            .increment(1);
        let retry = retry_of(error, run.attempt, self.first_retry, jitter(run.id, run.attempt));
        if let Retry::Throttled(delay) = retry {
            self.book_allowance(run, error.allowance.as_ref(), Some(delay)).await;
        }
        if error.is_outage() {
            // Before the run is given up: nobody is to ask again between the two.
            self.book_outage(run).await;
        }
        let (sessions, split_at) = (sessions_in(run), split_at(run, error));
        let failure = Failure { code: error.code, message: &error.message, retry, sessions: &sessions, split_at };
        let fate = db::queue::fail(&self.pool, run, &self.worker, &failure).await?;
        match fate {
            Fate::Failed => {
                self.count_end(run, "failed");
                tracing::warn!(run = run.id, slice = %run.slice, code = error.code, %error, "a slice was given up");
            }
            fate => tracing::info!(run = run.id, code = error.code, %error, ?retry, ?fate, "a try failed"),
        }
        if let Some(provider) = self.registry.named(&run.provider).filter(|_| error.asks_for_less()) {
            self.sizes.shorten(&**provider, run).await;
        }
        Ok(fate != Fate::Lost)
    }

    async fn book_outage(&self, run: &ClaimedRun) {
        let provider = &run.provider;
        match db::budgets::book_failure(&self.pool, provider, self.first_retry * FIRST_PAUSE).await {
            Ok(true) => {
                metrics::counter!("tidemark_provider_outages_total", "provider" => provider.clone()).increment(1);
                tracing::warn!(provider, "the provider fails again and again; it is left alone for a while");
            }
            Ok(false) => {}
            Err(error) => tracing::warn!(provider, %error, "a provider's failure could not be booked"),
        }
    }

    async fn book_allowance(&self, run: &ClaimedRun, allowance: Option<&Allowance>, hold_back_for: Option<Duration>) {
        let booked = match (hold_back_for, allowance) {
            (Some(delay), _) => db::budgets::hold_back(&self.pool, &run.provider, allowance, delay).await,
            (None, Some(allowance)) => db::budgets::book(&self.pool, &run.provider, allowance).await,
            (None, None) => return,
        };
        if let Err(error) = booked {
            tracing::warn!(provider = run.provider, %error, "a provider's allowance could not be booked");
        }
    }

    fn count_end(&self, run: &ClaimedRun, status: &'static str) {
        metrics::counter!("tidemark_runs_total", "status" => status, "provider" => run.provider.clone()).increment(1);
    }
}

/// Fetches, and ends as soon as the lease is lost or the process is to stop.
async fn fetch(run: &ClaimedRun, provider: &dyn Provider, lease: &Lease, stop: &CancellationToken) -> Outcome {
    let request = FetchRequest {
        symbol: run.series.symbol.clone(),
        timeframe: run.series.timeframe,
        calendar: run.calendar,
        slice: run.slice,
    };
    let on_progress = |percent: u8| lease.progress(percent);
    tokio::select! {
        fetched = provider.fetch(&request, &on_progress) => Outcome::Fetched(fetched),
        () = lease.lost() => Outcome::LeaseLost,
        () = stop.cancelled() => Outcome::Stopped,
    }
}

/// The one place that decides which error is tried again, and when. `jitter` in 0..1 spreads retries over half their wait.
fn retry_of(error: &ProviderError, attempt: i16, first: Duration, jitter: f64) -> Retry {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(16);
    let backoff = first.saturating_mul(1 << doublings).min(LONGEST_RETRY).mul_f64(0.75 + jitter / 2.0);
    match error.holds_back_for() {
        Some(delay) => Retry::Throttled(delay),
        None if error.class == ErrorClass::Plan => Retry::OutOfPlan,
        None if error.class == ErrorClass::Transient => Retry::In(error.retry_after.unwrap_or(backoff)),
        None => Retry::Never,
    }
}

/// A number in 0..1 that differs between runs and tries; nothing hangs on its quality.
fn jitter(run: i64, attempt: i16) -> f64 {
    let mixed = (run.cast_unsigned() ^ (u64::from(attempt.cast_unsigned()) << 48)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    f64::from(u32::try_from(mixed >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

/// The code of a run whose bars break a rule of the database.
const STORAGE_REFUSED: &str = "storage_refused";

/// The code of a run over which its worker panicked.
const WORKER_PANICKED: &str = "worker_panicked";

/// Where the run's slice may be parted in two halves of session time, if its failure may be the fault of a part of it.
fn split_at(run: &ClaimedRun, error: &ProviderError) -> Option<Timestamp> {
    if !error.may_be_a_part() && ![STORAGE_REFUSED, WORKER_PANICKED].contains(&error.code) {
        return None;
    }
    let sessions = sessions_in(run);
    let mut left = sessions.iter().map(|span| span.millis()).sum::<i64>() / 2;
    let middle = sessions.iter().find_map(|span| {
        let here = (left < span.millis()).then(|| span.start.plus(left));
        left -= span.millis();
        here
    });
    middle
        .map(|middle| run.calendar.bar_start(run.series.timeframe, middle))
        .filter(|at| run.slice.start < *at && *at < run.slice.end)
}

/// The time of bars that came and fail, and of which no good one came.
fn refused(run: &ClaimedRun, validated: &Validated) -> Spans {
    let timeframe = run.series.timeframe;
    let is_missing = |ts: &Timestamp| validated.bars.binary_search_by_key(ts, |bar| bar.ts).is_err();
    let times = validated.quarantined.iter().filter(|(_, defect)| defect.is_of_values()).map(|(bar, _)| bar.ts);
    times
        .filter(is_missing)
        .map(|ts| TimeRange { start: run.calendar.bar_start(timeframe, ts), end: run.calendar.bar_end(timeframe, ts) })
        .collect()
}

/// The slice's session time, in whole bars.
fn sessions_in(run: &ClaimedRun) -> Vec<TimeRange> {
    let spans = run.calendar.session_spans(run.series.timeframe, run.slice, Timestamp(i64::MAX / 2));
    spans.into_iter().filter_map(|span| span.intersect(run.slice)).collect()
}

fn worker_panicked() -> ProviderError {
    ProviderError {
        class: ErrorClass::Transient,
        code: WORKER_PANICKED,
        message: "The server made a mistake over this slice; its log says where. It is tried again by itself while \
                  attempts are left; after that, report it with the log, and use Retry."
            .to_owned(),
        retry_after: None,
        allowance: None,
    }
}

fn provider_is_gone(name: &str) -> ProviderError {
    ProviderError {
        class: ErrorClass::Permanent,
        code: "no_provider",
        message: format!(
            "The provider {name} that was to fetch this slice is no longer set up. Set it up, or use Retry."
        ),
        retry_after: None,
        allowance: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::UNTOLD_THROTTLE;

    fn error(class: ErrorClass, retry_after: Option<u64>) -> ProviderError {
        let retry_after = retry_after.map(Duration::from_secs);
        ProviderError { class, code: "test", message: String::new(), retry_after, allowance: None }
    }

    #[test]
    fn each_class_of_error_has_its_way_of_retrying() {
        let first = Duration::from_secs(1);
        assert_eq!(retry_of(&error(ErrorClass::Permanent, None), 1, first, 0.5), Retry::Never);
        assert_eq!(retry_of(&error(ErrorClass::Plan, None), 1, first, 0.5), Retry::OutOfPlan);
        assert_eq!(retry_of(&error(ErrorClass::Transient, None), 1, first, 0.5), Retry::In(first));
        assert_eq!(retry_of(&error(ErrorClass::Transient, None), 3, first, 0.5), Retry::In(first * 4));
        assert_eq!(retry_of(&error(ErrorClass::Transient, None), 99, first, 0.5), Retry::In(LONGEST_RETRY));
        assert_eq!(
            retry_of(&error(ErrorClass::Throttled, Some(7)), 1, first, 0.5),
            Retry::Throttled(Duration::from_secs(7))
        );
        assert_eq!(retry_of(&error(ErrorClass::Throttled, None), 1, first, 0.5), Retry::Throttled(UNTOLD_THROTTLE));
    }

    #[test]
    fn retries_are_spread() {
        assert!((0..100).all(|run| (0.0..=1.0).contains(&jitter(run, 1))));
        assert!((jitter(1, 1) - jitter(2, 1)).abs() > 0.01);
    }
}
