//! Tasks that mean every object there is.

use serde_json::json;

use super::server::{Reply, Server};
use super::*;
use crate::domain::recipe::Discovery;
use crate::domain::task::MAX_ITEMS;

fn columns() -> Discovery {
    Discovery {
        parameter: "column".into(),
        call: call(Method::Get, "/index/stats", Body::Template(json!({"table": "{table}"}))),
        success: SuccessRule::default(),
        items: String::new(),
        value: "/column".into(),
    }
}

fn tables() -> Discovery {
    Discovery {
        parameter: "table".into(),
        call: call(Method::Get, "/tables", Body::None),
        success: SuccessRule::default(),
        items: "/tables".into(),
        value: String::new(),
    }
}

/// An attempt with these parameters, and what the target was asked.
async fn attempt(parameters: Value, replies: impl IntoIterator<Item = Reply>) -> (AttemptReport, Vec<String>) {
    let server = Server::start(replies).await;
    let mut bench = Bench::new(&server, Recipe { discover: vec![tables(), columns()], ..recipe() });
    bench.task.parameters = object(parameters);
    let report = bench.attempt_while_time_passes().await;
    assert!(!bench.trace.was_sent(), "looking is not working");
    let asked = server.received().into_iter().map(|received| format!("{} {}", received.line, received.body)).collect();
    (report, asked)
}

fn listed(columns: &[&str]) -> Reply {
    Reply::json(200, columns.iter().map(|column| json!({"column": column, "entry_count": 1})).collect())
}

#[tokio::test(start_paused = true)]
async fn a_star_becomes_one_object_for_each_element_of_the_list() {
    let (report, asked) = attempt(json!({"table": "t", "column": "*", "x": 1}), [listed(&["b", "a+b", "b"])]).await;
    assert_eq!((report.outcome, report.http_status, &report.result_summary), (Outcome::Succeeded, Some(200), &None));
    let expected = [json!({"table": "t", "column": "b", "x": 1}), json!({"table": "t", "column": "a+b", "x": 1})].map(object);
    assert_eq!(report.discovered, Some(expected.to_vec()), "in the order of the answer, none twice");
    assert_eq!(asked, [r#"GET /index/stats {"table":"t"}"#]);
}

#[tokio::test(start_paused = true)]
async fn discoveries_are_made_one_after_the_other_for_every_object_so_far() {
    let tables = Reply::json(200, json!({"tables": ["t", "u", "empty"]}));
    let script = [tables, listed(&["a"]), listed(&["b", "c"]), listed(&[])];
    let (report, asked) = attempt(json!({"table": "*", "column": "*"}), script).await;
    let found = report.discovered.expect("a list");
    let found: Vec<String> = found.iter().map(|one| format!("{}.{}", one["table"], one["column"])).collect();
    assert_eq!(found, [r#""t"."a""#, r#""u"."b""#, r#""u"."c""#]);
    assert_eq!(asked.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn lists_that_are_empty_too_long_or_no_lists_are_permanent_and_said_in_words() {
    let many: Vec<String> = (0..=MAX_ITEMS).map(|number| format!("c{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (reply, words) in [
        (listed(&[]), "GET /index/stats found no column: does the table exist, and is the store open?"),
        (listed(&many), "there are more than 256 objects"),
        (listed(&["a", "*"]), "an element of its list has \"*\" at /column"),
        (Reply::json(200, json!({"column": "a"})), "answered 200, but there is no list in it"),
        (Reply::json(200, json!([{"name": "a"}])), "has no text or number at /column"),
        (Reply::Answer(200, "", "<html>".into()), "answered 200, but there is no list in it"),
        (Reply::json(301, json!({})), "looking for every column: GET /index/stats answered 301"),
        (Reply::json(404, json!({"message": "Endpoint not found"})), "answered 404: Endpoint not found"),
    ] {
        let (report, _) = attempt(json!({"table": "t", "column": "*"}), [reply]).await;
        assert_eq!((report.outcome, &report.discovered), (Outcome::Permanent, &None), "{report:?}");
        assert!(message(&report).contains(words), "{report:?}");
    }
    assert_eq!(attempt(json!({"table": "t", "column": "*"}), [listed(&many[..MAX_ITEMS])]).await.0.outcome, Outcome::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_does_not_come_is_transient() {
    for (reply, requests) in [(Reply::hang_up(), 3), (Reply::json(503, json!({})), 1)] {
        let (report, asked) = attempt(json!({"table": "t", "column": "*"}), [reply]).await;
        assert_eq!((report.outcome, asked.len()), (Outcome::Transient, requests), "{report:?}");
        assert!(message(&report).starts_with("looking for every column: GET /index/stats "), "{report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_star_that_cannot_be_looked_for_is_sent_as_it_is() {
    let server = Server::start([Reply::json(200, json!({"success": true}))]).await;
    let mut bench = Bench::new(&server, recipe());
    bench.task.parameters = object(json!({"table": "*", "column": "c"}));
    let report = bench.attempt().await;
    assert_eq!((report.outcome, report.discovered), (Outcome::Succeeded, None));
    assert_eq!(server.received()[0].body, r#"{"table":"*","column":"c"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_discovery_cannot_reach_restore() {
    let sneaky = Discovery { call: call(Method::Get, "/admin/{table}", Body::None), ..columns() };
    let server = Server::start([listed(&["a"])]).await;
    let mut bench = Bench::new(&server, Recipe { discover: vec![sneaky], ..recipe() });
    bench.task.parameters = object(json!({"table": "restore", "column": "*"}));
    let report = bench.attempt().await;
    assert_eq!((report.outcome, report.answered), (Outcome::Permanent, None));
    assert!(server.lines().is_empty());
}
