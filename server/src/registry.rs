//! Which provider serves what.

use std::sync::Arc;

use tidemark_market::{Layer, Symbol, Timeframe};

use crate::config::chains::Chains;
use crate::providers::{Provider, SettingsError};

/// The providers that are set up.
#[derive(Clone, Default)]
pub struct Registry {
    historical: Option<Arc<dyn Provider>>,
    intraday: Option<Arc<dyn Provider>>,
    venues: Vec<Arc<dyn Provider>>,
    chains: Chains,
}

impl Registry {
    /// A registry of one provider for settled bars and one for recent ones. Where one is missing, or does not serve an
    /// instrument, the other steps in.
    #[must_use]
    pub fn new(historical: Option<Arc<dyn Provider>>, intraday: Option<Arc<dyn Provider>>) -> Self {
        Self { historical, intraday, ..Self::default() }
    }

    /// The same, and providers that serve the symbols of their own venue.
    #[must_use]
    pub fn with_venues(self, venues: Vec<Arc<dyn Provider>>) -> Self {
        Self { venues, ..self }
    }

    /// The same, and rules on who serves what.
    ///
    /// # Errors
    /// Where one names a provider that is not set up.
    pub fn with_chains(self, chains: Chains) -> Result<Self, SettingsError> {
        if let Some(name) = chains.names().find(|name| self.named(name).is_none()) {
            let known: Vec<&str> = self.all().map(|provider| provider.name()).collect();
            return Err(SettingsError::Unconfigured { name: name.to_owned(), known: known.join(", ") });
        }
        Ok(Self { chains, ..self })
    }

    /// Who may fetch this layer of such a series, the first one first; empty where nobody may. A rule that is for the
    /// series names all of them. Without one, settled bars are the historical provider's and recent ones the intraday
    /// provider's, and each steps in for the other. A symbol at a venue is served by that venue, whatever the rules.
    #[must_use]
    pub fn chain(&self, symbol: &Symbol, timeframe: Timeframe, layer: Layer) -> Vec<&Arc<dyn Provider>> {
        let rule =
            self.chains.providers(symbol.asset_class(), timeframe, layer).filter(|_| symbol.at_venue().is_none());
        let chain: Vec<_> = match rule {
            _ if layer == Layer::Forecast => Vec::new(),
            Some(names) => names.iter().filter_map(|name| self.named(name)).collect(),
            None => self.in_default_order(layer).collect(),
        };
        chain.into_iter().filter(|provider| provider.supports(symbol, timeframe)).collect()
    }

    fn in_default_order(&self, layer: Layer) -> impl Iterator<Item = &Arc<dyn Provider>> {
        let order = match layer {
            Layer::Intraday => [&self.intraday, &self.historical],
            Layer::Historical | Layer::Forecast => [&self.historical, &self.intraday],
        };
        order.into_iter().flatten().chain(&self.venues)
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

    /// t
    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn Provider>> {
        self.historical.iter().chain(&self.intraday).chain(&self.venues)
    }
}

#[cfg(test)]
mod tests {
    use tidemark_market::Venue;

    use super::*;
    use crate::providers::{CryptoVenue, HttpSettings, Polygon, Tradier};

    fn registry() -> Registry {
        let polygon = Polygon::new(HttpSettings::stub("polygon")).unwrap();
        let tradier = Tradier::new(HttpSettings::stub("tradier")).unwrap();
        let coinbase = CryptoVenue::new(Venue::Coinbase, HttpSettings::stub("coinbase")).unwrap();
        Registry::new(Some(Arc::new(polygon)), Some(Arc::new(tradier))).with_venues(vec![Arc::new(coinbase)])
    }

    fn chain(registry: &Registry, symbol: &str, timeframe: Timeframe, layer: Layer) -> String {
        let chain = registry.chain(&symbol.parse().unwrap(), timeframe, layer);
        chain.iter().map(|provider| provider.name()).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn each_layer_has_its_provider_and_the_other_steps_in() {
        let registry = registry();
        let of = |symbol, layer| chain(&registry, symbol, Timeframe::H1, layer);
        assert_eq!(of("AAPL", Layer::Historical), "polygon,tradier");
        assert_eq!(of("AAPL", Layer::Intraday), "tradier,polygon");
        assert_eq!(of("X:BTCUSD", Layer::Intraday), "polygon", "Tradier has stocks alone");
        assert_eq!(of("COINBASE:BTC-USD", Layer::Historical), "coinbase");
        assert_eq!(of("KRAKEN:XBTUSD", Layer::Historical), "");
        assert_eq!(of("AAPL", Layer::Forecast), "");
    }

    #[test]
    fn a_rule_names_all_who_serve_what_it_is_for() {
        let rules = "equity=polygon; equity m1 intraday=tradier,polygon; crypto=tradier,polygon";
        let registry = registry().with_chains(rules.parse().unwrap()).unwrap();
        let of = |symbol, timeframe| chain(&registry, symbol, timeframe, Layer::Intraday);
        assert_eq!(of("AAPL", Timeframe::H1), "polygon");
        assert_eq!(of("AAPL", Timeframe::M1), "tradier,polygon");
        assert_eq!(of("X:BTCUSD", Timeframe::M1), "polygon", "of those the one that serves it");
        assert_eq!(of("COINBASE:BTC-USD", Timeframe::M1), "coinbase", "a venue's symbol is the venue's");
        assert_eq!(of("C:EURUSD", Timeframe::M1), "polygon", "no rule is for it");
        assert_eq!(chain(&registry, "AAPL", Timeframe::M1, Layer::Historical), "polygon");
    }

    #[test]
    fn a_rule_for_a_provider_that_is_not_set_up_is_refused() {
        let refused = registry().with_chains("equity=polygon; fx=yahoo".parse().unwrap()).err().unwrap().to_string();
        let sentence =
            "TIDEMARK_CHAINS names the provider \"yahoo\", which is not set up. Name any of polygon, tradier, coinbase";
        assert!(refused.starts_with(sentence), "{refused}");
    }
}
