//! Polygon's endpoints with synthetic bars.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tidemark_market::{Calendar, TimeRange, Timestamp};
use tidemark_simulator::{Simulator, SimulatorConfig};

use crate::{CLIENT, at, get, json, start, start_at_noon, symbol, times};

/// Follows `next_url` to the end; answers all rows in the order they came.
async fn all_pages(simulator: &Simulator, path: &str) -> (Vec<Value>, usize) {
    let (mut rows, mut pages, mut next) = (Vec::new(), 0, Some(path.to_owned()));
    while let Some(path) = next {
        let body = json(simulator, &path).await;
        rows.extend(body["results"].as_array().cloned().unwrap_or_default());
        next = body["next_url"].as_str().map(str::to_owned);
        pages += 1;
        assert!(pages < 1_000);
        assert!(next.as_ref().is_none_or(|next| next.starts_with(&simulator.url()) && !next.contains("apiKey")));
    }
    (rows, pages)
}

#[tokio::test]
async fn paging_collects_every_bar_once() {
    let simulator = start_at_noon().await;
    let base = "/v2/aggs/ticker/AAPL/range";
    for (span, limit) in [("1/minute", 700), ("1/hour", 250), ("1/hour", 30), ("4/hour", 1_000), ("1/week", 3)] {
        let path = format!("{base}/{span}/2024-06-03/2024-06-14");
        let (whole, pages) = all_pages(&simulator, &format!("{path}?limit=50000")).await;
        assert_eq!(pages, 1);
        let (paged, pages) = all_pages(&simulator, &format!("{path}?limit={limit}")).await;
        assert!(pages > 1, "{span}");
        assert_eq!(paged, whole, "{span} in pages of {limit}");
        let (mut backwards, pages) = all_pages(&simulator, &format!("{path}?limit={limit}&sort=desc")).await;
        assert!(pages > 1);
        backwards.reverse();
        assert_eq!(backwards, whole, "{span} backwards");
    }
}

#[tokio::test]
async fn the_limit_counts_minutes_and_a_cut_hour_is_left_to_the_next_page() {
    let simulator = start_at_noon().await;
    let range = "1720013400000/1720024200000"; // 2024-07-03 09:30 to 12:30
    let body = json(&simulator, &format!("/v2/aggs/ticker/AAPL/range/1/minute/{range}?limit=100")).await;
    assert_eq!((&body["queryCount"], &body["resultsCount"]), (&json!(100), &json!(100)));
    let body = json(&simulator, &format!("/v2/aggs/ticker/AAPL/range/1/hour/{range}?limit=90")).await;
    assert_eq!(times(&body), [1_720_011_600_000], "the hour from 09:00, snapped outward; that from 10:00 is cut");
    assert!(body["next_url"].as_str().unwrap().contains("/1/hour/1720015200000/1720024200000?cursor="));
}

#[tokio::test]
async fn every_length_is_made_of_the_same_minutes() {
    let simulator = start_at_noon().await;
    let body = |span: &str| format!("/v2/aggs/ticker/MSFT/range/{span}/2024-07-01/2024-07-09?limit=50000");
    let minutes = json(&simulator, &body("1/minute")).await;
    let number = |row: &Value, key: &str| row[key].as_f64().unwrap();
    for (span, calendar_days) in [("15/minute", 0), ("1/hour", 0), ("1/day", 1)] {
        let coarse = json(&simulator, &body(span)).await;
        let rows = coarse["results"].as_array().unwrap();
        for (index, row) in rows.iter().enumerate() {
            let start = row["t"].as_i64().unwrap();
            let end = rows.get(index + 1).map_or(i64::MAX, |next| next["t"].as_i64().unwrap());
            let parts: Vec<&Value> = minutes["results"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|minute| (start..end).contains(&minute["t"].as_i64().unwrap()))
                .collect();
            assert_eq!(row["o"], parts[0]["o"], "{span} {start} {calendar_days}");
            assert_eq!(row["c"], parts.last().unwrap()["c"]);
            assert_eq!(number(row, "h"), parts.iter().map(|part| number(part, "h")).fold(0.0, f64::max));
            assert_eq!(number(row, "l"), parts.iter().map(|part| number(part, "l")).fold(f64::MAX, f64::min));
            assert_eq!(number(row, "v"), parts.iter().map(|part| number(part, "v")).sum::<f64>());
        }
    }
}

#[tokio::test]
async fn equal_seeds_give_equal_bars_in_whatever_order_they_are_asked_for() {
    let (one, two) = (start_at_noon().await, start_at_noon().await);
    let other = start(SimulatorConfig { seed: 2, clock: Some(at(crate::NOON)), ..SimulatorConfig::default() }).await;
    let minutes = "/v2/aggs/ticker/NVDA/range/1/minute/2024-06-28/2024-06-28";
    let days = "/v2/aggs/ticker/NVDA/range/1/day/2020-01-01/2024-06-28";
    let first = (json(&one, minutes).await, json(&one, days).await);
    let second = (json(&two, days).await, json(&two, minutes).await);
    assert_eq!(first.0["results"], second.1["results"]);
    assert_eq!(first.1["results"], second.0["results"]);
    assert_ne!(first.0["results"], json(&other, minutes).await["results"]);
    assert_ne!(first.0["results"], json(&one, &minutes.replace("NVDA", "AMD")).await["results"]);
}

#[tokio::test]
async fn bars_look_like_those_of_a_stock() {
    let simulator = start_at_noon().await;
    for ticker in ["AAPL", "BRK.B", "F"] {
        let path = format!("/v2/aggs/ticker/{ticker}/range/1/day/1990-01-01/2024-07-09?limit=50000");
        let body = json(&simulator, &path).await;
        let rows = body["results"].as_array().unwrap();
        let sessions =
            Calendar::Xnys.sessions(TimeRange::new(at("1990-01-01T00:00:00Z"), at("2024-07-10T00:00:00Z")).unwrap());
        assert_eq!(rows.len(), sessions.len(), "a bar for each session");
        for row in rows {
            let [open, high, low, close, volume, average] =
                ["o", "h", "l", "c", "v", "vw"].map(|key| row[key].as_f64().unwrap());
            assert!(low <= open && low <= close && open <= high && close <= high, "{row}");
            assert!((15.0..600.0).contains(&low) && low <= average && average <= high, "{row}");
            assert_eq!(volume.fract(), 0.0);
            for price in [open, high, low, close] {
                assert_eq!(format!("{price:.2}").parse::<f64>().unwrap(), price, "two decimals");
            }
        }
    }
}

#[tokio::test]
async fn equities_trade_on_session_days_with_quiet_hours_around() {
    let simulator = start_at_noon().await;
    let body = |day: &str| format!("/v2/aggs/ticker/AAPL/range/1/minute/{day}/{day}?limit=50000");
    assert_eq!(times(&json(&simulator, &body("2024-07-04")).await), Vec::<i64>::new(), "Independence Day");
    assert_eq!(times(&json(&simulator, &body("2024-07-06")).await), Vec::<i64>::new(), "Saturday");
    for (day, open, close, end) in [
        ("2024-07-03", "13:30", "17:00", "21:00"), // an early close
        ("2024-07-02", "13:30", "20:00", "24:00"),
    ] {
        let answer = json(&simulator, &body(day)).await;
        let at_clock = |clock: &str| {
            let (hours, minutes) = clock.split_once(':').unwrap();
            let minutes = hours.parse::<i64>().unwrap() * 60 + minutes.parse::<i64>().unwrap();
            at(&format!("{day}T00:00:00Z")).plus(minutes * 60_000).0
        };
        let all = times(&answer);
        let within = |from: &str, to: &str| all.iter().filter(|t| (at_clock(from)..at_clock(to)).contains(t)).count();
        let session = usize::try_from((at_clock(close) - at_clock(open)) / 60_000).unwrap();
        assert_eq!(within(open, close), session);
        let (before, after) = (within("08:00", open), within(close, end));
        assert!((10..300).contains(&before) && (10..300).contains(&after), "{day}: {before} and {after}");
        assert_eq!(all.len(), before + session + after, "nothing outside");
    }
}

#[tokio::test]
async fn crypto_trades_around_the_clock() {
    let simulator = start_at_noon().await;
    let body = json(&simulator, "/v2/aggs/ticker/X:BTCUSD/range/1/minute/2024-07-06/2024-07-06?limit=50000").await;
    assert_eq!(times(&body).len(), 1_440);
    assert!(body["results"].as_array().unwrap().iter().any(|row| row["v"].as_f64().unwrap().fract() != 0.0));
    let body = json(&simulator, "/v2/aggs/ticker/X%3ABTCUSD/range/1/day/2024-07-01/2024-07-07").await;
    assert_eq!(times(&body).len(), 7);
    assert_eq!(times(&body)[0] % 86_400_000, 0, "midnight in UTC");
}

#[tokio::test]
async fn nothing_lies_in_the_future() {
    let simulator = start_at_noon().await;
    let now = at(crate::NOON);
    let body = json(&simulator, "/v2/aggs/ticker/AAPL/range/1/minute/2024-07-10/2024-07-12?limit=50000").await;
    assert_eq!(times(&body).last(), Some(&now.0), "the minute that has just begun");
    let body = json(&simulator, "/v2/aggs/ticker/AAPL/range/1/day/2024-07-09/2024-07-12").await;
    assert_eq!(times(&body).len(), 2, "the day under way is there");

    let future = get(&simulator, "/v2/aggs/ticker/AAPL/range/1/day/2024-07-11/2024-07-12").await;
    assert_eq!(future.status(), 403);
    let body: Value = future.json().await.unwrap();
    assert_eq!(body["status"], "NOT_AUTHORIZED");
    assert!(body["message"].as_str().unwrap().starts_with("Your plan doesn't include this data timeframe"));

    let day = |body: &Value| body["results"][1].clone();
    let half = day(&json(&simulator, "/v2/aggs/ticker/AAPL/range/1/day/2024-07-09/2024-07-10").await);
    simulator.control().set_clock(Some(at("2024-07-11T12:00:00Z")));
    let whole = day(&json(&simulator, "/v2/aggs/ticker/AAPL/range/1/day/2024-07-09/2024-07-10").await);
    assert_eq!(half["o"], whole["o"]);
    assert!(half["v"].as_f64().unwrap() < whole["v"].as_f64().unwrap(), "the day went on");
}

#[tokio::test]
async fn a_range_without_bars_has_no_results() {
    let simulator = start_at_noon().await;
    for path in [
        "/v2/aggs/ticker/ZZZQ/range/1/day/2024-06-03/2024-06-14",
        "/v2/aggs/ticker/aapl/range/1/day/2024-06-03/2024-06-14",
        "/v2/aggs/ticker/AAPL/range/1/day/1970-01-01/1970-01-31",
    ] {
        let body = json(&simulator, path).await;
        assert_eq!(body["status"], "OK");
        assert_eq!(body["resultsCount"], 0);
        assert!(body.get("results").is_none(), "{path}");
    }
}

#[tokio::test]
async fn unknown_tickers_are_not_found() {
    let simulator = start_at_noon().await;
    simulator.control().set_unknown_symbols(vec![symbol("GONE")]);
    for (ticker, status) in [("AAPL", 200), ("X:BTCUSD", 200), ("BRK.B", 200), ("ZZZQ", 404), ("GONE", 404)] {
        let response = get(&simulator, &format!("/v3/reference/tickers/{ticker}")).await;
        assert_eq!(response.status(), status, "{ticker}");
        let body: Value = response.json().await.unwrap();
        if status == 200 {
            assert_eq!(body["results"]["ticker"], ticker);
            assert_eq!(body["results"]["active"], true);
        } else {
            assert_eq!((&body["status"], &body["message"]), (&json!("NOT_FOUND"), &json!("Ticker not found.")));
        }
    }
}

#[tokio::test]
async fn a_key_goes_in_the_header_or_the_query_and_must_be_there() {
    let keys = Some(vec!["right".to_owned()]);
    let simulator = start(SimulatorConfig { keys, ..SimulatorConfig::default() }).await;
    let url = format!("{}/v1/marketstatus/now", simulator.url());
    let client = &*CLIENT;
    let answers = [
        (client.get(&url), 401, "API Key was not provided"),
        (client.get(&url).bearer_auth("wrong"), 401, "Unknown API Key"),
        (client.get(&url).bearer_auth("right"), 200, ""),
        (client.get(format!("{url}?apiKey=right")), 200, ""),
    ];
    for (request, status, text) in answers {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status);
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"].as_str().unwrap_or_default(), text);
    }
    let log = simulator.control().requests();
    assert!(log.requests.iter().all(|entry| entry.path == "/v1/marketstatus/now"), "the key is not written down");
}

#[tokio::test]
async fn bad_parameters_are_refused() {
    let simulator = start_at_noon().await;
    for path in [
        "AAPL/range/1/second/2024-06-03/2024-06-14",
        "AAPL/range/0/day/2024-06-03/2024-06-14",
        "AAPL/range/1/day/2024-06-31/2024-07-01",
        "AAPL/range/1/day/2024-06-14/2024-06-03",
        "AAPL/range/1/day/9223372036854775807/9223372036854775807",
        "AAPL/range/1/day/2024-06-03/2024-06-14?limit=50001",
        "AAPL/range/1/day/2024-06-03/2024-06-14?sort=up",
        "AAPL/range/1/day/2024-06-03/2024-06-14?cursor=%C3%A4%C3%A4",
    ] {
        let response = get(&simulator, &format!("/v2/aggs/ticker/{path}")).await;
        assert_eq!(response.status(), 400, "{path}");
        assert_eq!(response.json::<Value>().await.unwrap()["status"], "ERROR");
    }
}

#[tokio::test]
async fn absurd_ranges_are_answered() {
    let simulator = start_at_noon().await;
    let body = json(&simulator, "/v2/aggs/ticker/AAPL/range/1/minute/-62135596800000/9999-12-31?limit=10").await;
    assert_eq!(times(&body).len(), 10);
    let body = json(&simulator, "/v2/aggs/ticker/AAPL/range/1/year/0001-01-01/2024-07-01?limit=50000").await;
    assert_eq!(times(&body).len(), 35);
}

#[tokio::test]
async fn splits_and_market_status_are_answered() {
    let simulator = start_at_noon().await;
    assert_eq!(json(&simulator, "/v3/reference/splits?ticker=AAPL").await["results"], json!([]));
    let mut seen = BTreeSet::new();
    for (clock, market) in [
        (crate::NOON, "open"),
        ("2024-07-10T21:00:00Z", "extended-hours"),
        ("2024-07-03T17:30:00Z", "extended-hours"),
        ("2024-07-04T15:00:00Z", "closed"),
    ] {
        simulator.control().set_clock(Timestamp::parse(clock));
        let status = json(&simulator, "/v1/marketstatus/now").await;
        assert_eq!(status["market"], market, "{clock}");
        seen.insert(status["serverTime"].as_str().unwrap().to_owned());
    }
    assert!(seen.contains("2024-07-10T12:00:00-04:00"));
}

#[tokio::test]
async fn currency_pairs_trade_from_sunday_to_friday_evening() {
    let simulator = start_at_noon().await;
    let path = |span: &str| format!("/v2/aggs/ticker/C:EURUSD/range/{span}/1719694800000/1720213200000?limit=50000");
    let hours = times(&json(&simulator, &path("1/hour")).await);
    // 2024-06-29 to 2024-07-05, a Saturday to a Friday.
    assert_eq!((hours[0], hours.len()), (at("2024-06-30T21:00:00Z").0, 5 * 24));
    assert_eq!(*hours.last().unwrap(), at("2024-07-05T20:00:00Z").0);
    let days = times(&json(&simulator, &path("1/day")).await);
    let evenings: Vec<String> = days.iter().map(|t| Timestamp(*t).to_string()).collect();
    assert_eq!(evenings.len(), 5);
    assert!(evenings.iter().all(|text| text.ends_with("T21:00:00Z")), "{evenings:?}");
    assert_eq!(times(&json(&simulator, &path("4/hour")).await).len(), 30);
    assert_eq!(times(&json(&simulator, &path("1/week")).await).len(), 1);
    let ticker = json(&simulator, "/v3/reference/tickers/C:EURUSD").await;
    assert_eq!((&ticker["results"]["market"], &ticker["results"]["currency_name"]), (&json!("fx"), &json!("USD")));
    assert_eq!(json(&simulator, "/v1/marketstatus/now").await["currencies"]["fx"], "open");
    let unknown = json(&simulator, "/v3/reference/tickers/COINBASE:BTC-USD").await;
    assert_eq!(unknown["status"], "NOT_FOUND", "a venue's pair is no ticker");
}

#[tokio::test]
async fn currencies_are_worth_about_one_another_or_a_hundred_yen_in_whole_pips() {
    let simulator = start_at_noon().await;
    for (symbol, parts, plausible) in
        [("C:EURUSD", 10_000.0, 0.3..3.0), ("C:GBPUSD", 10_000.0, 0.3..3.0), ("C:USDJPY", 100.0, 30.0..300.0)]
    {
        let path = format!("/v2/aggs/ticker/{symbol}/range/1/hour/1719694800000/1720213200000?limit=50000");
        let answer = json(&simulator, &path).await;
        let prices = answer["results"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|bar| ["o", "h", "l", "c"].map(|it| bar[it].as_f64().unwrap()));
        for price in prices {
            assert!(plausible.contains(&price), "{symbol} at {price}");
            assert_eq!((price * parts).round() / parts, price, "{symbol}");
        }
    }
}
