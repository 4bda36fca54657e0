//! Putting the server together, watching its duties, and taking it apart in order.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use leptos::config::{LeptosOptions, get_configuration};
use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::PgPool;
use thiserror::Error;
use tidemark_market::Venue;
use tidemark_simulator::{Simulator, SimulatorConfig, SimulatorError};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::{DatabaseConfig, Role, ServeConfig};
use crate::db;
use crate::events::EventHub;
use crate::http::{AppState, KeepRuns, router, signs_of_life};
use crate::postgres::{PostgresError, PrivatePostgres, default_data_dir};
use crate::providers::{ApiKey, CryptoVenue, HttpSettings, Limit, Polygon, Provider, SettingsError, Tradier};
use crate::queue::dispatcher::DispatcherDuty;
use crate::queue::finisher::finisher;
use crate::queue::forming::FormingDuty;
use crate::queue::leases::{LeaseDuty, Leases};
use crate::queue::listener::ListenerDuty;
use crate::queue::notifier::notifier;
use crate::queue::orchestrator::OrchestratorDuty;
use crate::queue::viewings::ViewingsDuty;
use crate::queue::worker::Workshop;
use crate::registry::Registry;
use crate::service::Service;
use crate::showcase::ShowcaseCheck;
use crate::sizes::SizeBook;
use crate::splits::SplitsDuty;

/// Connections for the queue alone, beside those that answer requests: a page that is slow to read must not starve it.
const QUEUE_CONNECTIONS: u32 = 6;
/// How long requests under way may take to end when the process is to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// The largest answer of a provider that is read, in bytes: some ten times a full page.
const MAX_PROVIDER_BODY: usize = 64 * 1024 * 1024;

/// Why the server does not start.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The private Postgres.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The database.
    #[error("The database can't be used: {0}. Check DATABASE_URL, and that the user may create tables there.")]
    Database(#[from] sqlx::Error),
    /// The address.
    #[error("{addr} can't be listened on: {source}. Stop what uses it, or set TIDEMARK_ADDR.")]
    Listen {
        /// As configured.
        addr: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// A provider's settings.
    #[error(transparent)]
    Provider(#[from] SettingsError),
    /// The demo provider.
    #[error("The demo provider does not start: {0}")]
    Demo(#[from] SimulatorError),
    /// The HTTP server.
    #[error("The HTTP server stopped: {0}")]
    Http(#[source] std::io::Error),
}

/// A database, and the private Postgres it is in, if it is in one.
pub struct Database {
    /// Where it is.
    pub url: String,
    private: Option<PrivatePostgres>,
}

impl Database {
    /// The one of DATABASE_URL, else a private one.
    ///
    /// # Errors
    /// Where the private one does not start.
    pub async fn open(config: &DatabaseConfig) -> Result<Self, PostgresError> {
        match &config.database_url {
            Some(url) => Ok(Self { url: url.clone(), private: None }),
            None => Self::private(config.data_dir.clone().unwrap_or_else(default_data_dir)).await,
        }
    }

    /// A private one in `data_dir`.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn private(data_dir: PathBuf) -> Result<Self, PostgresError> {
        let private = PrivatePostgres::start(&data_dir).await?;
        tracing::info!(data_dir = %data_dir.display(), "private Postgres");
        Ok(Self { url: private.url(), private: Some(private) })
    }

    /// Stops the private Postgres, if this is in one.
    pub async fn close(self) {
        if let Some(private) = self.private {
            private.stop().await;
        }
    }
}

/// Serves until `shutdown`, then drains: no new requests, runs given back, connections closed, Postgres stopped.
///
/// # Errors
/// Where it can't start, or the HTTP server fails.
pub async fn serve(
    database: &DatabaseConfig,
    config: &ServeConfig,
    metrics: PrometheusHandle,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let leptos = leptos_options(config);
    let listener = TcpListener::bind(leptos.site_addr)
        .await
        .map_err(|source| ServeError::Listen { addr: leptos.site_addr, source })?;
    let opened = Database::open(database).await?;
    let served = match db::connect(&opened.url, database.database_connections).await {
        Ok(pool) => serve_on(listener, pool, config, leptos, metrics, Clock::System, shutdown).await,
        Err(error) => Err(error.into()),
    };
    opened.close().await;
    served
}

/// Serves on a listener and a migrated database that are there already. `clock` tells the time by which is planned.
///
/// # Errors
/// As [`serve`].
pub async fn serve_on(
    listener: TcpListener,
    pool: PgPool,
    config: &ServeConfig,
    leptos: LeptosOptions,
    metrics: PrometheusHandle,
    clock: Clock,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let (registry, demo) = providers(config).await?;
    let process = process_name();
    let pools = Pools::beside(&pool);
    for provider in registry.all() {
        db::budgets::set_limit(&pool, provider.name(), &provider.limit()).await.map_err(database_of)?;
    }
    let (notifier, notifier_duty) = notifier(pools.queue.clone(), &process);
    let hub = EventHub::new(pool.clone());
    let queued = notifier.bell();
    let [controlled, listed] = [(); 2].map(|()| Arc::new(Notify::new()));
    let sizes = Arc::new(SizeBook::new(pools.queue.clone()));
    let service = |pool: &PgPool| {
        Arc::new(Service {
            pool: pool.clone(),
            registry: registry.clone(),
            notifier: notifier.clone(),
            clock: clock.clone(),
            listed: Arc::clone(&listed),
            showcase: ShowcaseCheck::default(),
            sizes: Arc::clone(&sizes),
            hub: hub.clone(),
            process: process.clone(),
        })
    };
    let (answering, ticking) = (service(&pool), service(&pools.queue));

    // What others wait for is stopped after them: workers hand in what they fetched, and tell of the runs they give back.
    let [working, ending, telling] = [shutdown.child_token(), CancellationToken::new(), CancellationToken::new()];
    let [workers, enders, tellers] = [(); 3].map(|()| TaskTracker::new());
    let duty = ListenerDuty {
        pool: pools.queue.clone(),
        process: process.clone(),
        queued: Arc::clone(&queued),
        controlled: Arc::clone(&controlled),
        hub: hub.clone(),
    };
    supervise(&tellers, "listener", &telling, move |stop| Box::pin(duty.clone().run(stop)));
    supervise(&tellers, "notifier", &telling, move |stop| Box::pin(notifier_duty.clone().run(stop)));
    if config.has(Role::Web) {
        let events = hub.clone();
        supervise(&tellers, "events", &telling, move |stop| Box::pin(events.clone().run(stop)));
        let duty = ViewingsDuty { pool: pools.queue.clone(), hub: hub.clone(), process: process.clone() };
        supervise(&enders, "viewings", &ending, move |stop| Box::pin(duty.clone().run(stop)));
    }
    if config.has(Role::Worker) {
        let (leases, first_retry) = (Leases::default(), Duration::from_millis(config.retry_ms));
        let (finisher, finishing) = finisher(&pools.queue, &process, first_retry);
        for duty in finishing {
            supervise(&enders, "finisher", &ending, move |stop| Box::pin(duty.clone().run(stop)));
        }
        let duty = LeaseDuty {
            pool: pools.leases.clone(),
            leases: leases.clone(),
            worker: process.clone(),
            lease: config.lease(),
            notifier: notifier.clone(),
            controlled,
        };
        supervise(&enders, "leases", &ending, move |stop| Box::pin(duty.clone().run(stop)));
        let workshop = Arc::new(Workshop {
            pool: pools.queue.clone(),
            registry,
            notifier,
            worker: process.clone(),
            lease: config.lease(),
            first_retry,
            leases,
            finisher,
            sizes,
        });
        if config.live_seconds > 0 {
            let period = Duration::from_secs(config.live_seconds.into());
            let duty = FormingDuty::new(Arc::clone(&ticking), period);
            supervise(&workers, "forming", &working, move |stop| Box::pin(duty.clone().run(stop)));
        }
        let duty = DispatcherDuty { workshop, queued, workers: config.workers, drain: config.drain() };
        supervise(&workers, "dispatcher", &working, move |stop| Box::pin(duty.clone().run(stop)));
    }
    if config.has(Role::Orchestrator) {
        let duty = SplitsDuty { service: Arc::clone(&ticking), listed };
        supervise(&workers, "splits", &working, move |stop| Box::pin(duty.clone().run(stop)));
        let duty = OrchestratorDuty { service: ticking, process, keep_runs: config.keep_runs() };
        supervise(&workers, "orchestrator", &working, move |stop| Box::pin(duty.clone().run(stop)));
    }

    let operator_token = config.operator_token.clone().map(Arc::new);
    let keep_runs = KeepRuns(config.keep_runs());
    let state =
        AppState { service: answering, hub, metrics, leptos, operator_token, keep_runs, shutdown: shutdown.clone() };
    let app = if config.has(Role::Web) { router(state, &config.allowed_origins) } else { signs_of_life(state) };
    let served = serve_http(listener, app, shutdown.clone()).await;

    shutdown.cancel();
    for (tracker, token) in [(workers, working), (enders, ending), (tellers, telling)] {
        token.cancel();
        tracker.close();
        tracker.wait().await;
    }
    pools.close().await;
    pool.close().await;
    if let Some(demo) = demo {
        demo.stop().await;
    }
    served
}

/// Connections that requests can't take.
struct Pools {
    queue: PgPool,
    /// One, so that leases are kept whatever else waits for the database.
    leases: PgPool,
}

impl Pools {
    /// Pools on the database of `pool`. They connect when they are needed.
    fn beside(pool: &PgPool) -> Self {
        let of = |connections| db::pool_of(connections).connect_lazy_with((*pool.connect_options()).clone());
        Self { queue: of(QUEUE_CONNECTIONS), leases: of(1) }
    }

    async fn close(&self) {
        self.queue.close().await;
        self.leases.close().await;
    }
}

fn database_of(error: crate::error::Error) -> ServeError {
    match error {
        crate::error::Error::Database(error) => error.into(),
        other => sqlx::Error::Decode(other.into()).into(),
    }
}

async fn serve_http(listener: TcpListener, app: Router, shutdown: CancellationToken) -> Result<(), ServeError> {
    let addr = listener.local_addr().map_err(ServeError::Http)?;
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    say_where(addr);
    let server = axum::serve(listener, app).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let too_long = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = server.into_future() => served.map_err(ServeError::Http),
        () = too_long => {
            tracing::warn!("requests were still under way after {} s and were cut off", DRAIN.as_secs());
            Ok(())
        }
    }
}

#[expect(clippy::print_stdout, reason = "the address is what the command is run for")]
fn say_where(addr: SocketAddr) {
    println!("Tidemark is at http://{addr}");
}

type Duty = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs a duty until `stop`; one that ends or panics before is logged, counted and started again.
fn supervise(
    tracker: &TaskTracker,
    name: &'static str,
    stop: &CancellationToken,
    duty: impl Fn(CancellationToken) -> Duty + Send + 'static,
) {
    let stop = stop.clone();
    tracker.spawn(async move {
        loop {
            let ended = tokio::spawn(duty(stop.clone())).await;
            if stop.is_cancelled() {
                return;
            }
            metrics::counter!("tidemark_duty_restarts_total", "duty" => name).increment(1);
            tracing::error!(duty = name, ?ended, "a duty ended by itself; starting it again in a second");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
}

/// The providers of the configuration; without any key the demo provider, which makes its bars up.
async fn providers(config: &ServeConfig) -> Result<(Registry, Option<Simulator>), ServeError> {
    if config.polygon_api_key.is_some() || config.tradier_access_token.is_some() {
        return Ok((registry(config, "")?, None));
    }
    tracing::warn!("no provider key is set: the demo provider makes bars up (see the README for real ones)");
    let demo = Simulator::start(SimulatorConfig::default()).await?;
    Ok((registry(config, &demo.url())?, Some(demo)))
}

/// The adapters of the configuration: those that have a key, without any those of the demo provider at `demo_url`; and
/// those of the venues.
///
/// # Errors
/// Where a key or a URL can't be used, or a chain names a provider that is not set up.
pub fn registry(config: &ServeConfig, demo_url: &str) -> Result<Registry, SettingsError> {
    keyed(config, demo_url)?.with_venues(venues(config)?).with_chains(config.chains.clone())
}

fn keyed(config: &ServeConfig, demo_url: &str) -> Result<Registry, SettingsError> {
    if config.polygon_api_key.is_none() && config.tradier_access_token.is_none() {
        let key = Some(ApiKey::from("demo".to_owned()));
        let polygon = Polygon::new(settings("demo-historical", demo_url, key.clone(), true, config))?;
        let tradier = Tradier::new(settings("demo-intraday", demo_url, key, true, config))?;
        return Ok(Registry::new(Some(Arc::new(polygon)), Some(Arc::new(tradier))));
    }
    let polygon = config.polygon_api_key.as_ref().map(|key| {
        let settings = settings("polygon", &config.polygon_base_url, Some(key.clone()), false, config);
        let limit = Polygon::plan_limit(config.polygon_requests_per_minute);
        Polygon::new(HttpSettings { limit, ..settings }).map(|polygon| Arc::new(polygon) as Arc<dyn Provider>)
    });
    let tradier = config.tradier_access_token.as_ref().map(|key| {
        let settings = settings("tradier", &config.tradier_base_url, Some(key.clone()), false, config);
        Tradier::new(HttpSettings { limit: Tradier::first_limit(), ..settings })
            .map(|tradier| Arc::new(tradier) as Arc<dyn Provider>)
    });
    Ok(Registry::new(polygon.transpose()?, tradier.transpose()?))
}

/// A machine without certificates can reach none of them and serves all the same.
fn venues(config: &ServeConfig) -> Result<Vec<Arc<dyn Provider>>, SettingsError> {
    let mut adapters = Vec::new();
    for venue in &config.venues.0 {
        match adapter_of(*venue, config) {
            Ok(adapter) => adapters.push(adapter),
            Err(error @ SettingsError::Client(..)) => tracing::warn!(%error, "a venue is left out"),
            Err(error) => return Err(error),
        }
    }
    Ok(adapters)
}

fn adapter_of(venue: Venue, config: &ServeConfig) -> Result<Arc<dyn Provider>, SettingsError> {
    let (name, base_url) = match venue {
        Venue::Coinbase => ("coinbase", &config.coinbase_base_url),
        Venue::Binance => ("binance", &config.binance_base_url),
        Venue::Kraken => ("kraken", &config.kraken_base_url),
    };
    let settings = settings(name, base_url, None, false, config);
    Ok(Arc::new(CryptoVenue::new(venue, HttpSettings { limit: CryptoVenue::documented_limit(venue), ..settings })?))
}

fn settings(name: &str, base_url: &str, key: Option<ApiKey>, synthetic: bool, config: &ServeConfig) -> HttpSettings {
    HttpSettings {
        name: name.to_owned(),
        base_url: base_url.to_owned(),
        key,
        synthetic,
        limit: Limit::NONE,
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(15),
        total_timeout: Duration::from_secs(config.provider_timeout_seconds),
        max_body_bytes: MAX_PROVIDER_BODY,
    }
}

/// No two processes share a name: it says which machine and process, and when it started.
fn process_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "host".to_owned());
    format!("{}-{}-{}", host.trim(), std::process::id(), chrono::Utc::now().timestamp_millis())
}

/// From the environment that cargo-leptos sets, else as its configuration in Cargo.toml says.
#[must_use]
pub fn leptos_options(config: &ServeConfig) -> LeptosOptions {
    let mut options = get_configuration(None).map_or_else(
        |_| LeptosOptions::builder().output_name("tidemark").site_root("target/site").build(),
        |file| file.leptos_options,
    );
    if let Some(addr) = config.addr {
        options.site_addr = addr;
    } else if std::env::var_os("LEPTOS_SITE_ADDR").is_none() {
        options.site_addr = SocketAddr::from(([127, 0, 0, 1], 3030));
    }
    options
}
