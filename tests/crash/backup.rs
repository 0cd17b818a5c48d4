//! The commands `backup` and `check`, on the files of a service that runs.

use std::process::{Command, Output};

use reqwest::Method;
use serde_json::json;

use crate::files::Files;
use crate::service::Service;

fn command(files: &Files, words: &[&str], configured: bool) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_themis-maintenance"));
    command.args(words).env_clear();
    if configured {
        command.arg("--config").arg(files.path("test.toml"));
    }
    command.output().expect("a process")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_service_is_copied_and_the_copy_is_checked() {
    let files = Files::new("http://127.0.0.1:1");
    let mut service = Service::spawn(&files);
    service.ready().await;
    let body = json!({"id": "s", "name": "S", "cron_expression": "0 0 1 1 *", "tasks": ["LOG_ROTATION"]});
    let created = service.client().send(Method::POST, "/schedules", "", Some(body.clone())).await;
    assert_eq!(created.expect("an answer").0, 201);

    let copy = files.path("copy.db");
    let copy_name = copy.to_str().expect("text");
    let made = command(&files, &["backup", copy_name], true);
    assert!(made.status.success() && made.stderr.is_empty(), "{made:?}");
    let again = command(&files, &["backup", copy_name], true);
    assert_eq!(again.status.code(), Some(70));
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing is overwritten"), "{again:?}");

    let checked = command(&files, &["check", copy_name], false);
    assert!(checked.status.success(), "{checked:?}");
    assert!(String::from_utf8_lossy(&checked.stdout).contains("is sound: 1 schedules, 0 jobs"), "{checked:?}");
    let bytes = std::fs::read(&copy).expect("a file");
    std::fs::write(&copy, &bytes[..bytes.len() / 2]).expect("half a file");
    let checked = command(&files, &["check", copy_name], false);
    assert_eq!(checked.status.code(), Some(1));
    assert!(checked.stdout.is_empty() && String::from_utf8_lossy(&checked.stderr).contains(copy_name), "{checked:?}");
    assert!(service.client().get("/schedules/s").await.is_some(), "the service was not disturbed");
    assert!(service.terminate().success());
}
