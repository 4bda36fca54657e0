//! `GET /api/v1/coverage?symbol=AAPL&tf=h1[&from=&to=]` tells how a series' time stands, `POST /api/v1/cancel` calls off what
//! a viewer waits for.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use tidemark_market::SeriesProgress;
use tidemark_market::standing::StandingReport;

use super::problem::Answer;
use super::series::SeriesQuery;
use crate::service::Service;

pub async fn read(
    State(service): State<Arc<Service>>,
    query: Result<Query<SeriesQuery>, QueryRejection>,
) -> Answer<Json<StandingReport>> {
    let Query(query) = query?;
    Ok(Json(service.standing(&query.series()?, query.window()).await?))
}

pub async fn cancel(
    State(service): State<Arc<Service>>,
    body: Result<Json<SeriesQuery>, JsonRejection>,
) -> Answer<Json<SeriesProgress>> {
    let Json(query) = body?;
    Ok(Json(service.cancel(&query.series()?).await?))
}
