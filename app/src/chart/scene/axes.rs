//! What is written and drawn beside the bars: grid, values, times, the last price and the crosshair.

use tidemark_market::Timestamp;

use super::layout::{BELOW, Layout, RIGHT, VALUES_APART};
use super::{Align, Ink, Label, Mark, Scene, Shape, Subject, boxed, mark_rects, push};
use crate::text;

/// How far apart written times are at least.
const TIMES_APART: f64 = 72.0;

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

pub(super) fn grid(
    scene: &mut Scene,
    subject: &Subject,
    layout: &Layout,
    time: impl Fn(Timestamp, Option<Timestamp>) -> String,
) {
    let mut at = Vec::new();
    let positions = subject.pyramid.positions();
    let step = step_of_times(TIMES_APART / layout.per_position());
    let first = (layout.viewport.from / step as f64).ceil() as i64 * step;
    let mut before = None;
    let mut position = first.max(positions.start.div_euclid(step) * step);
    while (position as f64) < layout.viewport.to && position < positions.end {
        if position >= positions.start
            && let Some(when) = subject.pyramid.time_at(position as f64)
        {
            let x = layout.x(position as f64).round();
            push(&mut at, [x, 0.0, 1.0, layout.bottom()]);
            let label = Label {
                x,
                y: layout.bottom() + BELOW / 2.0,
                align: Align::Middle,
                text: time(when, before),
                ink: Ink::Faint,
                ground: None,
            };
            // A text that would be cut at an edge is left out.
            if x > 24.0 && x < layout.width - 20.0 {
                scene.labels.push(label);
            }
            before = Some(when);
        }
        position += step;
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

/// A round number of positions, no less than `least`.
fn step_of_times(least: f64) -> i64 {
    let mut power = 1;
    loop {
        if let Some(step) = [1, 2, 5].map(|it| it * power).into_iter().find(|step| *step as f64 >= least) {
            return step;
        }
        power *= 10;
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
