//! What must hold of drawings whatever is done to them: nothing is lost on the way to storage and back, times and
//! positions are inverse, and no sequence of presses makes a drawing that can't be.
#![cfg(all(feature = "ssr", not(target_arch = "wasm32")))]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use proptest::prelude::*;
use tidemark_app::chart::compare::Comparisons;
use tidemark_app::chart::drawings::grip::{Grip, dragged, handles, under};
use tidemark_app::chart::drawings::pen::{Edit, Spot, Tool};
use tidemark_app::chart::drawings::plane::{Plane, expected};
use tidemark_app::chart::drawings::reading::Reading;
use tidemark_app::chart::drawings::{Book, Figure, Kind, Pen, Point, Sketch};
use tidemark_app::chart::indicators::Indicators;
use tidemark_app::chart::look::{Look, ScaleKind};
use tidemark_app::chart::scene::{Layout, Subject};
use tidemark_app::chart::viewport::Viewport;
use tidemark_market::time::{DAY, HOUR};
use tidemark_market::view::Pyramid;
use tidemark_market::{AssetClass, Bar, Calendar, TimeRange, Timeframe, Timestamp};

const WIDTH: f64 = 1072.0;
const HEIGHT: f64 = 500.0;

/// Hours of a stock from March to May 2024, with nights, weekends and a holiday between them.
fn bars() -> Vec<Bar> {
    let range = TimeRange::new(at("2024-03-01T00:00:00Z"), at("2024-05-10T00:00:00Z")).unwrap();
    let mut bars = Vec::new();
    for span in Calendar::Xnys.session_spans(Timeframe::H1, range, range.end) {
        let mut ts = span.start;
        while ts < span.end {
            let price = 100.0 + (bars.len() % 23) as f64;
            bars.push(Bar::new(ts, price, price + 2.0, price - 2.0, price + 1.0, 10.0));
            ts = ts.plus(HOUR);
        }
    }
    bars
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// Calls `act` with the plane of a view of these bars on that scale, `share` of the way from the oldest to the newest.
fn with_plane<T>(scale: ScaleKind, share: f64, act: impl FnOnce(&Plane) -> T) -> T {
    let pyramid = Pyramid::new(&bars());
    let positions = pyramid.positions();
    let from = (positions.end - positions.start - 100) as f64 * share;
    let ahead = expected(Calendar::Xnys, Timeframe::H1, *pyramid.times().last().unwrap());
    let compared = Comparisons::default();
    let (look, indicators, sketch) = (Look { scale, ..Look::default() }, Indicators::default(), Sketch::default());
    let subject = Subject {
        class: AssetClass::Equity,
        bands: &[],
        extended: &[],
        blanks: &[],
        bar_millis: 60_000,
        pyramid: &pyramid,
        forecast: &[],
        indicators: &indicators,
        compared: &compared,
        sketch: &sketch,
        ahead: &ahead,
        viewport: Viewport::between(from, from + 120.0, &positions),
        look: &look,
        size: (WIDTH, HEIGHT),
    };
    let layout = Layout::of(&subject);
    act(&Plane::new(&pyramid, &ahead, &layout).unwrap())
}

fn scales() -> impl Strategy<Value = ScaleKind> {
    prop::sample::select(ScaleKind::ALL.to_vec())
}

fn points() -> impl Strategy<Value = Point> {
    let first = at("2024-01-01T00:00:00Z").millis();
    (0..300 * DAY, 0.01..1000.0_f64).prop_map(move |(millis, price)| Point { at: Timestamp(first + millis), price })
}

fn figures() -> impl Strategy<Value = Figure> {
    let kinds = prop::sample::select(Kind::ALL.to_vec());
    (kinds, points(), points()).prop_map(|(kind, from, to)| Figure::through(kind, [from, to]))
}

fn books() -> impl Strategy<Value = Book> {
    prop::collection::vec(figures(), 0..8).prop_map(|figures| {
        let mut book = Book::default();
        for figure in figures {
            book.add(figure);
        }
        book
    })
}

fn spots() -> impl Strategy<Value = Spot> {
    let places = (-50.0..WIDTH + 50.0, -50.0..HEIGHT + 50.0);
    (places, any::<bool>(), prop::sample::select(vec![6.0, 16.0])).prop_map(|(at, is_snapped, reach)| Spot {
        at,
        reach,
        is_snapped,
    })
}

#[derive(Clone, Debug)]
enum Step {
    Choose(Option<Tool>),
    Press(Spot),
    Go(Spot),
    Release(Spot),
    Tap(Spot),
    Set(Point),
    Escape,
    Abandon,
    Leave,
    Remove,
}

fn steps() -> impl Strategy<Value = Step> {
    let tools: Vec<Option<Tool>> = Tool::ALL.into_iter().map(Some).chain([None]).collect();
    prop_oneof![
        2 => prop::sample::select(tools).prop_map(Step::Choose),
        6 => spots().prop_map(Step::Press),
        6 => spots().prop_map(Step::Go),
        6 => spots().prop_map(Step::Release),
        2 => spots().prop_map(Step::Tap),
        2 => points().prop_map(Step::Set),
        1 => Just(Step::Escape),
        1 => Just(Step::Abandon),
        1 => Just(Step::Leave),
        1 => Just(Step::Remove),
    ]
}

fn edit(book: &mut Book, pen: &mut Pen, edit: Option<Edit>) {
    match edit {
        Some(Edit::Add(figure)) => {
            assert!(figure.is_sound(), "{figure:?}");
            pen.select(book.add(figure));
        }
        Some(Edit::Put(id, figure)) => book.put(id, figure),
        None => {}
    }
}

proptest! {
    #[test]
    fn what_is_kept_comes_back(book in books()) {
        prop_assert_eq!(Book::parse(&book.write()), Some(book));
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}", at in 0_usize..400, book in books()) {
        let _ = Book::parse(&text);
        let mut written = book.write().into_bytes();
        if let Some(byte) = written.get_mut(at) {
            *byte = b'7';
        }
        if let Some(read) = String::from_utf8(written).ok().as_deref().and_then(Book::parse) {
            prop_assert_eq!(Book::parse(&read.write()).map(|again| again.write()), Some(read.write()));
        }
    }

    #[test]
    fn times_and_positions_are_inverse_and_in_order(a in -400.0..1200.0_f64, b in -400.0..1200.0_f64) {
        with_plane(ScaleKind::Linear, 1.0, |plane| {
            for position in [a, b] {
                let back = plane.position(plane.time(position));
                prop_assert!((back - position).abs() < 1e-4, "{position} became {back}");
            }
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(plane.time(low) <= plane.time(high));
            Ok(())
        })?;
    }

    #[test]
    fn what_is_pressed_is_the_bar_there(scale in scales(), share in 0.0..1.0_f64, spot in spots()) {
        with_plane(scale, share, |plane| {
            let place = plane.within(spot.at);
            let (x, y) = plane.place(plane.point(place, false));
            // Half a bar, and what a price is rounded by.
            prop_assert!((x - place.0).abs() <= 4.6 && (y - place.1).abs() <= 1.0, "{place:?} became {:?}", (x, y));
            Ok(())
        })?;
    }

    #[test]
    fn a_drawing_that_moves_keeps_its_form_and_comes_back(figure in figures(), scale in scales(), by in (-30_i32..30, -90.0..90.0_f64)) {
        with_plane(scale, 0.7, |plane| {
            // Whole bars are about nine pixels wide here.
            let per_bar = plane.place(Point { at: plane.time(101.0), price: 1.0 }).0 - plane.place(Point { at: plane.time(100.0), price: 1.0 }).0;
            let target = (200.0 + f64::from(by.0) * per_bar, 200.0 + by.1);
            let start = (200.0, 200.0);
            prop_assert_eq!(dragged(figure, Grip::Body, plane, (start, start), false), figure);
            let away = dragged(figure, Grip::Body, plane, (start, target), false);
            let back = dragged(away, Grip::Body, plane, (target, start), false);
            if let (Some(before), Some(moved), Some(after)) = (figure.points(), away.points(), back.points()) {
                for (i, point) in before.into_iter().enumerate() {
                    let (x, _) = plane.place(point);
                    prop_assert!((plane.place(moved[i]).0 - x - (target.0 - start.0)).abs() < 0.1);
                    prop_assert!((plane.place(after[i]).0 - x).abs() < 0.1);
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn handles_hold_the_drawing_they_belong_to(figure in figures(), scale in scales()) {
        with_plane(scale, 0.5, |plane| {
            let mut book = Book::default();
            let id = book.add(figure).unwrap();
            for handle in handles(figure, plane) {
                let held = under(&book, None, plane, handle, 6.0);
                prop_assert!(matches!(held, Some((it, Grip::Handle(_))) if it == id), "{held:?}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_reading_turned_round_is_as_far(from in points(), to in points()) {
        with_plane(ScaleKind::Linear, 0.5, |plane| {
            let (there, back) = (Reading::between([from, to], plane), Reading::between([to, from], plane));
            prop_assert_eq!((there.bars, there.millis, there.change), (-back.bars, -back.millis, -back.change));
            Ok(())
        })?;
    }

    #[test]
    fn no_sequence_of_presses_makes_what_can_not_be(steps in prop::collection::vec(steps(), 0..60), scale in scales()) {
        with_plane(scale, 0.9, |plane| {
            let (mut book, mut pen) = (Book::default(), Pen::default());
            for step in steps {
                match step {
                    Step::Choose(tool) => pen.choose(tool),
                    Step::Press(spot) => {
                        let is_taken = pen.press(spot, plane, &book);
                        prop_assert!(!is_taken || plane.contains(spot.at));
                    }
                    Step::Go(spot) => pen.go(spot, plane, &book),
                    Step::Release(spot) => {
                        let change = pen.release(spot, plane, &book);
                        edit(&mut book, &mut pen, change);
                    }
                    Step::Tap(spot) => pen.tap(spot, plane, &book),
                    Step::Set(point) => {
                        let change = pen.set(point);
                        edit(&mut book, &mut pen, change);
                    }
                    Step::Escape => {
                        pen.escape();
                        prop_assert_eq!(pen.tool(), None);
                    }
                    Step::Abandon => pen.abandon(),
                    Step::Leave => pen.leave(),
                    Step::Remove => pen.selected().into_iter().for_each(|id| book.remove(id)),
                }
                pen.follow(&book);
                prop_assert!(book.kept().iter().all(|kept| kept.figure.is_sound()));
                prop_assert!(pen.selected().is_none_or(|id| book.figure(id).is_some()));
            }
            while pen.escape() {}
            prop_assert!(pen.is_idle());
            Ok(())
        })?;
    }
}

fn spot(x: f64, y: f64) -> Spot {
    Spot { at: (x, y), reach: 6.0, is_snapped: false }
}

/// Presses and releases in one place.
fn click(pen: &mut Pen, plane: &Plane, book: &Book, (x, y): (f64, f64)) -> Option<Edit> {
    pen.press(spot(x, y), plane, book);
    pen.release(spot(x, y), plane, book)
}

#[test]
fn a_tool_takes_two_short_presses_or_one_that_is_dragged() {
    with_plane(ScaleKind::Linear, 1.0, |plane| {
        let (mut pen, book) = (Pen::default(), Book::default());
        let (from, to) = ((101.0, 200.0), (402.0, 120.0));
        let drawn = Some(Edit::Add(Figure::Trend([plane.point(from, false), plane.point(to, false)])));
        pen.choose(Some(Tool::Draw(Kind::Trend)));
        assert_eq!(click(&mut pen, plane, &book, from), None);
        assert_eq!(click(&mut pen, plane, &book, from), None, "a line needs a length: the second press is waited for");
        pen.go(spot(300.0, 90.0), plane, &book);
        assert!(pen.draft().is_some());
        assert_eq!(click(&mut pen, plane, &book, to), drawn);
        assert_eq!(pen.tool(), None, "the tool is laid down");

        pen.choose(Some(Tool::Draw(Kind::Trend)));
        assert!(pen.press(spot(from.0, from.1), plane, &book));
        pen.go(spot(300.0, 90.0), plane, &book);
        assert_eq!(pen.release(spot(to.0, to.1), plane, &book), drawn);

        pen.choose(Some(Tool::Draw(Kind::Level)));
        assert!(pen.press(spot(from.0, from.1), plane, &book));
        let level = Some(Edit::Add(Figure::Level(plane.point(to, false).price)));
        assert_eq!(pen.release(spot(to.0, to.1), plane, &book), level);
    });
}

#[test]
fn a_drawing_is_held_by_its_line_a_selected_one_by_its_inside_too() {
    with_plane(ScaleKind::Linear, 1.0, |plane| {
        let (mut pen, mut book) = (Pen::default(), Book::default());
        let corners = [plane.point((200.0, 100.0), false), plane.point((400.0, 200.0), false)];
        let id = book.add(Figure::Rectangle(corners)).unwrap();
        let inside = spot(300.0, 150.0);
        assert!(!pen.press(inside, plane, &book), "the chart moves by it");
        pen.tap(inside, plane, &book);
        assert_eq!(pen.selected(), Some(id), "a short press selects it");
        assert!(pen.press(inside, plane, &book));
        pen.go(spot(350.0, 150.0), plane, &book);
        assert_ne!(pen.shaped(id), book.figure(id));
        assert!(pen.escape() && pen.selected() == Some(id), "what moved goes back");
        assert_eq!(pen.release(spot(350.0, 150.0), plane, &book), None);
        pen.tap(spot(600.0, 300.0), plane, &book);
        assert_eq!(pen.selected(), None);
    });
}

#[test]
fn a_measurement_goes_with_the_next_press() {
    with_plane(ScaleKind::Linear, 1.0, |plane| {
        let (mut pen, book) = (Pen::default(), Book::default());
        pen.choose(Some(Tool::Measure));
        click(&mut pen, plane, &book, (200.0, 200.0));
        click(&mut pen, plane, &book, (300.0, 100.0));
        assert!(pen.measured().is_some() && pen.tool().is_none());
        assert!(!pen.press(spot(500.0, 100.0), plane, &book), "which moves the chart as usual");
        assert_eq!(pen.measured(), None);
    });
}

#[test]
fn snapping_takes_the_nearest_price_of_the_bar() {
    with_plane(ScaleKind::Log, 1.0, |plane| {
        let bar = *bars().iter().rev().nth(20).unwrap();
        for price in [bar.open, bar.high, bar.low, bar.close] {
            let (x, y) = plane.place(Point { at: bar.ts, price });
            assert_eq!(plane.point((x + 2.0, y + 2.0), true), Point { at: bar.ts, price });
        }
    });
}
