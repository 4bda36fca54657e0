//! Instruments and definitions: what is known of a symbol before anything is fetched.

use sqlx::{PgExecutor, PgPool};
use tidemark_market::{Hours, Symbol};

use super::patient::Patient;
use crate::error::Error;
use crate::providers::Listing;

/// Whether the symbol is known to exist.
///
/// # Errors
/// Where the database fails.
pub async fn is_known(pool: &PgPool, symbol: &Symbol) -> Result<bool, Error> {
    let known = sqlx::query_scalar!(
        r#"select exists (select from instruments where symbol = $1) as "exists!""#,
        symbol.as_str()
    );
    Ok(known.fetch_one(Patient(pool)).await?)
}

/// Books that a provider lists the symbol.
///
/// # Errors
/// Where the database fails.
pub async fn add(executor: impl PgExecutor<'_>, listing: &Listing) -> Result<(), Error> {
    let class = listing.symbol.asset_class();
    sqlx::query!(
        "insert into instruments (symbol, name, asset_class, calendar, currency)
         values ($1, $2, $3, $4, coalesce($5, 'USD')) on conflict do nothing",
        listing.symbol.as_str(),
        listing.name,
        class.as_str(),
        class.calendar(Hours::Regular).as_str(),
        listing.currency
    )
    .execute(executor)
    .await?;
    Ok(())
}
