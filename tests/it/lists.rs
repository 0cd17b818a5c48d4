//! Tasks whose parameters are a list: one call for each, reported one by one.

use serde_json::{Value, json};
use themis_maintenance::sandbox::{Fault, FaultKind};

use crate::support::TestApp;

fn rebuild(parameters: Value) -> Value {
    json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","max_attempts":1,
        "tasks":[{"task_type":"INDEX_REBUILD","parameters":parameters},"LOG_ROTATION"]})
}

fn of_items<'a>(job: &'a Value, field: &str) -> Vec<&'a Value> {
    job["tasks"][0]["items"].as_array().expect("a list").iter().map(|item| &item[field]).collect()
}

#[tokio::test]
async fn every_object_of_a_list_is_a_call_of_its_own() {
    let mut app = TestApp::start().await;
    let list =
        json!([{"table":"orders","column":"status"},{"table":"nowhere","column":"c"},{"table":"customers","column":"email"}]);
    let created = app.create(rebuild(list.clone())).await;
    assert_eq!(created["tasks"][0]["parameters"], list);
    let job = app.run("s").await;
    assert_eq!(of_items(&job, "state"), ["SUCCEEDED", "FAILED", "SUCCEEDED"], "{job}");
    assert_eq!(of_items(&job, "parameters"), list.as_array().expect("a list").iter().collect::<Vec<_>>());
    assert!(of_items(&job, "result_summary")[0]["entry_count"].is_u64(), "{job}");
    let task = &job["tasks"][0];
    assert_eq!((&task["state"], &task["attempts"]), (&json!("FAILED"), &json!(3)));
    assert_eq!(task["result_summary"], json!({"calls": 3, "succeeded": 2, "failed": 1}));
    assert!(task["error_message"].as_str().expect("a message").contains("number 2"), "{task}");
    assert_eq!((&job["tasks"][1]["state"], &job["tasks"][1]["items"]), (&json!("SUCCEEDED"), &json!([])));
    let requests = app.sandbox.requests();
    let keys: Vec<&str> = requests.iter().filter_map(|request| request.header("idempotency-key")).collect();
    assert_eq!(
        keys.iter().collect::<std::collections::HashSet<_>>().len(),
        keys.len(),
        "each call has a key of its own: {keys:?}"
    );
    app.stop().await;
}

#[tokio::test]
async fn a_retry_repeats_only_the_calls_that_failed() {
    let mut app = TestApp::start().await;
    app.sandbox.script(Fault::times(1, "/index/rebuild", FaultKind::status("500".parse().expect("a status"))));
    app.create(rebuild(json!([{"table":"orders","column":"status"},{"table":"customers","column":"email"}]))).await;
    let failed = app.run("s").await;
    assert_eq!(of_items(&failed, "state"), ["FAILED", "SUCCEEDED"]);
    app.sandbox.clear_requests();
    let again = app.post(&format!("/jobs/{}/retry", failed["id"].as_str().expect("an id")), json!({})).await.expect(202);
    let job = app.ended(again["id"].as_str().expect("an id")).await;
    assert_eq!((&job["state"], of_items(&job, "state")), (&json!("SUCCEEDED"), vec![&json!("SUCCEEDED"); 2]));
    let rebuilds = app.sandbox.requests().into_iter().filter(|request| request.path == "/index/rebuild").count();
    assert_eq!(rebuilds, 1);
    app.stop().await;
}

#[tokio::test]
async fn lists_that_are_none_are_refused_with_their_field() {
    let mut app = TestApp::start().await;
    for parameters in [json!([]), json!([1]), json!("x"), json!(vec![json!({}); 257])] {
        let refused = app.post("/schedules", rebuild(parameters)).await;
        assert_eq!(refused.fields(), ["tasks[0].parameters"], "{}", refused.text);
        refused.expect(422);
    }
    app.stop().await;
}
