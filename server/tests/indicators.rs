//! Indicators over HTTP: a whole server, a real Postgres, a simulator for a provider.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::HashMap;

use serde_json::{Value, json};
use sqlx::PgPool;
use support::{TestServer, simulator};

const ALL: &str = "sma-20,ema-10,vwap,bb-20-2.5,rsi-5,macd-6-13-4,atr-5";

/// The values of every line by time.
fn by_time(answer: &Value) -> HashMap<(String, i64), Option<f64>> {
    let times = answer["ts"].as_array().unwrap();
    let mut values = HashMap::new();
    for indicator in answer["indicators"].as_array().unwrap() {
        for line in indicator["lines"].as_array().unwrap() {
            let name = format!("{} {}", indicator["indicator"].as_str().unwrap(), line["name"].as_str().unwrap());
            assert_eq!(line["values"].as_array().unwrap().len(), times.len(), "{name}");
            for (at, value) in times.iter().zip(line["values"].as_array().unwrap()) {
                values.insert((name.clone(), at.as_i64().unwrap()), value.as_f64());
            }
        }
    }
    values
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn values_are_those_of_the_bars_and_do_not_depend_on_where_one_asks_from(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    server.hydrate("AAPL", "h1", 60).await;
    server.at_rest("AAPL", "h1").await;
    let bars = server.bars("AAPL", "h1", 60).await;
    let bars = bars["bars"].as_array().unwrap();
    let at = |place: usize| bars[place]["ts"].as_i64().unwrap();
    let from = |place: usize| format!("/api/v1/indicators?symbol=AAPL&tf=h1&of={ALL}&from={}", at(place));

    let (status, whole) = server.get(&from(0)).await;
    assert_eq!((status, &whole["symbol"], &whole["gaps"]), (200, &json!("AAPL"), &json!([])), "{whole}");
    assert_eq!(whole["ts"].as_array().unwrap().len(), bars.len());
    assert_eq!((&whole["indicators"][0]["pane"], &whole["indicators"][4]["pane"]), (&json!("price"), &json!("own")));
    let whole = by_time(&whole);
    let close = |place: usize| bars[place]["close"].as_f64().unwrap();
    let mean = (181..=200).map(close).sum::<f64>() / 20.0;
    assert!((whole[&("sma-20 sma".to_owned(), at(200))].unwrap() - mean).abs() < 1e-9);
    assert_eq!(whole[&("sma-20 sma".to_owned(), at(18))], None, "nothing is stored before");

    let late = bars.len() - 30;
    let (_, part) = server.get(&from(late)).await;
    let (_, same_window) = server.get(&format!("/api/v1/bars?symbol=AAPL&tf=h1&from={}", at(late))).await;
    let times: Vec<&Value> = same_window["bars"].as_array().unwrap().iter().map(|bar| &bar["ts"]).collect();
    assert_eq!(part["ts"].as_array().unwrap().iter().collect::<Vec<_>>(), times, "the same sessions, whole");
    assert!((30..40).contains(&times.len()), "and no bar of those read before: {}", times.len());
    for ((name, time), value) in by_time(&part) {
        let (same, value) = (whole[&(name.clone(), time)].unwrap(), value.unwrap());
        assert!((same - value).abs() < 1e-6, "{name} at {time}: {value}, of more bars {same}");
    }
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn what_is_no_indicator_is_refused_and_of_no_bars_there_are_no_values(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    for of in ["", "&of=", "&of=kama-3", "&of=sma-0", "&of=macd-26-12-9", "&of=sma-20,rsi"] {
        let (status, answer) = server.get(&format!("/api/v1/indicators?symbol=AAPL&tf=h1{of}")).await;
        if of.ends_with("rsi") {
            assert_eq!(
                (status, &answer["ts"], &answer["indicators"][1]["indicator"]),
                (200, &json!([]), &json!("rsi-14"))
            );
            assert_ne!(answer["gaps"], json!([]));
        } else {
            assert_eq!((status, &answer["code"]), (400, &json!("bad_indicator")), "{of}: {answer}");
        }
    }
    let (status, answer) = server.get("/api/v1/indicators?symbol=AAPL&tf=h7&of=sma-20").await;
    assert_eq!((status, &answer["code"]), (400, &json!("bad_timeframe")));
    server.stop().await;
}
