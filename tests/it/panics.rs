//! A bug in the code that makes a call ends that call, and nothing else.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use themis_maintenance::domain::ports::{AttemptReport, AttemptTrace, TaskCall, TaskExecutor};

use crate::support::TestApp;

struct Panics;

#[async_trait]
impl TaskExecutor for Panics {
    async fn attempt(&self, call: &TaskCall, _trace: &AttemptTrace) -> AttemptReport {
        panic!("a bug, in task {}", call.task_name);
    }

    async fn cancel(&self, _call: &TaskCall, _trace: &AttemptTrace) {}
}

#[tokio::test]
async fn an_attempt_that_panics_is_a_failed_task_and_the_service_goes_on() {
    let mut app = TestApp::builder().executor(Arc::new(Panics)).start().await;
    app.create(json!({"id":"s","name":"S","cron_expression":"0 4 * * *","tasks":["LOG_ROTATION","CACHE_WARM"]})).await;
    for _ in 0..2 {
        let job = app.run("s").await;
        assert_eq!((&job["state"], &job["tasks"][1]["outcome"]), (&json!("FAILED"), &json!("PERMANENT")), "{job}");
        assert!(!job.to_string().contains("a bug, in task"), "nothing internal is shown");
    }
    app.stop().await;
}
