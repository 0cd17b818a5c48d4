//! A whole service for a test: on a free port, with a clock that the test moves, a sandbox to call, and a client.

mod app;
mod client;
mod clock;
mod ctl;
mod proxy;
mod raw;
mod stand_in;

use std::time::Duration;

pub use app::TestApp;
pub use client::{Answer, WRITE, request};
pub use clock::TestClock;
pub use ctl::{Said, bare, ctl, end, program, said, said_of};
pub use proxy::Proxy;
pub use raw::raw;
pub use stand_in::{Asked, Reply, StandIn};

/// How long a test waits for something that has to happen.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Waits until a condition holds; fails when it does not within [`LIMIT`]. `what` says what was waited for.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let look = async {
        loop {
            if let Some(found) = condition().await {
                return found;
            }
            // Between two looks, not instead of them.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    match tokio::time::timeout(LIMIT, look).await {
        Ok(found) => found,
        Err(_) => panic!("waited {LIMIT:?} for {what}"),
    }
}
