//! Kraken's endpoints: OHLC and asset pairs.
//!
//! Rows are `[time, "open", "high", "low", "close", "vwap", "volume", count]`, `time` in seconds; an interval without a
//! trade has a flat one with volume 0. Whatever `since` is, only the newest 720 are there, and after them the one under
//! way, which is not committed; `last` tells the newest committed one. An error is text in the array `error`, with status
//! 200, but for a used-up limit. The result is named as Kraken names the pair, not as it was asked for.

use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};
use tidemark_market::time::SECOND;
use tidemark_market::{Bar, Symbol, TimeRange, Timestamp, Venue};

use crate::serve::{Call, Incoming, Provider, Refusal, serve};
use crate::state::Shared;
use crate::venue::{self, Interval, Routes};

/// Committed rows that are there.
const ROWS: i64 = 720;
/// What a row can span, in minutes. Those of a week begin on Thursday.
const INTERVALS: [i64; 9] = [1, 5, 15, 30, 60, 240, 1_440, 10_080, 21_600];

pub(crate) fn routes() -> Routes {
    Routes::new().route("/0/public/OHLC", get(ohlc)).route("/0/public/AssetPairs", get(asset_pairs))
}

/// What Kraken says where it refuses.
pub(crate) fn refuse(refusal: Refusal) -> Response {
    let (status, text) = match refusal {
        Refusal::NoKey | Refusal::WrongKey => (StatusCode::UNAUTHORIZED, "EAPI:Invalid key"),
        Refusal::RateLimit => (StatusCode::TOO_MANY_REQUESTS, "EGeneral:Too many requests"),
        Refusal::ServerError => (StatusCode::INTERNAL_SERVER_ERROR, "EGeneral:Internal error"),
        Refusal::Plan => (StatusCode::FORBIDDEN, "EGeneral:Permission denied"),
    };
    failure(status, text)
}

/// A body in which text stands where bars belong.
pub(crate) fn wrong_shape() -> Response {
    venue::json(StatusCode::OK, &json!({"error": [], "result": {"XXBTZUSD": "some", "last": "many"}}))
}

fn failure(status: StatusCode, text: &str) -> Response {
    venue::json(status, &json!({"error": [text]}))
}

fn listed(shared: &Shared, pair: &str) -> Option<Symbol> {
    venue::symbol_at(Venue::Kraken, pair).filter(|symbol| shared.knows(symbol))
}

async fn ohlc(incoming: Incoming) -> Response {
    let minutes = incoming.parameter("interval").map_or(Ok(1), str::parse);
    let interval = minutes.ok().filter(|minutes| INTERVALS.contains(minutes)).map(Interval::minutes);
    let since = incoming.parameter("since").and_then(|text| text.parse::<i64>().ok());
    let since = since.map(|seconds| Timestamp(seconds.saturating_mul(SECOND)));
    let pair = incoming.parameter("pair").unwrap_or_default().to_owned();
    let symbol = venue::symbol_at(Venue::Kraken, &pair);
    let asked = interval.and_then(|interval| {
        let newest = newest(interval, interval.start(incoming.shared.now()).plus(interval.length));
        let start = since.map_or(newest.start, |since| since.plus(1));
        Some((interval, TimeRange::new(start, newest.end)?))
    });
    let minutes = incoming.parameter("interval").unwrap_or_default();
    let call = venue::bars_call(&incoming, Provider::Kraken, symbol.as_ref(), asked, minutes);
    serve(&incoming, call, move |shared, rows| match (listed(shared, &pair), interval) {
        (None, _) => failure(StatusCode::OK, "EQuery:Unknown asset pair"),
        (_, None) => failure(StatusCode::OK, "EGeneral:Invalid arguments"),
        (Some(symbol), Some(interval)) => {
            let mut bars = venue::history(shared, &symbol, interval).map_or_else(Vec::new, |history| {
                venue::with_flat_rows(shared, &symbol, interval, newest(interval, history.end))
            });
            let committed = bars.iter().rev().map(|bar| bar.ts).find(|ts| ts.plus(interval.length) <= shared.now());
            bars.retain(|bar| since.is_none_or(|since| since < bar.ts));
            let rows: Value = rows.of(bars).iter().map(row).collect();
            let last = committed.unwrap_or_default().0 / SECOND;
            venue::json(StatusCode::OK, &json!({"error": [], "result": {own_name(&pair): rows, "last": last}}))
        }
    })
    .await
}

/// The newest rows up to `end`, of which the last may be under way.
fn newest(interval: Interval, end: Timestamp) -> TimeRange {
    TimeRange { start: end.plus(-(ROWS + 1) * interval.length), end }
}

fn row(bar: &Bar) -> Value {
    let price = |price: f64| format!("{price:?}");
    json!([
        bar.ts.0 / SECOND,
        price(bar.open),
        price(bar.high),
        price(bar.low),
        price(bar.close),
        price(bar.vwap.unwrap_or_default()),
        venue::fixed(bar.volume, 8),
        bar.trades.unwrap_or_default(),
    ])
}

/// Kraken's own name of a pair.
fn own_name(pair: &str) -> String {
    let (base, quote) = own_assets(pair);
    format!("{base}{quote}")
}

/// In pairs of the oldest currencies, these have a letter before their name.
fn own_assets(pair: &str) -> (String, String) {
    let (base, quote) = assets(pair);
    let old = ["XBT", "ETH", "LTC", "XRP", "XLM", "XMR", "ZEC", "ETC", "REP", "MLN"];
    let is_old = old.contains(&base) && ["USD", "EUR", "GBP", "JPY", "CAD"].contains(&quote);
    if is_old { (format!("X{base}"), format!("Z{quote}")) } else { (base.to_owned(), quote.to_owned()) }
}

fn assets(pair: &str) -> (&str, &str) {
    let parts = ["USDT", "USDC"].iter().find_map(|quote| Some((pair.strip_suffix(quote)?, *quote)));
    parts.or_else(|| pair.split_at_checked(pair.len().saturating_sub(3))).unwrap_or((pair, ""))
}

async fn asset_pairs(incoming: Incoming) -> Response {
    let pair = incoming.parameter("pair").unwrap_or_default().to_owned();
    let call = Call { symbol: venue::symbol_at(Venue::Kraken, &pair), ..incoming.call(Provider::Kraken) };
    serve(&incoming, call, move |shared, _| match listed(shared, &pair) {
        None => failure(StatusCode::OK, "EQuery:Unknown asset pair"),
        Some(_) => {
            let ((base, quote), (own_base, own_quote)) = (assets(&pair), own_assets(&pair));
            let listing = json!({
                "altname": pair, "wsname": format!("{base}/{quote}"), "aclass_base": "currency", "base": own_base,
                "aclass_quote": "currency", "quote": own_quote, "lot": "unit", "cost_decimals": 5, "pair_decimals": 2,
                "lot_decimals": 8, "lot_multiplier": 1, "status": "online",
            });
            venue::json(StatusCode::OK, &json!({"error": [], "result": {own_name(&pair): listing}}))
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_market::time::MINUTE;

    #[test]
    fn old_pairs_have_names_of_their_own() {
        assert_eq!(
            ["XBTUSD", "ETHEUR", "XBTUSDT", "SOLUSD"].map(own_name),
            ["XXBTZUSD", "XETHZEUR", "XBTUSDT", "SOLUSD"]
        );
        assert_eq!(newest(Interval::minutes(1), Timestamp(721 * MINUTE)).start, Timestamp(0));
    }
}
