//! The hand that draws: what presses, moves and releases do, one after the other.
//!
//! A tool takes two points: by two short presses, or by one that is dragged from the first to the second; a level takes
//! where it is released. Without a tool a press takes hold of the drawing under it.

use super::book::Book;
use super::grip::{Grip, Place, dragged, meant, under};
use super::plane::Plane;
use super::{Figure, Kind, Point};

/// Nearer than this to where it began, in pixels, a press was not dragged.
pub const SLOP: f64 = 4.0;

/// What is taken in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Draws what is kept.
    Draw(Kind),
    /// Tells what two points are apart; nothing is kept.
    Measure,
}

impl Tool {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 4] =
        [Self::Measure, Self::Draw(Kind::Level), Self::Draw(Kind::Trend), Self::Draw(Kind::Rectangle)];

    /// The name in the document.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Measure => "measure",
            Self::Draw(kind) => kind.as_str(),
        }
    }

    /// The name on the page.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Measure => "Measure",
            Self::Draw(kind) => kind.label(),
        }
    }
}

/// Where a pointer is, and how near it has to come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spot {
    /// In pixels from the canvas' left and top.
    pub at: Place,
    /// Within so many pixels of a line it is on it: a finger hides more than a mouse's arrow.
    pub reach: f64,
    /// Whether points snap to the prices of the bar.
    pub is_snapped: bool,
}

/// What the book is to be changed by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Edit {
    /// A new drawing.
    Add(Figure),
    /// Another one in the place of that id.
    Put(u32, Figure),
}

/// What is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Doing {
    #[default]
    Nothing,
    /// The tool's first point is set, and the second follows the pointer.
    Placing { points: [Point; 2], press: Option<Press> },
    /// A drawing follows the pointer.
    Shaping { id: u32, grip: Grip, before: Figure, now: Figure, from: Place },
}

/// The press that sets a point.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Press {
    from: Place,
    is_second: bool,
}

/// The hand.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pen {
    tool: Option<Tool>,
    doing: Doing,
    selected: Option<u32>,
    hovered: Option<(u32, Grip)>,
    measured: Option<[Point; 2]>,
}

impl Pen {
    /// The tool in hand.
    #[must_use]
    pub const fn tool(&self) -> Option<Tool> {
        self.tool
    }

    /// The drawing that keys act on.
    #[must_use]
    pub const fn selected(&self) -> Option<u32> {
        self.selected
    }

    /// The drawing under the pointer, and by what a press would hold it.
    #[must_use]
    pub const fn hovered(&self) -> Option<(u32, Grip)> {
        self.hovered
    }

    /// Between which points is being measured, or was.
    #[must_use]
    pub fn measured(&self) -> Option<[Point; 2]> {
        match (self.tool, self.doing) {
            (Some(Tool::Measure), Doing::Placing { points, .. }) => Some(points),
            _ => self.measured,
        }
    }

    /// The drawing that comes of the points set so far.
    #[must_use]
    pub fn draft(&self) -> Option<Figure> {
        match (self.tool, self.doing) {
            (Some(Tool::Draw(kind)), Doing::Placing { points, .. }) => Some(Figure::through(kind, points)),
            _ => None,
        }
    }

    /// How the drawing of that id stands while it follows the pointer.
    #[must_use]
    pub fn shaped(&self, id: u32) -> Option<Figure> {
        match self.doing {
            Doing::Shaping { id: held, now, .. } if held == id => Some(now),
            _ => None,
        }
    }

    /// Whether nothing of it is to be seen, and no press is waited for.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        *self == Self::default()
    }

    /// The same without what shows only while it is worked on.
    #[must_use]
    pub fn settled(&self) -> Self {
        Self { measured: self.measured, ..Self::default() }
    }

    /// Whether the browser has to leave every move of a finger to the chart.
    #[must_use]
    pub const fn wants_all(&self) -> bool {
        self.tool.is_some() || self.selected.is_some()
    }

    /// Takes a tool in hand, or lays it down.
    pub fn choose(&mut self, tool: Option<Tool>) {
        *self = Self { tool, ..Self::default() };
    }

    /// Has keys act on that drawing.
    pub fn select(&mut self, id: Option<u32>) {
        *self = Self { selected: id, measured: self.measured, ..Self::default() };
    }

    /// Forgets what is no longer in the book.
    pub fn follow(&mut self, book: &Book) {
        let is_there = |id: u32| book.figure(id).is_some();
        self.selected = self.selected.filter(|id| is_there(*id));
        self.hovered = self.hovered.filter(|(id, _)| is_there(*id));
        if matches!(self.doing, Doing::Shaping { id, .. } if !is_there(id)) {
            self.doing = Doing::Nothing;
        }
    }

    /// A press; whether it is taken, so that the chart does not move by it.
    pub fn press(&mut self, spot: Spot, plane: &Plane, book: &Book) -> bool {
        self.measured = None;
        if !plane.contains(spot.at) {
            return false;
        }
        if self.tool.is_some() {
            let point = plane.point(spot.at, spot.is_snapped);
            let (from, is_second) = match self.doing {
                Doing::Placing { points: [from, _], .. } => (from, true),
                _ => (point, false),
            };
            let press = Some(Press { from: spot.at, is_second });
            self.doing = Doing::Placing { points: [from, point], press };
            return true;
        }
        let held = under(book, self.selected, plane, spot.at, spot.reach);
        let Some((id, grip, before)) = held.and_then(|(id, grip)| Some((id, grip, book.figure(id)?))) else {
            return false;
        };
        self.selected = Some(id);
        self.doing = Doing::Shaping { id, grip, before, now: before, from: spot.at };
        true
    }

    /// The pointer moved, pressed or not.
    pub fn go(&mut self, spot: Spot, plane: &Plane, book: &Book) {
        match &mut self.doing {
            Doing::Placing { points: [_, to], .. } => *to = plane.point(plane.within(spot.at), spot.is_snapped),
            Doing::Shaping { grip, before, now, from, .. } => {
                let is_dragged = *now != *before || apart(*from, spot.at) > SLOP;
                if is_dragged {
                    *now = dragged(*before, *grip, plane, (*from, plane.within(spot.at)), spot.is_snapped);
                }
            }
            Doing::Nothing => {
                let is_free = self.tool.is_none() && plane.contains(spot.at);
                self.hovered = is_free.then(|| under(book, self.selected, plane, spot.at, spot.reach)).flatten();
            }
        }
    }

    /// The press ended there.
    pub fn release(&mut self, spot: Spot, plane: &Plane, book: &Book) -> Option<Edit> {
        self.go(spot, plane, book);
        match self.doing {
            Doing::Placing { points, press: Some(press) } => {
                let is_level = self.tool == Some(Tool::Draw(Kind::Level));
                let is_meant = press.is_second || apart(press.from, spot.at) > SLOP.max(spot.reach);
                let has_size = apart(plane.place(points[0]), plane.place(points[1])) > SLOP;
                if is_level || is_meant && has_size {
                    return self.finish(points);
                }
                self.doing = Doing::Placing { points, press: None };
                None
            }
            Doing::Shaping { id, before, now, .. } => {
                self.doing = Doing::Nothing;
                (now != before).then_some(Edit::Put(id, now))
            }
            Doing::Placing { .. } | Doing::Nothing => None,
        }
    }

    /// A short press that moved nothing.
    pub fn tap(&mut self, spot: Spot, plane: &Plane, book: &Book) {
        if plane.contains(spot.at) {
            self.selected = meant(book, plane, spot.at, spot.reach);
        }
    }

    /// Sets the tool's next point there, without a pointer.
    pub fn set(&mut self, point: Point) -> Option<Edit> {
        let points = match self.doing {
            Doing::Placing { points: [from, _], .. } => [from, point],
            _ if self.tool == Some(Tool::Draw(Kind::Level)) => [point, point],
            _ if self.tool.is_some() => {
                self.measured = None;
                self.doing = Doing::Placing { points: [point, point], press: None };
                return None;
            }
            _ => return None,
        };
        self.finish(points)
    }

    /// The pointer has left the chart.
    pub fn leave(&mut self) {
        self.hovered = None;
    }

    /// The press is no longer the pen's: a second finger came, or the browser took it.
    pub fn abandon(&mut self) {
        self.doing = Doing::Nothing;
    }

    /// Lays down what is in hand: what is being done first, then tool, measurement and selection. Whether there was any.
    pub fn escape(&mut self) -> bool {
        let had_any =
            self.doing != Doing::Nothing || self.tool.is_some() || self.measured.is_some() || self.selected.is_some();
        *self = match self.doing {
            // The drawing goes back to where it was, and stays selected.
            Doing::Shaping { id, .. } => Self { selected: Some(id), ..Self::default() },
            Doing::Placing { .. } | Doing::Nothing => Self::default(),
        };
        had_any
    }

    fn finish(&mut self, points: [Point; 2]) -> Option<Edit> {
        let tool = self.tool;
        *self = Self::default();
        match tool? {
            Tool::Measure => {
                self.measured = Some(points);
                None
            }
            Tool::Draw(kind) => Some(Edit::Add(Figure::through(kind, points))),
        }
    }
}

fn apart(a: Place, b: Place) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}
