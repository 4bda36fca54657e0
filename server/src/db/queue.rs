//! The queue: enqueue, claim, keep, finish, fail, give back.

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
use tidemark_market::{Calendar, Layer, Spans, TimeRange};

use super::columns::Columns;
use super::series::read_hours;
use super::{from_pg_range, to_multirange, to_pg_range, to_utc};
use crate::error::Error;

/// A run that this process holds. `attempt` and the worker's name fence it: every statement that changes the run names
/// both, and changes nothing once the lease went to another.
#[derive(Clone, Debug)]
pub struct ClaimedRun {
    /// The run's id.
    pub id: i64,
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
    /// Ask again by itself this often.
    pub refresh_every: Option<Duration>,
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

/// Makes definitions and missing slices in one statement and wakes a worker. `providers` names who serves each slice.
///
/// # Errors
/// Where the database fails.
pub async fn ensure_coverage(
    pool: &PgPool,
    series: &SeriesKey,
    wish: &Wish,
    slices: &[(PlannedSlice, &str)],
) -> Result<Ensured, Error> {
    let mut parts = Parts::default();
    for (number, (slice, provider)) in slices.iter().enumerate() {
        parts.push(i32::try_from(number).unwrap_or(i32::MAX), slice, provider);
    }
    let created = sqlx::query_scalar!(
        r#"select created as "created!" from ensure_coverage($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
                                                      $14)"#,
        series.symbol.as_str(),
        series.timeframe.as_str(),
        to_pg_range(wish.window),
        wish.refresh_every.map(to_interval) as Option<PgInterval>,
        wish.retry,
        to_utc(wish.bounds.settled_through),
        to_utc(wish.bounds.intraday_from),
        &wish.job_types.iter().map(|layer| layer.as_str().to_owned()).collect::<Vec<_>>(),
        &parts.slice,
        &parts.layer,
        &parts.from,
        &parts.to,
        &parts.priority,
        &parts.provider
    )
    .fetch_one(pool)
    .await?;
    Ok(Ensured { created: u32::try_from(created).unwrap_or(0) })
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
}

impl Parts {
    fn push(&mut self, number: i32, slice: &PlannedSlice, provider: &str) {
        for session in &slice.sessions {
            self.slice.push(number);
            self.layer.push(slice.layer.as_str().to_owned());
            self.from.push(to_utc(session.start));
            self.to.push(to_utc(session.end));
            self.priority.push(slice.priority);
            self.provider.push(provider.to_owned());
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
    .execute(pool)
    .await?;
    Ok(())
}

/// Takes up to `limit` runs, the most wanted first.
///
/// # Errors
/// Where the database fails.
pub async fn claim(pool: &PgPool, worker: &str, lease: Duration, limit: i32) -> Result<Vec<ClaimedRun>, Error> {
    let rows = sqlx::query!(
        r#"select r.id as "id!", s.symbol, s.timeframe, s.hours, r.layer::text as "layer!", r.slice as "slice!",
                  r.attempt as "attempt!", r.provider as "provider!"
           from claim_queued_job($1, $2, $3) r join series s on s.id = r.series_id"#,
        worker,
        to_interval(lease),
        limit
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let series = series_key(&row.symbol, &row.timeframe)?;
            Ok(ClaimedRun {
                id: row.id,
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

/// Keeps the run and books its progress; false where the lease is lost.
///
/// # Errors
/// Where the database fails.
pub async fn renew(
    pool: &PgPool,
    run: &ClaimedRun,
    worker: &str,
    lease: Duration,
    progress: u8,
) -> Result<bool, Error> {
    let kept = sqlx::query_scalar!(
        r#"select renew_lease($1, $2, $3, $4, $5) as "kept!""#,
        run.id,
        run.attempt,
        worker,
        to_interval(lease),
        i16::from(progress)
    );
    Ok(kept.fetch_one(pool).await?)
}

/// What a run brought.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Whether prices are in later shares than those of their time.
    pub adjusted: bool,
    /// Its bars, and those that fail.
    pub validated: &'a Validated,
    /// Rows that are no bar, each with the reason.
    pub unreadable: &'a [String],
    /// What it tells of the time asked for.
    pub booking: &'a Booking,
    /// The doubted time that was answered by bars which fail.
    pub refused: &'a Spans,
}

/// Writes the bars, books what they cover and ends the run in one transaction; the number of bars written, or `None`
/// where the lease is lost. Doubted time is asked for once more in `recheck_in`.
///
/// # Errors
/// Where the database fails; then nothing was written.
pub async fn finish(
    pool: &PgPool,
    run: &ClaimedRun,
    worker: &str,
    answer: &Answer<'_>,
    recheck_in: Duration,
) -> Result<Option<u32>, Error> {
    let Answer { adjusted, validated, booking, .. } = *answer;
    let columns = Columns::from(validated.bars.as_slice());
    let written = sqlx::query_scalar!(
        r#"select written as "written!"
           from finish_run($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
                           $16::text::tstzmultirange, $17::text::tstzmultirange,
                           $18::text::tstzmultirange, $19, $20)"#,
        run.id,
        run.attempt,
        worker,
        run.provider,
        adjusted,
        DISAGREEMENT_TOLERANCE,
        &columns.ts,
        &columns.open,
        &columns.high,
        &columns.low,
        &columns.close,
        &columns.volume,
        &columns.vwap as &[Option<f64>],
        &columns.trades as &[Option<i32>],
        quarantined(answer),
        to_multirange(booking.covered.ranges()),
        to_multirange(booking.doubted.ranges()),
        to_multirange(answer.refused.ranges()),
        to_interval(recheck_in),
        to_interval(Duration::from_millis(YOUNG_MILLIS))
    )
    .fetch_optional(pool)
    .await?;
    Ok(written.map(|written| u32::try_from(written).unwrap_or(0)))
}

/// JSON has no NaN, so values are kept as the text Rust prints for them.
fn quarantined(answer: &Answer<'_>) -> Value {
    let bars = answer.validated.quarantined.iter().map(|(bar, defect)| {
        let values = [bar.open, bar.high, bar.low, bar.close, bar.volume].map(|value| value.to_string());
        json!({ "reason": defect.as_str(), "bar": { "ts": bar.ts.to_string(), "ohlcv": values } })
    });
    let rows = answer.unreadable.iter().map(|note| json!({ "reason": "unreadable", "bar": { "row": note } }));
    bars.chain(rows).collect()
}

/// What becomes of a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// None: the run has failed.
    Never,
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
    /// What becomes of the run.
    pub retry: Retry,
    /// Where it is given up, said of `sessions`.
    pub reason: Reason,
    /// The session time it was to fetch.
    pub sessions: &'a [TimeRange],
}

/// Ends a try without bars; the run's new status, or `None` where the lease is lost.
///
/// # Errors
/// Where the database fails.
pub async fn fail(
    pool: &PgPool,
    run: &ClaimedRun,
    worker: &str,
    failure: &Failure<'_>,
) -> Result<Option<String>, Error> {
    let (retry_in, is_throttled) = match failure.retry {
        Retry::Never => (None, false),
        Retry::In(delay) => (Some(delay), false),
        Retry::Throttled(delay) => (Some(delay), true),
    };
    let status = sqlx::query_scalar!(
        "select fail_run($1, $2, $3, $4, $5, $6, $7, $8, $9::text::tstzmultirange)",
        run.id,
        run.attempt,
        worker,
        failure.code,
        failure.message,
        retry_in.map(to_interval) as Option<PgInterval>,
        is_throttled,
        failure.reason.as_str(),
        to_multirange(failure.sessions)
    );
    Ok(status.fetch_one(pool).await?)
}

/// Gives the run back unharmed; false where the lease is lost.
///
/// # Errors
/// Where the database fails.
pub async fn release(pool: &PgPool, run: &ClaimedRun, worker: &str) -> Result<bool, Error> {
    let released = sqlx::query_scalar!(r#"select release_run($1, $2, $3) as "released!""#, run.id, run.attempt, worker);
    Ok(released.fetch_one(pool).await?)
}

/// Gives every run whose lease has run out back to the queue; the series they belong to.
///
/// # Errors
/// Where the database fails.
pub async fn reap(pool: &PgPool) -> Result<Vec<SeriesKey>, Error> {
    let rows = sqlx::query!(r#"select symbol as "symbol!", timeframe as "timeframe!" from reap_expired_leases()"#)
        .fetch_all(pool)
        .await?;
    rows.iter().map(|row| series_key(&row.symbol, &row.timeframe)).collect()
}

/// How long until something in the queue is due by itself; `None` where nothing is.
///
/// # Errors
/// Where the database fails.
pub async fn due_in(pool: &PgPool) -> Result<Option<Duration>, Error> {
    let millis = sqlx::query_scalar!("select queue_due_in()").fetch_one(pool).await?;
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
