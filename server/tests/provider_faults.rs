//! What becomes of a provider's faults: a whole server, a real Postgres, a simulator that misbehaves. Each test ends with
//! what the API shows.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::PgPool;
use support::processes::{Launch, url_of};
use support::seeds::Chance;
use support::{TestServer, at_rest, config, eventually, simulator, witness};
use tidemark_server::clock::Clock;
use tidemark_server::config::ServeConfig;
use tidemark_simulator::{
    FALSE_VALUES, Fault, FaultKind, Provider, RequestEntry, Simulator, SimulatorConfig, malformed,
};

/// So many have a session among them, whatever day it is.
const DAYS: i64 = 5;

async fn count(pool: &PgPool, what: &'static str) -> i64 {
    sqlx::query_scalar(what).fetch_one(pool).await.unwrap()
}

/// A server for which no bar closes while a test looks at it.
async fn standing_still(pool: &PgPool, config: &ServeConfig) -> TestServer {
    TestServer::start_at(pool, config, Clock::fixed(chrono::Utc::now().into())).await
}

/// The bars of all layers, without what differs from one fetching to another.
async fn ohlcv(server: &TestServer, symbol: &str, timeframe: &str) -> Vec<Value> {
    let read = server.bars(symbol, timeframe, DAYS).await;
    let values = |bar: &Value| json!([bar["ts"], bar["open"], bar["high"], bar["low"], bar["close"], bar["volume"]]);
    read["bars"].as_array().unwrap().iter().map(values).collect()
}

/// What the series holds where nothing goes wrong. The store is empty afterwards, and watched.
async fn undisturbed(pool: &PgPool, server: &TestServer, series: &[(&str, &str)]) -> Vec<Vec<Value>> {
    let mut all = Vec::new();
    for (symbol, timeframe) in series {
        server.hydrate(symbol, timeframe, DAYS).await;
    }
    for (symbol, timeframe) in series {
        server.at_rest(symbol, timeframe).await;
        all.push(ohlcv(server, symbol, timeframe).await);
    }
    sqlx::query("truncate ohlc_bars_v2, coverage_status, coverage_reasons, job_runs").execute(pool).await.unwrap();
    witness::watch(pool).await;
    all
}

/// Fails where bars differ. They are read from so many days ago on, so that the first may have gone out of sight.
fn assert_same(got: &[Value], want: &[Value], after: &str) {
    let gone = usize::from(got.first().map(|bar| &bar[0]) != want.first().map(|bar| &bar[0]));
    assert_eq!(got, &want[gone..], "{after}");
}

/// The greatest number of tries that a run of the symbol took.
async fn most_attempts(pool: &PgPool, symbol: &str) -> i16 {
    let asked = "select max(attempt) from job_runs r join series s on s.id = r.series_id where s.symbol = $1";
    sqlx::query_scalar(asked).bind(symbol).fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn each_passing_fault_costs_one_try_and_no_bar(pool: PgPool) {
    let simulator = simulator().await;
    simulator.control().set_drip(Duration::from_millis(100));
    // A sound answer takes less, however busy the machine.
    let config = ServeConfig { provider_timeout_seconds: 4, ..config(&simulator.url()) };
    let server = standing_still(&pool, &config).await;
    let limit = Fault { retry_after_seconds: Some(1), ..Fault::once(FaultKind::RateLimit) };
    // With how many tries the slice takes that meets it.
    let faults = [
        ("AAPL", limit.clone(), 1),
        ("AMD", Fault { retry_after_as_date: true, ..limit }, 1),
        ("AMZN", Fault::once(FaultKind::ServerError), 2),
        ("BA", Fault::once(FaultKind::TruncatedBody), 2),
        ("CAT", Fault::once(FaultKind::ResetBody), 2),
        ("DIS", Fault::once(FaultKind::Reset), 2),
        ("GE", Fault::once(FaultKind::HalfGzip), 2),
        ("IBM", Fault::once(FaultKind::WrongShape), 2),
        ("INTC", Fault::once(FaultKind::WrongContentType), 2),
        ("KO", Fault::once(FaultKind::MalformedBody), 2),
        ("MSFT", Fault::once(FaultKind::Stall), 2),
        ("NVDA", Fault::once(FaultKind::SlowDrip), 2),
        ("ORCL", Fault::once(FaultKind::LongError), 2),
        // An empty answer is checked by a second run, each with a try of its own.
        ("PFE", Fault::once(FaultKind::Empty), 1),
    ];
    let series = faults.clone().map(|(symbol, ..)| (symbol, "h1"));
    let want = undisturbed(&pool, &server, &series).await;
    // Else the two refusals would be taken for a limit, for which all would wait by the minute.
    let unlimited = "update provider_budgets set allowed = null, is_learning = false where provider = 'tradier'";
    sqlx::query(unlimited).execute(&pool).await.unwrap();

    let meeting =
        |(symbol, fault, _): &(&str, Fault, i16)| Fault { symbol: Some(symbol.parse().unwrap()), ..fault.clone() };
    simulator.control().add_faults(faults.iter().map(meeting));
    for (symbol, timeframe) in series {
        server.hydrate(symbol, timeframe, DAYS).await;
    }
    for ((symbol, fault, attempts), want) in faults.iter().zip(want) {
        let done = server.at_rest(symbol, "h1").await;
        assert_eq!(
            (&done["failed"], &done["percent"], &done["failure"]),
            (&json!(0), &json!(100), &Value::Null),
            "{fault:?}"
        );
        assert_eq!(most_attempts(&pool, symbol).await, *attempts, "{fault:?}");
        assert_eq!(server.bars(symbol, "h1", DAYS).await["gaps"], json!([]), "{fault:?}");
        assert_same(&ohlcv(&server, symbol, "h1").await, &want, &format!("{fault:?}"));
    }
    assert!(simulator.control().faults().is_empty(), "each was met");
    assert!(simulator.control().requests().max_concurrent_overlap <= 1);
    witness::assert_invariants(&pool).await;
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn whatever_a_body_holds_it_is_refused_with_a_code_and_nothing_is_written(pool: PgPool) {
    let simulator = simulator().await;
    let config = ServeConfig { retry_ms: 1, ..config(&simulator.url()) };
    let server = standing_still(&pool, &config).await;
    let series = [
        ("AAPL", "m15"),
        ("X:BTCUSD", "h4"),
        ("BINANCE:BTCUSDT", "h4"),
        ("COINBASE:BTC-USD", "h4"),
        ("KRAKEN:XBTUSD", "h4"),
    ];
    let want = undisturbed(&pool, &server, &series).await;

    simulator.control().clear_requests();
    simulator.control().add_faults([Fault::new(FaultKind::MalformedBody)]);
    let met = |provider| {
        let log = simulator.control().requests();
        log.requests.iter().filter(|request| request.provider == provider && request.fault.is_some()).count()
    };
    while met(Provider::Polygon) + met(Provider::Tradier) < 2 * malformed::BODIES.len() {
        for (symbol, timeframe) in series {
            server.retry(symbol, timeframe, DAYS).await;
        }
        for (symbol, timeframe) in series {
            let failed = server.at_rest(symbol, timeframe).await;
            assert_eq!((&failed["success"], &failed["rows_written"]), (&json!(0), &json!(0)), "{failed}");
            assert_eq!(failed["failure"]["code"], "provider_malformed", "{failed}");
        }
    }
    assert_eq!(
        count(&pool, "select count(*) from job_runs where error_code not in ('provider_malformed', 'slice_split')")
            .await,
        0
    );
    assert_eq!(count(&pool, "select count(*) from ohlc_bars_v2").await, 0);
    let shown = server.bars("AAPL", "m15", DAYS).await;
    assert_eq!(shown["holes"][0]["reason"], "failed", "{shown}");

    simulator.control().clear_faults();
    for ((symbol, timeframe), want) in series.into_iter().zip(want) {
        server.retry(symbol, timeframe, DAYS).await;
        assert_eq!(server.at_rest(symbol, timeframe).await["failed"], 0, "{symbol}");
        assert_same(&ohlcv(&server, symbol, timeframe).await, &want, symbol);
    }
    witness::assert_invariants(&pool).await;
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn rows_in_any_order_and_twice_end_as_the_same_bars(pool: PgPool) {
    // No two are of one symbol: what a finer series holds is not fetched again.
    let mut chance = Chance::new("rows_in_any_order_and_twice_end_as_the_same_bars");
    let series = [
        ("AAPL", "m5"),
        ("MSFT", "m30"),
        ("AMD", "h1"),
        ("KO", "d1"),
        ("X:BTCUSD", "m15"),
        ("BINANCE:BTCUSDT", "m15"),
        ("COINBASE:BTC-USD", "h1"),
    ];
    // The seed decides the bars, too.
    let seeded = SimulatorConfig { seed: chance.next(), ..SimulatorConfig::default() };
    let simulator = Simulator::start(seeded).await.unwrap();
    let server = standing_still(&pool, &config(&simulator.url())).await;
    let want = undisturbed(&pool, &server, &series).await;
    simulator.control().add_faults([Fault::new(FaultKind::ShuffledRows)]);
    for round in 0..2 {
        for ((symbol, timeframe), want) in series.iter().zip(&want) {
            server.hydrate(symbol, timeframe, DAYS).await;
            let done = server.at_rest(symbol, timeframe).await;
            assert_eq!(done["failed"], 0, "{done}");
            assert_same(
                &ohlcv(&server, symbol, timeframe).await,
                want,
                &format!("round {round}: {symbol} {timeframe}"),
            );
        }
        witness::assert_invariants(&pool).await;
        let empty = "truncate ohlc_bars_v2, coverage_status, coverage_reasons, job_runs";
        sqlx::query(empty).execute(&pool).await.unwrap();
        assert!(count(&pool, "select count(*) from ohlc_bar_quarantine where reason = 'duplicate'").await > 0);
    }
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn values_that_are_none_are_quarantined_one_for_one_and_never_stop_their_slice(pool: PgPool) {
    let simulator = simulator().await;
    let server = standing_still(&pool, &config(&simulator.url())).await;
    let series = [("AAPL", "m5"), ("X:BTCUSD", "h1"), ("BINANCE:BTCUSDT", "m15")];
    let want = undisturbed(&pool, &server, &series).await;
    simulator.control().clear_requests();
    simulator.control().add_faults([Fault::new(FaultKind::FalseValues)]);
    for ((symbol, timeframe), want) in series.into_iter().zip(want) {
        server.hydrate(symbol, timeframe, DAYS).await;
        let done = server.at_rest(symbol, timeframe).await;
        assert_eq!((&done["failed"], &done["failure"]), (&json!(0), &Value::Null), "{done}");
        assert_same(&ohlcv(&server, symbol, timeframe).await, &want, "the true row of each stays");
    }
    let log = simulator.control().requests();
    let injected = |provider| {
        let answers = log.requests.iter().filter(|request| request.provider == provider && request.fault.is_some());
        i64::try_from(answers.count() * FALSE_VALUES).unwrap()
    };
    let quarantined = async |provider: &str, reason: &str| -> i64 {
        let asked = "select count(*) from ohlc_bar_quarantine where provider = $1 and reason like $2";
        sqlx::query_scalar(asked).bind(provider).bind(reason).fetch_one(&pool).await.unwrap()
    };
    for (name, provider) in [("tradier", Provider::Tradier), ("polygon", Provider::Polygon)] {
        assert!(injected(provider) > 0, "{name}");
        assert_eq!(quarantined(name, "%").await, injected(provider), "{name}");
    }
    // A row without volume is how a venue says that nothing was traded.
    let told = injected(Provider::Binance) / 7 * 6;
    assert_eq!(quarantined("binance", "%").await, told);
    for (reason, rows) in
        [("unreadable", 2), ("out_of_order", 1), ("negative_volume", 1), ("not_positive", 1), ("duplicate", 1)]
    {
        assert_eq!(quarantined("binance", reason).await, told / 6 * rows, "{reason}");
    }
    let from = (chrono::Utc::now() - chrono::Duration::days(DAYS)).timestamp_millis();
    let (_, quality) = server.get(&format!("/api/v1/quality?symbol=AAPL&tf=m5&from={from}")).await;
    assert_eq!(quality["quarantined"]["count"], injected(Provider::Tradier), "the report counts them: {quality}");
    witness::assert_invariants(&pool).await;
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn bodies_without_end_are_given_up_at_the_limit_and_memory_stays_bounded(pool: PgPool) {
    let simulator = simulator().await;
    witness::watch(&pool).await;
    let process = Launch::serve(&url_of(&pool), &simulator.url()).start().await;
    simulator.control().add_faults([
        Fault { provider: Some(Provider::Polygon), ..Fault::new(FaultKind::EndlessBody) },
        Fault { provider: Some(Provider::Tradier), ..Fault::new(FaultKind::HugeBody) },
    ]);
    for symbol in ["AAPL", "MSFT", "NVDA", "AMD"] {
        let from = (chrono::Utc::now() - chrono::Duration::days(10)).timestamp_millis();
        let body = json!({ "symbol": symbol, "timeframe": "h4", "from": from });
        assert_eq!(process.post("/api/v1/hydrate", &body).await.0, 202);
    }
    for symbol in ["AAPL", "MSFT", "NVDA", "AMD"] {
        let failed = at_rest(&process.url, symbol, "h4").await;
        assert_eq!(
            (&failed["success"], &failed["failure"]["code"]),
            (&json!(0), &json!("provider_too_large")),
            "{failed}"
        );
    }
    let peak = process.peak_memory() / 1_048_576;
    println!("peak memory: {peak} MiB");
    assert!(peak < 512, "{peak} MiB: four workers at once, each with 64 MiB");
    witness::assert_invariants(&pool).await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_drip_is_given_up_in_time_though_each_byte_comes_in_time(pool: PgPool) {
    let simulator = simulator().await;
    simulator.control().set_drip(Duration::from_millis(200));
    simulator.control().add_faults([Fault::new(FaultKind::SlowDrip)]);
    let config = ServeConfig { provider_timeout_seconds: 1, ..config(&simulator.url()) };
    let server = standing_still(&pool, &config).await;
    witness::watch(&pool).await;
    let started = Instant::now();
    server.hydrate("AAPL", "d1", 100).await;
    let failed = server.at_rest("AAPL", "d1").await;
    assert_eq!(failed["failure"]["code"], "provider_timeout", "{failed}");
    assert_eq!(failed["success"], 0);
    let took = started.elapsed();
    assert!(took < Duration::from_secs(20), "each try a second, five tries: {took:?}");
    assert_eq!(
        count(&pool, "select count(*) from job_runs where error_code = 'lease_expired'").await,
        0,
        "the lease was kept"
    );
    witness::assert_invariants(&pool).await;
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_clock_that_is_an_hour_off_changes_neither_bars_nor_waits(pool: PgPool) {
    let simulator = simulator().await;
    simulator.control().set_requests_per_minute(Some(1_000));
    let server = standing_still(&pool, &config(&simulator.url())).await;
    let series = [("AAPL", "m15"), ("BINANCE:BTCUSDT", "h1")];
    let want = undisturbed(&pool, &server, &series[..1]).await;
    let hour = 3_600_000;
    for skew in [hour, -hour] {
        simulator.control().set_clock_skew(skew);
        simulator.control().add_faults([Fault {
            retry_after_seconds: Some(1),
            retry_after_as_date: true,
            ..Fault::once(FaultKind::RateLimit)
        }]);
        let started = Instant::now();
        for (symbol, timeframe) in series {
            server.hydrate(symbol, timeframe, DAYS).await;
            let done = server.at_rest(symbol, timeframe).await;
            assert_eq!((&done["failed"], &done["percent"]), (&json!(0), &json!(100)), "{done}");
        }
        assert!(started.elapsed() < Duration::from_secs(20), "a second is waited, not an hour");
        assert_same(&ohlcv(&server, "AAPL", "m15").await, &want[0], "a clock that is off");
        let shown = server.bars("BINANCE:BTCUSDT", "h1", DAYS).await;
        let now = chrono::Utc::now().timestamp_millis();
        let last = shown["bars"].as_array().unwrap().last().unwrap()["ts"].as_i64().unwrap();
        assert!(last + hour <= now, "no bar that is still under way is taken for a whole one");
        witness::assert_invariants(&pool).await;
        let empty = "truncate ohlc_bars_v2, coverage_status, coverage_reasons, job_runs";
        sqlx::query(empty).execute(&pool).await.unwrap();
    }
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_limit_that_tells_no_time_is_waited_out_by_all_and_costs_no_try(pool: PgPool) {
    let simulator = simulator().await;
    let server = standing_still(&pool, &config(&simulator.url())).await;
    witness::watch(&pool).await;
    // Both providers could serve the newest days; days are Polygon's.
    simulator.control().add_faults([Fault { provider: Some(Provider::Polygon), ..Fault::once(FaultKind::RateLimit) }]);
    server.hydrate("AAPL", "d1", 100).await;
    let waiting = eventually(|| async {
        let (_, progress) = server.get("/api/v1/progress?symbol=AAPL&tf=d1").await;
        progress["waiting"].is_string().then_some(progress)
    })
    .await;
    assert!(waiting["waiting"].as_str().unwrap().len() > 20 && waiting["failed"] == 0, "{waiting}");
    let met = simulator.control().requests().requests.len();
    server.hydrate("MSFT", "d1", 100).await;
    assert_eq!(simulator.control().requests().throttled(Provider::Polygon), 1);

    // What was told is waited for, and no test waits that long.
    sqlx::query(
        "update provider_budgets set blocked_until = now() + interval '1 second' where blocked_until is not null",
    )
    .execute(&pool)
    .await
    .unwrap();
    sqlx::query(
        "update job_runs set run_after = now() + interval '1 second' where status = 'queued' and run_after > now()",
    )
    .execute(&pool)
    .await
    .unwrap();
    for symbol in ["AAPL", "MSFT"] {
        let done = server.at_rest(symbol, "d1").await;
        assert_eq!((&done["failed"], &done["waiting"]), (&json!(0), &Value::Null), "{done}");
        assert_eq!(most_attempts(&pool, symbol).await, 1, "no try was spent");
    }
    assert!(simulator.control().requests().requests.len() > met);
    assert_eq!(simulator.control().requests().throttled(Provider::Polygon), 1, "nobody asked meanwhile");
    witness::assert_invariants(&pool).await;
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn no_bars_are_asked_for_before_the_time_that_a_limit_tells(pool: PgPool) {
    let simulator = simulator().await;
    // A request that is under way when the limit is met cannot be taken back: one at a time.
    let config = ServeConfig { workers: 1, polygon_requests_per_minute: Some(0), ..config(&simulator.url()) };
    let server = standing_still(&pool, &config).await;
    witness::watch(&pool).await;
    for as_date in [false, true] {
        let symbol = if as_date { "MSFT" } else { "AAPL" };
        simulator.control().clear_requests();
        let limit =
            Fault { retry_after_seconds: Some(2), retry_after_as_date: as_date, ..Fault::once(FaultKind::RateLimit) };
        simulator.control().add_faults([limit]);
        server.hydrate(symbol, "d1", 100).await;
        let done = server.at_rest(symbol, "d1").await;
        assert_eq!(done["failed"], 0, "{done}");
        let log = simulator.control().requests();
        let refused = log.requests.iter().find(|request| request.status == Some(429)).unwrap();
        let later = |request: &&RequestEntry| request.id > refused.id && request.start.is_some();
        let next = log.requests.iter().filter(later).find(|request| request.provider == refused.provider);
        let gap = next.unwrap().arrived.0 - refused.ended.unwrap().0;
        // A date has no fractions of a second.
        let least = if as_date { 1_000 } else { 2_000 };
        assert!((least..5_000).contains(&gap), "{gap} ms");
        assert_eq!(log.throttled(refused.provider), 1);
        assert_eq!(most_attempts(&pool, symbol).await, 1, "no try was spent");
    }
    witness::assert_invariants(&pool).await;
    server.stop().await;
}
