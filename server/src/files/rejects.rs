//! Rows that are not kept, and why.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use tidemark_market::TimeRange;
use tidemark_market::validate::Defect;

use super::FileError;

/// How many rejects a report shows.
const SHOWN: usize = 10;
/// How much of a row's text it shows, in characters.
const SHOWN_TEXT: usize = 200;

/// Why a row is not kept. The name of each is its stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A cell is empty or no number or time, or the row has another number of cells than the first.
    Unreadable,
    /// The bar is none, as for a provider's bars.
    Defect(Defect),
    /// The exchange is closed then, or the series does not hold those hours.
    OutOfSession,
    /// Before 1990.
    TooEarly,
    /// The bar has not ended.
    NotClosed,
    /// The bar may still change, and the layer holds settled ones.
    NotSettled,
    /// The intraday layer no longer takes it.
    NotRecent,
    /// It belongs before rows that were taken thousands of rows ago.
    Unsorted,
    /// Clocks show its time twice, and the rows around do not tell which is meant.
    Ambiguous,
    /// Its time is of another zone than the file's.
    OtherZone,
    /// It says that it is of another symbol.
    OtherSymbol,
}

impl Reason {
    /// The stable code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Defect(defect) => defect.as_str(),
            Self::OutOfSession => "out_of_session",
            Self::TooEarly => "too_early",
            Self::NotClosed => "not_closed",
            Self::NotSettled => "not_settled",
            Self::NotRecent => "not_recent",
            Self::Unsorted => "unsorted",
            Self::Ambiguous => "ambiguous",
            Self::OtherZone => "other_zone",
            Self::OtherSymbol => "other_symbol",
        }
    }
}

/// A row that is not kept.
#[derive(Clone, Debug)]
pub struct Reject {
    /// Its line or number.
    pub number: u64,
    /// Why.
    pub reason: Reason,
    /// What exactly is wrong, or empty.
    pub detail: String,
    /// The time of the bar that it would have been, of which nothing is known without it.
    pub lost: Option<TimeRange>,
    /// The row.
    pub text: Box<str>,
}

/// All of them: counted, the first kept for the report, and each written to a file where one is asked for.
pub struct Rejects {
    /// How many for each code.
    pub by_reason: BTreeMap<&'static str, u64>,
    /// The first ones, in words.
    pub first: Vec<String>,
    file: Option<(PathBuf, csv::Writer<File>)>,
}

impl Rejects {
    /// None yet. The file is made anew; it must not be one of `sources`.
    pub fn create(path: Option<&Path>, sources: &[PathBuf]) -> Result<Self, FileError> {
        let file = path.map(|path| create(path, sources)).transpose()?;
        Ok(Self { by_reason: BTreeMap::new(), first: Vec::new(), file })
    }

    /// Takes one in. `unit` is what its number counts.
    pub fn push(&mut self, source: &str, unit: &str, reject: &Reject) -> Result<(), FileError> {
        let reason = reject.reason.as_str();
        *self.by_reason.entry(reason).or_insert(0) += 1;
        if self.first.len() < SHOWN {
            let detail = if reject.detail.is_empty() { String::new() } else { format!(", {}", reject.detail) };
            let text: String = reject.text.chars().take(SHOWN_TEXT).collect();
            self.first.push(format!("{source} {unit} {}: {reason}{detail}: {text}", reject.number));
        }
        if let Some((path, file)) = &mut self.file {
            let number = reject.number.to_string();
            file.write_record([source, &number, reason, &reject.detail, &reject.text])
                .map_err(|error| failed(path, error))?;
        }
        Ok(())
    }

    /// How many in all.
    pub fn count(&self) -> u64 {
        self.by_reason.values().sum()
    }

    /// Brings the file to its end.
    pub fn close(&mut self) -> Result<(), FileError> {
        match &mut self.file {
            Some((path, file)) => file.flush().map_err(FileError::unwritable(path)),
            None => Ok(()),
        }
    }
}

fn create(path: &Path, sources: &[PathBuf]) -> Result<(PathBuf, csv::Writer<File>), FileError> {
    let same = |source: &PathBuf| matches!((source.canonicalize(), path.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if sources.iter().any(same) {
        return Err(FileError::Overwrites(path.display().to_string()));
    }
    let mut file = csv::Writer::from_writer(File::create(path).map_err(FileError::unwritable(path))?);
    file.write_record(["file", "line_or_row", "reason", "detail", "row"]).map_err(|error| failed(path, error))?;
    file.flush().map_err(FileError::unwritable(path))?;
    Ok((path.to_owned(), file))
}

fn failed(path: &Path, error: csv::Error) -> FileError {
    FileError::unwritable(path)(error.into())
}
