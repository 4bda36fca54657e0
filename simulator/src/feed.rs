//! Recorded bars: put in by code, or read from a folder.
//!
//! A file is named `SYMBOL_TIMEFRAME.csv` (`AAPL_m1.csv`, `X:BTCUSD_d1.csv`). Its first line names the columns:
//! `t,o,h,l,c,v`, then any of `vw,n`; `t` is when the bar begins, in UTC epoch milliseconds. Bars are as traded.
//!
//! A file `SYMBOL_splits.csv` has the columns `execution_date,split_from,split_to`; the date is a day at the exchange.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use chrono::NaiveDate;
use tidemark_market::{Bar, Calendar, Hours, Split, Symbol, Timeframe, Timestamp};

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

    /// Where the symbol's first and last bars of any length begin; `None` where it has none.
    pub(crate) fn ends(&self, symbol: &Symbol) -> Option<(Timestamp, Timestamp)> {
        let ends = |bars: &Vec<Bar>| Some((bars.first()?.ts, bars.last()?.ts));
        let all = self.0.get(symbol)?.values().filter_map(ends);
        all.reduce(|(first, last), (start, end)| (first.min(start), last.max(end)))
    }

    /// The bars from which those of `asked` are made: its own, else the finest there are.
    pub(crate) fn for_length(&self, symbol: &Symbol, asked: Option<Timeframe>) -> Option<(Timeframe, &[Bar])> {
        let series = self.0.get(symbol)?;
        let own = asked.and_then(|timeframe| series.get_key_value(&timeframe));
        own.or_else(|| series.first_key_value()).map(|(timeframe, bars)| (*timeframe, bars.as_slice()))
    }
}

/// What a folder holds.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    pub(crate) feeds: Vec<Feed>,
    pub(crate) splits: Vec<(Symbol, Split)>,
}

/// Everything in the folder; files that do not end in `.csv` are left alone.
pub(crate) fn read_folder(folder: &Path) -> Result<Folder, SimulatorError> {
    let unreadable = |source| SimulatorError::Read { path: folder.to_owned(), source };
    let mut read = Folder::default();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "csv") {
            read_file(&path, &mut read)?;
        }
    }
    Ok(read)
}

fn read_file(path: &Path, folder: &mut Folder) -> Result<(), SimulatorError> {
    let wrong = |reason: &str| SimulatorError::Feed { path: path.to_owned(), line: 0, reason: reason.to_owned() };
    let named = || wrong("the file is not named SYMBOL_TIMEFRAME.csv or SYMBOL_splits.csv");
    let name = path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.rsplit_once('_'));
    let (symbol, kind) = name.ok_or_else(named)?;
    let symbol: Symbol = symbol.parse().map_err(|_| named())?;
    if kind == "splits" {
        let calendar = symbol.calendar(Hours::Regular);
        let splits =
            read_lines(path, &["execution_date", "split_from", "split_to"], |line| read_split(calendar, line))?;
        folder.splits.extend(splits.into_iter().map(|split| (symbol.clone(), split)));
    } else {
        let timeframe = kind.parse().map_err(|_| named())?;
        let bars = read_lines(path, &["t", "o", "h", "l", "c", "v"], read_bar)?;
        folder.feeds.push(Feed { symbol, timeframe, bars });
    }
    Ok(())
}

/// One value a line; the columns, named by the first line, begin with `needed`.
fn read_lines<T>(
    path: &Path,
    needed: &[&str],
    read: impl Fn(&Line<'_>) -> Result<T, String>,
) -> Result<Vec<T>, SimulatorError> {
    let wrong = |line, reason| SimulatorError::Feed { path: path.to_owned(), line, reason };
    let text = fs::read_to_string(path).map_err(|source| SimulatorError::Read { path: path.to_owned(), source })?;
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap_or_default().split(',').map(str::trim).collect();
    if !columns.starts_with(needed) {
        return Err(wrong(1, format!("the columns do not begin with {}", needed.join(","))));
    }
    lines
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            let line = Line { columns: &columns, fields: line.split(',').map(str::trim).collect() };
            read(&line).map_err(|reason| wrong(index + 2, reason))
        })
        .collect()
}

struct Line<'a> {
    columns: &'a [&'a str],
    fields: Vec<&'a str>,
}

impl Line<'_> {
    fn field(&self, name: &str) -> Option<&str> {
        let position = self.columns.iter().position(|column| *column == name)?;
        self.fields.get(position).copied().filter(|text| !text.is_empty())
    }

    fn number(&self, name: &str) -> Result<Option<f64>, String> {
        match self.field(name).map(str::parse::<f64>) {
            None => Ok(None),
            Some(Ok(value)) if value.is_finite() => Ok(Some(value)),
            Some(_) => Err(format!("{name} is not a number")),
        }
    }

    fn needed(&self, name: &str) -> Result<f64, String> {
        self.number(name)?.ok_or_else(|| format!("{name} is missing"))
    }
}

fn read_bar(line: &Line<'_>) -> Result<Bar, String> {
    let ts = line.field("t").and_then(|text| text.parse().ok()).ok_or("t is not in epoch milliseconds")?;
    let trades = line.field("n").map(str::parse).transpose().map_err(|_| "n is not a count")?;
    let [open, high, low, close, volume] = ["o", "h", "l", "c", "v"].map(|name| line.needed(name));
    Ok(Bar { vwap: line.number("vw")?, trades, ..Bar::new(Timestamp(ts), open?, high?, low?, close?, volume?) })
}

fn read_split(calendar: Calendar, line: &Line<'_>) -> Result<Split, String> {
    let day: Option<NaiveDate> = line.field("execution_date").and_then(|text| text.parse().ok());
    let day = day.ok_or("execution_date is not YYYY-MM-DD")?;
    let shares = |name: &str| match line.needed(name)? {
        shares if shares > 0.0 => Ok(shares),
        _ => Err(format!("{name} is not above 0")),
    };
    Ok(Split { at: calendar.day_start(day), from: shares("split_from")?, to: shares("split_to")? })
}
