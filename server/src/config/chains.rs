//! `TIDEMARK_CHAINS`: which providers serve what, in order.
//!
//! Rules are separated by semicolons: `equity=polygon,tradier; equity m1 intraday=tradier,polygon`. A rule names a kind of
//! instrument and, where it is for less than all of that, a timeframe, a layer or both. The one that names most counts; of
//! two that name as much, the one with the timeframe.

use std::str::FromStr;

use thiserror::Error;
use tidemark_market::timeframe::TimeframeError;
use tidemark_market::{AssetClass, Layer, Timeframe};

/// The rules, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chains(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    scope: Scope,
    providers: Vec<String>,
}

/// What a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scope {
    asset_class: AssetClass,
    timeframe: Option<Timeframe>,
    layer: Option<Layer>,
}

/// Why a text is no list of rules.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChainsError {
    /// No `=`, or more than one.
    #[error("{0:?} is no rule. Write one like equity=polygon,tradier or equity m1 intraday=tradier,polygon.")]
    NoRule(String),
    /// A rule does not begin with a kind of instrument.
    #[error("A rule begins with equity, crypto or fx, not with {0:?}.")]
    AssetClass(String),
    /// Neither a timeframe nor a layer that has a provider, or one of them twice.
    #[error(
        "{word:?} in {rule:?} is neither a timeframe nor a layer. Name one of m1, m5, m15, m30, h1, h4, d1, w1, and one of historical, intraday, each once."
    )]
    Word {
        /// What is neither.
        word: String,
        /// In which rule.
        rule: String,
    },
    /// None, an empty name, or one twice.
    #[error(
        "{0:?} names no providers, or one twice. Name each once, in order, separated by commas, such as polygon,tradier."
    )]
    Providers(String),
    /// Two rules for one thing.
    #[error("Two rules are for what {0:?} is for. Leave one of them out.")]
    Twice(String),
}

impl Chains {
    /// The providers that serve such a series, in order; `None` where no rule is for it.
    #[must_use]
    pub fn providers(&self, asset_class: AssetClass, timeframe: Timeframe, layer: Layer) -> Option<&[String]> {
        let rules = self.0.iter().filter(|rule| rule.scope.holds(asset_class, timeframe, layer));
        rules.max_by_key(|rule| rule.scope.precision()).map(|rule| rule.providers.as_slice())
    }

    /// Every provider that a rule names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|rule| &rule.providers).map(String::as_str)
    }
}

impl Scope {
    fn holds(self, asset_class: AssetClass, timeframe: Timeframe, layer: Layer) -> bool {
        self.asset_class == asset_class
            && self.timeframe.is_none_or(|it| it == timeframe)
            && self.layer.is_none_or(|it| it == layer)
    }

    const fn precision(self) -> (bool, bool) {
        (self.timeframe.is_some(), self.layer.is_some())
    }
}

impl FromStr for Chains {
    type Err = ChainsError;

    fn from_str(text: &str) -> Result<Self, ChainsError> {
        let mut rules: Vec<Rule> = Vec::new();
        for text in text.split(';').map(str::trim).filter(|text| !text.is_empty()) {
            let rule: Rule = text.parse()?;
            if rules.iter().any(|other| other.scope == rule.scope) {
                return Err(ChainsError::Twice(text.to_owned()));
            }
            rules.push(rule);
        }
        Ok(Self(rules))
    }
}

impl FromStr for Rule {
    type Err = ChainsError;

    fn from_str(text: &str) -> Result<Self, ChainsError> {
        let (scope, providers) = text.split_once('=').ok_or_else(|| ChainsError::NoRule(text.to_owned()))?;
        if providers.contains('=') {
            return Err(ChainsError::NoRule(text.to_owned()));
        }
        Ok(Self { scope: scope.parse()?, providers: read_providers(providers, text)? })
    }
}

impl FromStr for Scope {
    type Err = ChainsError;

    fn from_str(text: &str) -> Result<Self, ChainsError> {
        let mut words = text.split_whitespace();
        let first = words.next().unwrap_or_default();
        let classes = [AssetClass::Equity, AssetClass::Crypto, AssetClass::Fx];
        let asset_class = classes.into_iter().find(|class| class.as_str().eq_ignore_ascii_case(first));
        let asset_class = asset_class.ok_or_else(|| ChainsError::AssetClass(first.to_owned()))?;
        let mut scope = Self { asset_class, timeframe: None, layer: None };
        for word in words {
            scope =
                scope.with(word).ok_or_else(|| ChainsError::Word { word: word.to_owned(), rule: text.to_owned() })?;
        }
        Ok(scope)
    }
}

impl Scope {
    /// `None` where the word tells nothing, or what is told already.
    fn with(self, word: &str) -> Option<Self> {
        let layers = [Layer::Historical, Layer::Intraday];
        if let Some(layer) = layers.into_iter().find(|layer| layer.as_str().eq_ignore_ascii_case(word)) {
            return self.layer.is_none().then_some(Self { layer: Some(layer), ..self });
        }
        let timeframe: Result<Timeframe, TimeframeError> = word.parse();
        timeframe.ok().filter(|_| self.timeframe.is_none()).map(|it| Self { timeframe: Some(it), ..self })
    }
}

fn read_providers(text: &str, rule: &str) -> Result<Vec<String>, ChainsError> {
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    let is_twice = |(at, name): (usize, &String)| names[..at].contains(name);
    let is_refused = names.iter().any(String::is_empty) || names.iter().enumerate().any(is_twice);
    if is_refused { Err(ChainsError::Providers(rule.to_owned())) } else { Ok(names) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Chains, ChainsError> {
        text.parse()
    }

    #[test]
    fn the_most_precise_rule_counts_wherever_it_stands() {
        let chains =
            read("equity=a; equity m1=b,a; equity intraday=c; equity m1 intraday = d , a ; Crypto 1h=polygon;")
                .unwrap();
        let served = |class, timeframe, layer| chains.providers(class, timeframe, layer).map(|names| names.join(","));
        let equity = |timeframe, layer| served(AssetClass::Equity, timeframe, layer).unwrap();
        assert_eq!(equity(Timeframe::H1, Layer::Historical), "a");
        assert_eq!(equity(Timeframe::H1, Layer::Intraday), "c");
        assert_eq!(equity(Timeframe::M1, Layer::Historical), "b,a", "in the order of the rule");
        assert_eq!(equity(Timeframe::M1, Layer::Intraday), "d,a");
        assert_eq!(served(AssetClass::Crypto, Timeframe::H1, Layer::Historical).as_deref(), Some("polygon"));
        assert_eq!(served(AssetClass::Crypto, Timeframe::M1, Layer::Historical), None);
        assert_eq!(served(AssetClass::Fx, Timeframe::H1, Layer::Historical), None);
        let timeframe_or_layer = read("fx intraday=a; fx m1=b").unwrap();
        let both = timeframe_or_layer.providers(AssetClass::Fx, Timeframe::M1, Layer::Intraday);
        assert_eq!(both, Some(&["b".to_owned()][..]), "the timeframe tells more");
    }

    #[test]
    fn no_rules_are_rules() {
        assert_eq!(read(""), Ok(Chains::default()));
        assert_eq!(read(" ; "), Ok(Chains::default()));
    }

    #[test]
    fn what_is_no_rule_is_refused_with_what_to_write() {
        let sentence = |text| read(text).unwrap_err().to_string();
        assert!(sentence("equity").contains("\"equity\" is no rule. Write one like equity=polygon"));
        assert!(sentence("equity=a=b").contains("is no rule"));
        assert!(sentence("stock=polygon").contains("begins with equity, crypto or fx, not with \"stock\""));
        assert!(sentence("=polygon").contains("not with \"\""));
        for words in
            ["equity m2=a", "equity forecast=a", "equity m1 m5=a", "equity m1 1m=a", "fx intraday historical=a"]
        {
            assert!(sentence(words).contains("is neither a timeframe nor a layer"), "{words}");
        }
        for providers in ["equity=", "equity=a,,b", "equity=a,b,A"] {
            assert!(sentence(providers).contains("Name each once"), "{providers}");
        }
        assert!(sentence("equity m1=a; equity 1m=b").contains("Leave one of them out"));
    }
}
