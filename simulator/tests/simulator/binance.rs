//! Binance's endpoints.

use serde_json::{Value, json};
use tidemark_market::{Bar, Timeframe, Timestamp};
use tidemark_simulator::{Fault, FaultKind, Feed, SimulatorConfig};

use crate::{at, fixture, get, json, start, start_at_noon, symbol};

fn times(body: &Value) -> Vec<i64> {
    body.as_array().unwrap().iter().map(|row| row[0].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn klines_start_where_asked_and_end_at_the_limit_without_a_gap() {
    let simulator = start_at_noon().await;
    let start = at("2024-07-01T00:00:00Z").0;
    let path = format!("/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime={start}");
    let body = json(&simulator, &format!("{path}&limit=1000")).await;
    assert_eq!(times(&body), (0..1_000).map(|i| start + i * 60_000).collect::<Vec<_>>());
    assert_eq!(times(&json(&simulator, &format!("{path}&limit=5000")).await).len(), 1_000);
    assert_eq!(times(&json(&simulator, &path).await).len(), 500);
    let end = start + 3_600_000;
    assert_eq!(times(&json(&simulator, &format!("{path}&endTime={end}")).await).len(), 61, "the end counts");

    let flat: Vec<&Value> = body.as_array().unwrap().iter().filter(|row| row[8] == 0).collect();
    assert!((5..100).contains(&flat.len()), "{}", flat.len());
    for row in flat {
        assert_eq!((&row[1], &row[5]), (&row[4], &json!("0.00000000")));
    }
    for pair in body.as_array().unwrap().windows(2).filter(|pair| pair[1][8] == 0) {
        assert_eq!(pair[1][1], pair[0][4], "a flat row repeats the last price");
    }
}

#[tokio::test]
async fn weeks_begin_on_monday_and_the_newest_kline_is_under_way() {
    let simulator = start_at_noon().await;
    let weeks = times(&json(&simulator, "/api/v3/klines?symbol=BTCUSDT&interval=1w&limit=3").await);
    let mondays = ["2024-06-24T00:00:00Z", "2024-07-01T00:00:00Z", "2024-07-08T00:00:00Z"].map(|text| at(text).0);
    assert_eq!(weeks, mondays);
    let body = json(&simulator, "/api/v3/klines?symbol=BTCUSDT&interval=4h&limit=1").await;
    assert_eq!((&body[0][0], &body[0][6]), (&json!(at(crate::NOON).0), &json!(at("2024-07-10T19:59:59.999Z").0)));
}

#[tokio::test]
async fn errors_have_a_code_and_a_text() {
    let simulator = start_at_noon().await;
    for (path, code) in [
        ("/api/v3/klines?symbol=ZZZUSDT&interval=1m", -1_121),
        ("/api/v3/exchangeInfo?symbol=ZZZUSDT", -1_121),
        ("/api/v3/klines?symbol=BTCUSDT&interval=7m", -1_120),
        ("/api/v3/klines?interval=1m", -1_102),
    ] {
        let response = get(&simulator, path).await;
        assert_eq!(response.status(), 400, "{path}");
        assert_eq!(response.json::<Value>().await.unwrap()["code"], code, "{path}");
    }
    let info = json(&simulator, "/api/v3/exchangeInfo?symbol=BTCUSDT").await;
    assert_eq!((&info["symbols"][0]["baseAsset"], &info["symbols"][0]["quoteAsset"]), (&json!("BTC"), &json!("USDT")));

    let path = "/api/v3/klines?symbol=BTCUSDT&interval=1m";
    simulator.control().add_faults([Fault::once(FaultKind::Plan)]);
    assert_eq!(get(&simulator, path).await.status(), 451);
    simulator.control().set_requests_per_minute(Some(1));
    get(&simulator, path).await;
    let response = get(&simulator, path).await;
    assert_eq!(response.status(), 429);
    let wait: u32 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
}

#[tokio::test]
async fn recorded_klines_come_out_as_they_were() {
    let Some(recorded) = fixture("binance/klines_BTCUSDT_1m_2021-10-22.json") else { return };
    let recorded: Value = serde_json::from_str(&recorded).unwrap();
    let rows = recorded.as_array().unwrap();
    let bars = rows.iter().map(|row| {
        let number = |i: usize| row[i].as_str().unwrap().parse::<f64>().unwrap();
        let trades = row[8].as_u64().unwrap().try_into().ok();
        Bar {
            trades,
            ..Bar::new(Timestamp(row[0].as_i64().unwrap()), number(1), number(2), number(3), number(4), number(5))
        }
    });
    let feed = Feed { symbol: symbol("BINANCE:BTCUSDT"), timeframe: Timeframe::M1, bars: bars.collect() };
    let simulator = start(SimulatorConfig { feeds: vec![feed], ..SimulatorConfig::default() }).await;
    let answered = json(&simulator, "/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=0").await;
    assert_eq!(answered.as_array().unwrap().len(), rows.len());
    for (answered, recorded) in answered.as_array().unwrap().iter().zip(rows) {
        assert_eq!(answered.as_array().unwrap()[..7], recorded.as_array().unwrap()[..7]);
        assert_eq!(answered[8], recorded[8]);
    }
}
