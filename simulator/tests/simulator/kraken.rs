//! Kraken's endpoints.

use serde_json::{Value, json};
use tidemark_market::{Bar, Timeframe, Timestamp};
use tidemark_simulator::{Fault, FaultKind, Feed, SimulatorConfig};

use crate::{at, fixture, get, json, start, start_at_noon, symbol};

fn times(body: &Value, name: &str) -> Vec<i64> {
    body["result"][name].as_array().unwrap().iter().map(|row| row[0].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn only_the_newest_720_rows_are_there_and_the_one_under_way() {
    let simulator = start_at_noon().await;
    simulator.control().set_clock(Some(at("2024-07-10T16:00:30Z")));
    let minute = at(crate::NOON).0 / 1_000;
    let want: Vec<i64> = (0..=720).map(|i| minute - (720 - i) * 60).collect();
    for since in ["", "&since=0", "&since=1500000000"] {
        let body = json(&simulator, &format!("/0/public/OHLC?pair=XBTUSD&interval=1{since}")).await;
        assert_eq!(times(&body, "XXBTZUSD"), want, "{since}");
        assert_eq!(body["result"]["last"], minute - 60);
    }
    let last = json(&simulator, &format!("/0/public/OHLC?pair=XBTUSD&interval=1&since={}", minute - 120)).await;
    assert_eq!(times(&last, "XXBTZUSD"), [minute - 60, minute], "what came after since");
    let weeks = json(&simulator, "/0/public/OHLC?pair=XBTUSDT&interval=10080").await;
    assert_eq!(*times(&weeks, "XBTUSDT").last().unwrap(), at("2024-07-04T00:00:00Z").0 / 1_000, "a Thursday");
}

#[tokio::test]
async fn a_minute_without_a_trade_has_a_flat_row_of_volume_0() {
    let simulator = start_at_noon().await;
    let body = json(&simulator, "/0/public/OHLC?pair=XBTUSD").await;
    let rows = body["result"]["XXBTZUSD"].as_array().unwrap();
    let flat: Vec<&Value> = rows.iter().filter(|row| row[7] == 0).collect();
    assert!((5..80).contains(&flat.len()), "{}", flat.len());
    for row in flat {
        assert_eq!((&row[1], &row[5], &row[6]), (&row[4], &json!("0.0"), &json!("0.00000000")));
    }
}

#[tokio::test]
async fn errors_are_texts_with_status_200() {
    let simulator = start_at_noon().await;
    for (path, text) in [
        ("/0/public/OHLC?pair=ZZZUSD", "EQuery:Unknown asset pair"),
        ("/0/public/AssetPairs?pair=ZZZUSD", "EQuery:Unknown asset pair"),
        ("/0/public/OHLC?pair=XBTUSD&interval=7", "EGeneral:Invalid arguments"),
    ] {
        let response = get(&simulator, path).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.json::<Value>().await.unwrap(), json!({"error": [text]}), "{path}");
    }
    simulator.control().add_faults([Fault::once(FaultKind::RateLimit)]);
    assert_eq!(get(&simulator, "/0/public/OHLC?pair=XBTUSD").await.status(), 429);
    let pairs = json(&simulator, "/0/public/AssetPairs?pair=XBTUSD").await;
    assert_eq!(pairs["result"]["XXBTZUSD"]["wsname"], "XBT/USD");
}

#[tokio::test]
async fn recorded_rows_come_out_as_they_were() {
    let Some(recorded) = fixture("kraken/ohlc_XBTUSDT_1m.json") else { return };
    let recorded: Value = serde_json::from_str(&recorded).unwrap();
    let rows = recorded["result"]["XBTUSDT"].as_array().unwrap();
    let bars = rows.iter().map(|row| {
        let number = |i: usize| row[i].as_str().unwrap().parse::<f64>().unwrap();
        let ts = Timestamp(row[0].as_i64().unwrap() * 1_000);
        let trades = row[7].as_u64().unwrap().try_into().ok();
        Bar { vwap: Some(number(5)), trades, ..Bar::new(ts, number(1), number(2), number(3), number(4), number(6)) }
    });
    let feed = Feed { symbol: symbol("KRAKEN:XBTUSDT"), timeframe: Timeframe::M1, bars: bars.collect() };
    let clock = Timestamp(rows.last().unwrap()[0].as_i64().unwrap() * 1_000 + 30_000);
    let config = SimulatorConfig { feeds: vec![feed], clock: Some(clock), ..SimulatorConfig::default() };
    let simulator = start(config).await;
    assert_eq!(json(&simulator, "/0/public/OHLC?pair=XBTUSDT&interval=1").await, recorded);
}
