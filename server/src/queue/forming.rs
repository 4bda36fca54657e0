//! The last bar of series that someone looks at, while it forms: asked for every few seconds, within what its provider
//! allows, and told to listeners. It is never stored as a bar. Once it has closed, it is seen to that a run fetches it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use tidemark_app::backend::{CoverageRequest, SeriesKey};
use tidemark_market::validate::validate;
use tidemark_market::{Calendar, Forming, Layer, TimeRange, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::db;
use crate::db::series::Settings;
use crate::error::Error;
use crate::providers::{FetchRequest, Fetched, Provider, ProviderError};
use crate::service::Service;

/// How often it is looked which series are due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a series is this process's to ask for; longer than any request takes.
const LEASE: Duration = Duration::from_secs(90);
/// When a series is looked at again whose market is closed, or that no provider serves.
const AFTER_IDLE: Duration = Duration::from_secs(30);
/// When a provider is asked again that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(15);
/// How often it is seen to closed bars that were not to be had yet.
const SEE_AGAIN: Duration = Duration::from_secs(60);
/// How many closed bars are seen to; what is older was when the chart was opened.
const CLOSED_BARS: i64 = 10;
/// How many series at once.
const AT_ONCE: usize = 4;

/// The duty that asks.
#[derive(Clone)]
pub struct FormingDuty {
    service: Arc<Service>,
    /// Between two questions for one series, at least.
    period: Duration,
    /// Up to where closed bars were seen to, and when.
    seen_to: Arc<Mutex<HashMap<SeriesKey, (Timestamp, Instant)>>>,
}

impl FormingDuty {
    /// One that asks every `period` at most.
    #[must_use]
    pub fn new(service: Arc<Service>, period: Duration) -> Self {
        Self { service, period, seen_to: Arc::default() }
    }

    /// Asks until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let duty = &self;
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY.min(self.period)) => {}
                () = shutdown.cancelled() => return,
            }
            match db::forming::take_due(&self.service.pool, LEASE).await {
                Ok(due) => {
                    let asked = stream::iter(due).for_each_concurrent(AT_ONCE, |(series, settings)| async move {
                        if let Err(error) = duty.see_to(&series, settings).await {
                            tracing::warn!(%series, %error, "the bar under way could not be seen to; trying again");
                        }
                    });
                    tokio::select! {
                        () = asked => {}
                        () = shutdown.cancelled() => return,
                    }
                }
                Err(error) => tracing::warn!(%error, "bars under way could not be looked for; trying again"),
            }
        }
    }

    async fn see_to(&self, series: &SeriesKey, settings: Settings) -> Result<(), Error> {
        let (calendar, now) = (settings.calendar(series), self.service.clock.now());
        self.see_to_closed(series, calendar, now).await?;
        let chain = self.service.registry.chain(&series.symbol, series.timeframe, Layer::Intraday);
        let is_open = !calendar.sessions(TimeRange { start: now, end: now.plus(1) }).is_empty();
        match chain.first().filter(|_| is_open) {
            Some(provider) => self.ask(series, &***provider, calendar, now).await,
            None => db::forming::book(&self.service.pool, series, "", None, AFTER_IDLE).await,
        }
    }

    /// Has the newest closed bars fetched, once each time that one closes, and now and then while they are late.
    async fn see_to_closed(&self, series: &SeriesKey, calendar: Calendar, now: Timestamp) -> Result<(), Error> {
        let closed = calendar.closed_through(series.timeframe, now).min(now);
        let known = self.seen_to().get(series).copied();
        if known.is_some_and(|(through, at)| through == closed && at.elapsed() < SEE_AGAIN) {
            return Ok(());
        }
        let window = TimeRange { start: closed.plus(-CLOSED_BARS * series.timeframe.millis()), end: now };
        let request = CoverageRequest {
            series: series.clone(),
            window: Some((window.start, window.end)),
            visible: Some(window),
            retry: false,
        };
        self.service.ensure(&request, None).await?;
        let mut seen_to = self.seen_to();
        seen_to.retain(|_, (_, at)| at.elapsed() < 2 * SEE_AGAIN + AFTER_IDLE);
        seen_to.insert(series.clone(), (closed, Instant::now()));
        Ok(())
    }

    async fn ask(
        &self,
        series: &SeriesKey,
        provider: &dyn Provider,
        calendar: Calendar,
        now: Timestamp,
    ) -> Result<(), Error> {
        let (pool, timeframe) = (&self.service.pool, series.timeframe);
        let Some(request) = db::forming::take_request(pool, provider.name()).await? else {
            return db::forming::book(pool, series, provider.name(), None, LOOK_EVERY).await;
        };
        let slice = TimeRange { start: calendar.bar_start(timeframe, now), end: calendar.bar_end(timeframe, now) };
        let asked = FetchRequest { symbol: series.symbol.clone(), timeframe, calendar, slice };
        let answer = provider.forming(&asked).await;
        db::budgets::end(pool, request).await?;
        match answer {
            Ok(fetched) => self.take_in(series, provider.name(), &asked, fetched).await,
            Err(error) => self.bear(series, provider.name(), &error).await,
        }
    }

    async fn take_in(
        &self,
        series: &SeriesKey,
        provider: &str,
        asked: &FetchRequest,
        fetched: Fetched,
    ) -> Result<(), Error> {
        let (pool, told_at) = (&self.service.pool, fetched.answered_at);
        if let Some(allowance) = &fetched.allowance {
            db::budgets::book(pool, provider, allowance).await?;
        }
        let bars = validate(fetched.bars, asked.slice, &asked.slice.into(), asked.timeframe, asked.calendar).bars;
        let told = bars.first().map(|bar| Forming { bar: *bar, provider: provider.to_owned(), told_at });
        db::forming::book(pool, series, provider, told.as_ref(), self.period).await?;
        if told.is_some() {
            self.service.notifier.changed(series);
        }
        Ok(())
    }

    /// The next try may do better. Whether the provider is down is found out by runs, which have to be answered.
    async fn bear(&self, series: &SeriesKey, provider: &str, error: &ProviderError) -> Result<(), Error> {
        tracing::debug!(%series, provider, %error, "the bar under way could not be had");
        let pool = &self.service.pool;
        if let Some(delay) = error.holds_back_for() {
            db::budgets::hold_back(pool, provider, error.allowance.as_ref(), delay).await?;
        }
        db::forming::book(pool, series, provider, None, AFTER_FAILURE.max(self.period)).await
    }

    fn seen_to(&self) -> std::sync::MutexGuard<'_, HashMap<SeriesKey, (Timestamp, Instant)>> {
        self.seen_to.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
