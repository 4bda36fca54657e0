//! `GET /api/v1/quality?symbol=AAPL&tf=h1[&from=&to=]`: what is not as it should be in a series.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use tidemark_market::quality::QualityReport;

use super::problem::Answer;
use super::series::SeriesQuery;
use crate::service::Service;

pub async fn read(
    State(service): State<Arc<Service>>,
    query: Result<Query<SeriesQuery>, QueryRejection>,
) -> Answer<Json<QualityReport>> {
    let Query(query) = query?;
    Ok(Json(service.quality(&query.series()?, query.window()).await?))
}
