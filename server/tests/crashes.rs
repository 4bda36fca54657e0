//! Workers that are killed, held, stopped or that panic, at every stage of their work: what is asked for comes all the
//! same, once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{Connection, PgConnection, PgPool};
use support::pair::{PAIR, Window, assert_whole, count, deaths_and_repeats, hydrate, launch, ohlcv, run, undisturbed};
use support::processes::url_of;
use support::seeds::Chance;
use support::{at_rest, eventually, short_slices, simulator, witness};
use tidemark_simulator::{Fault, FaultKind};

/// How long after a lease's end its run was taken back: the median and the longest, in milliseconds.
async fn taken_back_after(pool: &PgPool) -> (i64, i64) {
    let asked = "
        select coalesce(percentile_disc(0.5) within group (order by late), 0), coalesce(max(late), 0)
        from (
            select (extract(epoch from at - (before ->> 'lease_until')::timestamptz) * 1000)::bigint as late
            from witness.run_changes
            where before ->> 'status' = 'running' and after ->> 'error_code' = 'lease_expired'
              and before ->> 'lease_owner' is distinct from after ->> 'lease_owner'
        ) l";
    sqlx::query_as(asked).fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_worker_killed_a_hundred_times_loses_and_doubles_nothing(pool: PgPool) {
    let mut chance = Chance::new("a_worker_killed_a_hundred_times_loses_and_doubles_nothing");
    let simulator = simulator().await;
    let window = Window::days(200);
    let want = undisturbed(&pool, &simulator, window).await;
    simulator.control().set_latency(Duration::from_millis(30));
    let web = launch(&pool, &simulator, "web").start().await;
    hydrate(&web, PAIR, window).await;

    let worker = launch(&pool, &simulator, "worker");
    let mut workers = [worker.begin(), worker.begin()];
    let mut busy = 0;
    for _ in 0..100 {
        // From before it has claimed anything to well after.
        tokio::time::sleep(Duration::from_millis(50) + chance.within(Duration::from_millis(400))).await;
        let one = usize::try_from(chance.below(2)).unwrap();
        workers[one].kill();
        busy += i64::from(count(&pool, "select count(*) from job_runs_live").await > 0);
        workers[one] = worker.begin();
    }
    assert_whole(&pool, &simulator, &web, window, &want).await;
    let ((deaths, repeats), (median, longest)) = (deaths_and_repeats(&pool).await, taken_back_after(&pool).await);
    println!("{busy} kills at work; {deaths} claims died; taken back {median} ms after their lease, {longest} at most");
    assert!(busy >= 90 && deaths >= 50, "{busy} kills at work, {deaths} deaths");
    assert_eq!(deaths, repeats, "each repeated claim is due to a death, and each death is a try");
    assert!(longest < 5_000, "within one look");
}

/// Has a worker crash at a point while it works on the pair, and another end what it began; what had ended by then.
async fn crash_at(pool: &PgPool, point: &str) -> i64 {
    let simulator = simulator().await;
    let window = Window::days(2);
    let want = undisturbed(pool, &simulator, window).await;
    let web = launch(pool, &simulator, "web").start().await;
    hydrate(&web, PAIR, window).await;
    let mut worker = launch(pool, &simulator, "worker").variable("TIDEMARK_CRASH_AT", point).begin();
    assert!(!worker.ended().await.success(), "it crashed");
    let crashed = Instant::now();
    let ended = count(pool, "select count(*) from job_runs_ended").await;
    let bars = count(pool, "select count(*) from ohlc_bars_v2").await;
    assert_eq!(ended == 0, bars == 0, "bars come with the end of their run");

    let _second = launch(pool, &simulator, "worker").start().await;
    assert_whole(pool, &simulator, &web, window, &want).await;
    eprintln!("{point}: all ended {} ms after the crash", crashed.elapsed().as_millis());
    let ((deaths, repeats), (_, longest)) = (deaths_and_repeats(pool).await, taken_back_after(pool).await);
    assert!(deaths == repeats && longest < 5_000, "{deaths} deaths, {repeats} repeats, after {longest} ms");
    assert!((1..=4).contains(&(deaths + ended)), "one claim's worth: {deaths} died, {ended} had ended");
    let wasted = "select count(*) from ohlc_bar_revisions";
    assert_eq!(count(pool, wasted).await, 0, "what was fetched twice is the same");
    ended
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_worker_that_dies_after_its_claim_is_replaced(pool: PgPool) {
    assert_eq!(crash_at(&pool, "after_claim").await, 0);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_worker_that_dies_before_its_commit_has_written_nothing(pool: PgPool) {
    assert_eq!(crash_at(&pool, "before_commit").await, 0);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_worker_that_dies_after_its_commit_before_it_tells_has_ended_its_runs(pool: PgPool) {
    assert!(crash_at(&pool, "after_commit").await > 0);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_worker_killed_while_an_answer_drips_in_is_replaced(pool: PgPool) {
    let simulator = simulator().await;
    let window = Window::days(1);
    let want = undisturbed(&pool, &simulator, window).await;
    simulator.control().set_drip(Duration::from_millis(20));
    simulator.control().add_faults([Fault { times: Some(4), ..Fault::new(FaultKind::SlowDrip) }]);
    let web = launch(&pool, &simulator, "web").start().await;
    hydrate(&web, PAIR, window).await;
    let mut first = launch(&pool, &simulator, "worker").begin();
    eventually(|| async {
        let log = simulator.control().requests();
        (log.requests.iter().filter(|request| request.start.is_some()).count() >= 4).then_some(())
    })
    .await;
    first.kill();
    let killed = Instant::now();
    let _second = launch(&pool, &simulator, "worker").start().await;
    assert_whole(&pool, &simulator, &web, window, &want).await;
    println!("all ended {} ms after the kill", killed.elapsed().as_millis());
    assert_eq!(deaths_and_repeats(&pool).await, (4, 4));
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_worker_killed_between_its_bars_and_the_end_of_their_run_leaves_both_or_neither(pool: PgPool) {
    let simulator = simulator().await;
    let window = Window::days(2);
    let want = undisturbed(&pool, &simulator, window).await;
    // Bars are written before runs end; whoever ends one waits here for as long as the test says.
    run(
        &pool,
        "create function wait_for_test() returns trigger language plpgsql as $$
         begin
             perform pg_advisory_xact_lock(7);
             return new;
         end $$;
         create trigger waits before insert on job_runs_ended for each row execute function wait_for_test()",
    )
    .await;
    let mut gate = PgConnection::connect(&url_of(&pool)).await.unwrap();
    sqlx::query("select pg_advisory_lock(7)").execute(&mut gate).await.unwrap();
    let web = launch(&pool, &simulator, "web").start().await;
    hydrate(&web, PAIR, window).await;
    let waiting = "select count(*) from pg_locks l join pg_stat_activity a using (pid)
                   where l.locktype = 'advisory' and not l.granted and a.datname = current_database()";
    let at_the_gate = async || eventually(|| async { (count(&pool, waiting).await > 0).then_some(()) }).await;

    let mut worker = launch(&pool, &simulator, "worker").begin();
    at_the_gate().await;
    worker.kill();
    let cut = "select count(pg_terminate_backend(a.pid)) from pg_locks l join pg_stat_activity a using (pid)
               where l.locktype = 'advisory' and not l.granted and a.datname = current_database()";
    count(&pool, cut).await;
    eventually(|| async { (count(&pool, waiting).await == 0).then_some(()) }).await;
    assert_eq!(count(&pool, "select count(*) from ohlc_bars_v2").await, 0, "cut off: neither");

    let mut worker = launch(&pool, &simulator, "worker").begin();
    at_the_gate().await;
    worker.kill();
    sqlx::query("select pg_advisory_unlock(7)").execute(&mut gate).await.unwrap();
    eventually(|| async { (count(&pool, waiting).await == 0).then_some(()) }).await;
    let ended = eventually(|| async {
        let ended = count(&pool, "select count(*) from job_runs_ended").await;
        (ended > 0).then_some(ended)
    });
    assert!(ended.await > 0, "the statement was complete when its worker died: both");

    let _last = launch(&pool, &simulator, "worker").start().await;
    assert_whole(&pool, &simulator, &web, window, &want).await;

    // All of it again: not one row changes.
    run(
        &pool,
        "create table before as select xmin::text as written, ts from ohlc_bars_v2;
         truncate coverage_status, coverage_reasons",
    )
    .await;
    hydrate(&web, PAIR, window).await;
    at_rest(&web.url, PAIR.0, PAIR.1).await;
    let changed = "select count(*) from ohlc_bars_v2 b full join before using (ts)
                   where b.xmin::text is distinct from before.written";
    assert_eq!(count(&pool, changed).await, 0);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_worker_held_beyond_its_lease_changes_nothing_when_it_goes_on(pool: PgPool) {
    let simulator = simulator().await;
    let window = Window::days(2);
    let want = undisturbed(&pool, &simulator, window).await;
    simulator.control().set_latency(Duration::from_millis(700));
    let web = launch(&pool, &simulator, "web").start().await;
    hydrate(&web, PAIR, window).await;
    let held = launch(&pool, &simulator, "worker").begin();
    let running = "select count(*) from job_runs_live where status = 'running'";
    eventually(|| async { (count(&pool, running).await == 4).then_some(()) }).await;
    held.hold();
    simulator.control().set_latency(Duration::ZERO);
    let _other = launch(&pool, &simulator, "worker").start().await;
    assert_whole(&pool, &simulator, &web, window, &want).await;

    held.go_on();
    held.says("was taken away").await;
    assert_whole(&pool, &simulator, &web, window, &want).await;
    assert_eq!(deaths_and_repeats(&pool).await, (4, 4));
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_worker_asked_to_stop_ends_what_it_can_in_time(pool: PgPool) {
    let simulator = simulator().await;
    let window = Window::days(2);
    let want = undisturbed(&pool, &simulator, window).await;
    simulator.control().set_latency(Duration::from_secs(1));
    let web = launch(&pool, &simulator, "web").start().await;
    hydrate(&web, PAIR, window).await;
    let mut first = launch(&pool, &simulator, "worker").option("--drain-seconds", "10").begin();
    let running = "select count(*) from job_runs_live where status = 'running'";
    eventually(|| async { (count(&pool, running).await == 4).then_some(()) }).await;
    let asked = Instant::now();
    assert!(first.terminate().await.success());
    assert!(asked.elapsed() < Duration::from_secs(5), "no longer than it must: {:?}", asked.elapsed());
    assert_eq!(count(&pool, running).await, 0);
    assert_eq!(count(&pool, "select count(*) from job_runs where status = 'success'").await, 4, "what was under way");
    simulator.control().set_latency(Duration::ZERO);
    let _second = launch(&pool, &simulator, "worker").start().await;
    assert_whole(&pool, &simulator, &web, window, &want).await;
    assert_eq!(count(&pool, "select max(claims)::bigint from job_runs").await, 1);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn what_a_worker_asked_to_stop_can_not_end_is_another_s_within_a_second_and_no_try_is_spent(pool: PgPool) {
    let simulator = simulator().await;
    let window = Window { from: Window::days(1).to - 8 * 3_600_000, ..Window::days(1) };
    let want = undisturbed(&pool, &simulator, window).await;
    simulator.control().add_faults([Fault::new(FaultKind::Stall)]);
    let web = launch(&pool, &simulator, "web").start().await;
    let queued = hydrate(&web, PAIR, window).await["queued"].as_i64().unwrap();
    assert!(queued >= 3);
    // A long lease: nobody could have waited for it.
    let launch = launch(&pool, &simulator, "worker").option("--lease-seconds", "60").option("--workers", "16");
    let mut first = launch.clone().option("--drain-seconds", "1").option("--provider-timeout-seconds", "60").begin();
    let running = "select count(*) from job_runs_live where status = 'running'";
    eventually(|| async { (count(&pool, running).await == queued).then_some(()) }).await;
    let _second = launch.start().await;
    let listening =
        "select count(*) from pg_stat_activity where datname = current_database() and query ilike 'listen%'";
    eventually(|| async { (count(&pool, listening).await >= 3).then_some(()) }).await;
    simulator.control().clear_faults();
    let asked = Instant::now();
    assert!(first.terminate().await.success());
    assert!(asked.elapsed() < Duration::from_secs(4), "a second to drain: {:?}", asked.elapsed());
    assert_whole(&pool, &simulator, &web, window, &want).await;
    let waited = "
        select max(extract(epoch from (c.after ->> 'started_at')::timestamptz - r.at) * 1000)::bigint
        from witness.run_changes r join witness.run_changes c using (run_id)
        where r.before ->> 'status' = 'running' and r.after ->> 'status' = 'queued'
          and c.before ->> 'status' = 'queued' and c.after ->> 'status' = 'running' and c.id > r.id";
    let waited = count(&pool, waited).await;
    println!("taken up {waited} ms after they were given back");
    assert!(waited < 1_000, "{waited} ms");
    let unspent = "select count(*) from job_runs where attempt = 1 and outcomes = array['released', 'success']";
    assert_eq!(count(&pool, unspent).await, queued);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_worker_that_panics_over_a_slice_costs_that_slice_alone_and_waits_for_no_lease(pool: PgPool) {
    let simulator = simulator().await;
    witness::watch(&pool).await;
    let launch = launch(&pool, &simulator, "web,worker").option("--lease-seconds", "60");
    let mut process = launch.variable("TIDEMARK_PANIC_ON", "AAPL").start().await;
    let window = Window::days(30);
    let started = Instant::now();
    for symbol in ["AAPL", "MSFT", "NVDA", "KO"] {
        hydrate(&process, (symbol, "d1"), window).await;
    }
    for symbol in ["MSFT", "NVDA", "KO"] {
        let done = at_rest(&process.url, symbol, "d1").await;
        assert_eq!((&done["failed"], &done["percent"]), (&json!(0), &json!(100)), "{done}");
    }
    let failed = at_rest(&process.url, "AAPL", "d1").await;
    assert_eq!(failed["failure"]["code"], "worker_panicked", "{failed}");
    assert!(started.elapsed() < Duration::from_secs(30), "no lease was waited for");
    assert!(process.is_alive());
    assert_eq!(count(&pool, "select max(attempt)::bigint from job_runs").await, 5, "as often as any passing error");
    assert_eq!(count(&pool, "select max(failures)::bigint from provider_budgets").await, 0, "no provider is blamed");
    witness::assert_invariants(&pool).await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_slice_over_which_each_worker_dies_is_given_up_after_five(pool: PgPool) {
    let simulator = simulator().await;
    witness::watch(&pool).await;
    let web = launch(&pool, &simulator, "web").start().await;
    hydrate(&web, ("AAPL", "d1"), Window { from: Window::days(20).from, to: Window::days(12).to }).await;
    let queued = count(&pool, "select count(*) from job_runs").await;
    let mut crashes = 0;
    while count(&pool, "select count(*) from job_runs_live where attempt < max_attempts").await > 0 {
        let mut worker = launch(&pool, &simulator, "worker").variable("TIDEMARK_CRASH_AT", "after_claim").begin();
        worker.ended().await;
        crashes += 1;
        assert!(crashes <= 5 * queued, "bounded");
    }
    let _healthy = launch(&pool, &simulator, "worker").start().await;
    let failed = at_rest(&web.url, "AAPL", "d1").await;
    assert_eq!(failed["failure"]["code"], "lease_expired", "{failed}");
    let counted = "select count(*) from job_runs
                   where status = 'failed' and attempt = 5 and outcomes = array_fill('lease_expired'::text, array[5])";
    assert!(count(&pool, counted).await > 0, "{crashes} crashes");
    witness::assert_invariants(&pool).await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_definition_disabled_or_deleted_while_its_slices_are_fetched_leaves_nothing_behind(pool: PgPool) {
    let simulator = simulator().await;
    let window = Window::days(3);
    let want = undisturbed(&pool, &simulator, window).await;
    simulator.control().set_latency(Duration::from_millis(200));
    let process = launch(&pool, &simulator, "web,worker").start().await;
    let some_ended = async || {
        let ended = "select count(*) from job_runs where status = 'success'";
        eventually(|| async { (count(&pool, ended).await >= 4).then_some(()) }).await;
    };
    hydrate(&process, PAIR, window).await;
    some_ended().await;
    run(&pool, "update job_definitions set enabled = false").await;
    assert_whole(&pool, &simulator, &process, window, &want).await;
    let earlier = Window { from: window.from - 86_400_000, ..window };
    assert_eq!(hydrate(&process, PAIR, earlier).await["queued"], 0, "nothing new is made for it");

    run(&pool, "truncate ohlc_bars_v2, coverage_status, coverage_reasons, job_runs; delete from job_definitions").await;
    simulator.control().clear_requests();
    short_slices(&pool).await;
    hydrate(&process, PAIR, window).await;
    some_ended().await;
    run(&pool, "delete from job_definitions").await;
    let gone = at_rest(&process.url, PAIR.0, PAIR.1).await;
    assert_eq!(gone["failed"], 0, "{gone}");
    let orphans = "select count(*) from ohlc_bars_v2 b left join coverage_status c using (series_id, layer)
                   where not coalesce(c.covered @> b.ts, false)";
    assert_eq!(count(&pool, orphans).await, 0, "what was under way was dropped whole");
    let is_idle = || simulator.control().requests().requests.iter().all(|request| request.ended.is_some());
    eventually(|| async { is_idle().then_some(()) }).await;
    hydrate(&process, PAIR, window).await;
    at_rest(&process.url, PAIR.0, PAIR.1).await;
    assert!(ohlcv(&process, PAIR, window).await == want);
    assert!(simulator.control().requests().max_concurrent_overlap <= 1);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn hours_changed_while_slices_are_fetched_mix_no_bars(pool: PgPool) {
    let simulator = simulator().await;
    short_slices(&pool).await;
    let process = launch(&pool, &simulator, "web,worker").start().await;
    let (series, window) = (("AAPL", "m15"), Window::days(6));
    let set = async |hours: &str| {
        let body = json!({ "symbol": "AAPL", "tf": "m15", "hours": hours });
        assert_eq!(process.post("/api/v1/operator/series", &body).await.0, 200);
    };
    set("extended").await;
    hydrate(&process, series, window).await;
    at_rest(&process.url, series.0, series.1).await;
    let want = ohlcv(&process, series, window).await;
    run(&pool, "truncate ohlc_bars_v2, coverage_status, coverage_reasons, job_runs").await;
    set("regular").await;
    simulator.control().set_latency(Duration::from_millis(300));
    hydrate(&process, series, window).await;
    let running = "select count(*) from job_runs_live where status = 'running'";
    eventually(|| async { (count(&pool, running).await > 0).then_some(()) }).await;
    set("extended").await;
    assert_eq!(count(&pool, "select count(*) from job_runs_live").await, 0, "called off");
    assert!(count(&pool, "select count(*) from job_runs where error_code = 'hours_changed'").await > 0);
    hydrate(&process, series, window).await;
    let done = at_rest(&process.url, series.0, series.1).await;
    assert_eq!((&done["failed"], &done["percent"]), (&json!(0), &json!(100)), "{done}");
    assert!(ohlcv(&process, series, window).await == want);
}
