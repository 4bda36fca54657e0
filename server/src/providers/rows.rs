//! Rows of a JSON answer, read as bars one by one: what can't be read is noted and the rest is kept.

use std::collections::BTreeSet;

use serde_json::Value;
use tidemark_market::resample::resample;
use tidemark_market::validate::{Defect, validate};
use tidemark_market::{Bar, Timeframe, Timestamp};

use super::{FetchRequest, MAX_NOTES};

/// How much of a value a note quotes, in characters.
const MAX_VALUE_CHARS: usize = 40;

/// Where a part of a bar is in its row.
#[derive(Clone, Copy)]
pub(super) enum Column {
    /// In an object, by its key.
    Key(&'static str),
    /// In an array, by its place; the name is for messages.
    At(usize, &'static str),
}

impl Column {
    const fn name(self) -> &'static str {
        match self {
            Self::Key(name) | Self::At(_, name) => name,
        }
    }

    fn of(self, row: &Value) -> Option<&Value> {
        match self {
            Self::Key(key) => row.get(key),
            Self::At(place, _) => row.get(place),
        }
    }
}

/// Where a provider puts the parts of a bar.
pub(super) struct Columns {
    pub time: fn(&Value) -> Result<Timestamp, String>,
    pub open: Column,
    pub high: Column,
    pub low: Column,
    pub close: Column,
    pub volume: Column,
    /// `None` where the provider does not tell it, or tells nonsense.
    pub vwap: fn(&Value) -> Option<f64>,
    /// Left out of a bar as `vwap` is.
    pub trades: Column,
}

/// What has been read so far.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub bars: Vec<Bar>,
    pub notes: Vec<String>,
    seen: usize,
    /// Rows that are no bar though they tell of trades, or may.
    lost: usize,
    /// Where those lie; where that is not told, their readable neighbours.
    doubtful: Vec<Timestamp>,
}

impl Rows {
    pub(super) fn read(&mut self, rows: &[Value], columns: &Columns) {
        for (i, row) in rows.iter().enumerate() {
            self.seen += 1;
            match read_bar(row, columns) {
                Ok(bar) => self.bars.push(bar),
                Err(reason) => {
                    self.note(format!("row {}: {reason}", self.seen));
                    if number(row, columns.volume) != Ok(0.0) {
                        self.lost += 1;
                        self.doubtful.extend(times_around(rows, i, columns));
                    }
                }
            }
        }
    }

    /// Why nothing can be made of these rows, where that is so. Rows without trades are no loss.
    pub(super) fn ruin(&self) -> Option<String> {
        let first = self.notes.first()?;
        (self.bars.is_empty() && self.lost > 0)
            .then(|| format!("none of its {} rows can be read as a bar ({first})", self.seen))
    }

    /// Leaves out the bars in which nothing was traded. A volume that is none is a bar's defect, which is told later.
    pub(super) fn drop_untraded(&mut self) {
        self.bars.retain(|bar| bar.volume != 0.0);
    }

    /// Leaves the bars that begin inside the slice: providers widen a range to whole windows of theirs.
    pub(super) fn trim(&mut self, request: &FetchRequest) {
        self.bars.retain(|bar| request.slice.contains(bar.ts));
    }

    /// Bars of the request's timeframe from finer ones. A bar with a part that is not a good bar would be wrong without
    /// looking so: it is left out, with a note.
    pub(super) fn coarsen(&mut self, finer: Timeframe, request: &FetchRequest) {
        let FetchRequest { timeframe, slice, calendar, .. } = *request;
        let parts = validate(std::mem::take(&mut self.bars), slice, &slice.into(), finer, calendar);
        for (part, defect) in parts.quarantined {
            self.note(format!("{finer} bar at {}: {}", part.ts, defect.as_str()));
            if defect != Defect::Duplicate {
                self.doubtful.push(part.ts);
            }
        }
        let doubtful: BTreeSet<Timestamp> = self
            .doubtful
            .iter()
            .filter(|ts| slice.contains(**ts))
            .map(|ts| calendar.bar_start(timeframe, *ts))
            .collect();
        for start in &doubtful {
            self.note(format!("{timeframe} bar at {start}: left out, since a part of it is missing"));
        }
        self.bars = resample(&parts.bars, timeframe, calendar);
        self.bars.retain(|bar| {
            let is_whole = slice.start <= bar.ts && calendar.bar_end(timeframe, bar.ts) <= slice.end;
            is_whole && !doubtful.contains(&bar.ts)
        });
    }

    fn note(&mut self, note: String) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(note);
        }
    }
}

fn read_bar(row: &Value, columns: &Columns) -> Result<Bar, String> {
    let ts = (columns.time)(row)?;
    let number = |column| number(row, column).map_err(|reason| format!("{reason}, at {ts}"));
    Ok(Bar {
        ts,
        open: number(columns.open)?,
        high: number(columns.high)?,
        low: number(columns.low)?,
        close: number(columns.close)?,
        volume: number(columns.volume)?,
        vwap: (columns.vwap)(row),
        trades: integer(row, columns.trades).ok().and_then(|trades| u32::try_from(trades).ok()),
    })
}

/// The time of row `i`; where it is not readable, of the nearest readable rows before and after it.
fn times_around(rows: &[Value], i: usize, columns: &Columns) -> Vec<Timestamp> {
    let time = |row| (columns.time)(row).ok();
    match time(&rows[i]) {
        Some(ts) => vec![ts],
        None => rows[..i].iter().rev().find_map(time).into_iter().chain(rows[i..].iter().find_map(time)).collect(),
    }
}

/// The number there, which may be written as text.
pub(super) fn number(row: &Value, column: Column) -> Result<f64, String> {
    let number = match column.of(row) {
        Some(Value::String(text)) => text.parse().ok().filter(|number: &f64| number.is_finite()),
        other => other.and_then(Value::as_f64),
    };
    number.ok_or_else(|| not_at(row, column, "a number"))
}

/// The whole number there.
pub(super) fn integer(row: &Value, column: Column) -> Result<i64, String> {
    column.of(row).and_then(Value::as_i64).ok_or_else(|| not_at(row, column, "a whole number"))
}

/// That the value of that name is not what it should be.
pub(super) fn not(row: &Value, name: &'static str, kind: &str) -> String {
    not_at(row, Column::Key(name), kind)
}

fn not_at(row: &Value, column: Column, kind: &str) -> String {
    let name = column.name();
    match column.of(row) {
        Some(value) => {
            format!("{name} is {}, not {kind}", value.to_string().chars().take(MAX_VALUE_CHARS).collect::<String>())
        }
        None => format!("{name} is missing"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidemark_market::TimeRange;
    use tidemark_market::time::{HOUR, MINUTE};

    use super::Column::{At, Key};
    use super::*;

    const OPEN: Timestamp = Timestamp(1_710_338_400_000);
    const COLUMNS: Columns = Columns {
        time: |row| integer(row, Key("t")).map(Timestamp),
        open: Key("o"),
        high: Key("h"),
        low: Key("l"),
        close: Key("c"),
        volume: Key("v"),
        vwap: |row| number(row, Key("vw")).ok(),
        trades: Key("n"),
    };

    fn row(quarter: i64) -> Value {
        json!({"t": OPEN.0 + quarter * 15 * MINUTE, "o": 10.0, "h": 11.0, "l": 9.0, "c": 10.5, "v": 100})
    }

    fn with(mut row: Value, name: &str, value: Value) -> Value {
        row[name] = value;
        row
    }

    fn hours(rows: &[Value]) -> Rows {
        let slice = TimeRange { start: OPEN, end: OPEN.plus(2 * HOUR) };
        let request = FetchRequest {
            symbol: "AAPL".parse().unwrap(),
            timeframe: Timeframe::H1,
            calendar: tidemark_market::Calendar::Xnys,
            slice,
        };
        let mut read = Rows::default();
        read.read(rows, &COLUMNS);
        read.trim(&request);
        read.coarsen(Timeframe::M15, &request);
        read
    }

    #[test]
    fn a_row_that_is_no_bar_is_noted_and_the_rest_is_kept() {
        let mut read = Rows::default();
        let rows = [row(0), with(row(1), "h", json!("NaN")), json!(null), json!([1]), json!({"t": 1.5}), row(2)];
        read.read(&rows, &COLUMNS);
        assert_eq!(read.bars.len(), 2);
        assert_eq!(read.notes[0], "row 2: h is \"NaN\", not a number, at 2024-03-13T14:15:00Z");
        assert_eq!(
            read.notes[1..],
            ["row 3: t is missing", "row 4: t is missing", "row 5: t is 1.5, not a whole number"]
        );
        assert_eq!(read.ruin(), None);
    }

    #[test]
    fn rows_of_which_none_is_a_bar_are_a_failure_unless_nothing_was_traded() {
        let bad = with(row(0), "c", json!("NaN"));
        let mut read = Rows::default();
        read.read(&[with(bad.clone(), "v", json!(0))], &COLUMNS);
        assert_eq!(read.ruin(), None);
        read.read(&vec![bad; 200], &COLUMNS);
        assert!(read.ruin().unwrap().starts_with("none of its 201 rows can be read as a bar (row 1: c is"));
        assert_eq!(read.notes.len(), MAX_NOTES);
    }

    #[test]
    fn rows_may_be_arrays_and_their_numbers_texts() {
        let columns = Columns {
            time: |row| integer(row, At(0, "time")).map(Timestamp),
            open: At(1, "open"),
            high: At(2, "high"),
            low: At(3, "low"),
            close: At(4, "close"),
            volume: At(5, "volume"),
            vwap: |_| None,
            trades: At(6, "trades"),
        };
        let mut read = Rows::default();
        let rows = json!([
            [OPEN.0, "10.50", "11", "9", "10", "3.25000000", 7],
            [OPEN.0, "10.50", "inf", "9", "10", "3", 7],
            [OPEN.0, "10.50", "11", "9"],
            [OPEN.0.to_string(), "10.50", "11", "9", "10", "3"],
        ]);
        read.read(rows.as_array().unwrap(), &columns);
        assert_eq!(read.bars, [Bar { trades: Some(7), ..Bar::new(OPEN, 10.5, 11.0, 9.0, 10.0, 3.25) }]);
        assert_eq!(
            read.notes,
            [
                "row 2: high is \"inf\", not a number, at 2024-03-13T14:00:00Z",
                "row 3: close is missing, at 2024-03-13T14:00:00Z",
                "row 4: time is \"1710338400000\", not a whole number",
            ]
        );
    }

    #[test]
    fn an_hour_with_a_part_that_cannot_be_trusted_is_left_out() {
        let good: Vec<Value> = (0..8).map(row).collect();
        assert_eq!(hours(&good).bars.len(), 2);
        for bad in [
            with(row(5), "h", json!("NaN")),
            with(row(5), "h", json!(1.0)),
            with(row(5), "t", json!(null)),
            with(row(5), "t", json!(OPEN.0 + 75 * MINUTE + 1)),
        ] {
            let mut rows = good.clone();
            rows[5] = bad.clone();
            let read = hours(&rows);
            assert_eq!(read.bars.iter().map(|bar| bar.ts).collect::<Vec<_>>(), [OPEN], "{bad}");
            assert_eq!(read.notes.len(), 2, "{:?}", read.notes);
        }
        let quiet = with(with(row(5), "h", json!("NaN")), "v", json!(0));
        let mut rows = good;
        rows[5] = quiet;
        assert_eq!(hours(&rows).bars.len(), 2, "a quarter without trades adds nothing to its hour");
    }

    #[test]
    fn order_and_repetition_of_the_parts_do_not_matter() {
        let rows: Vec<Value> =
            (0..8).map(|i| with(row(i), "c", json!(10.0 + 0.1 * f64::from(u8::try_from(i).unwrap())))).collect();
        let want = hours(&rows).bars;
        let mut shuffled: Vec<Value> = rows.into_iter().rev().collect();
        shuffled.push(shuffled[3].clone());
        let read = hours(&shuffled);
        assert_eq!(read.bars, want);
        assert_eq!(read.bars[0].volume, 400.0);
        assert_eq!(read.notes.len(), 1);
    }
}
