//! Market data providers that are not there: answers over real HTTP as Polygon, Tradier, Coinbase, Binance and Kraken do,
//! from recorded bars or synthetic ones, with latency, rate limits and faults on demand.
//!
//! Tests and the demo talk to it. It may import `tidemark-market` and never imports `server` or `app`. The price of
//! every generated bar is invented; whoever shows one must say so.
//!
//! - [`SimulatorConfig`] is what one starts with, [`Simulator`] is one that runs, [`Control`] changes it meanwhile.
//! - `polygon`, `tradier`, `coinbase`, `binance` and `kraken` know the shapes of the providers, `venue` what the last
//!   three share; `serve` is the way that every request takes.
//! - [`malformed`] has the bodies that no provider means.
//! - `source` hands out bars, from [`feed`] or from `generator`.
//!
//! Every symbol is known but those that begin with `ZZZ`, and what the control makes unknown.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot be set up fails"))]

mod binance;
mod coinbase;
mod config;
mod connection;
mod control;
mod days;
mod faults;
pub mod feed;
mod generator;
mod kraken;
mod limits;
mod log;
pub mod malformed;
mod polygon;
mod random;
mod serve;
mod source;
mod state;
mod tradier;
mod venue;
mod window;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use crate::config::{SimulatorConfig, SimulatorError};
pub use crate::control::{Control, Settings, SettingsChange};
pub use crate::faults::{FALSE_VALUES, Fault, FaultKind};
pub use crate::feed::Feed;
pub use crate::log::{ProviderTally, RequestEntry, RequestLog};
pub use crate::serve::Provider;

use crate::connection::{Connection, Connections};
use crate::feed::Feeds;
use crate::generator::Generator;
use crate::source::Source;
use crate::state::Shared;

/// How long [`Simulator::stop`] waits for answers under way.
const DRAIN: Duration = Duration::from_secs(2);

/// A running simulator. Dropping it stops it, too.
#[derive(Debug)]
pub struct Simulator {
    addr: SocketAddr,
    control: Control,
    running: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Simulator {
    /// Reads the recorded bars, listens, and answers from now on. It runs on the caller's tokio runtime.
    ///
    /// # Errors
    ///
    /// [`SimulatorError`]: the address can't be had, or the recorded bars can't be read.
    pub async fn start(config: SimulatorConfig) -> Result<Self, SimulatorError> {
        let folder = config.data_dir.as_deref().map(feed::read_folder).transpose()?.unwrap_or_default();
        let feeds = Feeds::new(config.feeds.iter().cloned().chain(folder.feeds));
        let splits = config.splits.iter().cloned().chain(folder.splits).collect();
        let source = Source::new(feeds, splits, Generator::new(config.seed));
        let unbound = |source| SimulatorError::Bind { addr: config.addr, source };
        let listener = TcpListener::bind(config.addr).await.map_err(unbound)?;
        let addr = listener.local_addr().map_err(unbound)?;
        let (running, until_stopped) = watch::channel(());
        let shared = Arc::new(Shared::new(&config, source, until_stopped.clone()));
        let router = router(Arc::clone(&shared)).into_make_service_with_connect_info::<Connection>();
        let server = axum::serve(Connections(listener), router).with_graceful_shutdown(stopped(until_stopped));
        let task = tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the simulator stopped answering");
            }
        });
        Ok(Self { addr, control: Control::new(shared), running, task })
    }

    /// Where it answers: `http://127.0.0.1:PORT`, the base URL of all providers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What `/control/…` does, without HTTP. It stays valid when the simulator has stopped.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Stops: takes no more connections, ends stalled requests unanswered, and lets answers under way be sent, though
    /// not for longer than two seconds.
    pub async fn stop(self) {
        drop(self.running);
        if tokio::time::timeout(DRAIN, self.task).await.is_err() {
            tracing::debug!("stopped with answers under way");
        }
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .merge(polygon::routes())
        .merge(tradier::routes())
        .merge(coinbase::routes())
        .merge(binance::routes())
        .merge(kraken::routes())
        .nest("/control", control::routes())
        .with_state(shared)
}

/// Ends when the handle is stopped or dropped.
pub(crate) async fn stopped(mut until_stopped: watch::Receiver<()>) {
    while until_stopped.changed().await.is_ok() {}
}

/// The guard, whether or not a thread panicked while it held it: no value here is left half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
