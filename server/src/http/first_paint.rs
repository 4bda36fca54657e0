//! The newest bars of the series that a page is opened for, so that the document shows them before any script runs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tidemark_app::backend::ChartRequest;
use tidemark_app::chart::look::Look;
use tidemark_app::first_paint::FirstPaint;
use tidemark_app::visit::Visit;

use crate::service::Service;

/// How long a document waits for its bars. A database that is slower delays no page.
const DEADLINE: Duration = Duration::from_millis(150);
const DEFAULT_TIMEFRAME: &str = "h1";

/// Puts the drawing of the series that the address names into the request. Where there is none in time the page comes
/// without, and fetches its bars as it does anyway.
pub async fn draw(
    State(service): State<Arc<Service>>,
    symbol: Option<Path<String>>,
    Query(asked): Query<HashMap<String, String>>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(Path(symbol)) = symbol
        && let Some(drawn) = drawing(&service, &symbol, &asked).await
    {
        request.extensions_mut().insert(drawn);
    }
    next.run(request).await
}

async fn drawing(service: &Service, symbol: &str, asked: &HashMap<String, String>) -> Option<FirstPaint> {
    let asked = |name: &str| asked.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let timeframe = asked("tf").unwrap_or(DEFAULT_TIMEFRAME);
    let visit = Visit::parse(symbol, timeframe, asked("as_of"), asked("adjust")).ok()?;
    // What can't be read is told by the page itself.
    let look = Look::parse(|name| asked(name).map(str::to_owned)).unwrap_or_default();
    let request =
        ChartRequest { series: visit.series, window: None, since: None, as_of: visit.as_of, adjust: visit.adjust };
    match tokio::time::timeout(DEADLINE, service.read_chart(&request)).await {
        Ok(Ok(data)) => Some(FirstPaint::of(&data, &look)),
        Ok(Err(error)) => {
            tracing::debug!(%error, series = %request.series, "a page comes without its first bars");
            None
        }
        Err(_) => {
            tracing::debug!(series = %request.series, "a page comes without its first bars: the database is slow");
            None
        }
    }
}
