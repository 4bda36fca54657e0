//! A whole server on a database of its own, with a simulator for a provider.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what a test needs is there, or the test fails")]

pub mod pair;
pub mod postgres;
pub mod processes;
pub mod proxy;
pub mod seeds;
pub mod witness;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Parser;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use sqlx::PgPool;
use tidemark_server::clock::Clock;
use tidemark_server::config::{Cli, ServeConfig};
use tidemark_server::db;
use tidemark_server::providers::Listing;
use tidemark_server::serve::{leptos_options, serve_on};
use tidemark_simulator::{Simulator, SimulatorConfig};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long anything a test waits for may take before the test fails.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub struct TestServer {
    pub url: String,
    pub pool: PgPool,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
}

/// A simulator without latency or limits.
pub async fn simulator() -> Simulator {
    Simulator::start(SimulatorConfig { seed: 7, ..SimulatorConfig::default() }).await.unwrap()
}

/// Settings for `provider_url`, with fast retries.
pub fn config(provider_url: &str) -> ServeConfig {
    let program = "tidemark".to_owned();
    Cli::parse_from(std::iter::once(program).chain(provider_arguments(provider_url))).serve
}

/// The same, as they are said on a command line.
pub fn provider_arguments(provider_url: &str) -> Vec<String> {
    let arguments = [
        "--polygon-api-key",
        "key-p",
        "--polygon-base-url",
        provider_url,
        "--tradier-access-token",
        "key-t",
        "--tradier-base-url",
        provider_url,
        "--coinbase-base-url",
        provider_url,
        "--binance-base-url",
        provider_url,
        "--kraken-base-url",
        provider_url,
        "--lease-seconds",
        "3",
        "--retry-ms",
        "20",
        "--provider-timeout-seconds",
        "5",
        "--drain-seconds",
        "0",
        // Tests count requests; those of the bar under way switch it on.
        "--live-seconds",
        "0",
    ];
    arguments.map(str::to_owned).to_vec()
}

impl TestServer {
    pub async fn start(pool: &PgPool, provider_url: &str) -> Self {
        Self::start_with(pool, &config(provider_url)).await
    }

    pub async fn start_with(pool: &PgPool, config: &ServeConfig) -> Self {
        Self::start_at(pool, config, Clock::System).await
    }

    /// By another clock than the machine's.
    pub async fn start_at(pool: &PgPool, config: &ServeConfig, clock: Clock) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let own_pool = sqlx::postgres::PgPoolOptions::new()
            .max_connections(8)
            .connect_with((*pool.connect_options()).clone())
            .await
            .unwrap();
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let (config, stop) = (config.clone(), shutdown.clone());
        let running = tokio::spawn(async move {
            let leptos = leptos_options(&config);
            serve_on(listener, own_pool, &config, leptos, metrics, clock, stop).await.unwrap();
        });
        Self { url, pool: pool.clone(), shutdown, running }
    }

    /// Drains and stops.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap();
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        answer(reqwest::get(format!("{}{path}", self.url)).await.unwrap()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = reqwest::Client::new().post(format!("{}{path}", self.url)).json(body);
        answer(request.send().await.unwrap()).await
    }

    /// Asks for the last `days` days of a series; the progress answered.
    pub async fn hydrate(&self, symbol: &str, timeframe: &str, days: i64) -> Value {
        self.ask(symbol, timeframe, days, false).await
    }

    /// The same, for what was not to be had too.
    pub async fn retry(&self, symbol: &str, timeframe: &str, days: i64) -> Value {
        self.ask(symbol, timeframe, days, true).await
    }

    async fn ask(&self, symbol: &str, timeframe: &str, days: i64, retry: bool) -> Value {
        let from = chrono::Utc::now() - chrono::Duration::days(days);
        let body = json!({ "symbol": symbol, "timeframe": timeframe, "from": from.timestamp_millis(), "retry": retry });
        let (status, progress) = self.post("/api/v1/hydrate", &body).await;
        assert_eq!(status, 202, "{progress}");
        progress
    }

    /// Waits until nothing of the series is queued or running; the progress then.
    pub async fn at_rest(&self, symbol: &str, timeframe: &str) -> Value {
        at_rest(&self.url, symbol, timeframe).await
    }

    pub async fn bars(&self, symbol: &str, timeframe: &str, days: i64) -> Value {
        let from = (chrono::Utc::now() - chrono::Duration::days(days)).timestamp_millis();
        let (status, bars) = self.get(&format!("/api/v1/bars?symbol={symbol}&tf={timeframe}&from={from}")).await;
        assert_eq!(status, 200, "{bars}");
        bars
    }
}

/// Has the slices of all series be as short as slices get, so that there are many. To be called before a server starts.
pub async fn short_slices(pool: &PgPool) {
    let short = "
        insert into slice_sizes (provider, timeframe, layer, size)
        select provider, timeframe, layer::bar_layer, interval '2 hours'
        from unnest(array['polygon', 'tradier']) as provider, unnest(array['m1', 'm5', 'm15', 'm30', 'h1']) as timeframe,
             unnest(array['historical', 'intraday']) as layer
        on conflict (provider, timeframe, layer) do update set size = excluded.size";
    sqlx::query(short).execute(pool).await.unwrap();
}

/// Waits until nothing of the series is queued or running at the server there; the progress then.
pub async fn at_rest(url: &str, symbol: &str, timeframe: &str) -> Value {
    eventually(|| async {
        let asked = reqwest::get(format!("{url}/api/v1/progress?symbol={symbol}&tf={timeframe}")).await.ok()?;
        let progress: Value = asked.json().await.ok()?;
        let is_active = progress["queued"] != 0 || progress["running"] != 0;
        (!is_active && progress["hydration"] != 0).then_some(progress)
    })
    .await
}

pub(crate) async fn answer(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or("").to_owned();
    if status >= 400 {
        assert_eq!(kind, "application/problem+json", "status {status}");
    }
    (status, response.json().await.unwrap())
}

/// Asks until there is an answer; fails the test at the deadline.
pub async fn eventually<T, F: Future<Output = Option<T>>>(mut ask: impl FnMut() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < DEADLINE, "nothing came of it within {} s", DEADLINE.as_secs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The first column of the first row.
pub async fn count(pool: &PgPool, what: &'static str) -> i64 {
    sqlx::query_scalar(what).fetch_one(pool).await.unwrap()
}

/// Books symbols as known, so that no provider is asked whether they are.
pub async fn listed(pool: &PgPool, symbols: &[&str]) {
    for symbol in symbols {
        let listing = Listing { symbol: symbol.parse().unwrap(), name: None, currency: None };
        db::instruments::add(pool, &listing).await.unwrap();
    }
}

/// Has a series fetched in slices of a day: as many as its window has days. Before it is asked for the first time.
pub async fn in_days(pool: &PgPool, symbol: &str, timeframe: &str) {
    in_slices(pool, symbol, timeframe, "1 day").await;
}

/// The same with slices of another length; in the historical layer none is shorter than a day.
pub async fn in_slices(pool: &PgPool, symbol: &str, timeframe: &str, size: &str) {
    listed(pool, &[symbol]).await;
    let define = "with known as (
                      insert into series (symbol, timeframe) values ($1, $2) on conflict do nothing
                  )
                  insert into job_definitions (symbol, timeframe, job_type, \"window\", slice_size)
                  values ($1, $2, 'historical', tstzrange(now() - interval '1 hour', now()), $3::text::interval)
                  on conflict (symbol, timeframe, job_type) do update set slice_size = excluded.slice_size";
    sqlx::query(define).bind(symbol).bind(timeframe).bind(size).execute(pool).await.unwrap();
}
