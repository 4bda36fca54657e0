//! Reading bars, gaps, reasons and revision of a series as one consistent picture.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use tidemark_app::backend::SeriesKey;
use tidemark_market::coverage::Hole;
use tidemark_market::wire::LayerBars;
use tidemark_market::{Adjust, Bar, Hours, Layer, Spans, Split, Symbol, TimeRange, Timeframe, Timestamp};

use super::columns::Values;
use super::series::read_hours;
use super::{from_pg_range, holes, splits, to_multirange, to_pg_range, to_utc};
use crate::error::Error;

/// What is read of a series.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Over which time.
    pub window: TimeRange,
    /// Until when what is expected is read: it lies after the window.
    pub ahead: Timestamp,
    /// Only what changed after this revision; everything where `None`.
    pub since: Option<u64>,
    /// As it was known at this moment; as it is known now where `None`.
    pub as_of: Option<Timestamp>,
    /// In which shares prices are read.
    pub adjust: Adjust,
    /// The session time that is wanted of each layer.
    pub asked: Vec<(Layer, Vec<TimeRange>)>,
}

impl Reading {
    fn end_of(&self, layer: Layer) -> Timestamp {
        match layer {
            Layer::Historical | Layer::Intraday => self.window.end,
            Layer::Forecast => self.ahead,
        }
    }
}

/// What is stored of a series over a window.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// The series' revision.
    pub revision: u64,
    /// Which part of the day it holds.
    pub hours: Hours,
    /// The revision after which this is all that changed; `None` where this is everything, since that was asked for, or
    /// since the reader's revision is another database's or was read otherwise than now.
    pub since: Option<u64>,
    /// Bars by layer.
    pub layers: Vec<LayerBars>,
    /// Asked session time that is not covered, of all layers, sorted. Empty for a past moment, of which it is not known.
    pub gaps: Vec<TimeRange>,
    /// Why time in the window is without bars, sorted.
    pub holes: Vec<Hole>,
    /// Who delivered the bars read.
    pub providers: Vec<String>,
}

/// What is stored. All of it is one snapshot, so that revision, bars and gaps agree.
///
/// # Errors
/// Where the database fails.
pub async fn read(pool: &PgPool, series: &SeriesKey, reading: &Reading) -> Result<Stored, Error> {
    let mut snapshot = pool.begin_with("begin isolation level repeatable read read only").await?;
    let row = sqlx::query!(
        "select id, revision, full_before, hours from series where symbol = $1 and timeframe = $2",
        series.symbol.as_str(),
        series.timeframe.as_str()
    )
    .fetch_optional(&mut *snapshot)
    .await?;
    let Some(row) = row else {
        let asked = reading.asked.iter().filter(|_| reading.as_of.is_none()).flat_map(|(_, spans)| spans);
        return Ok(Stored { gaps: sorted(asked.copied().collect()), ..Stored::default() });
    };
    let (revision, full_before) = (row.revision.unsigned_abs(), row.full_before.unsigned_abs());
    let since = reading.since.filter(|since| (full_before..=revision).contains(since));
    let splits = splits::in_effect(&mut snapshot, series, reading.as_of).await?;
    let mut stored = match reading.as_of {
        None => read_bars(&mut snapshot, row.id, reading, since, &splits).await?,
        Some(as_of) => read_bars_as_of(&mut snapshot, row.id, reading, as_of, &splits).await?,
    };
    if reading.as_of.is_none() {
        for (layer, spans) in &reading.asked {
            stored.gaps.extend(read_gaps(&mut snapshot, row.id, *layer, spans).await?);
        }
        let found = holes::read(&mut snapshot, row.id, reading.window).await?;
        stored.holes = found.into_iter().rev().map(|found| found.hole).collect();
    }
    snapshot.commit().await?;
    Ok(Stored { revision, since, hours: read_hours(&row.hours)?, gaps: sorted(stored.gaps), ..stored })
}

/// What is covered of one series.
#[derive(Clone, Debug)]
pub struct Covered {
    /// Which of the symbol's series.
    pub timeframe: Timeframe,
    /// Which part of the day it holds.
    pub hours: Hours,
    /// In any layer of what has happened.
    pub spans: Spans,
}

/// What is covered of a symbol's series over a window; series without any coverage there are left out.
///
/// # Errors
/// Where the database fails.
pub async fn covered(pool: &PgPool, symbol: &Symbol, window: TimeRange) -> Result<Vec<Covered>, Error> {
    let rows = sqlx::query!(
        r#"select s.timeframe, s.hours, array_agg(span) as "spans!"
           from series s join coverage_status c on c.series_id = s.id and c.layer <> 'forecast'
           cross join unnest(c.covered * tstzmultirange($2)) as span
           where s.symbol = $1
           group by s.id"#,
        symbol.as_str(),
        to_pg_range(window)
    )
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let timeframe = row.timeframe.parse();
            Ok(Covered {
                timeframe: timeframe.map_err(|_| Error::Corrupt { what: "timeframe", value: row.timeframe.clone() })?,
                hours: read_hours(&row.hours)?,
                spans: row.spans.iter().map(from_pg_range).collect::<Result<_, _>>()?,
            })
        })
        .collect()
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
    reading: &Reading,
    since: Option<u64>,
    splits: &[Split],
) -> Result<Stored, Error> {
    let since = since.map_or(0, |since| i64::try_from(since).unwrap_or(i64::MAX));
    let mut stored = Stored::default();
    for layer in Layer::ALL {
        let rows = sqlx::query_as!(
            BarRow,
            "select ts, open, high, low, close, volume, vwap, trades, band_low, band_high, provider,
                    case when adjusted then fetched_at end as adjusted_at
             from ohlc_bars_v2
             where series_id = $1 and layer = $2::text::bar_layer and ts >= $3 and ts < $4 and revision > $5
             order by ts",
            series_id,
            layer.as_str(),
            to_utc(reading.window.start),
            to_utc(reading.end_of(layer)),
            since
        )
        .fetch_all(&mut *snapshot)
        .await?;
        stored.take(layer, &rows, splits, reading.adjust);
    }
    Ok(stored)
}

/// The value each bar had at `as_of`: the present one where it is older, else the one that was replaced after it.
async fn read_bars_as_of(
    snapshot: &mut PgConnection,
    series_id: i32,
    reading: &Reading,
    as_of: Timestamp,
    splits: &[Split],
) -> Result<Stored, Error> {
    let mut stored = Stored::default();
    for layer in Layer::ALL {
        let rows = sqlx::query_as!(
            BarRow,
            r#"select ts as "ts!", open as "open!", high as "high!", low as "low!", close as "close!",
                      volume as "volume!", vwap, trades, band_low, band_high, provider as "provider!", adjusted_at
               from (
                   select ts, open, high, low, close, volume, vwap, trades, band_low, band_high, provider,
                          case when adjusted then fetched_at end as adjusted_at
                   from ohlc_bars_v2
                   where series_id = $1 and layer = $2::text::bar_layer and ts >= $3 and ts < $4 and fetched_at <= $5
                   union all
                   select ts, open, high, low, close, volume, vwap, trades, band_low, band_high, provider,
                          case when adjusted then fetched_at end
                   from ohlc_bar_revisions
                   where series_id = $1 and layer = $2::text::bar_layer and ts >= $3 and ts < $4
                     and fetched_at <= $5 and replaced_at > $5
               ) known
               order by ts"#,
            series_id,
            layer.as_str(),
            to_utc(reading.window.start),
            to_utc(reading.end_of(layer)),
            to_utc(as_of)
        )
        .fetch_all(&mut *snapshot)
        .await?;
        stored.take(layer, &rows, splits, reading.adjust);
    }
    Ok(stored)
}

impl Stored {
    fn take(&mut self, layer: Layer, rows: &[BarRow], splits: &[Split], adjust: Adjust) {
        if rows.is_empty() {
            return;
        }
        for row in rows {
            if !self.providers.contains(&row.provider) {
                self.providers.push(row.provider.clone());
            }
        }
        let bands = rows.iter().filter_map(|row| row.band_low.zip(row.band_high)).collect();
        let bars = rows.iter().map(|row| row.bar(splits, adjust)).collect();
        self.layers.push(LayerBars { layer, bars, bands });
    }
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
    adjusted_at: Option<DateTime<Utc>>,
}

impl BarRow {
    fn bar(&self, splits: &[Split], adjust: Adjust) -> Bar {
        let Self { ts, open, high, low, close, volume, vwap, trades, adjusted_at, .. } = *self;
        Values { ts, open, high, low, close, volume, vwap, trades, adjusted_at }.read(splits, adjust)
    }
}
