//! What is done by the clock: who keeps it, which definitions are due, and what is cleared away. Times are the database's.

use std::time::Duration;

use sqlx::PgPool;
use tidemark_app::backend::SeriesKey;
use tidemark_market::{Schedule, Spans, TimeRange, Timestamp};

use super::patient::Patient;
use super::queue::{series_key, to_interval};
use super::series::{Settings, read_hours};
use super::{from_pg_range, to_utc};
use crate::error::Error;

/// Leads for another `lead_for`, if no other process does; the term of this leadership.
///
/// # Errors
/// Where the database fails.
pub async fn take_lead(pool: &PgPool, process: &str, lead_for: Duration) -> Result<Option<i64>, Error> {
    Ok(sqlx::query_scalar!("select take_lead($1, $2)", process, to_interval(lead_for)).fetch_one(Patient(pool)).await?)
}

/// Lets another process lead at once.
///
/// # Errors
/// Where the database fails.
pub async fn resign_lead(pool: &PgPool, process: &str) -> Result<(), Error> {
    sqlx::query!("select resign_lead($1)", process).execute(Patient(pool)).await?;
    Ok(())
}

/// Whether the leader is to tick now, which it is once a `period`.
///
/// # Errors
/// Where the database fails.
pub async fn begin_tick(pool: &PgPool, process: &str, term: i64, period: Duration) -> Result<bool, Error> {
    let begun = sqlx::query_scalar!(r#"select begin_tick($1, $2, $3) as "begun!""#, process, term, to_interval(period));
    Ok(begun.fetch_one(Patient(pool)).await?)
}

/// A series whose definitions are due.
#[derive(Clone, Debug)]
pub struct DueSeries {
    /// Which one.
    pub series: SeriesKey,
    /// How it is kept.
    pub settings: Settings,
    /// When it is due.
    pub schedule: Schedule,
    /// What it covers; the end is replaced by the present.
    pub window: TimeRange,
    /// Time of the historical layer that need not be asked for.
    pub known_historical: Spans,
    /// Time of the intraday layer that need not be asked for.
    pub known_intraday: Spans,
}

/// Takes what is due. It is due again in `again_in`, unless [`put_off`] says otherwise first. A time that was missed counts
/// once.
///
/// # Errors
/// Where the database fails.
pub async fn take_due(pool: &PgPool, again_in: Duration) -> Result<Vec<DueSeries>, Error> {
    let rows = sqlx::query!(
        r#"select symbol as "symbol!", timeframe as "timeframe!", hours as "hours!", schedule as "schedule!",
                  (extract(epoch from slice_size) * 1000)::bigint as slice_millis, "window" as "window!",
                  array(select (extract(epoch from lower(r)) * 1000)::bigint from unnest(known_historical) r)
                      as "historical_from!",
                  array(select (extract(epoch from upper(r)) * 1000)::bigint from unnest(known_historical) r)
                      as "historical_to!",
                  array(select (extract(epoch from lower(r)) * 1000)::bigint from unnest(known_intraday) r)
                      as "intraday_from!",
                  array(select (extract(epoch from upper(r)) * 1000)::bigint from unnest(known_intraday) r)
                      as "intraday_to!"
           from take_due_definitions($1)"#,
        to_interval(again_in)
    )
    .fetch_all(Patient(pool))
    .await?;
    rows.into_iter()
        .map(|row| {
            let schedule = row.schedule.parse();
            Ok(DueSeries {
                series: series_key(&row.symbol, &row.timeframe)?,
                settings: Settings { hours: read_hours(&row.hours)?, slice_millis: row.slice_millis },
                schedule: schedule.map_err(|_| Error::Corrupt { what: "schedule", value: row.schedule })?,
                window: from_pg_range(&row.window)?,
                known_historical: spans(&row.historical_from, &row.historical_to),
                known_intraday: spans(&row.intraday_from, &row.intraday_to),
            })
        })
        .collect()
}

fn spans(from: &[i64], to: &[i64]) -> Spans {
    from.iter().zip(to).filter_map(|(from, to)| TimeRange::new(Timestamp(*from), Timestamp(*to))).collect()
}

/// Books when the series' definitions are due next.
///
/// # Errors
/// Where the database fails.
pub async fn put_off(pool: &PgPool, next: &[(SeriesKey, Timestamp)]) -> Result<(), Error> {
    sqlx::query!(
        "select put_off($1, $2, $3)",
        &next.iter().map(|(series, _)| series.symbol.to_string()).collect::<Vec<_>>(),
        &next.iter().map(|(series, _)| series.timeframe.to_string()).collect::<Vec<_>>(),
        &next.iter().map(|(_, at)| to_utc(*at)).collect::<Vec<_>>()
    )
    .execute(Patient(pool))
    .await?;
    Ok(())
}

/// What was cleared away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Housekeeping {
    /// Days of ended runs that were dropped.
    pub dropped_days: u32,
    /// Runs that nobody waits for any more.
    pub fallen_back: u32,
}

/// Clears away what is no longer needed, runs that ended more than `keep` ago first of all, and makes room for the days to
/// come.
///
/// # Errors
/// Where the database fails.
pub async fn keep_house(pool: &PgPool, keep: Duration) -> Result<Housekeeping, Error> {
    let row =
        sqlx::query!(r#"select dropped as "dropped!", fallen as "fallen!" from keep_house($1)"#, to_interval(keep));
    let row = row.fetch_one(Patient(pool)).await?;
    let count = |count: i32| u32::try_from(count).unwrap_or(0);
    Ok(Housekeeping { dropped_days: count(row.dropped), fallen_back: count(row.fallen) })
}
