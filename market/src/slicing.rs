//! From "show me this series over this window" to the slices that fill it.
//!
//! A plan depends on the window, the calendar and the time alone, and its cuts lie on fixed points (sessions' opens,
//! multiples of a span since the epoch), so that two viewers who ask for overlapping windows ask for the same slices.
//! What is held or on its way already is taken out by the database, in the transaction that enqueues.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::calendar::{self, Calendar};
use crate::layer::{Layer, SETTLING_MILLIS, has_layer, intraday_start};
use crate::spans::Spans;
use crate::time::{DAY, HOUR, TimeRange, Timestamp};
use crate::timeframe::Timeframe;

/// How much of a session one intraday slice spans, unless the definition says otherwise.
pub const INTRADAY_SLICE_MILLIS: i64 = 2 * HOUR;

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
    /// Instead of [`INTRADAY_SLICE_MILLIS`].
    pub slice_millis: Option<i64>,
}

/// A part of the window, small enough for one provider request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedSlice {
    /// Which layer it fills.
    pub layer: Layer,
    /// From its first bar's start to its last bar's end.
    pub range: TimeRange,
    /// The session time inside, in whole bars. An intraday slice has exactly one span.
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
    let mut slices = intraday_slices(ask);
    slices.extend(historical_slices(ask));
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

fn intraday_slices(ask: &Ask) -> Vec<PlannedSlice> {
    let length = whole_bars(ask.slice_millis.unwrap_or(INTRADAY_SLICE_MILLIS), ask.timeframe);
    let cut = |span: TimeRange| {
        std::iter::successors(Some(span.start), move |start| Some(start.plus(length)))
            .map_while(move |start| TimeRange::new(start, start.plus(length).min(span.end)))
    };
    asked_spans(ask, Layer::Intraday)
        .into_iter()
        .flat_map(cut)
        .map(|range| planned(ask, Layer::Intraday, vec![range], range))
        .collect()
}

fn historical_slices(ask: &Ask) -> Vec<PlannedSlice> {
    let page = ask.slice_millis.map_or_else(|| historical_page_millis(ask.timeframe), |size| size.max(DAY));
    asked_spans(ask, Layer::Historical)
        .chunk_by(|a, b| a.start.0.div_euclid(page) == b.start.0.div_euclid(page))
        .filter_map(|sessions| {
            let range = TimeRange::new(sessions.first()?.start, sessions.last()?.end)?;
            Some(planned(ask, Layer::Historical, sessions.to_vec(), range))
        })
        .collect()
}

/// The span that fits one page of 50,000 base bars at Polygon, which reads minutes for everything below a day: an
/// equity has up to 960 of them a day, extended hours included.
const fn historical_page_millis(timeframe: Timeframe) -> i64 {
    match timeframe {
        Timeframe::M1 => 7 * DAY,
        Timeframe::M5 => 28 * DAY,
        Timeframe::M15 | Timeframe::M30 | Timeframe::H1 | Timeframe::H4 => 56 * DAY,
        Timeframe::D1 | Timeframe::W1 => 3_640 * DAY,
    }
}

fn whole_bars(millis: i64, timeframe: Timeframe) -> i64 {
    let bar = timeframe.millis();
    (millis / bar).max(1) * bar
}

fn planned(ask: &Ask, layer: Layer, sessions: Vec<TimeRange>, range: TimeRange) -> PlannedSlice {
    let is_visible = ask.visible.is_none_or(|visible| visible.overlaps(range));
    let priority = if is_visible { VISIBLE_PRIORITY } else { BACKGROUND_PRIORITY };
    PlannedSlice { layer, range, sessions, priority }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn ask(calendar: Calendar, timeframe: Timeframe, days: i64, now: Timestamp) -> Ask {
        let window = TimeRange { start: now.plus(-days * DAY), end: now };
        Ask { calendar, timeframe, window, visible: None, now, slice_millis: None }
    }

    fn any_ask() -> impl Strategy<Value = Ask> {
        (any::<bool>(), 0_usize..8, 1_i64..400, 0_i64..(9_000 * 24 * 60), proptest::option::of(1_i64..30)).prop_map(
            |(is_equity, timeframe, days, minute, slice_hours)| {
                let calendar = if is_equity { Calendar::Xnys } else { Calendar::AlwaysOpen };
                let now = at("2004-01-01T00:00:00Z").plus(minute * 60_000);
                let slice_millis = slice_hours.map(|hours| hours * HOUR);
                Ask { slice_millis, ..ask(calendar, Timeframe::ALL[timeframe], days, now) }
            },
        )
    }

    proptest! {
        #[test]
        fn slices_are_exactly_the_asked_session_time(ask in any_ask()) {
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
                prop_assert!(slice.range.end <= ask.calendar.closed_through(ask.timeframe, ask.now));
                for edge in [slice.range.start, slice.range.end] {
                    prop_assert!(ask.calendar.is_on_grid(ask.timeframe, edge));
                }
                if slice.layer == Layer::Intraday {
                    prop_assert_eq!(slice.sessions.len(), 1);
                    let inside = ask.calendar.session_spans(ask.timeframe, slice.range, ask.now);
                    prop_assert_eq!(inside.len(), 1, "inside one session");
                }
            }
        }

        #[test]
        fn a_window_that_moves_on_keeps_its_cuts(ask in any_ask(), minutes in 0_i64..600) {
            let later = Ask { now: ask.now.plus(minutes * 60_000), ..ask };
            let (Ok(before), Ok(after)) = (plan(&ask), plan(&later)) else { return Ok(()) };
            for slice in before.iter().filter(|slice| slice.layer == Layer::Intraday) {
                let touched: Vec<_> = after.iter().filter(|other| other.range.overlaps(slice.range)).collect();
                // Settled in between, the time is the historical layer's; else it is the same slice, grown at its end.
                let same = |other: &&PlannedSlice| other.layer == Layer::Historical || other.range.start == slice.range.start;
                prop_assert!(touched.iter().all(same), "{:?} became {:?}", slice, touched);
            }
        }
    }

    #[test]
    fn five_days_around_the_clock_are_sixty_slices() {
        let now = at("2024-03-18T00:00:00Z");
        for timeframe in [Timeframe::M15, Timeframe::H1] {
            let slices = plan(&ask(Calendar::AlwaysOpen, timeframe, 5, now)).unwrap();
            let intraday = slices.iter().filter(|slice| slice.layer == Layer::Intraday).count();
            assert_eq!((slices.len(), intraday), (60, 60), "{timeframe}: {slices:?}");
        }
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
        assert_eq!(starts[..3], ["2024-03-13T15:00:00Z", "2024-03-13T13:00:00Z", "2024-03-15T19:00:00Z"]);
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
