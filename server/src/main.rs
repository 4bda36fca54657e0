//! The `tidemark` command.

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use sqlx::{Connection, PgConnection, PgPool};
use thiserror::Error;
use tidemark_app::backend::SeriesKey;
use tidemark_server::clock::Clock;
use tidemark_server::config::{Cli, Command, DatabaseConfig, ExportArgs, ImportArgs, TimeOptionError};
use tidemark_server::control::{Action, Scope, ScopeError};
use tidemark_server::db::splits::Source;
use tidemark_server::events::EventHub;
use tidemark_server::files::export::{self, ExportError};
use tidemark_server::files::import::{self, ImportError, total_size};
use tidemark_server::files::report::thousands;
use tidemark_server::files::splits::{self, SplitsFileError};
use tidemark_server::overrides::{self, CalendarError};
use tidemark_server::postgres::{PostgresError, default_data_dir, running_url};
use tidemark_server::providers::{Listing, SettingsError};
use tidemark_server::queue::notifier::{NotifierDuty, notifier};
use tidemark_server::queue::orchestrator::{self, Ticked};
use tidemark_server::serve::{Database, ServeError, registry, serve};
use tidemark_server::service::Service;
use tidemark_server::showcase::ShowcaseCheck;
use tidemark_server::sizes::SizeBook;
use tidemark_server::{db, telemetry};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a command calls itself where a process has a name.
const COMMAND: &str = "command";

/// Why a command failed.
#[derive(Debug, Error)]
enum CommandError {
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    #[error("The database can't be used: {0}. Check DATABASE_URL.")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Tick(#[from] tidemark_server::error::Error),
    #[error(transparent)]
    Provider(#[from] SettingsError),
    #[error(transparent)]
    Splits(#[from] SplitsFileError),
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("All was done that was asked for, but the report could not be printed: {0}.")]
    Report(std::io::Error),
    #[error("Metrics can't be counted: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    TimeOption(#[from] TimeOptionError),
    #[error(transparent)]
    Scope(#[from] ScopeError),
    #[error("Interrupted.")]
    Interrupted,
    #[error("No server runs on the private Postgres in {0}. Start one with `tidemark serve`, or set DATABASE_URL.")]
    NothingRuns(String),
}

#[tokio::main]
async fn main() -> ExitCode {
    telemetry::start_logging();
    let cli = Cli::parse();
    run(&cli).await.unwrap_or_else(|error| {
        tracing::error!("{error}");
        ExitCode::FAILURE
    })
}

async fn run(cli: &Cli) -> Result<ExitCode, CommandError> {
    if let Some(path) = &cli.calendar.calendar_overrides {
        overrides::install(path)?;
    }
    match &cli.command {
        None | Some(Command::Serve) => run_server(cli).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Tick) => tick(cli).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Queue { action, scope }) => {
            control(cli, (*action).into(), &scope.join(" ")).await.map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Import(args)) => import(&cli.database, args).await,
        Some(Command::Export(args)) => export(&cli.database, args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Splits { file }) => record_splits(&cli.database, file).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Postgres { command }) => with_postgres(&cli.database, command).await,
    }
}

async fn run_server(cli: &Cli) -> Result<(), CommandError> {
    let metrics = telemetry::start_metrics()?;
    let shutdown = CancellationToken::new();
    let asked_to_stop = shutdown.clone();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping");
        asked_to_stop.cancel();
    });
    Ok(serve(&cli.database, &cli.serve, metrics, shutdown).await?)
}

/// Sends what was told, and no more.
async fn tell_now(duty: NotifierDuty) {
    let stop = CancellationToken::new();
    stop.cancel();
    duty.run(stop).await;
}

/// A tick by hand. Slices it makes are fetched by the server that runs.
async fn tick(cli: &Cli) -> Result<(), CommandError> {
    let ticked =
        with_service(cli, async |service| Ok(orchestrator::tick(service, cli.serve.keep_runs()).await?)).await?;
    let Ticked { reaped_series, due_series, refreshed_series, created_slices, dropped_days, fallen_back } = ticked;
    let done = format!(
        "reaped series: {reaped_series}; due series: {due_series}, of them refreshed: {refreshed_series}; \
         slices made: {created_slices}; days of runs dropped: {dropped_days}; runs put back: {fallen_back}\n"
    );
    say(std::io::stdout(), done).map_err(CommandError::Report)
}

/// What an operator does to the queue by hand.
async fn control(cli: &Cli, action: Action, scope: &str) -> Result<(), CommandError> {
    let scope: Scope = scope.parse()?;
    let who = std::env::var("USER").unwrap_or_else(|_| "command line".to_owned());
    let affected = with_service(cli, async |service| Ok(service.control(action, &scope, &who).await?)).await?;
    say(std::io::stdout(), format!("{} {scope}: {affected} runs\n", action.as_str())).map_err(CommandError::Report)
}

/// Works on the database of DATABASE_URL or of the server that runs on this machine, and tells it of what changed.
async fn with_service<T>(
    cli: &Cli,
    work: impl AsyncFnOnce(&Service) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let config = &cli.database;
    let data_dir = config.data_dir.clone().unwrap_or_else(default_data_dir);
    let url = config.database_url.clone().or_else(|| running_url(&data_dir));
    let url = url.ok_or_else(|| CommandError::NothingRuns(data_dir.display().to_string()))?;
    let pool = db::connect(&url, 2).await?;
    let (notifier, duty) = notifier(pool.clone(), COMMAND);
    // Providers are named and none is asked, so where the demo provider is does not matter.
    let registry = registry(&cli.serve, "http://127.0.0.1:9")?;
    let service = Service {
        pool: pool.clone(),
        registry,
        notifier,
        clock: Clock::System,
        listed: Arc::default(),
        showcase: ShowcaseCheck::default(),
        sizes: Arc::new(SizeBook::new(pool.clone())),
        hub: EventHub::new(pool.clone()),
        process: COMMAND.to_owned(),
    };
    let worked = work(&service).await;
    tell_now(duty).await;
    pool.close().await;
    worked
}

/// Says what was done, which is what a command is run for. Nobody need listen.
fn say(mut to: impl Write, done: impl Display) -> std::io::Result<()> {
    match write!(to, "{done}").and_then(|()| to.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        said => said,
    }
}

async fn import(config: &DatabaseConfig, args: &ImportArgs) -> Result<ExitCode, CommandError> {
    let request = args.request();
    let progress = progress_bar("{bar:40} {percent:>3} %  {eta} left", Some(total_size(&request.files)));
    let report = with_pool(config, async |pool| {
        let (notifier, duty) = notifier(pool.clone(), COMMAND);
        let report = import::import(&pool, &request, Clock::System.now(), &notifier, &progress).await;
        tell_now(duty).await;
        Ok(report?)
    })
    .await;
    progress.finish_and_clear();
    let report = report?;
    say(std::io::stdout(), &report).map_err(CommandError::Report)?;
    Ok(if report.is_failure() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Records all splits of a file, puts those into effect whose time has come, and says so.
async fn record_splits(config: &DatabaseConfig, file: &Path) -> Result<(), CommandError> {
    let splits = splits::read(file)?;
    with_pool(config, async |pool| {
        let mut transaction = pool.begin().await?;
        let mut changed = 0;
        for (symbol, splits) in &splits {
            let listing = Listing { symbol: symbol.clone(), name: None, currency: None };
            db::instruments::add(&mut *transaction, &listing).await?;
            changed += db::splits::record(&mut *transaction, symbol, splits, Source::File).await?;
        }
        let series = db::splits::apply_due(&mut *transaction).await?;
        transaction.commit().await?;
        let (notifier, duty) = notifier(pool.clone(), COMMAND);
        series.iter().for_each(|series| notifier.changed(series));
        tell_now(duty).await;
        let done = format!("splits recorded: {changed}; series read otherwise from now on: {}\n", series.len());
        say(std::io::stdout(), done).map_err(CommandError::Report)
    })
    .await
}

/// Says what was done on standard error, since standard output may be the file.
async fn export(config: &DatabaseConfig, args: &ExportArgs) -> Result<(), CommandError> {
    let (wanted, target) = (args.wanted()?, args.target());
    let format = target.format(args.format)?;
    let series = SeriesKey { symbol: args.symbol.clone(), timeframe: args.timeframe };
    let progress = progress_bar("{spinner} {human_pos} bars, {per_sec}", None);
    let exported =
        with_pool(config, async |pool| Ok(export::export(&pool, &series, &wanted, format, target, &progress).await?))
            .await;
    progress.finish_and_clear();
    let (count, SeriesKey { symbol, timeframe }) = (thousands(exported?), series);
    say(std::io::stderr(), format_args!("{count} bars of {symbol} {timeframe} were written.\n"))
        .map_err(CommandError::Report)
}

/// On standard error, and only on a terminal.
fn progress_bar(template: &str, length: Option<u64>) -> ProgressBar {
    let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Works on the database of DATABASE_URL, else on the private one, which is started for so long where no server runs.
/// Ctrl-C ends the work; what was not committed is undone.
async fn with_pool<T>(
    config: &DatabaseConfig,
    work: impl AsyncFnOnce(PgPool) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let database = Database::open(&DatabaseConfig { database_url: known_url(config).await, ..config.clone() }).await?;
    let worked = match db::connect(&database.url, 2).await {
        Ok(pool) => {
            let worked = tokio::select! {
                worked = work(pool.clone()) => worked,
                _ = interrupt.recv() => Err(CommandError::Interrupted),
                _ = terminate.recv() => Err(CommandError::Interrupted),
            };
            pool.close().await;
            worked
        }
        Err(error) => Err(error.into()),
    };
    database.close().await;
    worked
}

/// DATABASE_URL, else the private database that answers now, if one does. One that was killed left its address behind.
async fn known_url(config: &DatabaseConfig) -> Option<String> {
    if config.database_url.is_some() {
        return config.database_url.clone();
    }
    let url = running_url(&config.data_dir.clone().unwrap_or_else(default_data_dir))?;
    PgConnection::connect(&url).await.is_ok().then_some(url)
}

/// Runs the command and answers its exit code.
async fn with_postgres(config: &DatabaseConfig, command: &[String]) -> Result<ExitCode, CommandError> {
    let temporary = std::env::temp_dir().join(format!("tidemark-{}", std::process::id()));
    let data_dir = config.data_dir.clone().unwrap_or_else(|| temporary.clone());
    // Ctrl-C is the command's to obey; this process waits for it, so that Postgres is stopped in any case.
    let _unheard = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let database = Database::private(data_dir).await?;
    let (program, arguments) = command.split_first().ok_or_else(|| std::io::Error::other("no command was given"))?;
    let status =
        tokio::process::Command::new(program).args(arguments).env("DATABASE_URL", &database.url).status().await;
    database.close().await;
    if config.data_dir.is_none() {
        std::fs::remove_dir_all(&temporary)?;
    }
    let code = status?.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}
