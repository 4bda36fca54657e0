//! Reading bars, gaps and revision of a series as one consistent picture.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use tidemark_app::backend::SeriesKey;
use tidemark_market::wire::LayerBars;
use tidemark_market::{Bar, Layer, TimeRange};

use super::{from_pg_range, to_multirange, to_utc};
use crate::error::Error;

/// What is stored of a series over a window.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// The series' revision.
    pub revision: u64,
    /// Bars by layer.
    pub layers: Vec<LayerBars>,
    /// Asked session time that is not covered, of all layers, sorted.
    pub gaps: Vec<TimeRange>,
    /// Who delivered the bars read.
    pub providers: Vec<String>,
}

/// Bars of `window` that changed after revision `since` (all where `None`), and what of `asked` is not covered. All of it
/// is one snapshot, so that revision, bars and gaps agree.
///
/// # Errors
/// Where the database fails.
pub async fn read(
    pool: &PgPool,
    series: &SeriesKey,
    window: TimeRange,
    since: Option<u64>,
    asked: &[(Layer, Vec<TimeRange>)],
) -> Result<Stored, Error> {
    let mut snapshot = pool.begin_with("begin isolation level repeatable read read only").await?;
    let row = sqlx::query!(
        "select id, revision from series where symbol = $1 and timeframe = $2",
        series.symbol.as_str(),
        series.timeframe.as_str()
    )
    .fetch_optional(&mut *snapshot)
    .await?;
    let Some(row) = row else {
        let gaps = asked.iter().flat_map(|(_, spans)| spans).copied().collect();
        return Ok(Stored { gaps: sorted(gaps), ..Stored::default() });
    };
    // A reader whose revision this database never had holds bars of another one, and gets everything.
    let since = since.map_or(0, |since| i64::try_from(since).unwrap_or(i64::MAX));
    let mut gaps = Vec::new();
    for (layer, spans) in asked {
        gaps.extend(read_gaps(&mut snapshot, row.id, *layer, spans).await?);
    }
    let mut stored = read_bars(&mut snapshot, row.id, window, since).await?;
    snapshot.commit().await?;
    stored.revision = row.revision.unsigned_abs();
    stored.gaps = sorted(gaps);
    Ok(stored)
}

fn sorted(mut gaps: Vec<TimeRange>) -> Vec<TimeRange> {
    gaps.sort_unstable();
    gaps
}

async fn read_gaps(
    snapshot: &mut PgConnection,
    series_id: i32,
    layer: Layer,
    asked: &[TimeRange],
) -> Result<Vec<TimeRange>, Error> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let gaps = sqlx::query_scalar!(
        r#"select gap as "gap!" from get_coverage_gaps($1, $2::text::bar_layer, $3::text::tstzmultirange) as gap"#,
        series_id,
        layer.as_str(),
        to_multirange(asked)
    )
    .fetch_all(snapshot)
    .await?;
    gaps.iter().map(from_pg_range).collect()
}

/// Rests on the primary key (series, layer, ts): one range scan a layer and year.
async fn read_bars(
    snapshot: &mut PgConnection,
    series_id: i32,
    window: TimeRange,
    since: i64,
) -> Result<Stored, Error> {
    let mut stored = Stored::default();
    for layer in Layer::ALL {
        let rows = sqlx::query_as!(
            BarRow,
            "select ts, open, high, low, close, volume, vwap, trades, band_low, band_high, provider
             from ohlc_bars_v2
             where series_id = $1 and layer = $2::text::bar_layer and ts >= $3 and ts < $4 and revision > $5
             order by ts",
            series_id,
            layer.as_str(),
            to_utc(window.start),
            to_utc(window.end),
            since
        )
        .fetch_all(&mut *snapshot)
        .await?;
        if rows.is_empty() {
            continue;
        }
        for row in &rows {
            if !stored.providers.contains(&row.provider) {
                stored.providers.push(row.provider.clone());
            }
        }
        let bands = rows.iter().filter_map(|row| row.band_low.zip(row.band_high)).collect();
        stored.layers.push(LayerBars { layer, bars: rows.iter().map(Bar::from).collect(), bands });
    }
    Ok(stored)
}

struct BarRow {
    ts: DateTime<Utc>,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
    vwap: Option<f64>,
    trades: Option<i32>,
    band_low: Option<f64>,
    band_high: Option<f64>,
    provider: String,
}

impl From<&BarRow> for Bar {
    fn from(row: &BarRow) -> Self {
        Self {
            ts: row.ts.into(),
            open: row.open,
            high: row.high,
            low: row.low,
            close: row.close,
            volume: row.volume,
            vwap: row.vwap,
            trades: row.trades.and_then(|trades| u32::try_from(trades).ok()),
        }
    }
}
