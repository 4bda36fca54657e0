//! What providers still allow, shared by every process.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::types::PgInterval;

use super::queue::to_interval;
use super::to_utc;
use crate::error::Error;
use crate::providers::Allowance;

/// Has everyone leave a provider alone for `delay`: its limit turned a request away.
///
/// # Errors
/// Where the database fails.
pub async fn hold_back(
    pool: &PgPool,
    provider: &str,
    allowance: Option<&Allowance>,
    delay: Duration,
) -> Result<(), Error> {
    let reason = format!("{provider} allows no more requests for {} s.", delay.as_secs().max(1));
    book(pool, provider, allowance, Some(delay), &reason).await
}

/// Books what a provider told of its limit. With `block` nothing of it is claimed for that long, for that reason; where
/// nothing is left, until its window ends.
///
/// # Errors
/// Where the database fails.
pub async fn book(
    pool: &PgPool,
    provider: &str,
    allowance: Option<&Allowance>,
    block: Option<Duration>,
    reason: &str,
) -> Result<(), Error> {
    let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    sqlx::query!(
        "select book_allowance($1, $2, $3, $4, $5, $6)",
        provider,
        allowance.map(|allowance| number(allowance.allowed)),
        allowance.map(|allowance| number(allowance.available)),
        allowance.map(|allowance| to_utc(allowance.resets_at)),
        block.map(to_interval) as Option<PgInterval>,
        reason
    )
    .execute(pool)
    .await?;
    Ok(())
}
