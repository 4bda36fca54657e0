//! The bars this browser has seen, in IndexedDB: what a chart paints before the server has answered.
//!
//! A series is cut into chunks ([`chunk`]), beside one small entry that tells revision, window, chunks and last
//! use. Both are written in one transaction, so that a reader finds a whole series or none, and read in one. The store is
//! bounded by count, by size and by what the browser grants: what was used longest ago goes first. All tabs share it:
//! each is told what another wrote, and two do not write one series at once. It is a cache and nothing else: an entry that
//! does not fit together is dropped, a store of an older version too, and a browser without the store gets the bars from
//! the server.

mod chunk;
mod entry;
mod memory;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::FutureExt;
use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use futures::future::{Either, LocalBoxFuture, Shared, select};
use idb::{
    Database, DatabaseEvent, Factory, KeyRange, ObjectStore, ObjectStoreParams, Query, Transaction, TransactionMode,
};
use js_sys::{Array, ArrayBuffer, Uint8Array};
use leptos::logging::warn;
use leptos::task::spawn_local;
use thiserror::Error;
use tidemark_market::wire::ChartData;
use wasm_bindgen::{JsCast, JsValue};

pub use self::entry::{CHUNK_BARS, Limits};
use self::entry::{Entry, Spread, victims};
use self::memory::Memory;
use super::channel::Channel;
use super::locks::{self, Ask};
use super::{marks, quota};
use crate::series::SeriesKey;
use crate::stores::holding::Changed;

/// Of the shape of what is stored; one more with each change of it.
pub const VERSION: u32 = 3;
const NAME: &str = "tidemark";
const ENTRIES: &str = "series";
const CHUNKS: &str = "chunks";
/// How long a chart waits for a store that another tab, of an older version of the page, keeps from opening.
const PATIENCE_MS: u32 = 500;

/// Why the cache did not do what it was asked. The page goes on without.
#[derive(Debug, Error)]
pub enum CacheError {
    /// The browser has no store, forbids it, or it is full.
    #[error("IndexedDB refused: {0}")]
    Refused(#[from] idb::Error),
    /// What is stored of a series does not fit together. It has been dropped.
    #[error("what is stored of {0} is damaged and was dropped")]
    Damaged(SeriesKey),
    /// A transaction was rolled back: as a rule because the disk's share is used up.
    #[error("IndexedDB rolled the write back, as it does when its space is used up")]
    RolledBack,
}

/// A series as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Cached {
    /// The whole of it.
    pub data: Rc<ChartData>,
    /// When the server last said that this is how it stands; milliseconds since the epoch, by the browser's clock.
    pub checked: i64,
}

/// How much is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Series.
    pub series: usize,
    /// Bytes of bars.
    pub bytes: u64,
    /// The bytes that are kept at most.
    pub limit: u64,
}

/// What a tab did to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It wrote the series, as of this revision.
    Written(SeriesKey, u64),
    /// It forgot everything.
    Cleared,
}

/// The open store.
pub struct BarCache {
    name: String,
    database: Database,
    limits: Cell<Limits>,
    /// `None` where this browser lets tabs not speak to each other.
    channel: Option<Channel>,
    /// What was read or written last, as it is stored.
    memory: Rc<RefCell<Memory>>,
    /// What is being read into memory.
    ahead: RefCell<Option<(SeriesKey, ReadingAhead)>>,
}

type ReadingAhead = Shared<LocalBoxFuture<'static, ()>>;

type Opening = Shared<LocalBoxFuture<'static, Option<Rc<BarCache>>>>;

/// The store of this page, opened by whoever asks first. `None` where it can't be had, or not yet: another tab that was
/// left open since an older version of the page keeps it from opening until it is closed or reloaded.
pub async fn shared() -> Option<Rc<BarCache>> {
    thread_local! {
        static OPENED: RefCell<Option<Opening>> = const { RefCell::new(None) };
    }
    let opening = OPENED.with_borrow_mut(|opened| {
        opened
            .get_or_insert_with(|| {
                let opening = open_shared().boxed_local().shared();
                // Goes on by itself, so that it is there for the next chart.
                spawn_local(opening.clone().map(drop));
                opening
            })
            .clone()
    });
    match select(opening, gloo_timers::future::TimeoutFuture::new(PATIENCE_MS)).await {
        Either::Left((cache, _)) => cache,
        Either::Right(_) => {
            warn!("Another tab holds the bars of an older version of this page. Reload it to have them kept again.");
            None
        }
    }
}

async fn open_shared() -> Option<Rc<BarCache>> {
    match BarCache::open(NAME, Limits::default()).await {
        Ok(cache) => {
            let cache = Rc::new(cache);
            let bounded = Rc::clone(&cache);
            spawn_local(async move {
                if let Some(granted) = quota::granted_bytes().await {
                    bounded.limits.set(Limits::default().within(granted));
                }
            });
            Some(cache)
        }
        Err(error) => {
            warn!("Bars are not kept in this browser: {error}. Charts load from the server each time.");
            None
        }
    }
}

impl BarCache {
    /// Opens, or makes, the store of that name. Waits for tabs that hold an older version of it open; a tab of this
    /// version lets go by itself when a newer one wants to open.
    ///
    /// # Errors
    /// Where the browser has none or it can't be opened. A store of a foreign shape is deleted, for the next visit.
    pub async fn open(name: &str, limits: Limits) -> Result<Self, CacheError> {
        let factory = Factory::new()?;
        let mut request = factory.open(name, Some(VERSION))?;
        request.on_upgrade_needed(|event| {
            if let Ok(database) = event.database() {
                make_anew(&database);
            }
        });
        let database = let_go_when_asked(request.await?);
        if let Err(error) = database.transaction(&[ENTRIES, CHUNKS], TransactionMode::ReadOnly) {
            database.close();
            // Not waited for: the error is the answer, the deletion is for the next visit.
            let _ = factory.delete(name)?;
            return Err(error.into());
        }
        let memory = Rc::new(RefCell::new(Memory::default()));
        let outdated = Rc::clone(&memory);
        // Memory is behind the store then.
        let channel = Channel::join(&format!("{name}-cache"), move |text| match read_told(&text) {
            Some(Told::Written(series, _)) => outdated.borrow_mut().forget(&series),
            Some(Told::Cleared) | None => outdated.borrow_mut().clear(),
        });
        Ok(Self {
            name: name.to_owned(),
            database,
            limits: Cell::new(limits),
            channel,
            memory,
            ahead: RefCell::default(),
        })
    }

    /// What is stored of the series, at once, where this page has read or written it lately.
    #[must_use]
    pub fn recall(&self, series: &SeriesKey) -> Option<Cached> {
        self.memory.borrow_mut().recall(series).cloned()
    }

    /// Reads the series into memory: it is likely to be opened next. Whoever asks for it meanwhile waits for the same answer.
    pub async fn read_ahead(self: Rc<Self>, series: SeriesKey) {
        if !self.memory.borrow().holds(&series) {
            self.reading_ahead(&series).unwrap_or_else(|| self.start_reading(series)).await;
        }
    }

    fn start_reading(self: &Rc<Self>, series: SeriesKey) -> ReadingAhead {
        let (cache, of) = (Rc::clone(self), series.clone());
        let reading = async move {
            if let Err(error) = cache.read_to_memory(&of).await {
                warn!("{error}");
            }
            cache.ahead.borrow_mut().take_if(|(series, _)| *series == of);
        };
        let reading = reading.boxed_local().shared();
        self.ahead.replace(Some((series, reading.clone())));
        // Goes on by itself: taken up again later, it would put into memory what has been written over meanwhile.
        spawn_local(reading.clone());
        reading
    }

    fn reading_ahead(&self, series: &SeriesKey) -> Option<ReadingAhead> {
        self.ahead.borrow().as_ref().filter(|(of, _)| of == series).map(|(_, reading)| reading.clone())
    }

    /// What is stored of the series; `None` where that is nothing.
    ///
    /// # Errors
    /// Where the store refuses, or what it holds is damaged (and now dropped).
    pub async fn read(&self, series: &SeriesKey) -> Result<Option<Cached>, CacheError> {
        if let Some(reading) = self.reading_ahead(series) {
            reading.await;
            if let Some(cached) = self.recall(series) {
                return Ok(Some(cached));
            }
        }
        self.read_to_memory(series).await
    }

    async fn read_to_memory(&self, series: &SeriesKey) -> Result<Option<Cached>, CacheError> {
        marks::set(marks::CACHE_ASKED);
        let cached = self.read_stored(series).await?;
        if let Some(cached) = &cached {
            marks::reached(marks::CACHE_READ, marks::CACHE_ASKED);
            self.memory.borrow_mut().keep(cached.clone());
        }
        Ok(cached)
    }

    async fn read_stored(&self, series: &SeriesKey) -> Result<Option<Cached>, CacheError> {
        let (transaction, entries, chunks) = self.begin(TransactionMode::ReadOnly)?;
        let entry = entries.get(key(series))?;
        let values = chunks.get_all(Some(Query::KeyRange(all_chunks(series)?)), None)?;
        let (entry, values) = futures::future::try_join(entry.into_future(), values.into_future()).await?;
        drop(transaction);
        let Some(entry) = entry else { return Ok(None) };
        match assemble(series, &entry, &values) {
            Some(cached) => Ok(Some(cached)),
            None => {
                self.remove(series).await?;
                Err(CacheError::Damaged(series.clone()))
            }
        }
    }

    /// Stores the series as the server says that it is; only the chunks of changed bars are written. `now_ms` becomes its
    /// last use. Other series go, those used longest ago first, until the bounds are kept; where the browser's share is
    /// used up all the same, half of them do. Nothing is written over a newer state that another tab has stored.
    ///
    /// # Errors
    /// Where the store refuses or is full; it is then as it was before.
    pub async fn write(&self, data: Rc<ChartData>, changed: &Changed, now_ms: i64) -> Result<(), CacheError> {
        let series = SeriesKey::of(&data);
        // One tab after the other; where there are no locks, each write is still whole.
        let _turn = locks::take(&format!("{}-cache {series}", self.name), Ask::InTurn).await;
        let written = match self.write_within(self.limits.get(), &data, changed, &series, now_ms).await {
            // As a rule its space is used up.
            Err(_) => {
                let bytes = self.usage().await?.bytes / 2;
                let tight = Limits { bytes, ..self.limits.get() };
                self.write_within(tight, &data, changed, &series, now_ms).await?
            }
            written => written?,
        };
        if written {
            self.tell(&Told::Written(series, data.revision));
            self.memory.borrow_mut().keep(Cached { data, checked: now_ms });
        } else {
            self.memory.borrow_mut().forget(&series);
        }
        Ok(())
    }

    /// False where another tab has stored a newer state.
    async fn write_within(
        &self,
        limits: Limits,
        data: &ChartData,
        changed: &Changed,
        series: &SeriesKey,
        now_ms: i64,
    ) -> Result<bool, CacheError> {
        let (transaction, entries, chunks) = self.begin(TransactionMode::ReadWrite)?;
        let stored = all_entries(&entries).await?;
        let known = stored.iter().find(|entry| entry.series == *series);
        let Some(spread) = Spread::of(series, data, changed, known) else { return Ok(false) };
        if spread.is_whole {
            chunks.delete(all_chunks(series)?)?;
        }
        for start in &spread.gone {
            chunks.delete(chunk_key(series, *start))?;
        }
        for (start, frame) in &spread.frames {
            chunks.put(&Uint8Array::from(frame.as_slice()).buffer(), Some(&chunk_key(series, *start)))?;
        }
        let entry = spread.entry(data, series.clone(), now_ms);
        for victim in victims(&stored, &entry, limits) {
            entries.delete(key(&victim))?;
            chunks.delete(all_chunks(&victim)?)?;
        }
        put_entry(&entries, &entry)?;
        finish(transaction).await.map(|()| true)
    }

    /// Says that the series is in use; and that the server has confirmed it as it is stored, where `is_checked`.
    ///
    /// # Errors
    /// Where the store refuses.
    pub async fn touch(&self, series: &SeriesKey, is_checked: bool, now_ms: i64) -> Result<(), CacheError> {
        let (transaction, entries, _) = self.begin(TransactionMode::ReadWrite)?;
        let stored = entries.get(key(series))?.await?;
        if let Some(entry) = stored.as_ref().and_then(parse_entry) {
            let checked = if is_checked { now_ms } else { entry.checked };
            put_entry(&entries, &Entry { used: now_ms, checked, ..entry })?;
        }
        if is_checked {
            self.memory.borrow_mut().confirm(series, now_ms);
        }
        finish(transaction).await
    }

    /// Forgets the series.
    ///
    /// # Errors
    /// Where the store refuses.
    pub async fn remove(&self, series: &SeriesKey) -> Result<(), CacheError> {
        let (transaction, entries, chunks) = self.begin(TransactionMode::ReadWrite)?;
        entries.delete(key(series))?;
        chunks.delete(all_chunks(series)?)?;
        self.memory.borrow_mut().forget(series);
        finish(transaction).await
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// Where the store refuses.
    pub async fn clear(&self) -> Result<(), CacheError> {
        let (transaction, entries, chunks) = self.begin(TransactionMode::ReadWrite)?;
        entries.clear()?;
        chunks.clear()?;
        self.memory.borrow_mut().clear();
        finish(transaction).await?;
        self.tell(&Told::Cleared);
        Ok(())
    }

    /// How much is stored.
    ///
    /// # Errors
    /// Where the store refuses.
    pub async fn usage(&self) -> Result<Usage, CacheError> {
        let (_, entries, _) = self.begin(TransactionMode::ReadOnly)?;
        let stored = all_entries(&entries).await?;
        let bytes = stored.iter().map(Entry::bytes).sum();
        Ok(Usage { series: stored.len(), bytes, limit: self.limits.get().bytes })
    }

    /// What all tabs, this one included, do to the store from now on.
    #[must_use]
    pub fn news(&self) -> News {
        let (sender, told) = unbounded();
        let channel = Channel::join(&format!("{}-cache", self.name), move |text| {
            // Refused where nobody listens any more.
            let _ = read_told(&text).map(|told| sender.unbounded_send(told));
        });
        News { told, channel }
    }

    fn tell(&self, told: &Told) {
        if let Some(channel) = &self.channel {
            channel.post(&written_told(told));
        }
    }

    fn begin(&self, mode: TransactionMode) -> Result<(Transaction, ObjectStore, ObjectStore), CacheError> {
        let transaction = self.database.transaction(&[ENTRIES, CHUNKS], mode)?;
        let (entries, chunks) = (transaction.object_store(ENTRIES)?, transaction.object_store(CHUNKS)?);
        Ok((transaction, entries, chunks))
    }
}

/// Hears what is done to the store for as long as it is kept.
pub struct News {
    /// In the order in which it is done.
    pub told: UnboundedReceiver<Told>,
    /// To be kept for as long.
    pub channel: Option<Channel>,
}

/// A tab of this version closes the store when another one wants to change its shape, and goes on without.
fn let_go_when_asked(mut database: Database) -> Database {
    database.on_version_change(|event| {
        if let Some(Ok(database)) = event.target().map(Database::try_from) {
            database.close();
        }
    });
    database
}

/// An older version's bars can be had again: they are dropped, which is safer than reading them wrong.
fn make_anew(database: &Database) {
    for old in database.store_names() {
        // A store that could not be made anew is noticed once it is used.
        let _ = database.delete_object_store(&old);
    }
    for new in [ENTRIES, CHUNKS] {
        let _ = database.create_object_store(new, ObjectStoreParams::new());
    }
}

async fn finish(transaction: Transaction) -> Result<(), CacheError> {
    if transaction.await?.is_committed() { Ok(()) } else { Err(CacheError::RolledBack) }
}

fn key(series: &SeriesKey) -> JsValue {
    JsValue::from_str(&series.to_string())
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are exact in an f64")]
fn chunk_key(series: &SeriesKey, start: i64) -> JsValue {
    Array::of2(&key(series), &JsValue::from_f64(start as f64)).into()
}

/// Every key `[series, number]`: in IndexedDB's order an array is larger than any number.
fn all_chunks(series: &SeriesKey) -> Result<KeyRange, idb::Error> {
    let (lower, upper) = (Array::of1(&key(series)), Array::of2(&key(series), &Array::new()));
    KeyRange::bound(&lower, &upper, None, None)
}

async fn all_entries(entries: &ObjectStore) -> Result<Vec<Entry>, CacheError> {
    Ok(entries.get_all(None, None)?.await?.iter().filter_map(parse_entry).collect())
}

fn put_entry(entries: &ObjectStore, entry: &Entry) -> Result<(), CacheError> {
    entries.put(&JsValue::from_str(&entry.write()), Some(&key(&entry.series)))?;
    Ok(())
}

fn parse_entry(value: &JsValue) -> Option<Entry> {
    Entry::parse(&value.as_string()?)
}

fn assemble(series: &SeriesKey, entry: &JsValue, values: &[JsValue]) -> Option<Cached> {
    let entry = parse_entry(entry).filter(|entry| entry.series == *series && entry.chunks.len() == values.len())?;
    let chunks = values
        .iter()
        .zip(entry.chunks.values())
        .map(|(value, size)| {
            let bytes = Uint8Array::new(value.dyn_ref::<ArrayBuffer>()?).to_vec();
            (bytes.len() as u64 == *size).then(|| chunk::decode(series, &bytes)).flatten()
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Cached { checked: entry.checked, data: Rc::new(entry.join(chunks)) })
}

/// `written 7 AAPL h1`
fn written_told(told: &Told) -> String {
    match told {
        Told::Written(series, revision) => format!("written {revision} {series}"),
        Told::Cleared => "cleared".to_owned(),
    }
}

/// `None` for what another version of the page says.
fn read_told(text: &str) -> Option<Told> {
    if text == "cleared" {
        return Some(Told::Cleared);
    }
    let mut words = text.strip_prefix("written ")?.split(' ');
    let revision = words.next()?.parse().ok()?;
    Some(Told::Written(SeriesKey::parse(words.next()?, words.next()?).ok()?, revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_to_other_tabs_is_read_again() {
        let written = Told::Written(SeriesKey::parse("X:BTCUSD", "m5").unwrap(), 17);
        for told in [written, Told::Cleared] {
            assert_eq!(read_told(&written_told(&told)), Some(told));
        }
        assert_eq!(read_told("written AAPL h1 7"), None);
    }
}
