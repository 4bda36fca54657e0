//! Seeing every change of runs and bars, and what must hold of them (I1 to I7) whatever went wrong.

use sqlx::postgres::types::PgRange;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{PgPool, Row};
use tidemark_market::{Hours, Symbol, TimeRange, Timeframe, Timestamp};

/// How long, in SQL, a lease may have run out before someone must have taken the run back.
const GRACE: &str = "10 seconds";

/// Watches from here on; to be called before anything runs.
pub async fn watch(pool: &PgPool) {
    sqlx::raw_sql(include_str!("witness.sql")).execute(pool).await.unwrap();
}

/// Fails with every violation of I1 to I7. Needs [`watch`], and that no series' hours were changed meanwhile.
pub async fn assert_invariants(pool: &PgPool) {
    let violations = violations(pool).await;
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

/// Every violation of I1 to I7, a line each.
pub async fn violations(pool: &PgPool) -> Vec<String> {
    tell_session_time(pool).await;
    let asked = sqlx::query_as::<_, (String, String, String)>(include_str!("assert_invariants.sql"));
    let violations = asked.bind(GRACE).fetch_all(pool).await.unwrap();
    violations.into_iter().map(|(invariant, what, detail)| format!("{invariant} {what}: {detail}")).collect()
}

/// The calendar is in code: the database is told the session time of all that was ever to be fetched.
async fn tell_session_time(pool: &PgPool) {
    let series = sqlx::query(
        "select s.id, s.symbol, s.timeframe, s.hours, range_merge(range_agg(r.slice)) as hull
         from series s join job_runs r on r.series_id = s.id group by s.id",
    );
    for row in series.fetch_all(pool).await.unwrap() {
        let symbol: Symbol = row.get::<String, _>("symbol").parse().unwrap();
        let timeframe: Timeframe = row.get::<String, _>("timeframe").parse().unwrap();
        let hours = if row.get::<String, _>("hours") == "extended" { Hours::Extended } else { Hours::Regular };
        let asked = range(&row.get("hull"));
        let sessions = symbol.calendar(hours).session_spans(timeframe, asked, Timestamp(i64::MAX / 2));
        let text: Vec<String> = sessions.iter().map(|span| format!("[{},{})", span.start, span.end)).collect();
        let told = sqlx::query(
            "insert into witness.session_time values ($1, $2::text::tstzmultirange)
             on conflict (series_id) do update set spans = excluded.spans",
        );
        let told = told.bind(row.get::<i32, _>("id")).bind(format!("{{{}}}", text.join(",")));
        told.execute(pool).await.unwrap();
    }
}

fn range(range: &PgRange<DateTime<Utc>>) -> TimeRange {
    use std::ops::Bound::{Excluded, Included};
    let (Included(start), Excluded(end)) = (range.start, range.end) else { panic!("{range:?}") };
    TimeRange { start: start.into(), end: end.into() }
}
