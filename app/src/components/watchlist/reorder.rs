//! Moving entries of a list: dragged by their handle with mouse, pen or finger, or step by step with keys or buttons.
//!
//! While an entry is dragged, nothing in the document moves: the others make room by a transform, and the list is changed
//! once, when it is let go.

use leptos::ev::{KeyboardEvent, PointerEvent};
use leptos::prelude::*;
use tidemark_market::Symbol;

use crate::browser::{page, pointer};
use crate::stores::watchlists::Watchlists;

/// How far, in pixels, a pressed handle is moved before that is a drag and not a press.
const DRAG_FROM: f64 = 4.0;

/// The name of an entry's handle in the document.
pub fn handle(symbol: &str) -> String {
    format!("watch-handle-{symbol}")
}

/// What moves a list's entries.
#[derive(Clone, Copy)]
pub struct Reorder {
    watchlists: Watchlists,
    /// What is moved step by step, and where it stood.
    grabbed: RwSignal<Option<(Symbol, usize)>>,
    drag: RwSignal<Option<Drag>>,
    /// Whether the press that ends now was a drag: the browser tells of a click all the same.
    was_dragged: StoredValue<bool>,
    told: RwSignal<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Drag {
    symbol: Symbol,
    from: usize,
    count: usize,
    /// The pointer's height on the page when it was pressed, and how far it is from there now.
    start: f64,
    shift: f64,
    /// A line's height.
    line: f64,
    is_moving: bool,
}

impl Drag {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "clamped")]
    fn place(&self) -> usize {
        let place = self.from as f64 + self.shift / self.line.max(1.0);
        (place.round().max(0.0) as usize).min(self.count.saturating_sub(1))
    }

    /// By how many pixels the entry at `place` makes room.
    fn room(&self, place: usize) -> f64 {
        let to = self.place();
        if self.from < place && place <= to {
            -self.line
        } else if to <= place && place < self.from {
            self.line
        } else {
            0.0
        }
    }
}

impl Reorder {
    pub fn new(watchlists: Watchlists) -> Self {
        Self {
            watchlists,
            grabbed: RwSignal::new(None),
            drag: RwSignal::new(None),
            was_dragged: StoredValue::new(false),
            told: RwSignal::new(String::new()),
        }
    }

    /// What is said aloud.
    pub fn told(self) -> Signal<String> {
        self.told.into()
    }

    pub fn is_grabbed(self, symbol: &Symbol) -> bool {
        self.grabbed.with(|grabbed| grabbed.as_ref().is_some_and(|(it, _)| it == symbol))
    }

    pub fn is_dragging(self) -> bool {
        self.drag.with(|drag| drag.as_ref().is_some_and(|drag| drag.is_moving))
    }

    pub fn is_dragged(self, symbol: &Symbol) -> bool {
        self.drag.with(|drag| drag.as_ref().is_some_and(|drag| drag.is_moving && drag.symbol == *symbol))
    }

    /// Where an entry is drawn while one is dragged.
    pub fn transform(self, symbol: &Symbol) -> Option<String> {
        let place = self.watchlists.place(symbol)?;
        let shift = self.drag.with(|drag| {
            let drag = drag.as_ref().filter(|drag| drag.is_moving)?;
            Some(if drag.symbol == *symbol { drag.shift } else { drag.room(place) })
        })?;
        Some(format!("translateY({shift}px)"))
    }

    /// Takes the entry up, to be moved by keys or buttons, or puts it down.
    pub fn toggle(self, symbol: &Symbol) {
        if self.was_dragged.get_value() {
            self.was_dragged.set_value(false);
            return;
        }
        let Some(place) = untrack(|| self.watchlists.place(symbol)) else { return };
        if untrack(|| self.is_grabbed(symbol)) {
            self.grabbed.set(None);
            self.tell(symbol, "is put down at", place);
        } else {
            self.grabbed.set(Some((symbol.clone(), place)));
            let at = self.position(place);
            self.told.set(format!(
                "{symbol} is taken up, {at}. Arrow keys move it, Enter puts it down, Escape puts it back."
            ));
        }
    }

    pub fn on_key(self, symbol: &Symbol, event: &KeyboardEvent) {
        if !untrack(|| self.is_grabbed(symbol)) {
            return;
        }
        match event.key().as_str() {
            "ArrowUp" => self.step(symbol, -1),
            "ArrowDown" => self.step(symbol, 1),
            "Home" => self.put(symbol, 0),
            "End" => self.put(symbol, usize::MAX),
            "Escape" => {
                let before = self.grabbed.get_untracked().map_or(0, |(_, before)| before);
                self.grabbed.set(None);
                self.put(symbol, before);
            }
            _ => return,
        }
        event.prevent_default();
        event.stop_propagation();
    }

    /// Moves the entry by that many places.
    pub fn step(self, symbol: &Symbol, by: isize) {
        if let Some(place) = untrack(|| self.watchlists.place(symbol)) {
            self.put(symbol, place.saturating_add_signed(by));
        }
    }

    fn put(self, symbol: &Symbol, place: usize) {
        self.watchlists.place_at(symbol, place);
        let place = untrack(|| self.watchlists.place(symbol)).unwrap_or(0);
        self.tell(symbol, "is now", place);
        // What is moved in the document loses the focus.
        let handle = handle(symbol.as_str());
        page::after_paint(move || {
            page::focus(&handle);
            page::reveal(&handle);
        });
    }

    fn tell(self, symbol: &Symbol, happened: &str, place: usize) {
        self.told.set(format!("{symbol} {happened} {}.", self.position(place)));
    }

    fn position(self, place: usize) -> String {
        format!("position {} of {}", place + 1, self.watchlists.symbols().with_untracked(Vec::len))
    }

    /// The handle is pressed.
    pub fn begin(self, symbol: &Symbol, event: &PointerEvent) {
        self.was_dragged.set_value(false);
        let Some(from) = untrack(|| self.watchlists.place(symbol)).filter(|_| event.button() == 0) else { return };
        pointer::capture(event);
        self.drag.set(Some(Drag {
            symbol: symbol.clone(),
            from,
            count: self.watchlists.symbols().with_untracked(Vec::len),
            start: pointer::height(event),
            shift: 0.0,
            line: pointer::line_height(event),
            is_moving: false,
        }));
    }

    /// The pointer moves.
    pub fn follow(self, event: &PointerEvent) {
        if self.drag.with_untracked(Option::is_none) {
            return;
        }
        let height = pointer::height(event);
        self.drag.update(|drag| {
            if let Some(drag) = drag {
                drag.shift = height - drag.start;
                drag.is_moving |= drag.shift.abs() >= DRAG_FROM;
            }
        });
        if untrack(|| self.is_dragging()) {
            pointer::scroll_along(event);
        }
    }

    /// The pointer lets go; where the browser took it away (`is_wanted` false) all stays as it was.
    pub fn end(self, is_wanted: bool) {
        let Some(drag) = self.drag.get_untracked() else { return };
        self.drag.set(None);
        self.was_dragged.set_value(drag.is_moving);
        if is_wanted && drag.is_moving {
            self.grabbed.set(None);
            self.watchlists.place_at(&drag.symbol, drag.place());
            self.tell(&drag.symbol, "is now", drag.place());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_make_room_for_what_is_dragged() {
        let drag = |from, shift| Drag {
            symbol: "KO".parse().unwrap(),
            from,
            count: 4,
            start: 0.0,
            shift,
            line: 40.0,
            is_moving: true,
        };
        let down = drag(0, 85.0);
        assert_eq!((down.place(), [1, 2, 3].map(|place| down.room(place))), (2, [-40.0, -40.0, 0.0]));
        let up = drag(3, -50.0);
        assert_eq!((up.place(), [0, 1, 2].map(|place| up.room(place))), (2, [0.0, 0.0, 40.0]));
        assert_eq!((drag(1, -900.0).place(), drag(1, 900.0).place(), drag(1, 19.0).place()), (0, 3, 1));
    }
}
