//! Every statement the server sends, each a function with values in and out.
//!
//! What must hold together is done by the database's own functions (`migrations/`); the statements here call them. Text
//! is checked against the schema when the crate is compiled (`.sqlx`, renewed by `scripts/sqlx-prepare.sh`).

pub mod bars;
pub mod budgets;
pub mod clock;
mod columns;
pub mod control;
pub mod files;
pub mod forming;
pub mod holes;
pub mod instruments;
pub mod patient;
pub mod progress;
pub mod quality;
pub mod queue;
pub mod quotes;
pub mod series;
pub mod sizes;
pub mod splits;
pub mod standing;
pub mod viewings;

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::types::PgRange;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};
use tidemark_market::{TimeRange, Timestamp};

use crate::error::Error;

/// The migrations, compiled in.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

/// A pool on a migrated database.
///
/// # Errors
/// Where the database can't be reached or a migration fails.
pub async fn connect(url: &str, connections: u32) -> Result<PgPool, sqlx::Error> {
    let options: PgConnectOptions = url.parse()?;
    let pool = pool_of(connections).connect_with(options.application_name("tidemark")).await?;
    MIGRATIONS.run(&pool).await?;
    Ok(pool)
}

/// How long a connection that nobody used is taken for a living one: it answered when it was given back.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// A pool's options. Who waits for a connection longer than two seconds is told that the store can't be reached. A connection
/// that has idled is asked whether it still is one before it is used; one that was just given back is not.
#[must_use]
pub fn pool_of(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(2))
        .test_before_acquire(false)
        .before_acquire(|connection, known| {
            Box::pin(async move {
                if known.idle_for > FRESH_FOR {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

/// The database's form of a time. Times come from checked windows and validated bars, which lie in the years it knows;
/// what does not is held at its ends.
#[must_use]
pub fn to_utc(at: Timestamp) -> DateTime<Utc> {
    at.to_datetime().unwrap_or(if at.0 < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC })
}

fn to_pg_range(range: TimeRange) -> PgRange<DateTime<Utc>> {
    PgRange::from(to_utc(range.start)..to_utc(range.end))
}

fn from_pg_range(range: &PgRange<DateTime<Utc>>) -> Result<TimeRange, Error> {
    use std::ops::Bound::{Excluded, Included};
    match (range.start, range.end) {
        (Included(start), Excluded(end)) => Ok(TimeRange { start: start.into(), end: end.into() }),
        _ => Err(Error::Corrupt { what: "time range", value: format!("{range:?}") }),
    }
}

/// The text of a multirange: `{[a,b),[c,d)}`. sqlx has no type for it.
fn to_multirange(ranges: &[TimeRange]) -> String {
    let ranges: Vec<_> = ranges
        .iter()
        .map(|range| format!("[\"{}\",\"{}\")", to_utc(range.start).to_rfc3339(), to_utc(range.end).to_rfc3339()))
        .collect();
    format!("{{{}}}", ranges.join(","))
}
