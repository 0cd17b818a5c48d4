//! The health probes.

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::server::{Reply, Server};
use super::*;
use crate::domain::health::{HealthSignal, HealthStatus};
use crate::domain::ports::HealthProbe;
use crate::executor::{HttpProbe, ThemisDbProbe};

async fn probe_themisdb(reply: Reply) -> (HealthSignal, Server) {
    let server = Server::start([reply]).await;
    let probe = ThemisDbProbe::new(settings(&server.url("/themis/"))).expect("a probe");
    (probe.check().await, server)
}

#[tokio::test]
async fn an_open_store_is_healthy_with_the_servers_figures() {
    let stats = json!({"server": {"uptime_seconds": 5, "queries_per_second": 1.5, "note": "x"}, "storage": {"raw_stats": ""}});
    let (signal, server) = probe_themisdb(Reply::json(200, stats)).await;
    assert_eq!((signal.status, signal.message.as_str()), (HealthStatus::Healthy, "answers, and its store is open"));
    assert_eq!(signal.details.get("uptime_seconds"), Some(&json!(5)));
    assert_eq!(signal.details.get("queries_per_second"), Some(&json!(1.5)));
    assert!(signal.details.get("latency_ms").is_some_and(Value::is_u64));
    assert_eq!(signal.details.get("note"), None);
    assert_eq!(server.lines(), ["GET /themis/stats"]);
}

#[tokio::test]
async fn a_closed_store_is_unhealthy_though_the_server_answers() {
    let (signal, _server) = probe_themisdb(Reply::json(200, json!({"storage": {"error": "Database not open"}}))).await;
    assert_eq!((signal.status, signal.message.as_str()), (HealthStatus::Unhealthy, "store is closed: Database not open"));
}

#[tokio::test]
async fn other_answers_are_sorted_by_what_they_say_of_the_server() {
    use HealthStatus::{Degraded, Unhealthy};
    for (reply, status, words) in [
        (
            Reply::json(401, json!({"error": "missing_authorization"})),
            Degraded,
            "a token is needed (token_file) (missing_authorization)",
        ),
        (Reply::json(403, json!({})), Degraded, "reachable, but GET /stats answered 403"),
        (Reply::json(429, json!({})), Degraded, "rate limit"),
        (Reply::json(500, json!({"message": "sick"})), Unhealthy, "GET /stats answered 500 (sick)"),
        (Reply::Answer(301, "location: /v1/stats\r\n", String::new()), Unhealthy, "GET /stats answered 301"),
        (Reply::Answer(200, "", "<html>".into()), Unhealthy, "not in JSON"),
        (Reply::hang_up(), Unhealthy, "is not reachable ("),
    ] {
        let (signal, _server) = probe_themisdb(reply).await;
        assert_eq!(signal.status, status, "{signal:?}");
        assert!(signal.message.contains(words), "{signal:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unhealthy() {
    let address = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let base_url = format!("http://{address}");
    let themisdb = ThemisDbProbe::new(settings(&base_url)).expect("a probe").check().await;
    let http = HttpProbe::new(Url::parse(&base_url).expect("a URL")).expect("a probe").check().await;
    for signal in [themisdb, http] {
        assert_eq!(signal.status, HealthStatus::Unhealthy);
        assert!(signal.message.contains("is not reachable (Connection refused"), "{signal:?}");
    }
}

#[tokio::test]
async fn a_probe_sends_its_token_and_without_one_still_sees_whether_the_server_is_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let token_file = directory.path().join("token");
    let server = Server::start([Reply::json(200, json!({}))]).await;
    let settings = TargetSettings { token_file: Some(token_file.clone()), ..settings(&server.url("")) };
    let probe = ThemisDbProbe::new(settings).expect("a probe");
    let signal = probe.check().await;
    assert_eq!(signal.status, HealthStatus::Degraded);
    assert!(signal.message.starts_with("reachable, but the token file '"), "{signal:?}");
    std::fs::write(&token_file, "secret").expect("written");
    assert_eq!(probe.check().await.status, HealthStatus::Healthy);
    let sent: Vec<_> = server.received().iter().map(|request| request.header("authorization").map(str::to_owned)).collect();
    assert_eq!(sent, [None, Some("Bearer secret".to_owned())]);
}

#[tokio::test]
async fn the_http_probe_wants_a_2xx_and_shows_no_query() {
    for (status, verdict) in [
        (200, HealthStatus::Healthy),
        (204, HealthStatus::Healthy),
        (302, HealthStatus::Unhealthy),
        (500, HealthStatus::Unhealthy),
    ] {
        let server = Server::start([Reply::Answer(status, "location: /x\r\n", String::new())]).await;
        let url = Url::parse(&server.url("/ready?key=hunter2")).expect("a URL");
        let signal = HttpProbe::new(url).expect("a probe").check().await;
        assert_eq!(signal.status, verdict, "{signal:?}");
        assert_eq!(signal.message, format!("GET {} answered {status}", server.url("/ready")));
        assert_eq!(server.lines(), ["GET /ready?key=hunter2"]);
    }
    assert!(HttpProbe::new(Url::parse("http://u:p@h/").expect("a URL")).is_err());
}
