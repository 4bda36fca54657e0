//! Whose turn it is: nobody waits for long because of what others asked for.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use futures::{StreamExt, stream};
use serde_json::{Value, json};
use sqlx::PgPool;
use support::{DEADLINE, TestServer, config, count, eventually, in_days, listed, simulator, witness};
use tidemark_server::config::ServeConfig;
use tidemark_simulator::{RequestEntry, Simulator};

const DAY: i64 = 24 * 60 * 60 * 1_000;
const BITCOIN: &str = "X:BTCUSD";
const ETHER: &str = "X:ETHUSD";

/// One hand, and a provider without a limit: requests are made one after another, in the order of turns.
async fn one_hand(pool: &PgPool, simulator: &Simulator) -> TestServer {
    let config = ServeConfig { workers: 1, polygon_requests_per_minute: Some(0), ..config(&simulator.url()) };
    TestServer::start_with(pool, &config).await
}

async fn everything(server: &TestServer, action: &str) {
    let (status, told) = server.post("/api/v1/operator/queue", &json!({ "action": action, "scope": "all" })).await;
    assert_eq!(status, 200, "{told}");
}

/// Asks as the page does, for the last `days` days, of which the time from so many to so many days ago is on screen.
async fn look_at(server: &TestServer, symbol: &str, days: i64, visible: (i64, i64)) -> Value {
    let now = chrono::Utc::now().timestamp_millis();
    let body = json!({
        "symbol": symbol, "timeframe": "h1", "from": now - days * DAY, "to": null,
        "visible_from": now - visible.0 * DAY, "visible_to": now - visible.1 * DAY, "retry": false,
    });
    let asked = reqwest::Client::new().post(format!("{}/api/page/ensure_coverage", server.url)).json(&body).send();
    let answer = asked.await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

/// The requests for bars so far, in order.
fn requests(simulator: &Simulator) -> Vec<RequestEntry> {
    simulator.control().requests().requests.into_iter().filter(|request| request.start.is_some()).collect()
}

/// Waits until so many were made, and answers of how many each symbol was.
async fn shares(simulator: &Simulator, first: usize) -> (usize, usize) {
    let made = eventually(|| async { Some(requests(simulator)).filter(|made| made.len() >= first) }).await;
    let of = |symbol: &str| {
        let is_of = |it: &&RequestEntry| it.symbol.as_ref().is_some_and(|asked| asked.as_str() == symbol);
        made[..first].iter().filter(is_of).count()
    };
    (of(BITCOIN), of(ETHER))
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn five_hundred_new_definitions_delay_who_looks_at_a_chart_by_one_slice(pool: PgPool) {
    let simulator = simulator().await;
    simulator.control().set_latency(Duration::from_millis(20));
    witness::watch(&pool).await;
    let server = one_hand(&pool, &simulator).await;
    let letters = || (b'A'..=b'Z').map(char::from);
    let symbols: Vec<String> =
        letters().flat_map(|a| letters().map(move |b| format!("X:{a}{b}QUSD"))).take(500).collect();
    listed(&pool, &symbols.iter().map(String::as_str).collect::<Vec<_>>()).await;
    listed(&pool, &[BITCOIN]).await;
    stream::iter(&symbols).for_each_concurrent(16, async |symbol| drop(server.hydrate(symbol, "m1", 10).await)).await;
    assert!(count(&pool, "select count(*) from job_runs where status = 'queued'").await > 1_000);

    let before = requests(&simulator).len();
    look_at(&server, BITCOIN, 20, (20, 0)).await;
    let waiting = "select count(*) from job_runs r join series s on s.id = r.series_id
                   where s.symbol = 'X:BTCUSD' and r.priority = 0 and r.status in ('queued', 'running')";
    eventually(|| async { (count(&pool, waiting).await == 0).then_some(()) }).await;
    let made = requests(&simulator);
    let is_looked_at = |request: &RequestEntry| request.symbol.as_ref().is_some_and(|it| it.as_str() == BITCOIN);
    let last = made.iter().rposition(is_looked_at).unwrap();
    let first = made.iter().position(is_looked_at).unwrap();
    let others = made[before..last].iter().filter(|request| !is_looked_at(request)).count();
    println!("{} slices of others before the first, {others} before the last of {}", first - before, last + 1 - first);
    // Those that went out while the page's request was on its way here count, too.
    assert!(made[first..=last].iter().all(is_looked_at), "none of others between those on screen");
    assert!(others <= 3, "{others}");
    everything(&server, "cancel").await;
    server.stop().await;
    witness::assert_invariants(&pool).await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn two_series_take_turns_by_their_weights(pool: PgPool) {
    let simulator = simulator().await;
    witness::watch(&pool).await;
    let server = one_hand(&pool, &simulator).await;
    for symbol in [BITCOIN, ETHER] {
        in_days(&pool, symbol, "h1").await;
    }
    everything(&server, "pause").await;
    server.hydrate(BITCOIN, "h1", 90).await;
    server.hydrate(ETHER, "h1", 90).await;
    everything(&server, "resume").await;
    let equal = shares(&simulator, 40).await;
    println!("of 40 with equal weights: {equal:?}");
    assert!(equal.0.abs_diff(20) <= 1, "{equal:?}");
    everything(&server, "cancel").await;
    server.at_rest(BITCOIN, "h1").await;
    server.at_rest(ETHER, "h1").await;

    everything(&server, "pause").await;
    simulator.control().clear_requests();
    sqlx::query("update job_definitions set weight = 3 where symbol = 'X:BTCUSD'").execute(&pool).await.unwrap();
    server.retry(ETHER, "h1", 300).await;
    server.retry(BITCOIN, "h1", 300).await;
    everything(&server, "resume").await;
    let weighted = shares(&simulator, 80).await;
    println!("of 80 with weights 3 and 1: {weighted:?}");
    assert!(weighted.0.abs_diff(60) <= 3, "{weighted:?}");
    everything(&server, "cancel").await;
    server.stop().await;
    witness::assert_invariants(&pool).await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn two_viewers_share_and_both_come_before_the_background(pool: PgPool) {
    let simulator = simulator().await;
    witness::watch(&pool).await;
    let server = one_hand(&pool, &simulator).await;
    for symbol in [BITCOIN, ETHER, "X:SOLUSD"] {
        in_days(&pool, symbol, "h1").await;
    }
    everything(&server, "pause").await;
    server.hydrate("X:SOLUSD", "h1", 60).await;
    look_at(&server, BITCOIN, 40, (40, 0)).await;
    look_at(&server, ETHER, 40, (40, 0)).await;
    everything(&server, "resume").await;
    let both = shares(&simulator, 40).await;
    assert_eq!(both, (20, 20));
    for symbol in [BITCOIN, ETHER, "X:SOLUSD"] {
        assert_eq!(server.at_rest(symbol, "h1").await["failed"], 0);
    }
    server.stop().await;
    witness::assert_invariants(&pool).await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn what_scrolls_into_view_comes_first_and_what_leaves_it_falls_back(pool: PgPool) {
    let simulator = simulator().await;
    witness::watch(&pool).await;
    let server = one_hand(&pool, &simulator).await;
    in_days(&pool, BITCOIN, "h1").await;
    everything(&server, "pause").await;
    look_at(&server, BITCOIN, 100, (10, 0)).await;
    look_at(&server, BITCOIN, 100, (70, 60)).await;
    let wanted = "select count(*) from job_runs where priority = 0 and status = 'queued'";
    assert!((9..=13).contains(&count(&pool, wanted).await), "what was looked at before is not wanted first any more");
    everything(&server, "resume").await;
    server.at_rest(BITCOIN, "h1").await;
    let now = chrono::Utc::now().timestamp_millis();
    let days_ago: Vec<i64> = requests(&simulator).iter().map(|it| (now - it.start.unwrap().0) / DAY).collect();
    println!("days ago, in the order in which they were asked for: {days_ago:?}");
    assert!(days_ago[..9].iter().all(|ago| (59..=71).contains(ago)), "{days_ago:?}");
    assert!(days_ago[13..].is_sorted(), "then the newest first: {days_ago:?}");
    server.stop().await;
    witness::assert_invariants(&pool).await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn what_a_viewer_who_left_wanted_falls_back_within_seconds(pool: PgPool) {
    let simulator = simulator().await;
    let server = one_hand(&pool, &simulator).await;
    in_days(&pool, BITCOIN, "h1").await;
    everything(&server, "pause").await;
    let stays = reqwest::get(format!("{}/api/v1/events?symbol=X:BTCUSD&tf=h1", server.url)).await.unwrap();
    let leaves = reqwest::get(format!("{}/api/v1/events?symbol=X:BTCUSD&tf=h1", server.url)).await.unwrap();
    look_at(&server, BITCOIN, 50, (50, 0)).await;
    let seen = "select count(*) from viewings";
    eventually(|| async { (count(&pool, seen).await == 1).then_some(()) }).await;
    let wanted = "select count(*) from job_runs where priority = 0";
    let all = count(&pool, wanted).await;
    assert!(all >= 50, "{all}");
    drop(leaves);
    // One of two still looks; the next thing that is told of viewers is that a third one has come.
    let other = reqwest::get(format!("{}/api/v1/events?symbol=X:ETHUSD&tf=h1", server.url)).await.unwrap();
    in_days(&pool, ETHER, "h1").await;
    eventually(|| async { (count(&pool, seen).await == 2).then_some(()) }).await;
    assert_eq!(count(&pool, wanted).await, all, "while one looks, it is wanted");

    let left = std::time::Instant::now();
    drop(stays);
    eventually(|| async { (count(&pool, wanted).await == 0).then_some(()) }).await;
    println!("fell back after {:?}", left.elapsed());
    assert!(left.elapsed() < Duration::from_secs(8), "{:?}", left.elapsed());
    drop(other);
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn ten_thousand_slices_of_one_series_do_not_starve_ten_of_another(pool: PgPool) {
    let simulator = simulator().await;
    witness::watch(&pool).await;
    let server = one_hand(&pool, &simulator).await;
    in_days(&pool, BITCOIN, "h1").await;
    in_days(&pool, ETHER, "h1").await;
    let started = std::time::Instant::now();
    server.hydrate(BITCOIN, "h1", 10_500).await;
    println!("10,500 slices were queued in {:?}", started.elapsed());
    assert!(count(&pool, "select count(*) from job_runs where status = 'queued'").await > 10_000);
    eventually(|| async { (requests(&simulator).len() >= 20).then_some(()) }).await;
    let before = requests(&simulator).len();
    server.hydrate(ETHER, "h1", 10).await;
    let done = tokio::time::timeout(DEADLINE, server.at_rest(ETHER, "h1")).await.unwrap();
    assert_eq!(done["failed"], 0);
    let made = requests(&simulator);
    let is_small = |request: &RequestEntry| request.symbol.as_ref().is_some_and(|it| it.as_str() == ETHER);
    let last = made.iter().rposition(is_small).unwrap();
    let first = made.iter().position(is_small).unwrap();
    let greedy = made[first..last].iter().filter(|request| !is_small(request)).count();
    let waited = first - before;
    println!("{greedy} slices of the greedy series among {}, {waited} before", last + 1 - first);
    assert!(greedy <= 15, "{greedy}");
    everything(&server, "cancel").await;
    server.stop().await;
}
