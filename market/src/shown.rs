//! Which of a series' bars a viewer wants to see: those of which hours, and of which layers.

use std::ops::Range;

use crate::bar::Bar;
use crate::calendar::Calendar;
use crate::layer::Layer;
use crate::spans::Spans;
use crate::time::{TimeRange, Timestamp};
use crate::timeframe::Timeframe;

/// Which layers are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers([bool; 3]);

impl Default for Layers {
    /// All of them.
    fn default() -> Self {
        Self([true; 3])
    }
}

impl Layers {
    /// Whether that one is.
    #[must_use]
    pub fn has(self, layer: Layer) -> bool {
        Layer::ALL.into_iter().zip(self.0).any(|(it, is_shown)| it == layer && is_shown)
    }

    /// With one of them shown or hidden.
    #[must_use]
    pub fn with(self, layer: Layer, is_shown: bool) -> Self {
        let mut layers = self;
        for (it, shown) in Layer::ALL.into_iter().zip(&mut layers.0) {
            if it == layer {
                *shown = is_shown;
            }
        }
        layers
    }

    /// As it is written: `historical,forecast`, or `none`.
    #[must_use]
    pub fn format(self) -> String {
        let names: Vec<_> = Layer::ALL.into_iter().filter(|layer| self.has(*layer)).map(Layer::as_str).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(",") }
    }

    /// What [`Layers::format`] made `text` of; `None` where that names something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let none = Self([false; 3]);
        if text == "none" {
            return Some(none);
        }
        text.split(',').try_fold(none, |layers, name| Some(layers.with(name.parse().ok()?, true)))
    }
}

/// Whether a market's day has hours before and after its regular session, which bars of that length can lie in.
#[must_use]
pub const fn has_extended_hours(calendar: Calendar, timeframe: Timeframe) -> bool {
    matches!(calendar, Calendar::Xnys | Calendar::XnysExtended) && timeframe.millis() < Timeframe::D1.millis()
}

/// The regular sessions that bars between two times may lie in, in whole bars. All time where the market knows no other.
#[must_use]
pub fn regular_spans(calendar: Calendar, timeframe: Timeframe, range: TimeRange) -> Spans {
    if !has_extended_hours(calendar, timeframe) {
        return range.into();
    }
    let range = TimeRange { end: calendar.bar_end(timeframe, range.end), ..range };
    Calendar::Xnys.session_spans(timeframe, range, Timestamp(i64::MAX / 2)).into()
}

/// The places of the bars that lie in no regular session, side by side as one. `bars` are sorted.
#[must_use]
pub fn outside_regular(bars: &[Bar], calendar: Calendar, timeframe: Timeframe) -> Vec<Range<usize>> {
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else { return Vec::new() };
    if !has_extended_hours(calendar, timeframe) {
        return Vec::new();
    }
    let regular = regular_spans(calendar, timeframe, TimeRange { start: first.ts, end: last.ts.plus(1) });
    let mut sessions = regular.ranges().iter().peekable();
    let mut outside: Vec<Range<usize>> = Vec::new();
    for (place, bar) in bars.iter().enumerate() {
        while sessions.next_if(|session| session.end <= bar.ts).is_some() {}
        if sessions.peek().is_some_and(|session| session.start <= bar.ts) {
            continue;
        }
        match outside.last_mut() {
            Some(last) if last.end == place => last.end += 1,
            _ => outside.push(place..place + 1),
        }
    }
    outside
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::{DAY, HOUR, MINUTE};

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn bars(calendar: Calendar, timeframe: Timeframe, range: TimeRange) -> Vec<Bar> {
        let spans = calendar.session_spans(timeframe, range, Timestamp(i64::MAX / 2));
        let starts = spans.into_iter().flat_map(|span| calendar.bar_starts(timeframe, span, usize::MAX));
        starts.map(|ts| Bar::new(ts, 1.0, 1.0, 1.0, 1.0, 1.0)).collect()
    }

    #[test]
    fn what_trades_before_and_after_the_session_is_outside_of_it() {
        let day = TimeRange { start: at("2024-03-13T00:00:00Z"), end: at("2024-03-14T00:00:00Z") };
        let bars = bars(Calendar::XnysExtended, Timeframe::M30, day);
        let outside = outside_regular(&bars, Calendar::Xnys, Timeframe::M30);
        let times: Vec<_> =
            outside.iter().map(|it| (bars[it.start].ts.to_string(), bars[it.end - 1].ts.to_string())).collect();
        let range = |start: &str, end: &str| (start.to_owned(), end.to_owned());
        assert_eq!(
            times,
            [
                range("2024-03-13T08:00:00Z", "2024-03-13T13:00:00Z"),
                range("2024-03-13T20:00:00Z", "2024-03-13T23:30:00Z")
            ]
        );
    }

    #[test]
    fn the_hour_in_which_a_session_opens_belongs_to_it() {
        let day = TimeRange { start: at("2024-03-13T00:00:00Z"), end: at("2024-03-14T00:00:00Z") };
        let bars = bars(Calendar::XnysExtended, Timeframe::H1, day);
        let outside = outside_regular(&bars, Calendar::Xnys, Timeframe::H1);
        assert_eq!(outside, [0..5, 12..16], "09:00 to 16:00 is regular");
    }

    #[test]
    fn a_market_that_never_closes_and_a_day_have_no_other_hours() {
        let day = TimeRange { start: at("2024-03-13T00:00:00Z"), end: at("2024-03-14T00:00:00Z") };
        let crypto = bars(Calendar::AlwaysOpen, Timeframe::H1, day);
        assert_eq!(outside_regular(&crypto, Calendar::AlwaysOpen, Timeframe::H1), []);
        assert!(!has_extended_hours(Calendar::Fx, Timeframe::H1));
        assert!(!has_extended_hours(Calendar::Xnys, Timeframe::D1));
        assert!(has_extended_hours(Calendar::Xnys, Timeframe::H4));
    }

    #[test]
    fn layers_come_back_as_they_were_written() {
        for text in ["historical,intraday,forecast", "intraday", "historical,forecast", "none"] {
            assert_eq!(Layers::parse(text).map(Layers::format).as_deref(), Some(text));
        }
        assert_eq!(Layers::parse("historical,tea"), None);
        assert_eq!(Layers::default(), Layers::parse("forecast,historical,intraday").unwrap());
    }

    proptest! {
        #[test]
        fn regular_bars_are_those_of_the_regular_calendar(
            day in 0_i64..16_000, timeframe in proptest::sample::select(vec![Timeframe::M5, Timeframe::M30, Timeframe::H1, Timeframe::H4])
        ) {
            let start = crate::calendar::FIRST.plus(day * DAY);
            let range = TimeRange { start, end: start.plus(5 * DAY + 7 * HOUR + 30 * MINUTE) };
            let mut extended = bars(Calendar::XnysExtended, timeframe, range);
            let hull = extended.first().zip(extended.last()).map(|(first, last)| first.ts..=last.ts);
            for run in outside_regular(&extended, Calendar::Xnys, timeframe).into_iter().rev() {
                extended.drain(run);
            }
            let around = TimeRange { start: range.start.plus(-DAY), end: range.end.plus(DAY) };
            let mut regular = bars(Calendar::Xnys, timeframe, around);
            regular.retain(|bar| hull.as_ref().is_some_and(|hull| hull.contains(&bar.ts)));
            prop_assert!(extended == regular, "{} and {}", extended.len(), regular.len());
        }
    }
}
