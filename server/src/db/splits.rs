//! Share splits: what sources told, and what is in effect.

use sqlx::{PgConnection, PgExecutor, PgPool};
use tidemark_app::backend::SeriesKey;
use tidemark_market::{Split, Symbol, Timestamp};

use super::queue::series_key;
use super::to_utc;
use crate::error::Error;

/// The splits by which prices are adjusted, as of a past moment where one is given.
///
/// # Errors
/// Where the database fails.
pub async fn in_effect(
    connection: &mut PgConnection,
    series: &SeriesKey,
    as_of: Option<Timestamp>,
) -> Result<Vec<Split>, Error> {
    let rows = sqlx::query!(
        "select execution_at, split_from, split_to from splits
         where symbol = $1 and applied_at is not null
           and case when $2::timestamptz is null then withdrawn_at is null
                    else applied_at <= $2 and (withdrawn_at is null or withdrawn_at > $2) end
         order by execution_at",
        series.symbol.as_str(),
        as_of.map(to_utc)
    )
    .fetch_all(connection)
    .await?;
    let read =
        rows.into_iter().map(|row| Split { at: row.execution_at.into(), from: row.split_from, to: row.split_to });
    Ok(read.collect())
}

/// Where splits are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// A provider's answer: all that it knows of the symbol.
    Provider(&'a str),
    /// A file, which may name some only. It stands against everyone else.
    File,
}

/// Records what a source says of a symbol's splits; how many are new, other or gone. They take effect when their time has
/// come and [`apply_due`] is called.
///
/// # Errors
/// Where the database fails.
pub async fn record(
    executor: impl PgExecutor<'_>,
    symbol: &Symbol,
    splits: &[Split],
    source: Source<'_>,
) -> Result<u32, Error> {
    let (name, is_whole) = match source {
        Source::Provider(name) => (name, true),
        Source::File => ("file", false),
    };
    let changed = sqlx::query_scalar!(
        r#"select record_splits($1, $2, $3, $4, $5, $6) as "changed!""#,
        symbol.as_str(),
        &splits.iter().map(|split| to_utc(split.at)).collect::<Vec<_>>(),
        &splits.iter().map(|split| split.from).collect::<Vec<_>>(),
        &splits.iter().map(|split| split.to).collect::<Vec<_>>(),
        name,
        is_whole
    )
    .fetch_one(executor)
    .await?;
    Ok(changed.unsigned_abs())
}

/// Puts the splits into effect whose time has come; the series that are read otherwise from now on.
///
/// # Errors
/// Where the database fails.
pub async fn apply_due(executor: impl PgExecutor<'_>) -> Result<Vec<SeriesKey>, Error> {
    let rows = sqlx::query!(r#"select symbol as "symbol!", timeframe as "timeframe!" from apply_due_splits()"#)
        .fetch_all(executor)
        .await?;
    rows.iter().map(|row| series_key(&row.symbol, &row.timeframe)).collect()
}

/// Has the symbol asked for again in an hour.
///
/// # Errors
/// Where the database fails.
pub async fn ask_again_soon(pool: &PgPool, symbol: &Symbol) -> Result<(), Error> {
    sqlx::query!(
        "update instruments set splits_checked_at = now() - interval '23 hours' where symbol = $1",
        symbol.as_str()
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Takes up to `limit` stocks of which no source has been asked for splits for a day, and books that they are being asked
/// for: of several processes one takes each.
///
/// # Errors
/// Where the database fails.
pub async fn take_unchecked(pool: &PgPool, limit: i64) -> Result<Vec<Symbol>, Error> {
    // Not for update: whoever has just asked for the stock for the first time still holds its key.
    let symbols = sqlx::query_scalar!(
        "update instruments i set splits_checked_at = now()
         from (
             select symbol from instruments
             where asset_class = 'equity' and (splits_checked_at is null or splits_checked_at < now() - interval '1 day')
             order by splits_checked_at nulls first limit $1 for no key update skip locked
         ) due
         where i.symbol = due.symbol returning i.symbol",
        limit
    )
    .fetch_all(pool)
    .await?;
    let read = |text: &String| text.parse().map_err(|_| Error::Corrupt { what: "symbol", value: text.clone() });
    symbols.iter().map(read).collect()
}
