//! A pair that is traded at all hours, fetched by processes in many short slices: how it comes where nothing goes wrong,
//! and whether it came so.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::PgPool;
use tidemark_simulator::Simulator;

use super::processes::{Launch, Process, url_of};
use super::{at_rest, short_slices, witness};

/// It is traded at all hours, so that any day has the same slices.
pub const PAIR: (&str, &str) = ("X:BTCUSD", "m15");
/// The lease of the tests' workers.
pub const LEASE: Duration = Duration::from_secs(2);

/// A stretch of past time that stays the same while a test runs.
#[derive(Clone, Copy)]
pub struct Window {
    pub from: i64,
    pub to: i64,
}

impl Window {
    /// So many whole days of the past: what is asked for is widened to whole sessions, and the present one goes on.
    pub fn days(days: i64) -> Self {
        let hour = 3_600_000;
        let to = chrono::Utc::now().timestamp_millis() / (24 * hour) * 24 * hour;
        Self { from: to - days * 24 * hour, to }
    }
}

/// A process with these roles, with leases of two seconds and a provider without limits.
pub fn launch(pool: &PgPool, simulator: &Simulator, roles: &str) -> Launch {
    Launch::serve(&url_of(pool), &simulator.url())
        .option("--roles", roles)
        .option("--lease-seconds", &LEASE.as_secs().to_string())
        .option("--polygon-requests-per-minute", "0")
}

pub async fn count(pool: &PgPool, what: &'static str) -> i64 {
    sqlx::query_scalar(what).fetch_one(pool).await.unwrap()
}

pub async fn run(pool: &PgPool, statement: &'static str) {
    sqlx::raw_sql(statement).execute(pool).await.unwrap();
}

pub async fn hydrate(process: &Process, (symbol, timeframe): (&str, &str), window: Window) -> Value {
    let body = json!({ "symbol": symbol, "tf": timeframe, "from": window.from, "to": window.to });
    let (status, progress) = process.post("/api/v1/hydrate", &body).await;
    assert_eq!(status, 202, "{progress}");
    progress
}

/// The bars, without what differs from one fetching to another.
pub async fn ohlcv(process: &Process, (symbol, timeframe): (&str, &str), window: Window) -> Vec<Value> {
    let Window { from, to } = window;
    let (status, read) = process.get(&format!("/api/v1/bars?symbol={symbol}&tf={timeframe}&from={from}&to={to}")).await;
    assert_eq!(status, 200, "{read}");
    let values = |bar: &Value| json!([bar["ts"], bar["open"], bar["high"], bar["low"], bar["close"], bar["volume"]]);
    read["bars"].as_array().unwrap().iter().map(values).collect()
}

/// What the pair holds where nothing goes wrong. The store is empty afterwards, watched, and has short slices.
pub async fn undisturbed(pool: &PgPool, simulator: &Simulator, window: Window) -> Vec<Value> {
    let mut process = launch(pool, simulator, "web,worker").start().await;
    hydrate(&process, PAIR, window).await;
    assert_eq!(at_rest(&process.url, PAIR.0, PAIR.1).await["failed"], 0);
    let bars = ohlcv(&process, PAIR, window).await;
    let is_past = |bar: &Value| bar[0].as_i64() < Some(window.to);
    assert!(!bars.is_empty() && bars.iter().all(is_past), "no bar closes while the test runs");
    assert!(process.terminate().await.success());
    run(pool, "truncate ohlc_bars_v2, coverage_status, coverage_reasons, job_runs").await;
    short_slices(pool).await;
    simulator.control().clear_requests();
    witness::watch(pool).await;
    bars
}

/// Fails where anything was lost, doubled, or fetched twice at once.
pub async fn assert_whole(pool: &PgPool, simulator: &Simulator, process: &Process, window: Window, want: &[Value]) {
    let done = at_rest(&process.url, PAIR.0, PAIR.1).await;
    assert_eq!((&done["failed"], &done["percent"]), (&json!(0), &json!(100)), "{done}");
    let got = ohlcv(process, PAIR, window).await;
    let differs = got.iter().zip(want).find(|(got, want)| got != want);
    assert!(differs.is_none() && got.len() == want.len(), "{} bars, not {}: {differs:?}", got.len(), want.len());
    assert!(simulator.control().requests().max_concurrent_overlap <= 1, "a slice was fetched twice at once");
    witness::assert_invariants(pool).await;
}

/// Claims that ended with the death of their worker, and claims beyond each run's first.
pub async fn deaths_and_repeats(pool: &PgPool) -> (i64, i64) {
    let asked = "
        select coalesce(sum(cardinality(array_positions(outcomes, 'lease_expired'))), 0)::bigint,
               coalesce(sum(claims - 1), 0)::bigint
        from job_runs";
    sqlx::query_as(asked).fetch_one(pool).await.unwrap()
}
