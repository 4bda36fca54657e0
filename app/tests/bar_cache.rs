//! The bar cache in a real browser's IndexedDB.

#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::rc::Rc;

use futures::{FutureExt, StreamExt};
use idb::{Database, DatabaseEvent, Factory, ObjectStoreParams, TransactionMode};
use js_sys::{Array, Uint8Array};
use tidemark_app::browser::bar_cache::{BarCache, CHUNK_BARS, CacheError, Limits, Told, Usage, VERSION};
use tidemark_app::series::SeriesKey;
use tidemark_app::stores::holding::{Absorbed, Changed, absorb};
use tidemark_market::wire::{ChartData, LayerBars};
use tidemark_market::{Bar, Layer, TimeRange, Timeframe, Timestamp};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

const HOUR: i64 = Timeframe::H1.millis();

fn series(symbol: &str) -> SeriesKey {
    SeriesKey::parse(symbol, "h1").unwrap()
}

/// Hourly bars from `first` on, whose closes tell their place.
fn data(symbol: &str, revision: u64, first: i64, count: i64) -> ChartData {
    let bar = |i: i64| {
        let price = 100.0 + i as f64 / 100.0;
        Bar::new(Timestamp((first + i) * HOUR), price, price, price, price, 1_000.0)
    };
    ChartData {
        symbol: symbol.parse().unwrap(),
        timeframe: Timeframe::H1,
        window: TimeRange { start: Timestamp(first * HOUR), end: Timestamp((first + count) * HOUR) },
        since: None,
        revision,
        layers: vec![LayerBars { layer: Layer::Historical, bars: (0..count).map(bar).collect(), bands: Vec::new() }],
        gaps: vec![TimeRange { start: Timestamp(first * HOUR), end: Timestamp((first + 1) * HOUR) }],
        holes: Vec::new(),
        derived: Vec::new(),
        providers: vec!["demo".to_owned()],
        synthetic: true,
    }
}

/// A store of that name with nothing in it.
async fn fresh(name: &str, limits: Limits) -> BarCache {
    // With a page, which is empty here, what the cache does by itself gets something to run on.
    leptos::mount::mount_to_body(|| ());
    Factory::new().unwrap().delete(name).unwrap().await.unwrap();
    BarCache::open(name, limits).await.unwrap()
}

async fn read(cache: &BarCache, symbol: &str) -> Option<ChartData> {
    cache.read(&series(symbol)).await.unwrap().map(|cached| Rc::unwrap_or_clone(cached.data))
}

async fn store(cache: &BarCache, data: &ChartData, now: i64) {
    cache.write(Rc::new(data.clone()), &Changed::All, now).await.unwrap();
}

#[wasm_bindgen_test]
async fn what_was_written_is_read_after_a_reload() {
    let written = data("AAPL", 7, 470_000, 10_000);
    store(&fresh("round-trip", Limits::default()).await, &written, 1).await;
    let cache = BarCache::open("round-trip", Limits::default()).await.unwrap();
    assert_eq!(read(&cache, "AAPL").await, Some(written));
    assert_eq!(read(&cache, "MSFT").await, None);
}

#[wasm_bindgen_test]
async fn two_series_do_not_mix() {
    let cache = fresh("two-series", Limits::default()).await;
    // One name is the other's beginning.
    let (short, long) = (data("A", 1, 0, 9_000), data("AA", 2, 3, 5_000));
    store(&cache, &short, 1).await;
    store(&cache, &long, 2).await;
    cache.remove(&series("A")).await.unwrap();
    assert_eq!(read(&cache, "A").await, None);
    assert_eq!(read(&cache, "AA").await, Some(long));
}

#[wasm_bindgen_test]
async fn a_change_is_written_into_its_chunks() {
    let cache = fresh("change", Limits::default()).await;
    let held = data("AAPL", 3, 0, 9_000);
    store(&cache, &held, 1).await;
    // The window moves on by ten hours within a chunk, and five bars come.
    let mut answer = data("AAPL", 4, 9_000, 5);
    answer.since = Some(3);
    answer.window.start = Timestamp(10 * HOUR);
    let Absorbed::Hold { data, changed } = absorb(Some(&held), answer) else { panic!("fits") };
    cache.write(data.clone(), &changed, 2).await.unwrap();
    let stored = read(&cache, "AAPL").await.unwrap();
    assert_eq!(stored, *data);
    assert_eq!(stored.layers[0].bars.len(), 8_995);
}

#[wasm_bindgen_test]
async fn a_revision_that_went_back_is_not_merged() {
    let cache = fresh("went-back", Limits::default()).await;
    store(&cache, &data("AAPL", 9, 0, 100), 1).await;
    let held = read(&cache, "AAPL").await;
    let replaced = ChartData { since: Some(9), ..data("AAPL", 2, 0, 1) };
    assert_eq!(absorb(held.as_ref(), replaced), Absorbed::Reload);
    cache.remove(&series("AAPL")).await.unwrap();
    let full = data("AAPL", 2, 0, 50);
    store(&cache, &full, 2).await;
    assert_eq!(read(&cache, "AAPL").await, Some(full));
}

#[wasm_bindgen_test]
async fn a_damaged_chunk_drops_its_series_and_no_other() {
    let cache = fresh("damaged", Limits::default()).await;
    let other = data("MSFT", 1, 0, 10);
    store(&cache, &data("AAPL", 1, 0, 10_000), 1).await;
    store(&cache, &other, 1).await;
    overwrite("damaged", "AAPL h1", CHUNK_BARS as i64 * HOUR, &[1, 2, 3]).await;
    assert!(matches!(cache.read(&series("AAPL")).await, Err(CacheError::Damaged(_))));
    assert_eq!(read(&cache, "AAPL").await, None, "dropped");
    assert_eq!(read(&cache, "MSFT").await, Some(other));
}

#[wasm_bindgen_test]
async fn a_foreign_chunk_is_noticed() {
    let cache = fresh("foreign", Limits::default()).await;
    store(&cache, &data("AAPL", 1, 0, 10), 1).await;
    store(&cache, &data("MSFT", 1, 0, 10), 1).await;
    let foreign = stored_chunk("foreign", "MSFT h1", 0).await;
    overwrite("foreign", "AAPL h1", 0, &foreign).await;
    assert!(matches!(cache.read(&series("AAPL")).await, Err(CacheError::Damaged(_))));
}

fn chunk_key(series: &str, start: i64) -> JsValue {
    Array::of2(&JsValue::from_str(series), &JsValue::from_f64(start as f64)).into()
}

async fn overwrite(name: &str, series: &str, start: i64, bytes: &[u8]) {
    let database = Factory::new().unwrap().open(name, Some(VERSION)).unwrap().await.unwrap();
    let transaction = database.transaction(&["chunks"], TransactionMode::ReadWrite).unwrap();
    let chunks = transaction.object_store("chunks").unwrap();
    chunks.put(&Uint8Array::from(bytes).buffer(), Some(&chunk_key(series, start))).unwrap();
    transaction.await.unwrap();
    database.close();
}

async fn stored_chunk(name: &str, series: &str, start: i64) -> Vec<u8> {
    let database = Factory::new().unwrap().open(name, Some(VERSION)).unwrap().await.unwrap();
    let transaction = database.transaction(&["chunks"], TransactionMode::ReadOnly).unwrap();
    let chunks = transaction.object_store("chunks").unwrap();
    let chunk = chunks.get(chunk_key(series, start)).unwrap().await.unwrap().unwrap();
    database.close();
    Uint8Array::new(&chunk).to_vec()
}

#[wasm_bindgen_test]
async fn what_was_used_longest_ago_makes_room() {
    let cache = fresh("bounded", Limits { series: 2, bytes: 1 << 20 }).await;
    let (first, second, third) = (data("AAPL", 1, 0, 10), data("MSFT", 1, 0, 10), data("SPY", 1, 0, 10));
    store(&cache, &first, 1).await;
    store(&cache, &second, 2).await;
    // Used again, though nothing changed.
    cache.write(Rc::new(first.clone()), &Changed::Since(1, Default::default()), 3).await.unwrap();
    store(&cache, &third, 4).await;
    assert_eq!(read(&cache, "MSFT").await, None);
    assert_eq!(read(&cache, "AAPL").await, Some(first));
    assert_eq!(read(&cache, "SPY").await, Some(third));
}

#[wasm_bindgen_test]
async fn bytes_are_bounded_too() {
    let unbounded = fresh("unbounded-bytes", Limits::default()).await;
    store(&unbounded, &data("A", 1, 0, 1_000), 0).await;
    let three = unbounded.usage().await.unwrap().bytes * 3;
    let cache = fresh("bounded-bytes", Limits { series: 200, bytes: three }).await;
    for (now, symbol) in ["A", "B", "C", "D"].into_iter().enumerate() {
        store(&cache, &data(symbol, 1, 0, 1_000), now as i64).await;
    }
    assert_eq!(read(&cache, "A").await, None);
    assert!(read(&cache, "D").await.is_some());
}

#[wasm_bindgen_test]
async fn a_store_of_a_foreign_shape_is_an_error_and_gone_the_next_time() {
    let factory = Factory::new().unwrap();
    factory.delete("foreign-shape").unwrap().await.unwrap();
    let mut request = factory.open("foreign-shape", Some(VERSION)).unwrap();
    request.on_upgrade_needed(|event| {
        event.database().unwrap().create_object_store("something", ObjectStoreParams::new()).unwrap();
    });
    request.await.unwrap().close();
    assert!(BarCache::open("foreign-shape", Limits::default()).await.is_err());
    assert!(BarCache::open("foreign-shape", Limits::default()).await.is_ok());
}

#[wasm_bindgen_test]
async fn a_store_of_a_later_version_is_an_error_not_a_panic() {
    let factory = Factory::new().unwrap();
    factory.delete("later").unwrap().await.unwrap();
    factory.open("later", Some(99)).unwrap().await.unwrap().close();
    assert!(matches!(BarCache::open("later", Limits::default()).await, Err(CacheError::Refused(_))));
}

#[wasm_bindgen_test]
async fn a_store_without_its_series_entry_holds_nothing() {
    let cache = fresh("orphans", Limits::default()).await;
    overwrite("orphans", "AAPL h1", 0, &[0]).await;
    assert_eq!(read(&cache, "AAPL").await, None);
}

/// What the first version of the page left: chunks of another form under the same names.
async fn first_version(name: &str) -> Database {
    let factory = Factory::new().unwrap();
    factory.delete(name).unwrap().await.unwrap();
    let mut request = factory.open(name, Some(1)).unwrap();
    request.on_upgrade_needed(|event| {
        for store in ["series", "chunks"] {
            event.database().unwrap().create_object_store(store, ObjectStoreParams::new()).unwrap();
        }
    });
    let database = request.await.unwrap();
    let transaction = database.transaction(&["series", "chunks"], TransactionMode::ReadWrite).unwrap();
    let entry = r#"{"series":{"symbol":"AAPL","timeframe":"h1"},"revision":7,"used":1,"chunks":{"0":3}}"#;
    let entries = transaction.object_store("series").unwrap();
    entries.put(&JsValue::from_str(entry), Some(&JsValue::from_str("AAPL h1"))).unwrap();
    let chunks = transaction.object_store("chunks").unwrap();
    chunks.put(&Uint8Array::from(&[1_u8, 2, 3][..]), Some(&chunk_key("AAPL h1", 0))).unwrap();
    transaction.await.unwrap();
    database
}

#[wasm_bindgen_test]
async fn a_store_of_an_older_version_is_dropped_and_used_again() {
    first_version("older").await.close();
    let cache = BarCache::open("older", Limits::default()).await.unwrap();
    assert_eq!(read(&cache, "AAPL").await, None);
    assert_eq!(cache.usage().await.unwrap().series, 0);
    let written = data("AAPL", 1, 0, 10);
    store(&cache, &written, 1).await;
    assert_eq!(read(&cache, "AAPL").await, Some(written));
}

#[wasm_bindgen_test]
async fn a_tab_with_an_older_version_is_waited_for() {
    let old = first_version("blocked").await;
    let mut opening = Box::pin(BarCache::open("blocked", Limits::default())).fuse();
    // The older page did not let go when it was asked to.
    let mut patience = gloo_timers::future::TimeoutFuture::new(100).fuse();
    futures::select! {
        _ = opening => panic!("opened over the older tab's head"),
        () = patience => {}
    }
    old.close();
    let cache = opening.await.unwrap();
    assert_eq!(read(&cache, "AAPL").await, None);
}

#[wasm_bindgen_test]
async fn a_newer_version_need_not_wait_for_this_one() {
    let cache = fresh("newer", Limits::default()).await;
    store(&cache, &data("AAPL", 1, 0, 10), 1).await;
    let newer = Factory::new().unwrap().open("newer", Some(VERSION + 1)).unwrap().await.unwrap();
    assert!(matches!(cache.read(&series("AAPL")).await, Err(CacheError::Refused(_))), "this tab goes on without");
    newer.close();
}

#[wasm_bindgen_test]
async fn everything_can_be_forgotten() {
    let cache = fresh("cleared", Limits::default()).await;
    store(&cache, &data("AAPL", 1, 0, 10), 1).await;
    store(&cache, &data("MSFT", 1, 0, 10), 1).await;
    let used = cache.usage().await.unwrap();
    assert_eq!((used.series, used.bytes > 100, used.limit), (2, true, Limits::default().bytes));
    cache.clear().await.unwrap();
    assert_eq!(cache.usage().await.unwrap(), Usage { series: 0, bytes: 0, ..used });
    assert_eq!(read(&cache, "AAPL").await, None);
}

#[wasm_bindgen_test]
async fn tabs_are_told_what_another_one_did() {
    let (one, other) =
        (fresh("told", Limits::default()).await, BarCache::open("told", Limits::default()).await.unwrap());
    let mut news = other.news();
    store(&one, &data("AAPL", 7, 0, 10), 1).await;
    assert_eq!(news.told.next().await, Some(Told::Written(series("AAPL"), 7)));
    assert_eq!(read(&other, "AAPL").await.map(|data| data.revision), Some(7));
    one.clear().await.unwrap();
    assert_eq!(news.told.next().await, Some(Told::Cleared));
}

#[wasm_bindgen_test]
async fn a_slower_tab_does_not_write_over_a_newer_state() {
    let (one, other) =
        (fresh("race", Limits::default()).await, BarCache::open("race", Limits::default()).await.unwrap());
    let newest = data("AAPL", 9, 0, 12);
    store(&one, &newest, 1).await;
    // It held revision 7 and was told of 8; the other one has seen 9 meanwhile.
    other.write(Rc::new(data("AAPL", 8, 0, 11)), &Changed::Since(7, [Timestamp(10 * HOUR)].into()), 2).await.unwrap();
    assert_eq!(read(&one, "AAPL").await, Some(newest));
}

#[wasm_bindgen_test]
async fn a_change_that_builds_on_more_than_is_stored_is_written_whole() {
    let cache = fresh("behind", Limits::default()).await;
    store(&cache, &data("AAPL", 5, 0, 6_000), 1).await;
    let mut now = data("AAPL", 8, 0, 6_001);
    // Changed between 5 and 7, which this store has not seen.
    now.layers[0].bars[10].volume = 5.0;
    cache.write(Rc::new(now.clone()), &Changed::Since(7, [Timestamp(6_000 * HOUR)].into()), 2).await.unwrap();
    assert_eq!(read(&cache, "AAPL").await, Some(now));
}

#[wasm_bindgen_test]
async fn use_and_confirmation_are_remembered() {
    let cache = fresh("touched", Limits::default()).await;
    store(&cache, &data("AAPL", 1, 0, 10), 1).await;
    let checked = async || cache.read(&series("AAPL")).await.unwrap().unwrap().checked;
    assert_eq!(checked().await, 1);
    cache.touch(&series("AAPL"), false, 5).await.unwrap();
    assert_eq!(checked().await, 1, "used, not asked for");
    cache.touch(&series("AAPL"), true, 6).await.unwrap();
    assert_eq!(checked().await, 6);
}

#[wasm_bindgen_test]
async fn what_this_page_had_lately_is_recalled_until_it_is_outdated() {
    let cache = fresh("recalled", Limits::default()).await;
    let other = Rc::new(BarCache::open("recalled", Limits::default()).await.unwrap());
    let mut news = other.news();
    let (old, new) = (data("AAPL", 1, 0, 10), data("AAPL", 2, 0, 12));
    let recalled = |cache: &BarCache| cache.recall(&series("AAPL")).map(|cached| Rc::unwrap_or_clone(cached.data));
    store(&cache, &old, 1).await;
    assert_eq!(recalled(&cache), Some(old.clone()), "written");
    assert_eq!(recalled(&other), None);
    assert_eq!(news.told.next().await, Some(Told::Written(series("AAPL"), 1)));
    let ahead = Rc::clone(&other).read_ahead(series("AAPL"));
    let (joined, ()) = futures::future::join(other.read(&series("AAPL")), ahead).await;
    assert_eq!(joined.unwrap().map(|cached| Rc::unwrap_or_clone(cached.data)), Some(old.clone()), "read meanwhile");
    assert_eq!(recalled(&other), Some(old), "read ahead");

    store(&cache, &new, 2).await;
    assert_eq!(recalled(&cache), Some(new.clone()), "written over");
    assert_eq!(news.told.next().await, Some(Told::Written(series("AAPL"), 2)));
    assert_eq!(recalled(&other), None, "another tab has written");
    cache.touch(&series("AAPL"), true, 6).await.unwrap();
    assert_eq!(cache.recall(&series("AAPL")).map(|cached| cached.checked), Some(6));
    cache.clear().await.unwrap();
    assert_eq!(recalled(&cache), None, "cleared");
    let cache = Rc::new(cache);
    Rc::clone(&cache).read_ahead(series("AAPL")).await;
    assert_eq!(recalled(&cache), None, "nothing is stored");
}

#[wasm_bindgen_test]
async fn a_reading_that_nobody_waits_for_any_more_brings_back_nothing_old() {
    let cache = fresh("unwaited", Limits::default()).await;
    let other = Rc::new(BarCache::open("unwaited", Limits::default()).await.unwrap());
    let (old, new) = (data("AAPL", 1, 0, 10), data("AAPL", 2, 0, 12));
    store(&cache, &old, 1).await;
    assert_eq!(Rc::clone(&other).read_ahead(series("AAPL")).now_or_never(), None, "left as it begins");
    store(&other, &new, 2).await;
    let read = other.read(&series("AAPL")).await.unwrap();
    assert_eq!(read.map(|cached| Rc::unwrap_or_clone(cached.data)), Some(new));
}
