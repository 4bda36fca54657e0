//! Drains no-op runs through the real queue, and prints a JSON line for each way: how many a second, and how long one waits
//! from being asked for to being fetched. `make bench-queue` runs it beside other queues on the same Postgres.
//!
//! A no-op run fetches a minute of a weekend: nothing is written but its end and the coverage that it tells.
//!
//! `bench_queue flat` tells what a claim costs as ended runs pile up, `bench_queue tick` what a tick costs over 10,000
//! definitions that lack nothing, `bench_queue soak` how large the tables are before and after 300,000 runs.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement fails by panicking, and prints")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};
use tidemark_app::backend::SeriesKey;
use tidemark_market::coverage::Booking;
use tidemark_market::layer::Bounds;
use tidemark_market::slicing::PlannedSlice;
use tidemark_market::time::MINUTE;
use tidemark_market::{Layer, Spans, Symbol, TimeRange, Timeframe, Timestamp};
use tidemark_server::clock::Clock;
use tidemark_server::db;
use tidemark_server::db::queue::{self, Answer, ClaimedRun, Wish};
use tidemark_server::events::EventHub;
use tidemark_server::providers::{FetchRequest, Fetched, Limit, Listing, Provider, ProviderError};
use tidemark_server::queue::dispatcher::DispatcherDuty;
use tidemark_server::queue::finisher::finisher;
use tidemark_server::queue::leases::{LeaseDuty, Leases};
use tidemark_server::queue::listener::ListenerDuty;
use tidemark_server::queue::notifier::notifier;
use tidemark_server::queue::orchestrator;
use tidemark_server::queue::worker::Workshop;
use tidemark_server::registry::Registry;
use tidemark_server::service::Service;
use tidemark_server::showcase::ShowcaseCheck;
use tidemark_server::sizes::SizeBook;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

const SERIES: i64 = 20;
const SATURDAY: Timestamp = Timestamp(1_710_547_200_000);
const LEASE: Duration = Duration::from_secs(30);
const AT_ONCE: u16 = 4_000;
/// As many as the floor's clients at most.
const CONNECTIONS: u32 = 16;
/// How many are picked up before it is measured how soon, as with the others.
const WARMING: i64 = 20;
/// Minutes that are fetched first, so that nothing is measured before connections and plans are made.
const REHEARSED: std::ops::Range<i64> = 3_300..3_400;

#[tokio::main]
async fn main() {
    tidemark_server::telemetry::start_logging();
    let url = std::env::var("DATABASE_URL").unwrap();
    match std::env::args().nth(1).as_deref() {
        None => {
            let runs = std::env::var("JOBS").map_or(20_000, |jobs| jobs.parse().unwrap());
            println!("{}", drain_in_batches(&scratch(&url).await, runs).await);
            println!("{}", drain_one_by_one(&scratch(&url).await, runs).await);
        }
        Some("flat") => claim_beside_ended_runs(&url).await,
        Some("tick") => tick_over_covered_definitions(&scratch(&url).await).await,
        Some("soak") => with_hasty_autovacuum(&url, soak(&scratch(&url).await)).await,
        Some(other) => panic!("{other:?} is none of flat, tick and soak"),
    }
}

/// A fresh database beside the one of `url`.
async fn scratch(url: &str) -> PgPool {
    scratch_named(url, "tidemark_bench").await
}

async fn scratch_named(url: &str, name: &str) -> PgPool {
    let admin = PgPool::connect(url).await.unwrap();
    drop_database(&admin, name).await;
    sqlx::raw_sql(AssertSqlSafe(format!("create database {name}"))).execute(&admin).await.unwrap();
    let options = (*admin.connect_options()).clone().database(name);
    let pool = db::pool_of(CONNECTIONS).connect_with(options).await.unwrap();
    db::MIGRATIONS.run(&pool).await.unwrap();
    for number in 0..SERIES {
        let listing = Listing { symbol: symbol(number), name: None, currency: None };
        db::instruments::add(&pool, &listing).await.unwrap();
    }
    pool
}

async fn drop_database(admin: &PgPool, name: &str) {
    let drop = AssertSqlSafe(format!("drop database if exists {name} with (force)"));
    sqlx::raw_sql(drop).execute(admin).await.unwrap();
}

fn symbol(number: i64) -> Symbol {
    format!("S{number}").parse().unwrap()
}

fn series(number: i64) -> SeriesKey {
    SeriesKey { symbol: symbol(number), timeframe: Timeframe::M1 }
}

fn minute(number: i64) -> TimeRange {
    TimeRange { start: SATURDAY.plus(number * MINUTE), end: SATURDAY.plus((number + 1) * MINUTE) }
}

/// Asks for minutes of a series in one statement.
async fn enqueue(pool: &PgPool, of: i64, minutes: impl IntoIterator<Item = i64>) {
    let slice = |number| {
        let range = minute(number);
        let slice = PlannedSlice { layer: Layer::Intraday, range, sessions: vec![range], priority: 10 };
        (slice, vec!["noop".to_owned()])
    };
    let slices: Vec<_> = minutes.into_iter().map(slice).collect();
    let bounds = Bounds { settled_through: SATURDAY, intraday_from: SATURDAY };
    let window = TimeRange { start: SATURDAY, end: SATURDAY.plus(20_000 * MINUTE) };
    let wish = Wish { window, schedule: None, retry: false, bounds, job_types: vec![Layer::Intraday] };
    let made = queue::ensure_coverage(pool, &series(of), &wish, &slices).await.unwrap();
    assert_eq!(made.created as usize, slices.len());
}

/// All runs; how many were made a second.
async fn enqueue_all(pool: &PgPool, runs: i64) -> f64 {
    let started = Instant::now();
    for of in 0..SERIES {
        enqueue(pool, of, 0..runs / SERIES).await;
    }
    let rate = per_second(runs, started);
    sqlx::query("vacuum analyze job_runs_live").execute(pool).await.unwrap();
    rate
}

fn per_second(count: i64, started: Instant) -> f64 {
    i32::try_from(count).map_or(f64::NAN, f64::from) / started.elapsed().as_secs_f64()
}

/// Answers at once, without bars, and says when it was asked.
struct NoOp(mpsc::UnboundedSender<Instant>);

#[async_trait]
impl Provider for NoOp {
    fn name(&self) -> &str {
        "noop"
    }

    fn is_synthetic(&self) -> bool {
        true
    }

    fn supports(&self, _symbol: &Symbol, _timeframe: Timeframe) -> bool {
        true
    }

    fn page(&self, _symbol: &Symbol, _timeframe: Timeframe) -> i64 {
        MINUTE
    }

    fn limit(&self) -> Limit {
        Limit::NONE
    }

    async fn fetch(
        &self,
        request: &FetchRequest,
        _progress: &(dyn Fn(u8) + Send + Sync),
    ) -> Result<Fetched, ProviderError> {
        self.0.send(Instant::now()).unwrap();
        Ok(Fetched {
            bars: Vec::new(),
            adjusted: false,
            answered_at: request.slice.end,
            allowance: None,
            requests: 1,
            unreadable_rows: Vec::new(),
        })
    }

    async fn knows(&self, _symbol: &Symbol) -> Result<Option<Listing>, ProviderError> {
        Ok(None)
    }
}

/// Every duty of a worker process, as the server starts them.
async fn drain_in_batches(pool: &PgPool, runs: i64) -> serde_json::Value {
    let (sender, mut asked) = mpsc::unbounded_channel();
    let registry = Registry::new(Some(Arc::new(NoOp(sender))), None);
    let (stop, worker) = (CancellationToken::new(), "bench".to_owned());
    let (notifier, telling) = notifier(pool.clone(), "bench");
    let (leases, queued, controlled) = (Leases::default(), notifier.bell(), Arc::new(Notify::new()));
    let (finisher, finishing) = finisher(pool, &worker, Duration::from_secs(1));
    let workshop = Arc::new(Workshop {
        pool: pool.clone(),
        registry,
        notifier: notifier.clone(),
        worker: worker.clone(),
        lease: LEASE,
        first_retry: Duration::from_secs(1),
        leases: leases.clone(),
        finisher,
        sizes: Arc::new(SizeBook::new(pool.clone())),
    });
    let hub = EventHub::new(pool.clone());
    let listener = ListenerDuty {
        pool: pool.clone(),
        process: worker.clone(),
        queued: Arc::clone(&queued),
        controlled: Arc::clone(&controlled),
        hub,
    };
    let keeper = LeaseDuty { pool: pool.clone(), leases, worker, lease: LEASE, notifier: notifier.clone(), controlled };
    let dispatcher = DispatcherDuty { workshop, queued, workers: AT_ONCE, drain: Duration::ZERO };

    tokio::spawn(telling.run(stop.clone()));
    tokio::spawn(listener.run(stop.clone()));
    tokio::spawn(keeper.run(stop.clone()));
    for duty in finishing {
        tokio::spawn(duty.run(stop.clone()));
    }
    let dispatching = tokio::spawn(dispatcher.run(stop.clone()));

    for of in 0..SERIES {
        enqueue(pool, of, REHEARSED).await;
        notifier.queued();
    }
    all_ended(pool).await;
    while asked.try_recv().is_ok() {}
    sqlx::query("update queue_state set is_paused = true").execute(pool).await.unwrap();
    let enqueued = enqueue_all(pool, runs).await;
    let started = Instant::now();
    sqlx::query("update queue_state set is_paused = false").execute(pool).await.unwrap();
    notifier.queued();
    // The database is not asked before: each time it would go through all that has ended so far.
    while asked.len() < usize::try_from(runs).unwrap() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    all_ended(pool).await;
    let drained = per_second(runs, started);
    assert_eq!(succeeded(pool).await, runs + SERIES * (REHEARSED.end - REHEARSED.start));

    while asked.try_recv().is_ok() {}
    let mut waits = Vec::new();
    // The first are not counted: plans are made in them.
    for number in -WARMING..200 {
        tokio::time::sleep(Duration::from_millis(5 + u64::try_from((number * 7).rem_euclid(16)).unwrap())).await;
        let before = Instant::now();
        enqueue(pool, 0, std::iter::once(3_400 + WARMING + number)).await;
        notifier.queued();
        let waited = asked.recv().await.unwrap() - before;
        waits.extend((number >= 0).then_some(waited));
    }
    stop.cancel();
    dispatching.await.unwrap();
    waits.sort_unstable();
    let millis = |rank: usize| waits[rank].as_secs_f64() * 1_000.0;
    json!({
        "system": "tidemark batch", "drained_per_s": drained, "enqueue_per_s": enqueued,
        "pickup_p50_ms": millis(100), "pickup_p99_ms": millis(197),
    })
}

/// Claims one and ends one, each in a statement and commit of its own, one for each connection.
async fn drain_one_by_one(pool: &PgPool, runs: i64) -> serde_json::Value {
    let enqueued = enqueue_all(pool, runs).await;
    let started = Instant::now();
    let hands = (0..i64::from(CONNECTIONS)).map(|hand| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let worker = format!("w{hand}");
            while let Some(run) = queue::claim(&pool, &worker, LEASE, 1).await.unwrap().pop() {
                queue::finish(&pool, &worker, &[(&run, &answer(&run))], LEASE).await.unwrap();
            }
        })
    });
    futures::future::try_join_all(hands.collect::<Vec<_>>()).await.unwrap();
    let drained = per_second(runs, started);
    assert_eq!(succeeded(pool).await, runs);
    json!({ "system": "tidemark single", "drained_per_s": drained, "enqueue_per_s": enqueued })
}

/// What a claim of one run costs beside so many ended runs. Each number has a database of its own, and they are measured in
/// turns, so that what else the machine does falls on all alike.
async fn claim_beside_ended_runs(url: &str) {
    const ROUNDS: usize = 7;
    let admin = PgPool::connect(url).await.unwrap();
    let mut beside = Vec::new();
    for ended in [1_000, 10_000, 100_000, 1_000_000, 5_000_000] {
        let name = format!("tidemark_bench_{ended}");
        let pool = scratch_named(url, &name).await;
        for of in 0..SERIES {
            enqueue(&pool, of, 0..500).await;
        }
        pile_up(&pool, ended).await;
        beside.push((ended, name, pool, Vec::new()));
    }
    for _ in 0..ROUNDS {
        for (_, _, pool, waits) in &mut beside {
            waits.extend(claims_from_rest(pool).await);
        }
    }
    for (ended, name, pool, mut waits) in beside {
        waits.sort_unstable();
        let micros = |percent: usize| waits[waits.len() * percent / 100].as_micros();
        println!("{}", json!({ "ended": ended, "claim_p50_us": micros(50), "claim_p99_us": micros(99) }));
        pool.close().await;
        drop_database(&admin, &name).await;
    }
}

/// What each of some claims takes, from a state that is the same each time: no dead rows, and nothing left to write.
async fn claims_from_rest(pool: &PgPool) -> Vec<Duration> {
    const REHEARSED: usize = 50;
    const CLAIMED: usize = 250;
    for settle in ["vacuum (freeze, analyze) job_runs_live", "checkpoint"] {
        sqlx::query(settle).execute(pool).await.unwrap();
    }
    let mut waits = Vec::new();
    for _ in 0..REHEARSED + CLAIMED {
        let started = Instant::now();
        assert_eq!(queue::claim(pool, "flat", LEASE, 1).await.unwrap().len(), 1);
        waits.push(started.elapsed());
    }
    waits.split_off(REHEARSED)
}

/// One tick over definitions that lack nothing.
async fn tick_over_covered_definitions(pool: &PgPool) {
    const DEFINITIONS: i64 = 10_000;
    sqlx::raw_sql(
        "insert into instruments (symbol, asset_class, calendar)
         select 'T' || n, 'equity', 'XNYS' from generate_series(1, 10000) as n;
         insert into series (symbol, timeframe) select symbol, 'h1' from instruments where symbol like 'T%';
         insert into job_definitions (symbol, timeframe, job_type, \"window\", schedule, next_due_at)
         select symbol, 'h1', layer, tstzrange(now() - interval '90 days', now()), 'every 5m', now() - interval '1 hour'
         from instruments, unnest('{historical,intraday}'::bar_layer[]) as layer where symbol like 'T%';
         insert into coverage_status (series_id, layer, covered)
         select s.id, layer, (select range_agg(tstzrange(day, day + interval '20 hours'))
                              from generate_series(now() - interval '100 days', now() + interval '1 day', '1 day') as day)
                             + tstzmultirange(tstzrange(now() - interval '100 days', now() + interval '1 day'))
         from series s, unnest('{historical,intraday}'::bar_layer[]) as layer where s.timeframe = 'h1';
         analyze job_definitions, coverage_status, series;",
    )
    .execute(pool)
    .await
    .unwrap();
    let (sender, _asked) = mpsc::unbounded_channel();
    let (notifier, _telling) = notifier(pool.clone(), "bench");
    let service = Service {
        pool: pool.clone(),
        registry: Registry::new(Some(Arc::new(NoOp(sender))), None),
        notifier,
        clock: Clock::System,
        listed: Arc::default(),
        showcase: ShowcaseCheck::default(),
        sizes: Arc::new(SizeBook::new(pool.clone())),
        hub: EventHub::new(pool.clone()),
        process: "bench".to_owned(),
    };
    let started = Instant::now();
    let ticked = orchestrator::tick(&service, Duration::from_secs(14 * 86_400)).await.unwrap();
    let took = started.elapsed();
    assert_eq!((i64::try_from(ticked.due_series).unwrap(), ticked.created_slices), (DEFINITIONS, 0));
    println!("{}", json!({ "definitions": 2 * DEFINITIONS, "tick_ms": took.as_millis() }));
}

/// Has autovacuum look every second meanwhile: what a day brings comes within minutes.
async fn with_hasty_autovacuum(url: &str, what: impl Future<Output = ()>) {
    let admin = PgPool::connect(url).await.unwrap();
    sqlx::query("alter system set autovacuum_naptime = '1s'").execute(&admin).await.unwrap();
    sqlx::query("select pg_reload_conf()").execute(&admin).await.unwrap();
    what.await;
    sqlx::query("alter system reset autovacuum_naptime").execute(&admin).await.unwrap();
    sqlx::query("select pg_reload_conf()").execute(&admin).await.unwrap();
}

/// Round after round of as many runs, with the sizes of the queue's tables before, in between and after. Autovacuum, and
/// nothing else, clears up between two rounds.
async fn soak(pool: &PgPool) {
    const ROUNDS: i64 = 15;
    for round in 0..=ROUNDS {
        if round > 0 {
            for of in 0..SERIES {
                let first = (round - 1) * 1_000;
                enqueue(pool, of, first..first + 1_000).await;
            }
            drain(pool, 250).await;
            vacuumed(pool).await;
        }
        let sizes: (i64, i64, i64, i64) = sqlx::query_as(
            "select pg_relation_size('job_runs_live'), pg_indexes_size('job_runs_live'),
                    (select sum(pg_total_relation_size(inhrelid))::bigint from pg_inherits
                     where inhparent = 'job_runs_ended'::regclass),
                    pg_total_relation_size('coverage_status') + pg_total_relation_size('series')",
        )
        .fetch_one(pool)
        .await
        .unwrap();
        let (live, indexes, ended, series) = sizes;
        println!(
            "{}",
            json!({ "ended_runs": round * SERIES * 1_000, "live_bytes": live, "live_index_bytes": indexes,
                    "ended_bytes": ended, "series_bytes": series })
        );
    }
}

/// Waits until autovacuum has seen to the living runs once all of them had ended, 90 s at most.
async fn vacuumed(pool: &PgPool) {
    let count = "select autovacuum_count from pg_stat_user_tables where relname = 'job_runs_live'";
    let count = async || sqlx::query_scalar::<_, i64>(count).fetch_one(pool).await.unwrap();
    let (before, started) = (count().await, Instant::now());
    while count().await == before && started.elapsed() < Duration::from_secs(90) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Claims and ends `at_once` runs at a time until none is left.
async fn drain(pool: &PgPool, at_once: i32) {
    loop {
        let runs = queue::claim(pool, "soak", LEASE, at_once).await.unwrap();
        if runs.is_empty() {
            return;
        }
        let answers: Vec<_> = runs.iter().map(answer).collect();
        let answered: Vec<_> = runs.iter().zip(&answers).collect();
        queue::finish(pool, "soak", &answered, LEASE).await.unwrap();
    }
}

/// Nothing was traded in all of it.
fn answer(run: &ClaimedRun) -> Answer {
    let booking = Booking { covered: vec![run.slice].into(), doubted: Spans::empty() };
    Answer { requests: 1, booking, ..Answer::default() }
}

/// Ended runs over the days of two weeks.
async fn pile_up(pool: &PgPool, count: i64) {
    sqlx::query(
        "insert into job_runs_ended (definition_id, series_id, layer, slice, status, priority, hydration, provider,
                                     finished_at)
         select 1, 1 + n % 20, 'intraday', tstzrange(now(), now() + interval '1 minute'), 'success', 10, n, 'noop',
                now() + (n % 14) * interval '1 day'
         from generate_series(1, $1) as n",
    )
    .bind(count)
    .execute(pool)
    .await
    .unwrap();
    sqlx::query("vacuum analyze job_runs_ended").execute(pool).await.unwrap();
}

async fn all_ended(pool: &PgPool) {
    let is_any_left = "select exists (select from job_runs_live)";
    while sqlx::query_scalar::<_, bool>(is_any_left).fetch_one(pool).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn succeeded(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from job_runs where status = 'success'").fetch_one(pool).await.unwrap()
}
