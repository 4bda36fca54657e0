//! Recorded bodies, put in as feeds, come out as they were.

use chrono::NaiveDate;
use serde_json::Value;
use tidemark_market::calendar::new_york_to_utc;
use tidemark_market::{Bar, Timeframe, Timestamp};
use tidemark_simulator::{Feed, Simulator, SimulatorConfig};

use crate::{at, fixture, get, start, symbol};

async fn playing(symbol_text: &str, timeframe: Timeframe, bars: Vec<Bar>, clock: &str) -> Simulator {
    let feeds = vec![Feed { symbol: symbol(symbol_text), timeframe, bars }];
    start(SimulatorConfig { feeds, clock: Some(at(clock)), ..SimulatorConfig::default() }).await
}

fn polygon_bar(row: &Value) -> Bar {
    let number = |key: &str| row[key].as_f64().unwrap();
    Bar {
        vwap: row["vw"].as_f64(),
        trades: row["n"].as_u64().map(|trades| trades.try_into().unwrap()),
        ..Bar::new(
            Timestamp(row["t"].as_i64().unwrap()),
            number("o"),
            number("h"),
            number("l"),
            number("c"),
            number("v"),
        )
    }
}

fn tradier_bar(row: &Value) -> Bar {
    let number = |key: &str| row[key].as_f64().unwrap();
    let ts = match row["timestamp"].as_i64() {
        Some(seconds) => Timestamp(seconds * 1_000),
        None => {
            let day: NaiveDate = row["date"].as_str().unwrap().parse().unwrap();
            new_york_to_utc(day, chrono::NaiveTime::MIN)
        }
    };
    Bar {
        vwap: row["vwap"].as_f64(),
        ..Bar::new(ts, number("open"), number("high"), number("low"), number("close"), number("volume"))
    }
}

#[tokio::test]
async fn polygons_day_bars_are_equal_byte_for_byte() {
    for (ticker, file) in [
        ("AAPL", "polygon/aggs_AAPL_1day_2023-01-01_2023-01-10_asc.json"),
        ("X:BTCUSD", "polygon/aggs_X_BTCUSD_1day_2023-01-01_2023-01-10_asc.json"),
    ] {
        let Some(recorded) = fixture(file) else { return };
        let value: Value = serde_json::from_str(&recorded).unwrap();
        let bars = value["results"].as_array().unwrap().iter().map(polygon_bar).collect();
        let simulator = playing(ticker, Timeframe::D1, bars, "2024-06-27T12:00:00Z").await;
        let path =
            format!("/v2/aggs/ticker/{ticker}/range/1/day/2023-01-01/2023-01-10?adjusted=True&limit=49999&sort=asc");
        let answered = get(&simulator, &path).await.text().await.unwrap();
        let id = |text: &str| {
            let value: Value = serde_json::from_str(text).unwrap();
            value["request_id"].as_str().unwrap().to_owned()
        };
        assert_eq!(id(&answered).len(), 32);
        assert_eq!(answered.replace(&id(&answered), ""), recorded.trim().replace(&id(&recorded), ""));
    }
}

#[tokio::test]
async fn tradiers_daily_history_is_equal() {
    let Some(recorded) = fixture("tradier/history_AAPL_daily_2024-02.json") else { return };
    let value: Value = serde_json::from_str(&recorded).unwrap();
    let bars = value["history"]["day"].as_array().unwrap().iter().map(tradier_bar).collect();
    let simulator = playing("AAPL", Timeframe::D1, bars, "2024-03-09T16:46:57Z").await;
    let path = "/v1/markets/history?symbol=AAPL&interval=daily&start=2024-02-01&end=2024-02-29";
    let response = get(&simulator, path).await;
    assert_eq!(response.headers()["content-type"], "application/json;charset=UTF-8");
    assert_eq!(response.text().await.unwrap(), value.to_string());
}

#[tokio::test]
async fn tradiers_timesales_are_equal() {
    let Some(recorded) = fixture("tradier/timesales_AAPL_1min_2019-05-09_doc.json") else { return };
    let value: Value = serde_json::from_str(&recorded).unwrap();
    let bars = value["series"]["data"].as_array().unwrap().iter().map(tradier_bar).collect();
    let simulator = playing("AAPL", Timeframe::M1, bars, "2019-05-09T20:00:00Z").await;
    let path = "/v1/markets/timesales?symbol=AAPL&interval=1min&start=2019-05-09%2009:30&end=2019-05-09%2009:32&session_filter=open";
    assert_eq!(get(&simulator, path).await.text().await.unwrap(), value.to_string());
}

#[tokio::test]
async fn tradiers_refusal_of_a_wrong_token_is_equal() {
    let Some(recorded) = fixture("tradier/error_401_invalid_token.json") else { return };
    let value: Value = serde_json::from_str(&recorded).unwrap();
    let simulator =
        start(SimulatorConfig { keys: Some(vec!["another".to_owned()]), ..SimulatorConfig::default() }).await;
    let response = get(&simulator, "/v1/markets/clock").await;
    assert_eq!(u64::from(response.status().as_u16()), value["status"]);
    assert_eq!(response.headers()["content-type"].to_str().unwrap(), value["headers"]["Content-Type"]);
    assert_eq!(response.headers()["content-length"].to_str().unwrap(), value["headers"]["Content-Length"]);
    assert_eq!(response.text().await.unwrap(), value["body_text"].as_str().unwrap());
}

#[tokio::test]
async fn a_folder_of_real_minutes_is_served_at_every_length() {
    let Some(minutes) = fixture("us_equity/minute_AAPL_20140605.csv") else { return };
    let folder = std::env::temp_dir().join(format!("tidemark-simulator-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("AAPL_m1.csv"), &minutes).unwrap();
    let simulator = start(SimulatorConfig { data_dir: Some(folder.clone()), ..SimulatorConfig::default() }).await;
    std::fs::remove_dir_all(&folder).unwrap();

    let minute = crate::json(&simulator, "/v2/aggs/ticker/AAPL/range/1/minute/2014-06-05/2014-06-05").await;
    assert_eq!(crate::times(&minute).len(), minutes.lines().count() - 1);
    let hour = crate::json(&simulator, "/v2/aggs/ticker/AAPL/range/1/hour/2014-06-05/2014-06-05").await;
    let sum = |body: &Value| -> f64 {
        body["results"].as_array().unwrap().iter().map(|row| row["v"].as_f64().unwrap()).sum()
    };
    assert_eq!(crate::times(&hour).len(), 16, "04:00 to 20:00");
    assert_eq!(sum(&hour), sum(&minute));
}

#[tokio::test]
async fn a_folder_with_a_wrong_line_is_refused_with_its_place() {
    let folder = std::env::temp_dir().join(format!("tidemark-simulator-wrong-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("AAPL_m1.csv"), "t,o,h,l,c,v\n1401956100000,1,1,1,1,1\n1401956160000,1,one,1,1,1\n")
        .unwrap();
    let config = SimulatorConfig { data_dir: Some(folder.clone()), ..SimulatorConfig::default() };
    let error = Simulator::start(config).await.unwrap_err().to_string();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(error.contains("AAPL_m1.csv, line 3: h is not a number."), "{error}");
}
