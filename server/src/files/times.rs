//! How files write times.
//!
//! Read are epoch seconds, milliseconds, microseconds and nanoseconds, told by their magnitude; `YYYY-MM-DD`,
//! `YYYY/MM/DD`, `YYYY.MM.DD` and `YYYYMMDD`; and each of these followed by a space or `T`, `HH:MM`, `HH:MM:SS`,
//! `HH:MM:SS.fff` or `HHMM[SS]`, and a zone: `Z`, `UTC` or an offset. Dates with the day or month first are not: one can't
//! tell them apart.

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone};
use chrono_tz::Tz;
use tidemark_market::Timestamp;

use super::window::Direction;

/// A time as a file has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A number that counts from 1970 in UTC.
    Epoch {
        /// The instant.
        at: Timestamp,
        /// What it counts.
        unit: Unit,
    },
    /// A text with an offset, or an Arrow time with a zone.
    Zoned {
        /// The instant.
        at: Timestamp,
        /// Seconds east of UTC.
        offset: i32,
    },
    /// What a clock showed somewhere.
    Wall(NaiveDateTime),
    /// A day somewhere.
    Date(NaiveDate),
}

/// What an epoch number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 1
    Seconds,
    /// 1 / 1,000
    Milliseconds,
    /// 1 / 1,000,000
    Microseconds,
    /// 1 / 1,000,000,000
    Nanoseconds,
}

impl Unit {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
        }
    }

    /// `number` of these as a time; `None` where it is not a whole number of milliseconds, as no bar's time is.
    pub fn timestamp(self, number: i64) -> Option<Timestamp> {
        let whole = |per_milli| (number % per_milli == 0).then_some(Timestamp(number / per_milli));
        match self {
            Self::Seconds => number.checked_mul(1_000).map(Timestamp),
            Self::Milliseconds => Some(Timestamp(number)),
            Self::Microseconds => whole(1_000),
            Self::Nanoseconds => whole(1_000_000),
        }
    }

    /// By magnitude: from 1973 to 5138 the four do not overlap.
    const fn of(number: i64) -> Self {
        match number.unsigned_abs() {
            0..100_000_000_000 => Self::Seconds,
            100_000_000_000..100_000_000_000_000 => Self::Milliseconds,
            100_000_000_000_000..100_000_000_000_000_000 => Self::Microseconds,
            _ => Self::Nanoseconds,
        }
    }
}

/// In which way times are written; those of one file are in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Numbers.
    Epoch(Unit),
    /// With an offset, in seconds east of UTC.
    Zoned(i32),
    /// Without a zone.
    Local,
}

impl Style {
    /// Whether both can be in one file. Offsets an hour apart are those of one place, whose clocks are changed.
    pub fn agrees(self, other: Self) -> bool {
        match (self, other) {
            (Self::Epoch(_), Self::Epoch(_)) | (Self::Local, Self::Local) => true,
            (Self::Zoned(one), Self::Zoned(other)) => (one - other).abs() <= 3_600,
            _ => false,
        }
    }

    /// In words, after "has".
    pub fn describe(self) -> String {
        match self {
            Self::Epoch(unit) => format!("epoch {}", unit.as_str()),
            Self::Zoned(0) => "the offset +00:00".to_owned(),
            Self::Zoned(offset) => {
                let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 60);
                format!("the offset {sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            Self::Local => "no zone".to_owned(),
        }
    }
}

impl Moment {
    /// A number of a column of times.
    pub fn of_epoch(number: i64) -> Option<Self> {
        let unit = Unit::of(number);
        Some(Self::Epoch { at: unit.timestamp(number)?, unit })
    }

    /// A cell of a column of times.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_number =
            !text.is_empty() && text.bytes().enumerate().all(|(at, b)| b.is_ascii_digit() || (at == 0 && b == b'-'));
        if is_number && text.len() != 8 {
            return Self::of_epoch(text.parse().ok()?);
        }
        dated(text).or_else(|| fractional_epoch(text))
    }

    /// How it is written.
    pub const fn style(self) -> Style {
        match self {
            Self::Epoch { unit, .. } => Style::Epoch(unit),
            Self::Zoned { offset, .. } => Style::Zoned(offset),
            Self::Wall(_) | Self::Date(_) => Style::Local,
        }
    }

    /// The instant, with what has no zone read as if in UTC. Enough to tell steps by.
    pub fn roughly(self) -> Timestamp {
        match self {
            Self::Epoch { at, .. } | Self::Zoned { at, .. } => at,
            Self::Wall(wall) => wall.and_utc().into(),
            Self::Date(day) => day.and_time(NaiveTime::MIN).and_utc().into(),
        }
    }

    /// The day, where it is one: a date, or midnight without a zone, as many writers put dates.
    pub fn day(self) -> Option<NaiveDate> {
        match self {
            Self::Date(day) => Some(day),
            Self::Wall(wall) if wall.time() == NaiveTime::MIN => Some(wall.date()),
            _ => None,
        }
    }
}

/// Why a clock's time is no instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// The clocks skip it.
    Skipped,
    /// They show it twice, and rows do not tell which is meant.
    Ambiguous,
}

/// When the clocks of `zone` show `wall`. Of two such times the one that rows come to first is meant, until clocks jump: by
/// half of what they are changed by, or by as much as bars of `bar_millis` show. `last` is the time of the row before.
pub fn resolve(
    zone: Tz,
    wall: NaiveDateTime,
    last: Option<Timestamp>,
    direction: Direction,
    bar_millis: i64,
) -> Result<Timestamp, Unresolved> {
    let at = |time: DateTime<Tz>| Timestamp(time.timestamp_millis());
    let (earlier, later) = match zone.from_local_datetime(&wall) {
        LocalResult::None => return Err(Unresolved::Skipped),
        LocalResult::Single(only) => return Ok(at(only)),
        LocalResult::Ambiguous(earlier, later) => (earlier, later),
    };
    let (near, far, sign) = match direction {
        Direction::OldestFirst => (earlier, later, 1),
        Direction::NewestFirst => (later, earlier, -1),
    };
    let last = last.ok_or(Unresolved::Ambiguous)?;
    let ahead = |time: DateTime<Tz>| (at(time).0 - last.0) * sign;
    let changed_by = later.timestamp_millis() - earlier.timestamp_millis();
    let jump = (changed_by / 2).min(changed_by - bar_millis).max(0);
    let offset = last.to_datetime().map(|last| zone.offset_from_utc_datetime(&last.naive_utc()).fix());
    if ahead(near) > 0 {
        Ok(at(near))
    } else if offset == Some(near.offset().fix()) {
        match -ahead(near) {
            back if (jump..changed_by).contains(&back) => Ok(at(far)),
            0 => Ok(at(near)),
            _ => Err(Unresolved::Ambiguous),
        }
    } else if ahead(far) >= 0 {
        Ok(at(far))
    } else {
        Err(Unresolved::Ambiguous)
    }
}

/// As tables that know no whole numbers write epochs: `1401956100.0`, `1.4019561e9`.
fn fractional_epoch(text: &str) -> Option<Moment> {
    let number: f64 = text.parse().ok()?;
    let is_whole = number.fract() == 0.0 && (1e8..9e18).contains(&number.abs());
    #[expect(clippy::cast_possible_truncation, reason = "checked to be a whole number in range")]
    is_whole.then(|| Moment::of_epoch(number as i64))?
}

fn dated(text: &str) -> Option<Moment> {
    let mut cursor = Cursor(text.as_bytes());
    let day = cursor.date()?;
    if cursor.0.is_empty() {
        return Some(Moment::Date(day));
    }
    if !cursor.eat(b" Tt") {
        return None;
    }
    let wall = day.and_time(cursor.time()?);
    if cursor.0.is_empty() {
        return Some(Moment::Wall(wall));
    }
    let offset = cursor.offset()?;
    let at = Timestamp::from(wall.and_utc()).plus(-i64::from(offset) * 1_000);
    cursor.0.is_empty().then_some(Moment::Zoned { at, offset })
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn eat(&mut self, any_of: &[u8]) -> bool {
        let is_there = self.0.first().is_some_and(|byte| any_of.contains(byte));
        self.0 = &self.0[usize::from(is_there)..];
        is_there
    }

    fn number(&mut self, digits: usize) -> Option<u32> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        let read =
            number.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))?;
        self.0 = rest;
        Some(read)
    }

    fn date(&mut self) -> Option<NaiveDate> {
        let year = self.number(4)?;
        let separator = self.0.first().copied().filter(|byte| b"-/.".contains(byte));
        self.eat(b"-/.");
        let month = self.number(2)?;
        if separator.is_some_and(|separator| !self.eat(&[separator])) {
            return None;
        }
        NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, self.number(2)?)
    }

    fn time(&mut self) -> Option<NaiveTime> {
        let hour = self.number(2)?;
        let has_colons = self.eat(b":");
        let minute = self.number(2)?;
        let has_seconds = if has_colons { self.eat(b":") } else { self.0.first().is_some_and(u8::is_ascii_digit) };
        let second = if has_seconds { self.number(2)? } else { 0 };
        let millis = if has_seconds && self.eat(b".") { self.millis()? } else { 0 };
        NaiveTime::from_hms_milli_opt(hour, minute, second, millis)
    }

    /// `None` where it is finer than milliseconds, as no bar's time is.
    fn millis(&mut self) -> Option<u32> {
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (fraction, rest) = self.0.split_at(digits);
        let (millis, finer) = fraction.split_at(digits.min(3));
        if digits == 0 || finer.iter().any(|digit| *digit != b'0') {
            return None;
        }
        self.0 = rest;
        let mut sum = 0;
        for at in 0..3 {
            sum = sum * 10 + millis.get(at).map_or(0, |digit| u32::from(digit - b'0'));
        }
        Some(sum)
    }

    fn offset(&mut self) -> Option<i32> {
        self.eat(b" ");
        if self.0.eq_ignore_ascii_case(b"utc") || self.0.eq_ignore_ascii_case(b"gmt") {
            self.0 = &[];
            return Some(0);
        }
        if self.eat(b"Zz") {
            return Some(0);
        }
        let is_west = self.0.first() == Some(&b'-');
        if !self.eat(b"+-") {
            return None;
        }
        let hours = self.number(2)?;
        let has_minutes = self.eat(b":") || !self.0.is_empty();
        let minutes = if has_minutes { self.number(2)? } else { 0 };
        let seconds = i32::try_from((hours * 60 + minutes) * 60).ok().filter(|seconds| *seconds < 86_400)?;
        Some(if is_west { -seconds } else { seconds })
    }
}

/// A moment as it would be written, for rows whose text is not at hand.
pub fn written(moment: Moment) -> String {
    match moment {
        Moment::Epoch { at, .. } | Moment::Zoned { at, .. } => at.to_string(),
        Moment::Wall(wall) => wall.format("%Y-%m-%d %H:%M:%S").to_string(),
        Moment::Date(day) => day.to_string(),
    }
}

/// The wall time or day that Arrow keeps as milliseconds since 1970 without a zone.
pub fn wall_of_millis(millis: i64) -> Option<NaiveDateTime> {
    Timestamp(millis).to_datetime().map(|at| at.naive_utc())
}

/// Whether the text is a time of day alone, as in a column next to one of dates.
pub fn is_time_of_day(text: &str) -> bool {
    let mut cursor = Cursor(text.trim().as_bytes());
    cursor.time().is_some() && (cursor.0.is_empty() || cursor.offset().is_some())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidemark_market::time::{HOUR, MINUTE};

    use super::*;

    fn instant(text: &str) -> String {
        match Moment::parse(text) {
            Some(Moment::Epoch { at, .. } | Moment::Zoned { at, .. }) => at.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn every_way_to_write_an_instant_is_read() {
        for text in [
            "1401956100",
            "1401956100000",
            "1401956100000000",
            "1401956100000000000",
            "1401956100.0",
            "1.4019561e9",
            "2014-06-05T08:15:00Z",
            "2014-06-05 08:15:00+00:00",
            "2014-06-05T08:15Z",
            "20140605 081500 UTC",
            "2014-06-05T04:15:00.000-04:00",
            "2014/06/05 13:45:00+0530",
            "2014.06.05 10:15+02",
            " 2014-06-05T08:15:00.000000Z ",
        ] {
            assert_eq!(instant(text), "2014-06-05T08:15:00Z", "{text}");
        }
    }

    #[test]
    fn days_and_walls_are_told_from_instants() {
        let day = NaiveDate::from_ymd_opt(2014, 6, 5).unwrap();
        for text in ["2014-06-05", "20140605", "2014/06/05"] {
            assert_eq!(Moment::parse(text), Some(Moment::Date(day)), "{text}");
        }
        for text in ["2014-06-05 08:15", "2014-06-05T08:15:00", "20140605 081500", "20140605 0815"] {
            assert_eq!(Moment::parse(text), Some(Moment::Wall(day.and_hms_opt(8, 15, 0).unwrap())), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "-",
            "abc",
            "06/05/2014",
            "2014-13-05",
            "2014-06-05T25:00Z",
            "2014-06-05T08:15:00.0005Z",
            "1401956100000001000",
            "2014-06-05T08:15:00X",
            "2014-06/05",
            "NaN",
            "1e400",
            "2014-06-05T08:15:00+99:00",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_hour_that_clocks_show_twice_is_read_either_way_in_every_timeframe() {
        for (zone, changed) in [
            (chrono_tz::America::New_York, "2024-11-03T06:00:00Z"),
            (chrono_tz::Europe::London, "2024-10-27T01:00:00Z"),
            (chrono_tz::Australia::Lord_Howe, "2024-04-06T15:00:00Z"),
        ] {
            let changed = Timestamp::parse(changed).unwrap();
            for bar in [1, 5, 15, 30, 60].map(|minutes| minutes * MINUTE) {
                if zone == chrono_tz::Australia::Lord_Howe && bar == HOUR {
                    continue;
                }
                let mut rows: Vec<Timestamp> =
                    (-4 * HOUR / bar..4 * HOUR / bar).map(|n| changed.plus(n * bar)).collect();
                for direction in [Direction::OldestFirst, Direction::NewestFirst] {
                    let mut last = None;
                    for at in &rows {
                        let wall = zone.from_utc_datetime(&at.to_datetime().unwrap().naive_utc()).naive_local();
                        let read = resolve(zone, wall, last, direction, bar);
                        assert_eq!(read, Ok(*at), "{zone} {bar} {direction:?} {wall}");
                        last = read.ok();
                    }
                    rows.reverse();
                }
            }
        }
    }

    #[test]
    fn a_row_twice_or_out_of_its_place_does_not_end_the_hour() {
        let wall = |hour, minute| NaiveDate::from_ymd_opt(2024, 11, 3).unwrap().and_hms_opt(hour, minute, 0).unwrap();
        let zone = chrono_tz::America::New_York;
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let read = |minute, last: &str| resolve(zone, wall(1, minute), Some(at(last)), Direction::OldestFirst, MINUTE);
        assert_eq!(read(30, "2024-11-03T05:30:00Z"), Ok(at("2024-11-03T05:30:00Z")));
        assert_eq!(read(30, "2024-11-03T05:31:00Z"), Err(Unresolved::Ambiguous));
        assert_eq!(read(0, "2024-11-03T05:59:00Z"), Ok(at("2024-11-03T06:00:00Z")));
        assert_eq!(read(30, "2024-11-03T06:31:00Z"), Err(Unresolved::Ambiguous));
        assert_eq!(read(30, "2024-11-03T06:29:00Z"), Ok(at("2024-11-03T06:30:00Z")));
        let none = resolve(zone, wall(1, 30), None, Direction::OldestFirst, MINUTE);
        assert_eq!(none, Err(Unresolved::Ambiguous), "nothing tells");
        let skipped = NaiveDate::from_ymd_opt(2024, 3, 10).unwrap().and_hms_opt(2, 30, 0).unwrap();
        assert_eq!(resolve(zone, skipped, None, Direction::OldestFirst, MINUTE), Err(Unresolved::Skipped));
    }

    proptest! {
        #[test]
        fn what_we_write_is_read_back(seconds in 631_152_000_i64..2_082_758_400) {
            let at = Timestamp(seconds * 1_000);
            prop_assert_eq!(instant(&at.to_string()), at.to_string());
            for number in [seconds, seconds * 1_000, seconds * 1_000_000, seconds * 1_000_000_000] {
                prop_assert_eq!(instant(&number.to_string()), at.to_string());
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,24}") {
            let _ = Moment::parse(&text);
        }
    }
}
