//! The lists of symbols that someone watches, kept in this browser and shared between its tabs.

pub mod lists;
pub mod order;
pub mod transfer;

use leptos::prelude::*;
use leptos::task::spawn_local;
use tidemark_market::Symbol;

use self::lists::{Added, List, ListError, Lists, Named};
use self::order::Order;
use crate::api;
use crate::browser::storage;
use crate::stores::settings::Choice;

const KEY: &str = "tidemark:watchlists";
/// Where versions before there were several lists kept theirs.
const SINGLE_KEY: &str = "tidemark:watchlist";

/// The lists: a signal, and what changes them.
#[derive(Clone, Copy)]
pub struct Watchlists {
    lists: RwSignal<Lists>,
    symbols: Memo<Vec<Symbol>>,
    order: RwSignal<Order>,
    /// Why a fresh list has no series of real bars, where it has none.
    note: RwSignal<Option<String>>,
}

impl Watchlists {
    /// The default lists at first, so that server and browser render the same, then what the browser has stored. Where it
    /// has stored none, a series of real bars is added, or a note says why there is none.
    #[must_use]
    pub fn new() -> Self {
        let lists = RwSignal::new(Lists::default());
        let symbols = Memo::new(move |_| lists.with(|lists| lists.symbols().to_vec()));
        let watchlists = Self { lists, symbols, order: RwSignal::default(), note: RwSignal::new(None) };
        Effect::new(move || {
            watchlists.order.set(Order::stored());
            match stored() {
                Some(stored) => lists.set(stored),
                None => spawn_local(watchlists.offer_real_bars()),
            }
            storage::on_change(KEY, move |text| {
                if let Some(theirs) = text.as_deref().and_then(Lists::parse) {
                    lists.update(|lists| lists.follow(theirs));
                }
            });
        });
        watchlists
    }

    async fn offer_real_bars(self) {
        // Without a server there is nothing to offer, and the banner says that it is away.
        let Ok(showcase) = api::showcase().await else { return };
        match (showcase.unavailable, showcase.symbol.parse::<Symbol>()) {
            (None, Ok(symbol)) => self.lists.update(|lists| lists.add(symbol)),
            (Some(reason), _) => {
                self.note.set(Some(format!("No real bars of {} here: {reason}", showcase.symbol)));
            }
            (None, Err(_)) => {}
        }
    }

    /// Why a fresh list has no series of real bars.
    #[must_use]
    pub fn note(self) -> Signal<Option<String>> {
        self.note.into()
    }

    /// All lists, in order.
    #[must_use]
    pub fn all(self) -> Vec<List> {
        self.lists.with(|lists| lists.all().to_vec())
    }

    /// The id of the list that is shown.
    #[must_use]
    pub fn shown(self) -> u32 {
        self.lists.with(Lists::shown)
    }

    /// The symbols of the list that is shown, in their order.
    #[must_use]
    pub fn symbols(self) -> Signal<Vec<Symbol>> {
        self.symbols.into()
    }

    /// In which order its lines are shown.
    #[must_use]
    pub fn order(self) -> Signal<Order> {
        self.order.into()
    }

    /// Shows lines in another order, now and on the next visit.
    pub fn set_order(self, order: Order) {
        self.order.set(order);
        storage::write(Order::KEY, order.as_str());
    }

    /// Where the symbol stands on the list that is shown, from 0.
    #[must_use]
    pub fn place(self, symbol: &Symbol) -> Option<usize> {
        self.lists.with(|lists| lists.place(symbol))
    }

    /// Shows another list.
    pub fn show(self, id: u32) {
        self.change(|lists| lists.show(id));
    }

    /// Makes a list, and shows it.
    ///
    /// # Errors
    /// Where it can't be named so.
    pub fn make(self, name: &str) -> Result<(), ListError> {
        self.change(|lists| lists.make(name))
    }

    /// Names a list otherwise.
    ///
    /// # Errors
    /// Where it can't be named so.
    pub fn rename(self, id: u32, name: &str) -> Result<(), ListError> {
        self.change(|lists| lists.rename(id, name))
    }

    /// Deletes a list; the last one stays.
    pub fn delete(self, id: u32) {
        self.change(|lists| lists.delete(id));
    }

    /// Adds to the end of the list that is shown, once.
    pub fn add(self, symbol: Symbol) {
        self.change(|lists| lists.add(symbol));
    }

    /// Takes off the list that is shown.
    pub fn remove(self, symbol: &Symbol) {
        self.change(|lists| lists.remove(symbol));
    }

    /// Puts a symbol of the list that is shown to another place, from 0.
    pub fn place_at(self, symbol: &Symbol, place: usize) {
        self.change(|lists| lists.place_at(symbol, place));
    }

    /// Takes in lists that were read from a file.
    pub fn take_in(self, read: Vec<Named>) -> Added {
        self.change(|lists| lists.take_in(read))
    }

    fn change<T>(self, change: impl FnOnce(&mut Lists) -> T) -> T {
        let mut lists = self.lists.get_untracked();
        let result = change(&mut lists);
        storage::write(KEY, &lists.write());
        self.lists.set(lists);
        result
    }
}

impl Default for Watchlists {
    fn default() -> Self {
        Self::new()
    }
}

/// What this browser has stored, by whichever version.
fn stored() -> Option<Lists> {
    if let Some(lists) = storage::read(KEY).as_deref().and_then(Lists::parse) {
        return Some(lists);
    }
    let lists = storage::read(SINGLE_KEY).as_deref().and_then(Lists::parse_single)?;
    storage::write(KEY, &lists.write());
    storage::remove(SINGLE_KEY);
    Some(lists)
}
