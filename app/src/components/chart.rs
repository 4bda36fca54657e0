//! The chart's host element: makes the chart once, hands it every drawing and every move of a pointer, and tells in
//! attributes what is on screen.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use leptos::ev::{PointerEvent, WheelEvent};
use leptos::html::Div;
use leptos::prelude::*;
use tidemark_market::{Bar, Symbol, TimeRange};

use super::bar_table::SUMMARY;
use super::drawings::note::DrawingNote;
use super::drawings::sketcher::Sketcher;
use crate::browser::echarts::{Move, PriceChart, Seen};
use crate::browser::theme::ThemeWatch;
use crate::browser::{files, marks, motion, page, pointer};
use crate::chart::compare::Beside;
use crate::chart::drawings::grip::Grip;
use crate::chart::drawings::pen::Tool;
use crate::chart::drawings::reading::Reading;
use crate::chart::gesture::{Ended, Flick, Gesture};
use crate::chart::look::{Kind, Look, Part};
use crate::chart::readings::Readings;
use crate::components::first_paint::FirstPaintView;
use crate::components::lack_note::Pointed;
use crate::components::oldest::OldestNote;
use crate::series::SeriesKey;
use crate::stores::chart_store::Drawing;
use crate::stores::drawings::Drawings;
use crate::stores::holding::Picture;
use crate::stores::older::{Behind, Sight};
use crate::stores::settings::Clock;
use crate::text::{counted, price};

const HOST: &str = "price-chart";
/// How much a pixel of a wheel's turn zooms.
const WHEEL_ZOOM: f64 = 0.0016;
/// How near to the crosshair a tap takes it away, in pixels.
const NEAR: f64 = 24.0;

/// What other parts of the page have the chart do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Moves the view.
    Go(Move),
    /// Moves the crosshair by so many bars.
    StepPointer(f64),
    /// Takes the crosshair away.
    LiftPointer,
    /// Draws a horizontal line at the crosshair or the last price.
    AddLevel,
    /// Sets a point of the tool in hand at the crosshair.
    SetPoint,
    /// Hands out the picture under a title, as a file of that name.
    Picture {
        /// Written on it.
        title: String,
        /// The file's name.
        name: String,
    },
    /// Hands out the bars in view, as a file of that name.
    Bars(String),
}

/// The bars, and volume below them. While nothing is known of the series, a placeholder of the same size.
#[component]
pub fn Chart(
    /// What to draw.
    drawing: Signal<Option<Drawing>>,
    /// Whether bars are on their way.
    is_waiting: Signal<bool>,
    /// Gets the place of the bar under the pointer.
    hovered: RwSignal<Option<usize>>,
    /// What is drawn beside it.
    #[prop(into)]
    compared: Signal<Vec<Beside>>,
    /// How it is to look.
    look: Signal<Look>,
    /// By whose clock times are written.
    clock: Signal<Clock>,
    /// What to do next.
    command: RwSignal<Option<Command>>,
    /// Gets the times of the bars in view.
    in_view: RwSignal<Option<TimeRange>>,
    /// Gets what its lines are at.
    readings: RwSignal<Readings>,
    /// Gets what lacks under the pointer.
    lacking: RwSignal<Option<Pointed>>,
    /// Hears which part is in view where someone has moved it.
    on_moved: Callback<Part>,
    /// How the series goes on before its oldest bar.
    behind: Signal<Behind>,
    /// Hears what is in view where someone has moved near the oldest bar.
    on_near_oldest: Callback<Sight>,
    /// What is drawn on it by hand.
    drawings: Drawings,
    /// Opens the list of that.
    on_list: Callback<()>,
) -> impl IntoView {
    let host = NodeRef::<Div>::new();
    let painted = RwSignal::new(None::<Painted>);
    let seen = RwSignal::new(None::<Seen>);
    let is_broken = RwSignal::new(false);
    let canvas = Rc::new(RefCell::new(None::<Canvas>));
    let drawn = Rc::clone(&canvas);
    Effect::new(move || {
        let mut drawn = drawn.borrow_mut();
        if drawn.is_none() {
            let Some(host) = host.get() else { return };
            *drawn = Canvas::mount(host.as_ref(), seen);
            is_broken.set(drawn.is_none());
        }
        let Some(canvas) = drawn.as_mut() else { return };
        canvas.look(look.get(), clock.get());
        compared.with(|compared| canvas.compare(compared));
        drawing.with(|drawing| canvas.show(drawing.as_ref(), painted));
    });
    let sketched = Rc::clone(&canvas);
    let measured = RwSignal::new(String::new());
    Effect::new(move || {
        host.track();
        let (book, pen) = (drawings.book().get(), drawings.pen().get());
        let canvas = sketched.borrow();
        let Some(canvas) = canvas.as_ref() else { return };
        canvas.chart.set_book(book);
        canvas.chart.set_pen(pen);
        // While the second point moves, nobody wants to hear each step.
        let points = pen.measured().filter(|_| pen.tool().is_none());
        let reading = points.and_then(|points| canvas.chart.plane(|plane| Reading::between(points, plane)));
        measured.set(reading.map_or_else(String::new, |it| format!("{}, {}", it.height(), it.width())));
    });
    Effect::new(move || {
        seen.with(|seen| {
            let seen = seen.as_ref();
            pass_on(in_view, &seen.and_then(|seen| seen.range));
            pass_on(hovered, &seen.and_then(|seen| seen.pointed));
            pass_on(readings, seen.map_or(&Readings::default(), |seen| &seen.readings));
            pass_on(lacking, &seen.and_then(|seen| seen.lack));
        });
    });
    let sketcher = Sketcher::new(Rc::clone(&canvas), drawings);
    let hand = Hand {
        canvas,
        on_moved,
        on_near_oldest,
        seen,
        pressed: Rc::default(),
        sketcher,
        gesture: Rc::default(),
        flicks: Rc::default(),
    };
    let obeying = hand.clone();
    Effect::new(move || {
        if let Some(command) = command.get() {
            obeying.obey(&command);
        }
    });
    let grip = Memo::new(move |_| drawings.pen().with(|pen| pen.hovered()).map(|(_, grip)| grip));
    let tool = Memo::new(move |_| drawings.pen().with(|pen| pen.tool()).map(Tool::as_str));
    let wants_all = Memo::new(move |_| drawings.pen().with(|pen| pen.wants_all()));
    let told = move |read: fn(&Painted) -> String| move || painted.with(|it| it.as_ref().map(read));
    let seen_of =
        move |read: fn(&Seen) -> Option<String>| Memo::new(move |_| seen.with(|it| it.as_ref().and_then(read)));
    let has_bars = move || drawing.with(|it| it.as_ref().is_some_and(|it| !it.picture.bars.is_empty()));
    let is_empty = move || is_waiting.get() && !has_bars();
    let [wheeled, pressed, moved, released, left, twice, elsewhere] = std::array::from_fn(|_| hand.clone());
    Effect::new(move || {
        let hand = elsewhere.clone();
        let listener = window_event_listener(leptos::ev::pointerdown, move |event| hand.on_press_anywhere(&event));
        on_cleanup(move || listener.remove());
    });
    view! {
        <div class="canvas">
            <div
                id=HOST
                class="chart"
                node_ref=host
                role="img"
                aria-describedby=SUMMARY
                aria-label=move || {
                    let kind = look.get().kind;
                    let label = painted.with(|it| it.as_ref().map_or("Chart, loading".to_owned(), |it| it.label(kind)));
                    let names = compared.with(|list| list.iter().map(|it| it.symbol.to_string()).collect::<Vec<_>>());
                    if names.is_empty() { label } else { format!("{label}; compared with {}", names.join(", ")) }
                }
                data-testid="chart"
                data-bars=told(|it| it.bars.to_string())
                data-revision=told(|it| it.revision.to_string())
                data-painted-from=told(|it| it.from.to_owned())
                data-symbol=told(|it| it.symbol.to_string())
                data-timeframe=told(|it| it.timeframe.clone())
                data-type=move || look.get().kind.as_str()
                data-scale=move || look.get().scale_in_force().as_str()
                data-compared=seen_of(|it| Some(it.compared()).filter(|it| !it.is_empty()))
                data-from=seen_of(|it| Some(it.range?.start.to_string()))
                data-to=seen_of(|it| Some(it.range?.end.to_string()))
                data-blanks=move || drawing.with(|it| it.as_ref().map_or(0, |it| it.picture.room.blanks().len())).to_string()
                data-forecast=move || drawing.with(|it| it.as_ref().map_or(0, |it| it.picture.forecast.len())).to_string()
                data-extended=seen_of(|it| Some(if it.has_extended { "shown" } else { "none" }.to_owned()))
                data-span=seen_of(|it| Some(format!("{:.1}", it.span)))
                data-tool=tool
                data-grip=move || grip.get().map(|grip| if grip == Grip::Body { "body" } else { "handle" })
                data-drawn=move || drawings.book().with(|book| book.kept().len()).to_string()
                data-takes-all=move || wants_all.get().then_some("")
                on:wheel=move |event| wheeled.on_wheel(&event)
                on:pointerdown=move |event| pressed.on_press(&event)
                on:pointermove=move |event| moved.on_move(&event)
                on:pointerup=move |event| released.on_release(&event)
                on:pointercancel=move |event| hand.on_cancel(&event)
                on:pointerleave=move |event| left.on_leave(&event)
                on:dblclick=move |_| {
                    if !twice.sketcher.took_last() {
                        command.set(Some(Command::Go(Move::Reset)));
                    }
                }
            ></div>
            <Show when=move || painted.with(Option::is_none)>
                <FirstPaintView />
            </Show>
            <Show when=is_empty>
                <div class="skeleton" aria-hidden="true"></div>
            </Show>
            <DrawingNote drawings measured on_edit=on_list />
            <OldestNote behind is_in_view=Signal::derive(move || seen.with(|it| it.as_ref().is_some_and(|it| it.range.is_some() && it.before < 0.5))) />
            <Show when=move || is_broken.get()>
                <p class="chart-error" role="alert">
                    "The chart library did not load, or is an older one. Run `npm run build:echarts`, then reload the page."
                </p>
            </Show>
        </div>
    }
    .into_any()
}

/// What someone does to the chart: one finger or the mouse drags it, two fingers and the wheel zoom it; a finger that lets
/// go on the move has it go on, and one that taps puts the crosshair there or takes it away.
#[derive(Clone)]
struct Hand {
    canvas: Rc<RefCell<Option<Canvas>>>,
    on_moved: Callback<Part>,
    on_near_oldest: Callback<Sight>,
    seen: RwSignal<Option<Seen>>,
    /// Where each pointer is that is down.
    pressed: Rc<RefCell<Vec<(i32, f64, f64)>>>,
    /// Comes first: what it takes does not move the chart.
    sketcher: Sketcher,
    /// What the finger that came first does.
    gesture: Rc<RefCell<Gesture>>,
    /// Counts flicks and what ends them.
    flicks: Rc<Cell<u32>>,
}

impl Hand {
    fn with(&self, act: impl FnOnce(&PriceChart)) {
        if let Some(canvas) = self.canvas.borrow().as_ref() {
            act(&canvas.chart);
        }
    }

    fn obey(&self, command: &Command) {
        self.stop();
        match command {
            Command::Go(step) => self.go(*step),
            Command::StepPointer(bars) => self.with(|chart| chart.step_pointer(*bars)),
            Command::LiftPointer => self.lift(),
            Command::Bars(name) => self.with(|chart| {
                files::hand_out(&files::address_of("text/csv", &chart.bars_in_view()), name);
            }),
            Command::AddLevel => self.sketcher.add_level(),
            Command::SetPoint => self.sketcher.set_point(),
            Command::Picture { title, name } => self.with(|chart| files::hand_out(&chart.picture(title), name)),
        }
    }

    fn go(&self, step: Move) {
        self.with(|chart| chart.go(step));
        // Once its frame is there, what is in view is known.
        let (canvas, seen, on_moved) = (Rc::clone(&self.canvas), self.seen, self.on_moved);
        let on_near_oldest = self.on_near_oldest;
        page::after_paint(move || {
            let Some(seen) = seen.get_untracked() else { return };
            let part = match seen.range {
                Some(range) if !seen.is_usual => Part::Between(range),
                _ => Part::Newest,
            };
            if let Some(canvas) = canvas.borrow().as_ref() {
                canvas.chart.note_part(part);
            }
            on_moved.run(part);
            if let Some(sight) = sight(&seen).filter(|sight| step.goes_back() && sight.is_near_oldest()) {
                on_near_oldest.run(sight);
            }
        });
    }

    fn on_wheel(&self, event: &WheelEvent) {
        event.prevent_default();
        self.stop();
        // Some wheels tell lines, of which each is about this many pixels.
        let unit = if event.delta_mode() == WheelEvent::DOM_DELTA_LINE { 33.0 } else { 1.0 };
        let (across, down) = (event.delta_x() * unit, event.delta_y() * unit);
        let mut step = None;
        self.with(|chart| {
            step = Some(if across.abs() > down.abs() || event.shift_key() {
                Move::Pan(chart.share(if across == 0.0 { down } else { across }))
            } else {
                Move::Zoom((down * WHEEL_ZOOM).exp(), chart.share(f64::from(event.offset_x())).clamp(0.0, 1.0))
            });
        });
        step.into_iter().for_each(|step| self.go(step));
    }

    fn on_press(&self, event: &PointerEvent) {
        self.stop();
        if event.button() != 0 {
            return;
        }
        pointer::capture(event);
        let (x, y) = at(event);
        let is_first = self.pressed.borrow().is_empty();
        self.pressed.borrow_mut().push((event.pointer_id(), x, y));
        if !is_first {
            self.sketcher.abandon();
            return self.gesture.borrow_mut().give_up();
        }
        self.gesture.replace(Gesture::begun(x, y, event.time_stamp()));
        if self.sketcher.press(event) {
            self.gesture.borrow_mut().give_up();
            self.point(Some((x, y)));
        }
    }

    fn on_move(&self, event: &PointerEvent) {
        let (x, y) = at(event);
        let is_finger = is_finger(event);
        let fingers = self.pressed.borrow().len();
        let is_sketching = self.sketcher.go(event, fingers > 0);
        let has_slipped = fingers == 1 && self.gesture.borrow_mut().moved(x, y, event.time_stamp());
        if is_finger && fingers == 1 && !has_slipped && !is_sketching {
            return;
        }
        let before = self.pressed.borrow().clone();
        if let Some(mine) = self.pressed.borrow_mut().iter_mut().find(|it| it.0 == event.pointer_id()) {
            (mine.1, mine.2) = (x, y);
        }
        let now = self.pressed.borrow().clone();
        match (before.as_slice(), now.as_slice()) {
            _ if is_sketching => {}
            ([one], [_]) if x != one.1 => self.pan(one.1 - x),
            ([a, b], [c, d]) => {
                let (apart, wider) = ((a.1 - b.1).abs().max(8.0), (c.1 - d.1).abs().max(8.0));
                let mut steps = None;
                self.with(|chart| {
                    let share = |x: f64| chart.share(x);
                    let moved = share(f64::midpoint(a.1, b.1) - f64::midpoint(c.1, d.1));
                    steps = Some([Move::Pan(moved), Move::Zoom(apart / wider, share(f64::midpoint(c.1, d.1)))]);
                });
                steps.into_iter().flatten().for_each(|step| self.go(step));
            }
            _ => {}
        }
        // A finger hides what is under it; what it draws is told by the crosshair.
        self.point((!is_finger || is_sketching).then_some((x, y)));
    }

    fn on_release(&self, event: &PointerEvent) {
        self.sketcher.release(event);
        let was_alone = self.pressed.borrow().len() == 1;
        self.pressed.borrow_mut().retain(|it| it.0 != event.pointer_id());
        if is_finger(event) && was_alone {
            match self.gesture.take().ended(event.time_stamp()) {
                Ended::Tap(x, y) => self.tap(x, y),
                Ended::Flick(flick) if !motion::is_reduced() => self.follow(flick),
                Ended::Flick(_) | Ended::Nothing => {}
            }
        }
    }

    fn on_cancel(&self, event: &PointerEvent) {
        self.sketcher.abandon();
        self.pressed.borrow_mut().retain(|it| it.0 != event.pointer_id());
        self.gesture.take();
    }

    /// A finger leaves whenever it is lifted: the crosshair that it put there stays.
    fn on_leave(&self, event: &PointerEvent) {
        self.sketcher.leave();
        if !is_finger(event) {
            self.point(None);
        }
    }

    fn lift(&self) {
        self.sketcher.leave();
        self.point(None);
    }

    /// Who touches another part of the page is done with the crosshair.
    fn on_press_anywhere(&self, event: &PointerEvent) {
        if is_finger(event) && !pointer::is_within(event, HOST) {
            self.point(None);
        }
    }

    fn pan(&self, pixels: f64) {
        let mut step = None;
        self.with(|chart| step = Some(Move::Pan(chart.share(pixels))));
        step.into_iter().for_each(|step| self.go(step));
    }

    /// Puts the crosshair there, or takes away the one that is there.
    fn tap(&self, x: f64, y: f64) {
        let mut is_there = false;
        self.with(|chart| is_there = chart.is_pointed_near(x, NEAR));
        self.point((!is_there).then_some((x, y)));
    }

    /// Goes on as it was thrown, until something else is done.
    fn follow(&self, mut flick: Flick) {
        let (hand, mine) = (self.clone(), self.flicks.get());
        motion::each_frame(move |millis| {
            let step = flick.step(millis).filter(|_| hand.flicks.get() == mine);
            step.into_iter().for_each(|by| hand.pan(-by));
            step.is_some()
        });
    }

    /// Ends a flick.
    fn stop(&self) {
        self.flicks.set(self.flicks.get().wrapping_add(1));
    }

    fn point(&self, at: Option<(f64, f64)>) {
        self.with(|chart| chart.point(at));
    }
}

/// Tells `value` on, where it is new: what follows from it is not worked out in every frame.
fn pass_on<T: Clone + PartialEq + Send + Sync + 'static>(to: RwSignal<T>, value: &T) {
    if to.with_untracked(|known| known != value) {
        to.set(value.clone());
    }
}

fn sight(seen: &Seen) -> Option<Sight> {
    seen.range.map(|range| Sight { range, span: seen.span, before: seen.before })
}

fn is_finger(event: &PointerEvent) -> bool {
    event.pointer_type() == "touch"
}

/// Where it is, in pixels from the left and top of what it was pressed in.
fn at(event: &PointerEvent) -> (f64, f64) {
    (f64::from(event.offset_x()), f64::from(event.offset_y()))
}

/// What is on screen, told once its frame is painted.
#[derive(Clone, Debug, PartialEq)]
struct Painted {
    symbol: Symbol,
    timeframe: String,
    bars: usize,
    revision: u64,
    from: &'static str,
    last: Option<Bar>,
}

impl Painted {
    fn of(drawing: &Drawing) -> Self {
        Self {
            symbol: drawing.series.symbol.clone(),
            timeframe: drawing.series.timeframe.to_string(),
            bars: drawing.picture.closed().len(),
            revision: drawing.revision,
            from: drawing.from.as_str(),
            last: drawing.picture.bars.last().copied(),
        }
    }

    fn label(&self, kind: Kind) -> String {
        let close = self
            .last
            .map_or_else(String::new, |bar| format!(", last price {}", price(self.symbol.asset_class(), bar.close)));
        let bars = counted(self.bars as u64, "bar");
        format!("{} and volume of {} at {}: {bars}{close}", kind.label(), self.symbol, self.timeframe)
    }
}

/// The chart with what it shows now.
pub(super) struct Canvas {
    pub(super) chart: PriceChart,
    shown: Option<(SeriesKey, Arc<Picture>)>,
    /// Counts what was shown, so that the word of a frame that was overtaken is not passed on.
    turn: Rc<Cell<u64>>,
    theme: ThemeWatch,
    coloured: u32,
    looked: Option<(Look, Clock)>,
    beside: Vec<Beside>,
}

impl Canvas {
    fn mount(host: &web_sys::Element, seen: RwSignal<Option<Seen>>) -> Option<Self> {
        let chart = PriceChart::mount(host, move |now| seen.set(Some(now)))?;
        let theme = ThemeWatch::new();
        Some(Self { chart, shown: None, turn: Rc::default(), theme, coloured: 0, looked: None, beside: Vec::new() })
    }

    /// Takes over how it is to look, where that is new.
    fn look(&mut self, look: Look, clock: Clock) {
        let next = (look, clock);
        if self.looked.as_ref() == Some(&next) {
            return;
        }
        // The address keeps up with a hand a little later: what it goes on to name is no other part.
        let names_another = self.looked.as_ref().is_none_or(|(before, _)| before.part != next.0.part);
        self.chart.set_look(next.0.clone(), clock, names_another);
        self.looked = Some(next);
    }

    /// Takes over what is drawn beside the series, where that is new.
    fn compare(&mut self, beside: &[Beside]) {
        if self.beside != beside {
            self.chart.compare(beside);
            self.beside = beside.to_vec();
        }
    }

    /// Draws what differs from what is shown, and tells `painted` when the frame is on screen.
    fn show(&mut self, drawing: Option<&Drawing>, painted: RwSignal<Option<Painted>>) {
        self.turn.set(self.turn.get() + 1);
        self.follow_theme();
        let Some(drawing) = drawing else {
            self.chart.clear();
            self.shown = None;
            painted.set(None);
            return;
        };
        let (is_same_series, is_same_picture) = match &self.shown {
            Some((series, picture)) => (*series == drawing.series, Arc::ptr_eq(picture, &drawing.picture)),
            None => (false, false),
        };
        if !is_same_picture {
            self.chart.draw(&drawing.series, &drawing.picture);
            self.shown = Some((drawing.series.clone(), Arc::clone(&drawing.picture)));
        }
        let (turn, mine, now) = (Rc::clone(&self.turn), self.turn.get(), Painted::of(drawing));
        page::after_paint(move || {
            if turn.get() == mine {
                painted.set(Some(now));
                if !is_same_series {
                    marks::reached(marks::PAINTED, marks::NAVIGATE);
                }
            }
        });
    }

    fn follow_theme(&mut self) {
        let changes = self.theme.changes();
        if std::mem::replace(&mut self.coloured, changes) != changes && self.shown.is_some() {
            self.chart.recolour();
        }
    }
}
