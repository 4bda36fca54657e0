//! From "show me this series over this window" to the slices that fill it.
//!
//! A slice is as long as one provider request holds, which is learned (see [`crate::sizing`]). Only where a viewer looks,
//! at the newest end of what is on screen, slices begin small and double backwards, so that the first bars are there soon
//! and the rest takes few requests. Two viewers who ask for overlapping windows may be given different cuts: what is held
//! or on its way already is taken out by the database, in the transaction that enqueues.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::calendar::{self, Calendar};
use crate::layer::{Layer, SETTLING_MILLIS, has_layer, intraday_start};
use crate::spans::Spans;
use crate::time::{DAY, HOUR, TimeRange, Timestamp};
use crate::timeframe::Timeframe;

/// How long the first slice of what is on screen is, or one bar where that is longer. Each further one has twice the
/// length, up to the layer's size.
pub const FIRST_SLICE_MILLIS: i64 = 2 * HOUR;

/// The most slices one ask may need. More is asked for in parts.
pub const MAX_SLICES: usize = 20_000;

/// Priorities of runs: the smaller is claimed first.
pub const VISIBLE_PRIORITY: i16 = 0;
/// For what lies outside of the viewer's window.
pub const BACKGROUND_PRIORITY: i16 = 10;

/// A window that makes no sense, with what to ask for instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WindowError {
    /// The end is not after the start.
    #[error("The range ends at {end}, which is not after its start {start}. Swap them.")]
    Reversed {
        /// As asked.
        start: Timestamp,
        /// As asked.
        end: Timestamp,
    },
    /// Before the calendars' first day.
    #[error("The range starts at {0}, before the first day that is known, 1990-01-01. Start there or later.")]
    TooEarly(Timestamp),
    /// Nothing of it has happened.
    #[error("The range starts at {0}, which has not happened yet. Ask for a range in the past.")]
    Future(Timestamp),
    /// More slices than one ask may make.
    #[error(
        "The range needs {0} slices; {MAX_SLICES} is the most at once. Ask for a shorter range or a longer timeframe."
    )]
    TooMany(usize),
}

/// The window `start..end` with its future cut off.
///
/// # Errors
/// Where it is reversed, lies before 1990 or wholly in the future.
pub fn check_window(start: Timestamp, end: Timestamp, now: Timestamp) -> Result<TimeRange, WindowError> {
    if start >= end {
        return Err(WindowError::Reversed { start, end });
    }
    if start < calendar::FIRST {
        return Err(WindowError::TooEarly(start));
    }
    TimeRange::new(start, end.min(now)).ok_or(WindowError::Future(start))
}

/// The window a chart opens with: some hundred bars up to `now`.
#[must_use]
pub fn default_window(timeframe: Timeframe, now: Timestamp) -> TimeRange {
    let days = match timeframe {
        Timeframe::M1 => 4,
        Timeframe::M5 => 10,
        Timeframe::M15 => 30,
        Timeframe::M30 => 60,
        Timeframe::H1 => 90,
        Timeframe::H4 => 365,
        Timeframe::D1 => 3 * 365,
        Timeframe::W1 => 10 * 365,
    };
    TimeRange { start: now.plus(-days * DAY), end: now }
}

/// What someone wants to see.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// By whose sessions.
    pub calendar: Calendar,
    /// Of which bars.
    pub timeframe: Timeframe,
    /// All of it, checked by [`check_window`].
    pub window: TimeRange,
    /// The part on screen; claimed first. All where `None`.
    pub visible: Option<TimeRange>,
    /// The time it is asked.
    pub now: Timestamp,
    /// How long slices may be, as learned.
    pub sizes: Sizes,
    /// Instead of `sizes`: slices that do not grow and are cut at fixed points, the session's start in the intraday layer
    /// and multiples since the epoch in the historical one, where it is a day at least.
    pub slice_millis: Option<i64>,
}

/// The longest time from a slice's start to its end in each layer, in milliseconds. One bar may be longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Of settled sessions.
    pub historical: i64,
    /// Of recent ones.
    pub intraday: i64,
}

impl Sizes {
    const fn of(self, layer: Layer) -> i64 {
        if matches!(layer, Layer::Historical) { self.historical } else { self.intraday }
    }
}

/// A part of the window, small enough for one provider request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedSlice {
    /// Which layer it fills.
    pub layer: Layer,
    /// From its first bar's start to its last bar's end.
    pub range: TimeRange,
    /// The session time inside, in whole bars: a span for each session that it touches.
    pub sessions: Vec<TimeRange>,
    /// [`VISIBLE_PRIORITY`] or [`BACKGROUND_PRIORITY`].
    pub priority: i16,
}

/// The session time that `ask` wants of `layer`, in whole bars that are closed. Sessions that the window cuts are asked
/// for whole.
#[must_use]
pub fn asked_spans(ask: &Ask, layer: Layer) -> Vec<TimeRange> {
    if layer == Layer::Forecast || !has_layer(ask.timeframe, layer) {
        return Vec::new();
    }
    let boundary = intraday_start(ask.calendar, ask.timeframe, ask.now);
    let known_at = if layer == Layer::Historical { ask.now.plus(-SETTLING_MILLIS) } else { ask.now };
    let spans = ask.calendar.session_spans(ask.timeframe, ask.window, known_at);
    spans.into_iter().filter(|span| (span.start < boundary) == (layer == Layer::Historical)).collect()
}

/// All session time that `ask` wants, whichever layer it belongs to.
#[must_use]
pub fn asked(ask: &Ask) -> Spans {
    Layer::ALL.into_iter().flat_map(|layer| asked_spans(ask, layer)).collect()
}

/// The slices that fill `ask`, the visible part first and the newest first within each part.
///
/// # Errors
/// Where there would be more than [`MAX_SLICES`].
pub fn plan(ask: &Ask) -> Result<Vec<PlannedSlice>, WindowError> {
    let mut slices: Vec<_> =
        [Layer::Intraday, Layer::Historical].iter().flat_map(|layer| slices_of(ask, *layer)).collect();
    if slices.len() > MAX_SLICES {
        return Err(WindowError::TooMany(slices.len()));
    }
    slices.sort_by_key(|slice| (slice.priority, std::cmp::Reverse(slice.range.start)));
    Ok(slices)
}

/// The slices without the time that is answered otherwise; what is left of one keeps to its bars.
#[must_use]
pub fn without(slices: Vec<PlannedSlice>, answered: &Spans) -> Vec<PlannedSlice> {
    if answered.is_empty() {
        return slices;
    }
    let left = |slice: PlannedSlice| {
        let sessions = slice.sessions.iter().flat_map(|span| Vec::from(Spans::from(vec![*span]).subtract(answered)));
        with_sessions(slice.layer, slice.priority, sessions.collect())
    };
    slices.into_iter().filter_map(left).collect()
}

/// The part of a slice that a provider reaches back to, and the stretches of session time before that. `reach` is where a
/// bar can begin.
#[must_use]
pub fn split_at_reach(slice: &PlannedSlice, reach: Option<Timestamp>) -> (Option<PlannedSlice>, Vec<TimeRange>) {
    let Some(reach) = reach.filter(|reach| *reach > slice.range.start) else {
        return (Some(slice.clone()), Vec::new());
    };
    let before = |span: &TimeRange| TimeRange::new(span.start, span.end.min(reach));
    let after = |span: &TimeRange| TimeRange::new(span.start.max(reach), span.end);
    let within = slice.sessions.iter().filter_map(after).collect();
    (with_sessions(slice.layer, slice.priority, within), slice.sessions.iter().filter_map(before).collect())
}

fn with_sessions(layer: Layer, priority: i16, sessions: Vec<TimeRange>) -> Option<PlannedSlice> {
    let range = TimeRange::new(sessions.first()?.start, sessions.last()?.end)?;
    Some(PlannedSlice { layer, range, sessions, priority })
}

fn slices_of(ask: &Ask, layer: Layer) -> Vec<PlannedSlice> {
    let spans = asked_spans(ask, layer);
    if let Some(size) = ask.slice_millis {
        return fixed_slices(ask, layer, &spans, size);
    }
    let size = whole_bars(ask.sizes.of(layer), ask.timeframe);
    let smallest = if grows(ask, layer) { FIRST_SLICE_MILLIS.max(ask.timeframe.millis()).min(size) } else { size };
    let cut = |part: Part| {
        let inside = spans.iter().filter_map(|span| span.intersect(part.range)).collect();
        let first = if part.priority == VISIBLE_PRIORITY { smallest } else { size };
        let lengths = std::iter::successors(Some(first), |length| Some(length.saturating_mul(2).min(size)));
        let slices = cut_backwards(ask, inside, lengths).into_iter();
        slices.filter_map(move |sessions| with_sessions(layer, part.priority, sessions))
    };
    parts(ask).into_iter().flat_map(cut).collect()
}

/// Whether the layer's slices on screen begin small: those of the layer in which the newest bar on screen lies. A day or
/// week series has so few bars that all on screen are asked for at once.
fn grows(ask: &Ask, layer: Layer) -> bool {
    let is_on_screen = |span: &TimeRange| on_screen(ask).is_some_and(|range| range.overlaps(*span));
    has_layer(ask.timeframe, Layer::Intraday)
        && (layer == Layer::Intraday || !asked_spans(ask, Layer::Intraday).iter().any(is_on_screen))
}

/// Some of all time, with what it is worth.
struct Part {
    range: TimeRange,
    priority: i16,
}

/// What is on screen, after it and before it.
fn parts(ask: &Ask) -> Vec<Part> {
    let background = |range| Part { range, priority: BACKGROUND_PRIORITY };
    let Some(range) = on_screen(ask) else { return vec![background(ALWAYS)] };
    let after = background(TimeRange { start: range.end, ..ALWAYS });
    let before = background(TimeRange { end: range.start, ..ALWAYS });
    vec![Part { range, priority: VISIBLE_PRIORITY }, after, before]
}

const ALWAYS: TimeRange = TimeRange { start: Timestamp(i64::MIN), end: Timestamp(i64::MAX) };

/// What is on screen, in whole bars; `None` where that is nothing.
fn on_screen(ask: &Ask) -> Option<TimeRange> {
    let Some(visible) = ask.visible else { return Some(ALWAYS) };
    let known = TimeRange { start: calendar::FIRST, end: calendar::END };
    let TimeRange { start, end } = visible.intersect(known)?;
    let (calendar, timeframe) = (ask.calendar, ask.timeframe);
    TimeRange::new(calendar.bar_start(timeframe, start), calendar.bar_end(timeframe, end.plus(-1)))
}

/// `spans`, in order and in whole bars, in slices from the newest end backwards; none is longer than the length that is
/// next, unless one bar is.
fn cut_backwards(ask: &Ask, mut spans: Vec<TimeRange>, mut lengths: impl Iterator<Item = i64>) -> Vec<Vec<TimeRange>> {
    let mut slices = Vec::new();
    while let Some((newest, length)) = spans.last().copied().zip(lengths.next()) {
        let start = slice_start(ask, newest.end, length);
        let mut sessions = spans.split_off(spans.partition_point(|span| span.end <= start));
        if let Some(oldest) = sessions.first_mut() {
            spans.extend(TimeRange::new(oldest.start, start));
            oldest.start = oldest.start.max(start);
        }
        slices.push(sessions);
    }
    slices
}

/// The earliest start of a bar from which to `end` is no more than `length`, or the newest one.
fn slice_start(ask: &Ask, end: Timestamp, length: i64) -> Timestamp {
    let Ask { calendar, timeframe, .. } = *ask;
    let earliest = end.plus(-length).max(calendar::FIRST);
    let start = if calendar.is_on_grid(timeframe, earliest) { earliest } else { calendar.bar_end(timeframe, earliest) };
    start.min(calendar.bar_start(timeframe, end.plus(-1)))
}

/// Slices of one size, cut at fixed points.
fn fixed_slices(ask: &Ask, layer: Layer, spans: &[TimeRange], size: i64) -> Vec<PlannedSlice> {
    let sessions: Vec<Vec<TimeRange>> = if layer == Layer::Intraday {
        let length = whole_bars(size, ask.timeframe);
        spans.iter().flat_map(|span| cut_forwards(*span, length)).map(|range| vec![range]).collect()
    } else {
        let page = |span: &TimeRange| span.start.0.div_euclid(size.max(DAY));
        spans.chunk_by(|a, b| page(a) == page(b)).map(<[TimeRange]>::to_vec).collect()
    };
    let priority = |sessions: &[TimeRange]| {
        let is_on_screen = |range: TimeRange| sessions.iter().any(|span| span.overlaps(range));
        if on_screen(ask).is_some_and(is_on_screen) { VISIBLE_PRIORITY } else { BACKGROUND_PRIORITY }
    };
    sessions.into_iter().filter_map(|sessions| with_sessions(layer, priority(&sessions), sessions)).collect()
}

fn cut_forwards(span: TimeRange, length: i64) -> impl Iterator<Item = TimeRange> {
    let part = move |start: Timestamp| TimeRange::new(start, start.plus(length).min(span.end));
    std::iter::successors(part(span.start), move |last| part(last.end))
}

fn whole_bars(millis: i64, timeframe: Timeframe) -> i64 {
    let bar = timeframe.millis();
    (millis / bar).max(1) * bar
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    const SIZES: Sizes = Sizes { historical: 30 * DAY, intraday: 30 * DAY };

    fn ask(calendar: Calendar, timeframe: Timeframe, days: i64, now: Timestamp) -> Ask {
        let window = TimeRange { start: now.plus(-days * DAY), end: now };
        Ask { calendar, timeframe, window, visible: None, now, sizes: SIZES, slice_millis: None }
    }

    /// A window of up to 400 days of which all, a part or nothing is on screen.
    fn any_ask() -> impl Strategy<Value = Ask> {
        let series =
            (proptest::sample::select(Calendar::ALL.to_vec()), proptest::sample::select(Timeframe::ALL.to_vec()));
        let window = (1_i64..400, 0_i64..(9_000 * 24 * 60), proptest::option::of((0_i64..400, 0_i64..40)));
        let size = || (0_u32..10, 40_i64..80).prop_map(|(doublings, minutes)| (minutes * 60_000) << doublings);
        (series, window, size(), size()).prop_map(|((calendar, timeframe), window, historical, intraday)| {
            let (days, minute, visible) = window;
            let now = at("2004-01-01T00:00:00Z").plus(minute * 60_000);
            let visible = visible.map(|(before, length)| {
                let end = now.plus(-(before % days) * DAY);
                TimeRange { start: end.plus(-length * 6 * HOUR), end }
            });
            Ask { visible, sizes: Sizes { historical, intraday }, ..ask(calendar, timeframe, days, now) }
        })
    }

    /// The same with slices of a fixed size.
    fn any_fixed_ask() -> impl Strategy<Value = Ask> {
        (any_ask(), 1_i64..30).prop_map(|(ask, hours)| Ask { slice_millis: Some(hours * HOUR), ..ask })
    }

    /// The most slices that a layer of `ask` may have: each but the last of a part (on screen, after it, before it)
    /// reaches back by its length, less a bar where bars differ in length, and each doubling adds one.
    fn most_slices(ask: &Ask, layer: Layer) -> i64 {
        let spans = asked_spans(ask, layer);
        let Some((first, last)) = spans.first().zip(spans.last()) else { return 0 };
        let (bar, size) = (ask.timeframe.millis(), whole_bars(ask.sizes.of(layer), ask.timeframe));
        let is_uneven = ask.timeframe > Timeframe::H1;
        let advance = if is_uneven { (size - bar - HOUR).max(bar - HOUR) } else { size };
        let doublings = i64::from((size / FIRST_SLICE_MILLIS.max(bar)).max(1).ilog2()) + 1;
        (last.end.0 - first.start.0) / advance + 3 + doublings
    }

    fn is_one_bar(ask: &Ask, range: TimeRange) -> bool {
        ask.calendar.bar_end(ask.timeframe, range.start) == range.end
    }

    proptest! {
        #[test]
        fn slices_are_exactly_the_asked_session_time(ask in prop_oneof![any_ask(), any_fixed_ask()]) {
            let slices = match plan(&ask) {
                Ok(slices) => slices,
                Err(WindowError::TooMany(_)) => return Ok(()),
                Err(other) => panic!("{other}"),
            };
            let parts: Vec<TimeRange> = slices.iter().flat_map(|slice| slice.sessions.clone()).collect();
            let union: Spans = parts.iter().copied().collect();
            prop_assert_eq!(union.millis(), parts.iter().map(|part| part.millis()).sum::<i64>(), "no overlap");
            prop_assert_eq!(&union, &asked(&ask), "union = gap");
            for slice in &slices {
                prop_assert_eq!(slice.sessions.first().map(|s| s.start), Some(slice.range.start));
                prop_assert_eq!(slice.sessions.last().map(|s| s.end), Some(slice.range.end));
                prop_assert!(slice.sessions.windows(2).all(|pair| pair[0].end <= pair[1].start), "in order");
                prop_assert!(slice.range.end <= ask.calendar.closed_through(ask.timeframe, ask.now));
                for span in &slice.sessions {
                    for edge in [span.start, span.end] {
                        prop_assert!(ask.calendar.is_on_grid(ask.timeframe, edge));
                    }
                    let inside = ask.calendar.session_spans(ask.timeframe, *span, ask.now);
                    prop_assert_eq!(inside.len(), 1, "inside one session");
                }
                let others = slices.iter().filter(|other| other.range.overlaps(slice.range)).count();
                prop_assert_eq!(others, 1, "no slice lies in another's pause");
            }
        }

        #[test]
        fn no_slice_is_longer_than_its_size(ask in any_ask()) {
            let Ok(slices) = plan(&ask) else { return Ok(()) };
            for slice in &slices {
                let size = ask.sizes.of(slice.layer);
                prop_assert!(slice.range.millis() <= size || is_one_bar(&ask, slice.range), "{:?}", slice);
            }
        }

        #[test]
        fn a_window_takes_few_slices(ask in any_ask()) {
            let Ok(slices) = plan(&ask) else { return Ok(()) };
            for layer in [Layer::Historical, Layer::Intraday] {
                let count = slices.iter().filter(|slice| slice.layer == layer).count();
                let most = most_slices(&ask, layer);
                prop_assert!(i64::try_from(count).unwrap() <= most, "{} {} of {}", layer, count, most);
            }
        }

        #[test]
        fn what_is_on_screen_comes_first_and_small(ask in any_ask()) {
            let Ok(slices) = plan(&ask) else { return Ok(()) };
            let is_on_screen = |slice: &PlannedSlice| ask.visible.is_none_or(|visible| slice.range.overlaps(visible));
            for slice in &slices {
                prop_assert_eq!(slice.priority == VISIBLE_PRIORITY, is_on_screen(slice), "{:?}", slice);
            }
            let seen: Vec<_> = slices.iter().take_while(|slice| slice.priority == VISIBLE_PRIORITY).collect();
            prop_assert_eq!(seen.len(), slices.iter().filter(|slice| is_on_screen(slice)).count());
            if let Some(first) = seen.first().filter(|_| ask.timeframe < Timeframe::D1) {
                let is_short = first.range.millis() <= FIRST_SLICE_MILLIS;
                prop_assert!(is_short || is_one_bar(&ask, first.range), "{:?}", first);
            }
        }

        #[test]
        fn a_window_that_moves_on_keeps_its_fixed_cuts(ask in any_fixed_ask(), minutes in 0_i64..600) {
            let later = Ask { now: ask.now.plus(minutes * 60_000), ..ask };
            let (Ok(before), Ok(after)) = (plan(&ask), plan(&later)) else { return Ok(()) };
            for slice in before.iter().filter(|slice| slice.layer == Layer::Intraday) {
                prop_assert_eq!(slice.sessions.len(), 1);
                let touched: Vec<_> = after.iter().filter(|other| other.range.overlaps(slice.range)).collect();
                // Settled in between, the time is the historical layer's; else it is the same slice, grown at its end.
                let same = |other: &&PlannedSlice| other.layer == Layer::Historical || other.range.start == slice.range.start;
                prop_assert!(touched.iter().all(same), "{:?} became {:?}", slice, touched);
            }
        }
    }

    fn hours(slices: &[PlannedSlice]) -> Vec<i64> {
        slices.iter().map(|slice| slice.range.millis() / HOUR).collect()
    }

    #[test]
    fn five_days_are_a_handful_of_slices() {
        let now = at("2024-03-18T00:00:00Z");
        for timeframe in [Timeframe::M15, Timeframe::H1] {
            let slices = plan(&ask(Calendar::AlwaysOpen, timeframe, 5, now)).unwrap();
            assert_eq!(hours(&slices), [2, 4, 8, 16, 32, 58], "{timeframe}: {slices:?}");
            assert!(slices.iter().all(|slice| slice.layer == Layer::Intraday));
            let daily = Sizes { intraday: DAY, ..SIZES };
            let slices = plan(&Ask { sizes: daily, ..ask(Calendar::AlwaysOpen, timeframe, 5, now) }).unwrap();
            assert_eq!(hours(&slices), [2, 4, 8, 16, 24, 24, 24, 18]);
        }
        let friday_night = at("2024-03-16T00:00:00Z");
        let slices = plan(&ask(Calendar::Xnys, Timeframe::H1, 5, friday_night)).unwrap();
        let sessions: Vec<_> = slices.iter().map(|slice| slice.sessions.len()).collect();
        assert_eq!((hours(&slices), sessions), (vec![2, 4, 1, 7, 31, 7], vec![1, 1, 1, 1, 2, 1]));
    }

    #[test]
    fn what_is_older_than_the_newest_layer_on_screen_does_not_grow() {
        let now = at("2024-03-18T00:00:00Z");
        let lengths = |ask: &Ask, layer| {
            let slices = plan(ask).unwrap();
            hours(&slices.into_iter().filter(|slice| slice.layer == layer).collect::<Vec<_>>())
        };
        let recent = ask(Calendar::AlwaysOpen, Timeframe::H1, 65, now);
        assert_eq!(lengths(&recent, Layer::Historical), [720, 720], "two of thirty days");
        let visible = TimeRange::new(now.plus(-40 * DAY), now.plus(-38 * DAY));
        let scrolled_back = Ask { visible, ..recent };
        assert_eq!(lengths(&scrolled_back, Layer::Historical), [2, 4, 8, 16, 18, 720, 72, 600]);
        assert_eq!(lengths(&scrolled_back, Layer::Intraday), [120], "nothing of it is on screen");
        let days =
            Ask { sizes: Sizes { historical: 1_000 * DAY, ..SIZES }, ..ask(Calendar::Xnys, Timeframe::D1, 900, now) };
        assert_eq!(plan(&days).unwrap().len(), 1, "a bar a day is little");
    }

    #[test]
    fn a_bar_that_is_longer_than_the_size_is_a_slice() {
        let sizes = Sizes { historical: HOUR, intraday: HOUR };
        let now = at("2024-03-18T00:00:00Z");
        assert_eq!(plan(&Ask { sizes, ..ask(Calendar::Xnys, Timeframe::W1, 28, now) }).unwrap().len(), 4);
    }

    #[test]
    fn what_a_provider_does_not_reach_is_cut_off() {
        let slice = plan(&ask(Calendar::AlwaysOpen, Timeframe::D1, 30, at("2024-03-18T00:00:00Z"))).unwrap().remove(0);
        let reach = slice.range.start.plus(10 * DAY + 6 * HOUR);
        let (within, beyond) = split_at_reach(&slice, Some(reach));
        let within = within.unwrap();
        assert_eq!((within.range.start, within.range.end), (reach, slice.range.end));
        assert_eq!(beyond.last().map(|range| range.end), Some(reach));
        assert_eq!(split_at_reach(&slice, None), (Some(slice.clone()), Vec::new()));
        let (nothing, all) = split_at_reach(&slice, Some(slice.range.end));
        assert_eq!((nothing, all), (None, slice.sessions.clone()));
    }

    #[test]
    fn visible_first_then_newest_first() {
        let now = at("2024-03-15T20:00:00Z");
        let visible = TimeRange::new(at("2024-03-13T13:00:00Z"), at("2024-03-13T16:00:00Z"));
        let slices = plan(&Ask { visible, ..ask(Calendar::Xnys, Timeframe::H1, 3, now) }).unwrap();
        let starts: Vec<_> = slices.iter().map(|slice| slice.range.start.to_string()).collect();
        assert_eq!(starts[..3], ["2024-03-13T14:00:00Z", "2024-03-13T13:00:00Z", "2024-03-13T16:00:00Z"]);
    }

    #[test]
    fn windows_that_make_no_sense_are_refused() {
        let now = at("2024-03-15T20:00:00Z");
        assert!(matches!(check_window(now, now.plus(-1), now), Err(WindowError::Reversed { .. })));
        assert!(matches!(check_window(Timestamp(-62_135_596_800_000), now, now), Err(WindowError::TooEarly(_))));
        assert!(matches!(check_window(now.plus(1), now.plus(DAY), now), Err(WindowError::Future(_))));
        assert_eq!(check_window(now.plus(-1), Timestamp(i64::MAX), now).map(|window| window.end), Ok(now));
    }
}
