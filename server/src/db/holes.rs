//! Time of a series that is without bars, and why.

use sqlx::PgConnection;
use tidemark_market::coverage::{Hole, Reason};
use tidemark_market::{TimeRange, Timestamp};

use super::{from_pg_range, to_pg_range};
use crate::error::Error;

/// The most holes that are told of one by one, the newest first.
const TOLD: i64 = 2_000;

/// A hole with what the provider said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its time and reason.
    pub hole: Hole,
    /// Who was asked last.
    pub provider: String,
    /// What went wrong, for people.
    pub message: Option<String>,
    /// When the provider is asked again by itself; never where `None`.
    pub ask_again_at: Option<Timestamp>,
}

/// Why time of a window is without bars, where no other layer of the series has them; the newest first.
///
/// # Errors
/// Where the database fails.
pub async fn read(snapshot: &mut PgConnection, series_id: i32, window: TimeRange) -> Result<Vec<Found>, Error> {
    let rows = sqlx::query!(
        r#"select part as "span!", r.reason, r.provider, r.message, r.checks, r.checked_at, r.ask_again_at
           from coverage_reasons r
           cross join unnest(tstzmultirange(r.span * $2) - coalesce((
               select range_agg(span)
               from coverage_status c cross join unnest(c.covered) as span
               where c.series_id = $1 and c.layer <> r.layer and c.layer <> 'forecast'
           ), '{}')) as part
           where r.series_id = $1 and r.span && $2
           order by lower(part) desc limit $3"#,
        series_id,
        to_pg_range(window),
        TOLD
    )
    .fetch_all(snapshot)
    .await?;
    rows.into_iter()
        .map(|row| {
            let reason = Reason::parse(&row.reason);
            let hole = Hole {
                range: from_pg_range(&row.span)?,
                reason: reason.ok_or(Error::Corrupt { what: "reason", value: row.reason })?,
                checks: row.checks.unsigned_abs(),
                checked_at: row.checked_at.into(),
            };
            let ask_again_at = row.ask_again_at.map(Into::into);
            Ok(Found { hole, provider: row.provider, message: row.message, ask_again_at })
        })
        .collect()
}
