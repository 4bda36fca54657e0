//! What operators do by hand. Asked for the operator token where one is set; else this machine alone may ask.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use tidemark_app::problem::Problem;
use tidemark_market::Hours;

use super::Peer;
use super::problem::{Answer, HttpProblem};
use super::series::SeriesQuery;
use crate::providers::ApiKey;
use crate::queue::orchestrator::{self, Ticked};
use crate::service::Service;

/// `POST /api/v1/operator/tick`: does now what the clock does each minute.
pub async fn tick(
    State(service): State<Arc<Service>>,
    State(token): State<Option<Arc<ApiKey>>>,
    peer: Peer,
    headers: HeaderMap,
) -> Answer<Json<Ticked>> {
    authorize(token.as_deref(), &peer, &headers)?;
    Ok(Json(orchestrator::tick(&service).await?))
}

/// What is set of a series.
#[derive(Debug, Deserialize)]
pub struct SeriesSettings {
    #[serde(flatten)]
    query: SeriesQuery,
    /// `regular` or `extended`.
    hours: Hours,
}

/// Whether anything was changed.
#[derive(Debug, Serialize)]
pub struct Changed {
    changed: bool,
}

/// `POST /api/v1/operator/series`: sets which hours a series holds. Runs on their way are called off and coverage starts
/// anew, since bars that mix both hours differ.
pub async fn set_series(
    State(service): State<Arc<Service>>,
    State(token): State<Option<Arc<ApiKey>>>,
    peer: Peer,
    headers: HeaderMap,
    body: Result<Json<SeriesSettings>, JsonRejection>,
) -> Answer<Json<Changed>> {
    authorize(token.as_deref(), &peer, &headers)?;
    let Json(settings) = body?;
    Ok(Json(Changed { changed: service.set_hours(&settings.query.series()?, settings.hours).await? }))
}

fn authorize(token: Option<&ApiKey>, ConnectInfo(peer): &Peer, headers: &HeaderMap) -> Result<(), HttpProblem> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let is_operator = match token {
        Some(token) => bearer.is_some_and(|bearer| token.matches(bearer)),
        None => peer.ip().is_loopback(),
    };
    let detail =
        "Send the operator token as `Authorization: Bearer …`; without one set, ask from the server's machine.";
    is_operator.then_some(()).ok_or_else(|| Problem::new(403, "not_operator", "Operators only", detail).into())
}
