//! What is known of a series' time: coverage, its reasons, and the runs on their way, as one picture.

use sqlx::{PgConnection, PgPool};
use tidemark_app::backend::SeriesKey;
use tidemark_market::standing::{Detail, Known, Standing, Stretch};
use tidemark_market::{Hours, TimeRange};

use super::series::read_hours;
use super::{from_pg_range, holes, to_pg_range};
use crate::error::Error;

/// What is known of a series' time, and at which revision.
#[derive(Clone, Debug, Default)]
pub struct Stood {
    /// The series' revision.
    pub revision: u64,
    /// Its hydration.
    pub hydration: u64,
    /// Which part of the day it holds.
    pub hours: Hours,
    /// All but what finer bars answer.
    pub known: Known,
}

/// What is known of the series over a window; nothing for one that nobody asked for yet. A statement each of the series,
/// its coverage, the reasons and the runs, on one snapshot.
///
/// # Errors
/// Where the database fails.
pub async fn read(pool: &PgPool, series: &SeriesKey, window: TimeRange) -> Result<Stood, Error> {
    let mut snapshot = pool.begin_with("begin isolation level repeatable read read only").await?;
    let row = sqlx::query!(
        "select id, revision, hydration, hours from series where symbol = $1 and timeframe = $2",
        series.symbol.as_str(),
        series.timeframe.as_str()
    )
    .fetch_optional(&mut *snapshot)
    .await?;
    let Some(row) = row else { return Ok(Stood::default()) };
    let covered = sqlx::query_scalar!(
        r#"select span as "span!" from coverage_status c cross join unnest(c.covered * tstzmultirange($2)) as span
           where c.series_id = $1 and c.layer <> 'forecast'"#,
        row.id,
        to_pg_range(window)
    )
    .fetch_all(&mut *snapshot)
    .await?;
    let known = Known {
        covered: covered.iter().map(from_pg_range).collect::<Result<_, _>>()?,
        holes: holes::read(&mut snapshot, row.id, window).await?.into_iter().map(stretch).collect(),
        live: read_live(&mut snapshot, row.id, window).await?,
        ..Known::default()
    };
    snapshot.commit().await?;
    Ok(Stood {
        revision: row.revision.unsigned_abs(),
        hydration: row.hydration.unsigned_abs(),
        hours: read_hours(&row.hours)?,
        known,
    })
}

fn stretch(found: holes::Found) -> Stretch {
    let detail = Detail {
        percent: None,
        provider: Some(found.provider),
        message: found.message,
        checked_at: Some(found.hole.checked_at),
        ask_again_at: found.ask_again_at,
    };
    Stretch { range: found.hole.range, standing: found.hole.reason.into(), detail }
}

/// Each run that is under way, and what waits of each provider, as one where it hangs together. Rests on
/// job_runs_live_slice.
async fn read_live(snapshot: &mut PgConnection, series_id: i32, window: TimeRange) -> Result<Vec<Stretch>, Error> {
    let rows = sqlx::query!(
        r#"select slice as "span!", progress::int as percent, provider as "provider!"
           from job_runs_live where series_id = $1 and status = 'running' and slice && $2
           union all
           select span, null, waiting.provider from (
               select provider, range_agg(slice) as spans
               from job_runs_live where series_id = $1 and status = 'queued' and slice && $2
               group by provider
           ) waiting cross join unnest(waiting.spans) as span"#,
        series_id,
        to_pg_range(window)
    )
    .fetch_all(snapshot)
    .await?;
    rows.into_iter()
        .map(|row| {
            let percent = row.percent.map(|percent| u8::try_from(percent).unwrap_or(0));
            let standing = if percent.is_some() { Standing::Running } else { Standing::Queued };
            let detail = Detail { percent, provider: Some(row.provider), ..Detail::default() };
            Ok(Stretch { range: from_pg_range(&row.span)?, standing, detail })
        })
        .collect()
}
