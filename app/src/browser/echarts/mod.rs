//! The price chart: charming describes it, ECharts draws it, and this file keeps the one instance up to date.
//!
//! The instance is made once and then changed in place. charming gives the skeleton (grids, axes, zoom, crosshair);
//! bars go to ECharts as typed arrays, since ten thousand candles as objects would take longer to convert than to draw.

mod skeleton;
mod zoom;

use std::cell::Cell;
use std::rc::Rc;

use charming::WasmRenderer;
use js_sys::{Array, Float64Array, Function, JSON, Reflect};
use tidemark_market::{Bar, Timestamp};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use self::zoom::{Range, Share};
use super::time_text::TimeText;
use crate::series::SeriesKey;
use crate::stores::holding::Picture;
use crate::text;

#[wasm_bindgen]
extern "C" {
    type Instance;

    #[wasm_bindgen(method, js_name = setOption)]
    fn set_option(this: &Instance, option: &JsValue);
    #[wasm_bindgen(method, js_name = dispatchAction)]
    fn dispatch_action(this: &Instance, action: &JsValue);
    #[wasm_bindgen(method)]
    fn resize(this: &Instance);
    #[wasm_bindgen(method)]
    fn on(this: &Instance, event: &str, handler: &Function);
    #[wasm_bindgen(method)]
    fn dispose(this: &Instance);
}

/// The chart in its host element. Dropping it takes it off the page.
pub struct PriceChart {
    instance: Instance,
    zoom: Rc<Cell<Share>>,
    drawn: Option<(SeriesKey, Vec<Timestamp>)>,
    observer: Option<web_sys::ResizeObserver>,
    _handlers: Vec<Closure<dyn FnMut(JsValue)>>,
    formatters: Vec<Closure<dyn FnMut(JsValue) -> String>>,
}

impl PriceChart {
    /// Makes the chart in the element of that id. `on_hover` gets the place of the bar under the pointer.
    ///
    /// `None` where the library did not load.
    #[must_use]
    pub fn mount(id: &str, host: &web_sys::Element, on_hover: impl Fn(Option<usize>) + 'static) -> Option<Self> {
        let is_loaded = Reflect::get(&js_sys::global(), &JsValue::from_str("echarts")).is_ok_and(|it| it.is_object());
        if !is_loaded {
            return None;
        }
        let made = WasmRenderer::new_opt(None, None).render(id, &skeleton::chart()).ok()?;
        let instance: Instance = JsValue::from(made).unchecked_into();
        let zoom = Rc::new(Cell::new(Share::default()));
        let (kept, hovered) = (Rc::clone(&zoom), on_hover);
        let on_zoom = Closure::<dyn FnMut(JsValue)>::new(move |event| {
            if let Some(share) = zoom_share(&event) {
                kept.set(share);
            }
        });
        let on_pointer = Closure::<dyn FnMut(JsValue)>::new(move |event| hovered(pointed_at(&event)));
        instance.on("datazoom", on_zoom.as_ref().unchecked_ref());
        instance.on("updateAxisPointer", on_pointer.as_ref().unchecked_ref());
        let resized = resizer(&instance);
        let observer = web_sys::ResizeObserver::new(resized.as_ref().unchecked_ref()).ok();
        if let Some(observer) = &observer {
            observer.observe(host);
        }
        let handlers = vec![on_zoom, on_pointer, resized];
        Some(Self { instance, zoom, drawn: None, observer, _handlers: handlers, formatters: Vec::new() })
    }

    /// Puts the picture on the canvas. The zoom stays where it was, and follows new bars where it showed the newest.
    pub fn draw(&mut self, series: &SeriesKey, picture: &Picture) {
        let times: Vec<Timestamp> = picture.bars.iter().chain(&picture.forecast).map(|bar| bar.ts).collect();
        let range = match &self.drawn {
            Some((drawn, before)) if drawn == series => {
                zoom::moved(self.zoom.get().range(before.len()), before, &times)
            }
            _ => Range::newest(times.len()),
        };
        let option = JSON::parse(&skeleton::series(picture.bars.last(), range)).unwrap_or_default();
        let axis = categories(&times);
        set(&option, &["xAxis", "0", "data"], &axis);
        set(&option, &["xAxis", "1", "data"], &axis);
        set(&option, &["series", "0", "data"], &candles(&picture.bars));
        set(&option, &["series", "1", "data"], &volumes(&picture.bars, |bar| bar.close >= bar.open));
        set(&option, &["series", "2", "data"], &volumes(&picture.bars, |bar| bar.close < bar.open));
        set(&option, &["series", "3", "data"], &forecast_line(picture));
        if self.drawn.as_ref().is_none_or(|(drawn, _)| drawn != series) {
            self.set_formatters(&option, series);
        }
        self.lift_pointer();
        self.instance.set_option(&option);
        if self.drawn.is_none() {
            self.recolour();
        }
        self.zoom.set(range.share(times.len()));
        self.drawn = Some((series.clone(), times));
    }

    /// Takes the colours of the design tokens in force.
    pub fn recolour(&self) {
        let option = JSON::parse(&skeleton::colours()).unwrap_or_default();
        self.instance.set_option(&option);
    }

    /// Shows no bar.
    pub fn clear(&mut self) {
        if let Some((series, _)) = self.drawn.take() {
            self.draw(&series, &Picture::default());
            self.drawn = None;
        }
    }

    /// The crosshair points at a place, where another bar may be next; it comes back with the next move.
    fn lift_pointer(&self) {
        if self.drawn.is_some() {
            let leave = r#"{"type":"updateAxisPointer","currTrigger":"leave"}"#;
            self.instance.dispatch_action(&JSON::parse(leave).unwrap_or_default());
        }
    }

    fn set_formatters(&mut self, option: &JsValue, series: &SeriesKey) {
        let (short, long) = (TimeText::new(series), TimeText::new(series));
        let time = formatter(move |value| timestamp(value).map_or_else(String::new, |at| short.axis(at)));
        let pointer =
            formatter(move |value| timestamp(&field(value, "value")).map_or_else(String::new, |at| long.full(at)));
        let price = formatter(|value| value.as_f64().map_or_else(String::new, text::price));
        let level = formatter(|value| field(value, "value").as_f64().map_or_else(String::new, text::price));
        let volume = formatter(|value| value.as_f64().map_or_else(String::new, text::volume));
        for (path, function) in [
            (&["xAxis", "1", "axisLabel", "formatter"][..], &time),
            (&["xAxis", "1", "axisPointer", "label", "formatter"], &pointer),
            (&["yAxis", "0", "axisLabel", "formatter"], &price),
            (&["yAxis", "0", "axisPointer", "label", "formatter"], &level),
            (&["yAxis", "1", "axisLabel", "formatter"], &volume),
            (&["series", "0", "markLine", "label", "formatter"], &level),
        ] {
            set(option, path, function.as_ref());
        }
        // The former series' stay alive until the option that names them is replaced: after the next `setOption`.
        let keep = self.formatters.len().saturating_sub(5);
        self.formatters.drain(..keep);
        self.formatters.extend([time, pointer, price, level, volume]);
    }
}

impl Drop for PriceChart {
    fn drop(&mut self) {
        if let Some(observer) = &self.observer {
            observer.disconnect();
        }
        self.instance.dispose();
    }
}

fn formatter(write: impl Fn(&JsValue) -> String + 'static) -> Closure<dyn FnMut(JsValue) -> String> {
    Closure::new(move |value| write(&value))
}

fn resizer(instance: &Instance) -> Closure<dyn FnMut(JsValue)> {
    let instance: Instance = instance.obj.clone().unchecked_into();
    Closure::new(move |_| instance.resize())
}

/// `{start, end}` in percent, of the event itself or of its first part.
fn zoom_share(event: &JsValue) -> Option<Share> {
    let batch = field(event, "batch");
    let of = if batch.is_object() { Array::from(&batch).get(0) } else { event.clone() };
    Some(Share { start: field(&of, "start").as_f64()?, end: field(&of, "end").as_f64()? })
}

fn pointed_at(event: &JsValue) -> Option<usize> {
    let axes = field(event, "axesInfo");
    let place = axes.is_object().then(|| field(&Array::from(&axes).get(0), "value").as_f64()).flatten()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
    (place >= 0.0).then_some(place as usize)
}

/// An axis hands its values back as text.
fn timestamp(value: &JsValue) -> Option<Timestamp> {
    value.as_string()?.parse().ok().map(Timestamp)
}

/// The axis' values: epoch milliseconds as text, which ECharts would make of numbers one by one.
fn categories(times: &[Timestamp]) -> JsValue {
    let values: Vec<String> = times.iter().map(|at| format!("\"{}\"", at.millis())).collect();
    JSON::parse(&format!("[{}]", values.join(","))).unwrap_or_default()
}

/// Rows of place, open, close, low and high.
#[expect(clippy::cast_precision_loss, reason = "a place in a list")]
fn candles(bars: &[Bar]) -> Float64Array {
    let row = |(i, bar): (usize, &Bar)| [i as f64, bar.open, bar.close, bar.low, bar.high];
    Float64Array::from(bars.iter().enumerate().flat_map(row).collect::<Vec<_>>().as_slice())
}

/// Rows of place and volume of the bars that `is_mine`: each direction is a series of one colour.
#[expect(clippy::cast_precision_loss, reason = "a place in a list")]
fn volumes(bars: &[Bar], is_mine: impl Fn(&Bar) -> bool) -> Float64Array {
    let mine = bars.iter().enumerate().filter(|(_, bar)| is_mine(bar));
    Float64Array::from(mine.flat_map(|(i, bar)| [i as f64, bar.volume]).collect::<Vec<_>>().as_slice())
}

/// From the last close on, so that the line hangs together with the candles.
#[expect(clippy::cast_precision_loss, reason = "a place in a list")]
fn forecast_line(picture: &Picture) -> Array {
    let joint = picture.bars.last().filter(|_| !picture.forecast.is_empty());
    let first = picture.bars.len() - usize::from(joint.is_some());
    let points = joint.into_iter().chain(&picture.forecast).enumerate();
    points.map(|(i, bar)| Array::of2(&((first + i) as f64).into(), &bar.close.into())).collect()
}

fn field(of: &JsValue, name: &str) -> JsValue {
    Reflect::get(of, &JsValue::from_str(name)).unwrap_or_default()
}

/// Sets what lies at the end of the path, all of which but the end exists.
fn set(root: &JsValue, path: &[&str], value: &JsValue) {
    let Some((last, way)) = path.split_last() else { return };
    let target = way.iter().fold(root.clone(), |at, name| field(&at, name));
    // A path that is not there would be a slip of this file; the chart then lacks that part.
    let _ = Reflect::set(&target, &JsValue::from_str(last), value);
}
