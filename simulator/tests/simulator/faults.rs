//! Each fault as a client meets it.

use std::time::Duration;

use serde_json::Value;
use tidemark_simulator::{Fault, FaultKind, Provider, Simulator};

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
