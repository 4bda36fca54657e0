//! The shapes of one frame: of what is in view, and of nothing else.

use tidemark_market::view::{Columns, Pyramid, Visible};
use tidemark_market::{Bar, Timestamp};

use super::look::{Kind, Look};
use super::scale::Scale;
use super::viewport::Viewport;
use crate::text;

/// For the values.
const RIGHT: f64 = 72.0;
/// For the times.
const BELOW: f64 = 28.0;
const ABOVE: f64 = 6.0;
/// The part of the height that volume takes, and what lies between both panes.
const VOLUME_PART: f64 = 0.18;
const BETWEEN: f64 = 12.0;
/// How far apart written times are at least, and written values.
const TIMES_APART: f64 = 72.0;
const VALUES_APART: f64 = 52.0;

/// A colour by what it is for; the style sheet's tokens say which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// A rise.
    Up,
    /// A fall.
    Down,
    /// The volume of a rise.
    UpSoft,
    /// The volume of a fall.
    DownSoft,
    /// Lines of the grid.
    Line,
    /// What is written beside the axes.
    Faint,
    /// What is written in a box.
    Text,
    /// The ground.
    Surface,
    /// The ground of a box.
    Raised,
    /// The line of closes, the last price, what is expected.
    Accent,
    /// The ground under it.
    AccentSoft,
    /// What is written on it.
    OnAccent,
}

/// How coordinates are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// Rectangles: x, y, width and height of each.
    Rects,
    /// A line through x, y of each point; NaN lifts the pen.
    Strokes {
        /// In pixels.
        width: f64,
        /// Whether it is dashed.
        is_dashed: bool,
    },
    /// One polygon through x, y of each point.
    Area,
}

/// Shapes of one colour. Coordinates are CSS pixels from the canvas' left and top.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// What they are.
    pub shape: Shape,
    /// Which colour.
    pub ink: Ink,
    /// Their coordinates.
    pub at: Vec<f32>,
}

/// Where a text stands on its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// The point is at its left.
    Left,
    /// The point is its middle.
    Middle,
}

/// A text; its point is in the middle of its height.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Pixels from the left.
    pub x: f64,
    /// Pixels from the top.
    pub y: f64,
    /// Where it stands on the point.
    pub align: Align,
    /// What it says.
    pub text: String,
    /// Its colour.
    pub ink: Ink,
    /// The box around it, where it has one.
    pub ground: Option<Ink>,
}

/// One frame: marks from the lowest to the uppermost, and labels over them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scene {
    /// Shapes.
    pub marks: Vec<Mark>,
    /// Texts.
    pub labels: Vec<Label>,
}

/// What a frame is made of.
pub struct Subject<'a> {
    /// The series.
    pub pyramid: &'a Pyramid,
    /// What is expected after it.
    pub forecast: &'a [Bar],
    /// Which part is in view.
    pub viewport: Viewport,
    /// How it is to look.
    pub look: Look,
    /// The canvas' width and height, in CSS pixels.
    pub size: (f64, f64),
}

/// Where things are in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    viewport: Viewport,
    width: f64,
    height: f64,
    price: Scale,
    volume: Scale,
}

impl Layout {
    /// How wide a canvas of that width draws bars.
    #[must_use]
    pub fn plot_width(width: f64) -> f64 {
        (width - RIGHT).max(1.0)
    }

    /// Where the layout of `subject` puts things.
    #[must_use]
    pub fn of(subject: &Subject) -> Self {
        let (width, height) = (Self::plot_width(subject.size.0), (subject.size.1 - ABOVE - BELOW).max(1.0));
        let volume_height = height * VOLUME_PART;
        let price_height = (height - volume_height - BETWEEN).max(1.0);
        let columns = visible(subject);
        let fold = |values: &[f64], start: f64, pick: fn(f64, f64) -> f64| values.iter().copied().fold(start, pick);
        let (lows, highs) = match subject.look.kind {
            Kind::Line | Kind::Area => (columns.close, columns.close),
            Kind::Candles | Kind::Hollow | Kind::Bars => (columns.low, columns.high),
        };
        let (mut low, mut high) = (fold(lows, f64::MAX, f64::min), fold(highs, f64::MIN, f64::max));
        if subject.viewport.to > subject.pyramid.positions().end as f64 {
            low = subject.forecast.iter().fold(low, |low, bar| low.min(bar.low));
            high = subject.forecast.iter().fold(high, |high, bar| high.max(bar.high));
        }
        let range = if low <= high { (low, high) } else { (0.0, 1.0) };
        let base = columns.close.first().copied().unwrap_or_default();
        Self {
            viewport: subject.viewport,
            width,
            height: subject.size.1,
            price: Scale::new(subject.look.scale, base, range, (ABOVE, price_height)),
            volume: Scale::from_zero(
                fold(columns.volume, 0.0, f64::max),
                (ABOVE + price_height + BETWEEN, volume_height),
            ),
        }
    }

    /// Where a position lies, in pixels from the left.
    #[must_use]
    pub fn x(&self, position: f64) -> f64 {
        (position - self.viewport.from) * self.per_position()
    }

    /// The position at `x`.
    #[must_use]
    pub fn position(&self, x: f64) -> f64 {
        self.viewport.from + x / self.per_position()
    }

    /// Where a price lies, in pixels from the top.
    #[must_use]
    pub fn y(&self, price: f64) -> f64 {
        self.price.y(price)
    }

    /// Whether a point lies among the bars, beside no axis.
    #[must_use]
    pub fn contains(&self, x: f64, y: f64) -> bool {
        (0.0..self.width).contains(&x) && (0.0..self.bottom()).contains(&y)
    }

    fn per_position(&self) -> f64 {
        self.width / self.viewport.span().max(f64::MIN_POSITIVE)
    }

    fn bottom(&self) -> f64 {
        self.height - BELOW
    }
}

/// The frame of `subject`. `time` writes a time beside the axis, given the one written to the left of it.
#[must_use]
pub fn frame(subject: &Subject, layout: &Layout, time: impl Fn(Timestamp, Option<Timestamp>) -> String) -> Scene {
    let mut scene = Scene::default();
    let columns = visible(subject);
    grid(&mut scene, subject, layout, time);
    volume(&mut scene, &columns, layout);
    match subject.look.kind {
        Kind::Candles => candles(&mut scene, &columns, layout),
        Kind::Hollow => hollow_candles(&mut scene, &columns, layout),
        Kind::Bars => strokes(&mut scene, &columns, layout),
        Kind::Line => line(&mut scene, &columns, layout),
        Kind::Area => {
            area(&mut scene, &columns, layout);
            line(&mut scene, &columns, layout);
        }
    }
    forecast(&mut scene, subject, layout);
    axes(&mut scene, subject, layout);
    scene
}

/// The crosshair over `position` at the height `y`.
#[must_use]
pub fn crosshair(layout: &Layout, position: f64, y: f64, time: String) -> Scene {
    let x = layout.x(position).round();
    let y = y.round();
    let lines = vec![x, 0.0, x, layout.bottom(), f64::NAN, f64::NAN, 0.0, y, layout.width, y];
    let at = lines.into_iter().map(|it| (it + 0.5) as f32).collect();
    let value = if y <= layout.y_of_price_bottom() {
        layout.price.text(layout.price.value(y))
    } else {
        text::volume(layout.volume.value(y).max(0.0))
    };
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

/// A text at the top left, for a picture that leaves the page.
#[must_use]
pub fn title(text: &str) -> Label {
    boxed(10.0, 18.0, Align::Left, text.to_owned())
}

fn boxed(x: f64, y: f64, align: Align, text: String) -> Label {
    Label { x, y, align, text, ink: Ink::Text, ground: Some(Ink::Raised) }
}

impl Layout {
    fn y_of_price_bottom(&self) -> f64 {
        ABOVE + (self.height - ABOVE - BELOW) * (1.0 - VOLUME_PART) - BETWEEN / 2.0
    }
}

/// The bars of which at least a part is in view.
fn visible<'a>(subject: &Subject<'a>) -> Columns<'a> {
    let Viewport { from, to, .. } = subject.viewport;
    let frame = subject.pyramid.frame(Visible { from, to, width: Layout::plot_width(subject.size.0) });
    let all = subject.pyramid.columns(frame);
    let reach = frame.bars_each() as f64;
    let first = all.position.partition_point(|position| *position < from - reach);
    let end = all.position.partition_point(|position| *position <= to + reach).max(first);
    Columns {
        position: &all.position[first..end],
        open: &all.open[first..end],
        high: &all.high[first..end],
        low: &all.low[first..end],
        close: &all.close[first..end],
        volume: &all.volume[first..end],
    }
}

/// The middle of each bar, in whole pixels.
fn middles<'a>(columns: &Columns<'a>, layout: &'a Layout) -> impl Iterator<Item = f64> + use<'a> {
    columns.position.iter().map(|position| layout.x(*position).round())
}

/// An odd number of pixels, so that a bar has a middle.
fn body_width(columns: &Columns, layout: &Layout) -> f64 {
    let apart = match columns.position {
        [first, second, ..] => second - first,
        _ => 1.0,
    };
    let room = (apart * layout.per_position() * 0.74).floor().clamp(1.0, 41.0);
    if room % 2.0 == 0.0 { room - 1.0 } else { room }
}

fn push(at: &mut Vec<f32>, values: [f64; 4]) {
    at.extend(values.map(|it| it as f32));
}

/// A rectangle from one height to another, a pixel high at least.
fn push_upright(at: &mut Vec<f32>, x: f64, width: f64, top: f64, bottom: f64) {
    push(at, [x, top, width, (bottom - top).max(1.0)]);
}

fn mark_rects(scene: &mut Scene, parts: [(Ink, Vec<f32>); 2]) {
    for (ink, at) in parts {
        scene.marks.push(Mark { shape: Shape::Rects, ink, at });
    }
}

fn candles(scene: &mut Scene, columns: &Columns, layout: &Layout) {
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let width = body_width(columns, layout);
    for (i, x) in middles(columns, layout).enumerate() {
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
fn hollow_candles(scene: &mut Scene, columns: &Columns, layout: &Layout) {
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let width = body_width(columns, layout);
    for (i, x) in middles(columns, layout).enumerate() {
        let (open, close) = (columns.open[i], columns.close[i]);
        let before = i.checked_sub(1).map_or(open, |i| columns.close[i]);
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

fn strokes(scene: &mut Scene, columns: &Columns, layout: &Layout) {
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let arm = ((body_width(columns, layout) - 1.0) / 2.0).floor();
    let thick = if arm >= 4.0 { 2.0 } else { 1.0 };
    for (i, x) in middles(columns, layout).enumerate() {
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

fn points(columns: &Columns, layout: &Layout) -> Vec<f32> {
    let point = |(position, close): (&f64, &f64)| [layout.x(*position) as f32, layout.y(*close) as f32];
    columns.position.iter().zip(columns.close).flat_map(point).collect()
}

fn line(scene: &mut Scene, columns: &Columns, layout: &Layout) {
    let at = points(columns, layout);
    scene.marks.push(Mark { shape: Shape::Strokes { width: 2.0, is_dashed: false }, ink: Ink::Accent, at });
}

fn area(scene: &mut Scene, columns: &Columns, layout: &Layout) {
    let mut at = points(columns, layout);
    if let [first, .., last] = columns.position {
        let bottom = layout.y_of_price_bottom();
        at.extend([layout.x(*last), bottom, layout.x(*first), bottom].map(|it| it as f32));
    }
    scene.marks.push(Mark { shape: Shape::Area, ink: Ink::AccentSoft, at });
}

fn volume(scene: &mut Scene, columns: &Columns, layout: &Layout) {
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let width = body_width(columns, layout);
    let bottom = layout.volume.y(0.0).round();
    for (i, x) in middles(columns, layout).enumerate() {
        let at = if columns.close[i] >= columns.open[i] { &mut up } else { &mut down };
        let top = layout.volume.y(columns.volume[i]).round();
        push(at, [x - (width - 1.0) / 2.0, top, width, bottom - top]);
    }
    mark_rects(scene, [(Ink::UpSoft, up), (Ink::DownSoft, down)]);
}

/// From the last close on: a dashed line, and the band in which it is expected to lie.
fn forecast(scene: &mut Scene, subject: &Subject, layout: &Layout) {
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

fn grid(scene: &mut Scene, subject: &Subject, layout: &Layout, time: impl Fn(Timestamp, Option<Timestamp>) -> String) {
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

fn beside(layout: &Layout, y: f64, text: String) -> Label {
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
fn axes(scene: &mut Scene, subject: &Subject, layout: &Layout) {
    let (width, bottom) = (layout.width, layout.bottom());
    let mut cover = Vec::new();
    push(&mut cover, [width, 0.0, RIGHT, layout.height]);
    let mut edges = Vec::new();
    push(&mut edges, [width, 0.0, 1.0, bottom]);
    push(&mut edges, [0.0, bottom, width + RIGHT, 1.0]);
    push(&mut edges, [0.0, layout.y_of_price_bottom().round(), width + RIGHT, 1.0]);
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

#[cfg(test)]
mod tests {
    use super::super::look::ScaleKind;
    use super::*;

    fn bars(count: i64) -> Vec<Bar> {
        let bar = |i: i64| {
            let price = 100.0 + (i % 17) as f64;
            Bar::new(Timestamp(i * 60_000), price, price + 2.0, price - 2.0, price + ((i % 3) - 1) as f64, 10.0)
        };
        (0..count).map(bar).collect()
    }

    fn scene(pyramid: &Pyramid, viewport: Viewport, look: Look) -> Scene {
        let subject = Subject { pyramid, forecast: &[], viewport, look, size: (1000.0, 500.0) };
        frame(&subject, &Layout::of(&subject), |at, _| at.to_string())
    }

    #[test]
    fn a_frame_is_as_large_as_its_canvas_not_as_its_series() {
        for count in [10_000, 100_000] {
            let pyramid = Pyramid::new(&bars(count));
            for kind in Kind::ALL {
                let look = Look { kind, ..Look::default() };
                let scene = scene(&pyramid, Viewport::all(&pyramid.positions()), look);
                let numbers: usize = scene.marks.iter().map(|mark| mark.at.len()).sum();
                assert!(numbers < 40_000, "{numbers} for {kind:?}");
                assert!(scene.labels.len() < 40);
            }
        }
    }

    #[test]
    fn nothing_is_drawn_of_what_is_out_of_view() {
        let pyramid = Pyramid::new(&bars(10_000));
        let scene = scene(&pyramid, Viewport::between(5_000.0, 5_010.0, &pyramid.positions()), Look::default());
        let candles: usize = scene
            .marks
            .iter()
            .filter(|mark| matches!(mark.ink, Ink::Up | Ink::Down))
            .map(|mark| mark.at.len() / 8)
            .sum();
        assert!((10..=13).contains(&candles), "{candles}");
    }

    #[test]
    fn percent_is_of_the_first_bar_in_view() {
        let pyramid = Pyramid::new(&bars(100));
        let look = Look { scale: ScaleKind::Percent, ..Look::default() };
        let texts = scene(&pyramid, Viewport::all(&pyramid.positions()), look).labels;
        assert!(texts.iter().any(|label| label.text == "+0.00 %"), "{texts:?}");
    }
}
