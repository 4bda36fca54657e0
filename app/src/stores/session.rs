//! One visit to one series: paint what the browser has, ask what changed, see to what is missing, follow the news.
//!
//! A session is one future. Dropping it closes its event stream and forgets its questions, so that a switch of series
//! leaves nothing behind. At most one question for chart data is under way; news that come meanwhile lead to one more.

mod back;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::channel::mpsc::UnboundedReceiver;
use futures::future::Fuse;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, select_biased, stream};
use gloo_timers::future::TimeoutFuture;
use leptos::logging::warn;
use leptos::prelude::*;
use leptos::task::spawn_local;
use tidemark_market::wire::ChartData;
use tidemark_market::{Adjust, Bar, SeriesProgress, TimeRange, Timeframe, Timestamp};

pub use self::back::{Gone, Nudge};

use super::cache::StaleAfter;
use super::chart_store::{Drawing, PaintedFrom, View};
use super::event_stream::{self, Event, Feed};
use super::holding::{Absorbed, Changed, absorb, lacks, picture, take_forming};
use super::older::behind;
use super::settings::Choice;
use super::situation::{Coverage, Link};
use crate::api;
use crate::browser::bar_cache::{BarCache, CacheError, Cached, News, Told};
use crate::browser::page;
use crate::problem::Problem;
use crate::series::SeriesKey;
use crate::visit::Visit;

/// How long the event stream may take to open, or to come back, before the page asks instead.
const PATIENCE_MS: u32 = 3_000;
/// How often the page asks before it stops: 5 min at 15 s.
const MOST_POLLS: u32 = 20;

type Question = Pin<Box<dyn Future<Output = Answer>>>;

enum Answer {
    Chart(Result<ChartData, Problem>),
    Older(Result<ChartData, Problem>),
    Coverage(Result<SeriesProgress, Problem>),
    Progress(Result<SeriesProgress, Problem>),
    Cached(Result<Option<Cached>, CacheError>),
}

pub(super) struct Session {
    series: SeriesKey,
    as_of: Option<Timestamp>,
    adjust: Adjust,
    /// Only for what every visit sees.
    cache: Option<Rc<BarCache>>,
    /// What other tabs write.
    news: Option<News>,
    stale_after: StaleAfter,
    /// Whether what is held needs no question unless the server names another revision.
    is_fresh: bool,
    view: View,
    /// Whether this visit asks for what was not to be had, though it is not due again.
    retry: bool,
    held: Option<Rc<ChartData>>,
    /// Bars under way, as they were told last.
    forming: Vec<Bar>,
    questions: FuturesUnordered<Question>,
    is_reading: bool,
    is_outdated: bool,
    /// The older stretch that is asked for, or will be next.
    older: Option<TimeRange>,
    /// How far back the viewer has gone; a Retry goes on from there.
    gone: Rc<Cell<Option<Gone>>>,
    /// What is in view where the address does not tell it yet.
    sighted: Option<TimeRange>,
    is_ensuring: bool,
    is_unasked: bool,
    polls: u32,
    poll_ms: u32,
    timer: Fuse<TimeoutFuture>,
}

impl Session {
    pub fn new(
        visit: Visit,
        cache: Option<Rc<BarCache>>,
        view: View,
        retry: bool,
        gone: Rc<Cell<Option<Gone>>>,
    ) -> Self {
        let poll_ms = page::poll_ms();
        let cache = cache.filter(|_| visit.is_usual());
        view.situation.update(|situation| situation.as_of = visit.as_of);
        Self {
            series: visit.series,
            as_of: visit.as_of,
            adjust: visit.adjust,
            news: cache.as_deref().map(BarCache::news),
            cache,
            stale_after: StaleAfter::stored(),
            is_fresh: false,
            view,
            retry,
            held: None,
            forming: Vec::new(),
            questions: FuturesUnordered::new(),
            is_reading: false,
            is_outdated: false,
            older: None,
            gone,
            sighted: None,
            is_ensuring: false,
            is_unasked: false,
            polls: 0,
            poll_ms,
            timer: Fuse::terminated(),
        }
    }

    /// Until the page has asked long enough without an event stream; the caller's dropping ends it before.
    pub async fn run(mut self, nudges: &mut UnboundedReceiver<Nudge>) {
        // The browser keeps less than what is on screen of a viewer who has gone back.
        if self.gone.get().is_none() && self.paint_cached().await {
            // Before anything is asked, so that nothing holds its frame up.
            page::painted().await;
            self.touch(false);
        }
        if self.as_of.is_some() {
            return self.read_past(nudges).await;
        }
        let feed = event_stream::follow(&self.series);
        if !self.is_fresh {
            self.read_chart();
        }
        self.wait_for_stream();
        self.follow_news(feed, nudges).await;
    }

    /// A past moment does not change: one answer is all there is to each part of it.
    async fn read_past(&mut self, nudges: &mut UnboundedReceiver<Nudge>) {
        self.view.situation.update(|situation| situation.coverage = Coverage::Settled);
        self.set_link(Link::Live);
        self.read_chart();
        loop {
            select_biased! {
                nudge = nudges.select_next_some() => self.on_nudge(nudge),
                answer = self.questions.select_next_some() => self.on_answer(answer),
                complete => return,
            }
        }
    }

    async fn follow_news(&mut self, mut feed: Feed, nudges: &mut UnboundedReceiver<Nudge>) {
        let news = self.news.take();
        let (_others, mut told) = match news {
            Some(News { told, channel }) => (channel, told.left_stream()),
            None => (None, stream::empty().right_stream()),
        };
        while self.link() != Link::Stopped {
            select_biased! {
                told = told.select_next_some() => self.on_told(&told),
                event = feed.events.next() => if let Some(event) = event { self.on_event(event) },
                nudge = nudges.select_next_some() => self.on_nudge(nudge),
                answer = self.questions.select_next_some() => self.on_answer(answer),
                () = &mut self.timer => self.on_timer(),
            }
        }
    }

    /// Whether there was anything to paint.
    async fn paint_cached(&mut self) -> bool {
        let recalled = self.cache.as_ref().and_then(|cache| cache.recall(&self.series));
        let cached = match &self.cache {
            Some(cache) if recalled.is_none() => cache.read(&self.series).await,
            _ => Ok(recalled),
        };
        match cached {
            Ok(Some(Cached { data, checked })) => {
                self.paint(&data, PaintedFrom::Cache, true);
                self.is_fresh =
                    !self.retry && self.stale_after.is_fresh(self.series.timeframe, checked, page::now_ms());
                self.held = Some(data);
                return true;
            }
            Ok(None) => {}
            Err(error) => warn!("{error}"),
        }
        self.clear();
        false
    }

    /// Takes another series' bars off the screen.
    fn clear(&self) {
        let is_foreign =
            self.view.drawing.with_untracked(|drawing| drawing.as_ref().is_some_and(|it| it.series != self.series));
        if is_foreign {
            self.view.drawing.set(None);
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Opened => self.set_link(Link::Live),
            Event::Lost if self.link() == Link::Live => {
                self.view.situation.update(|situation| situation.is_stale = true);
                self.wait_for_stream();
            }
            Event::Lost => {}
            Event::Progress(progress) => self.on_progress(progress),
            Event::Bars(revision) => self.on_revision(revision),
            Event::Forming(forming) => self.on_forming(forming.bar),
        }
    }

    /// The bar under way moved.
    fn on_forming(&mut self, bar: Bar) {
        take_forming(&mut self.forming, bar);
        let from = self.view.drawing.with_untracked(|drawing| drawing.as_ref().map(|drawing| drawing.from));
        if let (Some(data), Some(from)) = (&self.held, from) {
            self.paint(data, from, true);
        }
    }

    fn on_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Chart(answer) => {
                self.is_reading = false;
                match answer {
                    Ok(data) => self.on_chart(data),
                    Err(problem) => self.on_problem(problem),
                }
                self.read_next();
            }
            Answer::Older(answer) => {
                self.is_reading = false;
                self.on_older(answer);
                self.read_next();
            }
            Answer::Coverage(answer) => {
                let is_open = answer.as_ref().is_err_and(|problem| problem.status == 0);
                let coverage = if is_open { Coverage::Unknown } else { Coverage::Settled };
                self.view.situation.update(|situation| situation.coverage = coverage);
                match answer {
                    Ok(progress) => self.on_progress(progress),
                    Err(problem) => self.on_problem(problem),
                }
                self.is_ensuring = false;
                if std::mem::take(&mut self.is_unasked) {
                    self.ensure();
                }
            }
            Answer::Cached(Ok(Some(cached))) => self.on_cached(cached.data),
            Answer::Cached(Ok(None)) => {}
            Answer::Cached(Err(error)) => warn!("{error}"),
            Answer::Progress(Ok(progress)) => self.on_progress(progress),
            Answer::Progress(Err(problem)) => self.on_problem(problem),
        }
    }

    fn on_timer(&mut self) {
        match self.link() {
            Link::Connecting | Link::Polling { .. } if self.polls < MOST_POLLS => {
                self.polls += 1;
                self.set_link(Link::Polling { every_ms: self.poll_ms });
                let (symbol, timeframe) = self.names();
                self.ask(async move { Answer::Progress(api::series_progress(symbol, timeframe).await) });
                self.timer = TimeoutFuture::new(self.poll_ms).fuse();
            }
            Link::Connecting | Link::Polling { .. } => self.set_link(Link::Stopped),
            Link::Live | Link::Stopped => {}
        }
    }

    fn on_progress(&mut self, progress: SeriesProgress) {
        let revision = progress.revision;
        let was_away = self.view.situation.with_untracked(|it| it.problem.as_ref().is_some_and(|it| it.status == 0));
        self.view.situation.update(|situation| situation.learn(progress, page::now_ms()));
        if was_away {
            self.view.situation.update(|situation| situation.problem = None);
            self.read_chart();
        }
        self.on_revision(revision);
    }

    /// Word from the server that the series is at this revision.
    fn on_revision(&mut self, revision: u64) {
        let held = self.held.as_ref().map(|held| held.revision);
        match std::mem::take(&mut self.is_fresh) {
            true if held == Some(revision) => self.confirm(),
            true => self.read_chart(),
            false if held.is_none_or(|held| revision > held) => self.read_chart(),
            false => {}
        }
    }

    /// What was painted from the cache is what the server has.
    fn confirm(&mut self) {
        if let Some(data) = self.held.take() {
            self.settle(&data);
            self.touch(true);
            self.held = Some(data);
            self.go_where_wanted();
        }
    }

    /// Another tab wrote to the cache.
    fn on_told(&mut self, told: &Told) {
        let held = self.held.as_ref().map(|held| held.revision);
        match (told, self.cache.clone()) {
            (Told::Written(series, revision), Some(_))
                if *series == self.series && self.gone.get().is_some() && held.is_none_or(|held| *revision > held) =>
            {
                self.read_chart();
            }
            // An answer that is under way is as new.
            (Told::Written(series, revision), Some(cache))
                if *series == self.series && !self.is_reading && held.is_none_or(|held| *revision > held) =>
            {
                let series = series.clone();
                self.ask(async move { Answer::Cached(cache.read(&series).await) });
            }
            _ => {}
        }
    }

    /// What another tab had from the server.
    fn on_cached(&mut self, data: Rc<ChartData>) {
        let is_newer = self.held.as_ref().is_none_or(|held| data.revision > held.revision);
        if is_newer && !self.is_reading && self.gone.get().is_none() {
            self.paint(&data, PaintedFrom::Cache, true);
            self.settle(&data);
            self.held = Some(data);
            self.go_where_wanted();
        }
    }

    /// Takes in what the server says of the series beside its bars.
    fn settle(&mut self, data: &ChartData) {
        let usual = self.gone.get().map_or(data.window.start, |gone| gone.from);
        if self.older.is_none() {
            self.note_behind(behind(&self.series, data));
        }
        self.view.situation.update(|situation| {
            situation.store_answered();
            situation.confirmed = Some(data.revision);
            let lacks = lacks(data, usual);
            situation.gaps = lacks.gaps;
            situation.is_out_of_reach = lacks.is_out_of_reach;
            situation.is_awaited = lacks.is_awaited;
        });
        self.see_to_coverage(data);
    }

    fn on_chart(&mut self, answer: ChartData) {
        match absorb(self.held.as_deref(), answer) {
            Absorbed::Hold { data, changed } => {
                self.is_fresh = false;
                self.paint(&data, PaintedFrom::Server, !changed.is_nothing());
                self.save(&data, changed);
                self.settle(&data);
                self.held = Some(data);
                self.go_where_wanted();
            }
            Absorbed::Reload => {
                self.held = None;
                self.forget();
                self.is_outdated = true;
            }
        }
    }

    fn on_problem(&mut self, problem: Problem) {
        self.view.situation.update(|situation| situation.problem = Some(problem));
    }

    /// Asks for chart data, now or once the question under way is answered.
    fn read_chart(&mut self) {
        if std::mem::replace(&mut self.is_reading, true) {
            self.is_outdated = true;
            return;
        }
        let (symbol, timeframe) = self.names();
        // Bars made of finer ones have no revision of this series: what is held of such is asked for in full.
        let since = self.held.as_ref().filter(|held| held.derived.is_empty()).map(|held| held.revision);
        let from = self.gone.get().map(|gone| gone.to.millis());
        let (as_of, adjust) = self.reading();
        self.ask(
            async move { Answer::Chart(api::chart_data(symbol, timeframe, from, None, since, as_of, adjust).await) },
        );
    }

    /// The moment as of which bars are read, and in which shares.
    fn reading(&self) -> (Option<i64>, Option<String>) {
        (self.as_of.map(Timestamp::millis), Some(self.adjust.as_str().to_owned()))
    }

    /// Asks what waits to be asked.
    fn read_next(&mut self) {
        if self.is_reading {
            return;
        }
        if let Some(stretch) = self.older {
            self.is_reading = true;
            self.ask_for_older(stretch);
        } else if std::mem::take(&mut self.is_outdated) {
            self.read_chart();
        }
    }

    /// Asks once a visit. What was not to be had is asked for again when it is due, or by Retry.
    fn see_to_coverage(&mut self, data: &ChartData) {
        let coverage = self.view.situation.with_untracked(|situation| situation.coverage);
        if coverage != Coverage::Unknown {
            return;
        }
        let next = if data.gaps.is_empty() { Coverage::Settled } else { Coverage::Asked };
        self.view.situation.update(|situation| situation.coverage = next);
        if next == Coverage::Asked {
            self.ensure();
        }
    }

    fn paint(&self, data: &ChartData, from: PaintedFrom, is_changed: bool) {
        let known = self.view.drawing.with_untracked(|drawing| {
            drawing.as_ref().filter(|it| !is_changed && it.series == self.series).map(|it| Arc::clone(&it.picture))
        });
        let picture = known.unwrap_or_else(|| Arc::new(picture(data, &self.forming)));
        self.view.situation.update(|situation| situation.bars = picture.closed().len() as u64);
        self.view.drawing.set(Some(Drawing {
            series: self.series.clone(),
            picture,
            revision: data.revision,
            window: data.window,
            adjust: self.adjust,
            made_of: made_of(data),
            providers: data.providers.clone(),
            synthetic: data.synthetic,
            from,
        }));
    }

    /// Saved by a task of its own, so that a switch of series does not cut a write in two.
    fn save(&self, data: &Rc<ChartData>, changed: Changed) {
        if let Some(cache) = self.cache.clone() {
            let data = self.kept(data);
            spawn_local(async move { log_once(cache.write(data, &changed, page::now_ms()).await) });
        }
    }

    fn touch(&self, is_checked: bool) {
        if let Some(cache) = self.cache.clone() {
            let series = self.series.clone();
            spawn_local(async move { log_once(cache.touch(&series, is_checked, page::now_ms()).await) });
        }
    }

    fn forget(&self) {
        if let Some(cache) = self.cache.clone() {
            let series = self.series.clone();
            spawn_local(async move { log_once(cache.remove(&series).await) });
        }
    }

    fn ask(&self, question: impl Future<Output = Answer> + 'static) {
        self.questions.push(Box::pin(question));
    }

    fn names(&self) -> (String, String) {
        (self.series.symbol.to_string(), self.series.timeframe.to_string())
    }

    fn link(&self) -> Link {
        self.view.situation.with_untracked(|situation| situation.link)
    }

    fn set_link(&mut self, link: Link) {
        if link == Link::Live {
            self.timer = Fuse::terminated();
            self.polls = 0;
        }
        if self.link() != link {
            self.view.situation.update(|situation| situation.link = link);
        }
    }

    fn wait_for_stream(&mut self) {
        self.set_link(Link::Connecting);
        self.timer = TimeoutFuture::new(PATIENCE_MS.min(self.poll_ms)).fuse();
    }
}

fn made_of(data: &ChartData) -> Vec<Timeframe> {
    let sources: BTreeSet<Timeframe> = data.derived.iter().map(|derived| derived.source).collect();
    sources.into_iter().rev().collect()
}

/// A cache that fails fails often; once is enough to know.
fn log_once(result: Result<(), CacheError>) {
    static IS_LOGGED: AtomicBool = AtomicBool::new(false);
    if let Err(error) = result
        && !IS_LOGGED.swap(true, Ordering::Relaxed)
    {
        warn!("Bars can't be kept in this browser: {error}. Charts load from the server instead.");
    }
}
