//! Lines of values that stay within their pane.

use tidemark_market::view::Line;

use super::layout::Layout;
use crate::chart::scale::Scale;

/// The points of a line of which at least a part is in view, and one more at either side.
pub(super) fn in_view<'a>(line: &'a Line, from: f64, to: f64) -> impl Iterator<Item = (f64, f64)> + Clone + use<'a> {
    let first = line.position.partition_point(|position| *position < from).saturating_sub(1);
    let end = (line.position.partition_point(|position| *position <= to) + 1).min(line.position.len());
    let places = first.min(end)..end;
    line.position[places.clone()].iter().copied().zip(line.value[places].iter().copied())
}

/// The strokes through `points`, positions with their values on `scale`: what lies above or below its pane is cut off.
pub(super) fn within(points: impl Iterator<Item = (f64, f64)>, layout: &Layout, scale: &Scale) -> Vec<f32> {
    let (top, bottom) = (scale.top(), scale.bottom());
    let mut at: Vec<f32> = Vec::new();
    let mut before = None;
    for (position, value) in points {
        let here = (!value.is_nan()).then(|| (layout.x(position), scale.y(value)));
        if let (Some(from), Some(to)) = (before, here)
            && let Some((from, to)) = cut(from, to, top, bottom)
        {
            let pen = [from.0 as f32, from.1 as f32];
            if !at.ends_with(&pen) {
                if !at.is_empty() {
                    at.extend([f32::NAN; 2]);
                }
                at.extend(pen);
            }
            at.extend([to.0 as f32, to.1 as f32]);
        }
        before = here;
    }
    at
}

type Point = (f64, f64);

/// The part of a stroke that lies within a pane from the left and the top to `right` and `bottom`; `None` where there is
/// none.
pub(super) fn clipped(from: Point, to: Point, (right, bottom): Point) -> Option<(Point, Point)> {
    let turned = |(x, y): Point| (y, x);
    let (from, to) = cut(from, to, 0.0, bottom)?;
    let (from, to) = cut(turned(from), turned(to), 0.0, right)?;
    Some((turned(from), turned(to)))
}

/// The part of a stroke that lies between two heights; `None` where there is none.
fn cut(from: Point, to: Point, top: f64, bottom: f64) -> Option<(Point, Point)> {
    if from.1.max(to.1) < top || from.1.min(to.1) > bottom {
        return None;
    }
    let at = |y: f64| {
        let share = if to.1 == from.1 { 0.0 } else { (y - from.1) / (to.1 - from.1) };
        (from.0 + (to.0 - from.0) * share, y)
    };
    let end = |point: Point| if (top..=bottom).contains(&point.1) { point } else { at(point.1.clamp(top, bottom)) };
    Some((end(from), end(to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stroke_is_cut_where_its_pane_ends() {
        assert_eq!(cut((0.0, 5.0), (10.0, 15.0), 0.0, 20.0), Some(((0.0, 5.0), (10.0, 15.0))));
        assert_eq!(cut((0.0, -10.0), (10.0, 10.0), 0.0, 20.0), Some(((5.0, 0.0), (10.0, 10.0))));
        assert_eq!(cut((0.0, -10.0), (10.0, 30.0), 0.0, 20.0), Some(((2.5, 0.0), (7.5, 20.0))));
        assert_eq!(cut((0.0, -10.0), (10.0, -1.0), 0.0, 20.0), None);
        assert_eq!(cut((0.0, 20.0), (10.0, 20.0), 0.0, 20.0), Some(((0.0, 20.0), (10.0, 20.0))));
    }

    #[test]
    fn a_stroke_is_clipped_at_every_edge() {
        let pane = (100.0, 50.0);
        assert_eq!(clipped((-50.0, 0.0), (150.0, 40.0), pane), Some(((0.0, 10.0), (100.0, 30.0))));
        assert_eq!(clipped((-50.0, 60.0), (150.0, 60.0), pane), None);
        assert_eq!(clipped((-50.0, 20.0), (-10.0, 20.0), pane), None);
        assert_eq!(clipped((10.0, 20.0), (20.0, 30.0), pane), Some(((10.0, 20.0), (20.0, 30.0))));
    }

    #[test]
    fn only_what_is_in_view_is_drawn() {
        let line = Line { position: (0..100).map(f64::from).collect(), value: vec![1.0; 100] };
        let positions: Vec<f64> = in_view(&line, 10.5, 12.5).map(|(position, _)| position).collect();
        assert_eq!(positions, [10.0, 11.0, 12.0, 13.0]);
        assert_eq!(in_view(&line, 200.0, 300.0).count(), 1);
        assert_eq!(in_view(&Line::default(), 0.0, 1.0).count(), 0);
    }
}
