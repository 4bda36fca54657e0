//! What is drawn on the chart by hand, kept in this browser by symbol and shared between its tabs.

use leptos::prelude::*;
use tidemark_market::Symbol;

use crate::browser::storage;
use crate::chart::drawings::pen::{Edit, Pen, Tool};
use crate::chart::drawings::{Book, Figure};

/// How many changes can be undone.
const UNDONE: usize = 50;

/// The drawings of the symbol that is open, and the hand that draws.
#[derive(Clone, Copy)]
pub struct Drawings {
    symbol: Memo<Option<Symbol>>,
    book: RwSignal<Book>,
    pen: RwSignal<Pen>,
    /// The book before each change, the newest last.
    past: RwSignal<Vec<Book>>,
}

impl Drawings {
    /// None at first, so that server and browser render the same, then what the browser has stored of the symbol.
    #[must_use]
    pub fn new(symbol: Signal<Option<Symbol>>) -> Self {
        let symbol = Memo::new(move |_| symbol.get());
        let drawings = Self { symbol, book: RwSignal::default(), pen: RwSignal::default(), past: RwSignal::default() };
        Effect::new(move || {
            let key = symbol.with(|symbol| symbol.as_ref().map(key));
            drawings.pen.set(Pen::default());
            drawings.take_over(key.as_deref().and_then(storage::read));
            if let Some(key) = key {
                storage::on_change(key, move |text| drawings.take_over(text));
            }
        });
        drawings
    }

    /// What is kept.
    #[must_use]
    pub fn book(self) -> Signal<Book> {
        self.book.into()
    }

    /// What the hand does.
    #[must_use]
    pub fn pen(self) -> Signal<Pen> {
        self.pen.into()
    }

    /// Whether there is a change to undo.
    #[must_use]
    pub fn can_undo(self) -> bool {
        self.past.with(|past| !past.is_empty())
    }

    /// Takes a tool in hand, or lays it down.
    pub fn choose(self, tool: Option<Tool>) {
        self.pen.update(|pen| pen.choose(tool));
    }

    /// Takes a tool in hand, or lays it down where it is the one.
    pub fn toggle(self, tool: Tool) {
        let is_in_hand = self.pen.with_untracked(Pen::tool) == Some(tool);
        self.choose((!is_in_hand).then_some(tool));
    }

    /// Lays down what is in hand; whether there was any.
    pub fn escape(self) -> bool {
        self.with_pen(|pen, _| pen.escape())
    }

    /// What `act` does with the hand over the drawings. Nothing is told to anyone where it does not change.
    pub fn with_pen<T>(self, act: impl FnOnce(&mut Pen, &Book) -> T) -> T {
        let mut pen = self.pen.get_untracked();
        let result = self.book.with_untracked(|book| act(&mut pen, book));
        if self.pen.with_untracked(|before| *before != pen) {
            self.pen.set(pen);
        }
        result
    }

    /// Whether moves of a pointer over the chart mean nothing here.
    #[must_use]
    pub fn is_blank(self) -> bool {
        self.book.with_untracked(Book::is_empty) && self.pen.with_untracked(Pen::is_idle)
    }

    /// Changes what is kept, and selects what is new.
    pub fn edit(self, edit: Edit) {
        match edit {
            Edit::Add(figure) => self.add(figure),
            Edit::Put(id, figure) => self.put(id, figure),
        }
    }

    /// Adds a drawing and selects it, where there is room.
    pub fn add(self, figure: Figure) {
        let id = self.change(|book| book.add(figure));
        if id.is_some() {
            self.select(id);
        }
    }

    /// Puts a drawing in the place of another.
    pub fn put(self, id: u32, figure: Figure) {
        self.change(|book| book.put(id, figure));
    }

    /// Has keys act on that drawing.
    pub fn select(self, id: Option<u32>) {
        self.pen.update(|pen| pen.select(id));
    }

    /// Removes a drawing.
    pub fn remove(self, id: u32) {
        self.change(|book| book.remove(id));
    }

    /// Removes the selected drawing, where there is one.
    pub fn remove_selected(self) {
        if let Some(id) = self.pen.with_untracked(Pen::selected) {
            self.remove(id);
        }
    }

    /// Removes all of them.
    pub fn clear(self) {
        self.change(Book::clear);
    }

    /// Takes the last change back.
    pub fn undo(self) {
        if let Some(before) = self.past.try_update(Vec::pop).flatten() {
            self.set(before);
        }
    }

    fn change<T>(self, change: impl FnOnce(&mut Book) -> T) -> T {
        let before = self.book.get_untracked();
        let mut book = before.clone();
        let result = change(&mut book);
        if book != before {
            self.past.update(|past| {
                past.push(before);
                past.drain(..past.len().saturating_sub(UNDONE));
            });
            self.set(book);
        }
        result
    }

    fn set(self, book: Book) {
        if let Some(key) = self.symbol.with_untracked(|symbol| symbol.as_ref().map(key)) {
            if book.is_blank() {
                storage::remove(&key);
            } else {
                storage::write(&key, &book.write());
            }
        }
        self.show(book);
    }

    /// What is stored, at first or by another tab. What was done here before can't be undone over it.
    fn take_over(self, text: Option<String>) {
        self.past.set(Vec::new());
        self.show(text.as_deref().and_then(Book::parse).unwrap_or_default());
    }

    fn show(self, book: Book) {
        self.with_pen(|pen, _| pen.follow(&book));
        self.book.set(book);
    }
}

fn key(symbol: &Symbol) -> String {
    format!("tidemark:drawings:{symbol}")
}
