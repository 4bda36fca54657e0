//! Which column of a file holds what, told by the columns' names.
//!
//! Case, spaces and punctuation do not matter. An adjusted close is not the close, and what is not known is left alone.

use super::error::ColumnsError;

/// Where what stands, by the columns' positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// When the bar begins: one column, or a date and a time of day.
    pub time: TimeColumns,
    /// First price.
    pub open: usize,
    /// Highest price.
    pub high: usize,
    /// Lowest price.
    pub low: usize,
    /// Last price.
    pub close: usize,
    /// Volume; currency pairs often have none.
    pub volume: Option<usize>,
    /// Volume-weighted average price.
    pub vwap: Option<usize>,
    /// Number of trades.
    pub trades: Option<usize>,
    /// The layer, as our own exports have it.
    pub layer: Option<usize>,
    /// Whose bar it is.
    pub symbol: Option<usize>,
    /// The names of columns that are not read.
    pub ignored: Vec<String>,
}

/// Where the time stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeColumns {
    /// In one column.
    One(usize),
    /// In two: the date and the time of day.
    Two(usize, usize),
}

impl TimeColumns {
    /// The position of the one, or of the date.
    pub const fn first(self) -> usize {
        match self {
            Self::One(at) | Self::Two(at, _) => at,
        }
    }

    /// The position of the time of day.
    pub const fn second(self) -> Option<usize> {
        match self {
            Self::One(_) => None,
            Self::Two(_, at) => Some(at),
        }
    }
}

/// Spellings of a column of times, the surest first. A date and a time of day in two columns are one time.
const TIMES: [&str; 10] = ["opentime", "timestamp", "datetime", "ts", "t", "unix", "time", "date", "", "indexlevel0"];
const OPEN: &[&str] = &["open", "o"];
const HIGH: &[&str] = &["high", "h"];
const LOW: &[&str] = &["low", "l"];
const CLOSE: &[&str] = &["close", "c"];
const VOLUME: &[&str] = &["volume", "vol", "v"];
const VWAP: &[&str] = &["vwap", "vw"];
const TRADES: &[&str] = &["trades", "n", "count"];
const LAYER: &[&str] = &["layer"];
const SYMBOL: &[&str] = &["symbol", "ticker"];

impl Columns {
    /// By the names in a header. `has_time_of_day` tells whether the column at a position holds times of day.
    pub fn by_name(names: &[String], has_time_of_day: impl Fn(usize) -> bool) -> Result<Self, ColumnsError> {
        let plain: Vec<String> = names.iter().map(|name| plain(name)).collect();
        let one = |role, spellings| find(names, &plain, role, spellings);
        let time = time_columns(&plain, has_time_of_day);
        let (open, high) = (one("open", OPEN)?, one("high", HIGH)?);
        let (low, close) = (one("low", LOW)?, one("close", CLOSE)?);
        let (volume, vwap) = (one("volume", VOLUME)?, one("vwap", VWAP)?);
        let (trades, layer) = (one("trades", TRADES)?, one("layer", LAYER)?);
        let (Some(time), Some(open), Some(high), Some(low), Some(close)) = (time, open, high, low, close) else {
            let wanted = [(time.is_none(), "time"), (open.is_none(), "open"), (high.is_none(), "high")];
            let wanted = wanted.into_iter().chain([(low.is_none(), "low"), (close.is_none(), "close")]);
            let missing = wanted.filter(|(is_missing, _)| *is_missing).map(|(_, role)| role).collect();
            return Err(ColumnsError::Missing { missing, found: names.to_vec() });
        };
        let symbol = plain.iter().position(|name| SYMBOL.contains(&name.as_str()));
        let ignored = Vec::new();
        let mut columns = Self { time, open, high, low, close, volume, vwap, trades, layer, symbol, ignored };
        let read = columns.positions();
        columns.ignored =
            names.iter().enumerate().filter(|(at, _)| !read.contains(at)).map(|(_, name)| name.clone()).collect();
        Ok(columns)
    }

    /// Those of a file without a header: time, open, high, low, close, volume, and what follows is not read.
    pub fn by_position() -> Self {
        Self {
            time: TimeColumns::One(0),
            open: 1,
            high: 2,
            low: 3,
            close: 4,
            volume: Some(5),
            vwap: None,
            trades: None,
            layer: None,
            symbol: None,
            ignored: Vec::new(),
        }
    }

    /// Every position that is read, sorted.
    pub fn positions(&self) -> Vec<usize> {
        let prices = [self.open, self.high, self.low, self.close];
        let others = [self.time.second(), self.volume, self.vwap, self.trades, self.layer, self.symbol];
        let mut positions: Vec<usize> =
            std::iter::once(self.time.first()).chain(prices).chain(others.into_iter().flatten()).collect();
        positions.sort_unstable();
        positions
    }
}

/// Letters and digits, in lower case.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn find(
    names: &[String],
    plain: &[String],
    role: &'static str,
    spellings: &[&str],
) -> Result<Option<usize>, ColumnsError> {
    let mut found = plain.iter().enumerate().filter(|(_, name)| spellings.contains(&name.as_str())).map(|(at, _)| at);
    match (found.next(), found.next()) {
        (Some(first), Some(second)) => {
            Err(ColumnsError::Twice { role, first: names[first].clone(), second: names[second].clone() })
        }
        (first, _) => Ok(first),
    }
}

/// The unnamed column is the first one, as tables write their index.
fn time_columns(plain: &[String], has_time_of_day: impl Fn(usize) -> bool) -> Option<TimeColumns> {
    let at = |name: &str| plain.iter().position(|other| other == name);
    let time_of_day = ["time", "timestamp"].into_iter().filter_map(at).find(|at| has_time_of_day(*at));
    if let (Some(date), Some(time)) = (at("date"), time_of_day) {
        return Some(TimeColumns::Two(date, time));
    }
    let found = TIMES.into_iter().filter_map(|name| at(name).filter(|at| !name.is_empty() || *at == 0));
    found.map(TimeColumns::One).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_name(header: &str) -> Result<Columns, ColumnsError> {
        let names: Vec<String> = header.split(',').map(str::to_owned).collect();
        Columns::by_name(&names, |at| matches!(names[at].as_str(), "<TIME>" | "Timestamp"))
    }

    #[test]
    fn columns_are_found_in_any_order_and_spelling() {
        for (header, time, close, volume) in [
            ("t,o,h,l,c,v", 0, 4, Some(5)),
            (",Open,High,Low,Close,Volume", 0, 4, Some(5)),
            ("Date,Open,High,Low,Close,Adj Close,Volume", 0, 4, Some(6)),
            ("close,low,high,open,vol,TimeStamp", 5, 0, Some(4)),
            ("open_time,open,high,low,close,volume,close_time,count", 0, 4, Some(5)),
            ("symbol,unix,date,Open,High,Low,Close", 1, 6, None),
        ] {
            let columns = by_name(header).unwrap();
            assert_eq!(
                (columns.time, columns.close, columns.volume),
                (TimeColumns::One(time), close, volume),
                "{header}"
            );
        }
        let columns = by_name("<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<TICKVOL>,<VOL>,<SPREAD>").unwrap();
        assert_eq!((columns.time, columns.volume), (TimeColumns::Two(0, 1), Some(7)));
        assert_eq!(columns.ignored, ["<TICKVOL>", "<SPREAD>"]);
        assert_eq!(by_name("Date,Timestamp,Open,High,Low,Close").unwrap().time, TimeColumns::Two(0, 1));
    }

    #[test]
    fn what_is_missing_or_there_twice_is_named() {
        let missing = by_name("time,open,close,adj close").unwrap_err().to_string();
        assert_eq!(missing, "there is no column for high, low. The columns are: time, open, close, adj close.");
        let twice = by_name("time,open,high,low,close,vol,volume").unwrap_err().to_string();
        assert_eq!(twice, "the columns \"vol\" and \"volume\" both are volume. Remove or rename one.");
    }
}
