//! What pages and tools ask: chart data, coverage, progress. The page's server functions and the HTTP API both come here.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgPool;
use tidemark_app::backend::{Backend, SeriesKey};
use tidemark_app::problem::Problem;
use tidemark_market::slicing::{self, Ask, PlannedSlice};
use tidemark_market::wire::ChartData;
use tidemark_market::{Hours, Layer, SeriesProgress, TimeRange, Timestamp};

use crate::clock::Clock;
use crate::db;
use crate::error::Error;
use crate::providers::Listing;
use crate::queue::notifier::Notifier;
use crate::registry::Registry;

/// A window as asked: start and end, unchecked.
pub type AskedWindow = Option<(Timestamp, Timestamp)>;

/// Answers what is asked.
pub struct Service {
    /// The database.
    pub pool: PgPool,
    /// Who fetches, and who knows which symbols exist.
    pub registry: Registry,
    /// Where changes are told.
    pub notifier: Notifier,
    /// The time by which windows are cut.
    pub clock: Clock,
}

impl Service {
    /// Bars, gaps and revision. Bars changed after `since` only, unless the store never had that revision.
    ///
    /// # Errors
    /// A window that makes no sense; the database.
    pub async fn read_chart(
        &self,
        series: &SeriesKey,
        window: AskedWindow,
        since: Option<u64>,
    ) -> Result<ChartData, Error> {
        let ask = self.ask(series, window, None, None)?;
        let asked = [Layer::Historical, Layer::Intraday].map(|layer| (layer, slicing::asked_spans(&ask, layer)));
        let whole = whole_bars(&ask, &asked);
        let mut stored = db::bars::read(&self.pool, series, whole, since, &asked).await?;
        let mut since = since;
        if since.is_some_and(|since| since > stored.revision) {
            since = None;
            stored = db::bars::read(&self.pool, series, whole, None, &asked).await?;
        }
        Ok(ChartData {
            symbol: series.symbol.clone(),
            timeframe: series.timeframe,
            window: whole,
            since,
            revision: stored.revision,
            layers: stored.layers,
            gaps: stored.gaps,
            synthetic: stored.providers.iter().any(|name| self.registry.is_synthetic(name)),
            providers: stored.providers,
        })
    }

    /// Sees to it that what is missing is on its way; how far it is.
    ///
    /// # Errors
    /// A window that makes no sense, a symbol nobody knows, no provider for it; the database.
    pub async fn ensure(
        &self,
        series: &SeriesKey,
        window: AskedWindow,
        visible: Option<TimeRange>,
        refresh_every: Option<Duration>,
    ) -> Result<SeriesProgress, Error> {
        let slice_millis = db::queue::slice_override(&self.pool, series).await?;
        let ask = self.ask(series, window, visible, slice_millis)?;
        let slices = slicing::plan(&ask)?;
        if !slices.is_empty() || refresh_every.is_some() {
            self.verify(series).await?;
            self.enqueue(series, &ask, refresh_every, &slices).await?;
        }
        db::progress::of_series(&self.pool, series).await
    }

    /// Asks for what a periodic definition lacks from `start` up to now; how many slices that made.
    ///
    /// # Errors
    /// As [`Service::ensure`].
    pub async fn refresh(&self, series: &SeriesKey, start: Timestamp) -> Result<u32, Error> {
        let slice_millis = db::queue::slice_override(&self.pool, series).await?;
        let nothing_visible = TimeRange { start, end: start };
        let ask = self.ask(series, Some((start, self.clock.now())), Some(nothing_visible), slice_millis)?;
        let slices = slicing::plan(&ask)?;
        if slices.is_empty() { Ok(0) } else { self.enqueue(series, &ask, None, &slices).await }
    }

    fn ask(
        &self,
        series: &SeriesKey,
        window: AskedWindow,
        visible: Option<TimeRange>,
        slice_millis: Option<i64>,
    ) -> Result<Ask, Error> {
        let now = self.clock.now();
        let window = match window {
            Some((start, end)) => slicing::check_window(start, end, now)?,
            None => slicing::default_window(series.timeframe, now),
        };
        let (calendar, timeframe) = (series.symbol.calendar(Hours::Regular), series.timeframe);
        Ok(Ask { calendar, timeframe, window, visible, now, slice_millis })
    }

    async fn enqueue(
        &self,
        series: &SeriesKey,
        ask: &Ask,
        refresh_every: Option<Duration>,
        slices: &[PlannedSlice],
    ) -> Result<u32, Error> {
        let served: Vec<(PlannedSlice, &str)> = slices
            .iter()
            .map(|slice| {
                let provider = self.registry.provider_for(&series.symbol, series.timeframe, slice.layer);
                let provider = provider.ok_or_else(|| Error::NoProvider(series.symbol.to_string()))?;
                Ok((slice.clone(), provider.name()))
            })
            .collect::<Result<_, Error>>()?;
        let ensured = db::queue::ensure_coverage(&self.pool, series, ask.window, refresh_every, &served).await?;
        if ensured.created > 0 {
            self.notifier.changed(series);
        }
        Ok(ensured.created)
    }

    /// Books the symbol as known, asking providers the first time.
    async fn verify(&self, series: &SeriesKey) -> Result<(), Error> {
        let symbol = &series.symbol;
        if db::instruments::is_known(&self.pool, symbol).await? {
            return Ok(());
        }
        let listing = self.look_up(series).await?;
        db::instruments::add(&self.pool, &listing).await
    }

    async fn look_up(&self, series: &SeriesKey) -> Result<Listing, Error> {
        let symbol = &series.symbol;
        let mut verdict = Error::NoProvider(symbol.to_string());
        for provider in self.registry.knowing(symbol) {
            match provider.knows(symbol).await {
                Ok(Some(listing)) => return Ok(listing),
                Ok(None) if matches!(verdict, Error::Unverified { .. }) => {}
                Ok(None) => verdict = Error::UnknownSymbol(symbol.to_string()),
                Err(source) => {
                    let provider = provider.name().to_owned();
                    verdict = Error::Unverified { symbol: symbol.to_string(), provider, source };
                }
            }
        }
        Err(verdict)
    }
}

/// The window widened to the sessions it cuts, so that bars, gaps and slices speak of the same time.
fn whole_bars(ask: &Ask, asked: &[(Layer, Vec<TimeRange>)]) -> TimeRange {
    let spans = || asked.iter().flat_map(|(_, spans)| spans);
    TimeRange {
        start: spans().map(|span| span.start).min().unwrap_or(ask.window.start).min(ask.window.start),
        end: spans().map(|span| span.end).max().unwrap_or(ask.window.end).max(ask.window.end),
    }
}

#[async_trait]
impl Backend for Service {
    async fn chart_data(
        &self,
        series: SeriesKey,
        window: AskedWindow,
        since: Option<u64>,
    ) -> Result<ChartData, Problem> {
        Ok(self.read_chart(&series, window, since).await?)
    }

    async fn ensure_coverage(
        &self,
        series: SeriesKey,
        window: AskedWindow,
        visible: Option<TimeRange>,
    ) -> Result<SeriesProgress, Problem> {
        Ok(self.ensure(&series, window, visible, None).await?)
    }

    async fn series_progress(&self, series: SeriesKey) -> Result<SeriesProgress, Problem> {
        Ok(db::progress::of_series(&self.pool, &series).await?)
    }
}

/// A service as server functions find it in their context.
#[must_use]
pub fn as_backend(service: &Arc<Service>) -> Arc<dyn Backend> {
    Arc::clone(service) as Arc<dyn Backend>
}
