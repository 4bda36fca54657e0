//! Symbols and what they tell of an instrument.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::calendar::{Calendar, Hours};

/// The longest symbol that is read, in characters.
pub const MAX_SYMBOL_LENGTH: usize = 24;

/// A ticker in its one written form: upper case, `BRK.B` for a share class, `X:BTCUSD` for a crypto pair, `C:EURUSD` for
/// a currency pair, `COINBASE:BTC-USD` for a pair at one [`Venue`], as that venue writes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Symbol(String);

/// Why a text is not a symbol.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SymbolError {
    /// Nothing but white space.
    #[error("The symbol is empty. Type a ticker, such as AAPL or X:BTCUSD.")]
    Empty,
    /// More than [`MAX_SYMBOL_LENGTH`] characters.
    #[error("The symbol is longer than {MAX_SYMBOL_LENGTH} characters. Type a ticker, such as AAPL or X:BTCUSD.")]
    TooLong,
    /// A character that no ticker has.
    #[error(
        "The symbol has the character {0:?}, which no ticker has. Use letters, digits, '.', '-', ':' and '/', starting with a letter or digit."
    )]
    Character(char),
}

/// What kind of thing is traded; decides the calendar and the providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AssetClass {
    /// A share or fund on a US exchange.
    Equity,
    /// A crypto pair, traded around the clock.
    Crypto,
    /// A currency pair, traded from Sunday to Friday.
    Fx,
}

/// An exchange whose own bars are charted, named before the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Venue {
    /// Coinbase Exchange: `COINBASE:BTC-USD`.
    Coinbase,
    /// Binance: `BINANCE:BTCUSDT`.
    Binance,
    /// Kraken: `KRAKEN:XBTUSD`.
    Kraken,
}

impl Venue {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Coinbase, Self::Binance, Self::Kraken];

    /// The prefix of its symbols, without the colon.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Coinbase => "COINBASE",
            Self::Binance => "BINANCE",
            Self::Kraken => "KRAKEN",
        }
    }
}

impl AssetClass {
    /// The name in the database and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equity => "equity",
            Self::Crypto => "crypto",
            Self::Fx => "fx",
        }
    }

    /// The calendar its market trades by. Only equities know extended hours.
    #[must_use]
    pub const fn calendar(self, hours: Hours) -> Calendar {
        match (self, hours) {
            (Self::Equity, Hours::Regular) => Calendar::Xnys,
            (Self::Equity, Hours::Extended) => Calendar::XnysExtended,
            (Self::Crypto, _) => Calendar::AlwaysOpen,
            (Self::Fx, _) => Calendar::Fx,
        }
    }
}

impl Symbol {
    /// The written form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Told by the prefix, as Polygon writes tickers: `X:` and a [`Venue`] are crypto, `C:` is a currency pair, none is
    /// equity.
    #[must_use]
    pub fn asset_class(&self) -> AssetClass {
        match self.0.split_once(':') {
            Some(("X", _)) => AssetClass::Crypto,
            Some(("C", _)) => AssetClass::Fx,
            _ if self.at_venue().is_some() => AssetClass::Crypto,
            _ => AssetClass::Equity,
        }
    }

    /// The venue of the prefix and the pair as that venue writes it; `None` where the symbol names no venue.
    #[must_use]
    pub fn at_venue(&self) -> Option<(Venue, &str)> {
        let (prefix, pair) = self.0.split_once(':')?;
        let venue = Venue::ALL.into_iter().find(|venue| venue.as_str() == prefix)?;
        Some((venue, pair))
    }

    /// The calendar the symbol trades by.
    #[must_use]
    pub fn calendar(&self, hours: Hours) -> Calendar {
        self.asset_class().calendar(hours)
    }
}

impl FromStr for Symbol {
    type Err = SymbolError;

    fn from_str(text: &str) -> Result<Self, SymbolError> {
        let text = text.trim();
        let first = text.chars().next().ok_or(SymbolError::Empty)?;
        if text.chars().count() > MAX_SYMBOL_LENGTH {
            return Err(SymbolError::TooLong);
        }
        if !first.is_ascii_alphanumeric() {
            return Err(SymbolError::Character(first));
        }
        match text.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | ':' | '/')) {
            Some(other) => Err(SymbolError::Character(other)),
            // Tradier writes BRK/B for what everyone else writes BRK.B; one form is kept, so that one series is.
            None => Ok(Self(text.to_ascii_uppercase().replace('/', "."))),
        }
    }
}

impl TryFrom<String> for Symbol {
    type Error = SymbolError;

    fn try_from(text: String) -> Result<Self, SymbolError> {
        text.parse()
    }
}

impl From<Symbol> for String {
    fn from(symbol: Symbol) -> Self {
        symbol.0
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_has_one_written_form() {
        for (text, written) in [("aapl", "AAPL"), (" brk/b ", "BRK.B"), ("x:btcusd", "X:BTCUSD"), ("BF-A", "BF-A")] {
            assert_eq!(text.parse::<Symbol>().map(String::from), Ok(written.to_owned()));
        }
    }

    #[test]
    fn the_prefix_tells_the_class_and_the_venue() {
        let symbol = |text: &str| text.parse::<Symbol>().unwrap();
        assert_eq!(symbol("C:EURUSD").calendar(Hours::Extended), Calendar::Fx);
        assert_eq!(symbol("AAPL").calendar(Hours::Extended), Calendar::XnysExtended);
        assert_eq!(symbol("coinbase:btc-usd").at_venue(), Some((Venue::Coinbase, "BTC-USD")));
        assert_eq!(symbol("KRAKEN:XBTUSD").asset_class(), AssetClass::Crypto);
        assert_eq!((symbol("X:BTCUSD").at_venue(), symbol("AAPL").at_venue()), (None, None));
    }

    #[test]
    fn what_is_not_a_symbol_is_refused_with_a_reason() {
        assert_eq!("  ".parse::<Symbol>(), Err(SymbolError::Empty));
        assert_eq!("A".repeat(25).parse::<Symbol>(), Err(SymbolError::TooLong));
        assert_eq!("../etc".parse::<Symbol>(), Err(SymbolError::Character('.')));
        assert_eq!("A B".parse::<Symbol>(), Err(SymbolError::Character(' ')));
        assert_eq!("Ä".parse::<Symbol>(), Err(SymbolError::Character('Ä')));
        assert_eq!("A;DROP".parse::<Symbol>(), Err(SymbolError::Character(';')));
    }
}
