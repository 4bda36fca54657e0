//! What providers still allow, shared by every process.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::types::PgInterval;

use super::patient::Patient;
use super::queue::to_interval;
use crate::error::Error;
use crate::providers::{Allowance, Limit};

/// Sets what is known of a provider's limit beforehand. What was learned since stays.
///
/// # Errors
/// Where the database fails.
pub async fn set_limit(pool: &PgPool, provider: &str, limit: &Limit) -> Result<(), Error> {
    sqlx::query!(
        "select set_provider_limit($1, $2, $3, $4, $5)",
        provider,
        limit.requests.map(number),
        to_interval(limit.period),
        limit.concurrency.map(number),
        limit.is_learning
    )
    .execute(Patient(pool))
    .await?;
    Ok(())
}

/// A request that is no run's: it counts until it is ended.
#[derive(Clone, Copy, Debug)]
pub struct Request(pub(super) i64);

/// Takes a request to the provider; `None` where it allows none now.
///
/// # Errors
/// Where the database fails.
pub async fn take(pool: &PgPool, provider: &str) -> Result<Option<Request>, Error> {
    let taken = sqlx::query_scalar!("select take_request($1)", provider);
    Ok(taken.fetch_one(Patient(pool)).await?.map(Request))
}

/// Books that a request was answered, or failed.
///
/// # Errors
/// Where the database fails.
pub async fn end(pool: &PgPool, request: Request) -> Result<(), Error> {
    sqlx::query!("select end_request($1)", request.0).execute(Patient(pool)).await?;
    Ok(())
}

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
    book_allowance(pool, provider, allowance, Some((delay, &reason))).await
}

/// Books what a provider told of its limit.
///
/// # Errors
/// Where the database fails.
pub async fn book(pool: &PgPool, provider: &str, allowance: &Allowance) -> Result<(), Error> {
    book_allowance(pool, provider, Some(allowance), None).await
}

async fn book_allowance(
    pool: &PgPool,
    provider: &str,
    allowance: Option<&Allowance>,
    block: Option<(Duration, &str)>,
) -> Result<(), Error> {
    sqlx::query!(
        "select book_allowance($1, $2, $3, $4, $5, $6, $7)",
        provider,
        allowance.map(|allowance| number(allowance.allowed)),
        allowance.map(|allowance| number(allowance.available)),
        allowance.map(|allowance| allowance.resets_at.0),
        allowance.map(|allowance| to_interval(allowance.resets_in)) as Option<PgInterval>,
        block.map(|(delay, _)| to_interval(delay)) as Option<PgInterval>,
        block.map(|(_, reason)| reason)
    )
    .execute(Patient(pool))
    .await?;
    Ok(())
}

/// Books that a provider could not be reached or failed by itself; true where it counts as down since, and is left alone
/// for `pause`, doubled with each further failure.
///
/// # Errors
/// Where the database fails.
pub async fn book_failure(pool: &PgPool, provider: &str, pause: Duration) -> Result<bool, Error> {
    let is_down =
        sqlx::query_scalar!(r#"select book_provider_failure($1, $2) as "down!""#, provider, to_interval(pause));
    Ok(is_down.fetch_one(Patient(pool)).await?)
}

fn number(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
