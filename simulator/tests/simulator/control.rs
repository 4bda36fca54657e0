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
            history_days: None,
            window_ms: 60_000,
            clock_skew_ms: 0,
            drip_ms: 100,
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

#[tokio::test]
async fn a_limits_window_is_as_long_as_it_is_set_and_what_it_turned_away_is_counted() {
    let simulator = start_at_noon().await;
    let control = simulator.control();
    control.set_requests_per_minute(Some(2));
    control.set_window(Duration::from_millis(400));
    let ask = async || get(&simulator, "/v1/markets/clock").await;
    let statuses = [ask().await.status(), ask().await.status(), ask().await.status()].map(|status| status.as_u16());
    assert_eq!(statuses, [200, 200, 429]);
    let opened_anew = async { while ask().await.status() != 200 {} };
    tokio::time::timeout(Duration::from_secs(10), opened_anew).await.unwrap();

    let url = format!("{}/control/requests", simulator.url());
    let log: RequestLog = CLIENT.get(&url).send().await.unwrap().json().await.unwrap();
    let turned_away = log.requests.iter().filter(|request| request.status == Some(429)).count();
    assert_eq!(log.throttled(Provider::Tradier), turned_away as u64);
    assert_eq!(log.providers[&Provider::Tradier].requests, log.requests.len() as u64);
    assert!((3..=log.requests.len()).contains(&log.max_in_window(Provider::Tradier)));
    assert_eq!((log.throttled(Provider::Polygon), log.max_in_window(Provider::Polygon)), (0, 0));
    control.clear_requests();
    assert!(control.requests().providers.is_empty());
}

#[tokio::test]
async fn clocks_that_are_wrong_are_wrong_in_headers_alone() {
    let simulator = start_at_noon().await;
    simulator.control().set_requests_per_minute(Some(9));
    let days = "/v1/markets/history?symbol=AAPL&start=2024-06-03&end=2024-06-14";
    let right = get(&simulator, days).await.text().await.unwrap();
    let seconds = |response: &reqwest::Response, name: &str| {
        let text = response.headers()[name].to_str().unwrap();
        chrono::DateTime::parse_from_rfc2822(text)
            .map_or_else(|_| text.parse::<i64>().unwrap() / 1_000, |at| at.timestamp())
    };
    let now = chrono::Utc::now().timestamp();
    for hours in [1, -1] {
        let skew = hours * 3_600;
        simulator.control().set_clock_skew(skew * 1_000);
        let told = get(&simulator, days).await;
        assert!((0..60).contains(&(seconds(&told, "date") - skew - now)), "{:?}", told.headers());
        assert!((0..=61).contains(&(seconds(&told, "x-ratelimit-expiry") - skew - now)), "{:?}", told.headers());
        assert_eq!(told.text().await.unwrap(), right);
        let venue = get(&simulator, "/api/v3/exchangeInfo?symbol=BTCUSDT").await;
        assert_eq!(seconds(&venue, "date"), at(crate::NOON).0 / 1_000 + skew);
    }
}
