//! What is written and drawn beside the bars: grid, values, times, the last price and the crosshair.

use tidemark_market::Timestamp;
use tidemark_market::time::DAY;

use super::layout::{BELOW, Layout, RIGHT, VALUES_APART};
use super::{Align, Ink, Label, Mark, Scene, Shape, Subject, boxed, frame_in_view, mark_rects, push};
use crate::text;
use tidemark_market::ticks::{self, Step, Tick, Wall, spaced};

/// How far apart written times are.
const TIMES_APART: f64 = 72.0;
/// Where a larger boundary comes in between: so much of that.
const CLOSEST: f64 = 0.65;

/// The crosshair over `position` at the height `y`.
#[must_use]
pub fn crosshair(layout: &Layout, position: f64, y: f64, time: String) -> Scene {
    let x = layout.x(position).round();
    let y = y.round();
    let lines = vec![x, 0.0, x, layout.bottom(), f64::NAN, f64::NAN, 0.0, y, layout.width, y];
    let at = lines.into_iter().map(|it| (it + 0.5) as f32).collect();
    let value = layout.text_at(y);
    let half = 3.4 * time.chars().count() as f64 + 6.0;
    let middle = x.clamp(half.min(layout.width / 2.0), (layout.width - half).max(layout.width / 2.0));
    Scene {
        marks: vec![Mark { shape: Shape::Strokes { width: 1.0, is_dashed: true }, ink: Ink::Faint, at }],
        labels: vec![
            boxed(layout.width + 2.0, y, Align::Left, value),
            boxed(middle, layout.bottom() + BELOW / 2.0, Align::Middle, time),
        ],
    }
}

pub(super) fn grid(scene: &mut Scene, subject: &Subject, layout: &Layout, wall: impl Fn(Timestamp) -> Wall) {
    let mut at = Vec::new();
    let (step, marks) = marks(subject, layout, wall);
    for Tick { x, rank, at: time } in marks {
        push(&mut at, [x, 0.0, 1.0, layout.bottom()]);
        // A text that would be cut at an edge is left out.
        if x > 24.0 && x < layout.width - 20.0 {
            scene.labels.push(Label {
                x,
                y: layout.bottom() + BELOW / 2.0,
                align: Align::Middle,
                text: ticks::text(rank, time),
                ink: if step.is_larger(rank) { Ink::Strong } else { Ink::Faint },
                ground: None,
            });
        }
    }
    for value in layout.price.ticks(VALUES_APART) {
        let y = layout.price.y(value).round();
        push(&mut at, [0.0, y, layout.width, 1.0]);
        scene.labels.push(beside(layout, y, layout.price.text(value)));
    }
    for value in layout.volume.ticks(VALUES_APART).into_iter().filter(|value| *value > 0.0) {
        scene.labels.push(beside(layout, layout.volume.y(value).round(), text::volume(value)));
    }
    scene.marks.push(Mark { shape: Shape::Rects, ink: Ink::Line, at });
}

pub(super) fn beside(layout: &Layout, y: f64, text: String) -> Label {
    Label { x: layout.width + 8.0, y, align: Align::Left, text, ink: Ink::Faint, ground: None }
}

/// The times that are marked in view, and how far apart they are meant to be.
fn marks(subject: &Subject, layout: &Layout, wall: impl Fn(Timestamp) -> Wall) -> (Step, Vec<Tick>) {
    let (pyramid, view) = (subject.pyramid, layout.viewport);
    let step =
        Step::fitting(TIMES_APART, layout.per_position(), subject.bar_millis, layout.per_position() * per_day(subject));
    let each = frame_in_view(pyramid, view, subject.size.0).bars_each();
    let positions = pyramid.positions();
    // From the drawn bar before the first in view on, whose time the first one's differs from or not.
    let start = ((view.from as i64).div_euclid(each) * each - each).max(positions.start);
    let end = positions.end.min(view.to.ceil() as i64);
    let mut before = None;
    let mut marks = Vec::new();
    let next = (start.div_euclid(each) + 1) * each;
    let drawn = std::iter::once(start).chain((next..end).step_by(usize::try_from(each).unwrap_or(1)));
    for (position, time) in drawn.filter_map(|position| Some((position, pyramid.time_at(position as f64)?))) {
        let at = wall(time);
        if let Some(rank) = before.and_then(|before| step.rank(before, at)) {
            marks.push(Tick { x: layout.x(position as f64).round(), rank, at });
        }
        before = Some(at);
    }
    marks.retain(|mark| (0.0..layout.width).contains(&mark.x));
    (step, spaced(marks, TIMES_APART * CLOSEST))
}

/// How many bars there are on a day, on average of all days.
fn per_day(subject: &Subject) -> f64 {
    let times = subject.pyramid.times();
    match times {
        [first, .., last] if last > first => (times.len() - 1) as f64 * DAY as f64 / (last.0 - first.0) as f64,
        _ => DAY as f64 / subject.bar_millis as f64,
    }
}

/// What covers bars that reach beyond the plot, the lines beside it, and the last price.
pub(super) fn edges(scene: &mut Scene, subject: &Subject, layout: &Layout) {
    let (width, bottom) = (layout.width, layout.bottom());
    let mut cover = Vec::new();
    push(&mut cover, [width, 0.0, RIGHT, layout.height]);
    let mut edges = Vec::new();
    push(&mut edges, [width, 0.0, 1.0, bottom]);
    push(&mut edges, [0.0, bottom, width + RIGHT, 1.0]);
    for y in layout.seams() {
        push(&mut edges, [0.0, y.round(), width + RIGHT, 1.0]);
    }
    mark_rects(scene, [(Ink::Surface, cover), (Ink::Line, edges)]);
    let newest = subject.pyramid.positions().end - 1;
    let close = subject.pyramid.bar_at(newest).map(|bar| bar.close);
    let Some((close, y)) = close.map(|close| (close, layout.y(close).round())) else { return };
    if (0.0..layout.y_of_price_bottom()).contains(&y) {
        let at = [0.0, y + 0.5, width, y + 0.5].map(|it| it as f32).to_vec();
        scene.marks.push(Mark { shape: Shape::Strokes { width: 1.0, is_dashed: true }, ink: Ink::Accent, at });
        let text = layout.price.text(close);
        scene.labels.push(Label {
            x: width + 2.0,
            y,
            align: Align::Left,
            text,
            ink: Ink::OnAccent,
            ground: Some(Ink::Accent),
        });
    }
}
