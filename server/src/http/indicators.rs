//! `GET /api/v1/indicators?symbol=AAPL&tf=h1&of=sma-20,rsi-14[&from=&to=&as_of=&adjust=]`: indicators of the stored bars.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use tidemark_app::problem::Problem;
use tidemark_market::indicators::{Indicator, Pane, Spec, parse_list};
use tidemark_market::{Spans, Symbol, TimeRange, Timeframe, Timestamp};

use super::problem::Answer;
use super::series::SeriesQuery;
use crate::indicators::{Computed, compute};
use crate::service::Service;

/// Which indicators.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    #[serde(default)]
    of: String,
}

/// Times are epoch milliseconds, UTC; ranges are half open.
#[derive(Debug, Serialize)]
pub struct IndicatorsAnswer {
    symbol: Symbol,
    timeframe: Timeframe,
    window: TimeRange,
    revision: u64,
    /// Whether the bars are made up by the demo provider.
    synthetic: bool,
    providers: Vec<String>,
    /// Session time in the window that is not covered yet: values after it lack bars.
    gaps: Vec<TimeRange>,
    /// When the bars in the window begin.
    ts: Vec<Timestamp>,
    indicators: Vec<Values>,
}

/// One indicator.
#[derive(Debug, Serialize)]
struct Values {
    /// As it was asked for, in its one written form.
    indicator: String,
    /// `price` where its values are prices, else `own`.
    pane: &'static str,
    lines: Vec<Line>,
}

/// One of its lines.
#[derive(Debug, Serialize)]
struct Line {
    name: &'static str,
    /// One for each time; `null` where there is none.
    values: Vec<f64>,
}

pub async fn read(
    State(service): State<Arc<Service>>,
    query: Result<Query<SeriesQuery>, QueryRejection>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Answer<Json<IndicatorsAnswer>> {
    let (Query(query), Query(wanted)) = (query?, wanted?);
    let specs = specs(&wanted.of)?;
    Ok(Json(answer(compute(&service, &query.chart_request()?, &specs).await?)))
}

fn specs(of: &str) -> Result<Vec<Spec>, Problem> {
    let refused = |detail: String| Problem::new(400, "bad_indicator", "That is no indicator", detail);
    let specs = parse_list(of).map_err(|error| refused(error.to_string()))?;
    if specs.is_empty() {
        return Err(refused("No indicator is named. Ask for some, such as of=sma-20,rsi-14.".to_owned()));
    }
    Ok(specs)
}

fn answer(Computed { data, window, times, indicators }: Computed) -> IndicatorsAnswer {
    let gaps: Spans = data.gaps.into_iter().collect();
    IndicatorsAnswer {
        indicators: indicators.iter().map(|indicator| newest(indicator, times.len())).collect(),
        symbol: data.symbol,
        timeframe: data.timeframe,
        window,
        revision: data.revision,
        synthetic: data.synthetic,
        providers: data.providers,
        gaps: gaps.clip(window).into(),
        ts: times,
    }
}

/// The indicator's newest values.
fn newest(indicator: &Indicator, count: usize) -> Values {
    let kind = indicator.spec().kind();
    let start = indicator.len().saturating_sub(count);
    let lines = kind.outputs().iter().zip(indicator.lines());
    Values {
        indicator: indicator.spec().to_string(),
        pane: match kind.pane() {
            Pane::Price => "price",
            Pane::Own => "own",
        },
        lines: lines.map(|(output, values)| Line { name: output.name, values: values[start..].to_vec() }).collect(),
    }
}
