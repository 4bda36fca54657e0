//! Several processes on one database: who does what, how soon they are there, and what they do at once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection, PgPool};
use support::pair::{PAIR, Window, assert_whole, count, deaths_and_repeats, hydrate, launch, run, undisturbed};
use support::processes::{Process, url_of};
use support::{eventually, simulator};
use tidemark_server::db::queue;

/// What a process without pages says once it is ready.
const READY: &str = "Tidemark is at ";

/// Writes down every change of the lead.
const WATCH_LEAD: &str = "
    create table leads (
        at timestamptz not null default clock_timestamp(), former text, former_until timestamptz, holder text not null,
        term bigint not null, until timestamptz not null, ticked_at timestamptz
    );
    create function see_lead() returns trigger language plpgsql as $$
    begin
        insert into leads (former, former_until, holder, term, until, ticked_at)
        values (old.holder, old.until, new.holder, new.term, new.until, new.ticked_at);
        return null;
    end $$;
    create trigger watched after insert or update on leader for each row execute function see_lead()";

/// Fails where two led at once, a term was led by two, or two ticks came within a period.
async fn assert_one_leader(pool: &PgPool) {
    let usurped = "select count(*) from leads where holder <> former and former_until > at";
    assert_eq!(count(pool, usurped).await, 0, "nobody leads before another's time is over");
    let shared = "select count(*) from (select term from leads group by term having count(distinct holder) > 1) t";
    assert_eq!(count(pool, shared).await, 0, "a term has one leader");
    let ticks = "
        select count(*) from (
            select ticked_at - lag(ticked_at) over (order by ticked_at) as gap
            from (select distinct ticked_at from leads where ticked_at is not null) t
        ) g where gap < interval '59 seconds'";
    assert_eq!(count(pool, ticks).await, 0, "a tick comes once a minute, whoever leads");
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn eight_processes_of_mixed_roles_fetch_each_slice_once_under_one_leader(pool: PgPool) {
    let simulator = simulator().await;
    let window = Window::days(60);
    let want = undisturbed(&pool, &simulator, window).await;
    run(&pool, "truncate leader").await;
    run(&pool, WATCH_LEAD).await;
    simulator.control().set_latency(Duration::from_millis(20));
    let roles = [
        "web",
        "worker",
        "orchestrator",
        "web,worker,orchestrator",
        "worker,orchestrator",
        "worker",
        "web,orchestrator",
        "web,worker,orchestrator",
    ];
    let all = roles.map(|roles| launch(&pool, &simulator, roles).option("--lease-seconds", "10"));
    let mut processes: Vec<Process> = futures::future::join_all(all.iter().map(|one| one.start())).await;
    // All ask for the same and tick by hand, at once.
    let asking = [0, 3, 6, 7].map(|number: usize| hydrate(&processes[number], PAIR, window));
    futures::future::join_all(asking).await;
    let ticking = (0..40).map(|round: usize| {
        let process = &processes[[0, 3, 6, 7][round % 4]];
        async move { process.post("/api/v1/operator/tick", &serde_json::json!({})).await.0 }
    });
    assert!(futures::future::join_all(ticking).await.iter().all(|status| *status == 200));
    assert_whole(&pool, &simulator, &processes[0], window, &want).await;
    assert_eq!(deaths_and_repeats(&pool).await, (0, 0), "each slice was fetched once");
    let workers = count(&pool, "select count(distinct after ->> 'lease_owner') from witness.run_changes").await;
    assert!(workers >= 4, "{workers} of five took part");

    // The leader dies, and then another.
    for _ in 0..2 {
        let holder: String = sqlx::query_scalar("select holder from leader").fetch_one(&pool).await.unwrap();
        let id: u32 = holder.rsplit('-').nth(1).unwrap().parse().unwrap();
        let leader = processes.iter().position(|process| process.id() == id).unwrap();
        processes.remove(leader).kill();
        let killed = Instant::now();
        let succeeded = "select holder <> $1 and until > now() from leader";
        eventually(|| async {
            let succeeded = sqlx::query_scalar::<_, bool>(succeeded).bind(&holder).fetch_one(&pool).await.unwrap();
            succeeded.then_some(())
        })
        .await;
        println!("another led {} ms after the leader's death", killed.elapsed().as_millis());
        assert!(killed.elapsed() < Duration::from_secs(10));
    }
    // One that stops in order lets another lead at once.
    let holder: String = sqlx::query_scalar("select holder from leader").fetch_one(&pool).await.unwrap();
    let id: u32 = holder.rsplit('-').nth(1).unwrap().parse().unwrap();
    let leader = processes.iter().position(|process| process.id() == id).unwrap();
    assert!(processes.remove(leader).terminate().await.success());
    let stopped = Instant::now();
    let succeeded = "select holder <> $1 and until > now() from leader";
    eventually(|| async {
        let succeeded = sqlx::query_scalar::<_, bool>(succeeded).bind(&holder).fetch_one(&pool).await.unwrap();
        succeeded.then_some(())
    })
    .await;
    assert!(stopped.elapsed() < Duration::from_secs(4), "{:?}", stopped.elapsed());
    assert_one_leader(&pool).await;
    assert!(count(&pool, "select count(distinct holder) from leads").await >= 3);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_process_without_pages_tells_whether_it_is_well_and_nothing_else(pool: PgPool) {
    let simulator = simulator().await;
    let started = Instant::now();
    let process = launch(&pool, &simulator, "worker").start().await;
    println!("ready {} ms after it was started", started.elapsed().as_millis());
    assert!(process.said().contains(READY));
    let status = async |path: &str| reqwest::get(format!("{}{path}", process.url)).await.unwrap().status().as_u16();
    assert_eq!((status("/healthz").await, status("/metrics").await), (200, 200));
    for path in ["/", "/chart/AAPL?tf=h1", "/api/v1/bars?symbol=AAPL&tf=h1", "/api/v1/events?symbol=AAPL&tf=h1"] {
        assert_eq!(status(path).await, 404, "{path}");
    }
}

/// The median and the 99th percentile, in microseconds.
fn quantiles(mut took: Vec<Duration>) -> (u128, u128) {
    took.sort_unstable();
    (took[took.len() / 2].as_micros(), took[took.len() * 99 / 100].as_micros())
}

/// Makes so many runs and has them claimed, one after another, and ended; how long each claim took.
async fn drain(pool: &PgPool, runs: i32) -> Vec<Duration> {
    let make = "
        insert into job_runs_live (definition_id, series_id, layer, slice, status, priority, turn, hydration, provider)
        select d.id, s.id, 'intraday', tstzrange(t, t + interval '1 hour'), 'queued', 10, n, 1, 'test'
        from series s join job_definitions d using (symbol, timeframe), generate_series(1, $1) n,
             lateral (select timestamptz '1990-01-01 00:00Z' + n * interval '1 hour' as t) t
        where d.job_type = 'intraday'";
    sqlx::query(make).bind(runs).execute(pool).await.unwrap();
    let mut took = Vec::new();
    loop {
        let started = Instant::now();
        let claimed = queue::claim(pool, "drain", Duration::from_secs(600), 1).await.unwrap();
        took.push(started.elapsed());
        let Some(run) = claimed.first() else { break };
        sqlx::query("select end_runs(array[$1], 'success', 'success', null, null)")
            .bind(run.id)
            .execute(pool)
            .await
            .unwrap();
    }
    assert_eq!(took.len(), usize::try_from(runs).unwrap() + 1);
    took
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_reader_that_stays_and_no_vacuum_slow_claims_down_and_stop_none(pool: PgPool) {
    run(
        &pool,
        "insert into instruments (symbol, asset_class, calendar) values ('TEST', 'crypto', '24x7');
         insert into series (symbol, timeframe) values ('TEST', 'm1');
         insert into job_definitions (symbol, timeframe, job_type, \"window\")
         values ('TEST', 'm1', 'intraday', tstzrange('1990-01-01', '2000-01-01'));
         insert into provider_budgets (provider) values ('test')",
    )
    .await;
    let (median, slowest) = quantiles(drain(&pool, 3_000).await);
    println!("undisturbed: a claim takes {median} µs, 99 of 100 at most {slowest} µs");

    run(&pool, "alter table job_runs_live set (autovacuum_enabled = false)").await;
    let mut reader = PgConnection::connect(&url_of(&pool)).await.unwrap();
    sqlx::raw_sql("begin isolation level repeatable read; select count(*) from job_runs")
        .execute(&mut reader)
        .await
        .unwrap();
    drain(&pool, 2_000).await;
    let (median, slowest) = quantiles(drain(&pool, 3_000).await);
    println!("while a reader stays: a claim takes {median} µs, 99 of 100 at most {slowest} µs");
    sqlx::raw_sql("rollback").execute(&mut reader).await.unwrap();

    run(&pool, "vacuum job_runs_live").await;
    let (median, slowest) = quantiles(drain(&pool, 1_000).await);
    println!("after it: a claim takes {median} µs, 99 of 100 at most {slowest} µs");
    assert_eq!(count(&pool, "select count(*) from job_runs_ended").await, 9_000);
}
