//! Pairs of crypto venues, charted without a key: a whole server beside the demo provider, the venues at a simulator.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use sqlx::PgPool;
use support::{TestServer, config, simulator};
use tidemark_server::config::{ServeConfig, VenueList};
use tidemark_simulator::{Fault, FaultKind, Provider};

/// No key; the venues are at `url`.
fn keyless(url: &str) -> ServeConfig {
    ServeConfig { polygon_api_key: None, tradier_access_token: None, ..config(url) }
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn pairs_of_every_venue_fill_themselves_without_a_key(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start_with(&pool, &keyless(&simulator.url())).await;
    for (symbol, timeframe, days) in [
        ("COINBASE:BTC-USD", "h1", 40),
        ("COINBASE:ETH-USD", "m30", 3),
        ("BINANCE:BTCUSDT", "h4", 60),
        ("BINANCE:ETHUSDT", "w1", 200),
        ("KRAKEN:XBTUSD", "h1", 20),
        ("KRAKEN:ETHUSD", "d1", 300),
    ] {
        server.hydrate(symbol, timeframe, days).await;
        let done = server.at_rest(symbol, timeframe).await;
        assert_eq!((&done["failed"], &done["percent"]), (&json!(0), &json!(100)), "{symbol} {done}");
        let bars = server.bars(symbol, timeframe, days).await;
        assert_eq!(bars["gaps"], json!([]), "{symbol}");
        assert!(bars["bars"].as_array().unwrap().len() > 25, "{symbol}: {bars}");
    }
    let log = simulator.control().requests();
    assert!(log.requests.iter().all(|request| !matches!(request.provider, Provider::Polygon | Provider::Tradier)));
    assert_eq!(log.max_concurrent_overlap, 1);
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_venue_that_does_not_serve_the_country_says_where_to_go(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start_with(&pool, &keyless(&simulator.url())).await;
    simulator.control().add_faults([Fault::new(FaultKind::Plan)]);
    server.hydrate("BINANCE:BTCUSDT", "d1", 30).await;
    let done = server.at_rest("BINANCE:BTCUSDT", "d1").await;
    let failure = &done["failure"];
    assert_eq!(failure["code"], "provider_restricted", "{done}");
    assert!(failure["message"].as_str().unwrap().contains("COINBASE:BTC-USD"), "{done}");
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_pair_that_a_venue_does_not_list_or_a_venue_that_is_off_is_refused(pool: PgPool) {
    let simulator = simulator().await;
    let refused = async |config: &ServeConfig, symbol: &str| -> (u16, Value) {
        let server = TestServer::start_with(&pool, config).await;
        let body =
            json!({ "symbol": symbol, "timeframe": "h1", "from": chrono::Utc::now().timestamp_millis() - 86_400_000 });
        let (status, problem) = server.post("/api/v1/hydrate", &body).await;
        server.stop().await;
        (status, problem["code"].clone())
    };
    let on = keyless(&simulator.url());
    let off = ServeConfig { venues: VenueList(Vec::new()), ..on.clone() };
    assert_eq!(refused(&on, "COINBASE:ZZZ-USD").await, (404, json!("unknown_symbol")));
    assert_eq!(refused(&off, "COINBASE:BTC-USD").await, (422, json!("no_provider")));
}
