//! The quality report of the open series, fetched when someone wants to see it.

use leptos::prelude::*;
use leptos::task::spawn_local;
use tidemark_market::quality::QualityReport;

use crate::api;
use crate::problem::Problem;
use crate::series::SeriesKey;

/// The report, once it is there; `None` while it is on its way.
pub type Report = Option<Result<QualityReport, Problem>>;

/// The store of one page.
#[derive(Clone, Copy)]
pub struct QualityStore {
    series: Signal<Option<SeriesKey>>,
    report: RwSignal<Report>,
}

impl QualityStore {
    /// For the series that is open.
    #[must_use]
    pub fn new(series: Signal<Option<SeriesKey>>) -> Self {
        Self { series, report: RwSignal::new(None) }
    }

    /// What is to be shown.
    #[must_use]
    pub fn report(self) -> Signal<Report> {
        self.report.into()
    }

    /// Asks for the report as it is now.
    pub fn load(self) {
        self.report.set(None);
        let Some(series) = self.series.get_untracked() else { return };
        spawn_local(async move {
            let report = api::quality(series.symbol.to_string(), series.timeframe.to_string()).await;
            // Another series may be open by now.
            if self.series.get_untracked().as_ref() == Some(&series) {
                self.report.set(Some(report));
            }
        });
    }
}
