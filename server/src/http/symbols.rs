//! `GET /api/v1/symbols?q=app`: symbols that may be meant, the likeliest first.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use tidemark_app::api::Suggestion;

use super::problem::Answer;
use crate::service::Service;

/// The beginning of a symbol, or of words of a name.
#[derive(Debug, Deserialize)]
pub struct SymbolsQuery {
    q: String,
}

/// At most a dozen.
#[derive(Debug, Serialize)]
pub struct SymbolsAnswer {
    symbols: Vec<Suggestion>,
}

pub async fn find(
    State(service): State<Arc<Service>>,
    query: Result<Query<SymbolsQuery>, QueryRejection>,
) -> Answer<Json<SymbolsAnswer>> {
    let Query(query) = query?;
    Ok(Json(SymbolsAnswer { symbols: service.suggest(&query.q).await? }))
}
