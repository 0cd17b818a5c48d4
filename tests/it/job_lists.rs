//! Lists of jobs: filters, order, pages that stay put while jobs are added, and the end of old jobs.

use std::collections::HashSet;

use chrono::TimeDelta;
use serde_json::{Value, json};
use themis_maintenance::sandbox::{Fault, FaultKind};

use crate::support::{TestApp, until};

fn ids(page: &Value) -> Vec<String> {
    page["jobs"].as_array().expect("a list").iter().map(|job| job["id"].as_str().expect("an id").to_owned()).collect()
}

async fn app_with(schedules: &[&str]) -> TestApp {
    let app = TestApp::start().await;
    app.sandbox.script(Fault::always("/maintenance/cache-warm", FaultKind::status("500".parse().expect("a status"))));
    for id in schedules {
        let task = if id.starts_with("bad") { "CACHE_WARM" } else { "LOG_ROTATION" };
        let window = if id.starts_with("late") { (10, 11) } else { (0, 0) };
        app.create(json!({"id":id,"name":id,"cron_expression":"0 0 1 1 *","tasks":[task],"window_start_hour":window.0,"window_end_hour":window.1})).await;
    }
    app
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let mut app = app_with(&["good", "bad", "late", "held", "waiting"]).await;
    let good = app.run("good").await;
    let bad = app.run("bad").await;
    let late = app.run("late").await;
    let hold = app.sandbox.hold(None, "/maintenance");
    let held = app.post("/schedules/held/run", json!({})).await.expect(202);
    let waiting = app.post("/schedules/waiting/run", json!({})).await.expect(202);
    let id = |job: &Value| job["id"].as_str().unwrap().to_owned();
    for (query, expected) in [
        ("", vec![id(&waiting), id(&held), id(&late), id(&bad), id(&good)]),
        ("?state=SUCCEEDED", vec![id(&good)]),
        ("?state=failed", vec![id(&bad)]),
        ("?state=SKIPPED", vec![id(&late)]),
        ("?state=RUNNING", vec![id(&held)]),
        ("?state=PENDING", vec![id(&waiting)]),
        ("?state=CANCELLED", vec![]),
        ("?active=true", vec![id(&waiting), id(&held)]),
        ("?active=false", vec![id(&late), id(&bad), id(&good)]),
        ("?schedule_id=bad", vec![id(&bad)]),
        ("?schedule_id=nobody", vec![]),
        ("?schedule_id=bad&state=SUCCEEDED", vec![]),
        ("?active=true&state=SUCCEEDED", vec![]),
        ("?active=true&schedule_id=held&state=RUNNING&limit=500", vec![id(&held)]),
    ] {
        let page = app.get(&format!("/jobs{query}")).await.expect(200);
        assert_eq!(
            (ids(&page), &page["count"], &page["next_cursor"]),
            (expected.clone(), &json!(expected.len()), &Value::Null),
            "{query}"
        );
    }
    for bad in [
        "state=DONE",
        "state=",
        "active=1",
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=x",
        "schedule_id=..%2Fx",
        "cursor=x",
        "cursor=",
        "page=1",
        "state=FAILED&state=FAILED",
    ] {
        let answer = app.get(&format!("/jobs?{bad}")).await;
        let field = bad.split('=').next().unwrap();
        assert_eq!(
            (answer.status.as_u16(), &answer.json["code"], answer.fields()),
            (400, &json!("invalid_parameter"), vec![field]),
            "{bad}"
        );
    }
    hold.release();
    app.ended(&id(&waiting)).await;
    app.stop().await;
}

#[tokio::test]
async fn pages_stay_put_while_jobs_are_added() {
    let mut app = app_with(&["s"]).await;
    let mut made = Vec::new();
    for number in 0..7 {
        // Some in one millisecond, some apart.
        if number % 3 == 0 {
            app.clock.advance(TimeDelta::seconds(1));
        }
        made.push(app.run("s").await["id"].as_str().unwrap().to_owned());
    }
    made.reverse();
    for query in ["", "&schedule_id=s", "&state=SUCCEEDED", "&active=false"] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = app.get(&format!("/jobs?limit=2{query}{cursor}")).await.expect(200);
            assert!(page["count"].as_u64().unwrap() <= 2);
            seen.extend(ids(&page));
            // A new one each time: it belongs to the front, and shifts nothing.
            app.run("s").await;
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen[seen.len() - 7..], made, "{query}");
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len());
        let first = ids(&app.get("/jobs?limit=1").await.expect(200));
        assert!(!seen.contains(&first[0]), "the newest came later");
    }
    let schedules = app.get("/schedules?limit=1").await.expect(200);
    assert_eq!(schedules["next_cursor"], Value::Null);
    app.stop().await;
}

#[tokio::test]
async fn a_cursor_of_the_other_list_is_refused() {
    let mut app = app_with(&["a", "b"]).await;
    let cursor = app.get("/schedules?limit=1").await.expect(200)["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(app.get(&format!("/jobs?cursor={cursor}")).await.fields(), ["cursor"]);
    app.run("a").await;
    app.run("b").await;
    let cursor = app.get("/jobs?limit=1").await.expect(200)["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(app.get(&format!("/schedules?cursor={cursor}")).await.fields(), ["cursor"]);
    app.stop().await;
}

#[tokio::test]
async fn jobs_that_ended_a_day_ago_are_pruned_and_the_schedule_remembers_its_last_run() {
    let mut app = app_with(&["good", "held", "late"]).await;
    let old = app.run("good").await;
    app.run("late").await;
    let hold = app.sandbox.hold(None, "/maintenance");
    let held = app.post("/schedules/held/run", json!({})).await.expect(202);
    app.clock.advance(TimeDelta::hours(24));
    app.running().handle().prune();
    // Commands are handled in order, so the pruning is done when this is.
    app.patch("/schedules/late", json!({"description":"seen"})).await.expect(200);
    assert_eq!(app.get("/jobs").await.expect(200)["count"], 3, "exactly 24 hours is not more than 24 hours");
    app.clock.advance(TimeDelta::milliseconds(1));
    app.running().handle().prune();
    until("pruning", || async { (app.metric("maintenance_jobs_pruned_total").await == 2.0).then_some(()) }).await;
    let page = app.get("/jobs").await.expect(200);
    assert_eq!(ids(&page), [held["id"].as_str().unwrap()], "what runs is never pruned");
    app.get(&format!("/jobs/{}", old["id"].as_str().unwrap())).await.expect(404);
    let schedule = app.get("/schedules/good").await.expect(200);
    assert_eq!((&schedule["last_run_state"], &schedule["last_job_id"]), (&json!("SUCCEEDED"), &old["id"]));
    assert_eq!(schedule["last_run_at"], "2026-01-05T02:00:00.000Z");
    hold.release();
    app.ended(held["id"].as_str().unwrap()).await;
    app.restart().await;
    assert_eq!(app.get("/jobs").await.expect(200)["count"], 1, "what was pruned stays away");
    app.stop().await;
}
