//! Which provider serves what.

use std::sync::Arc;

use tidemark_market::{Layer, Symbol, Timeframe};

use crate::providers::Provider;

/// The providers that are set up.
#[derive(Clone, Default)]
pub struct Registry {
    historical: Option<Arc<dyn Provider>>,
    intraday: Option<Arc<dyn Provider>>,
    venues: Vec<Arc<dyn Provider>>,
}

impl Registry {
    /// A registry of one provider for settled bars and one for recent ones. Where one is missing, or does not serve an
    /// instrument, the other steps in.
    #[must_use]
    pub fn new(historical: Option<Arc<dyn Provider>>, intraday: Option<Arc<dyn Provider>>) -> Self {
        Self { historical, intraday, venues: Vec::new() }
    }

    /// The same, and providers that serve the symbols of their own venue.
    #[must_use]
    pub fn with_venues(self, venues: Vec<Arc<dyn Provider>>) -> Self {
        Self { venues, ..self }
    }

    /// Who fetches this layer of such a series; `None` where nobody does.
    #[must_use]
    pub fn provider_for(&self, symbol: &Symbol, timeframe: Timeframe, layer: Layer) -> Option<&Arc<dyn Provider>> {
        let order = match layer {
            Layer::Historical => [&self.historical, &self.intraday],
            Layer::Intraday => [&self.intraday, &self.historical],
            Layer::Forecast => return None,
        };
        let mut served = order.into_iter().flatten().chain(&self.venues);
        served.find(|provider| provider.supports(symbol, timeframe))
    }

    /// The provider of that name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<dyn Provider>> {
        self.all().find(|provider| provider.name() == name)
    }

    /// Everyone who can say whether such an instrument exists.
    pub fn knowing(&self, symbol: &Symbol) -> impl Iterator<Item = &Arc<dyn Provider>> {
        self.all().filter(move |provider| Timeframe::ALL.iter().any(|timeframe| provider.supports(symbol, *timeframe)))
    }

    /// Whether the bars of that provider are made up.
    #[must_use]
    pub fn is_synthetic(&self, name: &str) -> bool {
        self.named(name).map_or_else(|| name.starts_with("demo"), |provider| provider.is_synthetic())
    }

    fn all(&self) -> impl Iterator<Item = &Arc<dyn Provider>> {
        self.historical.iter().chain(&self.intraday).chain(&self.venues)
    }
}
