//! The server's life: from a bound listener to the last closed connection.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::config::SandboxConfig;
use super::connection::Connection;
use super::control::Sandbox;
use super::listener::CuttingListener;
use super::shared::Shared;
use super::{answer, gate, listener, routes};

/// How long connections may take to end by themselves. What waits on purpose is hung up on at once.
const STOP_GRACE: Duration = Duration::from_secs(1);

impl Sandbox {
    /// Starts a sandbox on a bound listener. It ends when `shutdown` does; the handle ends when all connections and all work
    /// inside have ended.
    ///
    /// # Errors
    ///
    /// If the listener has no local address.
    pub async fn start<F>(listener: TcpListener, config: SandboxConfig, shutdown: F) -> io::Result<(Self, JoinHandle<()>)>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr()?;
        let (door, wishes) = listener::door();
        let cut_all = CancellationToken::new();
        let listener = CuttingListener::new(listener, address, wishes, cut_all.clone());
        let shared = Arc::new(Shared::new(config, address, door));
        let server = tokio::spawn(run(listener, cut_all, Arc::clone(&shared), shutdown));
        Ok((Self::new(shared), server))
    }
}

async fn run(
    listener: CuttingListener,
    cut_all: CancellationToken,
    shared: Arc<Shared>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let app = router(&shared).into_make_service_with_connect_info::<Connection>();
    let serving = axum::serve(listener, app).with_graceful_shutdown(shared.stop.clone().cancelled_owned()).into_future();
    let mut serving = pin!(serving);

    tokio::select! {
        () = shutdown => {}
        // cannot happen before the stop signal; if it does, there is nothing left to serve
        _ = &mut serving => {}
    }
    shared.stop.cancel();
    if tokio::time::timeout(STOP_GRACE, &mut serving).await.is_err() {
        cut_all.cancel();
        // axum's server never fails; it ends when its connections have
        let _ = serving.await;
    }
    shared.work.end().await;
}

/// ThemisDB's routes behind the gate, and the control routes beside it.
fn router(shared: &Arc<Shared>) -> Router {
    let themis = routes::themis(shared.config.version)
        .method_not_allowed_fallback(answer::not_found)
        .layer(middleware::from_fn_with_state(Arc::clone(shared), gate::pass));
    Router::new().merge(routes::control()).merge(themis).with_state(Arc::clone(shared))
}
