//! The bars, as each chart type draws them, and their volume.

use tidemark_market::view::Columns;

use super::layout::Layout;
use super::{Ink, Mark, Scene, Shape, mark_rects, push};

/// The place of each bar that is there, and its middle, in whole pixels.
fn middles<'a>(columns: &Columns<'a>, layout: &'a Layout) -> impl Iterator<Item = (usize, f64)> + use<'a> {
    let places = columns.position.iter().zip(columns.close).enumerate().filter(|(_, (_, close))| !close.is_nan());
    places.map(|(place, (position, _))| (place, layout.x(*position).round()))
}

/// An odd number of pixels, so that a bar has a middle.
pub(super) fn body_width(columns: &Columns, layout: &Layout) -> f64 {
    let apart = match columns.position {
        [first, second, ..] => second - first,
        _ => 1.0,
    };
    let room = (apart * layout.per_position() * 0.74).floor().clamp(1.0, 41.0);
    if room % 2.0 == 0.0 { room - 1.0 } else { room }
}

/// A rectangle from one height to another, a pixel high at least.
fn push_upright(at: &mut Vec<f32>, x: f64, width: f64, top: f64, bottom: f64) {
    push(at, [x, top, width, (bottom - top).max(1.0)]);
}

pub(super) fn candles(scene: &mut Scene, columns: &Columns, layout: &Layout) {
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let width = body_width(columns, layout);
    for (i, x) in middles(columns, layout) {
        let (open, close) = (columns.open[i], columns.close[i]);
        let at = if close >= open { &mut up } else { &mut down };
        let y = |price: f64| layout.y(price).round();
        push_upright(at, x, 1.0, y(columns.high[i]), y(columns.low[i]));
        if width > 1.0 {
            push_upright(at, x - (width - 1.0) / 2.0, width, y(open.max(close)), y(open.min(close)));
        }
    }
    mark_rects(scene, [(Ink::Up, up), (Ink::Down, down)]);
}

/// Hollow where the price rose since the open; coloured by the close before.
pub(super) fn hollow_candles(scene: &mut Scene, columns: &Columns, layout: &Layout) {
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let width = body_width(columns, layout);
    for (i, x) in middles(columns, layout) {
        let (open, close) = (columns.open[i], columns.close[i]);
        let before = columns.close[..i].iter().rev().copied().find(|close| !close.is_nan()).unwrap_or(open);
        let at = if close >= before { &mut up } else { &mut down };
        let y = |price: f64| layout.y(price).round();
        let (high, top, bottom, low) = (y(columns.high[i]), y(open.max(close)), y(open.min(close)), y(columns.low[i]));
        let left = x - (width - 1.0) / 2.0;
        if close > open && width >= 3.0 {
            push_upright(at, x, 1.0, high, top);
            push_upright(at, x, 1.0, bottom, low);
            push(at, [left, top, width, 1.0]);
            push(at, [left, bottom, width, 1.0]);
            push_upright(at, left, 1.0, top, bottom);
            push_upright(at, left + width - 1.0, 1.0, top, bottom);
        } else {
            push_upright(at, x, 1.0, high, low);
            push_upright(at, left, width, top, bottom);
        }
    }
    mark_rects(scene, [(Ink::Up, up), (Ink::Down, down)]);
}

pub(super) fn strokes(scene: &mut Scene, columns: &Columns, layout: &Layout) {
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let arm = ((body_width(columns, layout) - 1.0) / 2.0).floor();
    let thick = if arm >= 4.0 { 2.0 } else { 1.0 };
    for (i, x) in middles(columns, layout) {
        let at = if columns.close[i] >= columns.open[i] { &mut up } else { &mut down };
        let y = |price: f64| layout.y(price).round();
        push_upright(at, x, thick, y(columns.high[i]), y(columns.low[i]));
        if arm > 0.0 {
            push(at, [x - arm, y(columns.open[i]), arm, thick]);
            push(at, [x + thick, y(columns.close[i]), arm, thick]);
        }
    }
    mark_rects(scene, [(Ink::Up, up), (Ink::Down, down)]);
}

/// The points of each run of bars that lie side by side.
fn runs<'a>(columns: &Columns<'a>, layout: &'a Layout) -> impl Iterator<Item = Vec<f32>> + use<'a> {
    let (positions, closes) = (columns.position, columns.close);
    let mut from = 0;
    let runs = closes.split(|close| close.is_nan()).map(move |run| {
        let first = from;
        from += run.len() + 1;
        positions[first..first + run.len()].iter().zip(run)
    });
    let point = |(position, close): (&f64, &f64)| [layout.x(*position) as f32, layout.y(*close) as f32];
    runs.map(move |run| run.flat_map(point).collect())
}

pub(super) fn line(scene: &mut Scene, columns: &Columns, layout: &Layout) {
    let mut at: Vec<f32> = Vec::new();
    for run in runs(columns, layout).filter(|run| !run.is_empty()) {
        if !at.is_empty() {
            at.extend([f32::NAN; 2]);
        }
        at.extend(run);
    }
    scene.marks.push(Mark { shape: Shape::Strokes { width: 2.0, is_dashed: false }, ink: Ink::Accent, at });
}

pub(super) fn area(scene: &mut Scene, columns: &Columns, layout: &Layout) {
    let bottom = layout.y_of_price_bottom() as f32;
    for mut at in runs(columns, layout) {
        if let [left, _, .., right, _] = at[..] {
            at.extend([right, bottom, left, bottom]);
            scene.marks.push(Mark { shape: Shape::Area, ink: Ink::AccentSoft, at });
        }
    }
}

pub(super) fn volume(scene: &mut Scene, columns: &Columns, layout: &Layout) {
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let width = body_width(columns, layout);
    let bottom = layout.volume.y(0.0).round();
    for (i, x) in middles(columns, layout) {
        let at = if columns.close[i] >= columns.open[i] { &mut up } else { &mut down };
        let top = layout.volume.y(columns.volume[i]).round();
        push(at, [x - (width - 1.0) / 2.0, top, width, bottom - top]);
    }
    mark_rects(scene, [(Ink::UpSoft, up), (Ink::DownSoft, down)]);
}
