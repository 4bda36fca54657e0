//! What a watchlist is told, over HTTP: quotes of many symbols, and symbols by what someone types.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use clap::Parser;
use serde_json::{Value, json};
use sqlx::PgPool;
use support::{TestServer, listed, simulator};
use tidemark_market::Timestamp;
use tidemark_server::clock::Clock;
use tidemark_server::config::{Cli, ServeConfig};
use tidemark_server::db;
use tidemark_server::providers::Listing;
use tidemark_simulator::Simulator;

/// A Friday, half an hour after noon in New York.
const FRIDAY: &str = "2026-03-13T16:30:00Z";

async fn at(pool: &PgPool, now: &str) -> (Simulator, TestServer) {
    let simulator = simulator().await;
    let now = Clock::fixed(Timestamp::parse(now).unwrap());
    let server = TestServer::start_at(pool, &polygon_only(&simulator), now).await;
    (simulator, server)
}

/// It serves any time, whatever the machine's clock says.
fn polygon_only(simulator: &Simulator) -> ServeConfig {
    let url = simulator.url();
    Cli::parse_from(["tidemark", "--polygon-api-key", "key", "--polygon-base-url", &url, "--venues", ""]).serve
}

async fn fill(server: &TestServer, symbol: &str, timeframe: &str, from: &str) {
    let body = json!({ "symbol": symbol, "timeframe": timeframe, "from": from });
    assert_eq!(server.post("/api/v1/hydrate", &body).await.0, 202);
    assert_eq!(server.at_rest(symbol, timeframe).await["failed"], 0);
}

async fn quotes(server: &TestServer, symbols: &str, timeframe: &str) -> Vec<Value> {
    let (status, answer) = server.get(&format!("/api/v1/quotes?symbols={symbols}&tf={timeframe}")).await;
    assert_eq!(status, 200, "{answer}");
    answer["quotes"].as_array().unwrap().clone()
}

async fn bars(server: &TestServer, symbol: &str, timeframe: &str, from: &str) -> Vec<Value> {
    let (_, answer) = server.get(&format!("/api/v1/bars?symbol={symbol}&tf={timeframe}&from={from}")).await;
    answer["bars"].as_array().unwrap().clone()
}

fn millis(text: &str) -> i64 {
    Timestamp::parse(text).unwrap().millis()
}

fn close_of(bars: &[Value], ts: &str) -> f64 {
    bars.iter().find(|bar| bar["ts"] == millis(ts)).unwrap_or_else(|| panic!("no bar at {ts}"))["close"]
        .as_f64()
        .unwrap()
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_quote_says_the_last_price_its_change_since_the_session_before_and_how_fresh_it_is(pool: PgPool) {
    let (_simulator, server) = at(&pool, FRIDAY).await;
    fill(&server, "AAPL", "h1", "2026-02-20T00:00:00Z").await;
    fill(&server, "X:BTCUSD", "d1", "2026-01-01T00:00:00Z").await;
    let told = quotes(&server, "AAPL,X:BTCUSD,MSFT,AAPL", "h1").await;
    let symbols: Vec<_> = told.iter().map(|quote| quote["symbol"].as_str().unwrap()).collect();
    assert_eq!(symbols, ["AAPL", "X:BTCUSD", "MSFT"], "in the order asked, each once");

    let hours = bars(&server, "AAPL", "h1", "2026-02-20T00:00:00Z").await;
    let (last, before) = (close_of(&hours, "2026-03-13T15:00:00Z"), close_of(&hours, "2026-03-12T19:00:00Z"));
    let apple = &told[0];
    assert_eq!(apple["last"], json!({ "price": last, "at": millis("2026-03-13T16:00:00Z"), "timeframe": "h1" }));
    assert_eq!(apple["previous"]["price"], before);
    assert_eq!(apple["previous"]["at"], millis("2026-03-12T20:00:00Z"));
    assert!((apple["change"].as_f64().unwrap() - (last - before)).abs() < 1e-9);
    assert!((apple["change_percent"].as_f64().unwrap() - (last / before - 1.0) * 100.0).abs() < 1e-9);
    let newest: Vec<_> = hours[hours.len() - 40..].iter().map(|bar| bar["close"].clone()).collect();
    assert_eq!(apple["spark"]["closes"], json!(newest));
    assert_eq!(apple["freshness"], "fresh");
    assert_eq!(apple["synthetic"], false);
    let (_, progress) = server.get("/api/v1/progress?symbol=AAPL&tf=h1").await;
    assert_eq!(apple["revision"], progress["revision"]);

    let bitcoin = &told[1];
    assert_eq!(bitcoin["freshness"], "empty", "day bars make no hours");
    assert_eq!(bitcoin["last"]["timeframe"], "d1");
    assert_eq!(bitcoin["spark"]["timeframe"], "d1");
    assert_eq!(quotes(&server, "X:BTCUSD", "d1").await[0]["freshness"], "fresh");

    let microsoft = &told[2];
    assert_eq!((&microsoft["freshness"], &microsoft["revision"]), (&json!("empty"), &json!(0)));
    assert_eq!((&microsoft["last"], &microsoft["spark"]), (&Value::Null, &Value::Null));
    assert_eq!(microsoft["name"], "Microsoft Corporation");
    server.stop().await;

    let (_simulator, monday) = at(&pool, "2026-03-16T16:30:00Z").await;
    let late = &quotes(&monday, "AAPL", "h1").await[0];
    assert_eq!(late["freshness"], "late");
    assert_eq!(late["known_through"], millis("2026-03-13T16:00:00Z"));
    assert_eq!(late["expected_through"], millis("2026-03-16T16:00:00Z"));
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn finer_bars_are_pictured_and_answer_for_the_close_that_hours_lack(pool: PgPool) {
    let (_simulator, server) = at(&pool, FRIDAY).await;
    fill(&server, "AAPL", "d1", "2026-01-01T00:00:00Z").await;
    fill(&server, "AAPL", "m5", "2026-03-13T13:00:00Z").await;
    let told = &quotes(&server, "AAPL", "h1").await[0];
    assert_eq!((&told["last"]["timeframe"], &told["spark"]["timeframe"]), (&json!("m5"), &json!("m5")));
    let days = bars(&server, "AAPL", "d1", "2026-01-01T00:00:00Z").await;
    assert_eq!(told["previous"]["price"], close_of(&days, "2026-03-12T04:00:00Z"), "Thursday's day bar");
    assert_eq!(told["freshness"], "fresh", "hours are made of five minutes");
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_split_overnight_is_no_fall(pool: PgPool) {
    let (_simulator, server) = at(&pool, FRIDAY).await;
    fill(&server, "AAPL", "h1", "2026-03-09T00:00:00Z").await;
    let before = quotes(&server, "AAPL", "h1").await[0].clone();
    sqlx::query(
        "insert into splits (symbol, execution_at, split_from, split_to, source, applied_at)
         values ('AAPL', '2026-03-13T04:00:00Z', 1, 4, 'file', now())",
    )
    .execute(&pool)
    .await
    .unwrap();
    let after = quotes(&server, "AAPL", "h1").await[0].clone();
    assert_eq!(after["last"], before["last"]);
    let quarter = before["previous"]["price"].as_f64().unwrap() / 4.0;
    assert!((after["previous"]["price"].as_f64().unwrap() - quarter).abs() < 1e-6);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_list_that_makes_no_sense_is_refused(pool: PgPool) {
    let (_simulator, server) = at(&pool, FRIDAY).await;
    let refused = async |query: String| {
        let (status, problem) = server.get(&format!("/api/v1/quotes?{query}")).await;
        (status, problem["code"].as_str().unwrap().to_owned())
    };
    let bad_request = (400, "bad_request".to_owned());
    assert_eq!(refused("symbols=&tf=h1".to_owned()).await, bad_request);
    assert_eq!(refused("tf=h1".to_owned()).await, bad_request);
    let many: Vec<String> = (0..101).map(|number| format!("T{number}")).collect();
    assert_eq!(refused(format!("symbols={}&tf=h1", many.join(","))).await, bad_request);
    assert_eq!(refused("symbols=AAPL,A;B&tf=h1".to_owned()).await, (400, "bad_symbol".to_owned()));
    assert_eq!(refused("symbols=AAPL&tf=h7".to_owned()).await, (400, "bad_timeframe".to_owned()));
}

async fn suggested(server: &TestServer, q: &str) -> Vec<(String, bool)> {
    let (status, answer) = server.get(&format!("/api/v1/symbols?q={q}")).await;
    assert_eq!(status, 200, "{answer}");
    let read = |it: &Value| (it["symbol"].as_str().unwrap().to_owned(), it["stored"].as_bool().unwrap());
    answer["symbols"].as_array().unwrap().iter().map(read).collect()
}

fn told(suggestions: &[(&str, bool)]) -> Vec<(String, bool)> {
    suggestions.iter().map(|(symbol, stored)| ((*symbol).to_owned(), *stored)).collect()
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn symbols_are_found_by_their_beginning_and_by_words_of_their_name(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    for (symbol, name) in [("APPF", Some("AppFolio, Inc.")), ("ZAP", Some("A New Apple Farm")), ("APLE", None)] {
        let listing = Listing { symbol: symbol.parse().unwrap(), name: name.map(str::to_owned), currency: None };
        db::instruments::add(&pool, &listing).await.unwrap();
    }
    listed(&pool, &["AAPL"]).await;
    fill(&server, "AAPL", "d1", "2026-03-01T00:00:00Z").await;
    let found = |q| suggested(&server, q);
    assert_eq!(found("app").await, told(&[("APPF", false), ("AAPL", true), ("ZAP", false), ("APP", false)]));
    assert_eq!(found("apple").await, told(&[("AAPL", true), ("ZAP", false), ("APPLE", false)]));
    assert_eq!(found("new%20farm").await, told(&[("ZAP", false)]));
    assert_eq!(found("aapl").await, told(&[("AAPL", true)]), "a symbol that is found is not offered twice");
    let bitcoin = found("btc").await;
    assert_eq!(bitcoin[0].0, "X:BTCUSD");
    assert!(bitcoin.contains(&("COINBASE:BTC-USD".to_owned(), false)), "{bitcoin:?}");
    assert_eq!(found("COINBASE:DOGE-USD").await, told(&[("COINBASE:DOGE-USD", false)]));
    for nothing in ["", "%20", "%25", "'%3A*", "qq%20%7C%20a'%5C"] {
        assert_eq!(found(nothing).await, told(&[]), "{nothing}");
    }
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn only_what_some_provider_serves_is_suggested(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start_with(&pool, &polygon_only(&simulator)).await;
    let bitcoin = suggested(&server, "bitcoin").await;
    assert_eq!(bitcoin[0].0, "X:BTCUSD");
    assert!(bitcoin.iter().all(|(symbol, _)| !symbol.starts_with("COINBASE")), "{bitcoin:?}");
}
