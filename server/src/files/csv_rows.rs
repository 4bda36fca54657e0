//! Rows of a text file. Each line is one: a quote that is not closed costs its line and no other.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use csv::ByteRecord;
use tidemark_market::Layer;

use super::FileError;
use super::columns::Columns;
use super::error::ColumnsError;
use super::rows::{Row, Unread, count, optional};
use super::times::{Moment, is_time_of_day};

/// The longest line that is read, in bytes.
const MAX_LINE: usize = 1 << 16;
/// How much of a row's text is kept, in bytes.
const MAX_TEXT: usize = 1 << 10;
/// How much of a cell an explanation quotes, in characters.
const QUOTED: usize = 40;

/// A reader of bars from text. Separator and header are found out.
pub struct CsvRows {
    reader: BufReader<File>,
    path: String,
    /// Bytes read.
    position: u64,
    length: u64,
    separator: u8,
    columns: Columns,
    has_header: bool,
    /// Of the first record.
    width: usize,
    /// The first record, where it is a row, and its line.
    pending: Option<(u64, ByteRecord)>,
    /// The last line that was read, its number, and whether it is longer than any row.
    text: Vec<u8>,
    line: u64,
    is_endless: bool,
    /// Its cells.
    record: ByteRecord,
}

impl CsvRows {
    /// `file` may have been read from; it is rewound.
    pub fn open(path: &Path, mut file: File, length: u64) -> Result<Self, FileError> {
        let unreadable = FileError::unreadable(path);
        file.rewind().map_err(&unreadable)?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        if reader.fill_buf().map_err(&unreadable)?.starts_with(b"\xef\xbb\xbf") {
            reader.consume(3);
        }
        let separator = separator(reader.fill_buf().map_err(&unreadable)?);
        let mut rows = Self {
            reader,
            path: path.display().to_string(),
            position: 0,
            length,
            separator,
            columns: Columns::by_position(),
            has_header: false,
            width: 0,
            pending: None,
            text: Vec::new(),
            line: 0,
            is_endless: false,
            record: ByteRecord::new(),
        };
        rows.find_columns()?;
        Ok(rows)
    }

    fn find_columns(&mut self) -> Result<(), FileError> {
        if !self.read_record()? {
            return Err(FileError::Empty(self.path.clone()));
        }
        if self.is_endless {
            return Err(FileError::Endless { path: self.path.clone(), line: self.line });
        }
        let first = std::mem::take(&mut self.record);
        self.width = first.len();
        if is_row(&first) {
            self.pending = Some((self.line, first));
            return Ok(());
        }
        let refused = |source| FileError::Columns { path: self.path.clone(), source };
        if Moment::parse(&cell_text(&first, 0)).is_some() {
            return Err(refused(ColumnsError::NoHeader(first.len())));
        }
        let names: Vec<String> = (0..first.len()).map(|at| cell_text(&first, at)).collect();
        let second = if self.read_record()? { Some((self.line, std::mem::take(&mut self.record))) } else { None };
        let has_time_of_day = |at| second.as_ref().is_some_and(|(_, row)| is_time_of_day(&cell_text(row, at)));
        let refused = |source| FileError::Columns { path: self.path.clone(), source };
        self.columns = Columns::by_name(&names, has_time_of_day).map_err(refused)?;
        self.has_header = true;
        self.pending = second;
        if self.pending.is_none() { Err(FileError::HeaderOnly(self.path.clone())) } else { Ok(()) }
    }

    /// The next row; `None` after the last.
    pub fn next(&mut self) -> Result<Option<Result<Row, Unread>>, FileError> {
        match self.pending.take() {
            Some((line, first)) => (self.line, self.record) = (line, first),
            None if !self.read_record()? => return Ok(None),
            None => {}
        }
        Ok(Some(self.read_row()))
    }

    /// Reads the next record that is not blank; false after the last.
    fn read_record(&mut self) -> Result<bool, FileError> {
        while self.read_line().map_err(|source| FileError::Unreadable { path: self.path.clone(), source })? {
            split(&self.text, self.separator, &mut self.record);
            if self.record.iter().any(|cell| !cell.trim_ascii().is_empty()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the next line; of an endless one the beginning. False after the last.
    fn read_line(&mut self) -> io::Result<bool> {
        self.text.clear();
        let read = self.reader.by_ref().take(MAX_LINE as u64).read_until(b'\n', &mut self.text)?;
        self.is_endless = read == MAX_LINE && !self.text.ends_with(b"\n");
        let skipped = if self.is_endless { self.reader.skip_until(b'\n')? } else { 0 };
        self.line += 1;
        self.position += (read + skipped) as u64;
        Ok(read > 0)
    }

    fn read_row(&self) -> Result<Row, Unread> {
        let number = self.line;
        let unread = |detail| Unread { number, moment: self.moment().ok(), detail, text: self.text() };
        if self.is_endless {
            return Err(unread(format!("it is longer than {MAX_LINE} bytes")));
        }
        if self.record.len() != self.width {
            return Err(unread(format!("{} cells instead of {}", self.record.len(), self.width)));
        }
        self.cells(number).map_err(unread)
    }

    fn cells(&self, number: u64) -> Result<Row, String> {
        let columns = &self.columns;
        let read = |at, role| required(&self.record, at, role);
        let prices = [
            read(columns.open, "open")?,
            read(columns.high, "high")?,
            read(columns.low, "low")?,
            read(columns.close, "close")?,
        ];
        let volume = columns.volume.map_or(Ok(0.0), |at| read(at, "volume"))?;
        let maybe = |at: Option<usize>, role| at.map_or(Ok(None), |at| lenient(&self.record, at, role));
        let trades = match maybe(columns.trades, "trades")? {
            Some(number) => Some(count(number).ok_or_else(|| format!("trades is {number}, which is no count"))?),
            None => None,
        };
        Ok(Row {
            number,
            moment: self.moment()?,
            prices,
            volume,
            vwap: maybe(columns.vwap, "vwap")?,
            trades,
            layer: self.layer()?,
            symbol: columns.symbol.map(|at| cell_text(&self.record, at).into()),
            text: Some(self.text()),
        })
    }

    fn moment(&self) -> Result<Moment, String> {
        let first = cell(&self.record, self.columns.time.first());
        let joined = self.columns.time.second().map(|second| {
            let second = cell(&self.record, second);
            format!("{} {}", String::from_utf8_lossy(first), String::from_utf8_lossy(second))
        });
        let read = match &joined {
            Some(joined) => Moment::parse(joined),
            None => std::str::from_utf8(first).ok().and_then(Moment::parse),
        };
        read.ok_or_else(|| is_what("time", joined.as_deref().map_or(first, str::as_bytes), "no time that is read"))
    }

    fn layer(&self) -> Result<Option<Layer>, String> {
        let Some(at) = self.columns.layer else { return Ok(None) };
        let text = cell(&self.record, at);
        match std::str::from_utf8(text).map(str::parse::<Layer>) {
            Ok(Ok(layer @ (Layer::Historical | Layer::Intraday))) => Ok(Some(layer)),
            _ if text.is_empty() => Ok(None),
            _ => Err(is_what("layer", text, "neither historical nor intraday")),
        }
    }

    /// The row's cells, without quotes, and of a long one its beginning.
    fn text(&self) -> Box<str> {
        let mut text = Vec::with_capacity(self.record.as_slice().len() + self.record.len());
        for (at, cell) in self.record.iter().enumerate() {
            if at > 0 {
                text.push(self.separator);
            }
            text.extend_from_slice(cell.trim_ascii());
        }
        text.truncate(MAX_TEXT);
        String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()).into()
    }

    /// Bytes read.
    pub fn position(&self) -> u64 {
        self.position.min(self.length)
    }

    /// Whether there is a column for volume.
    pub const fn has_volume(&self) -> bool {
        self.columns.volume.is_some()
    }

    /// In words.
    pub fn describe(&self) -> String {
        let separator = match self.separator {
            b'\t' => "tabs".to_owned(),
            other => format!("'{}'", char::from(other)),
        };
        let header = if self.has_header {
            ""
        } else {
            "; no header, so columns are read as time, open, high, low, close, volume (inferred)"
        };
        let volume = if self.has_volume() { "" } else { "; no column for volume, so it is 0 where none is held" };
        let ignored = match self.columns.ignored.as_slice() {
            [] => String::new(),
            ignored => format!("; not read: {}", ignored.join(", ")),
        };
        format!("CSV, separated by {separator}{header}{volume}{ignored}")
    }
}

/// The most frequent of `,`, `;` and tab in the first line.
pub fn separator(head: &[u8]) -> u8 {
    let line = head.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or(head);
    let count = |separator: u8| line.iter().filter(|byte| **byte == separator).count();
    [b'\t', b';', b','].into_iter().max_by_key(|separator| count(*separator)).unwrap_or(b',')
}

/// Splits a line into its cells. One in quotes may hold separators, and quotes written twice.
fn split(line: &[u8], separator: u8, record: &mut ByteRecord) {
    record.clear();
    if !line.contains(&b'"') {
        line.split(|byte| *byte == separator).for_each(|cell| record.push_field(cell));
        return;
    }
    let (mut cell, mut is_quoted) = (Vec::new(), false);
    let mut bytes = line.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if is_quoted && bytes.next_if_eq(&b'"').is_some() => cell.push(b'"'),
            b'"' if is_quoted || cell.is_empty() => is_quoted = !is_quoted,
            _ if byte == separator && !is_quoted => {
                record.push_field(&cell);
                cell.clear();
            }
            _ => cell.push(byte),
        }
    }
    record.push_field(&cell);
}

/// Whether the first record is a row already: a time and five numbers.
fn is_row(record: &ByteRecord) -> bool {
    let is_number = |at| number(cell(record, at)).is_some();
    record.len() >= 6 && Moment::parse(&cell_text(record, 0)).is_some() && (1..6).all(is_number)
}

fn cell(record: &ByteRecord, at: usize) -> &[u8] {
    record.get(at).unwrap_or_default().trim_ascii()
}

fn cell_text(record: &ByteRecord, at: usize) -> String {
    String::from_utf8_lossy(cell(record, at)).into_owned()
}

fn number(cell: &[u8]) -> Option<f64> {
    std::str::from_utf8(cell).ok()?.parse().ok()
}

fn required(record: &ByteRecord, at: usize, role: &str) -> Result<f64, String> {
    let cell = cell(record, at);
    number(cell).ok_or_else(|| is_what(role, cell, "no number"))
}

fn lenient(record: &ByteRecord, at: usize, role: &str) -> Result<Option<f64>, String> {
    let cell = cell(record, at);
    if cell.is_empty() { Ok(None) } else { required(record, at, role).map(|number| optional(Some(number))) }
}

fn is_what(role: &str, cell: &[u8], what: &str) -> String {
    if cell.is_empty() {
        return format!("{role} is empty");
    }
    let quoted: String = String::from_utf8_lossy(cell).chars().take(QUOTED).collect();
    format!("{role} is {quoted:?}, which is {what}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_line_is_split_as_it_was_joined(cells in proptest::collection::vec("[a;\",. ]{0,6}", 1..6), separator in "[,;]") {
            let separator = separator.as_bytes()[0];
            let mut writer = csv::WriterBuilder::new().delimiter(separator).from_writer(Vec::new());
            writer.write_record(&cells).unwrap();
            let mut record = ByteRecord::new();
            split(writer.into_inner().unwrap().trim_ascii_end(), separator, &mut record);
            let read: Vec<&[u8]> = record.iter().map(<[u8]>::trim_ascii_end).collect();
            prop_assert_eq!(read, cells.iter().map(|cell| cell.as_bytes().trim_ascii_end()).collect::<Vec<_>>());
        }
    }
}
