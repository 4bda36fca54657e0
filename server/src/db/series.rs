//! What is set of a series.

use sqlx::PgPool;
use tidemark_app::backend::SeriesKey;
use tidemark_market::{Calendar, Hours};

use super::patient::Patient;
use crate::error::Error;

/// How a series is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Which part of the day it holds.
    pub hours: Hours,
    /// The slice size that its definition sets instead of the default, in milliseconds.
    pub slice_millis: Option<i64>,
}

impl Settings {
    /// By whose sessions the series is kept.
    #[must_use]
    pub fn calendar(&self, series: &SeriesKey) -> Calendar {
        series.symbol.calendar(self.hours)
    }
}

/// What is set; the defaults for a series nobody asked for yet.
///
/// # Errors
/// Where the database fails.
pub async fn settings(pool: &PgPool, series: &SeriesKey) -> Result<Settings, Error> {
    let row = sqlx::query!(
        r#"select s.hours,
                  (select (extract(epoch from d.slice_size) * 1000)::bigint from job_definitions d
                   where d.symbol = s.symbol and d.timeframe = s.timeframe and d.slice_size is not null
                   order by d.job_type desc limit 1) as slice_millis
           from series s where s.symbol = $1 and s.timeframe = $2"#,
        series.symbol.as_str(),
        series.timeframe.as_str()
    )
    .fetch_optional(Patient(pool))
    .await?;
    let Some(row) = row else { return Ok(Settings::default()) };
    Ok(Settings { hours: read_hours(&row.hours)?, slice_millis: row.slice_millis })
}

/// Sets which hours the series holds; false where it holds them already. What is on its way is called off, and coverage
/// starts anew.
///
/// # Errors
/// Where the database fails.
pub async fn set_hours(pool: &PgPool, series: &SeriesKey, hours: Hours) -> Result<bool, Error> {
    let changed = sqlx::query_scalar!(
        r#"select set_series_hours($1, $2, $3) as "changed!""#,
        series.symbol.as_str(),
        series.timeframe.as_str(),
        hours.as_str()
    );
    Ok(changed.fetch_one(Patient(pool)).await?)
}

pub(super) fn read_hours(text: &str) -> Result<Hours, Error> {
    Hours::parse(text).ok_or_else(|| Error::Corrupt { what: "hours", value: text.to_owned() })
}
