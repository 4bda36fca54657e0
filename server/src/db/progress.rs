//! How far a series' hydration is.

use std::collections::HashMap;

use sqlx::PgPool;
use tidemark_app::backend::SeriesKey;
use tidemark_market::progress::{RunFailure, RunProgress};
use tidemark_market::{SeriesProgress, Symbol, Timeframe};

use super::from_pg_range;
use super::patient::Patient;
use crate::error::Error;

/// The most runs a listener is told of one by one. Counts are always whole.
const RUNS_TOLD: i64 = 100;

/// The state of the series' current hydration; all zero for a series nobody asked for yet.
///
/// # Errors
/// Where the database fails.
pub async fn of_series(pool: &PgPool, series: &SeriesKey) -> Result<SeriesProgress, Error> {
    let of_one = of_many(pool, std::slice::from_ref(&series.symbol), series.timeframe).await?;
    Ok(of_one.into_iter().next().unwrap_or_default())
}

/// The same of several symbols' series of one timeframe, in their order. Rests on job_runs_hydration.
///
/// # Errors
/// Where the database fails.
pub async fn of_many(pool: &PgPool, symbols: &[Symbol], timeframe: Timeframe) -> Result<Vec<SeriesProgress>, Error> {
    let names: Vec<String> = symbols.iter().map(|symbol| symbol.as_str().to_owned()).collect();
    let rows = sqlx::query!(
        r#"select s.symbol, s.revision, s.hydration,
            count(*) filter (where r.status = 'queued') as "queued!",
            count(*) filter (where r.status = 'running') as "running!",
            count(*) filter (where r.status = 'success') as "success!",
            count(*) filter (where r.status = 'failed') as "failed!",
            count(*) filter (where r.status = 'cancelled') as "cancelled!",
            coalesce(sum(r.rows_written), 0)::bigint as "rows_written!",
            coalesce(floor(avg(case when r.status in ('queued', 'running') then r.progress else 100 end)), 100)::int
                as "percent!",
            coalesce(array_agg(distinct r.provider) filter (where r.claims > 0), '{}') as "providers!",
            (select f.error_code || E'\n' || f.error_message from job_runs_ended f
             where f.series_id = s.id and f.hydration = s.hydration and f.status = 'failed'
               and f.finished_at >= s.hydration_started_at
             order by f.finished_at desc limit 1) as failure,
            (select f.slice from job_runs_ended f
             where f.series_id = s.id and f.hydration = s.hydration and f.status = 'failed'
               and f.finished_at >= s.hydration_started_at
             order by f.finished_at desc limit 1) as failed_slice,
            (select coalesce(
                case when w.is_held then 'It is paused by an operator.' end,
                case when (select is_paused from queue_state) then 'Everything is paused by an operator.' end,
                why_waiting(b), w.error_message
             ) from job_runs_live w
             left join provider_budgets b on b.provider = w.provider
             where w.series_id = s.id and w.hydration = s.hydration and w.status = 'queued'
             order by w.updated_at desc limit 1) as waiting
        from series s left join job_runs r on r.series_id = s.id and r.hydration = s.hydration
            and (r.finished_at is null or r.finished_at >= s.hydration_started_at)
        where s.symbol = any($1) and s.timeframe = $2
        group by s.id"#,
        &names,
        timeframe.as_str()
    )
    .fetch_all(Patient(pool))
    .await?;
    let mut known: HashMap<String, SeriesProgress> = HashMap::new();
    for row in rows {
        let failure = match (row.failure, row.failed_slice) {
            (Some(text), Some(slice)) => {
                let (code, message) = text.split_once('\n').unwrap_or(("unexpected", &text));
                Some(RunFailure { code: code.to_owned(), message: message.to_owned(), slice: from_pg_range(&slice)? })
            }
            _ => None,
        };
        let progress = SeriesProgress {
            revision: row.revision.unsigned_abs(),
            hydration: row.hydration.unsigned_abs(),
            queued: count(row.queued),
            running: count(row.running),
            success: count(row.success),
            failed: count(row.failed),
            cancelled: count(row.cancelled),
            rows_written: row.rows_written.unsigned_abs(),
            percent: u8::try_from(row.percent.clamp(0, 100)).unwrap_or(100),
            providers: row.providers,
            failure,
            waiting: row.waiting,
        };
        known.insert(row.symbol, progress);
    }
    Ok(names.iter().map(|name| known.remove(name).unwrap_or_default()).collect())
}

/// The runs of the series' current hydration that changed last.
///
/// # Errors
/// Where the database fails.
pub async fn recent_runs(pool: &PgPool, series: &SeriesKey) -> Result<Vec<RunProgress>, Error> {
    let rows = sqlx::query!(
        "select r.id, r.slice, r.status, r.progress, r.attempt, r.rows_written, r.provider
         from job_runs r join series s on s.id = r.series_id and s.hydration = r.hydration
            and (r.finished_at is null or r.finished_at >= s.hydration_started_at)
         where s.symbol = $1 and s.timeframe = $2 and r.claims > 0
         order by r.updated_at desc limit $3",
        series.symbol.as_str(),
        series.timeframe.as_str(),
        RUNS_TOLD
    )
    .fetch_all(Patient(pool))
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(RunProgress {
                run: row.id,
                slice: from_pg_range(&row.slice)?,
                status: row.status,
                percent: u8::try_from(row.progress).unwrap_or(0),
                attempt: u32::try_from(row.attempt).unwrap_or(0),
                rows_written: u64::try_from(row.rows_written).unwrap_or(0),
                provider: Some(row.provider),
            })
        })
        .collect()
}

fn count(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
