//! What is drawn by hand: levels, lines and rectangles, their handles, and what is measured.

use super::layout::Layout;
use super::stroke::clipped;
use super::{Align, Ink, Label, Mark, Scene, Shape, Subject, push};
use crate::chart::drawings::grip::{Place, handles};
use crate::chart::drawings::plane::Plane;
use crate::chart::drawings::reading::Reading;
use crate::chart::drawings::{Figure, Point};

/// How wide lines are; those of a drawing that is worked on are wider.
const WIDTH: f64 = 1.5;
const WIDE: f64 = 2.0;
/// How wide a handle is, and its ground within.
const HANDLE: f64 = 10.0;
const HANDLE_INSIDE: f64 = 6.0;

/// All of it. Nothing is done where there is nothing.
pub(super) fn draw(scene: &mut Scene, subject: &Subject, layout: &Layout) {
    let sketch = subject.sketch;
    if sketch.is_blank() {
        return;
    }
    let Some(plane) = Plane::new(subject.pyramid, subject.ahead, layout) else { return };
    let mut brush = Brush { scene, layout, plane };
    let (pen, mut worked_on) = (&sketch.pen, Vec::new());
    for kept in sketch.book.kept() {
        let figure = pen.shaped(kept.id).unwrap_or(kept.figure);
        let is_worked_on = pen.selected() == Some(kept.id) || pen.hovered().is_some_and(|(id, _)| id == kept.id);
        brush.figure(figure, is_worked_on);
        worked_on.extend(is_worked_on.then_some(figure));
    }
    if let Some(figure) = pen.draft() {
        brush.figure(figure, true);
        worked_on.push(figure);
    }
    for figure in worked_on {
        brush.handles(figure);
    }
    if let Some(points) = pen.measured() {
        brush.measure(points);
    }
}

struct Brush<'a> {
    scene: &'a mut Scene,
    layout: &'a Layout,
    plane: Plane<'a>,
}

impl Brush<'_> {
    fn figure(&mut self, figure: Figure, is_wide: bool) {
        match figure {
            Figure::Level(price) => self.level(price, is_wide),
            Figure::Trend([from, to]) => self.strokes(&[(self.plane.place(from), self.plane.place(to))], is_wide),
            Figure::Rectangle(points) => {
                let [left_top, right_bottom] = self.corners(points);
                self.ground(left_top, right_bottom, Ink::DrawingSoft);
                let ((left, top), (right, bottom)) = (left_top, right_bottom);
                let (right_top, left_bottom) = ((right, top), (left, bottom));
                let sides = [
                    (left_top, right_top),
                    (right_top, right_bottom),
                    (right_bottom, left_bottom),
                    (left_bottom, left_top),
                ];
                self.strokes(&sides, is_wide);
            }
        }
    }

    fn level(&mut self, price: f64, is_wide: bool) {
        let y = self.layout.y(price).round() + 0.5;
        self.strokes(&[((0.0, y), (self.layout.width, y))], is_wide);
        if (0.0..self.layout.y_of_price_bottom()).contains(&y) {
            let (x, text) = (self.layout.width + 2.0, self.layout.price.text(price));
            let (ink, ground) = (Ink::OnAccent, Some(Ink::Drawing));
            self.scene.labels.push(Label { x, y, align: Align::Left, text, ink, ground });
        }
    }

    fn strokes(&mut self, strokes: &[(Place, Place)], is_wide: bool) {
        let pane = self.layout.pane();
        let clipped = strokes.iter().filter_map(|(from, to)| clipped(*from, *to, pane));
        let points = |(from, to): (Place, Place)| [from.0, from.1, to.0, to.1, f64::NAN, f64::NAN];
        let at: Vec<f32> = clipped.flat_map(points).map(|it| it as f32).collect();
        if !at.is_empty() {
            let shape = Shape::Strokes { width: if is_wide { WIDE } else { WIDTH }, is_dashed: false };
            self.scene.marks.push(Mark { shape, ink: Ink::Drawing, at });
        }
    }

    /// The left top and the right bottom corner between two points.
    fn corners(&self, [from, to]: [Point; 2]) -> [Place; 2] {
        let (a, b) = (self.plane.place(from), self.plane.place(to));
        [(a.0.min(b.0), a.1.min(b.1)), (a.0.max(b.0), a.1.max(b.1))]
    }

    fn ground(&mut self, (left, top): Place, (right, bottom): Place, ink: Ink) {
        let (width, height) = self.layout.pane();
        let (left, right) = (left.clamp(0.0, width), right.clamp(0.0, width));
        let (top, bottom) = (top.clamp(0.0, height), bottom.clamp(0.0, height));
        let mut at = Vec::new();
        push(&mut at, [left, top, right - left, bottom - top]);
        self.scene.marks.push(Mark { shape: Shape::Rects, ink, at });
    }

    fn handles(&mut self, figure: Figure) {
        let (width, height) = self.layout.pane();
        let is_seen = |(x, y): &Place| (0.0..=width).contains(x) && (0.0..=height).contains(y);
        let places: Vec<Place> = match figure {
            Figure::Level(price) => vec![(width * 0.75, self.layout.y(price))],
            Figure::Trend(_) | Figure::Rectangle(_) => handles(figure, &self.plane),
        };
        for (size, ink) in [(HANDLE, Ink::Drawing), (HANDLE_INSIDE, Ink::Surface)] {
            let mut at = Vec::new();
            for (x, y) in places.iter().copied().filter(is_seen) {
                push(&mut at, [x.round() - size / 2.0, y.round() - size / 2.0, size, size]);
            }
            self.scene.marks.push(Mark { shape: Shape::Rects, ink, at });
        }
    }

    /// The rectangle between two points, a line for each direction, and how far that is.
    fn measure(&mut self, points: [Point; 2]) {
        let reading = Reading::between(points, &self.plane);
        let is_fall = reading.change < 0.0;
        let (soft, ink) = if is_fall { (Ink::FallSoft, Ink::Down) } else { (Ink::DrawingSoft, Ink::Drawing) };
        let [left_top, right_bottom] = self.corners(points);
        self.ground(left_top, right_bottom, soft);
        let (from, to) = (self.plane.place(points[0]), self.plane.place(points[1]));
        let middle = (f64::midpoint(from.0, to.0), f64::midpoint(from.1, to.1));
        let before = self.scene.marks.len();
        self.strokes(&[((from.0, middle.1), (to.0, middle.1)), ((middle.0, from.1), (middle.0, to.1))], false);
        self.strokes(&arrow((middle.0, from.1), (middle.0, to.1)), false);
        self.strokes(&arrow((from.0, middle.1), (to.0, middle.1)), false);
        for mark in &mut self.scene.marks[before..] {
            mark.ink = ink;
        }
        self.tell(&reading, if is_fall { right_bottom.1 + 26.0 } else { left_top.1 - 26.0 }, middle.0, ink);
    }

    fn tell(&mut self, reading: &Reading, y: f64, x: f64, ink: Ink) {
        let (width, height) = self.layout.pane();
        let text = format!("{}\n{}", reading.height(), reading.width());
        let half = 3.4 * text.lines().map(|line| line.chars().count()).max().unwrap_or_default() as f64 + 8.0;
        let x = x.clamp(half.min(width / 2.0), (width - half).max(width / 2.0));
        let y = y.clamp(20.0, (height - 20.0).max(20.0));
        self.scene.labels.push(Label { x, y, align: Align::Middle, text, ink: Ink::OnAccent, ground: Some(ink) });
    }
}

/// The two strokes of an arrow's head at the end of a line.
fn arrow(from: Place, to: Place) -> [(Place, Place); 2] {
    let length = (to.0 - from.0).hypot(to.1 - from.1).max(1.0);
    let size = (length / 3.0).min(6.0);
    let (x, y) = ((to.0 - from.0) / length * size, (to.1 - from.1) / length * size);
    [(to, (to.0 - x - y, to.1 - y + x)), (to, (to.0 - x + y, to.1 - y - x))]
}

#[cfg(test)]
mod tests {
    use tidemark_market::view::Pyramid;
    use tidemark_market::{AssetClass, Bar, Timestamp};

    use super::*;
    use crate::chart::compare::Comparisons;
    use crate::chart::drawings::pen::{Spot, Tool};
    use crate::chart::drawings::{Book, Kind, Sketch};
    use crate::chart::indicators::Indicators;
    use crate::chart::look::{Look, ScaleKind};
    use crate::chart::viewport::Viewport;

    const SIZE: (f64, f64) = (1072.0, 500.0);

    fn scene(sketch: &Sketch, look: &Look, from: f64) -> Scene {
        with_plane(look, from, |subject, layout| {
            let mut scene = Scene::default();
            draw(&mut scene, &Subject { sketch, ..*subject }, layout);
            scene
        })
    }

    fn with_plane<T>(look: &Look, from: f64, act: impl FnOnce(&Subject, &Layout) -> T) -> T {
        let bar = |i: i64| Bar::new(Timestamp(i * 60_000), 110.0, 130.0, 90.0, 120.0, 10.0);
        let pyramid = Pyramid::new(&(0..300).map(bar).collect::<Vec<_>>());
        let viewport = Viewport::between(from, from + 100.0, &pyramid.positions());
        let (indicators, compared, sketch) = (Indicators::default(), Comparisons::default(), Sketch::default());
        let (pyramid, indicators, compared, sketch, size) = (&pyramid, &indicators, &compared, &sketch, SIZE);
        let (forecast, ahead) = (&[][..], &[][..]);
        let subject = Subject {
            class: AssetClass::Equity,
            pyramid,
            forecast,
            bands: &[],
            extended: &[],
            blanks: &[],
            indicators,
            compared,
            sketch,
            ahead,
            viewport,
            look,
            bar_millis: 60_000,
            size,
        };
        act(&subject, &Layout::of(&subject))
    }

    fn point(position: i64, price: f64) -> Point {
        Point { at: Timestamp(position * 60_000), price }
    }

    fn sketch(figures: &[Figure]) -> Sketch {
        let mut book = Book::default();
        for figure in figures {
            book.add(*figure).unwrap();
        }
        Sketch { book, ..Sketch::default() }
    }

    #[test]
    fn a_drawing_stays_where_its_times_and_prices_are() {
        let sketch = sketch(&[Figure::Trend([point(110, 100.0), point(150, 120.0)])]);
        for scale in ScaleKind::ALL {
            let look = Look { scale, ..Look::default() };
            for from in [100.0, 90.0] {
                let at = scene(&sketch, &look, from).marks[0].at.clone();
                let (high, low) = with_plane(&look, from, |_, layout| (layout.y(120.0), layout.y(100.0)));
                let expected = [(110.0 - from) * 10.0, low, (150.0 - from) * 10.0, high].map(|it| it as f32);
                assert_eq!(at[..4], expected, "{scale:?}");
            }
        }
    }

    #[test]
    fn nothing_of_it_leaves_the_pane_of_prices() {
        let far = [point(-9_000, 1.0), point(9_000, 900.0)];
        let sketch =
            sketch(&[Figure::Trend(far), Figure::Rectangle(far), Figure::Level(5_000.0), Figure::Level(100.0)]);
        let scene = scene(&sketch, &Look::default(), 100.0);
        let (width, bottom) = with_plane(&Look::default(), 100.0, |_, layout| layout.pane());
        for mark in &scene.marks {
            for at in mark.at.chunks(2).filter(|at| !at[0].is_nan()) {
                assert!(
                    (0.0..=width).contains(&f64::from(at[0])) && (0.0..=bottom).contains(&f64::from(at[1])),
                    "{mark:?}"
                );
            }
        }
        let texts: Vec<_> = scene.labels.iter().map(|label| label.text.as_str()).collect();
        assert_eq!(texts, ["100.00"], "a level out of view has no label");
    }

    #[test]
    fn what_is_worked_on_has_handles_and_a_picture_has_none() {
        let mut sketch = sketch(&[Figure::Rectangle([point(110, 100.0), point(150, 120.0)])]);
        let bare = scene(&sketch, &Look::default(), 100.0).marks.len();
        sketch.pen.select(Some(1));
        assert_eq!(scene(&sketch, &Look::default(), 100.0).marks.len(), bare + 2);
        sketch.pen = sketch.pen.settled();
        assert_eq!(scene(&sketch, &Look::default(), 100.0).marks.len(), bare);
    }

    #[test]
    fn a_measurement_is_told_beside_its_rectangle() {
        let mut sketch = Sketch::default();
        sketch.pen.choose(Some(Tool::Measure));
        with_plane(&Look::default(), 100.0, |subject, layout| {
            let plane = Plane::new(subject.pyramid, subject.ahead, layout).unwrap();
            for (position, price) in [(110, 100.0), (150, 120.0)] {
                let spot = Spot { at: plane.place(point(position, price)), reach: 6.0, is_snapped: false };
                assert!(sketch.pen.press(spot, &plane, &sketch.book));
                assert_eq!(sketch.pen.release(spot, &plane, &sketch.book), None);
            }
        });
        let scene = scene(&sketch, &Look::default(), 100.0);
        assert_eq!(scene.labels[0].text, "+20.00 (+20.00 %)\n40 bars, 40 min");
        let top = with_plane(&Look::default(), 100.0, |_, layout| layout.y(120.0));
        assert!(scene.labels[0].y < top && top - scene.labels[0].y < 40.0);
        assert_eq!(sketch.pen.tool(), None);
        assert!(Kind::ALL.iter().all(|kind| Tool::Draw(*kind).label() == kind.label()));
    }
}
