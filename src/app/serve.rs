//! The `serve` command: the service until a signal comes.

use super::signals::Signals;
use super::start::bind;
use super::{Adapters, AppError, Running, file_limit, start};
use crate::config::{Config, LogFormat};
use crate::telemetry;

/// Runs the service until SIGTERM or ctrl-c, and ends it in order.
///
/// # Errors
/// When it cannot start, or the orchestrator ended by itself.
pub async fn serve(mut config: Config) -> Result<(), AppError> {
    init_logging(&config)?;
    file_limit::fit(&mut config);
    warn_of_readable_tokens(&config);
    let signals = Signals::install()?;
    let listener = bind(config.server.listen, "server.listen").await?;
    let running = start(config, Adapters::default(), listener).await?;
    tracing::info!(address = %running.address(), version = env!("CARGO_PKG_VERSION"), "listening");
    until_signal(running, signals).await
}

/// A proxy in front may speak TLS, so this is no mistake; but nobody should find it out from a stolen token.
fn warn_of_readable_tokens(config: &Config) {
    let address = config.server.listen;
    if config.server.tls.is_none() && !address.ip().is_loopback() {
        tracing::warn!(
            %address,
            "server.tls is not set and the address is not loopback: tokens travel readable unless a proxy in front speaks TLS"
        );
    }
    let metrics = &config.metrics;
    if let Some(address) = metrics.listen.filter(|address| !address.ip().is_loopback())
        && metrics.tls.is_none()
        && metrics.token.is_some()
    {
        tracing::warn!(%address, "metrics.tls is not set and the address is not loopback: the scraper's token travels readable");
    }
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
