//! The simulator as a program of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tidemark_simulator::{Simulator, SimulatorConfig};
use tracing_subscriber::EnvFilter;

/// Answers as Polygon, Tradier, Coinbase, Binance and Kraken do, with recorded or synthetic bars.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen; port 0 takes any free one.
    #[arg(long, env = "TIDEMARK_SIMULATOR_ADDR", default_value = "127.0.0.1:4010")]
    addr: SocketAddr,
    /// What the synthetic bars grow from.
    #[arg(long, env = "TIDEMARK_SIMULATOR_SEED", default_value_t = 1)]
    seed: u64,
    /// How long each request waits before it is answered, in milliseconds.
    #[arg(long, env = "TIDEMARK_SIMULATOR_LATENCY_MS", default_value_t = 0)]
    latency_ms: u64,
    /// Requests that one key may make of one provider in a minute; no limit where left out.
    #[arg(long, env = "TIDEMARK_SIMULATOR_REQUESTS_PER_MINUTE")]
    requests_per_minute: Option<u32>,
    /// A folder of recorded bars, files SYMBOL_TIMEFRAME.csv with the columns t,o,h,l,c,v[,vw,n], and of splits,
    /// files SYMBOL_splits.csv with the columns execution_date,split_from,split_to.
    #[arg(long, env = "TIDEMARK_SIMULATOR_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "whoever starts the program waits for this line")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env()).with_writer(std::io::stderr).init();
    let options = Options::parse();
    let config = SimulatorConfig {
        addr: options.addr,
        seed: options.seed,
        latency: Duration::from_millis(options.latency_ms),
        requests_per_minute: options.requests_per_minute,
        data_dir: options.data_dir,
        ..SimulatorConfig::default()
    };
    let simulator = match Simulator::start(config).await {
        Ok(simulator) => simulator,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!("simulator: {}", simulator.url());
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::error!(%error, "Ctrl-C can't be heard");
    }
    simulator.stop().await;
    ExitCode::SUCCESS
}
