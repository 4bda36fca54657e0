//! Time without bars: hatched, with a word where there is room for one.

use tidemark_market::coverage::Reason;

use super::layout::Layout;
use super::{Align, Ink, Label, Mark, Scene, Shape, Subject};
use crate::chart::room::Blank;

/// How far apart the lines of a hatch are, in pixels.
const APART: f64 = 9.0;
/// How wide a blank is at least, so that it is seen however short it is.
const NARROWEST: f64 = 3.0;
/// How many pixels a letter of a word takes about.
const LETTER: f64 = 6.4;

/// The word for it, and its colour.
const fn word(reason: Option<Reason>) -> (&'static str, Ink) {
    match reason {
        None => ("Not here yet", Ink::Coming),
        Some(Reason::Failed) => ("Failed", Ink::Down),
        Some(Reason::Empty) => ("No trades", Ink::Lacking),
        Some(Reason::Outside) => ("Out of reach", Ink::Lacking),
    }
}

pub(super) fn draw(scene: &mut Scene, subject: &Subject, layout: &Layout) {
    for blank in subject.blanks {
        let Some((left, right)) = edges(subject, layout, blank) else { continue };
        let (text, ink) = word(blank.lack.reason);
        let at = hatch(left, right, layout);
        scene.marks.push(Mark { shape: Shape::Strokes { width: 1.0, is_dashed: false }, ink, at });
        let (left, right) = (left.max(0.0), right.min(layout.width));
        if right - left > LETTER * text.len() as f64 + 16.0 {
            scene.labels.push(Label {
                x: f64::midpoint(left, right),
                y: layout.y_of_price_bottom() - 14.0,
                align: Align::Middle,
                text: text.to_owned(),
                ink: Ink::Text,
                ground: Some(Ink::Surface),
            });
        }
    }
}

/// Where a blank begins and ends, in pixels; `None` where it is out of view.
fn edges(subject: &Subject, layout: &Layout, blank: &Blank) -> Option<(f64, f64)> {
    let first = subject.pyramid.positions().start as f64;
    let (left, right) = (layout.x(first + blank.from).round(), layout.x(first + blank.to).round());
    let right = right.max(left + NARROWEST);
    (right > 0.0 && left < layout.width).then_some((left, right))
}

/// Lines from the upper right to the lower left, which move along when the view does.
fn hatch(left: f64, right: f64, layout: &Layout) -> Vec<f32> {
    let bottom = layout.bottom();
    let (seen_left, seen_right) = (left.max(0.0), right.min(layout.width));
    // A line meets the top at `at`, and goes as far to the left as down.
    let mut at = left + ((seen_left - left) / APART).floor() * APART;
    let mut lines = Vec::new();
    while at < seen_right + bottom {
        let (from, to) = (at.min(seen_right), (at - bottom).max(seen_left));
        if from > to {
            let ends = [from, at - from, to, at - to].map(|it| it as f32);
            lines.extend(ends.into_iter().chain([f32::NAN; 2]));
        }
        at += APART;
    }
    for x in [left, right].into_iter().filter(|x| (0.0..=layout.width).contains(x)) {
        lines.extend([x + 0.5, 0.0, x + 0.5, bottom].map(|it| it as f32).into_iter().chain([f32::NAN; 2]));
    }
    lines
}
