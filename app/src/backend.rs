//! What server functions need of the server. `server` implements it and hands it in as an [`Arc`] in the context.

use std::sync::Arc;

use async_trait::async_trait;
use leptos::prelude::{expect_context, use_context};
use leptos_axum::ResponseOptions;
use tidemark_market::quality::QualityReport;
use tidemark_market::standing::StandingReport;
use tidemark_market::wire::ChartData;
use tidemark_market::{Adjust, Quote, SeriesProgress, Symbol, TimeRange, Timeframe, Timestamp};

use crate::api::{Showcase, Suggestion};
use crate::problem::Problem;
pub use crate::series::SeriesKey;

/// What a chart asks for.
#[derive(Clone, Debug)]
pub struct ChartRequest {
    /// Whose bars.
    pub series: SeriesKey,
    /// A start and an end as asked, unchecked; the default window where `None`.
    pub window: Option<(Timestamp, Timestamp)>,
    /// Only what changed after this revision.
    pub since: Option<u64>,
    /// As it was known at this moment.
    pub as_of: Option<Timestamp>,
    /// In which shares prices are read.
    pub adjust: Adjust,
}

/// What is to be seen to.
#[derive(Clone, Debug)]
pub struct CoverageRequest {
    /// Of which series.
    pub series: SeriesKey,
    /// As in [`ChartRequest`].
    pub window: Option<(Timestamp, Timestamp)>,
    /// What is on screen, and so fetched first.
    pub visible: Option<TimeRange>,
    /// Ask for what was not to be had too, though it is not due again.
    pub retry: bool,
}

/// The server's side of the page.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Bars, gaps, holes and revision of a series.
    async fn chart_data(&self, request: ChartRequest) -> Result<ChartData, Problem>;

    /// Sees to it that what is missing in the window is on its way; asking twice makes nothing new.
    async fn ensure_coverage(&self, request: CoverageRequest) -> Result<SeriesProgress, Problem>;

    /// What is not as it should be in the series' default window.
    async fn quality(&self, series: SeriesKey) -> Result<QualityReport, Problem>;

    /// How the series' time stands over a window, as in [`ChartRequest`].
    async fn standing(
        &self,
        series: SeriesKey,
        window: Option<(Timestamp, Timestamp)>,
    ) -> Result<StandingReport, Problem>;

    /// Calls off what this viewer alone waits for; how far the hydration is then.
    async fn cancel(&self, series: SeriesKey) -> Result<SeriesProgress, Problem>;

    /// The series of real bars that a fresh install offers, and whether it can be had now.
    async fn showcase(&self) -> Showcase;

    /// How far the series' hydration is.
    async fn series_progress(&self, series: SeriesKey) -> Result<SeriesProgress, Problem>;

    /// How far the hydration of these symbols' series is, in their order.
    async fn progress_of_many(
        &self,
        symbols: Vec<Symbol>,
        timeframe: Timeframe,
    ) -> Result<Vec<SeriesProgress>, Problem>;

    /// Last price, change, picture and freshness of these symbols, in their order.
    async fn quotes(&self, symbols: Vec<Symbol>, timeframe: Timeframe) -> Result<Vec<Quote>, Problem>;

    /// Which symbols may be meant by what someone typed.
    async fn suggest(&self, text: String) -> Result<Vec<Suggestion>, Problem>;
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
