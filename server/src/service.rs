//! What pages and tools ask: chart data, coverage, progress. The page's server functions and the HTTP API both come here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sqlx::PgPool;
use tidemark_app::api::{Showcase, Suggestion};
use tidemark_app::backend::{Backend, ChartRequest, CoverageRequest, SeriesKey};
use tidemark_app::problem::Problem;
use tidemark_market::coverage::{Hole, Reason};
use tidemark_market::quality::{QualityReport, expected_bars, suspicions};
use tidemark_market::slicing::{self, Ask, PlannedSlice, Sizes};
use tidemark_market::standing::{StandingReport, stretches};
use tidemark_market::wire::{ChartData, bars_of};
use tidemark_market::{
    Adjust, Hours, Layer, Quote, Schedule, SeriesProgress, Spans, Symbol, TimeRange, Timeframe, Timestamp, calendar,
    layer, sizing,
};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::control::{Action, Scope};
use crate::db;
use crate::db::bars::{Reading, Stored};
use crate::db::budgets::Request;
use crate::db::clock::DueSeries;
use crate::db::queue::{Chain, Wish};
use crate::db::series::Settings;
use crate::error::Error;
use crate::events::EventHub;
use crate::finer;
use crate::providers::{Listing, Provider, ProviderError};
use crate::queue::notifier::Notifier;
use crate::registry::Registry;
use crate::showcase::ShowcaseCheck;
use crate::sizes::SizeBook;

/// How long a new symbol's check waits for its provider's budget.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// Of an ask that nothing is planned by yet: reading needs no sizes.
const UNLEARNED: Sizes = Sizes { historical: sizing::START_MILLIS, intraday: sizing::START_MILLIS };

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
    /// Rung when an instrument was added.
    pub listed: Arc<Notify>,
    /// What a fresh install offers.
    pub showcase: ShowcaseCheck,
    /// How long slices may be.
    pub sizes: Arc<SizeBook>,
    /// Who looks at what in this process.
    pub hub: EventHub,
    /// This process's name.
    pub process: String,
}

impl Service {
    /// Bars, gaps, holes and revision. Where the series lacks what a finer one holds, that is answered instead.
    ///
    /// # Errors
    /// A window that makes no sense, a moment in the future; the database.
    pub async fn read_chart(&self, request: &ChartRequest) -> Result<ChartData, Error> {
        let ChartRequest { series, window, since, as_of, adjust } = request;
        let settings = db::series::settings(&self.pool, series).await?;
        let ask = self.ask(series, *window, *as_of, None, settings)?;
        if let Some(as_of) = as_of.filter(|as_of| *as_of > ask.now) {
            return Err(Error::NotYet(as_of));
        }
        let asked = [Layer::Historical, Layer::Intraday].map(|layer| (layer, slicing::asked_spans(&ask, layer)));
        let whole = whole_bars(&ask, &asked);
        // What is expected belongs to a window that reaches up to the moment of the reading.
        let reaches_up = ask.window.end >= as_of.unwrap_or(ask.now);
        let ahead = if reaches_up { calendar::END } else { whole.end };
        let asked = asked.to_vec();
        let reading = Reading { window: whole, ahead, since: *since, as_of: *as_of, adjust: *adjust, asked };
        let mut stored = db::bars::read(&self.pool, series, &reading).await?;
        if stored.hours != settings.hours {
            return Err(Error::ChangedMeanwhile(series.to_string()));
        }
        keep_sessions(&mut stored, &ask, whole);
        let derived = finer::fill(&self.pool, series, &ask, *adjust, &mut stored).await?;
        Ok(ChartData {
            symbol: series.symbol.clone(),
            timeframe: series.timeframe,
            window: whole,
            since: stored.since,
            revision: stored.revision,
            layers: stored.layers,
            gaps: stored.gaps,
            holes: stored.holes,
            derived,
            synthetic: stored.providers.iter().any(|name| self.registry.is_synthetic(name)),
            providers: stored.providers,
        })
    }

    /// How the time of a series stands over a window: what is held, on its way, or was not to be had. The window ends with
    /// the last session time that may be asked for.
    ///
    /// # Errors
    /// A window that makes no sense; the database.
    pub async fn standing(&self, series: &SeriesKey, window: AskedWindow) -> Result<StandingReport, Error> {
        let settings = db::series::settings(&self.pool, series).await?;
        let ask = self.ask(series, window, None, None, settings)?;
        let asked = slicing::asked(&ask);
        let whole = asked.hull().unwrap_or(TimeRange { start: ask.window.start, end: ask.window.start });
        let mut stood = db::standing::read(&self.pool, series, whole).await?;
        if stood.hours != settings.hours {
            return Err(Error::ChangedMeanwhile(series.to_string()));
        }
        stood.known.derived = finer::answered(&self.pool, series, &ask).await?;
        Ok(StandingReport {
            symbol: series.symbol.clone(),
            timeframe: series.timeframe,
            hours: settings.hours,
            window: whole,
            revision: stood.revision,
            hydration: stood.hydration,
            stretches: stretches(&asked, stood.known),
            closed: Spans::from(whole).subtract(&asked).into(),
        })
    }

    /// Calls off what a viewer's chart waits for: what is queued of the series, unless a schedule asks for it or someone
    /// else looks at it too; how far it is then. What is being fetched goes on.
    ///
    /// # Errors
    /// Someone else looks at it; the database.
    pub async fn cancel(&self, series: &SeriesKey) -> Result<SeriesProgress, Error> {
        let watched_here = self.hub.viewers(series) > 1;
        let cancelled =
            if watched_here { None } else { db::control::cancel_asked(&self.pool, series, &self.process).await? };
        let Some(runs) = cancelled else { return Err(Error::WatchedByOthers(series.to_string())) };
        tracing::info!(?series, runs, "a viewer cancelled");
        if runs > 0 {
            self.notifier.changed(series);
        }
        db::progress::of_series(&self.pool, series).await
    }

    /// What is not as it should be in a window of a series.
    ///
    /// # Errors
    /// A window that makes no sense; the database.
    pub async fn quality(&self, series: &SeriesKey, window: AskedWindow) -> Result<QualityReport, Error> {
        let request = ChartRequest {
            series: series.clone(),
            window,
            since: None,
            as_of: None,
            // In today's shares, so that a split is no suspicion.
            adjust: Adjust::Splits,
        };
        let data = self.read_chart(&request).await?;
        let settings = db::series::settings(&self.pool, series).await?;
        let booked = db::quality::booked(&self.pool, series, data.window).await?;
        let of = |layer| bars_of(&data.layers, layer);
        let bars = layer::merge(of(Layer::Historical), of(Layer::Intraday), &[]);
        let because = |reason: Reason| {
            data.holes.iter().rev().filter(|hole| hole.reason == reason).map(|hole| hole.range).collect()
        };
        Ok(QualityReport {
            symbol: series.symbol.clone(),
            timeframe: series.timeframe,
            hours: settings.hours,
            window: data.window,
            expected_bars: expected_bars(settings.calendar(series), series.timeframe, data.window, self.clock.now()),
            present_bars: bars.len() as u64,
            missing: data.gaps.iter().rev().copied().collect(),
            empty: because(Reason::Empty),
            outside: because(Reason::Outside),
            failed: because(Reason::Failed),
            quarantined: booked.quarantined,
            corrected: booked.corrected,
            disagreements: booked.disagreements,
            suspicions: suspicions(&bars).into_iter().rev().collect(),
        })
    }

    /// Sees to it that what is missing is on its way, and by `schedule` from now on; how far it is.
    ///
    /// # Errors
    /// A window that makes no sense, a symbol nobody knows, no provider for it; the database.
    pub async fn ensure(&self, request: &CoverageRequest, schedule: Option<Schedule>) -> Result<SeriesProgress, Error> {
        let CoverageRequest { series, window, visible, retry } = request;
        let settings = db::series::settings(&self.pool, series).await?;
        let ask = self.ask(series, *window, None, *visible, settings)?;
        let slices = self.missing_slices(series, &ask).await?;
        if !slices.is_empty() || schedule.is_some() {
            self.verify(series).await?;
            let schedule = schedule.and_then(|schedule| Some((schedule, self.next_due(series, settings, schedule)?)));
            self.enqueue(series, &ask, schedule, *retry, &slices).await?;
        }
        db::progress::of_series(&self.pool, series).await
    }

    /// Asks for what periodic definitions lack from their start up to now; how many slices that made.
    ///
    /// # Errors
    /// As [`Service::ensure`].
    pub async fn refresh(&self, due: &DueSeries) -> Result<u32, Error> {
        let (series, start) = (&due.series, due.window.start);
        let window = Some((start, self.clock.now()));
        let ask = self.ask(series, window, None, Some(nothing(start)), due.settings)?;
        let lacks = |layer, known: &Spans| !Spans::from(slicing::asked_spans(&ask, layer)).subtract(known).is_empty();
        if !lacks(Layer::Historical, &due.known_historical) && !lacks(Layer::Intraday, &due.known_intraday) {
            return Ok(0);
        }
        let slices = self.missing_slices(series, &ask).await?;
        if slices.is_empty() { Ok(0) } else { self.enqueue(series, &ask, None, false, &slices).await }
    }

    /// When a series' periodic definitions are due next; `None` where its calendar ends.
    #[must_use]
    pub fn next_due(&self, series: &SeriesKey, settings: Settings, schedule: Schedule) -> Option<Timestamp> {
        schedule.next(settings.calendar(series), series.timeframe, self.clock.now())
    }

    /// Does to the queue what an operator says.
    ///
    /// # Errors
    /// The database.
    pub async fn control(&self, action: Action, scope: &Scope, who: &str) -> Result<u32, Error> {
        let done = db::control::control(&self.pool, action, scope, who).await?;
        done.series.iter().for_each(|series| self.notifier.changed(series));
        tracing::info!(who, action = action.as_str(), %scope, affected = done.affected, "an operator intervened");
        Ok(done.affected)
    }

    /// Sets which hours a series holds; false where it holds them already.
    ///
    /// # Errors
    /// A symbol nobody knows; the database.
    pub async fn set_hours(&self, series: &SeriesKey, hours: Hours) -> Result<bool, Error> {
        self.verify(series).await?;
        let changed = db::series::set_hours(&self.pool, series, hours).await?;
        if changed {
            self.notifier.changed(series);
        }
        Ok(changed)
    }

    fn ask(
        &self,
        series: &SeriesKey,
        window: AskedWindow,
        as_of: Option<Timestamp>,
        visible: Option<TimeRange>,
        settings: Settings,
    ) -> Result<Ask, Error> {
        let now = self.clock.now();
        let window = match window {
            Some((start, end)) => slicing::check_window(start, end, now)?,
            None => slicing::default_window(series.timeframe, as_of.unwrap_or(now)),
        };
        let (calendar, timeframe) = (settings.calendar(series), series.timeframe);
        Ok(Ask { calendar, timeframe, window, visible, now, sizes: UNLEARNED, slice_millis: settings.slice_millis })
    }

    /// At the provider that is asked first.
    async fn slice_size(&self, series: &SeriesKey, layer: Layer) -> Result<i64, Error> {
        let SeriesKey { symbol, timeframe } = series;
        match self.registry.chain(symbol, *timeframe, layer).first() {
            Some(provider) => self.sizes.of(&***provider, symbol, *timeframe, layer).await,
            None => Ok(sizing::START_MILLIS),
        }
    }

    /// The plan without what a finer series answers. What is held or on its way is taken out by the database.
    async fn missing_slices(&self, series: &SeriesKey, ask: &Ask) -> Result<Vec<PlannedSlice>, Error> {
        let (historical, intraday) =
            (self.slice_size(series, Layer::Historical).await?, self.slice_size(series, Layer::Intraday).await?);
        let slices = slicing::plan(&Ask { sizes: Sizes { historical, intraday }, ..*ask })?;
        let answered = finer::answered(&self.pool, series, ask).await?;
        Ok(slicing::without(slices, &answered))
    }

    async fn enqueue(
        &self,
        series: &SeriesKey,
        ask: &Ask,
        schedule: Option<(Schedule, Timestamp)>,
        retry: bool,
        slices: &[PlannedSlice],
    ) -> Result<u32, Error> {
        let mut served: Vec<(PlannedSlice, Chain)> = Vec::with_capacity(slices.len());
        let mut beyond: BTreeMap<&str, Vec<(Layer, TimeRange)>> = BTreeMap::new();
        for slice in slices {
            let chain = self.registry.chain(&series.symbol, series.timeframe, slice.layer);
            let (first, others) = chain.split_first().ok_or_else(|| Error::NoProvider(series.symbol.to_string()))?;
            let reach = |provider: &Arc<dyn Provider>| provider.reach(ask.calendar, series.timeframe, ask.now);
            let (within, out_of_reach) = slicing::split_at_reach(slice, reach(first));
            served.extend(within.map(|slice| {
                // Who steps in must reach all of it.
                let others = others.iter().filter(|other| reach(other).is_none_or(|reach| reach <= slice.range.start));
                let chain = std::iter::once(first).chain(others).map(|provider| provider.name().to_owned());
                let chain = chain.collect();
                (slice, chain)
            }));
            beyond.entry(first.name()).or_default().extend(out_of_reach.iter().map(|it| (slice.layer, *it)));
        }
        for (provider, stretches) in beyond.iter().filter(|(_, stretches)| !stretches.is_empty()) {
            db::queue::book_outside(&self.pool, series, provider, stretches).await?;
            self.notifier.changed(series);
        }
        let job_types = match schedule {
            Some(_) => layers_of(series.timeframe).collect(),
            None => served.iter().map(|(slice, _)| slice.layer).collect::<BTreeSet<_>>().into_iter().collect(),
        };
        let bounds = layer::Bounds::at(ask.calendar, series.timeframe, ask.now);
        let wish = Wish { window: ask.window, schedule, retry, bounds, job_types };
        let ensured = db::queue::ensure_coverage(&self.pool, series, &wish, &served).await?;
        if ensured.created > 0 {
            self.notifier.queued();
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
        db::instruments::add(&self.pool, &listing).await?;
        self.listed.notify_one();
        Ok(())
    }

    async fn look_up(&self, series: &SeriesKey) -> Result<Listing, Error> {
        let symbol = &series.symbol;
        let mut verdict = Error::NoProvider(symbol.to_string());
        for provider in self.registry.knowing(symbol) {
            match self.ask_for_listing(&**provider, symbol).await? {
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

    /// Asks within the provider's budget.
    async fn ask_for_listing(
        &self,
        provider: &dyn Provider,
        symbol: &Symbol,
    ) -> Result<Result<Option<Listing>, ProviderError>, Error> {
        let Some(request) = self.budgeted(provider.name()).await? else {
            return Ok(Err(ProviderError::busy(provider.name(), &format!("The listing of {symbol}"))));
        };
        let answer = provider.knows(symbol).await;
        db::budgets::end(&self.pool, request).await?;
        if let Err(error) = &answer
            && let Some(delay) = error.holds_back_for()
        {
            db::budgets::hold_back(&self.pool, provider.name(), error.allowance.as_ref(), delay).await?;
        }
        Ok(answer)
    }

    /// A request to the provider, waited for a little where it allows none now.
    async fn budgeted(&self, provider: &str) -> Result<Option<Request>, Error> {
        let until = Instant::now() + LONGEST_WAIT;
        loop {
            let request = db::budgets::take(&self.pool, provider).await?;
            if request.is_some() || Instant::now() > until {
                return Ok(request);
            }
            tokio::time::sleep(LONGEST_WAIT / 20).await;
        }
    }
}

/// A span in which nothing is visible: what is asked for is background work.
#[must_use]
pub const fn nothing(at: Timestamp) -> TimeRange {
    TimeRange { start: at, end: at }
}

/// The layers of what has happened that a series has.
fn layers_of(timeframe: Timeframe) -> impl Iterator<Item = Layer> {
    [Layer::Historical, Layer::Intraday].into_iter().filter(move |layer| layer::has_layer(timeframe, *layer))
}

/// The parts of a hole that lie in session time.
fn within(hole: Hole, sessions: &Spans) -> Vec<Hole> {
    let parts = sessions.clip(hole.range);
    parts.ranges().iter().map(|range| Hole { range: *range, ..hole }).collect()
}

/// Leaves what lies in the series' session time: what was stored of other hours, before they were changed, is not shown.
fn keep_sessions(stored: &mut Stored, ask: &Ask, window: TimeRange) {
    let always = Timestamp(i64::MAX / 2);
    // A bar that begins in the window may have its session after it.
    let window = TimeRange { end: ask.calendar.bar_end(ask.timeframe, window.end.plus(-1)), ..window };
    let sessions: Spans = ask.calendar.session_spans(ask.timeframe, window, always).into();
    stored.holes = stored.holes.iter().flat_map(|hole| within(*hole, &sessions)).collect();
    for layer in &mut stored.layers {
        let kept: Vec<bool> = layer.bars.iter().map(|bar| sessions.contains(bar.ts)).collect();
        if layer.layer != Layer::Forecast && kept.contains(&false) {
            let mut kept = kept.into_iter();
            layer.bars.retain(|_| kept.next().unwrap_or(true));
        }
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
    async fn chart_data(&self, request: ChartRequest) -> Result<ChartData, Problem> {
        Ok(self.read_chart(&request).await?)
    }

    async fn ensure_coverage(&self, request: CoverageRequest) -> Result<SeriesProgress, Problem> {
        Ok(self.ensure(&request, None).await?)
    }

    async fn showcase(&self) -> Showcase {
        self.showcase.check(&self.registry).await
    }

    async fn quality(&self, series: SeriesKey) -> Result<QualityReport, Problem> {
        Ok(self.quality(&series, None).await?)
    }

    async fn standing(&self, series: SeriesKey, window: AskedWindow) -> Result<StandingReport, Problem> {
        Ok(self.standing(&series, window).await?)
    }

    async fn cancel(&self, series: SeriesKey) -> Result<SeriesProgress, Problem> {
        Ok(self.cancel(&series).await?)
    }

    async fn series_progress(&self, series: SeriesKey) -> Result<SeriesProgress, Problem> {
        Ok(db::progress::of_series(&self.pool, &series).await?)
    }

    async fn progress_of_many(
        &self,
        symbols: Vec<Symbol>,
        timeframe: Timeframe,
    ) -> Result<Vec<SeriesProgress>, Problem> {
        Ok(db::progress::of_many(&self.pool, &symbols, timeframe).await?)
    }

    async fn quotes(&self, symbols: Vec<Symbol>, timeframe: Timeframe) -> Result<Vec<Quote>, Problem> {
        Ok(self.quotes(&symbols, timeframe).await?)
    }

    async fn suggest(&self, text: String) -> Result<Vec<Suggestion>, Problem> {
        Ok(self.suggest(&text).await?)
    }
}

/// A service as server functions find it in their context.
#[must_use]
pub fn as_backend(service: &Arc<Service>) -> Arc<dyn Backend> {
    Arc::clone(service) as Arc<dyn Backend>
}
