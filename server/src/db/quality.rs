//! What is not as it should be in a series, as far as the tables tell.

use sqlx::PgPool;
use tidemark_app::backend::SeriesKey;
use tidemark_market::TimeRange;
use tidemark_market::quality::{Disagreement, LISTED, Listed, QuarantinedBar};

use super::to_utc;
use crate::error::Error;

/// What was booked of bars beside their values.
#[derive(Clone, Debug, Default)]
pub struct Booked {
    /// Bars of the window that have more than one version.
    pub corrected: u64,
    /// Bars that were refused, whatever time they claimed.
    pub quarantined: Listed<QuarantinedBar>,
    /// Bars of the window whose recent and settled values differ.
    pub disagreements: Listed<Disagreement>,
}

/// What was booked of the series' bars in `window`; nothing for a series nobody asked for yet.
///
/// # Errors
/// Where the database fails.
pub async fn booked(pool: &PgPool, series: &SeriesKey, window: TimeRange) -> Result<Booked, Error> {
    let counts = sqlx::query!(
        r#"select s.id,
                  (select count(*) from (
                      select distinct layer, ts from ohlc_bar_revisions
                      where series_id = s.id and ts >= $3 and ts < $4
                  ) changed) as "corrected!",
                  (select count(*) from ohlc_bar_quarantine where series_id = s.id) as "quarantined!",
                  (select count(*) from bar_disagreements
                   where series_id = s.id and ts >= $3 and ts < $4) as "disagreements!"
           from series s where s.symbol = $1 and s.timeframe = $2"#,
        series.symbol.as_str(),
        series.timeframe.as_str(),
        to_utc(window.start),
        to_utc(window.end)
    )
    .fetch_optional(pool)
    .await?;
    let Some(counts) = counts else { return Ok(Booked::default()) };
    Ok(Booked {
        corrected: counts.corrected.unsigned_abs(),
        quarantined: Listed {
            count: counts.quarantined.unsigned_abs(),
            newest: newest_quarantined(pool, counts.id).await?,
        },
        disagreements: Listed {
            count: counts.disagreements.unsigned_abs(),
            newest: newest_disagreements(pool, counts.id, window).await?,
        },
    })
}

async fn newest_quarantined(pool: &PgPool, series_id: i32) -> Result<Vec<QuarantinedBar>, Error> {
    let rows = sqlx::query!(
        "select coalesce(bar ->> 'ts', bar ->> 'row') as ts, reason, provider, created_at
         from ohlc_bar_quarantine where series_id = $1 order by id desc limit $2",
        series_id,
        i64::try_from(LISTED).unwrap_or(i64::MAX)
    )
    .fetch_all(pool)
    .await?;
    let read = rows.into_iter().map(|row| QuarantinedBar {
        ts: row.ts.unwrap_or_default(),
        reason: row.reason,
        provider: row.provider,
        at: row.created_at.into(),
    });
    Ok(read.collect())
}

async fn newest_disagreements(pool: &PgPool, series_id: i32, window: TimeRange) -> Result<Vec<Disagreement>, Error> {
    let rows = sqlx::query!(
        r#"select ts, intraday[4] as "intraday_close!", historical[4] as "historical_close!", difference
           from bar_disagreements where series_id = $1 and ts >= $2 and ts < $3 order by ts desc limit $4"#,
        series_id,
        to_utc(window.start),
        to_utc(window.end),
        i64::try_from(LISTED).unwrap_or(i64::MAX)
    )
    .fetch_all(pool)
    .await?;
    let read = rows.into_iter().map(|row| Disagreement {
        ts: row.ts.into(),
        intraday_close: row.intraday_close,
        historical_close: row.historical_close,
        relative_difference: row.difference,
    });
    Ok(read.collect())
}
