//! Answering a series from a finer one that is held.
//!
//! Nothing is stored: bars are made on reading, and each answer says of what. A bar is made only where all of its session
//! time is covered in the finer series.

use sqlx::PgPool;
use tidemark_app::backend::SeriesKey;
use tidemark_market::layer::{self, Layer};
use tidemark_market::resample::{self, resample};
use tidemark_market::slicing::{self, Ask};
use tidemark_market::wire::{Derived, LayerBars, bars_of};
use tidemark_market::{Adjust, Bar, Spans, TimeRange, Timestamp, calendar};

use crate::db;
use crate::db::bars::{Reading, Stored};
use crate::error::Error;

/// The most finer bars that are read for one answer. What needs more is fetched instead.
const MOST_FINER_BARS: i64 = 200_000;

/// A part of the asked time that a finer series answers.
struct Part {
    source: SeriesKey,
    range: TimeRange,
}

/// The asked session time that the series lacks and finer series answer.
///
/// # Errors
/// Where the database fails.
pub async fn answered(pool: &PgPool, series: &SeriesKey, ask: &Ask) -> Result<Spans, Error> {
    let parts = parts(pool, series, ask, &slicing::asked(ask)).await?;
    Ok(parts.iter().map(|part| part.range).collect())
}

/// Fills gaps of what is stored from finer series, and says which.
///
/// # Errors
/// Where the database fails.
pub async fn fill(
    pool: &PgPool,
    series: &SeriesKey,
    ask: &Ask,
    adjust: Adjust,
    stored: &mut Stored,
) -> Result<Vec<Derived>, Error> {
    let gaps: Spans = stored.gaps.iter().copied().collect();
    let parts = parts(pool, series, ask, &gaps).await?;
    let mut derived = Vec::new();
    for part in &parts {
        let bars = made(pool, series, ask, adjust, part, stored).await?;
        // Each into the layer that will hold the fetched bar, so that this takes its place.
        let recent = bars.partition_point(|bar| bar.ts < recent_from(ask));
        insert(&mut stored.layers, Layer::Historical, &bars[..recent]);
        insert(&mut stored.layers, Layer::Intraday, &bars[recent..]);
        derived.push(Derived { range: part.range, source: part.source.timeframe });
    }
    let filled: Spans = parts.iter().map(|part| part.range).collect();
    stored.gaps = gaps.subtract(&filled).into();
    Ok(derived)
}

/// What of `wanted` the series lacks and finer series answer, each part by the coarsest that does.
async fn parts(pool: &PgPool, series: &SeriesKey, ask: &Ask, wanted: &Spans) -> Result<Vec<Part>, Error> {
    let Some(hull) = wanted.hull() else { return Ok(Vec::new()) };
    let held = db::bars::covered(pool, &series.symbol, hull).await?;
    let own = held.iter().find(|it| it.timeframe == series.timeframe);
    let mut left = own.map_or_else(|| wanted.clone(), |own| wanted.subtract(&own.spans));
    let mut parts = Vec::new();
    for timeframe in resample::clean_sources(series.timeframe, ask.calendar) {
        let finer =
            held.iter().find(|it| it.timeframe == timeframe && series.symbol.calendar(it.hours) == ask.calendar);
        let Some(finer) = finer else { continue };
        let whole = resample::answered(&left, &finer.spans, ask.calendar, series.timeframe, timeframe);
        if whole.is_empty() || whole.millis() / timeframe.millis() > MOST_FINER_BARS {
            continue;
        }
        left = left.subtract(&whole);
        let source = SeriesKey { symbol: series.symbol.clone(), timeframe };
        parts.extend(whole.ranges().iter().map(|range| Part { source: source.clone(), range: *range }));
    }
    Ok(parts)
}

async fn made(
    pool: &PgPool,
    series: &SeriesKey,
    ask: &Ask,
    adjust: Adjust,
    part: &Part,
    stored: &mut Stored,
) -> Result<Vec<Bar>, Error> {
    let reading =
        Reading { window: part.range, ahead: part.range.end, since: None, as_of: None, adjust, asked: Vec::new() };
    let finer = db::bars::read(pool, &part.source, &reading).await?;
    for provider in finer.providers {
        if !stored.providers.contains(&provider) {
            stored.providers.push(provider);
        }
    }
    let of = |layer| bars_of(&finer.layers, layer);
    let sessions: Spans = ask.calendar.session_spans(part.source.timeframe, part.range, ask.now).into();
    let mut bars = layer::merge(of(Layer::Historical), of(Layer::Intraday), &[]);
    bars.retain(|bar| sessions.contains(bar.ts));
    Ok(resample(&bars, series.timeframe, ask.calendar))
}

/// Where the intraday layer begins, if the series has one.
fn recent_from(ask: &Ask) -> Timestamp {
    let has_intraday = layer::has_layer(ask.timeframe, Layer::Intraday);
    if has_intraday { layer::intraday_start(ask.calendar, ask.timeframe, ask.now) } else { calendar::END }
}

fn insert(layers: &mut Vec<LayerBars>, layer: Layer, bars: &[Bar]) {
    if bars.is_empty() {
        return;
    }
    match layers.iter_mut().find(|entry| entry.layer == layer) {
        Some(entry) => entry.bars = layer::merge(&entry.bars, bars, &[]),
        None => layers.push(LayerBars { layer, bars: bars.to_vec(), bands: Vec::new() }),
    }
}
