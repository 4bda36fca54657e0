//! How long slices may be, as learned from what providers answered.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::PgPool;
use tidemark_market::{Layer, Timeframe};

use super::patient::Patient;
use super::queue::to_interval;
use crate::error::Error;

/// Whose slices of which timeframe and layer.
pub type SizeKey = (String, Timeframe, Layer);

/// All sizes that were learned, in milliseconds.
///
/// # Errors
/// Where the database fails.
pub async fn read(pool: &PgPool) -> Result<HashMap<SizeKey, i64>, Error> {
    let rows = sqlx::query!(
        r#"select provider, timeframe, layer::text as "layer!", (extract(epoch from size) * 1000)::bigint as "millis!"
           from slice_sizes"#
    )
    .fetch_all(Patient(pool))
    .await?;
    rows.into_iter()
        .map(|row| {
            let corrupt = |what, value: &str| Error::Corrupt { what, value: value.to_owned() };
            let timeframe = row.timeframe.parse().map_err(|_| corrupt("timeframe", &row.timeframe))?;
            let layer = row.layer.parse().map_err(|_| corrupt("layer", &row.layer))?;
            Ok(((row.provider, timeframe, layer), row.millis))
        })
        .collect()
}

/// Sets a size, unless another process has changed it from `former` meanwhile.
///
/// # Errors
/// Where the database fails.
pub async fn set(pool: &PgPool, (provider, timeframe, layer): &SizeKey, former: i64, size: i64) -> Result<(), Error> {
    let interval = |millis: i64| to_interval(Duration::from_millis(millis.unsigned_abs()));
    sqlx::query!(
        "select set_slice_size($1, $2, $3::text::bar_layer, $4, $5)",
        provider,
        timeframe.as_str(),
        layer.as_str(),
        interval(former),
        interval(size)
    )
    .execute(Patient(pool))
    .await?;
    Ok(())
}
