//! Puts a scene on the canvas: elements of ECharts are made once, and then changed in place.

use js_sys::{Array, Float32Array, Object, Reflect};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::browser::page;
use crate::chart::scene::{Align, Ink, Label, Mark, Scene, Shape};

const FONT_SIZE: u32 = 11;
/// How far apart the lines of a text of several are.
const LINE_HEIGHT: u32 = 16;
/// Texts lie over all shapes.
const TEXTS: f64 = 1_000.0;

#[wasm_bindgen]
extern "C" {
    /// The canvas.
    pub type Canvas;
    #[wasm_bindgen(method)]
    fn add(this: &Canvas, element: &Element);
    /// Draws at once what was changed.
    #[wasm_bindgen(method)]
    pub fn flush(this: &Canvas);

    type Element;
    #[wasm_bindgen(js_namespace = echarts, js_name = element)]
    fn element(kind: &str) -> Element;
    #[wasm_bindgen(catch, js_namespace = echarts, js_name = element)]
    fn try_element(kind: &str) -> Result<Element, JsValue>;
    #[wasm_bindgen(method)]
    fn attr(this: &Element, values: &Object);
}

/// Whether the library that was loaded knows every element that scenes are made of: an older bundle may not.
pub fn is_library_complete() -> bool {
    ["rects", "strokes", "area", "text"].into_iter().all(|kind| try_element(kind).is_ok())
}

/// The colours of the design tokens in force, and the font.
pub struct Palette {
    colours: Vec<(Ink, JsValue)>,
    font: JsValue,
    bold: JsValue,
}

impl Palette {
    /// Reads them.
    pub fn read() -> Self {
        let tokens = [
            (Ink::Up, "--up"),
            (Ink::Down, "--down"),
            (Ink::UpSoft, "--up-soft"),
            (Ink::DownSoft, "--down-soft"),
            (Ink::Line, "--line"),
            (Ink::Faint, "--ink-faint"),
            (Ink::Text, "--ink"),
            (Ink::Surface, "--surface"),
            (Ink::Raised, "--raised"),
            (Ink::Accent, "--accent"),
            (Ink::AccentSoft, "--accent-soft"),
            (Ink::OnAccent, "--on-accent"),
            (Ink::Coming, "--coming"),
            (Ink::Lacking, "--lacking"),
            (Ink::Strong, "--ink"),
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
        let values = page::colours(&tokens.map(|(_, token)| token));
        let colours = tokens.iter().zip(values).map(|((ink, _), value)| (*ink, JsValue::from(value))).collect();
        let family = page::token("--font");
        let font = |weight: u32| JsValue::from(format!("{weight} {FONT_SIZE}px {family}"));
        Self { colours, font: font(400), bold: font(650) }
    }

    /// A colour as style sheets write it.
    pub fn of(&self, ink: Ink) -> JsValue {
        self.colours.iter().find(|(it, _)| *it == ink).map_or(JsValue::NULL, |(_, value)| value.clone())
    }
}

/// The elements of one layer of the canvas; each layer is drawn anew by itself.
pub struct Painter {
    layer: f64,
    rects: Vec<Element>,
    strokes: Vec<Element>,
    areas: Vec<Element>,
    texts: Vec<Element>,
}

impl Painter {
    /// For the layer of that number; higher ones lie above.
    pub fn new(layer: u32) -> Self {
        let layer = f64::from(layer);
        Self { layer, rects: Vec::new(), strokes: Vec::new(), areas: Vec::new(), texts: Vec::new() }
    }

    /// Shows the scene in place of the former one.
    pub fn paint(&mut self, canvas: &Canvas, scene: &Scene, palette: &Palette) {
        let (mut rects, mut strokes, mut areas) = (0, 0, 0);
        for (height, mark) in scene.marks.iter().enumerate() {
            let (pool, kind, used) = match mark.shape {
                Shape::Rects => (&mut self.rects, "rects", &mut rects),
                Shape::Strokes { .. } => (&mut self.strokes, "strokes", &mut strokes),
                Shape::Area => (&mut self.areas, "area", &mut areas),
            };
            let values = mark_values(mark, palette);
            put(&values, "z", &JsValue::from_f64(height as f64));
            taken(pool, *used, kind, canvas, self.layer).attr(&values);
            *used += 1;
        }
        for (used, label) in scene.labels.iter().enumerate() {
            let values = label_values(label, palette);
            taken(&mut self.texts, used, "text", canvas, self.layer).attr(&values);
        }
        hide_after(&self.rects, rects);
        hide_after(&self.strokes, strokes);
        hide_after(&self.areas, areas);
        hide_after(&self.texts, scene.labels.len());
    }
}

fn taken<'a>(pool: &'a mut Vec<Element>, place: usize, kind: &str, canvas: &Canvas, layer: f64) -> &'a Element {
    if pool.len() <= place {
        let made = element(kind);
        made.attr(&object(&[("zlevel", layer.into())]));
        canvas.add(&made);
        pool.push(made);
    }
    &pool[place]
}

fn hide_after(pool: &[Element], used: usize) {
    for element in pool.iter().skip(used) {
        element.attr(&object(&[("ignore", true.into())]));
    }
}

fn mark_values(mark: &Mark, palette: &Palette) -> Object {
    let colour = palette.of(mark.ink);
    let style = match mark.shape {
        Shape::Rects | Shape::Area => object(&[("fill", colour)]),
        Shape::Strokes { width, is_dashed } => {
            let dash = if is_dashed { Array::of2(&4.into(), &4.into()).into() } else { JsValue::NULL };
            let fill = JsValue::from_str("none");
            object(&[("stroke", colour), ("fill", fill), ("lineWidth", width.into()), ("lineDash", dash)])
        }
    };
    let shape = object(&[("at", Float32Array::from(mark.at.as_slice()).into())]);
    object(&[("ignore", false.into()), ("shape", shape.into()), ("style", style.into())])
}

fn label_values(label: &Label, palette: &Palette) -> Object {
    let align = match label.align {
        Align::Left => "left",
        Align::Middle => "center",
    };
    let (ground, padding) = match label.ground {
        Some(ground) => (palette.of(ground), Array::of2(&4.into(), &6.into()).into()),
        None => (JsValue::NULL, JsValue::from(0)),
    };
    let line_height = if label.text.contains('\n') { JsValue::from(LINE_HEIGHT) } else { JsValue::NULL };
    let style = object(&[
        ("text", label.text.as_str().into()),
        ("lineHeight", line_height),
        ("fill", palette.of(label.ink)),
        ("align", align.into()),
        ("verticalAlign", "middle".into()),
        ("font", if label.ink == Ink::Strong { &palette.bold } else { &palette.font }.clone()),
        ("backgroundColor", ground),
        ("padding", padding),
        ("borderRadius", 3.into()),
    ]);
    let z = TEXTS + if label.ground.is_some() { 1.0 } else { 0.0 };
    object(&[
        ("ignore", false.into()),
        ("x", label.x.into()),
        ("y", label.y.into()),
        ("z", z.into()),
        ("style", style.into()),
    ])
}

fn object(fields: &[(&str, JsValue)]) -> Object {
    let object = Object::new();
    for (name, value) in fields {
        put(&object, name, value);
    }
    object
}

fn put(object: &Object, name: &str, value: &JsValue) {
    // Setting a field of a plain object can't fail.
    let _ = Reflect::set(object, &JsValue::from_str(name), value);
}
