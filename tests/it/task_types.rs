//! The list of task types: all of them, where each can be carried out, and in which letters they are read.

use serde_json::{Value, json};

use crate::support::TestApp;

const ALL: [&str; 19] = [
    "INDEX_REBUILD",
    "INDEX_OPTIMIZE",
    "INDEX_CONSISTENCY_CHECK",
    "STORAGE_COMPACTION",
    "WAL_ARCHIVING",
    "BACKUP_VERIFICATION",
    "METRICS_COLLECTION",
    "LOG_ROTATION",
    "CACHE_WARM",
    "DEAD_LETTER_DRAIN",
    "REPLICA_VALIDATION",
    "MVCC_CLEANUP",
    "SCHEMA_VALIDATION",
    "RETENTION_ENFORCEMENT",
    "STATISTICS_UPDATE",
    "SECURITY_SCAN",
    "AUDIT_LOG_FLUSH",
    "BLOOM_FILTER_REBUILD",
    "CUSTOM",
];

#[tokio::test]
async fn all_nineteen_are_listed_with_their_targets_and_parameters() {
    let configuration = "targets.other.base_url = \"http://127.0.0.1:9\"\ntargets.other.endpoints.INDEX_REBUILD = { disabled = true }\n\
                         endpoints.SECURITY_SCAN = { disabled = true }";
    let mut app = TestApp::builder().with(configuration).start().await;
    let list = app.get("/task-types").await.expect(200);
    assert_eq!(list["count"], 19);
    let types = list["task_types"].as_array().unwrap();
    let names: Vec<&str> = types.iter().map(|item| item["task_type"].as_str().unwrap()).collect();
    assert_eq!(names, ALL);
    for item in types {
        let members: Vec<&String> = item.as_object().unwrap().keys().collect();
        assert_eq!(members, ["task_type", "description", "targets", "required_parameters"]);
        assert!(item["description"].as_str().unwrap().len() > 10, "{item}");
    }
    let of = |name: &str| types.iter().find(|item| item["task_type"] == name).unwrap();
    assert_eq!(
        (&of("INDEX_REBUILD")["targets"], &of("INDEX_REBUILD")["required_parameters"]),
        (&json!(["default"]), &json!(["table", "column"]))
    );
    assert_eq!(of("METRICS_COLLECTION")["targets"], json!(["default", "other"]));
    assert_eq!(of("SECURITY_SCAN")["targets"], json!([]));
    app.get("/task-types?limit=1").await.expect(400);
    app.stop().await;
}

#[tokio::test]
async fn every_type_is_read_in_any_case_and_shown_in_upper_case() {
    let mut app = TestApp::start().await;
    let spelled: Vec<Value> = ALL
        .iter()
        .enumerate()
        .map(|(index, name)| match index % 3 {
            0 => json!(name.to_lowercase()),
            1 => json!({"task_type":name.to_lowercase().replace('i', "I"),"name":format!("step {index}")}),
            _ => json!(name),
        })
        .collect();
    let created = app.create(json!({"name":"S","cron_expression":"@daily","tasks":spelled})).await;
    let shown: Vec<&str> =
        created["tasks"].as_array().unwrap().iter().map(|task| task.as_str().or(task["task_type"].as_str()).unwrap()).collect();
    assert_eq!(shown, ALL);
    for wrong in ["INDEX-REBUILD", " INDEX_REBUILD", "INDEX_REBUILD ", "INDEXREBUILD", "İNDEX_REBUILD", "*"] {
        let answer = app.post("/schedules", json!({"name":"S","cron_expression":"@daily","tasks":[wrong]})).await;
        assert_eq!((answer.status.as_u16(), answer.fields()), (422, vec!["tasks[0]"]), "{wrong}");
    }
    app.stop().await;
}
