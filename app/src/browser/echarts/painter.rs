//! Puts a scene on the canvas, in one call into the library's bundle (`scripts/shapes.js`) for each layer.

use js_sys::{Array, Float32Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::browser::page;
use crate::chart::scene::{Align, Ink, Label, Mark, Scene, Shape};

const FONT_SIZE: u32 = 11;
/// How many kinds of [`Shape`] there are.
const SHAPES: usize = 3;
const DASH: f32 = 4.0;
/// The design token of each ink; an ink's number is its place here.
const INKS: [(Ink, &str); 31] = [
    (Ink::Up, "--up"),
    (Ink::Down, "--down"),
    (Ink::UpSoft, "--up-soft"),
    (Ink::DownSoft, "--down-soft"),
    (Ink::Line, "--line"),
    (Ink::Faint, "--ink-faint"),
    (Ink::Text, "--ink"),
    (Ink::Strong, "--ink"),
    (Ink::Surface, "--surface"),
    (Ink::Raised, "--raised"),
    (Ink::Accent, "--accent"),
    (Ink::AccentSoft, "--accent-soft"),
    (Ink::OnAccent, "--on-accent"),
    (Ink::Coming, "--coming"),
    (Ink::Lacking, "--lacking"),
    (Ink::Sunken, "--extended"),
    (Ink::Indicator(0), "--indicator-1"),
    (Ink::Indicator(1), "--indicator-2"),
    (Ink::Indicator(2), "--indicator-3"),
    (Ink::Indicator(3), "--indicator-4"),
    (Ink::Indicator(4), "--indicator-5"),
    (Ink::Indicator(5), "--indicator-6"),
    (Ink::Indicator(6), "--indicator-7"),
    (Ink::Indicator(7), "--indicator-8"),
    (Ink::Compared(0), "--compared-1"),
    (Ink::Compared(1), "--compared-2"),
    (Ink::Compared(2), "--compared-3"),
    (Ink::Compared(3), "--compared-4"),
    (Ink::Drawing, "--drawing"),
    (Ink::DrawingSoft, "--drawing-soft"),
    (Ink::FallSoft, "--fall-soft"),
];

#[wasm_bindgen]
extern "C" {
    /// The canvas.
    pub type Canvas;
    /// Draws at once what was changed.
    #[wasm_bindgen(method)]
    pub fn flush(this: &Canvas);

    #[wasm_bindgen(js_namespace = echarts)]
    type Layer;
    #[wasm_bindgen(constructor, js_namespace = echarts)]
    fn new(canvas: &Canvas, number: u32) -> Layer;
    #[wasm_bindgen(static_method_of = Layer, js_namespace = echarts, catch)]
    fn knows(shapes: usize) -> Result<bool, JsValue>;
    #[wasm_bindgen(method)]
    fn paint(
        this: &Layer,
        marks: &Float32Array,
        at: &Float32Array,
        labels: &Float32Array,
        texts: &Array,
        palette: &Array,
    );
}

/// Whether the library that was loaded knows every shape that scenes are made of: an older bundle may not.
pub fn is_library_complete() -> bool {
    Layer::knows(SHAPES).unwrap_or_default()
}

/// The colours of the design tokens in force, then the fonts: the usual one and the bold one.
pub struct Palette(Array);

impl Palette {
    /// Reads them.
    pub fn read() -> Self {
        let family = page::token("--font");
        let font = |weight: u32| format!("{weight} {FONT_SIZE}px {family}");
        let colours = page::colours(&INKS.map(|(_, token)| token));
        Self(colours.into_iter().chain([font(400), font(650)]).map(JsValue::from).collect())
    }

    /// A colour as style sheets write it.
    pub fn of(&self, ink: Ink) -> JsValue {
        self.0.get(number_of(ink))
    }
}

/// One layer of the canvas; each is drawn anew by itself.
pub struct Painter(Layer);

impl Painter {
    /// For the layer of that number; higher ones lie above.
    pub fn new(canvas: &Canvas, number: u32) -> Self {
        Self(Layer::new(canvas, number))
    }

    /// Shows the scene in place of the former one.
    pub fn paint(&self, scene: &Scene, palette: &Palette) {
        let (mut marks, mut at) = (Vec::new(), Vec::new());
        for mark in &scene.marks {
            at.extend_from_slice(&mark.at);
            marks.extend(told_of_mark(mark, at.len()));
        }
        let labels: Vec<f32> = scene.labels.iter().flat_map(told_of_label).collect();
        let texts: Array = scene.labels.iter().map(|label| JsValue::from_str(&label.text)).collect();
        let array = |values: &[f32]| Float32Array::from(values);
        self.0.paint(&array(&marks), &array(&at), &array(&labels), &texts, &palette.0);
    }
}

/// Shape, colour, width, dash, and where its coordinates end.
fn told_of_mark(mark: &Mark, end: usize) -> [f32; 5] {
    let (shape, width, dash) = match mark.shape {
        Shape::Rects => (0.0, 0.0, 0.0),
        Shape::Strokes { width, is_dashed } => (1.0, width as f32, if is_dashed { DASH } else { 0.0 }),
        Shape::Area => (2.0, 0.0, 0.0),
    };
    [shape, number_of(mark.ink) as f32, width, dash, end as f32]
}

/// Where it is, how it is aligned, its colour, that of its box, which is negative where there is none, and whether it is
/// bold.
fn told_of_label(label: &Label) -> [f32; 6] {
    let align = match label.align {
        Align::Left => 0.0,
        Align::Middle => 1.0,
    };
    let ground = label.ground.map_or(-1.0, |ground| number_of(ground) as f32);
    let weight = if label.ink == Ink::Strong { 1.0 } else { 0.0 };
    [label.x as f32, label.y as f32, align, number_of(label.ink) as f32, ground, weight]
}

/// Its place among [`INKS`].
fn number_of(ink: Ink) -> u32 {
    let place = INKS.iter().position(|(it, _)| *it == ink);
    u32::try_from(place.unwrap_or_default()).unwrap_or_default()
}
