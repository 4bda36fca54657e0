//! Logs and metrics.

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// Logs to standard error, at `info` unless RUST_LOG says otherwise.
pub fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// Counts metrics from here on; the handle renders them for `/metrics`.
///
/// # Errors
/// Where they are counted already.
pub fn start_metrics() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new().install_recorder()?;
    metrics::describe_counter!("tidemark_runs_total", "Runs ended, by status and provider");
    metrics::describe_counter!("tidemark_bars_written_total", "Bars written, by provider");
    metrics::describe_counter!("tidemark_bars_quarantined_total", "Bars refused, by provider and reason");
    metrics::describe_counter!("tidemark_provider_errors_total", "Failed requests to providers, by provider and code");
    metrics::describe_counter!("tidemark_leases_lost_total", "Runs whose lease was lost while at work");
    metrics::describe_counter!("tidemark_duty_restarts_total", "Background duties that failed and were started again");
    metrics::describe_gauge!("tidemark_event_streams", "Event streams open now");
    metrics::describe_histogram!("tidemark_fetch_seconds", "How long one slice takes at its provider");
    Ok(handle)
}
