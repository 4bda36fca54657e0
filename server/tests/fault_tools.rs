//! That the tools of the fault tests do what they are for: a check that never fails proves nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection, PgPool};
use support::postgres::OwnPostgres;
use support::processes::{Launch, url_of};
use support::proxy::{Proxy, Way};
use support::seeds::Chance;
use support::{DEADLINE, TestServer, simulator, witness};

/// Long enough for what is at once, and short enough to be waited for in vain.
const A_MOMENT: Duration = Duration::from_millis(300);

async fn run(pool: &PgPool, statement: &'static str) {
    sqlx::raw_sql(statement).execute(pool).await.unwrap();
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn each_broken_promise_is_told(pool: PgPool) {
    let simulator = simulator().await;
    witness::watch(&pool).await;
    let server = TestServer::start(&pool, &simulator.url()).await;
    server.hydrate("AAPL", "h1", 5).await;
    server.at_rest("AAPL", "h1").await;
    server.stop().await;
    witness::assert_invariants(&pool).await;

    let told = async |invariant: &str, what: &str| {
        let violations = witness::violations(&pool).await;
        let words = format!("{invariant} {what}");
        assert!(violations.iter().any(|violation| violation.starts_with(&words)), "{words}: {violations:#?}");
    };
    run(&pool, "update ohlc_bars_v2 set close = open").await;
    told("I7", "bars were written without a run").await;
    run(&pool, "update coverage_status set covered = '{}'").await;
    told("I3", "fetched session time is neither").await;
    told("I3", "bars lie outside").await;
    run(&pool, "alter table ohlc_bars_v2 drop constraint ohlc_is_a_bar; update ohlc_bars_v2 set high = low / 2").await;
    told("I2", "a bar is none").await;
    run(&pool, "update job_runs set status = 'failed', finished_at = now() where status = 'success'").await;
    told("I4", "a run that had ended ended again").await;

    // Two live runs that overlap by an hour, and a third elsewhere.
    run(
        &pool,
        "insert into job_runs (definition_id, series_id, layer, slice, status, priority, hydration, provider)
         select r.definition_id, r.series_id, r.layer, tstzrange(s.start, s.start + interval '2 hours'), 'queued',
                r.priority, r.hydration, r.provider
         from (select * from job_runs limit 1) r,
              (values (timestamptz '2024-01-02 15:00Z'), ('2024-01-02 16:00Z'), ('2024-01-03 15:00Z')) s (start)",
    )
    .await;
    told("I1", "two live slices overlap").await;
    let mut of_a = PgConnection::connect(&url_of(&pool)).await.unwrap();
    let take = "update job_runs set status = 'running', lease_owner = $1, lease_until = now() + interval '1 hour',
                attempt = attempt + 1, progress = 50
                where id = (select min(id) from job_runs where status = 'queued') returning id";
    let first: i64 = sqlx::query_scalar(take).bind("a").fetch_one(&mut of_a).await.unwrap();
    let second: i64 = sqlx::query_scalar(take).bind("b").fetch_one(&pool).await.unwrap();
    let book = "update job_runs set progress = $2 where id = $1";
    sqlx::query(book).bind(first).bind(40_i16).execute(&mut of_a).await.unwrap();
    told("I6", "progress fell").await;
    sqlx::query(book).bind(second).bind(60_i16).execute(&mut of_a).await.unwrap();
    told("I7", "a worker booked what another held").await;
    run(&pool, "update job_runs set lease_until = now() - interval '1 hour' where status = 'running'").await;
    told("I5", "a lease has run out").await;
    run(&pool, "delete from job_runs where status = 'queued'").await;
    told("I4", "a live run vanished").await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_proxy_hands_on_holds_delays_and_cuts(pool: PgPool) {
    let proxy = Proxy::before(&pool).await;
    let connect = async || {
        let options = PgPoolOptions::new().max_connections(1).test_before_acquire(false);
        options.connect(&proxy.url_of(&pool)).await
    };
    let ask = async |pool: &PgPool| sqlx::query_scalar::<_, i32>("select 7").fetch_one(pool).await;
    let (first, second) = (connect().await.unwrap(), connect().await.unwrap());
    assert_eq!((ask(&first).await.unwrap(), proxy.connections(), proxy.open_connections()), (7, 2, 2));

    proxy.set_nth(1, Way::BlackHole);
    let mut held = std::pin::pin!(ask(&second));
    assert!(tokio::time::timeout(A_MOMENT, &mut held).await.is_err(), "neither an answer nor an end");
    assert_eq!(ask(&first).await.unwrap(), 7, "the other goes on");
    proxy.set(Way::Pass);
    assert_eq!(held.await.unwrap(), 7, "what was held arrives");

    proxy.set_nth(0, Way::Delay(A_MOMENT));
    let started = Instant::now();
    assert_eq!(ask(&first).await.unwrap(), 7);
    assert!(started.elapsed() >= 2 * A_MOMENT, "there and back");

    proxy.set(Way::Reset);
    assert!(ask(&second).await.is_err());
    assert!(connect().await.is_err());
    proxy.set(Way::Pass);
    assert_eq!(ask(&connect().await.unwrap()).await.unwrap(), 7);
}

#[tokio::test]
async fn a_postgres_that_is_stopped_at_once_comes_back_with_all_it_acknowledged() {
    let mut postgres = OwnPostgres::start().await;
    let pool = postgres.migrated().await;
    run(&pool, "create table kept as select 7 as number").await;
    postgres.stop_immediately().await;
    assert!(PgConnection::connect(postgres.url()).await.is_err());
    postgres.start_again().await;
    assert_eq!(sqlx::query_scalar::<_, i32>("select number from kept").fetch_one(&pool).await.unwrap(), 7);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_process_is_held_let_go_on_asked_to_stop_and_killed(pool: PgPool) {
    let simulator = simulator().await;
    let mut process = Launch::serve(&url_of(&pool), &simulator.url()).start().await;
    let client = reqwest::Client::builder().timeout(A_MOMENT).build().unwrap();
    let url = format!("{}/healthz", process.url);
    process.hold();
    assert!(client.get(&url).send().await.unwrap_err().is_timeout());
    process.go_on();
    let answered = support::eventually(|| async { client.get(&url).send().await.ok() }).await;
    assert_eq!(answered.status(), 200);
    assert!(process.is_alive() && process.peak_memory() > 1_000_000);
    assert!(process.terminate().await.success(), "it stopped in order");

    let mut process = Launch::serve(&url_of(&pool), &simulator.url()).variable("RUST_LOG", "debug").start().await;
    let started = Instant::now();
    process.kill();
    assert!(!process.is_alive() && started.elapsed() < DEADLINE);
    assert!(process.said().contains("DEBUG"));
}

#[test]
fn chance_is_the_same_again_for_the_same_seed() {
    let draw = |seed| {
        let mut chance = Chance::of(seed);
        (chance.next(), chance.below(10), chance.within(Duration::from_secs(1)), *chance.pick(&[1, 2, 3]))
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
    let mut chance = Chance::of(7);
    assert!(
        (0..1_000).all(|_| chance.below(3) < 3 && chance.within(Duration::from_millis(5)) < Duration::from_millis(5))
    );
}
