//! The drawings that are kept of one symbol, and how they are written.

use serde_json::{Value, json};
use tidemark_market::Timestamp;

use super::{Figure, Kind, Point};

/// The most drawings of a symbol.
pub const MOST: usize = 100;

const VERSION: u32 = 1;

/// A drawing that is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// Stays the same as long as it is there.
    pub id: u32,
    /// The drawing.
    pub figure: Figure,
}

/// The drawings of a symbol, the newest last, which lies over the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    kept: Vec<Kept>,
    /// Entries of another version of the page, which are written back as they were.
    foreign: Vec<Value>,
}

impl Book {
    /// All of them.
    #[must_use]
    pub fn kept(&self) -> &[Kept] {
        &self.kept
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether no more can be added.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.kept.len() >= MOST
    }

    /// The drawing of that id.
    #[must_use]
    pub fn figure(&self, id: u32) -> Option<Figure> {
        self.kept.iter().find(|kept| kept.id == id).map(|kept| kept.figure)
    }

    /// Adds a drawing, and tells its id; `None` where there are [`MOST`], or it has no sound price.
    pub fn add(&mut self, figure: Figure) -> Option<u32> {
        if self.is_full() || !figure.is_sound() {
            return None;
        }
        let id = self.kept.iter().map(|kept| kept.id).max().unwrap_or(0).checked_add(1)?;
        self.kept.push(Kept { id, figure });
        Some(id)
    }

    /// Puts a drawing in the place of the one of that id; of no effect where that is gone, or a price is not sound.
    pub fn put(&mut self, id: u32, figure: Figure) {
        if let Some(kept) = self.kept.iter_mut().find(|kept| kept.id == id && figure.is_sound()) {
            kept.figure = figure;
        }
    }

    /// Removes a drawing.
    pub fn remove(&mut self, id: u32) {
        self.kept.retain(|kept| kept.id != id);
    }

    /// Removes all of them.
    pub fn clear(&mut self) {
        self.kept.clear();
    }

    /// What was written. Entries that say nothing that is known here are kept aside; `None` where it is no such list.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut whole: Value = serde_json::from_str(text).ok()?;
        let Value::Array(entries) = whole.get_mut("drawings")?.take() else { return None };
        let mut book = Self::default();
        for entry in entries {
            match figure(&entry) {
                Some(figure) if !book.is_full() => {
                    let id = book.free_id(&entry);
                    book.kept.push(Kept { id, figure });
                }
                _ => book.foreign.push(entry),
            }
        }
        Some(book)
    }

    /// As text.
    #[must_use]
    pub fn write(&self) -> String {
        let known = self.kept.iter().map(entry);
        let drawings: Vec<Value> = known.chain(self.foreign.iter().cloned()).collect();
        json!({ "version": VERSION, "drawings": drawings }).to_string()
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.kept.is_empty() && self.foreign.is_empty()
    }

    /// The id that the entry names, where no other has it.
    fn free_id(&self, entry: &Value) -> u32 {
        let named = entry.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
        let is_taken = |id: u32| self.kept.iter().any(|kept| kept.id == id);
        let mut next = named.unwrap_or(1);
        while is_taken(next) {
            next = next.wrapping_add(1);
        }
        next
    }
}

fn entry(kept: &Kept) -> Value {
    let point = |point: Point| json!({ "at": point.at.millis(), "price": point.price });
    let mut entry = json!({ "id": kept.id, "kind": kept.figure.kind().as_str() });
    match kept.figure {
        Figure::Level(price) => entry["price"] = json!(price),
        Figure::Trend([from, to]) | Figure::Rectangle([from, to]) => {
            entry["from"] = point(from);
            entry["to"] = point(to);
        }
    }
    entry
}

fn figure(entry: &Value) -> Option<Figure> {
    let price = |of: &Value| of.get("price").and_then(Value::as_f64);
    let point = |name: &str| {
        let of = entry.get(name)?;
        Some(Point { at: Timestamp(of.get("at")?.as_i64()?), price: price(of)? })
    };
    let kind = entry.get("kind").and_then(Value::as_str)?;
    let figure = match Kind::ALL.into_iter().find(|it| it.as_str() == kind)? {
        Kind::Level => Figure::Level(price(entry)?),
        Kind::Trend => Figure::Trend([point("from")?, point("to")?]),
        Kind::Rectangle => Figure::Rectangle([point("from")?, point("to")?]),
    };
    figure.is_sound().then_some(figure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_kept_for_who_knows_it() {
        let text = r#"{"version":7,"drawings":[{"id":4,"kind":"level","price":187.5},{"id":5,"kind":"fan","price":1},
            {"id":6,"kind":"level","price":-1},"?",{"id":4,"kind":"trend","from":{"at":1,"price":2},"to":{"at":3,"price":4}}]}"#;
        let mut book = Book::parse(text).unwrap();
        assert_eq!(book.kept().iter().map(|kept| kept.id).collect::<Vec<_>>(), [4, 5], "ids are unique");
        book.remove(4);
        let again: Value = serde_json::from_str(&book.write()).unwrap();
        let kinds: Vec<_> = again["drawings"].as_array().unwrap().iter().map(|it| it["kind"].as_str()).collect();
        assert_eq!(kinds, [Some("trend"), Some("fan"), Some("level"), None]);
        for text in ["", "[]", "{}", r#"{"drawings":7}"#, "null"] {
            assert_eq!(Book::parse(text), None, "{text}");
        }
    }

    #[test]
    fn no_more_are_kept_than_can_be_drawn_and_none_without_a_price() {
        let mut book = Book::default();
        assert_eq!(book.add(Figure::Level(f64::NAN)), None);
        let ids: Vec<_> = (0..=MOST).map(|i| book.add(Figure::Level(1.0 + i as f64))).collect();
        assert_eq!((ids[0], ids[MOST - 1], ids[MOST]), (Some(1), Some(100), None));
        book.put(3, Figure::Level(-2.0));
        assert_eq!(book.figure(3), Some(Figure::Level(3.0)));
        book.clear();
        assert!(book.is_blank());
    }
}
