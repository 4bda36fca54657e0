//! The symbols someone watches, kept in this browser.

use leptos::prelude::*;
use leptos::task::spawn_local;
use tidemark_market::Symbol;

use crate::api;
use crate::browser::storage;

const KEY: &str = "tidemark:watchlist";
const DEFAULT: [&str; 6] = ["AAPL", "MSFT", "NVDA", "SPY", "X:BTCUSD", "X:ETHUSD"];
/// Enough for a sidebar; a longer list is cut.
const MOST: usize = 100;

/// The watchlist: a signal, and what changes it.
#[derive(Clone, Copy)]
pub struct Watchlist {
    list: RwSignal<Vec<Symbol>>,
    /// Why a fresh list has no series of real bars, where it has none.
    note: RwSignal<Option<String>>,
}

impl Watchlist {
    /// The default list at first, so that server and browser render the same, then what the browser has stored. Where it
    /// has stored none, a series of real bars is added, or a note says why there is none.
    #[must_use]
    pub fn new() -> Self {
        let watchlist = Self { list: RwSignal::new(default_list()), note: RwSignal::new(None) };
        Effect::new(move || match storage::read(KEY).as_deref().and_then(parse) {
            Some(stored) => watchlist.list.set(stored),
            None => spawn_local(watchlist.offer_real_bars()),
        });
        watchlist
    }

    async fn offer_real_bars(self) {
        // Without a server there is nothing to offer, and the banner says that it is away.
        let Ok(showcase) = api::showcase().await else { return };
        match (showcase.unavailable, showcase.symbol.parse::<Symbol>()) {
            (None, Ok(symbol)) => self.list.update(|list| {
                if !list.contains(&symbol) {
                    list.push(symbol);
                }
            }),
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

    /// The symbols, in their order.
    #[must_use]
    pub fn symbols(self) -> Vec<Symbol> {
        self.list.get()
    }

    /// Whether it is on the list.
    #[must_use]
    pub fn has(self, symbol: &Symbol) -> bool {
        self.list.with(|list| list.contains(symbol))
    }

    /// Adds to the end, once.
    pub fn add(self, symbol: Symbol) {
        self.change(|list| {
            if !list.contains(&symbol) && list.len() < MOST {
                list.push(symbol);
            }
        });
    }

    /// Takes off the list.
    pub fn remove(self, symbol: &Symbol) {
        self.change(|list| list.retain(|other| other != symbol));
    }

    fn change(self, change: impl FnOnce(&mut Vec<Symbol>)) {
        self.list.update(change);
        storage::write(KEY, &self.list.with_untracked(|list| write(list)));
    }
}

impl Default for Watchlist {
    fn default() -> Self {
        Self::new()
    }
}

fn default_list() -> Vec<Symbol> {
    DEFAULT.iter().filter_map(|text| text.parse().ok()).collect()
}

/// What was stored; `None` where it is no list at all. An entry that is no symbol is left out, a double once.
fn parse(text: &str) -> Option<Vec<Symbol>> {
    let entries: Vec<String> = serde_json::from_str(text).ok()?;
    let mut list = Vec::new();
    for symbol in entries.iter().filter_map(|entry| entry.parse::<Symbol>().ok()) {
        if !list.contains(&symbol) && list.len() < MOST {
            list.push(symbol);
        }
    }
    Some(list)
}

fn write(list: &[Symbol]) -> String {
    serde_json::to_string(list).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_list_comes_back() {
        let list = default_list();
        assert_eq!(list.len(), DEFAULT.len());
        assert_eq!(parse(&write(&list)), Some(list));
        assert_eq!(parse("[]"), Some(Vec::new()), "an emptied list stays empty");
    }

    #[test]
    fn what_is_damaged_is_left_out() {
        let list = parse(r#"["aapl", "AAPL", "A B", "", "X:BTCUSD"]"#).unwrap();
        assert_eq!(list.iter().map(Symbol::as_str).collect::<Vec<_>>(), ["AAPL", "X:BTCUSD"]);
        assert_eq!(parse("no list"), None);
        assert_eq!(parse("{}"), None);
    }
}
