//! The queue: enqueue, claim, keep, finish, fail, give back.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::types::{PgInterval, PgRange};
use tidemark_app::backend::SeriesKey;
use tidemark_market::coverage::{Booking, Reason, YOUNG_MILLIS};
use tidemark_market::layer::{Bounds, DISAGREEMENT_TOLERANCE};
use tidemark_market::slicing::PlannedSlice;
use tidemark_market::validate::Validated;
use tidemark_market::{Calendar, Layer, Schedule, Spans, TimeRange, Timestamp};

use super::columns::Columns;
use super::patient::Patient;
use super::series::read_hours;
use super::{from_pg_range, to_multirange, to_pg_range, to_utc};
use crate::error::Error;

/// The channel that tells of new runs; the payload is the process that knows already, or empty.
pub const QUEUED_CHANNEL: &str = "job_queued";
/// The channel that tells that an operator intervened; the payload is empty.
pub const CONTROL_CHANNEL: &str = "job_control";

/// A run that this process holds. `attempt` and the worker's name fence it: every statement that changes the run names
/// both, and changes nothing once the lease went to another.
#[derive(Clone, Debug)]
pub struct ClaimedRun {
    /// The run's id.
    pub id: i64,
    /// The series' number in the database.
    pub series_id: i32,
    /// Whose bars.
    pub series: SeriesKey,
    /// By whose sessions, the series' hours reckoned in.
    pub calendar: Calendar,
    /// Which layer they go to.
    pub layer: Layer,
    /// What is to be fetched.
    pub slice: TimeRange,
    /// Which try this is, from 1.
    pub attempt: i16,
    /// By whom.
    pub provider: String,
}

/// What is asked of [`ensure_coverage`] beside the slices.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What the definition covers.
    pub window: TimeRange,
    /// Ask again by itself then, and when that is due first.
    pub schedule: Option<(Schedule, Timestamp)>,
    /// Ask for what was not to be had too, though it is not due again.
    pub retry: bool,
    /// Who may write where.
    pub bounds: Bounds,
    /// The definitions to make.
    pub job_types: Vec<Layer>,
}

/// What [`ensure_coverage`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ensured {
    /// Slices made; 0 where nothing was missing or all is on its way.
    pub created: u32,
}

/// Who serves a slice: names of providers, in the order in which they are asked.
pub type Chain = Vec<String>;

/// Makes definitions and missing slices in one statement. Whoever calls tells workers of new ones.
///
/// # Errors
/// Where the database fails.
pub async fn ensure_coverage(
    pool: &PgPool,
    series: &SeriesKey,
    wish: &Wish,
    slices: &[(PlannedSlice, Chain)],
) -> Result<Ensured, Error> {
    let mut parts = Parts::default();
    for (number, (slice, chain)) in slices.iter().enumerate() {
        parts.push(i32::try_from(number).unwrap_or(i32::MAX), slice, chain);
    }
    let created = sqlx::query_scalar!(
        r#"select created as "created!" from ensure_coverage($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
                                                      $14, $15, $16)"#,
        series.symbol.as_str(),
        series.timeframe.as_str(),
        to_pg_range(wish.window),
        wish.schedule.map(|(schedule, _)| schedule.to_string()),
        wish.schedule.map(|(_, next_due)| to_utc(next_due)),
        wish.retry,
        to_utc(wish.bounds.settled_through),
        to_utc(wish.bounds.intraday_from),
        &wish.job_types.iter().map(|layer| layer.as_str().to_owned()).collect::<Vec<_>>(),
        &parts.slice,
        &parts.layer,
        &parts.from,
        &parts.to,
        &parts.priority,
        &parts.provider,
        &parts.others
    )
    .fetch_one(Patient(pool))
    .await?;
    Ok(Ensured { created: u32::try_from(created).unwrap_or(0) })
}

/// Tells all processes that something happened, in a statement of its own: what was done stands though nobody can be told,
/// since everyone looks for it every few seconds.
pub async fn tell(pool: &PgPool, channel: &str, payload: &str) {
    if let Err(error) = sqlx::query!("select pg_notify($1, $2)", channel, payload).execute(Patient(pool)).await {
        tracing::warn!(channel, %error, "workers could not be told; they find out by themselves within seconds");
    }
}

/// The plan in columns, one element for each stretch of session time.
#[derive(Default)]
struct Parts {
    slice: Vec<i32>,
    layer: Vec<String>,
    from: Vec<DateTime<Utc>>,
    to: Vec<DateTime<Utc>>,
    priority: Vec<i16>,
    provider: Vec<String>,
    others: Vec<String>,
}

impl Parts {
    fn push(&mut self, number: i32, slice: &PlannedSlice, chain: &[String]) {
        let Some((provider, others)) = chain.split_first() else { return };
        for session in &slice.sessions {
            self.slice.push(number);
            self.layer.push(slice.layer.as_str().to_owned());
            self.from.push(to_utc(session.start));
            self.to.push(to_utc(session.end));
            self.priority.push(slice.priority);
            self.provider.push(provider.clone());
            self.others.push(others.join(","));
        }
    }
}

/// Says that `provider` does not keep these stretches any more, so that they are not asked for.
///
/// # Errors
/// Where the database fails.
pub async fn book_outside(
    pool: &PgPool,
    series: &SeriesKey,
    provider: &str,
    stretches: &[(Layer, TimeRange)],
) -> Result<(), Error> {
    let message = format!("{provider} does not keep {} bars that old.", series.timeframe);
    sqlx::query!(
        "select book_outside($1, $2, $3, $4, $5, $6, $7)",
        series.symbol.as_str(),
        series.timeframe.as_str(),
        &stretches.iter().map(|(layer, _)| layer.as_str().to_owned()).collect::<Vec<_>>(),
        &stretches.iter().map(|(_, range)| to_utc(range.start)).collect::<Vec<_>>(),
        &stretches.iter().map(|(_, range)| to_utc(range.end)).collect::<Vec<_>>(),
        provider,
        message
    )
    .execute(Patient(pool))
    .await?;
    Ok(())
}

/// Takes up to `limit` runs, the most wanted first.
///
/// # Errors
/// Where the database fails.
pub async fn claim(pool: &PgPool, worker: &str, lease: Duration, limit: i32) -> Result<Vec<ClaimedRun>, Error> {
    let rows = sqlx::query!(
        r#"select id as "id!", series_id as "series_id!", symbol as "symbol!", timeframe as "timeframe!", hours as "hours!",
                  layer::text as "layer!", slice as "slice!", attempt as "attempt!", provider as "provider!"
           from claim_queued_job($1, $2, $3)"#,
        worker,
        to_interval(lease),
        limit
    )
    .fetch_all(Patient(pool))
    .await?;
    rows.into_iter()
        .map(|row| {
            let series = series_key(&row.symbol, &row.timeframe)?;
            Ok(ClaimedRun {
                id: row.id,
                series_id: row.series_id,
                calendar: series.symbol.calendar(read_hours(&row.hours)?),
                series,
                layer: row.layer.parse().map_err(|_| Error::Corrupt { what: "layer", value: row.layer.clone() })?,
                slice: from_pg_range(&row.slice as &PgRange<DateTime<Utc>>)?,
                attempt: row.attempt,
                provider: row.provider,
            })
        })
        .collect()
}

/// A run that is being worked on, and how far it is.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// The run's id.
    pub run: i64,
    /// The try that holds it.
    pub attempt: i16,
    /// Percent.
    pub progress: u8,
}

/// Keeps runs and books their progress; those that are no longer the worker's.
///
/// # Errors
/// Where the database fails.
pub async fn renew(pool: &PgPool, worker: &str, held: &[Held], lease: Duration) -> Result<Vec<i64>, Error> {
    let lost = sqlx::query_scalar!(
        r#"select run as "run!" from renew_leases($1, $2, $3, $4, $5) as run"#,
        worker,
        &held.iter().map(|held| held.run).collect::<Vec<_>>(),
        &held.iter().map(|held| held.attempt).collect::<Vec<_>>(),
        &held.iter().map(|held| i16::from(held.progress)).collect::<Vec<_>>(),
        to_interval(lease)
    );
    Ok(lost.fetch_all(Patient(pool)).await?)
}

/// What a run brought.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Whether prices are in later shares than those of their time.
    pub adjusted: bool,
    /// How many requests it took.
    pub requests: u32,
    /// Its bars, and those that fail.
    pub validated: Validated,
    /// Rows that are no bar, each with the reason.
    pub unreadable: Vec<String>,
    /// What it tells of the time asked for.
    pub booking: Booking,
    /// The doubted time that was answered by bars which fail.
    pub refused: Spans,
}

impl Answer {
    /// Whether it left out time or brought what is no bar.
    fn is_faulty(&self) -> bool {
        let brought_others = !self.validated.quarantined.is_empty() || !self.unreadable.is_empty();
        brought_others || !self.booking.doubted.is_empty() || !self.refused.is_empty()
    }
}

/// Writes the bars of answered runs, books what they cover and ends the runs, in one transaction; the number of bars
/// written for each run. A run whose lease is lost is not among them. Doubted time is asked for once more in `recheck_in`.
/// Runs of one series and layer should stand together.
///
/// # Errors
/// Where the database fails; then nothing was written.
pub async fn finish(
    pool: &PgPool,
    worker: &str,
    answered: &[(&ClaimedRun, &Answer)],
    recheck_in: Duration,
) -> Result<HashMap<i64, u32>, Error> {
    let series: BTreeSet<_> = answered.iter().map(|(run, _)| run.series_id).collect();
    let bars: Vec<_> = answered.iter().flat_map(|(_, answer)| &answer.validated.bars).copied().collect();
    let columns = Columns::from(bars.as_slice());
    let covered =
        answered.iter().flat_map(|(run, answer)| answer.booking.covered.ranges().iter().map(|span| (run.id, *span)));
    let (covered_by, covered): (Vec<_>, Vec<_>) = covered.map(|(run, span)| (run, to_pg_range(span))).unzip();
    let faults = Faults::of(answered);
    let ended = sqlx::query!(
        r#"select ended as "ended!", written as "written!"
           from finish_runs($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
                            $21, $22, $23, $24)"#,
        worker,
        &series.into_iter().collect::<Vec<_>>(),
        &answered.iter().map(|(run, _)| run.id).collect::<Vec<_>>(),
        &answered.iter().map(|(run, _)| run.attempt).collect::<Vec<_>>(),
        &answered.iter().map(|(_, answer)| answer.adjusted).collect::<Vec<_>>(),
        &answered.iter().map(|(_, answer)| i32::try_from(answer.requests).unwrap_or(i32::MAX)).collect::<Vec<_>>(),
        &answered.iter().map(|(_, answer)| count(&answer.validated.bars)).collect::<Vec<_>>(),
        &covered_by,
        &covered,
        &faults.run,
        &faults.quarantined,
        &faults.doubted,
        &faults.refused,
        &columns.ts,
        &columns.open,
        &columns.high,
        &columns.low,
        &columns.close,
        &columns.volume,
        &columns.vwap as &[Option<f64>],
        &columns.trades as &[Option<i32>],
        DISAGREEMENT_TOLERANCE,
        to_interval(recheck_in),
        to_interval(Duration::from_millis(YOUNG_MILLIS))
    )
    .fetch_one(Patient(pool))
    .await?;
    let written = ended.written.into_iter().map(|written| u32::try_from(written).unwrap_or(0));
    Ok(ended.ended.into_iter().zip(written).collect())
}

fn count<T>(of: &[T]) -> i32 {
    i32::try_from(of.len()).unwrap_or(i32::MAX)
}

/// Answers that left out time or brought what is no bar, in columns.
#[derive(Default)]
struct Faults {
    run: Vec<i64>,
    quarantined: Vec<Value>,
    doubted: Vec<String>,
    refused: Vec<String>,
}

impl Faults {
    fn of(answered: &[(&ClaimedRun, &Answer)]) -> Self {
        let mut faults = Self::default();
        for (run, answer) in answered.iter().filter(|(_, answer)| answer.is_faulty()) {
            faults.run.push(run.id);
            faults.quarantined.push(quarantined(answer));
            faults.doubted.push(to_multirange(answer.booking.doubted.ranges()));
            faults.refused.push(to_multirange(answer.refused.ranges()));
        }
        faults
    }
}

/// JSON has no NaN, so values are kept as the text Rust prints for them.
fn quarantined(answer: &Answer) -> Value {
    let bars = answer.validated.quarantined.iter().map(|(bar, defect)| {
        let values = [bar.open, bar.high, bar.low, bar.close, bar.volume].map(|value| value.to_string());
        json!({ "reason": defect.as_str(), "bar": { "ts": bar.ts.to_string(), "ohlcv": values } })
    });
    let rows = answer.unreadable.iter().map(|note| json!({ "reason": "unreadable", "bar": { "row": note } }));
    bars.chain(rows).collect()
}

/// What is to become of a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same request fails the same way.
    Never,
    /// It does at this provider, whose plan does not hold it.
    OutOfPlan,
    /// After this time, while attempts are left.
    In(Duration),
    /// After this time, without spending an attempt: a limit turned the request away.
    Throttled(Duration),
}

/// How a try ended without bars.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// Stable code.
    pub code: &'a str,
    /// What happened and what to do.
    pub message: &'a str,
    /// Whether it is worth trying again.
    pub retry: Retry,
    /// The session time it was to fetch.
    pub sessions: &'a [TimeRange],
    /// Where the slice may be parted, so that what is wrong with it costs no more than it must.
    pub split_at: Option<Timestamp>,
}

/// What became of a run whose try failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is tried again.
    Queued,
    /// The next provider is asked.
    Moved,
    /// Two runs of half its slice are.
    Split,
    /// It was given up.
    Failed,
    /// Another worker has it.
    Lost,
}

/// Ends a try without bars.
///
/// # Errors
/// Where the database fails.
pub async fn fail(pool: &PgPool, run: &ClaimedRun, worker: &str, failure: &Failure<'_>) -> Result<Fate, Error> {
    let (class, retry_in) = match failure.retry {
        Retry::Never => ("permanent", None),
        Retry::OutOfPlan => ("plan", None),
        Retry::In(delay) => ("transient", Some(delay)),
        Retry::Throttled(delay) => ("throttled", Some(delay)),
    };
    let reason = if failure.retry == Retry::OutOfPlan { Reason::Outside } else { Reason::Failed };
    let fate = sqlx::query_scalar!(
        "select fail_run($1, $2, $3, $4, $5, $6, $7, $8, $9::text::tstzmultirange, $10)",
        run.id,
        run.attempt,
        worker,
        failure.code,
        failure.message,
        class,
        retry_in.map(to_interval) as Option<PgInterval>,
        reason.as_str(),
        to_multirange(failure.sessions),
        failure.split_at.map(to_utc)
    );
    match fate.fetch_one(Patient(pool)).await?.as_deref() {
        None => Ok(Fate::Lost),
        Some("queued") => Ok(Fate::Queued),
        Some("moved") => Ok(Fate::Moved),
        Some("split") => Ok(Fate::Split),
        Some("failed") => Ok(Fate::Failed),
        Some(other) => Err(Error::Corrupt { what: "fate", value: other.to_owned() }),
    }
}

/// Gives the run back unharmed; false where the lease is lost.
///
/// # Errors
/// Where the database fails.
pub async fn release(pool: &PgPool, run: &ClaimedRun, worker: &str) -> Result<bool, Error> {
    let released = sqlx::query_scalar!(r#"select release_run($1, $2, $3) as "released!""#, run.id, run.attempt, worker);
    Ok(released.fetch_one(Patient(pool)).await?)
}

/// Gives every run whose lease has run out back to the queue; the series they belong to.
///
/// # Errors
/// Where the database fails.
pub async fn reap(pool: &PgPool) -> Result<Vec<SeriesKey>, Error> {
    let rows = sqlx::query!(r#"select symbol as "symbol!", timeframe as "timeframe!" from reap_expired_leases()"#)
        .fetch_all(Patient(pool))
        .await?;
    rows.iter().map(|row| series_key(&row.symbol, &row.timeframe)).collect()
}

/// How long until something in the queue is due by itself; `None` where nothing is.
///
/// # Errors
/// Where the database fails.
pub async fn due_in(pool: &PgPool) -> Result<Option<Duration>, Error> {
    let millis = sqlx::query_scalar!("select queue_due_in()").fetch_one(Patient(pool)).await?;
    Ok(millis.map(|millis| Duration::try_from_secs_f64(millis / 1_000.0).unwrap_or_default()))
}

/// The series a row names.
pub(super) fn series_key(symbol: &str, timeframe: &str) -> Result<SeriesKey, Error> {
    let corrupt = |what, value: &str| Error::Corrupt { what, value: value.to_owned() };
    Ok(SeriesKey {
        symbol: symbol.parse().map_err(|_| corrupt("symbol", symbol))?,
        timeframe: timeframe.parse().map_err(|_| corrupt("timeframe", timeframe))?,
    })
}

/// The database's form of a duration, to the microsecond.
pub(super) fn to_interval(duration: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX) }
}
