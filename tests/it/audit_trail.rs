//! The audit trail: one line for every write attempt and every job transition, a chain that holds, and no token in it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, WRITE};

const API: &str = "/api/v1/maintenance";

fn told(line: &Value) -> [&str; 4] {
    ["actor", "action", "object", "outcome"].map(|name| line[name].as_str().unwrap_or_else(|| panic!("{name} in {line}")))
}

fn document(id: &str) -> Value {
    json!({"id":id,"name":"S","cron_expression":"0 0 1 1 *","tasks":["LOG_ROTATION"]})
}

#[tokio::test]
async fn every_write_attempt_leaves_one_line_with_who_what_and_how_it_ended() {
    let mut app = TestApp::start().await;
    let send = |scope: Option<&str>, method: &str, path: &str, id: &str, body: Option<Value>, if_match: Option<&str>| {
        let url = format!("{}{API}{path}", app.base());
        let mut request = app.client().request(method.parse().unwrap(), url).header("x-request-id", id);
        if let Some(scope) = scope {
            request = request.bearer_auth(app.token_of("alice", scope));
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        if let Some(tag) = if_match {
            request = request.header("if-match", tag);
        }
        Answer::of(request)
    };
    let (write, admin) = (Some(WRITE), Some("maintenance:admin"));
    let s = "schedule/s";
    let attempts = [
        (
            None,
            "POST",
            "/schedules",
            Some(document("s")),
            None,
            401,
            ["anonymous", "create_schedule", "/api/v1/maintenance/schedules", "DENIED"],
        ),
        (
            Some("maintenance:read"),
            "POST",
            "/schedules",
            Some(document("s")),
            None,
            403,
            ["alice", "create_schedule", "/api/v1/maintenance/schedules", "DENIED"],
        ),
        (
            write,
            "POST",
            "/schedules",
            Some(json!({})),
            None,
            422,
            ["alice", "create_schedule", "/api/v1/maintenance/schedules", "REJECTED"],
        ),
        (write, "POST", "/schedules", Some(document("s")), None, 201, ["alice", "create_schedule", s, "SUCCEEDED"]),
        (
            write,
            "POST",
            "/schedules",
            Some(document("s")),
            None,
            409,
            ["alice", "create_schedule", "/api/v1/maintenance/schedules", "REJECTED"],
        ),
        (write, "PUT", "/schedules/s", Some(document("s")), None, 200, ["alice", "replace_schedule", s, "UNCHANGED"]),
        (
            write,
            "PUT",
            "/schedules/none",
            Some(document("none")),
            None,
            404,
            ["alice", "replace_schedule", "schedule/none", "REJECTED"],
        ),
        (
            write,
            "PATCH",
            "/schedules/s",
            Some(json!({"name":"T"})),
            Some("\"no\""),
            412,
            ["alice", "patch_schedule", s, "REJECTED"],
        ),
        (write, "PATCH", "/schedules/s", Some(json!({"name":"T"})), None, 200, ["alice", "patch_schedule", s, "SUCCEEDED"]),
        (write, "PATCH", "/schedules/s", None, None, 415, ["alice", "patch_schedule", s, "REJECTED"]),
        (write, "POST", "/schedules/s/disable", None, None, 200, ["alice", "disable_schedule", s, "SUCCEEDED"]),
        (write, "POST", "/schedules/s/disable", None, None, 200, ["alice", "disable_schedule", s, "UNCHANGED"]),
        (write, "POST", "/schedules/s/enable", None, None, 200, ["alice", "enable_schedule", s, "SUCCEEDED"]),
        (write, "POST", "/schedules/s/run", Some(json!({"force":true})), None, 403, ["alice", "run_schedule", s, "DENIED"]),
        (write, "DELETE", "/schedules/s", None, None, 403, ["alice", "delete_schedule", s, "DENIED"]),
        (
            write,
            "POST",
            "/jobs/019b8be1-f500-7000-8000-000000000000/cancel",
            None,
            None,
            404,
            ["alice", "cancel_job", "job/019b8be1-f500-7000-8000-000000000000", "REJECTED"],
        ),
        (admin, "DELETE", "/schedules/s", None, None, 204, ["alice", "delete_schedule", s, "SUCCEEDED"]),
        (admin, "DELETE", "/schedules/s", None, None, 404, ["alice", "delete_schedule", s, "REJECTED"]),
    ];
    for (index, (scope, method, path, body, if_match, status, _)) in attempts.iter().enumerate() {
        let answer = send(*scope, method, path, &format!("request-{index}"), body.clone(), *if_match).await;
        assert_eq!(answer.status, *status, "{method} {path}: {}", answer.text);
    }
    // Reads leave nothing.
    app.get("/schedules").await.expect(200);
    app.get("/schedules/none").await.expect(404);
    let lines = app.audit_lines(attempts.len()).await;
    assert_eq!(lines.len(), attempts.len());
    for (index, (line, attempt)) in lines.iter().zip(&attempts).enumerate() {
        assert_eq!(told(line), attempt.6, "{line}");
        assert_eq!((&line["sequence"], &line["request_id"]), (&json!(index + 1), &json!(format!("request-{index}"))));
        assert_eq!(line["time"], "2026-01-05T02:00:00.000Z");
        let refused = attempt.5 >= 400;
        assert_eq!(line["detail"].is_string(), refused, "{line}");
        assert!(!refused || (line["before"].is_null() && line["after"].is_null()), "{line}");
    }
    let patched = &lines[8];
    assert_eq!((&patched["before"]["name"], &patched["after"]["name"]), (&json!("S"), &json!("T")));
    assert_eq!((&patched["before"]["version"], &patched["after"]["version"]), (&json!(1), &json!(2)));
    assert_eq!((&lines[3]["before"], &lines[3]["after"]["id"]), (&Value::Null, &json!("s")));
    assert_eq!((&lines[16]["before"]["id"], &lines[16]["after"]), (&json!("s"), &Value::Null));
    app.stop().await;
    let verified = themis_maintenance::audit::verify_file(app.file("audit.jsonl")).expect("a whole chain");
    assert_eq!(verified.lines, attempts.len() as u64);
}

#[tokio::test]
async fn every_transition_of_a_job_leaves_a_line() {
    let mut app = TestApp::start().await;
    app.create(document("s")).await;
    let job = app.run("s").await;
    app.sandbox.clear_requests();
    let hold = app.sandbox.hold(None, "/maintenance");
    let held = app.post("/schedules/s/run", json!({})).await.expect(202);
    app.sandbox.wait_for_requests(|seen| seen.iter().any(|request| request.path.starts_with("/maintenance"))).await;
    let held_id = held["id"].as_str().unwrap();
    let cancel = app.request(Method::POST, &format!("/jobs/{held_id}/cancel")).header("x-request-id", "the-cancel");
    Answer::of(cancel).await.expect(202);
    app.ended(held_id).await;
    hold.release();
    app.create(json!({"id":"c","name":"S","cron_expression":"0 3 * * *","tasks":["LOG_ROTATION"]})).await;
    app.clock.set("2026-01-05T03:00:00Z");
    let fired = app.jobs_of("c", 1).await;
    app.ended(fired[0]["id"].as_str().unwrap()).await;
    let lines = app.audit_lines(13).await;
    let objects: Vec<(&str, &str, &str)> =
        lines.iter().map(told).map(|[actor, action, object, _]| (actor, action, object)).collect();
    let (first, second, third) = (
        format!("job/{}", job["id"].as_str().unwrap()),
        format!("job/{held_id}"),
        format!("job/{}", fired[0]["id"].as_str().unwrap()),
    );
    assert_eq!(
        objects,
        [
            ("tester", "create_schedule", "schedule/s"),
            ("tester", "run_schedule", "schedule/s"),
            ("tester", "job.pending", &first),
            ("tester", "job.running", &first),
            ("tester", "job.succeeded", &first),
            ("tester", "run_schedule", "schedule/s"),
            ("tester", "job.pending", &second),
            ("tester", "job.running", &second),
            ("tester", "cancel_job", &second),
            ("tester", "job.cancelled", &second),
            ("tester", "create_schedule", "schedule/c"),
            ("system:scheduler", "job.pending", &third),
            ("system:scheduler", "job.running", &third),
        ]
        .into_iter()
        .map(|(actor, action, object): (&str, &str, &str)| (actor, action, object))
        .chain(objects.get(13).copied())
        .collect::<Vec<_>>()
    );
    assert_eq!((&lines[4]["before"]["state"], &lines[4]["after"]["state"]), (&json!("RUNNING"), &json!("SUCCEEDED")));
    assert_eq!((&lines[2]["before"], &lines[8]["request_id"]), (&Value::Null, &json!("the-cancel")));
    assert_eq!(lines[9]["after"]["reason"], "CANCELLED_BY_OPERATOR");
    app.stop().await;
    themis_maintenance::audit::verify_file(app.file("audit.jsonl")).expect("a whole chain");
}

#[tokio::test]
async fn the_chain_goes_on_over_a_restart_and_shows_a_changed_line() {
    let mut app = TestApp::start().await;
    app.create(document("a")).await;
    app.restart().await;
    app.create(document("b")).await;
    app.stop().await;
    let file = app.file("audit.jsonl");
    assert_eq!(themis_maintenance::audit::verify_file(&file).expect("a whole chain").lines, 2);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("tester", "nobody", 1)).unwrap();
    assert_eq!(themis_maintenance::audit::verify_file(&file).expect_err("a broken chain").line, Some(2));
}

#[tokio::test]
async fn no_token_gets_into_the_trail() {
    let mut app = TestApp::start().await;
    let token = app.token("maintenance:write");
    let call = |method: Method, path: String, body: String| {
        let request = app.client().request(method, format!("{}{API}{path}", app.base())).bearer_auth(&token);
        Answer::of(request.header("content-type", "application/json").body(body))
    };
    call(Method::POST, "/schedules".to_owned(), document("s").to_string()).await.expect(201);
    call(Method::POST, "/schedules".to_owned(), "{".to_owned()).await.expect(400);
    call(Method::DELETE, "/schedules/s".to_owned(), String::new()).await.expect(403);
    call(Method::POST, format!("/schedules/s/enable?access_token={token}"), String::new()).await.expect(400);
    // As an id, which somebody might do by mistake.
    call(Method::POST, format!("/schedules/{token}/enable"), String::new()).await.expect(404);
    call(Method::POST, format!("/{token}"), String::new()).await.expect(404);
    app.stop().await;
    let text = std::fs::read_to_string(app.file("audit.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 6, "{text}");
    assert!(!text.contains(token.rsplit('.').next().unwrap()), "{text}");
    assert!(!text.contains("Bearer"));
}
