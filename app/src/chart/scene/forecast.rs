//! What is expected after the newest bar.

use super::layout::Layout;
use super::{Ink, Mark, Scene, Shape, Subject, visible};

/// From the last close on: a dashed line, and the band in which it is expected to lie.
pub(super) fn draw(scene: &mut Scene, subject: &Subject, layout: &Layout) {
    let columns = visible(subject);
    let end = subject.pyramid.positions().end;
    if subject.forecast.is_empty() || subject.viewport.to < end as f64 {
        return;
    }
    let x = |i: usize| layout.x(end as f64 + i as f64) as f32;
    let y = |price: f64| layout.y(price) as f32;
    let joint = columns.close.last().map(|close| [layout.x(end as f64 - 1.0) as f32, y(*close)]);
    let expected = subject.forecast.iter().enumerate();
    let upper = expected.clone().map(|(i, bar)| [x(i), y(bar.high)]);
    let lower = expected.clone().rev().map(|(i, bar)| [x(i), y(bar.low)]);
    let band = joint.into_iter().chain(upper).chain(lower).flatten().collect();
    scene.marks.push(Mark { shape: Shape::Area, ink: Ink::AccentSoft, at: band });
    let at = joint.into_iter().chain(expected.map(|(i, bar)| [x(i), y(bar.close)])).flatten().collect();
    scene.marks.push(Mark { shape: Shape::Strokes { width: 1.5, is_dashed: true }, ink: Ink::Accent, at });
}
