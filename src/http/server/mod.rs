//! Below the routes: accepting connections, TLS, and what a connection may cost.
//!
//! `accept` takes connections up to their number; `crowd` owns the task of each, and knows who has how many and who makes room;
//! `connection` leads one through handshake, requests and end; `guard` is the stream in between, which gives up on a peer that keeps
//! us waiting; `inflow` knows when a head begins; `activity` tells idle connections from busy ones; `tls` holds the certificate and looks for a new one; `refusal` is the answer to a head that nobody could read.
//!
//! HTTP/1.1 only: curl, dashboards and generated clients all speak it, answers here are small, and the flow control of HTTP/2 lets a
//! peer hold whatever it asked for past every limit on writing.
//!
//! Invariants:
//! - Whatever a peer does or does not do, its connection ends: each wait has a limit, and each limit is configured.
//! - Every task has an owner. A connection that panics ends, is logged, and takes nothing else with it.
//! - Nothing here takes a lock per request; timers are armed only when somebody really has to wait.
//!
//! Must not be added here: anything about paths, tokens and bodies. That is the layers' part.

mod accept;
mod activity;
mod connection;
mod crowd;
mod guard;
mod inflow;
mod refusal;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::state::{HttpMetrics, HttpState};
use crate::config::{ConnectionLimits, FileMistake, ListenerTls};
use refusal::Refusals;
use tls::TlsFiles;

/// How long requests that are under way may take after the listener was told to end.
const DRAIN: Duration = Duration::from_secs(5);

/// Why a listener cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The system does not say where it listens.
    #[error("a listener has no address")]
    Address(#[source] std::io::Error),
    /// A file of its TLS settings changed since the configuration was read, or cannot be served with.
    #[error("its TLS files cannot be used: {0}")]
    Files(FileMistake),
    /// TLS cannot be served with these settings.
    #[error("TLS cannot be served")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How a listener serves.
#[derive(Debug, Clone)]
pub struct ListenerSettings {
    /// In labels and in the log.
    pub name: &'static str,
    /// What a connection may cost.
    pub connections: ConnectionLimits,
    /// Its certificate; `None` for plain HTTP.
    pub tls: Option<ListenerTls>,
}

/// One listener and its server.
pub struct HttpServer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// What all connections of a listener share.
struct Shared {
    name: &'static str,
    limits: ConnectionLimits,
    /// Addresses that may have any number of connections.
    exempt: Vec<IpNet>,
    /// Nobody needs longer for one request; see [`activity`].
    request_timeout: Duration,
    router: Router,
    metrics: Arc<dyn HttpMetrics>,
    refusals: Refusals,
    tls: Option<Arc<TlsFiles>>,
    protocol: hyper::server::conn::http1::Builder,
}

impl HttpServer {
    /// Serves a bound listener until `stop`; then it takes no new connections, answers what is under way, and ends.
    ///
    /// # Errors
    /// When the listener has no address, or its TLS files cannot be used.
    pub fn start(
        listener: TcpListener,
        router: Router,
        state: &HttpState,
        settings: ListenerSettings,
        stop: CancellationToken,
    ) -> Result<Self, ServerError> {
        let ListenerSettings { name, connections: limits, tls } = settings;
        let address = listener.local_addr().map_err(ServerError::Address)?;
        let metrics = Arc::clone(&state.metrics);
        let tls = match tls {
            Some(tls) => Some(Arc::new(TlsFiles::open(name, tls, Arc::clone(&metrics))?)),
            None => None,
        };
        let shared = Arc::new(Shared {
            name,
            // They stand for many.
            exempt: state.settings.trusted_proxies.clone(),
            request_timeout: state.settings.request_timeout,
            router,
            metrics,
            refusals: Refusals::new(state.clone()),
            tls,
            protocol: connection::protocol(&limits),
            limits,
        });
        Ok(Self { address, task: tokio::spawn(accept::run(listener, shared, stop)) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for its end after it was stopped; what then still goes on after a few seconds is broken off.
    pub async fn ended(mut self) {
        match tokio::time::timeout(DRAIN, &mut self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(address = %self.address, %error, "a listener failed"),
            Err(_) => {
                tracing::warn!(address = %self.address, "requests were still under way: their connections are closed");
                // Its connections go with it.
                self.task.abort();
                let _ = self.task.await;
            }
        }
    }
}
