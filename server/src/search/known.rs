//! Names of what people ask for most, so that they are found before anyone has asked for them here; some providers tell
//! no names at all. Everything else is found by its symbol, and by its name once a provider has told it.

use tidemark_market::Symbol;

const KNOWN: [(&str, &str); 48] = [
    ("AAPL", "Apple Inc."),
    ("ABBV", "AbbVie Inc."),
    ("AMD", "Advanced Micro Devices, Inc."),
    ("AMZN", "Amazon.com, Inc."),
    ("AVGO", "Broadcom Inc."),
    ("BA", "The Boeing Company"),
    ("BAC", "Bank of America Corporation"),
    ("BRK.B", "Berkshire Hathaway Inc. Class B"),
    ("COST", "Costco Wholesale Corporation"),
    ("CVX", "Chevron Corporation"),
    ("DIS", "The Walt Disney Company"),
    ("GOOGL", "Alphabet Inc. Class A (Google)"),
    ("HD", "The Home Depot, Inc."),
    ("IBM", "International Business Machines Corporation"),
    ("INTC", "Intel Corporation"),
    ("JNJ", "Johnson & Johnson"),
    ("JPM", "JPMorgan Chase & Co."),
    ("KO", "The Coca-Cola Company"),
    ("LLY", "Eli Lilly and Company"),
    ("MA", "Mastercard Incorporated"),
    ("META", "Meta Platforms, Inc. (Facebook)"),
    ("MSFT", "Microsoft Corporation"),
    ("NFLX", "Netflix, Inc."),
    ("NVDA", "NVIDIA Corporation"),
    ("ORCL", "Oracle Corporation"),
    ("PFE", "Pfizer Inc."),
    ("PG", "The Procter & Gamble Company"),
    ("TSLA", "Tesla, Inc."),
    ("V", "Visa Inc."),
    ("WMT", "Walmart Inc."),
    ("XOM", "Exxon Mobil Corporation"),
    ("DIA", "SPDR Dow Jones Industrial Average ETF"),
    ("GLD", "SPDR Gold Shares"),
    ("IWM", "iShares Russell 2000 ETF"),
    ("QQQ", "Invesco QQQ Trust (Nasdaq-100)"),
    ("SPY", "SPDR S&P 500 ETF"),
    ("TLT", "iShares 20+ Year Treasury Bond ETF"),
    ("VTI", "Vanguard Total Stock Market ETF"),
    ("X:BTCUSD", "Bitcoin in US dollars, several venues"),
    ("X:ETHUSD", "Ether (Ethereum) in US dollars, several venues"),
    ("COINBASE:BTC-USD", "Bitcoin in US dollars at Coinbase"),
    ("COINBASE:ETH-USD", "Ether (Ethereum) in US dollars at Coinbase"),
    ("BINANCE:BTCUSDT", "Bitcoin in Tether at Binance"),
    ("BINANCE:ETHUSDT", "Ether (Ethereum) in Tether at Binance"),
    ("KRAKEN:XBTUSD", "Bitcoin in US dollars at Kraken"),
    ("C:EURUSD", "Euro in US dollars"),
    ("C:GBPUSD", "Pound sterling in US dollars"),
    ("C:USDJPY", "US dollar in Japanese yen"),
];

/// Symbols and names.
pub fn all() -> impl Iterator<Item = (Symbol, &'static str)> {
    KNOWN.iter().filter_map(|(symbol, name)| Some((symbol.parse().ok()?, *name)))
}

/// The name of that symbol.
#[must_use]
pub fn name(symbol: &Symbol) -> Option<&'static str> {
    KNOWN.iter().find(|(known, _)| *known == symbol.as_str()).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_a_symbol_as_it_is_written() {
        let read: Vec<Symbol> = all().map(|(symbol, _)| symbol).collect();
        assert_eq!(read.iter().map(Symbol::as_str).collect::<Vec<_>>(), KNOWN.map(|(symbol, _)| symbol));
        assert_eq!(name(&"AAPL".parse().unwrap()), Some("Apple Inc."));
    }
}
