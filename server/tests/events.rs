//! What listeners are told: many of them, some that never read, some that come back, and databases that do not tell.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use support::processes::{Launch, url_of};
use support::{DEADLINE, TestServer, at_rest, short_slices, simulator, witness};
use tidemark_app::backend::SeriesKey;
use tidemark_server::queue::notifier::{CHANGED_CHANNEL, notifier, read};
use tidemark_simulator::{Fault, FaultKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// One event of a stream.
#[derive(Clone, Debug)]
struct Told {
    id: String,
    kind: String,
    data: Value,
}

/// A listener of AAPL h1 by a connection of its own.
struct Listener {
    stream: TcpStream,
    text: String,
}

impl Listener {
    async fn connect(url: &str, last_id: Option<&str>) -> Self {
        Self::of(url, "symbol=AAPL&tf=h1", last_id).await
    }

    /// Of what the query names.
    async fn of(url: &str, query: &str, last_id: Option<&str>) -> Self {
        let addr: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
        let stream = TcpStream::connect(addr).await.unwrap();
        Self::ask(stream, query, last_id).await
    }

    /// With room for hardly a packet, so that what is not read soon stays with the server.
    async fn narrow(url: &str) -> Self {
        let addr: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(2_048).unwrap();
        Self::ask(socket.connect(addr).await.unwrap(), "symbol=AAPL&tf=h1", None).await
    }

    async fn ask(mut stream: TcpStream, query: &str, last_id: Option<&str>) -> Self {
        let last_id = last_id.map_or_else(String::new, |id| format!("last-event-id: {id}\r\n"));
        let request = format!("GET /api/v1/events?{query} HTTP/1.1\r\nhost: x\r\n{last_id}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Self { stream, text: String::new() }
    }

    /// The events to come now, once there is one; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Vec<Told>> {
        loop {
            let mut piece = vec![0; 64 * 1024];
            let length = self.stream.read(&mut piece).await.ok().filter(|length| *length > 0)?;
            self.text.push_str(std::str::from_utf8(&piece[..length]).unwrap());
            let whole = self.text.rfind("\n\n").map_or(0, |end| end + 2);
            let told: Vec<Told> =
                self.text.drain(..whole).collect::<String>().split("\n\n").filter_map(read_event).collect();
            if !told.is_empty() {
                return Some(told);
            }
        }
    }

    /// Reads until an event is as wanted; all that came.
    async fn until(&mut self, is_wanted: impl Fn(&Told) -> bool) -> Vec<Told> {
        let mut all = Vec::new();
        let reading = async {
            while let Some(told) = self.next().await {
                all.extend(told);
                if all.iter().any(&is_wanted) {
                    return;
                }
            }
            panic!("the stream ended first: {:?}", all.last());
        };
        tokio::time::timeout(DEADLINE, reading).await.expect("the event comes");
        all
    }
}

/// Chunks' lengths stand between events; nothing of an event looks like one.
fn read_event(text: &str) -> Option<Told> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let data = serde_json::from_str(&field("data: ")?).unwrap();
    Some(Told { id: field("id: ")?, kind: field("event: ")?, data })
}

/// The progress of a hydration that is at rest and has slices.
fn is_final(told: &Told) -> bool {
    let (progress, is) = (&told.data, |name: &str, value: i64| told.data[name] == value);
    told.kind == "progress" && is("queued", 0) && is("running", 0) && is("percent", 100) && progress["success"] != 0
}

fn hydration(days: i64) -> Value {
    let from = (chrono::Utc::now() - chrono::Duration::days(days)).timestamp_millis();
    json!({ "symbol": "AAPL", "timeframe": "h1", "from": from })
}

async fn count(pool: &PgPool, what: &'static str) -> i64 {
    sqlx::query_scalar(what).fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn listeners_that_never_read_cost_the_others_nothing(pool: PgPool) {
    let simulator = simulator().await;
    simulator.control().set_latency(Duration::from_millis(50));
    let process = Launch::serve(&url_of(&pool), &simulator.url()).start().await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(Listener::narrow(&process.url).await);
    }
    let mut healthy = Vec::new();
    for _ in 0..20 {
        healthy.push(Listener::connect(&process.url, None).await);
    }
    let before = process.peak_memory();
    assert_eq!(process.post("/api/v1/hydrate", &hydration(10)).await.0, 202);
    let mut reading = JoinSet::new();
    for mut listener in healthy {
        reading.spawn(async move {
            listener.until(is_final).await;
            Instant::now()
        });
    }
    let at_rest = at_rest(&process.url, "AAPL", "h1").await;
    let rested = Instant::now();
    assert_eq!(at_rest["failed"], 0, "{at_rest}");
    for told in reading.join_all().await {
        let after = told.saturating_duration_since(rested);
        assert!(after < Duration::from_secs(2), "the end was told {after:?} after it was there");
    }
    let grown = process.peak_memory().saturating_sub(before) / 1_048_576;
    assert!(grown < 64, "{grown} MiB more");

    // One that reads at last is told how it is now, however long it did not read.
    let late = silent[0].until(is_final).await;
    assert!(late.last().unwrap().data["success"] == at_rest["success"], "{late:?}");
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_thousand_listeners_are_told_the_end_over_one_database_connection(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    let mut reading = JoinSet::new();
    for _ in 0..1_000 {
        let mut listener = Listener::connect(&server.url, None).await;
        reading.spawn(async move {
            let told = listener.until(is_final).await;
            let percents: Vec<i64> = told
                .iter()
                .filter(|told| told.kind == "progress" && told.data["hydration"] == 1)
                .map(|told| told.data["percent"].as_i64().unwrap())
                .collect();
            assert!(percents.is_sorted(), "{percents:?}");
            told.last().unwrap().data.clone()
        });
    }
    server.hydrate("AAPL", "h1", 10).await;
    let done = server.at_rest("AAPL", "h1").await;
    for told in reading.join_all().await {
        assert_eq!(
            (&told["success"], &told["failed"], &told["revision"]),
            (&done["success"], &json!(0), &done["revision"])
        );
    }
    let listening =
        "select count(*) from pg_stat_activity where datname = current_database() and query ilike 'listen%'";
    assert_eq!(count(&pool, listening).await, 1);
    let connections =
        "select count(*) from pg_stat_activity where datname = current_database() and application_name <> ''";
    assert!(count(&pool, connections).await < 20);
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn one_who_comes_back_after_a_crash_misses_no_end_and_sees_nothing_go_backwards(pool: PgPool) {
    let simulator = simulator().await;
    simulator.control().set_latency(Duration::from_millis(100));
    short_slices(&pool).await;
    witness::watch(&pool).await;
    let launch = Launch::serve(&url_of(&pool), &simulator.url())
        .option("--lease-seconds", "2")
        .option("--polygon-requests-per-minute", "0");
    let mut first = launch.start().await;
    let mut listener = Listener::connect(&first.url, None).await;
    assert_eq!(first.post("/api/v1/hydrate", &hydration(10)).await.0, 202);
    let some_ended = |told: &Told| told.kind == "progress" && told.data["success"].as_i64() >= Some(3);
    let mut told = listener.until(some_ended).await;
    first.kill();

    let second = launch.start().await;
    let last_id = told.last().unwrap().id.clone();
    let mut listener = Listener::connect(&second.url, Some(&last_id)).await;
    told.extend(listener.until(is_final).await);

    let mut ends: BTreeMap<i64, String> = BTreeMap::new();
    let (mut success, mut revision) = (0, 0);
    for event in &told {
        match event.kind.as_str() {
            "run" => {
                let (run, status) = (event.data["run"].as_i64().unwrap(), event.data["status"].as_str().unwrap());
                let ended = ends.get(&run);
                assert!(ended.is_none_or(|ended| ended == status), "run {run}: {ended:?}, then {status}");
                if matches!(status, "success" | "failed" | "cancelled") {
                    ends.insert(run, status.to_owned());
                }
            }
            "progress" => {
                let now = |name: &str| event.data[name].as_i64().unwrap();
                assert!(now("success") >= success && now("revision") >= revision, "{event:?}");
                (success, revision) = (now("success"), now("revision"));
            }
            _ => {}
        }
    }
    let ended = "select id, status from job_runs where status in ('success', 'failed', 'cancelled')";
    let ended: BTreeMap<i64, String> = sqlx::query_as(ended).fetch_all(&pool).await.unwrap().into_iter().collect();
    assert_eq!(ends, ended, "each end was told");
    assert_eq!(i64::try_from(ended.len()).unwrap(), success);
    witness::assert_invariants(&pool).await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn one_stream_tells_of_several_series_and_nothing_twice_to_one_who_comes_back(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    server.hydrate("AAPL", "h1", 2).await;
    server.at_rest("AAPL", "h1").await;
    let of = |series: &str, told: &Told| told.kind == "progress" && told.data["series"] == series;
    let query = "series=AAPL:h1,X%3ABTCUSD:m5";
    let mut listener = Listener::of(&server.url, query, None).await;
    let told = listener.until(|told| of("X:BTCUSD:m5", told)).await;
    assert!(told.iter().all(|told| told.data["series"].is_string() && told.data["data"].is_object()), "{told:?}");

    server.hydrate("X:BTCUSD", "m5", 1).await;
    let done = server.at_rest("X:BTCUSD", "m5").await;
    let has_all = |told: &Told| of("X:BTCUSD:m5", told) && told.data["data"]["success"] == done["success"];
    let last = listener.until(has_all).await.pop().unwrap();

    // Of both nothing is new; one of them changes then.
    let mut back = Listener::of(&server.url, query, Some(&last.id)).await;
    server.hydrate("AAPL", "h1", 5).await;
    let told = back.until(|told| of("AAPL:h1", told)).await;
    assert!(told.iter().all(|told| told.data["series"] == "AAPL:h1"), "{told:?}");
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_stream_of_what_is_no_series_is_refused(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    let refused = async |query: &str| {
        let answer = reqwest::get(format!("{}/api/v1/events?{query}", server.url)).await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap()["code"].as_str().unwrap().to_owned())
    };
    let bad = |code: &str| (400, code.to_owned());
    assert_eq!(refused("series=AAPL:h1,MSFT").await, bad("bad_timeframe"));
    assert_eq!(refused("series=A;B:h1").await, bad("bad_symbol"));
    assert_eq!(refused("symbol=AAPL").await, bad("bad_request"));
    assert_eq!(refused(&format!("series={}", ["AAPL:h1"; 101].join(","))).await, bad("bad_request"));
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_long_error_is_cut_and_told(pool: PgPool) {
    let simulator = simulator().await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    witness::watch(&pool).await;
    simulator.control().add_faults([Fault::new(FaultKind::LongError)]);
    let mut listener = Listener::connect(&server.url, None).await;
    server.hydrate("AAPL", "h1", 2).await;
    let told = listener.until(|told| told.kind == "failure").await;
    let failure = &told.iter().find(|told| told.kind == "failure").unwrap().data;
    assert_eq!(failure["code"], "provider_server_error");
    assert!((20..1_000).contains(&failure["message"].as_str().unwrap().len()), "{failure}");
    let failed = server.at_rest("AAPL", "h1").await;
    assert_eq!((&failed["success"], &failed["failure"]["code"]), (&json!(0), &json!("provider_server_error")));
    witness::assert_invariants(&pool).await;
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn more_changes_than_a_notification_holds_become_one_that_says_anything_may_have_changed(pool: PgPool) {
    let mut listener = PgListener::connect_with(&pool).await.unwrap();
    listener.listen(CHANGED_CHANNEL).await.unwrap();
    let (notifier, duty) = notifier(pool.clone(), "test");
    let series = |number: usize| SeriesKey {
        symbol: format!("SYMBOL{number}").parse().unwrap(),
        timeframe: "m15".parse().unwrap(),
    };
    (0..1_000).for_each(|number| notifier.changed(&series(number)));
    let stop = CancellationToken::new();
    let running = tokio::spawn(duty.run(stop.clone()));
    let next = async |listener: &mut PgListener| {
        tokio::time::timeout(DEADLINE, listener.recv()).await.expect("told").unwrap().payload().to_owned()
    };
    assert_eq!(next(&mut listener).await, "", "8,000 bytes are not enough for the names");
    (0..100).for_each(|number| notifier.changed(&series(number % 10)));
    let told: BTreeSet<String> = read(&next(&mut listener).await).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(told, (0..10).map(|number| series(number).to_string()).collect(), "each once");
    stop.cancel();
    running.await.unwrap();
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_listener_that_holds_notifications_up_holds_nothing_else_up(pool: PgPool) {
    let simulator = simulator().await;
    let mut pinning = pool.acquire().await.unwrap();
    sqlx::query("listen job_changed").execute(&mut *pinning).await.unwrap();
    // Idle in a transaction: what is sent from here on can't be forgotten.
    sqlx::query("begin").execute(&mut *pinning).await.unwrap();
    sqlx::query("select count(*) from job_runs").execute(&mut *pinning).await.unwrap();
    let server = TestServer::start(&pool, &simulator.url()).await;
    let mut listener = Listener::connect(&server.url, None).await;
    server.hydrate("AAPL", "h1", 10).await;
    let done = server.at_rest("AAPL", "h1").await;
    assert_eq!((&done["failed"], &done["percent"]), (&json!(0), &json!(100)));
    let told = listener.until(is_final).await;
    assert_eq!(told.last().unwrap().data["success"], done["success"]);
    assert!(sqlx::query_scalar::<_, f64>("select pg_notification_queue_usage()").fetch_one(&pool).await.unwrap() < 0.5);
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn where_notifications_fail_runs_end_all_the_same_and_listeners_are_told(pool: PgPool) {
    // Postgres 15 can't be given a small queue to fill: its function is put out of sight, as from the next connection on.
    let failing = "
        create table notifications (fail boolean not null);
        insert into notifications values (false);
        create function public.pg_notify(text, text) returns void language plpgsql as $$
        begin
            if (select fail from notifications) then
                raise exception 'too many notifications in the NOTIFY queue';
            end if;
            perform pg_catalog.pg_notify($1, $2);
        end $$;
        do $$ begin
            execute format('alter database %I set search_path = public, pg_catalog', current_database());
        end $$;";
    sqlx::raw_sql(failing).execute(&pool).await.unwrap();
    let simulator = simulator().await;
    simulator.control().set_latency(Duration::from_millis(100));
    let server = TestServer::start(&pool, &simulator.url()).await;
    witness::watch(&pool).await;
    let mut listener = Listener::connect(&server.url, None).await;
    sqlx::query("update notifications set fail = true").execute(&pool).await.unwrap();
    server.hydrate("AAPL", "h1", 10).await;
    let done = server.at_rest("AAPL", "h1").await;
    assert_eq!((&done["failed"], &done["percent"]), (&json!(0), &json!(100)));
    let told = listener.until(is_final).await;
    assert_eq!(
        told.last().unwrap().data["success"],
        done["success"],
        "the tables are read again without being told to"
    );
    witness::assert_invariants(&pool).await;
    server.stop().await;
}
