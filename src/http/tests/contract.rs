//! What the OpenAPI document says of every operation holds for every operation.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use serde_json::Value;

use super::support::{API, TestService, empty, request};
use crate::http::{ProblemKind, openapi_json};

struct Operation {
    method: String,
    path: String,
    document: Value,
}

impl Operation {
    fn name(&self) -> &str {
        self.document["operationId"].as_str().expect("an operation id")
    }

    /// The path with an id that nothing has.
    fn url(&self) -> String {
        self.path.replace("{id}", "01890a5d-ac96-774b-bcce-b302099a8057").replace("{name}", "default")
    }

    fn scope(&self) -> &str {
        self.document
            .pointer("/security/0/bearer/0")
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("{} has no scope", self.name()))
    }

    fn tags(&self) -> Vec<&str> {
        self.document["tags"].as_array().expect("tags").iter().map(|tag| tag.as_str().expect("a tag")).collect()
    }

    fn statuses(&self) -> BTreeSet<&str> {
        self.document["responses"].as_object().expect("responses").keys().map(String::as_str).collect()
    }
}

fn document() -> Value {
    serde_json::from_str(&openapi_json()).expect("JSON")
}

fn operations() -> Vec<Operation> {
    let document = document();
    let paths = document["paths"].as_object().expect("paths");
    let of_path = |(path, item): (&String, &Value)| {
        let methods = item.as_object().expect("a path item").clone();
        let path = path.clone();
        methods.into_iter().map(move |(method, document)| Operation {
            method: method.to_uppercase(),
            path: path.clone(),
            document,
        })
    };
    paths.iter().flat_map(of_path).collect()
}

fn api_operations() -> Vec<Operation> {
    operations().into_iter().filter(|operation| operation.path.starts_with(API)).collect()
}

#[test]
fn the_document_has_the_routes_of_the_contract() {
    let listed: BTreeMap<String, (String, String)> = api_operations()
        .iter()
        .map(|operation| {
            let route = format!("{} {}", operation.method, operation.path.replace(API, ""));
            (route, (operation.scope().replace("maintenance:", ""), operation.tags().join(" ")))
        })
        .collect();
    let expected = [
        ("DELETE /freezes/{id}", "admin", "freezes extension"),
        ("DELETE /schedules/{id}", "admin", "schedules"),
        ("GET /freezes", "read", "freezes extension"),
        ("GET /health", "read", "health"),
        ("GET /jobs", "read", "jobs"),
        ("GET /jobs/{id}", "read", "jobs"),
        ("GET /jobs/{id}/events", "read", "jobs extension"),
        ("GET /schedules", "read", "schedules"),
        ("GET /schedules/{id}", "read", "schedules"),
        ("GET /schedules/{id}/preview", "read", "schedules extension"),
        ("GET /targets", "read", "targets extension"),
        ("GET /task-types", "read", "schedules extension"),
        ("PATCH /schedules/{id}", "write", "schedules"),
        ("POST /jobs/{id}/cancel", "write", "jobs extension"),
        ("POST /jobs/{id}/retry", "write", "jobs extension"),
        ("POST /freezes", "admin", "freezes extension"),
        ("POST /pause", "admin", "targets extension"),
        ("POST /resume", "admin", "targets extension"),
        ("POST /schedules", "write", "schedules"),
        ("POST /schedules/{id}/disable", "write", "schedules"),
        ("POST /schedules/{id}/enable", "write", "schedules"),
        ("POST /schedules/{id}/pause", "write", "schedules extension"),
        ("POST /schedules/{id}/resume", "write", "schedules extension"),
        ("POST /schedules/{id}/run", "write", "schedules extension"),
        ("POST /schedules/{id}/skip-next", "write", "schedules extension"),
        ("POST /targets/{name}/pause", "admin", "targets extension"),
        ("POST /targets/{name}/resume", "admin", "targets extension"),
        ("PUT /schedules/{id}", "write", "schedules"),
    ];
    let expected: BTreeMap<String, (String, String)> =
        expected.into_iter().map(|(route, scope, tags)| (route.to_owned(), (scope.to_owned(), tags.to_owned()))).collect();
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn without_a_token_every_operation_is_401() {
    let service = TestService::with_a_schedule();
    for operation in api_operations() {
        let answer = service.send(empty(request(&operation.method, &operation.url()))).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", operation.name());
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{}", operation.name());
        assert_eq!(answer.code(), "missing_token", "{}", operation.name());
    }
}

#[tokio::test]
async fn with_too_little_scope_every_operation_is_403_and_names_the_scope() {
    let service = TestService::with_a_schedule();
    for operation in api_operations() {
        let needed = operation.scope();
        assert_eq!(operation.document["x-required-scope"], needed);
        let lower = match needed {
            "maintenance:read" => vec!["", "other:admin"],
            "maintenance:write" => vec!["", "maintenance:read"],
            _ => vec!["", "maintenance:read", "maintenance:read maintenance:write"],
        };
        for scope in lower {
            let answer = service.call(&operation.method, &operation.url(), scope, "not even JSON").await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{} with '{scope}'", operation.name());
            let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{needed}\"");
            assert_eq!(answer.header("www-authenticate"), challenge);
            assert_eq!(answer.code(), "insufficient_scope");
            assert!(answer.json()["detail"].as_str().expect("a detail").contains(needed));
        }
    }
}

#[tokio::test]
async fn with_the_scope_of_the_document_no_operation_is_401_or_403() {
    // One place in the mailbox, taken: commands are answered at once with 503.
    let service = TestService::with(crate::http::HttpSettings::default(), &[], 1);
    let handle = service.state.handle.clone();
    let _waiting = tokio::spawn(async move {
        let caller = crate::domain::principal::Caller {
            subject: "bob".into(),
            request_id: None,
            address: None,
            access: crate::domain::access::Access::UNLIMITED,
        };
        handle.cancel_job(caller, crate::domain::ids::JobId(uuid::Uuid::nil())).await
    });
    tokio::task::yield_now().await;
    for operation in api_operations() {
        let answer = service.call(&operation.method, &operation.url(), operation.scope(), "{}").await;
        let status = answer.status.as_str().to_owned();
        assert!(!matches!(status.as_str(), "401" | "403"), "{}: {answer:?}", operation.name());
        assert!(operation.statuses().contains(status.as_str()), "{}: {status} is not in the document", operation.name());
    }
}

#[tokio::test]
async fn no_operation_passes_over_an_unknown_query_parameter() {
    let service = TestService::with_a_schedule();
    for operation in api_operations() {
        let url = format!(
            "{}?no_such=true",
            operation
                .path
                .replace("/schedules/{id}", "/schedules/nightly")
                .replace("{id}", "01890a5d-ac96-774b-bcce-b302099a8057")
                .replace("{name}", "default")
        );
        let answer = service.call(&operation.method, &url, "maintenance:admin", "{}").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", operation.name());
        assert_eq!(answer.json()["errors"][0]["field"], "no_such", "{}", operation.name());
    }
}

#[test]
fn every_operation_is_described_in_full() {
    for operation in operations() {
        let name = operation.name();
        assert!(operation.document["security"].is_array(), "{name} does not say whether it needs a token");
        assert!(operation.document["summary"].as_str().is_some_and(|text| !text.is_empty()), "{name} has no summary");
        assert!(operation.document["description"].as_str().is_some_and(|text| !text.is_empty()), "{name} has no description");
        for parameter in operation.document["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].as_str().is_some_and(|text| !text.is_empty()), "{name}: {parameter}");
        }
        if let Some(body) = operation.document.get("requestBody") {
            for content in body["content"].as_object().expect("content").values() {
                assert!(content.get("example").is_some(), "{name} has a body without an example");
            }
        }
        let codes: BTreeSet<u16> = ProblemKind::ALL.iter().map(|kind| kind.status().as_u16()).collect();
        for (status, response) in operation.document["responses"].as_object().expect("responses") {
            assert!(response["headers"].get("X-Request-Id").is_some(), "{name} {status}");
            let status: u16 = status.parse().expect("a status");
            if status >= 400 {
                assert!(codes.contains(&status), "{name}: {status} is not in the table");
                let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{name} {status}");
                assert_eq!(response["headers"].get("Retry-After").is_some(), matches!(status, 429 | 503), "{name} {status}");
                assert_eq!(response["headers"].get("WWW-Authenticate").is_some(), matches!(status, 401 | 403), "{name} {status}");
            }
        }
        if operation.path.starts_with(API) {
            for status in ["400", "401", "403", "429", "500", "503"] {
                assert!(operation.statuses().contains(status), "{name} lacks {status}");
            }
        }
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere_and_every_schema_is_used() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    found.insert(reference.clone());
                }
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let unused: Vec<&String> = schemas.keys().filter(|name| !found.contains(&format!("#/components/schemas/{name}"))).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn the_document_is_the_same_every_time_and_its_schemas_have_descriptions() {
    let again = crate::http::openapi().to_pretty_json().expect("JSON") + "\n";
    assert_eq!(again, openapi_json());
    for (name, schema) in document()["components"]["schemas"].as_object().expect("schemas") {
        assert!(schema["description"].as_str().is_some_and(|text| !text.is_empty()), "{name} has no description");
    }
}

#[test]
fn the_list_of_operations_is_that_of_the_document() {
    let documented = operations().into_iter().map(|operation| {
        let last = operation.statuses().into_iter().rfind(|status| status.starts_with('2')).map(str::to_owned);
        let id = operation.document["operationId"].as_str().expect("an id").to_owned();
        (operation.method, operation.path, id, last.expect("a success"))
    });
    let listed = crate::http::operations().iter().map(|operation| {
        (operation.method.to_string(), operation.route.clone(), operation.id.clone(), operation.success.to_string())
    });
    assert_eq!(listed.collect::<BTreeSet<_>>(), documented.collect::<BTreeSet<_>>());
}

#[test]
fn fields_of_answers_are_required_and_null_is_allowed_where_there_may_be_no_value() {
    let document = document();
    for name in [
        "Schedule",
        "TaskDetails",
        "Job",
        "JobTask",
        "HealthReport",
        "HealthModule",
        "TaskTypeInfo",
        "Problem",
        "JobList",
        "ScheduleList",
    ] {
        let schema = &document["components"]["schemas"][name];
        let properties: BTreeSet<&String> = schema["properties"].as_object().unwrap_or_else(|| panic!("{name}")).keys().collect();
        let required: BTreeSet<String> = schema["required"]
            .as_array()
            .expect("required")
            .iter()
            .map(|field| field.as_str().expect("a name").to_owned())
            .collect();
        let always = properties.into_iter().filter(|field| *field != "next_fires");
        assert_eq!(always.collect::<BTreeSet<_>>(), required.iter().collect(), "{name}");
    }
    let last_run_at = &document["components"]["schemas"]["Schedule"]["properties"]["last_run_at"];
    assert_eq!(last_run_at["type"], serde_json::json!(["string", "null"]));
    assert_eq!(last_run_at["format"], "date-time");
}

#[test]
fn values_of_closed_vocabularies_are_spelled_as_on_the_wire() {
    let document = document();
    let mut seen = 0;
    for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
        for value in schema["enum"].as_array().into_iter().flatten() {
            let value = value.as_str().expect("text");
            assert!(value.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'), "{name}: {value}");
            seen += 1;
        }
    }
    assert_eq!(seen, 5 + 4 + 6 + 2 + 4 + 14 + 19 + 3 + 3 + 6 + 6 + 3);
    let body = &document["paths"]["/api/v1/maintenance/schedules/{id}/run"]["post"]["requestBody"];
    assert_eq!(body["content"]["application/json"]["schema"]["$ref"], "#/components/schemas/RunRequest");
    assert!(body.get("required").is_none());
}
