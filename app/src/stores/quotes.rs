//! The prices of a watchlist: asked for all at once, again when something may have changed, and at a modest pace while
//! anyone can see the page.

use std::collections::HashMap;

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use leptos::task::spawn_local;
use tidemark_market::{Quote, Symbol, Timeframe};

use crate::api;
use crate::browser::page;

/// The chart comes first: what it asks for when the page opens is not to share the line.
const HEAD_START_MS: u32 = 150;
/// The shortest time between two questions.
const PAUSE_MS: u32 = 1_000;
/// How often prices are asked for where nothing tells of a change, in polls of a chart: each minute.
const POLLS: u32 = 4;

/// The store of one page.
#[derive(Clone, Copy)]
pub struct Quotes {
    watched: Signal<Vec<Symbol>>,
    timeframe: Signal<Timeframe>,
    known: RwSignal<HashMap<Symbol, Quote>>,
    problem: RwSignal<Option<String>>,
    asks: StoredValue<UnboundedSender<()>>,
}

impl Quotes {
    /// For the symbols that are watched, at the timeframe that is open. `changed` is asked for again whenever it changes:
    /// it tells what the open chart hears of its series.
    #[must_use]
    pub fn new<C: PartialEq + Clone + Send + Sync + 'static>(
        watched: Signal<Vec<Symbol>>,
        timeframe: Signal<Timeframe>,
        changed: Signal<C>,
    ) -> Self {
        let (sender, receiver) = unbounded();
        let quotes = Self {
            watched,
            timeframe,
            known: RwSignal::new(HashMap::new()),
            problem: RwSignal::new(None),
            asks: StoredValue::new(sender),
        };
        let occasion = Memo::new(move |_| (watched.get(), timeframe.get(), changed.get()));
        Effect::new(move || {
            // Read, since a memo that nobody reads is never reckoned.
            occasion.with(|_| ());
            quotes.refresh();
        });
        let mut receiver = Some(receiver);
        // In an effect, so that the work is done in the browser alone.
        Effect::new(move || {
            page::on_visible(move || quotes.refresh());
            if let Some(receiver) = receiver.take() {
                spawn_local(quotes.follow(receiver));
            }
        });
        quotes
    }

    /// What is known of the symbol; `None` until the server has told.
    #[must_use]
    pub fn of(self, symbol: &Symbol) -> Option<Quote> {
        self.known.with(|known| known.get(symbol).cloned())
    }

    /// Why prices can't be had, where the server was reached and did not tell any.
    #[must_use]
    pub fn problem(self) -> Signal<Option<String>> {
        self.problem.into()
    }

    /// Asks for all prices, soon.
    pub fn refresh(self) {
        // Refused where the page is being left: then nobody waits for it.
        let _ = self.asks.try_with_value(|asks| asks.unbounded_send(()));
    }

    async fn follow(self, mut asks: UnboundedReceiver<()>) {
        TimeoutFuture::new(HEAD_START_MS).await;
        loop {
            // What was asked up to here is answered by one question.
            while let Ok(()) = asks.try_recv() {}
            if page::is_visible() {
                self.read().await;
            }
            TimeoutFuture::new(PAUSE_MS).await;
            let pace = TimeoutFuture::new(page::poll_ms().saturating_mul(POLLS));
            if let Either::Left((None, _)) = select(asks.next(), pace).await {
                return;
            }
        }
    }

    async fn read(self) {
        let Some(symbols) = self.watched.try_get_untracked().filter(|symbols| !symbols.is_empty()) else { return };
        let Some(timeframe) = self.timeframe.try_get_untracked() else { return };
        let answer = api::quotes(joined(&symbols), timeframe.to_string()).await;
        // Refused where the page was left meanwhile.
        let _ = match answer {
            Ok(quotes) => {
                self.problem.try_set(None);
                self.known.try_update(|known| known.extend(quotes.into_iter().map(|it| (it.symbol.clone(), it))))
            }
            // The banner says that the server is away.
            Err(problem) if problem.status == 0 => None,
            Err(problem) => self.problem.try_set(Some(problem.detail)).map(|_| ()),
        };
    }
}

/// The symbols as the server reads them.
#[must_use]
pub fn joined(symbols: &[Symbol]) -> String {
    symbols.iter().map(Symbol::as_str).collect::<Vec<_>>().join(",")
}
