//! The sandbox from outside, over HTTP, as the service's client sees it.

mod conduct;
mod control;
mod faults;
mod index;
mod lifecycle;
mod listener;
mod observe;
mod shapes;
mod soak;
mod store;
mod v2026;

use std::future::{Future, pending};
use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Sandbox, SandboxConfig};

/// Long enough for a loaded machine; only a test that fails waits so long.
const LIMIT: Duration = Duration::from_secs(20);

async fn start(config: SandboxConfig) -> Sandbox {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Sandbox::start(listener, config, pending()).await.unwrap().0
}

async fn stoppable(config: SandboxConfig) -> (Sandbox, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async move {
        let _ = stopped.await;
    };
    let (sandbox, server) = Sandbox::start(listener, config, shutdown).await.unwrap();
    (sandbox, stop, server)
}

async fn within_limit<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("the condition came about in time")
}

fn client() -> Client {
    let redirects = reqwest::redirect::Policy::none();
    Client::builder().redirect(redirects).timeout(LIMIT).no_proxy().build().unwrap()
}

/// A GET of this path.
fn get(sandbox: &Sandbox, path: &str) -> RequestBuilder {
    client().get(format!("{}{path}", sandbox.base_url()))
}

/// A POST of this JSON text to this path.
fn post(sandbox: &Sandbox, path: &str, body: &str) -> RequestBuilder {
    client().post(format!("{}{path}", sandbox.base_url())).body(body.to_owned())
}

/// Status and JSON body.
async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// The JSON body of a 200.
async fn ok(request: RequestBuilder) -> Value {
    let (status, body) = answer(request).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}
