//! Indicators: over the bars, or in panes of their own below them.

use tidemark_market::indicators::{Kind, Pane, Shape as Drawn};
use tidemark_market::view::Line;

use super::axes::beside;
use super::bars::body_width;
use super::layout::{Layout, VALUES_APART};
use super::stroke::{in_view, within};
use super::{Align, Ink, Label, Mark, Scene, Shape, Subject, mark_rects, push, visible};
use crate::chart::indicators::{colour, name};

/// How wide lines are.
const WIDTH: f64 = 1.5;

/// The places of the indicators that are drawn there, among all.
pub(super) fn places(subject: &Subject, pane: Pane) -> Vec<usize> {
    let specs = subject.indicators.specs().iter().enumerate();
    specs.filter(|(_, spec)| spec.kind().pane() == pane).map(|(place, _)| place).collect()
}

/// The lowest and the highest value in view of all lines over the bars.
pub(super) fn range_over_bars(subject: &Subject) -> Option<(f64, f64)> {
    let over = subject.indicators.lines().filter(|(spec, _)| spec.kind().pane() == Pane::Price);
    range(subject, over.flat_map(|(_, lines)| lines), &[])
}

/// The same of the indicator at `place`; its guides are always in view.
pub(super) fn range_of_pane(subject: &Subject, place: usize) -> (f64, f64) {
    let lines = subject.indicators.lines().nth(place).map_or(&[][..], |(_, lines)| lines);
    let guides = subject.indicators.specs().get(place).map_or(&[][..], |spec| spec.kind().guides());
    range(subject, lines.iter(), guides).unwrap_or((0.0, 1.0))
}

fn range<'a>(subject: &Subject, lines: impl Iterator<Item = &'a Line>, guides: &[f64]) -> Option<(f64, f64)> {
    let (from, to) = (subject.viewport.from, subject.viewport.to);
    let values = lines.flat_map(|line| in_view(line, from, to)).map(|(_, value)| value).filter(|value| !value.is_nan());
    values.chain(guides.iter().copied()).fold(None, |range, value| match range {
        Some((low, high)) => Some((value.min(low), value.max(high))),
        None => Some((value, value)),
    })
}

fn ink(place: usize, kind: Kind, line: usize) -> Ink {
    Ink::Indicator(colour(place, kind, line))
}

/// Lines over the bars.
pub(super) fn over_bars(scene: &mut Scene, subject: &Subject, layout: &Layout) {
    for (place, (spec, lines)) in subject.indicators.lines().enumerate() {
        if spec.kind().pane() == Pane::Price {
            for (number, line) in lines.iter().enumerate() {
                let points = in_view(line, subject.viewport.from, subject.viewport.to);
                push_line(scene, ink(place, spec.kind(), number), within(points, layout, &layout.price));
            }
        }
    }
}

/// Panes below the bars, each with its name, its guides and its values.
pub(super) fn panes(scene: &mut Scene, subject: &Subject, layout: &Layout) {
    for (place, scale) in &layout.panes {
        let Some((spec, lines)) = subject.indicators.lines().nth(*place) else { continue };
        let guides = spec.kind().guides();
        let across = guides.iter().flat_map(|value| {
            let y = scale.y(*value).round() as f32 + 0.5;
            [0.0, y, layout.width as f32, y, f32::NAN, f32::NAN]
        });
        let shape = Shape::Strokes { width: 1.0, is_dashed: true };
        scene.marks.push(Mark { shape, ink: Ink::Faint, at: across.collect() });
        for (number, (line, output)) in lines.iter().zip(spec.kind().outputs()).enumerate() {
            let points = in_view(line, subject.viewport.from, subject.viewport.to);
            match output.shape {
                Drawn::Line => push_line(scene, ink(*place, spec.kind(), number), within(points, layout, scale)),
                Drawn::Histogram => {
                    let (mut up, mut down) = (Vec::new(), Vec::new());
                    let (zero, width) = (scale.y(0.0).round(), body_width(&visible(subject), layout));
                    for (position, value) in points.filter(|(_, value)| !value.is_nan()) {
                        let at = if value < 0.0 { &mut down } else { &mut up };
                        let (x, y) = (layout.x(position).round(), scale.y(value).round());
                        push(at, [x - (width - 1.0) / 2.0, y.min(zero), width, (y - zero).abs()]);
                    }
                    mark_rects(scene, [(Ink::UpSoft, up), (Ink::DownSoft, down)]);
                }
            }
        }
        // Two guides or more say where to look; else round values do.
        let written = if guides.len() > 1 { guides.to_vec() } else { scale.ticks(VALUES_APART) };
        for value in written {
            scene.labels.push(beside(layout, scale.y(value).round(), scale.text(value)));
        }
        scene.labels.push(Label {
            x: 8.0,
            y: scale.top() + 6.0,
            align: Align::Left,
            text: name(&spec),
            ink: ink(*place, spec.kind(), 0),
            ground: None,
        });
    }
}

fn push_line(scene: &mut Scene, ink: Ink, at: Vec<f32>) {
    scene.marks.push(Mark { shape: Shape::Strokes { width: WIDTH, is_dashed: false }, ink, at });
}
