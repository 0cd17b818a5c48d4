//! `ctl` and services that are older than it, or in a state that a test cannot bring a real one into at the right moment.

use serde_json::{Value, json};

use crate::support::{Asked, Reply, StandIn, said, said_of};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn job(state: &str) -> Value {
    let finished = if state == "RUNNING" { Value::Null } else { json!("2026-01-05T02:00:01.000Z") };
    json!({"id": ID, "fire_id": ID, "schedule_id": "s", "target": "t", "state": state, "finished_at": finished, "tasks": []})
}

#[tokio::test]
async fn a_service_that_cannot_hold_an_answer_back_is_asked_every_second() {
    let service = StandIn::start(|asked, before| match asked.what.as_str() {
        "POST /schedules/s/run" => (202, job("RUNNING"), None),
        "GET /jobs?fire_id=01890a5d-ac96-774b-bcce-b302099a8057&limit=500" => (200, json!({"jobs": [job("RUNNING")]}), None),
        what if what.contains("wait=") => StandIn::problem(400, "wait"),
        _ => (200, job(if before < 4 { "RUNNING" } else { "SUCCEEDED" }), None),
    })
    .await;
    said(&mut service.ctl(&["run", "s", "--wait"])).await.expect(0);
    let heads = service.heads();
    let plain = format!("GET /jobs/{ID}");
    assert_eq!(heads[2..], [format!("{plain}?wait=2"), plain.clone(), plain], "{heads:?}");
    let key = service.asked()[0].idempotency_key.clone().expect("a key");
    assert!(key.len() == 36 && key.as_bytes()[14] == b'7', "{key}");
}

#[tokio::test]
async fn a_busy_service_is_asked_again_under_the_same_key() {
    let service = StandIn::start(|asked, before| match (asked.what.as_str(), before) {
        ("POST /schedules/s/run", 0) => StandIn::problem(503, ""),
        ("POST /schedules/s/run", _) => (202, job("SUCCEEDED"), None),
        _ => (404, json!({"title": "No", "status": 404}), None),
    })
    .await;
    let done = said(&mut service.ctl(&["run", "s"])).await;
    assert!(done.err.contains("No (503); asking again"), "{done:?}");
    done.expect(0);
    let keys: Vec<_> = service.asked().into_iter().map(|asked| asked.idempotency_key).collect();
    assert!(keys.len() == 2 && keys[0].is_some() && keys[0] == keys[1], "{keys:?}");
}

#[tokio::test]
async fn a_job_that_is_gone_ends_the_wait() {
    let service = StandIn::start(|asked, _| match asked.what.contains("wait=") {
        true => (404, json!({"title": "There is no such job", "status": 404, "request_id": "r-7"}), None),
        false => (200, job("RUNNING"), None),
    })
    .await;
    let said = said(&mut service.ctl(&["jobs", "follow", ID])).await;
    assert!(said.code == 1 && said.err.contains("There is no such job (404)\nrequest id r-7"), "{said:?}");
}

/// A service that has the schedule `kept`, and `old` with the same label.
fn with_two(asked: &Asked, _: usize) -> Reply {
    let kept = || json!({"id": "kept", "name": "Kept", "labels": {"team": "a"}, "enabled": true, "version": 3});
    let old = || json!({"id": "old", "name": "Old", "labels": {"team": "a"}, "enabled": true, "version": 5});
    match asked.what.as_str() {
        "GET /schedules/kept" => (200, kept(), Some("\"kept:3\"")),
        "GET /schedules/old" => (200, old(), Some("\"old:5\"")),
        "GET /schedules/new" => (404, json!({"title": "No", "status": 404}), None),
        "PUT /schedules/kept?dry_run=true" | "POST /schedules?dry_run=true" => {
            if asked.body["name"] == "" {
                return StandIn::problem(422, "name");
            }
            let mut document = json!({"id": "kept", "name": "", "labels": {}, "enabled": true, "version": 4, "next_fires": [],
                "warnings": ["look here"]});
            document.as_object_mut().expect("an object").extend(asked.body.as_object().cloned().expect("an object"));
            (200, document, None)
        }
        "GET /schedules?label=team%3Da&limit=1000" => (200, json!({"schedules": [kept(), old()], "next_cursor": null}), None),
        "DELETE /schedules/old" => (204, Value::Null, None),
        "POST /schedules" => (201, asked.body.clone(), None),
        "PUT /schedules/kept" if asked.body["name"] == "Stale" => (412, json!({"title": "It has changed", "status": 412}), None),
        "PUT /schedules/kept" => (200, asked.body.clone(), None),
        _ => StandIn::problem(400, "label"),
    }
}

const FILES: &str = "id: kept\nname: Kept\nlabels: {team: a}\n---\nid: new\nname: New\n";

#[tokio::test]
async fn what_the_service_makes_of_a_file_is_what_is_compared() {
    let service = StandIn::start(with_two).await;
    let applied = said_of(&mut service.ctl(&["schedules", "apply", "-f", "-"]), FILES).await;
    assert!(applied.err.contains("standard input:1: look here"), "{applied:?}");
    let out = applied.expect(0);
    assert!(out.starts_with("unchanged kept\n") && out.ends_with("created new\n"), "{out}");
    let writes: Vec<String> =
        service.heads().into_iter().filter(|what| !what.starts_with("GET") && !what.contains("dry_run")).collect();
    assert_eq!(writes, ["POST /schedules"]);
}

#[tokio::test]
async fn what_the_service_would_refuse_stops_all_before_anything_is_changed() {
    let service = StandIn::start(with_two).await;
    let text = "id: new\nname: New\n---\nid: kept\nname: ''\n";
    let refused = said_of(&mut service.ctl(&["schedules", "apply", "-f", "-"]), text).await;
    assert!(refused.err.contains("standard input:4: kept: No (422)\n  name: is wrong\n"), "{refused:?}");
    assert!(refused.code == 1 && refused.err.ends_with("nothing was changed\n"), "{refused:?}");
    assert!(service.heads().iter().all(|what| what.starts_with("GET") || what.contains("dry_run")));
}

#[tokio::test]
async fn pruning_deletes_what_has_the_label_and_stands_in_no_file() {
    let service = StandIn::start(with_two).await;
    let words = ["schedules", "apply", "-f", "-", "--prune", "--label", "team=a"];
    let dry = said_of(&mut service.ctl(&[words.as_slice(), &["--dry-run"]].concat()), FILES).await.expect(0);
    assert!(dry.contains("deleted old (dry run)"), "{dry}");
    assert!(service.heads().iter().all(|what| !what.starts_with("DELETE")));
    let pruned = said_of(&mut service.ctl(&words), FILES).await;
    assert!(pruned.err.contains("standard input:5: has no label team=a"), "{pruned:?}");
    assert!(pruned.err.ends_with("1 created, 0 changed, 1 unchanged, 1 deleted\n"), "{pruned:?}");
    let delete = service.asked().into_iter().find(|asked| asked.what == "DELETE /schedules/old").expect("a DELETE");
    assert_eq!(delete.if_match.as_deref(), Some("\"old:5\""));
    let out = pruned.expect(0);
    assert!(out.contains("--- service: old\n+++ /dev/null\n") && out.ends_with("deleted old\n"), "{out}");
    let unknown = ["schedules", "apply", "-f", "-", "--prune", "--label", "team=b"];
    let old = said_of(&mut service.ctl(&unknown), "id: kept\nname: Kept\nlabels: {team: b}\n").await;
    assert!(old.code == 64 && old.err.contains("cannot list by label"), "{old:?}");
}

#[tokio::test]
async fn an_edit_of_somebody_else_s_in_between_is_not_overwritten() {
    let service = StandIn::start(with_two).await;
    let text = "id: kept\nname: Stale\nlabels: {team: a}\n---\nid: new\nname: New\n";
    let stale = said_of(&mut service.ctl(&["schedules", "apply", "-f", "-"]), text).await;
    assert!(stale.code == 1 && stale.err.contains("kept could not be changed") && stale.err.contains("(412)"), "{stale:?}");
    let put = service.asked().into_iter().find(|asked| asked.what == "PUT /schedules/kept").expect("a PUT");
    assert_eq!(put.if_match.as_deref(), Some("\"kept:3\""));
    assert!(!service.heads().contains(&"POST /schedules".to_owned()));
}

#[tokio::test]
async fn pauses_previews_targets_and_freezes_are_asked_for_as_the_api_has_them() {
    let service = StandIn::start(|asked, _| {
        let target = json!({"name": "east", "state": "PAUSED", "reason": "release", "pending_jobs": 1, "running_jobs": 0,
            "max_concurrent_jobs": 2, "pause": null});
        let freeze = json!({"id": "f 1", "from": "2026-12-24T00:00:00.000Z", "to": "2026-12-27T00:00:00.000Z", "targets": [], "reason": "peace",
            "created_by": "me"});
        let fire = json!({"scheduled_for": "2026-01-05T02:00:00.000Z", "verdict": "FROZEN", "reason": "peace", "targets": []});
        match asked.what.split(['?', ' ']).nth(1).unwrap_or_default() {
            "/targets" => (200, json!({"targets": [target], "pause": null}), None),
            "/targets/east/pause" | "/targets/east/resume" => (200, target, None),
            "/freezes" if asked.what.starts_with("POST") => (201, freeze, None),
            "/freezes" => (200, json!({"freezes": [freeze], "count": 1}), None),
            "/freezes/f%201" => (204, Value::Null, None),
            "/schedules/s/preview" => (200, json!({"fires": [fire], "count": 1}), None),
            _ => (200, json!({"id": "s", "enabled": true}), None),
        }
    })
    .await;
    let words = |line: &'static str| line.split(' ').map(|word| word.replace('_', " ")).collect::<Vec<_>>();
    for (line, wanted) in [
        ("schedules pause s --reason a_release --until 2026-01-31T02:00:00+01:00", "Id"),
        ("schedules pause s --reason r", "Id"),
        ("schedules pause s --reason r --for 2h", "Id"),
        ("schedules resume s", "Id"),
        ("schedules skip-next s", "Id"),
        ("schedules skip-next s --reason r", "Id"),
        ("schedules preview s --count 3 --from 2026-01-05T00:00:00Z", "2026-01-05T02:00:00Z  FROZEN   -          peace"),
        ("schedules list --label team=a --label x", "ID"),
        ("targets", "east    PAUSED  1        0 of 2   release"),
        ("targets list", "east"),
        ("targets pause east --reason r", "Target   east"),
        ("targets resume east", "State    PAUSED"),
        ("freezes list", "f 1  2026-12-24T00:00:00Z  2026-12-27T00:00:00Z  all      me  peace"),
        ("freezes create --from 2026-12-24T00:00:00Z --to 2026-12-27T00:00:00Z --target east --reason peace", "f 1"),
        ("freezes delete f_1", ""),
    ] {
        let words = words(line);
        let out = said(&mut service.ctl(&words.iter().map(String::as_str).collect::<Vec<_>>())).await.expect(0);
        assert!(out.contains(wanted), "{line}: {out}");
    }
    let asked = service.asked();
    let bodies: Vec<(&str, &Value)> = asked.iter().map(|one| (one.what.as_str(), &one.body)).collect();
    let pause = "POST /schedules/s/pause";
    assert_eq!(bodies[0], (pause, &json!({"reason": "a release", "until": "2026-01-31T01:00:00.000Z"})));
    assert_eq!(bodies[1], (pause, &json!({"reason": "r", "until": null})));
    assert!(bodies[2].1["until"].as_str().is_some_and(|until| until > "2026-01-01"), "{:?}", bodies[2]);
    assert_eq!(
        bodies[3..6],
        [
            ("POST /schedules/s/resume", &Value::Null),
            ("POST /schedules/s/skip-next", &Value::Null),
            ("POST /schedules/s/skip-next", &json!({"reason": "r"})),
        ]
    );
    assert_eq!(bodies[6].0, "GET /schedules/s/preview?count=3&from=2026-01-05T00%3A00%3A00.000Z");
    assert_eq!(bodies[7].0, "GET /schedules?label=team%3Da%2Cx&limit=1000");
    assert_eq!(bodies[10], ("POST /targets/east/pause", &json!({"reason": "r", "until": null})));
    let freeze =
        json!({"from": "2026-12-24T00:00:00.000Z", "to": "2026-12-27T00:00:00.000Z", "reason": "peace", "targets": ["east"]});
    assert_eq!(bodies[13], ("POST /freezes", &freeze));
    assert_eq!(bodies[14].0, "DELETE /freezes/f%201");
}
