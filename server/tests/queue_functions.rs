//! The queue's promises, asked of the database's own functions.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::time::Duration;

use sqlx::PgPool;
use tidemark_app::backend::SeriesKey;
use tidemark_market::coverage::Booking;
use tidemark_market::layer::Bounds;
use tidemark_market::slicing::PlannedSlice;
use tidemark_market::time::{HOUR, MINUTE};
use tidemark_market::validate::{Defect, Validated};
use tidemark_market::{Adjust, Bar, Layer, Spans, TimeRange, Timestamp};
use tidemark_server::db::bars::Reading;
use tidemark_server::db::queue::{self, Answer, ClaimedRun, Failure, Fate, Held, Retry, Wish};
use tidemark_server::db::{self, progress};
use tidemark_server::providers::Listing;

const OPEN: Timestamp = Timestamp(1_710_336_600_000);
const LEASE: Duration = Duration::from_secs(30);

fn series(symbol: &str) -> SeriesKey {
    SeriesKey { symbol: symbol.parse().unwrap(), timeframe: "m1".parse().unwrap() }
}

fn hours(from: i64, to: i64) -> TimeRange {
    TimeRange { start: OPEN.plus(from * HOUR), end: OPEN.plus(to * HOUR) }
}

fn slice(from: i64, to: i64, priority: i16) -> PlannedSlice {
    PlannedSlice { layer: Layer::Intraday, range: hours(from, to), sessions: vec![hours(from, to)], priority }
}

async fn ensure(pool: &PgPool, series: &SeriesKey, slices: &[PlannedSlice]) -> u32 {
    let listing = Listing { symbol: series.symbol.clone(), name: None, currency: None };
    db::instruments::add(pool, &listing).await.unwrap();
    let served: Vec<_> = slices.iter().map(|slice| (slice.clone(), vec!["test".to_owned()])).collect();
    let bounds = Bounds { settled_through: OPEN, intraday_from: OPEN };
    let wish = Wish { window: hours(0, 100), schedule: None, retry: false, bounds, job_types: vec![Layer::Intraday] };
    queue::ensure_coverage(pool, series, &wish, &served).await.unwrap().created
}

async fn claim(pool: &PgPool, worker: &str, limit: i32) -> Vec<ClaimedRun> {
    queue::claim(pool, worker, LEASE, limit).await.unwrap()
}

async fn claim_one(pool: &PgPool, worker: &str) -> ClaimedRun {
    claim(pool, worker, 1).await.pop().expect("a run to claim")
}

fn answer(bars: &[(i64, f64)]) -> Validated {
    let bars =
        bars.iter().map(|(minute, price)| Bar::new(OPEN.plus(minute * MINUTE), *price, *price, *price, *price, 1.0));
    Validated { bars: bars.collect(), ..Validated::default() }
}

fn brought(validated: Validated, booking: Booking) -> Answer {
    Answer { requests: 1, validated, booking, ..Answer::default() }
}

fn failure<'a>(code: &'a str, message: &'a str, retry: Retry, sessions: &'a [TimeRange]) -> Failure<'a> {
    Failure { code, message, retry, sessions, split_at: None }
}

/// The answer left nothing out.
fn whole(run: &ClaimedRun) -> Booking {
    Booking { covered: vec![run.slice].into(), doubted: Spans::empty() }
}

async fn finish(pool: &PgPool, run: &ClaimedRun, worker: &str, bars: &[(i64, f64)]) -> Option<u32> {
    end(pool, run, worker, &brought(answer(bars), whole(run))).await
}

async fn end(pool: &PgPool, run: &ClaimedRun, worker: &str, answer: &Answer) -> Option<u32> {
    queue::finish(pool, worker, &[(run, answer)], Duration::ZERO).await.unwrap().get(&run.id).copied()
}

async fn keep(pool: &PgPool, run: &ClaimedRun, worker: &str, progress: u8) -> bool {
    let held = Held { run: run.id, attempt: run.attempt, progress };
    queue::renew(pool, worker, &[held], LEASE).await.unwrap().is_empty()
}

async fn count(pool: &PgPool, what: &'static str) -> i64 {
    sqlx::query_scalar(what).fetch_one(pool).await.unwrap()
}

async fn revision(pool: &PgPool) -> u64 {
    progress::of_series(pool, &series("AAPL")).await.unwrap().revision
}

async fn let_lease_expire(pool: &PgPool, run: &ClaimedRun) {
    sqlx::query("update job_runs_live set lease_until = now() - interval '1 second' where id = $1")
        .bind(run.id)
        .execute(pool)
        .await
        .unwrap();
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn asking_twice_makes_nothing_new(pool: PgPool) {
    let aapl = series("AAPL");
    assert_eq!(ensure(&pool, &aapl, &[slice(0, 2, 0), slice(2, 4, 0)]).await, 2);
    assert_eq!(ensure(&pool, &aapl, &[slice(0, 2, 0), slice(2, 4, 0)]).await, 0);
    assert_eq!(count(&pool, "select count(*) from job_definitions").await, 1);
    let exists = "select job_slice_exists('AAPL', 'm1', 'intraday', tstzrange('2024-03-13 13:30+00', '2024-03-13 15:30+00'))::int::bigint";
    assert_eq!(count(&pool, exists).await, 1);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn two_who_ask_at_once_make_each_slice_once(pool: PgPool) {
    let aapl = series("AAPL");
    ensure(&pool, &aapl, &[]).await;
    let slices: Vec<_> = (0..20).map(|hour| slice(hour, hour + 1, 0)).collect();
    let asks = (0..8).map(|_| ensure(&pool, &aapl, &slices));
    let made: u32 = futures::future::join_all(asks).await.into_iter().sum();
    assert_eq!(made, 20);
    assert_eq!(count(&pool, "select count(*) from job_runs").await, 20);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn only_what_is_missing_and_not_on_its_way_is_made(pool: PgPool) {
    let aapl = series("AAPL");
    ensure(&pool, &aapl, &[slice(1, 2, 0)]).await;
    let run = claim_one(&pool, "a").await;
    finish(&pool, &run, "a", &[(60, 1.0)]).await.unwrap();
    ensure(&pool, &aapl, &[slice(2, 3, 0)]).await;
    assert_eq!(ensure(&pool, &aapl, &[slice(0, 4, 0)]).await, 2, "before what is covered, after what is queued");
    let overlaps = "select count(*) from job_runs a join job_runs b on a.id < b.id and a.slice && b.slice";
    assert_eq!(count(&pool, overlaps).await, 0);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn the_visible_part_is_claimed_first_and_then_the_newest(pool: PgPool) {
    let (aapl, msft) = (series("AAPL"), series("MSFT"));
    ensure(&pool, &aapl, &[slice(0, 1, 10), slice(1, 2, 10), slice(2, 3, 0), slice(3, 4, 0)]).await;
    ensure(&pool, &msft, &[slice(2, 4, 0)]).await;
    let mut order = Vec::new();
    for _ in 0..5 {
        let run = claim_one(&pool, "a").await;
        order.push((run.series.symbol.to_string(), (run.slice.start.0 - OPEN.0) / HOUR));
    }
    let aapl = |hour| ("AAPL".to_owned(), hour);
    assert_eq!(order, [aapl(3), ("MSFT".to_owned(), 2), aapl(2), aapl(1), aapl(0)]);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn what_is_scrolled_into_view_is_moved_up(pool: PgPool) {
    let aapl = series("AAPL");
    ensure(&pool, &aapl, &[slice(0, 1, 10), slice(5, 6, 10)]).await;
    ensure(&pool, &aapl, &[slice(0, 1, 0)]).await;
    assert_eq!(claim_one(&pool, "a").await.slice, hours(0, 1));
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn no_run_is_claimed_twice_however_many_claim(pool: PgPool) {
    let slices: Vec<_> = (0..60).map(|hour| slice(hour, hour + 1, 0)).collect();
    ensure(&pool, &series("AAPL"), &slices).await;
    let workers: Vec<String> = (0..8).map(|worker| format!("w{worker}")).collect();
    let claims = workers.iter().map(|worker| async {
        let mut mine = Vec::new();
        loop {
            match claim(&pool, worker, 3).await {
                runs if runs.is_empty() => return mine,
                runs => mine.extend(runs.into_iter().map(|run| run.id)),
            }
        }
    });
    let claimed: Vec<i64> = futures::future::join_all(claims).await.concat();
    assert_eq!(claimed.len(), 60);
    assert_eq!(claimed.iter().collect::<HashSet<_>>().len(), 60);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn runs_of_a_series_that_comes_while_a_claim_waits_are_handed_to_who_took_them(pool: PgPool) {
    ensure(&pool, &series("AAPL"), &[slice(0, 1, 0)]).await;
    sqlx::query("update provider_budgets set allowed = 100").execute(&pool).await.unwrap();
    let mut other = pool.begin().await.unwrap();
    sqlx::query("select from provider_budgets for update").execute(&mut *other).await.unwrap();
    let waiting =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    let both = async {
        tokio::join!(claim(&pool, "w", 10), async {
            while count(&pool, waiting).await == 0 {}
            ensure(&pool, &series("MSFT"), &[slice(0, 1, 0)]).await;
            // As where the asking began before the claim.
            sqlx::query("update job_runs_live set run_after = now() - interval '1 hour'").execute(&pool).await.unwrap();
            other.rollback().await.unwrap();
        })
    };
    let (claiming, ()) = tokio::time::timeout(Duration::from_secs(30), both).await.unwrap();
    let mut symbols: Vec<_> = claiming.iter().map(|run| run.series.symbol.as_str()).collect();
    symbols.sort_unstable();
    assert_eq!(symbols, ["AAPL", "MSFT"]);
    assert_eq!(count(&pool, "select count(*) from job_runs_live where status = 'running'").await, 2);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_stale_worker_changes_nothing(pool: PgPool) {
    ensure(&pool, &series("AAPL"), &[slice(0, 2, 0)]).await;
    let stale = claim_one(&pool, "stale").await;
    let_lease_expire(&pool, &stale).await;
    assert_eq!(queue::reap(&pool).await.unwrap(), [series("AAPL")]);
    let fresh = claim_one(&pool, "fresh").await;
    assert_eq!((fresh.id, fresh.attempt), (stale.id, 2));

    assert!(!keep(&pool, &stale, "stale", 50).await);
    assert!(keep(&pool, &fresh, "fresh", 50).await);
    assert_eq!(finish(&pool, &stale, "stale", &[(0, 1.0)]).await, None);
    assert_eq!(queue::fail(&pool, &stale, "stale", &failure("x", "x", Retry::Never, &[])).await.unwrap(), Fate::Lost);
    assert!(!queue::release(&pool, &stale, "stale").await.unwrap());
    assert_eq!(count(&pool, "select count(*) from ohlc_bars_v2").await, 0);

    assert_eq!(finish(&pool, &fresh, "fresh", &[(0, 2.0), (1, 2.0)]).await, Some(2));
    assert_eq!(finish(&pool, &fresh, "fresh", &[(0, 3.0)]).await, None, "an ended run can't be ended again");
    assert_eq!(count(&pool, "select count(*) from ohlc_bars_v2 where close = 2").await, 2);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn an_equal_bar_writes_nothing_and_a_changed_one_keeps_its_past(pool: PgPool) {
    let aapl = series("AAPL");
    let mut written = Vec::new();
    for bars in [[(0, 1.0), (1, 1.0)], [(0, 1.0), (1, 1.0)], [(0, 1.0), (1, 5.0)]] {
        ensure(&pool, &aapl, &[slice(0, 1, 0)]).await;
        let run = claim_one(&pool, "a").await;
        written.push((finish(&pool, &run, "a", &bars).await.unwrap(), revision(&pool).await));
        sqlx::query("update coverage_status set covered = '{}'").execute(&pool).await.unwrap();
    }
    assert_eq!(written, [(2, 1), (0, 2), (1, 3)], "covering anew is a change, of coverage alone");
    let past = "select count(*) from ohlc_bar_revisions where close = 1 and version = 1";
    assert_eq!(count(&pool, past).await, 1);
    assert_eq!(
        count(&pool, "select count(*) from ohlc_bars_v2 where close = 5 and version = 2 and revision = 3").await,
        1
    );
    assert_eq!(count(&pool, "select bar_count from coverage_status").await, 2);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn what_is_refused_is_kept_with_its_reason(pool: PgPool) {
    ensure(&pool, &series("AAPL"), &[slice(0, 1, 0)]).await;
    let run = claim_one(&pool, "a").await;
    let bad = Bar::new(OPEN, f64::NAN, 1.0, 1.0, 1.0, 1.0);
    let validated = Validated { quarantined: vec![(bad, Defect::NotFinite)], ..answer(&[(1, 1.0)]) };
    assert_eq!(end(&pool, &run, "a", &brought(validated, whole(&run))).await, Some(1));
    let kept = "select count(*) from ohlc_bar_quarantine q join job_runs r on r.id = q.run_id and r.rows_quarantined = 1 where q.reason = 'not_finite'";
    assert_eq!(count(&pool, kept).await, 1);
}

/// What each of several runs brought, ended in one statement by `worker`; whether each has ended, and with how many bars.
async fn end_all(pool: &PgPool, worker: &str, answered: &[(ClaimedRun, Answer)]) -> Vec<Option<u32>> {
    let borrowed: Vec<_> = answered.iter().map(|(run, answer)| (run, answer)).collect();
    let written = queue::finish(pool, worker, &borrowed, Duration::ZERO).await.unwrap();
    answered.iter().map(|(run, _)| written.get(&run.id).copied()).collect()
}

async fn covered(pool: &PgPool, symbol: &str, span: TimeRange) -> bool {
    let covers =
        "select coalesce(bool_or(covered @> tstzrange(to_timestamp($2 / 1000), to_timestamp($3 / 1000))), false)
                  from coverage_status join series s on s.id = series_id where symbol = $1";
    let asked = sqlx::query_scalar(covers).bind(symbol).bind(span.start.0).bind(span.end.0);
    asked.fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn in_a_batch_of_all_kinds_each_run_ends_by_its_own_answer(pool: PgPool) {
    let hour = |hour| slice(hour, hour + 1, 0);
    ensure(&pool, &series("AAPL"), &[hour(0), hour(1), hour(2), hour(3)]).await;
    ensure(&pool, &series("MSFT"), &[hour(0), hour(1)]).await;
    ensure(&pool, &series("NVDA"), &[hour(0)]).await;
    sqlx::query("update provider_budgets set allowed = 100").execute(&pool).await.unwrap();
    let mut runs = claim(&pool, "a", 10).await;
    runs.sort_by_key(|run| (run.series.symbol.clone(), run.slice.start));
    let_lease_expire(&pool, &runs[1]).await;
    queue::reap(&pool).await.unwrap();
    assert_eq!(claim_one(&pool, "b").await.id, runs[1].id);

    let without = |run: &ClaimedRun| brought(answer(&[]), whole(run));
    let with = |run: &ClaimedRun, bars| brought(answer(bars), whole(run));
    let doubting = |run: &ClaimedRun| {
        let mut booking = whole(run);
        booking.doubt(&vec![hours(1, 2)].into());
        brought(answer(&[]), booking)
    };
    let answers = [
        with(&runs[0], &[(0, 1.0), (1, 1.0)]),
        with(&runs[1], &[(60, 1.0)]),
        without(&runs[2]),
        with(&runs[3], &[(180, 1.0)]),
        without(&runs[4]),
        doubting(&runs[5]),
        without(&runs[6]),
    ];
    let answered: Vec<_> = runs.into_iter().zip(answers).collect();
    let ended = end_all(&pool, "a", &answered).await;
    assert_eq!(ended, [Some(2), None, Some(0), Some(1), Some(0), Some(0), Some(0)]);

    for (symbol, from, is_covered) in [
        ("AAPL", 0, true),
        ("AAPL", 1, false),
        ("AAPL", 2, true),
        ("AAPL", 3, true),
        ("MSFT", 0, true),
        ("MSFT", 1, false),
        ("NVDA", 0, true),
    ] {
        assert_eq!(covered(&pool, symbol, hours(from, from + 1)).await, is_covered, "{symbol}, hour {from}");
    }
    assert_eq!(count(&pool, "select count(*) from ohlc_bars_v2").await, 3, "not the one of the run that was lost");
    assert_eq!(count(&pool, "select sum(rows_written)::bigint from job_runs where status = 'success'").await, 3);
    assert_eq!(count(&pool, "select count(*) from job_runs where status = 'success'").await, 6);
    assert_eq!(count(&pool, "select count(*) from job_runs_live where lease_owner = 'b'").await, 1);
    let rechecks = "select count(*) from job_runs_live r join series s on s.id = r.series_id
                    where s.symbol = 'MSFT' and r.is_recheck";
    assert_eq!(count(&pool, rechecks).await, 1);
    assert_eq!(count(&pool, "select count(*) from provider_requests where ended_at is null").await, 1, "that of b");
    assert_eq!(end_all(&pool, "a", &answered).await, [None; 7], "nothing ends twice");
    let out_of_step = "select count(*) from coverage_status c join series s on s.id = c.series_id
                       where c.revision > s.revision or s.revision = 0";
    assert_eq!(count(&pool, out_of_step).await, 0);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn an_answer_without_bars_that_tells_nothing_new_moves_no_revision(pool: PgPool) {
    ensure(&pool, &series("AAPL"), &[slice(0, 1, 0)]).await;
    let run = claim_one(&pool, "a").await;
    let known = "insert into coverage_status (series_id, layer, covered)
                 select id, 'intraday', '{[2024-03-13 00:00+00, 2024-03-14 00:00+00)}' from series";
    sqlx::query(known).execute(&pool).await.unwrap();
    let before = revision(&pool).await;
    assert_eq!(finish(&pool, &run, "a", &[]).await, Some(0));
    assert_eq!(revision(&pool).await, before);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn what_was_said_of_time_is_taken_back_by_answers_without_bars(pool: PgPool) {
    for symbol in ["AAPL", "MSFT"] {
        ensure(&pool, &series(symbol), &[slice(0, 2, 0)]).await;
        let run = claim_one(&pool, "a").await;
        queue::fail(&pool, &run, "a", &failure("x", "x", Retry::Never, &[run.slice])).await.unwrap();
    }
    sqlx::query("update coverage_reasons set ask_again_at = now()").execute(&pool).await.unwrap();
    for symbol in ["AAPL", "MSFT"] {
        ensure(&pool, &series(symbol), &[slice(0, 1, 0)]).await;
    }
    let runs = claim(&pool, "a", 10).await;
    let answered: Vec<_> = runs.into_iter().map(|run| (run.clone(), brought(answer(&[]), whole(&run)))).collect();
    assert_eq!(end_all(&pool, "a", &answered).await, [Some(0), Some(0)]);
    let said =
        "select count(*) from coverage_reasons where span = tstzrange('2024-03-13 14:30+00', '2024-03-13 15:30+00')";
    assert_eq!(count(&pool, said).await, 2, "of the hour that was not answered");
    assert_eq!(count(&pool, "select count(*) from coverage_reasons").await, 2);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn halves_of_a_parted_slice_end_in_one_batch_with_others(pool: PgPool) {
    ensure(&pool, &series("AAPL"), &[slice(0, 2, 0)]).await;
    ensure(&pool, &series("MSFT"), &[slice(0, 2, 0)]).await;
    let runs = claim(&pool, "a", 10).await;
    let (whole_one, others): (Vec<_>, Vec<_>) = runs.into_iter().partition(|run| run.series == series("AAPL"));
    let sessions = [whole_one[0].slice];
    let too_large = Failure {
        split_at: Some(OPEN.plus(HOUR)),
        ..failure("provider_too_large", "It is too large.", Retry::Never, &sessions)
    };
    assert_eq!(queue::fail(&pool, &whole_one[0], "a", &too_large).await.unwrap(), Fate::Split);
    let halves = claim(&pool, "a", 10).await;
    assert_eq!(halves.len(), 2);
    let answered: Vec<_> =
        halves.into_iter().chain(others).map(|run| (run.clone(), brought(answer(&[]), whole(&run)))).collect();
    assert_eq!(end_all(&pool, "a", &answered).await, [Some(0); 3]);
    assert!(covered(&pool, "AAPL", hours(0, 2)).await && covered(&pool, "MSFT", hours(0, 2)).await);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_try_that_fails_is_repeated_a_bounded_number_of_times(pool: PgPool) {
    ensure(&pool, &series("AAPL"), &[slice(0, 1, 0)]).await;
    let mut ends = Vec::new();
    for _ in 0..5 {
        let run = claim_one(&pool, "a").await;
        let again = Retry::In(Duration::ZERO);
        ends.push(
            queue::fail(&pool, &run, "a", &failure("provider_timeout", "It took too long.", again, &[])).await.unwrap(),
        );
    }
    assert_eq!(ends, [Fate::Queued, Fate::Queued, Fate::Queued, Fate::Queued, Fate::Failed]);
    assert!(claim(&pool, "a", 1).await.is_empty());
    let progress = progress::of_series(&pool, &series("AAPL")).await.unwrap();
    assert_eq!(
        progress.failure.map(|failure| (failure.code, failure.slice)),
        Some(("provider_timeout".into(), hours(0, 1)))
    );
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_limit_spends_no_attempt_and_holds_the_provider_back(pool: PgPool) {
    ensure(&pool, &series("AAPL"), &[slice(0, 1, 0), slice(1, 2, 0)]).await;
    let run = claim_one(&pool, "a").await;
    queue::fail(&pool, &run, "a", &failure("provider_throttled", "Too many.", Retry::Throttled(Duration::ZERO), &[]))
        .await
        .unwrap();
    db::budgets::hold_back(&pool, "test", None, Duration::from_secs(60)).await.unwrap();
    assert!(claim(&pool, "a", 2).await.is_empty());
    let progress = progress::of_series(&pool, &series("AAPL")).await.unwrap();
    assert_eq!(progress.waiting.as_deref(), Some("test allows no more requests for 60 s."));
    assert!(queue::due_in(&pool).await.unwrap().is_some_and(|due| due > Duration::from_secs(50)));

    sqlx::query("update provider_budgets set blocked_until = now()").execute(&pool).await.unwrap();
    let attempts: Vec<_> = claim(&pool, "a", 2).await.iter().map(|run| run.attempt).collect();
    assert_eq!(attempts, [1, 1]);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_run_given_back_is_claimed_at_once_with_its_attempt_unspent(pool: PgPool) {
    ensure(&pool, &series("AAPL"), &[slice(0, 1, 0)]).await;
    let run = claim_one(&pool, "a").await;
    assert!(queue::release(&pool, &run, "a").await.unwrap());
    assert_eq!(claim_one(&pool, "b").await.attempt, 1);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_worker_that_dies_each_time_ends_its_run_in_failure(pool: PgPool) {
    ensure(&pool, &series("AAPL"), &[slice(0, 1, 0)]).await;
    for seconds in [0, 1, 4, 16, 0] {
        let run = claim_one(&pool, "a").await;
        let_lease_expire(&pool, &run).await;
        queue::reap(&pool).await.unwrap();
        let waiting = "select coalesce(sum(extract(epoch from run_after - updated_at)), 0)::bigint from job_runs_live";
        assert_eq!(count(&pool, waiting).await, seconds, "the more often, the longer it waits");
        sqlx::raw_sql("update job_runs_live set run_after = now()").execute(&pool).await.unwrap();
    }
    let ended =
        "select count(*) from job_runs where status = 'failed' and error_code = 'lease_expired' and attempt = 5";
    assert_eq!(count(&pool, ended).await, 1);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn gaps_are_asked_sessions_less_what_is_covered(pool: PgPool) {
    ensure(&pool, &series("AAPL"), &[slice(1, 2, 0)]).await;
    let run = claim_one(&pool, "a").await;
    finish(&pool, &run, "a", &[(60, 1.0)]).await.unwrap();
    let reading = Reading {
        window: hours(0, 6),
        ahead: hours(0, 6).end,
        since: None,
        as_of: None,
        adjust: Adjust::None,
        asked: [(Layer::Intraday, vec![hours(0, 3), hours(5, 6)])].into(),
    };
    let stored = db::bars::read(&pool, &series("AAPL"), &reading).await.unwrap();
    assert_eq!(stored.gaps, [hours(0, 1), hours(2, 3), hours(5, 6)]);
    assert_eq!(stored.layers[0].bars.len(), 1);
    let nothing_new =
        db::bars::read(&pool, &series("AAPL"), &Reading { since: Some(stored.revision), ..reading }).await.unwrap();
    assert!(nothing_new.layers.is_empty());
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn ten_thousand_slices_are_one_statement_and_claiming_is_one_index_scan(pool: PgPool) {
    let slices: Vec<_> = (0..10_000).map(|hour| slice(hour, hour + 1, 0)).collect();
    assert_eq!(ensure(&pool, &series("AAPL"), &slices).await, 10_000);
    sqlx::query("analyze job_runs").execute(&pool).await.unwrap();
    let plan: Vec<String> = sqlx::query_scalar(
        "explain (costs off) select id from job_runs_live
         where provider = 'test' and status = 'queued' and not is_held and run_after <= now()
         order by priority, turn, id limit 4 for update skip locked",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("Index Scan using job_runs_claim on job_runs_live") && !plan.contains("Sort"), "{plan}");
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn one_process_leads_at_a_time_and_another_takes_over_once_it_is_silent(pool: PgPool) {
    let lead = |process: &'static str, millis| {
        let pool = pool.clone();
        async move { db::clock::take_lead(&pool, process, Duration::from_millis(millis)).await.unwrap() }
    };
    assert_eq!(lead("a", 60_000).await, Some(1));
    assert_eq!((lead("b", 60_000).await, lead("a", 60_000).await), (None, Some(1)));
    db::clock::resign_lead(&pool, "a").await.unwrap();
    assert_eq!((lead("b", 0).await, lead("a", 60_000).await), (Some(2), Some(3)), "b fell silent at once");
    let begin = |process, term| db::clock::begin_tick(&pool, process, term, Duration::from_secs(60));
    assert!(!begin("b", 2).await.unwrap(), "who leads no more does not tick");
    assert!(begin("a", 3).await.unwrap());
    assert!(!begin("a", 3).await.unwrap(), "once a period");
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_slice_whose_sessions_have_settled_meanwhile_is_called_off(pool: PgPool) {
    let aapl = series("AAPL");
    ensure(&pool, &aapl, &[slice(0, 1, 0), slice(8, 9, 0)]).await;
    let bounds = Bounds { settled_through: OPEN.plus(5 * HOUR), intraday_from: OPEN.plus(5 * HOUR) };
    let wish = Wish { window: hours(0, 100), schedule: None, retry: false, bounds, job_types: Vec::new() };
    queue::ensure_coverage(&pool, &aapl, &wish, &[]).await.unwrap();
    let called_off = "select count(*) from job_runs where status = 'cancelled' and error_code = 'slice_outdated'";
    assert_eq!(count(&pool, called_off).await, 1);
    assert_eq!(claim_one(&pool, "a").await.slice, hours(8, 9));
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn time_whose_bars_are_refused_twice_has_failed_and_is_not_empty(pool: PgPool) {
    ensure(&pool, &series("AAPL"), &[slice(0, 1, 0)]).await;
    for is_recheck in [false, true] {
        let run = claim_one(&pool, "a").await;
        let minute = TimeRange { start: OPEN, end: OPEN.plus(MINUTE) };
        let refused: Spans = vec![minute].into();
        let mut booking = Booking { covered: vec![run.slice].into(), doubted: Spans::empty() };
        booking.doubt(&refused);
        let bad = Bar::new(OPEN, -1.0, 1.0, 1.0, 1.0, 1.0);
        let validated = Validated { quarantined: vec![(bad, Defect::NotPositive)], ..answer(&[]) };
        let answer = Answer { refused, ..brought(validated, booking) };
        assert_eq!(end(&pool, &run, "a", &answer).await, Some(0));
        assert_eq!(run.slice == minute, is_recheck, "only what was refused is asked for once more");
    }
    assert!(claim(&pool, "a", 1).await.is_empty());
    let said = "select count(*) from coverage_reasons where reason = 'failed' and code = 'quarantined' and ask_again_at > now()";
    assert_eq!(count(&pool, said).await, 1);
    assert_eq!(count(&pool, "select count(*) from coverage_reasons where reason = 'empty'").await, 0);
    let missing = "select count(*) from coverage_status where not covered @> tstzrange('2024-03-13 13:30+00', '2024-03-13 13:31+00')";
    assert_eq!(count(&pool, missing).await, 1);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn what_is_said_of_one_layer_is_not_told_where_another_has_the_bars(pool: PgPool) {
    let aapl = series("AAPL");
    ensure(&pool, &aapl, &[slice(0, 2, 0)]).await;
    let run = claim_one(&pool, "a").await;
    let before = revision(&pool).await;
    queue::fail(&pool, &run, "a", &failure("x", "x", Retry::Never, &[run.slice])).await.unwrap();
    assert!(revision(&pool).await > before, "a page has to hear of it");
    let reading = Reading {
        window: hours(0, 2),
        ahead: hours(0, 2).end,
        since: None,
        as_of: None,
        adjust: Adjust::None,
        asked: Vec::new(),
    };
    assert_eq!(db::bars::read(&pool, &aapl, &reading).await.unwrap().holes[0].range, hours(0, 2));
    sqlx::query(
        "insert into coverage_status (series_id, layer, covered)
         select id, 'historical', '{[2024-03-13 13:30+00, 2024-03-13 14:30+00)}' from series",
    )
    .execute(&pool)
    .await
    .unwrap();
    assert_eq!(db::bars::read(&pool, &aapl, &reading).await.unwrap().holes[0].range, hours(1, 2));
}
