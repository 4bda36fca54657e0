//! The adapters against bodies that the real providers once sent, served again over HTTP.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use serde_json::Value;
use tidemark_market::validate::{Validated, validate};
use tidemark_market::{Bar, Hours, Spans, Split, Symbol, TimeRange, Timeframe, Timestamp, Venue};
use tidemark_server::providers::{
    ApiKey, CryptoVenue, FetchRequest, Fetched, HttpSettings, Limit, Polygon, Provider, ProviderError, Tradier,
};
use tidemark_simulator::{Feed, Simulator, SimulatorConfig};
use tokio::net::TcpListener;

/// The recorded text; `None`, said aloud, where there are no fixtures.
fn recorded(path: &str) -> Option<String> {
    let folder =
        std::env::var_os("TIDEMARK_FIXTURES").map_or_else(|| PathBuf::from("../../shared/fixtures"), PathBuf::from);
    let text = std::fs::read_to_string(folder.join(path)).ok();
    if text.is_none() {
        eprintln!("skipped: no {path} in {}", folder.display());
    }
    text
}

/// The address of a server that answers everything with this.
async fn serve(status: u16, headers: &[(&str, &str)], body: &str) -> HttpSettings {
    let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let body = body.to_owned();
    let app = Router::new().fallback(move || {
        let mut response = Response::builder().status(status);
        for (name, value) in &headers {
            response = response.header(name, value);
        }
        let response: Response = response.body(body.clone().into()).unwrap();
        async move { response }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    HttpSettings {
        name: "recorded".to_owned(),
        base_url,
        key: Some(ApiKey::from("key".to_owned())),
        synthetic: false,
        limit: Limit::NONE,
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(5),
        total_timeout: Duration::from_secs(10),
        max_body_bytes: 1_000_000,
    }
}

async fn polygon(body: &str) -> Polygon {
    Polygon::new(serve(200, &[("content-type", "application/json")], body).await).unwrap()
}

async fn tradier(body: &str) -> Tradier {
    Tradier::new(serve(200, &[("content-type", "application/json;charset=UTF-8")], body).await).unwrap()
}

/// Without a key, at a time of the provider's clock.
async fn venue(date: &str, body: &str) -> HttpSettings {
    HttpSettings { key: None, ..serve(200, &[("content-type", "application/json"), ("date", date)], body).await }
}

fn asked(symbol: &str, timeframe: Timeframe, start: &str, end: &str) -> FetchRequest {
    let at = |text| Timestamp::parse(text).unwrap();
    let slice = TimeRange::new(at(start), at(end)).unwrap();
    let symbol: Symbol = symbol.parse().unwrap();
    FetchRequest { calendar: symbol.calendar(Hours::Regular), symbol, timeframe, slice }
}

async fn fetch(provider: &dyn Provider, request: &FetchRequest) -> Result<Fetched, ProviderError> {
    provider.fetch(request, &|_| {}).await
}

/// As the worker sorts them out, by the exchange's sessions.
fn checked(fetched: &Fetched, request: &FetchRequest) -> Validated {
    let calendar = request.calendar;
    let sessions: Spans =
        calendar.session_spans(request.timeframe, request.slice, Timestamp(i64::MAX / 2)).into_iter().collect();
    validate(fetched.bars.clone(), request.slice, &sessions, request.timeframe, calendar)
}

#[tokio::test]
async fn polygon_day_bars_of_a_stock_lie_on_the_exchanges_days() {
    let Some(body) = recorded("polygon/aggs_AAPL_1day_2023-01-01_2023-01-10_asc.json") else { return };
    let request = asked("AAPL", Timeframe::D1, "2023-01-01T05:00:00Z", "2023-01-11T05:00:00Z");
    let fetched = fetch(&polygon(&body).await, &request).await.unwrap();
    let first = Bar {
        vwap: Some(125.725),
        trades: Some(1_021_065),
        ..Bar::new(Timestamp(1_672_722_000_000), 130.28, 130.9, 124.17, 125.07, 112_117_471.0)
    };
    assert_eq!(fetched.bars[0], first);
    assert_eq!((fetched.adjusted, fetched.requests, fetched.unreadable_rows.len()), (true, 1, 0));
    let checked = checked(&fetched, &request);
    assert_eq!((checked.bars.len(), checked.quarantined.len(), checked.out_of_session), (6, 0, 0));
}

#[tokio::test]
async fn polygon_day_bars_of_a_pair_lie_on_utc_days_with_fractions_of_a_coin() {
    let Some(body) = recorded("polygon/aggs_X_BTCUSD_1day_2023-01-01_2023-01-10_asc.json") else { return };
    let request = asked("X:BTCUSD", Timeframe::D1, "2023-01-01T00:00:00Z", "2023-01-11T00:00:00Z");
    let fetched = fetch(&polygon(&body).await, &request).await.unwrap();
    assert!((fetched.bars[0].volume - 12_300.315_533_316_923).abs() < 1e-9, "{:?}", fetched.bars[0]);
    let checked = checked(&fetched, &request);
    assert_eq!((checked.bars.len(), checked.quarantined.len()), (10, 0));
}

#[tokio::test]
async fn polygon_bars_under_daylight_saving_time_lie_on_the_exchanges_days() {
    let path = "polygon/clientpy_v2_aggs_ticker_AAPL_range_1_day_2005-04-01_2005-04-04.json";
    let Some(body) = recorded(path) else { return };
    let request = asked("AAPL", Timeframe::D1, "2005-04-01T05:00:00Z", "2005-04-05T04:00:00Z");
    let fetched = fetch(&polygon(&body).await, &request).await.unwrap();
    let starts: Vec<_> = checked(&fetched, &request).bars.iter().map(|bar| bar.ts.to_string()).collect();
    assert_eq!(starts, ["2005-04-01T05:00:00Z", "2005-04-04T04:00:00Z"]);
}

#[tokio::test]
async fn polygon_minutes_before_the_open_are_read_and_left_to_the_caller() {
    let Some(body) = recorded("polygon/partial_AAPL_1minute_2023-01-03_premarket.json") else { return };
    let request = asked("AAPL", Timeframe::M1, "2023-01-03T09:00:00Z", "2023-01-03T14:30:00Z");
    let fetched = fetch(&polygon(&body).await, &request).await.unwrap();
    assert_eq!((fetched.bars.len(), fetched.bars[0].vwap, fetched.bars[0].trades), (35, None, Some(208)));
    // The recording breaks off in its last row.
    assert_eq!(fetched.unreadable_rows, ["row 36: v is missing, at 2023-01-03T09:48:00Z"]);
    let checked = checked(&fetched, &request);
    assert_eq!((checked.bars.len(), checked.quarantined.len(), checked.out_of_session), (0, 0, 35));

    let later = asked("AAPL", Timeframe::M1, "2023-01-03T09:01:00Z", "2023-01-03T09:03:00Z");
    assert_eq!(fetch(&polygon(&body).await, &later).await.unwrap().bars.len(), 2, "what is not asked for is trimmed");
}

#[tokio::test]
async fn polygon_previous_day_is_read_though_it_says_more() {
    let Some(body) = recorded("polygon/clientpy_v2_aggs_ticker_AAPL_prev.json") else { return };
    let request = asked("AAPL", Timeframe::D1, "2022-04-26T04:00:00Z", "2022-04-27T04:00:00Z");
    let fetched = fetch(&polygon(&body).await, &request).await.unwrap();
    assert_eq!((fetched.bars.len(), fetched.bars[0].volume), (1, 95_595_226.0));
}

#[tokio::test]
async fn polygon_bodies_of_other_endpoints_are_not_taken_for_bars() {
    for path in [
        "polygon/clientpy_v3_reference_splits.json",
        "polygon/clientpy_v1_marketstatus_now.json",
        "polygon/clientpy_v1_marketstatus_upcoming.json",
    ] {
        let Some(body) = recorded(path) else { return };
        let request = asked("AAPL", Timeframe::D1, "2022-04-26T04:00:00Z", "2022-04-27T04:00:00Z");
        assert_eq!(fetch(&polygon(&body).await, &request).await.unwrap_err().code, "provider_malformed", "{path}");
    }
}

#[tokio::test]
async fn polygon_splits_of_one_ticker_are_found_among_those_of_others() {
    let Some(body) = recorded("polygon/clientpy_v3_reference_splits.json") else { return };
    let polygon = polygon(&body).await;
    let splits = async |text: &str| polygon.splits(&text.parse().unwrap()).await.unwrap().unwrap();
    let split = |at: &str, from, to| Split { at: Timestamp::parse(at).unwrap(), from, to };
    assert_eq!(splits("GOOGL").await, [split("2022-07-18T04:00:00Z", 1.0, 20.0)]);
    assert_eq!(splits("BRW").await, [split("2022-05-20T04:00:00Z", 2.0, 1.0)], "two shares became one");
    assert_eq!(splits("CIG.C").await, [split("2022-05-02T04:00:00Z", 3.0, 4.0)]);
    assert_eq!(splits("AAPL").await, []);
}

#[tokio::test]
async fn binance_klines_are_read_with_their_texts_as_numbers() {
    let Some(body) = recorded("binance/klines_BTCUSDT_1m_2021-10-22.json") else { return };
    let binance = CryptoVenue::new(Venue::Binance, venue("Fri, 22 Oct 2021 23:30:00 GMT", &body).await).unwrap();
    let request = asked("BINANCE:BTCUSDT", Timeframe::M1, "2021-10-22T23:00:00Z", "2021-10-23T00:00:00Z");
    let fetched = fetch(&binance, &request).await.unwrap();
    let rows: Value = serde_json::from_str(&body).unwrap();
    let rows = rows.as_array().unwrap();
    let first = Bar {
        vwap: Some(1_313_200.013_404_1 / 21.632_72),
        trades: Some(617),
        ..Bar::new(Timestamp(1_634_943_780_000), 60_685.22, 60_729.84, 60_670.9, 60_719.27, 21.632_72)
    };
    assert_eq!((fetched.bars[0], fetched.bars.len(), fetched.unreadable_rows.len()), (first, rows.len(), 0));
    let checked = checked(&fetched, &request);
    assert_eq!((checked.bars.len(), checked.quarantined.len(), checked.out_of_session), (rows.len(), 0, 0));

    let earlier = CryptoVenue::new(Venue::Binance, venue("Fri, 22 Oct 2021 23:05:30 GMT", &body).await).unwrap();
    let last = fetch(&earlier, &request).await.unwrap().bars.last().map(|bar| bar.ts.to_string());
    assert_eq!(last.as_deref(), Some("2021-10-22T23:04:00Z"), "the minute under way is left out");
}

#[tokio::test]
async fn kraken_rows_without_a_trade_and_the_one_that_is_not_committed_are_no_bars() {
    let Some(body) = recorded("kraken/ohlc_XBTUSDT_1m.json") else { return };
    let kraken = CryptoVenue::new(Venue::Kraken, venue("Tue, 11 Nov 2025 00:17:05 GMT", &body).await).unwrap();
    let request = asked("KRAKEN:XBTUSDT", Timeframe::M1, "2025-11-10T12:00:00Z", "2025-11-11T01:00:00Z");
    let fetched = fetch(&kraken, &request).await.unwrap();
    // 721 rows; nothing was traded in 216 of them, among which is the last one, under way.
    assert_eq!((fetched.bars.len(), fetched.unreadable_rows.len()), (721 - 216, 0));
    assert!(fetched.bars.iter().all(|bar| bar.volume > 0.0 && bar.trades > Some(0)));
    let checked = checked(&fetched, &request);
    assert_eq!((checked.quarantined.len(), checked.out_of_session), (0, 0));
}

/// The bars of a table with the columns `t,o,h,l,c,v`, in eight decimals, which is all that a venue tells: the tables
/// were written from floating-point numbers and have their noise.
fn table(text: &str) -> Vec<Bar> {
    let eight_decimals = |field: &str| format!("{:.8}", field.parse::<f64>().unwrap()).parse().unwrap();
    let row = |line: &str| {
        let number: Vec<f64> = line.split(',').map(eight_decimals).collect();
        Bar::new(Timestamp(number[0] as i64), number[1], number[2], number[3], number[4], number[5])
    };
    text.lines().skip(1).map(row).collect()
}

#[tokio::test]
async fn recorded_bars_go_through_a_venues_pages_and_come_out_equal() {
    for (symbol, timeframe, path) in [
        ("COINBASE:BTC-USD", Timeframe::M1, "coinbase/minute_BTCUSD_20180404.csv"),
        ("COINBASE:ETH-USD", Timeframe::M1, "coinbase/minute_ETHUSD_20180405.csv"),
        ("BINANCE:XRPETH", Timeframe::M5, "binance/freqtrade_XRP_ETH-5m.csv"),
        ("BINANCE:ETHBTC", Timeframe::M5, "binance/freqtrade_ETH_BTC-5m.csv"),
    ] {
        let Some(text) = recorded(path) else { return };
        let bars = table(&text);
        let symbol: Symbol = symbol.parse().unwrap();
        let feeds = vec![Feed { symbol: symbol.clone(), timeframe, bars: bars.clone() }];
        let simulator = Simulator::start(SimulatorConfig { feeds, ..SimulatorConfig::default() }).await.unwrap();
        let settings = HttpSettings { base_url: simulator.url(), ..venue("", "").await };
        let provider: Box<dyn Provider> = match symbol.at_venue() {
            Some((Venue::Coinbase, _)) => Box::new(CryptoVenue::new(Venue::Coinbase, settings).unwrap()),
            _ => Box::new(CryptoVenue::new(Venue::Binance, settings).unwrap()),
        };
        let slice = TimeRange { start: bars[0].ts, end: bars[bars.len() - 1].ts.plus(timeframe.millis()) };
        let request = FetchRequest { calendar: symbol.calendar(Hours::Regular), symbol, timeframe, slice };
        let mut fetched = fetch(&*provider, &request).await.unwrap().bars;
        fetched.sort_by_key(|bar| bar.ts);
        let plain = fetched.iter().map(|bar| Bar { vwap: None, trades: None, ..*bar }).collect::<Vec<_>>();
        assert_eq!(plain, bars, "{path}");
    }
}

#[tokio::test]
async fn candles_of_coinbases_other_api_are_not_taken_for_bars() {
    let Some(body) = recorded("coinbase/advanced_candles_BTC-USD_1h.json") else { return };
    let coinbase = CryptoVenue::new(Venue::Coinbase, venue("Thu, 04 Apr 2024 02:00:00 GMT", &body).await).unwrap();
    let request = asked("COINBASE:BTC-USD", Timeframe::H1, "2024-04-04T00:00:00Z", "2024-04-04T02:00:00Z");
    let error = fetch(&coinbase, &request).await.unwrap_err();
    assert_eq!(error.code, "provider_malformed");
    assert!(error.message.contains("its answer is no list of candles"), "{error}");
}

#[tokio::test]
async fn tradier_days_come_with_the_rate_limit_in_their_headers() {
    let Some(body) = recorded("tradier/history_AAPL_daily_2024-02.json") else { return };
    let Some(recording) = recorded("tradier/history_AAPL_daily_2024-02.headers.json") else { return };
    let recording: Value = serde_json::from_str(&recording).unwrap();
    let headers = recording["headers"].as_object().unwrap();
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    let tradier = Tradier::new(serve(200, &headers, &body).await).unwrap();

    let request = asked("AAPL", Timeframe::D1, "2024-02-01T05:00:00Z", "2024-03-01T05:00:00Z");
    let fetched = fetch(&tradier, &request).await.unwrap();
    let told = fetched.allowance.unwrap();
    let resets_at = Timestamp::parse("2024-03-09T16:47:00Z").unwrap();
    assert_eq!((told.allowed, told.available, told.resets_at), (200, 199, resets_at));
    let first = Bar::new(Timestamp(1_706_763_600_000), 183.985, 186.95, 183.82, 186.86, 64_885_408.0);
    assert_eq!(fetched.bars[0], first);
    let checked = checked(&fetched, &request);
    assert_eq!((checked.bars.len(), checked.quarantined.len(), checked.out_of_session), (20, 0, 0));
}

#[tokio::test]
async fn tradier_minutes_are_read_by_their_epoch_seconds() {
    let Some(body) = recorded("tradier/timesales_AAPL_1min_2019-05-09_doc.json") else { return };
    let request = asked("AAPL", Timeframe::M1, "2019-05-09T13:30:00Z", "2019-05-09T15:30:00Z");
    let fetched = fetch(&tradier(&body).await, &request).await.unwrap();
    let first = Bar {
        vwap: Some(199.77806),
        ..Bar::new(Timestamp(1_557_408_600_000), 200.46, 200.53, 198.76, 200.1154, 1_273_841.0)
    };
    assert_eq!(fetched.bars[0], first);
    let checked = checked(&fetched, &request);
    assert_eq!((checked.bars.len(), checked.quarantined.len(), checked.out_of_session), (3, 0, 0));
}

#[tokio::test]
async fn tradier_ticks_are_not_taken_for_bars() {
    let Some(body) = recorded("tradier/rb_timesales.json") else { return };
    let request = asked("AAPL", Timeframe::M1, "2013-06-10T13:30:00Z", "2013-06-10T20:00:00Z");
    let error = fetch(&tradier(&body).await, &request).await.unwrap_err();
    assert_eq!(error.code, "provider_malformed");
    assert!(
        error.message.contains("none of its 590 rows can be read as a bar (row 1: timestamp is missing)"),
        "{error}"
    );
}

#[tokio::test]
async fn tradier_refuses_a_wrong_key_in_plain_text() {
    let Some(recording) = recorded("tradier/error_401_invalid_token.json") else { return };
    let recording: Value = serde_json::from_str(&recording).unwrap();
    let text = recording["body_text"].as_str().unwrap();
    let settings = serve(401, &[("content-type", "plain/text")], text).await;
    let request = asked("AAPL", Timeframe::H1, "2024-03-13T13:00:00Z", "2024-03-13T15:00:00Z");
    let error = fetch(&Tradier::new(settings).unwrap(), &request).await.unwrap_err();
    assert_eq!(error.code, "provider_unauthorized");
    assert_eq!(
        error.message,
        "AAPL h1 from 2024-03-13T13:00:00Z to 2024-03-13T15:00:00Z could not be fetched from recorded: \
         it answered HTTP 401, \"Invalid Access Token\". Check the provider's key in the configuration."
    );
}
