//! Stopping an attempt, and asking the target to stop.

use std::time::Duration;

use serde_json::json;

use super::server::{Reply, Server};
use super::*;

fn cancellable(path: &str) -> Recipe {
    Recipe { cancel: Some(call(Method::Delete, path, Body::None)), ..recipe() }
}

/// Starts an attempt and drops its future once the server has the request.
async fn stop_after_sending(bench: &Bench, server: &Server) {
    tokio::select! {
        report = bench.attempt() => unreachable!("the server is silent: {report:?}"),
        () = server.requests_arrived(1) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_attempt_still_says_that_its_request_had_left() {
    for body in [Body::Parameters, Body::None] {
        let server = Server::start([Reply::silence()]).await;
        let bench = Bench::new(&server, Recipe { call: call(Method::Post, "/x", body), ..recipe() });
        stop_after_sending(&bench, &server).await;
        assert!(bench.trace.was_sent());
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_stopped_before_the_connection_stood_has_sent_nothing() {
    let server = Server::start([Reply::silence()]).await;
    let bench = Bench::with_settings(settings(&server.https_url()), recipe());
    tokio::select! {
        report = bench.attempt() => unreachable!("the handshake gets no answer: {report:?}"),
        () = server.connections_arrived(1) => {}
    }
    assert!(!bench.trace.was_sent());
    bench.cancel().await;
    assert!(server.lines().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_target_is_asked_to_stop_by_the_handle() {
    let server = Server::start([Reply::json(200, json!({}))]).await;
    let bench = Bench::new(&server, cancellable("/jobs/{handle}"));
    bench.trace.sent_signal().set();
    bench.trace.set_handle(json!(7));
    bench.cancel().await;
    assert_eq!(server.lines(), ["DELETE /jobs/7"]);
    assert_eq!(server.received()[0].header("idempotency-key"), None);
    assert_eq!(bench.counted(), [Outcome::Succeeded]);
}

#[tokio::test(start_paused = true)]
async fn the_target_is_not_asked_without_a_recipe_or_the_handle_it_needs() {
    let server = Server::start([Reply::json(200, json!({}))]).await;
    for (recipe, requests) in [(recipe(), 0), (cancellable("/jobs/{handle}"), 0), (cancellable("/stop"), 1)] {
        let bench = Bench::new(&server, recipe);
        bench.cancel().await;
        assert!(server.lines().is_empty(), "nothing had been sent");
        bench.trace.sent_signal().set();
        bench.cancel().await;
        assert_eq!(server.lines().len(), requests);
    }
}

/// Else a task could have another one's work stopped.
#[tokio::test(start_paused = true)]
async fn a_parameter_named_handle_is_not_the_handle() {
    let server = Server::start([Reply::json(200, json!({}))]).await;
    let mut bench = Bench::new(&server, cancellable("/jobs/{handle}"));
    bench.task.parameters.insert("handle".into(), json!("of another job"));
    bench.trace.sent_signal().set();
    bench.cancel().await;
    assert!(server.lines().is_empty());
    bench.trace.set_handle(json!("own"));
    bench.cancel().await;
    assert_eq!(server.lines(), ["DELETE /jobs/own"]);
}

#[tokio::test(start_paused = true)]
async fn asking_to_stop_is_done_once_and_ends_after_ten_seconds() {
    let server = Server::start([Reply::json(503, json!({}))]).await;
    let bench = Bench::new(&server, cancellable("/stop"));
    bench.trace.sent_signal().set();
    bench.cancel().await;
    assert_eq!(server.lines().len(), 1);

    let server = Server::start([Reply::silence()]).await;
    let bench = Bench::new(&server, cancellable("/stop"));
    bench.trace.sent_signal().set();
    let (executor, task, trace) = (Arc::clone(&bench.executor), bench.task.clone(), Arc::clone(&bench.trace));
    let cancel = tokio::spawn(async move { executor.cancel(&task, &trace).await });
    server.requests_arrived(1).await;
    tokio::time::advance(Duration::from_secs(11)).await;
    cancel.await.expect("no panic");
}
