//! From a row to a bar at its place in time, checked.

use chrono::{NaiveDate, NaiveDateTime};
use tidemark_market::calendar::{self, Calendar};
use tidemark_market::layer::{has_layer, settled_through, writable_from};
use tidemark_market::time::DAY;
use tidemark_market::validate::{self, Defect};
use tidemark_market::{Bar, Layer, TimeRange, Timeframe, Timestamp};

use super::FileError;
use super::infer::Zone;
use super::rejects::{Reason, Reject};
use super::rows::Row;
use super::times::{Moment, Style, resolve, written};
use super::window::Placed;

/// The series rows are for, and what its layers take now.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// By whose sessions.
    pub calendar: Calendar,
    /// Of which bars.
    pub timeframe: Timeframe,
    /// The layer that was asked for; by the row's time where `None`.
    pub layer: Option<Layer>,
    /// Bars that begin before have ended.
    pub closed_through: Timestamp,
    /// Bars that begin before are settled.
    pub settled_through: Timestamp,
    /// Intraday bars begin here or later.
    pub intraday_from: Timestamp,
}

impl Rules {
    /// Those at `now`.
    pub fn at(now: Timestamp, calendar: Calendar, timeframe: Timeframe, layer: Option<Layer>) -> Self {
        Self {
            calendar,
            timeframe,
            layer,
            closed_through: calendar.closed_through(timeframe, now),
            settled_through: settled_through(calendar, timeframe, now),
            intraday_from: writable_from(calendar, timeframe, now),
        }
    }

    /// The time over which a layer takes bars.
    pub fn open_to(&self, layer: Layer) -> TimeRange {
        match layer {
            Layer::Historical => TimeRange { start: calendar::FIRST, end: self.settled_through },
            _ => TimeRange { start: self.intraday_from, end: self.closed_through },
        }
    }

    /// Where a bar at `ts` goes. What a row says of itself counts more than its time, so that an export goes back to
    /// where it came from.
    fn layer_of(&self, ts: Timestamp, said: Option<Layer>) -> Result<Layer, Reason> {
        let by_time = if ts < self.settled_through { Layer::Historical } else { Layer::Intraday };
        let layer = self.layer.or(said).unwrap_or(by_time);
        if ts >= self.closed_through {
            return Err(Reason::NotClosed);
        }
        if !has_layer(self.timeframe, layer) {
            return Err(Reason::NotSettled);
        }
        match layer {
            Layer::Historical if ts >= self.settled_through => Err(Reason::NotSettled),
            Layer::Intraday if ts < self.intraday_from => Err(Reason::NotRecent),
            _ => Ok(layer),
        }
    }
}

/// Places the rows of one file, in the order in which they come.
pub struct Placer {
    rules: Rules,
    zone: Zone,
    path: String,
    unit: &'static str,
    /// The first row, and how its time is written.
    first: Option<(u64, Style)>,
    last: Option<Timestamp>,
    /// The session of the last row that was in one.
    session: Option<TimeRange>,
    /// How many day or week bars were put on the grid.
    pub moved: u64,
}

impl Placer {
    /// For the file at `path`, whose numbers count `unit`s.
    pub const fn new(rules: Rules, zone: Zone, path: String, unit: &'static str) -> Self {
        Self { rules, zone, path, unit, first: None, last: None, session: None, moved: 0 }
    }

    /// The row's bar, or why it is none.
    ///
    /// # Errors
    /// Where the row's time is of another zone than those before.
    pub fn place(&mut self, row: Row) -> Result<Result<Placed, Reject>, FileError> {
        self.check_style(&row)?;
        let (number, checked) = (row.number, self.check(&row));
        let text = row.into_text();
        Ok(match checked {
            Ok((bar, session, layer)) => Ok(Placed { bar, session, layer, number, text }),
            Err((reason, detail)) => Err(Reject { number, reason, detail, text }),
        })
    }

    fn check_style(&mut self, row: &Row) -> Result<(), FileError> {
        let style = row.moment.style();
        let (first, first_style) = *self.first.get_or_insert((row.number, style));
        if first_style.agrees(style) {
            return Ok(());
        }
        Err(FileError::MixedZones {
            path: self.path.clone(),
            unit: self.unit,
            first,
            first_style: first_style.describe(),
            second: row.number,
            second_style: style.describe(),
        })
    }

    fn check(&mut self, row: &Row) -> Result<(Bar, TimeRange, Layer), (Reason, String)> {
        let ts = self.time(row.moment)?;
        self.last = Some(ts);
        if ts < calendar::FIRST {
            return Err((Reason::TooEarly, format!("{ts} is before 1990, the first year that is known")));
        }
        let bar = row.bar(ts);
        let known = TimeRange { start: calendar::FIRST, end: calendar::END };
        if let Some(defect) = validate::defect(&bar, known, self.rules.timeframe, self.rules.calendar) {
            return Err(self.explain(defect, ts));
        }
        let layer = self.rules.layer_of(ts, row.layer).map_err(|reason| (reason, ts.to_string()))?;
        let session = self.session_of(ts).ok_or_else(|| (Reason::OutOfSession, ts.to_string()))?;
        Ok((bar, session, layer))
    }

    fn explain(&self, defect: Defect, ts: Timestamp) -> (Reason, String) {
        match defect {
            Defect::OutsideSlice => (Reason::NotClosed, ts.to_string()),
            Defect::OffGrid => {
                let start = self.rules.calendar.bar_start(self.rules.timeframe, ts);
                let detail = format!("{ts} is inside of the {} bar that begins at {start}", self.rules.timeframe);
                (Reason::Defect(defect), detail)
            }
            other => (Reason::Defect(other), String::new()),
        }
    }

    fn time(&mut self, moment: Moment) -> Result<Timestamp, (Reason, String)> {
        let Rules { calendar, timeframe, .. } = self.rules;
        let found = match moment {
            Moment::Epoch { at, .. } | Moment::Zoned { at, .. } => at,
            Moment::Date(day) => self.day_or_midnight(day)?,
            Moment::Wall(wall) => match moment.day() {
                Some(day) => self.day_or_midnight(day)?,
                None => self.resolve(wall)?,
            },
        };
        let at = if timeframe >= Timeframe::D1 { on_grid(calendar, timeframe, found) } else { found };
        self.moved += u64::from(at != found);
        Ok(at)
    }

    /// Of day and week bars the exchange's day; of others the first instant of the day in the file's zone.
    fn day_or_midnight(&self, day: NaiveDate) -> Result<Timestamp, (Reason, String)> {
        let is_day = self.rules.timeframe >= Timeframe::D1;
        if is_day { Ok(self.rules.calendar.day_start(day)) } else { self.resolve(day.into()) }
    }

    fn resolve(&self, wall: NaiveDateTime) -> Result<Timestamp, (Reason, String)> {
        let unreadable = |detail| (Reason::Unreadable, detail);
        let Zone::Given(zone) = self.zone else {
            let time = written(Moment::Wall(wall));
            return Err(unreadable(format!("{time} has no time zone, and the rows before are days; give --time-zone")));
        };
        let skipped = || unreadable(format!("the clocks of {zone} never show {}", written(Moment::Wall(wall))));
        resolve(zone, wall, self.last).ok_or_else(skipped)
    }

    fn session_of(&mut self, ts: Timestamp) -> Option<TimeRange> {
        if let Some(session) = self.session.filter(|session| session.contains(ts)) {
            return Some(session);
        }
        let Rules { calendar, timeframe, .. } = self.rules;
        let bar = TimeRange { start: ts, end: calendar.bar_end(timeframe, ts) };
        let found = calendar.session_spans(timeframe, bar, calendar::END).into_iter().find(|span| span.contains(ts));
        self.session = found.or(self.session);
        found
    }
}

/// Where the bar of a day or week begins that a file puts at `at`: the exchange's midnight, its open or close, or
/// midnight UTC of its date. Another time is left as it is, and is off the grid.
fn on_grid(calendar: Calendar, timeframe: Timeframe, at: Timestamp) -> Timestamp {
    let midnight_utc = at.to_datetime().map(|utc| utc.date_naive()).filter(|_| at.0.rem_euclid(DAY) == 0);
    let day = midnight_utc.or_else(|| calendar.local_date(at));
    let Some(day) = day else { return at };
    let start = calendar.day_start(day);
    let session = calendar.session_on(day);
    let is_edge = session.is_some_and(|session| session.open == at || session.close == at);
    let is_day = midnight_utc.is_some() || start == at || is_edge;
    match calendar {
        _ if !is_day => at,
        // A week of a market that never closes begins on Sunday and no other day.
        Calendar::AlwaysOpen => start,
        _ => calendar.bar_start(timeframe, start),
    }
}

#[cfg(test)]
mod tests {
    use tidemark_market::Hours;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_day_bar_at_the_open_or_at_midnight_utc_is_the_exchanges_day() {
        let day = at("2024-07-02T04:00:00Z");
        for text in ["2024-07-02T00:00:00Z", "2024-07-02T04:00:00Z", "2024-07-02T13:30:00Z", "2024-07-02T20:00:00Z"] {
            assert_eq!(on_grid(Calendar::Xnys, Timeframe::D1, at(text)), day, "{text}");
        }
        let sunday = at("2024-06-30T04:00:00Z");
        assert_eq!(on_grid(Calendar::Xnys, Timeframe::W1, at("2024-07-01T00:00:00Z")), sunday);
        let odd = at("2024-07-02T15:00:00Z");
        assert_eq!(on_grid(Calendar::Xnys, Timeframe::D1, odd), odd);
        let monday = at("2024-07-01T00:00:00Z");
        assert_eq!(on_grid(Calendar::AlwaysOpen, Timeframe::W1, monday), monday);
        assert_eq!(on_grid(Calendar::Fx, Timeframe::D1, at("2024-07-02T00:00:00Z")), at("2024-07-01T21:00:00Z"));
    }

    #[test]
    fn settled_bars_are_historical_and_newer_ones_intraday() {
        let now = at("2024-07-02T15:10:00Z");
        let rules = |timeframe, layer| Rules::at(now, Calendar::Xnys, timeframe, layer);
        let by_time = rules(Timeframe::M5, None);
        assert_eq!(by_time.layer_of(at("2024-07-01T15:00:00Z"), None), Ok(Layer::Historical));
        assert_eq!(by_time.layer_of(at("2024-07-02T14:00:00Z"), None), Ok(Layer::Intraday));
        assert_eq!(by_time.layer_of(at("2024-07-02T15:10:00Z"), None), Err(Reason::NotClosed));
        assert_eq!(by_time.layer_of(at("2024-07-01T15:00:00Z"), Some(Layer::Intraday)), Ok(Layer::Intraday));
        let historical = rules(Timeframe::M5, Some(Layer::Historical));
        assert_eq!(historical.layer_of(at("2024-07-02T14:00:00Z"), None), Err(Reason::NotSettled));
        let intraday = rules(Timeframe::M5, Some(Layer::Intraday));
        assert_eq!(intraday.layer_of(at("2024-05-02T14:00:00Z"), None), Err(Reason::NotRecent));
        assert_eq!(rules(Timeframe::D1, None).layer_of(at("2024-07-02T04:00:00Z"), None), Err(Reason::NotClosed));
    }

    #[test]
    fn a_row_of_another_zone_ends_the_file() {
        let rules = Rules::at(at("2024-07-02T15:10:00Z"), Calendar::AlwaysOpen, Timeframe::H1, None);
        let mut placer = Placer::new(rules, Zone::None, "f".to_owned(), "line");
        let row = |number, time: &str| Row {
            number,
            moment: Moment::parse(time).unwrap(),
            prices: [1.0; 4],
            volume: 1.0,
            vwap: None,
            trades: None,
            layer: None,
            text: None,
        };
        assert!(placer.place(row(2, "2024-03-10T06:00:00-05:00")).unwrap().is_ok());
        assert!(placer.place(row(3, "2024-03-10T08:00:00-04:00")).unwrap().is_ok(), "clocks were changed");
        let mixed = placer.place(row(4, "2024-03-10T13:00:00Z")).unwrap_err().to_string();
        assert!(mixed.contains("line 2 has the offset -05:00, line 4 has the offset +00:00"), "{mixed}");
    }

    #[test]
    fn what_lies_outside_of_the_sessions_is_named_so() {
        let now = at("2024-07-02T15:10:00Z");
        let place = |hours: Hours, time: &str| {
            let calendar = if hours == Hours::Regular { Calendar::Xnys } else { Calendar::XnysExtended };
            let mut placer =
                Placer::new(Rules::at(now, calendar, Timeframe::M1, None), Zone::None, "f".to_owned(), "line");
            let moment = Moment::parse(time).unwrap();
            let row = Row {
                number: 1,
                moment,
                prices: [1.0; 4],
                volume: 1.0,
                vwap: None,
                trades: None,
                layer: None,
                text: None,
            };
            placer.place(row).unwrap().map(|placed| placed.bar.ts).map_err(|reject| reject.reason)
        };
        assert_eq!(place(Hours::Regular, "2024-07-01T08:00:00Z"), Err(Reason::OutOfSession));
        assert_eq!(place(Hours::Extended, "2024-07-01T08:00:00Z"), Ok(at("2024-07-01T08:00:00Z")));
        assert_eq!(place(Hours::Regular, "1985-07-01T15:00:00Z"), Err(Reason::TooEarly));
        assert_eq!(place(Hours::Regular, "2045-07-03T15:00:00Z"), Err(Reason::NotClosed));
        assert_eq!(place(Hours::Regular, "2024-07-01T15:00:01Z"), Err(Reason::Defect(Defect::OffGrid)));
    }
}
