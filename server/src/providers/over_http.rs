//! The adapters over real HTTP, against small servers that misbehave on demand; `venues` has what is particular to those
//! without a key.

mod venues;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tidemark_market::validate::validate;
use tidemark_market::{Bar, Calendar, Hours, Spans, Symbol, TimeRange, Timeframe, Timestamp};
use tidemark_simulator::{Simulator, SimulatorConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const KEY: &str = "s3cr3t-k3y";
/// 2024-03-13 10:00 in New York.
const START: Timestamp = Timestamp(1_710_338_400_000);
const MINUTE: i64 = 60_000;

/// A server that answers each request as the closure says and keeps what it was asked.
struct Stub {
    base_url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Clone)]
struct Asked {
    uri: String,
    headers: HeaderMap,
}

impl Stub {
    async fn start<F>(answer: F) -> Self
    where
        F: Fn(usize, &str) -> Response + Clone + Send + Sync + 'static,
    {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let log = Arc::clone(&asked);
        let app = Router::new().fallback(move |request: Request| {
            let uri = request.uri().to_string();
            let mut log = log.lock().unwrap();
            log.push(Asked { uri: uri.clone(), headers: request.headers().clone() });
            let response = answer(log.len(), &uri);
            async move { response }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { base_url: format!("http://{address}"), asked }
    }

    fn uris(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|asked| asked.uri.clone()).collect()
    }
}

/// What a [`raw`] server does after its bytes.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Closes,
    Resets,
    StaysSilent,
}

/// A server that sends these bytes, whatever it is asked.
async fn raw(bytes: &'static [u8], then: Then) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(bytes).await;
            match then {
                Then::Closes => {}
                Then::Resets => socket.set_zero_linger().unwrap(),
                Then::StaysSilent => open.push(socket),
            }
        }
    });
    format!("http://{address}")
}

fn settings(base_url: &str) -> HttpSettings {
    HttpSettings {
        name: "stub".to_owned(),
        base_url: base_url.to_owned(),
        key: Some(ApiKey::from(KEY.to_owned())),
        synthetic: true,
        limit: Limit::NONE,
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_millis(500),
        total_timeout: Duration::from_secs(20),
        max_body_bytes: 100_000,
    }
}

fn keyless(base_url: &str) -> HttpSettings {
    HttpSettings { key: None, ..settings(base_url) }
}

fn adapters(base_url: &str) -> [Box<dyn Provider>; 2] {
    [Box::new(Polygon::new(settings(base_url)).unwrap()), Box::new(Tradier::new(settings(base_url)).unwrap())]
}

fn request(symbol: &str, timeframe: Timeframe, minutes: i64) -> FetchRequest {
    let slice = TimeRange { start: START, end: START.plus(minutes * MINUTE) };
    FetchRequest { symbol: symbol.parse().unwrap(), timeframe, calendar: calendar_of(symbol), slice }
}

fn symbol(text: &str) -> Symbol {
    text.parse().unwrap()
}

fn calendar_of(text: &str) -> Calendar {
    symbol(text).calendar(Hours::Regular)
}

async fn fetch(provider: &dyn Provider, request: &FetchRequest) -> Result<Fetched, ProviderError> {
    provider.fetch(request, &|_| {}).await
}

async fn error_of(provider: &dyn Provider) -> ProviderError {
    let error = fetch(provider, &request("AAPL", Timeframe::M1, 10)).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(KEY) && !shown.contains("http://") && !shown.contains("127.0.0.1"), "{shown}");
    assert!(error.message.contains("AAPL m1 from 2024-03-13T14:00:00Z"), "{error}");
    error
}

fn aggregates(bars: &[Value], next: Option<&str>) -> Value {
    let mut body = json!({"ticker": "AAPL", "status": "OK", "adjusted": true, "resultsCount": bars.len()});
    if !bars.is_empty() {
        body["results"] = json!(bars);
    }
    if let Some(next) = next {
        body["next_url"] = json!(next);
    }
    body
}

fn aggregate(minute: i64) -> Value {
    json!({"t": START.0 + minute * MINUTE, "o": 10.0, "h": 11.0, "l": 9.0, "c": 10.5, "v": 1.5e+02, "vw": 10.2, "n": 7})
}

fn sale(minute: i64) -> Value {
    json!({"time": "1999-01-01T00:00:00", "timestamp": START.0 / 1_000 + minute * 60, "price": 9.9,
           "open": 10.0, "high": 11.0, "low": 9.0, "close": 10.5, "volume": 150, "vwap": 10.2})
}

fn series(data: Value) -> Value {
    json!({"series": {"data": data}})
}

fn fault(text: &str, code: &str) -> Value {
    json!({"fault": {"faultstring": text, "detail": {"errorcode": code}}})
}

fn respond(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}

fn reply(body: &Value) -> Response {
    axum::Json(body).into_response()
}

fn minutes(bars: &[Bar]) -> Vec<i64> {
    bars.iter().map(|bar| (bar.ts.0 - START.0) / MINUTE).collect()
}

#[tokio::test]
async fn polygon_pages_are_followed_at_our_own_host_with_the_key_in_a_header() {
    let stub = Stub::start(|n, _| {
        let link = |n| format!("https://elsewhere.example/v2/aggs/ticker/AAPL/range/1/minute/1/2?cursor=c{n}");
        reply(&match n {
            1 => aggregates(&[aggregate(-1), aggregate(0), aggregate(4)], Some(&link(n))),
            2 => aggregates(&[], Some(&link(n))),
            _ => aggregates(&[aggregate(9), aggregate(10)], None),
        })
    })
    .await;
    let told = Mutex::new(Vec::new());
    let polygon = Polygon::new(settings(&stub.base_url)).unwrap();
    let fetched = polygon.fetch(&request("AAPL", Timeframe::M1, 10), &|p| told.lock().unwrap().push(p)).await.unwrap();
    assert_eq!(minutes(&fetched.bars), [0, 4, 9], "what the provider added outside the slice is trimmed");
    assert_eq!((fetched.requests, fetched.adjusted), (3, true));
    assert_eq!(*told.lock().unwrap(), [40, 40, 100]);
    assert_eq!(
        stub.uris(),
        [
            "/v2/aggs/ticker/AAPL/range/1/minute/1710338400000/1710338999999?adjusted=false&sort=asc&limit=50000",
            "/v2/aggs/ticker/AAPL/range/1/minute/1/2?cursor=c1",
            "/v2/aggs/ticker/AAPL/range/1/minute/1/2?cursor=c2",
        ]
    );
    for asked in stub.asked.lock().unwrap().iter() {
        assert_eq!(asked.headers[header::AUTHORIZATION], format!("Bearer {KEY}"));
        assert_eq!(asked.headers[header::ACCEPT], "application/json");
    }
}

#[tokio::test]
async fn polygon_pages_that_never_end_are_given_up() {
    let same = Stub::start(|_, _| reply(&aggregates(&[aggregate(0)], Some("/v2/aggs/x?cursor=same")))).await;
    let polygon = Polygon::new(settings(&same.base_url)).unwrap();
    assert_eq!(error_of(&polygon).await.code, "provider_malformed");
    assert_eq!(same.uris().len(), 2);

    let fresh = Stub::start(|n, _| reply(&aggregates(&[], Some(&format!("/v2/aggs/x?cursor={n}"))))).await;
    let polygon = Polygon::new(settings(&fresh.base_url)).unwrap();
    assert_eq!(error_of(&polygon).await.code, "provider_malformed");
    assert_eq!(fresh.uris().len(), 200);
}

#[tokio::test]
async fn polygon_without_results_has_no_bars_but_a_body_that_is_no_page_is_an_error() {
    for (body, is_page) in [
        (json!({"status": "OK", "ticker": "AAPL", "resultsCount": 0}), true),
        (json!({"status": "DELAYED", "results": null}), true),
        (json!({"status": "OK", "resultsCount": 3}), false),
        (json!({"status": "OK", "ticker": "MSFT", "results": [aggregate(0)]}), false),
        (json!({"status": "OK", "results": {"t": 1}}), false),
        (json!({"status": "OK", "results": [{"t": START.0}, "x"]}), false),
        (json!({}), false),
        (json!([]), false),
    ] {
        let shown = body.to_string();
        let stub = Stub::start(move |_, _| reply(&body)).await;
        let polygon = Polygon::new(settings(&stub.base_url)).unwrap();
        if is_page {
            let fetched = fetch(&polygon, &request("AAPL", Timeframe::M1, 10)).await.unwrap();
            assert_eq!((fetched.bars.len(), fetched.requests), (0, 1), "{shown}");
        } else {
            assert_eq!(error_of(&polygon).await.code, "provider_malformed", "{shown}");
        }
    }
}

#[tokio::test]
async fn polygon_says_in_its_own_words_why_not() {
    for (status, body, code, words) in [
        (403, json!({"status": "NOT_AUTHORIZED", "message": "Your plan doesn't include it"}), "provider_plan", "plan"),
        (401, json!({"status": "ERROR", "error": format!("Unknown Key {KEY}")}), "provider_unauthorized", "Key …"),
        (429, json!({"status": "ERROR", "error": "Too many"}), "provider_throttled", "HTTP 429, \"Too many\""),
        (404, json!({"status": "NOT_FOUND", "message": "Ticker not found."}), "symbol_unknown", "not found"),
        (400, json!({"status": "ERROR", "error": "bad range"}), "provider_bad_request", "bad range"),
        (200, json!({"status": "ERROR", "error": "odd"}), "provider_bad_request", "odd"),
        (200, json!({"status": "NOT_AUTHORIZED", "message": "no"}), "provider_plan", "no"),
    ] {
        let stub =
            Stub::start(move |_, _| respond(status, &[("content-type", "application/json")], body.to_string())).await;
        let error = error_of(&Polygon::new(settings(&stub.base_url)).unwrap()).await;
        assert_eq!(error.code, code);
        assert!(error.message.contains(words), "{error}");
    }
}

#[tokio::test]
async fn polygon_four_hour_bars_lie_on_our_grid() {
    // 2024-03-13 04:00 to 20:00 in New York; ours begin at 04:00, 08:00, 12:00 and 16:00.
    let start = START.plus(-6 * 60 * MINUTE);
    let stub =
        Stub::start(|_, _| reply(&aggregates(&(-6..10).map(|hour| aggregate(hour * 60)).collect::<Vec<_>>(), None)))
            .await;
    let polygon = Polygon::new(settings(&stub.base_url)).unwrap();
    let slice = TimeRange { start, end: start.plus(12 * 60 * MINUTE) };
    let asked = FetchRequest { symbol: symbol("AAPL"), timeframe: Timeframe::H4, calendar: Calendar::Xnys, slice };
    let fetched = fetch(&polygon, &asked).await.unwrap();
    assert_eq!(minutes(&fetched.bars), [-360, -120, 120]);
    assert!(fetched.bars.iter().all(|bar| bar.volume == 600.0 && bar.trades == Some(28)), "{:?}", fetched.bars);
    assert!(stub.uris()[0].contains("/range/1/hour/"));
}

#[tokio::test]
async fn polygon_bars_are_as_traded_unless_the_answer_says_otherwise() {
    for (adjusted, want) in [(json!(true), true), (json!(false), false), (json!(null), false)] {
        let mut body = aggregates(&[aggregate(0)], None);
        body["adjusted"] = adjusted;
        let stub = Stub::start(move |_, _| reply(&body)).await;
        let polygon = Polygon::new(settings(&stub.base_url)).unwrap();
        assert_eq!(fetch(&polygon, &request("AAPL", Timeframe::M1, 10)).await.unwrap().adjusted, want);
    }
    let stub = Stub::start(|n, _| {
        let mut body = aggregates(&[aggregate(0)], (n == 1).then_some("/v2/aggs/next"));
        body["adjusted"] = json!(n == 1);
        reply(&body)
    })
    .await;
    assert_eq!(error_of(&Polygon::new(settings(&stub.base_url)).unwrap()).await.code, "provider_malformed");
}

#[tokio::test]
async fn polygon_splits_are_read_over_all_pages_and_lie_at_the_start_of_the_exchanges_day() {
    let split = |day: &str, from: f64, to: f64, ticker: &str| json!({"execution_date": day, "split_from": from, "split_to": to, "ticker": ticker});
    let stub = Stub::start(move |n, _| {
        reply(&match n {
            1 => json!({"status": "OK", "next_url": "https://elsewhere.example/v3/reference/splits?cursor=2",
                        "results": [split("2020-08-31", 1.0, 4.0, "AAPL"), split("2020-08-31", 1.0, 5.0, "TSLA")]}),
            _ => json!({"status": "OK", "results": [split("2014-06-09", 1.0, 7.0, "AAPL")]}),
        })
    })
    .await;
    let polygon = Polygon::new(settings(&stub.base_url)).unwrap();
    let splits = polygon.splits(&symbol("AAPL")).await.unwrap().unwrap();
    let at = |text| Timestamp::parse(text).unwrap();
    let want = [("2020-08-31T04:00:00Z", 4.0), ("2014-06-09T04:00:00Z", 7.0)];
    assert_eq!(splits, want.map(|(day, to)| Split { at: at(day), from: 1.0, to }));
    assert_eq!(stub.uris(), ["/v3/reference/splits?ticker=AAPL&limit=1000", "/v3/reference/splits?cursor=2"]);
    assert_eq!(polygon.splits(&symbol("X:BTCUSD")).await.unwrap(), Some(Vec::new()));
    assert_eq!(stub.uris().len(), 2, "a pair is never split");

    for row in [split("soon", 1.0, 4.0, "AAPL"), split("2020-08-31", 0.0, 4.0, "AAPL"), json!({"ticker": "AAPL"})] {
        let stub = Stub::start(move |_, _| reply(&json!({"status": "OK", "results": [row]}))).await;
        let error = Polygon::new(settings(&stub.base_url)).unwrap().splits(&symbol("AAPL")).await.unwrap_err();
        assert_eq!(error.code, "provider_malformed");
        assert!(error.message.starts_with("The splits of AAPL could not be fetched"), "{error}");
    }
    let tradier = Tradier::new(settings(&stub.base_url)).unwrap();
    assert_eq!(tradier.splits(&symbol("AAPL")).await.unwrap(), None);
}

#[tokio::test]
async fn polygon_tells_what_it_lists() {
    let stub = Stub::start(|_, uri| match uri {
        "/v3/reference/tickers/X:BTCUSD" => reply(&json!({"status": "OK", "results": {"ticker": "X:BTCUSD",
            "name": "Bitcoin", "currency_symbol": "USD", "currency_name": "United States Dollar"}})),
        "/v3/reference/tickers/AAPL" => reply(&json!({"status": "OK", "results": {"ticker": "AAPL",
            "name": "Apple Inc.", "currency_name": "usd", "active": true}})),
        "/v3/reference/tickers/NOPE" => {
            respond(404, &[("content-type", "application/json")], r#"{"status":"NOT_FOUND","message":"?"}"#)
        }
        _ => respond(404, &[("content-type", "text/plain")], "no such page"),
    })
    .await;
    let polygon = Polygon::new(settings(&stub.base_url)).unwrap();
    let knows = async |text: &str| polygon.knows(&text.parse::<Symbol>().unwrap()).await;
    let name = |listing: Listing| (listing.name.unwrap(), listing.currency.unwrap());
    assert_eq!(name(knows("AAPL").await.unwrap().unwrap()), ("Apple Inc.".to_owned(), "USD".to_owned()));
    assert_eq!(name(knows("X:BTCUSD").await.unwrap().unwrap()).1, "USD");
    assert_eq!(knows("NOPE").await.unwrap(), None);
    let error = knows("OTHER").await.unwrap_err();
    assert_eq!(error.code, "provider_bad_request", "a wrong base URL does not make a symbol unknown");
}

#[tokio::test]
async fn tradier_is_asked_in_new_york_time_and_read_in_epoch_seconds() {
    let stub = Stub::start(|_, _| reply(&series(json!([sale(-1), sale(0), sale(1), sale(10)])))).await;
    let tradier = Tradier::new(settings(&stub.base_url)).unwrap();
    let fetched = fetch(&tradier, &request("BRK.B", Timeframe::M1, 10)).await.unwrap();
    assert_eq!(minutes(&fetched.bars), [0, 1]);
    assert_eq!(fetched.bars[0].close, 10.5, "price is not the close");
    assert_eq!((fetched.adjusted, fetched.requests), (false, 1));
    assert_eq!(
        stub.uris(),
        [concat!(
            "/v1/markets/timesales?symbol=BRK%2FB&interval=1min",
            "&start=2024-03-13+10%3A00&end=2024-03-13+10%3A10&session_filter=open"
        )]
    );
}

#[tokio::test]
async fn tradier_hours_are_built_from_quarter_hours() {
    let stub = Stub::start(|_, _| reply(&series((-2..9).map(|quarter| sale(quarter * 15)).collect()))).await;
    let tradier = Tradier::new(settings(&stub.base_url)).unwrap();
    let fetched = fetch(&tradier, &request("AAPL", Timeframe::H1, 120)).await.unwrap();
    assert_eq!(minutes(&fetched.bars), [0, 60]);
    assert_eq!(fetched.bars[0].volume, 600.0);
    assert_eq!(minutes(&fetch(&tradier, &request("AAPL", Timeframe::M30, 60)).await.unwrap().bars), [0, 30]);
    assert!(stub.uris().iter().all(|uri| uri.contains("interval=15min")));
}

#[tokio::test]
async fn tradier_empty_answers_and_single_rows_are_read_in_every_shape() {
    for (body, want) in [
        (json!({"series": null}), Ok(0)),
        (json!({"series": "null"}), Ok(0)),
        (json!({"series": {"data": null}}), Ok(0)),
        (series(json!([])), Ok(0)),
        (series(sale(0)), Ok(1)),
        (json!({"series": {}}), Err("provider_malformed")),
        (json!({"series": "soon"}), Err("provider_malformed")),
        (json!({}), Err("provider_malformed")),
        (series(json!([{"timestamp": START.0 / 1_000, "open": "NaN", "volume": 3}])), Err("provider_malformed")),
        (json!({"errors": {"error": ["Invalid interval"]}}), Err("provider_bad_request")),
        (json!({"errors": {"error": "Invalid interval"}}), Err("provider_bad_request")),
        (fault("Rate limit quota violation", "policies.ratelimit.QuotaViolation"), Err("provider_throttled")),
        (fault("Invalid Access Token", "keymanagement.service.invalid_access_token"), Err("provider_unauthorized")),
    ] {
        let shown = body.to_string();
        let stub = Stub::start(move |_, _| reply(&body)).await;
        let tradier = Tradier::new(settings(&stub.base_url)).unwrap();
        match want {
            Ok(bars) => {
                let fetched = fetch(&tradier, &request("AAPL", Timeframe::M1, 10)).await.unwrap();
                assert_eq!(fetched.bars.len(), bars, "{shown}");
            }
            Err(code) => assert_eq!(error_of(&tradier).await.code, code, "{shown}"),
        }
    }
}

#[tokio::test]
async fn tradier_rows_that_are_no_bar_are_told_and_the_rest_is_kept() {
    let mut bad = sale(1);
    bad["high"] = json!("NaN");
    let body = series(json!([sale(0), bad, sale(2)]));
    let stub = Stub::start(move |_, _| reply(&body)).await;
    let tradier = Tradier::new(settings(&stub.base_url)).unwrap();
    let fetched = fetch(&tradier, &request("AAPL", Timeframe::M1, 10)).await.unwrap();
    assert_eq!(minutes(&fetched.bars), [0, 2]);
    assert_eq!(fetched.unreadable_rows, ["row 2: high is \"NaN\", not a number, at 2024-03-13T14:01:00Z"]);
}

#[tokio::test]
async fn tradier_days_and_weeks_begin_where_ours_do() {
    let day = |date: &str| json!({"date": date, "open": 1.0, "high": 2.0, "low": 1.0, "close": 1.5, "volume": 3});
    // The week of Monday 2024-03-11 began on Sunday, before the clocks were put forward.
    let sunday = Timestamp::parse("2024-03-10T05:00:00Z").unwrap();
    let slice = TimeRange { start: sunday, end: Timestamp::parse("2024-03-17T04:00:00Z").unwrap() };
    for (timeframe, interval, body, want) in [
        (Timeframe::W1, "weekly", json!({"history": {"day": day("2024-03-11")}}), vec!["2024-03-10T05:00:00Z"]),
        (
            Timeframe::D1,
            "daily",
            json!({"history": {"day": [day("2024-03-08"), day("2024-03-11"), day("12 March"), day("2024-03-13")]}}),
            vec!["2024-03-11T04:00:00Z", "2024-03-13T04:00:00Z"],
        ),
    ] {
        let stub = Stub::start(move |_, _| reply(&body)).await;
        let tradier = Tradier::new(settings(&stub.base_url)).unwrap();
        let asked = FetchRequest { symbol: symbol("AAPL"), timeframe, calendar: Calendar::Xnys, slice };
        let fetched = fetch(&tradier, &asked).await.unwrap();
        assert_eq!(fetched.bars.iter().map(|bar| bar.ts.to_string()).collect::<Vec<_>>(), want);
        let range = format!("symbol=AAPL&interval={interval}&start=2024-03-10&end=2024-03-16&");
        assert!(stub.uris()[0].starts_with(&format!("/v1/markets/history?{range}")), "{:?}", stub.uris());
    }
}

#[tokio::test]
async fn tradier_reaches_back_so_many_days_at_the_exchange() {
    let tradier = Tradier::new(settings("http://127.0.0.1:9")).unwrap();
    let reach = |calendar, timeframe| tradier.reach(calendar, timeframe, START).map(|at| at.to_string());
    let day = |text: &str| Some(format!("{text}:00:00Z"));
    assert_eq!(reach(Calendar::Xnys, Timeframe::M1), day("2024-02-22T05"));
    assert_eq!(reach(Calendar::XnysExtended, Timeframe::M1), day("2024-03-03T05"));
    assert_eq!(reach(Calendar::Xnys, Timeframe::H4), day("2024-02-02T05"));
    assert_eq!(reach(Calendar::XnysExtended, Timeframe::M5), day("2024-02-24T05"));
    assert_eq!(reach(Calendar::Xnys, Timeframe::D1), None);
}

#[tokio::test]
async fn tradier_serves_stocks_alone() {
    let stub = Stub::start(|_, _| reply(&json!({"series": null}))).await;
    let tradier = Tradier::new(settings(&stub.base_url)).unwrap();
    assert!(!tradier.supports(&symbol("X:BTCUSD"), Timeframe::H1) && tradier.supports(&symbol("AAPL"), Timeframe::H1));
    let error = fetch(&tradier, &request("X:BTCUSD", Timeframe::H1, 60)).await.unwrap_err();
    assert_eq!((error.code, error.class), ("provider_bad_request", ErrorClass::Permanent));
    assert_eq!(stub.uris().len(), 0);
}

#[tokio::test]
async fn tradier_tells_what_it_lists() {
    for (body, want) in [
        (json!({"quotes": {"quote": {"symbol": "BRK/B", "description": "Berkshire"}}}), Ok(Some("Berkshire"))),
        (json!({"quotes": {"quote": [{"symbol": "BRK"}, {"symbol": "BRK/B", "description": "B"}]}}), Ok(Some("B"))),
        (json!({"quotes": {"unmatched_symbols": {"symbol": "BRK/B"}}}), Ok(None)),
        (json!({"quotes": null}), Ok(None)),
        (json!({"quote": 1}), Err("provider_malformed")),
    ] {
        let stub = Stub::start(move |_, _| reply(&body)).await;
        let tradier = Tradier::new(settings(&stub.base_url)).unwrap();
        let known = tradier.knows(&"BRK.B".parse().unwrap()).await;
        let name = known.map(|listing| listing.map(|listing| listing.name.unwrap())).map_err(|error| error.code);
        assert_eq!(name.as_ref().map(Option::as_deref).map_err(|code| *code), want);
        assert_eq!(stub.uris(), ["/v1/markets/quotes?symbols=BRK%2FB"]);
    }
}

#[tokio::test]
async fn a_throttled_provider_is_left_alone_as_long_as_it_says() {
    let date = ("date", "Sat, 09 Mar 2024 16:46:57 GMT");
    for (headers, want) in [
        (vec![date, ("retry-after", "7")], Some(7)),
        (vec![date, ("retry-after", "Sat, 09 Mar 2024 16:47:27 GMT")], Some(30)),
        (
            vec![
                date,
                ("x-ratelimit-allowed", "120"),
                ("x-ratelimit-available", "0"),
                ("x-ratelimit-expiry", "1710002820000"),
            ],
            Some(3),
        ),
        (vec![], None),
    ] {
        let stub = Stub::start(move |_, _| respond(429, &headers, "slow down")).await;
        for provider in adapters(&stub.base_url) {
            let error = error_of(provider.as_ref()).await;
            assert_eq!((error.class, error.code), (ErrorClass::Throttled, "provider_throttled"));
            assert_eq!(error.retry_after.map(|wait| wait.as_secs()), want);
            if want == Some(3) {
                let (resets_at, resets_in) = (Timestamp(1_710_002_820_000), Duration::from_secs(3));
                let told = Allowance { allowed: 120, available: 0, resets_at, resets_in };
                assert_eq!(error.allowance, Some(told));
            }
        }
    }
}

#[tokio::test]
async fn a_status_is_classed_and_quoted_without_the_key() {
    for (status, body, code, words) in [
        (500, format!("<html>\n <b>oops {KEY}</b>"), "provider_server_error", "HTTP 500, \"<html> <b>oops …</b>\""),
        (503, String::new(), "provider_server_error", "HTTP 503. Try again"),
        (401, "Invalid Access Token".to_owned(), "provider_unauthorized", "\"Invalid Access Token\""),
        (400, "x".repeat(90_000), "provider_bad_request", "HTTP 400"),
        (302, String::new(), "provider_bad_request", "HTTP 302"),
        (204, String::new(), "provider_malformed", "JSON"),
    ] {
        let stub = Stub::start(move |_, _| respond(status, &[("location", "/elsewhere")], body.clone())).await;
        for provider in adapters(&stub.base_url) {
            let error = error_of(provider.as_ref()).await;
            assert_eq!(error.code, code, "{error}");
            assert!(error.message.contains(words) && error.message.chars().count() < 500, "{error}");
        }
        assert_eq!(stub.uris().len(), 2, "a redirect is not followed");
    }
}

#[tokio::test]
async fn a_body_of_another_kind_is_malformed() {
    let page = aggregates(&[aggregate(0)], None).to_string();
    for (content_type, body) in [
        ("text/html", page.clone()),
        ("application/xml", "<series/>".to_owned()),
        ("application/json", page[..40].to_owned()),
        ("application/json", page.replace("10.5", "NaN")),
        ("application/json", page.replace("10.5", "Infinity")),
        ("application/json", String::new()),
    ] {
        let stub = Stub::start(move |_, _| respond(200, &[("content-type", content_type)], body.clone())).await;
        for provider in adapters(&stub.base_url) {
            let error = error_of(provider.as_ref()).await;
            assert_eq!((error.class, error.code), (ErrorClass::Transient, "provider_malformed"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_body_without_end_is_given_up_at_the_limit() {
    let endless = Stub::start(|_, _| {
        let spaces = stream::repeat(()).map(|()| Ok::<_, std::io::Error>(" ".repeat(4_096)));
        respond(200, &[("content-type", "application/json")], Body::from_stream(spaces))
    })
    .await;
    let announced =
        Stub::start(|_, _| respond(200, &[("content-type", "application/json")], " ".repeat(100_001))).await;
    for base_url in [&endless.base_url, &announced.base_url] {
        for provider in adapters(base_url) {
            let error = error_of(provider.as_ref()).await;
            assert_eq!(error.code, "provider_too_large");
            assert!(error.message.contains("100000 bytes"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_or_stalls_is_told_apart() {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"status\":";
    const GZIP: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\nhello";
    for (base_url, code, words) in [
        (raw(HEAD, Then::Closes).await, "provider_malformed", "broke off"),
        (raw(GZIP, Then::Closes).await, "provider_malformed", "broke off"),
        (raw(HEAD, Then::StaysSilent).await, "provider_timeout", "in time"),
        (raw(b"", Then::StaysSilent).await, "provider_timeout", "in time"),
        (raw(b"", Then::Closes).await, "provider_unreachable", "can't be reached"),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n", Then::Closes).await, "provider_unreachable", "can't be reached"),
    ] {
        for provider in adapters(&base_url) {
            let error = error_of(provider.as_ref()).await;
            assert_eq!((error.class, error.code), (ErrorClass::Transient, code), "{error}");
            assert!(error.message.contains(words), "{error}");
        }
    }
    for provider in adapters(&raw(HEAD, Then::Resets).await) {
        let error = error_of(provider.as_ref()).await;
        assert_eq!(error.class, ErrorClass::Transient, "whether the head had come through is a matter of luck");
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for provider in adapters(&format!("http://{closed}")) {
        assert_eq!(error_of(provider.as_ref()).await.code, "provider_unreachable");
    }
}

#[tokio::test]
async fn a_body_that_drips_is_given_up_in_time() {
    let stub = Stub::start(|_, _| {
        let drip = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Some((Ok::<_, std::io::Error>(" "), ()))
        });
        respond(200, &[("content-type", "application/json")], Body::from_stream(drip))
    })
    .await;
    let patient = HttpSettings { total_timeout: Duration::from_millis(700), ..settings(&stub.base_url) };
    assert_eq!(error_of(&Polygon::new(patient).unwrap()).await.code, "provider_timeout");
}

#[tokio::test]
async fn a_class_share_and_a_pair_keep_their_spelling_in_polygons_path() {
    let stub = Stub::start(|_, _| reply(&json!({"status": "OK"}))).await;
    let polygon = Polygon::new(settings(&format!("{}/prefix/", stub.base_url))).unwrap();
    for symbol in ["BRK.B", "X:BTCUSD"] {
        fetch(&polygon, &request(symbol, Timeframe::M5, 10)).await.unwrap();
    }
    let uris = stub.uris();
    assert!(uris[0].starts_with("/prefix/v2/aggs/ticker/BRK.B/range/5/minute/"), "{uris:?}");
    assert!(uris[1].starts_with("/prefix/v2/aggs/ticker/X:BTCUSD/range/5/minute/"), "{uris:?}");
}

#[tokio::test]
async fn the_simulator_is_read_without_a_bar_lost_at_every_timeframe() {
    let at = |text| Timestamp::parse(text).unwrap();
    let now = at("2024-03-15T21:00:00Z");
    let simulator = Simulator::start(SimulatorConfig { clock: Some(now), ..SimulatorConfig::default() }).await.unwrap();
    let base_url = simulator.url();
    let base_url = base_url.as_str();
    let window = TimeRange { start: at("2024-03-12T12:00:00Z"), end: now };
    for timeframe in Timeframe::ALL {
        let spans = Calendar::Xnys.session_spans(timeframe, window, now);
        let slice = TimeRange { start: spans[0].start, end: spans[spans.len() - 1].end };
        let asked = FetchRequest { symbol: symbol("AAPL"), timeframe, calendar: Calendar::Xnys, slice };
        let sessions: Spans = spans.iter().copied().collect();
        let generous = || HttpSettings { max_body_bytes: 10_000_000, ..settings(base_url) };
        let adapters: [Box<dyn Provider>; 2] =
            [Box::new(Polygon::new(generous()).unwrap()), Box::new(Tradier::new(generous()).unwrap())];
        for provider in adapters {
            let fetched = fetch(provider.as_ref(), &asked).await.unwrap();
            let validated = validate(fetched.bars, slice, &sessions, timeframe, Calendar::Xnys);
            assert_eq!((fetched.unreadable_rows.len(), validated.quarantined.len()), (0, 0), "{timeframe}");
            let times: Vec<_> = validated.bars.iter().map(|bar| bar.ts).collect();
            let every_bar = std::iter::successors(Some(slice.start), |ts| Some(Calendar::Xnys.bar_end(timeframe, *ts)));
            let want: Vec<_> = every_bar.take_while(|ts| *ts < slice.end).filter(|ts| sessions.contains(*ts)).collect();
            assert_eq!(times, want, "{timeframe}");
        }
    }
    for provider in adapters(base_url) {
        assert!(provider.knows(&"BRK.B".parse().unwrap()).await.unwrap().is_some());
        assert_eq!(provider.knows(&"ZZZ1".parse().unwrap()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn currency_pairs_and_splits_of_the_simulator_are_read() {
    let at = |text| Timestamp::parse(text).unwrap();
    let now = at("2024-03-15T22:00:00Z");
    let split = Split { at: at("2024-03-13T04:00:00Z"), from: 1.0, to: 4.0 };
    let splits = vec![(symbol("AAPL"), split)];
    let config = SimulatorConfig { clock: Some(now), splits, ..SimulatorConfig::default() };
    let simulator = Simulator::start(config).await.unwrap();
    let polygon = Polygon::new(HttpSettings { max_body_bytes: 10_000_000, ..settings(&simulator.url()) }).unwrap();
    assert_eq!(polygon.splits(&symbol("AAPL")).await.unwrap(), Some(vec![split]));

    // The clocks of New York were put forward on Sunday 2024-03-10.
    let window = TimeRange { start: at("2024-03-07T00:00:00Z"), end: now };
    for timeframe in Timeframe::ALL {
        let spans = Calendar::Fx.session_spans(timeframe, window, now);
        let slice = TimeRange { start: spans[0].start, end: spans[spans.len() - 1].end };
        let asked = FetchRequest { symbol: symbol("C:EURUSD"), timeframe, calendar: Calendar::Fx, slice };
        let fetched = fetch(&polygon, &asked).await.unwrap();
        assert_eq!(fetched.adjusted, timeframe == Timeframe::W1);
        let sessions: Spans = spans.into_iter().collect();
        let checked = validate(fetched.bars, slice, &sessions, timeframe, Calendar::Fx);
        assert_eq!((checked.quarantined.len(), checked.out_of_session), (0, 0), "{timeframe}");
        let every = std::iter::successors(Some(slice.start), |ts| Some(Calendar::Fx.bar_end(timeframe, *ts)));
        let want: Vec<_> = every.take_while(|ts| *ts < slice.end).filter(|ts| sessions.contains(*ts)).collect();
        assert_eq!(checked.bars.iter().map(|bar| bar.ts).collect::<Vec<_>>(), want, "{timeframe}");
    }
}
