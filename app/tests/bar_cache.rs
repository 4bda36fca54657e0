//! The bar cache in a real browser's IndexedDB.

#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use idb::{DatabaseEvent, Factory, ObjectStoreParams, TransactionMode};
use js_sys::{Array, Uint8Array};
use tidemark_app::browser::bar_cache::{BarCache, CacheError, Limits, chunk_span};
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
    Factory::new().unwrap().delete(name).unwrap().await.unwrap();
    BarCache::open(name, limits).await.unwrap()
}

async fn store(cache: &BarCache, data: &ChartData, now: i64) {
    cache.write(data, &Changed::All, now).await.unwrap();
}

#[wasm_bindgen_test]
async fn what_was_written_is_read_after_a_reload() {
    let written = data("AAPL", 7, 470_000, 10_000);
    store(&fresh("round-trip", Limits::default()).await, &written, 1).await;
    let cache = BarCache::open("round-trip", Limits::default()).await.unwrap();
    assert_eq!(cache.read(&series("AAPL")).await.unwrap(), Some(written));
    assert_eq!(cache.read(&series("MSFT")).await.unwrap(), None);
}

#[wasm_bindgen_test]
async fn two_series_do_not_mix() {
    let cache = fresh("two-series", Limits::default()).await;
    // One name is the other's beginning.
    let (short, long) = (data("A", 1, 0, 9_000), data("AA", 2, 3, 5_000));
    store(&cache, &short, 1).await;
    store(&cache, &long, 2).await;
    cache.remove(&series("A")).await.unwrap();
    assert_eq!(cache.read(&series("A")).await.unwrap(), None);
    assert_eq!(cache.read(&series("AA")).await.unwrap(), Some(long));
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
    cache.write(&data, &changed, 2).await.unwrap();
    let read = cache.read(&series("AAPL")).await.unwrap().unwrap();
    assert_eq!(read, *data);
    assert_eq!(read.layers[0].bars.len(), 8_995);
}

#[wasm_bindgen_test]
async fn a_revision_that_went_back_is_not_merged() {
    let cache = fresh("went-back", Limits::default()).await;
    store(&cache, &data("AAPL", 9, 0, 100), 1).await;
    let held = cache.read(&series("AAPL")).await.unwrap();
    let replaced = ChartData { since: Some(9), ..data("AAPL", 2, 0, 1) };
    assert_eq!(absorb(held.as_ref(), replaced), Absorbed::Reload);
    cache.remove(&series("AAPL")).await.unwrap();
    let full = data("AAPL", 2, 0, 50);
    store(&cache, &full, 2).await;
    assert_eq!(cache.read(&series("AAPL")).await.unwrap(), Some(full));
}

#[wasm_bindgen_test]
async fn a_damaged_chunk_drops_its_series_and_no_other() {
    let cache = fresh("damaged", Limits::default()).await;
    let other = data("MSFT", 1, 0, 10);
    store(&cache, &data("AAPL", 1, 0, 10_000), 1).await;
    store(&cache, &other, 1).await;
    overwrite("damaged", &[("AAPL h1", chunk_span(Timeframe::H1))], &[1, 2, 3]).await;
    assert!(matches!(cache.read(&series("AAPL")).await, Err(CacheError::Damaged(_))));
    assert_eq!(cache.read(&series("AAPL")).await.unwrap(), None, "dropped");
    assert_eq!(cache.read(&series("MSFT")).await.unwrap(), Some(other));
}

#[wasm_bindgen_test]
async fn a_foreign_chunk_is_noticed() {
    let cache = fresh("foreign", Limits::default()).await;
    store(&cache, &data("AAPL", 1, 0, 10), 1).await;
    let foreign = tidemark_market::wire::encode(&data("MSFT", 1, 0, 10));
    overwrite("foreign", &[("AAPL h1", 0)], &foreign).await;
    assert!(matches!(cache.read(&series("AAPL")).await, Err(CacheError::Damaged(_))));
}

async fn overwrite(name: &str, chunks: &[(&str, i64)], bytes: &[u8]) {
    let database = Factory::new().unwrap().open(name, Some(1)).unwrap().await.unwrap();
    let transaction = database.transaction(&["chunks"], TransactionMode::ReadWrite).unwrap();
    let store = transaction.object_store("chunks").unwrap();
    for (series, start) in chunks {
        let key = Array::of2(&JsValue::from_str(series), &JsValue::from_f64(*start as f64));
        store.put(&Uint8Array::from(bytes), Some(&key)).unwrap();
    }
    transaction.await.unwrap();
    database.close();
}

#[wasm_bindgen_test]
async fn what_was_used_longest_ago_makes_room() {
    let cache = fresh("bounded", Limits { series: 2, bytes: 1 << 20 }).await;
    let (first, second, third) = (data("AAPL", 1, 0, 10), data("MSFT", 1, 0, 10), data("SPY", 1, 0, 10));
    store(&cache, &first, 1).await;
    store(&cache, &second, 2).await;
    // Used again, though nothing changed.
    cache.write(&first, &Changed::Bars(Default::default()), 3).await.unwrap();
    store(&cache, &third, 4).await;
    assert_eq!(cache.read(&series("MSFT")).await.unwrap(), None);
    assert_eq!(cache.read(&series("AAPL")).await.unwrap(), Some(first));
    assert_eq!(cache.read(&series("SPY")).await.unwrap(), Some(third));
}

#[wasm_bindgen_test]
async fn bytes_are_bounded_too() {
    let cache = fresh("bounded-bytes", Limits { series: 200, bytes: 20_000 }).await;
    for (now, symbol) in ["A", "B", "C", "D"].into_iter().enumerate() {
        store(&cache, &data(symbol, 1, 0, 1_000), now as i64).await;
    }
    assert_eq!(cache.read(&series("A")).await.unwrap(), None);
    assert!(cache.read(&series("D")).await.unwrap().is_some());
}

#[wasm_bindgen_test]
async fn a_store_of_a_foreign_shape_is_an_error_and_gone_the_next_time() {
    let factory = Factory::new().unwrap();
    factory.delete("foreign-shape").unwrap().await.unwrap();
    let mut request = factory.open("foreign-shape", Some(1)).unwrap();
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
    overwrite("orphans", &[("AAPL h1", 0)], &[0]).await;
    assert_eq!(cache.read(&series("AAPL")).await.unwrap(), None);
}
