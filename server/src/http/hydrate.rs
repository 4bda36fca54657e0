//! `POST /api/v1/hydrate` fills a series over a window, `GET /api/v1/progress` tells how far it is.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use tidemark_app::backend::CoverageRequest;
use tidemark_market::SeriesProgress;

use super::problem::Answer;
use super::series::SeriesQuery;
use crate::db;
use crate::service::Service;

/// The body of a request to hydrate.
#[derive(Debug, Deserialize)]
pub struct HydrateRequest {
    #[serde(flatten)]
    query: SeriesQuery,
    /// Ask again by itself this often, from 1; the window then ends in the present.
    refresh_every_minutes: Option<std::num::NonZeroU32>,
    /// Ask for what was not to be had too, though it is not due again.
    #[serde(default)]
    retry: bool,
}

pub async fn hydrate(
    State(service): State<Arc<Service>>,
    body: Result<Json<HydrateRequest>, JsonRejection>,
) -> Answer<(StatusCode, Json<SeriesProgress>)> {
    let Json(body) = body?;
    let refresh_every = body.refresh_every_minutes.map(|minutes| Duration::from_secs(u64::from(minutes.get()) * 60));
    let (series, window) = (body.query.series()?, body.query.window());
    let request = CoverageRequest { series, window, visible: None, retry: body.retry };
    let progress = service.ensure(&request, refresh_every).await?;
    Ok((StatusCode::ACCEPTED, Json(progress)))
}

pub async fn progress(
    State(service): State<Arc<Service>>,
    query: Result<Query<SeriesQuery>, QueryRejection>,
) -> Answer<Json<SeriesProgress>> {
    let Query(query) = query?;
    Ok(Json(db::progress::of_series(&service.pool, &query.series()?).await?))
}
