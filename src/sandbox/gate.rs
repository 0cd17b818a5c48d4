//! What every request goes through before it reaches a route, in the order that `mod.rs` tells.

use std::sync::Arc;

use axum::Json;
use axum::body::{self, Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::connection::Connection;
use super::fault::FaultKind;
use super::record::path_and_query;
use super::shared::Shared;
use super::{answer, auth, clock, fault_body};

/// ThemisDB resets the connection of a request with a longer body.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Carries a request from the connection to its answer. When the sandbox stops, what has not been answered is hung up on.
pub(super) async fn pass(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
    next: Next,
) -> Response {
    if connection.is_ending() {
        return hang_up(&connection);
    }
    let _busy = connection.busy();
    let stop = shared.stop.clone();
    tokio::select! {
        // Stopping comes first: work that it breaks off must not be answered as if it were done.
        biased;
        () = stop.cancelled() => hang_up(&connection),
        response = carry(&shared, &connection, request, next) => last_answer(&connection, response),
    }
}

async fn carry(shared: &Shared, connection: &Connection, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Some(body) = read(&parts.headers, body).await else {
        let _ticket = shared.recorder.arrive(&parts, Bytes::new());
        connection.reset();
        return Response::default();
    };
    let ticket = shared.recorder.arrive(&parts, body.clone());
    let (method, path) = (parts.method.clone(), path_and_query(&parts.uri).to_owned());
    shared.holds.pass(&method, &path).await;

    let request = Request::from_parts(parts, Body::from(body));
    let response = match shared.faults.take(&method, &path) {
        None => Some(serve(shared, request, next).await),
        Some(FaultKind::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            Some(serve(shared, request, next).await)
        }
        Some(FaultKind::NoAnswer) => std::future::pending().await,
        Some(FaultKind::HangUp) => None,
        Some(FaultKind::HangUpAfterWork) => {
            serve(shared, request, next).await;
            None
        }
        Some(FaultKind::HangUpAfterHeaders) => {
            let promised = HeaderValue::from(fault_body::PROMISED_LENGTH);
            Some(json(fault_body::broken_off(), [(header::CONTENT_LENGTH, promised)]))
        }
        Some(FaultKind::HugeBody(bytes)) => Some(json(fault_body::padding(bytes), [])),
        Some(FaultKind::Garbage) => Some(json(Body::from("<html>this is not JSON"), [])),
        Some(FaultKind::RateLimited { retry_after_seconds }) => Some(answer::rate_limited(retry_after_seconds)),
        Some(FaultKind::Redirect(location)) => Some(redirect(&location)),
        Some(FaultKind::Status { status, body, headers }) => Some(scripted(status, body, headers)),
    };
    match response {
        Some(response) => {
            ticket.answered(response.status());
            response
        }
        None => hang_up(connection),
    }
}

/// The whole body, or nothing if it is over the limit or breaks off.
async fn read(headers: &HeaderMap, body: Body) -> Option<Bytes> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
        return None;
    }
    body::to_bytes(body, MAX_BODY_BYTES).await.ok()
}

/// The server without faults: starvation, rate limit, exact routing, token, route.
async fn serve(shared: &Shared, request: Request, next: Next) -> Response {
    if let Some(limit) = shared.config.starves_at {
        shared.work.below(limit).await;
    }
    let caller = answer::bearer(request.headers()).unwrap_or_default();
    if !shared.rate_limit.admit(caller, clock::instant()) {
        return answer::rate_limited(1);
    }
    if request.uri().query().is_some() {
        return answer::not_found().await.into_response();
    }
    match auth::refusal(&shared.config, request.method(), request.uri().path(), request.headers()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

/// Tells the caller of a connection that is to end not to send another request on it.
fn last_answer(connection: &Connection, mut response: Response) -> Response {
    if connection.is_ending() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn hang_up(connection: &Connection) -> Response {
    connection.hang_up();
    // Nothing of this is sent: the connection fails its next write.
    Response::default()
}

fn json<const N: usize>(body: Body, headers: [(header::HeaderName, HeaderValue); N]) -> Response {
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (content_type, headers, body).into_response()
}

/// A location that cannot stand in a header is left out, and is then the client's to cope with.
fn redirect(location: &str) -> Response {
    let mut response = StatusCode::MOVED_PERMANENTLY.into_response();
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn scripted(status: StatusCode, body: serde_json::Value, headers: HeaderMap) -> Response {
    let mut response = if body.is_null() { status.into_response() } else { (status, Json(body)).into_response() };
    response.headers_mut().extend(headers);
    response
}
