//! The `sandbox` command: the stand-in for ThemisDB alone.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::signals::Signals;
use crate::cli::SandboxArgs;
use crate::sandbox::{Sandbox, SandboxConfig};

/// As ThemisDB's own.
const RATE_LIMIT_PER_MINUTE: u32 = 100;

/// Runs the sandbox until SIGTERM or ctrl-c.
///
/// # Errors
/// When the address cannot be bound.
pub async fn sandbox(args: SandboxArgs) -> anyhow::Result<()> {
    let mut signals = Signals::install()?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("--listen: cannot listen on {}", args.listen))?;
    let stop = CancellationToken::new();
    let settings = SandboxConfig {
        rate_limit_per_minute: Some(RATE_LIMIT_PER_MINUTE),
        task_delay: Duration::from_millis(300),
        version: args.version,
        ..SandboxConfig::default()
    };
    let (sandbox, ended) = Sandbox::start(listener, settings, stop.clone().cancelled_owned()).await?;
    writeln!(std::io::stdout(), "ThemisDB stand-in at {0}; state and faults at {0}/sandbox", sandbox.base_url())?;
    signals.next().await;
    stop.cancel();
    ended.await.context("the sandbox failed")
}
