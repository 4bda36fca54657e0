//! The ground of what trades before and after regular hours.

use super::layout::Layout;
use super::{Ink, Mark, Scene, Shape, Subject, push};

pub(super) fn draw(scene: &mut Scene, subject: &Subject, layout: &Layout) {
    let first = subject.pyramid.positions().start as f64;
    let place = |place: usize| first + place as f64 - 0.5;
    let mut at = Vec::new();
    for run in subject.extended {
        let (left, right) = (layout.x(place(run.start)).round(), layout.x(place(run.end)).round());
        let (left, right) = (left.max(0.0), right.min(layout.width));
        if left < right {
            push(&mut at, [left, 0.0, right - left, layout.bottom()]);
        }
    }
    scene.marks.push(Mark { shape: Shape::Rects, ink: Ink::Sunken, at });
}
