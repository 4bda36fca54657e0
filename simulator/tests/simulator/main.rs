//! The simulator from outside: real requests over real connections.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod binance;
mod coinbase;
mod control;
mod faults;
mod kraken;
mod polygon;
mod recorded;
mod splits;
mod tradier;

use std::path::PathBuf;
use std::sync::LazyLock;

use reqwest::{Client, Response};
use serde_json::Value;
use tidemark_market::{Symbol, Timestamp};
use tidemark_simulator::{Simulator, SimulatorConfig};

/// Wednesday noon in New York, two days after Independence week began.
const NOON: &str = "2024-07-10T16:00:00Z";

/// Keeps no connection, since each test has a runtime of its own.
static CLIENT: LazyLock<Client> =
    LazyLock::new(|| Client::builder().user_agent("test").pool_max_idle_per_host(0).build().unwrap());

async fn start(config: SimulatorConfig) -> Simulator {
    Simulator::start(config).await.unwrap()
}

/// One whose time is [`NOON`].
async fn start_at_noon() -> Simulator {
    start(SimulatorConfig { clock: Some(at(NOON)), ..SimulatorConfig::default() }).await
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn symbol(text: &str) -> Symbol {
    text.parse().unwrap()
}

/// Asks with a key, for JSON.
async fn get(simulator: &Simulator, path: &str) -> Response {
    try_get(simulator, path).await.unwrap()
}

async fn try_get(simulator: &Simulator, path: &str) -> reqwest::Result<Response> {
    let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", simulator.url()) };
    CLIENT.get(url).bearer_auth("key").header("accept", "application/json").send().await
}

async fn json(simulator: &Simulator, path: &str) -> Value {
    let response = get(simulator, path).await;
    let text = response.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn times(body: &Value) -> Vec<i64> {
    body["results"].as_array().into_iter().flatten().map(|row| row["t"].as_i64().unwrap()).collect()
}

/// The text of a fixture; `None`, said so, where there are none.
fn fixture(name: &str) -> Option<String> {
    let folder = std::env::var("TIDEMARK_FIXTURES").unwrap_or_else(|_| "../../shared/fixtures".to_owned());
    let path = PathBuf::from(folder).join(name);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        eprintln!("skipped: no fixture {}", path.display());
    }
    text
}
