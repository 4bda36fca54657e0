//! What operators do to the queue by hand, over HTTP and by command: at once, on what is queued and what is under way.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "figures are told")]

mod support;

use std::process::Stdio;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::PgPool;
use support::processes::url_of;
use support::seeds::Chance;
use support::{TestServer, config, count, eventually, in_days, simulator, witness};
use tidemark_server::config::ServeConfig;
use tidemark_simulator::{Fault, FaultKind, RequestEntry, Simulator};

const BITCOIN: &str = "X:BTCUSD";
const ETHER: &str = "X:ETHUSD";

/// How soon an action must have taken effect. A busy machine is given twice what is promised.
const AT_ONCE: Duration = Duration::from_secs(2);

async fn start(pool: &PgPool, simulator: &Simulator) -> TestServer {
    let config = ServeConfig { polygon_requests_per_minute: Some(0), ..config(&simulator.url()) };
    TestServer::start_with(pool, &config).await
}

/// The number of runs it touched.
async fn act(server: &TestServer, action: &str, scope: &str) -> i64 {
    let body = json!({ "action": action, "scope": scope, "who": "Ada" });
    let (status, done) = server.post("/api/v1/operator/queue", &body).await;
    assert_eq!(status, 200, "{done}");
    done["affected"].as_i64().unwrap()
}

/// As `act`, by the command; what it said.
async fn command(pool: &PgPool, arguments: &[&str]) -> (bool, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_tidemark"));
    command.arg("queue").args(arguments).env("DATABASE_URL", url_of(pool)).env("USER", "grace");
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Forgets what was fetched, and that it was.
async fn empty(pool: &PgPool) {
    let all = "truncate ohlc_bars_v2, coverage_status, coverage_reasons, job_runs, witness.run_changes,
               witness.bar_changes";
    sqlx::query(all).execute(pool).await.unwrap();
}

async fn of_series(pool: &PgPool, symbol: &str, condition: &str) -> i64 {
    let asked = format!(
        "select count(*) from job_runs r join series s on s.id = r.series_id where s.symbol = $1 and {condition}"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(asked)).bind(symbol).fetch_one(pool).await.unwrap()
}

fn in_flight(simulator: &Simulator, symbol: &str) -> usize {
    let is_in_flight = |request: &&RequestEntry| {
        request.ended.is_none() && request.symbol.as_ref().is_some_and(|asked| asked.as_str() == symbol)
    };
    simulator.control().requests().requests.iter().filter(is_in_flight).count()
}

/// A provider that does not answer for this symbol, and the slices that are under way to it.
async fn stalled(server: &TestServer, simulator: &Simulator, symbol: &str, hands: usize) {
    simulator.control().add_faults([Fault { symbol: Some(symbol.parse().unwrap()), ..Fault::new(FaultKind::Stall) }]);
    server.hydrate(symbol, "h1", 20).await;
    eventually(|| async { (in_flight(simulator, symbol) == hands).then_some(()) }).await;
}

/// Waits for it, and fails where it took longer than it may.
async fn at_once<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < AT_ONCE, "{what}: not within {AT_ONCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("{what}: {:?}", started.elapsed());
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn whatever_is_paused_stops_at_once_and_goes_on_unharmed(pool: PgPool) {
    let simulator = simulator().await;
    witness::watch(&pool).await;
    let server = start(&pool, &simulator).await;
    for symbol in [BITCOIN, ETHER] {
        in_days(&pool, symbol, "h1").await;
    }
    for scope in ["series X:BTCUSD h1", "provider polygon", "all"] {
        stalled(&server, &simulator, BITCOIN, 4).await;
        act(&server, "pause", scope).await;
        at_once(&format!("pause {scope}"), || async {
            of_series(&pool, BITCOIN, "status = 'running'").await == 0 && in_flight(&simulator, BITCOIN) == 0
        })
        .await;
        simulator.control().clear_faults();
        simulator.control().clear_requests();
        // New slices wait as well.
        let before = of_series(&pool, BITCOIN, "status = 'queued'").await;
        server.hydrate(BITCOIN, "h1", 30).await;
        let queued = of_series(&pool, BITCOIN, "status = 'queued'").await;
        assert!(queued > before, "{scope}: {queued}");
        let (_, progress) = server.get("/api/v1/progress?symbol=X:BTCUSD&tf=h1").await;
        assert!(progress["waiting"].as_str().is_some_and(|why| why.contains("paused by an operator")), "{progress}");
        if scope.starts_with("series") {
            server.hydrate(ETHER, "h1", 5).await;
            assert_eq!(server.at_rest(ETHER, "h1").await["failed"], 0, "others go on");
        }
        let asked = simulator.control().requests().requests;
        assert!(!asked.iter().any(|it| it.symbol.as_ref().is_some_and(|symbol| symbol.as_str() == BITCOIN)));

        assert!(act(&server, "resume", scope).await >= queued);
        let done = server.at_rest(BITCOIN, "h1").await;
        assert_eq!((&done["failed"], &done["cancelled"]), (&json!(0), &json!(0)), "{done}");
        assert_eq!(of_series(&pool, BITCOIN, "attempt > 1").await, 0, "a pause spends no attempt");
        witness::assert_invariants(&pool).await;
        empty(&pool).await;
    }
    let kept = "select count(*) from operator_actions where who = 'Ada' and at > now() - interval '5 minutes'";
    assert_eq!(count(&pool, kept).await, 6, "who and when");
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn one_run_is_paused_resumed_cancelled_and_retried(pool: PgPool) {
    let simulator = simulator().await;
    witness::watch(&pool).await;
    let server = start(&pool, &simulator).await;
    in_days(&pool, BITCOIN, "h1").await;
    stalled(&server, &simulator, BITCOIN, 4).await;
    let runs: Vec<i64> = sqlx::query_scalar("select id from job_runs where status = 'running' order by id")
        .fetch_all(&pool)
        .await
        .unwrap();
    let (paused, cancelled) = (runs[0], runs[1]);
    let is = async |run: i64, status: &str| {
        of_series(&pool, BITCOIN, &format!("r.id = {run} and r.status = '{status}'")).await == 1
    };
    assert_eq!(act(&server, "pause", &format!("run {paused}")).await, 1);
    at_once("pause a run in flight", || is(paused, "queued")).await;
    assert_eq!(act(&server, "cancel", &format!("run {cancelled}")).await, 1);
    at_once("cancel a run in flight", || is(cancelled, "cancelled")).await;
    let ended = || {
        let requests = simulator.control().requests().requests;
        requests.iter().filter(|request| request.start.is_some() && request.ended.is_some()).count()
    };
    at_once("their requests end", async || ended() >= 2).await;

    simulator.control().clear_faults();
    // What stalls is let go by a pause.
    act(&server, "pause", "all").await;
    act(&server, "resume", "all").await;
    let rest = "status in ('queued', 'running') and not is_held";
    eventually(|| async { (of_series(&pool, BITCOIN, rest).await == 0).then_some(()) }).await;
    assert!(is(paused, "queued").await && is(cancelled, "cancelled").await);
    let (_, bars) = server.get(&format!("/api/v1/bars?symbol={BITCOIN}&tf=h1")).await;
    assert!(!bars["gaps"].as_array().unwrap().is_empty());

    assert_eq!(act(&server, "resume", &format!("run {paused}")).await, 1);
    assert_eq!(act(&server, "retry", &format!("run {cancelled}")).await, 1);
    assert_eq!(server.at_rest(BITCOIN, "h1").await["failed"], 0);
    assert!(is(paused, "success").await && is(cancelled, "cancelled").await, "a retry is a new run");
    assert_eq!(server.bars(BITCOIN, "h1", 19).await["gaps"], json!([]));
    witness::assert_invariants(&pool).await;
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn what_is_cancelled_or_has_failed_is_fetched_after_a_retry_of_any_scope(pool: PgPool) {
    let simulator = simulator().await;
    witness::watch(&pool).await;
    let server = start(&pool, &simulator).await;
    in_days(&pool, BITCOIN, "h1").await;
    for scope in ["series X:BTCUSD h1", "provider polygon", "all"] {
        stalled(&server, &simulator, BITCOIN, 4).await;
        let all = act(&server, "cancel", scope).await;
        assert!(all >= 20, "{all}");
        at_once(&format!("cancel {scope}"), || async {
            of_series(&pool, BITCOIN, "status = 'cancelled'").await == all && in_flight(&simulator, BITCOIN) == 0
        })
        .await;
        simulator.control().clear_faults();
        assert_eq!(act(&server, "retry", scope).await, all);
        let done = server.at_rest(BITCOIN, "h1").await;
        assert_eq!((&done["failed"], &done["success"]), (&json!(0), &json!(all)), "{done}");
        assert_eq!(act(&server, "retry", scope).await, 0, "what is covered is not fetched again");
        witness::assert_invariants(&pool).await;
        empty(&pool).await;
    }
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn the_command_does_the_same_and_says_what_it_did(pool: PgPool) {
    let simulator = simulator().await;
    witness::watch(&pool).await;
    let server = start(&pool, &simulator).await;
    in_days(&pool, BITCOIN, "h1").await;
    for (scope, words) in [
        ("all", vec!["all"]),
        ("provider polygon", vec!["provider", "polygon"]),
        ("series X:BTCUSD h1", vec!["series", BITCOIN, "h1"]),
    ] {
        let with = |action| std::iter::once(action).chain(words.iter().copied()).collect::<Vec<_>>();
        simulator.control().clear_faults();
        stalled(&server, &simulator, BITCOIN, 4).await;
        let (done, said) = command(&pool, &with("pause")).await;
        assert!(done && said.contains(&format!("pause {scope}: ")) && said.contains(" runs\n"), "{said}");
        at_once(&format!("tidemark queue pause {scope}"), || async {
            of_series(&pool, BITCOIN, "status = 'running'").await == 0 && in_flight(&simulator, BITCOIN) == 0
        })
        .await;
        simulator.control().clear_faults();
        assert!(command(&pool, &with("cancel")).await.0);
        assert!(command(&pool, &with("resume")).await.0);
        assert!(command(&pool, &with("retry")).await.0);
        assert_eq!(server.at_rest(BITCOIN, "h1").await["failed"], 0);
        assert_eq!(server.bars(BITCOIN, "h1", 19).await["gaps"], json!([]), "{scope}");
        witness::assert_invariants(&pool).await;
        empty(&pool).await;
    }
    let (done, said) = command(&pool, &["cancel", "run", "4711"]).await;
    assert!(done && said.contains("cancel run 4711: 0 runs\n"), "{said}");
    let (done, said) = command(&pool, &["cancel", "everything"]).await;
    assert!(!done && said.contains("Write `run 17`"), "{said}");
    let (done, said) = command(&pool, &["explode", "all"]).await;
    assert!(!done && said.contains("possible values: pause, resume, cancel, retry"), "{said}");
    assert_eq!(count(&pool, "select count(*) from operator_actions where who = 'grace'").await, 13);
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn two_hundred_runs_that_are_cancelled_at_any_time_end_once(pool: PgPool) {
    let mut chance = Chance::new("two_hundred_runs_that_are_cancelled_at_any_time_end_once");
    let simulator = simulator().await;
    simulator.control().set_latency(Duration::from_millis(60));
    witness::watch(&pool).await;
    let server = start(&pool, &simulator).await;
    in_days(&pool, BITCOIN, "h1").await;
    server.hydrate(BITCOIN, "h1", 230).await;
    let runs: Vec<i64> = sqlx::query_scalar("select id from job_runs order by turn").fetch_all(&pool).await.unwrap();
    assert!(runs.len() >= 200, "{}", runs.len());
    // Each is cancelled around the time at which its turn comes, which is when so many have ended before it.
    let ended = AtomicI64::new(0);
    let cancels = (0_i64..).zip(&runs[..200]).map(|(place, run)| {
        let (server, ended) = (&server, &ended);
        let (lead, moment) = (i64::try_from(chance.below(12)).unwrap() - 2, chance.within(Duration::from_millis(120)));
        async move {
            eventually(|| async { (ended.load(Relaxed) + lead >= place).then_some(()) }).await;
            tokio::time::sleep(moment).await;
            act(server, "cancel", &format!("run {run}")).await
        }
    });
    let over = "select count(*) from job_runs where finished_at is not null";
    let counting = async {
        loop {
            ended.store(count(&pool, over).await, Relaxed);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let cancelled = tokio::select! {
        cancelled = futures::future::join_all(cancels) => cancelled,
        () = counting => Vec::new(),
    };
    let affected: i64 = cancelled.into_iter().sum();
    let done = server.at_rest(BITCOIN, "h1").await;
    println!("{affected} of 200 were cancelled in time: {done}");
    assert_eq!(done["cancelled"], affected);
    assert_eq!(done["success"], i64::try_from(runs.len()).unwrap() - affected);
    assert!((20..=190).contains(&affected), "{affected}: some before, some after");
    let twice = "select count(*) from (select 1 from job_runs group by id having count(*) > 1) twice";
    assert_eq!(count(&pool, twice).await, 0);
    let after_cancel = "select count(*) from witness.run_changes c join witness.run_changes d using (run_id)
                        where c.after ->> 'status' = 'cancelled' and d.id > c.id";
    assert_eq!(count(&pool, after_cancel).await, 0, "nothing comes after a cancellation");
    let in_flight = "select count(*) from witness.run_changes
                     where before ->> 'status' = 'running' and after ->> 'status' = 'cancelled'";
    println!("{} of them in flight", count(&pool, in_flight).await);
    assert!(count(&pool, in_flight).await > 0);
    witness::assert_invariants(&pool).await;
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn nonsense_and_strangers_are_refused_and_change_nothing(pool: PgPool) {
    let simulator = simulator().await;
    let token = "a-token-of-operators".to_owned();
    let config = ServeConfig { operator_token: Some(token.clone().into()), ..config(&simulator.url()) };
    let server = TestServer::start_with(&pool, &config).await;
    let ask = async |body: &Value, token: Option<&str>| {
        let mut request = reqwest::Client::new().post(format!("{}/api/v1/operator/queue", server.url)).json(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        support::answer(request.send().await.unwrap()).await
    };
    let good = json!({ "action": "pause", "scope": "all" });
    for stranger in [None, Some("a-guess"), Some("")] {
        let (status, problem) = ask(&good, stranger).await;
        assert_eq!((status, &problem["code"]), (403, &json!("not_operator")), "{problem}");
    }
    for (action, scope, status, code) in [
        ("pause", "everything", 400, "bad_scope"),
        ("pause", "", 400, "bad_scope"),
        ("cancel", "run x", 400, "bad_scope"),
        ("cancel", "run 99999999999999999999", 400, "bad_scope"),
        ("cancel", "series AAPL", 400, "bad_scope"),
        ("cancel", "series AAPL h7", 400, "bad_scope"),
        ("retry", "provider", 400, "bad_scope"),
        ("explode", "all", 422, "bad_request"),
    ] {
        let (got, problem) = ask(&json!({ "action": action, "scope": scope }), Some(&token)).await;
        assert_eq!((got, &problem["code"]), (status, &json!(code)), "{action} {scope}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 20), "{problem}");
    }
    assert_eq!(ask(&json!({ "action": "pause" }), Some(&token)).await.0, 422);
    assert_eq!(count(&pool, "select count(*) from operator_actions").await, 0);
    assert_eq!(count(&pool, "select count(*) from queue_state where is_paused").await, 0);
    let (status, done) = ask(&good, Some(&token)).await;
    assert_eq!((status, &done["affected"]), (200, &json!(0)));
    assert_eq!(count(&pool, "select count(*) from operator_actions where who = '127.0.0.1'").await, 1);
    server.stop().await;
}
