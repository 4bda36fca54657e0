//! Coverage, layers, versions and splits over HTTP: a whole server, a real Postgres, a simulator for a provider.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgRow;
use sqlx::{Column, Row};
use support::{TestServer, config, eventually, simulator};
use tidemark_server::clock::Clock;
use tidemark_simulator::Simulator;

/// Every stored bar, as text.
async fn store(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "select concat_ws(' ', s.symbol, s.timeframe, layer, ts, open, high, low, close, volume, vwap, trades)
         from ohlc_bars_v2 b join series s on s.id = b.series_id order by 1",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

async fn coverage(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("select series_id || ' ' || layer || ' ' || covered::text from coverage_status order by 1")
        .fetch_all(pool)
        .await
        .unwrap()
}

/// A server for which no bar closes while a test looks at it.
async fn standing_still(pool: &PgPool, simulator: &Simulator) -> TestServer {
    let now = Clock::fixed(chrono::Utc::now().into());
    TestServer::start_at(pool, &config(&simulator.url()), now).await
}

async fn run(pool: &PgPool, sql: &'static str) {
    sqlx::query(sql).execute(pool).await.unwrap();
}

/// The first row, column by column, as text.
async fn row(pool: &PgPool, sql: &'static str) -> Vec<String> {
    let row: PgRow = sqlx::query(sql).fetch_one(pool).await.unwrap();
    row.columns().iter().map(|column| row.get::<Option<String>, _>(column.ordinal()).unwrap_or_default()).collect()
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_store_that_lost_a_third_of_its_bars_is_made_whole_by_one_hydrate(pool: PgPool) {
    let simulator = simulator().await;
    let server = standing_still(&pool, &simulator).await;
    for (symbol, timeframe, days) in [("AAPL", "m5", 12), ("X:BTCUSD", "h1", 40), ("MSFT", "d1", 400)] {
        server.hydrate(symbol, timeframe, days).await;
        server.at_rest(symbol, timeframe).await;
    }
    let (bars, covered) = (store(&pool).await, coverage(&pool).await);
    assert!(bars.len() > 1_500, "{} bars", bars.len());

    sqlx::raw_sql(
        "select setseed(0.42);
         create temp table lost as
             select series_id, layer, ts from ohlc_bars_v2 where random() < 0.3 order by series_id, layer, ts;
         delete from ohlc_bars_v2 b using lost l where (b.series_id, b.layer, b.ts) = (l.series_id, l.layer, l.ts);
         update coverage_status c set covered = covered - (
             select range_agg(tstzrange(l.ts, l.ts + case s.timeframe when 'm5' then interval '5 minutes'
                                                     when 'h1' then interval '1 hour' else interval '1 day' end))
             from lost l join series s on s.id = l.series_id where l.series_id = c.series_id and l.layer = c.layer
         );
         drop table lost",
    )
    .execute(&pool)
    .await
    .unwrap();
    assert!(store(&pool).await.len() < bars.len() * 8 / 10);

    for (symbol, timeframe, days) in [("AAPL", "m5", 12), ("X:BTCUSD", "h1", 40), ("MSFT", "d1", 400)] {
        server.hydrate(symbol, timeframe, days).await;
        let done = server.at_rest(symbol, timeframe).await;
        assert_eq!(done["failed"], 0, "{done}");
    }
    assert_eq!(store(&pool).await, bars);
    assert_eq!(coverage(&pool).await, covered);
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn what_was_known_at_a_moment_is_read_as_of_it(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    server.hydrate("AAPL", "d1", 60).await;
    server.at_rest("AAPL", "d1").await;
    let then = server.bars("AAPL", "d1", 60).await;
    let moment: String =
        sqlx::query_scalar("select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
            .fetch_one(&pool)
            .await
            .unwrap();

    // The provider corrects a bar and delivers one that it lacked before.
    run(&pool, "update ohlc_bars_v2 set close = low, fetched_at = fetched_at - interval '1 hour' where ts = (select max(ts) from ohlc_bars_v2)").await;
    run(&pool, "update coverage_status set covered = '{}'").await;
    let wrong = server.bars("AAPL", "d1", 60).await;
    assert_ne!(wrong["bars"], then["bars"]);
    server.hydrate("AAPL", "d1", 60).await;
    server.at_rest("AAPL", "d1").await;
    let now = server.bars("AAPL", "d1", 60).await;
    assert_eq!(now["bars"], then["bars"], "the correction is what the provider says");

    let from = then["window"]["start"].as_i64().unwrap();
    let path = format!("/api/v1/bars?symbol=AAPL&tf=d1&from={from}&as_of={moment}");
    let (_, as_of) = server.get(&path).await;
    assert_eq!(as_of["bars"], wrong["bars"], "at that moment the wrong value was held");
    let (_, before) = server.get("/api/v1/bars?symbol=AAPL&tf=d1&as_of=2001-01-01T00:00:00Z").await;
    assert_eq!(before["bars"], json!([]));
    let (status, problem) = server.get("/api/v1/bars?symbol=AAPL&tf=d1&as_of=2035-01-01T00:00:00Z").await;
    assert_eq!((status, &problem["code"]), (400, &json!("bad_range")));
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn no_one_writes_into_a_layer_what_does_not_belong_there(pool: PgPool) {
    let simulator = simulator().await;
    let server = standing_still(&pool, &simulator).await;
    server.hydrate("AAPL", "h1", 20).await;
    server.at_rest("AAPL", "h1").await;
    let insert = |layer: &str, ts: &str, band: &str| {
        format!(
            "insert into ohlc_bars_v2 (series_id, layer, ts, open, high, low, close, volume, revision, provider, adjusted, band_low, band_high)
             select id, '{layer}', {ts}, 1, 1, 1, 1, 1, 1, 'test', false, {band}, {band} from series"
        )
    };
    let midnight = "date_trunc('day', now())";
    for (layer, ts, band) in [
        ("historical", "date_trunc('hour', now())", "null"),
        ("intraday", "date_trunc('day', now()) - interval '30 days'", "null"),
        ("forecast", "date_trunc('day', now()) - interval '10 days'", "1"),
    ] {
        let refused = sqlx::query(sqlx::AssertSqlSafe(insert(layer, ts, band))).execute(&pool).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().constraint(), Some("layer_rule"), "{layer}: {refused}");
    }
    for (layer, ts, band) in [
        ("historical", "date_trunc('day', now()) - interval '25 days'", "null"),
        ("intraday", midnight, "null"),
        ("forecast", "date_trunc('day', now()) + interval '9 days'", "1"),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(insert(layer, ts, band))).execute(&pool).await.unwrap();
    }
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_settled_bar_replaces_the_recent_one_and_their_disagreement_is_kept(pool: PgPool) {
    let simulator = simulator().await;
    let server = standing_still(&pool, &simulator).await;
    server.hydrate("AAPL", "h1", 30).await;
    server.at_rest("AAPL", "h1").await;
    let settled = server.bars("AAPL", "h1", 30).await;

    // As if the oldest settled bars had been recent once: one with another close, one with a hair's difference.
    sqlx::raw_sql(
        "update series set intraday_from = '-infinity';
         insert into ohlc_bars_v2 (series_id, layer, ts, open, high, low, close, volume, revision, provider, adjusted)
         select series_id, 'intraday', ts, open, high, low, case n when 1 then low else close * 1.0000001 end, volume, 1, 'test', false
         from (select *, row_number() over (order by ts) as n from ohlc_bars_v2 where layer = 'historical' and close > low * 1.002 and close < high) b
         where n <= 2;
         update ohlc_bars_v2 b set close = high
         where layer = 'historical' and ts = (select min(ts) from ohlc_bars_v2 where layer = 'intraday');
         update coverage_status set covered = '{}' where layer = 'historical'",
    )
    .execute(&pool)
    .await
    .unwrap();
    server.hydrate("AAPL", "h1", 30).await;
    server.at_rest("AAPL", "h1").await;
    assert_eq!(server.bars("AAPL", "h1", 30).await["bars"], settled["bars"], "the settled value is shown");
    let kept = row(&pool, "select count(*)::text, (min(difference) > 0.001)::text from bar_disagreements").await;
    assert_eq!(kept, ["1", "true"]);
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_series_is_answered_from_a_finer_one_that_is_held(pool: PgPool) {
    let simulator = simulator().await;
    let server = standing_still(&pool, &simulator).await;
    server.hydrate("MSFT", "m15", 10).await;
    server.at_rest("MSFT", "m15").await;
    let requests = simulator.control().requests().requests.len();

    let hours = server.bars("MSFT", "h1", 3).await;
    assert_eq!((&hours["gaps"], &hours["derived"][0]["source"]), (&json!([]), &json!("m15")), "{hours}");
    let progress = server.hydrate("MSFT", "h1", 3).await;
    assert_eq!((&progress["queued"], &progress["hydration"]), (&json!(0), &json!(0)), "nothing has to be fetched");
    assert_eq!(simulator.control().requests().requests.len(), requests);

    // The provider's own hours, once the finer ones are gone, are the same.
    run(&pool, "update coverage_status set covered = '{}'").await;
    server.hydrate("MSFT", "h1", 3).await;
    server.at_rest("MSFT", "h1").await;
    let fetched = server.bars("MSFT", "h1", 3).await;
    assert_eq!((&fetched["bars"], &fetched["derived"]), (&hours["bars"], &json!([])));
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_split_is_read_without_fetching_anything_again(pool: PgPool) {
    let simulator = simulator().await;
    let server = standing_still(&pool, &simulator).await;
    server.hydrate("AAPL", "d1", 60).await;
    server.at_rest("AAPL", "d1").await;
    let (requests, traded) = (simulator.control().requests().requests.len(), server.bars("AAPL", "d1", 60).await);
    let revision = traded["revision"].as_u64().unwrap();

    let symbol = "AAPL".parse().unwrap();
    let middle = traded["bars"][20]["ts"].as_i64().unwrap();
    let split = tidemark_market::Split { at: tidemark_market::Timestamp(middle), from: 1.0, to: 4.0 };
    let coming =
        tidemark_market::Split { at: tidemark_market::Timestamp(middle + 86_400_000 * 365), from: 1.0, to: 9.0 };
    tidemark_server::db::splits::record(&pool, &symbol, &[split, coming], tidemark_server::db::splits::Source::File)
        .await
        .unwrap();
    assert_eq!(tidemark_server::db::splits::apply_due(&pool).await.unwrap().len(), 1);

    let adjusted = server.bars("AAPL", "d1", 60).await;
    assert!(adjusted["revision"].as_u64().unwrap() > revision);
    let close = |bars: &Value, at: usize| bars["bars"][at]["close"].as_f64().unwrap();
    assert!((close(&adjusted, 19) - close(&traded, 19) / 4.0).abs() < 1e-5);
    assert_eq!(close(&adjusted, 20), close(&traded, 20));
    let from = traded["window"]["start"].as_i64().unwrap();
    let (_, none) = server.get(&format!("/api/v1/bars?symbol=AAPL&tf=d1&from={from}&adjust=none")).await;
    assert_eq!(none["bars"], traded["bars"]);
    let (status, problem) = server.get("/api/v1/bars?symbol=AAPL&tf=d1&adjust=dividends").await;
    assert_eq!((status, &problem["code"]), (400, &json!("bad_request")));

    let path = format!("/api/page/chart_data?symbol=AAPL&timeframe=d1&from={from}&since={revision}");
    let frame = reqwest::get(format!("{}{path}", server.url)).await.unwrap().bytes().await.unwrap();
    let data = tidemark_market::wire::decode(&frame).unwrap();
    assert_eq!(data.since, None, "a page that holds the bars as they were read before gets them all again");
    assert_eq!(simulator.control().requests().requests.len(), requests);
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_series_can_hold_extended_hours_and_go_back(pool: PgPool) {
    let simulator = simulator().await;
    let server = standing_still(&pool, &simulator).await;
    server.hydrate("AAPL", "m15", 14).await;
    server.at_rest("AAPL", "m15").await;
    let regular = server.bars("AAPL", "m15", 14).await;

    let set = |hours: &'static str| {
        let server = &server;
        async move {
            let body = json!({ "symbol": "AAPL", "timeframe": "m15", "hours": hours });
            server.post("/api/v1/operator/series", &body).await
        }
    };
    assert_eq!(set("extended").await, (200, json!({ "changed": true })));
    assert_eq!(set("extended").await, (200, json!({ "changed": false })));
    assert_eq!(set("nightly").await.0, 422);
    server.hydrate("AAPL", "m15", 14).await;
    server.at_rest("AAPL", "m15").await;
    let extended = server.bars("AAPL", "m15", 14).await;
    let count = |bars: &Value| bars["bars"].as_array().unwrap().len();
    assert_eq!(extended["gaps"], json!([]));
    assert!(count(&extended) > count(&regular) * 3 / 2, "{} of {}", count(&extended), count(&regular));

    assert_eq!(set("regular").await.0, 200);
    server.hydrate("AAPL", "m15", 14).await;
    server.at_rest("AAPL", "m15").await;
    // Average price and trade count are told by the one provider and not by the other, and the layers' border moved.
    let traded = |bars: &Value| -> Vec<Value> {
        let bars = bars["bars"].as_array().unwrap().iter();
        bars.map(|bar| ["ts", "open", "high", "low", "close", "volume"].map(|name| bar[name].clone()).into()).collect()
    };
    assert_eq!(traded(&server.bars("AAPL", "m15", 14).await), traded(&regular));
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn one_empty_answer_is_asked_again_and_two_are_believed(pool: PgPool) {
    use tidemark_simulator::{Fault, FaultKind};
    let simulator = simulator().await;
    let server = standing_still(&pool, &simulator).await;
    simulator.control().add_faults([Fault::once(FaultKind::Empty)]);
    server.hydrate("AAPL", "d1", 60).await;
    server.at_rest("AAPL", "d1").await;
    let bars = server.bars("AAPL", "d1", 60).await;
    assert_eq!((&bars["gaps"], &bars["holes"]), (&json!([]), &json!([])), "the second answer was whole");
    assert!(bars["bars"].as_array().unwrap().len() > 30);

    simulator.control().add_faults([Fault::new(FaultKind::Empty)]);
    server.hydrate("MSFT", "d1", 60).await;
    let done = server.at_rest("MSFT", "d1").await;
    assert_eq!((&done["failed"], &done["success"]), (&json!(0), &json!(2)), "{done}");
    let bars = server.bars("MSFT", "d1", 60).await;
    let hole = &bars["holes"][0];
    assert_eq!((&bars["gaps"], &hole["reason"], &hole["checks"]), (&json!([]), &json!("empty"), &json!(2)), "{bars}");
    let again = server.hydrate("MSFT", "d1", 60).await;
    assert_eq!(again["queued"], 0, "what is believed to be empty is not asked for ever");
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_provider_that_silently_starts_later_does_not_cover_what_it_left_out(pool: PgPool) {
    use tidemark_simulator::{Fault, FaultKind};
    let simulator = simulator().await;
    let server = standing_still(&pool, &simulator).await;
    server.hydrate("AAPL", "d1", 120).await;
    server.at_rest("AAPL", "d1").await;
    let whole = server.bars("AAPL", "d1", 120).await;
    run(&pool, "truncate ohlc_bars_v2, coverage_status, job_runs").await;

    for (kind, times) in [(FaultKind::StartsLater, 1), (FaultKind::EndsEarlier, 1), (FaultKind::StartsLater, 2)] {
        simulator.control().add_faults([Fault { times: Some(times), ..Fault::new(kind) }]);
        server.hydrate("AAPL", "d1", 120).await;
        let done = server.at_rest("AAPL", "d1").await;
        assert_eq!(done["failed"], 0, "{done}");
        let bars = server.bars("AAPL", "d1", 120).await;
        assert_eq!(bars["gaps"], json!([]));
        if times == 1 {
            assert_eq!(bars["bars"], whole["bars"], "{kind:?}: what was left out was asked for again");
            assert_eq!(bars["holes"], json!([]));
        } else {
            let hole = &bars["holes"][0];
            assert_eq!(
                (&hole["reason"], &hole["checks"]),
                (&json!("empty"), &json!(2)),
                "{kind:?}: said twice, believed"
            );
            assert_eq!(hole["range"]["start"], whole["bars"][0]["ts"]);
        }
        run(&pool, "truncate ohlc_bars_v2, coverage_status, coverage_reasons, job_runs").await;
    }
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn the_newest_bars_of_a_late_provider_are_not_believed_to_be_empty(pool: PgPool) {
    use tidemark_simulator::{Fault, FaultKind};
    let simulator = simulator().await;
    let server = standing_still(&pool, &simulator).await;
    simulator.control().add_faults([Fault::new(FaultKind::Empty)]);
    server.hydrate("X:BTCUSD", "m1", 1).await;
    server.at_rest("X:BTCUSD", "m1").await;
    let late = server.bars("X:BTCUSD", "m1", 1).await;
    let gaps = late["gaps"].as_array().unwrap();
    let age = |gap: &Value| chrono::Utc::now().timestamp_millis() - gap["start"].as_i64().unwrap();
    assert!(!gaps.is_empty() && gaps.iter().all(|gap| age(gap) < 45 * 60_000), "{gaps:?}");
    assert_eq!(server.hydrate("X:BTCUSD", "m1", 1).await["queued"], 0, "it is not asked for again at once");

    simulator.control().clear_faults();
    run(&pool, "update coverage_reasons set ask_again_at = now() where ask_again_at is not null").await;
    server.hydrate("X:BTCUSD", "m1", 1).await;
    server.at_rest("X:BTCUSD", "m1").await;
    let bars = server.bars("X:BTCUSD", "m1", 1).await;
    assert!(!bars["bars"].as_array().unwrap().is_empty());
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn what_failed_is_not_asked_for_by_itself_before_its_time(pool: PgPool) {
    use tidemark_simulator::{Fault, FaultKind};
    let simulator = simulator().await;
    let server = standing_still(&pool, &simulator).await;
    simulator.control().add_faults([Fault::new(FaultKind::ServerError)]);
    server.hydrate("AAPL", "d1", 60).await;
    server.at_rest("AAPL", "d1").await;
    let holes = &server.bars("AAPL", "d1", 60).await["holes"];
    assert_eq!(holes[0]["reason"], "failed", "{holes}");
    simulator.control().clear_faults();

    let held = server.hydrate("AAPL", "d1", 60).await;
    assert_eq!((&held["queued"], &held["failed"]), (&json!(0), &json!(1)));
    run(&pool, "update coverage_reasons set ask_again_at = now() - interval '1 second'").await;
    server.hydrate("AAPL", "d1", 60).await;
    eventually(|| async {
        let bars = server.bars("AAPL", "d1", 60).await;
        (bars["gaps"] == json!([]) && bars["holes"] == json!([])).then_some(())
    })
    .await;
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_split_that_its_source_takes_back_or_tells_otherwise_is_read_as_it_is_told_now(pool: PgPool) {
    use tidemark_market::{Split, Timestamp};
    use tidemark_server::db::splits::{Source, apply_due, record};
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    server.hydrate("AAPL", "d1", 60).await;
    server.at_rest("AAPL", "d1").await;
    let bars = server.bars("AAPL", "d1", 60).await;
    let symbol = "AAPL".parse().unwrap();
    let split = |at: usize, to| Split { at: Timestamp(bars["bars"][at]["ts"].as_i64().unwrap()), from: 1.0, to };
    let first_close = || async { server.bars("AAPL", "d1", 60).await["bars"][0]["close"].as_f64().unwrap() };
    let traded = first_close().await;
    let tells = |splits: Vec<Split>| {
        let (pool, symbol) = (&pool, &symbol);
        async move {
            record(pool, symbol, &splits, Source::Provider("polygon")).await.unwrap();
            apply_due(pool).await.unwrap();
        }
    };
    let is_nearly = |a: f64, b: f64| (a - b).abs() < 1e-5;

    tells(vec![split(10, 2.0)]).await;
    assert!(is_nearly(first_close().await, traded / 2.0));
    let then = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    tells(vec![split(11, 4.0), split(11, 4.0)]).await;
    assert!(is_nearly(first_close().await, traded / 4.0), "moved and corrected, and told twice");
    tells(Vec::new()).await;
    assert!(is_nearly(first_close().await, traded), "called off");

    let from = bars["window"]["start"].as_i64().unwrap();
    let (_, past) = server.get(&format!("/api/v1/bars?symbol=AAPL&tf=d1&from={from}&as_of={then}")).await;
    assert!(is_nearly(past["bars"][0]["close"].as_f64().unwrap(), traded / 2.0), "what was known then");

    record(&pool, &symbol, &[split(10, 3.0)], Source::File).await.unwrap();
    tells(vec![split(10, 5.0)]).await;
    assert!(is_nearly(first_close().await, traded / 3.0), "a file stands against the provider");
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn weeks_over_both_changes_of_clocks_are_complete(pool: PgPool) {
    let simulator = simulator().await;
    let server = standing_still(&pool, &simulator).await;
    for symbol in ["AAPL", "C:EURUSD"] {
        server.hydrate(symbol, "w1", 800).await;
        let done = server.at_rest(symbol, "w1").await;
        assert_eq!(done["failed"], 0, "{done}");
        let bars = server.bars(symbol, "w1", 800).await;
        assert_eq!((&bars["gaps"], &bars["holes"]), (&json!([]), &json!([])), "{symbol}");
    }
    let rechecks: i64 =
        sqlx::query_scalar("select count(*) from job_runs where is_recheck").fetch_one(&pool).await.unwrap();
    assert_eq!(rechecks, 0);
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_standing_wish_is_kept_though_a_finer_series_answers_it_now(pool: PgPool) {
    let simulator = simulator().await;
    let server = standing_still(&pool, &simulator).await;
    server.hydrate("MSFT", "m15", 10).await;
    server.at_rest("MSFT", "m15").await;
    let from = (chrono::Utc::now() - chrono::Duration::days(3)).timestamp_millis();
    let body = json!({ "symbol": "MSFT", "timeframe": "h1", "from": from, "schedule": "every 5m" });
    assert_eq!(server.post("/api/v1/hydrate", &body).await.0, 202);
    let wishes = "select count(*)::text, min(schedule) from job_definitions where timeframe = 'h1'";
    assert_eq!(row(&pool, wishes).await, ["2", "every 5m"]);
    server.stop().await;
}
