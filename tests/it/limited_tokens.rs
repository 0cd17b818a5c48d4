//! Tokens that are limited to some targets or schedules: every operation of the document, with what is theirs and what is not.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use serde_json::{Value, json};
use themis_maintenance::http::openapi_json;

use crate::support::{Answer, TestApp};

/// The secret of the services that `TestApp` starts.
const SECRET: &str = "a secret that is long enough for a test of the service";
const API: &str = "/api/v1/maintenance";
/// A name that no answer to a limited caller may hold.
const FOREIGN: &str = "vault";

fn token(app: &TestApp, access: Option<Value>) -> String {
    use themis_maintenance::domain::ports::Clock as _;
    let mut claims = json!({"sub": "limited", "exp": app.clock.now().timestamp() + 600, "scope": "maintenance:admin"});
    if let Some(access) = access {
        claims["themis_access"] = access;
    }
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("a token")
}

/// A service with the targets `default`, `vault-1` and `vault-2` and the group `vaults`, whose tokens have to say what they are for.
async fn app() -> TestApp {
    let configuration = format!(
        "auth.access_claim = \"themis_access\"\n\
         targets.{FOREIGN}-1.base_url = \"http://127.0.0.1:9\"\ntargets.{FOREIGN}-2.base_url = \"http://127.0.0.1:9\"\n\
         target_groups.{FOREIGN}s = [\"{FOREIGN}-1\", \"{FOREIGN}-2\"]\n"
    );
    let app = TestApp::builder().with(&configuration).start().await;
    let everything = token(&app, Some(json!("*")));
    for (id, target) in [
        ("mine", json!({"target": "default"})),
        ("foreign-one", json!({"target": format!("{FOREIGN}-1")})),
        ("foreign-many", json!({"targets": ["default", format!("{FOREIGN}-1")]})),
        ("foreign-group", json!({"target_group": format!("{FOREIGN}s")})),
    ] {
        let created = call(&app, &everything, Method::POST, "/schedules", Some(document(id, &target))).await;
        created.expect(201);
        let run = call(&app, &everything, Method::POST, &format!("/schedules/{id}/run"), None).await;
        run.expect(202);
    }
    app
}

fn document(id: &str, target: &Value) -> Value {
    let mut document = json!({"id": id, "name": id, "cron_expression": "0 0 1 1 *", "tasks": ["LOG_ROTATION"]});
    document.as_object_mut().expect("an object").extend(target.as_object().expect("an object").clone());
    document
}

async fn call(app: &TestApp, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = app.client().request(method, format!("{}{API}{path}", app.base())).bearer_auth(token);
    Answer::of(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

/// Ids of what the limited caller may not see: schedules, and the jobs on them.
async fn foreign_ids(app: &TestApp) -> (Vec<String>, Vec<String>) {
    let everything = token(app, Some(json!("*")));
    let jobs = call(app, &everything, Method::GET, "/jobs?limit=500", None).await.expect(200);
    let jobs = jobs["jobs"].as_array().expect("a list").iter();
    let foreign =
        jobs.filter(|job| job["target"] != "default").map(|job| job["id"].as_str().expect("an id").to_owned()).collect();
    let schedules = ["foreign-one", "foreign-many", "foreign-group", "not-there"].map(str::to_owned).to_vec();
    (schedules, foreign)
}

/// Ids of freezes that the limited caller may not remove: of another target, of all targets, and of none that there is.
async fn foreign_freezes(app: &TestApp) -> Vec<String> {
    let everything = token(app, Some(json!("*")));
    let mut ids = vec!["01890a5d-ac96-774b-bcce-b302099a8057".to_owned()];
    for (month, targets) in [(1, json!([format!("{FOREIGN}-1")])), (2, Value::Null)] {
        let freeze = json!({"from":format!("2030-0{month}-01T00:00:00Z"),"to":format!("2030-0{month}-02T00:00:00Z"),"reason":"x","targets":targets});
        let made = call(app, &everything, Method::POST, "/freezes", Some(freeze)).await.expect(201);
        ids.push(made["id"].as_str().expect("an id").to_owned());
    }
    ids
}

/// Every operation of the document that names an object, as (method, path, whether it changes anything).
fn operations_on_objects() -> Vec<(Method, String)> {
    let document: Value = serde_json::from_str(&openapi_json()).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let found = paths.iter().filter_map(|(path, item)| Some((path.strip_prefix(API)?.to_owned(), item)));
    let on_objects = found.filter(|(path, _)| path.contains('{'));
    on_objects
        .flat_map(|(path, item)| {
            let methods: Vec<String> = item.as_object().expect("a path item").keys().map(|name| name.to_uppercase()).collect();
            methods.into_iter().map(move |method| (method.parse().expect("a method"), path.clone()))
        })
        .collect()
}

fn body_for(method: &Method, path: &str, id: &str) -> Option<Value> {
    match (method.as_str(), path) {
        ("PUT", _) => Some(document(id, &json!({"target": "default"}))),
        ("PATCH", _) => Some(json!({"name": "renamed"})),
        ("POST", path) if path.ends_with("/pause") => Some(json!({"reason": "x"})),
        ("POST", path) if path.ends_with("/run") => Some(json!({"force": true})),
        _ => None,
    }
}

#[tokio::test]
async fn every_operation_on_an_object_of_another_target_shows_nothing_and_changes_nothing() {
    let mut app = app().await;
    let limited = token(&app, Some(json!(["default"])));
    let (schedules, jobs) = foreign_ids(&app).await;
    let freezes = foreign_freezes(&app).await;
    let targets = [format!("{FOREIGN}-1"), "not-there".to_owned()].to_vec();
    let operations = operations_on_objects();
    assert!(operations.len() >= 10 && jobs.len() >= 3, "{operations:?}");
    for (method, path) in operations {
        let ids = match path.split('/').nth(1) {
            Some("jobs") => &jobs,
            Some("freezes") => &freezes,
            Some("targets") => &targets,
            _ => &schedules,
        };
        for id in ids {
            let body = body_for(&method, &path, id);
            let url = path.replace("{id}", id).replace("{name}", id);
            let answer = call(&app, &limited, method.clone(), &url, body).await;
            let expected = if method == Method::GET { 404 } else { 403 };
            assert_eq!(answer.status.as_u16(), expected, "{method} {path} {id}: {}", answer.text);
            // But for what the caller wrote.
            assert!(!answer.text.replace(&url, "").contains(FOREIGN), "{method} {path} {id}: {}", answer.text);
            if expected == 403 {
                assert_eq!(answer.json["code"], "outside_access");
            }
        }
    }
    let everything = token(&app, Some(json!("*")));
    for id in &schedules[..3] {
        let schedule = call(&app, &everything, Method::GET, &format!("/schedules/{id}"), None).await.expect(200);
        assert_eq!((&schedule["version"], &schedule["name"]), (&json!(1), &json!(id)));
    }
    app.stop().await;
}

#[tokio::test]
async fn lists_and_reports_hold_only_what_is_within_the_limits() {
    let mut app = app().await;
    let everything = token(&app, Some(json!("*")));
    let both = json!({"from":"2026-01-01T00:00:00Z","to":"2036-01-01T00:00:00Z","reason":"x","targets":["default", format!("{FOREIGN}-1")]});
    call(&app, &everything, Method::POST, "/freezes", Some(both)).await.expect(201);
    for access in [json!(["default", "schedule:mine"]), json!("target:default")] {
        let limited = token(&app, Some(access));
        let schedules = call(&app, &limited, Method::GET, "/schedules", None).await.expect(200);
        assert_eq!((&schedules["count"], &schedules["schedules"][0]["id"]), (&json!(1), &json!("mine")));
        let jobs = call(&app, &limited, Method::GET, "/jobs", None).await;
        for path in [
            "/jobs",
            "/jobs?target=vault-1",
            "/jobs?schedule_id=foreign-one",
            "/schedules?target=vault-1",
            "/health",
            "/task-types",
            "/freezes",
            "/targets",
        ] {
            let answer = call(&app, &limited, Method::GET, path, None).await;
            assert!(answer.status.is_success() && !answer.text.contains(&format!("{FOREIGN}-")), "{path}: {}", answer.text);
            assert!(!answer.text.contains("foreign-group"), "{path}: {}", answer.text);
        }
        assert!(jobs.json["jobs"].as_array().expect("a list").iter().all(|job| job["target"] == "default"), "{}", jobs.text);
        let health = call(&app, &limited, Method::GET, "/health", None).await.expect(200);
        assert_eq!((&health["total_schedules"], &health["enabled_schedules"]), (&json!(1), &json!(1)));
    }
    app.stop().await;
}

#[tokio::test]
async fn a_schedule_is_not_made_on_or_moved_to_another_target_and_the_refusal_names_none() {
    let mut app = app().await;
    let limited = token(&app, Some(json!(["default", "nowhere-*"])));
    let foreign = [
        json!({"target": "vault-1"}),
        json!({"target": "vault-3"}),
        json!({"targets": ["default", "vault-2"]}),
        json!({"target_group": "vaults"}),
    ];
    for target in &foreign {
        for (method, path, body) in [
            (Method::POST, "/schedules", document("new", target)),
            (Method::PUT, "/schedules/mine", document("mine", target)),
            (Method::PATCH, "/schedules/mine", target.clone()),
        ] {
            let answer = call(&app, &limited, method.clone(), path, Some(body)).await;
            assert_eq!(answer.json["code"], "outside_access", "{method} {path} {target}: {}", answer.text);
        }
    }
    let taken = call(&app, &limited, Method::POST, "/schedules", Some(document("foreign-one", &json!({})))).await;
    assert_eq!(taken.json["code"], "outside_access", "{}", taken.text);
    let unknown = call(&app, &limited, Method::POST, "/schedules", Some(document("new", &json!({"target": "nowhere-1"})))).await;
    assert_eq!((unknown.status.as_u16(), unknown.fields()), (422, vec!["target"]));
    assert!(!unknown.text.contains("vault"), "{}", unknown.text);
    app.stop().await;
}

#[tokio::test]
async fn without_the_claim_nothing_is_allowed() {
    let mut app = app().await;
    for access in [None, Some(json!([])), Some(json!(7)), Some(json!({"targets": ["default"]}))] {
        let limited = token(&app, access);
        assert_eq!(call(&app, &limited, Method::GET, "/schedules", None).await.expect(200)["count"], 0);
        assert_eq!(call(&app, &limited, Method::GET, "/jobs", None).await.expect(200)["count"], 0);
        assert_eq!(call(&app, &limited, Method::GET, "/schedules/mine", None).await.status.as_u16(), 404);
        assert_eq!(call(&app, &limited, Method::DELETE, "/schedules/mine", None).await.status.as_u16(), 403);
        assert_eq!(
            call(&app, &limited, Method::POST, "/schedules", Some(document("new", &json!({})))).await.status.as_u16(),
            403
        );
    }
    app.stop().await;
}

#[tokio::test]
async fn refused_attempts_are_in_the_audit_trail() {
    let mut app = app().await;
    let limited = token(&app, Some(json!(["default"])));
    call(&app, &limited, Method::POST, "/schedules/foreign-one/run", None).await.expect(403);
    app.stop().await;
    let trail = std::fs::read_to_string(app.file("audit.jsonl")).expect("a trail");
    let denied = trail.lines().filter(|line| line.contains("\"DENIED\"")).collect::<Vec<_>>();
    let [line] = denied.as_slice() else { panic!("{denied:?}") };
    let line: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(
        (&line["actor"], &line["object"], &line["detail"]),
        (&json!("limited"), &json!("schedule/foreign-one"), &json!("outside_access"))
    );
}
