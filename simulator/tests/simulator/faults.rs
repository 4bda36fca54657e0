//! Each fault as a client meets it.

use std::time::{Duration, Instant};

use serde_json::Value;
use tidemark_simulator::{FALSE_VALUES, Fault, FaultKind, Provider, Simulator, malformed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{CLIENT, at, get, json, start_at_noon, symbol, times, try_get};

const POLYGON: &str = "/v2/aggs/ticker/AAPL/range/1/day/2024-06-03/2024-06-14";
const TRADIER: &str = "/v1/markets/history?symbol=AAPL&start=2024-06-03&end=2024-06-14";

async fn with(kind: FaultKind) -> Simulator {
    let simulator = start_at_noon().await;
    simulator.control().add_faults([Fault::new(kind)]);
    simulator
}

#[tokio::test]
async fn refusals_have_their_status_and_retry_after_where_it_is_asked_for() {
    for (kind, status) in [
        (FaultKind::RateLimit, 429),
        (FaultKind::ServerError, 500),
        (FaultKind::Unauthorized, 401),
        (FaultKind::Plan, 403),
    ] {
        let simulator = start_at_noon().await;
        simulator.control().add_faults([Fault { retry_after_seconds: Some(7), ..Fault::new(kind) }]);
        for path in [POLYGON, TRADIER] {
            let response = get(&simulator, path).await;
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()["retry-after"], "7");
        }
        let log = simulator.control().requests();
        assert_eq!(log.requests[0].fault, Some(kind));
        assert_eq!(log.requests[0].status, Some(status));
    }
}

#[tokio::test]
async fn a_truncated_body_breaks_off() {
    let simulator = with(FaultKind::TruncatedBody).await;
    for path in [POLYGON, TRADIER] {
        let response = get(&simulator, path).await;
        assert_eq!(response.status(), 200);
        assert!(response.bytes().await.is_err());
    }
}

#[tokio::test]
async fn a_body_may_end_in_a_reset() {
    let simulator = with(FaultKind::ResetBody).await;
    let mut stream = TcpStream::connect(simulator.url().trim_start_matches("http://")).await.unwrap();
    let request = format!("GET {POLYGON} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer key\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let error = stream.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn an_error_may_be_long() {
    let response = get(&with(FaultKind::LongError).await, TRADIER).await;
    assert_eq!(response.status(), 500);
    assert_eq!(response.text().await.unwrap().len(), 20_000);
}

#[tokio::test]
async fn a_reset_leaves_no_answer() {
    let simulator = with(FaultKind::Reset).await;
    for path in [POLYGON, TRADIER] {
        let error = try_get(&simulator, path).await.unwrap_err();
        assert!(error.is_request(), "{error:?}");
    }
    assert_eq!(simulator.control().requests().requests[0].status, None);
    simulator.control().clear_faults();
    assert_eq!(get(&simulator, POLYGON).await.status(), 200);
}

#[tokio::test]
async fn a_stalled_request_ends_with_its_client() {
    let simulator = with(FaultKind::Stall).await;
    let url = format!("{}{POLYGON}", simulator.url());
    let request = CLIENT.get(url).bearer_auth("key").timeout(Duration::from_millis(100)).send();
    assert!(request.await.unwrap_err().is_timeout());
    tokio::time::timeout(Duration::from_secs(10), async {
        while simulator.control().requests().requests[0].ended.is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let entry = &simulator.control().requests().requests[0];
    assert_eq!((entry.fault, entry.status), (Some(FaultKind::Stall), None));
}

#[tokio::test]
async fn stop_does_not_wait_for_stalled_requests() {
    let simulator = with(FaultKind::Stall).await;
    let (control, url) = (simulator.control(), format!("{}{POLYGON}", simulator.url()));
    let stalled = tokio::spawn(CLIENT.get(url).bearer_auth("key").send());
    while control.requests().requests.is_empty() {
        tokio::task::yield_now().await;
    }
    simulator.stop().await;
    assert!(tokio::time::timeout(Duration::from_secs(10), stalled).await.unwrap().unwrap().is_err());
}

#[tokio::test]
async fn empty_is_empty_in_each_providers_way() {
    let simulator = with(FaultKind::Empty).await;
    let body = json(&simulator, &format!("{POLYGON}?limit=2")).await;
    assert!(body.get("results").is_none() && body.get("next_url").is_none());
    assert!(json(&simulator, TRADIER).await["history"].is_null());
}

#[tokio::test]
async fn wrong_shape_and_wrong_content_type_are_what_they_say() {
    let simulator = with(FaultKind::WrongShape).await;
    assert!(json(&simulator, POLYGON).await["results"].is_object());
    assert!(json(&simulator, TRADIER).await["history"]["day"].is_string());
    let simulator = with(FaultKind::WrongContentType).await;
    for path in [POLYGON, TRADIER] {
        let response = get(&simulator, path).await;
        assert_eq!(response.headers()["content-type"], "text/html");
        assert!(response.text().await.unwrap().starts_with("<html>"));
    }
}

#[tokio::test]
async fn a_huge_body_goes_on_and_on() {
    let simulator = with(FaultKind::HugeBody).await;
    let mut response = get(&simulator, POLYGON).await;
    let mut read = 0;
    while read < 50_000_000 {
        read += response.chunk().await.unwrap().unwrap().len();
    }
}

#[tokio::test]
async fn bad_rows_come_beside_all_true_ones() {
    let simulator = start_at_noon().await;
    let whole = json(&simulator, POLYGON).await;
    simulator.control().add_faults([Fault::new(FaultKind::BadRows)]);
    let body = json(&simulator, POLYGON).await;
    let rows = body["results"].as_array().unwrap();
    let good = whole["results"].as_array().unwrap();
    assert_eq!(rows.len(), good.len() + 3);
    assert!(good.iter().all(|row| rows.contains(row)));
    assert!(rows.iter().any(|row| row["l"].as_f64().unwrap() < 0.0) && rows.iter().any(|row| row["c"].is_null()));
    assert!(!times(&body).is_sorted());
    let body = json(&simulator, TRADIER).await;
    assert!(body["history"]["day"].as_array().unwrap().iter().any(|row| row["close"] == "NaN"));
}

#[tokio::test]
async fn a_fault_meets_only_what_it_is_for_and_only_so_often() {
    let simulator = start_at_noon().await;
    let for_it = Fault {
        symbol: Some(symbol("AAPL")),
        provider: Some(Provider::Polygon),
        from: Some(at("2024-06-10T00:00:00Z")),
        to: Some(at("2024-06-12T00:00:00Z")),
        times: Some(2),
        ..Fault::new(FaultKind::ServerError)
    };
    simulator.control().add_faults([for_it]);
    let others = [
        POLYGON.replace("AAPL", "MSFT"),
        POLYGON.replace("2024-06-14", "2024-06-07"),
        TRADIER.to_owned(),
        "/v3/reference/tickers/AAPL".to_owned(),
    ];
    for path in &others {
        assert_eq!(get(&simulator, path).await.status(), 200, "{path}");
    }
    for status in [500, 500, 200] {
        assert_eq!(get(&simulator, POLYGON).await.status(), status);
    }
    assert!(simulator.control().faults().is_empty());
}

#[tokio::test]
async fn faults_are_set_and_taken_back_over_http() {
    let simulator = start_at_noon().await;
    let client = &*CLIENT;
    let url = format!("{}/control/faults", simulator.url());
    let faults: Value = serde_json::json!([
        {"kind": "rate_limit", "symbol": "AAPL", "provider": "polygon", "from": 1_717_387_200_000_i64, "times": 1},
        {"kind": "server_error", "times": null},
    ]);
    assert_eq!(client.post(&url).json(&faults).send().await.unwrap().status(), 204);
    assert_eq!(get(&simulator, POLYGON).await.status(), 429);
    assert_eq!(get(&simulator, POLYGON).await.status(), 500);
    assert_eq!(client.delete(&url).send().await.unwrap().status(), 204);
    assert_eq!(get(&simulator, POLYGON).await.status(), 200);
    let wrong = client.post(&url).json(&serde_json::json!([{"kind": "earthquake"}])).send().await.unwrap();
    assert!(wrong.status().is_client_error());
}

#[tokio::test]
async fn an_answer_may_start_later_or_end_earlier_than_asked() {
    let simulator = start_at_noon().await;
    let path = "/v2/aggs/ticker/AAPL/range/1/day/2024-06-03/2024-06-14";
    let whole = times(&json(&simulator, path).await);
    simulator.control().add_faults([Fault::once(FaultKind::StartsLater), Fault::once(FaultKind::EndsEarlier)]);
    assert_eq!(times(&json(&simulator, path).await), whole[5..], "Sunday midnight is the middle");
    assert_eq!(times(&json(&simulator, path).await), whole[..5]);
    simulator.control().set_history_days(Some(33));
    assert_eq!(times(&json(&simulator, path).await), whole[5..], "33 days before 2024-07-10 noon");
    let days = "/v1/markets/history?symbol=AAPL&start=2024-06-03&end=2024-06-14";
    assert_eq!(json(&simulator, days).await["history"]["day"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_limit_may_say_when_to_come_back_as_a_date_or_not_at_all() {
    let simulator = start_at_noon().await;
    simulator.control().set_clock_skew(3_600_000);
    let limit = Fault::once(FaultKind::RateLimit);
    let as_date = Fault { retry_after_seconds: Some(90), retry_after_as_date: true, ..limit.clone() };
    simulator.control().add_faults([limit, as_date]);
    let silent = get(&simulator, POLYGON).await;
    assert_eq!((silent.status().as_u16(), silent.headers().get("retry-after")), (429, None));
    let told = get(&simulator, POLYGON).await;
    let read = |name: &str| {
        let text = told.headers()[name].to_str().unwrap();
        chrono::DateTime::parse_from_rfc2822(text).unwrap().timestamp()
    };
    assert!((89..=91).contains(&(read("retry-after") - read("date"))), "{:?}", told.headers());
}

#[tokio::test]
async fn rows_without_order_hold_every_true_one() {
    let simulator = start_at_noon().await;
    let whole = json(&simulator, POLYGON).await;
    let good = whole["results"].as_array().unwrap();
    simulator.control().add_faults([Fault::new(FaultKind::ShuffledRows)]);
    let first = json(&simulator, POLYGON).await;
    let rows = first["results"].as_array().unwrap();
    assert_eq!(rows.len(), good.len() + good.len().div_ceil(3) + (good.len() + 1) / 3);
    assert!(good.iter().all(|row| rows.contains(row)));
    assert!(!times(&first).is_sorted());
    let second = json(&simulator, POLYGON).await;
    assert_ne!(times(&first), times(&second), "another order each time");
}

#[tokio::test]
async fn false_values_come_beside_all_true_ones() {
    let simulator = start_at_noon().await;
    let whole = json(&simulator, POLYGON).await;
    let good = whole["results"].as_array().unwrap();
    simulator.control().add_faults([Fault::new(FaultKind::FalseValues)]);
    let body = json(&simulator, POLYGON).await;
    let rows = body["results"].as_array().unwrap();
    assert_eq!(rows.len(), good.len() + FALSE_VALUES);
    assert!(good.iter().all(|row| rows.contains(row)));
    assert!(rows.iter().any(|row| row["h"] == 1e308) && rows.iter().any(|row| row["v"] == -1.0));
    let body = json(&simulator, TRADIER).await;
    let days = body["history"]["day"].as_array().unwrap();
    assert!(days.iter().any(|day| day["high"] == "NaN") && days.iter().any(|day| day["close"] == "Infinity"));
}

#[tokio::test]
async fn a_half_sent_compression_breaks_off() {
    let simulator = with(FaultKind::HalfGzip).await;
    let mut stream = TcpStream::connect(simulator.url().trim_start_matches("http://")).await.unwrap();
    let request =
        format!("GET {POLYGON} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer key\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let body = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8_lossy(&answer[..body]).to_lowercase();
    assert!(head.starts_with("http/1.1 200") && head.contains("content-encoding: gzip"), "{head}");
    assert!(head.contains(&format!("content-length: {}", answer.len() - body)), "the body itself is whole: {head}");
    let announced = u16::from_le_bytes([answer[body + 11], answer[body + 12]]);
    assert_eq!(answer.len() - body - 15, usize::from(announced / 2));
}

#[tokio::test]
async fn malformed_bodies_come_one_after_another() {
    let simulator = with(FaultKind::MalformedBody).await;
    for want in malformed::BODIES.iter().chain(&malformed::BODIES[..1]) {
        let response = get(&simulator, POLYGON).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"application/json".parse().unwrap())
        );
        assert_eq!(response.bytes().await.unwrap(), want);
    }
}

#[tokio::test]
async fn a_slow_drip_is_the_true_answer_in_single_bytes() {
    let simulator = start_at_noon().await;
    let path = "/v1/markets/history?symbol=AAPL&start=2024-06-03&end=2024-06-03";
    let whole = get(&simulator, path).await.bytes().await.unwrap();
    simulator.control().set_drip(Duration::from_millis(1));
    simulator.control().add_faults([Fault::new(FaultKind::SlowDrip)]);
    let started = Instant::now();
    let mut response = get(&simulator, path).await;
    assert_eq!(response.chunk().await.unwrap().unwrap(), whole[..1]);
    let rest = response.bytes().await.unwrap();
    assert_eq!(rest, whole[1..]);
    assert!(started.elapsed() >= Duration::from_millis(u64::try_from(whole.len()).unwrap()));
}

#[tokio::test]
async fn an_endless_body_is_longer_than_the_huge_one() {
    let simulator = with(FaultKind::EndlessBody).await;
    let mut response = get(&simulator, POLYGON).await;
    let mut read = 0;
    while read <= 256 * 1024 * 1024 {
        read += response.chunk().await.unwrap().unwrap().len();
    }
}
