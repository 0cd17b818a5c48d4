//! A disk that is full, for real: a limit on the length of files. What the health report says meanwhile is tested elsewhere: here
//! SQLite may find room again by itself, when it empties its log.

use reqwest::Method;
use serde_json::{Value, json};

use crate::files::Files;
use crate::service::{Client, Service, until};

/// 1 MiB: room for the schema and a dozen or two commits, and far from the length at which SQLite reuses its log.
const BLOCKS: u32 = 2048;

async fn create(client: &Client, number: usize) -> (u16, Value) {
    let body = json!({
        "id": format!("s{number}"),
        "name": "S",
        "cron_expression": "0 0 1 1 *",
        "tasks": ["LOG_ROTATION"],
    });
    client.send(Method::POST, "/schedules", "", Some(body)).await.expect("an answer")
}

async fn store_status(client: &Client) -> Value {
    let report = client.get("/health").await.expect("a report");
    let modules = report["modules"].as_array().expect("a list");
    modules.iter().find(|module| module["module_name"] == "store").expect("the module")["status"].clone()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_and_loses_nothing_and_room_lets_them_go_on() {
    let files = Files::new("http://127.0.0.1:1");
    let mut service = Service::spawn_with_small_files(&files, BLOCKS);
    service.ready().await;
    let client = service.client();
    let mut stored = 0;
    let refusal = loop {
        match create(&client, stored).await {
            (201, _) => stored += 1,
            refused => break refused,
        }
        assert!(stored < 5000, "the limit has no effect");
    };
    assert_eq!((refusal.0, &refusal.1["code"]), (503, &json!("store_unavailable")), "{}", refusal.1);
    assert!(stored > 0);
    assert!(client.get("/schedules/s0").await.is_some(), "reads go on");
    assert!(client.get(&format!("/schedules/s{stored}")).await.is_none(), "what was refused is not there");

    if service.lift_limit() {
        until("writes to go on", async || (create(&client, stored).await.0 == 201).then_some(())).await;
        until("the store to be healthy", async || (store_status(&client).await == "HEALTHY").then_some(())).await;
        stored += 1;
    }
    service.kill();
    let mut service = Service::spawn(&files);
    service.ready().await;
    for number in 0..stored {
        assert!(service.client().get(&format!("/schedules/s{number}")).await.is_some(), "s{number} of {stored} is gone");
    }
    assert!(service.client().get(&format!("/schedules/s{stored}")).await.is_none());
    assert!(service.terminate().success());
}
