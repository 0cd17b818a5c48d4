//! What a request may not do: take forever, or take the service down.

use std::any::Any;
use std::pin::pin;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::patience::Patience;
use super::problem::{Problem, ProblemKind};
use super::state::HttpState;

/// Layer: ends a request that takes longer than `request_timeout`, reading its body included, and longer than it was granted beyond
/// that. A command that was already handed over is carried out all the same, and the detail says so.
pub(super) async fn timeout(State(state): State<HttpState>, request: Request, next: Next) -> Response {
    let limit = state.settings.request_timeout;
    let patience = Patience::of(request.extensions());
    let mut answer = pin!(next.run(request));
    let (mut left, mut granted) = (limit, Duration::ZERO);
    loop {
        if let Ok(response) = tokio::time::timeout(left, answer.as_mut()).await {
            return response;
        }
        // Granted since the last look.
        left = patience.granted().saturating_sub(granted);
        granted += left;
        if left.is_zero() {
            let detail = format!("not done within {} s; what was asked for may still be carried out", limit.as_secs_f64());
            return Problem::new(ProblemKind::RequestTimeout, detail).into_response();
        }
    }
}

/// The answer to a request whose handler panicked: a fault of the service, of which only the log tells more.
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text.as_str(),
        (None, None) => "no message",
    };
    tracing::error!(panic = message, "a handler panicked");
    Problem::new(ProblemKind::InternalError, "see the service's log for this request id").into_response()
}
