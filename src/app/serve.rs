//! The `serve` command: the service until a signal comes.

use super::signals::Signals;
use super::start::bind;
use super::{Adapters, AppError, Running, start};
use crate::config::{Config, LogFormat};
use crate::telemetry;

/// Runs the service until SIGTERM or ctrl-c, and ends it in order.
///
/// # Errors
/// When it cannot start, or the orchestrator ended by itself.
pub async fn serve(config: Config) -> Result<(), AppError> {
    init_logging(&config)?;
    let signals = Signals::install()?;
    let listener = bind(config.server.listen, "server.listen").await?;
    let running = start(config, Adapters::default(), listener).await?;
    tracing::info!(address = %running.address(), version = env!("CARGO_PKG_VERSION"), "listening");
    until_signal(running, signals).await
}

/// Runs until a signal comes; a second one ends the process at once.
pub(super) async fn until_signal(mut running: Running, mut signals: Signals) -> Result<(), AppError> {
    let failure = tokio::select! {
        signal = signals.next() => {
            tracing::info!(signal, "asked to end");
            None
        }
        error = running.failed() => Some(error),
    };
    signals.end_at_once();
    running.shutdown().await;
    failure.map_or(Ok(()), Err)
}

/// Sets up the log as the configuration says.
pub(super) fn init_logging(config: &Config) -> Result<(), AppError> {
    let format = match config.telemetry.log_format {
        LogFormat::Text => telemetry::LogFormat::Text,
        LogFormat::Json => telemetry::LogFormat::Json,
    };
    telemetry::logging::init(format, &config.telemetry.log_level).map_err(|error| AppError::configuration("telemetry", error))
}
