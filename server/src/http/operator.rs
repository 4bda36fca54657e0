//! What operators do by hand. Asked for the operator token where one is set; else this machine alone may ask.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use tidemark_app::problem::Problem;
use tidemark_market::Hours;

use super::problem::{Answer, HttpProblem};
use super::series::SeriesQuery;
use super::{KeepRuns, Peer};
use crate::control::{Action, Scope, ScopeError};
use crate::providers::ApiKey;
use crate::queue::orchestrator::{self, Ticked};
use crate::service::Service;

/// The longest name of an operator that is recorded, in characters.
const MAX_NAME: usize = 100;

/// `POST /api/v1/operator/tick`: does now what the clock does each minute.
pub async fn tick(
    State(service): State<Arc<Service>>,
    State(token): State<Option<Arc<ApiKey>>>,
    State(KeepRuns(keep_runs)): State<KeepRuns>,
    peer: Peer,
    headers: HeaderMap,
) -> Answer<Json<Ticked>> {
    authorize(token.as_deref(), &peer, &headers)?;
    Ok(Json(orchestrator::tick(&service, keep_runs).await?))
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

/// What is to be done to the queue.
#[derive(Debug, Deserialize)]
pub struct ControlRequest {
    /// `pause`, `resume`, `cancel` or `retry`.
    action: Action,
    /// `run 17`, `series AAPL h1`, `provider polygon` or `all`.
    scope: String,
    /// Who asks, for the record; the address it is asked from where nothing is said.
    who: Option<String>,
}

/// What was done.
#[derive(Debug, Serialize)]
pub struct Controlled {
    /// How many runs it touched.
    affected: u32,
}

/// `POST /api/v1/operator/queue`: pauses, resumes, cancels or retries, and records who did.
pub async fn control_queue(
    State(service): State<Arc<Service>>,
    State(token): State<Option<Arc<ApiKey>>>,
    peer: Peer,
    headers: HeaderMap,
    body: Result<Json<ControlRequest>, JsonRejection>,
) -> Answer<Json<Controlled>> {
    authorize(token.as_deref(), &peer, &headers)?;
    let Json(asked) = body?;
    let scope: Scope = asked.scope.parse().map_err(|error: ScopeError| {
        HttpProblem::from(Problem::new(400, "bad_scope", "That is nothing to act on", error.to_string()))
    })?;
    let who = asked.who.filter(|who| !who.trim().is_empty()).unwrap_or_else(|| peer.0.ip().to_string());
    let who: String = who.chars().take(MAX_NAME).collect();
    Ok(Json(Controlled { affected: service.control(asked.action, &scope, &who).await? }))
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
