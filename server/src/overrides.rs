//! The operator's file of days on which a market departs from the shipped calendar; `tidemark_market` says how it reads.

use std::path::{Path, PathBuf};

use thiserror::Error;
use tidemark_market::calendar::{AlreadyInstalled, Overrides, OverridesError, install_overrides};

/// Why the file is not in force.
#[derive(Debug, Error)]
pub enum CalendarError {
    /// It can't be opened, or is no text.
    #[error(
        "The calendar overrides in {} can't be read: {error}. Mend the path in TIDEMARK_CALENDAR_OVERRIDES, or unset it.",
        path.display()
    )]
    Unreadable {
        /// As set.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A line is wrong; none is in force.
    #[error("The calendar overrides in {} can't be used. {error}", path.display())]
    BadLine {
        /// As set.
        path: PathBuf,
        /// Which line, and what to write instead.
        error: OverridesError,
    },
    /// Not at start-up.
    #[error(transparent)]
    Late(#[from] AlreadyInstalled),
}

/// Reads the file, and makes every calendar of this process keep it.
///
/// # Errors
/// Where it can't be read, a line is wrong, or overrides are installed already.
pub fn install(path: &Path) -> Result<(), CalendarError> {
    let overrides = read(path)?;
    tracing::info!(path = %path.display(), days = overrides.len(), "calendar overrides in force");
    Ok(install_overrides(overrides)?)
}

fn read(path: &Path) -> Result<Overrides, CalendarError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| CalendarError::Unreadable { path: path.to_owned(), error })?;
    Overrides::parse(&text).map_err(|error| CalendarError::BadLine { path: path.to_owned(), error })
}
