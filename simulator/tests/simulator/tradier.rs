//! Tradier's endpoints with synthetic bars.

use serde_json::{Value, json as value};
use tidemark_simulator::SimulatorConfig;

use crate::{CLIENT, at, get, json, start, start_at_noon};

const DAY: &str = "start=2024-07-09%2000:00&end=2024-07-09%2023:59";

#[tokio::test]
async fn timesales_are_in_eastern_time_and_follow_the_filter() {
    let simulator = start_at_noon().await;
    let path = |interval: &str, filter: &str| {
        format!("/v1/markets/timesales?symbol=AAPL&interval={interval}&{DAY}&session_filter={filter}")
    };
    for (interval, count) in [("1min", 390), ("5min", 78), ("15min", 26)] {
        let body = json(&simulator, &path(interval, "open")).await;
        let rows = body["series"]["data"].as_array().unwrap();
        assert_eq!(rows.len(), count);
        assert_eq!(rows[0]["time"], "2024-07-09T09:30:00");
        assert_eq!(rows[0]["timestamp"], at("2024-07-09T13:30:00Z").0 / 1_000);
        let number = |key: &str| rows[0][key].as_f64().unwrap();
        assert_eq!(number("price"), (number("high") + number("low")) / 2.0);
        assert!(rows[0]["volume"].is_i64());
    }
    let all = json(&simulator, &path("1min", "all")).await;
    let rows = all["series"]["data"].as_array().unwrap();
    assert!(rows.len() > 400);
    assert!(rows[0]["time"].as_str().unwrap() < "2024-07-09T09:00:00");
}

#[tokio::test]
async fn an_early_close_and_a_holiday_count() {
    let simulator = start_at_noon().await;
    let path = |day: &str| {
        format!(
            "/v1/markets/timesales?symbol=AAPL&interval=15min&start={day}%2000:00&end={day}%2023:59&session_filter=open"
        )
    };
    let early = json(&simulator, &path("2024-07-03")).await;
    assert_eq!(early["series"]["data"].as_array().unwrap().len(), 14, "09:30 to 13:00");
    assert_eq!(json(&simulator, &path("2024-07-04")).await, value!({"series": null}));
}

#[tokio::test]
async fn one_row_is_an_object_and_none_is_null() {
    let simulator = start_at_noon().await;
    let path = |start: &str, end: &str| {
        format!("/v1/markets/timesales?symbol=AAPL&interval=1min&start={start}&end={end}&session_filter=open")
    };
    let one = json(&simulator, &path("2024-07-09%2009:30", "2024-07-09%2009:30")).await;
    assert_eq!(one["series"]["data"]["time"], "2024-07-09T09:30:00");
    let none = get(&simulator, &path("2024-07-09%2002:00", "2024-07-09%2003:00")).await;
    assert_eq!(none.text().await.unwrap(), r#"{"series":null}"#);
    let day = json(&simulator, "/v1/markets/history?symbol=AAPL&start=2024-07-09&end=2024-07-09").await;
    assert_eq!(day["history"]["day"]["date"], "2024-07-09");
    let none = json(&simulator, "/v1/markets/history?symbol=AAPL&start=2024-07-04&end=2024-07-04").await;
    assert_eq!(none, value!({"history": null}));
}

#[tokio::test]
async fn beyond_the_documented_depth_there_is_nothing() {
    let simulator = start_at_noon().await;
    let path = |interval: &str, filter: &str, day: &str| {
        let times = format!("start={day}%2000:00&end={day}%2023:59");
        format!("/v1/markets/timesales?symbol=AAPL&interval={interval}&session_filter={filter}&{times}")
    };
    for (interval, filter, oldest, older) in [
        ("1min", "open", "2024-06-20", "2024-06-18"),
        ("1min", "all", "2024-07-01", "2024-06-28"),
        ("15min", "open", "2024-05-31", "2024-05-30"),
        ("15min", "all", "2024-06-24", "2024-06-21"),
    ] {
        assert!(json(&simulator, &path(interval, filter, oldest)).await["series"].is_object(), "{interval} {filter}");
        assert!(json(&simulator, &path(interval, filter, older)).await["series"].is_null(), "{interval} {filter}");
    }
}

#[tokio::test]
async fn history_comes_by_day_week_and_month() {
    let simulator = start_at_noon().await;
    let path = |interval: &str| {
        format!("/v1/markets/history?symbol=BRK/B&interval={interval}&start=2024-06-03&end=2024-06-28")
    };
    let dates = |body: Value| -> Vec<String> {
        let days = body["history"]["day"].clone();
        let days = if days.is_object() { vec![days] } else { days.as_array().unwrap().clone() };
        days.iter().map(|day| day["date"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(dates(json(&simulator, &path("daily")).await).len(), 19, "Juneteenth is missing");
    let weeks = dates(json(&simulator, &path("weekly")).await);
    assert_eq!(weeks, ["2024-06-03", "2024-06-10", "2024-06-17", "2024-06-24"]);
    assert_eq!(dates(json(&simulator, &path("monthly")).await), ["2024-06-01"]);
}

#[tokio::test]
async fn quotes_tell_known_from_unmatched_symbols() {
    let simulator = start_at_noon().await;
    let quotes = async |symbols: &str| json(&simulator, &format!("/v1/markets/quotes?symbols={symbols}")).await;
    assert_eq!(quotes("ZZZZ").await, value!({"quotes": {"unmatched_symbols": {"symbol": "ZZZZ"}}}));
    assert_eq!(quotes("AAPL").await["quotes"]["quote"]["symbol"], "AAPL");
    let mixed = quotes("AAPL,BRK/B,BRK.B,X:BTCUSD").await;
    assert_eq!(mixed["quotes"]["quote"][1]["symbol"], "BRK/B");
    assert_eq!(mixed["quotes"]["unmatched_symbols"]["symbol"], value!(["BRK.B", "X:BTCUSD"]));
}

#[tokio::test]
async fn clock_and_calendar_follow_the_exchange() {
    let simulator = start_at_noon().await;
    let clock = json(&simulator, "/v1/markets/clock").await;
    assert_eq!(clock["clock"]["state"], "open");
    assert_eq!(
        (&clock["clock"]["next_change"], &clock["clock"]["next_state"]),
        (&value!("16:00"), &value!("postmarket"))
    );
    simulator.control().set_clock(Some(at("2024-07-06T15:00:00Z")));
    let clock = json(&simulator, "/v1/markets/clock").await;
    assert_eq!((&clock["clock"]["state"], &clock["clock"]["next_change"]), (&value!("closed"), &value!("04:00")));

    let calendar = json(&simulator, "/v1/markets/calendar?month=7&year=2024").await;
    let days = calendar["calendar"]["days"]["day"].as_array().unwrap();
    assert_eq!(days.len(), 31);
    assert_eq!(days[2]["open"], value!({"start": "09:30", "end": "13:00"}));
    assert_eq!(days[2]["postmarket"], value!({"start": "13:00", "end": "17:00"}));
    assert_eq!(days[3], value!({"date": "2024-07-04", "status": "closed", "description": "Market is closed"}));
}

#[tokio::test]
async fn rate_headers_count_down_and_the_limit_answers_as_the_gateway_does() {
    let simulator = start(SimulatorConfig { requests_per_minute: Some(2), ..SimulatorConfig::default() }).await;
    let before = chrono::Utc::now().timestamp_millis();
    let header = |response: &reqwest::Response, name: &str| -> i64 {
        response.headers()[name].to_str().unwrap().parse().unwrap()
    };
    let mut expiry = None;
    for (used, available, status) in [(1, 1, 200), (2, 0, 200), (2, 0, 429)] {
        let response = get(&simulator, "/v1/markets/clock").await;
        assert_eq!(response.status(), status);
        assert_eq!(header(&response, "x-ratelimit-allowed"), 2);
        assert_eq!(header(&response, "x-ratelimit-used"), used);
        assert_eq!(header(&response, "x-ratelimit-available"), available);
        let window = header(&response, "x-ratelimit-expiry");
        assert!(window >= before + 60_000 && *expiry.get_or_insert(window) == window, "one window");
        if status == 429 {
            let body: Value = response.json().await.unwrap();
            assert_eq!(body["fault"]["detail"]["errorcode"], "policies.ratelimit.QuotaViolation");
        }
    }
    let polygon = get(&simulator, "/v1/marketstatus/now").await;
    assert_eq!(polygon.status(), 200, "each provider counts for itself");
    assert!(!polygon.headers().contains_key("x-ratelimit-used"));
    get(&simulator, "/v1/marketstatus/now").await;
    let over = get(&simulator, "/v1/marketstatus/now").await;
    assert_eq!(over.status(), 429);
    assert!(!over.headers().contains_key("retry-after"));
    assert_eq!(over.json::<Value>().await.unwrap()["status"], "ERROR");
}

#[tokio::test]
async fn bad_parameters_are_refused_in_plain_text() {
    let simulator = start_at_noon().await;
    for path in [
        "timesales?symbol=AAPL",
        "timesales?interval=1min",
        "timesales?symbol=AAPL&interval=1hour",
        "timesales?symbol=AAPL&interval=1min&start=yesterday",
        "timesales?symbol=AAPL&interval=1min&session_filter=some",
        "history?symbol=AAPL&interval=yearly",
        "history?symbol=AAPL&start=2024-07-09&end=2024-07-08",
        "calendar?month=13&year=2024",
        "quotes",
    ] {
        let response = get(&simulator, &format!("/v1/markets/{path}")).await;
        assert_eq!(response.status(), 400, "{path}");
        assert_eq!(response.headers()["content-type"], "plain/text");
        assert!(response.text().await.unwrap().starts_with("Invalid parameter, "));
    }
}

#[tokio::test]
async fn a_client_that_does_not_accept_json_gets_xml() {
    let simulator = start_at_noon().await;
    let url = format!("{}/v1/markets/history?symbol=AAPL&start=2024-07-08&end=2024-07-09", simulator.url());
    let text = CLIENT.get(url).bearer_auth("key").send().await.unwrap().text().await.unwrap();
    assert!(text.contains("<history><day><date>2024-07-08</date>"), "{text}");
    assert_eq!(text.matches("<day>").count(), 2);
}
