//! Bars under way of series that someone looks at.

use std::time::Duration;

use sqlx::PgPool;
use tidemark_app::backend::SeriesKey;
use tidemark_market::Forming;

use super::budgets::Request;
use super::patient::Patient;
use super::queue::{series_key, to_interval};
use super::series::{Settings, read_hours};
use crate::error::Error;

/// The series whose forming bar is due; nobody else is given them for `lease`.
///
/// # Errors
/// Where the database fails.
pub async fn take_due(pool: &PgPool, lease: Duration) -> Result<Vec<(SeriesKey, Settings)>, Error> {
    let rows = sqlx::query!(
        r#"select symbol as "symbol!", timeframe as "timeframe!", hours as "hours!" from take_forming($1)"#,
        to_interval(lease)
    );
    let rows = rows.fetch_all(Patient(pool)).await?;
    rows.into_iter()
        .map(|row| {
            let settings = Settings { hours: read_hours(&row.hours)?, slice_millis: None };
            Ok((series_key(&row.symbol, &row.timeframe)?, settings))
        })
        .collect()
}

/// Takes a request for a forming bar; `None` where none may be made now, or a viewer's chart waits for the provider.
///
/// # Errors
/// Where the database fails.
pub async fn take_request(pool: &PgPool, provider: &str) -> Result<Option<Request>, Error> {
    let taken = sqlx::query_scalar!("select take_forming_request($1)", provider);
    Ok(taken.fetch_one(Patient(pool)).await?.map(Request))
}

/// Books what the provider told, and that it is asked again after `least`, or later where it allows little.
///
/// # Errors
/// Where the database fails.
pub async fn book(
    pool: &PgPool,
    series: &SeriesKey,
    provider: &str,
    told: Option<&Forming>,
    least: Duration,
) -> Result<(), Error> {
    let told = told
        .map(serde_json::to_string)
        .transpose()
        .map_err(|error| Error::Corrupt { what: "forming bar", value: error.to_string() })?;
    sqlx::query!(
        "select book_forming($1, $2, $3, $4::text::jsonb, $5)",
        series.symbol.as_str(),
        series.timeframe.as_str(),
        provider,
        told,
        to_interval(least)
    )
    .execute(Patient(pool))
    .await?;
    Ok(())
}

/// What was told last of the series' forming bar.
///
/// # Errors
/// Where the database fails.
pub async fn of_series(pool: &PgPool, series: &SeriesKey) -> Result<Option<Forming>, Error> {
    let told = sqlx::query_scalar!(
        r#"select f.told::text as "told!" from forming_bars f join series s on s.id = f.series_id
           where s.symbol = $1 and s.timeframe = $2 and f.told is not null"#,
        series.symbol.as_str(),
        series.timeframe.as_str()
    );
    let told = told.fetch_optional(Patient(pool)).await?;
    told.map(|text| serde_json::from_str(&text).map_err(|_| Error::Corrupt { what: "forming bar", value: text }))
        .transpose()
}
