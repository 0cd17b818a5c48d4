//! Waiting for the end of a job, and following it, by a clock that jumps.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use serde_json::Value;
use tower::ServiceExt;

use super::support::{API, TestService, authorized, empty};
use crate::domain::job::{Job, JobState};
use crate::domain::ports::Change;
use crate::domain::sample::job;
use crate::http::HttpSettings;

const READ: &str = "maintenance:read";

fn service_with(shown: &Arc<Job>) -> TestService {
    let settings = HttpSettings { request_timeout: Duration::from_secs(1), ..HttpSettings::default() };
    TestService::with(settings, &[Change::Job { before: None, after: Some(Arc::clone(shown)) }], 16)
}

fn publish(service: &TestService, before: &Arc<Job>, after: Option<&Arc<Job>>) {
    let change = Change::Job { before: Some(Arc::clone(before)), after: after.cloned() };
    service.state.handle.publish_for_tests(&[change]);
}

/// Seconds that passed by the clock of the test.
async fn timed<T>(work: impl Future<Output = T>) -> (T, u64) {
    #[expect(clippy::disallowed_methods, reason = "the clock that the test has stopped")]
    let begin = tokio::time::Instant::now();
    (work.await, begin.elapsed().as_secs())
}

async fn after(seconds: u64, what: impl FnOnce()) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    what();
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_the_job_however_long_others_may_take() {
    let (running, done) = (job(1, JobState::Running), job(1, JobState::Succeeded));
    let service = service_with(&running);
    let path = format!("{API}/jobs/{}?wait=300", running.id);
    let (answer, ()) =
        tokio::join!(timed(service.call("GET", &path, READ, "")), after(200, || publish(&service, &running, Some(&done))));
    let (answer, seconds) = answer;
    assert_eq!((answer.status, seconds), (StatusCode::OK, 200));
    assert_eq!(answer.json()["state"], "SUCCEEDED");
    assert_eq!(answer.json()["explanation"], "Succeeded: 0 of 2 tasks.");
    let (again, seconds) = timed(service.call("GET", &path, READ, "")).await;
    assert_eq!((again.json()["state"].as_str(), seconds), (Some("SUCCEEDED"), 0), "it is over");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_over_shows_the_job_as_it_stands() {
    let (waiting, running) = (job(1, JobState::Pending), job(1, JobState::Running));
    let service = service_with(&waiting);
    let path = |wait: u32| format!("{API}/jobs/{}?wait={wait}", waiting.id);
    let (at_once, seconds) = timed(service.call("GET", &path(0), READ, "")).await;
    assert_eq!((at_once.json()["state"].as_str(), seconds), (Some("PENDING"), 0));
    let request = path(300);
    let (answer, ()) =
        tokio::join!(timed(service.call("GET", &request, READ, "")), after(100, || publish(&service, &waiting, Some(&running))));
    assert_eq!((answer.0.status, answer.1), (StatusCode::OK, 300));
    assert_eq!(answer.0.json()["state"], "RUNNING");
    assert_eq!(service.state.handle.view().watched_jobs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_a_job_that_is_pruned_and_when_the_service_ends() {
    let running = job(1, JobState::Running);
    let service = service_with(&running);
    let path = format!("{API}/jobs/{}?wait=300", running.id);
    let (answer, ()) =
        tokio::join!(timed(service.call("GET", &path, READ, "")), after(7, || service.state.handle.end_watches_for_tests()));
    assert_eq!((answer.0.status, answer.1), (StatusCode::OK, 7));
    assert_eq!(answer.0.json()["state"], "RUNNING");

    let service = service_with(&running);
    let (answer, ()) = tokio::join!(timed(service.call("GET", &path, READ, "")), after(7, || publish(&service, &running, None)));
    assert_eq!((answer.0.status, answer.1), (StatusCode::OK, 7), "as it stood last");
    assert_eq!(service.call("GET", &path, READ, "").await.code(), "job_not_found");
}

#[tokio::test(start_paused = true)]
async fn only_the_wait_is_granted_not_more_time_for_the_rest() {
    let service = service_with(&job(1, JobState::Running));
    // Nobody answers the command.
    let path = format!("{API}/schedules/nightly/run?wait=300");
    let (answer, seconds) = timed(service.call("POST", &path, "maintenance:write", "")).await;
    assert_eq!((answer.code().as_str(), seconds), ("request_timeout", 1));
}

#[tokio::test]
async fn a_wait_that_is_no_number_of_seconds_is_refused() {
    let running = job(1, JobState::Running);
    let service = service_with(&running);
    for (method, path) in [("GET", format!("{API}/jobs/{}", running.id)), ("POST", format!("{API}/schedules/nightly/run"))] {
        for query in ["wait=-1", "wait=301", "wait=x", "wait=", "wait=1&wait=1"] {
            let answer = service.call(method, &format!("{path}?{query}"), "maintenance:write", "").await;
            assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "invalid_parameter"), "{query}");
            assert_eq!(answer.json()["errors"][0]["field"], "wait", "{query}");
        }
    }
    for query in ["wait=1", "x=1"] {
        let answer = service.call("GET", &format!("{API}/jobs/{}/events?{query}", running.id), READ, "").await;
        assert_eq!(answer.code(), "invalid_parameter");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_away_gives_the_place_back() {
    let running = job(1, JobState::Running);
    let service = service_with(&running);
    let view = service.state.handle.view();
    let path = format!("{API}/jobs/{}?wait=300", running.id);
    let gone = tokio::time::timeout(Duration::from_secs(5), service.call("GET", &path, READ, "")).await;
    assert!(gone.is_err());
    assert_eq!(view.watched_jobs(), 0);
    let body = follow(&service, &running).await;
    assert_eq!(view.watched_jobs(), 1);
    drop(body);
    assert_eq!(view.watched_jobs(), 0);
}

async fn follow(service: &TestService, job: &Job) -> Body {
    let request = empty(authorized("GET", &format!("{API}/jobs/{}/events", job.id), READ));
    let response = service.router().oneshot(request).await.expect("a router always answers");
    assert_eq!(response.status(), StatusCode::OK);
    let header = |name: &str| response.headers()[name].to_str().expect("visible ASCII").to_owned();
    assert_eq!([header("content-type"), header("cache-control")], ["text/event-stream", "no-store"]);
    response.into_body()
}

/// The next piece of the stream; `None` after its end.
async fn next(body: &mut Body) -> Option<String> {
    let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
    let data = frame.expect("no error").into_data().expect("data");
    Some(String::from_utf8(data.to_vec()).expect("UTF-8"))
}

/// The number and the document of an event.
fn event(text: &str) -> (u64, Value) {
    let rest = text.strip_prefix("event: job\nid: ").unwrap_or_else(|| panic!("{text}"));
    let (number, data) = rest.strip_suffix("\n\n").and_then(|rest| rest.split_once("\ndata: ")).expect("data");
    (number.parse().expect("a number"), serde_json::from_str(data).expect("JSON"))
}

async fn next_event(body: &mut Body) -> (u64, String) {
    let (number, document) = event(&next(body).await.expect("an event"));
    (number, document["state"].as_str().expect("a state").to_owned())
}

fn told(number: u64, state: &str) -> (u64, String) {
    (number, state.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_stream_tells_the_state_at_once_and_every_change_and_ends_with_the_job() {
    let [waiting, running, done] = [JobState::Pending, JobState::Running, JobState::Failed].map(|state| job(1, state));
    let service = service_with(&waiting);
    let mut body = follow(&service, &waiting).await;
    let (number, document) = event(&next(&mut body).await.expect("an event"));
    let shown = service.call("GET", &format!("{API}/jobs/{}", waiting.id), READ, "").await;
    assert_eq!((number, document), (1, shown.json()), "the document of a read");
    let (second, ()) = tokio::join!(next_event(&mut body), after(3, || publish(&service, &waiting, Some(&running))));
    assert_eq!(second, told(2, "RUNNING"));
    let quiet = [timed(next(&mut body)).await, timed(next(&mut body)).await];
    assert_eq!(quiet, [(Some(": still there\n\n".to_owned()), 15), (Some(": still there\n\n".to_owned()), 15)]);
    publish(&service, &running, Some(&done));
    assert_eq!(next_event(&mut body).await, told(3, "FAILED"));
    assert_eq!(next(&mut body).await, None);
    assert_eq!(service.state.handle.view().watched_jobs(), 0);
    // Of a job that is over there is one event.
    let mut body = follow(&service, &done).await;
    assert_eq!((next_event(&mut body).await, next(&mut body).await), (told(1, "FAILED"), None));
}

#[tokio::test(start_paused = true)]
async fn whoever_reads_slowly_gets_the_latest_state_alone() {
    let [waiting, running, done] = [JobState::Pending, JobState::Running, JobState::Succeeded].map(|state| job(1, state));
    let service = service_with(&waiting);
    let mut body = follow(&service, &waiting).await;
    assert_eq!(next_event(&mut body).await, told(1, "PENDING"));
    publish(&service, &waiting, Some(&running));
    publish(&service, &running, Some(&done));
    assert_eq!((next_event(&mut body).await, next(&mut body).await), (told(2, "SUCCEEDED"), None));
}

#[tokio::test(start_paused = true)]
async fn a_stream_tells_when_a_job_waits_for_something_else_and_ends_with_the_service() {
    let waiting = job(1, JobState::Pending);
    let service = service_with(&waiting);
    let mut body = follow(&service, &waiting).await;
    let said = |text: Option<String>| event(&text.expect("an event")).1["explanation"].as_str().expect("a sentence").to_owned();
    assert!(said(next(&mut body).await).contains("for its turn"));
    let other = Arc::new(Job { id: job(2, JobState::Running).id, ..Job::clone(&job(1, JobState::Running)) });
    service.state.handle.publish_for_tests(&[Change::Job { before: None, after: Some(other) }]);
    let (text, seconds) = timed(next(&mut body)).await;
    assert_eq!((said(text).contains("for another job on target 'default'"), seconds), (true, 15));
    service.state.handle.set_ready_for_tests(false);
    service.state.handle.end_watches_for_tests();
    assert!(said(next(&mut body).await).contains("shutting down"));
    assert_eq!(next(&mut body).await, None);
}
