//! Coinbase, Binance and Kraken.

use tidemark_market::Venue;

use super::*;

/// Half past the hour after [`START`]: 2024-03-13T15:30:00Z.
const NOW: &str = "Wed, 13 Mar 2024 15:30:00 GMT";

fn venues(base_url: &str) -> [(Venue, Box<dyn Provider>); 3] {
    Venue::ALL.map(|venue| {
        let adapter: Box<dyn Provider> = Box::new(CryptoVenue::new(venue, keyless(base_url)).unwrap());
        (venue, adapter)
    })
}

const fn pair(venue: Venue) -> &'static str {
    match venue {
        Venue::Coinbase => "COINBASE:BTC-USD",
        Venue::Binance => "BINANCE:BTCUSDT",
        Venue::Kraken => "KRAKEN:XBTUSD",
    }
}

/// A row `minute` minutes after [`START`]; of `volume` 0 it is flat.
fn row(venue: Venue, minute: i64, volume: f64) -> Value {
    let ts = START.0 + minute * MINUTE;
    match venue {
        Venue::Coinbase => json!([ts / 1_000, 9.0, 11.0, 10.0, 10.5, volume]),
        Venue::Binance => json!([
            ts,
            "10.0",
            "11.0",
            "9.0",
            "10.5",
            volume.to_string(),
            ts + 59_999,
            (volume * 10.25).to_string(),
            7,
            "1",
            "1",
            "0"
        ]),
        Venue::Kraken => json!([ts / 1_000, "10.0", "11.0", "9.0", "10.5", "10.25", volume.to_string(), 7]),
    }
}

fn list(venue: Venue, rows: &[Value]) -> Value {
    match venue {
        Venue::Kraken => json!({"error": [], "result": {"XXBTZUSD": rows, "last": 1}}),
        _ => json!(rows),
    }
}

fn dated(body: &Value) -> Response {
    respond(200, &[("content-type", "application/json"), ("date", NOW)], body.to_string())
}

/// What each venue makes of `answer`, asked for ten minutes.
async fn each(
    answer: impl Fn(Venue) -> Response + Clone + Send + Sync + 'static,
) -> Vec<Result<Fetched, ProviderError>> {
    let mut outcomes = Vec::new();
    for venue in Venue::ALL {
        let answer = answer.clone();
        let stub = Stub::start(move |_, _| answer(venue)).await;
        let provider = venues(&stub.base_url).into_iter().find(|(at, _)| *at == venue).unwrap().1;
        outcomes.push(fetch(&*provider, &request(pair(venue), Timeframe::M1, 10)).await);
    }
    outcomes
}

#[tokio::test]
async fn rows_of_each_venue_are_read_as_the_same_bars() {
    for (venue, fetched) in Venue::ALL
        .into_iter()
        .zip(each(|venue| dated(&list(venue, &[-1, 10, 3, 0].map(|minute| row(venue, minute, 2.0))))).await)
    {
        let fetched = fetched.unwrap();
        let mut bars = fetched.bars.clone();
        bars.sort_by_key(|bar| bar.ts);
        assert_eq!(minutes(&bars), [0, 3], "what lies outside is trimmed");
        let told = venue != Venue::Coinbase;
        let want = Bar {
            vwap: told.then_some(10.25),
            trades: told.then_some(7),
            ..Bar::new(START, 10.0, 11.0, 9.0, 10.5, 2.0)
        };
        assert_eq!(bars[0], want, "{venue:?}");
        assert_eq!((fetched.adjusted, fetched.requests, fetched.unreadable_rows.len()), (false, 1, 0));
        assert_eq!(fetched.answered_at, Timestamp::parse("2024-03-13T15:30:00Z").unwrap());
    }
}

#[tokio::test]
async fn each_venue_is_asked_in_its_own_words_and_no_key_is_sent() {
    let stub = Stub::start(|_, uri| {
        let venue = if uri.contains("/products/") {
            Venue::Coinbase
        } else if uri.contains("/api/v3/") {
            Venue::Binance
        } else {
            Venue::Kraken
        };
        dated(&list(venue, &[]))
    })
    .await;
    for (venue, provider) in venues(&stub.base_url) {
        let hour = request(pair(venue), Timeframe::H1, 60);
        assert_eq!(fetch(&*provider, &hour).await.unwrap().bars, [], "no rows are no error");
        assert!(
            provider.supports(&hour.symbol, Timeframe::W1) && !provider.supports(&symbol("X:BTCUSD"), Timeframe::H1)
        );
        let elsewhere = fetch(&*provider, &request("X:BTCUSD", Timeframe::H1, 60)).await.unwrap_err();
        assert_eq!(elsewhere.code, "provider_bad_request");
    }
    let coinbase =
        "/products/BTC-USD/candles?granularity=3600&start=2024-03-13T14%3A00%3A00Z&end=2024-03-13T14%3A00%3A00Z";
    let binance = "/api/v3/klines?symbol=BTCUSDT&interval=1h&startTime=1710338400000&endTime=1710341999999&limit=1000";
    let kraken = "/0/public/OHLC?pair=XBTUSD&interval=60&since=1710338399";
    assert_eq!(stub.uris(), [coinbase, binance, kraken]);
    for asked in stub.asked.lock().unwrap().iter() {
        assert!(!asked.headers.contains_key(header::AUTHORIZATION), "{:?}", asked.headers);
        assert!(asked.headers.contains_key(header::USER_AGENT), "Coinbase refuses who does not say who asks");
    }
}

#[tokio::test]
async fn a_row_under_way_and_a_row_without_a_trade_are_no_bars() {
    // By the venue's clock it is minute 90: the row of minute 89 has just ended, that of minute 90 has begun.
    for venue in Venue::ALL {
        let rows: Vec<Value> =
            (85..=90).map(|minute| row(venue, minute, if minute == 87 { 0.0 } else { 2.0 })).collect();
        let body = list(venue, &rows);
        let stub = Stub::start(move |_, _| dated(&body)).await;
        let (_, provider) = venues(&stub.base_url).into_iter().find(|(at, _)| *at == venue).unwrap();
        let fetched = fetch(&*provider, &request(pair(venue), Timeframe::M1, 120)).await.unwrap();
        assert_eq!(minutes(&fetched.bars), [85, 86, 88, 89], "{venue:?}");
    }
}

#[tokio::test]
async fn long_slices_are_asked_for_in_pages_that_the_venue_allows() {
    for (venue, requests) in [(Venue::Coinbase, 5), (Venue::Binance, 2), (Venue::Kraken, 1)] {
        let stub = Stub::start(move |_, _| reply(&list(venue, &[]))).await;
        let (_, provider) = venues(&stub.base_url).into_iter().find(|(at, _)| *at == venue).unwrap();
        let told = Mutex::new(Vec::new());
        let day = request(pair(venue), Timeframe::M1, 1_440);
        let fetched = provider.fetch(&day, &|percent| told.lock().unwrap().push(percent)).await.unwrap();
        assert_eq!((fetched.requests, stub.uris().len()), (requests, requests as usize));
        let told = told.lock().unwrap();
        assert!(told.is_sorted() && told.last() == Some(&100), "{told:?}");
    }
}

#[tokio::test]
async fn what_a_venue_lacks_is_built_from_finer_bars() {
    let stub = Stub::start(|_, uri| match uri {
        uri if uri.contains("/api/v3/") => dated(&list(Venue::Binance, &[])),
        uri if uri.contains("/0/public/") => dated(&list(Venue::Kraken, &[])),
        _ => {
            dated(&list(Venue::Coinbase, &(-6..2).map(|hour| row(Venue::Coinbase, hour * 60, 1.0)).collect::<Vec<_>>()))
        }
    })
    .await;
    let coinbase = CryptoVenue::new(Venue::Coinbase, keyless(&stub.base_url)).unwrap();
    let slice = TimeRange { start: START.plus(-6 * 60 * MINUTE), end: START.plus(6 * 60 * MINUTE) };
    let asked = FetchRequest { slice, ..request("COINBASE:BTC-USD", Timeframe::H4, 60) };
    let fetched = fetch(&coinbase, &asked).await.unwrap();
    assert_eq!(minutes(&fetched.bars), [-360], "the four hours from 12:00 are not over");
    assert!(fetched.bars.iter().all(|bar| bar.volume == 4.0));

    let week =
        TimeRange { start: START.plus(-(3 * 24 + 14) * 60 * MINUTE), end: START.plus((3 * 24 + 10) * 60 * MINUTE) };
    for (venue, provider) in venues(&stub.base_url) {
        for timeframe in [Timeframe::M30, Timeframe::W1] {
            fetch(&*provider, &FetchRequest { slice: week, ..request(pair(venue), timeframe, 60) }).await.unwrap();
        }
    }
    let uris = stub.uris();
    let asked = |part: &str| uris.iter().filter(|uri| uri.contains(part)).count();
    assert_eq!((asked("granularity=3600"), asked("granularity=86400")), (1, 1));
    assert_eq!(asked("granularity=900"), 3, "a week of quarter hours in pages of 300: {uris:?}");
    assert_eq!((asked("interval=30m"), asked("interval=1d")), (1, 1), "{uris:?}");
    assert_eq!((asked("interval=30&"), asked("interval=1440&")), (1, 1), "{uris:?}");
}

#[tokio::test]
async fn the_first_week_that_kraken_no_longer_has_whole_is_left_out() {
    let kraken = CryptoVenue::new(Venue::Kraken, keyless("http://127.0.0.1:9")).unwrap();
    let now = Timestamp::parse("2024-03-13T15:30:10Z").unwrap();
    let reach = |timeframe| kraken.reach(Calendar::AlwaysOpen, timeframe, now).unwrap().to_string();
    assert_eq!(reach(Timeframe::M1), "2024-03-13T03:31:00Z", "719 minutes before the one under way");
    assert_eq!(reach(Timeframe::H4), "2023-11-14T16:00:00Z");
    assert_eq!(reach(Timeframe::D1), "2022-03-25T00:00:00Z");
    assert_eq!(reach(Timeframe::W1), "2022-03-27T00:00:00Z", "the first Sunday");

    // Days from Friday 2022-03-25 on, three weeks of them.
    let friday = Timestamp::parse("2022-03-25T00:00:00Z").unwrap();
    let first = (friday.0 - START.0) / MINUTE;
    let rows: Vec<Value> = (0..21).map(|day| row(Venue::Kraken, first + day * 1_440, 1.0)).collect();
    let stub = Stub::start(move |_, _| dated(&list(Venue::Kraken, &rows))).await;
    let slice = TimeRange { start: friday.plus(-5 * 1_440 * MINUTE), end: friday.plus(16 * 1_440 * MINUTE) };
    let asked = FetchRequest { slice, ..request("KRAKEN:XBTUSD", Timeframe::W1, 60) };
    let fetched = fetch(&CryptoVenue::new(Venue::Kraken, keyless(&stub.base_url)).unwrap(), &asked).await.unwrap();
    let weeks: Vec<String> = fetched.bars.iter().map(|bar| bar.ts.to_string()).collect();
    assert_eq!(weeks, ["2022-03-27T00:00:00Z", "2022-04-03T00:00:00Z"]);
}

#[tokio::test]
async fn what_a_venue_says_instead_of_bars_is_understood() {
    let said = |status: u16, body: Value| {
        each(move |_| respond(status, &[("content-type", "application/json"), ("retry-after", "9")], body.to_string()))
    };
    let coinbase = |outcomes: Vec<Result<Fetched, ProviderError>>| outcomes.into_iter().next().unwrap().unwrap_err();
    let binance = |outcomes: Vec<Result<Fetched, ProviderError>>| outcomes.into_iter().nth(1).unwrap().unwrap_err();
    let kraken = |outcomes: Vec<Result<Fetched, ProviderError>>| outcomes.into_iter().nth(2).unwrap().unwrap_err();
    for (error, code) in [
        (coinbase(said(404, json!({"message": "NotFound"})).await), "symbol_unknown"),
        (coinbase(said(429, json!({"message": "Public rate limit exceeded"})).await), "provider_throttled"),
        (coinbase(said(400, json!({"message": "granularity too small"})).await), "provider_bad_request"),
        (coinbase(said(503, json!({"message": "Unavailable"})).await), "provider_server_error"),
        (binance(said(400, json!({"code": -1_121, "msg": "Invalid symbol."})).await), "symbol_unknown"),
        (
            binance(said(429, json!({"code": -1_003, "msg": "Too much request weight used"})).await),
            "provider_throttled",
        ),
        (binance(said(418, json!({"code": -1_003, "msg": "banned until 1710338500000"})).await), "provider_throttled"),
        (binance(said(400, json!({"code": -1_120, "msg": "Invalid interval."})).await), "provider_bad_request"),
        (kraken(said(200, json!({"error": ["EQuery:Unknown asset pair"]})).await), "symbol_unknown"),
        (kraken(said(200, json!({"error": ["EGeneral:Too many requests"]})).await), "provider_throttled"),
        (kraken(said(429, json!({"error": []})).await), "provider_throttled"),
        (kraken(said(200, json!({"error": ["EService:Unavailable"]})).await), "provider_server_error"),
        (kraken(said(200, json!({"error": ["EGeneral:Invalid arguments"]})).await), "provider_bad_request"),
    ] {
        assert_eq!(error.code, code, "{error}");
        assert_eq!(error.retry_after, Some(Duration::from_secs(9)));
    }
    let warned = json!({"error": ["WQuery:slow"], "result": {"XXBTZUSD": [], "last": 1}});
    assert_eq!(said(200, warned).await.pop().unwrap().unwrap().bars, [], "a warning is no error");
}

#[tokio::test]
async fn a_country_that_binance_does_not_serve_is_told_where_to_go() {
    let body = json!({"code": 0, "msg": "Service unavailable from a restricted location"});
    let stub = Stub::start(move |_, _| respond(451, &[("content-type", "application/json")], body.to_string())).await;
    let binance = CryptoVenue::new(Venue::Binance, keyless(&stub.base_url)).unwrap();
    let error = fetch(&binance, &request("BINANCE:BTCUSDT", Timeframe::H1, 60)).await.unwrap_err();
    assert_eq!((error.class, error.code), (ErrorClass::Plan, "provider_restricted"));
    assert!(error.message.contains("a restricted location\"") && error.message.contains("COINBASE:BTC-USD"), "{error}");
    let error = binance.knows(&symbol("BINANCE:BTCUSDT")).await.unwrap_err();
    assert!(
        error.message.starts_with("The listing of BINANCE:BTCUSDT") && error.message.contains("COINBASE"),
        "{error}"
    );
}

#[tokio::test]
async fn a_body_that_is_no_list_of_rows_is_malformed() {
    for body in [json!({}), json!(null), json!("rows"), json!({"candles": []}), json!({"error": [], "result": {}})] {
        for outcome in each(move |_| reply(&body)).await {
            assert_eq!(outcome.unwrap_err().code, "provider_malformed");
        }
    }
    let ruined = |venue| list(venue, &[json!([]), json!({"time": 1}), json!([START.0 / 1_000, "NaN"])]);
    for outcome in each(move |venue| reply(&ruined(venue))).await {
        let error = outcome.unwrap_err();
        assert!(error.message.contains("none of its 3 rows can be read as a bar"), "{error}");
    }
    let mixed = |venue| list(venue, &[row(venue, 0, 1.0), json!(["x"]), row(venue, 1, 1.0)]);
    for outcome in each(move |venue| reply(&mixed(venue))).await {
        let fetched = outcome.unwrap();
        assert_eq!((fetched.bars.len(), fetched.unreadable_rows.len()), (2, 1));
    }
}

#[tokio::test]
async fn a_pair_is_known_under_the_venues_own_name_alone() {
    let stub = Stub::start(|_, uri| match uri {
        "/products/BTC-USD" => reply(&json!({"id": "BTC-USD", "base_currency": "BTC", "quote_currency": "USD"})),
        "/products/ODD-USD" => reply(&json!({"id": 7})),
        "/api/v3/exchangeInfo?symbol=BTCUSDT" => {
            reply(&json!({"symbols": [{"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT"}]}))
        }
        "/0/public/AssetPairs?pair=XBTUSD" | "/0/public/AssetPairs?pair=XXBTZUSD" => {
            reply(&json!({"error": [], "result": {"XXBTZUSD": {"altname": "XBTUSD", "wsname": "XBT/USD"}}}))
        }
        _ if uri.starts_with("/api/") => respond(400, &[], r#"{"code":-1121,"msg":"Invalid symbol."}"#),
        _ if uri.starts_with("/0/") => reply(&json!({"error": ["EQuery:Unknown asset pair"]})),
        _ => respond(404, &[], r#"{"message":"NotFound"}"#),
    })
    .await;
    let [(_, coinbase), (_, binance), (_, kraken)] = venues(&stub.base_url);
    let known = async |provider: &dyn Provider, text: &str| {
        let listing = provider.knows(&symbol(text)).await.unwrap()?;
        Some((listing.name.unwrap(), listing.currency))
    };
    let usd = || Some("USD".to_owned());
    assert_eq!(known(&*coinbase, "COINBASE:BTC-USD").await, Some(("BTC / USD at Coinbase".to_owned(), usd())));
    assert_eq!(known(&*binance, "BINANCE:BTCUSDT").await, Some(("BTC / USDT at Binance".to_owned(), None)));
    assert_eq!(known(&*kraken, "KRAKEN:XBTUSD").await, Some(("XBT / USD at Kraken".to_owned(), usd())));
    assert_eq!(known(&*kraken, "KRAKEN:XXBTZUSD").await, None, "one pair is one series");
    for (provider, text) in [(&coinbase, "COINBASE:NO-PE"), (&binance, "BINANCE:NOPE"), (&kraken, "KRAKEN:NOPE")] {
        assert_eq!(known(&**provider, text).await, None);
    }
    assert_eq!(coinbase.knows(&symbol("COINBASE:ODD-USD")).await.unwrap_err().code, "provider_malformed");
    let asked = stub.uris().len();
    assert_eq!(coinbase.knows(&symbol("AAPL")).await.unwrap(), None);
    assert_eq!(stub.uris().len(), asked);
}

#[tokio::test]
async fn the_simulator_is_read_without_a_bar_lost_at_every_timeframe() {
    let at = |text| Timestamp::parse(text).unwrap();
    let now = at("2024-03-13T15:30:20Z");
    let simulator = Simulator::start(SimulatorConfig { clock: Some(now), ..SimulatorConfig::default() }).await.unwrap();
    for timeframe in Timeframe::ALL {
        let length = if timeframe < Timeframe::H1 { 8 * 60 } else { 90 * 24 * 60 };
        let start = Calendar::AlwaysOpen.bar_start(timeframe, now.plus(-length * MINUTE));
        let slice = TimeRange { start, end: Calendar::AlwaysOpen.bar_end(timeframe, now) };
        let every = std::iter::successors(Some(start), |ts| Some(Calendar::AlwaysOpen.bar_end(timeframe, *ts)));
        let every = every.take_while(|ts| Calendar::AlwaysOpen.bar_end(timeframe, *ts) <= now).collect::<Vec<_>>();
        let generous = HttpSettings { max_body_bytes: 10_000_000, ..keyless(&simulator.url()) };
        let providers: [(Venue, Box<dyn Provider>); 3] = [
            (Venue::Coinbase, Box::new(CryptoVenue::new(Venue::Coinbase, generous.clone()).unwrap())),
            (Venue::Binance, Box::new(CryptoVenue::new(Venue::Binance, generous.clone()).unwrap())),
            (Venue::Kraken, Box::new(CryptoVenue::new(Venue::Kraken, generous).unwrap())),
        ];
        for (venue, provider) in providers {
            let asked = FetchRequest { slice, ..request(pair(venue), timeframe, 60) };
            let fetched = fetch(&*provider, &asked).await.unwrap();
            let checked = validate(fetched.bars, slice, &slice.into(), timeframe, asked.calendar);
            assert_eq!((fetched.unreadable_rows.len(), checked.quarantined.len()), (0, 0), "{venue:?} {timeframe}");
            assert_eq!(fetched.answered_at, at("2024-03-13T15:30:20Z"));
            let reach = provider.reach(asked.calendar, timeframe, now).unwrap_or(start);
            let times: Vec<_> = checked.bars.iter().map(|bar| bar.ts).filter(|ts| reach <= *ts).collect();
            let want: Vec<_> = every.iter().copied().filter(|ts| reach <= *ts).collect();
            if timeframe == Timeframe::M1 {
                assert!(times.len() * 10 > want.len() * 9 && times.len() < want.len(), "some minutes have no trade");
            } else {
                assert_eq!(times, want, "{venue:?} {timeframe}");
            }
        }
    }
    for (venue, provider) in venues(&simulator.url()) {
        assert!(provider.knows(&symbol(pair(venue))).await.unwrap().is_some());
        let unknown = pair(venue).replace(":", ":ZZZ");
        assert_eq!(provider.knows(&symbol(&unknown)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn the_same_bars_come_however_the_slices_are_cut() {
    let now = Timestamp::parse("2024-03-14T00:00:00Z").unwrap();
    let simulator = Simulator::start(SimulatorConfig { clock: Some(now), ..SimulatorConfig::default() }).await.unwrap();
    for (venue, provider) in venues(&simulator.url()) {
        let whole = fetch(&*provider, &request(pair(venue), Timeframe::M1, 500)).await.unwrap();
        let mut parts = Vec::new();
        for start in (0..500).step_by(125) {
            let slice = TimeRange { start: START.plus(start * MINUTE), end: START.plus((start + 125) * MINUTE) };
            let asked = FetchRequest { slice, ..request(pair(venue), Timeframe::M1, 1) };
            parts.extend(fetch(&*provider, &asked).await.unwrap().bars);
        }
        let sorted = |mut bars: Vec<Bar>| {
            bars.sort_by_key(|bar| bar.ts);
            bars
        };
        assert_eq!(sorted(parts), sorted(whole.bars), "{venue:?}");
    }
}
