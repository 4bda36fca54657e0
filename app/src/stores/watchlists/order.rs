//! In which order a list is shown.

use tidemark_market::Symbol;

use crate::stores::settings::Choice;

/// The order of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The reader's own, by hand.
    #[default]
    Hand,
    /// By the alphabet.
    Symbol,
    /// What rose most is first.
    Rise,
    /// What fell most is first.
    Fall,
}

impl Choice for Order {
    const KEY: &'static str = "tidemark:watch-order";
    const ALL: &'static [Self] = &[Self::Hand, Self::Symbol, Self::Rise, Self::Fall];

    fn as_str(self) -> &'static str {
        match self {
            Self::Hand => "hand",
            Self::Symbol => "symbol",
            Self::Rise => "rise",
            Self::Fall => "fall",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Hand => "by hand",
            Self::Symbol => "by symbol",
            Self::Rise => "what rose most first",
            Self::Fall => "what fell most first",
        }
    }
}

impl Order {
    /// The symbols in this order; what has no change is last.
    pub fn sorted(self, mut symbols: Vec<Symbol>, change: impl Fn(&Symbol) -> Option<f64>) -> Vec<Symbol> {
        let by_change = |sign: f64| move |change: Option<f64>| change.map_or(f64::INFINITY, |change| sign * change);
        match self {
            Self::Hand => {}
            Self::Symbol => symbols.sort(),
            Self::Rise | Self::Fall => {
                let key = by_change(if self == Self::Rise { -1.0 } else { 1.0 });
                symbols.sort_by(|one, other| key(change(one)).total_cmp(&key(change(other))));
            }
        }
        symbols
    }

    /// What choosing "Symbol" makes of it: by symbol, and back.
    #[must_use]
    pub const fn symbol_pressed(self) -> Self {
        if matches!(self, Self::Symbol) { Self::Hand } else { Self::Symbol }
    }

    /// What choosing "Change" makes of it: the largest rise, the largest fall, and back.
    #[must_use]
    pub const fn change_pressed(self) -> Self {
        match self {
            Self::Rise => Self::Fall,
            Self::Fall => Self::Hand,
            Self::Hand | Self::Symbol => Self::Rise,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_by_symbol_and_by_change() {
        let symbols: Vec<Symbol> = ["KO", "AAPL", "X:BTCUSD", "MSFT"].map(|it| it.parse().unwrap()).into();
        let change = |symbol: &Symbol| match symbol.as_str() {
            "KO" => Some(1.0),
            "AAPL" => Some(-2.0),
            "MSFT" => Some(3.0),
            _ => None,
        };
        let sorted = |order: Order| {
            let sorted = order.sorted(symbols.clone(), change);
            sorted.iter().map(|symbol| symbol.as_str().to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(sorted(Order::Hand), "KO AAPL X:BTCUSD MSFT");
        assert_eq!(sorted(Order::Symbol), "AAPL KO MSFT X:BTCUSD");
        assert_eq!(sorted(Order::Rise), "MSFT KO AAPL X:BTCUSD");
        assert_eq!(sorted(Order::Fall), "AAPL KO MSFT X:BTCUSD");
    }

    #[test]
    fn each_heading_leads_back_to_the_readers_own_order() {
        assert_eq!(Order::Hand.symbol_pressed().symbol_pressed(), Order::Hand);
        assert_eq!(Order::Symbol.change_pressed().change_pressed().change_pressed(), Order::Hand);
    }
}
