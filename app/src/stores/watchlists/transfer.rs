//! Lists as files: JSON for this program, plain text for people and others.
//!
//! The text has a symbol a line, under lines that name the list: `# Funds`. Read is also what other charts write: symbols
//! separated by commas, `###Funds` between them for a name, a US exchange before the symbol (`NASDAQ:AAPL`).

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tidemark_market::Symbol;

use super::lists::{List, Named};

/// The name of a list that is read without one.
const UNNAMED: &str = "Imported";

/// Exchanges that others write before a stock; here a stock has no prefix.
const US_EXCHANGES: [&str; 7] = ["NASDAQ", "NYSE", "AMEX", "ARCA", "NYSEARCA", "BATS", "CBOE"];

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Import {
    /// Lists with at least one symbol.
    pub lists: Vec<Named>,
    /// What is no symbol.
    pub refused: Vec<String>,
}

/// A text that holds no list.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImportError {
    /// It begins as JSON and is none of ours.
    #[error("That is JSON, but no watchlists. Choose a file that was exported here, or a text with a symbol a line.")]
    Foreign,
    /// No symbol in it.
    #[error("There is no symbol in it. Write one a line, such as AAPL or X:BTCUSD.")]
    Empty,
}

#[derive(Serialize, Deserialize)]
struct File {
    lists: Vec<FileList>,
}

#[derive(Serialize, Deserialize)]
struct FileList {
    name: String,
    symbols: Vec<String>,
}

/// The lists as JSON.
#[must_use]
pub fn to_json(lists: &[List]) -> String {
    let list = |list: &List| FileList {
        name: list.name.clone(),
        symbols: list.symbols.iter().map(|symbol| symbol.as_str().to_owned()).collect(),
    };
    serde_json::to_string_pretty(&File { lists: lists.iter().map(list).collect() }).unwrap_or_default()
}

/// The lists as text.
#[must_use]
pub fn to_text(lists: &[List]) -> String {
    let mut text = String::new();
    for list in lists {
        text.push_str("# ");
        text.push_str(&list.name);
        text.push('\n');
        for symbol in &list.symbols {
            text.push_str(symbol.as_str());
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

/// Reads either.
///
/// # Errors
/// Where there is no symbol in it.
pub fn read(text: &str) -> Result<Import, ImportError> {
    let text = text.trim().trim_start_matches('\u{feff}');
    let mut import = Import::default();
    if text.starts_with(['{', '[']) {
        let file: File = serde_json::from_str(text).map_err(|_| ImportError::Foreign)?;
        for list in file.lists {
            import.begin(&list.name);
            list.symbols.iter().for_each(|entry| import.take(entry));
        }
    } else {
        import.read_text(text);
    }
    import.lists.retain(|list| !list.symbols.is_empty());
    if import.lists.is_empty() { Err(ImportError::Empty) } else { Ok(import) }
}

impl Import {
    fn read_text(&mut self, text: &str) {
        for line in text.lines().map(str::trim) {
            match line.strip_prefix('#') {
                Some(name) if !line.starts_with("###") => self.begin(name),
                _ => line.split([',', ';', ' ', '\t']).for_each(|entry| match entry.trim().strip_prefix("###") {
                    Some(name) => self.begin(name),
                    None => self.take(entry),
                }),
            }
        }
    }

    fn begin(&mut self, name: &str) {
        self.lists.push(Named { name: name.trim().to_owned(), symbols: Vec::new() });
    }

    fn take(&mut self, entry: &str) {
        let entry = entry.trim();
        if entry.is_empty() {
            return;
        }
        if self.lists.is_empty() {
            self.begin(UNNAMED);
        }
        match (own_form(entry).parse::<Symbol>(), self.lists.last_mut()) {
            (Ok(symbol), Some(list)) if !list.symbols.contains(&symbol) => list.symbols.push(symbol),
            (Ok(_), _) => {}
            (Err(_), _) => self.refused.push(entry.to_owned()),
        }
    }
}

/// The entry without a US exchange before it.
fn own_form(entry: &str) -> &str {
    match entry.split_once(':') {
        Some((exchange, symbol)) if US_EXCHANGES.iter().any(|it| exchange.eq_ignore_ascii_case(it)) => symbol,
        _ => entry,
    }
}

#[cfg(test)]
mod tests {
    use super::super::lists::Lists;
    use super::*;

    fn told(import: &Import) -> Vec<String> {
        let list = |list: &Named| {
            format!("{}: {}", list.name, list.symbols.iter().map(Symbol::as_str).collect::<Vec<_>>().join(" "))
        };
        import.lists.iter().map(list).collect()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let lists = Lists::default();
        for text in [to_json(lists.all()), to_text(lists.all())] {
            let import = read(&text).unwrap();
            let same: Vec<_> = lists.all().iter().map(|list| (&list.name, &list.symbols)).collect();
            assert_eq!(import.lists.iter().map(|list| (&list.name, &list.symbols)).collect::<Vec<_>>(), same);
            assert_eq!(import.refused, [""; 0]);
        }
    }

    #[test]
    fn a_plain_text_and_another_charts_file_are_read() {
        let import = read("aapl\n\nBRK/B, aapl\n<b>").unwrap();
        assert_eq!((told(&import), import.refused), (vec!["Imported: AAPL BRK.B".to_owned()], vec!["<b>".to_owned()]));
        let import = read("###Tech,NASDAQ:AAPL,NYSE:IBM,###Crypto,COINBASE:BTC-USD").unwrap();
        assert_eq!(told(&import), ["Tech: AAPL IBM", "Crypto: COINBASE:BTC-USD"]);
    }

    #[test]
    fn what_holds_no_symbol_is_refused() {
        assert_eq!(read(""), Err(ImportError::Empty));
        assert_eq!(read("# Only a name"), Err(ImportError::Empty));
        assert_eq!(read(r#"{"bars": []}"#), Err(ImportError::Foreign));
    }
}
