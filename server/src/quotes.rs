//! What a watchlist shows of its symbols.

use tidemark_market::quote::{Quote, quote};
use tidemark_market::{Symbol, Timeframe};

use crate::db;
use crate::error::Error;
use crate::search::known;
use crate::service::Service;

impl Service {
    /// Last price, change, picture and freshness of each symbol, in their order; what is not stored has none.
    ///
    /// # Errors
    /// The database.
    pub async fn quotes(&self, symbols: &[Symbol], timeframe: Timeframe) -> Result<Vec<Quote>, Error> {
        let stored = db::quotes::of_symbols(&self.pool, symbols).await?;
        let now = self.clock.now();
        let told = symbols.iter().zip(stored).map(|(symbol, stored)| Quote {
            synthetic: stored.providers.iter().any(|name| self.registry.is_synthetic(name)),
            name: known::name(symbol).map(str::to_owned).or(stored.name),
            ..quote(symbol, timeframe, &stored.held, &stored.plan, &stored.read, now)
        });
        Ok(told.collect())
    }
}
