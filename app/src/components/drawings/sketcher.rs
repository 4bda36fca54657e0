//! Hands presses and moves over the canvas to the pen, and its changes to the store.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use leptos::ev::PointerEvent;
use leptos::prelude::*;

use crate::chart::drawings::pen::{Edit, Pen, SLOP, Spot, Tool};
use crate::chart::drawings::plane::Plane;
use crate::chart::drawings::{Book, Figure};
use crate::components::chart::Canvas;
use crate::stores::drawings::Drawings;

/// Within how many pixels a mouse or pen is on a line, and a finger.
const REACH: f64 = 6.0;
const REACH_OF_FINGER: f64 = 16.0;

/// The hand that draws. What it does not take moves the chart.
#[derive(Clone)]
pub struct Sketcher {
    canvas: Rc<RefCell<Option<Canvas>>>,
    drawings: Drawings,
    /// The pointer whose press the pen has taken.
    held: Rc<Cell<Option<i32>>>,
    /// A press that the pen has not taken, and that has moved nothing yet.
    tap: Rc<Cell<Option<(i32, f64, f64)>>>,
    /// Whether the last press was about drawings.
    took_last: Rc<Cell<bool>>,
}

impl Sketcher {
    /// Over that canvas.
    pub(in crate::components) fn new(canvas: Rc<RefCell<Option<Canvas>>>, drawings: Drawings) -> Self {
        Self { canvas, drawings, held: Rc::default(), tap: Rc::default(), took_last: Rc::default() }
    }

    fn with_pen<T>(&self, act: impl FnOnce(&mut Pen, &Plane, &Book) -> T) -> Option<T> {
        let canvas = self.canvas.borrow();
        let done = canvas.as_ref()?.chart.plane(|plane| {
            let mut pen = self.drawings.pen().get_untracked();
            let result = self.drawings.book().with_untracked(|book| act(&mut pen, plane, book));
            (pen, result)
        });
        let (pen, result) = done?;
        self.drawings.with_pen(|before, _| *before = pen);
        Some(result)
    }

    /// A first pointer was pressed; whether the press is taken.
    pub fn press(&self, event: &PointerEvent) -> bool {
        let (spot, measures) = (spot(event), event.shift_key());
        self.tap.set(None);
        self.took_last.set(false);
        if self.drawings.is_blank() && !measures {
            return false;
        }
        let is_taken = self.with_pen(|pen, plane, book| {
            if measures && pen.tool().is_none() && plane.contains(spot.at) {
                pen.choose(Some(Tool::Measure));
            }
            pen.press(spot, plane, book)
        });
        let is_taken = is_taken.unwrap_or_default();
        self.took_last.set(is_taken);
        if is_taken {
            self.held.set(Some(event.pointer_id()));
        } else {
            self.tap.set(Some((event.pointer_id(), spot.at.0, spot.at.1)));
        }
        is_taken
    }

    /// A pointer moved, while `are_down` others were pressed; whether the pen follows it.
    pub fn go(&self, event: &PointerEvent, are_down: bool) -> bool {
        let spot = spot(event);
        let is_held = self.held.get() == Some(event.pointer_id());
        if is_held || !are_down && !self.drawings.is_blank() {
            self.with_pen(|pen, plane, book| pen.go(spot, plane, book));
        }
        let is_still = |(id, x, y): &(i32, f64, f64)| {
            *id != event.pointer_id() || (x - spot.at.0).hypot(y - spot.at.1) <= SLOP.max(spot.reach)
        };
        self.tap.set(self.tap.get().filter(is_still));
        is_held
    }

    /// A pointer was released.
    pub fn release(&self, event: &PointerEvent) {
        let (spot, id) = (spot(event), Some(event.pointer_id()));
        if self.held.get() == id {
            self.held.set(None);
            let edit = self.with_pen(|pen, plane, book| pen.release(spot, plane, book));
            edit.flatten().into_iter().for_each(|edit| self.drawings.edit(edit));
        } else if self.tap.take().map(|tap| tap.0) == id && id.is_some() {
            self.with_pen(|pen, plane, book| {
                pen.tap(spot, plane, book);
                pen.selected().is_some()
            })
            .into_iter()
            .for_each(|has_hit| self.took_last.set(has_hit));
        }
    }

    /// The press is another's: a second finger came, or the browser took it.
    pub fn abandon(&self) {
        self.tap.set(None);
        if self.held.take().is_some() {
            self.drawings.with_pen(|pen, _| pen.abandon());
        }
    }

    /// The pointer has left the chart.
    pub fn leave(&self) {
        if !self.drawings.is_blank() {
            self.drawings.with_pen(|pen, _| pen.leave());
        }
    }

    /// Whether the last press was about drawings, so that pressing twice means nothing else.
    pub fn took_last(&self) -> bool {
        self.took_last.get()
    }

    /// Sets a point of the tool in hand at the crosshair, on the nearest price of its bar.
    pub fn set_point(&self) {
        let pointed = self.canvas.borrow().as_ref().and_then(|canvas| canvas.chart.pointed());
        let Some(at) = pointed else { return };
        let edit = self.with_pen(|pen, plane, _| pen.set(plane.point(plane.within(at), true)));
        edit.flatten().into_iter().for_each(|edit| self.drawings.edit(edit));
    }

    /// Adds a horizontal line at the crosshair, or at the last price where there is none.
    pub fn add_level(&self) {
        let price = self.canvas.borrow().as_ref().and_then(|canvas| {
            let at = canvas.chart.pointed()?;
            canvas.chart.plane(|plane| plane.contains(at).then(|| plane.point(at, false).price)).flatten()
        });
        let last = || self.canvas.borrow().as_ref().and_then(|canvas| canvas.chart.last_close());
        if let Some(price) = price.or_else(last) {
            self.drawings.edit(Edit::Add(Figure::Level(price)));
        }
    }
}

fn spot(event: &PointerEvent) -> Spot {
    Spot {
        at: (f64::from(event.offset_x()), f64::from(event.offset_y())),
        reach: if event.pointer_type() == "touch" { REACH_OF_FINGER } else { REACH },
        is_snapped: event.ctrl_key() || event.meta_key(),
    }
}
