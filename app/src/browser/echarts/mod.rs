//! The price chart: ECharts draws it, and this file keeps the one instance up to date.
//!
//! What is in view is made into a [`crate::chart::scene::Scene`] and put into elements of ECharts, as typed arrays; whatever changes in one
//! frame of the browser is drawn once. Its series and axes are left alone: going through their options takes five to ten
//! times as long for each step of panning.

mod painter;

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use js_sys::Reflect;
use tidemark_market::compare::percent;
use tidemark_market::shown::outside_regular;
use tidemark_market::time::MINUTE;
use tidemark_market::view::{Change, Pyramid};
use tidemark_market::{AssetClass, Hours, TimeRange, Timestamp};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use self::painter::{Canvas, Painter, Palette, is_library_complete};
use super::page;
use super::time_text::TimeText;
use crate::chart::compare::{Beside, Comparisons};
use crate::chart::csv::csv;
use crate::chart::drawings::plane::{Plane, expected};
use crate::chart::drawings::{Book, Pen, Sketch};
use crate::chart::indicators::Indicators;
use crate::chart::look::{Look, Part};
use crate::chart::readings::Readings;
use crate::chart::room::Lack;
use crate::chart::scene::{self, Layout, Scene, Subject};
use crate::chart::viewport::Viewport;
use crate::series::SeriesKey;
use crate::stores::holding::Picture;
use crate::stores::settings::Clock;

#[wasm_bindgen]
extern "C" {
    type Instance;

    #[wasm_bindgen(js_namespace = echarts, catch)]
    fn init(host: &web_sys::Element) -> Result<Instance, JsValue>;
    #[wasm_bindgen(method, js_name = getZr)]
    fn canvas(this: &Instance) -> Canvas;
    #[wasm_bindgen(method)]
    fn resize(this: &Instance);
    #[wasm_bindgen(method, js_name = getDataURL)]
    fn data_url(this: &Instance, options: &JsValue) -> String;
    #[wasm_bindgen(method)]
    fn dispose(this: &Instance);
}

/// What someone does to the view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Move {
    /// Towards newer bars by this part of the width; towards older ones where negative.
    Pan(f64),
    /// Shows so many times as much, around this part of the width.
    Zoom(f64, f64),
    /// To the oldest bar that is held.
    Oldest,
    /// To the newest.
    Newest,
    /// The newest bars, as at first.
    Reset,
    /// All that is held.
    Fit,
}

impl Move {
    /// Whether it brings older bars into view.
    #[must_use]
    pub fn goes_back(self) -> bool {
        match self {
            Self::Pan(share) => share < 0.0,
            Self::Zoom(factor, _) => factor > 1.0,
            Self::Oldest => true,
            Self::Newest | Self::Reset | Self::Fit => false,
        }
    }
}

/// What is on screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The times of the first and the last bar in view.
    pub range: Option<TimeRange>,
    /// Whether the newest bars are in view as they are at first.
    pub is_usual: bool,
    /// How many bars fit.
    pub span: f64,
    /// How many bars lie before those in view; negative where the view begins before the oldest of them.
    pub before: f64,
    /// The place of the bar under the crosshair.
    pub pointed: Option<usize>,
    /// What lines are at, at the bar under the crosshair or the newest.
    pub readings: Readings,
    /// Whether bars before or after regular hours are among those in view.
    pub has_extended: bool,
    /// What lacks under the pointer, and about the time of it there.
    pub lack: Option<(Lack, Timestamp)>,
}

impl Seen {
    /// The symbols whose lines are drawn beside the series, as attributes tell them.
    #[must_use]
    pub fn compared(&self) -> String {
        let drawn = self.readings.compared.iter().filter(|reading| reading.is_drawn);
        drawn.map(|reading| reading.symbol.to_string()).collect::<Vec<_>>().join(",")
    }
}

/// The chart in its host element. Dropping it takes it off the page.
pub struct PriceChart {
    inner: Rc<RefCell<Inner>>,
    observer: Option<web_sys::ResizeObserver>,
    _resized: Closure<dyn FnMut(JsValue)>,
}

struct Inner {
    instance: Instance,
    canvas: Canvas,
    host: web_sys::Element,
    size: (f64, f64),
    palette: Palette,
    bars: Painter,
    pointer: Painter,
    series: Option<SeriesKey>,
    times: Option<TimeText>,
    pyramid: Pyramid,
    picture: Arc<Picture>,
    /// The places on the axis of what trades before and after regular hours.
    extended: Vec<Range<usize>>,
    indicators: Indicators,
    compared: Comparisons,
    sketch: Sketch,
    /// When bars are expected after the one that began then; known as soon as drawings may lie there.
    ahead: (Option<Timestamp>, Vec<Timestamp>),
    look: Look,
    clock: Clock,
    viewport: Viewport,
    /// Where the pointer is, in pixels from the host's left and top.
    pointed: Option<(f64, f64)>,
    /// Where the bars on the canvas are.
    layout: Option<Layout>,
    /// Whether what is on the canvas beside the crosshair is no longer what is to be seen.
    is_stale: bool,
    is_frame_due: bool,
    tell: Box<dyn Fn(Seen)>,
}

impl PriceChart {
    /// Makes the chart in its host. `tell` hears what every frame shows.
    ///
    /// `None` where the library did not load, or is another than this page was built for.
    #[must_use]
    pub fn mount(host: &web_sys::Element, tell: impl Fn(Seen) + 'static) -> Option<Self> {
        let is_loaded = Reflect::get(&js_sys::global(), &JsValue::from_str("echarts")).is_ok_and(|it| it.is_object());
        if !is_loaded || !is_library_complete() {
            return None;
        }
        let instance = init(host).ok()?;
        let canvas = instance.canvas();
        let inner = Inner {
            bars: Painter::new(&canvas, 0),
            pointer: Painter::new(&canvas, 1),
            canvas,
            instance,
            host: host.clone(),
            size: size_of(host),
            palette: Palette::read(),
            series: None,
            times: None,
            pyramid: Pyramid::default(),
            picture: Arc::default(),
            extended: Vec::new(),
            indicators: Indicators::default(),
            compared: Comparisons::default(),
            sketch: Sketch::default(),
            ahead: (None, Vec::new()),
            look: Look::default(),
            clock: Clock::default(),
            viewport: Viewport::default(),
            pointed: None,
            layout: None,
            is_stale: true,
            is_frame_due: false,
            tell: Box::new(tell),
        };
        let inner = Rc::new(RefCell::new(inner));
        let resized = resizer(&inner);
        let observer = web_sys::ResizeObserver::new(resized.as_ref().unchecked_ref()).ok();
        if let Some(observer) = &observer {
            observer.observe(host);
        }
        Some(Self { inner, observer, _resized: resized })
    }

    /// Puts the picture on the canvas. The view stays where it was, and follows new bars where it showed the newest.
    pub fn draw(&self, series: &SeriesKey, picture: &Arc<Picture>) {
        self.inner.borrow_mut().take(series, picture);
        Inner::paint(&self.inner);
    }

    /// Draws as `look` says, times by `clock`. The view moves to the part it names where that is asked for.
    pub fn set_look(&self, look: Look, clock: Clock, moves: bool) {
        {
            let mut inner = self.inner.borrow_mut();
            let part = if moves { look.part } else { inner.look.part };
            let is_elsewhere = inner.look.part != part;
            inner.indicators.choose(&look.indicators);
            (inner.look, inner.clock) = (Look { part, ..look }, clock);
            inner.times = inner.series.as_ref().map(|series| TimeText::by(series, clock));
            if is_elsewhere {
                inner.viewport = inner.part_in_view();
            }
        }
        Inner::renew(&self.inner);
    }

    /// Draws these beside the series.
    pub fn compare(&self, list: &[Beside]) {
        {
            let mut inner = self.inner.borrow_mut();
            let timeframe = inner.series.as_ref().map(|series| series.timeframe);
            let Inner { compared, pyramid, .. } = &mut *inner;
            compared.choose(list, pyramid.times(), timeframe);
        }
        Inner::renew(&self.inner);
    }

    /// Remembers `part` as the one in view, without moving there.
    pub fn note_part(&self, part: Part) {
        self.inner.borrow_mut().look.part = part;
    }

    /// Moves the view, by the next frame.
    pub fn go(&self, step: Move) {
        self.inner.borrow_mut().go(step);
        Inner::renew(&self.inner);
    }

    /// The pointer is there, in pixels from the host's left and top; nowhere where `None`.
    pub fn point(&self, at: Option<(f64, f64)>) {
        self.inner.borrow_mut().pointed = at;
        Inner::request(&self.inner);
    }

    /// Moves the crosshair by so many bars, from the newest in view at first.
    pub fn step_pointer(&self, bars: f64) {
        let at = self.inner.borrow().stepped(bars);
        self.point(at);
    }

    /// Draws these drawings.
    pub fn set_book(&self, book: Book) {
        let is_same = self.inner.borrow().sketch.book == book;
        if !is_same {
            self.inner.borrow_mut().sketch.book = book;
            Inner::renew(&self.inner);
        }
    }

    /// Draws what the hand does that draws.
    pub fn set_pen(&self, pen: Pen) {
        let is_same = self.inner.borrow().sketch.pen == pen;
        if !is_same {
            self.inner.borrow_mut().sketch.pen = pen;
            Inner::renew(&self.inner);
        }
    }

    /// What `read` makes of the pane of prices as it is in view; `None` where there are no bars.
    pub fn plane<T>(&self, read: impl FnOnce(&Plane) -> T) -> Option<T> {
        let mut inner = self.inner.borrow_mut();
        inner.look_ahead();
        let layout = Layout::of(&inner.subject());
        Plane::new(&inner.pyramid, &inner.ahead.1, &layout).map(|plane| read(&plane))
    }

    /// The newest bar's last price.
    #[must_use]
    pub fn last_close(&self) -> Option<f64> {
        let inner = self.inner.borrow();
        inner.positions().rev().find_map(|position| inner.pyramid.bar_at(position)).map(|bar| bar.close)
    }

    /// Where the crosshair is, in pixels from the host's left and top.
    #[must_use]
    pub fn pointed(&self) -> Option<(f64, f64)> {
        let inner = self.inner.borrow();
        inner.pointed_position().and(inner.pointed)
    }

    /// Whether the crosshair stands within so many pixels of `x`.
    #[must_use]
    pub fn is_pointed_near(&self, x: f64, pixels: f64) -> bool {
        self.inner.borrow().pointed.is_some_and(|(at, _)| (at - x).abs() <= pixels)
    }

    /// Which part of the width lies left of `x`.
    #[must_use]
    pub fn share(&self, x: f64) -> f64 {
        x / Layout::plot_width(self.inner.borrow().size.0)
    }

    /// Takes the colours of the design tokens in force.
    pub fn recolour(&self) {
        self.inner.borrow_mut().palette = Palette::read();
        Inner::renew(&self.inner);
    }

    /// Shows no bar.
    pub fn clear(&self) {
        {
            let mut inner = self.inner.borrow_mut();
            inner.series = None;
            inner.pyramid = Pyramid::default();
            inner.picture = Arc::default();
            inner.extended.clear();
            inner.indicators.clear();
            inner.compared.align(&[], None);
            inner.is_stale = true;
        }
        Inner::paint(&self.inner);
    }

    /// The bars in view, their indicators and what is compared, as a table of comma-separated values.
    #[must_use]
    pub fn bars_in_view(&self) -> String {
        let inner = self.inner.borrow();
        inner.csv()
    }

    /// What is on the canvas under `title`, as the address of a PNG that holds it.
    #[must_use]
    pub fn picture(&self, title: &str) -> String {
        let mut inner = self.inner.borrow_mut();
        inner.lay();
        let pen = inner.sketch.pen;
        inner.sketch.pen = pen.settled();
        let titled = inner.scene().map(|mut scene| {
            scene.labels.push(scene::title(title));
            scene.labels.extend(scene::legend(&inner.readings(), |symbol| inner.compared.seat(symbol)));
            scene
        });
        inner.sketch.pen = pen;
        inner.bars.paint(&titled.unwrap_or_default(), &inner.palette);
        inner.pointer.paint(&Scene::default(), &inner.palette);
        inner.canvas.flush();
        let options = js_sys::Object::new();
        for (name, value) in [
            ("type", JsValue::from_str("png")),
            ("pixelRatio", JsValue::from_f64(2.0)),
            ("backgroundColor", inner.palette.of(scene::Ink::Surface)),
        ] {
            // Setting a field of a plain object can't fail.
            let _ = Reflect::set(&options, &JsValue::from_str(name), &value);
        }
        let url = inner.instance.data_url(&options);
        inner.is_stale = true;
        drop(inner);
        Inner::paint(&self.inner);
        url
    }
}

impl Inner {
    fn positions(&self) -> Range<i64> {
        self.pyramid.positions()
    }

    fn take(&mut self, series: &SeriesKey, picture: &Arc<Picture>) {
        self.take_bars(series, picture);
        self.compared.align(self.pyramid.times(), Some(series.timeframe));
    }

    fn take_bars(&mut self, series: &SeriesKey, picture: &Arc<Picture>) {
        self.is_stale = true;
        let was_usual = self.viewport == self.newest();
        self.picture = Arc::clone(picture);
        self.indicators.take(series, picture);
        let bars = picture.room.fill(&picture.bars);
        self.extended = outside_regular(&bars, series.symbol.calendar(Hours::Regular), series.timeframe);
        if self.series.as_ref() == Some(series) {
            let (before, before_oldest) = (self.positions(), self.pyramid.times().first().copied());
            match self.pyramid.take(&bars) {
                Change::Nothing => {}
                Change::At(_) if self.is_filling(before_oldest) => self.viewport = self.part_in_view(),
                Change::At(_) => self.viewport = self.viewport.after(&before, &self.positions()),
                Change::Everything => self.viewport = self.part_in_view(),
            }
            if was_usual && self.look.part == Part::Newest {
                self.viewport = self.newest();
            }
            return;
        }
        self.times = Some(TimeText::by(series, self.clock));
        self.series = Some(series.clone());
        self.ahead = (None, Vec::new());
        self.pyramid = Pyramid::new(&bars);
        self.viewport = self.part_in_view();
    }

    /// Whether the look names a part that begins before the bars that were held, so that older ones change the view.
    fn is_filling(&self, oldest: Option<Timestamp>) -> bool {
        match self.look.part {
            Part::Newest => false,
            Part::Reach(_) => true,
            Part::Between(range) => oldest.is_none_or(|oldest| range.start < oldest),
        }
    }

    /// The view of the part that the look names.
    fn part_in_view(&self) -> Viewport {
        let positions = self.positions();
        let position = |at: Timestamp| self.pyramid.position_of(at);
        let newest = self.pyramid.times().last().copied();
        match self.look.part {
            Part::Newest => self.newest(),
            Part::Reach(reach) => match newest.and_then(|newest| reach.start(newest)).and_then(position) {
                Some(first) => self.ahead(Viewport::last(&positions, positions.end as f64 - first.ceil())),
                None => self.ahead(Viewport::all(&positions)),
            },
            Part::Between(range) if newest.is_some() && self.pyramid.times().first() >= Some(&range.end) => {
                Viewport::oldest(&positions)
            }
            Part::Between(range) => match (position(range.start), position(range.end)) {
                (Some(from), Some(to)) => Viewport::between(from - 0.5, to + 0.5, &positions),
                _ => Viewport::newest(&positions),
            },
        }
    }

    /// The newest bars, and what is expected after them.
    fn newest(&self) -> Viewport {
        self.ahead(Viewport::newest(&self.positions()))
    }

    fn ahead(&self, view: Viewport) -> Viewport {
        view.with_ahead(self.picture.forecast.len() as f64, &self.positions())
    }

    fn go(&mut self, step: Move) {
        let (view, positions) = (self.viewport, self.positions());
        self.viewport = match step {
            Move::Pan(share) => view.panned(view.span() * share, &positions),
            Move::Zoom(factor, around) => view.zoomed(factor, around, &positions),
            Move::Oldest => view.panned(positions.start as f64 - 0.5 - view.from, &positions),
            Move::Newest => view.panned(positions.end as f64 - view.to + view.span() * 0.04, &positions),
            Move::Reset => self.newest(),
            Move::Fit => self.ahead(Viewport::all(&positions)),
        };
    }

    /// Makes ready what is drawn of the view beside its bars, and finds where everything is.
    fn lay(&mut self) {
        let frame = scene::frame_in_view(&self.pyramid, self.viewport, self.size.0);
        self.indicators.lay(&self.pyramid, frame);
        self.compared.lay(&self.pyramid, frame);
        if !self.sketch.is_blank() {
            self.look_ahead();
        }
        self.layout = Some(Layout::of(&self.subject()));
    }

    /// Makes known when bars after the newest are expected.
    fn look_ahead(&mut self) {
        let newest = self.pyramid.times().last().copied();
        if self.ahead.0 != newest {
            let times = |series: &SeriesKey| {
                newest.map(|newest| expected(series.symbol.calendar(Hours::Regular), series.timeframe, newest))
            };
            self.ahead = (newest, self.series.as_ref().and_then(times).unwrap_or_default());
        }
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            class: self.series.as_ref().map_or(AssetClass::Equity, |series| series.symbol.asset_class()),
            pyramid: &self.pyramid,
            forecast: &self.picture.forecast,
            bands: &self.picture.bands,
            extended: &self.extended,
            blanks: self.picture.room.blanks(),
            indicators: &self.indicators,
            compared: &self.compared,
            sketch: &self.sketch,
            ahead: &self.ahead.1,
            viewport: self.viewport,
            look: &self.look,
            bar_millis: self.series.as_ref().map_or(MINUTE, |series| series.timeframe.millis()),
            size: self.size,
        }
    }

    fn scene(&self) -> Option<Scene> {
        let (times, layout) = (self.times.as_ref()?, self.layout.as_ref()?);
        Some(scene::frame(&self.subject(), layout, |at| times.wall(at)))
    }

    fn pointed_position(&self) -> Option<i64> {
        let ((x, y), layout) = (self.pointed?, self.layout.as_ref()?);
        let position = layout.position(x).round() as i64;
        (layout.contains(x, y) && self.positions().contains(&position)).then_some(position)
    }

    fn pointed_bar(&self) -> Option<usize> {
        self.picture.room.bar_at(self.place_of(self.pointed_position()?)?)
    }

    fn place_of(&self, position: i64) -> Option<usize> {
        usize::try_from(position - self.positions().start).ok()
    }

    fn has_extended(&self) -> bool {
        let start = self.positions().start as f64;
        let (from, to) = (self.viewport.from - start, self.viewport.to - start);
        self.extended.iter().any(|run| (run.start as f64) < to && run.end as f64 - 1.0 > from)
    }

    /// What lacks where the pointer is.
    fn pointed_lack(&self) -> Option<(Lack, Timestamp)> {
        let (x, y) = self.pointed?;
        let layout = Layout::of(&self.subject());
        let position = layout.position(x) - self.positions().start as f64;
        let blanks = self.picture.room.blanks();
        let here = blanks.get(blanks.partition_point(|blank| blank.to <= position))?;
        let share = (position - here.from) / (here.to - here.from);
        let at = here.lack.range.start.plus((share * here.lack.range.millis() as f64) as i64);
        (layout.contains(x, y) && here.from <= position).then_some((here.lack, at))
    }

    fn stepped(&self, bars: f64) -> Option<(f64, f64)> {
        let layout = self.layout.as_ref()?;
        let newest = (self.viewport.to.floor() as i64).min(self.positions().end - 1);
        let next = match self.pointed_position() {
            Some(position) => self.past_free(position, bars) + bars,
            None => newest as f64,
        };
        let next = next.clamp(self.viewport.from.ceil(), newest as f64);
        let y = self.pyramid.bar_at(next as i64).map_or(layout.middle(), |bar| layout.y(bar.close));
        Some((layout.x(next), y))
    }

    /// From within the room of a hole, its last place in that direction: a hole is one step.
    fn past_free(&self, position: i64, bars: f64) -> f64 {
        let free = self.place_of(position).map_or(0..0, |place| self.picture.room.free_around(place));
        let start = self.positions().start as f64;
        match (free.is_empty(), bars > 0.0) {
            (true, _) => position as f64,
            (false, true) => start + free.end as f64 - 1.0,
            (false, false) => start + free.start as f64,
        }
    }

    fn crosshair(&self) -> Option<Scene> {
        let (position, (_, y)) = (self.pointed_position()?, self.pointed?);
        let at = self.pyramid.time_at(position as f64)?;
        Some(scene::crosshair(self.layout.as_ref()?, position as f64, y, self.times.as_ref()?.full(at)))
    }

    /// Puts on the canvas what is in view, where that is new, and the crosshair.
    fn show(&mut self) {
        if std::mem::take(&mut self.is_stale) {
            self.lay();
            self.bars.paint(&self.scene().unwrap_or_default(), &self.palette);
        }
        self.pointer.paint(&self.crosshair().unwrap_or_default(), &self.palette);
        self.canvas.flush();
    }

    fn readings(&self) -> Readings {
        let newest = self.pyramid.times().len().checked_sub(1);
        let bar = self.pointed_bar().or_else(|| self.picture.room.bar_at(newest?));
        let indicators = bar.map_or_else(Vec::new, |bar| self.indicators.at(bar));
        let first = (!self.compared.is_empty()).then(|| scene::first_in_view(&self.subject())).flatten();
        let pointed = self.pointed_position().and_then(|position| self.place_of(position));
        let Some((place, first)) = pointed.or(newest).zip(first) else {
            return Readings { indicators, ..Readings::default() };
        };
        let own = self.pyramid.bar_at(self.positions().start + i64::try_from(place).unwrap_or_default());
        Readings {
            indicators,
            percent: own.map(|own| percent(own.close, first.close)),
            compared: self.compared.readings(place, pointed.is_none(), first.ts),
        }
    }

    fn csv(&self) -> String {
        let first = scene::first_in_view(&self.subject()).map(|bar| bar.ts);
        let times: Vec<Timestamp> = self.indicators.bars().iter().map(|bar| bar.ts).collect();
        let timeframe = self.series.as_ref().map(|series| series.timeframe);
        let compared: Vec<_> = self.compared.columns(&times, timeframe, first).collect();
        csv(self.indicators.bars(), self.indicators.list(), &compared, self.seen().range)
    }

    fn seen(&self) -> Seen {
        let (positions, view) = (self.positions(), self.viewport);
        let range = || {
            let first = self.pyramid.time_at(view.from.ceil())?;
            let last = self.pyramid.time_at(view.to.floor().min(positions.end as f64 - 1.0))?;
            TimeRange::new(first, last)
        };
        Seen {
            range: range(),
            is_usual: view == self.newest(),
            span: view.span(),
            before: view.from + 0.5 - positions.start as f64,
            pointed: self.pointed_bar(),
            readings: self.readings(),
            has_extended: self.has_extended(),
            lack: self.pointed_lack(),
        }
    }

    /// Draws what is in view now.
    fn paint(this: &Rc<RefCell<Self>>) {
        let mut inner = this.borrow_mut();
        inner.is_frame_due = false;
        inner.show();
        let seen = inner.seen();
        drop(inner);
        (this.borrow().tell)(seen);
    }

    /// Draws everything anew by the next frame.
    fn renew(this: &Rc<RefCell<Self>>) {
        this.borrow_mut().is_stale = true;
        Self::request(this);
    }

    /// Draws by the next frame of the browser, once however often it is asked.
    fn request(this: &Rc<RefCell<Self>>) {
        if std::mem::replace(&mut this.borrow_mut().is_frame_due, true) {
            return;
        }
        let later = Rc::downgrade(this);
        page::at_frame(move || {
            if let Some(inner) = later.upgrade() {
                Self::paint(&inner);
            }
        });
    }
}

impl Drop for PriceChart {
    fn drop(&mut self) {
        if let Some(observer) = &self.observer {
            observer.disconnect();
        }
        self.inner.borrow().instance.dispose();
    }
}

fn size_of(host: &web_sys::Element) -> (f64, f64) {
    (f64::from(host.client_width()), f64::from(host.client_height()))
}

fn resizer(inner: &Rc<RefCell<Inner>>) -> Closure<dyn FnMut(JsValue)> {
    let inner = Rc::downgrade(inner);
    Closure::new(move |_| {
        let Some(inner) = inner.upgrade() else { return };
        {
            let mut inner = inner.borrow_mut();
            inner.instance.resize();
            inner.size = size_of(&inner.host);
            inner.is_stale = true;
        }
        Inner::paint(&inner);
    })
}
