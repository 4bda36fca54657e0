//! How a series' time stands, over HTTP, and what a viewer may call off.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use futures::StreamExt;
use serde_json::{Value, json};
use sqlx::PgPool;
use support::{TestServer, count, eventually, in_days, simulator};
use tidemark_market::{Spans, TimeRange, Timestamp};
use tidemark_simulator::{Fault, FaultKind, Simulator};

const BITCOIN: &str = "X:BTCUSD";

async fn standing(server: &TestServer, symbol: &str, timeframe: &str, days: i64) -> Value {
    let from = (chrono::Utc::now() - chrono::Duration::days(days)).timestamp_millis();
    let path = format!("/api/v1/coverage?symbol={symbol}&tf={timeframe}&from={from}");
    let (status, report) = server.get(&path).await;
    assert_eq!(status, 200, "{report}");
    report
}

fn range(of: &Value) -> TimeRange {
    TimeRange { start: Timestamp(of["start"].as_i64().unwrap()), end: Timestamp(of["end"].as_i64().unwrap()) }
}

fn kinds(report: &Value) -> BTreeSet<String> {
    let stretches = report["stretches"].as_array().unwrap();
    stretches.iter().map(|it| it["standing"].as_str().unwrap().to_owned()).collect()
}

fn only(kinds: &[&str]) -> BTreeSet<String> {
    kinds.iter().map(|&kind| kind.to_owned()).collect()
}

/// The session time of the stretches that stand so.
fn time_of(report: &Value, kinds: &[&str]) -> Spans {
    let stretches = report["stretches"].as_array().unwrap().iter();
    let mine: Spans = stretches
        .filter(|it| kinds.contains(&it["standing"].as_str().unwrap()))
        .map(|it| range(&it["range"]))
        .collect();
    mine.subtract(&report["closed"].as_array().unwrap().iter().map(range).collect())
}

/// The chart's gaps are what the coverage tells as not held, wherever both are at one revision.
async fn agree(server: &TestServer, symbol: &str, timeframe: &str, days: i64) {
    eventually(|| async {
        let (before, bars) =
            (standing(server, symbol, timeframe, days).await, server.bars(symbol, timeframe, days).await);
        let after = standing(server, symbol, timeframe, days).await;
        if before["revision"] != bars["revision"] || after["revision"] != bars["revision"] {
            return None;
        }
        let gaps: Spans = bars["gaps"].as_array().unwrap().iter().map(range).collect();
        let not_held = time_of(&after, &["running", "queued", "failed", "outside", "missing", "empty"]);
        assert_eq!(gaps.subtract(&not_held), Spans::empty(), "every gap is told");
        assert_eq!(gaps.intersect(&time_of(&after, &["present", "derived"])), Spans::empty(), "none is held");
        Some(())
    })
    .await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn time_is_missing_then_on_its_way_then_held_and_agrees_with_the_chart_throughout(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    let before = standing(&server, "AAPL", "h1", 40).await;
    assert_eq!((kinds(&before), &before["revision"]), (only(&["missing"]), &json!(0)), "{before}");
    let (window, closed) = (range(&before["window"]), before["closed"].as_array().unwrap().len());
    assert!(closed >= 20, "every night and weekend: {closed}");

    server.hydrate("AAPL", "h1", 40).await;
    for _ in 0..5 {
        agree(&server, "AAPL", "h1", 40).await;
    }
    let done = server.at_rest("AAPL", "h1").await;
    let report = standing(&server, "AAPL", "h1", 40).await;
    assert_eq!((kinds(&report), &report["revision"]), (only(&["present"]), &done["revision"]), "{report}");
    assert_eq!(report["stretches"].as_array().unwrap().len(), 1, "one stretch over all closed hours");
    assert_eq!(range(&report["stretches"][0]["range"]).start, window.start);
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn what_was_not_to_be_had_is_told_with_its_reason(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    simulator.control().add_faults([Fault::new(FaultKind::Plan)]);
    server.hydrate("AAPL", "d1", 100).await;
    server.at_rest("AAPL", "d1").await;
    let report = standing(&server, "AAPL", "d1", 100).await;
    assert_eq!(kinds(&report), only(&["outside"]), "{report}");
    let stretch = &report["stretches"][0];
    assert!(stretch["message"].as_str().is_some_and(|message| message.len() > 20), "{stretch}");
    assert!(stretch["checked_at"].is_i64() && stretch["ask_again_at"].is_i64(), "{stretch}");
    agree(&server, "AAPL", "d1", 100).await;

    for (asked, code) in [("symbol=A;B&tf=h1", "bad_symbol"), ("symbol=AAPL&tf=h1&from=2&to=1", "bad_range")] {
        let (status, problem) = server.get(&format!("/api/v1/coverage?{asked}")).await;
        assert_eq!((status, &problem["code"]), (400, &json!(code)));
    }
    server.stop().await;
}

/// A server that waits for four slices of a series, with more in the queue.
async fn stalled(pool: &PgPool, simulator: &Simulator) -> TestServer {
    in_days(pool, BITCOIN, "h1").await;
    simulator.control().add_faults([Fault::new(FaultKind::Stall)]);
    let server = TestServer::start(pool, &simulator.url()).await;
    server.hydrate(BITCOIN, "h1", 20).await;
    eventually(|| async {
        let running = "select count(*) from job_runs where status = 'running'";
        (count(pool, running).await == 4).then_some(())
    })
    .await;
    server
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_viewer_calls_off_what_is_queued_and_not_what_a_schedule_wants(pool: PgPool) {
    let simulator = simulator().await;
    let server = stalled(&pool, &simulator).await;
    let report = standing(&server, BITCOIN, "h1", 20).await;
    assert!(kinds(&report).is_superset(&only(&["queued", "running"])), "{report}");

    let ask = json!({ "symbol": BITCOIN, "tf": "h1" });
    let scheduled = "update job_definitions set schedule = 'every 5m', next_due_at = now() + interval '1 hour'";
    sqlx::query(scheduled).execute(&pool).await.unwrap();
    let (status, progress) = server.post("/api/v1/cancel", &ask).await;
    assert_eq!((status, &progress["cancelled"]), (200, &json!(0)), "{progress}");

    sqlx::query("update job_definitions set schedule = null").execute(&pool).await.unwrap();
    let (_, progress) = server.post("/api/v1/cancel", &ask).await;
    assert!(progress["cancelled"].as_i64().unwrap() > 5, "{progress}");
    assert_eq!((&progress["queued"], &progress["running"]), (&json!(0), &json!(4)), "what is paid for goes on");
    let report = standing(&server, BITCOIN, "h1", 20).await;
    assert!(kinds(&report).is_superset(&only(&["missing", "running"])), "{report}");
    assert!(!kinds(&report).contains("queued"), "{report}");

    simulator.control().clear_faults();
    server.hydrate(BITCOIN, "h1", 20).await;
    let (_, progress) = server.get("/api/v1/progress?symbol=X:BTCUSD&tf=h1").await;
    assert!(progress["queued"].as_i64().unwrap() > 0, "it can be asked for again: {progress}");
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn what_others_wait_for_is_not_one_viewers_to_call_off(pool: PgPool) {
    let simulator = simulator().await;
    let server = stalled(&pool, &simulator).await;
    let ask = json!({ "symbol": BITCOIN, "tf": "h1" });
    let watch = async || {
        let url = format!("{}/api/v1/events?symbol={BITCOIN}&tf=h1", server.url);
        let mut stream = reqwest::get(url).await.unwrap().bytes_stream();
        stream.next().await.unwrap().unwrap();
        stream
    };
    let viewers = (watch().await, watch().await);
    let (status, problem) = server.post("/api/v1/cancel", &ask).await;
    assert_eq!((status, &problem["code"]), (409, &json!("watched_by_others")));
    drop(viewers.1);
    // One through another process.
    let elsewhere = "insert into viewings (series_id, process, until)
                     select id, 'elsewhere', now() + interval '1 minute' from series where symbol = 'X:BTCUSD'";
    sqlx::query(elsewhere).execute(&pool).await.unwrap();
    let (status, _) = server.post("/api/v1/cancel", &ask).await;
    assert_eq!(status, 409);
    sqlx::query("delete from viewings where process = 'elsewhere'").execute(&pool).await.unwrap();
    eventually(|| async { (server.post("/api/v1/cancel", &ask).await.0 == 200).then_some(()) }).await;
    server.stop().await;
}
