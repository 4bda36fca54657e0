//! Which series and window a request means.

use serde::{Deserialize, Deserializer};
use tidemark_app::api::parse;
use tidemark_app::backend::{ChartRequest, SeriesKey};
use tidemark_app::problem::Problem;
use tidemark_app::visit::read_adjust;
use tidemark_market::Timestamp;

use crate::service::AskedWindow;

/// `symbol`, `tf` and, where asked, `from`, `to` and `as_of`: RFC 3339 or epoch milliseconds, UTC; `adjust=splits|none`.
#[derive(Clone, Debug, Deserialize)]
pub struct SeriesQuery {
    symbol: String,
    #[serde(alias = "tf")]
    timeframe: String,
    #[serde(default, deserialize_with = "time")]
    from: Option<i64>,
    #[serde(default, deserialize_with = "time")]
    to: Option<i64>,
    #[serde(default, deserialize_with = "time")]
    as_of: Option<i64>,
    adjust: Option<String>,
}

impl SeriesQuery {
    /// The series.
    ///
    /// # Errors
    /// `bad_symbol`, `bad_timeframe`.
    pub fn series(&self) -> Result<SeriesKey, Problem> {
        parse::series(&self.symbol, &self.timeframe)
    }

    /// What to read of it.
    ///
    /// # Errors
    /// `bad_symbol`, `bad_timeframe`, `bad_request`.
    pub fn chart_request(&self) -> Result<ChartRequest, Problem> {
        Ok(ChartRequest {
            series: self.series()?,
            window: self.window(),
            since: None,
            as_of: self.as_of.map(Timestamp),
            adjust: read_adjust(self.adjust.as_deref())?,
        })
    }

    /// The window as asked.
    pub fn window(&self) -> AskedWindow {
        parse::window(self.from, self.to)
    }
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Millis(i64),
        Text(String),
    }
    match Option::<Written>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Written::Millis(millis)) => Ok(Some(millis)),
        Some(Written::Text(text)) => Timestamp::parse(&text).map(|at| Some(at.0)).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{text:?} is not a time; write it like 2024-03-08T14:30:00Z or as epoch milliseconds"
            ))
        }),
    }
}
