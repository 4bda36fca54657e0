//! The bar under way: told while someone looks, never stored, within what the provider allows.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::Value;
use sqlx::PgPool;
use support::{DEADLINE, TestServer, config, simulator};
use tidemark_market::{Timeframe, Timestamp};
use tidemark_server::config::ServeConfig;

fn live(provider_url: &str) -> ServeConfig {
    ServeConfig { live_seconds: 1, ..config(provider_url) }
}

/// A viewer of one series.
struct Viewer {
    stream: Response,
    text: String,
}

impl Viewer {
    async fn of(server: &TestServer, symbol: &str, timeframe: &str) -> Self {
        let url = format!("{}/api/v1/events?symbol={symbol}&tf={timeframe}", server.url);
        Self { stream: reqwest::get(url).await.unwrap(), text: String::new() }
    }

    /// The data of the next event of that kind.
    async fn next(&mut self, kind: &str) -> Value {
        let reading = async {
            loop {
                if let Some(data) = self.taken(kind) {
                    return data;
                }
                let piece = self.stream.chunk().await.unwrap().expect("the stream goes on");
                self.text.push_str(std::str::from_utf8(&piece).unwrap());
            }
        };
        tokio::time::timeout(DEADLINE, reading).await.expect("the event comes")
    }

    fn taken(&mut self, kind: &str) -> Option<Value> {
        while let Some(end) = self.text.find("\n\n") {
            let event: String = self.text.drain(..end + 2).collect();
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if field("event: ").as_deref() == Some(kind) {
                return serde_json::from_str(&field("data: ")?).ok();
            }
        }
        None
    }
}

async fn stored(pool: &PgPool, symbol: &str, ts: i64) -> i64 {
    sqlx::query_scalar(
        "select count(*) from ohlc_bars_v2 b join series s on s.id = b.series_id where s.symbol = $1 and b.ts = $2",
    )
    .bind(symbol)
    .bind(chrono::DateTime::from_timestamp_millis(ts).unwrap())
    .fetch_one(pool)
    .await
    .unwrap()
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_viewer_is_told_how_the_bar_under_way_moves_and_it_is_not_stored(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start_with(&pool, &live(&simulator.url())).await;
    server.hydrate("X:BTCUSD", "d1", 5).await;
    server.at_rest("X:BTCUSD", "d1").await;
    let mut viewer = Viewer::of(&server, "X:BTCUSD", "d1").await;
    let first = viewer.next("forming").await;
    let (ts, told_at) = (first["bar"]["ts"].as_i64().unwrap(), first["told_at"].as_i64().unwrap());
    assert!(ts <= told_at && told_at < ts + Timeframe::D1.millis(), "{first}");
    assert_eq!(first["provider"], "polygon");
    let second = viewer.next("forming").await;
    assert!(second["told_at"].as_i64().unwrap() > told_at, "{second}");
    assert_eq!(stored(&pool, "X:BTCUSD", ts).await, 0, "it has not closed");
    let (_, bars) = server.get("/api/v1/bars?symbol=X:BTCUSD&tf=d1").await;
    assert!(bars["bars"].as_array().unwrap().iter().all(|bar| bar["ts"] != ts && bar["t"] != ts));
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn nobody_looks_and_nothing_is_asked(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start_with(&pool, &live(&simulator.url())).await;
    server.hydrate("X:BTCUSD", "h1", 1).await;
    server.at_rest("X:BTCUSD", "h1").await;
    let mut viewer = Viewer::of(&server, "X:BTCUSD", "h1").await;
    viewer.next("forming").await;
    drop(viewer);
    let viewed = || async {
        sqlx::query_scalar::<_, i64>("select count(*) from viewings where until > now()")
            .fetch_one(&pool)
            .await
            .unwrap()
    };
    let since = Instant::now();
    while viewed().await > 0 {
        assert!(since.elapsed() < DEADLINE, "the viewer is gone");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let taken: Vec<(String,)> =
        sqlx::query_as("select symbol from take_forming('1 second')").fetch_all(&pool).await.unwrap();
    assert_eq!(taken, []);
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn all_viewers_together_take_half_of_what_the_provider_allows(pool: PgPool) {
    let simulator = simulator().await;
    let settings = ServeConfig { polygon_requests_per_minute: Some(0), ..live(&simulator.url()) };
    let server = TestServer::start_with(&pool, &settings).await;
    for timeframe in ["h1", "m15", "m5"] {
        server.hydrate("X:BTCUSD", timeframe, 1).await;
        server.at_rest("X:BTCUSD", timeframe).await;
    }
    let limit = "update provider_budgets set allowed = 60, period = '1 minute' where provider = 'polygon'";
    sqlx::query(limit).execute(&pool).await.unwrap();
    let mut viewers = Vec::new();
    for timeframe in ["h1", "m15", "m5"] {
        viewers.push(Viewer::of(&server, "X:BTCUSD", timeframe).await);
    }
    for viewer in &mut viewers {
        viewer.next("forming").await;
    }
    let wait: f64 = sqlx::query_scalar("select extract(epoch from forming_wait('polygon', '1 second'))::float8")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!((wait - 6.0).abs() < 1e-6, "three series at 30 requests a minute: {wait} s");
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_bar_that_has_closed_is_fetched_without_being_asked_for(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start_with(&pool, &live(&simulator.url())).await;
    server.hydrate("X:BTCUSD", "m1", 1).await;
    server.at_rest("X:BTCUSD", "m1").await;
    // As if the chart had been open since five minutes ago.
    let since = Timestamp(chrono::Utc::now().timestamp_millis() / 60_000 * 60_000 - 5 * 60_000);
    let forget = "update coverage_status set covered = covered - tstzmultirange(tstzrange($1, null))";
    let at = chrono::DateTime::from_timestamp_millis(since.0).unwrap();
    sqlx::query(forget).bind(at).execute(&pool).await.unwrap();
    sqlx::query("delete from ohlc_bars_v2 where ts >= $1").bind(at).execute(&pool).await.unwrap();
    let mut viewer = Viewer::of(&server, "X:BTCUSD", "m1").await;
    viewer.next("forming").await;
    let begun = Instant::now();
    while stored(&pool, "X:BTCUSD", since.0).await == 0 {
        assert!(begun.elapsed() < DEADLINE, "the closed bar is fetched");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.stop().await;
}
