//! The one series of real bars that a fresh install offers without any key, and whether it can be had.

use std::time::Duration;

use tidemark_app::api::Showcase;
use tidemark_market::{Symbol, Timeframe};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::registry::Registry;

/// Bitcoin in dollars at Coinbase: the venue asks for no key and serves the whole world.
const SYMBOL: &str = "COINBASE:BTC-USD";
/// How long an answer is believed.
const BELIEVED: Duration = Duration::from_secs(60);
/// How long the venue may take before the page is told that it can't be reached.
const PATIENCE: Duration = Duration::from_secs(4);

/// Remembers what the venue said last.
#[derive(Default)]
pub struct ShowcaseCheck(Mutex<Option<(Instant, Showcase)>>);

impl ShowcaseCheck {
    /// Whether the series can be had now; asked of the venue at most once a minute.
    pub async fn check(&self, registry: &Registry) -> Showcase {
        let mut last = self.0.lock().await;
        if let Some((at, answer)) = &*last
            && at.elapsed() < BELIEVED
        {
            return answer.clone();
        }
        let answer = ask(registry).await;
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}

async fn ask(registry: &Registry) -> Showcase {
    let symbol: Result<Symbol, _> = SYMBOL.parse();
    let unavailable = |reason: String| Showcase { symbol: SYMBOL.to_owned(), unavailable: Some(reason) };
    let Ok(symbol) = symbol else { return unavailable("It is no symbol.".to_owned()) };
    let Some(provider) = registry.knowing(&symbol).find(|it| it.supports(&symbol, Timeframe::H1)) else {
        return unavailable("Bars of Coinbase are switched off; see TIDEMARK_VENUES in the README.".to_owned());
    };
    match tokio::time::timeout(PATIENCE, provider.knows(&symbol)).await {
        Ok(Ok(Some(_))) => Showcase { symbol: SYMBOL.to_owned(), unavailable: None },
        Ok(Ok(None)) => unavailable("Coinbase lists it no more.".to_owned()),
        Ok(Err(error)) => unavailable(error.message),
        Err(_) => unavailable(format!("Coinbase did not answer within {} s. Check the network.", PATIENCE.as_secs())),
    }
}
