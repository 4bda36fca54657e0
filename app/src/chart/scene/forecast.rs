//! What is expected after the newest bar.

use super::layout::Layout;
use super::{Ink, Mark, Scene, Shape, Subject, visible};

/// From the last close on: a dashed line through what is expected, and the band around it with its edges.
pub(super) fn draw(scene: &mut Scene, subject: &Subject, layout: &Layout) {
    let columns = visible(subject);
    let end = subject.pyramid.positions().end;
    if subject.forecast.is_empty() || subject.viewport.to < end as f64 - 1.0 {
        return;
    }
    let at = |i: usize, price: f64| [layout.x(end as f64 + i as f64) as f32, layout.y(price) as f32];
    let last = columns.close.iter().rev().find(|close| !close.is_nan());
    let joint = last.map(|close| [layout.x(end as f64 - 1.0) as f32, layout.y(*close) as f32]);
    let from_joint = |points: Vec<[f32; 2]>| joint.into_iter().chain(points).collect::<Vec<_>>();
    let bands = || subject.bands.iter().enumerate();
    let lower = from_joint(bands().map(|(i, (low, _))| at(i, *low)).collect());
    let upper = from_joint(bands().map(|(i, (_, high))| at(i, *high)).collect());
    let middle = from_joint(subject.forecast.iter().enumerate().map(|(i, bar)| at(i, bar.close)).collect());
    let ground = upper.iter().chain(lower.iter().rev()).flatten().copied().collect();
    scene.marks.push(Mark { shape: Shape::Area, ink: Ink::AccentSoft, at: ground });
    for (width, line) in [(1.0, lower), (1.0, upper), (2.0, middle)] {
        let shape = Shape::Strokes { width, is_dashed: true };
        scene.marks.push(Mark { shape, ink: Ink::Accent, at: line.into_iter().flatten().collect() });
    }
}
