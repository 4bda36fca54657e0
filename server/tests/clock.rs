//! What is done by the clock: at its time, once, by one process, whatever becomes of that process.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use support::processes::{Launch, Process, url_of};
use support::{TestServer, config, count, eventually, in_days, listed, simulator, witness};
use tidemark_market::Timestamp;
use tidemark_server::clock::Clock;
use tidemark_server::config::{Role, ServeConfig};
use tidemark_server::db::clock;

async fn tick(server: &TestServer) -> Value {
    let (status, ticked) = server.post("/api/v1/operator/tick", &json!({})).await;
    assert_eq!(status, 200, "{ticked}");
    ticked
}

/// A server that ticks when it is told to alone.
async fn without_clock(pool: &PgPool, provider_url: &str) -> TestServer {
    let config = ServeConfig { roles: vec![Role::Web, Role::Worker], ..config(provider_url) };
    TestServer::start_with(pool, &config).await
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn each_schedule_is_due_at_its_next_time(pool: PgPool) {
    let simulator = simulator().await;
    // A Wednesday, three days after the clocks were set forward: New York trades from 13:30 to 20:00.
    let now = Timestamp::parse("2024-03-13T15:07:30Z").unwrap();
    let config = ServeConfig { roles: vec![Role::Web], ..config(&simulator.url()) };
    let server = TestServer::start_at(&pool, &config, Clock::fixed(now)).await;
    for (symbol, timeframe, schedule, due) in [
        ("AAPL", "h1", "every 5m", "2024-03-13T15:10:00Z"),
        ("AMD", "h1", "every 1d", "2024-03-14T00:00:00Z"),
        ("KO", "h1", "open 1m", "2024-03-13T15:08:00Z"),
        ("BA", "h1", "open 1h", "2024-03-13T15:30:00Z"),
        ("GE", "h1", "close", "2024-03-13T20:15:00Z"),
        ("IBM", "d1", "close", "2024-03-14T08:00:00Z"),
        ("PFE", "d1", "weekly", "2024-03-16T08:00:00Z"),
        ("X:BTCUSD", "h1", "every 1m", "2024-03-13T15:08:00Z"),
    ] {
        let body =
            json!({ "symbol": symbol, "timeframe": timeframe, "from": now.0 - 86_400_000, "schedule": schedule });
        let (status, answer) = server.post("/api/v1/hydrate", &body).await;
        assert_eq!(status, 202, "{answer}");
        let asked = "select distinct next_due_at from job_definitions where symbol = $1";
        let stored: Vec<chrono::DateTime<chrono::Utc>> =
            sqlx::query_scalar(asked).bind(symbol).fetch_all(&pool).await.unwrap();
        let stored: Vec<String> = stored.into_iter().map(|at| Timestamp::from(at).to_string()).collect();
        assert_eq!(stored, [due], "{symbol} {schedule}");
    }
    for nonsense in ["every 5s", "open", "hourly", "every 8d"] {
        let body = json!({ "symbol": "AAPL", "timeframe": "h1", "schedule": nonsense });
        assert_eq!(server.post("/api/v1/hydrate", &body).await.0, 422, "{nonsense}");
    }
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_time_that_was_missed_counts_once_however_many_tick_at_once(pool: PgPool) {
    const SERIES: usize = 20;
    let simulator = simulator().await;
    witness::watch(&pool).await;
    let url = simulator.url();
    let servers = join_all((0..5).map(|_| without_clock(&pool, &url))).await;
    let symbols: Vec<String> = (0..SERIES).map(|number| format!("X:T{number}USD")).collect();
    listed(&pool, &symbols.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let from = (chrono::Utc::now() - chrono::Duration::days(10)).timestamp_millis();
    for symbol in &symbols {
        in_days(&pool, symbol, "h1").await;
        let body = json!({ "symbol": symbol, "timeframe": "h1", "from": from, "schedule": "every 1d" });
        assert_eq!(servers[0].post("/api/v1/hydrate", &body).await.0, 202);
    }
    for symbol in &symbols {
        servers[0].at_rest(symbol, "h1").await;
    }
    // Three hours went by in which nobody ticked. They are due again at midnight: not while this test runs.
    let rounds = 10;
    for round in 0..rounds {
        let miss = "update job_definitions set next_due_at = now() - interval '3 hours';
                    update coverage_status set covered = covered - tstzmultirange(tstzrange(now() - interval '4 days', null))";
        let former = count(&pool, "select count(*) from job_runs").await;
        sqlx::raw_sql(miss).execute(&pool).await.unwrap();
        let ticked = join_all(servers[..2 + round % 4].iter().map(tick)).await;
        let sum = |what: &str| ticked.iter().map(|ticked| ticked[what].as_u64().unwrap()).sum::<u64>();
        assert_eq!((sum("due_series"), sum("refreshed_series")), (SERIES as u64, SERIES as u64), "{ticked:?}");
        let made = count(&pool, "select count(*) from job_runs").await - former;
        assert_eq!(made, i64::try_from(sum("created_slices")).unwrap());
        let again = join_all(servers.iter().map(tick)).await;
        assert!(again.iter().all(|ticked| ticked["due_series"] == 0), "{again:?}");
        for symbol in &symbols {
            assert_eq!(servers[0].at_rest(symbol, "h1").await["failed"], 0);
        }
    }
    let slices = "select count(*) from (
                      select 1 from job_runs group by series_id, layer, slice having count(*) > 1 + 10
                  ) fetched_more_than_once_a_round";
    assert_eq!(count(&pool, slices).await, 0);
    assert!(simulator.control().requests().max_concurrent_overlap <= 1, "no bar was fetched twice at once");
    witness::assert_invariants(&pool).await;
    join_all(servers.into_iter().map(TestServer::stop)).await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn only_the_leader_of_the_present_term_ticks_and_once_a_period(pool: PgPool) {
    let (lead, minute) = (Duration::from_secs(6), Duration::from_secs(60));
    let take = async |who: &str| clock::take_lead(&pool, who, lead).await.unwrap();
    let begin = async |who: &str, term| clock::begin_tick(&pool, who, term, minute).await.unwrap();
    let names: Vec<String> = (0..8).map(|number| format!("p{number}")).collect();
    let terms = join_all(names.iter().map(|name| take(name))).await;
    assert_eq!(terms.iter().flatten().count(), 1, "{terms:?}");
    let leader = &names[terms.iter().position(Option::is_some).unwrap()];
    let other = names.iter().find(|name| *name != leader).unwrap();
    let began = join_all(names.iter().map(|name| begin(name, 1))).await;
    assert_eq!(began.iter().filter(|began| **began).count(), 1);
    assert!(!begin(leader, 1).await, "once a period");

    sqlx::raw_sql("update leader set until = now() - interval '1 second', ticked_at = now() - interval '1 hour'")
        .execute(&pool)
        .await
        .unwrap();
    assert!(!begin(leader, 1).await, "a lead that has run out is none");
    assert_eq!(take(other).await, Some(2));
    assert_eq!(take(leader).await, None);
    assert!(!begin(leader, 1).await && !begin(leader, 2).await && begin(other, 2).await);
    assert!(!begin(other, 2).await, "an hour that was missed counts once");
    clock::resign_lead(&pool, other).await.unwrap();
    assert_eq!(take(leader).await, Some(3), "at once");
}

async fn holder(pool: &PgPool) -> Option<(String, i64)> {
    let asked = "select holder, term from leader where until > clock_timestamp()";
    sqlx::query_as(asked).fetch_optional(pool).await.unwrap()
}

/// The process of that name among these.
fn leads(process: &Process, holder: &str) -> bool {
    holder.contains(&format!("-{}-", process.id()))
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn another_process_leads_within_ten_seconds_of_a_leader_that_is_killed_or_held(pool: PgPool) {
    let simulator = simulator().await;
    let launch = Launch::serve(&url_of(&pool), &simulator.url());
    let mut processes = Vec::new();
    for _ in 0..3 {
        processes.push(launch.start().await);
    }
    let (first, term) = eventually(|| holder(&pool)).await;
    let position = processes.iter().position(|process| leads(process, &first)).unwrap();
    processes[position].kill();
    let killed = Instant::now();
    let (second, second_term) =
        eventually(|| async { holder(&pool).await.filter(|(holder, _)| *holder != first) }).await;
    println!("killed: another led after {:?}", killed.elapsed());
    assert!(killed.elapsed() < Duration::from_secs(10));
    assert_eq!(second_term, term + 1);

    let held = processes.iter().position(|process| leads(process, &second)).unwrap();
    processes[held].hold();
    let stopped = Instant::now();
    let (third, third_term) =
        eventually(|| async { holder(&pool).await.filter(|(holder, _)| *holder != second) }).await;
    println!("held: another led after {:?}", stopped.elapsed());
    assert!(stopped.elapsed() < Duration::from_secs(10));
    assert_eq!(third_term, term + 2);
    processes[held].go_on();
    let metrics = format!("{}/metrics", processes[held].url);
    eventually(|| async {
        let told = reqwest::get(&metrics).await.ok()?.text().await.ok()?;
        told.contains("tidemark_is_leader 0").then_some(())
    })
    .await;
    assert_eq!(eventually(|| holder(&pool)).await, (third.clone(), third_term), "who goes on does not lead again");

    let last = processes.iter().position(|process| leads(process, &third)).unwrap();
    assert!(processes[last].terminate().await.success());
    let left = Instant::now();
    let (fourth, _) = eventually(|| async { holder(&pool).await.filter(|(holder, _)| *holder != third) }).await;
    println!("stopped in order: another led after {:?}", left.elapsed());
    assert!(leads(&processes[held], &fourth));
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn days_of_runs_go_when_they_are_old_and_there_is_room_for_those_to_come(pool: PgPool) {
    let simulator = simulator().await;
    let server = without_clock(&pool, &simulator.url()).await;
    server.hydrate("X:BTCUSD", "h1", 5).await;
    server.at_rest("X:BTCUSD", "h1").await;
    let age = "select make_run_partitions((now() at time zone 'UTC')::date - 40, (now() at time zone 'UTC')::date);
               insert into job_runs_ended (id, definition_id, series_id, layer, slice, status, priority, hydration,
                                           provider, finished_at)
               select nextval('job_run_ids'), definition_id, series_id, layer, slice, status, priority, hydration,
                      provider, now() - age * interval '1 day'
               from job_runs_ended, generate_series(1, 40) as age;
               drop table if exists job_runs_ended_future";
    sqlx::raw_sql(age).execute(&pool).await.unwrap();
    let bars = count(&pool, "select count(*) from ohlc_bars_v2").await;
    let ticked = tick(&server).await;
    println!("{ticked}");
    assert!((25..=26).contains(&ticked["dropped_days"].as_i64().unwrap()), "{ticked}");
    let old = "select count(*) from job_runs_ended where finished_at < now() - interval '15 days'";
    assert_eq!(count(&pool, old).await, 0);
    let young =
        "select count(distinct finished_at::date) from job_runs_ended where finished_at > now() - interval '14 days'";
    assert!(count(&pool, young).await >= 14);
    let to_come = "select count(*) from generate_series(0, 14) as ahead
        where to_regclass('job_runs_ended_' || to_char((now() at time zone 'UTC')::date + ahead, 'YYYYMMDD')) is not null";
    assert_eq!(count(&pool, to_come).await, 15);
    assert_eq!(count(&pool, "select count(*) from ohlc_bars_v2").await, bars, "what was fetched stays");
    assert_eq!(tick(&server).await["dropped_days"], 0);
    server.stop().await;
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn ten_thousand_definitions_that_lack_nothing_cost_a_tick_a_handful_of_statements(pool: PgPool) {
    let simulator = simulator().await;
    let fill = "insert into instruments (symbol, asset_class, calendar)
                select 'X:T' || n || 'USD', 'crypto', '24x7' from generate_series(1, 10000) n;
                insert into series (symbol, timeframe) select 'X:T' || n || 'USD', 'h1' from generate_series(1, 10000) n;
                insert into job_definitions (symbol, timeframe, job_type, \"window\", schedule, next_due_at)
                select symbol, 'h1', 'historical', tstzrange(now() - interval '30 days', now()), 'every 1m', now()
                from series;
                insert into coverage_status (series_id, layer, covered)
                select id, layer, '{[2020-01-01,2100-01-01)}' from series,
                       unnest(array['historical', 'intraday']::bar_layer[]) as layer;
                analyze";
    sqlx::raw_sql(fill).execute(&pool).await.unwrap();
    let config = ServeConfig { roles: vec![Role::Web], ..config(&simulator.url()) };
    let committed = async || {
        let asked = "select xact_commit from pg_stat_database where datname = current_database()";
        count(&pool, asked).await
    };
    let backends = async || -> Vec<i32> {
        let asked =
            "select pid from pg_stat_activity where datname = current_database() and backend_type = 'client backend'";
        sqlx::query_scalar(asked).fetch_all(&pool).await.unwrap()
    };
    let with = async |ticks: usize| {
        let (before, former) = (committed().await, backends().await);
        let server = TestServer::start_with(&pool, &config).await;
        let mut told = Value::Null;
        let started = Instant::now();
        for _ in 0..ticks {
            told = tick(&server).await;
        }
        let took = started.elapsed();
        server.stop().await;
        // A connection hands its figures in when it is closed.
        let close = "select pg_terminate_backend(pid, 10000) from pg_stat_activity
                     where datname = current_database() and backend_type = 'client backend' and pid <> all ($1)
                       and pid <> pg_backend_pid()";
        sqlx::query(close).bind(&former).execute(&pool).await.unwrap();
        (committed().await - before, took, told)
    };
    let (idle, ..) = with(0).await;
    let (busy, took, told) = with(1).await;
    println!("{told} took {took:?}; {busy} transactions with the tick, {idle} without");
    assert_eq!((&told["due_series"], &told["created_slices"]), (&json!(10_000), &json!(0)));
    assert!(busy - idle < 100, "{busy} transactions, {idle} without the tick");
    assert!(took < Duration::from_secs(10), "{took:?}");
}
