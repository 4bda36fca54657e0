//! Splits, the newest first, in pages.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use tidemark_market::{Hours, Split, Symbol};

use super::{bad_request, body, host, read_cursor, write_cursor};
use crate::serve::{Call, Incoming, Provider, serve};
use crate::state::Shared;

const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: usize = 1_000;

/// Which splits are asked for.
struct Ask {
    /// Of which ticker; of all where `None`.
    ticker: Option<String>,
    limit: usize,
    /// How many of them the pages before had.
    passed: usize,
    host: String,
}

pub(super) async fn splits(incoming: Incoming) -> Response {
    let ask = read_ask(&incoming);
    let symbol = ask.as_ref().ok().and_then(|ask| ask.ticker.as_ref()?.parse().ok());
    let call = Call { symbol, ..incoming.call(Provider::Polygon) };
    serve(&incoming, call, move |shared, _| match ask {
        Err(text) => bad_request(shared, &text),
        Ok(ask) => body(StatusCode::OK, &answer(shared, &ask)),
    })
    .await
}

fn read_ask(incoming: &Incoming) -> Result<Ask, String> {
    let carried = read_cursor(incoming)?;
    let parameter = |name: &str| carried.get(name).map(String::as_str).or_else(|| incoming.parameter(name));
    let limit = match parameter("limit").map(str::parse) {
        None => DEFAULT_LIMIT,
        Some(Ok(limit)) if (1..=MAX_LIMIT).contains(&limit) => limit,
        Some(_) => return Err(format!("The parameter 'limit' must be a number from 1 to {MAX_LIMIT}")),
    };
    Ok(Ask {
        ticker: parameter("ticker").map(str::to_owned),
        limit,
        passed: carried.get("passed").and_then(|passed| passed.parse().ok()).unwrap_or(0),
        host: host(incoming).to_owned(),
    })
}

fn answer(shared: &Shared, ask: &Ask) -> Value {
    let is_asked = |symbol: &&Symbol| ask.ticker.as_ref().is_none_or(|ticker| ticker == symbol.as_str());
    let symbols = shared.source.split_symbols().filter(is_asked);
    let mut all: Vec<(&Symbol, &Split)> =
        symbols.flat_map(|symbol| shared.source.splits(symbol).iter().map(move |split| (symbol, split))).collect();
    all.sort_by_key(|(symbol, split)| (std::cmp::Reverse(split.at), *symbol));
    let page: Vec<Value> =
        all.iter().skip(ask.passed).take(ask.limit).map(|(symbol, split)| row(symbol, split)).collect();
    let passed = ask.passed + page.len();
    let mut answer = json!({"results": page, "status": "OK", "request_id": shared.request_id()});
    if passed < all.len() {
        answer["next_url"] = Value::from(next_url(ask, passed));
    }
    answer
}

fn row(symbol: &Symbol, split: &Split) -> Value {
    let day = symbol.calendar(Hours::Regular).local_date(split.at).map(|day| day.to_string());
    json!({
        "execution_date": day, "split_from": shares(split.from), "split_to": shares(split.to), "ticker": symbol.as_str(),
    })
}

/// A whole number of shares has no point.
fn shares(count: f64) -> Value {
    if count.fract() == 0.0 { Value::from(count as i64) } else { Value::from(count) }
}

fn next_url(ask: &Ask, passed: usize) -> String {
    let ticker = ask.ticker.as_ref().map_or_else(String::new, |ticker| format!("&ticker={ticker}"));
    let cursor = write_cursor(&format!("limit={}&passed={passed}{ticker}", ask.limit));
    format!("http://{}/v3/reference/splits?cursor={cursor}", ask.host)
}
