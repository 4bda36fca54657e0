//! What an import says at its end.

use std::fmt;
use std::time::Duration;

use tidemark_app::backend::SeriesKey;
use tidemark_market::{Hours, Layer, TimeRange};

/// How one file was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNote {
    /// Its path.
    pub path: String,
    /// What was told or found out of it, in words.
    pub notes: Vec<String>,
}

/// What was done, or with a dry run would have been.
#[derive(Clone, Debug)]
pub struct Report {
    /// Whose bars.
    pub series: SeriesKey,
    /// Which part of the day the series holds.
    pub hours: Hours,
    /// Whether nobody said the timeframe.
    pub timeframe_inferred: bool,
    /// Each file's.
    pub files: Vec<FileNote>,
    /// Rows of all files.
    pub read: u64,
    /// New bars.
    pub added: u64,
    /// Bars of other values than were held.
    pub replaced: u64,
    /// Bars that were held already.
    pub unchanged: u64,
    /// Rows that were not taken, by reason.
    pub rejected: Vec<(&'static str, u64)>,
    /// The first of them, in words.
    pub first_rejects: Vec<String>,
    /// From where to where time is known now that has bars.
    pub covered: Option<TimeRange>,
    /// Whether session time in between is not known.
    pub has_holes: bool,
    /// Where bars went.
    pub layers: Vec<Layer>,
    /// How long it took.
    pub took: Duration,
    /// What was kept.
    pub kept: Outcome,
}

/// What is left in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All good rows.
    GoodRows,
    /// Nothing, as asked for with a dry run.
    DryRun,
    /// Nothing, since a row is bad and all or nothing was asked for.
    Nothing,
}

impl Report {
    /// Bars that were new or other.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.added + self.replaced
    }

    /// Rows that were not taken.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejected.iter().map(|(_, count)| count).sum()
    }

    /// Whether the command has failed: nothing was kept of what was to be.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.kept == Outcome::Nothing || self.rejected() == self.read
    }

    fn headline(&self) -> String {
        match self.kept {
            Outcome::DryRun => "Dry run: nothing was kept. Without --dry-run this would be done:".to_owned(),
            Outcome::Nothing => "Nothing was kept: not all rows are good, and --atomic was given.".to_owned(),
            Outcome::GoodRows if self.rejected() == self.read => "Nothing was kept: no row is good.".to_owned(),
            Outcome::GoodRows if self.written() == 0 => {
                let what = if self.rejected() == 0 { "all" } else { "all good rows" };
                format!("0 bars were written: {what} are held already.")
            }
            Outcome::GoodRows => format!("{} bars were written.", thousands(self.written())),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        let inferred = if self.timeframe_inferred { " (inferred from the most frequent step)" } else { "" };
        writeln!(f, "series     {} {}{inferred}", self.series.symbol, self.series.timeframe)?;
        for FileNote { path, notes } in &self.files {
            writeln!(f, "file       {path}: {}", notes.join("; "))?;
        }
        let layers: Vec<_> = self.layers.iter().map(|layer| layer.as_str()).collect();
        writeln!(f, "layers     {}", if layers.is_empty() { "none".to_owned() } else { layers.join(", ") })?;
        match self.covered {
            Some(hull) => {
                let holes = if self.has_holes { ", with holes" } else { "" };
                writeln!(f, "covered    {} to {}{holes}", hull.start, hull.end)?;
            }
            None => writeln!(f, "covered    nothing")?,
        }
        writeln!(f, "read       {:>12}", thousands(self.read))?;
        if self.kept != Outcome::Nothing {
            writeln!(f, "written    {:>12}", thousands(self.written()))?;
            writeln!(f, "unchanged  {:>12}", thousands(self.unchanged))?;
            writeln!(f, "replaced   {:>12}  of those written; the older values are kept", thousands(self.replaced))?;
        }
        writeln!(f, "rejected   {:>12}", thousands(self.rejected()))?;
        for (reason, count) in &self.rejected {
            writeln!(f, "           {:>12}  {reason}", thousands(*count))?;
        }
        if let Some((_, count)) = self.rejected.iter().find(|(reason, _)| *reason == "out_of_session") {
            let bars = if *count == 1 { "bar" } else { "bars" };
            writeln!(
                f,
                "{} {bars} lie outside of the {} hours that the series holds.",
                thousands(*count),
                self.hours.as_str()
            )?;
        }
        match (self.first_rejects.len() as u64, self.rejected()) {
            (0, _) => {}
            (shown, all) if shown == all => writeln!(f, "rejects:")?,
            (shown, _) => writeln!(f, "the first {shown} rejects; --rejects FILE writes all of them:")?,
        }
        for reject in &self.first_rejects {
            writeln!(f, "  {reject}")?;
        }
        let seconds = self.took.as_secs_f64().max(0.001);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "shown"
        )]
        let rate = (self.read as f64 / seconds) as u64;
        writeln!(f, "took       {seconds:.2} s, {} rows/s", thousands(rate))
    }
}

/// `1234567` is `1,234,567`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
