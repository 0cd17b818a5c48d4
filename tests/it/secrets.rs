//! What the program says, at its most talkative, holds no secret: neither when it starts and works, nor when it cannot start.

use std::path::Path;

use rcgen::{CertificateParams, KeyPair};
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use themis_maintenance::sandbox::{Sandbox, SandboxConfig};

use crate::command_line::{SECRET_VARIABLE, Service, client, folder, program, run};
use crate::support::{Answer, until};

/// One for each secret; the word is in all of them, and nowhere else.
const HS256: &str = "MARKER-hs256-secret-that-is-long-enough-for-it";
const TARGET: &str = "MARKER-target-token";
const METRICS: &str = "MARKER-metrics-token";

/// A service with a secret in every place where one can be.
struct Setup {
    variables: Vec<(String, String)>,
    /// A piece of the client's key.
    key: String,
}

impl Setup {
    fn new(folder: &Path, target: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["maintenance".to_owned()]).expect("parameters");
        let certificate = params.self_signed(&key).expect("a certificate");
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("written");
            path.display().to_string()
        };
        let variables = [
            ("AUTH__HS256_SECRET", HS256.to_owned()),
            ("METRICS__TOKEN", METRICS.to_owned()),
            ("TELEMETRY__LOG_LEVEL", "trace".to_owned()),
            ("TARGETS__DEFAULT__BASE_URL", target.to_owned()),
            ("TARGETS__DEFAULT__TOKEN_FILE", write("token", &format!("{TARGET}\n"))),
            // Nobody is there; the certificate and its key are made ready all the same.
            ("TARGETS__SECURE__BASE_URL", "https://127.0.0.1:1".to_owned()),
            ("TARGETS__SECURE__TOKEN", TARGET.to_owned()),
            ("TARGETS__SECURE__TLS__CA_FILE", write("ca.pem", &certificate.pem())),
            ("TARGETS__SECURE__TLS__CLIENT_CERT_FILE", write("client.pem", &certificate.pem())),
            ("TARGETS__SECURE__TLS__CLIENT_KEY_FILE", write("client.key", &key.serialize_pem())),
            ("PROBES__SECURE__KIND", "themisdb".to_owned()),
            ("PROBES__SECURE__TARGET", "secure".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (format!("THEMIS_MAINTENANCE__{name}"), value)).to_vec();
        Self { variables, key: key.serialize_pem().lines().nth(1).expect("a line of base64")[..20].to_owned() }
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    #[track_caller]
    fn assert_clean(&self, text: &str) {
        assert!(
            !text.contains("MARKER") && !text.contains(&self.key) && !text.contains("PRIVATE KEY"),
            "a secret got out: {text}"
        );
    }
}

#[tokio::test]
async fn a_service_at_work_says_none_of_its_secrets() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let config = SandboxConfig { admin_token: Some(TARGET.to_owned()), ..SandboxConfig::default() };
    let (sandbox, _) = Sandbox::start(listener, config, std::future::pending()).await.expect("a sandbox");
    let place: TempDir = folder();
    let setup = Setup::new(place.path(), &sandbox.base_url());
    let (code, understood, _) = run(program(place.path(), &["check-config"]).envs(setup.environment()));
    assert!(code == 0 && understood.contains("client certificate"), "{understood}");
    setup.assert_clean(&understood);
    let (_, token, _) = run(program(place.path(), &["token", "--scope", "admin"]).env(SECRET_VARIABLE, HS256));
    let service = Service::start_in(place, &setup.environment()).await;

    let metrics = client().get(service.url("/metrics"));
    let refused = Answer::of(metrics.try_clone().expect("no body").bearer_auth(format!("{METRICS}x"))).await;
    assert_eq!(refused.status, 401);
    let page = Answer::of(metrics.bearer_auth(METRICS)).await;
    assert_eq!(page.status, 200);
    let send = |method: Method, path: &str| {
        client().request(method, service.url(&format!("/api/v1/maintenance{path}"))).bearer_auth(token.trim())
    };
    let tasks = json!(["METRICS_COLLECTION"]);
    let document =
        json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","tasks":tasks,"targets":["default","secure"],"max_attempts":1});
    Answer::of(send(Method::POST, "/schedules").json(&document)).await.expect(201);
    Answer::of(send(Method::POST, "/schedules/s/run").json(&json!({}))).await.expect(202);
    let jobs = until("the end of both jobs", || async {
        let jobs = Answer::of(send(Method::GET, "/jobs")).await;
        (jobs.text.matches("\"SUCCEEDED\"").count() > 0 && jobs.text.matches("\"FAILED\"").count() > 0).then_some(jobs.text)
    })
    .await;
    let health = Answer::of(send(Method::GET, "/health")).await;
    for text in [&refused.text, &page.text, &jobs, &health.text] {
        setup.assert_clean(text);
    }
    let seen = sandbox.requests().iter().filter(|request| request.header("authorization").is_some()).count();
    assert!(seen > 0, "the token was sent");
    service.signal("-TERM");
    let (code, log, place) = service.ended().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("TRACE"), "the log is as talkative as it can be");
    setup.assert_clean(&log);
    setup.assert_clean(&std::fs::read_to_string(place.path().join("data/audit.jsonl")).expect("the audit trail"));
}

#[test]
fn a_service_that_cannot_start_says_none_of_its_secrets() {
    for (name, value, key) in [
        ("AUDIT__FILE", ".", "audit.file"),
        ("STORAGE__URL", "sqlite:token", "storage.url"),
        ("SERVER__LISTEN", "192.0.2.1:1", "server.listen"),
        ("METRICS__LISTEN", "192.0.2.1:1", "metrics.listen"),
        ("TARGETS__DEFAULT__BASE_URL", "http://169.254.169.254", "targets.default.base_url"),
        ("TARGETS__SECURE__TLS__CLIENT_CERT_FILE", "client.key", "targets.secure.tls.client_cert_file"),
        ("TARGETS__SECURE__TLS__CLIENT_KEY_FILE", "token", "targets.secure.tls.client_key_file"),
        ("AUTH__PUBLIC_KEY_FILE", "client.key", "auth.public_key_file"),
        ("SERVER__SHUTDOWN_GRACE", "MARKER", "server.shutdown_grace"),
    ] {
        let place = folder();
        let setup = Setup::new(place.path(), "http://127.0.0.1:1");
        let mut command = program(place.path(), &["serve"]);
        command.envs(setup.environment()).env("THEMIS_MAINTENANCE__SERVER__LISTEN", "127.0.0.1:0");
        let (code, out, err) = run(command.env(format!("THEMIS_MAINTENANCE__{name}"), value));
        assert!(code == 78 && err.contains(key), "{name}: {code} {err}");
        setup.assert_clean(&(out + &err));
    }
}
