//! Finding a symbol by what someone types: among what is stored, what is known by name, and what a provider may serve.

pub mod known;

use std::collections::BTreeMap;

use tidemark_app::api::Suggestion;
use tidemark_market::Symbol;

use crate::db;
use crate::error::Error;
use crate::service::Service;

/// The most that are suggested.
const MOST: usize = 12;

impl Service {
    /// What may be meant by `text`, the likeliest first. A symbol that nobody has asked for yet is the last of all, where
    /// a provider serves symbols of its form; whether it exists is seen when it is opened.
    ///
    /// # Errors
    /// The database.
    pub async fn suggest(&self, text: &str) -> Result<Vec<Suggestion>, Error> {
        let query = Query::read(text);
        if query.words.is_empty() {
            return Ok(Vec::new());
        }
        let mut found: BTreeMap<Symbol, Suggestion> = known::all()
            .filter(|(symbol, name)| query.rank(symbol, Some(name)).is_some() && self.is_served(symbol))
            .map(|(symbol, name)| (symbol.clone(), Suggestion { symbol, name: Some(name.to_owned()), stored: false }))
            .collect();
        let named: Vec<Symbol> = found.keys().cloned().collect();
        for listed in db::instruments::matching(&self.pool, query.prefix(), &query.words, &named).await? {
            let name = known::name(&listed.symbol).map(str::to_owned).or(listed.name);
            let stored = listed.is_stored;
            found.insert(listed.symbol.clone(), Suggestion { symbol: listed.symbol, name, stored });
        }
        let mut suggestions = query.ranked(found.into_values());
        if let Ok(symbol) = text.parse::<Symbol>()
            && self.is_served(&symbol)
            && suggestions.iter().all(|it| it.symbol != symbol)
        {
            suggestions.truncate(MOST - 1);
            suggestions.push(Suggestion { symbol, name: None, stored: false });
        }
        Ok(suggestions)
    }

    fn is_served(&self, symbol: &Symbol) -> bool {
        self.registry.knowing(symbol).next().is_some()
    }
}

/// How well something fits what was typed; the earlier, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// It is that symbol.
    Exact,
    /// Its symbol begins so.
    Symbol,
    /// Its pair, after the prefix, begins so.
    Pair,
    /// Words of its name begin so, all that were typed.
    Name,
}

/// What was typed.
struct Query {
    /// As a symbol is written; may hold what no symbol has.
    symbol: String,
    /// Letters and digits, in lower case.
    words: Vec<String>,
}

impl Query {
    fn read(text: &str) -> Self {
        Self { symbol: text.trim().to_ascii_uppercase().replace('/', "."), words: words(text).collect() }
    }

    /// With what a symbol begins; `None` where none begins so.
    fn prefix(&self) -> Option<&str> {
        self.symbol.parse::<Symbol>().is_ok().then_some(self.symbol.as_str())
    }

    fn rank(&self, symbol: &Symbol, name: Option<&str>) -> Option<Rank> {
        let symbol = symbol.as_str();
        let pair = symbol.split_once(':').map(|(_, pair)| pair);
        if symbol == self.symbol {
            Some(Rank::Exact)
        } else if symbol.starts_with(&self.symbol) {
            Some(Rank::Symbol)
        } else if pair.is_some_and(|pair| pair.starts_with(&self.symbol)) {
            Some(Rank::Pair)
        } else {
            let named: Vec<String> = name.into_iter().flat_map(words).collect();
            let is_in_name = |word: &String| named.iter().any(|part| part.starts_with(word.as_str()));
            (!self.words.is_empty() && self.words.iter().all(is_in_name)).then_some(Rank::Name)
        }
    }

    /// The best first; of equal ones those that are stored, then the shorter.
    fn ranked(&self, found: impl Iterator<Item = Suggestion>) -> Vec<Suggestion> {
        let mut ranked: Vec<_> =
            found.filter_map(|it| Some((self.rank(&it.symbol, it.name.as_deref())?, it))).collect();
        ranked.sort_by(|(one, a), (other, b)| {
            let key = |it: &Suggestion| (!it.stored, it.symbol.as_str().len());
            one.cmp(other).then(key(a).cmp(&key(b))).then_with(|| a.symbol.cmp(&b.symbol))
        });
        ranked.into_iter().map(|(_, suggestion)| suggestion).take(MOST).collect()
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suggestion(symbol: &str, name: &str, stored: bool) -> Suggestion {
        Suggestion { symbol: symbol.parse().unwrap(), name: Some(name.to_owned()), stored }
    }

    fn order(text: &str) -> Vec<String> {
        let found = [
            suggestion("AAPL", "Apple Inc.", false),
            suggestion("APP", "AppLovin Corporation", false),
            suggestion("APPF", "AppFolio, Inc.", true),
            suggestion("APPN", "Appian Corporation", false),
            suggestion("X:APPUSD", "A coin", false),
            suggestion("WIT", "A new apple farm", true),
            suggestion("KO", "The Coca-Cola Company", true),
        ];
        let ranked = Query::read(text).ranked(found.into_iter());
        ranked.iter().map(|it| it.symbol.to_string()).collect()
    }

    #[test]
    fn exact_before_prefix_before_name_and_stored_first() {
        assert_eq!(order("app"), ["APP", "APPF", "APPN", "X:APPUSD", "WIT", "AAPL"]);
        assert_eq!(order("apple"), ["WIT", "AAPL"]);
        assert_eq!(order("new app"), ["WIT"], "each word begins a word of the name");
        assert_eq!(order("coca-cola"), ["KO"]);
        assert_eq!(order("zz"), [""; 0]);
        assert_eq!(order("%"), [""; 0]);
    }

    #[test]
    fn only_what_may_begin_a_symbol_is_looked_for_as_one() {
        let prefix = |text| Query::read(text).prefix().map(str::to_owned);
        assert_eq!(prefix(" brk/b "), Some("BRK.B".to_owned()));
        assert_eq!(prefix("coca cola"), None);
        assert_eq!(prefix("a%"), None);
        assert_eq!(prefix(""), None);
    }
}
