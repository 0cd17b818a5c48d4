//! The measured shapes, one snapshot for each row of THEMISDB.md: requests over HTTP with the status and body of each answer.
//!
//! The snapshots hold what the sandbox answers, held by eye against the rows; they are no recording of a real server. What a row
//! states stands in them literally. What it leaves open (numbers that change, sizes, the words of most messages) is replaced by its
//! type, which is checked first; counts of rows and entries are those of the example data. A change of a snapshot is a claim that
//! the real server differs, and needs a measurement.

mod conduct;
mod endpoints;

use insta::internals::Content;
use insta::{Settings, assert_json_snapshot, dynamic_redaction};
use reqwest::RequestBuilder;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::{Value, json};

/// Compares the exchanges with the snapshot of this name.
fn assert_shape(name: &str, exchanges: &[Value]) {
    let mut settings = Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path("snapshots");
    let counters = ["uptime_seconds", "total_requests", "total_errors", "threads", "estimated_size_bytes", "total_size_bytes"];
    for counter in counters {
        settings.add_redaction(&format!(".**.{counter}"), dynamic_redaction(|value, _| whole_number(&value)));
    }
    settings.add_redaction(".**.queries_per_second", dynamic_redaction(|value, _| number(&value)));
    for words in ["message", "raw_stats"] {
        settings.add_redaction(&format!(".**.{words}"), dynamic_redaction(|value, _| text(value)));
    }
    settings.add_redaction(".**.directory", dynamic_redaction(|value, _| directory(value)));
    settings.bind(|| assert_json_snapshot!(name, exchanges));
}

fn whole_number(value: &Content) -> &'static str {
    assert!(value.as_u64().is_some(), "{value:?} is no whole number");
    "[whole number]"
}

fn number(value: &Content) -> &'static str {
    assert!(matches!(value, Content::F64(_)) || value.as_u64().is_some(), "{value:?} is no number");
    "[number]"
}

/// A text is the sandbox's own, unless it was measured.
fn text(value: Content) -> Content {
    let text = value.as_str().unwrap_or_else(|| panic!("{value:?} is no text"));
    if text == "Endpoint not found" { value } else { Content::from("[text]") }
}

/// A directory that the server made up is named by the second.
fn directory(value: Content) -> Content {
    let second = value.as_str().and_then(|directory| directory.strip_prefix("./data/backup_"));
    match second {
        Some(second) => {
            assert!(second.parse::<u64>().is_ok(), "{second} is no second");
            Content::from("./data/backup_[second]")
        }
        None => value,
    }
}

/// Sends a request: what was asked, and what came back.
async fn exchange(request: RequestBuilder) -> Value {
    let (client, request) = request.build_split();
    let request = request.unwrap();
    let target = request.url().as_str().splitn(4, '/').last().unwrap_or_default();
    let mut asked = json!({"request": format!("{} /{target}", request.method())});
    if let Some(body) = request.body().and_then(|body| body.as_bytes()) {
        asked["sent"] = read(body);
    }
    let response = client.execute(request).await.unwrap();
    asked["status"] = response.status().as_u16().into();
    if let Some(wait) = response.headers().get(RETRY_AFTER) {
        asked["retry_after"] = wait.to_str().unwrap().into();
    }
    asked["content_type"] = response.headers()[CONTENT_TYPE].to_str().unwrap().into();
    asked["body"] = read(&response.bytes().await.unwrap());
    asked
}

/// A body: as JSON, or as lines of text.
fn read(body: &[u8]) -> Value {
    let lines = || String::from_utf8_lossy(body).lines().map(Value::from).collect();
    serde_json::from_slice(body).unwrap_or_else(|_| lines())
}
