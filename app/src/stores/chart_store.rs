//! The store behind the chart: which series is open, what is drawn of it, and how its hydration stands.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use leptos::task::spawn_local;
use tidemark_market::{Adjust, TimeRange, Timeframe, Timestamp};

use super::holding::Picture;
use super::older::Sight;
use super::session::{Gone, Nudge, Session};
use super::situation::Situation;
use crate::api;
use crate::browser::{bar_cache, marks, page};
use crate::chart::look::Part;
use crate::series::SeriesKey;
use crate::visit::Visit;

/// How long a pointer rests on a link, or a name stays as it is typed, before that is more than passing over it.
const REST_MS: u32 = 40;
/// How long what is being opened waits for what this browser keeps of it, so that a slow disk keeps nobody.
const LEAD_MS: u32 = 50;

/// Who delivered what is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaintedFrom {
    /// This browser's store.
    Cache,
    /// The server.
    Server,
}

impl PaintedFrom {
    /// The value of the attribute.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Server => "server",
        }
    }
}

/// What is to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// Of which series.
    pub series: SeriesKey,
    /// Its bars; the same `Arc` where only the rest changed.
    pub picture: Arc<Picture>,
    /// Their revision.
    pub revision: u64,
    /// The window they were asked for.
    pub window: TimeRange,
    /// In which shares prices are read.
    pub adjust: Adjust,
    /// Of which finer bars a part of them is made; the coarsest first.
    pub made_of: Vec<Timeframe>,
    /// Who made them.
    pub providers: Vec<String>,
    /// Whether they are made up.
    pub synthetic: bool,
    /// Who delivered them.
    pub from: PaintedFrom,
}

impl Drawing {
    /// When the newest stored bar begins.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.picture.closed().last().map(|bar| bar.ts)
    }
}

enum Command {
    Open(Option<Visit>),
    Retry,
}

/// The store. One task of the page works for it: it owns the cache and the open series' session.
#[derive(Clone, Copy)]
pub struct ChartStore {
    drawing: RwSignal<Option<Drawing>>,
    situation: RwSignal<Situation>,
    visit: Signal<Option<Visit>>,
    commands: StoredValue<UnboundedSender<Command>>,
    nudges: StoredValue<UnboundedSender<Nudge>>,
    /// What is likely to be opened next.
    next: StoredValue<Option<SeriesKey>>,
    /// What is being opened; none once it is.
    opening: StoredValue<Option<SeriesKey>>,
}

/// Where a session puts what it learns.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub drawing: RwSignal<Option<Drawing>>,
    pub situation: RwSignal<Situation>,
    /// Which part of the series the address names.
    pub part: Memo<Part>,
}

impl ChartStore {
    /// The store of the page that calls; its work ends with the page. `visit` names what is to be open, and `part` which
    /// part of it is in view.
    #[must_use]
    pub fn new(visit: Signal<Option<Visit>>, part: Memo<Part>) -> Self {
        let store = Self::beside(visit, part);
        Effect::new(move || {
            let series = visit.with(|visit| visit.as_ref().map(|visit| visit.series.clone()));
            // What `open` was asked for has been marked before it was read.
            let opened = store.opening.try_update_value(Option::take).flatten();
            if opened.is_none() || opened != series {
                marks::set(marks::NAVIGATE);
            }
        });
        store
    }

    /// The same for a series that is drawn beside the page's own, whose opening nobody measures.
    #[must_use]
    pub fn beside(visit: Signal<Option<Visit>>, part: Memo<Part>) -> Self {
        let (sender, receiver) = unbounded();
        let (nudge, nudges) = unbounded();
        let store = Self {
            drawing: RwSignal::new(None),
            situation: RwSignal::new(Situation::default()),
            visit,
            commands: StoredValue::new(sender),
            nudges: StoredValue::new(nudge),
            next: StoredValue::new(None),
            opening: StoredValue::new(None),
        };
        store.start(receiver, nudges, part);
        Effect::new(move |before: Option<Part>| {
            let now = part.get();
            if before.is_some_and(|before| before != now) {
                store.nudge(Nudge::Part);
            }
            now
        });
        Effect::new(move || {
            store.send(Command::Open(visit.get()));
        });
        store
    }

    /// What is to be drawn; `None` where nothing of the series is known yet.
    #[must_use]
    pub fn drawing(self) -> Signal<Option<Drawing>> {
        self.drawing.into()
    }

    /// How the hydration stands.
    #[must_use]
    pub fn situation(self) -> Signal<Situation> {
        self.situation.into()
    }

    /// Asks again for all that is missing.
    pub fn retry(self) {
        self.send(Command::Retry);
    }

    /// Reads what this browser keeps of a series into memory, since it is likely to be opened: a pointer or the focus rests on
    /// a link to it, or its name is typed.
    pub fn prepare(self, series: SeriesKey) {
        let is_open = self.visit.with_untracked(|visit| visit.as_ref().is_some_and(|visit| visit.series == series));
        self.next.set_value(Some(series.clone()).filter(|_| !is_open));
        spawn_local(async move {
            TimeoutFuture::new(REST_MS).await;
            if self.next.try_get_value().flatten().as_ref() == Some(&series) {
                read_ahead(series).await;
            }
        });
    }

    /// The same at once: its link is pressed.
    pub fn prepare_now(self, series: SeriesKey) {
        self.next.set_value(None);
        spawn_local(read_ahead(series));
    }

    /// Opens a series by `go`, once what this browser keeps of it is in memory: the page turns to it and shows its bars in one
    /// frame. `go` is told whether nothing else has been opened meanwhile.
    pub fn open(self, series: SeriesKey, go: impl FnOnce(bool) + 'static) {
        marks::set(marks::NAVIGATE);
        self.opening.set_value(Some(series.clone()));
        spawn_local(async move {
            let reading = pin!(read_ahead(series.clone()));
            select(reading, TimeoutFuture::new(LEAD_MS)).await;
            go(self.opening.try_get_value().flatten() == Some(series));
        });
    }

    /// Calls off what is queued of the open series.
    pub fn cancel(self, series: SeriesKey) {
        let (symbol, timeframe) = (series.symbol.to_string(), series.timeframe.to_string());
        spawn_local(async move {
            let answer = api::cancel(symbol, timeframe).await;
            let is_open = self.visit.try_with_untracked(|it| it.as_ref().is_some_and(|it| it.series == series));
            if is_open == Some(true) {
                self.situation.update(|situation| situation.cancelled(answer, page::now_ms()));
            }
        });
    }

    /// The viewer has moved near the oldest bar of the series that is drawn.
    pub fn near_oldest(self, sight: Sight) {
        if let Some(series) = self.drawing.with_untracked(|drawing| drawing.as_ref().map(|it| it.series.clone())) {
            self.nudge(Nudge::NearOldest(series, sight));
        }
    }

    fn nudge(self, nudge: Nudge) {
        // Refused where the page is being left: then nobody waits for it.
        let _ = self.nudges.with_value(|nudges| nudges.unbounded_send(nudge));
    }

    fn send(self, command: Command) {
        // Refused where the page is being left: then nobody waits for it.
        let _ = self.commands.with_value(|commands| commands.unbounded_send(command));
    }

    fn start(self, commands: UnboundedReceiver<Command>, nudges: UnboundedReceiver<Nudge>, part: Memo<Part>) {
        let view = View { drawing: self.drawing, situation: self.situation, part };
        let mut heard = Some((commands, nudges));
        // In an effect, so that the work is done in the browser alone.
        Effect::new(move || {
            if let Some((commands, nudges)) = heard.take() {
                spawn_local(work(commands, nudges, view));
            }
        });
    }
}

async fn read_ahead(series: SeriesKey) {
    if let Some(cache) = bar_cache::shared().await {
        cache.read_ahead(series).await;
    }
}

/// Serves the commands until the page is left. A new command ends the running session wherever it waits, so that
/// nothing of an old series can reach the view.
async fn work(mut commands: UnboundedReceiver<Command>, mut nudges: UnboundedReceiver<Nudge>, view: View) {
    let mut visit: Option<Visit> = None;
    let gone = Rc::new(Cell::new(None));
    let mut retry = false;
    loop {
        let command = match &visit {
            None => commands.next().await,
            Some(visit) => {
                let session = pin!(visit_series(visit.clone(), view, retry, Rc::clone(&gone), &mut nudges));
                match select(commands.next(), session).await {
                    Either::Left((command, _)) => command,
                    Either::Right(((), command)) => command.await,
                }
            }
        };
        retry = matches!(command, Some(Command::Retry));
        match command {
            None => return,
            Some(Command::Open(next)) => {
                gone.set(None);
                visit = next;
            }
            Some(Command::Retry) => {}
        }
        view.situation.set(Situation::default());
        if visit.is_none() {
            view.drawing.set(None);
        }
    }
}

async fn visit_series(
    visit: Visit,
    view: View,
    retry: bool,
    gone: Rc<Cell<Option<Gone>>>,
    nudges: &mut UnboundedReceiver<Nudge>,
) {
    let cache = bar_cache::shared().await;
    Session::new(visit, cache, view, retry, gone).run(nudges).await;
}
