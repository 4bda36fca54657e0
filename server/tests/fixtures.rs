//! Bodies that real providers once sent, through a whole server: what they say is what the API answers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::path::PathBuf;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use clap::Parser;
use serde_json::{Value, json};
use sqlx::PgPool;
use support::{TestServer, config};
use tidemark_market::{Bar, Calendar, Timestamp};
use tidemark_server::clock::Clock;
use tidemark_server::config::{Cli, ServeConfig};
use tidemark_server::db;
use tidemark_server::providers::Listing;
use tidemark_simulator::{Feed, Simulator, SimulatorConfig};
use tokio::net::TcpListener;

/// The recorded body; `None`, said aloud, where there are no fixtures.
fn recorded(path: &str) -> Option<Value> {
    let folder =
        std::env::var_os("TIDEMARK_FIXTURES").map_or_else(|| PathBuf::from("../../shared/fixtures"), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(folder.join(path)) else {
        eprintln!("skipped: no {path} in {}", folder.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

/// A provider that has recorded one answer for bars, and no splits.
async fn provider(body: Value) -> String {
    let answer = move |request: Request| {
        let is_splits = request.uri().path().starts_with("/v3/reference/splits");
        let body = if is_splits { json!({ "status": "OK", "results": [] }) } else { body.clone() };
        let response: Response = axum::Json(body).into_response();
        async move { response }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    url
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// What is asked of a server whose provider has that body.
struct Story {
    symbol: &'static str,
    timeframe: &'static str,
    from: &'static str,
    now: &'static str,
}

impl Story {
    /// Hydrates from that provider, and answers the bars by the API.
    async fn told(&self, pool: &PgPool, config: &ServeConfig, hours: Option<&str>) -> Vec<Value> {
        let server = TestServer::start_at(pool, config, Clock::fixed(at(self.now))).await;
        let listing = Listing { symbol: self.symbol.parse().unwrap(), name: None, currency: None };
        db::instruments::add(pool, &listing).await.unwrap();
        if let Some(hours) = hours {
            let body = json!({ "symbol": self.symbol, "timeframe": self.timeframe, "hours": hours });
            assert_eq!(server.post("/api/v1/operator/series", &body).await.0, 200);
        }
        let body = json!({ "symbol": self.symbol, "timeframe": self.timeframe, "from": self.from });
        let (status, progress) = server.post("/api/v1/hydrate", &body).await;
        assert_eq!(status, 202, "{progress}");
        let done = server.at_rest(self.symbol, self.timeframe).await;
        assert_eq!(done["failed"], 0, "{done}");
        let path = format!("/api/v1/bars?symbol={}&tf={}&from={}&adjust=none", self.symbol, self.timeframe, self.from);
        let (_, answer) = server.get(&path).await;
        server.stop().await;
        answer["bars"].as_array().unwrap().clone()
    }
}

fn polygon_only(url: &str) -> ServeConfig {
    let polygon = ["--polygon-api-key", "key", "--polygon-base-url", url];
    Cli::parse_from(["tidemark", "--retry-ms", "20", "--venues", ""].into_iter().chain(polygon)).serve
}

fn tradier_only(url: &str) -> ServeConfig {
    let tradier = ["--tradier-access-token", "key", "--tradier-base-url", url];
    Cli::parse_from(["tidemark", "--retry-ms", "20", "--venues", ""].into_iter().chain(tradier)).serve
}

/// Each told bar has the values of its row, and there are as many.
fn assert_told(told: &[Value], rows: &[(i64, [f64; 5])]) {
    let read = |bar: &Value| {
        let values = ["open", "high", "low", "close", "volume"].map(|name| bar[name].as_f64().unwrap());
        (bar["ts"].as_i64().unwrap(), values)
    };
    assert!(!rows.is_empty());
    assert_eq!(told.iter().map(read).collect::<Vec<_>>(), rows);
}

fn numbers<const N: usize>(row: &Value, names: [&str; N]) -> [f64; N] {
    names.map(|name| row[name].as_f64().unwrap_or_else(|| row[name].as_str().unwrap().parse().unwrap()))
}

fn polygon_rows(body: &Value) -> Vec<(i64, [f64; 5])> {
    let rows = body["results"].as_array().unwrap().iter().filter(|row| row["v"].is_number());
    rows.map(|row| (row["t"].as_i64().unwrap(), numbers(row, ["o", "h", "l", "c", "v"]))).collect()
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn polygons_days_of_a_stock(pool: PgPool) {
    let Some(body) = recorded("polygon/aggs_AAPL_1day_2023-01-01_2023-01-10_asc.json") else { return };
    let story = Story { symbol: "AAPL", timeframe: "d1", from: "2023-01-01T00:00:00Z", now: "2023-01-12T12:00:00Z" };
    let rows = polygon_rows(&body);
    assert_told(&story.told(&pool, &config(&provider(body).await), None).await, &rows);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn polygons_days_of_a_pair(pool: PgPool) {
    let Some(body) = recorded("polygon/aggs_X_BTCUSD_1day_2023-01-01_2023-01-10_asc.json") else { return };
    let story =
        Story { symbol: "X:BTCUSD", timeframe: "d1", from: "2023-01-01T00:00:00Z", now: "2023-01-12T12:00:00Z" };
    let rows = polygon_rows(&body);
    assert_told(&story.told(&pool, &config(&provider(body).await), None).await, &rows);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn polygons_days_over_a_change_of_clocks(pool: PgPool) {
    let path = "polygon/clientpy_v2_aggs_ticker_AAPL_range_1_day_2005-04-01_2005-04-04.json";
    let Some(body) = recorded(path) else { return };
    let story = Story { symbol: "AAPL", timeframe: "d1", from: "2005-04-01T00:00:00Z", now: "2005-04-06T12:00:00Z" };
    let rows = polygon_rows(&body);
    assert_told(&story.told(&pool, &config(&provider(body).await), None).await, &rows);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn polygons_previous_day_is_no_day_bar(pool: PgPool) {
    let Some(body) = recorded("polygon/clientpy_v2_aggs_ticker_AAPL_prev.json") else { return };
    let story = Story { symbol: "AAPL", timeframe: "d1", from: "2022-04-20T00:00:00Z", now: "2022-04-28T12:00:00Z" };
    // It is stamped with the session's close, where no day begins: refused, and said so.
    assert_eq!(polygon_rows(&body)[0].0, at("2022-04-26T20:00:00Z").millis());
    assert_eq!(story.told(&pool, &config(&provider(body).await), None).await, Vec::<Value>::new());
    let reason: String =
        sqlx::query_scalar("select max(reason) from ohlc_bar_quarantine").fetch_one(&pool).await.unwrap();
    assert_eq!(reason, "off_grid");
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn polygons_minutes_before_the_open_are_a_series_of_extended_hours(pool: PgPool) {
    let Some(body) = recorded("polygon/partial_AAPL_1minute_2023-01-03_premarket.json") else { return };
    let story = Story { symbol: "AAPL", timeframe: "m1", from: "2023-01-03T09:00:00Z", now: "2023-01-20T12:00:00Z" };
    let rows = polygon_rows(&body);
    assert_eq!(rows.len(), 35);
    let told = story.told(&pool, &polygon_only(&provider(body).await), Some("extended")).await;
    assert_told(&told, &rows);
    let torn: i64 = sqlx::query_scalar("select count(*) from ohlc_bar_quarantine where reason = 'unreadable'")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(torn > 0, "the recording breaks off in its last row");
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn tradiers_days(pool: PgPool) {
    let Some(body) = recorded("tradier/history_AAPL_daily_2024-02.json") else { return };
    let rows: Vec<_> = body["history"]["day"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let day = row["date"].as_str().unwrap().parse().unwrap();
            let start = Calendar::Xnys.day_start(day).millis();
            (start, numbers(row, ["open", "high", "low", "close", "volume"]))
        })
        .collect();
    let story = Story { symbol: "AAPL", timeframe: "d1", from: "2024-02-01T00:00:00Z", now: "2024-03-02T12:00:00Z" };
    assert_told(&story.told(&pool, &tradier_only(&provider(body).await), None).await, &rows);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn tradiers_minutes(pool: PgPool) {
    let Some(body) = recorded("tradier/timesales_AAPL_1min_2019-05-09_doc.json") else { return };
    let rows: Vec<_> = body["series"]["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let start = row["timestamp"].as_i64().unwrap() * 1_000;
            (start, numbers(row, ["open", "high", "low", "close", "volume"]))
        })
        .collect();
    let story = Story { symbol: "AAPL", timeframe: "m1", from: "2019-05-09T13:30:00Z", now: "2019-05-09T15:00:00Z" };
    assert_told(&story.told(&pool, &tradier_only(&provider(body).await), None).await, &rows);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn binances_minutes(pool: PgPool) {
    let Some(body) = recorded("binance/klines_BTCUSDT_1m_2021-10-22.json") else { return };
    let rows: Vec<_> = body
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let number = |at: usize| row[at].as_str().unwrap().parse().unwrap();
            (row[0].as_i64().unwrap(), [1, 2, 3, 4, 5].map(number))
        })
        .collect();
    let story =
        Story { symbol: "BINANCE:BTCUSDT", timeframe: "m1", from: "2021-10-22T23:00:00Z", now: "2021-10-23T02:00:00Z" };
    assert_told(&story.told(&pool, &config(&provider(body).await), None).await, &rows);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn krakens_minutes_without_those_in_which_nobody_traded(pool: PgPool) {
    let Some(body) = recorded("kraken/ohlc_XBTUSDT_1m.json") else { return };
    let all = body["result"]["XBTUSDT"].as_array().unwrap();
    let rows: Vec<_> = all
        .iter()
        .take(all.len() - 1)
        .filter(|row| row[7].as_i64() != Some(0))
        .map(|row| {
            let number = |at: usize| row[at].as_str().unwrap().parse().unwrap();
            (row[0].as_i64().unwrap() * 1_000, [1, 2, 3, 4, 6].map(number))
        })
        .collect();
    assert_eq!(rows.len(), 505);
    let story =
        Story { symbol: "KRAKEN:XBTUSDT", timeframe: "m1", from: "2025-11-10T12:18:00Z", now: "2025-11-11T00:17:30Z" };
    assert_told(&story.told(&pool, &config(&provider(body).await), None).await, &rows);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn coinbases_hours_from_its_other_api_by_the_simulator(pool: PgPool) {
    let Some(body) = recorded("coinbase/advanced_candles_BTC-USD_1h.json") else { return };
    let mut rows: Vec<_> = body["candles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let start: i64 = row["start"].as_str().unwrap().parse().unwrap();
            (start * 1_000, numbers(row, ["open", "high", "low", "close", "volume"]))
        })
        .collect();
    rows.sort_by_key(|(ts, _)| *ts);
    let bars = rows
        .iter()
        .map(|(ts, [open, high, low, close, volume])| Bar::new(Timestamp(*ts), *open, *high, *low, *close, *volume));
    let feed = Feed {
        symbol: "COINBASE:BTC-USD".parse().unwrap(),
        timeframe: tidemark_market::Timeframe::H1,
        bars: bars.collect(),
    };
    let (first, last) = (rows[0].0, rows[rows.len() - 1].0);
    let now = Timestamp(last).plus(3 * 3_600_000);
    let config_of = SimulatorConfig { feeds: vec![feed], clock: Some(now), ..SimulatorConfig::default() };
    let simulator = Simulator::start(config_of).await.unwrap();
    let server = TestServer::start_at(&pool, &config(&simulator.url()), Clock::fixed(now)).await;
    let body = json!({ "symbol": "COINBASE:BTC-USD", "timeframe": "h1", "from": first });
    assert_eq!(server.post("/api/v1/hydrate", &body).await.0, 202);
    server.at_rest("COINBASE:BTC-USD", "h1").await;
    let (_, answer) = server.get(&format!("/api/v1/bars?symbol=COINBASE:BTC-USD&tf=h1&from={first}")).await;
    assert_told(answer["bars"].as_array().unwrap(), &rows);
    server.stop().await;
}
