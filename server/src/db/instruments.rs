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

/// An instrument that may be meant by what someone typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which one.
    pub symbol: Symbol,
    /// As its provider lists it.
    pub name: Option<String>,
    /// Whether any bar of it is stored.
    pub is_stored: bool,
}

/// The most that are looked at for one question; there are more where little was typed, and those with short symbols
/// come first.
const MOST_MATCHES: i64 = 50;

/// Instruments whose symbol, or the pair in it, begins with `prefix`, in whose names each of `words` (letters and digits
/// alone) begins a word, or that are among `named`.
///
/// # Errors
/// Where the database fails.
pub async fn matching(
    pool: &PgPool,
    prefix: Option<&str>,
    words: &[String],
    named: &[Symbol],
) -> Result<Vec<Listed>, Error> {
    let pattern = prefix.map(|prefix| format!("{prefix}%"));
    let words: Vec<String> = words.iter().map(|word| format!("'{word}':*")).collect();
    let named: Vec<String> = named.iter().map(|symbol| symbol.as_str().to_owned()).collect();
    let rows = sqlx::query!(
        r#"select i.symbol, i.name,
                  exists (
                      select from series s join coverage_status c on c.series_id = s.id
                      where s.symbol = i.symbol and c.bar_count > 0
                  ) as "is_stored!"
           from instruments i
           where i.symbol like $1 or split_part(i.symbol, ':', 2) like $1 or i.symbol = any($3)
              or to_tsvector('simple', coalesce(i.name, '')) @@ to_tsquery('simple', $2)
           order by i.symbol = any($3) desc, length(i.symbol), i.symbol limit $4"#,
        pattern,
        words.join(" & "),
        &named,
        MOST_MATCHES
    )
    .fetch_all(Patient(pool))
    .await?;
    rows.into_iter()
        .map(|row| {
            let symbol = row.symbol.parse().map_err(|_| Error::Corrupt { what: "symbol", value: row.symbol })?;
            Ok(Listed { symbol, name: row.name, is_stored: row.is_stored })
        })
        .collect()
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
