//! What operators do by hand. Asked for the operator token where one is set; else this machine alone may ask.

use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, header};
use tidemark_app::problem::Problem;

use super::Peer;
use super::problem::{Answer, HttpProblem};
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
