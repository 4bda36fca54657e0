//! What the clock does for nobody in particular.

use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use tidemark_app::backend::SeriesKey;
use tidemark_market::TimeRange;

use super::from_pg_range;
use super::queue::series_key;
use crate::error::Error;

/// "tidemark" in ASCII: the key of the leader's advisory lock.
const LEADER_LOCK: i64 = 0x7469_6465_6d61_726b;

/// A definition whose time has come.
#[derive(Clone, Debug)]
pub struct DueDefinition {
    /// Its series.
    pub series: SeriesKey,
    /// What it covers; the end is replaced by the present.
    pub window: TimeRange,
}

/// The leader's transaction: whoever holds it is the only one, until it ends. `None` where another process holds it.
///
/// # Errors
/// Where the database fails.
pub async fn lead(pool: &PgPool) -> Result<Option<Transaction<'static, Postgres>>, Error> {
    let mut transaction = pool.begin().await?;
    let is_leader = sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock($1) as "locked!""#, LEADER_LOCK)
        .fetch_one(&mut *transaction)
        .await?;
    Ok(is_leader.then_some(transaction))
}

/// The periodic definitions that are due. A time that was missed counts once.
///
/// # Errors
/// Where the database fails.
pub async fn due(leader: &mut PgConnection) -> Result<Vec<DueDefinition>, Error> {
    let rows = sqlx::query!(
        r#"select symbol, timeframe, range_merge(range_agg("window")) as "window!"
           from job_definitions
           where enabled and refresh_every is not null and next_refresh_at <= now()
           group by symbol, timeframe"#
    )
    .fetch_all(leader)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(DueDefinition { series: series_key(&row.symbol, &row.timeframe)?, window: from_pg_range(&row.window)? })
        })
        .collect()
}

/// Books that the series' definitions were seen to; they are due again one period from now.
///
/// # Errors
/// Where the database fails.
pub async fn put_off(pool: &PgPool, series: &SeriesKey) -> Result<(), Error> {
    sqlx::query!(
        "update job_definitions set next_refresh_at = now() + refresh_every, updated_at = now()
         where symbol = $1 and timeframe = $2 and enabled and next_refresh_at <= now()",
        series.symbol.as_str(),
        series.timeframe.as_str()
    )
    .execute(pool)
    .await?;
    Ok(())
}
