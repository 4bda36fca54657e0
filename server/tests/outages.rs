//! A database that is restarted, cut off, silent, full or slow under the processes: the service resumes by itself.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::PgPool;
use support::pair::{PAIR, Window, assert_whole, count, deaths_and_repeats, hydrate, launch, run, undisturbed};
use support::postgres::OwnPostgres;
use support::processes::Launch;
use support::proxy::{Proxy, Way};
use support::seeds::Chance;
use support::{TestServer, config, eventually, short_slices, simulator, witness};
use tidemark_server::clock::Clock;
use tidemark_simulator::{Fault, FaultKind};

/// How long a process sleeps that is told nothing.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// How many processes listen.
const LISTENING: &str =
    "select count(*) from pg_stat_activity where datname = current_database() and query ilike 'listen%'";

/// Milliseconds from a run's making to its first claim, the longest.
const LONGEST_WAIT: &str = "
    select max(extract(epoch from (after ->> 'started_at')::timestamptz - (after ->> 'created_at')::timestamptz)
               * 1000)::bigint
    from witness.run_changes where before ->> 'status' = 'queued' and after ->> 'status' = 'running'
      and (after ->> 'claims')::int = 1";

async fn until(pool: &PgPool, what: &'static str) {
    eventually(|| async { sqlx::query_scalar::<_, bool>(what).fetch_one(pool).await.ok()?.then_some(()) }).await;
}

async fn some_ended(pool: &PgPool) {
    until(pool, "select count(*) >= 4 from job_runs_ended").await;
}

#[tokio::test]
async fn a_postgres_restarted_ten_times_costs_no_bar_and_no_process() {
    let mut chance = Chance::new("a_postgres_restarted_ten_times_costs_no_bar_and_no_process");
    let mut postgres = OwnPostgres::start().await;
    let pool = postgres.migrated().await;
    let simulator = simulator().await;
    let window = Window::days(100);
    let want = undisturbed(&pool, &simulator, window).await;
    simulator.control().set_latency(Duration::from_millis(100));
    let launch = |roles| launch(&pool, &simulator, roles).option("--lease-seconds", "5");
    let mut processes =
        [launch("web,worker,orchestrator").start().await, launch("web,worker,orchestrator").start().await];
    hydrate(&processes[0], PAIR, window).await;

    let mut longest = Duration::ZERO;
    let mut at_work = 0;
    for round in 0..10 {
        tokio::time::sleep(chance.within(Duration::from_millis(800))).await;
        at_work += i64::from(count(&pool, "select count(*) from job_runs_live").await > 0);
        if round % 2 == 0 {
            postgres.stop_immediately().await;
        } else {
            postgres.stop_fast().await;
        }
        postgres.start_again().await;
        let back = Instant::now();
        for process in &processes {
            let url = format!("{}/healthz", process.url);
            eventually(|| async { (reqwest::get(&url).await.ok()?.status() == 200).then_some(()) }).await;
        }
        longest = longest.max(back.elapsed());
        until(&pool, "select true").await;
    }
    assert_whole(&pool, &simulator, &processes[0], window, &want).await;
    println!("{at_work} restarts at work; answering again {} ms after the database", longest.as_millis());
    assert!(at_work >= 5 && longest < Duration::from_secs(10));
    assert!(processes.iter_mut().all(|process| process.is_alive()), "no process had to be started again");
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_listener_that_is_cut_off_listens_again_and_meanwhile_the_queue_is_looked_at(pool: PgPool) {
    let simulator = simulator().await;
    let window = Window::days(1);
    let want = undisturbed(&pool, &simulator, window).await;
    let web = launch(&pool, &simulator, "web").start().await;
    let _worker = launch(&pool, &simulator, "worker").start().await;
    until(
        &pool,
        "select count(*) = 2 from pg_stat_activity where datname = current_database() and query ilike 'listen%'",
    )
    .await;
    let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity
               where datname = current_database() and query ilike 'listen%'";
    assert_eq!(count(&pool, cut).await, 2);
    // At once, so that nobody may be listening.
    hydrate(&web, PAIR, window).await;
    assert_whole(&pool, &simulator, &web, window, &want).await;
    let missed = count(&pool, LONGEST_WAIT).await;

    eventually(|| async { (count(&pool, LISTENING).await == 2).then_some(()) }).await;
    run(&pool, "truncate coverage_status, coverage_reasons, job_runs, witness.run_changes, witness.bar_changes").await;
    hydrate(&web, PAIR, window).await;
    assert_whole(&pool, &simulator, &web, window, &want).await;
    let told = count(&pool, LONGEST_WAIT).await;
    println!("claimed {missed} ms after they were queued while nobody listened, {told} ms after it was told again");
    assert!(u128::try_from(missed).unwrap() < LONGEST_SLEEP.as_millis() + 1_000, "{missed} ms");
    assert!(told < 2_000, "{told} ms");
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn connections_that_fall_silent_are_given_up_in_time(pool: PgPool) {
    let simulator = simulator().await;
    let window = Window::days(12);
    let want = undisturbed(&pool, &simulator, window).await;
    simulator.control().set_latency(Duration::from_millis(100));
    let web = launch(&pool, &simulator, "web").start().await;
    let proxy = Proxy::before(&pool).await;
    let far = Launch::serve(&proxy.url_of(&pool), &simulator.url())
        .option("--roles", "worker")
        .option("--lease-seconds", "10")
        .option("--polygon-requests-per-minute", "0");
    let mut far = far.start().await;
    let go_silent = || (0..proxy.connections()).for_each(|number| proxy.set_nth(number, Way::BlackHole));

    // While it works: what it has asked is never answered, and nothing is closed.
    hydrate(&web, PAIR, window).await;
    some_ended(&pool).await;
    go_silent();
    let silent = Instant::now();
    let ended = count(&pool, "select count(*) from job_runs_ended").await;
    let goes_on = async || count(&pool, "select count(*) from job_runs_ended").await > ended + 8;
    eventually(|| async { goes_on().await.then_some(()) }).await;
    println!("at work again {} ms after its connections fell silent", silent.elapsed().as_millis());
    assert!(silent.elapsed() < Duration::from_secs(25), "{:?}", silent.elapsed());
    assert_whole(&pool, &simulator, &web, window, &want).await;

    // While it sleeps: nobody tells it anything any more.
    run(&pool, "truncate coverage_status, coverage_reasons, job_runs, witness.run_changes, witness.bar_changes").await;
    go_silent();
    hydrate(&web, PAIR, window).await;
    assert_whole(&pool, &simulator, &web, window, &want).await;
    let claimed = count(
        &pool,
        "select min(extract(epoch from (after ->> 'started_at')::timestamptz - (after ->> 'created_at')::timestamptz)
                    * 1000)::bigint
         from witness.run_changes where before ->> 'status' = 'queued' and after ->> 'status' = 'running'",
    )
    .await;
    println!("the first run was claimed {claimed} ms after all had fallen silent");
    assert!(claimed < 20_000, "{claimed} ms");
    assert!(far.is_alive());
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn all_connections_cut_again_and_again_cost_no_try(pool: PgPool) {
    let mut chance = Chance::new("all_connections_cut_again_and_again_cost_no_try");
    let simulator = simulator().await;
    let window = Window::days(30);
    let want = undisturbed(&pool, &simulator, window).await;
    simulator.control().set_latency(Duration::from_millis(100));
    let launch = |roles| launch(&pool, &simulator, roles).option("--lease-seconds", "5");
    let mut processes = [launch("web,worker,orchestrator").start().await, launch("worker").start().await];
    hydrate(&processes[0], PAIR, window).await;
    let mut cuts = 0;
    for _ in 0..10 {
        tokio::time::sleep(chance.within(Duration::from_millis(600))).await;
        let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                   where datname = current_database() and application_name = 'tidemark'";
        cuts += count(&pool, cut).await;
    }
    assert_whole(&pool, &simulator, &processes[0], window, &want).await;
    let (deaths, repeats) = deaths_and_repeats(&pool).await;
    println!("{cuts} connections cut; {deaths} claims were never heard of by their worker");
    assert!(cuts > 20 && deaths == repeats, "{cuts} cuts, {deaths} deaths, {repeats} repeats");
    assert!(processes.iter_mut().all(|process| process.is_alive()));
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn requests_that_wait_for_the_database_cost_no_lease_and_are_told_so_soon(pool: PgPool) {
    let simulator = simulator().await;
    let window = Window::days(1);
    let want = undisturbed(&pool, &simulator, window).await;
    simulator.control().set_latency(Duration::from_secs(4));
    let process = launch(&pool, &simulator, "web,worker").option("--database-connections", "2").start().await;
    hydrate(&process, PAIR, window).await;
    until(&pool, "select count(*) = 4 from job_runs_live where status = 'running'").await;

    let mut locking = pool.begin().await.unwrap();
    sqlx::query("lock table ohlc_bars_v2, ohlc_bar_revisions, instruments in access exclusive mode")
        .execute(&mut *locking)
        .await
        .unwrap();
    let url = format!("{}/api/v1/bars?symbol={}&tf={}", process.url, PAIR.0, PAIR.1);
    let hanging: Vec<_> = (0..2).map(|_| tokio::spawn(reqwest::get(url.clone()))).collect();
    until(
        &pool,
        "select count(*) >= 2 from pg_stat_activity
                  where datname = current_database() and wait_event_type = 'Lock'",
    )
    .await;
    let client = reqwest::Client::new();
    let asked = (0..50).map(|_| async {
        let started = Instant::now();
        let (status, problem) = support::answer(client.get(&url).send().await.unwrap()).await;
        assert_eq!((status, &problem["code"]), (503, &json!("storage_unavailable")), "{problem}");
        started.elapsed()
    });
    let longest = futures::future::join_all(asked).await.into_iter().max().unwrap();
    println!("the slowest of 50 refusals took {} ms", longest.as_millis());
    assert!(longest < Duration::from_millis(3_000), "{longest:?}");
    // Longer than a lease.
    let first_claim =
        "select min(started_at) < now() - interval '7 seconds' from job_runs_live where status = 'running'";
    until(&pool, first_claim).await;
    locking.commit().await.unwrap();
    simulator.control().set_latency(Duration::ZERO);
    for request in hanging {
        assert_eq!(request.await.unwrap().unwrap().status(), 200);
    }
    assert_whole(&pool, &simulator, &process, window, &want).await;
    assert_eq!(deaths_and_repeats(&pool).await, (0, 0), "each lease was kept");
}

/// Whatever writes bars or ends runs fails with the code in the table `trouble`, if there is one; with a conflict only
/// every other time.
const TROUBLE: &str = "
    create table trouble (code text);
    create sequence met;
    create function fail_for_test() returns trigger language plpgsql as $$
    declare
        v_code text := (select code from trouble);
    begin
        if v_code is not null and (v_code not like '40%' or nextval('met') % 2 = 0) then
            raise exception 'told to fail' using errcode = v_code;
        end if;
        return null;
    end $$;
    create trigger fails before insert on ohlc_bars_v2 for each statement execute function fail_for_test();
    create trigger fails before insert on job_runs_ended for each statement execute function fail_for_test()";

/// Runs into failures with `code`, which stop after a while; how many were met.
async fn troubled(pool: &PgPool, code: &'static str) -> i64 {
    let simulator = simulator().await;
    let window = Window::days(5);
    let want = undisturbed(pool, &simulator, window).await;
    run(pool, TROUBLE).await;
    let process = launch(pool, &simulator, "web,worker").start().await;
    simulator.control().set_latency(Duration::from_millis(200));
    hydrate(&process, PAIR, window).await;
    sqlx::query("insert into trouble values ($1)").bind(code).execute(pool).await.unwrap();
    process.says("trying again").await;
    // Longer than a lease.
    until(pool, "select min(started_at) < now() - interval '3 seconds' from job_runs").await;
    run(pool, "delete from trouble").await;
    let over = Instant::now();
    assert_whole(pool, &simulator, &process, window, &want).await;
    eprintln!("{code}: all ended {} ms after it was over", over.elapsed().as_millis());
    let once = "select count(*) from job_runs where claims <> 1 or attempt <> 1";
    assert_eq!(count(pool, once).await, 0, "no try was spent, and nothing fetched twice");
    count(pool, "select last_value from met").await
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_full_disk_is_waited_out_with_the_bars_in_hand(pool: PgPool) {
    troubled(&pool, "53100").await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_serialization_failure_is_tried_again(pool: PgPool) {
    assert!(troubled(&pool, "40001").await > 2);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_deadlock_is_tried_again(pool: PgPool) {
    assert!(troubled(&pool, "40P01").await > 2);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn clocks_ten_minutes_off_steal_nothing_and_delay_nothing(pool: PgPool) {
    let simulator = simulator().await;
    short_slices(&pool).await;
    witness::watch(&pool).await;
    simulator.control().set_latency(Duration::from_secs(4));
    simulator.control().add_faults([Fault { times: Some(3), ..Fault::new(FaultKind::ServerError) }]);
    let config = tidemark_server::config::ServeConfig {
        polygon_requests_per_minute: Some(0),
        provider_timeout_seconds: 10,
        ..config(&simulator.url())
    };
    let skewed = async |minutes| {
        let clock = Clock::fixed((chrono::Utc::now() + chrono::Duration::minutes(minutes)).into());
        TestServer::start_at(&pool, &config, clock).await
    };
    let (ahead, behind) = (skewed(10).await, skewed(-10).await);
    let Window { from, to } = Window::days(1);
    let body = json!({ "symbol": PAIR.0, "tf": PAIR.1, "from": from, "to": to });
    let started = Instant::now();
    assert_eq!(ahead.post("/api/v1/hydrate", &body).await.0, 202);
    assert_eq!(behind.post("/api/v1/hydrate", &body).await.0, 202);
    let done = behind.at_rest(PAIR.0, PAIR.1).await;
    assert_eq!((&done["failed"], &done["percent"]), (&json!(0), &json!(100)), "{done}");
    assert!(started.elapsed() < Duration::from_secs(40), "nobody waited ten minutes");
    // Each fetch took longer than a lease, and three failed.
    assert_eq!(deaths_and_repeats(&pool).await, (0, 3), "nothing was stolen");
    let workers = "select count(distinct after ->> 'lease_owner') from witness.run_changes";
    assert_eq!(count(&pool, workers).await, 2);
    assert!(simulator.control().requests().max_concurrent_overlap <= 1);
    witness::assert_invariants(&pool).await;
    ahead.stop().await;
    behind.stop().await;
}

#[sqlx::test(migrations = false)]
async fn processes_started_at_once_on_an_empty_database_make_its_tables_once(pool: PgPool) {
    let simulator = simulator().await;
    let window = Window::days(5);
    let all = launch(&pool, &simulator, "web,worker,orchestrator");
    let starting = (0..4).map(|_| all.start());
    let processes = futures::future::join_all(starting).await;
    simulator.control().set_latency(Duration::from_millis(100));
    short_slices(&pool).await;
    hydrate(&processes[0], PAIR, window).await;
    some_ended(&pool).await;
    // While they work, again.
    let migrating = (0..5).map(|_| tidemark_server::db::MIGRATIONS.run(&pool));
    assert!(futures::future::join_all(migrating).await.iter().all(Result::is_ok));
    let _late = all.start().await;
    let done = support::at_rest(&processes[0].url, PAIR.0, PAIR.1).await;
    assert_eq!((&done["failed"], &done["percent"]), (&json!(0), &json!(100)), "{done}");
    assert!(simulator.control().requests().max_concurrent_overlap <= 1);
}
