//! `ctl` for what keeps schedules from firing: pauses, fires left out, targets, freezes; and labels with what they are good for.

use serde_json::{Value, json};

use crate::support::{Said, TestApp, ctl, said, said_of};

async fn app() -> TestApp {
    let app = TestApp::start().await;
    app.create(json!({"id":"s","name":"S","cron_expression":"0 4 * * *","tasks":["LOG_ROTATION"],"labels":{"team":"a"}})).await;
    app
}

/// A command line whose words have no blanks.
async fn line(app: &TestApp, line: &str) -> Said {
    said(&mut ctl(app, &line.split(' ').collect::<Vec<_>>())).await
}

#[tokio::test]
async fn a_schedule_is_paused_resumed_and_previewed() {
    let mut app = app().await;
    let paused = line(&app, "schedules pause s --reason release --until 2026-01-06T12:00:00Z").await.expect(0);
    assert!(paused.contains("State     paused\n") && paused.contains("until 2026-01-06T12:00:00Z, by tester"), "{paused}");
    let preview = line(&app, "schedules preview s --count 3").await.expect(0);
    let verdicts: Vec<&str> = preview.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(verdicts, ["PAUSED", "PAUSED", "RUN"], "{preview}");
    let resumed = line(&app, "schedules resume s -o json").await.json();
    assert_eq!(resumed["pause"], Value::Null);
    let skips = line(&app, "schedules skip-next s --reason disk").await.expect(0);
    assert!(skips.contains("the fire of 2026-01-05T04:00:00Z, asked for by tester: disk\n"), "{skips}");
    let preview = line(&app, "schedules preview s --from 2026-01-05T00:00:00Z --count 2 -o json").await.json();
    assert_eq!(preview["fires"].as_array().unwrap().len(), 2, "{preview}");
    // For a while from now on, by the clock of whoever asks.
    let long = line(&app, "schedules pause s --reason release --for 2h -o json").await.json();
    assert!(long["pause"]["until"].is_string(), "{long}");
    let wrong = line(&app, "schedules pause s --reason r --until 2025-01-01T00:00:00Z").await;
    assert!(wrong.code == 1 && wrong.err.contains("\n  until: "), "{wrong:?}");
    app.stop().await;
}

#[tokio::test]
async fn targets_are_listed_paused_and_resumed_one_by_one_and_together() {
    let mut app = app().await;
    let ready = line(&app, "targets").await.expect(0);
    assert!(ready.lines().nth(1).is_some_and(|line| line.starts_with("default  READY")), "{ready}");
    let paused = line(&app, "targets pause default --reason disks").await.expect(0);
    assert!(paused.contains("State    PAUSED\n") && paused.contains("until it is resumed, by tester"), "{paused}");
    line(&app, "targets resume default").await.expect(0);
    line(&app, "targets pause --all --reason release").await.expect(0);
    let list = line(&app, "targets list").await.expect(0);
    assert!(list.contains("\nAll targets are paused until it is resumed, by tester"), "{list}");
    assert_eq!(line(&app, "targets resume --all").await.expect(0), "All targets: no pause of all\n");
    assert_eq!(line(&app, "targets pause --reason r").await.code, 64);
    assert_eq!(line(&app, "targets resume nobody").await.code, 1);
    app.stop().await;
}

#[tokio::test]
async fn freezes_are_made_listed_and_deleted() {
    let mut app = app().await;
    let create = "freezes create --from 2026-01-05T00:00:00Z --to 2026-01-07T00:00:00Z --reason holidays -o json";
    let made = line(&app, create).await.json();
    let id = made["id"].as_str().expect("an id");
    line(&app, "freezes create --from 2026-02-05T00:00:00Z --to 2026-02-07T00:00:00Z --target default --reason move")
        .await
        .expect(0);
    let list = line(&app, "freezes list").await.expect(0);
    assert!(list.contains(&format!("{id}  2026-01-05T00:00:00Z  2026-01-07T00:00:00Z  all ")), "{list}");
    let skipped = line(&app, "run s --wait").await;
    assert!(skipped.code == 1 && skipped.err.contains("ended SKIPPED FROZEN"), "{skipped:?}");
    let delete = format!("freezes delete {id}");
    assert_eq!(line(&app, &delete).await.err, format!("deleted {id}\n"));
    line(&app, "run s --wait").await.expect(0);
    assert_eq!(line(&app, &delete).await.code, 1);
    app.stop().await;
}

#[tokio::test]
async fn labels_find_schedules_and_prune_those_that_left_their_files() {
    let mut app = app().await;
    app.create(json!({"id":"other","name":"O","cron_expression":"0 4 * * *","tasks":["LOG_ROTATION"],"labels":{"team":"b"}}))
        .await;
    assert_eq!(line(&app, "schedules list --label team=a -o json").await.json()["count"], 1);
    assert_eq!(line(&app, "schedules list --label team -o json").await.json()["count"], 2);
    let text = "id: new\nname: New\nfrequency: daily\nlabels: {team: a}\ntasks: [log_rotation]\n";
    let words = ["schedules", "apply", "-f", "-", "--prune", "--label", "team=a"];
    let pruned = said_of(&mut ctl(&app, &words), text).await;
    assert!(pruned.err.ends_with("1 created, 0 changed, 0 unchanged, 1 deleted\n"), "{pruned:?}");
    pruned.expect(0);
    let again = said_of(&mut ctl(&app, &words), text).await.expect(0);
    assert_eq!(again, "unchanged new\n");
    let left = line(&app, "schedules list -o json").await.json();
    let ids: Vec<&str> = left["schedules"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["new", "other"]);
    app.stop().await;
}

#[tokio::test]
async fn what_breaks_a_rule_is_told_with_its_place_before_anything_is_changed() {
    let mut app = app().await;
    let text = "id: good\nname: Good\nfrequency: daily\ntasks: [log_rotation]\n---\nid: s\nname: ''\ncron_expression: nonsense\ntasks: []\n";
    let refused = said_of(&mut ctl(&app, &["schedules", "apply", "-f", "-"]), text).await;
    assert!(refused.code == 1 && refused.err.contains("standard input:6: s: Rules are broken (422)"), "{refused:?}");
    for field in ["name", "cron_expression", "tasks"] {
        assert!(refused.err.contains(&format!("\n  {field}: ")), "{refused:?}");
    }
    assert!(refused.err.ends_with("nothing was changed\n"), "{refused:?}");
    app.get("/schedules/good").await.expect(404);
    app.stop().await;
}

#[tokio::test]
async fn what_a_file_leaves_out_goes_back_to_its_default_and_a_pause_stays() {
    let mut app = app().await;
    line(&app, "schedules disable s").await.expect(0);
    line(&app, "schedules pause s --reason release").await.expect(0);
    let text = "id: s\nname: S\ncron_expression: 0 4 * * *\nlabels: {team: a}\ntasks: [LOG_ROTATION]\n";
    let applied = said_of(&mut ctl(&app, &["schedules", "apply", "-f", "-"]), text).await.expect(0);
    assert!(applied.contains("\n-enabled: false\n+enabled: true\n") && applied.ends_with("changed s\n"), "{applied}");
    let live = app.get("/schedules/s").await.expect(200);
    assert!(live["enabled"] == true && live["pause"].is_object(), "{live}");
    app.stop().await;
}
