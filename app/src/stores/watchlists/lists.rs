//! The lists themselves: what is on them, in which order, and how they are stored.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tidemark_market::Symbol;
use tidemark_market::quote::MOST_QUOTES;

/// Enough for a sidebar; a longer list is cut. One question tells the prices of all.
pub const MOST_SYMBOLS: usize = MOST_QUOTES;
/// The most lists.
pub const MOST_LISTS: usize = 20;
/// The longest name, in characters.
pub const LONGEST_NAME: usize = 40;

const VERSION: u32 = 1;

/// What a fresh browser begins with.
const INITIAL: [(&str, &[&str]); 3] = [
    ("Watchlist", &["AAPL", "MSFT", "NVDA", "SPY", "X:BTCUSD", "X:ETHUSD"]),
    ("Funds", &["SPY", "QQQ", "IWM", "DIA", "TLT", "GLD"]),
    ("Currencies", &["C:EURUSD", "C:GBPUSD", "C:USDJPY"]),
];

/// One list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Stays the same when it is renamed.
    pub id: u32,
    /// Unique, whatever the case.
    pub name: String,
    /// In the reader's order, each once.
    pub symbols: Vec<Symbol>,
}

/// All lists, of which there is at least one, and which of them is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lists {
    lists: Vec<List>,
    shown: u32,
}

/// Why a list can't be made or named so.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListError {
    /// Nothing but white space.
    #[error("A list needs a name.")]
    Unnamed,
    /// More than [`LONGEST_NAME`] characters.
    #[error("The name is longer than {LONGEST_NAME} characters.")]
    TooLong,
    /// Another list has it.
    #[error("There is a list of that name already.")]
    Taken,
    /// There are [`MOST_LISTS`].
    #[error("There are {MOST_LISTS} lists, which is the most. Delete one first.")]
    TooMany,
}

/// A list as it is read from a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// What is on it.
    pub symbols: Vec<Symbol>,
}

/// What taking in lists came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Lists that are new.
    pub lists: usize,
    /// Symbols that are new on their list.
    pub symbols: usize,
    /// Symbols for which there was no room.
    pub left_out: usize,
}

impl Default for Lists {
    fn default() -> Self {
        let read = |symbols: &[&str]| symbols.iter().filter_map(|text| text.parse().ok()).collect();
        let lists = INITIAL.iter().zip(1..);
        let lists = lists.map(|((name, symbols), id)| List { id, name: (*name).to_owned(), symbols: read(symbols) });
        Self { lists: lists.collect(), shown: 1 }
    }
}

impl Lists {
    /// All of them, in order.
    #[must_use]
    pub fn all(&self) -> &[List] {
        &self.lists
    }

    /// The id of the list that is shown.
    #[must_use]
    pub const fn shown(&self) -> u32 {
        self.shown
    }

    /// What is on the list that is shown.
    #[must_use]
    pub fn symbols(&self) -> &[Symbol] {
        self.lists.iter().find(|list| list.id == self.shown).map_or(&[], |list| &list.symbols)
    }

    /// Where the symbol stands on the list that is shown, from 0.
    #[must_use]
    pub fn place(&self, symbol: &Symbol) -> Option<usize> {
        self.symbols().iter().position(|other| other == symbol)
    }

    /// Shows another list.
    pub fn show(&mut self, id: u32) {
        if self.lists.iter().any(|list| list.id == id) {
            self.shown = id;
        }
    }

    /// Makes a list, and shows it.
    ///
    /// # Errors
    /// As [`ListError`] says; nothing is changed then.
    pub fn make(&mut self, name: &str) -> Result<(), ListError> {
        let name = self.checked_name(name, None)?;
        if self.lists.len() >= MOST_LISTS {
            return Err(ListError::TooMany);
        }
        let id = self.lists.iter().map(|list| list.id).max().unwrap_or(0) + 1;
        self.lists.push(List { id, name, symbols: Vec::new() });
        self.shown = id;
        Ok(())
    }

    /// Names a list otherwise.
    ///
    /// # Errors
    /// As [`ListError`] says; nothing is changed then.
    pub fn rename(&mut self, id: u32, name: &str) -> Result<(), ListError> {
        let name = self.checked_name(name, Some(id))?;
        if let Some(list) = self.lists.iter_mut().find(|list| list.id == id) {
            list.name = name;
        }
        Ok(())
    }

    fn checked_name(&self, name: &str, of: Option<u32>) -> Result<String, ListError> {
        let name = name.trim();
        let is_taken = |list: &List| Some(list.id) != of && list.name.to_lowercase() == name.to_lowercase();
        match name.chars().count() {
            0 => Err(ListError::Unnamed),
            1..=LONGEST_NAME if self.lists.iter().any(is_taken) => Err(ListError::Taken),
            1..=LONGEST_NAME => Ok(name.to_owned()),
            _ => Err(ListError::TooLong),
        }
    }

    /// Deletes a list; the last one stays.
    pub fn delete(&mut self, id: u32) {
        if self.lists.len() > 1 {
            self.lists.retain(|list| list.id != id);
        }
        self.show_any();
    }

    fn show_any(&mut self) {
        if let Some(first) = self.lists.first()
            && self.lists.iter().all(|list| list.id != self.shown)
        {
            self.shown = first.id;
        }
    }

    /// Adds to the end of the list that is shown, once.
    pub fn add(&mut self, symbol: Symbol) {
        self.change_shown(|symbols| push(symbols, symbol));
    }

    /// Takes off the list that is shown.
    pub fn remove(&mut self, symbol: &Symbol) {
        self.change_shown(|symbols| symbols.retain(|other| other != symbol));
    }

    /// Puts a symbol of the list that is shown to another place, from 0; beyond the end is the end.
    pub fn place_at(&mut self, symbol: &Symbol, place: usize) {
        self.change_shown(|symbols| {
            if let Some(from) = symbols.iter().position(|other| other == symbol) {
                let moved = symbols.remove(from);
                symbols.insert(place.min(symbols.len()), moved);
            }
        });
    }

    fn change_shown(&mut self, change: impl FnOnce(&mut Vec<Symbol>)) {
        let shown = self.shown;
        if let Some(list) = self.lists.iter_mut().find(|list| list.id == shown) {
            change(&mut list.symbols);
        }
    }

    /// Takes in lists: a list of a name that is there gets what it lacks, any other is new.
    pub fn take_in(&mut self, read: Vec<Named>) -> Added {
        let mut added = Added::default();
        let shown = self.shown;
        for named in read {
            let same = |list: &List| list.name.to_lowercase() == named.name.trim().to_lowercase();
            let place = self.lists.iter().position(same).or_else(|| {
                let name: String = named.name.trim().chars().take(LONGEST_NAME).collect();
                self.make(&name).ok()?;
                added.lists += 1;
                Some(self.lists.len() - 1)
            });
            let Some(list) = place.and_then(|place| self.lists.get_mut(place)) else {
                added.left_out += named.symbols.len();
                continue;
            };
            let before = list.symbols.len();
            let lacking: Vec<Symbol> = named.symbols.into_iter().filter(|it| !list.symbols.contains(it)).collect();
            let wanted = lacking.len();
            lacking.into_iter().for_each(|symbol| push(&mut list.symbols, symbol));
            added.symbols += list.symbols.len() - before;
            added.left_out += wanted - (list.symbols.len() - before);
        }
        self.shown = shown;
        added
    }

    /// Takes over what another tab of this browser made of the lists; which of them is shown stays this tab's own.
    pub fn follow(&mut self, other: Self) {
        self.lists = other.lists;
        self.show_any();
    }

    /// What was stored; `None` where it is no lists at all. An entry that is no symbol is left out, a double once.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let stored: Stored = serde_json::from_str(text).ok().filter(|stored: &Stored| stored.version == VERSION)?;
        let mut lists: Vec<List> = Vec::new();
        for StoredList { id, name, symbols } in stored.lists {
            if lists.len() < MOST_LISTS && lists.iter().all(|list| list.id != id) {
                lists.push(List { id, name, symbols: read_symbols(&symbols) });
            }
        }
        if lists.is_empty() {
            return None;
        }
        let mut read = Self { lists, shown: stored.shown };
        read.show_any();
        Some(read)
    }

    /// What versions before there were several lists have stored: symbols, which become the first list.
    #[must_use]
    pub fn parse_single(text: &str) -> Option<Self> {
        let symbols: Vec<String> = serde_json::from_str(text).ok()?;
        let mut lists = Self::default();
        if let Some(first) = lists.lists.first_mut() {
            first.symbols = read_symbols(&symbols);
        }
        Some(lists)
    }

    /// To be stored.
    #[must_use]
    pub fn write(&self) -> String {
        let list = |list: &List| StoredList {
            id: list.id,
            name: list.name.clone(),
            symbols: list.symbols.iter().map(|symbol| symbol.as_str().to_owned()).collect(),
        };
        let stored = Stored { version: VERSION, shown: self.shown, lists: self.lists.iter().map(list).collect() };
        serde_json::to_string(&stored).unwrap_or_default()
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    shown: u32,
    lists: Vec<StoredList>,
}

#[derive(Serialize, Deserialize)]
struct StoredList {
    id: u32,
    name: String,
    symbols: Vec<String>,
}

fn read_symbols(entries: &[String]) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    entries.iter().filter_map(|entry| entry.parse().ok()).for_each(|symbol| push(&mut symbols, symbol));
    symbols
}

fn push(symbols: &mut Vec<Symbol>, symbol: Symbol) {
    if !symbols.contains(&symbol) && symbols.len() < MOST_SYMBOLS {
        symbols.push(symbol);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(text: &str) -> Vec<Symbol> {
        text.split_whitespace().map(|symbol| symbol.parse().unwrap()).collect()
    }

    fn shown(lists: &Lists) -> String {
        lists.symbols().iter().map(Symbol::as_str).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn stored_lists_come_back() {
        let mut lists = Lists::default();
        lists.make("Mine").unwrap();
        lists.add("BRK.B".parse().unwrap());
        assert_eq!(Lists::parse(&lists.write()), Some(lists));
    }

    #[test]
    fn the_single_list_of_an_older_version_becomes_the_first() {
        let lists = Lists::parse_single(r#"["aapl", "AAPL", "A B", "", "X:BTCUSD"]"#).unwrap();
        assert_eq!(shown(&lists), "AAPL X:BTCUSD");
        assert_eq!(lists.all()[0].name, "Watchlist");
        assert_eq!(shown(&Lists::parse_single("[]").unwrap()), "", "an emptied list stays empty");
        assert_eq!(Lists::parse_single("{}"), None);
    }

    #[test]
    fn what_is_damaged_is_left_out() {
        let stored = r#"{"version":1,"shown":9,"lists":[{"id":2,"name":"Mine","symbols":["A B","KO","ko"]}]}"#;
        let lists = Lists::parse(stored).unwrap();
        assert_eq!((lists.shown(), shown(&lists)), (2, "KO".to_owned()));
        for text in ["no list", "[]", r#"{"version":1,"shown":1,"lists":[]}"#, r#"{"version":7,"shown":1,"lists":[]}"#]
        {
            assert_eq!(Lists::parse(text), None, "{text}");
        }
    }

    #[test]
    fn lists_are_made_named_and_deleted() {
        let mut lists = Lists::default();
        lists.make(" Mine ").unwrap();
        assert_eq!(lists.all().last().unwrap().name, "Mine");
        assert_eq!(lists.make("mine"), Err(ListError::Taken));
        assert_eq!(lists.make("  "), Err(ListError::Unnamed));
        assert_eq!(lists.make(&"x".repeat(41)), Err(ListError::TooLong));
        let mine = lists.shown();
        lists.rename(mine, "MINE").unwrap();
        assert_eq!(lists.rename(mine, "Funds"), Err(ListError::Taken));
        lists.delete(mine);
        assert_eq!(lists.shown(), 1, "another one is shown");
        for id in [1, 2, 3] {
            lists.delete(id);
        }
        assert_eq!(lists.all().len(), 1, "the last one stays");
        for number in 1..MOST_LISTS {
            lists.make(&format!("List {number}")).unwrap();
        }
        assert_eq!(lists.make("One more"), Err(ListError::TooMany));
    }

    #[test]
    fn symbols_are_moved_within_their_list() {
        let mut lists = Lists::parse_single(r#"["A","B","C","D"]"#).unwrap();
        let move_to = |lists: &mut Lists, symbol: &str, place| {
            lists.place_at(&symbol.parse().unwrap(), place);
            shown(lists)
        };
        assert_eq!(move_to(&mut lists, "A", 2), "B C A D");
        assert_eq!(move_to(&mut lists, "D", 0), "D B C A");
        assert_eq!(move_to(&mut lists, "B", 99), "D C A B");
        assert_eq!(move_to(&mut lists, "ZZ", 0), "D C A B");
    }

    #[test]
    fn what_is_taken_in_is_added_to_the_list_of_its_name() {
        let mut lists = Lists::default();
        let read = vec![
            Named { name: "funds".to_owned(), symbols: symbols("SPY VTI") },
            Named { name: "New".to_owned(), symbols: symbols("KO PEP") },
        ];
        assert_eq!(lists.take_in(read), Added { lists: 1, symbols: 3, left_out: 0 });
        assert_eq!(lists.shown(), 1);
        assert_eq!(lists.all()[1].symbols.last().unwrap().as_str(), "VTI");
        let many = (0..120).map(|number| format!("T{number}").parse().unwrap()).collect();
        let added = lists.take_in(vec![Named { name: "Many".to_owned(), symbols: many }]);
        assert_eq!(added, Added { lists: 1, symbols: 100, left_out: 20 });
    }

    #[test]
    fn another_tab_changes_the_lists_and_not_which_is_shown() {
        let (mut here, mut there) = (Lists::default(), Lists::default());
        here.show(3);
        there.add("KO".parse().unwrap());
        here.follow(there.clone());
        assert_eq!((here.shown(), here.all()), (3, there.all()));
        there.delete(3);
        here.follow(there);
        assert_eq!(here.shown(), 1);
    }
}
