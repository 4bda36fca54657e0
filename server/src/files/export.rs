//! From the store to a file.
//!
//! Rows come from the database one after the other and are written by a thread of their own, so that memory does not grow
//! with the series. A file is written beside its place and put there when it is whole; what fails leaves nothing. What is
//! no file, such as a pipe, is written into.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use futures::StreamExt;
use indicatif::ProgressBar;
use sqlx::PgPool;
use thiserror::Error;
use tidemark_app::backend::SeriesKey;
use tokio::sync::mpsc;

use super::writers::{Format, Writer};
use crate::db;
use crate::db::files::{Kept, Wanted};
use crate::error::Error;

/// How many rows are handed to the writing thread at once.
const CHUNK: usize = 8_192;
/// How many such chunks the database is ahead of it.
const AHEAD: usize = 2;

/// Where an export goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

/// Why an export failed. Nothing is left of it.
#[derive(Debug, Error)]
pub enum ExportError {
    /// Nothing to export.
    #[error("There is no series {symbol} {timeframe} in the store. Open its chart or import its bars first.", symbol = .0.symbol, timeframe = .0.timeframe)]
    UnknownSeries(SeriesKey),
    /// A name that tells no format.
    #[error("{0} does not end in .csv or .parquet. Say which it is with --format.")]
    UnknownFormat(String),
    /// The file system.
    #[error("{path} can't be written: {source}.")]
    Unwritable {
        /// Which file.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// The database.
    #[error("The database failed: {0}")]
    Database(#[from] Error),
    /// The writing thread.
    #[error("The writer of the file failed: {0}")]
    Writer(#[from] tokio::task::JoinError),
}

impl Target {
    /// The format that was said, else the one of the file's name; text on standard output.
    ///
    /// # Errors
    /// Where the name ends in neither.
    pub fn format(&self, said: Option<Format>) -> Result<Format, ExportError> {
        let by_name = match self {
            Self::Stdout => Some(Format::Csv),
            Self::File(path) => {
                let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
                match ending.as_ref().and_then(|ending| ending.to_str()) {
                    Some("csv") => Some(Format::Csv),
                    Some("parquet" | "pq") => Some(Format::Parquet),
                    _ => None,
                }
            }
        };
        said.or(by_name).ok_or_else(|| ExportError::UnknownFormat(self.name()))
    }

    fn name(&self) -> String {
        match self {
            Self::Stdout => "standard output".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// Exports, and answers how many bars that were.
///
/// # Errors
/// Where there is no such series, or the database or the file fails.
pub async fn export(
    pool: &PgPool,
    series: &SeriesKey,
    wanted: &Wanted,
    format: Format,
    target: Target,
    progress: &ProgressBar,
) -> Result<u64, ExportError> {
    let series_id = db::files::series_id(pool, series).await?;
    let series_id = series_id.ok_or_else(|| ExportError::UnknownSeries(series.clone()))?;
    let name = target.name();
    let (sender, chunks) = mpsc::channel(AHEAD);
    let writing = tokio::task::spawn_blocking(move || write(&target, format, chunks));
    let sent = send_all(pool, series, series_id, wanted, &sender, progress).await;
    let sent = match sent {
        Ok(count) => sender.send(Chunk::End).await.map(|()| count).map_err(|_| None),
        Err(error) => Err(error),
    };
    drop(sender);
    // A writer that fails stops taking rows, and knows better why.
    let written = writing.await?.map_err(|source| ExportError::Unwritable { path: name, source });
    match sent {
        Err(Some(error)) => Err(error.into()),
        Ok(count) => written.map(|()| count),
        Err(None) => Err(written.err().unwrap_or_else(|| Error::Database(sqlx::Error::WorkerCrashed).into())),
    }
}

/// What the writing thread is told. Without an end the file is not whole.
enum Chunk {
    Rows(Vec<Kept>),
    End,
}

/// The error is `None` where the writing thread takes no more.
async fn send_all(
    pool: &PgPool,
    series: &SeriesKey,
    series_id: i32,
    wanted: &Wanted,
    sender: &mpsc::Sender<Chunk>,
    progress: &ProgressBar,
) -> Result<u64, Option<Error>> {
    let failed = |error: sqlx::Error| Some(Error::from(error));
    let mut snapshot = pool.begin_with("begin isolation level repeatable read read only").await.map_err(failed)?;
    let splits = db::splits::in_effect(&mut snapshot, series, wanted.as_of).await.map_err(Some)?;
    let mut rows = db::files::stream(&mut snapshot, series_id, wanted, &splits).chunks(CHUNK);
    let mut count = 0;
    while let Some(chunk) = rows.next().await {
        let chunk = chunk.into_iter().collect::<Result<Vec<_>, _>>().map_err(Some)?;
        count += chunk.len() as u64;
        sender.send(Chunk::Rows(chunk)).await.map_err(|_| None)?;
        progress.set_position(count);
    }
    Ok(count)
}

/// Writes in a thread that may block.
fn write(target: &Target, format: Format, chunks: mpsc::Receiver<Chunk>) -> io::Result<()> {
    let Target::File(path) = target else { return stream(io::stdout(), format, chunks) };
    let there = match path.metadata() {
        Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        // A device or a pipe is written into: a file in its place would be its end.
        Ok(metadata) if !metadata.is_file() => {
            return stream(File::options().write(true).open(path)?, format, chunks);
        }
        Ok(metadata) => Some(metadata.permissions()),
        Err(_) => None,
    };
    // Where a link leads, so that the link stays.
    let place = if there.is_some() || path.is_symlink() { path.canonicalize()? } else { path.clone() };
    let beside = Beside::create(&place)?;
    if let Some(permissions) = there {
        beside.file.set_permissions(permissions)?;
    }
    let mut file = Writer::new(format, beside.file.try_clone()?)?;
    if write_all(&mut file, chunks)? {
        file.finish()?.sync_all()?;
        beside.put_in_place(&place)?;
    }
    Ok(())
}

fn stream<W: Write + Send>(to: W, format: Format, chunks: mpsc::Receiver<Chunk>) -> io::Result<()> {
    let mut writer = Writer::new(format, to)?;
    if write_all(&mut writer, chunks)? { writer.finish()?.flush() } else { Ok(()) }
}

/// Whether the rows came to their end.
fn write_all<W: Write + Send>(writer: &mut Writer<W>, mut chunks: mpsc::Receiver<Chunk>) -> io::Result<bool> {
    loop {
        match chunks.blocking_recv() {
            Some(Chunk::Rows(rows)) => writer.write(&rows)?,
            Some(Chunk::End) => return Ok(true),
            None => return Ok(false),
        }
    }
}

/// A file next to the one it becomes; removed unless it does.
struct Beside {
    path: PathBuf,
    file: File,
}

impl Beside {
    fn create(place: &Path) -> io::Result<Self> {
        let mut name = place.file_name().ok_or(io::ErrorKind::IsADirectory)?.to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let path = place.with_file_name(name);
        let file = File::create(&path)?;
        Ok(Self { path, file })
    }

    fn put_in_place(self, place: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, place)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.path.display(), %error, "an unfinished export could not be removed");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_format_unless_one_is_said() {
        let format = |name: &str, said| Target::File(name.into()).format(said).ok();
        assert_eq!(format("a.csv", None), Some(Format::Csv));
        assert_eq!(format("a.PARQUET", None), Some(Format::Parquet));
        assert_eq!(format("a.csv", Some(Format::Parquet)), Some(Format::Parquet));
        assert_eq!(format("a.txt", None), None);
        assert_eq!(Target::Stdout.format(None).ok(), Some(Format::Csv));
    }
}
