//! The main story over HTTP: a whole server, a real Postgres, a simulator for a provider.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::PgPool;
use support::{DEADLINE, TestServer, eventually, simulator};
use tidemark_market::wire;
use tidemark_simulator::{Fault, FaultKind};

async fn count(pool: &PgPool, what: &'static str) -> i64 {
    sqlx::query_scalar(what).fetch_one(pool).await.unwrap()
}

fn times(bars: &Value) -> Vec<i64> {
    bars["bars"].as_array().unwrap().iter().map(|bar| bar["ts"].as_i64().unwrap()).collect()
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_series_nobody_asked_for_fills_itself_and_asking_again_makes_nothing(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    server.hydrate("AAPL", "h1", 40).await;
    let done = server.at_rest("AAPL", "h1").await;
    assert_eq!((&done["failed"], &done["percent"]), (&json!(0), &json!(100)), "{done}");
    assert_eq!(count(&pool, "select count(*) from job_runs where status <> 'success' or rows_written = 0").await, 0);

    let bars = server.bars("AAPL", "h1", 40).await;
    assert_eq!(bars["gaps"], json!([]));
    let ts = times(&bars);
    assert!(ts.len() > 150 && ts.windows(2).all(|pair| pair[0] < pair[1]), "{} bars", ts.len());

    let again = server.hydrate("AAPL", "h1", 40).await;
    assert_eq!((&again["hydration"], &again["queued"]), (&done["hydration"], &json!(0)));
    assert!(simulator.control().requests().max_concurrent_overlap <= 1);
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn every_passing_fault_is_got_over_without_losing_a_bar(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    server.hydrate("MSFT", "m15", 4).await;
    server.at_rest("MSFT", "m15").await;
    let undisturbed = times(&server.bars("MSFT", "m15", 4).await);

    sqlx::query("truncate ohlc_bars_v2, coverage_status, job_runs").execute(&pool).await.unwrap();
    let kinds = [
        FaultKind::RateLimit,
        FaultKind::ServerError,
        FaultKind::TruncatedBody,
        FaultKind::Reset,
        FaultKind::Empty,
        FaultKind::WrongShape,
        FaultKind::WrongContentType,
    ];
    simulator.control().add_faults(kinds.map(|kind| Fault { retry_after_seconds: Some(1), ..Fault::once(kind) }));
    server.hydrate("MSFT", "m15", 4).await;
    let done = server.at_rest("MSFT", "m15").await;
    assert_eq!(done["failed"], 0, "{done}");
    assert!(simulator.control().faults().is_empty(), "every fault was met");
    assert_eq!(times(&server.bars("MSFT", "m15", 4).await), undisturbed);
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn bad_rows_are_quarantined_and_never_stop_their_slice(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    simulator.control().add_faults([Fault::new(FaultKind::BadRows)]);
    server.hydrate("AAPL", "d1", 30).await;
    let done = server.at_rest("AAPL", "d1").await;
    assert_eq!(done["failed"], 0, "{done}");
    assert!(count(&pool, "select count(*) from ohlc_bar_quarantine where reason = 'duplicate'").await > 0);
    assert!(count(&pool, "select count(*) from ohlc_bar_quarantine where reason = 'not_positive'").await > 0);
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_plan_that_lacks_the_data_ends_in_a_code_and_a_sentence_and_can_be_retried(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    simulator.control().add_faults([Fault::new(FaultKind::Plan)]);
    server.hydrate("AAPL", "d1", 100).await;
    let failed = server.at_rest("AAPL", "d1").await;
    assert_eq!(failed["failure"]["code"], "provider_plan", "{failed}");
    assert!(failed["failure"]["message"].as_str().unwrap().len() > 20);
    assert_eq!(count(&pool, "select max(attempt)::bigint from job_runs").await, 1, "no use in trying again by itself");

    let bars = server.bars("AAPL", "d1", 100).await;
    assert_eq!((&bars["holes"][0]["reason"], &bars["holes"][0]["checks"]), (&json!("outside"), &json!(1)), "{bars}");

    simulator.control().clear_faults();
    let before = simulator.control().requests().requests.len();
    let same = server.hydrate("AAPL", "d1", 100).await;
    assert_eq!(
        (&same["queued"], &same["failed"]),
        (&json!(0), &json!(1)),
        "what is out of reach is not asked for ever"
    );
    assert_eq!(simulator.control().requests().requests.len(), before);
    server.retry("AAPL", "d1", 100).await;
    let done = server.at_rest("AAPL", "d1").await;
    assert_eq!((&done["failed"], &done["failure"]), (&json!(0), &Value::Null));
    let bars = server.bars("AAPL", "d1", 100).await;
    assert_eq!((&bars["gaps"], &bars["holes"]), (&json!([]), &json!([])));
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn retries_are_bounded(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    simulator.control().add_faults([Fault::new(FaultKind::ServerError)]);
    server.hydrate("AAPL", "d1", 100).await;
    // Four times the dispatcher's longest sleep is 20 s: a retry must be woken by its own back-off.
    let failed = tokio::time::timeout(Duration::from_secs(15), server.at_rest("AAPL", "d1")).await.expect("at rest");
    assert_eq!(failed["failure"]["code"], "provider_server_error");
    assert_eq!(count(&pool, "select max(attempt)::bigint from job_runs").await, 5);
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_stalled_provider_times_out_and_is_asked_again(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    simulator.control().add_faults([Fault::once(FaultKind::Stall)]);
    server.hydrate("AAPL", "d1", 100).await;
    let done = server.at_rest("AAPL", "d1").await;
    assert_eq!(done["failed"], 0, "{done}");
    assert_eq!(count(&pool, "select max(attempt)::bigint from job_runs").await, 2);
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_server_that_stops_gives_its_slices_back_and_the_next_one_ends_them(pool: PgPool) {
    let simulator = simulator().await;
    simulator.control().set_latency(Duration::from_millis(300));
    let server = TestServer::start(&pool, &simulator.url()).await;
    server.hydrate("AAPL", "m15", 5).await;
    eventually(|| async {
        (count(&pool, "select count(*) from job_runs where status = 'running'").await > 0).then_some(())
    })
    .await;
    server.stop().await;
    assert_eq!(count(&pool, "select count(*) from job_runs where status = 'running'").await, 0);
    assert!(count(&pool, "select count(*) from job_runs where status = 'queued'").await > 0);

    simulator.control().set_latency(Duration::ZERO);
    let server = TestServer::start(&pool, &simulator.url()).await;
    let done = server.at_rest("AAPL", "m15").await;
    assert_eq!(done["failed"], 0, "{done}");
    assert_eq!(count(&pool, "select max(attempt)::bigint from job_runs").await, 1, "no attempt was spent");
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn nonsense_is_refused_with_a_code_and_changes_nothing(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    let now = chrono::Utc::now().timestamp_millis();
    for (body, status, code) in [
        (json!({ "symbol": "AAPL", "tf": "h7" }), 400, "bad_timeframe"),
        (json!({ "symbol": "A B", "tf": "h1" }), 400, "bad_symbol"),
        (json!({ "symbol": "A".repeat(500), "tf": "h1" }), 400, "bad_symbol"),
        (json!({ "symbol": "AAPL", "tf": "h1", "from": now, "to": now - 1 }), 400, "bad_range"),
        (json!({ "symbol": "AAPL", "tf": "h1", "from": "0001-01-01T00:00:00Z" }), 400, "bad_range"),
        (json!({ "symbol": "AAPL", "tf": "h1", "from": i64::MIN, "to": i64::MAX }), 400, "bad_range"),
        (json!({ "symbol": "AAPL", "tf": "h1", "from": now + 60_000, "to": now + 120_000 }), 400, "bad_range"),
        (json!({ "symbol": "ZZZZ", "tf": "h1" }), 404, "unknown_symbol"),
        (json!({ "symbol": "AAPL" }), 422, "bad_request"),
        (json!({ "symbol": "AAPL", "tf": "h1", "from": "yesterday" }), 422, "bad_request"),
        (json!({ "symbol": "A".repeat(100_000), "tf": "h1" }), 413, "body_too_large"),
    ] {
        let (got, problem) = server.post("/api/v1/hydrate", &body).await;
        assert_eq!((got, problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 20), "{problem}");
    }
    let (status, problem) = server.get("/api/v1/nothing").await;
    assert_eq!((status, &problem["code"]), (404, &json!("no_such_path")));
    let (status, problem) = server.get("/api/v1/hydrate").await;
    assert_eq!((status, &problem["code"]), (405, &json!("bad_method")));
    assert_eq!(count(&pool, "select count(*) from job_runs").await, 0);
    assert_eq!(count(&pool, "select count(*) from job_definitions").await, 0);
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_new_symbol_is_not_taken_on_trust_while_the_provider_is_away(pool: PgPool) {
    let server = TestServer::start(&pool, "http://127.0.0.1:9").await;
    let (status, problem) = server.post("/api/v1/hydrate", &json!({ "symbol": "AAPL", "tf": "h1" })).await;
    assert_eq!((status, &problem["code"]), (503, &json!("provider_unavailable")));
    let (status, bars) = server.get("/api/v1/bars?symbol=AAPL&tf=h1").await;
    assert_eq!((status, &bars["bars"]), (200, &json!([])), "what is stored is shown all the same");
    assert!(!bars["gaps"].as_array().unwrap().is_empty());
    assert_eq!(count(&pool, "select count(*) from job_runs").await, 0);
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn the_page_gets_only_what_changed_since_its_revision(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    for days in [5, 10] {
        server.hydrate("AAPL", "h1", days).await;
        server.at_rest("AAPL", "h1").await;
    }
    let read = async |query: &str| {
        let url = format!("{}/api/page/chart_data?symbol=AAPL&timeframe=h1{query}", server.url);
        wire::decode(&reqwest::get(url).await.unwrap().bytes().await.unwrap()).unwrap()
    };
    let whole = read("").await;
    let bars = |data: &wire::ChartData| data.layers.iter().map(|layer| layer.bars.len()).sum::<usize>();
    assert!(bars(&whole) > 20 && whole.since.is_none());

    let nothing = read(&format!("&since={}", whole.revision)).await;
    assert_eq!((bars(&nothing), nothing.revision), (0, whole.revision));
    let some = read(&format!("&since={}", whole.revision - 1)).await;
    assert!(bars(&some) < bars(&whole), "the last change alone");
    let foreign = read(&format!("&since={}", whole.revision + 1_000)).await;
    assert_eq!((foreign.since, bars(&foreign)), (None, bars(&whole)), "a revision this store never had");
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn listeners_are_told_of_progress_and_bars_until_the_end(pool: PgPool) {
    let simulator = simulator().await;
    simulator.control().set_latency(Duration::from_millis(50));
    let server = TestServer::start(&pool, &simulator.url()).await;
    let mut stream = reqwest::get(format!("{}/api/v1/events?symbol=AAPL&tf=h1", server.url)).await.unwrap();
    server.hydrate("AAPL", "h1", 10).await;

    let mut told = String::new();
    let listen = async {
        while let Some(chunk) = stream.chunk().await.unwrap() {
            told.push_str(std::str::from_utf8(&chunk).unwrap());
            if told.contains("\"hydration\":1,\"queued\":0,\"running\":0,\"success\":") {
                break;
            }
        }
    };
    tokio::time::timeout(DEADLINE, listen).await.expect("the end is told");
    let data = |kind: &str| -> Vec<Value> {
        let events = told.split("\n\n").filter(|event| event.contains(&format!("event: {kind}\n")));
        events
            .filter_map(|event| event.lines().find_map(|line| line.strip_prefix("data: ")))
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    };
    let percents: Vec<i64> =
        data("progress").iter().filter(|p| p["hydration"] == 1).map(|p| p["percent"].as_i64().unwrap()).collect();
    assert!(percents.is_sorted() && percents.last() == Some(&100), "{percents:?}");
    let revisions: Vec<i64> = data("bars").iter().map(|bars| bars["revision"].as_i64().unwrap()).collect();
    assert!(!revisions.is_empty() && revisions.is_sorted(), "{revisions:?}");
    let ended: HashSet<i64> =
        data("run").iter().filter(|run| run["status"] == "success").map(|run| run["run"].as_i64().unwrap()).collect();
    assert_eq!(i64::try_from(ended.len()).unwrap(), count(&pool, "select count(*) from job_runs").await);

    let id = told.rsplit("id: ").next().unwrap().lines().next().unwrap();
    let again = reqwest::Client::new()
        .get(format!("{}/api/v1/events?symbol=AAPL&tf=h1", server.url))
        .header("Last-Event-ID", id)
        .send();
    let mut again = again.await.unwrap();
    let hello = again.chunk().await.unwrap().unwrap();
    assert!(!String::from_utf8_lossy(&hello).contains("event:"), "one who comes back is told nothing twice");
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_periodic_definition_is_asked_again_by_the_tick(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    let from = (chrono::Utc::now() - chrono::Duration::days(10)).timestamp_millis();
    let body = json!({ "symbol": "X:BTCUSD", "tf": "h1", "from": from, "schedule": "every 1m" });
    assert_eq!(server.post("/api/v1/hydrate", &body).await.0, 202);
    server.at_rest("X:BTCUSD", "h1").await;
    sqlx::query("update job_definitions set next_due_at = now() - interval '3 hours'").execute(&pool).await.unwrap();
    sqlx::query(
        "update coverage_status set covered = covered - tstzmultirange(tstzrange(now() - interval '6 hours', null))",
    )
    .execute(&pool)
    .await
    .unwrap();

    let (status, ticked) = server.post("/api/v1/operator/tick", &json!({})).await;
    assert_eq!((status, &ticked["refreshed_series"]), (200, &json!(1)), "{ticked}");
    assert!(ticked["created_slices"].as_u64().unwrap() > 0);
    let (_, again) = server.post("/api/v1/operator/tick", &json!({})).await;
    assert_eq!(again["refreshed_series"], 0, "a missed time counts once");
    assert_eq!(server.at_rest("X:BTCUSD", "h1").await["failed"], 0);
    server.stop().await;
}
