//! What of a drawing lies under a pointer.

use super::book::{Book, Kept};
use super::plane::Plane;
use super::{Figure, Point};

/// A place in pixels.
pub type Place = (f64, f64);

/// The part of a drawing by which it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grip {
    /// All of it moves.
    Body,
    /// The handle of that number among its [`handles`].
    Handle(usize),
}

/// Where a drawing has its handles, in pixels: a line at its ends, a rectangle in its corners.
#[must_use]
pub fn handles(figure: Figure, plane: &Plane) -> Vec<Place> {
    match figure {
        Figure::Level(_) => Vec::new(),
        Figure::Trend([from, to]) => vec![plane.place(from), plane.place(to)],
        Figure::Rectangle([from, to]) => {
            let ((left, top), (right, bottom)) = (plane.place(from), plane.place(to));
            vec![(left, top), (right, bottom), (left, bottom), (right, top)]
        }
    }
}

/// The uppermost drawing within `reach` of a place, and by what it is held there. The handles of `first` come before all;
/// its inside holds it too.
#[must_use]
pub fn under(book: &Book, first: Option<u32>, plane: &Plane, at: Place, reach: f64) -> Option<(u32, Grip)> {
    let selected = book.kept().iter().find(|kept| Some(kept.id) == first);
    let held = |kept: &Kept| grip(kept.figure, plane, at, reach).map(|grip| (kept.id, grip));
    let inside = |kept: &&Kept| is_inside(kept.figure, plane, at);
    selected
        .and_then(held)
        .or_else(|| book.kept().iter().rev().find_map(held))
        .or_else(|| selected.filter(inside).map(|kept| (kept.id, Grip::Body)))
}

/// The uppermost drawing that a short press at a place means: one under it, or one around it.
#[must_use]
pub fn meant(book: &Book, plane: &Plane, at: Place, reach: f64) -> Option<u32> {
    let around = |kept: &&Kept| is_inside(kept.figure, plane, at);
    let found = under(book, None, plane, at, reach).map(|(id, _)| id);
    found.or_else(|| book.kept().iter().rev().find(around).map(|kept| kept.id))
}

fn grip(figure: Figure, plane: &Plane, at: Place, reach: f64) -> Option<Grip> {
    let is_near = |handle: &Place| (handle.0 - at.0).hypot(handle.1 - at.1) <= reach;
    let handle = handles(figure, plane).iter().position(is_near).map(Grip::Handle);
    handle.or_else(|| (distance(figure, plane, at) <= reach).then_some(Grip::Body))
}

/// How far a place is from a drawing's lines.
fn distance(figure: Figure, plane: &Plane, at: Place) -> f64 {
    match figure {
        Figure::Level(price) => (plane.y(price) - at.1).abs(),
        Figure::Trend([from, to]) => from_line(plane.place(from), plane.place(to), at),
        Figure::Rectangle(_) => match handles(figure, plane)[..] {
            [a, b, c, d] => [(a, d), (d, b), (b, c), (c, a)]
                .into_iter()
                .map(|(from, to)| from_line(from, to, at))
                .fold(f64::INFINITY, f64::min),
            _ => f64::INFINITY,
        },
    }
}

fn from_line(from: Place, to: Place, at: Place) -> f64 {
    let (across, down) = (to.0 - from.0, to.1 - from.1);
    let length = across * across + down * down;
    let share = if length > 0.0 { ((at.0 - from.0) * across + (at.1 - from.1) * down) / length } else { 0.0 };
    let share = share.clamp(0.0, 1.0);
    (from.0 + across * share - at.0).hypot(from.1 + down * share - at.1)
}

fn is_inside(figure: Figure, plane: &Plane, at: Place) -> bool {
    let Figure::Rectangle([from, to]) = figure else { return false };
    let ((left, top), (right, bottom)) = (plane.place(from), plane.place(to));
    let is_between = |value: f64, a: f64, b: f64| a.min(b) <= value && value <= a.max(b);
    is_between(at.0, left, right) && is_between(at.1, top, bottom)
}

/// The drawing once its `grip` was dragged from one place to another.
#[must_use]
pub fn dragged(figure: Figure, grip: Grip, plane: &Plane, (from, to): (Place, Place), is_snapped: bool) -> Figure {
    let by = (to.0 - from.0, to.1 - from.1);
    let moved = |points: [Point; 2]| points.map(|point| plane.moved(point, by));
    match (figure, grip) {
        (Figure::Level(_), _) if is_snapped => Figure::Level(plane.point(to, true).price),
        (Figure::Level(price), _) => Figure::Level(plane.moved_price(price, by.1)),
        (Figure::Trend(points), Grip::Body) => Figure::Trend(moved(points)),
        (Figure::Rectangle(points), Grip::Body) => Figure::Rectangle(moved(points)),
        (Figure::Trend(points), Grip::Handle(number)) => {
            Figure::Trend(with_corner(points, number, plane.point(to, is_snapped)))
        }
        (Figure::Rectangle(points), Grip::Handle(number)) => {
            Figure::Rectangle(with_corner(points, number, plane.point(to, is_snapped)))
        }
    }
}

/// With the corner of that number at `point`. Corners 2 and 3 have the time of one point and the price of the other.
fn with_corner([from, to]: [Point; 2], number: usize, point: Point) -> [Point; 2] {
    match number {
        0 => [point, to],
        1 => [from, point],
        2 => [Point { at: point.at, ..from }, Point { price: point.price, ..to }],
        _ => [Point { price: point.price, ..from }, Point { at: point.at, ..to }],
    }
}
