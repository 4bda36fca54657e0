//! The shapes of one frame: of what is in view, and of nothing else.

mod axes;
mod bars;
mod forecast;
mod layout;

use tidemark_market::view::{Columns, Pyramid, Visible};
use tidemark_market::{Bar, Timestamp};

pub use self::axes::crosshair;
pub use self::layout::Layout;
use super::look::{Kind, Look};
use super::viewport::Viewport;

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
    pub look: &'a Look,
    /// The canvas' width and height, in CSS pixels.
    pub size: (f64, f64),
}

/// The frame of `subject`. `time` writes a time beside the axis, given the one written to the left of it.
#[must_use]
pub fn frame(subject: &Subject, layout: &Layout, time: impl Fn(Timestamp, Option<Timestamp>) -> String) -> Scene {
    let mut scene = Scene::default();
    let columns = visible(subject);
    axes::grid(&mut scene, subject, layout, time);
    bars::volume(&mut scene, &columns, layout);
    match subject.look.kind {
        Kind::Candles => bars::candles(&mut scene, &columns, layout),
        Kind::Hollow => bars::hollow_candles(&mut scene, &columns, layout),
        Kind::Bars => bars::strokes(&mut scene, &columns, layout),
        Kind::Line => bars::line(&mut scene, &columns, layout),
        Kind::Area => {
            bars::area(&mut scene, &columns, layout);
            bars::line(&mut scene, &columns, layout);
        }
    }
    forecast::draw(&mut scene, subject, layout);
    axes::edges(&mut scene, subject, layout);
    scene
}

/// A text at the top left, for a picture that leaves the page.
#[must_use]
pub fn title(text: &str) -> Label {
    boxed(10.0, 18.0, Align::Left, text.to_owned())
}

fn boxed(x: f64, y: f64, align: Align, text: String) -> Label {
    Label { x, y, align, text, ink: Ink::Text, ground: Some(Ink::Raised) }
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

fn push(at: &mut Vec<f32>, values: [f64; 4]) {
    at.extend(values.map(|it| it as f32));
}

fn mark_rects(scene: &mut Scene, parts: [(Ink, Vec<f32>); 2]) {
    for (ink, at) in parts {
        scene.marks.push(Mark { shape: Shape::Rects, ink, at });
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

    fn scene(pyramid: &Pyramid, viewport: Viewport, look: &Look) -> Scene {
        let subject = Subject { pyramid, forecast: &[], viewport, look, size: (1000.0, 500.0) };
        frame(&subject, &Layout::of(&subject), |at, _| at.to_string())
    }

    #[test]
    fn a_frame_is_as_large_as_its_canvas_not_as_its_series() {
        for count in [10_000, 100_000] {
            let pyramid = Pyramid::new(&bars(count));
            for kind in Kind::ALL {
                let look = Look { kind, ..Look::default() };
                let scene = scene(&pyramid, Viewport::all(&pyramid.positions()), &look);
                let numbers: usize = scene.marks.iter().map(|mark| mark.at.len()).sum();
                assert!(numbers < 40_000, "{numbers} for {kind:?}");
                assert!(scene.labels.len() < 40);
            }
        }
    }

    #[test]
    fn nothing_is_drawn_of_what_is_out_of_view() {
        let pyramid = Pyramid::new(&bars(10_000));
        let scene = scene(&pyramid, Viewport::between(5_000.0, 5_010.0, &pyramid.positions()), &Look::default());
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
        let texts = scene(&pyramid, Viewport::all(&pyramid.positions()), &look).labels;
        assert!(texts.iter().any(|label| label.text == "+0.00 %"), "{texts:?}");
    }
}
