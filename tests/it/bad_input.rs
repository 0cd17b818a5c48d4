//! Documents that break a rule: the status, the code and the field that the answer names, and that nothing has changed.

use reqwest::Method;
use serde_json::{Value, json};
use themis_maintenance::telemetry::Stopwatch;

use crate::support::{Answer, TestApp, raw};

fn sound() -> Value {
    json!({"name":"Nightly","cron_expression":"0 2 * * *","tasks":["LOG_ROTATION"]})
}

/// The sound document with some members set.
fn with(members: Value) -> Value {
    let mut document = sound();
    for (name, value) in members.as_object().expect("an object") {
        document[name] = value.clone();
    }
    document
}

fn without(name: &str) -> Value {
    let mut document = sound();
    document.as_object_mut().expect("an object").remove(name);
    document
}

/// Sends raw bytes as JSON to POST /schedules.
async fn post_bytes(app: &TestApp, body: impl Into<reqwest::Body>) -> Answer {
    Answer::of(app.request(Method::POST, "/schedules").header("content-type", "application/json").body(body)).await
}

#[track_caller]
fn assert_broken(answer: &Answer, field: &str, document: &Value) {
    assert_eq!(answer.status, 422, "{document}: {}", answer.text);
    assert_eq!(answer.json["code"], "validation_failed", "{document}");
    assert_eq!(answer.fields(), [field], "{document}: {}", answer.text);
}

#[tokio::test]
async fn each_broken_rule_is_422_with_its_field() {
    let mut app = TestApp::start().await;
    let long = |characters: usize| "ä".repeat(characters);
    let task = |members: Value| {
        let mut task = json!({"task_type":"CUSTOM"});
        task.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        with(json!({"tasks":[task]}))
    };
    let cases = [
        ("id", with(json!({"id":"../x"}))),
        ("id", with(json!({"id":"x".repeat(300)}))),
        ("id", with(json!({"id":"x".repeat(257)}))),
        ("id", with(json!({"id":""}))),
        ("id", with(json!({"id":".x"}))),
        ("id", with(json!({"id":"a..b"}))),
        ("id", with(json!({"id":"a/b"}))),
        ("id", with(json!({"id":"a b"}))),
        ("id", with(json!({"id":"ä"}))),
        ("id", with(json!({"id":"a\u{0}"}))),
        ("id", with(json!({"id":7}))),
        ("name", without("name")),
        ("name", with(json!({"name":null}))),
        ("name", with(json!({"name":5}))),
        ("name", with(json!({"name":""}))),
        ("name", with(json!({"name":" \u{a0}\u{2003}"}))),
        ("name", with(json!({"name":"a\nb"}))),
        ("name", with(json!({"name":"a\u{7f}b"}))),
        ("name", with(json!({"name":"a\u{85}b"}))),
        ("name", with(json!({"name":long(201)}))),
        ("description", with(json!({"description":long(2001)}))),
        ("description", with(json!({"description":"a\u{0}b"}))),
        ("description", with(json!({"description":[]}))),
        ("cron_expression", without("cron_expression")),
        ("cron_expression", with(json!({"cron_expression":null}))),
        ("cron_expression", with(json!({"cron_expression":5}))),
        ("cron_expression", with(json!({"cron_expression":""}))),
        ("cron_expression", with(json!({"cron_expression":"0 2 * *"}))),
        ("cron_expression", with(json!({"cron_expression":"0 25 * * *"}))),
        ("cron_expression", with(json!({"cron_expression":"0 0 30 2 *"}))),
        ("cron_expression", with(json!({"cron_expression":"0 0 31 4,6,9,11 *"}))),
        ("cron_expression", with(json!({"cron_expression":"* * * * * *"}))),
        ("cron_expression", with(json!({"cron_expression":"*/9 * * * * *"}))),
        ("cron_expression", with(json!({"cron_expression":"0,59 * * * * *"}))),
        ("cron_expression", with(json!({"cron_expression":"@reboot"}))),
        ("cron_expression", with(json!({"cron_expression":"0 2 * * * * 2030"}))),
        ("cron_expression", with(json!({"cron_expression":"0 ".repeat(100_000)}))),
        ("cron_expression", with(json!({"frequency":"DAILY"}))),
        ("cron_expression", with(json!({"frequency":"CUSTOM","cron_expression":null}))),
        ("frequency", with(json!({"frequency":"HOURLY"}))),
        ("frequency", with(json!({"frequency":true}))),
        ("tasks", without("tasks")),
        ("tasks", with(json!({"tasks":"LOG_ROTATION"}))),
        ("tasks", with(json!({"tasks":[]}))),
        ("tasks", with(json!({"tasks":vec!["CUSTOM";65]}))),
        ("tasks", with(json!({"tasks":vec!["CUSTOM";10_000]}))),
        ("tasks[1]", with(json!({"tasks":["CUSTOM","VACUUM"]}))),
        ("tasks[0]", with(json!({"tasks":[""]}))),
        ("tasks[0]", with(json!({"tasks":[null]}))),
        ("tasks[0]", with(json!({"tasks":[["CUSTOM"]]}))),
        ("tasks[0].task_type", with(json!({"tasks":[{}]}))),
        ("tasks[0].task_type", task(json!({"task_type":"VACUUM"}))),
        ("tasks[0].task_type", task(json!({"task_type":1}))),
        ("tasks[0].colour", task(json!({"colour":1}))),
        ("tasks[0].name", task(json!({"name":" "}))),
        ("tasks[0].name", task(json!({"name":"a\tb"}))),
        ("tasks[0].name", task(json!({"name":long(201)}))),
        ("tasks[0].parameters", task(json!({"parameters":[1]}))),
        ("tasks[0].depends_on", task(json!({"depends_on":"x"}))),
        ("tasks[0].depends_on[0]", task(json!({"depends_on":[1]}))),
        ("tasks[0].depends_on", task(json!({"depends_on":["nobody"]}))),
        ("tasks[0].depends_on", task(json!({"name":"me","depends_on":["me"]}))),
        ("tasks[0].timeout_seconds", task(json!({"timeout_seconds":0}))),
        ("tasks[0].timeout_seconds", task(json!({"timeout_seconds":-1}))),
        ("tasks[0].timeout_seconds", task(json!({"timeout_seconds":1.5}))),
        ("tasks[0].timeout_seconds", task(json!({"timeout_seconds":86_401}))),
        ("tasks[0].max_attempts", task(json!({"max_attempts":0}))),
        ("tasks[0].max_attempts", task(json!({"max_attempts":11}))),
        ("window_start_hour", with(json!({"window_start_hour":25}))),
        ("window_start_hour", with(json!({"window_start_hour":24}))),
        ("window_end_hour", with(json!({"window_end_hour":-1}))),
        ("window_end_hour", with(json!({"window_end_hour":24}))),
        ("window_end_hour", with(json!({"window_end_hour":"5"}))),
        ("window_end_hour", with(json!({"window_end_hour":5.5}))),
        ("enforce_window", with(json!({"enforce_window":1}))),
        ("halt_on_task_failure", with(json!({"halt_on_task_failure":"no"}))),
        ("enabled", with(json!({"enabled":"true"}))),
        ("target", with(json!({"target":"mars"}))),
        ("target", with(json!({"target":""}))),
        ("target", with(json!({"target":{}}))),
        ("max_attempts", with(json!({"max_attempts":0}))),
        ("max_attempts", with(json!({"max_attempts":11}))),
        ("max_attempts", with(json!({"max_attempts":4_294_967_297_u64}))),
        ("misfire_policy", with(json!({"misfire_policy":"ALWAYS"}))),
        ("misfire_policy", with(json!({"misfire_policy":0}))),
        ("surprise", with(json!({"surprise":null}))),
        ("Name", with(json!({"Name":"x"}))),
        ("", Value::Null),
        ("", json!([sound()])),
        ("", json!("text")),
        ("", json!(1)),
    ];
    for (field, document) in cases {
        let stopwatch = Stopwatch::start();
        let answer = app.post("/schedules", document.clone()).await;
        assert!(stopwatch.seconds() < 1.0, "{document}");
        assert_broken(&answer, field, &json!(document.to_string().chars().take(200).collect::<String>()));
    }
    assert_eq!(app.get("/schedules").await.expect(200)["count"], 0);
    app.stop().await;
}

#[tokio::test]
async fn what_lies_just_within_the_rules_is_accepted() {
    let mut app = TestApp::start().await;
    for document in [
        with(json!({"id":"x".repeat(256)})),
        with(json!({"id":"_a.b-c","name":"ä".repeat(200),"description":"ä".repeat(2000)})),
        with(json!({"description":"one\r\n\ttwo","id":null,"target":null,"enabled":null})),
        with(json!({"tasks":vec!["custom";64],"max_attempts":10,"misfire_policy":"skip","window_end_hour":23})),
        with(json!({"cron_expression":"*/10 * * * * *"})),
        with(json!({"cron_expression":"0 0 29 2 *","max_attempts":1})),
        with(json!({"tasks":[{"task_type":"CUSTOM","timeout_seconds":86_400,"max_attempts":10,"name":"ä".repeat(200)}]})),
        with(json!({"frequency":"daily","window_start_hour":3,"cron_expression":"0  3 * * *"})),
        with(json!({"version":99,"created_by":[],"warnings":0,"next_run_at":"never","last_run_state":{}})),
    ] {
        let created = app.post("/schedules", document.clone()).await;
        assert_eq!(created.status, 201, "{document}: {}", created.text);
        assert_eq!(created.json["version"], 1);
    }
    app.stop().await;
}

#[tokio::test]
async fn an_expression_that_never_matches_is_refused_within_50_ms() {
    let mut app = TestApp::start().await;
    for expression in ["0 0 30 2 *", "0 0 31 2 *", "0 0 31 4,6,9,11 *", "59 59 23 30 2 *"] {
        // The fastest of some, because other tests share the machine.
        let mut fastest = f64::MAX;
        for _ in 0..10 {
            let stopwatch = Stopwatch::start();
            let answer = app.post("/schedules", with(json!({"cron_expression":expression}))).await;
            fastest = fastest.min(stopwatch.seconds());
            assert_broken(&answer, "cron_expression", &json!(expression));
            assert!(answer.json["detail"].as_str().unwrap().contains("never matches"), "{}", answer.text);
        }
        assert!(fastest < 0.05, "{expression}: {fastest} s");
    }
    app.stop().await;
}

#[tokio::test]
async fn tasks_that_wait_for_each_other_or_share_a_name_are_refused() {
    let mut app = TestApp::start().await;
    let named = |name: &str, after: &[&str]| json!({"task_type":"CUSTOM","name":name,"depends_on":after});
    for (tasks, field) in [
        (json!([named("a", &["b"]), named("b", &["a"])]), "tasks[0].depends_on"),
        (json!([named("z", &[]), named("a", &["c"]), named("b", &["a"]), named("c", &["b"])]), "tasks[1].depends_on"),
        (json!([named("a", &[]), named("b", &["a", "A"])]), "tasks[1].depends_on"),
        (json!([named("a", &[]), named("b", &[]), named("a", &[])]), "tasks[2].name"),
    ] {
        assert_broken(&app.post("/schedules", with(json!({"tasks":tasks}))).await, field, &tasks);
    }
    let tasks = json!([named("last", &["CUSTOM", "CUSTOM-2"]), "CUSTOM", "CUSTOM"]);
    app.post("/schedules", with(json!({"tasks":tasks}))).await.expect(201);
    app.stop().await;
}

#[tokio::test]
async fn bytes_that_are_not_one_json_document_are_400() {
    let mut app = TestApp::start().await;
    let mut not_utf8 = sound().to_string().into_bytes();
    let place = not_utf8.iter().position(|byte| *byte == b'N').unwrap();
    not_utf8[place] = 0xff;
    let cases: Vec<Vec<u8>> = vec![
        b"{".to_vec(),
        b"{}{}".to_vec(),
        b"nonsense".to_vec(),
        b" ".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        not_utf8,
        br#"{"name":"a","name":"a"}"#.to_vec(),
        br#"{"name":"a","na\u006de":"b"}"#.to_vec(),
        br#"{"tasks":[{"task_type":"CUSTOM","task_type":"CUSTOM"}]}"#.to_vec(),
        br#"{"tasks":[{"task_type":"CUSTOM","parameters":{"a":{"b":[{"c":1,"c":1}]}}}]}"#.to_vec(),
        br#"{"version":1,"version":2}"#.to_vec(),
        "[".repeat(100_000).into_bytes(),
        (r#"{"a":"#.repeat(20_000) + "1" + &"}".repeat(20_000)).into_bytes(),
        br#"{"name":"\ud800"}"#.to_vec(),
        br#"{"max_attempts":1e999}"#.to_vec(),
    ];
    for body in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let answer = post_bytes(&app, body).await;
        assert_eq!((answer.status.as_u16(), &answer.json["code"]), (400, &json!("malformed_json")), "{shown}: {}", answer.text);
    }
    let answer = post_bytes(&app, "").await;
    assert_eq!((answer.status.as_u16(), &answer.json["code"]), (400, &json!("missing_body")));
    app.stop().await;
}

/// What is accepted has to be there again after a restart, and readers with the usual limit of 128 levels have to be able to read it.
#[tokio::test]
async fn whatever_is_accepted_survives_a_restart_however_deep_and_odd_it_is() {
    let mut app = TestApp::start().await;
    let deep = |levels: usize| {
        let value = "[".repeat(levels) + &"]".repeat(levels);
        format!(
            r#"{{"name":"deep {levels}","cron_expression":"@daily","tasks":[{{"task_type":"CUSTOM","parameters":{{"a":{value}}}}}]}}"#
        )
    };
    let mut accepted = 0;
    for levels in 20..140 {
        let answer = post_bytes(&app, deep(levels)).await;
        match answer.status.as_u16() {
            201 => accepted += 1,
            _ => assert_eq!(answer.expect(400)["code"], "malformed_json"),
        }
    }
    let odd = with(
        json!({"id":"odd","name":"\u{2028}\u{feff}'; DROP TABLE schedules; --","tasks":[{"task_type":"CUSTOM","parameters":{
        "":"\u{0}\u{1f}\u{10ffff}","a\"b\\":[1.0,-0.0,1e300,u64::MAX,i64::MIN,null],"$serde_json::private::Number":"1"}}]}),
    );
    accepted += 1;
    let before = app.create(odd).await;
    app.restart().await;
    assert_eq!(app.get("/schedules/odd").await.expect(200), before);
    let page = app.get("/schedules?limit=1000").await;
    assert_eq!(page.json["count"], accepted, "{}", page.text.len());
    app.stop().await;
}

#[tokio::test]
async fn a_body_over_256_kib_is_413_whether_announced_or_not() {
    let mut app = TestApp::start().await;
    for (size, status) in [(1_000_000, 413), (262_145, 413), (262_144, 422)] {
        let document = json!({"description":""}).to_string();
        let body = json!({"description":"x".repeat(size - document.len())}).to_string();
        assert_eq!(body.len(), size);
        let answer = post_bytes(&app, body.clone()).await;
        assert_eq!(answer.status, status, "{size}");
        if status == 413 {
            assert_eq!(answer.json["code"], "body_too_large");
        }
    }
    // In chunks, so that nobody knows the length beforehand.
    let chunk = [b"20000\r\n".to_vec(), vec![b' '; 0x20000], b"\r\n".to_vec()].concat();
    let token = format!("Authorization: Bearer {}", app.token("maintenance:admin"));
    let headers = [token.as_str(), "Content-Type: application/json", "Transfer-Encoding: chunked"];
    let answer = raw(&app, "POST", "/api/v1/maintenance/schedules", &headers, &chunk.repeat(4)).await;
    assert_eq!((answer.status.as_u16(), &answer.json["code"]), (413, &json!("body_too_large")));
    // Without a token nobody gets so far.
    let answer = raw(&app, "POST", "/api/v1/maintenance/schedules", &headers[1..], &chunk.repeat(4)).await;
    assert_eq!(answer.status, 401);
    app.stop().await;
}

#[tokio::test]
async fn the_content_type_decides_what_is_read() {
    let mut app = TestApp::start().await;
    app.create(with(json!({"id":"s"}))).await;
    let types = [
        "application/json",
        "application/merge-patch+json",
        "text/plain",
        "application/jsonx",
        "application/x-www-form-urlencoded",
    ];
    for (method, path, accepted) in [("POST", "/schedules", 1), ("PUT", "/schedules/s", 1), ("PATCH", "/schedules/s", 2)] {
        let request = |content_type: Option<&str>| {
            let request = app.request(method.parse().unwrap(), path).body(sound().to_string());
            content_type.map_or(app.request(method.parse().unwrap(), path).body(sound().to_string()), |value| {
                request.header("content-type", value)
            })
        };
        for (index, content_type) in types.iter().enumerate() {
            let answer = Answer::of(request(Some(content_type))).await;
            if index < accepted {
                assert!(answer.status.is_success(), "{method} {content_type}: {}", answer.text);
            } else {
                assert_eq!(
                    (answer.status.as_u16(), &answer.json["code"]),
                    (415, &json!("unsupported_media_type")),
                    "{method} {content_type}"
                );
            }
        }
        assert_eq!(Answer::of(request(None)).await.status, 415, "{method}");
        let compressed = request(Some("application/json")).header("content-encoding", "gzip");
        assert_eq!(Answer::of(compressed).await.status, 415, "{method}");
        let latin = request(Some("application/json; charset=iso-8859-1"));
        assert_eq!(Answer::of(latin).await.status, 415, "{method}");
        let utf8 = request(Some("application/json; charset=utf-8"));
        assert!(Answer::of(utf8).await.status.is_success(), "{method}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_refused_write_changes_nothing() {
    let mut app = TestApp::start().await;
    app.create(with(json!({"id":"s","tasks":["LOG_ROTATION","CACHE_WARM"]}))).await;
    let before = app.get("/schedules/s").await;
    let whole = |members: Value| with(members);
    for (method, body, status) in [
        ("PUT", whole(json!({"name":"New","window_start_hour":25})), 422),
        ("PUT", whole(json!({"name":"New","id":"other"})), 422),
        ("PUT", json!({"name":"New"}), 422),
        ("PUT", json!([]), 422),
        ("PUT", Value::Null, 422),
        ("PATCH", json!({"name":"New","window_start_hour":25}), 422),
        ("PATCH", json!({"name":"New","id":"other"}), 422),
        ("PATCH", json!({"name":"New","surprise":null}), 422),
        ("PATCH", json!({"name":null}), 422),
        ("PATCH", json!({"tasks":null}), 422),
        ("PATCH", json!({"tasks":[]}), 422),
        ("PATCH", json!({"cron_expression":null}), 422),
        ("PATCH", json!({"cron_expression":"0 0 30 2 *","name":"New"}), 422),
        ("PATCH", json!({"frequency":"DAILY","cron_expression":"0 5 * * *"}), 422),
        ("PATCH", json!([]), 422),
        ("PATCH", Value::Null, 422),
        ("POST", whole(json!({"id":"s","name":"New"})), 409),
    ] {
        let path = if method == "POST" { "/schedules" } else { "/schedules/s" };
        let answer = Answer::of(app.request(method.parse().unwrap(), path).json(&body)).await;
        assert_eq!(answer.status, status, "{method} {body}: {}", answer.text);
        let after = app.get("/schedules/s").await;
        assert_eq!((&after.json, after.header("etag")), (&before.json, before.header("etag")), "{method} {body}");
    }
    let answer =
        Answer::of(app.request(Method::PATCH, "/schedules/s").header("if-match", "\"s:9\"").json(&json!({"name":"New"}))).await;
    assert_eq!(answer.expect(412)["code"], "precondition_failed");
    for (method, path) in [("PUT", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/enable"), ("POST", "/disable")] {
        for tags in ["\"s:9\"", "\"\"", &format!("W/{}", before.header("etag"))] {
            let request = app.request(method.parse().unwrap(), &format!("/schedules/s{path}")).header("if-match", tags);
            let answer = Answer::of(request.json(&with(json!({"name":"New"})))).await;
            assert_eq!(answer.expect(412)["code"], "precondition_failed", "{method} {path} {tags}");
        }
    }
    assert_eq!(app.get("/schedules/s").await.json, before.json);
    app.stop().await;
}

#[tokio::test]
async fn put_of_an_unknown_id_is_404_and_creates_nothing() {
    let mut app = TestApp::start().await;
    for body in [sound(), json!({"id":"unknown"}), json!({})] {
        assert_eq!(app.put("/schedules/unknown", body.clone()).await.expect(404)["code"], "schedule_not_found", "{body}");
        assert_eq!(app.patch("/schedules/unknown", body).await.expect(404)["code"], "schedule_not_found");
    }
    assert_eq!(app.get("/schedules").await.expect(200)["count"], 0);
    app.stop().await;
}

#[tokio::test]
async fn a_preset_and_another_expression_do_not_go_together() {
    let mut app = TestApp::start().await;
    app.create(with(json!({"id":"s","frequency":"DAILY","cron_expression":null,"window_start_hour":3}))).await;
    let before = app.get("/schedules/s").await.expect(200);
    for patch in [
        json!({"cron_expression":"0 5 * * *"}),
        json!({"cron_expression":"0 3 * * *","window_start_hour":4}),
        json!({"frequency":"WEEKLY","cron_expression":"0 3 * * *"}),
    ] {
        assert_broken(&app.patch("/schedules/s", patch.clone()).await, "cron_expression", &patch);
        assert_eq!(app.get("/schedules/s").await.expect(200), before);
    }
    for (patch, frequency, expression) in [
        (json!({"cron_expression":"0 3 * * *"}), "DAILY", "0 3 * * *"),
        (json!({"cron_expression":null}), "DAILY", "0 3 * * *"),
        (json!({"frequency":"custom"}), "CUSTOM", "0 3 * * *"),
        (json!({"frequency":"monthly"}), "MONTHLY", "0 3 1 * *"),
        (json!({"frequency":null,"cron_expression":"@hourly"}), "CUSTOM", "@hourly"),
    ] {
        let now = app.patch("/schedules/s", patch.clone()).await.expect(200);
        assert_eq!((&now["frequency"], &now["cron_expression"]), (&json!(frequency), &json!(expression)), "{patch}");
        let again = app.put("/schedules/s", now.clone()).await.expect(200);
        assert_eq!(again, now, "what was read can be sent back");
    }
    app.stop().await;
}

/// `next_run_at` after each kind of edit. The clock stands at 02:00 on Monday, 5 January.
#[tokio::test]
async fn the_next_run_follows_every_edit() {
    let mut app = TestApp::start().await;
    let created = app.create(with(json!({"id":"s","frequency":"DAILY","cron_expression":null,"window_start_hour":3}))).await;
    assert_eq!((&created["next_run_at"], &created["cron_expression"]), (&json!("2026-01-05T03:00:00.000Z"), &json!("0 3 * * *")));
    for (patch, next) in [
        (json!({"window_start_hour":1}), json!("2026-01-06T01:00:00.000Z")),
        (json!({"frequency":"WEEKLY"}), json!("2026-01-11T01:00:00.000Z")),
        (json!({"frequency":"MONTHLY"}), json!("2026-02-01T01:00:00.000Z")),
        (json!({"frequency":"QUARTERLY"}), json!("2026-04-01T01:00:00.000Z")),
        (json!({"enabled":false}), Value::Null),
        (json!({"window_start_hour":7}), Value::Null),
        (json!({"enabled":true}), json!("2026-04-01T07:00:00.000Z")),
        (json!({"frequency":"CUSTOM","cron_expression":"30 2 * * *"}), json!("2026-01-05T02:30:00.000Z")),
        (json!({"cron_expression":"0 0 13 * 5"}), json!("2026-01-09T00:00:00.000Z")),
        (json!({"name":"Other"}), json!("2026-01-09T00:00:00.000Z")),
    ] {
        let patched = app.patch("/schedules/s", patch.clone()).await.expect(200);
        assert_eq!(patched["next_run_at"], next, "{patch}");
        assert_eq!(app.get("/schedules/s").await.expect(200)["next_run_at"], next, "{patch}");
    }
    let put = app.put("/schedules/s", with(json!({"cron_expression":"@hourly"}))).await.expect(200);
    assert_eq!(put["next_run_at"], "2026-01-05T03:00:00.000Z");
    let disabled = app.post("/schedules/s/disable", json!({})).await.expect(200);
    assert_eq!(disabled["next_run_at"], Value::Null);
    app.clock.set("2026-01-05T09:30:00Z");
    let enabled = app.post("/schedules/s/enable", json!({})).await.expect(200);
    assert_eq!(enabled["next_run_at"], "2026-01-05T10:00:00.000Z");
    app.restart().await;
    assert_eq!(app.get("/schedules/s").await.expect(200)["next_run_at"], "2026-01-05T10:00:00.000Z");
    app.stop().await;
}
