//! Settings and the log of requests.

use std::time::Duration;

use serde_json::{Value, json as value};
use tidemark_market::Timestamp;
use tidemark_simulator::{Fault, FaultKind, Provider, RequestLog, Settings};

use crate::{CLIENT, at, get, start_at_noon, symbol};

#[tokio::test]
async fn settings_change_over_http_and_what_is_left_out_stays() {
    let simulator = start_at_noon().await;
    let change = async |change: Value| -> Settings {
        let url = format!("{}/control/settings", simulator.url());
        CLIENT.post(url).json(&change).send().await.unwrap().json().await.unwrap()
    };
    let settings = change(value!({"requests_per_minute": 1, "unknown_symbols": ["GONE"]})).await;
    let noon = Some(at(crate::NOON));
    assert_eq!(
        settings,
        Settings {
            latency_ms: 0,
            requests_per_minute: Some(1),
            unknown_symbols: vec![symbol("GONE")],
            clock: noon,
            history_days: None
        }
    );
    assert_eq!(get(&simulator, "/v3/reference/tickers/GONE").await.status(), 404);
    assert_eq!(get(&simulator, "/v3/reference/tickers/GONE").await.status(), 429);
    let settings = change(value!({"requests_per_minute": null, "latency_ms": 1, "clock": 1_720_000_000_000_i64})).await;
    assert_eq!(settings.requests_per_minute, None);
    assert_eq!(settings.clock, Some(Timestamp(1_720_000_000_000)));
    assert_eq!(get(&simulator, "/v3/reference/tickers/GONE").await.status(), 404);
    assert_eq!(simulator.control().settings(), settings);
}

#[tokio::test]
async fn latency_delays_the_answer() {
    let simulator = start_at_noon().await;
    simulator.control().set_latency(Duration::from_millis(60));
    get(&simulator, "/v1/markets/clock").await;
    let log = simulator.control().requests();
    let entry = &log.requests[0];
    assert!(entry.ended.unwrap().0 - entry.arrived.0 >= 60, "{entry:?}");
}

#[tokio::test]
async fn the_log_tells_what_was_asked() {
    let simulator = start_at_noon().await;
    get(&simulator, "/v2/aggs/ticker/AAPL/range/1/hour/1720000000000/1720010000000?apiKey=secret&limit=10").await;
    get(
        &simulator,
        "/v1/markets/timesales?symbol=BRK/B&interval=15min&start=2024-07-09%2009:30&end=2024-07-09%2011:30",
    )
    .await;
    let url = format!("{}/control/requests", simulator.url());
    let log: RequestLog = CLIENT.get(&url).send().await.unwrap().json().await.unwrap();
    let [polygon, tradier] = &log.requests[..] else { panic!("{log:?}") };
    assert_eq!((polygon.id, polygon.provider, polygon.status), (1, Provider::Polygon, Some(200)));
    assert_eq!(polygon.path, "/v2/aggs/ticker/AAPL/range/1/hour/1720000000000/1720010000000?limit=10");
    assert_eq!((polygon.start, polygon.end), (Some(Timestamp(1_720_000_000_000)), Some(Timestamp(1_720_010_000_000))));
    assert_eq!((polygon.symbol.clone(), polygon.timeframe.as_deref()), (Some(symbol("AAPL")), Some("h1")));
    assert_eq!((tradier.symbol.clone(), tradier.timeframe.as_deref()), (Some(symbol("BRK.B")), Some("m15")));
    assert_eq!((tradier.start, tradier.end), (Some(at("2024-07-09T13:30:00Z")), Some(at("2024-07-09T15:30:00Z"))));
    assert!(polygon.arrived <= polygon.ended.unwrap());
    assert_eq!(log.max_concurrent_overlap, 1);

    assert_eq!(CLIENT.delete(&url).send().await.unwrap().status(), 204);
    assert!(simulator.control().requests().requests.is_empty());
}

#[tokio::test]
async fn only_requests_for_the_same_time_at_once_overlap() {
    let simulator = start_at_noon().await;
    let control = simulator.control();
    control.add_faults([Fault::new(FaultKind::Stall)]);
    let url = simulator.url();
    let mut sent = 0;
    // The span in minutes of each request, and the greatest overlap once it is in flight.
    for (ticker, span, from, to, overlap) in [
        ("AAPL", "1/hour", 0, 120, 1),
        ("AAPL", "1/hour", 120, 240, 1),
        ("MSFT", "1/hour", 0, 120, 1),
        ("AAPL", "15/minute", 0, 120, 1),
        ("AAPL", "1/hour", 60, 180, 2),
        ("AAPL", "1/hour", 150, 180, 3),
        ("AAPL", "1/hour", 0, 240, 4),
        ("AAPL", "1/hour", 160, 170, 5),
    ] {
        let bound = |minutes: i64| 1_720_000_000_000 + minutes * 60_000;
        let path = format!("{url}/v2/aggs/ticker/{ticker}/range/{span}/{}/{}", bound(from), bound(to));
        tokio::spawn(CLIENT.get(path).bearer_auth("key").send());
        sent += 1;
        while control.requests().requests.len() < sent {
            tokio::task::yield_now().await;
        }
        assert_eq!(control.requests().max_concurrent_overlap, overlap, "{ticker} {span} {from} {to}");
    }
}
