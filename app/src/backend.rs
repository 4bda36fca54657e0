//! What server functions need of the server. `server` implements it and hands it in as an [`Arc`] in the context.

use std::sync::Arc;

use async_trait::async_trait;
use leptos::prelude::{expect_context, use_context};
use leptos_axum::ResponseOptions;
use tidemark_market::wire::ChartData;
use tidemark_market::{SeriesProgress, TimeRange, Timestamp};

use crate::problem::Problem;
pub use crate::series::SeriesKey;

/// The server's side of the page.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Bars, gaps and revision of a series. `window` is a start and an end as asked, unchecked; the default one where
    /// `None`. With `since` only what changed after that revision.
    async fn chart_data(
        &self,
        series: SeriesKey,
        window: Option<(Timestamp, Timestamp)>,
        since: Option<u64>,
    ) -> Result<ChartData, Problem>;

    /// Sees to it that what is missing in the window is on its way; asking twice makes nothing new.
    async fn ensure_coverage(
        &self,
        series: SeriesKey,
        window: Option<(Timestamp, Timestamp)>,
        visible: Option<TimeRange>,
    ) -> Result<SeriesProgress, Problem>;

    /// How far the series' hydration is.
    async fn series_progress(&self, series: SeriesKey) -> Result<SeriesProgress, Problem>;
}

/// The backend of this request.
#[must_use]
pub fn backend() -> Arc<dyn Backend> {
    expect_context::<Arc<dyn Backend>>()
}

/// Gives the response the status of the problem, so that tools and logs see what the page sees.
pub fn with_status<T>(result: Result<T, Problem>) -> Result<T, Problem> {
    if let (Err(problem), Some(response)) = (&result, use_context::<ResponseOptions>())
        && let Ok(status) = problem.status.try_into()
    {
        response.set_status(status);
    }
    result
}
