//! Every row of the outcome table.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::server::{Reply, Server};
use super::*;
use crate::executor::answer::LONGEST_BODY;

fn success() -> Reply {
    Reply::json(200, json!({"success": true, "entry_count": 7, "nested": {"n": 1}}))
}

async fn report_of(reply: Reply) -> (AttemptReport, Bench) {
    let server = Server::start([reply]).await;
    let bench = Bench::new(&server, recipe());
    (bench.attempt().await, bench)
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_meets_the_rule_is_a_success_with_its_summary() {
    let server = Server::start([success()]).await;
    let bench = Bench::new(&server, Recipe { summary: vec!["/entry_count".into(), "/nested/n".into()], ..recipe() });
    let report = bench.attempt().await;
    assert_eq!(
        report,
        AttemptReport {
            http_status: Some(200),
            result_summary: Some(json!({"entry_count": 7, "n": 1})),
            idempotent: true,
            answered: Some(true),
            ..AttemptReport::of(Outcome::Succeeded)
        }
    );
    assert!(bench.trace.was_sent());
    assert_eq!(bench.counted(), [Outcome::Succeeded]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_json_is_fine_without_assertions_and_permanent_with_them() {
    for reply in [Reply::Answer(200, "", "<html>".into()), Reply::Answer(204, "", String::new())] {
        let server = Server::start([reply]).await;
        let bench = Bench::new(&server, Recipe { success: SuccessRule::default(), summary: vec!["/n".into()], ..recipe() });
        let report = bench.attempt().await;
        assert_eq!((report.outcome, report.result_summary), (Outcome::Succeeded, None));
    }
    let (report, _bench) = report_of(Reply::Answer(200, "", "<html>".into())).await;
    assert_eq!(report.outcome, Outcome::Permanent);
    assert_eq!(message(&report), "POST /index/rebuild answered 200: the answer is not JSON");
}

#[tokio::test(start_paused = true)]
async fn an_assertion_that_does_not_hold_is_permanent_and_said_in_words() {
    let (report, bench) = report_of(Reply::json(200, json!({"success": false, "message": "index is locked"}))).await;
    assert_eq!((report.outcome, report.http_status), (Outcome::Permanent, Some(200)));
    let expected = "POST /index/rebuild answered 200: /success must be true, but it is false (it says: index is locked)";
    assert_eq!(message(&report), expected);
    assert_eq!(bench.counted(), [Outcome::Permanent]);
}

#[tokio::test(start_paused = true)]
async fn statuses_that_pass_are_transient_and_carry_the_wait() {
    for status in [429, 502, 503, 504] {
        let reply = Reply::Answer(status, "retry-after: 7\r\n", json!({"error": "Too Many Requests"}).to_string());
        let (report, bench) = report_of(reply).await;
        assert_eq!((report.outcome, report.http_status), (Outcome::Transient, Some(status)));
        assert_eq!(report.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(message(&report), format!("POST /index/rebuild answered {status}: Too Many Requests"));
        assert_eq!(bench.counted(), [Outcome::Transient]);
    }
    let date = Reply::Answer(503, "retry-after: Fri, 31 Dec 2100 23:59:59 GMT\r\n", String::new());
    let (report, _bench) = report_of(date).await;
    assert!(report.retry_after > Some(Duration::from_secs(86_400)), "{report:?}");
    let (report, _bench) = report_of(Reply::json(429, json!({"retry_after_seconds": 3}))).await;
    assert_eq!(report.retry_after, Some(Duration::from_secs(3)));
}

#[tokio::test(start_paused = true)]
async fn other_statuses_are_permanent_and_quote_the_target() {
    for (status, body, words) in [
        (400, json!({"error": true, "message": "missing field\u{7}", "status_code": 400}), ": missing field\u{fffd}"),
        (401, json!({"error": "missing_authorization"}), ": missing_authorization"),
        (404, json!([]), ""),
        (500, json!({"message": "x".repeat(5000)}), &format!(": {}…", "x".repeat(100)) as &str),
        (501, Value::Null, ""),
    ] {
        let reply = Reply::Answer(status, "retry-after: 7\r\n", body.to_string());
        let (report, _bench) = report_of(reply).await;
        assert_eq!((report.outcome, report.http_status, report.retry_after), (Outcome::Permanent, Some(status), None));
        assert_eq!(message(&report), format!("POST /index/rebuild answered {status}{words}"));
    }
}

#[tokio::test(start_paused = true)]
async fn redirects_are_permanent_and_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let server = Server::start([Reply::Answer(status, "location: /v1/index/rebuild\r\n", "{}".into()), success()]).await;
        let bench = Bench::new(&server, recipe());
        let report = bench.attempt().await;
        assert_eq!((report.outcome, report.http_status), (Outcome::Permanent, Some(status)));
        let expected = format!("POST /index/rebuild answered {status}: redirects are not followed: not supported here");
        assert_eq!(message(&report), expected);
        assert_eq!(server.lines(), ["POST /index/rebuild"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_that_the_recipe_names_is_accepted_whatever_it_is() {
    let server = Server::start([Reply::json(503, json!({}))]).await;
    let success = SuccessRule { statuses: vec![404, 503], assertions: vec![] };
    let bench = Bench::new(&server, Recipe { success, ..recipe() });
    assert_eq!(bench.attempt().await.outcome, Outcome::Succeeded);

    let server = Server::start([Reply::json(200, json!({}))]).await;
    let success = SuccessRule { statuses: vec![202], assertions: vec![] };
    let bench = Bench::new(&server, Recipe { success, ..recipe() });
    assert_eq!(bench.attempt().await.outcome, Outcome::Permanent, "200 is not among the named ones");
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_transient() {
    let address = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let bench = Bench::with_settings(settings(&format!("http://{address}/prefix")), recipe());
    let report = bench.attempt().await;
    assert_eq!((report.outcome, report.http_status), (Outcome::Transient, None));
    let expected =
        format!("POST /index/rebuild: no connection to http://{address} (Connection refused (os error 111)); nothing was sent");
    assert_eq!(message(&report), expected);
    assert!(!bench.trace.was_sent());
    assert_eq!(bench.counted(), [Outcome::Transient]);
}

#[tokio::test(start_paused = true)]
async fn a_hang_up_after_the_request_is_unknown_with_and_without_a_body() {
    for body in [Body::Parameters, Body::None] {
        let server = Server::start([Reply::hang_up()]).await;
        let bench = Bench::new(&server, Recipe { call: call(Method::Post, "/index/rebuild", body), ..recipe() });
        let report = bench.attempt().await;
        assert_eq!((report.outcome, report.http_status), (Outcome::Unknown, None));
        assert!(message(&report).starts_with("POST /index/rebuild was sent, but no answer came ("), "{report:?}");
        assert!(message(&report).ends_with("check there before running it again"), "{report:?}");
        assert!(bench.trace.was_sent());
        assert_eq!(server.lines().len(), 1, "it is not sent again");
        assert_eq!(bench.counted(), [Outcome::Unknown]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_is_unknown_when_its_status_is_accepted() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"success\":true";
    let (report, _bench) = report_of(Reply::Raw(head.to_vec())).await;
    assert_eq!((report.outcome, report.http_status), (Outcome::Unknown, Some(200)));
    assert!(message(&report).starts_with("POST /index/rebuild answered 200, but the answer broke off ("), "{report:?}");

    let head = b"HTTP/1.1 503 Busy\r\ncontent-length: 100\r\nretry-after: 2\r\n\r\n{";
    let (report, _bench) = report_of(Reply::Raw(head.to_vec())).await;
    assert_eq!((report.outcome, report.http_status), (Outcome::Transient, Some(503)), "the status has decided");
    assert_eq!(report.retry_after, Some(Duration::from_secs(2)));

    let (report, _bench) = report_of(Reply::Raw(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec())).await;
    assert_eq!(report.outcome, Outcome::Unknown, "what is no HTTP is no answer");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_after_the_request_was_sent_is_unknown() {
    for (body, stalled) in [
        (Body::Parameters, b"".as_slice()),
        (Body::None, b""),
        (Body::Parameters, b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"),
    ] {
        let server = Server::start([Reply::Stall(stalled.to_vec())]).await;
        let bench = Bench::new(&server, Recipe { call: call(Method::Post, "/index/rebuild", body), ..recipe() });
        let report = bench.attempt_while(&server, 1, Duration::from_secs(601)).await;
        assert_eq!(report.outcome, Outcome::Unknown);
        assert!(message(&report).contains("(the timeout was reached)"), "{report:?}");
        assert!(bench.trace.was_sent());
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_whose_body_never_ends_is_judged_by_its_status() {
    let server = Server::start([Reply::Stall(b"HTTP/1.1 500 X\r\ncontent-length: 100\r\n\r\n{".to_vec())]).await;
    let bench = Bench::new(&server, recipe());
    let report = bench.attempt_while_time_passes().await;
    assert_eq!((report.outcome, report.http_status), (Outcome::Permanent, Some(500)), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn the_tasks_own_timeout_comes_before_the_recipes() {
    let server = Server::start([Reply::silence()]).await;
    let mut bench = Bench::new(&server, recipe());
    bench.task.timeout = Some(Duration::from_secs(5));
    let report = bench.attempt_while(&server, 1, Duration::from_secs(6)).await;
    assert_eq!(report.outcome, Outcome::Unknown);
}

/// A TLS handshake that gets no answer is a connection that does not stand.
#[tokio::test(start_paused = true)]
async fn a_timeout_before_the_connection_stood_is_transient() {
    // The attempt's timeout first, then the connect timeout.
    for (timeout, connect_timeout) in [(2, 5), (600, 5)] {
        let silent = Server::start([Reply::silence()]).await;
        let connect_timeout = Duration::from_secs(connect_timeout);
        let settings = TargetSettings { connect_timeout, ..settings(&silent.https_url()) };
        let bench = Bench::with_settings(settings, Recipe { timeout: Duration::from_secs(timeout), ..recipe() });
        let (executor, task, trace) = (Arc::clone(&bench.executor), bench.task.clone(), Arc::clone(&bench.trace));
        let attempt = tokio::spawn(async move { executor.attempt(&task, &trace).await });
        silent.connections_arrived(1).await;
        tokio::time::advance(Duration::from_secs(6)).await;
        let report = attempt.await.expect("no panic");
        assert_eq!(report.outcome, Outcome::Transient, "{report:?}");
        assert!(message(&report).ends_with("nothing was sent"), "{report:?}");
        assert!(!bench.trace.was_sent());
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_fails_is_transient() {
    // The hello of TLS never looks like a request, so the server closes when the client does; here it is closed at once.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let closing = tokio::spawn(async move { drop(listener.accept().await) });
    let bench = Bench::with_settings(settings(&format!("https://{address}")), recipe());
    let report = bench.attempt().await;
    closing.await.expect("no panic");
    assert_eq!(report.outcome, Outcome::Transient, "{report:?}");
    assert!(!bench.trace.was_sent());
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_cap_fails_only_where_it_is_needed() {
    let long = || json!({"success": true, "message": "x".repeat(LONGEST_BODY)}).to_string();
    let (report, _bench) = report_of(Reply::Answer(200, "", long())).await;
    assert_eq!((report.outcome, report.http_status), (Outcome::Permanent, Some(200)));
    assert!(message(&report).contains("the answer is larger than 1048576 bytes"), "{report:?}");

    let (report, _bench) = report_of(Reply::Answer(503, "", long())).await;
    assert_eq!((report.outcome, message(&report)), (Outcome::Transient, "POST /index/rebuild answered 503"));

    let server = Server::start([Reply::Answer(200, "", long())]).await;
    let bench = Bench::new(&server, Recipe { success: SuccessRule::default(), ..recipe() });
    assert_eq!(bench.attempt().await.outcome, Outcome::Succeeded);

    let (report, _bench) =
        report_of(Reply::Answer(200, "", format!("{{\"success\":true{}}}", " ".repeat(LONGEST_BODY - 16)))).await;
    assert_eq!(report.outcome, Outcome::Succeeded, "exactly the cap is not over it");
}

/// The cap is on what comes over the wire; a small answer that would unfold to a large one is not unfolded.
#[tokio::test(start_paused = true)]
async fn a_compressed_answer_is_neither_asked_for_nor_unpacked() {
    // `{"success":true}`, as gzip has it.
    let packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xabV*.MNN-.V\xb2*)*M\xad\x05\x00\xdf\xf7\xf6f\x10\x00\x00\x00";
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", packed.len());
    let server = Server::start([Reply::Raw([head.as_bytes(), packed].concat())]).await;
    let report = Bench::new(&server, recipe()).attempt().await;
    assert_eq!((report.outcome, report.http_status), (Outcome::Permanent, Some(200)));
    assert!(message(&report).ends_with("answered 200: the answer is not JSON"), "{report:?}");
    assert_eq!(server.received()[0].header("accept-encoding"), None);
}

#[tokio::test(start_paused = true)]
async fn a_summary_keeps_no_large_values() {
    let server = Server::start([Reply::json(200, json!({"success": true, "small": 1, "large": "x".repeat(5000)}))]).await;
    let bench = Bench::new(&server, Recipe { summary: vec!["/small".into(), "/large".into()], ..recipe() });
    let report = bench.attempt().await;
    assert_eq!(report.result_summary, Some(json!({"small": 1, "large": "(5002 bytes, not kept)"})));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_without_a_recipe_a_parameter_or_a_target() {
    let server = Server::start([success()]).await;
    let mut bench = Bench::new(&server, Recipe { required_parameters: vec!["table".into(), "mode".into()], ..recipe() });
    let report = bench.attempt().await;
    assert_eq!((report.outcome, message(&report)), (Outcome::Permanent, "parameter 'mode' is missing"));
    bench.task.parameters.insert("mode".into(), Value::Null);
    assert_eq!(bench.attempt().await.outcome, Outcome::Permanent, "null counts as absent");
    bench.task.parameters.insert("mode".into(), json!("fast"));
    assert_eq!(bench.attempt().await.outcome, Outcome::Succeeded);

    bench.task.task_type = TaskType::LogRotation;
    let report = bench.attempt().await;
    assert_eq!(report.outcome, Outcome::Permanent);
    assert!(message(&report).contains("set [endpoints.LOG_ROTATION]"), "{report:?}");
    bench.task.target = "gone".into();
    let report = bench.attempt().await;
    assert_eq!(message(&report), "target 'gone' is not configured: set [targets.gone]");
    assert_eq!(server.lines().len(), 1);

    let bench = Bench::new(&server, Recipe { call: call(Method::Get, "/stats/{shard}", Body::None), ..recipe() });
    let report = bench.attempt().await;
    assert_eq!(report.outcome, Outcome::Permanent);
    assert_eq!(message(&report), "GET /stats/{shard} cannot be made: parameter 'shard' is missing");
    assert_eq!((server.lines().len(), bench.counted().len()), (1, 0));
}
