//! When a symbol's market trades, and where its bars begin and end.
//!
//! This is the one place in the core that knows an exchange's local time. Sessions are known from 1990 to 2035, and none
//! is reported outside of that. What an operator installs with [`install_overrides`] at start-up wins over the shipped
//! table; it is the one thing here that is not an argument, so that no caller can forget it.

mod new_york;
pub mod overrides;
mod xnys;

use std::fmt;

use chrono::{Datelike, Days, NaiveDate, NaiveTime, Weekday};
use serde::{Deserialize, Serialize};

use new_york::wall;
pub use new_york::{new_york_to_utc, utc_to_new_york};
pub use overrides::{AlreadyInstalled, Overrides, OverridesError, install as install_overrides};

use crate::time::{DAY, HOUR, TimeRange, Timestamp};
use crate::timeframe::Timeframe;

/// The first instant the calendars know: 1990-01-01T00:00:00Z.
pub const FIRST: Timestamp = Timestamp(631_152_000_000);
/// The first instant after what the calendars know: 2036-01-01T00:00:00Z.
pub const END: Timestamp = Timestamp(2_082_758_400_000);

/// Whose hours a market keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Calendar {
    /// The New York Stock Exchange's regular session, 09:30 to 16:00 New York time, with holidays and early closes.
    Xnys,
    /// The same days from 04:00 to 20:00 New York time; after an early close until four hours past it, since the late
    /// session of the exchange's electronic markets then ends at 17:00.
    XnysExtended,
    /// Currencies: from 17:00 New York time on Sunday to 17:00 on Friday. A trading day begins at 17:00 of the evening
    /// before, and counts as one session. No holiday is shipped, since venues differ in theirs.
    Fx,
    /// Crypto: around the clock; each UTC day counts as one session.
    AlwaysOpen,
}

/// Which part of the day a series holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hours {
    /// The exchange's regular session.
    #[default]
    Regular,
    /// What trades before and after it too.
    Extended,
}

impl Hours {
    /// The name in the database and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Extended => "extended",
        }
    }

    /// The hours of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Regular, Self::Extended].into_iter().find(|hours| hours.as_str() == name)
    }
}

/// One span in which the market trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// First instant of trading, UTC.
    pub open: Timestamp,
    /// First instant after trading, UTC.
    pub close: Timestamp,
}

impl Calendar {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Xnys, Self::XnysExtended, Self::Fx, Self::AlwaysOpen];

    /// The name in the database: the market identifier code, or `24x7`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Xnys => "XNYS",
            Self::XnysExtended => "XNYS-extended",
            Self::Fx => "FX",
            Self::AlwaysOpen => "24x7",
        }
    }

    /// The calendar of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|calendar| calendar.as_str() == name)
    }

    /// Every session that overlaps `range`, in order.
    #[must_use]
    pub fn sessions(self, range: TimeRange) -> Vec<Session> {
        let Some(known) = range.intersect(TimeRange { start: FIRST, end: END }) else { return Vec::new() };
        let (Some(first), Some(last)) = (self.local_date(known.start), self.local_date(known.end.plus(-1))) else {
            return Vec::new();
        };
        first
            .iter_days()
            .take_while(|day| *day <= last)
            .filter_map(|day| self.session_on(day))
            .filter(|session| session.open < known.end && known.start < session.close)
            .collect()
    }

    /// The session of the local day `day`, if there is one. Outside of 1990 to 2035 by the rule alone.
    #[must_use]
    pub fn session_on(self, day: NaiveDate) -> Option<Session> {
        match self {
            Self::Xnys => xnys::regular_hours(day).map(|hours| in_new_york(day, hours)),
            Self::XnysExtended => xnys::extended_hours(day).map(|hours| in_new_york(day, hours)),
            Self::Fx => {
                let is_weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
                let is_traded = !is_weekend && overrides::installed(self, day).is_none();
                is_traded.then_some(Session { open: self.day_start(day), close: self.day_start(shift(day, 1)?) })
            }
            Self::AlwaysOpen => {
                let open = Timestamp::from(day.and_time(NaiveTime::MIN).and_utc());
                Some(Session { open, close: open.plus(DAY) })
            }
        }
    }

    /// Where the bar that holds `at` begins. Up to h1 the grid is that of the epoch; h4 counts from the start of the
    /// exchange's day, so that no bar spans two; d1 is its day and w1 begins with its Sunday, as Polygon aligns them.
    #[must_use]
    pub fn bar_start(self, timeframe: Timeframe, at: Timestamp) -> Timestamp {
        match timeframe {
            Timeframe::H4 => {
                let day = self.day_of(at, 0);
                day.plus((at.0 - day.0).div_euclid(4 * HOUR) * 4 * HOUR)
            }
            Timeframe::D1 => self.day_of(at, 0),
            Timeframe::W1 => {
                let since_sunday = self.local_date(at).map_or(0, |day| day.weekday().num_days_from_sunday());
                self.day_of(at, -i64::from(since_sunday))
            }
            fixed => Timestamp(at.0.div_euclid(fixed.millis()) * fixed.millis()),
        }
    }

    /// The first instant after the bar that holds `at`.
    #[must_use]
    pub fn bar_end(self, timeframe: Timeframe, at: Timestamp) -> Timestamp {
        let start = self.bar_start(timeframe, at);
        match timeframe {
            Timeframe::H4 => start.plus(4 * HOUR).min(self.day_of(start, 1)),
            Timeframe::D1 => self.day_of(start, 1),
            Timeframe::W1 => self.day_of(start, 7),
            fixed => start.plus(fixed.millis()),
        }
    }

    /// Whether a bar can begin at `at`.
    #[must_use]
    pub fn is_on_grid(self, timeframe: Timeframe, at: Timestamp) -> bool {
        self.bar_start(timeframe, at) == at
    }

    /// The end of the newest bar that can no longer change at `now`: the bar under way counts as closed once no session
    /// is left in it.
    #[must_use]
    pub fn closed_through(self, timeframe: Timeframe, now: Timestamp) -> Timestamp {
        let (start, end) = (self.bar_start(timeframe, now), self.bar_end(timeframe, now));
        let rest = TimeRange { start: now, end };
        if self.sessions(rest).is_empty() { end } else { start }
    }

    /// The sessions that overlap `range`, each widened to whole bars and cut at what is closed at `now`. A bar that two
    /// sessions share makes them one span. The week's bar that holds the first known day begins before it: no part of any.
    #[must_use]
    pub fn session_spans(self, timeframe: Timeframe, range: TimeRange, now: Timestamp) -> Vec<TimeRange> {
        let limit = self.closed_through(timeframe, now);
        let mut spans: Vec<TimeRange> = Vec::new();
        for session in self.sessions(range) {
            let start = self.bar_start(timeframe, session.open);
            let start = if start < FIRST { self.bar_end(timeframe, FIRST) } else { start };
            let end = self.bar_end(timeframe, session.close.plus(-1)).min(limit);
            let start = spans.last().map_or(start, |last| start.max(last.end));
            spans.extend(TimeRange::new(start, end));
        }
        spans
    }

    /// When the bars of `range` begin that the market's hours leave room for, `most` of them at most. What is closed in it
    /// is left out by the caller.
    #[must_use]
    pub fn bar_starts(self, timeframe: Timeframe, range: TimeRange, most: usize) -> Vec<Timestamp> {
        let first = self.bar_start(timeframe, range.start);
        let first = if first < range.start { self.bar_end(timeframe, first) } else { first };
        let next = |at: &Timestamp| Some(self.bar_end(timeframe, *at)).filter(|next| next > at);
        std::iter::successors(Some(first), next).take_while(|at| *at < range.end).take(most).collect()
    }

    /// The day at the exchange in which `at` lies.
    #[must_use]
    pub fn local_date(self, at: Timestamp) -> Option<NaiveDate> {
        match self {
            Self::AlwaysOpen => Some(at.to_datetime()?.date_naive()),
            Self::Xnys | Self::XnysExtended => Some(utc_to_new_york(at)?.date()),
            Self::Fx => {
                let wall_clock = utc_to_new_york(at)?;
                shift(wall_clock.date(), i64::from(wall_clock.time() >= wall(17)))
            }
        }
    }

    /// The start of the exchange's day that holds `at`, `days` later. Beyond what chrono knows, `at` itself.
    fn day_of(self, at: Timestamp, days: i64) -> Timestamp {
        self.local_date(at).and_then(|day| shift(day, days)).map_or(at, |day| self.day_start(day))
    }

    /// The first instant of the exchange's day: midnight, or for currencies 17:00 of the evening before.
    #[must_use]
    pub fn day_start(self, day: NaiveDate) -> Timestamp {
        match self {
            Self::Xnys | Self::XnysExtended => new_york_to_utc(day, NaiveTime::MIN),
            Self::Fx => new_york_to_utc(shift(day, -1).unwrap_or(day), wall(17)),
            Self::AlwaysOpen => Timestamp::from(day.and_time(NaiveTime::MIN).and_utc()),
        }
    }
}

fn in_new_york(day: NaiveDate, (open, close): (NaiveTime, NaiveTime)) -> Session {
    Session { open: new_york_to_utc(day, open), close: new_york_to_utc(day, close) }
}

fn shift(day: NaiveDate, days: i64) -> Option<NaiveDate> {
    let distance = Days::new(days.unsigned_abs());
    if days < 0 { day.checked_sub_days(distance) } else { day.checked_add_days(distance) }
}

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn range(start: &str, end: &str) -> TimeRange {
        TimeRange::new(at(start), at(end)).unwrap()
    }

    #[test]
    fn the_session_table_equals_exchange_calendars() {
        let folder = std::env::var("TIDEMARK_FIXTURES").unwrap_or_else(|_| "../../shared/fixtures".to_owned());
        let Ok(table) = std::fs::read_to_string(format!("{folder}/calendar/xnys_sessions.csv")) else {
            eprintln!("skipped: no fixtures in {folder}");
            return;
        };
        let want: Vec<Session> = table
            .lines()
            .skip(1)
            .map(|line| {
                let fields: Vec<_> = line.split(',').collect();
                Session { open: at(fields[1]), close: at(fields[2]) }
            })
            .collect();
        assert_eq!(want.len(), 11_577);
        assert_eq!(Calendar::Xnys.sessions(TimeRange { start: FIRST, end: END }), want);
    }

    #[test]
    fn the_session_table_has_the_digest_of_exchange_calendars() {
        let days = FIRST.to_datetime().unwrap().date_naive().iter_days();
        let text: String = days
            .take_while(|day| day.year() < 2036)
            .map(|day| match Calendar::Xnys.session_on(day) {
                Some(session) => format!("{day},{},{}\n", session.open, session.close),
                None => format!("{day},,\n"),
            })
            .collect();
        let digest: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, include_str!("../data/xnys.digest").trim(), "market/data/check_xnys.py tells what differs");
    }

    #[test]
    fn holidays_early_closes_and_both_clocks_count() {
        let week = Calendar::Xnys.sessions(range("2024-07-01T00:00:00Z", "2024-07-06T00:00:00Z"));
        let closes: Vec<_> = week.iter().map(|session| session.close.to_string()).collect();
        assert_eq!(
            closes,
            ["2024-07-01T20:00:00Z", "2024-07-02T20:00:00Z", "2024-07-03T17:00:00Z", "2024-07-05T20:00:00Z"]
        );
        let winter = Calendar::Xnys.sessions(range("2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z"));
        assert_eq!(winter[0].open, at("2024-01-02T14:30:00Z"));
    }

    #[test]
    fn coarse_bars_begin_where_polygon_begins_them() {
        // Recorded AAPL day bars: one of winter time and one under daylight saving time.
        assert!(Calendar::Xnys.is_on_grid(Timeframe::D1, Timestamp(1_672_722_000_000)));
        assert_eq!(Calendar::Xnys.bar_start(Timeframe::D1, at("2005-04-04T15:00:00Z")), Timestamp(1_112_587_200_000));
        assert_eq!(
            Calendar::Xnys.bar_start(Timeframe::W1, at("2024-03-13T15:00:00Z")),
            at("2024-03-10T05:00:00Z"),
            "a week that begins under winter time"
        );
        assert_eq!(Calendar::Xnys.bar_end(Timeframe::W1, at("2024-03-13T15:00:00Z")), at("2024-03-17T04:00:00Z"));
    }

    #[test]
    fn an_hour_series_is_asked_for_whole_hours_that_are_closed() {
        let day = range("2024-03-13T13:00:00Z", "2024-03-13T20:00:00Z");
        let spans = |now| Calendar::Xnys.session_spans(Timeframe::H1, day, at(now));
        assert_eq!(spans("2024-03-13T13:00:00Z"), []);
        assert_eq!(spans("2024-03-13T15:20:00Z"), [range("2024-03-13T13:00:00Z", "2024-03-13T15:00:00Z")]);
        assert_eq!(spans("2024-03-13T20:00:00Z"), [day], "the last bar is closed with the session");
    }

    #[test]
    fn a_day_bar_is_closed_when_its_session_is() {
        let days = range("2024-03-12T12:00:00Z", "2024-03-14T00:00:00Z");
        let ends = |now| Calendar::Xnys.session_spans(Timeframe::D1, days, at(now)).last().map(|span| span.end);
        assert_eq!(ends("2024-03-13T19:59:00Z"), Some(at("2024-03-13T04:00:00Z")));
        assert_eq!(ends("2024-03-13T20:00:00Z"), Some(at("2024-03-14T04:00:00Z")));
    }

    #[test]
    fn no_bar_begins_before_the_first_day() {
        let all = TimeRange { start: FIRST, end: at("1990-02-01T00:00:00Z") };
        for calendar in [Calendar::Xnys, Calendar::XnysExtended, Calendar::AlwaysOpen, Calendar::Fx] {
            for timeframe in Timeframe::ALL {
                let spans = calendar.session_spans(timeframe, all, END);
                let first = spans.first().map(|span| span.start);
                let next = calendar.bar_end(timeframe, FIRST.plus(7 * DAY));
                assert!(
                    first.is_some_and(|first| FIRST <= first && first <= next),
                    "{calendar:?} {timeframe}: {first:?}"
                );
            }
        }
    }

    #[test]
    fn a_week_is_closed_on_friday_evening() {
        let ends = |now| {
            let range = range("2024-03-04T00:00:00Z", "2024-03-16T00:00:00Z");
            Calendar::Xnys.session_spans(Timeframe::W1, range, at(now)).last().map(|span| span.end)
        };
        assert_eq!(ends("2024-03-15T19:00:00Z"), Some(at("2024-03-10T05:00:00Z")));
        assert_eq!(ends("2024-03-15T20:00:00Z"), Some(at("2024-03-17T04:00:00Z")));
    }
}
