//! `ctl schedules apply`: files are the truth, and applying them twice changes nothing.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Said, TestApp, ctl, said, said_of};

const TWO: &str = "\
id: nightly
name: Nightly
cron_expression: 0 2 * * *
window_start_hour: 1
window_end_hour: 5
tasks:
  - metrics_collection
  - task_type: INDEX_REBUILD
    parameters: {table: orders, column: status}
---
id: weekly
name: Weekly
frequency: weekly
tasks: [STORAGE_COMPACTION]
";

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a written file");
}

async fn apply(app: &TestApp, folder: &Path, more: &[&str]) -> Said {
    let folder = folder.display().to_string();
    let words = [&["schedules", "apply", "-f", folder.as_str()], more].concat();
    said(&mut ctl(app, &words)).await
}

/// The lines that say what was done.
fn done(out: &str) -> Vec<&str> {
    let words = ["created ", "changed ", "unchanged ", "deleted "];
    out.lines().filter(|line| words.iter().any(|word| line.starts_with(word))).collect()
}

async fn versions(app: &TestApp) -> Vec<(String, Value)> {
    let page = app.get("/schedules").await.expect(200);
    let schedules = page["schedules"].as_array().expect("a list").iter();
    schedules.map(|one| (one["id"].as_str().expect("an id").to_owned(), one["version"].clone())).collect()
}

#[tokio::test]
async fn what_is_missing_is_created_what_differs_is_replaced_and_twice_changes_nothing() {
    let mut app = TestApp::start().await;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.yaml", TWO);
    write(
        folder.path(),
        "b.json",
        r#"{"id": "extra", "name": "Extra", "cron_expression": "0 6 * * *", "tasks": ["LOG_ROTATION"]}"#,
    );
    let first = apply(&app, folder.path(), &[]).await;
    assert!(first.err.ends_with("3 created, 0 changed, 0 unchanged, 0 deleted\n"), "{first:?}");
    let out = first.expect(0);
    assert_eq!(done(&out), ["created nightly", "created weekly", "created extra"]);
    assert!(out.contains("--- /dev/null\n") && out.contains("+id: weekly\n"), "{out}");

    let second = apply(&app, folder.path(), &[]).await.expect(0);
    assert_eq!(second, "unchanged nightly\nunchanged weekly\nunchanged extra\n");
    assert!(versions(&app).await.iter().all(|(_, version)| version == 1));

    write(folder.path(), "a.yaml", &TWO.replace("window_end_hour: 5", "window_end_hour: 6"));
    let third = apply(&app, folder.path(), &[]).await.expect(0);
    assert!(third.contains("\n-window_end_hour: 5\n+window_end_hour: 6\n"), "{third}");
    assert_eq!(done(&third), ["changed nightly", "unchanged weekly", "unchanged extra"]);
    assert_eq!(app.get("/schedules/nightly").await.expect(200)["window_end_hour"], 6);
    app.stop().await;
}

#[tokio::test]
async fn a_dry_run_tells_and_does_nothing() {
    let mut app = TestApp::start().await;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.yaml", TWO);
    let dry = apply(&app, folder.path(), &["--dry-run"]).await;
    assert!(dry.err.contains("2 created") && dry.err.contains("dry run: nothing was changed"), "{dry:?}");
    assert_eq!(done(&dry.expect(0)), ["created nightly (dry run)", "created weekly (dry run)"]);
    assert_eq!(versions(&app).await, []);
    apply(&app, folder.path(), &[]).await.expect(0);
    let dry = apply(&app, folder.path(), &["--dry-run", "-o", "json"]).await.json();
    assert_eq!((&dry["dry_run"], &dry["schedules"][0]["action"]), (&json!(true), &json!("unchanged")));
    app.stop().await;
}

#[tokio::test]
async fn a_mistake_in_one_file_stops_all() {
    let mut app = TestApp::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    write(folder.path(), "a.yaml", TWO);
    write(folder.path(), "b.yaml", "id: b\nname: [\n");
    write(folder.path(), "c.yaml", "name: without\n---\nid: weekly\n");
    let bad = apply(&app, folder.path(), &[]).await;
    assert_eq!((bad.code, bad.out.as_str()), (65, ""), "{bad:?}");
    assert!(bad.err.contains(&format!("{path}/b.yaml:")), "{bad:?}");
    assert!(bad.err.contains(&format!("{path}/c.yaml:1: id is missing\n")), "{bad:?}");
    assert!(bad.err.contains(&format!("{path}/c.yaml:3: the id 'weekly' stands in {path}/a.yaml:11, too\n")), "{bad:?}");
    assert_eq!(versions(&app).await, []);
    app.stop().await;
}

#[tokio::test]
async fn what_was_exported_can_be_applied_from_standard_input() {
    let mut app = TestApp::start().await;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.yaml", TWO);
    apply(&app, folder.path(), &[]).await.expect(0);
    for format in ["yaml", "json"] {
        let exported = said(&mut ctl(&app, &["schedules", "list", "-o", format])).await.expect(0);
        let applied = said_of(&mut ctl(&app, &["schedules", "apply", "-f", "-"]), &exported).await.expect(0);
        assert_eq!(applied, "unchanged nightly\nunchanged weekly\n", "{format}");
    }
    app.stop().await;
}
