//! Bars from files and into files.

use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sqlx::{PgConnection, PgPool};
use tidemark_app::backend::SeriesKey;
use tidemark_market::layer::{Bounds, DISAGREEMENT_TOLERANCE};
use tidemark_market::{Adjust, Bar, Hours, Layer, Spans, Split, TimeRange, Timestamp};

use super::columns::{Columns, Values};
use super::{to_multirange, to_utc};
use crate::error::Error;

/// The provider that bars from files are booked under.
pub const FILE_PROVIDER: &str = "file";

/// Locks the series until the transaction ends, making it and its instrument where they are new: no provider is asked.
/// `None` where the series does not hold `hours`.
///
/// # Errors
/// Where the database fails.
pub async fn open_series(
    transaction: &mut PgConnection,
    series: &SeriesKey,
    hours: Hours,
    bounds: Bounds,
) -> Result<Option<i32>, Error> {
    let class = series.symbol.asset_class();
    let opened = sqlx::query_scalar!(
        "select open_series($1, $2, $3, $4, $5, $6, $7)",
        series.symbol.as_str(),
        class.as_str(),
        class.calendar(Hours::Regular).as_str(),
        series.timeframe.as_str(),
        hours.as_str(),
        to_utc(bounds.settled_through),
        to_utc(bounds.intraday_from)
    );
    Ok(opened.fetch_one(transaction).await?)
}

/// What became of bars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// New ones and changed ones; the rest was held with the same values.
    pub written: u64,
    /// Those of them that are new.
    pub added: u64,
}

/// Writes bars of one layer, one for each time, and books `covered`. What bars have no value for is left as it is held: for
/// volume where `has_volume` is false.
///
/// # Errors
/// Where the database fails; then nothing was written.
pub async fn write(
    transaction: &mut PgConnection,
    series_id: i32,
    layer: Layer,
    adjusted: bool,
    bars: &[Bar],
    has_volume: bool,
    covered: &Spans,
) -> Result<Written, Error> {
    let columns = Columns::from(bars);
    let volume = has_volume.then_some(columns.volume.as_slice());
    let row = sqlx::query!(
        r#"select written as "written!", added as "added!"
           from import_bars($1, $2::text::bar_layer, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
                            $14::text::tstzmultirange)"#,
        series_id,
        layer.as_str(),
        FILE_PROVIDER,
        adjusted,
        DISAGREEMENT_TOLERANCE,
        &columns.ts,
        &columns.open,
        &columns.high,
        &columns.low,
        &columns.close,
        volume,
        &columns.vwap as &[Option<f64>],
        &columns.trades as &[Option<i32>],
        to_multirange(covered.ranges())
    )
    .fetch_one(transaction)
    .await?;
    Ok(Written { written: row.written.unsigned_abs().into(), added: row.added.unsigned_abs().into() })
}

/// A bar and where it is from.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The bar.
    pub bar: Bar,
    /// Its layer.
    pub layer: Layer,
    /// Who delivered it.
    pub provider: String,
}

/// What of a series is exported.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Over which time.
    pub window: TimeRange,
    /// As it was known at this moment; as it is known now where `None`.
    pub as_of: Option<Timestamp>,
    /// In which shares prices are read.
    pub adjust: Adjust,
}

/// The series' id; `None` where nobody asked for it yet.
///
/// # Errors
/// Where the database fails.
pub async fn series_id(pool: &PgPool, series: &SeriesKey) -> Result<Option<i32>, Error> {
    let id = sqlx::query_scalar!(
        "select id from series where symbol = $1 and timeframe = $2",
        series.symbol.as_str(),
        series.timeframe.as_str()
    );
    Ok(id.fetch_optional(pool).await?)
}

/// Bars that have happened, the winning layer's for each time, oldest first, as they come from the database. Of a past
/// moment each has the value it had then: the present one where that is older, else the one that was replaced after it.
pub fn stream<'a>(
    transaction: &'a mut PgConnection,
    series_id: i32,
    wanted: &'a Wanted,
    splits: &'a [Split],
) -> BoxStream<'a, Result<Kept, Error>> {
    let rows = sqlx::query_as!(
        KeptRow,
        r#"select distinct on (ts) ts as "ts!", layer::text as "layer!", open as "open!", high as "high!", low as "low!",
                  close as "close!", volume as "volume!", vwap, trades, provider as "provider!", adjusted_at
           from (
               select ts, layer, open, high, low, close, volume, vwap, trades, provider,
                      case when adjusted then fetched_at end as adjusted_at
               from ohlc_bars_v2
               where series_id = $1 and layer <> 'forecast' and ts >= $2 and ts < $3
                 and ($4::timestamptz is null or fetched_at <= $4)
               union all
               select ts, layer, open, high, low, close, volume, vwap, trades, provider,
                      case when adjusted then fetched_at end
               from ohlc_bar_revisions
               where series_id = $1 and layer <> 'forecast' and ts >= $2 and ts < $3
                 and fetched_at <= $4 and replaced_at > $4
           ) known
           order by ts, layer"#,
        series_id,
        to_utc(wanted.window.start),
        to_utc(wanted.window.end),
        wanted.as_of.map(to_utc)
    );
    rows.fetch(transaction).map_err(Error::from).map(|row| row?.kept(splits, wanted.adjust)).boxed()
}

struct KeptRow {
    ts: DateTime<Utc>,
    layer: String,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
    vwap: Option<f64>,
    trades: Option<i32>,
    provider: String,
    adjusted_at: Option<DateTime<Utc>>,
}

impl KeptRow {
    fn kept(self, splits: &[Split], adjust: Adjust) -> Result<Kept, Error> {
        let KeptRow { ts, open, high, low, close, volume, vwap, trades, adjusted_at, .. } = self;
        let bar = Values { ts, open, high, low, close, volume, vwap, trades, adjusted_at }.read(splits, adjust);
        let layer = self.layer.parse().map_err(|_| Error::Corrupt { what: "layer", value: self.layer })?;
        Ok(Kept { bar, layer, provider: self.provider })
    }
}
