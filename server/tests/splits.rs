//! Apple's splits over 23 years of recorded day bars, against the factors that came with them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sqlx::{ConnectOptions, PgPool};
use support::{TestServer, config};
use tidemark_market::{Calendar, Timestamp};

fn fixture(path: &str) -> Option<PathBuf> {
    let folder =
        std::env::var_os("TIDEMARK_FIXTURES").map_or_else(|| PathBuf::from("../../shared/fixtures"), PathBuf::from);
    let file = folder.join(path);
    if !file.exists() {
        eprintln!("skipped: no {path} in {}", folder.display());
        return None;
    }
    Some(file)
}

fn tidemark(pool: &PgPool, arguments: &[&str]) -> String {
    let url = pool.connect_options().to_url_lossy().to_string();
    let output =
        Command::new(env!("CARGO_BIN_EXE_tidemark")).args(arguments).env("DATABASE_URL", url).output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(output.status.success(), "{text}");
    text
}

/// The last day of each factor, and the factor.
fn factors(path: &Path) -> Vec<(String, f64)> {
    let text = std::fs::read_to_string(path).unwrap();
    let read = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        (fields[0].to_owned(), fields[2].parse().unwrap())
    };
    text.lines().map(read).collect()
}

/// `YYYYMMDD` at the exchange.
fn day(ts: i64) -> String {
    Calendar::Xnys.local_date(Timestamp(ts)).unwrap().format("%Y%m%d").to_string()
}

async fn bars(server: &TestServer, adjust: &str) -> Vec<Value> {
    let path =
        format!("/api/v1/bars?symbol=AAPL&tf=d1&from=1998-01-01T00:00:00Z&to=2021-04-01T00:00:00Z&adjust={adjust}");
    server.get(&path).await.1["bars"].as_array().unwrap().clone()
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn apples_prices_are_adjusted_as_its_recorded_factors_say(pool: PgPool) {
    let (Some(days), Some(factors_file)) = (fixture("us_equity/daily_AAPL.csv"), fixture("us_equity/factors_AAPL.csv"))
    else {
        return;
    };
    let report = tidemark(&pool, &["import", days.to_str().unwrap(), "--symbol", "AAPL"]);
    assert!(report.contains("5,849"), "{report}");
    let folder = std::env::temp_dir().join(format!("tidemark-splits-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("splits.csv");
    let splits = [("2000-06-21", 2), ("2005-02-28", 2), ("2014-06-09", 7), ("2020-08-31", 4)];
    let lines = splits.map(|(date, to)| format!("AAPL,{date},1,{to}\n"));
    std::fs::write(&file, format!("symbol,execution_date,split_from,split_to\n{}", lines.concat())).unwrap();
    let said = tidemark(&pool, &["splits", file.to_str().unwrap()]);
    assert!(said.contains("splits recorded: 4; series read otherwise from now on: 1"), "{said}");
    let again = tidemark(&pool, &["splits", file.to_str().unwrap()]);
    assert!(again.contains("splits recorded: 0; series read otherwise from now on: 0"), "{again}");
    std::fs::remove_dir_all(&folder).unwrap();

    let server = TestServer::start_with(&pool, &config("http://127.0.0.1:9")).await;
    let (traded, adjusted) = (bars(&server, "none").await, bars(&server, "splits").await);
    let recorded = std::fs::read_to_string(&days).unwrap();
    assert_eq!((traded.len(), adjusted.len()), (recorded.lines().count() - 1, traded.len()));
    let factors = factors(&factors_file);
    for ((traded, adjusted), line) in traded.iter().zip(&adjusted).zip(recorded.lines().skip(1)) {
        let fields: Vec<f64> = line.split(',').map(|field| field.parse().unwrap()).collect();
        let day = day(traded["ts"].as_i64().unwrap());
        let factor = factors.iter().find(|(last, _)| day <= *last).unwrap().1;
        for (name, recorded) in [("open", fields[1]), ("high", fields[2]), ("low", fields[3]), ("close", fields[4])] {
            assert_eq!(traded[name].as_f64().unwrap(), recorded, "{day}");
            // Factors are recorded to seven decimals, and adjusted prices are rounded to millionths.
            let apart = (adjusted[name].as_f64().unwrap() - recorded * factor).abs();
            assert!(apart <= 1e-6 + recorded * 5e-8, "{day} {name}: {recorded} × {factor} is apart by {apart}");
        }
        let shares = adjusted["volume"].as_f64().unwrap() * factor;
        assert!((shares / fields[5] - 1.0).abs() < 1e-5, "{day}: {shares} of {}", fields[5]);
    }
    let closes = |bars: &[Value]| {
        let at = bars.iter().position(|bar| day(bar["ts"].as_i64().unwrap()) == "20140606").unwrap();
        [at, at + 1].map(|at| bars[at]["close"].as_f64().unwrap())
    };
    let jump = |[friday, monday]: [f64; 2]| monday / friday - 1.0;
    assert!(jump(closes(&traded)) < -0.8, "as traded the price falls to a seventh");
    assert!(jump(closes(&adjusted)).abs() < 0.03, "in today's shares it does not");
    server.stop().await;
}
