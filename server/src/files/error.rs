//! Why a file as a whole is refused.

use std::path::Path;

use arrow::error::ArrowError;
use parquet::errors::ParquetError;
use thiserror::Error;

/// What a file is that is not read, and how to make it one that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Such as "a gzip archive".
    pub what: &'static str,
    /// What to do.
    pub advice: &'static str,
}

/// Why a file can't be imported, or not further.
#[derive(Debug, Error)]
pub enum FileError {
    /// The system says no.
    #[error("{path} can't be read: {source}.")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The system does not let it be written.
    #[error("{path} can't be written: {source}.")]
    Unwritable {
        /// Which file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A file to write that is one to read.
    #[error("{0} is one of the files to import, and would be overwritten with their rejects. Name another file.")]
    Overwrites(String),
    /// A directory.
    #[error("{0} is a directory. Name the files in it.")]
    Directory(String),
    /// A pipe, a socket or a device.
    #[error("{0} is not a regular file. Save its content to a file first: it is read twice.")]
    NotRegular(String),
    /// No bytes.
    #[error("{0} is empty.")]
    Empty(String),
    /// Names of columns and nothing else.
    #[error("{0} has a header and no rows.")]
    HeaderOnly(String),
    /// Something else altogether.
    #[error("{path} is {}, which is not read. {}", .foreign.what, .foreign.advice)]
    Foreign {
        /// Which file.
        path: String,
        /// What it is.
        foreign: Foreign,
    },
    /// A Parquet file that is cut short or damaged.
    #[error("{path} is a Parquet file that is cut short or damaged: {source}. Fetch it again.")]
    Damaged {
        /// Which file.
        path: String,
        /// What its reader says.
        source: ParquetError,
    },
    /// A Parquet file that is damaged further in.
    #[error("{path} is damaged after row {row}: {source}. Fetch it again.")]
    DamagedAfter {
        /// Which file.
        path: String,
        /// The last row that was read.
        row: u64,
        /// What its reader says.
        source: ArrowError,
    },
    /// A header that never ends.
    #[error("{path}: line {line} is longer than any row of bars. Is it a text file?")]
    Endless {
        /// Which file.
        path: String,
        /// Where.
        line: u64,
    },
    /// Columns that are needed and not there, or there twice.
    #[error("{path}: {source}")]
    Columns {
        /// Which file.
        path: String,
        /// Which columns.
        source: ColumnsError,
    },
    /// No row can be read.
    #[error("{path}: none of the first {rows} rows can be read. {unit} {number}: {detail}")]
    NoRows {
        /// Which file.
        path: String,
        /// How many were tried.
        rows: usize,
        /// "Line" or "Row".
        unit: &'static str,
        /// The first of them.
        number: u64,
        /// What is wrong with it.
        detail: String,
    },
    /// Too few rows to tell the timeframe from.
    #[error("{path}: one time alone does not tell the timeframe. Give --timeframe.")]
    TimeframeUnknown {
        /// Which file.
        path: String,
    },
    /// Steps of another length than any timeframe's.
    #[error(
        "{path}: the most frequent step from row to row is {step}, which is no timeframe. Bars can be m1, m5, m15, m30, h1, h4, d1 or w1."
    )]
    NoTimeframe {
        /// Which file.
        path: String,
        /// In words.
        step: String,
    },
    /// Another timeframe than was said.
    #[error(
        "{path}: the most frequent step from row to row is {step}, so these are no {timeframe} bars. Give the right --timeframe, or none."
    )]
    OtherTimeframe {
        /// Which file.
        path: String,
        /// In words.
        step: String,
        /// As given, or as the first file's.
        timeframe: String,
    },
    /// Times that tell no zone.
    #[error(
        "{path}: {unit} {number} has the time {time} without a zone. Give --time-zone, such as --time-zone UTC or --time-zone America/New_York."
    )]
    ZoneNeeded {
        /// Which file.
        path: String,
        /// "line" or "row".
        unit: &'static str,
        /// Where.
        number: u64,
        /// As read.
        time: String,
    },
    /// Two rows whose times are of different zones.
    #[error(
        "{path}: times are of different zones: {unit} {first} has {first_style}, {unit} {second} has {second_style}. Write all times in one zone, or split the file."
    )]
    MixedZones {
        /// Which file.
        path: String,
        /// "line" or "row".
        unit: &'static str,
        /// The first row of the file that was read.
        first: u64,
        /// Its zone.
        first_style: String,
        /// The first row that differs.
        second: u64,
        /// Its zone.
        second_style: String,
    },
}

/// What is wrong with a file's columns.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ColumnsError {
    /// Columns that are needed.
    #[error("there is no column for {}. The columns are: {}.", .missing.join(", "), .found.join(", "))]
    Missing {
        /// What they would hold.
        missing: Vec<&'static str>,
        /// What there is.
        found: Vec<String>,
    },
    /// Two columns for one thing.
    #[error("the columns {first:?} and {second:?} both are {role}. Remove or rename one.")]
    Twice {
        /// What they hold.
        role: &'static str,
        /// One name.
        first: String,
        /// The other.
        second: String,
    },
    /// No header, and not the columns of bars.
    #[error(
        "there is no header, and the {0} columns of the first line are not time, open, high, low, close, volume. Add a header line with the columns' names."
    )]
    NoHeader(usize),
    /// A column of a type that can't be what it is named.
    #[error("the column {name:?} is of type {kind}, which can't be read as {role}.")]
    Type {
        /// Its name.
        name: String,
        /// Its Arrow type.
        kind: String,
        /// What it should hold.
        role: &'static str,
    },
}

impl FileError {
    /// A reader of errors of the system on `path`.
    pub(super) fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::Unreadable { path: path.display().to_string(), source }
    }
    /// The same of writing.
    pub(super) fn unwritable(path: &Path) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::Unwritable { path: path.display().to_string(), source }
    }
}
