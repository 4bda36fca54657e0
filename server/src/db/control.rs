//! What operators do to the queue by hand, and what a viewer may.

use sqlx::PgPool;
use tidemark_app::backend::SeriesKey;

use super::patient::Patient;
use super::queue::{CONTROL_CHANNEL, QUEUED_CHANNEL, series_key, tell};
use crate::control::{Action, Scope};
use crate::error::Error;

/// What an action did.
#[derive(Clone, Debug, Default)]
pub struct Controlled {
    /// How many runs it touched.
    pub affected: u32,
    /// Whose.
    pub series: Vec<SeriesKey>,
}

/// Does it, tells workers, and records who did.
///
/// # Errors
/// Where the database fails.
pub async fn control(pool: &PgPool, action: Action, scope: &Scope, who: &str) -> Result<Controlled, Error> {
    let rows = sqlx::query!(
        r#"select symbol, timeframe, affected as "affected!" from control_queue($1, $2, $3, $4)"#,
        action.as_str(),
        scope.kind(),
        scope.target(),
        who
    )
    .fetch_all(Patient(pool))
    .await?;
    tell(pool, CONTROL_CHANNEL, "").await;
    if matches!(action, Action::Resume | Action::Retry) {
        tell(pool, QUEUED_CHANNEL, "").await;
    }
    let named = rows.iter().filter_map(|row| row.symbol.as_deref().zip(row.timeframe.as_deref()));
    Ok(Controlled {
        affected: rows.first().map_or(0, |row| u32::try_from(row.affected).unwrap_or(0)),
        series: named.map(|(symbol, timeframe)| series_key(symbol, timeframe)).collect::<Result<_, _>>()?,
    })
}

/// Ends what is queued of a series for no schedule; how many runs that were. `None`, with nothing done, where someone looks
/// at it through another process than this one.
///
/// # Errors
/// Where the database fails.
pub async fn cancel_asked(pool: &PgPool, series: &SeriesKey, process: &str) -> Result<Option<u32>, Error> {
    let cancelled = sqlx::query_scalar!(
        "select cancel_asked($1, $2, $3)",
        series.symbol.as_str(),
        series.timeframe.as_str(),
        process
    );
    Ok(cancelled.fetch_one(Patient(pool)).await?.map(i32::unsigned_abs))
}
