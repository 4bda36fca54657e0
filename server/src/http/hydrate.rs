//! `POST /api/v1/hydrate` fills a series over a window, `GET /api/v1/progress` tells how far it is.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use tidemark_app::backend::CoverageRequest;
use tidemark_market::{Schedule, SeriesProgress};

use super::problem::Answer;
use super::series::SeriesQuery;
use crate::db;
use crate::service::{Service, nothing};

/// The body of a request to hydrate.
#[derive(Debug, Deserialize)]
pub struct HydrateRequest {
    #[serde(flatten)]
    query: SeriesQuery,
    /// Ask again by itself: `every 5m`, `open 1m`, `close` or `weekly`; the window then ends in the present.
    schedule: Option<Schedule>,
    /// Ask for what was not to be had too, though it is not due again.
    #[serde(default)]
    retry: bool,
}

pub async fn hydrate(
    State(service): State<Arc<Service>>,
    body: Result<Json<HydrateRequest>, JsonRejection>,
) -> Answer<(StatusCode, Json<SeriesProgress>)> {
    let Json(body) = body?;
    let (series, window) = (body.query.series()?, body.query.window());
    // A tool waits in line behind those who look at a chart.
    let visible = Some(nothing(service.clock.now()));
    let request = CoverageRequest { series, window, visible, retry: body.retry };
    let progress = service.ensure(&request, body.schedule).await?;
    Ok((StatusCode::ACCEPTED, Json(progress)))
}

pub async fn progress(
    State(service): State<Arc<Service>>,
    query: Result<Query<SeriesQuery>, QueryRejection>,
) -> Answer<Json<SeriesProgress>> {
    let Query(query) = query?;
    Ok(Json(db::progress::of_series(&service.pool, &query.series()?).await?))
}
