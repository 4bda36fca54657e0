//! `GET /api/v1/quotes?symbols=AAPL,MSFT&tf=d1`: last price, change and freshness of up to 100 symbols.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use tidemark_app::api::parse;
use tidemark_market::{Quote, Timeframe};

use super::problem::Answer;
use crate::service::Service;

/// `symbols`, separated by commas, and the timeframe `tf` whose freshness is asked for.
#[derive(Debug, Deserialize)]
pub struct QuotesQuery {
    symbols: String,
    #[serde(alias = "tf")]
    timeframe: String,
}

/// Times are epoch milliseconds, UTC; prices are in today's shares.
#[derive(Debug, Serialize)]
pub struct QuotesAnswer {
    timeframe: Timeframe,
    /// In the order asked.
    quotes: Vec<Quote>,
}

pub async fn read(
    State(service): State<Arc<Service>>,
    query: Result<Query<QuotesQuery>, QueryRejection>,
) -> Answer<Json<QuotesAnswer>> {
    let Query(query) = query?;
    let (symbols, timeframe) = parse::watched(&query.symbols, &query.timeframe)?;
    Ok(Json(QuotesAnswer { timeframe, quotes: service.quotes(&symbols, timeframe).await? }))
}
