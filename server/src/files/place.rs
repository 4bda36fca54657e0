//! From a row to a bar at its place in time, checked.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use tidemark_market::calendar::{self, Calendar, new_york_to_utc};
use tidemark_market::layer::{Bounds, has_layer};
use tidemark_market::time::DAY;
use tidemark_market::validate::{self, Defect};
use tidemark_market::{Bar, Layer, Symbol, TimeRange, Timeframe, Timestamp};

use super::infer::{Inferred, Zone};
use super::rejects::{Reason, Reject};
use super::rows::{Row, Unread};
use super::times::{Moment, Unresolved, resolve, written};
use super::window::Placed;

/// The time that calendars know.
const KNOWN: TimeRange = TimeRange { start: calendar::FIRST, end: calendar::END };

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
    /// Where the layers meet.
    pub bounds: Bounds,
}

impl Rules {
    /// Those at `now`.
    pub fn at(now: Timestamp, calendar: Calendar, timeframe: Timeframe, layer: Option<Layer>) -> Self {
        Self {
            calendar,
            timeframe,
            layer,
            closed_through: calendar.closed_through(timeframe, now),
            bounds: Bounds::at(calendar, timeframe, now),
        }
    }

    /// Where the bar begins that a file puts at `at`.
    fn on_grid(&self, at: Timestamp) -> Timestamp {
        if self.timeframe >= Timeframe::D1 { on_grid(self.calendar, self.timeframe, at) } else { at }
    }

    /// The time over which a layer takes bars.
    pub fn open_to(&self, layer: Layer) -> TimeRange {
        match layer {
            Layer::Historical => TimeRange { start: calendar::FIRST, end: self.bounds.settled_through },
            _ => TimeRange { start: self.bounds.intraday_from, end: self.closed_through },
        }
    }

    /// Where a bar at `ts` goes. What a row says of itself counts more than its time, so that an export goes back to
    /// where it came from; unless that layer no longer takes it.
    fn layer_of(&self, ts: Timestamp, said: Option<Layer>) -> Result<Layer, Reason> {
        let by_time = if ts < self.bounds.settled_through { Layer::Historical } else { Layer::Intraday };
        let said = said.filter(|layer| *layer != Layer::Intraday || ts >= self.bounds.intraday_from);
        let layer = self.layer.or(said).unwrap_or(by_time);
        if ts >= self.closed_through {
            return Err(Reason::NotClosed);
        }
        if !has_layer(self.timeframe, layer) {
            return Err(Reason::NotSettled);
        }
        match layer {
            Layer::Historical if ts >= self.bounds.settled_through => Err(Reason::NotSettled),
            Layer::Intraday if ts < self.bounds.intraday_from => Err(Reason::NotRecent),
            _ => Ok(layer),
        }
    }
}

/// Places the rows of one file, in the order in which they come.
pub struct Placer {
    rules: Rules,
    symbol: Symbol,
    inferred: Inferred,
    /// The last row that was good.
    last: Option<Timestamp>,
    /// The session of the last row that was in one.
    session: Option<TimeRange>,
    /// How many day or week bars were put on the grid.
    pub moved: u64,
}

impl Placer {
    /// For the bars of `symbol` in the file of which that was told.
    pub const fn new(rules: Rules, symbol: Symbol, inferred: Inferred) -> Self {
        Self { rules, symbol, inferred, last: None, session: None, moved: 0 }
    }

    /// The row's bar, or why it is none.
    pub fn place(&mut self, row: Row) -> Result<Placed, Reject> {
        let (number, moment) = (row.number, row.moment);
        match self.check(&row) {
            Ok((bar, session, layer)) => {
                self.last = Some(bar.ts);
                Ok(Placed { bar, session, layer, number, text: row.into_text() })
            }
            Err((reason, detail)) => {
                let is_told = !matches!(reason, Reason::OtherSymbol | Reason::OtherZone);
                let lost = if is_told { self.bar_at(moment) } else { None };
                Err(Reject { number, reason, detail, lost, text: row.into_text() })
            }
        }
    }

    /// The reject that a row is that could not be read.
    pub fn refuse(&self, unread: Unread) -> Reject {
        let Unread { number, moment, detail, text } = unread;
        let lost = moment.and_then(|moment| self.bar_at(moment));
        Reject { number, reason: Reason::Unreadable, detail, lost, text }
    }

    fn check(&mut self, row: &Row) -> Result<(Bar, TimeRange, Layer), (Reason, String)> {
        self.check_symbol(row)?;
        self.check_style(row)?;
        let found = self.instant(row.moment)?;
        let ts = self.rules.on_grid(found);
        if ts < calendar::FIRST {
            return Err((Reason::TooEarly, format!("{ts} is before 1990, the first year that is known")));
        }
        let bar = row.bar(ts);
        if let Some(defect) = validate::defect(&bar, KNOWN, self.rules.timeframe, self.rules.calendar) {
            return Err(self.explain(defect, ts));
        }
        let layer = self.rules.layer_of(ts, row.layer).map_err(|reason| (reason, ts.to_string()))?;
        let session = self.session_of(ts).ok_or_else(|| (Reason::OutOfSession, ts.to_string()))?;
        self.moved += u64::from(ts != found);
        Ok((bar, session, layer))
    }

    /// What is no symbol tells nothing.
    fn check_symbol(&self, row: &Row) -> Result<(), (Reason, String)> {
        let Some(named) = &row.symbol else { return Ok(()) };
        if letters(named).eq(letters(self.symbol.as_str())) || named.parse::<Symbol>().is_err() {
            return Ok(());
        }
        Err((Reason::OtherSymbol, format!("it is of {named}, not of {}", self.symbol)))
    }

    fn check_style(&self, row: &Row) -> Result<(), (Reason, String)> {
        let ((first, first_style), style) = (self.inferred.first, row.moment.style());
        if first_style.agrees(style) {
            return Ok(());
        }
        let unit = self.inferred.unit;
        let detail = format!("it has {}, and {unit} {first} has {}", style.describe(), first_style.describe());
        Err((Reason::OtherZone, detail))
    }

    /// The bar in which `moment` lies.
    fn bar_at(&self, moment: Moment) -> Option<TimeRange> {
        let Rules { calendar, timeframe, .. } = self.rules;
        let ts = self.rules.on_grid(self.instant(moment).ok().filter(|at| KNOWN.contains(*at))?);
        TimeRange::new(calendar.bar_start(timeframe, ts), calendar.bar_end(timeframe, ts))
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

    fn instant(&self, moment: Moment) -> Result<Timestamp, (Reason, String)> {
        match moment {
            Moment::Epoch { at, .. } | Moment::Zoned { at, .. } => Ok(at),
            Moment::Date(day) => self.day_or_midnight(day),
            Moment::Wall(wall) => moment.day().map_or_else(|| self.resolve(wall), |day| self.day_or_midnight(day)),
        }
    }

    /// Of day and week bars the exchange's day; of others the first instant of the day in the file's zone.
    fn day_or_midnight(&self, day: NaiveDate) -> Result<Timestamp, (Reason, String)> {
        let is_day = self.rules.timeframe >= Timeframe::D1;
        if is_day { Ok(self.rules.calendar.day_start(day)) } else { self.resolve(day.into()) }
    }

    fn resolve(&self, wall: NaiveDateTime) -> Result<Timestamp, (Reason, String)> {
        let time = || written(Moment::Wall(wall));
        let Zone::Given(zone) = self.inferred.zone else {
            let detail = format!("{} has no time zone, and the rows before are days; give --time-zone", time());
            return Err((Reason::Unreadable, detail));
        };
        resolve(zone, wall, self.last, self.inferred.direction, self.rules.timeframe.millis()).map_err(
            |why| match why {
                Unresolved::Skipped => (Reason::Unreadable, format!("the clocks of {zone} never show {}", time())),
                Unresolved::Ambiguous => {
                    let twice = format!("the clocks of {zone} show {} twice; write it with its offset", time());
                    (Reason::Ambiguous, twice)
                }
            },
        )
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

/// What tells one ticker from another: files write a pair as `BTC/USD`, `BTC-USD` or `BTCUSD`, and leave its venue out.
fn letters(symbol: &str) -> impl Iterator<Item = char> {
    let ticker = symbol.rsplit(':').next().unwrap_or(symbol);
    ticker.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase())
}

/// Where the bar of a day or week begins that a file puts at `at`: the exchange's midnight, its open or close, or
/// midnight UTC of its date. Another time is left as it is, and is off the grid.
fn on_grid(calendar: Calendar, timeframe: Timeframe, at: Timestamp) -> Timestamp {
    let midnight_utc = at.to_datetime().map(|utc| utc.date_naive()).filter(|_| at.0.rem_euclid(DAY) == 0);
    let day = midnight_utc.or_else(|| calendar.local_date(at));
    let Some(day) = day else { return at };
    let start = calendar.day_start(day);
    let session = calendar.session_on(day);
    // Many writers know no early close.
    let is_usual_close = matches!(calendar, Calendar::Xnys | Calendar::XnysExtended)
        && NaiveTime::from_hms_opt(16, 0, 0).is_some_and(|close| new_york_to_utc(day, close) == at);
    let is_edge = session.is_some_and(|session| session.open == at || session.close == at || is_usual_close);
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

    use super::super::times::Style;
    use super::super::window::Direction;
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
        let early = at("2024-07-03T20:00:00Z");
        assert_eq!(on_grid(Calendar::Xnys, Timeframe::D1, early), at("2024-07-03T04:00:00Z"), "closed at 13:00");
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
        assert_eq!(by_time.layer_of(at("2024-05-02T14:00:00Z"), Some(Layer::Intraday)), Ok(Layer::Historical));
        let historical = rules(Timeframe::M5, Some(Layer::Historical));
        assert_eq!(historical.layer_of(at("2024-07-02T14:00:00Z"), None), Err(Reason::NotSettled));
        let intraday = rules(Timeframe::M5, Some(Layer::Intraday));
        assert_eq!(intraday.layer_of(at("2024-05-02T14:00:00Z"), None), Err(Reason::NotRecent));
        assert_eq!(rules(Timeframe::D1, None).layer_of(at("2024-07-02T04:00:00Z"), None), Err(Reason::NotClosed));
    }

    fn placer(calendar: Calendar, timeframe: Timeframe) -> Placer {
        let rules = Rules::at(at("2024-07-02T15:10:00Z"), calendar, timeframe, None);
        let inferred = Inferred {
            timeframe,
            zone: Zone::None,
            direction: Direction::OldestFirst,
            first: (1, Style::Zoned(0)),
            description: String::new(),
            unit: "line",
        };
        Placer::new(rules, "X:BTCUSD".parse().unwrap(), inferred)
    }

    fn row(time: &str) -> Row {
        Row {
            number: 1,
            moment: Moment::parse(time).unwrap(),
            prices: [1.0; 4],
            volume: 1.0,
            vwap: None,
            trades: None,
            layer: None,
            symbol: None,
            text: None,
        }
    }

    #[test]
    fn a_row_of_another_symbol_is_refused_however_it_is_written() {
        let mut placer = placer(Calendar::AlwaysOpen, Timeframe::H1);
        let mut place = |symbol: &str| {
            let row = Row { symbol: Some(symbol.into()), ..row("2024-03-10T06:00:00Z") };
            placer.place(row).map(|_| ()).map_err(|reject| reject.reason)
        };
        for same in ["BTC/USD", "btc-usd", "X:BTCUSD", "BTCUSD", "", "n. a."] {
            assert_eq!(place(same), Ok(()), "{same}");
        }
        assert_eq!(place("ETH/USD"), Err(Reason::OtherSymbol));
    }

    #[test]
    fn an_average_price_that_is_none_is_left_out() {
        let mut placer = placer(Calendar::AlwaysOpen, Timeframe::H1);
        let mut vwap = |vwap| placer.place(Row { vwap: Some(vwap), ..row("2024-03-10T06:00:00Z") }).unwrap().bar.vwap;
        assert_eq!((vwap(-1.0), vwap(0.0), vwap(1.5)), (None, None, Some(1.5)));
    }

    #[test]
    fn what_lies_outside_of_the_sessions_is_named_so() {
        let place = |hours: Hours, time: &str| {
            let calendar = if hours == Hours::Regular { Calendar::Xnys } else { Calendar::XnysExtended };
            let placed = placer(calendar, Timeframe::M1).place(row(time));
            placed.map(|placed| placed.bar.ts).map_err(|reject| reject.reason)
        };
        assert_eq!(place(Hours::Regular, "2024-07-01T08:00:00Z"), Err(Reason::OutOfSession));
        assert_eq!(place(Hours::Extended, "2024-07-01T08:00:00Z"), Ok(at("2024-07-01T08:00:00Z")));
        assert_eq!(place(Hours::Regular, "1985-07-01T15:00:00Z"), Err(Reason::TooEarly));
        assert_eq!(place(Hours::Regular, "2045-07-03T15:00:00Z"), Err(Reason::NotClosed));
        assert_eq!(place(Hours::Regular, "2024-07-01T15:00:01Z"), Err(Reason::Defect(Defect::OffGrid)));
    }
}
