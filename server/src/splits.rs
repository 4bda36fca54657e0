//! Keeping share splits: each stock's are asked for once a day, and put into effect when their time has come.

use std::sync::Arc;
use std::time::Duration;

use tidemark_market::{Split, Symbol};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::db;
use crate::db::splits::Source;
use crate::error::Error;
use crate::providers::ProviderError;
use crate::service::Service;

/// How long the duty sleeps where no new stock wakes it.
const PERIOD: Duration = Duration::from_secs(60);
/// How many stocks are asked for in a row: little beside what hydration asks.
const AT_ONCE: i64 = 1;

/// The duty that keeps splits.
#[derive(Clone)]
pub struct SplitsDuty {
    /// Whom to ask, and whom to tell.
    pub service: Arc<Service>,
    /// Rung when a stock was added.
    pub listed: Arc<Notify>,
}

impl SplitsDuty {
    /// Asks until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            if let Err(error) = self.round().await {
                tracing::warn!(%error, "splits could not be seen to; trying again in a minute");
            }
            tokio::select! {
                () = self.listed.notified() => {}
                () = tokio::time::sleep(PERIOD) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn round(&self) -> Result<(), Error> {
        let pool = &self.service.pool;
        for symbol in db::splits::take_unchecked(pool, AT_ONCE).await? {
            match self.ask(&symbol).await? {
                Some((source, Ok(splits))) => {
                    let changed = db::splits::record(pool, &symbol, &splits, Source::Provider(&source)).await?;
                    tracing::debug!(%symbol, source, changed, "splits were asked for");
                }
                None => {}
                Some((provider, Err(error))) => {
                    tracing::warn!(%symbol, provider, %error, "splits could not be asked for; trying again in an hour");
                    if let Some(delay) = error.holds_back_for() {
                        db::budgets::hold_back(pool, &provider, error.allowance.as_ref(), delay).await?;
                    }
                    db::splits::ask_again_soon(pool, &symbol).await?;
                }
            }
        }
        for series in db::splits::apply_due(pool).await? {
            tracing::info!(%series, "a split took effect");
            self.service.notifier.changed(&series);
        }
        Ok(())
    }

    /// The first provider that tells splits, and what it tells or why it did not.
    async fn ask(&self, symbol: &Symbol) -> Result<Option<(String, Result<Vec<Split>, ProviderError>)>, Error> {
        for provider in self.service.registry.knowing(symbol) {
            let name = provider.name().to_owned();
            let answer = match db::budgets::take(&self.service.pool, &name).await? {
                Some(request) => {
                    let answer = provider.splits(symbol).await;
                    db::budgets::end(&self.service.pool, request).await?;
                    answer
                }
                None => Err(ProviderError::busy(&name, &format!("The splits of {symbol}"))),
            };
            if let Some(told) = answer.transpose() {
                return Ok(Some((name, told)));
            }
        }
        Ok(None)
    }
}
