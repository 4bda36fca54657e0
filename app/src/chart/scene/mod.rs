//! The shapes of one frame: of what is in view, and of nothing else.

mod axes;
mod bars;
mod blanks;
mod compare;
mod drawings;
mod forecast;
mod hours;
mod indicators;
mod layout;
mod stroke;

use std::ops::Range;

use tidemark_market::view::{Columns, Frame, Pyramid, Visible};
use tidemark_market::{AssetClass, Bar, Symbol, Timestamp};

pub use self::axes::crosshair;
pub use self::compare::first_in_view;
pub use self::layout::Layout;
use super::compare::{Comparisons, Reading};
use super::drawings::Sketch;
use super::indicators::Indicators;
use super::look::{Kind, Look};
use super::readings::Readings;
use super::room::Blank;
use super::viewport::Viewport;
use crate::text;
use tidemark_market::ticks::Wall;

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
    /// The same in bold letters: what begins a larger unit of time.
    Strong,
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
    /// Time that has not come yet.
    Coming,
    /// Time of which there is nothing.
    Lacking,
    /// The ground of extended hours.
    Sunken,
    /// The lines of indicators, as many as a chart may have.
    Indicator(usize),
    /// The lines of what is compared, by its seat.
    Compared(usize),
    /// What is drawn by hand.
    Drawing,
    /// The ground within it.
    DrawingSoft,
    /// The ground of a measured fall.
    FallSoft,
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
    /// What kind of thing the series is of.
    pub class: AssetClass,
    /// The series.
    pub pyramid: &'a Pyramid,
    /// What is expected after it.
    pub forecast: &'a [Bar],
    /// The band of each of those.
    pub bands: &'a [(f64, f64)],
    /// The places on the axis of what trades before and after regular hours, from the oldest bar on.
    pub extended: &'a [Range<usize>],
    /// The room between its bars.
    pub blanks: &'a [Blank],
    /// What is computed of it; the lines of [`frame_in_view`] are laid.
    pub indicators: &'a Indicators,
    /// What is compared with it; the same lines are laid.
    pub compared: &'a Comparisons,
    /// What is drawn by hand.
    pub sketch: &'a Sketch,
    /// When bars after the newest are expected; drawings may reach there.
    pub ahead: &'a [Timestamp],
    /// Which part is in view.
    pub viewport: Viewport,
    /// How it is to look.
    pub look: &'a Look,
    /// How long its bars are, nominally.
    pub bar_millis: i64,
    /// The canvas' width and height, in CSS pixels.
    pub size: (f64, f64),
}

/// The frame of `subject`. `wall` tells what the clock shows by which times are written.
#[must_use]
pub fn frame(subject: &Subject, layout: &Layout, wall: impl Fn(Timestamp) -> Wall) -> Scene {
    let mut scene = Scene::default();
    let columns = visible(subject);
    hours::draw(&mut scene, subject, layout);
    axes::grid(&mut scene, subject, layout, wall);
    blanks::draw(&mut scene, subject, layout);
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
    indicators::over_bars(&mut scene, subject, layout);
    compare::draw(&mut scene, subject, layout);
    forecast::draw(&mut scene, subject, layout);
    indicators::panes(&mut scene, subject, layout);
    drawings::draw(&mut scene, subject, layout);
    axes::edges(&mut scene, subject, layout);
    compare::boxes(&mut scene, subject, layout);
    scene
}

/// A text at the top left, for a picture that leaves the page.
#[must_use]
pub fn title(text: &str) -> Label {
    boxed(10.0, 18.0, Align::Left, text.to_owned())
}

/// What lines are at, below a title: where a picture leaves the page, its legend stays behind.
pub fn legend(readings: &Readings, seat: impl Fn(&Symbol) -> Option<usize>) -> impl Iterator<Item = Label> {
    let line = move |(number, reading): (usize, &Reading)| Label {
        ink: seat(&reading.symbol).map_or(Ink::Text, Ink::Compared),
        ..boxed(
            10.0,
            42.0 + 22.0 * number as f64,
            Align::Left,
            reading.percent.map_or_else(
                || reading.symbol.to_string(),
                |value| format!("{} {}", reading.symbol, text::percent(value)),
            ),
        )
    };
    readings.compared.iter().enumerate().map(line)
}

fn boxed(x: f64, y: f64, align: Align, text: String) -> Label {
    Label { x, y, align, text, ink: Ink::Text, ground: Some(Ink::Raised) }
}

/// What of the series a canvas of that width needs for its view.
#[must_use]
pub fn frame_in_view(pyramid: &Pyramid, viewport: Viewport, width: f64) -> Frame {
    pyramid.frame(Visible { from: viewport.from, to: viewport.to, width: Layout::plot_width(width) })
}

/// The bars of which at least a part is in view.
fn visible<'a>(subject: &Subject<'a>) -> Columns<'a> {
    let Viewport { from, to, .. } = subject.viewport;
    let frame = frame_in_view(subject.pyramid, subject.viewport, subject.size.0);
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
    use std::sync::Arc;

    use tidemark_market::Timeframe;
    use tidemark_market::indicators::parse_list;

    use super::super::compare::Beside;
    use super::super::look::ScaleKind;
    use super::*;
    use crate::chart::scale::Scale;
    use crate::series::SeriesKey;
    use crate::stores::holding::Picture;

    fn bars(count: i64) -> Vec<Bar> {
        let bar = |i: i64| {
            let price = 100.0 + (i % 17) as f64;
            Bar::new(Timestamp(i * 60_000), price, price + 2.0, price - 2.0, price + ((i % 3) - 1) as f64, 10.0)
        };
        (0..count).map(bar).collect()
    }

    /// Those of the look, over as many bars as `pyramid` holds, laid for the view.
    fn indicators(pyramid: &Pyramid, viewport: Viewport, look: &Look) -> Indicators {
        let mut indicators = Indicators::default();
        let bars = bars(pyramid.positions().end);
        indicators.choose(&look.indicators);
        indicators.take(&SeriesKey::parse("AAPL", "m1").unwrap(), &Arc::new(Picture { bars, ..Picture::default() }));
        indicators.lay(pyramid, frame_in_view(pyramid, viewport, 1000.0));
        indicators
    }

    fn comparisons(pyramid: &Pyramid, viewport: Viewport, list: &[Beside]) -> Comparisons {
        let mut compared = Comparisons::default();
        compared.choose(list, pyramid.times(), Some(Timeframe::M1));
        compared.lay(pyramid, frame_in_view(pyramid, viewport, 1000.0));
        compared
    }

    fn scene(pyramid: &Pyramid, viewport: Viewport, look: &Look) -> Scene {
        beside(pyramid, viewport, look, &[])
    }

    /// The same with what is compared.
    fn beside(pyramid: &Pyramid, viewport: Viewport, look: &Look, list: &[Beside]) -> Scene {
        let indicators = indicators(pyramid, viewport, look);
        let sketch = Sketch::default();
        let compared = comparisons(pyramid, viewport, list);
        let subject = Subject {
            class: AssetClass::Equity,
            pyramid,
            forecast: &[],
            bands: &[],
            extended: &[],
            blanks: &[],
            indicators: &indicators,
            compared: &compared,
            sketch: &sketch,
            ahead: &[],
            viewport,
            look,
            bar_millis: 60_000,
            size: (1000.0, 500.0),
        };
        frame(&subject, &Layout::of(&subject), |at| at.0)
    }

    #[test]
    fn a_frame_is_as_large_as_its_canvas_not_as_its_series() {
        for count in [10_000, 100_000] {
            let pyramid = Pyramid::new(&bars(count));
            for kind in Kind::ALL {
                let indicators = parse_list("sma-20,ema-50,bb,rsi,macd,atr").unwrap();
                let look = Look { kind, indicators, ..Look::default() };
                let scene = scene(&pyramid, Viewport::all(&pyramid.positions()), &look);
                let numbers: usize = scene.marks.iter().map(|mark| mark.at.len()).sum();
                assert!(numbers < 70_000, "{numbers} for {kind:?}");
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

    fn look(indicators: &str) -> Look {
        Look { indicators: parse_list(indicators).unwrap(), ..Look::default() }
    }

    fn layout(look: &Look, height: f64) -> Layout {
        let pyramid = Pyramid::new(&bars(300));
        let viewport = Viewport::newest(&pyramid.positions());
        let indicators = indicators(&pyramid, viewport, look);
        let sketch = Sketch::default();
        let size = (1000.0, height);
        Layout::of(&Subject {
            class: AssetClass::Equity,
            pyramid: &pyramid,
            forecast: &[],
            bands: &[],
            extended: &[],
            blanks: &[],
            indicators: &indicators,
            compared: &Comparisons::default(),
            sketch: &sketch,
            ahead: &[],
            viewport,
            look,
            bar_millis: 60_000,
            size,
        })
    }

    #[test]
    fn panes_lie_below_each_other_and_bars_keep_the_most() {
        for (indicators, panes) in [("sma-20,bb", 0), ("rsi", 1), ("rsi,sma-20,macd,atr", 3), (EIGHT_PANES, 8)] {
            for height in [260.0, 500.0, 1200.0] {
                let layout = layout(&look(indicators), height);
                assert_eq!(layout.panes.len(), panes);
                let seams: Vec<f64> = layout.seams().collect();
                assert!(seams.windows(2).all(|pair| pair[0] < pair[1]), "{seams:?}");
                let last = layout.panes.last().map_or(layout.volume, |(_, scale)| *scale);
                assert!((last.bottom() - layout.bottom()).abs() < 1e-6, "{indicators} on {height}: all is used");
                let others = layout.panes.iter().map(|(_, scale)| scale.bottom() - scale.top());
                let price = layout.price.bottom() - layout.price.top();
                assert!(others.fold(0.0, f64::max) < price, "{indicators} on {height}");
            }
        }
    }

    const EIGHT_PANES: &str = "rsi,rsi-2,rsi-3,rsi-4,macd,atr,atr-5,atr-7";

    #[test]
    fn each_pane_tells_its_own_values() {
        let layout = layout(&look("rsi,atr"), 600.0);
        let at = |place: usize| layout.panes[place].1;
        assert_eq!(layout.text_at(at(0).y(70.0)), "70.00");
        assert_eq!(layout.text_at(layout.y(104.0)), "104.00");
        assert_eq!(layout.text_at(at(1).y(4.25)), "4.25");
    }

    #[test]
    fn a_line_far_from_the_bars_does_not_squeeze_them() {
        let (bare, with) = (layout(&look(""), 500.0), layout(&look("bb-20-10"), 500.0));
        let height = |layout: &Layout| layout.y(98.0) - layout.y(118.0);
        assert!(height(&with) < height(&bare) && height(&with) > 0.45 * height(&bare));
    }

    #[test]
    fn lines_and_panes_are_drawn_in_their_places() {
        let pyramid = Pyramid::new(&bars(300));
        let look = look("sma-20,rsi,macd");
        let viewport = Viewport::newest(&pyramid.positions());
        let layout = layout(&look, 500.0);
        let scene = scene(&pyramid, viewport, &look);
        let heights = |place: usize| {
            let marks = scene.marks.iter().filter(move |mark| mark.ink == Ink::Indicator(place));
            let values: Vec<f64> = marks.flat_map(|it| it.at.chunks(2)).map(|it| f64::from(it[1])).collect();
            let ends = |start, pick: fn(f64, f64) -> f64| values.iter().copied().fold(start, pick);
            (ends(f64::MAX, f64::min), ends(f64::MIN, f64::max))
        };
        let is_within = |(top, bottom): (f64, f64), scale: Scale| top >= scale.top() && bottom <= scale.bottom();
        assert!(is_within(heights(0), layout.price));
        assert!(is_within(heights(1), layout.panes[0].1));
        assert!(is_within(heights(2), layout.panes[1].1));
        let texts: Vec<_> = scene.labels.iter().map(|label| label.text.as_str()).collect();
        for text in ["RSI 14", "MACD 12, 26, 9", "30.00", "70.00"] {
            assert!(texts.contains(&text), "{text} in {texts:?}");
        }
    }

    /// As many minutes of another symbol, `times` as high as those of the chart.
    fn other(seat: usize, count: i64, times: f64) -> Beside {
        let higher = |bar: Bar| Bar { close: bar.close * times, ..bar };
        let picture = Picture { bars: bars(count).into_iter().map(higher).collect(), ..Picture::default() };
        Beside { seat, symbol: "MSFT".parse().unwrap(), picture: Some(Arc::new(picture)) }
    }

    fn heights(scene: &Scene, ink: Ink) -> Vec<f32> {
        let marks = scene.marks.iter().filter(|mark| mark.ink == ink);
        marks.flat_map(|mark| mark.at.chunks(2)).map(|point| point[1]).collect()
    }

    #[test]
    fn what_is_compared_lies_by_its_percents_however_high_its_prices_are() {
        let pyramid = Pyramid::new(&bars(300));
        let viewport = Viewport::newest(&pyramid.positions());
        let look = Look { kind: Kind::Line, ..Look::default() };
        let scene = beside(&pyramid, viewport, &look, &[other(2, 300, 1.0), other(0, 300, 40.0)]);
        let (own, same, higher) =
            (heights(&scene, Ink::Accent), heights(&scene, Ink::Compared(2)), heights(&scene, Ink::Compared(0)));
        assert!(!same.is_empty() && same.len() == higher.len());
        assert!(same.iter().zip(&higher).all(|(a, b)| (a - b).abs() < 0.01));
        assert!(own.iter().any(|y| (y - same[10]).abs() < 0.01), "they lie on the chart's own line");
        assert!(scene.labels.iter().any(|label| label.text == "+0.00 %"), "the scale is in percent");
    }

    #[test]
    fn the_scale_of_prices_takes_in_what_is_compared() {
        let pyramid = Pyramid::new(&bars(300));
        let viewport = Viewport::newest(&pyramid.positions());
        let mut far = other(0, 300, 1.0);
        let bars = (*far.picture.unwrap()).clone().bars;
        let doubling = bars.into_iter().enumerate().map(|(i, bar)| Bar { close: 1.0 + i as f64, ..bar });
        far.picture = Some(Arc::new(Picture { bars: doubling.collect(), ..Picture::default() }));
        let scene = beside(&pyramid, viewport, &Look::default(), &[far]);
        let line = heights(&scene, Ink::Compared(0));
        assert!(line.iter().all(|y| (0.0..500.0).contains(y)) && line.iter().any(|y| *y < 40.0), "{line:?}");
    }

    #[test]
    fn a_hole_lifts_the_pen() {
        let pyramid = Pyramid::new(&bars(300));
        let viewport = Viewport::newest(&pyramid.positions());
        let mut with_hole = other(0, 300, 1.0);
        let mut bars = (*with_hole.picture.unwrap()).clone().bars;
        bars.retain(|bar| !(200..210).contains(&(bar.ts.0 / 60_000)));
        with_hole.picture = Some(Arc::new(Picture { bars, ..Picture::default() }));
        let scene = beside(&pyramid, viewport, &Look::default(), &[with_hole]);
        let mark = scene.marks.iter().find(|mark| mark.ink == Ink::Compared(0)).unwrap();
        assert_eq!(mark.at.iter().filter(|it| it.is_nan()).count(), 2);
    }
}
