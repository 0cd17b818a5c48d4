//! Denied reads in the audit trail: who asks without permission is seen, and a dashboard with an old token does not fill the disk.

use crate::support::{Answer, TestApp};

const API: &str = "/api/v1/maintenance";

/// Sends a request with a token, or without one.
async fn send(app: &TestApp, method: &str, path: &str, token: Option<&str>) -> u16 {
    let mut request = app.client().request(method.parse().expect("a method"), format!("{}{API}{path}", app.base()));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    Answer::of(request).await.status.as_u16()
}

#[tokio::test]
async fn a_denied_read_leaves_one_line_a_minute_with_the_number_of_those_in_between() {
    let mut app = TestApp::start().await;
    let nobody = app.token_of("carl", "");
    for _ in 0..5 {
        assert_eq!(send(&app, "GET", "/schedules", None).await, 401);
    }
    assert_eq!(send(&app, "GET", "/jobs", None).await, 401);
    assert_eq!(send(&app, "GET", "/schedules", Some(&nobody)).await, 403);
    assert_eq!(send(&app, "HEAD", "/schedules", Some(&nobody)).await, 403);
    // What is not there is no secret, and what may be read is nobody's business.
    assert_eq!(send(&app, "GET", "/nothing", None).await, 404);
    assert_eq!(send(&app, "GET", "/schedules", Some(&app.token("maintenance:read"))).await, 200);
    app.clock.set("2026-01-05T02:01:00Z");
    assert_eq!(send(&app, "GET", "/schedules", None).await, 401);
    // Denied writes are recorded one by one.
    for _ in 0..3 {
        assert_eq!(send(&app, "POST", "/schedules", None).await, 401);
    }
    let lines = app.audit_lines(7).await;
    let told: Vec<[&str; 3]> =
        lines.iter().map(|line| ["actor", "action", "detail"].map(|name| line[name].as_str().unwrap_or_default())).collect();
    let read = ["anonymous", "list_schedules", "missing_token"];
    let write = ["anonymous", "create_schedule", "missing_token"];
    let expected = [
        read,
        ["anonymous", "list_jobs", "missing_token"],
        ["carl", "list_schedules", "insufficient_scope"],
        ["anonymous", "list_schedules", "missing_token; 4 more like it since the last one are not recorded"],
        write,
        write,
        write,
    ];
    assert_eq!(told, expected);
    for line in &lines {
        assert_eq!((&line["outcome"], line["request_id"].is_string()), (&"DENIED".into(), true));
        assert!(line.as_object().unwrap().contains_key("address"), "{line}");
    }
    app.stop().await;
    themis_maintenance::audit::verify_file(app.file("audit.jsonl")).expect("a whole chain");
}
