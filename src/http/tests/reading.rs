//! Reads, which the view answers without the actor.

use axum::http::StatusCode;
use serde_json::json;

use super::support::{API, TestService};

const READ: &str = "maintenance:read";

#[tokio::test]
async fn a_schedule_is_shown_with_every_field_and_its_etag() {
    let service = TestService::with_a_schedule();
    let answer = service.call("GET", &format!("{API}/schedules/nightly"), READ, "").await;
    assert_eq!((answer.status, answer.header("etag")), (StatusCode::OK, "\"nightly:1\""));
    let warnings = answer.json()["warnings"].clone();
    assert_eq!(warnings.as_array().expect("warnings").len(), 2, "{warnings}");
    assert_eq!(
        answer.json(),
        json!({
            "id": "nightly",
            "name": "Nightly",
            "description": "",
            "cron_expression": "0 2 * * *",
            "frequency": "CUSTOM",
            "tasks": ["INDEX_REBUILD", {
                "task_type": "CUSTOM",
                "name": "x",
                "parameters": {"endpoint": "y"},
                "depends_on": [],
                "timeout_seconds": null,
                "max_attempts": null,
            }],
            "window_start_hour": 0,
            "window_end_hour": 0,
            "enforce_window": true,
            "halt_on_task_failure": false,
            "enabled": true,
            "target": "default",
            "targets": null,
            "target_group": null,
            "max_attempts": 3,
            "misfire_policy": "RUN_ONCE",
            "fit_check": false,
            "on_window_close": "STOP_BEFORE_NEXT_TASK",
            "labels": {},
            "created_at": "2026-01-31T02:00:00.000Z",
            "updated_at": "2026-01-31T02:00:00.000Z",
            "created_by": "alice",
            "updated_by": "alice",
            "version": 1,
            "last_run_at": null,
            "last_run_state": null,
            "last_job_id": null,
            "next_run_at": "2026-01-31T02:00:00.000Z",
            "pause": null,
            "skip_next": null,
            "task_durations_ms": {},
            "warnings": warnings,
        })
    );
}

#[tokio::test]
async fn lists_say_how_many_items_they_hold() {
    let service = TestService::with_a_schedule();
    let schedules = service.call("GET", &format!("{API}/schedules"), READ, "").await.json();
    assert_eq!((&schedules["count"], &schedules["next_cursor"]), (&json!(1), &json!(null)));
    assert_eq!(schedules["schedules"][0]["id"], "nightly");
    let disabled = service.call("GET", &format!("{API}/schedules?enabled=false"), READ, "").await.json();
    assert_eq!(disabled, json!({"schedules": [], "count": 0, "next_cursor": null}));
    let jobs = service.call("GET", &format!("{API}/jobs"), READ, "").await.json();
    assert_eq!(jobs, json!({"jobs": [], "count": 0, "next_cursor": null}));
}

#[tokio::test]
async fn unknown_ids_are_404() {
    let service = TestService::with_a_schedule();
    let schedule = service.call("GET", &format!("{API}/schedules/weekly"), READ, "").await;
    assert_eq!((schedule.status, schedule.code().as_str()), (StatusCode::NOT_FOUND, "schedule_not_found"));
    let job = service.call("GET", &format!("{API}/jobs/01890a5d-ac96-774b-bcce-b302099a8057"), READ, "").await;
    assert_eq!((job.status, job.code().as_str()), (StatusCode::NOT_FOUND, "job_not_found"));
    let replaced = service.call("PUT", &format!("{API}/schedules/weekly"), "maintenance:write", "{}").await;
    assert_eq!(replaced.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_health_report_is_200_with_every_figure() {
    let service = TestService::with_a_schedule();
    let answer = service.call("GET", &format!("{API}/health"), READ, "").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.json(),
        json!({
            "overall_status": "HEALTHY",
            "generated_at": "2026-01-31T02:00:00.000Z",
            "active_jobs": 0,
            "total_schedules": 1,
            "enabled_schedules": 1,
            "succeeded_jobs_24h": 0,
            "failed_jobs_24h": 0,
            "modules": [],
        })
    );
}

#[tokio::test]
async fn all_task_types_are_listed() {
    let service = TestService::new();
    let document = service.call("GET", &format!("{API}/task-types"), READ, "").await.json();
    assert_eq!(document["count"], 19);
    let custom = &document["task_types"][18];
    assert_eq!((&custom["task_type"], &custom["required_parameters"]), (&json!("CUSTOM"), &json!(["endpoint"])));
    assert_eq!(custom["targets"], json!([]));
}
