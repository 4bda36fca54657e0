//! Share splits from a file: `symbol,execution_date,split_from,split_to`, a line each, columns in any order.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDate;
use serde::Deserialize;
use thiserror::Error;
use tidemark_market::{AssetClass, Hours, Split, Symbol, calendar};

use super::csv_rows::separator;

/// Why a file of splits is refused. Nothing of it is recorded then.
#[derive(Debug, Error)]
pub enum SplitsFileError {
    /// It can't be opened or is no CSV with these columns.
    #[error("{path}: {source}. A file of splits has the columns symbol, execution_date, split_from and split_to.")]
    Unreadable {
        /// Which file.
        path: String,
        /// What its reader says; names the line.
        source: csv::Error,
    },
    /// A line that is no split.
    #[error("{path}, line {line}: {reason}.")]
    Line {
        /// Which file.
        path: String,
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Row {
    symbol: String,
    execution_date: NaiveDate,
    split_from: f64,
    split_to: f64,
}

/// The splits in the file, by symbol. A split takes effect at the start of the exchange's day. Lines that say the same are
/// one split.
///
/// # Errors
/// Where any line can't be read, or says otherwise than one before.
pub fn read(path: &Path) -> Result<BTreeMap<Symbol, Vec<Split>>, SplitsFileError> {
    let name = path.display().to_string();
    let unreadable = |source| SplitsFileError::Unreadable { path: name.clone(), source };
    let text = std::fs::read(path).map_err(|error| unreadable(error.into()))?;
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).delimiter(separator(&text)).from_reader(text.as_slice());
    let headers = reader.headers().map_err(unreadable)?.clone();
    let mut splits: BTreeMap<Symbol, Vec<Split>> = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let line = record.position().map_or(0, csv::Position::line);
        let refused = |reason| SplitsFileError::Line { path: name.clone(), line, reason };
        let row: Row = record.deserialize(Some(&headers)).map_err(unreadable)?;
        let (symbol, split) = read_row(&row).map_err(refused)?;
        let known = splits.entry(symbol).or_default();
        match known.iter().find(|known| known.at == split.at) {
            None => known.push(split),
            Some(same) if *same == split => {}
            Some(Split { from, to, .. }) => {
                let (symbol, date) = (&row.symbol, row.execution_date);
                return Err(refused(format!("a line before says that {symbol} was split {from} into {to} on {date}")));
            }
        }
    }
    Ok(splits)
}

fn read_row(row: &Row) -> Result<(Symbol, Split), String> {
    let symbol: Symbol = row.symbol.parse().map_err(|error| format!("{error}"))?;
    if symbol.asset_class() != AssetClass::Equity {
        return Err(format!("{symbol} is no share, and only shares are split"));
    }
    let (from, to) = (row.split_from, row.split_to);
    if ![from, to].iter().all(|shares| shares.is_finite() && *shares > 0.0) {
        return Err(format!("{from} shares into {to} is no split; both have to be above 0"));
    }
    if from.total_cmp(&to).is_eq() {
        return Err(format!("{from} shares into {to} is no split; it changes nothing"));
    }
    let at = symbol.calendar(Hours::Regular).day_start(row.execution_date);
    if !(calendar::FIRST..calendar::END).contains(&at) {
        return Err(format!("{} is not within 1990 to 2035, the years that are known", row.execution_date));
    }
    Ok((symbol, Split { at, from, to }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<BTreeMap<Symbol, Vec<Split>>, String> {
        let path = std::env::temp_dir().join(format!("tidemark-splits-{}-{}.csv", std::process::id(), text.len()));
        std::fs::write(&path, text).unwrap();
        let read = read(&path).map_err(|error| error.to_string());
        std::fs::remove_file(&path).unwrap();
        read
    }

    #[test]
    fn each_line_is_a_split_at_the_start_of_the_exchanges_day() {
        let splits = file("execution_date,symbol,split_to,split_from\n2014-06-09,aapl,7,1\n2020-08-31, AAPL ,4,1\n");
        let splits = splits.unwrap();
        let semicolons = file("execution_date;symbol;split_to;split_from\n2014-06-09;aapl;7;1\n2014-06-09;AAPL;7;1\n");
        assert_eq!(semicolons.unwrap()[&"AAPL".parse::<Symbol>().unwrap()].len(), 1);
        let apple = &splits[&"AAPL".parse::<Symbol>().unwrap()];
        assert_eq!(apple.len(), 2);
        assert_eq!((apple[0].at.to_string().as_str(), apple[0].to), ("2014-06-09T04:00:00Z", 7.0));
    }

    #[test]
    fn a_bad_line_is_named() {
        let header = "symbol,execution_date,split_from,split_to\n";
        for (line, expected) in [
            ("AAPL,2014-06-09,1,0", "line 2: 1 shares into 0 is no split"),
            ("X:BTCUSD,2014-06-09,1,7", "line 2: X:BTCUSD is no share"),
            ("A B,2014-06-09,1,7", "line 2: The symbol has the character"),
            ("AAPL,yesterday,1,7", "line: 2"),
            ("AAPL,2014-06-09,2,2", "line 2: 2 shares into 2 is no split; it changes nothing."),
            ("AAPL,1014-06-09,1,7", "line 2: 1014-06-09 is not within 1990 to 2035"),
            (
                "AAPL,2014-06-09,1,7\naapl,2014-06-09,1,7\nAAPL,2014-06-09,7,1",
                "line 4: a line before says that AAPL was split 1 into 7 on 2014-06-09.",
            ),
        ] {
            let error = file(&format!("{header}{line}\n")).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert!(file("a,b\n1,2\n").unwrap_err().contains("has the columns symbol"));
    }
}
