//! Coinbase Exchange's endpoints.

use serde_json::{Value, json};
use tidemark_simulator::{Fault, FaultKind};

use crate::{CLIENT, at, get, json, start_at_noon};

const HOUR: &str = "/products/BTC-USD/candles?granularity=60&start=2024-07-10T15:00:00Z&end=2024-07-10T15:59:00Z";

fn times(body: &Value) -> Vec<i64> {
    body.as_array().unwrap().iter().map(|row| row[0].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn candles_come_newest_first_as_time_low_high_open_close_volume() {
    let simulator = start_at_noon().await;
    let body = json(&simulator, HOUR).await;
    let first = at("2024-07-10T15:00:00Z").0 / 1_000;
    assert!(times(&body).windows(2).all(|pair| pair[0] > pair[1] && pair[1] % 60 == 0));
    assert!(times(&body).iter().all(|time| (first..first + 3_600).contains(time)));
    for row in body.as_array().unwrap() {
        let [low, high, open, close, volume] = [1, 2, 3, 4, 5].map(|i| row[i].as_f64().unwrap());
        assert!(low <= open.min(close) && open.max(close) <= high && volume > 0.0, "{row}");
    }
    let seconds = format!("/products/BTC-USD/candles?granularity=60&start={first}&end={}", first + 3_599);
    assert_eq!(json(&simulator, &seconds).await, body, "times may be told in seconds");
}

#[tokio::test]
async fn a_minute_without_a_trade_has_no_candle() {
    let simulator = start_at_noon().await;
    let day: usize = {
        let mut count = 0;
        for hour in 0..24 {
            let path = format!(
                "/products/BTC-USD/candles?granularity=60&start=2024-07-09T{hour:02}:00:00Z&end=2024-07-09T{hour:02}:59:00Z"
            );
            count += json(&simulator, &path).await.as_array().unwrap().len();
        }
        count
    };
    assert!((1_300..1_440).contains(&day), "{day}");
}

#[tokio::test]
async fn more_than_300_are_refused_and_none_is_asked_for_a_key() {
    let simulator = start_at_noon().await;
    let path = |end: &str| {
        format!("/products/BTC-USD/candles?granularity=60&start=2024-07-10T05:00:00Z&end=2024-07-10T{end}Z")
    };
    assert_eq!(get(&simulator, &path("10:00:00")).await.status(), 200);
    let response = get(&simulator, &path("10:00:01")).await;
    assert_eq!(response.status(), 400);
    assert!(response.text().await.unwrap().contains("exceeds 300"));
    let keyless = CLIENT.get(format!("{}{HOUR}", simulator.url()));
    assert_eq!(keyless.send().await.unwrap().status(), 200);
    let anonymous = reqwest::get(format!("{}{HOUR}", simulator.url())).await.unwrap();
    assert_eq!(anonymous.status(), 400);
}

#[tokio::test]
async fn the_newest_candle_is_still_under_way_by_the_date_of_the_answer() {
    let simulator = start_at_noon().await;
    simulator.control().set_clock(Some(at("2024-07-10T16:30:00Z")));
    let response = get(&simulator, "/products/BTC-USD/candles?granularity=3600").await;
    assert_eq!(response.headers()["date"], "Wed, 10 Jul 2024 16:30:00 GMT");
    let body: Value = response.json().await.unwrap();
    assert_eq!(times(&body).len(), 300);
    assert_eq!(times(&body)[0], at("2024-07-10T16:00:00Z").0 / 1_000);
    let under_way = body[0].clone();
    simulator.control().set_clock(Some(at("2024-07-10T17:00:00Z")));
    let later = json(&simulator, "/products/BTC-USD/candles?granularity=3600").await;
    assert_eq!((&later[1][0], later[1][3] == under_way[3]), (&under_way[0], true));
    assert!(later[1][5].as_f64() > under_way[5].as_f64());
}

#[tokio::test]
async fn what_is_no_product_or_granularity_is_said_in_a_message() {
    let simulator = start_at_noon().await;
    for (path, status, message) in [
        ("/products/ZZZ-USD/candles?granularity=60", 404, "NotFound"),
        ("/products/BTCUSD/candles?granularity=60", 404, "NotFound"),
        ("/products/btc-usd", 404, "NotFound"),
        ("/products/BTC-USD/candles?granularity=1800", 400, "Unsupported granularity"),
        ("/products/BTC-USD/candles?granularity=60&start=noon&end=2024-07-10T10:00:00Z", 400, "Invalid start or end"),
    ] {
        let response = get(&simulator, path).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.json::<Value>().await.unwrap(), json!({"message": message}));
    }
    assert_eq!(json(&simulator, "/products/ETH-EUR").await["quote_currency"], "EUR");
}

#[tokio::test]
async fn limits_faults_and_the_log_are_those_of_every_provider() {
    let simulator = start_at_noon().await;
    simulator.control().set_requests_per_minute(Some(1));
    assert_eq!(get(&simulator, HOUR).await.status(), 200);
    let response = get(&simulator, HOUR).await;
    assert_eq!(response.status(), 429);
    assert_eq!(response.json::<Value>().await.unwrap(), json!({"message": "Public rate limit exceeded"}));
    simulator.control().set_requests_per_minute(None);
    simulator.control().add_faults([Fault::once(FaultKind::Empty), Fault::once(FaultKind::StartsLater)]);
    assert_eq!(json(&simulator, HOUR).await, json!([]));
    let half = times(&json(&simulator, HOUR).await);
    assert!(half.iter().all(|time| *time >= at("2024-07-10T15:29:00Z").0 / 1_000) && half.len() > 20);
    let log = simulator.control().requests();
    let entry = &log.requests[0];
    assert_eq!((entry.symbol.as_ref().unwrap().as_str(), entry.timeframe.as_deref()), ("COINBASE:BTC-USD", Some("m1")));
    assert_eq!((entry.start, log.max_concurrent_overlap), (Some(at("2024-07-10T15:00:00Z")), 1));
}
