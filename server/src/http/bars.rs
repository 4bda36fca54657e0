//! `GET /api/v1/bars?symbol=AAPL&tf=h1[&from=&to=&as_of=&adjust=]`: bars for tools, one for each time, the winning
//! layer's.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Serialize;
use tidemark_market::coverage::Hole;
use tidemark_market::wire::{Derived, bars_of};
use tidemark_market::{Bar, Layer, Symbol, TimeRange, Timeframe, layer};

use super::problem::Answer;
use super::series::SeriesQuery;
use crate::service::Service;

/// Times are epoch milliseconds, UTC; ranges are half open.
#[derive(Debug, Serialize)]
pub struct BarsAnswer {
    symbol: Symbol,
    timeframe: Timeframe,
    window: TimeRange,
    revision: u64,
    /// Whether the bars are made up by the demo provider.
    synthetic: bool,
    providers: Vec<String>,
    /// Session time in the window that is not covered yet; ask `POST /api/v1/hydrate` for it.
    gaps: Vec<TimeRange>,
    /// Why time in the window is without bars: answered empty, outside of the provider's plan or depth, failed.
    holes: Vec<Hole>,
    /// What was answered from bars of a finer timeframe.
    derived: Vec<Derived>,
    bars: Vec<Bar>,
}

pub async fn read(
    State(service): State<Arc<Service>>,
    query: Result<Query<SeriesQuery>, QueryRejection>,
) -> Answer<Json<BarsAnswer>> {
    let Query(query) = query?;
    let data = service.read_chart(&query.chart_request()?).await?;
    let of = |layer| bars_of(&data.layers, layer);
    Ok(Json(BarsAnswer {
        bars: layer::merge(of(Layer::Historical), of(Layer::Intraday), &[]),
        symbol: data.symbol,
        timeframe: data.timeframe,
        window: data.window,
        revision: data.revision,
        synthetic: data.synthetic,
        providers: data.providers,
        gaps: data.gaps,
        holes: data.holes,
        derived: data.derived,
    }))
}
