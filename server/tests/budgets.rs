//! Providers are asked as often as they allow and no more, by all processes together; and left alone where they fail.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::PgPool;
use support::{TestServer, config, count, eventually, in_days, in_slices, simulator, witness};
use tidemark_market::Timestamp;
use tidemark_server::config::ServeConfig;
use tidemark_simulator::{Fault, FaultKind, Provider, RequestEntry, Simulator};

const SECOND: Duration = Duration::from_secs(1);

/// Runs of which an attempt was spent on being turned away.
const BURNT: &str = "select count(*) from job_runs
    where attempt <> claims - cardinality(array_positions(outcomes, 'provider_throttled')) and status = 'success'";

async fn servers(pool: &PgPool, config: &ServeConfig, number: usize) -> Vec<TestServer> {
    let mut servers = Vec::new();
    for _ in 0..number {
        servers.push(TestServer::start_with(pool, config).await);
    }
    servers
}

async fn stop_all(servers: Vec<TestServer>) {
    futures::future::join_all(servers.into_iter().map(TestServer::stop)).await;
}

/// What was asked of one provider, in order.
fn asked_of(simulator: &Simulator, provider: Provider) -> Vec<RequestEntry> {
    let requests = simulator.control().requests().requests;
    requests.into_iter().filter(|request| request.provider == provider).collect()
}

/// Makes the server's provider known before it starts: what it allows in how long, and whether that is a guess.
async fn allow(pool: &PgPool, provider: &str, allowed: i32, period: Duration, is_learning: bool) {
    let set = "insert into provider_budgets (provider, allowed, period, is_learning)
               values ($1, $2, make_interval(secs => $3), $4)
               on conflict (provider) do update set allowed = excluded.allowed, period = excluded.period";
    let set = sqlx::query(set).bind(provider).bind(allowed).bind(period.as_secs_f64()).bind(is_learning);
    set.execute(pool).await.unwrap();
}

/// So many requests in a window, as the provider sees it.
fn limit(simulator: &Simulator, requests: u32, window: Duration) {
    simulator.control().set_window(window);
    simulator.control().set_requests_per_minute(Some(requests));
}

/// Asks for a stock at Polygon alone, its listing and splits with it, in some twenty slices.
async fn fetch_twenty_slices(pool: &PgPool, simulator: &Simulator, servers: &[TestServer], symbol: &str) {
    // Long enough to hold a session whatever day it is.
    servers[0].hydrate(symbol, "h1", 4).await;
    let is_of_splits = |request: &RequestEntry| request.path.contains("/splits");
    eventually(|| async { asked_of(simulator, Provider::Polygon).iter().any(is_of_splits).then_some(()) }).await;
    in_slices(pool, symbol, "h1", "1 day").await;
    servers[0].hydrate(symbol, "h1", 28).await;
    let done = servers[0].at_rest(symbol, "h1").await;
    assert_eq!((&done["failed"], &done["cancelled"]), (&json!(0), &json!(0)), "{done}");
    assert!(done["success"].as_u64().unwrap() >= 15, "{done}");
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn four_processes_share_five_requests_a_period_and_none_is_turned_away(pool: PgPool) {
    let simulator = simulator().await;
    limit(&simulator, 5, 3 * SECOND);
    witness::watch(&pool).await;
    let config = ServeConfig {
        polygon_requests_per_minute: Some(5),
        chains: "equity=polygon".parse().unwrap(),
        ..config(&simulator.url())
    };
    let servers = servers(&pool, &config, 4).await;
    let known = "select count(*) from provider_budgets where provider = 'polygon' and allowed = 5 and not is_learning";
    eventually(|| async { (count(&pool, known).await == 1).then_some(()) }).await;
    // Each sets its limits before it answers.
    for server in &servers {
        assert!(reqwest::get(format!("{}/healthz", server.url)).await.unwrap().status().is_success());
    }
    allow(&pool, "polygon", 5, 3 * SECOND, false).await;
    fetch_twenty_slices(&pool, &simulator, &servers, "AAPL").await;

    let log = simulator.control().requests();
    let asked = asked_of(&simulator, Provider::Polygon);
    assert!(asked.iter().any(|request| request.path.contains("/reference/tickers/")), "the listing counts");
    println!("{} requests, {} at most in 3 s", asked.len(), log.max_in_window(Provider::Polygon));
    assert_eq!((log.throttled(Provider::Polygon), log.max_in_window(Provider::Polygon)), (0, 5));
    witness::assert_invariants(&pool).await;
    stop_all(servers).await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_limit_is_learned_by_one_refusal_and_remembered_by_who_starts_later(pool: PgPool) {
    let simulator = simulator().await;
    limit(&simulator, 5, 3 * SECOND);
    witness::watch(&pool).await;
    allow(&pool, "polygon", 5, 3 * SECOND, true).await;
    let config = ServeConfig { chains: "equity=polygon".parse().unwrap(), ..config(&simulator.url()) };
    let first = servers(&pool, &config, 4).await;
    fetch_twenty_slices(&pool, &simulator, &first, "AAPL").await;
    let throttled = || simulator.control().requests().throttled(Provider::Polygon);
    assert!(throttled() <= 1, "{} were turned away", throttled());
    let learned = async || -> (i32, bool, bool) {
        let asked =
            "select allowed, is_learning, learned_at is not null from provider_budgets where provider = 'polygon'";
        sqlx::query_as(asked).fetch_one(&pool).await.unwrap()
    };
    let known = learned().await;
    assert_eq!(known.0, 5);
    assert_eq!(count(&pool, BURNT).await, 0);
    stop_all(first).await;
    if known.1 {
        println!("the machine was too slow to learn the limit in one window; what is known of it stays all the same");
    }

    let later = servers(&pool, &config, 1).await;
    assert_eq!(learned().await, known);
    later[0].hydrate("AAPL", "h1", 40).await;
    assert_eq!(later[0].at_rest("AAPL", "h1").await["failed"], 0);
    assert!(throttled() <= 1, "a limit that is known is not tried again");
    witness::assert_invariants(&pool).await;
    stop_all(later).await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn of_what_a_provider_says_it_allows_nineteen_in_twenty_are_used(pool: PgPool) {
    const ALLOWED: usize = 120;
    const WINDOWS: usize = 4;
    let window = 10 * SECOND;
    let simulator = simulator().await;
    simulator.control().set_latency(Duration::from_millis(20));
    limit(&simulator, 120, window);
    witness::watch(&pool).await;
    let config = ServeConfig { chains: "equity=tradier,polygon".parse().unwrap(), ..config(&simulator.url()) };
    let servers = servers(&pool, &config, 2).await;
    for symbol in ["AAPL", "MSFT", "KO"] {
        in_slices(&pool, symbol, "m1", "10 minutes").await;
        servers[0].hydrate(symbol, "m1", 18).await;
    }
    let served = || {
        let asked = asked_of(&simulator, Provider::Tradier);
        asked.into_iter().filter(|request| request.status == Some(200)).collect::<Vec<_>>()
    };
    let enough = ALLOWED * WINDOWS + 1;
    eventually(|| async { (served().len() >= enough).then_some(()) }).await;
    let served = served();
    // The windows follow each other without a pause where none is lost.
    let took = served[enough - 1].arrived.0 - served[0].arrived.0;
    let whole = i64::try_from(window.as_millis()).unwrap() * 4;
    let usage = whole as f64 / took as f64;
    println!("{:.1} % of {ALLOWED} requests in {} s were used", 100.0 * usage, window.as_secs());
    assert!(usage >= 0.95, "{usage}: {WINDOWS} windows took {took} ms");
    let throttled = simulator.control().requests().throttled(Provider::Tradier);
    assert!(throttled <= 1, "{throttled} were turned away");
    sqlx::query("select control_queue('cancel', 'all', '', 'the test')").execute(&pool).await.unwrap();
    assert_eq!(count(&pool, "select count(*) from job_runs where status = 'failed'").await, 0);
    stop_all(servers).await;
    witness::assert_invariants(&pool).await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn who_asks_to_be_left_alone_is_by_every_process_and_others_are_not(pool: PgPool) {
    let simulator = simulator().await;
    simulator.control().set_latency(Duration::from_millis(50));
    witness::watch(&pool).await;
    let config = ServeConfig { polygon_requests_per_minute: Some(0), workers: 2, ..config(&simulator.url()) };
    let servers = servers(&pool, &config, 2).await;
    in_days(&pool, "X:BTCUSD", "h1").await;
    in_days(&pool, "BINANCE:BTCUSDT", "h1").await;
    for (as_date, days) in [(false, 60), (true, 120)] {
        let told =
            Fault { retry_after_seconds: Some(2), retry_after_as_date: as_date, ..Fault::new(FaultKind::RateLimit) };
        simulator.control().clear_requests();
        simulator.control().add_faults([Fault { provider: Some(Provider::Polygon), times: Some(1), ..told }]);
        servers[0].hydrate("X:BTCUSD", "h1", days).await;
        servers[1].hydrate("BINANCE:BTCUSDT", "h1", 5 * days).await;
        assert_eq!(servers[0].at_rest("X:BTCUSD", "h1").await["failed"], 0);
        assert_eq!(servers[1].at_rest("BINANCE:BTCUSDT", "h1").await["failed"], 0);

        let asked = asked_of(&simulator, Provider::Polygon);
        let refused = asked.iter().find(|request| request.status == Some(429)).unwrap().ended.unwrap();
        assert_eq!(asked.iter().filter(|request| request.status == Some(429)).count(), 1);
        // What had been claimed by then is on its way.
        let (from, until) = (refused.plus(250), refused.plus(2_000));
        let too_early = asked.iter().filter(|request| from < request.arrived && request.arrived < until).count();
        assert_eq!(too_early, 0, "by date: {as_date}");
        assert!(asked.iter().any(|request| request.arrived >= until));
        let meanwhile = asked_of(&simulator, Provider::Binance);
        let served = meanwhile.iter().filter(|it| from < it.arrived && it.arrived < until).count();
        println!("by date: {as_date}; Binance was asked {served} times meanwhile");
        assert!(served >= 10, "{served}");
    }
    assert_eq!(count(&pool, BURNT).await, 0);
    let told = "select count(*) from job_runs where 'provider_throttled' = any (outcomes)";
    assert_eq!(count(&pool, told).await, 2);
    witness::assert_invariants(&pool).await;
    stop_all(servers).await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_refusal_without_a_time_and_a_storm_of_errors_cost_waits_and_no_slice(pool: PgPool) {
    let simulator = simulator().await;
    witness::watch(&pool).await;
    let config = ServeConfig { retry_ms: 200, polygon_requests_per_minute: Some(0), ..config(&simulator.url()) };
    let servers = servers(&pool, &config, 2).await;
    in_days(&pool, "X:BTCUSD", "h1").await;
    let day = 24 * 60 * 60 * 1_000;
    let midnight = chrono::Utc::now().timestamp_millis() / day * day;
    // Every second day fails twice.
    let storm = (5..45).step_by(2).map(|ago| Fault {
        from: Some(Timestamp(midnight - ago * day)),
        to: Some(Timestamp(midnight - ago * day + 1)),
        times: Some(2),
        ..Fault::new(FaultKind::ServerError)
    });
    simulator.control().add_faults(std::iter::once(Fault::once(FaultKind::RateLimit)).chain(storm));
    servers[0].hydrate("X:BTCUSD", "h1", 50).await;
    let done = servers[0].at_rest("X:BTCUSD", "h1").await;
    assert_eq!((&done["failed"], &done["cancelled"]), (&json!(0), &json!(0)), "{done}");
    assert!(simulator.control().faults().is_empty(), "each was met");

    let asked: Vec<_> = asked_of(&simulator, Provider::Polygon).into_iter().filter(|it| it.start.is_some()).collect();
    let refused = asked.iter().find(|request| request.status == Some(429)).unwrap().ended.unwrap();
    let (from, until) = (refused.plus(250), refused.plus(15_000));
    assert!(!asked.iter().any(|it| from < it.arrived && it.arrived < until), "left alone for 15 s");
    let failed: Vec<_> = asked.iter().filter(|request| request.status == Some(500)).collect();
    assert_eq!(failed.len(), 40);
    assert_eq!(asked.len() as u64, done["success"].as_u64().unwrap() + 41, "nothing is asked for without need");
    let mut waits = Vec::new();
    for first in &failed {
        let again = asked.iter().find(|it| it.start == first.start && it.arrived > first.arrived).unwrap();
        waits.push(again.arrived.0 - first.ended.unwrap().0);
    }
    waits.sort_unstable();
    println!("waits after an error: {waits:?} ms");
    assert!(waits[0] >= 150, "{waits:?}");
    assert!(waits.windows(2).filter(|pair| pair[0] != pair[1]).count() > 15, "spread: {waits:?}");
    witness::assert_invariants(&pool).await;
    stop_all(servers).await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_provider_that_fails_is_left_alone_and_tried_one_at_a_time_until_it_is_back(pool: PgPool) {
    let simulator = simulator().await;
    witness::watch(&pool).await;
    let config = ServeConfig { retry_ms: 100, polygon_requests_per_minute: Some(0), ..config(&simulator.url()) };
    let servers = servers(&pool, &config, 2).await;
    in_days(&pool, "X:BTCUSD", "h1").await;
    simulator.control().set_latency(Duration::from_millis(20));
    simulator.control().add_faults([Fault::new(FaultKind::ServerError)]);
    let began = Instant::now();
    servers[0].hydrate("X:BTCUSD", "h1", 60).await;
    let said = eventually(|| async {
        let (_, progress) = servers[0].get("/api/v1/progress?symbol=X:BTCUSD&tf=h1").await;
        progress["waiting"].as_str().filter(|said| said.contains("does not answer")).map(str::to_owned)
    });
    let said = said.await;
    assert!(said.starts_with("polygon does not answer; it is asked again in "), "{said}");
    eventually(|| async { (began.elapsed() > 6 * SECOND).then_some(()) }).await;
    let asked = asked_of(&simulator, Provider::Polygon);
    // Eight hands were at work when the fifth failure was booked. Then come pauses of 0.5 s, 1 s, 2 s, 4 s, and one
    // request after each.
    let gaps: Vec<i64> = asked.windows(2).map(|pair| pair[1].arrived.0 - pair[0].arrived.0).collect();
    let at_first = gaps.iter().position(|gap| *gap >= 400).unwrap();
    println!("{} requests at first, then trials after {:?} ms", at_first + 1, &gaps[at_first..]);
    assert!((5..=20).contains(&(at_first + 1)), "{gaps:?}");
    assert!(gaps[at_first..].iter().zip([400, 900, 1_900, 3_900]).all(|(gap, least)| *gap >= least), "{gaps:?}");

    simulator.control().clear_faults();
    let done = servers[0].at_rest("X:BTCUSD", "h1").await;
    assert_eq!((&done["failed"], &done["waiting"]), (&json!(0), &json!(null)), "{done}");
    assert_eq!(
        count(&pool, "select count(*) from provider_budgets where failures > 0 or down_until is not null").await,
        0
    );
    let parted = "select count(*) from job_runs where error_code = 'slice_split'";
    assert_eq!(count(&pool, parted).await, 0, "a slice is not at fault where its provider is down");
    witness::assert_invariants(&pool).await;
    stop_all(servers).await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn where_a_provider_is_down_or_its_plan_too_small_the_next_one_serves(pool: PgPool) {
    let simulator = simulator().await;
    witness::watch(&pool).await;
    let config = ServeConfig {
        workers: 1,
        polygon_requests_per_minute: Some(0),
        chains: "equity=polygon,tradier".parse().unwrap(),
        ..config(&simulator.url())
    };
    let server = TestServer::start_with(&pool, &config).await;
    let served_by_tradier = async |symbol: &str, most: usize| {
        simulator.control().clear_requests();
        in_days(&pool, symbol, "h1").await;
        server.hydrate(symbol, "h1", 30).await;
        let done = server.at_rest(symbol, "h1").await;
        assert_eq!((&done["failed"], &done["providers"]), (&json!(0), &json!(["tradier"])), "{done}");
        assert!(done["success"].as_u64().unwrap() >= 15, "{done}");
        let bars = server.bars(symbol, "h1", 30).await;
        assert_eq!((&bars["gaps"], &bars["providers"]), (&json!([]), &json!(["tradier"])));
        let asked = asked_of(&simulator, Provider::Polygon);
        let asked = asked.iter().filter(|request| request.start.is_some()).count();
        println!("{symbol}: {asked} requests to the first");
        assert!(asked <= most, "{asked} requests to the first");
    };
    let plan = Fault { provider: Some(Provider::Polygon), ..Fault::new(FaultKind::Plan) };
    simulator.control().add_faults([plan]);
    // One for each layer.
    served_by_tradier("AAPL", 2).await;
    simulator.control().clear_faults();
    simulator.control().add_faults([Fault { provider: Some(Provider::Polygon), ..Fault::new(FaultKind::ServerError) }]);
    // Five until it counts as down, and a trial now and then.
    served_by_tradier("MSFT", 12).await;
    witness::assert_invariants(&pool).await;
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_minute_that_can_not_be_had_costs_that_minute(pool: PgPool) {
    let simulator = simulator().await;
    witness::watch(&pool).await;
    let config = ServeConfig { retry_ms: 1, ..config(&simulator.url()) };
    let server = TestServer::start_with(&pool, &config).await;
    let minute = 60_000;
    let bad = chrono::Utc::now().timestamp_millis() / minute * minute - 12 * 24 * 60 * minute;
    for (symbol, timeframe, length, kind, code) in [
        ("X:BTCUSD", "m1", minute, FaultKind::ServerError, "provider_server_error"),
        ("BINANCE:BTCUSDT", "m15", 15 * minute, FaultKind::MalformedBody, "provider_malformed"),
        ("COINBASE:BTC-USD", "h1", 60 * minute, FaultKind::HugeBody, "provider_too_large"),
    ] {
        let bad = bad / length * length;
        simulator.control().add_faults([Fault {
            symbol: Some(symbol.parse().unwrap()),
            from: Some(Timestamp(bad)),
            to: Some(Timestamp(bad + 1)),
            ..Fault::new(kind)
        }]);
        in_days(&pool, symbol, timeframe).await;
        server.hydrate(symbol, timeframe, 14).await;
        let done = server.at_rest(symbol, timeframe).await;
        println!("{symbol}: {done}");
        assert_eq!((&done["failed"], &done["failure"]["code"]), (&json!(1), &json!(code)), "{done}");
        let bars = server.bars(symbol, timeframe, 13).await;
        let hole = json!({ "start": bad, "end": bad + length });
        // A bar that closed meanwhile was not asked for.
        let asked = chrono::Utc::now().timestamp_millis() - 2 * 60 * minute;
        let gaps = bars["gaps"].as_array().unwrap().iter().filter(|gap| gap["start"].as_i64().unwrap() < asked);
        assert_eq!(gaps.collect::<Vec<_>>(), [&hole], "all else is covered");
        assert_eq!((&bars["holes"][0]["reason"], bars["holes"].as_array().unwrap().len()), (&json!("failed"), 1));
    }
    witness::assert_invariants(&pool).await;
    server.stop().await;
}
