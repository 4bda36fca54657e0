//! What can be set, from the command line or the environment. The README's table is made of these lines.

pub mod chains;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use clap::{Args, Parser, Subcommand, ValueEnum};
use thiserror::Error;
use tidemark_market::{Adjust, Calendar, Hours, Layer, Symbol, TimeRange, Timeframe, Timestamp, Venue, calendar};

use crate::control::Action;
use crate::db::files::Wanted;
use crate::files::Format;
use crate::files::export::Target;
use crate::files::import::ImportRequest;
use crate::providers::ApiKey;

use chains::Chains;

/// Keeps OHLCV bars complete and charts them.
#[derive(Debug, Parser)]
#[command(name = "tidemark", version, about)]
pub struct Cli {
    /// What to do; `serve` where nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What every command needs to find the database.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// When markets trade, beyond what is shipped.
    #[command(flatten)]
    pub calendar: CalendarConfig,
    /// What `serve` can be told.
    #[command(flatten)]
    pub serve: ServeConfig,
}

/// What `tidemark` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the page, work the queue and keep the clock (the default).
    Serve,
    /// Do now what the clock does each minute: expired leases, periodic definitions, retention.
    Tick,
    /// Pause, resume, cancel or retry: `tidemark queue pause provider polygon`, `tidemark queue cancel run 17`,
    /// `tidemark queue retry series AAPL h1`, `tidemark queue resume all`. Who did it is recorded.
    Queue {
        /// What to do.
        action: QueueAction,
        /// To what: `run 17`, `series AAPL h1`, `provider polygon` or `all`.
        #[arg(required = true, num_args = 1..=3)]
        scope: Vec<String>,
    },
    /// Take bars in from CSV and Parquet files.
    Import(ImportArgs),
    /// Write a series' bars to a CSV or Parquet file.
    Export(ExportArgs),
    /// Record share splits from a CSV file: symbol, execution_date, split_from, split_to.
    Splits {
        /// The file.
        file: PathBuf,
    },
    /// Run a command with DATABASE_URL set to a private Postgres, which is stopped after it.
    Postgres {
        /// The command and its arguments.
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<String>,
    },
}

/// As in [`crate::control::Action`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum QueueAction {
    /// Claim nothing more of it, and give back what is being fetched.
    Pause,
    /// Take a pause back.
    Resume,
    /// End what is queued or being fetched.
    Cancel,
    /// Queue anew what failed or was cancelled.
    Retry,
}

impl From<QueueAction> for Action {
    fn from(action: QueueAction) -> Self {
        match action {
            QueueAction::Pause => Self::Pause,
            QueueAction::Resume => Self::Resume,
            QueueAction::Cancel => Self::Cancel,
            QueueAction::Retry => Self::Retry,
        }
    }
}

/// What `import` can be told.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// CSV and Parquet files of one series. Columns are found by their names.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Whose bars they are, such as AAPL, X:BTCUSD or C:EURUSD.
    #[arg(long)]
    pub symbol: Symbol,
    /// The bars' length, such as m1 or d1. Default: the most frequent step from row to row.
    #[arg(long)]
    pub timeframe: Option<Timeframe>,
    /// The zone of times that name none, such as UTC or America/New_York.
    #[arg(long, value_parser = read_time_zone)]
    pub time_zone: Option<Tz>,
    /// The layer to write to; `auto`: settled bars to historical, newer ones to intraday, and an export's to their own.
    #[arg(long, value_enum, default_value = "auto")]
    pub layer: LayerChoice,
    /// Prices are adjusted for splits up to now. Without it they are as traded.
    #[arg(long)]
    pub adjusted: bool,
    /// Read and check everything and keep nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Keep nothing unless every row is good.
    #[arg(long)]
    pub atomic: bool,
    /// Write rows that are not kept to this CSV file, with the reasons.
    #[arg(long)]
    pub rejects: Option<PathBuf>,
}

/// Which layer an import writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LayerChoice {
    /// By each bar's time.
    Auto,
    /// Settled bars; newer ones are refused.
    Historical,
    /// Bars of recent sessions; older ones are refused.
    Intraday,
}

impl ImportArgs {
    /// The same as the importer takes it.
    #[must_use]
    pub fn request(&self) -> ImportRequest {
        ImportRequest {
            files: self.files.clone(),
            symbol: self.symbol.clone(),
            timeframe: self.timeframe,
            time_zone: self.time_zone,
            layer: match self.layer {
                LayerChoice::Auto => None,
                LayerChoice::Historical => Some(Layer::Historical),
                LayerChoice::Intraday => Some(Layer::Intraday),
            },
            adjusted: self.adjusted,
            dry_run: self.dry_run,
            atomic: self.atomic,
            rejects: self.rejects.clone(),
        }
    }
}

/// What `export` can be told.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// Whose bars.
    pub symbol: Symbol,
    /// Of which length.
    pub timeframe: Timeframe,
    /// The first time that is exported: RFC 3339, or a day at the exchange. Default: the first bar.
    #[arg(long)]
    pub from: Option<String>,
    /// The first time that is not exported any more. Default: the last bar.
    #[arg(long)]
    pub to: Option<String>,
    /// Default: what the file's name ends in.
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// The file to write; `-` is standard output.
    #[arg(long, default_value = "-")]
    pub out: PathBuf,
    /// As it was known at this time.
    #[arg(long)]
    pub as_of: Option<String>,
    /// Prices as traded, or in today's shares.
    #[arg(long, value_parser = read_adjust, default_value = "none")]
    pub adjust: Adjust,
}

/// A time that can't be read.
#[derive(Debug, Error)]
#[error("--{option} {text} is no time. Write it like 2024-03-08T14:30:00Z or 2024-03-08.")]
pub struct TimeOptionError {
    option: &'static str,
    text: String,
}

impl ExportArgs {
    /// What of the series is wanted.
    ///
    /// # Errors
    /// Where a time can't be read.
    pub fn wanted(&self) -> Result<Wanted, TimeOptionError> {
        let calendar = self.symbol.calendar(Hours::Regular);
        let read =
            |option, text: &Option<String>| text.as_deref().map(|text| read_time(option, text, calendar)).transpose();
        let start = read("from", &self.from)?.unwrap_or(calendar::FIRST);
        let end = read("to", &self.to)?.unwrap_or(calendar::END);
        Ok(Wanted { window: TimeRange { start, end }, as_of: read("as-of", &self.as_of)?, adjust: self.adjust })
    }

    /// Where it is written.
    #[must_use]
    pub fn target(&self) -> Target {
        if self.out.as_os_str() == "-" { Target::Stdout } else { Target::File(self.out.clone()) }
    }
}

fn read_time(option: &'static str, text: &str, calendar: Calendar) -> Result<Timestamp, TimeOptionError> {
    let day = || text.trim().parse().ok().map(|day| calendar.day_start(day));
    Timestamp::parse(text).or_else(day).ok_or_else(|| TimeOptionError { option, text: text.to_owned() })
}

fn read_time_zone(text: &str) -> Result<Tz, String> {
    text.parse().map_err(|_| "no such time zone; write it like UTC or America/New_York".to_owned())
}

fn read_adjust(text: &str) -> Result<Adjust, String> {
    Adjust::parse(text).ok_or_else(|| "use none or splits".to_owned())
}

/// Which database.
#[derive(Clone, Debug, Args)]
pub struct DatabaseConfig {
    /// The database to use. Without it a private Postgres is started.
    #[arg(long, env = "DATABASE_URL", global = true, hide_env_values = true)]
    pub database_url: Option<String>,
    /// Where the private Postgres keeps its data. Default: the user's data directory, or /var/lib/tidemark for root.
    #[arg(long, env = "TIDEMARK_DATA_DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// The most connections one process holds.
    #[arg(long, env = "TIDEMARK_DATABASE_CONNECTIONS", default_value_t = 12, global = true)]
    pub database_connections: u32,
}

/// When markets trade.
#[derive(Clone, Debug, Args)]
pub struct CalendarConfig {
    /// A file of closures and hours that the shipped calendars do not know; a line is `XNYS 2027-01-15 closed` or
    /// `XNYS 2027-01-15 09:30 13:00`.
    #[arg(long, env = "TIDEMARK_CALENDAR_OVERRIDES", global = true)]
    pub calendar_overrides: Option<PathBuf>,
}

/// How to serve.
#[derive(Clone, Debug, Args)]
pub struct ServeConfig {
    /// Where to listen. LEPTOS_SITE_ADDR, which cargo-leptos sets, is read too.
    #[arg(long, env = "TIDEMARK_ADDR", global = true)]
    pub addr: Option<SocketAddr>,
    /// How many slices are fetched at once.
    #[arg(long, env = "TIDEMARK_WORKERS", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256), global = true)]
    pub workers: u16,
    /// What this process does; several processes may share a database, each with its own part.
    #[arg(
        long,
        env = "TIDEMARK_ROLES",
        default_value = "web,worker,orchestrator",
        value_delimiter = ',',
        value_enum,
        global = true
    )]
    pub roles: Vec<Role>,
    /// How long slices in flight may go on when the process is to stop, in seconds; then they are given back.
    #[arg(long, env = "TIDEMARK_DRAIN_SECONDS", default_value_t = 5, global = true)]
    pub drain_seconds: u32,
    /// How many days ended runs are kept.
    #[arg(long, env = "TIDEMARK_KEEP_RUNS_DAYS", default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=3650), global = true)]
    pub keep_runs_days: u32,
    /// How long a worker may be silent before its slice is given to another, in seconds.
    #[arg(long, env = "TIDEMARK_LEASE_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(2..=3600), global = true)]
    pub lease_seconds: u32,
    /// How often the bar under way is asked for while someone looks at its series, in seconds, but with half of what its
    /// provider allows at most; 0 for never.
    #[arg(long, env = "TIDEMARK_LIVE_SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=3600), global = true)]
    pub live_seconds: u32,
    /// How long the first retry of a slice waits, in milliseconds; it doubles with each further one.
    #[arg(long, env = "TIDEMARK_RETRY_MS", default_value_t = 1_000, global = true)]
    pub retry_ms: u64,
    /// How long one request to a provider may take in all, in seconds.
    #[arg(long, env = "TIDEMARK_PROVIDER_TIMEOUT_SECONDS", default_value_t = 60, global = true)]
    pub provider_timeout_seconds: u64,
    /// Key for Polygon (historical bars, crypto).
    #[arg(long, env = "POLYGON_API_KEY", global = true, hide_env_values = true, value_parser = read_key)]
    pub polygon_api_key: Option<ApiKey>,
    /// How many requests a minute the Polygon plan allows; 0 for no limit. Unset: 5 to begin with, and learned.
    #[arg(long, env = "POLYGON_REQUESTS_PER_MINUTE", global = true)]
    pub polygon_requests_per_minute: Option<u32>,
    /// Where Polygon is.
    #[arg(long, env = "POLYGON_BASE_URL", default_value = "https://api.polygon.io", global = true)]
    pub polygon_base_url: String,
    /// Token for Tradier (intraday bars).
    #[arg(long, env = "TRADIER_ACCESS_TOKEN", global = true, hide_env_values = true, value_parser = read_key)]
    pub tradier_access_token: Option<ApiKey>,
    /// Where Tradier is; https://sandbox.tradier.com for a sandbox token.
    #[arg(long, env = "TRADIER_BASE_URL", default_value = "https://api.tradier.com", global = true)]
    pub tradier_base_url: String,
    /// The crypto venues to chart without a key, comma-separated; empty for none. Bars are asked for of a venue alone
    /// whose symbol is opened, such as COINBASE:BTC-USD.
    #[arg(long, env = "TIDEMARK_VENUES", default_value = "coinbase,binance,kraken", global = true, value_parser = read_venues)]
    pub venues: VenueList,
    /// Where Coinbase Exchange is.
    #[arg(long, env = "COINBASE_BASE_URL", default_value = "https://api.exchange.coinbase.com", global = true)]
    pub coinbase_base_url: String,
    /// Where Binance is; https://api.binance.us in the US.
    #[arg(long, env = "BINANCE_BASE_URL", default_value = "https://api.binance.com", global = true)]
    pub binance_base_url: String,
    /// Where Kraken is.
    #[arg(long, env = "KRAKEN_BASE_URL", default_value = "https://api.kraken.com", global = true)]
    pub kraken_base_url: String,
    /// Which providers serve what, in order; rules are separated by semicolons, such as `equity=polygon,tradier; equity m1
    /// intraday=tradier,polygon`. A rule is for equity, crypto or fx, of a timeframe, a layer or both where it names them;
    /// the one that names most counts. What no rule is for is served by whoever is set up for it.
    #[arg(long, env = "TIDEMARK_CHAINS", default_value = "", global = true)]
    pub chains: Chains,
    /// Token that operator endpoints ask for. Without it they answer this machine only.
    #[arg(long, env = "TIDEMARK_OPERATOR_TOKEN", global = true, hide_env_values = true, value_parser = read_key)]
    pub operator_token: Option<ApiKey>,
    /// Origins whose pages may use this server (a page built by trunk and served from elsewhere), comma-separated.
    #[arg(long, env = "TIDEMARK_ALLOWED_ORIGINS", value_delimiter = ',', global = true)]
    pub allowed_origins: Vec<String>,
}

fn read_key(text: &str) -> Result<ApiKey, std::convert::Infallible> {
    Ok(ApiKey::from(text.to_owned()))
}

/// Venues, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueList(pub Vec<Venue>);

fn read_venues(text: &str) -> Result<VenueList, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let mut venues = Vec::new();
    for name in names {
        let venue = Venue::ALL.into_iter().find(|venue| venue.as_str().eq_ignore_ascii_case(name));
        let venue = venue.ok_or_else(|| format!("{name:?} is no venue. Name any of coinbase, binance, kraken."))?;
        if !venues.contains(&venue) {
            venues.push(venue);
        }
    }
    Ok(VenueList(venues))
}

/// A part of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Serves the page, the API and the event stream.
    Web,
    /// Fetches slices.
    Worker,
    /// Keeps the clock, if no other process does.
    Orchestrator,
}

impl ServeConfig {
    /// Whether that is a part of this process's work.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// How long slices in flight may go on when the process is to stop.
    #[must_use]
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds.into())
    }

    /// How long ended runs are kept.
    #[must_use]
    pub fn keep_runs(&self) -> Duration {
        Duration::from_secs(u64::from(self.keep_runs_days) * 24 * 60 * 60)
    }

    /// How long a claim lasts without a sign of life.
    #[must_use]
    pub fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_and_polygons_limit_are_read_from_options() {
        let arguments =
            ["tidemark", "serve", "--chains", "equity=tradier,polygon", "--polygon-requests-per-minute", "0"];
        let serve = Cli::try_parse_from(arguments).unwrap().serve;
        assert_eq!(
            (serve.chains.names().collect::<Vec<_>>(), serve.polygon_requests_per_minute),
            (vec!["tradier", "polygon"], Some(0))
        );
        let refused = Cli::try_parse_from(["tidemark", "--chains", "stock=polygon"]).unwrap_err().to_string();
        assert!(refused.contains("A rule begins with equity, crypto or fx, not with \"stock\"."), "{refused}");
    }

    #[test]
    fn venues_are_named_once_or_switched_off() {
        let read = |text| read_venues(text).map(|list| list.0);
        assert_eq!(read("coinbase,binance,kraken"), Ok(Venue::ALL.to_vec()));
        assert_eq!(read(" Kraken , kraken,"), Ok(vec![Venue::Kraken]));
        assert_eq!(read(""), Ok(Vec::new()));
        assert!(read("mtgox").unwrap_err().contains("\"mtgox\" is no venue. Name any of coinbase"));
    }
}
