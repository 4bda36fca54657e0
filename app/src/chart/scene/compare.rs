//! What is compared with the series: a line each, on its scale, in percent of the first bar in view.

use tidemark_market::compare::{range, rebased};
use tidemark_market::{Bar, Timestamp};

use super::layout::Layout;
use super::stroke::{in_view, within};
use super::{Align, Ink, Label, Mark, Scene, Shape, Subject};

/// How wide lines are.
const WIDTH: f64 = 2.0;
/// How far apart boxes beside the axis are at least.
const BOXES_APART: f64 = 21.0;

/// The first bar in view: what counts as 0 percent.
#[must_use]
pub fn first_in_view(subject: &Subject) -> Option<Bar> {
    let positions = subject.pyramid.positions();
    let last = (positions.end - 1).max(positions.start);
    let first = (subject.viewport.from.ceil() as i64).clamp(positions.start, last);
    (first..=last).find_map(|position| subject.pyramid.bar_at(position))
}

/// The seat of each that has bars, with the points of its line in view, as they lie among the prices of the series.
fn lines<'a>(subject: &'a Subject) -> impl Iterator<Item = (usize, impl Iterator<Item = (f64, f64)> + Clone + 'a)> {
    let first = first_in_view(subject);
    let at = first.map_or(Timestamp(0), |bar| bar.ts);
    let base = first.map_or(f64::NAN, |bar| bar.close);
    let (from, to) = (subject.viewport.from, subject.viewport.to);
    subject.compared.lines(at).map(move |(seat, line, other)| {
        (seat, in_view(line, from, to).map(move |(position, value)| (position, rebased(value, other, base))))
    })
}

/// The lowest and the highest value in view of all of them.
pub(super) fn range_in_view(subject: &Subject) -> Option<(f64, f64)> {
    range(lines(subject).flat_map(|(_, points)| points).map(|(_, value)| value))
}

/// Their lines.
pub(super) fn draw(scene: &mut Scene, subject: &Subject, layout: &Layout) {
    for (seat, points) in lines(subject) {
        let at = within(points, layout, &layout.price);
        let shape = Shape::Strokes { width: WIDTH, is_dashed: false };
        scene.marks.push(Mark { shape, ink: Ink::Compared(seat), at });
    }
}

/// Beside the axis, where each stands last in view. Boxes that would lie over each other are moved apart.
pub(super) fn boxes(scene: &mut Scene, subject: &Subject, layout: &Layout) {
    let last = |points: Vec<(f64, f64)>| points.into_iter().rev().map(|(_, value)| value).find(|it| !it.is_nan());
    for (seat, points) in lines(subject) {
        let Some(value) = last(points.collect()) else { continue };
        scene.labels.push(Label {
            x: layout.width + 2.0,
            y: layout.y(value).round(),
            align: Align::Left,
            text: layout.price.text(value),
            ink: Ink::Surface,
            ground: Some(Ink::Compared(seat)),
        });
    }
    if !subject.compared.is_empty() {
        let mut boxes: Vec<&mut Label> = scene.labels.iter_mut().filter(|label| label.ground.is_some()).collect();
        boxes.sort_by(|a, b| a.y.total_cmp(&b.y));
        let mut heights: Vec<f64> = boxes.iter().map(|label| label.y).collect();
        move_apart(&mut heights, layout.price.bottom());
        boxes.iter_mut().zip(heights).for_each(|(label, y)| label.y = y);
    }
}

/// Moves sorted heights down where they are too near to each other, and up again where they would leave the pane.
fn move_apart(heights: &mut [f64], bottom: f64) {
    let mut least = f64::MIN;
    for y in heights.iter_mut() {
        *y = y.max(least);
        least = *y + BOXES_APART;
    }
    let mut most = bottom;
    for y in heights.iter_mut().rev() {
        *y = y.min(most);
        most = *y - BOXES_APART;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_lie_beside_each_other_within_the_pane() {
        let apart = |heights: &[f64]| {
            let mut moved = heights.to_vec();
            move_apart(&mut moved, 100.0);
            moved
        };
        assert_eq!(apart(&[10.0, 50.0]), [10.0, 50.0]);
        assert_eq!(apart(&[10.0, 12.0, 13.0]), [10.0, 31.0, 52.0]);
        assert_eq!(apart(&[95.0, 96.0]), [79.0, 100.0]);
        assert_eq!(apart(&[]), [0.0; 0]);
    }
}
