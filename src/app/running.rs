//! A running service, and how it ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::AppError;
use crate::domain::ports::{AuditSink, StoreError};
use crate::http::{HttpServer, TokenVerifier};
use crate::orchestrator::{HealthRegistry, OrchestratorHandle};
use crate::ticker::Ticker;

/// How long the actor may take to record the end of what was still running.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// How long the audit trail may take to write out what was refused while the service ended.
const AUDIT_FLUSH: Duration = Duration::from_secs(5);

/// A running service. Ends by [`Running::shutdown`]; when it is dropped instead, its tasks go on until the process ends.
pub struct Running {
    pub(super) servers: Vec<HttpServer>,
    pub(super) stop_http: CancellationToken,
    pub(super) handle: OrchestratorHandle,
    pub(super) health: HealthRegistry,
    pub(super) audit: Arc<dyn AuditSink>,
    pub(super) ticker: Ticker,
    /// Owns the refreshes of key sets.
    pub(super) verifier: Arc<TokenVerifier>,
    /// Waits for the store to be loaded, which may never come.
    pub(super) first_look: JoinHandle<()>,
    pub(super) orchestrator: Option<JoinHandle<Result<(), StoreError>>>,
    pub(super) shutdown_grace: Duration,
}

impl Running {
    /// Where the API listens.
    pub fn address(&self) -> SocketAddr {
        self.servers[0].address()
    }

    /// Where `/metrics` listens, when it has a listener of its own.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.servers.get(1).map(HttpServer::address)
    }

    /// The way to the orchestrator, for code in the same process.
    pub fn handle(&self) -> &OrchestratorHandle {
        &self.handle
    }

    /// The modules' health; more can be registered.
    pub fn health(&self) -> &HealthRegistry {
        &self.health
    }

    /// Returns when the orchestrator ended though nobody asked it to: the store could not be loaded, or a bug.
    pub async fn failed(&mut self) -> AppError {
        // By reference: when a signal comes first, this future is dropped, and the shutdown still has to wait for the actor.
        let Some(orchestrator) = self.orchestrator.as_mut() else { return std::future::pending().await };
        let ended = orchestrator.await;
        self.orchestrator = None;
        match ended {
            Ok(Ok(())) => AppError::internal("the orchestrator ended by itself", "this is a bug"),
            Ok(Err(error)) => AppError::internal("the orchestrator could not start", error),
            Err(panic) => AppError::internal("the orchestrator failed", panic),
        }
    }

    /// Ends the service in phases. Readiness goes off and nothing new starts; running jobs get the grace; what is left is stopped
    /// and recorded; requests that are under way are answered; store and audit are written out.
    pub async fn shutdown(self) {
        let Self { servers, stop_http, handle, health, audit, ticker, verifier, first_look, orchestrator, shutdown_grace } = self;
        tracing::info!(grace_seconds = shutdown_grace.as_secs(), running = handle.running_jobs(), "shutting down");
        if tokio::time::timeout(shutdown_grace, handle.drain()).await.is_err() {
            tracing::warn!(running = handle.running_jobs(), "the grace is over: running jobs are stopped");
        }
        if tokio::time::timeout(STOP_TIMEOUT, handle.stop()).await.is_err() {
            tracing::error!("the orchestrator takes no more messages");
        }
        if let Some(orchestrator) = orchestrator {
            match tokio::time::timeout(STOP_TIMEOUT, orchestrator).await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(error))) => tracing::error!(%error, "the orchestrator ended with an error"),
                Ok(Err(error)) => tracing::error!(%error, "the orchestrator failed"),
                Err(_) => tracing::error!("the orchestrator did not end in time"),
            }
        }
        stop_http.cancel();
        for server in servers {
            server.ended().await;
        }
        ticker.stop().await;
        verifier.close().await;
        first_look.abort();
        health.close().await;
        if tokio::time::timeout(AUDIT_FLUSH, audit.flush()).await.is_err() {
            tracing::error!("the audit trail could not be written out");
        }
        tracing::info!("ended");
    }
}
