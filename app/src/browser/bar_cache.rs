//! The bars this browser has seen, in IndexedDB: what a chart paints before the server has answered.
//!
//! A series is cut into chunks of a fixed span of time, one binary value each in the wire format, beside one small entry
//! that tells revision, window, chunks and last use. Both are written in one transaction, so that a reader finds a whole
//! series or none. The store is bounded: what was used longest ago goes first. It is a cache and nothing else: an entry
//! that does not fit together is dropped, and a browser without the store gets the bars from the server.

mod entry;

use std::collections::BTreeSet;

use idb::{
    Database, DatabaseEvent, Factory, KeyRange, ObjectStore, ObjectStoreParams, Query, Transaction, TransactionMode,
};
use js_sys::{Array, Uint8Array};
use thiserror::Error;
use tidemark_market::wire::{self, ChartData};
use wasm_bindgen::{JsCast, JsValue};

use self::entry::{Entry, Spread, victims};
pub use self::entry::{Limits, chunk_span};
use crate::series::SeriesKey;
use crate::stores::holding::Changed;

const VERSION: u32 = 1;
const ENTRIES: &str = "series";
const CHUNKS: &str = "chunks";
/// Opening waits for other tabs only where one holds an older version open; none of them is worth a wait.
const OPEN_TIMEOUT_MS: u32 = 2_000;

/// Why the cache did not do what it was asked. The page goes on without.
#[derive(Debug, Error)]
pub enum CacheError {
    /// The browser has no store, forbids it, or it is full.
    #[error("IndexedDB refused: {0}")]
    Refused(#[from] idb::Error),
    /// Another tab keeps the store from opening.
    #[error("IndexedDB did not open within {OPEN_TIMEOUT_MS} ms")]
    Blocked,
    /// What is stored of a series does not fit together. It has been dropped.
    #[error("what is stored of {0} is damaged and was dropped")]
    Damaged(SeriesKey),
    /// A transaction was rolled back: as a rule because the disk's share is used up.
    #[error("IndexedDB rolled the write back, as it does when its space is used up")]
    RolledBack,
}

/// The open store.
pub struct BarCache {
    database: Database,
    limits: Limits,
}

impl BarCache {
    /// Opens, or makes, the store of that name.
    ///
    /// # Errors
    /// Where the browser has none or it can't be opened. A store of a foreign shape is deleted, for the next visit.
    pub async fn open(name: &str, limits: Limits) -> Result<Self, CacheError> {
        let factory = Factory::new()?;
        let mut request = factory.open(name, Some(VERSION))?;
        request.on_upgrade_needed(|event| {
            if let Ok(database) = event.database() {
                // A store that could not be made is noticed below.
                let _ = database.create_object_store(ENTRIES, ObjectStoreParams::new());
                let _ = database.create_object_store(CHUNKS, ObjectStoreParams::new());
            }
        });
        let timeout = gloo_timers::future::TimeoutFuture::new(OPEN_TIMEOUT_MS);
        let database = match futures::future::select(std::pin::pin!(request.into_future()), timeout).await {
            futures::future::Either::Left((database, _)) => database?,
            futures::future::Either::Right(_) => return Err(CacheError::Blocked),
        };
        match database.transaction(&[ENTRIES, CHUNKS], TransactionMode::ReadOnly) {
            Ok(_) => Ok(Self { database, limits }),
            Err(error) => {
                database.close();
                // Not waited for: the error is the answer, the deletion is for the next visit.
                let _ = factory.delete(name)?;
                Err(error.into())
            }
        }
    }

    /// What is stored of the series; `None` where that is nothing.
    ///
    /// # Errors
    /// Where the store refuses, or what it holds is damaged (and now dropped).
    pub async fn read(&self, series: &SeriesKey) -> Result<Option<ChartData>, CacheError> {
        let (transaction, entries, chunks) = self.begin(TransactionMode::ReadOnly)?;
        let entry = entries.get(key(series))?;
        let values = chunks.get_all(Some(Query::KeyRange(all_chunks(series)?)), None)?;
        let (entry, values) = futures::future::try_join(entry.into_future(), values.into_future()).await?;
        drop(transaction);
        let Some(entry) = entry else { return Ok(None) };
        match assemble(series, &entry, &values) {
            Some(data) => Ok(Some(data)),
            None => {
                self.remove(series).await?;
                Err(CacheError::Damaged(series.clone()))
            }
        }
    }

    /// Stores the series as it is now; only the chunks of changed bars are written. `now_ms` becomes its last use.
    /// Other series go, those used longest ago first, until the bounds are kept.
    ///
    /// # Errors
    /// Where the store refuses or is full; it is then as it was before.
    pub async fn write(&self, data: &ChartData, changed: &Changed, now_ms: i64) -> Result<(), CacheError> {
        let series = SeriesKey { symbol: data.symbol.clone(), timeframe: data.timeframe };
        let (transaction, entries, chunks) = self.begin(TransactionMode::ReadWrite)?;
        let stored = entries.get_all(None, None)?.await?;
        let stored: Vec<Entry> = stored.iter().filter_map(parse_entry).collect();
        let known = stored.iter().find(|entry| entry.series == series);
        let spread = Spread::of(data, changed, known);
        if spread.is_whole {
            chunks.delete(all_chunks(&series)?)?;
        }
        for start in &spread.gone {
            chunks.delete(chunk_key(&series, *start))?;
        }
        for (start, frame) in &spread.frames {
            chunks.put(&Uint8Array::from(frame.as_slice()), Some(&chunk_key(&series, *start)))?;
        }
        let entry = spread.entry(data, series, now_ms);
        for victim in victims(&stored, &entry, self.limits) {
            entries.delete(key(&victim))?;
            chunks.delete(all_chunks(&victim)?)?;
        }
        entries.put(&JsValue::from_str(&entry.write()), Some(&key(&entry.series)))?;
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
        finish(transaction).await
    }

    fn begin(&self, mode: TransactionMode) -> Result<(Transaction, ObjectStore, ObjectStore), CacheError> {
        let transaction = self.database.transaction(&[ENTRIES, CHUNKS], mode)?;
        let (entries, chunks) = (transaction.object_store(ENTRIES)?, transaction.object_store(CHUNKS)?);
        Ok((transaction, entries, chunks))
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

fn parse_entry(value: &JsValue) -> Option<Entry> {
    Entry::parse(&value.as_string()?)
}

fn assemble(series: &SeriesKey, entry: &JsValue, values: &[JsValue]) -> Option<ChartData> {
    let entry = parse_entry(entry)?;
    let frames = values
        .iter()
        .map(|value| wire::decode(&value.dyn_ref::<Uint8Array>()?.to_vec()).ok())
        .collect::<Option<Vec<_>>>()?;
    let found: BTreeSet<i64> = frames.iter().map(|frame| frame.window.start.millis()).collect();
    let is_whole = &entry.series == series
        && found == entry.chunks.keys().copied().collect()
        && frames.iter().all(|frame| frame.symbol == series.symbol && frame.timeframe == series.timeframe);
    is_whole.then(|| entry.join(frames))
}
