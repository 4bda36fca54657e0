//! The way in: the HTTP API for tools, the event stream, operator endpoints, and the page.

mod bars;
mod events;
mod first_paint;
mod hydrate;
mod indicators;
mod named;
mod operator;
mod problem;
mod quality;
mod quotes;
mod series;
mod site;
mod standing;
mod symbols;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use leptos::config::LeptosOptions;
use leptos::prelude::{provide_context, use_context};
use leptos_axum::{LeptosRoutes, generate_route_list};
use metrics_exporter_prometheus::PrometheusHandle;
use tidemark_app::first_paint::FirstPaint;
use tidemark_app::{App, empty_shell, shell};
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::events::EventHub;
use crate::providers::ApiKey;
use crate::service::{Service, as_backend};

/// The largest request body that is read, in bytes. No request has use for more.
const MAX_BODY: usize = 64 * 1024;

/// What handlers work with.
#[derive(Clone, FromRef)]
pub struct AppState {
    /// Answers.
    pub service: Arc<Service>,
    /// Tells of changes.
    pub hub: EventHub,
    /// Counts.
    pub metrics: PrometheusHandle,
    /// How the page is rendered.
    pub leptos: LeptosOptions,
    /// Asked of operators; where `None`, only this machine is one.
    pub operator_token: Option<Arc<ApiKey>>,
    /// How long ended runs are kept.
    pub keep_runs: KeepRuns,
    /// Ends event streams when the process is to stop.
    pub shutdown: CancellationToken,
}

/// How long ended runs are kept.
#[derive(Clone, Copy, Debug)]
pub struct KeepRuns(pub Duration);

/// The whole site. Pages served from `allowed_origins` may use it too.
pub fn router(state: AppState, allowed_origins: &[String]) -> Router {
    let service = Arc::clone(&state.service);
    let (options, assets) = (state.leptos.clone(), site::assets(&state.leptos));
    let (names, empty) = (site::Names::of(&assets), empty_shell(&assets));
    let document = move |options: LeptosOptions| shell(options, &assets);
    let lost = leptos_axum::ErrorHandler::new(document.clone(), options.clone());
    let page = Router::new()
        .route("/shell", get(|| async { Html(empty) }))
        .route("/chart", get(named::page))
        .leptos_routes_with_context(
            &state,
            generate_route_list(App),
            move || {
                provide_context(as_backend(&service));
                if let Some(drawn) = use_context::<Parts>().and_then(|parts| parts.extensions.get().cloned()) {
                    provide_context::<FirstPaint>(drawn);
                }
            },
            move || document(options.clone()),
        )
        .route_layer(middleware::from_fn_with_state(Arc::clone(&state.service), first_paint::draw))
        .fallback_service(site::files(&state.leptos, lost));
    Router::new()
        .nest("/api/v1", tools())
        .merge(vital_signs())
        .route("/docs/errors", get(|| async { include_str!("../../../docs/errors.md") }))
        .merge(page)
        .layer(middleware::from_fn(move |request, next| site::cache_policy(names, request, next)))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(problem::as_problem))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(refuse_large_bodies))
        .layer(cors(allowed_origins))
        .with_state(state)
}

/// What a process without the web role answers: whether it is well.
pub fn signs_of_life(state: AppState) -> Router {
    vital_signs().with_state(state)
}

fn vital_signs() -> Router<AppState> {
    Router::new()
        .route("/healthz", get(health))
        .route("/metrics", get(|State(metrics): State<PrometheusHandle>| async move { metrics.render() }))
}

fn tools() -> Router<AppState> {
    Router::new()
        .route("/bars", get(bars::read))
        .route("/indicators", get(indicators::read))
        .route("/quality", get(quality::read))
        .route("/coverage", get(standing::read))
        .route("/cancel", post(standing::cancel))
        .route("/quotes", get(quotes::read))
        .route("/symbols", get(symbols::find))
        .route("/progress", get(hydrate::progress))
        .route("/hydrate", post(hydrate::hydrate))
        .route("/events", get(events::stream))
        .route("/operator/tick", post(operator::tick))
        .route("/operator/series", post(operator::set_series))
        .route("/operator/queue", post(operator::control_queue))
        .fallback(|| async { StatusCode::NOT_FOUND })
}

/// 200 where requests can be served: the database answers.
async fn health(State(service): State<Arc<Service>>) -> Response {
    let asked = tokio::time::timeout(Duration::from_secs(2), sqlx::query("select 1").execute(&service.pool)).await;
    match asked {
        Ok(Ok(_)) => "ok".into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "The database does not answer.").into_response(),
    }
}

/// Bodies that announce more than [`MAX_BODY`] are refused unread, whichever handler they are for.
async fn refuse_large_bodies(request: Request, next: Next) -> Response {
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > MAX_BODY) {
        return problem::too_large(MAX_BODY).into_response();
    }
    next.run(request).await
}

fn cors(allowed_origins: &[String]) -> CorsLayer {
    let origins = allowed_origins.iter().filter_map(|origin| origin.parse().ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([axum::http::Method::GET, axum::http::Method::POST])
        .allow_headers([header::CONTENT_TYPE, header::ACCEPT])
}

/// Who is asking.
type Peer = axum::extract::ConnectInfo<SocketAddr>;
