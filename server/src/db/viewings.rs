//! Who is looking at which series.

use std::time::Duration;

use sqlx::PgPool;
use tidemark_app::backend::SeriesKey;

use super::patient::Patient;
use super::queue::to_interval;
use crate::error::Error;

/// Books that the process's viewers look at these series for another `stay`, and at no others; how many queued runs fell
/// back to the background, since nobody waits for them any more.
///
/// # Errors
/// Where the database fails.
pub async fn book(pool: &PgPool, process: &str, series: &[SeriesKey], stay: Duration) -> Result<u32, Error> {
    let fallen = sqlx::query_scalar!(
        r#"select book_viewings($1, $2, $3, $4) as "fallen!""#,
        process,
        &series.iter().map(|series| series.symbol.to_string()).collect::<Vec<_>>(),
        &series.iter().map(|series| series.timeframe.to_string()).collect::<Vec<_>>(),
        to_interval(stay)
    );
    Ok(u32::try_from(fallen.fetch_one(Patient(pool)).await?).unwrap_or(0))
}
