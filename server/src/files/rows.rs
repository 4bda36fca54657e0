//! Rows as files have them, whichever kind of file: numbers are numbers, times still want their zone.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use tidemark_market::{Bar, Layer, Timestamp};

use super::FileError;
use super::csv_rows::CsvRows;
use super::error::Foreign;
use super::parquet_rows::ParquetRows;
use super::times::{self, Moment};

/// How much of a file's beginning is looked at to tell what it is.
const HEAD: u64 = 4_096;

/// One row whose cells could all be read.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its line, or its number from 1 where the file has no lines.
    pub number: u64,
    /// When the bar begins.
    pub moment: Moment,
    /// Open, high, low and close.
    pub prices: [f64; 4],
    /// Volume; 0 where the file has none.
    pub volume: f64,
    /// Average price.
    pub vwap: Option<f64>,
    /// Number of trades.
    pub trades: Option<u32>,
    /// The layer it says it is of.
    pub layer: Option<Layer>,
    /// Whose it says it is.
    pub symbol: Option<Box<str>>,
    /// Its text, where it has one.
    pub text: Option<Box<str>>,
}

/// One row that could not be read.
#[derive(Clone, Debug)]
pub struct Unread {
    /// As in [`Row`].
    pub number: u64,
    /// When its bar would begin, where that can be read.
    pub moment: Option<Moment>,
    /// Which cell, and what is in it.
    pub detail: String,
    /// The row.
    pub text: Box<str>,
}

impl Row {
    /// The bar that begins at `ts`. An average price that is none is left out.
    pub fn bar(&self, ts: Timestamp) -> Bar {
        let [open, high, low, close] = self.prices;
        let vwap = self.vwap.filter(|vwap| *vwap > 0.0);
        Bar { ts, open, high, low, close, volume: self.volume, vwap, trades: self.trades }
    }

    /// Its text, else its values.
    pub fn into_text(self) -> Box<str> {
        let values = |row: &Self| {
            let [open, high, low, close] = row.prices;
            format!("{},{open},{high},{low},{close},{}", times::written(row.moment), row.volume).into()
        };
        self.text.clone().unwrap_or_else(|| values(&self))
    }
}

/// The rows of a file, one after the other.
pub enum Rows {
    /// Of text.
    Csv(Box<CsvRows>),
    /// Of Parquet.
    Parquet(Box<ParquetRows>),
}

impl Rows {
    /// Opens the file and finds its columns. What it is, its first bytes say; its name does not matter.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let unreadable = FileError::unreadable(path);
        let name = || path.display().to_string();
        let mut file = File::open(path).map_err(&unreadable)?;
        let kind = file.metadata().map_err(&unreadable)?;
        if kind.is_dir() {
            return Err(FileError::Directory(name()));
        }
        if !kind.is_file() {
            return Err(FileError::NotRegular(name()));
        }
        let mut head = Vec::new();
        file.by_ref().take(HEAD).read_to_end(&mut head).map_err(&unreadable)?;
        if head.is_empty() {
            return Err(FileError::Empty(name()));
        }
        if head.starts_with(b"PAR1") {
            return ParquetRows::open(path, file).map(|rows| Self::Parquet(Box::new(rows)));
        }
        match foreign(&head) {
            Some(foreign) => Err(FileError::Foreign { path: name(), foreign }),
            None => CsvRows::open(path, file, kind.len()).map(|rows| Self::Csv(Box::new(rows))),
        }
    }

    /// The next row; `None` after the last.
    pub fn next(&mut self) -> Result<Option<Result<Row, Unread>>, FileError> {
        match self {
            Self::Csv(rows) => rows.next(),
            Self::Parquet(rows) => rows.next(),
        }
    }

    /// How much of the file was read, in bytes.
    pub fn position(&self) -> u64 {
        match self {
            Self::Csv(rows) => rows.position(),
            Self::Parquet(rows) => rows.position(),
        }
    }

    /// Whether there is a column for volume.
    pub const fn has_volume(&self) -> bool {
        match self {
            Self::Csv(rows) => rows.has_volume(),
            Self::Parquet(rows) => rows.has_volume(),
        }
    }

    /// What a row's number counts.
    pub const fn unit(&self) -> &'static str {
        match self {
            Self::Csv(_) => "line",
            Self::Parquet(_) => "row",
        }
    }

    /// How the file is read, in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Csv(rows) => rows.describe(),
            Self::Parquet(rows) => rows.describe(),
        }
    }
}

/// What is surely no table of bars.
fn foreign(head: &[u8]) -> Option<Foreign> {
    let unpack = "Unpack it first.";
    let as_csv = "Save it as CSV or Parquet.";
    let known: [(&[u8], _, _); 8] = [
        (b"\x1f\x8b", "a gzip archive", unpack),
        (b"PK\x03\x04", "a zip archive or a spreadsheet", "Unpack it, or save it as CSV."),
        (b"\x28\xb5\x2f\xfd", "a zstd archive", unpack),
        (b"\xff\xfe", "text in UTF-16", "Save it as UTF-8."),
        (b"\xfe\xff", "text in UTF-16", "Save it as UTF-8."),
        (b"ARROW1", "an Arrow or Feather file", as_csv),
        (b"{", "JSON", as_csv),
        (b"[", "JSON", as_csv),
    ];
    let found = known.into_iter().find(|(magic, _, _)| head.starts_with(magic));
    match found {
        Some((_, what, advice)) => Some(Foreign { what, advice }),
        None if head.contains(&0) => Some(Foreign { what: "a binary file", advice: as_csv }),
        None => None,
    }
}

/// What an optional number in a cell says: nothing where it is empty or not a number, as tables write what they lack.
pub fn optional(number: Option<f64>) -> Option<f64> {
    number.filter(|number| number.is_finite())
}

/// A count from a number; tables that lack some counts write all of them with a fraction.
pub fn count(number: f64) -> Option<u32> {
    let is_count = number.fract() == 0.0 && (0.0..=f64::from(i32::MAX)).contains(&number);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a whole number in range"
    )]
    is_count.then_some(number as u32)
}
