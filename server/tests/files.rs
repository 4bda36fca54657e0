//! `tidemark import` and `tidemark export`, run as an operator runs them, on a real database.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and says what it skips")]

mod support;

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use chrono::Utc;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use sqlx::{ConnectOptions, PgPool};
use support::{TestServer, config};
use tidemark_app::backend::SeriesKey;
use tidemark_market::slicing::{Ask, Sizes, asked_spans};
use tidemark_market::time::{DAY, HOUR, MINUTE};
use tidemark_market::{Adjust, Bar, Hours, Layer, Spans, Symbol, TimeRange, Timestamp, calendar, layer};
use tidemark_server::db;
use tidemark_server::db::bars::Reading;
use tidemark_server::providers::Listing;
use tidemark_server::queue::notifier::CHANGED_CHANNEL;

/// 2024-01-02T00:00:00Z, a Tuesday.
const START: i64 = 1_704_153_600_000;

struct Run {
    is_ok: bool,
    out: String,
    err: String,
}

impl Run {
    /// The number that a line of the report begins with.
    fn count(&self, what: &str) -> u64 {
        let line = self.out.lines().find(|line| line.starts_with(what));
        let digits: String = line.unwrap_or("").chars().filter(char::is_ascii_digit).collect();
        digits.parse().unwrap_or_else(|_| panic!("no {what} in {}{}", self.out, self.err))
    }
}

async fn tidemark(pool: &PgPool, arguments: &[&str]) -> Run {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_tidemark"))
        .args(arguments)
        .env("DATABASE_URL", pool.connect_options().to_url_lossy().as_str())
        .output()
        .await
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { is_ok: output.status.success(), out: text(output.stdout), err: text(output.stderr) }
}

/// Imports and expects success.
async fn import(pool: &PgPool, file: &Path, symbol: &str, more: &[&str]) -> Run {
    let mut arguments = vec!["import", file.to_str().unwrap(), "--symbol", symbol];
    arguments.extend(more);
    let run = tidemark(pool, &arguments).await;
    assert!(run.is_ok, "{}{}", run.out, run.err);
    run
}

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidemark-files-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn series(symbol: &str, timeframe: &str) -> SeriesKey {
    SeriesKey { symbol: symbol.parse().unwrap(), timeframe: timeframe.parse().unwrap() }
}

/// What the chart and the API would read.
async fn held(pool: &PgPool, series: &SeriesKey) -> Vec<Bar> {
    let window = TimeRange { start: calendar::FIRST, end: calendar::END };
    let reading =
        Reading { window, ahead: window.end, since: None, as_of: None, adjust: Adjust::None, asked: Vec::new() };
    let stored = db::bars::read(pool, series, &reading).await.unwrap();
    let of = |wanted: Layer| stored.layers.iter().find(|layer| layer.layer == wanted).map_or(&[][..], |it| &it.bars);
    layer::merge(of(Layer::Historical), of(Layer::Intraday), of(Layer::Forecast))
}

async fn covered(pool: &PgPool, series: &SeriesKey) -> Spans {
    let window = TimeRange { start: calendar::FIRST, end: calendar::END };
    let found = db::bars::covered(pool, &series.symbol, window).await.unwrap();
    found.into_iter().find(|it| it.timeframe == series.timeframe).map(|it| it.spans).unwrap_or_default()
}

/// A bar of every minute, such as a market that never closes has.
fn minutes(first: i64, count: i64) -> Vec<Bar> {
    let price = |n: i64| 100.0 + f64::from(i32::try_from(n % 997).unwrap()) / 8.0;
    (0..count)
        .map(|n| Bar::new(Timestamp(first + n * MINUTE), price(n), price(n) + 1.0, price(n) - 1.0, price(n), 3.5))
        .collect()
}

fn csv(bars: &[Bar]) -> String {
    let mut text = "t,o,h,l,c,v\n".to_owned();
    for Bar { ts, open, high, low, close, volume, .. } in bars {
        writeln!(text, "{},{open},{high},{low},{close},{volume}", ts.0).unwrap();
    }
    text
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn bad_rows_are_named_by_line_and_reason_and_good_ones_are_kept(pool: PgPool) {
    let folder = Folder::new("bad-rows");
    let lines = [
        "\u{feff}Time;Open;High;Low;Close;Volume;Note",
        "2024-01-02 09:30:00;10;11;9;10.5;100;",
        "2024-01-02 09:31:00;10;11;9;NaN;100;",
        "2024-01-02 09:32:00;-10;11;-12;10;100;",
        "",
        "2024-01-02 09:33:00;10;9;11;10;100;",
        "2024-01-02 09:34:00;10;11;9;10;-1;",
        "2024-01-02 09:35:30;10;11;9;10;1;",
        "2024-01-02 09:30:00;10;11;9;10.5;99;",
        "2024-01-02 09:36:00;10;11;9;;100;",
        "2024-01-02 09:37:00;10;11;9;ten;100;",
        "2024-01-02 09:38:00;10;11;9",
        "yesterday;10;11;9;10;100;",
        "2024-01-02 03:00:00;10;11;9;10;100;",
        "1984-01-03 09:30:00;10;11;9;10;100;",
        "2035-01-03 09:30:00;10;11;9;10;100;",
        "2024-01-02 09:29:00;10;11;9;10;100;",
        "2024-01-02 09:40:00;10;11;9;10;100;\"a; quoted note\"",
        "2024-01-02 09:39:00;10;11;9;10;100;",
    ];
    let file = folder.file("bad.txt", lines.join("\r\n"));
    let rejects = folder.path("rejects.csv");
    let options = ["--time-zone", "America/New_York", "--timeframe", "m1", "--rejects", &rejects];
    let run = import(&pool, &file, "AAPL", &options).await;

    let want = [
        (3, "not_finite"),
        (4, "not_positive"),
        (6, "out_of_order"),
        (7, "negative_volume"),
        (8, "off_grid"),
        (9, "duplicate"),
        (10, "unreadable"),
        (11, "unreadable"),
        (12, "unreadable"),
        (13, "unreadable"),
        (14, "out_of_session"),
        (15, "too_early"),
        (16, "not_closed"),
        (17, "out_of_session"),
    ];
    let written = fs::read_to_string(&rejects).unwrap();
    let mut reader = csv::Reader::from_reader(written.as_bytes());
    let found: Vec<(u64, String)> = reader
        .records()
        .map(|record| record.unwrap())
        .map(|record| (record[1].parse().unwrap(), record[2].to_owned()))
        .collect();
    assert_eq!(found, want.map(|(line, reason)| (line, reason.to_owned())), "{written}");
    assert!(written.contains("9,duplicate,2024-01-02T14:30:00Z is the time of line 2 too"), "{written}");
    assert!(written.contains("close is \"\"ten\"\", which is no number"), "{written}");
    assert!(written.contains("2024-01-02 09:37:00;10;11;9;ten;100;"), "{written}");

    assert_eq!((run.count("read"), run.count("written"), run.count("rejected")), (17, 3, 14));
    assert!(run.out.contains("line 3: not_finite"), "{}", run.out);
    let bars = held(&pool, &series("AAPL", "m1")).await;
    let at = |minute: i64| Timestamp(START + 14 * HOUR + minute * MINUTE);
    assert_eq!(bars.iter().map(|bar| bar.ts).collect::<Vec<_>>(), [at(30), at(39), at(40)]);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn with_atomic_one_bad_row_keeps_all_out(pool: PgPool) {
    let folder = Folder::new("atomic");
    let mut text = csv(&minutes(START, 50_000));
    text.push_str("1,2,3\n");
    let file = folder.file("bars.csv", text);
    let run = tidemark(&pool, &["import", file.to_str().unwrap(), "--symbol", "X:BTCUSD", "--atomic"]).await;
    assert!(!run.is_ok);
    assert!(run.out.starts_with("Nothing was kept: not all rows are good, and --atomic was given."), "{}", run.out);
    assert!(run.out.contains("line 50002: unreadable, 3 cells instead of 6: 1,2,3"), "{}", run.out);
    assert_eq!(held(&pool, &series("X:BTCUSD", "m1")).await, []);
    assert_eq!(covered(&pool, &series("X:BTCUSD", "m1")).await, Spans::empty());

    let dry =
        tidemark(&pool, &["import", file.to_str().unwrap(), "--symbol", "X:BTCUSD", "--atomic", "--dry-run"]).await;
    assert!(!dry.is_ok && dry.out.starts_with("Nothing was kept: not all rows are good"), "{}", dry.out);

    let good = folder.file("good.csv", csv(&minutes(START, 50_000)));
    let run = import(&pool, &good, "X:BTCUSD", &["--atomic"]).await;
    assert_eq!((run.count("written"), run.count("rejected")), (50_000, 0));
    assert_eq!(held(&pool, &series("X:BTCUSD", "m1")).await.len(), 50_000);

    // While rows are looked at, others work on the series.
    let mut other = pool.begin().await.unwrap();
    sqlx::query("select from series for update").execute(&mut *other).await.unwrap();
    let arguments = ["import", file.to_str().unwrap(), "--symbol", "X:BTCUSD", "--atomic"];
    let run = tokio::time::timeout(Duration::from_secs(60), tidemark(&pool, &arguments)).await.unwrap();
    assert!(run.out.starts_with("Nothing was kept"), "{}{}", run.out, run.err);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn what_can_not_be_said_is_no_loss(pool: PgPool) {
    let folder = Folder::new("unsaid");
    let bars = folder.file("bars.csv", csv(&minutes(START, 500)));
    let splits = folder.file("splits.csv", "symbol,execution_date,split_from,split_to\nAAPL,2014-06-09,1,7\n");
    let (bars, splits) = (bars.to_str().unwrap(), splits.to_str().unwrap());
    let url = pool.connect_options().to_url_lossy();
    for arguments in [&["import", bars, "--symbol", "X:BTCUSD"][..], &["splits", splits], &["tick"]] {
        let run = |stdout: std::process::Stdio| {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidemark"));
            let command = command.args(arguments).env("DATABASE_URL", url.as_str());
            command.stdout(stdout).stderr(std::process::Stdio::piped()).output().unwrap()
        };
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let unheard = run(writer.into());
        assert!(unheard.status.success(), "{}", String::from_utf8_lossy(&unheard.stderr));
        let full = run(fs::File::options().write(true).open("/dev/full").unwrap().into());
        let said = String::from_utf8_lossy(&full.stderr);
        let why = "All was done that was asked for, but the report could not be printed: No space left";
        assert!(!full.status.success() && said.contains(why), "{said}");
    }
    assert_eq!(held(&pool, &series("X:BTCUSD", "m1")).await.len(), 500);

    let run = tidemark(&pool, &["import", bars, "--symbol", "X:ETHUSD", "--rejects", "/dev/full"]).await;
    assert!(!run.is_ok && run.err.contains("/dev/full can't be written"), "{}{}", run.out, run.err);
    assert_eq!(held(&pool, &series("X:ETHUSD", "m1")).await, []);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn what_was_read_of_a_damaged_file_is_kept_and_told(pool: PgPool) {
    let folder = Folder::new("damaged-later");
    let file = folder.0.join("bars.parquet");
    let flat = || Arc::new(Float64Array::from(vec![2.0; 60_000])) as ArrayRef;
    let columns = [("t", epoch(60_000)), ("o", flat()), ("h", flat()), ("l", flat()), ("c", flat())];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let groups = WriterProperties::builder().set_max_row_group_row_count(Some(40_000)).build();
    let mut writer = ArrowWriter::try_new(fs::File::create(&file).unwrap(), batch.schema(), Some(groups)).unwrap();
    writer.write(&batch).unwrap();
    let metadata = writer.close().unwrap();
    let at = usize::try_from(metadata.row_group(1).column(0).dictionary_page_offset().unwrap()).unwrap();
    let mut damaged = fs::read(&file).unwrap();
    assert_eq!(damaged[at..at + 2], [0x15, 0x04], "the first field of a page's head is its kind");
    damaged[at + 1] = 0x02;
    fs::write(&file, damaged).unwrap();

    let mut listener = sqlx::postgres::PgListener::connect_with(&pool).await.unwrap();
    listener.listen(CHANGED_CHANNEL).await.unwrap();
    let run = tidemark(&pool, &["import", file.to_str().unwrap(), "--symbol", "X:BTCUSD"]).await;
    let why = "is damaged after row 32768: ";
    assert!(!run.is_ok && run.err.contains(why), "{}{}", run.out, run.err);
    assert!(run.err.contains("32,768 bars were written before, and are kept"), "{}", run.err);
    assert_eq!(held(&pool, &series("X:BTCUSD", "m1")).await.len(), 32_768);
    let told = tokio::time::timeout(Duration::from_secs(30), listener.recv()).await.unwrap().unwrap();
    assert_eq!(told.payload(), "X:BTCUSD m1");
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_dry_run_says_what_would_be_done_and_keeps_nothing(pool: PgPool) {
    let folder = Folder::new("dry");
    let file = folder.file("bars.csv", csv(&minutes(START, 500)));
    let run = import(&pool, &file, "X:BTCUSD", &["--dry-run"]).await;
    assert!(run.out.starts_with("Dry run: nothing was kept."), "{}", run.out);
    assert_eq!(run.count("written"), 500);
    assert_eq!(held(&pool, &series("X:BTCUSD", "m1")).await, []);
    assert!(!db::instruments::is_known(&pool, &"X:BTCUSD".parse().unwrap()).await.unwrap());
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn what_is_no_file_of_bars_is_refused_with_a_reason(pool: PgPool) {
    let folder = Folder::new("refused");
    let parquet = fs::read(parquet_of(&folder, "whole.parquet", vec![("time", epoch(100))])).unwrap();
    let rows = "2024-01-02 09:30:00,1,1,1,1,1\n2024-01-02 09:31:00,1,1,1,1,1\n";
    let cases: [(&str, Vec<u8>, &str); 14] = [
        ("cut.parquet", parquet[..parquet.len() / 2].to_vec(), "is a Parquet file that is cut short or damaged"),
        ("stub.csv", b"PAR1".to_vec(), "is a Parquet file that is cut short or damaged"),
        ("empty.csv", Vec::new(), "is empty."),
        ("blank.csv", b"\n\r\n  \n".to_vec(), "is empty."),
        ("header.csv", b"t,o,h,l,c,v\r\n".to_vec(), "has a header and no rows."),
        ("bars.csv.gz", b"\x1f\x8b\x08\0\0\0".to_vec(), "is a gzip archive, which is not read. Unpack it first."),
        ("bars.xlsx", b"PK\x03\x04\x14".to_vec(), "is a zip archive or a spreadsheet"),
        ("image.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), "is a binary file, which is not read"),
        ("utf16.csv", b"\xff\xfet\0,\0o\0".to_vec(), "is text in UTF-16"),
        ("bars.json", b"{\"t\": 1}".to_vec(), "is JSON"),
        (
            "trades.csv",
            b"1672620536,90.07,1.1\n1672621569,90.0,0.05\n".to_vec(),
            "there is no header, and the 3 columns of the first line",
        ),
        (
            "names.csv",
            b"time,open,close\n1,2,3\n".to_vec(),
            "there is no column for high, low. The columns are: time, open, close.",
        ),
        (
            "zone.csv",
            format!("t,o,h,l,c,v\n{rows}").into_bytes(),
            "line 2 has the time 2024-01-02 09:30:00 without a zone. Give --time-zone",
        ),
        (
            "months.csv",
            b"t,o,h,l,c\n2024-01-01,1,1,1,1\n2024-02-01,1,1,1,1\n2024-03-03,1,1,1,1\n".to_vec(),
            "the most frequent step from row to row is 31 days, which is no timeframe",
        ),
    ];
    for (name, content, why) in cases {
        let file = folder.file(name, content);
        let run = tidemark(&pool, &["import", file.to_str().unwrap(), "--symbol", "AAPL"]).await;
        assert!(!run.is_ok && run.err.contains(why) && run.err.contains(name), "{name}: {}{}", run.out, run.err);
    }
    for (path, why) in
        [(folder.path(""), "is a directory. Name the files in it."), (folder.path("none.csv"), "No such file")]
    {
        let run = tidemark(&pool, &["import", &path, "--symbol", "AAPL"]).await;
        assert!(!run.is_ok && run.err.contains(why), "{}", run.err);
    }
    let own = folder.file("own.csv", csv(&minutes(START, 3)));
    let own = own.to_str().unwrap();
    let run = tidemark(&pool, &["import", own, "--symbol", "X:BTCUSD", "--rejects", own]).await;
    assert!(!run.is_ok && run.err.contains("would be overwritten with their rejects"), "{}", run.err);
    assert!(!db::instruments::is_known(&pool, &"AAPL".parse().unwrap()).await.unwrap(), "nothing changed");
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn times_of_mixed_zones_are_an_error_that_names_both_lines(pool: PgPool) {
    let folder = Folder::new("zones");
    let file = folder.file(
        "mixed.csv",
        "time,open,high,low,close\n2024-01-02T15:00:00Z,1,1,1,1\n2024-01-02T15:01:00Z,1,1,1,1\n\
         2024-01-02 15:02:00,1,1,1,1\n",
    );
    let file = file.to_str().unwrap();
    let run = tidemark(&pool, &["import", file, "--symbol", "X:BTCUSD", "--time-zone", "UTC"]).await;
    assert!(!run.is_ok);
    assert!(run.err.contains("line 2 has the offset +00:00, line 4 has no zone"), "{}", run.err);
    assert_eq!(held(&pool, &series("X:BTCUSD", "m1")).await, []);

    // Far in, it is the row that is refused: those before may have been written.
    let mut rows = csv(&minutes(START, 30_000));
    rows.push_str("2024-01-30 00:00:00,1,1,1,1,1\n");
    let file = folder.file("far.csv", rows);
    let run = import(&pool, &file, "X:BTCUSD", &["--time-zone", "UTC"]).await;
    assert_eq!((run.count("written"), run.count("rejected")), (30_000, 1));
    let why = "line 30002: other_zone, it has no zone, and line 2 has epoch milliseconds: 2024-01-30 00:00:00,1";
    assert!(run.out.contains(why), "{}", run.out);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn one_bad_row_costs_no_other_its_place(pool: PgPool) {
    let folder = Folder::new("one-bad-row");
    let bars = minutes(START, 50_000);
    let lines: Vec<String> = csv(&bars).lines().map(str::to_owned).collect();
    let quoted = lines[101].replacen(',', ",\"", 1);
    let ahead = lines[101].replacen(&bars[100].ts.0.to_string(), &(bars[100].ts.0 + 366 * DAY).to_string(), 1);
    let endless = format!("{},{}", lines[101], "9".repeat(100_000));
    let wide = format!("{},{}", lines[101], "9".repeat(10_000));
    for (symbol, line, good, why) in [
        ("X:AUSD", quoted, 49_999, "line 102: unreadable, 2 cells instead of 6: 1704159600000,"),
        ("X:BUSD", ahead, 50_000, ""),
        ("X:CUSD", endless, 49_999, "line 102: unreadable, it is longer than 65536 bytes: 1704159600000,"),
        ("X:DUSD", wide, 49_999, "line 102: unreadable, 7 cells instead of 6: 1704159600000,"),
    ] {
        let mut lines = lines.clone();
        lines[101] = line;
        let run = import(&pool, &folder.file("bars.csv", lines.join("\n")), symbol, &[]).await;
        assert_eq!((run.count("written"), run.count("rejected")), (good, 50_000 - good), "{symbol} {}", run.out);
        assert!(run.out.contains(why) && run.out.len() < 2_000, "{}", run.out);
    }
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn the_hour_that_clocks_show_twice_keeps_its_bars_apart(pool: PgPool) {
    let folder = Folder::new("clocks");
    let zone = ["--time-zone", "America/New_York"];
    let row = |hour: i64, minute: i64, price: i64| {
        format!("2024-11-03 {hour:02}:{minute:02}:00,{price},{price},{price},{price},1\n")
    };
    let header = "time,open,high,low,close,volume\n";

    let hours: String = [(3, 5), (2, 4), (1, 3), (1, 2), (0, 1)].map(|(hour, price)| row(hour, 0, price)).concat();
    import(&pool, &folder.file("down.csv", format!("{header}{hours}")), "X:BTCUSD", &zone).await;
    let held_hours: Vec<_> =
        held(&pool, &series("X:BTCUSD", "h1")).await.iter().map(|bar| (bar.ts.to_string(), bar.open)).collect();
    let want = [("04", 1.0), ("05", 2.0), ("06", 3.0), ("07", 4.0), ("08", 5.0)];
    assert_eq!(held_hours, want.map(|(hour, price)| (format!("2024-11-03T{hour}:00:00Z"), price)));

    // Minutes from 00:30 on, one of them twice: each has its own price.
    let mut minutes: Vec<String> = (30..60).map(|minute| row(0, minute, 1_000 + minute)).collect();
    minutes.extend((0..60).map(|minute| row(1, minute, 2_000 + minute)));
    minutes.extend((0..60).map(|minute| row(1, minute, 3_000 + minute)));
    minutes.insert(50, minutes[50].clone());
    let file = folder.file("twice.csv", format!("{header}{}", minutes.concat()));
    let run = import(&pool, &file, "X:ETHUSD", &zone).await;
    assert!(run.out.contains("line 53: duplicate"), "{}", run.out);
    for bar in held(&pool, &series("X:ETHUSD", "m1")).await {
        let minute = (bar.ts.0 - Timestamp::parse("2024-11-03T04:00:00Z").unwrap().0) / MINUTE;
        let price = (minute / 60 + 1) * 1_000 + minute % 60;
        assert_eq!(bar.open, f64::from(i32::try_from(price).unwrap()), "{}", bar.ts);
    }
    let unclear = folder.file("unclear.csv", format!("{header}{}{}{}", row(1, 20, 1), row(1, 21, 1), row(3, 0, 1)));
    let run = import(&pool, &unclear, "X:LTCUSD", &[&zone[..], &["--timeframe", "m1"]].concat()).await;
    let why =
        "line 2: ambiguous, the clocks of America/New_York show 2024-11-03 01:20:00 twice; write it with its offset";
    assert!(run.out.contains(why), "{}", run.out);
    assert_eq!((run.count("written"), run.count("rejected")), (1, 2));
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn what_a_file_does_not_tell_is_left_as_it_is(pool: PgPool) {
    let folder = Folder::new("untold");
    let rows = |volume: &str, vwap: &str, trades: &str, close: u32| -> String {
        let row = |n| format!("{},10,20,5,{close}{volume}{vwap}{trades}\n", START + n * MINUTE);
        (0..5).map(row).collect()
    };
    let full = format!("t,o,h,l,c,v,vw,n\n{}", rows(",7", ",11.5", ",3", 12));
    import(&pool, &folder.file("full.csv", full), "X:BTCUSD", &[]).await;
    let bare = folder.file("bare.csv", format!("t,o,h,l,c\n{}", rows("", "", "", 12)));
    let run = import(&pool, &bare, "X:BTCUSD", &[]).await;
    assert_eq!((run.count("written"), run.count("unchanged")), (0, 5), "{}", run.out);
    let bare = folder.file("bare.csv", format!("t,o,h,l,c,vw\n{}", rows("", ",", "", 13)));
    let run = import(&pool, &bare, "X:BTCUSD", &[]).await;
    assert_eq!(run.count("replaced"), 5);
    for bar in held(&pool, &series("X:BTCUSD", "m1")).await {
        assert_eq!((bar.close, bar.volume, bar.vwap, bar.trades), (13.0, 7.0, Some(11.5), Some(3)));
    }
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn the_time_of_bad_rows_can_still_be_fetched(pool: PgPool) {
    let folder = Folder::new("bad-time");
    let bars = minutes(START, 1_440);
    let mut lines: Vec<String> = csv(&bars).lines().map(str::to_owned).collect();
    for line in &mut lines[101..141] {
        let at = line.split(',').next().unwrap().to_owned();
        *line = format!("{at},NaN,NaN,NaN,NaN,1");
    }
    lines[501] = format!("{},,,,,", bars[500].ts.0);
    lines.push(lines[601].replace("3.5", "-1"));
    let run = import(&pool, &folder.file("bars.csv", lines.join("\n")), "X:BTCUSD", &[]).await;
    assert_eq!((run.count("written"), run.count("rejected")), (1_399, 42));
    assert!(run.out.contains("covered    2024-01-02T00:00:00Z to 2024-01-03T00:00:00Z, with holes"), "{}", run.out);
    let span = |from: usize, to: usize| TimeRange { start: bars[from].ts, end: bars[to].ts };
    let all = TimeRange { start: Timestamp(START), end: Timestamp(START + DAY) };
    let want = Spans::from(all).subtract(&span(100, 140).into()).subtract(&span(500, 501).into());
    assert_eq!(covered(&pool, &series("X:BTCUSD", "m1")).await, want);
    let again = import(&pool, &folder.file("bars.csv", lines.join("\n")), "X:BTCUSD", &[]).await;
    assert!(again.out.starts_with("0 bars were written: all good rows are held already."), "{}", again.out);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn rows_of_another_symbol_are_left_out(pool: PgPool) {
    let folder = Folder::new("symbols");
    let rows = |names: [&str; 3]| -> String {
        let row = |(n, name): (i64, &str)| format!("{},{name},1,1,1,1\n", START + n * MINUTE);
        (0..).zip(names).map(row).collect()
    };
    let file =
        folder.file("two.csv", format!("time,Symbol,open,high,low,close\n{}", rows(["BTC/USD", "ETHUSD", "btcusd"])));
    let run = import(&pool, &file, "X:BTCUSD", &["--timeframe", "m1"]).await;
    assert_eq!((run.count("written"), run.count("rejected")), (2, 1));
    assert!(run.out.contains("line 3: other_symbol, it is of ETHUSD, not of X:BTCUSD"), "{}", run.out);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn a_file_longer_than_a_batch_has_no_hole_at_its_edges(pool: PgPool) {
    let folder = Folder::new("batches");
    let first = START + 90 * MINUTE;
    let mut bars = minutes(first, 50_000);
    let hole = TimeRange { start: Timestamp(START + 10 * DAY), end: Timestamp(START + 13 * DAY) };
    bars.retain(|bar| !hole.contains(bar.ts));
    // A row out of its place inside of a batch is put there, one that comes much later is refused.
    bars.swap(100, 300);
    let late = bars[7];
    bars.push(Bar { ts: late.ts, volume: 9.0, ..late });
    let run = import(&pool, &folder.file("bars.csv", csv(&bars)), "X:BTCUSD", &[]).await;
    assert_eq!((run.count("rejected"), run.count("written")), (1, 50_000 - 3 * 1_440));
    let line = bars.len() + 1;
    assert!(run.out.contains(&format!("line {line}: unsorted")), "{}", run.out);
    assert!(run.out.contains("X:BTCUSD m1 (inferred from the most frequent step)"), "{}", run.out);
    let key = series("X:BTCUSD", "m1");
    let all = TimeRange { start: Timestamp(first), end: Timestamp(first + 50_000 * MINUTE) };
    assert_eq!(covered(&pool, &key).await, Spans::from(all).subtract(&hole.into()));

    // The same, newest first, into another series.
    bars.pop();
    bars.reverse();
    let run = import(&pool, &folder.file("newest-first.csv", csv(&bars)), "X:ETHUSD", &[]).await;
    assert_eq!((run.count("rejected"), run.count("written")), (0, 50_000 - 3 * 1_440));
    assert_eq!(covered(&pool, &series("X:ETHUSD", "m1")).await, Spans::from(all).subtract(&hole.into()));
    assert_eq!(held(&pool, &series("X:ETHUSD", "m1")).await, held(&pool, &key).await);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn importing_again_writes_nothing_and_a_changed_bar_keeps_its_old_value(pool: PgPool) {
    let folder = Folder::new("again");
    let mut bars = minutes(START, 3_000);
    let file = folder.file("bars.csv", csv(&bars));
    import(&pool, &file, "X:BTCUSD", &[]).await;
    let again = import(&pool, &file, "X:BTCUSD", &[]).await;
    assert!(again.out.starts_with("0 bars were written: all are held already."), "{}", again.out);
    assert_eq!((again.count("written"), again.count("unchanged")), (0, 3_000));

    let before = Utc::now().to_rfc3339();
    bars[5].close = bars[5].high;
    let changed = import(&pool, &folder.file("bars.csv", csv(&bars)), "X:BTCUSD", &[]).await;
    assert_eq!((changed.count("written"), changed.count("replaced"), changed.count("unchanged")), (1, 1, 2_999));
    let close = async |more: &[&str]| {
        let mut arguments = vec!["export", "X:BTCUSD", "m1", "--to", "2024-01-03"];
        arguments.extend(more);
        let run = tidemark(&pool, &arguments).await;
        assert!(run.is_ok, "{}", run.err);
        run.out.lines().nth(6).unwrap().split(',').nth(4).unwrap().parse::<f64>().unwrap()
    };
    assert_eq!(close(&[]).await, bars[5].high);
    assert_eq!(close(&["--as-of", &before]).await, bars[5].open);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn settled_bars_are_historical_newer_ones_intraday_and_open_ones_refused(pool: PgPool) {
    let folder = Folder::new("layers");
    let now = Utc::now().timestamp_millis().div_euclid(MINUTE) * MINUTE;
    let midnight = now.div_euclid(DAY) * DAY - 8 * DAY;
    let bars = minutes(midnight, (now - midnight) / MINUTE + 60);
    let file = folder.file("bars.csv", csv(&bars));
    let run = import(&pool, &file, "X:BTCUSD", &[]).await;
    assert!(run.out.contains("layers     historical, intraday"), "{}", run.out);
    assert!((59..=60).contains(&run.count("rejected")) && run.out.contains("not_closed"), "{}", run.out);
    let held = held(&pool, &series("X:BTCUSD", "m1")).await;
    assert_eq!(held, bars[..held.len()]);

    // Nothing of it is asked for again, whichever layer it is asked of.
    let key = series("X:BTCUSD", "m1");
    let window = TimeRange { start: bars[0].ts, end: Timestamp(now) };
    let calendar = key.symbol.calendar(Hours::Regular);
    let (timeframe, now) = (key.timeframe, Timestamp(now));
    let sizes = Sizes { historical: DAY, intraday: DAY };
    let ask = Ask { calendar, timeframe, window, visible: None, now, sizes, slice_millis: None };
    let asked = [Layer::Historical, Layer::Intraday].map(|layer| (layer, asked_spans(&ask, layer))).to_vec();
    let reading = Reading { window, ahead: window.end, since: None, as_of: None, adjust: Adjust::None, asked };
    assert_eq!(db::bars::read(&pool, &key, &reading).await.unwrap().gaps, []);

    // An export goes back to the layers it came from.
    for name in ["out.csv", "out.parquet"] {
        let out = folder.path(name);
        let exported = tidemark(&pool, &["export", "X:BTCUSD", "m1", "--out", &out]).await;
        assert!(exported.is_ok, "{}", exported.err);
        let again = import(&pool, Path::new(&out), "X:BTCUSD", &[]).await;
        assert_eq!((again.count("written"), again.count("rejected")), (0, 0), "{}", again.out);
        assert_eq!(again.count("unchanged"), held.len() as u64);
    }

    let historical = import(&pool, &file, "X:ETHUSD", &["--layer", "historical"]).await;
    assert!(historical.out.contains("not_settled"), "{}", historical.out);
    let old = folder.file("old.csv", csv(&minutes(START, 10)));
    let refused =
        tidemark(&pool, &["import", old.to_str().unwrap(), "--symbol", "X:ETHUSD", "--layer", "intraday"]).await;
    assert!(!refused.is_ok && refused.out.contains("not_recent"), "{}", refused.out);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn wall_times_are_read_in_their_zone_and_dates_as_the_exchanges_days(pool: PgPool) {
    let folder = Folder::new("walls");
    let file = folder.file(
        "walls.csv",
        "Date\tTime\tOpen\tHigh\tLow\tClose\n20240308\t09:30\t1\t1\t1\t1\n20240308\t09:31\t1\t1\t1\t1\n\
         20240311\t09:30\t1\t1\t1\t1\n",
    );
    let run = import(&pool, &file, "AAPL", &["--time-zone", "America/New_York"]).await;
    assert!(run.out.contains("separated by tabs; no column for volume, so it is 0 where none is held"), "{}", run.out);
    assert!(run.out.contains("times without a zone are of America/New_York"), "{}", run.out);
    let times: Vec<_> = held(&pool, &series("AAPL", "m1")).await.iter().map(|bar| bar.ts.to_string()).collect();
    assert_eq!(times, ["2024-03-08T14:30:00Z", "2024-03-08T14:31:00Z", "2024-03-11T13:30:00Z"]);

    // Three ways to write the same two days.
    for (name, rows) in [
        ("dates.csv", "2024-03-08,1,2,1,2,5\n2024-03-11,1,2,1,2,5\n"),
        ("utc.csv", "2024-03-08T00:00:00Z,1,2,1,2,5\n2024-03-11T00:00:00Z,1,2,1,2,5\n"),
        ("opens.csv", "1709908200,1,2,1,2,5\n1710163800,1,2,1,2,5\n"),
    ] {
        let file = folder.file(name, rows);
        let run = import(&pool, &file, "AAPL", &["--timeframe", "d1"]).await;
        assert!(
            run.out.contains("no header, so columns are read as time, open, high, low, close, volume"),
            "{}",
            run.out
        );
        let words = if name == "dates.csv" { "dates are the exchange's days" } else { "2 times were put on the start" };
        assert!(run.out.contains(words), "{}", run.out);
        assert_eq!(run.count("rejected"), 0, "{}", run.out);
    }
    let times: Vec<_> = held(&pool, &series("AAPL", "d1")).await.iter().map(|bar| bar.ts.to_string()).collect();
    assert_eq!(times, ["2024-03-08T05:00:00Z", "2024-03-11T04:00:00Z"]);
}

fn epoch(count: i64) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values((0..count).map(|n| (START + n * MINUTE) / 1_000)))
}

/// A file of that time column and flat prices.
fn parquet_of(folder: &Folder, name: &str, columns: Vec<(&str, ArrayRef)>) -> PathBuf {
    let rows = columns[0].1.len();
    let prices = |price: f64| Arc::new(Float64Array::from(vec![price; rows])) as ArrayRef;
    let all = columns.into_iter().chain([
        ("Open", prices(2.0)),
        ("High", prices(3.0)),
        ("Low", prices(1.0)),
        ("Close", prices(2.5)),
    ]);
    let batch = RecordBatch::try_from_iter(all).unwrap();
    let path = folder.0.join(name);
    let mut writer = ArrowWriter::try_new(fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    path
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn parquet_is_read_whatever_its_columns_types_and_its_name(pool: PgPool) {
    let folder = Folder::new("parquet");
    let micros = || TimestampMicrosecondArray::from_iter_values((0..50).map(|n| (START + n * MINUTE) * 1_000));
    let texts = (0..50).map(|n| Timestamp(START + n * MINUTE).to_string());
    let volume = || Arc::new(Int64Array::from(vec![7; 50])) as ArrayRef;
    let cases: [(&str, ArrayRef, &[&str]); 4] = [
        ("X:AUSD", Arc::new(micros().with_timezone("America/New_York")), &[]),
        ("X:BUSD", Arc::new(micros()), &["--time-zone", "UTC"]),
        ("X:CUSD", Arc::new(StringArray::from_iter_values(texts)), &[]),
        ("X:DUSD", epoch(50), &[]),
    ];
    for (symbol, time, options) in cases {
        let file = parquet_of(&folder, "bars.csv", vec![("Timestamp", time), ("Vol", volume())]);
        let run = import(&pool, &file, symbol, options).await;
        assert_eq!((run.count("written"), run.count("rejected")), (50, 0), "{symbol}: {}", run.out);
        let want: Vec<Bar> =
            (0..50).map(|n| Bar::new(Timestamp(START + n * MINUTE), 2.0, 3.0, 1.0, 2.5, 7.0)).collect();
        assert_eq!(held(&pool, &series(symbol, "m1")).await, want, "{symbol}");
    }
    let days = Arc::new(Date32Array::from(vec![19_724, 19_725, 19_726]));
    let run = import(&pool, &parquet_of(&folder, "days", vec![("date", days)]), "AAPL", &[]).await;
    assert!(run.out.contains("AAPL d1 (inferred") && run.out.contains("dates are the exchange's days"), "{}", run.out);
    assert_eq!(held(&pool, &series("AAPL", "d1")).await[0].ts.to_string(), "2024-01-02T05:00:00Z");

    // Without its dictionary page, which is the first, the reader panics.
    let mut damaged = fs::read(parquet_of(&folder, "long.parquet", vec![("t", epoch(100))])).unwrap();
    assert_eq!(damaged[4..6], [0x15, 0x04], "the first field of a page's head is its kind");
    damaged[5] = 0x02;
    let file = folder.file("damaged.parquet", damaged);
    let run = tidemark(&pool, &["import", file.to_str().unwrap(), "--symbol", "X:FUSD"]).await;
    assert!(!run.is_ok && run.err.contains("damaged") && run.err.contains("Fetch it again."), "{}{}", run.out, run.err);

    let bad = Arc::new(Float64Array::from(vec![Some(1.0), None, Some(f64::NAN), Some(-1.0)]));
    let file = parquet_of(&folder, "bad.parquet", vec![("t", epoch(4)), ("volume", bad)]);
    let run = import(&pool, &file, "X:EUSD", &[]).await;
    for reason in ["row 2: unreadable, volume is null", "row 3: not_finite", "row 4: negative_volume"] {
        assert!(run.out.contains(reason), "{}", run.out);
    }
    assert_eq!(run.count("written"), 1);
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn an_export_that_fails_leaves_nothing_and_one_that_works_is_whole(pool: PgPool) {
    let folder = Folder::new("export");
    let out = folder.path("out.csv");
    fs::write(&out, "what was there").unwrap();
    let unknown = tidemark(&pool, &["export", "X:BTCUSD", "m1", "--out", &out]).await;
    assert!(!unknown.is_ok && unknown.err.contains("There is no series X:BTCUSD m1 in the store."), "{}", unknown.err);
    assert_eq!(fs::read_to_string(&out).unwrap(), "what was there");

    let bars = minutes(START, 20_000);
    import(&pool, &folder.file("bars.csv", csv(&bars)), "X:BTCUSD", &[]).await;
    for (arguments, why) in [
        (["--out", &folder.path("none/out.csv")], "can't be written"),
        (["--out", &folder.path("out.txt")], "does not end in .csv or .parquet. Say which it is with --format."),
        (["--from", "soon"], "--from soon is no time."),
    ] {
        let run = tidemark(&pool, &[&["export", "X:BTCUSD", "m1"], &arguments[..]].concat()).await;
        assert!(!run.is_ok && run.err.contains(why), "{}", run.err);
    }
    let run = tidemark(&pool, &["export", "X:BTCUSD", "m1", "--out", &out]).await;
    assert!(run.is_ok && run.err.contains("20,000 bars of X:BTCUSD m1 were written."), "{}", run.err);
    let text = fs::read_to_string(&out).unwrap();
    assert!(text.starts_with("time,open,high,low,close,volume,vwap,trades,layer,provider\n2024-01-02T00:00:00Z,100,101,99,100,3.5,,,historical,file\n"));
    assert_eq!(text.lines().count(), 20_001);
    // A link and a file's mode stay as they are, and a pipe is written into.
    let (link, pipe) = (folder.path("link.csv"), folder.path("pipe.csv"));
    std::os::unix::fs::symlink(&out, &link).unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&out, "what was there").unwrap();
    let run = tidemark(&pool, &["export", "X:BTCUSD", "m1", "--out", &link]).await;
    assert!(run.is_ok && Path::new(&link).is_symlink() && fs::read_to_string(&out).unwrap() == text, "{}", run.err);
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let through = fs::File::create(folder.path("through.csv")).unwrap();
    let mut reader = std::process::Command::new("cat").arg(&pipe).stdout(through).spawn().unwrap();
    let run = tidemark(&pool, &["export", "X:BTCUSD", "m1", "--out", &pipe]).await;
    assert!(run.is_ok && fs::metadata(&pipe).unwrap().file_type().is_fifo(), "{}", run.err);
    assert!(reader.wait().unwrap().success());
    assert_eq!(fs::read_to_string(folder.path("through.csv")).unwrap(), text);
    let run = tidemark(&pool, &["export", "X:BTCUSD", "m1", "--out", "/dev/stdout", "--format", "csv"]).await;
    assert_eq!(run.out, text);
    [link, pipe, folder.path("through.csv")].iter().for_each(|path| fs::remove_file(path).unwrap());
    let part =
        tidemark(&pool, &["export", "X:BTCUSD", "m1", "--from", "2024-01-03", "--to", "2024-01-03T01:00:00Z"]).await;
    assert_eq!(part.out.lines().count(), 61);
    let left: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

/// The bars of a recorded file, read in another way than the importer does.
fn recorded(text: &str) -> Vec<Bar> {
    let rows = text.lines().skip(1).map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        let at = cells[0]
            .parse()
            .map_or_else(|_| Timestamp::parse(&format!("{}Z", cells[0].replace(' ', "T"))).unwrap(), Timestamp);
        let number = |n: usize| cells[n].parse::<f64>().unwrap();
        Bar::new(at, number(1), number(2), number(3), number(4), number(5))
    });
    rows.collect()
}

/// The bars that the API tells over the time of `want`, as traded.
async fn told(server: &TestServer, series: &SeriesKey, want: &[Bar]) -> Vec<Bar> {
    let (from, to) = (want[0].ts.millis(), want[want.len() - 1].ts.millis() + 1);
    let SeriesKey { symbol, timeframe } = series;
    let path = format!("/api/v1/bars?symbol={symbol}&tf={timeframe}&from={from}&to={to}&adjust=none");
    let (_, mut answer) = server.get(&path).await;
    let bars: Vec<Bar> = serde_json::from_value(answer["bars"].take()).unwrap();
    bars.into_iter().filter(|bar| (from..to).contains(&bar.ts.millis())).collect()
}

#[sqlx::test(migrator = "tidemark_server::db::MIGRATIONS")]
async fn every_recorded_file_goes_in_and_comes_out_equal(pool: PgPool) {
    let fixtures = std::env::var("TIDEMARK_FIXTURES").unwrap_or_else(|_| "../../shared/fixtures".to_owned());
    if !Path::new(&fixtures).exists() {
        println!("skipped: no recorded files in {fixtures}");
        return;
    }
    let folder = Folder::new("recorded");
    let server = TestServer::start_with(&pool, &config("http://127.0.0.1:9")).await;
    let minutes = |symbol: &str, days: &[u32]| -> Vec<String> {
        days.iter().map(|day| format!("us_equity/minute_{symbol}_{day}.csv")).collect()
    };
    let one = |path: &str| vec![path.to_owned()];
    let cases: Vec<(Vec<String>, &str, &str, Hours)> = vec![
        (one("us_equity/daily_AAPL.csv"), "AAPL", "d1", Hours::Regular),
        (one("us_equity/daily_SPY.csv"), "SPY", "d1", Hours::Regular),
        (one("us_equity/hour_AAPL.csv"), "AAPL", "h1", Hours::Regular),
        (one("us_equity/hour_IBM.csv"), "IBM", "h1", Hours::Regular),
        (minutes("AAPL", &[20_140_605, 20_140_606]), "AAPL", "m1", Hours::Extended),
        (minutes("BAC", &[20_131_007]), "BAC", "m1", Hours::Extended),
        (minutes("GOOG", &[20_151_223, 20_151_224]), "GOOG", "m1", Hours::Extended),
        (minutes("IBM", &[20_131_007, 20_131_008]), "IBM", "m1", Hours::Extended),
        (minutes("SPY", &[20_131_004, 20_131_007, 20_131_008, 20_131_009]), "SPY", "m1", Hours::Extended),
        (one("binance/freqtrade_ETH_BTC-5m.csv"), "X:ETHBTC", "m5", Hours::Regular),
        (one("binance/freqtrade_XRP_ETH-5m.csv"), "X:XRPETH", "m5", Hours::Regular),
        (one("binance/freqtrade_XRP_USDT_USDT-1h-futures.csv"), "X:XRPUSDT", "h1", Hours::Regular),
        (
            vec!["coinbase/minute_BTCUSD_20180404.csv".into(), "coinbase/minute_BTCUSD_20180405.csv".into()],
            "COINBASE:BTC-USD",
            "m1",
            Hours::Regular,
        ),
        (one("coinbase/minute_ETHUSD_20180405.csv"), "COINBASE:ETH-USD", "m1", Hours::Regular),
        (one("misc/EURUSD.csv"), "C:EURUSD", "h1", Hours::Regular),
    ];
    for (files, symbol, timeframe, hours) in cases {
        let key = series(symbol, timeframe);
        if hours == Hours::Extended {
            let listing = Listing { symbol: key.symbol.clone(), name: None, currency: None };
            db::instruments::add(&pool, &listing).await.unwrap();
            db::series::set_hours(&pool, &key, hours).await.unwrap();
        }
        let paths: Vec<String> = files.iter().map(|file| format!("{fixtures}/{file}")).collect();
        let mut arguments = vec!["import", "--symbol", symbol, "--time-zone", "UTC"];
        arguments.extend(paths.iter().map(String::as_str));
        let run = tidemark(&pool, &arguments).await;
        assert!(run.is_ok && run.out.contains(&format!("{symbol} {timeframe} (inferred")), "{}{}", run.out, run.err);

        let mut want: Vec<Bar> = paths.iter().flat_map(|path| recorded(&fs::read_to_string(path).unwrap())).collect();
        if symbol == "C:EURUSD" {
            // Two bars of one trade each that begin at the very hour at which the market closes for the weekend.
            let calendar = "C:EURUSD".parse::<Symbol>().unwrap().calendar(Hours::Regular);
            want.retain(|bar| !calendar.sessions(TimeRange { start: bar.ts, end: bar.ts.plus(HOUR) }).is_empty());
            assert_eq!((want.len(), run.count("rejected")), (4_998, 2), "{}", run.out);
        } else {
            assert_eq!(run.count("rejected"), 0, "{}", run.out);
        }
        let held = held(&pool, &key).await;
        assert_eq!(held.len(), want.len(), "{symbol} {timeframe}");
        assert!(held == want, "{symbol} {timeframe} differs");
        let told = told(&server, &key, &want).await;
        let differs = told.iter().zip(&want).find(|(told, want)| told != want);
        assert_eq!((told.len(), differs), (want.len(), None), "{symbol} {timeframe} by the API");

        for ending in ["csv", "parquet"] {
            let out = folder.path(&format!("out.{ending}"));
            let exported = tidemark(&pool, &["export", symbol, timeframe, "--out", &out]).await;
            assert!(exported.is_ok, "{}", exported.err);
            let again = import(&pool, Path::new(&out), symbol, &["--timeframe", timeframe]).await;
            assert_eq!((again.count("written"), again.count("rejected")), (0, 0), "{ending}: {}", again.out);
            assert_eq!(again.count("unchanged"), held.len() as u64);
        }
    }
    server.stop().await;
    for (file, why) in [
        ("kraken/trades_BCHEUR_q2.csv", "there is no header, and the 3 columns"),
        ("misc/BTCUSD.csv", "the most frequent step from row to row is 31 days, which is no timeframe"),
        ("us_equity/factors_AAPL.csv", "there is no header, and the 4 columns"),
        ("binance/klines_BTCUSDT_1m_2021-10-22.json", "is JSON, which is not read. Save it as CSV or Parquet."),
    ] {
        let run = tidemark(&pool, &["import", &format!("{fixtures}/{file}"), "--symbol", "X:BTCUSD"]).await;
        assert!(!run.is_ok && run.err.contains(why), "{file}: {}{}", run.out, run.err);
    }
}
