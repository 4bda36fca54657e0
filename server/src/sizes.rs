//! How long slices are: what one request of a provider holds and answers in time, as learned by all processes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tidemark_market::sizing::{self, Measured};
use tidemark_market::{Layer, Symbol, Timeframe};
use tokio::sync::Mutex;

use crate::db;
use crate::db::queue::ClaimedRun;
use crate::db::sizes::SizeKey;
use crate::error::Error;
use crate::providers::{Fetched, Provider};

/// How long what was read is taken for true.
const FRESH_FOR: Duration = Duration::from_secs(10);

/// The sizes, kept in the database.
pub struct SizeBook {
    pool: PgPool,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    sizes: HashMap<SizeKey, i64>,
    read_at: Option<Instant>,
}

impl SizeBook {
    /// The book of a database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool, known: Mutex::default() }
    }

    /// How long slices of a series' layer may be at a provider, in milliseconds.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn of(
        &self,
        provider: &dyn Provider,
        symbol: &Symbol,
        timeframe: Timeframe,
        layer: Layer,
    ) -> Result<i64, Error> {
        let mut known = self.known.lock().await;
        if known.read_at.is_none_or(|at| at.elapsed() > FRESH_FOR) {
            *known = Known { sizes: db::sizes::read(&self.pool).await?, read_at: Some(Instant::now()) };
        }
        Ok(known.of(&key(provider.name(), timeframe, layer), provider.page(symbol, timeframe)))
    }

    /// Learns from a fetch that was answered after `took`.
    pub async fn learn(&self, provider: &dyn Provider, run: &ClaimedRun, fetched: &Fetched, took: Duration) {
        let page = provider.page(&run.series.symbol, run.series.timeframe);
        let measured = Measured {
            slice: run.slice,
            requests: fetched.requests,
            rows: u32::try_from(fetched.bars.len()).unwrap_or(u32::MAX),
            latency_millis: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
        };
        self.change(run, page, |size| sizing::next_size(size, page, &measured)).await;
    }

    /// Learns from a fetch that was too much to be answered.
    pub async fn shorten(&self, provider: &dyn Provider, run: &ClaimedRun) {
        let page = provider.page(&run.series.symbol, run.series.timeframe);
        self.change(run, page, sizing::after_failure).await;
    }

    async fn change(&self, run: &ClaimedRun, page: i64, next: impl FnOnce(i64) -> i64) {
        let key = key(&run.provider, run.series.timeframe, run.layer);
        let mut known = self.known.lock().await;
        let former = known.of(&key, page);
        let size = next(former);
        if size == former {
            return;
        }
        if let Err(error) = Box::pin(db::sizes::set(&self.pool, &key, former, size)).await {
            tracing::warn!(provider = run.provider, %error, "a slice size could not be booked");
        }
        known.sizes.insert(key, size);
    }
}

impl Known {
    fn of(&self, key: &SizeKey, page: i64) -> i64 {
        self.sizes.get(key).map_or_else(|| sizing::first_size(key.1, page), |size| (*size).min(page))
    }
}

fn key(provider: &str, timeframe: Timeframe, layer: Layer) -> SizeKey {
    (provider.to_owned(), timeframe, layer)
}
