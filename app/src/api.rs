//! The server functions: what the page asks of the server. Bodies only parse and pass on.
//!
//! Times are epoch milliseconds, UTC. Every error is a [`Problem`].

#![allow(missing_docs, reason = "the server macro makes a struct of each function's arguments")]

use bytes::Bytes;
use leptos::prelude::*;
use leptos::server_fn::codec::{GetUrl, Json, Post};
use leptos::server_fn::{ContentType, Decodes, Encodes, Format, FormatType};
use serde::{Deserialize, Serialize};
use tidemark_market::quality::QualityReport;
use tidemark_market::standing::StandingReport;
use tidemark_market::wire::{self, ChartData, WireError};
use tidemark_market::{Quote, SeriesProgress, Symbol};

use crate::problem::Problem;

/// Chart data as [`wire`] writes it.
pub struct FrameEncoding;

impl ContentType for FrameEncoding {
    const CONTENT_TYPE: &'static str = "application/vnd.tidemark.chart";
}

impl FormatType for FrameEncoding {
    const FORMAT_TYPE: Format = Format::Binary;
}

impl Encodes<ChartData> for FrameEncoding {
    type Error = std::convert::Infallible;

    fn encode(data: &ChartData) -> Result<Bytes, Self::Error> {
        Ok(wire::encode(data).into())
    }
}

impl Decodes<ChartData> for FrameEncoding {
    type Error = WireError;

    fn decode(bytes: Bytes) -> Result<ChartData, WireError> {
        wire::decode(&bytes)
    }
}

/// Bars by layer, gaps and revision of a series over `[from, to)`, or over the timeframe's default window up to now.
/// With `since`, the revision the caller holds, only the bars that changed after it. With `as_of` what was known then.
/// `adjust` is `splits` (prices in today's shares, the default) or `none` (as traded).
///
/// # Errors
/// `bad_symbol`, `bad_timeframe`, `bad_range`, `bad_request`; `storage_unavailable` where the database is away.
#[server(name = ReadChartData, prefix = "/api/page", endpoint = "chart_data", input = GetUrl, output = Post<FrameEncoding>)]
pub async fn chart_data(
    symbol: String,
    timeframe: String,
    from: Option<i64>,
    to: Option<i64>,
    since: Option<u64>,
    as_of: Option<i64>,
    adjust: Option<String>,
) -> Result<ChartData, Problem> {
    use crate::backend::{ChartRequest, backend, with_status};
    use crate::visit::read_adjust;
    use tidemark_market::Timestamp;
    let request = || {
        let (series, adjust) = (parse::series(&symbol, &timeframe)?, read_adjust(adjust.as_deref())?);
        Ok(ChartRequest { series, window: parse::window(from, to), since, as_of: as_of.map(Timestamp), adjust })
    };
    with_status(match request() {
        Ok(request) => backend().chart_data(request).await,
        Err(problem) => Err(problem),
    })
}

/// Sees to it that what is missing of a series over `[from, to)` is on its way, what is visible first. Asking twice
/// makes nothing new. What was not to be had is asked for again when it is due, or with `retry` at once.
///
/// # Errors
/// As [`chart_data`], and `unknown_symbol` where no provider knows it.
#[server(name = EnsureCoverage, prefix = "/api/page", endpoint = "ensure_coverage", input = Json, output = Json)]
pub async fn ensure_coverage(
    symbol: String,
    timeframe: String,
    from: Option<i64>,
    to: Option<i64>,
    visible_from: Option<i64>,
    visible_to: Option<i64>,
    retry: bool,
) -> Result<SeriesProgress, Problem> {
    use crate::backend::{CoverageRequest, backend, with_status};
    use tidemark_market::TimeRange;
    let visible = parse::window(visible_from, visible_to).and_then(|(start, end)| TimeRange::new(start, end));
    with_status(match parse::series(&symbol, &timeframe) {
        Ok(series) => {
            let window = parse::window(from, to);
            backend().ensure_coverage(CoverageRequest { series, window, visible, retry }).await
        }
        Err(problem) => Err(problem),
    })
}

/// A series of real bars that needs no key, and why it can't be had, where that is so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Showcase {
    /// Its symbol.
    pub symbol: String,
    /// A sentence; `None` where it can be had.
    pub unavailable: Option<String>,
}

/// The series of real bars that a fresh install offers.
///
/// # Errors
/// Where the server can't be reached.
#[server(name = ReadShowcase, prefix = "/api/page", endpoint = "showcase", input = GetUrl, output = Json)]
pub async fn showcase() -> Result<Showcase, Problem> {
    Ok(crate::backend::backend().showcase().await)
}

/// Last price, change, picture and freshness of symbols (`AAPL,MSFT`), in their order. Freshness and revision are those of
/// the series at `timeframe`.
///
/// # Errors
/// `bad_symbol`, `bad_timeframe`, `bad_request` where there are none or too many; `storage_unavailable` where the database
/// is away.
#[server(name = ReadQuotes, prefix = "/api/page", endpoint = "quotes", input = GetUrl, output = Json)]
pub async fn quotes(symbols: String, timeframe: String) -> Result<Vec<Quote>, Problem> {
    use crate::backend::{backend, with_status};
    with_status(match parse::watched(&symbols, &timeframe) {
        Ok((symbols, timeframe)) => backend().quotes(symbols, timeframe).await,
        Err(problem) => Err(problem),
    })
}

/// A symbol that may be meant by what someone typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// Which one.
    pub symbol: Symbol,
    /// Such as `Apple Inc.`, where it is known.
    pub name: Option<String>,
    /// Whether bars of it are stored.
    pub stored: bool,
}

/// What may be meant by `text`, the likeliest first; nothing where nothing was typed.
///
/// # Errors
/// `storage_unavailable` where the database is away.
#[server(name = SuggestSymbols, prefix = "/api/page", endpoint = "symbols", input = GetUrl, output = Json)]
pub async fn suggest(text: String) -> Result<Vec<Suggestion>, Problem> {
    use crate::backend::{backend, with_status};
    with_status(backend().suggest(text).await)
}

/// What is not as it should be in the default window of a series.
///
/// # Errors
/// `bad_symbol`, `bad_timeframe`; `storage_unavailable` where the database is away.
#[server(name = ReadQuality, prefix = "/api/page", endpoint = "quality", input = GetUrl, output = Json)]
pub async fn quality(symbol: String, timeframe: String) -> Result<QualityReport, Problem> {
    use crate::backend::{backend, with_status};
    with_status(match parse::series(&symbol, &timeframe) {
        Ok(series) => backend().quality(series).await,
        Err(problem) => Err(problem),
    })
}

/// How the time of a series stands over `[from, to)`, or over the timeframe's default window up to now.
///
/// # Errors
/// As [`chart_data`].
#[server(name = ReadStanding, prefix = "/api/page", endpoint = "standing", input = GetUrl, output = Json)]
pub async fn standing(
    symbol: String,
    timeframe: String,
    from: Option<i64>,
    to: Option<i64>,
) -> Result<StandingReport, Problem> {
    use crate::backend::{backend, with_status};
    with_status(match parse::series(&symbol, &timeframe) {
        Ok(series) => backend().standing(series, parse::window(from, to)).await,
        Err(problem) => Err(problem),
    })
}

/// Calls off what is queued of a series, unless a schedule asks for it or someone else looks at it; how far it is then.
///
/// # Errors
/// `bad_symbol`, `bad_timeframe`; `watched_by_others`; `storage_unavailable` where the database is away.
#[server(name = CancelHydration, prefix = "/api/page", endpoint = "cancel", input = Json, output = Json)]
pub async fn cancel(symbol: String, timeframe: String) -> Result<SeriesProgress, Problem> {
    use crate::backend::{backend, with_status};
    with_status(match parse::series(&symbol, &timeframe) {
        Ok(series) => backend().cancel(series).await,
        Err(problem) => Err(problem),
    })
}

/// How far the hydration of a series is: what the event stream tells, for a page that polls.
///
/// # Errors
/// `bad_symbol`, `bad_timeframe`; `storage_unavailable` where the database is away.
#[server(name = ReadProgress, prefix = "/api/page", endpoint = "series_progress", input = GetUrl, output = Json)]
pub async fn series_progress(symbol: String, timeframe: String) -> Result<SeriesProgress, Problem> {
    use crate::backend::{backend, with_status};
    with_status(match parse::series(&symbol, &timeframe) {
        Ok(series) => backend().series_progress(series).await,
        Err(problem) => Err(problem),
    })
}

/// How far the hydration of several series of one timeframe is, in the symbols' order.
///
/// # Errors
/// As [`quotes`].
#[server(name = ReadManyProgress, prefix = "/api/page", endpoint = "progress_of_many", input = GetUrl, output = Json)]
pub async fn progress_of_many(symbols: String, timeframe: String) -> Result<Vec<SeriesProgress>, Problem> {
    use crate::backend::{backend, with_status};
    with_status(match parse::watched(&symbols, &timeframe) {
        Ok((symbols, timeframe)) => backend().progress_of_many(symbols, timeframe).await,
        Err(problem) => Err(problem),
    })
}

/// Reading what a caller sent; shared with the server's HTTP API.
#[cfg(feature = "ssr")]
pub mod parse {
    use tidemark_market::quote::MOST_QUOTES;
    use tidemark_market::{Symbol, Timeframe, Timestamp};

    use crate::backend::SeriesKey;
    use crate::problem::Problem;
    use crate::series::{read_symbol, read_timeframe};

    /// The series of that name.
    ///
    /// # Errors
    /// `bad_symbol` or `bad_timeframe`.
    pub fn series(symbol: &str, timeframe: &str) -> Result<SeriesKey, Problem> {
        SeriesKey::parse(symbol, timeframe)
    }

    /// The symbols of `AAPL,MSFT`, each once, and their timeframe.
    ///
    /// # Errors
    /// `bad_symbol`, `bad_timeframe`; `bad_request` where there is no symbol, or more than [`MOST_QUOTES`].
    pub fn watched(symbols: &str, timeframe: &str) -> Result<(Vec<Symbol>, Timeframe), Problem> {
        let mut read: Vec<Symbol> = Vec::new();
        for name in symbols.split(',').filter(|name| !name.trim().is_empty()) {
            let symbol = read_symbol(name)?;
            if !read.contains(&symbol) {
                read.push(symbol);
            }
        }
        match read.len() {
            1..=MOST_QUOTES => Ok((read, read_timeframe(timeframe)?)),
            0 => Err(Problem::unreadable("No symbol is named. Write symbols=AAPL,MSFT.")),
            many => Err(Problem::unreadable(format!(
                "{many} symbols are more than one question may name. Ask for {MOST_QUOTES} at a time."
            ))),
        }
    }

    /// The window as asked, where at least one end was given. A missing start is the earliest known time, a missing end
    /// is the latest: both are cut to what makes sense where the window is checked.
    #[must_use]
    pub fn window(from: Option<i64>, to: Option<i64>) -> Option<(Timestamp, Timestamp)> {
        match (from, to) {
            (None, None) => None,
            (from, to) => {
                Some((Timestamp(from.unwrap_or(tidemark_market::calendar::FIRST.0)), Timestamp(to.unwrap_or(i64::MAX))))
            }
        }
    }
}
