//! From files to the store.
//!
//! A file is looked at twice: its first rows tell timeframe and zone of all of it, then all rows are read. What is wrong
//! with a file as a whole is found at the first look, before anything of any file is written. Rows are put in order
//! within a window of [`window::ROWS`] rows; one that belongs before what was written already is refused. Where all or
//! nothing is to be kept, all rows are checked before the first is written.

use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono_tz::Tz;
use indicatif::ProgressBar;
use sqlx::{PgPool, Postgres, Transaction};
use thiserror::Error;
use tidemark_app::backend::SeriesKey;
use tidemark_market::coverage;
use tidemark_market::layer::has_layer;
use tidemark_market::{Bar, Hours, Layer, Spans, Symbol, TimeRange, Timeframe, Timestamp, calendar};
use tokio::sync::mpsc;

use super::FileError;
use super::infer::{Inferred, Zone, inspect};
use super::place::{Placer, Rules};
use super::rejects::{Reject, Rejects};
use super::report::{FileNote, Outcome, Report, thousands};
use super::rows::Rows;
use super::window::{self, Taken, Window};
use crate::db;
use crate::db::files::Written;
use crate::error::Error;
use crate::queue::notifier::Notifier;

/// How many batches are read ahead of the database.
const AHEAD: usize = 2;

/// What is to be imported, and how.
#[derive(Clone, Debug)]
pub struct ImportRequest {
    /// From where. All are of one series.
    pub files: Vec<PathBuf>,
    /// Whose bars.
    pub symbol: Symbol,
    /// Of which length; inferred where `None`.
    pub timeframe: Option<Timeframe>,
    /// Of times that tell none.
    pub time_zone: Option<Tz>,
    /// Where to; by the time of each bar where `None`.
    pub layer: Option<Layer>,
    /// Whether prices are adjusted for splits up to now; else they are as traded.
    pub adjusted: bool,
    /// Whether nothing is to be kept.
    pub dry_run: bool,
    /// Whether nothing is to be kept unless all rows are good.
    pub atomic: bool,
    /// Where rejects are written.
    pub rejects: Option<PathBuf>,
}

/// Why an import failed.
#[derive(Debug, Error)]
pub enum ImportError {
    /// One of the files, before anything was written.
    #[error(transparent)]
    File(#[from] FileError),
    /// One of the files, further in.
    #[error("{source} {}", stopped(*.kept))]
    Stopped {
        /// What is wrong.
        source: FileError,
        /// How many bars were written before.
        kept: u64,
    },
    /// The database.
    #[error("The database failed: {source}. {}", stopped(*.kept))]
    Database {
        /// How.
        source: Error,
        /// How many bars were written before.
        kept: u64,
    },
    /// Somebody set other hours meanwhile.
    #[error(
        "The hours of {symbol} {timeframe} were changed while its bars were read. Import again: what was written stays."
    )]
    HoursChanged {
        /// Whose.
        symbol: Symbol,
        /// Of which length.
        timeframe: Timeframe,
    },
    /// The reading thread.
    #[error("The reader of files failed: {0}")]
    Reader(#[from] tokio::task::JoinError),
}

fn stopped(kept: u64) -> String {
    match kept {
        0 => "Nothing was written.".to_owned(),
        kept => format!("{} bars were written before, and are kept; with --atomic nothing would be.", thousands(kept)),
    }
}

/// Bars of one layer, and what they cover.
#[derive(Debug)]
struct Part {
    layer: Layer,
    bars: Vec<Bar>,
    covered: Spans,
}

/// What the reading thread hands over at once.
#[derive(Debug, Default)]
struct Batch {
    file: usize,
    has_volume: bool,
    parts: Vec<Part>,
    rejects: Vec<Reject>,
    read: u64,
    moved: u64,
}

/// A file that was looked at.
#[derive(Clone, Debug)]
struct Source {
    path: PathBuf,
    inferred: Inferred,
    unit: &'static str,
}

/// Imports. `now` decides which bars have ended and which are settled.
///
/// # Errors
/// Where a file is refused as a whole or the database fails; the error says what was written before.
pub async fn import(
    pool: &PgPool,
    request: &ImportRequest,
    now: Timestamp,
    notifier: &Notifier,
    progress: &ProgressBar,
) -> Result<Report, ImportError> {
    let started = Instant::now();
    let looked_at = request.clone();
    let sources = tokio::task::spawn_blocking(move || look_at(&looked_at)).await??;
    let timeframe = sources.first().map_or(Timeframe::M1, |source| source.inferred.timeframe);
    let series = SeriesKey { symbol: request.symbol.clone(), timeframe };
    let failed = |source| ImportError::Database { source, kept: 0 };
    let settings = db::series::settings(pool, &series).await.map_err(failed)?;
    let rules = Rules::at(now, settings.calendar(&series), timeframe, request.layer);
    let mut rejects = Rejects::create(request.rejects.as_deref(), &request.files)?;

    let mut store = Store::new(pool, notifier, request, &series, settings.hours, rules);
    // The series is locked only once it is clear that all rows are good.
    store.is_checking = request.atomic;
    let mut taken = take_all(&sources, &mut rejects, &mut store, progress).await?;
    if request.atomic && rejects.count() == 0 {
        store.is_checking = false;
        taken = take_all(&sources, &mut rejects, &mut store, progress).await?;
    }
    rejects.close().map_err(|source| store.stopped(source))?;
    let kept = store.close(rejects.count() > 0).await?;
    Ok(Report {
        hours: settings.hours,
        timeframe_inferred: request.timeframe.is_none(),
        files: sources.iter().zip(&taken.moved).map(|(source, moved)| note(source, *moved)).collect(),
        read: taken.read,
        added: store.written.added,
        replaced: store.written.written - store.written.added,
        unchanged: store.offered - store.written.written,
        rejected: rejects.by_reason.iter().map(|(reason, count)| (*reason, *count)).collect(),
        first_rejects: rejects.first,
        covered: store.covered,
        has_holes: store.has_holes,
        layers: store.layers,
        took: started.elapsed(),
        kept,
        series,
    })
}

/// Looks at the beginning of every file. Those that follow the first must be of its timeframe.
fn look_at(request: &ImportRequest) -> Result<Vec<Source>, FileError> {
    let mut sources: Vec<Source> = Vec::new();
    for path in &request.files {
        let timeframe = request.timeframe.or_else(|| sources.first().map(|first| first.inferred.timeframe));
        let inferred = inspect(path, timeframe, request.time_zone)?;
        sources.push(Source { path: path.clone(), unit: inferred.unit, inferred });
    }
    Ok(sources)
}

/// Reads in a thread that may block. Ends early where nobody takes batches any more.
fn read_files(
    sources: &[Source],
    rules: Rules,
    symbol: &Symbol,
    sender: &mpsc::Sender<Batch>,
    progress: &ProgressBar,
) -> Result<(), FileError> {
    let mut before = 0;
    for (file, source) in sources.iter().enumerate() {
        let mut reading = Reading::open(file, source, rules, symbol)?;
        while let Some(batch) = reading.next_batch()? {
            progress.set_position(before + reading.rows.position());
            if sender.blocking_send(batch).is_err() {
                return Ok(());
            }
        }
        before += size(&source.path);
    }
    Ok(())
}

/// The bytes of all files, for a progress bar.
#[must_use]
pub fn total_size(files: &[PathBuf]) -> u64 {
    files.iter().map(|path| size(path)).sum()
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// One file being read.
struct Reading {
    file: usize,
    rules: Rules,
    rows: Rows,
    placer: Placer,
    window: Window,
    /// Bars of rejected rows, of time that was not handed over yet.
    lost: Vec<TimeRange>,
    /// Whether the last row was read, or why no more can be.
    ended: Option<Result<(), FileError>>,
}

impl Reading {
    fn open(file: usize, source: &Source, rules: Rules, symbol: &Symbol) -> Result<Self, FileError> {
        let Source { path, inferred, unit } = source;
        let placer = Placer::new(rules, symbol.clone(), inferred.clone());
        let window = Window::new(inferred.direction, window::ROWS, unit);
        Ok(Self { file, rules, rows: Rows::open(path)?, placer, window, lost: Vec::new(), ended: None })
    }

    /// `None` after the last. Where the file can't be read further, what was read comes before the error.
    fn next_batch(&mut self) -> Result<Option<Batch>, FileError> {
        if let Some(ended) = self.ended.take() {
            return ended.map(|()| None);
        }
        let mut batch = Batch { file: self.file, has_volume: self.rows.has_volume(), ..Batch::default() };
        while !self.window.is_full() && batch.rejects.len() < window::ROWS {
            let placed = match self.rows.next() {
                Ok(Some(Ok(row))) => self.placer.place(row).and_then(|placed| self.window.push(placed)),
                Ok(Some(Err(unread))) => Err(self.placer.refuse(unread)),
                ended => {
                    self.ended = Some(ended.map(|_| ()));
                    break;
                }
            };
            batch.read += 1;
            if let Err(reject) = placed {
                self.lose(reject.lost);
                batch.rejects.push(reject);
            }
        }
        if self.ended.is_some() || self.window.is_full() {
            let mut taken = self.window.take(self.ended.is_some());
            batch.rejects.append(&mut taken.rejects);
            batch.parts = self.parts(&taken);
        }
        batch.rejects.sort_by_key(|reject| reject.number);
        batch.moved = std::mem::take(&mut self.placer.moved);
        Ok(Some(batch))
    }

    fn lose(&mut self, bar: Option<TimeRange>) {
        match (self.lost.last_mut(), bar) {
            (Some(last), Some(bar)) if last.start <= bar.end && bar.start <= last.end => {
                *last = TimeRange { start: last.start.min(bar.start), end: last.end.max(bar.end) };
            }
            (_, bar) => self.lost.extend(bar),
        }
    }

    fn parts(&mut self, taken: &Taken) -> Vec<Part> {
        let rules = &self.rules;
        let sessions = sessions(taken, rules);
        let lost: Spans = self.lost.iter().copied().collect();
        if let (Some(first), Some(last)) = (sessions.first(), sessions.last()) {
            self.lost.retain(|bar| bar.start < first.start || last.end < bar.end);
        }
        let of = |layer| {
            let bars: Vec<Bar> = taken.rows.iter().filter(|row| row.layer == layer).map(|row| row.bar).collect();
            let times: Vec<Timestamp> = bars.iter().map(|bar| bar.ts).collect();
            let booked = coverage::book(&times, &sessions, rules.timeframe.millis()).covered;
            let unknown = if lost.is_empty() { Spans::empty() } else { lost.subtract(&held(&times, rules)) };
            Part { layer, covered: booked.subtract(&unknown).clip(rules.open_to(layer)), bars }
        };
        let (historical, mut intraday) = (of(Layer::Historical), of(Layer::Intraday));
        // Of recent sessions the intraday layer is asked for; what is settled and held need not be.
        if has_layer(rules.timeframe, Layer::Intraday) {
            let recent = historical.covered.clip(rules.open_to(Layer::Intraday));
            intraday.covered = intraday.covered.union(&recent);
        }
        let is_any = |part: &Part| !part.bars.is_empty() || !part.covered.is_empty();
        [historical, intraday].into_iter().filter(is_any).collect()
    }
}

/// The time of bars that begin then.
fn held(times: &[Timestamp], rules: &Rules) -> Spans {
    times.iter().map(|at| TimeRange { start: *at, end: rules.calendar.bar_end(rules.timeframe, *at) }).collect()
}

/// The session time that the rows speak of: all from the first to the last session. Where the file begins and ends inside
/// of one, it speaks of what is between its bars.
fn sessions(taken: &Taken, rules: &Rules) -> Vec<TimeRange> {
    let (Some(first), Some(last)) = (taken.rows.first(), taken.rows.last()) else { return Vec::new() };
    let end = rules.calendar.bar_end(rules.timeframe, last.bar.ts);
    let all = TimeRange { start: first.bar.ts, end };
    let mut sessions = rules.calendar.session_spans(rules.timeframe, all, calendar::END);
    if let Some(oldest) = sessions.first_mut().filter(|_| !taken.has_older) {
        oldest.start = oldest.start.max(all.start);
    }
    if let Some(newest) = sessions.last_mut().filter(|_| !taken.has_newer) {
        newest.end = newest.end.min(all.end);
    }
    sessions
}

/// What was read in all.
struct Counted {
    read: u64,
    /// By file.
    moved: Vec<u64>,
}

async fn take_all(
    sources: &[Source],
    rejects: &mut Rejects,
    store: &mut Store<'_>,
    progress: &ProgressBar,
) -> Result<Counted, ImportError> {
    let (sender, mut batches) = mpsc::channel(AHEAD);
    let (to_read, rules, symbol) = (sources.to_vec(), store.rules, store.series.symbol.clone());
    let progress = progress.clone();
    let reading = tokio::task::spawn_blocking(move || read_files(&to_read, rules, &symbol, &sender, &progress));
    let mut counted = Counted { read: 0, moved: vec![0; sources.len()] };
    while let Some(batch) = batches.recv().await {
        counted.read += batch.read;
        counted.moved[batch.file] += batch.moved;
        let source = &sources[batch.file];
        for reject in &batch.rejects {
            let path = source.path.display().to_string();
            rejects.push(&path, source.unit, reject).map_err(|source| store.stopped(source))?;
        }
        store.write(&batch, rejects.count() > 0).await?;
    }
    reading.await?.map_err(|source| store.stopped(source))?;
    Ok(counted)
}

/// Writes batches, each in a transaction of its own, or all in one where all or nothing is to be kept.
struct Store<'a> {
    pool: &'a PgPool,
    notifier: &'a Notifier,
    request: &'a ImportRequest,
    series: &'a SeriesKey,
    hours: Hours,
    rules: Rules,
    whole: Option<Transaction<'static, Postgres>>,
    /// Whether rows are only looked at.
    is_checking: bool,
    offered: u64,
    written: Written,
    covered: Option<TimeRange>,
    has_holes: bool,
    layers: Vec<Layer>,
}

impl<'a> Store<'a> {
    const fn new(
        pool: &'a PgPool,
        notifier: &'a Notifier,
        request: &'a ImportRequest,
        series: &'a SeriesKey,
        hours: Hours,
        rules: Rules,
    ) -> Self {
        Self {
            pool,
            notifier,
            request,
            series,
            hours,
            rules,
            whole: None,
            is_checking: false,
            offered: 0,
            written: Written { written: 0, added: 0 },
            covered: None,
            has_holes: false,
            layers: Vec::new(),
        }
    }

    /// How many bars are in the store whatever comes.
    const fn kept(&self) -> u64 {
        if self.request.atomic || self.request.dry_run { 0 } else { self.written.written }
    }

    const fn stopped(&self, source: FileError) -> ImportError {
        ImportError::Stopped { source, kept: self.kept() }
    }

    fn failed(&self) -> impl Fn(Error) -> ImportError + use<> {
        let kept = self.kept();
        move |source| ImportError::Database { source, kept }
    }

    /// Writes, unless it is clear that nothing will be kept.
    async fn write(&mut self, batch: &Batch, is_any_bad: bool) -> Result<(), ImportError> {
        let Batch { parts, has_volume, .. } = batch;
        let is_vain = self.is_checking || (self.request.atomic && is_any_bad);
        if parts.is_empty() || is_vain {
            return Ok(());
        }
        let failed = self.failed();
        let mut transaction = match self.whole.take() {
            Some(whole) => whole,
            None => self.pool.begin().await.map_err(|error| failed(error.into()))?,
        };
        let opened = db::files::open_series(&mut transaction, self.series, self.hours, self.rules.bounds);
        let SeriesKey { symbol, timeframe } = self.series;
        let changed = || ImportError::HoursChanged { symbol: symbol.clone(), timeframe: *timeframe };
        let series_id = opened.await.map_err(&failed)?.ok_or_else(changed)?;
        let mut written = Written::default();
        for Part { layer, bars, covered } in parts {
            let adjusted = self.request.adjusted;
            let part = db::files::write(&mut transaction, series_id, *layer, adjusted, bars, *has_volume, covered);
            let part = part.await.map_err(&failed)?;
            written = Written { written: written.written + part.written, added: written.added + part.added };
        }
        // Of a dry run nothing is held on to either: others may go on with the series.
        if self.request.dry_run {
            transaction.rollback().await.map_err(|error| failed(error.into()))?;
        } else if self.request.atomic {
            self.whole = Some(transaction);
        } else {
            self.commit(transaction).await?;
        }
        self.book(parts, written);
        Ok(())
    }

    fn book(&mut self, parts: &[Part], written: Written) {
        self.written.written += written.written;
        self.written.added += written.added;
        for Part { layer, bars, .. } in parts {
            self.offered += bars.len() as u64;
            if !bars.is_empty() && !self.layers.contains(layer) {
                self.layers.push(*layer);
            }
        }
        let known = parts.iter().fold(Spans::empty(), |known, part| known.union(&part.covered));
        let known = known.union(&self.covered.into_iter().collect());
        if let Some(hull) = known.hull() {
            // Only its ends are kept, since memory is not to grow with the file.
            self.covered = Some(hull);
            let unknown = Spans::from(hull).subtract(&known);
            self.has_holes |= unknown.ranges().iter().any(|gap| !self.rules.calendar.sessions(*gap).is_empty());
        }
    }

    async fn close(&mut self, is_any_bad: bool) -> Result<Outcome, ImportError> {
        let outcome = match (self.request.atomic && is_any_bad, self.request.dry_run) {
            (true, _) => Outcome::Nothing,
            (false, true) => Outcome::DryRun,
            (false, false) => Outcome::GoodRows,
        };
        if let Some(whole) = self.whole.take().filter(|_| outcome == Outcome::GoodRows) {
            self.commit(whole).await?;
        }
        Ok(outcome)
    }

    /// A transaction that is not committed is undone as it is dropped.
    async fn commit(&self, transaction: Transaction<'static, Postgres>) -> Result<(), ImportError> {
        let failed = self.failed();
        transaction.commit().await.map_err(|error| failed(error.into()))?;
        self.notifier.changed(self.series);
        Ok(())
    }
}

fn note(source: &Source, moved: u64) -> FileNote {
    let mut notes = vec![source.inferred.description.clone()];
    notes.push(match source.inferred.zone {
        Zone::None => format!("times have {}", source.inferred.first.1.describe()),
        Zone::Given(zone) => format!("times without a zone are of {zone}"),
        Zone::Days => "dates are the exchange's days (inferred)".to_owned(),
    });
    if moved > 0 {
        notes.push(format!("{} times were put on the start of the exchange's day", thousands(moved)));
    }
    FileNote { path: source.path.display().to_string(), notes }
}
