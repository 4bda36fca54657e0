//! Recorded bars: put in by code, or read from a folder.
//!
//! A file is named `SYMBOL_TIMEFRAME.csv` (`AAPL_m1.csv`, `X:BTCUSD_d1.csv`). Its first line names the columns:
//! `t,o,h,l,c,v`, then any of `vw,n`; `t` is when the bar begins, in UTC epoch milliseconds.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use tidemark_market::{Bar, Symbol, Timeframe, Timestamp};

use crate::config::SimulatorError;

/// The recorded bars of one series.
#[derive(Clone, Debug)]
pub struct Feed {
    /// Whose bars.
    pub symbol: Symbol,
    /// How long each is.
    pub timeframe: Timeframe,
    /// The bars, in any order.
    pub bars: Vec<Bar>,
}

/// All recorded bars, each series sorted by time.
#[derive(Debug, Default)]
pub(crate) struct Feeds(HashMap<Symbol, BTreeMap<Timeframe, Vec<Bar>>>);

impl Feeds {
    pub(crate) fn new(feeds: impl IntoIterator<Item = Feed>) -> Self {
        let mut all: HashMap<Symbol, BTreeMap<Timeframe, Vec<Bar>>> = HashMap::new();
        for feed in feeds {
            let bars = all.entry(feed.symbol).or_default().entry(feed.timeframe).or_default();
            bars.extend(feed.bars);
            bars.sort_by_key(|bar| bar.ts);
        }
        Self(all)
    }

    pub(crate) fn has(&self, symbol: &Symbol) -> bool {
        self.0.contains_key(symbol)
    }

    /// The bars from which those of `asked` are made: its own, else the finest there are.
    pub(crate) fn for_length(&self, symbol: &Symbol, asked: Option<Timeframe>) -> Option<(Timeframe, &[Bar])> {
        let series = self.0.get(symbol)?;
        let own = asked.and_then(|timeframe| series.get_key_value(&timeframe));
        own.or_else(|| series.first_key_value()).map(|(timeframe, bars)| (*timeframe, bars.as_slice()))
    }
}

/// Every feed in the folder; files that do not end in `.csv` are left alone.
pub(crate) fn read_folder(folder: &Path) -> Result<Vec<Feed>, SimulatorError> {
    let unreadable = |source| SimulatorError::Read { path: folder.to_owned(), source };
    let mut feeds = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "csv") {
            feeds.push(read_file(&path)?);
        }
    }
    Ok(feeds)
}

fn read_file(path: &Path) -> Result<Feed, SimulatorError> {
    let wrong = |line, reason: String| SimulatorError::Feed { path: path.to_owned(), line, reason };
    let (symbol, timeframe) =
        series_of(path).ok_or_else(|| wrong(0, "the file is not named SYMBOL_TIMEFRAME.csv".into()))?;
    let text = fs::read_to_string(path).map_err(|source| SimulatorError::Read { path: path.to_owned(), source })?;
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap_or_default().split(',').map(str::trim).collect();
    if !columns.starts_with(&["t", "o", "h", "l", "c", "v"]) {
        return Err(wrong(1, "the columns are not t,o,h,l,c,v and then any of vw,n".into()));
    }
    let bars = lines
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| read_bar(&columns, line).map_err(|reason| wrong(index + 2, reason)))
        .collect::<Result<_, _>>()?;
    Ok(Feed { symbol, timeframe, bars })
}

fn series_of(path: &Path) -> Option<(Symbol, Timeframe)> {
    let (symbol, timeframe) = path.file_stem()?.to_str()?.rsplit_once('_')?;
    Some((symbol.parse().ok()?, timeframe.parse().ok()?))
}

fn read_bar(columns: &[&str], line: &str) -> Result<Bar, String> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let field = |name: &str| {
        let position = columns.iter().position(|column| *column == name)?;
        fields.get(position).copied().filter(|text| !text.is_empty())
    };
    let number = |name: &str| match field(name).map(str::parse::<f64>) {
        None => Ok(None),
        Some(Ok(value)) if value.is_finite() => Ok(Some(value)),
        Some(_) => Err(format!("{name} is not a number")),
    };
    let needed = |name: &str| number(name)?.ok_or_else(|| format!("{name} is missing"));
    let ts = field("t").and_then(|text| text.parse().ok()).ok_or("t is not in epoch milliseconds")?;
    let trades = field("n").map(str::parse).transpose().map_err(|_| "n is not a count")?;
    Ok(Bar {
        vwap: number("vw")?,
        trades,
        ..Bar::new(Timestamp(ts), needed("o")?, needed("h")?, needed("l")?, needed("c")?, needed("v")?)
    })
}
