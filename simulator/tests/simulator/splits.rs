//! Splits, and bars adjusted for them, at Polygon.

use serde_json::{Value, json};
use tidemark_market::{Calendar, Split, Timeframe};
use tidemark_simulator::{Feed, Simulator, SimulatorConfig};

use crate::{at, fixture, json, start, symbol, times};

fn split(day: &str, to: f64) -> Split {
    Split { at: Calendar::Xnys.day_start(day.parse().unwrap()), from: 1.0, to }
}

async fn apple() -> Simulator {
    let splits = [("2014-06-09", 7.0), ("2020-08-31", 4.0), ("2005-02-28", 2.0), ("2030-01-01", 3.0)];
    let splits = splits.map(|(day, to)| (symbol("AAPL"), split(day, to))).to_vec();
    let clock = Some(at(crate::NOON));
    start(SimulatorConfig { splits, clock, ..SimulatorConfig::default() }).await
}

#[tokio::test]
async fn splits_are_told_newest_first_in_pages() {
    let simulator = apple().await;
    let mut next = Some("/v3/reference/splits?ticker=AAPL&limit=3".to_owned());
    let (mut rows, mut pages) = (Vec::new(), 0);
    while let Some(path) = next {
        let body = json(&simulator, &path).await;
        assert_eq!(body["status"], "OK");
        rows.extend(body["results"].as_array().unwrap().clone());
        next = body["next_url"].as_str().map(str::to_owned);
        pages += 1;
    }
    let days: Vec<&str> = rows.iter().map(|row| row["execution_date"].as_str().unwrap()).collect();
    assert_eq!((pages, days), (2, vec!["2030-01-01", "2020-08-31", "2014-06-09", "2005-02-28"]));
    let second = json!({"execution_date": "2020-08-31", "split_from": 1, "split_to": 4, "ticker": "AAPL"});
    assert_eq!(rows[1], second);
    assert_eq!(json(&simulator, "/v3/reference/splits?ticker=MSFT").await["results"], json!([]));
    assert_eq!(json(&simulator, "/v3/reference/splits").await["results"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn bars_from_before_a_split_are_divided_unless_asked_as_traded() {
    let simulator = apple().await;
    for (span, before) in [("1/day", "2014-06-06"), ("1/hour", "2014-06-06"), ("1/day", "2020-08-28")] {
        let path = |adjusted| format!("/v2/aggs/ticker/AAPL/range/{span}/{before}/{before}?adjusted={adjusted}");
        let (adjusted, traded) = (json(&simulator, &path(true)).await, json(&simulator, &path(false)).await);
        assert_eq!((&adjusted["adjusted"], &traded["adjusted"]), (&json!(true), &json!(false)));
        let ratio = if before.starts_with("2014") { 28.0 } else { 4.0 };
        let number = |body: &Value, key: &str| body["results"][0][key].as_f64().unwrap();
        for key in ["o", "h", "l", "c"] {
            assert!((number(&adjusted, key) * ratio - number(&traded, key)).abs() < 1e-4, "{span} {key}");
        }
        assert!((number(&adjusted, "v") / ratio - number(&traded, "v")).abs() < 1e-6);
        assert_eq!(times(&adjusted), times(&traded));
    }
    let after = "/v2/aggs/ticker/AAPL/range/1/day/2021-06-07/2021-06-11";
    let as_traded = json(&simulator, &format!("{after}?adjusted=false")).await;
    assert_eq!(json(&simulator, after).await["results"], as_traded["results"], "no split since is in effect");
}

#[tokio::test]
async fn a_folder_may_hold_splits() {
    let folder = std::env::temp_dir().join(format!("tidemark-simulator-splits-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("AAPL_splits.csv"), "execution_date,split_from,split_to\n2014-06-09,1,7\n").unwrap();
    std::fs::write(folder.join("COINBASE:BTC-USD_m1.csv"), "t,o,h,l,c,v\n1720620000000,1,2,1,1.5,3\n").unwrap();
    let simulator = start(SimulatorConfig { data_dir: Some(folder.clone()), ..SimulatorConfig::default() }).await;
    std::fs::write(folder.join("AAPL_splits.csv"), "execution_date,split_from,split_to\n2014-06-09,0,7\n").unwrap();
    let config = SimulatorConfig { data_dir: Some(folder.clone()), ..SimulatorConfig::default() };
    let error = Simulator::start(config).await.unwrap_err().to_string();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(error.contains("AAPL_splits.csv, line 2: split_from is not above 0."), "{error}");
    assert_eq!(json(&simulator, "/v3/reference/splits").await["results"][0]["split_to"], 7);
    let path = "/products/BTC-USD/candles?granularity=60&start=1720620000&end=1720620060";
    assert_eq!(json(&simulator, path).await, json!([[1_720_620_000, 1.0, 2.0, 1.0, 1.5, 3.0]]));
}

#[tokio::test]
async fn apples_recorded_days_are_adjusted_across_its_split() {
    let Some(days) = fixture("us_equity/daily_AAPL.csv") else { return };
    let bars = days.lines().skip(1).map(|line| {
        let number: Vec<f64> = line.split(',').map(|field| field.parse().unwrap()).collect();
        tidemark_market::Bar::new(
            tidemark_market::Timestamp(number[0] as i64),
            number[1],
            number[2],
            number[3],
            number[4],
            number[5],
        )
    });
    let feeds = vec![Feed { symbol: symbol("AAPL"), timeframe: Timeframe::D1, bars: bars.collect() }];
    let splits = vec![(symbol("AAPL"), split("2014-06-09", 7.0))];
    let simulator = start(SimulatorConfig { feeds, splits, ..SimulatorConfig::default() }).await;
    let body = json(&simulator, "/v2/aggs/ticker/AAPL/range/1/day/2014-06-06/2014-06-09").await;
    let closes: Vec<f64> = body["results"].as_array().unwrap().iter().map(|row| row["c"].as_f64().unwrap()).collect();
    assert!(closes.iter().all(|close| (90.0..96.0).contains(close)), "{closes:?}");
}
