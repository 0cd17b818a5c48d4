//! The program itself: exit codes, what it prints, and a service that is started and ended as a supervisor would.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use themis_maintenance::sandbox::{Sandbox, SandboxConfig};

use crate::support::{Answer, until};

const SECRET: &str = "a-secret-that-is-long-enough-for-HS256";
pub(super) const SECRET_VARIABLE: &str = "THEMIS_MAINTENANCE__AUTH__HS256_SECRET";
const LISTEN_VARIABLE: &str = "THEMIS_MAINTENANCE__SERVER__LISTEN";

/// The program in this folder, with nothing in its environment.
pub(super) fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_themis-maintenance"));
    command.args(arguments).current_dir(folder).env_clear().stdin(Stdio::null());
    command
}

/// Runs a command that ends by itself: exit code, standard output, standard error.
pub(super) fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code().expect("an exit code"), text(stdout), text(stderr))
}

pub(super) fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A port that was free a moment ago.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").to_string()
}

/// A running `serve`; killed when the test fails before it has ended it.
pub(super) struct Service {
    child: Child,
    folder: TempDir,
    pub(super) address: String,
}

impl Service {
    /// Starts it with nothing but the secret and an address in its environment, and waits until it is ready.
    async fn start() -> Self {
        Self::start_in(folder(), &[]).await
    }

    /// Starts it in a folder that an earlier one may have left, with more in its environment.
    pub(super) async fn start_in(folder: TempDir, environment: &[(&str, &str)]) -> Self {
        let address = free_address();
        let log = std::fs::File::create(folder.path().join("log")).expect("a log file");
        let child = program(folder.path(), &["serve"])
            .env(SECRET_VARIABLE, SECRET)
            .env(LISTEN_VARIABLE, &address)
            .envs(environment.iter().copied())
            .stdout(log.try_clone().expect("a file handle"))
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let service = Self { child, folder, address };
        let (client, url) = (client(), service.url("/readyz"));
        until("readiness", || async { client.get(&url).send().await.ok()?.status().is_success().then_some(()) }).await;
        service
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(status.success());
    }

    /// A call with an admin's token.
    async fn call(&self, method: Method, path: &str, body: Value) -> Answer {
        let mut command = program(self.folder.path(), &["token", "--scope", "admin"]);
        let (_, token, _) = run(command.env(SECRET_VARIABLE, SECRET));
        let url = self.url(&format!("/api/v1/maintenance{path}"));
        Answer::of(client().request(method, url).bearer_auth(token.trim()).json(&body)).await
    }

    /// The exit code, once the process has ended, what it logged, and its folder.
    pub(super) async fn ended(mut self) -> (Option<i32>, String, TempDir) {
        let child = std::sync::Mutex::new(&mut self.child);
        let status =
            until("the process to end", || async { child.lock().expect("nobody panics with it").try_wait().expect("a status") })
                .await;
        let mut log = String::new();
        std::fs::File::open(self.folder.path().join("log")).and_then(|mut file| file.read_to_string(&mut log)).expect("the log");
        (status.code(), log, std::mem::replace(&mut self.folder, folder()))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has usually ended before, and then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

#[test]
fn exit_codes_are_those_of_the_contract() {
    let folder = folder();
    let file = folder.path().join("wrong.toml");
    std::fs::write(&file, "[server]\nlisten = \"nowhere\"\n").unwrap();
    for (arguments, code) in [
        (vec!["--help"], 0),
        (vec!["serve", "--help"], 0),
        (vec!["--version"], 0),
        (vec!["openapi"], 0),
        (vec![], 64),
        (vec!["nonsense"], 64),
        (vec!["serve", "--nonsense"], 64),
        (vec!["serve", "--config"], 64),
        (vec!["token"], 64),
        (vec!["token", "--scope", "root"], 64),
        (vec!["token", "--scope", "read", "--ttl", "60"], 64),
        (vec!["audit"], 64),
        (vec!["audit", "verify"], 64),
        (vec!["dev", "--listen", "nowhere"], 64),
        (vec!["healthcheck", "--url", "nonsense"], 64),
        (vec!["serve"], 78),
        (vec!["check-config"], 78),
        (vec!["serve", "--config", "/nowhere/at/all.toml"], 78),
        (vec!["serve", "--config", file.to_str().unwrap()], 78),
        (vec!["token", "--scope", "read"], 78),
    ] {
        let (found, out, err) = run(&mut program(folder.path(), &arguments));
        assert_eq!(found, code, "{arguments:?}: {out} {err}");
        assert_eq!((out.is_empty(), err.is_empty()), (code != 0, code == 0), "{arguments:?}: {out} {err}");
        assert!(!err.contains("panicked"), "{err}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["wrong.toml"], "a command that fails leaves nothing behind");
}

#[test]
fn serve_without_a_key_names_the_keys_to_set() {
    let (code, _, err) = run(&mut program(folder().path(), &["serve"]));
    assert!(code == 78 && err.contains("auth.hs256_secret") && err.contains("auth.public_key_file"), "{err}");
    let (code, _, err) = run(program(folder().path(), &["serve"]).env(SECRET_VARIABLE, "too short"));
    assert!(code == 78 && err.contains("32") && !err.contains("too short"), "{err}");
}

#[test]
fn check_config_lists_all_mistakes_at_once() {
    let folder = folder();
    let file = folder.path().join("c.toml");
    let text = "[server]\nlisten = 5\nrequest_timeout = \"30\"\nmax_body_bytes = -1\nsurprise = 1\n[orchestrator]\nbundles = [\"hourly\"]\n\
                [targets.default]\nbase_url = \"ftp://x\"\n[telemetry]\nlog_format = \"xml\"\n[nonsense]\na = 1\n";
    std::fs::write(&file, text).unwrap();
    let arguments = ["check-config", "--config", file.to_str().unwrap()];
    let (code, out, err) = run(program(folder.path(), &arguments).env("THEMIS_MAINTENANCE__STORAGE__URL", "oracle:x"));
    assert!(code == 78 && out.is_empty(), "{out}");
    for key in [
        "server.listen",
        "server.request_timeout",
        "server.max_body_bytes",
        "server.surprise",
        "orchestrator.bundles",
        "targets.default.base_url",
        "telemetry.log_format",
        "nonsense",
        "storage.url",
        "auth.hs256_secret",
    ] {
        assert!(err.contains(key), "{key} in\n{err}");
    }
    std::fs::write(&file, "[server]\nlisten = \"127.0.0.1:1\"\n").unwrap();
    let (code, out, err) = run(program(folder.path(), &arguments).env(SECRET_VARIABLE, SECRET));
    assert!(code == 0 && err.is_empty() && out.contains("127.0.0.1:1") && !out.contains(SECRET), "{out} {err}");
}

#[test]
fn openapi_prints_the_committed_document() {
    let (code, out, _) = run(&mut program(folder().path(), &["openapi"]));
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json")).unwrap();
    assert_eq!((code, out == committed), (0, true));
}

#[tokio::test]
async fn a_service_that_knows_only_its_secret_works_and_ends_in_order() {
    let service = Service::start().await;
    let arguments = ["token", "--scope", "admin", "--subject", "ci", "--ttl", "5m"];
    let (code, token, err) = run(program(service.folder.path(), &arguments).env(SECRET_VARIABLE, SECRET));
    assert!(code == 0 && err.is_empty() && token.lines().count() == 1, "{err}");
    let token = token.trim();
    let document = json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","tasks":["METRICS_COLLECTION"],"max_attempts":1});
    let url = service.url("/api/v1/maintenance/schedules");
    let created = Answer::of(client().post(&url).bearer_auth(token).json(&document)).await.expect(201);
    assert_eq!(created["created_by"], "ci");
    let refused = Answer::of(client().get(&url).bearer_auth(format!("{token}x"))).await;
    assert_eq!(refused.status, 401);
    let report = Answer::of(client().get(service.url("/api/v1/maintenance/health")).bearer_auth(token)).await.expect(200);
    assert_eq!(report["total_schedules"], 1);

    let healthcheck = |url: Option<&str>| {
        let arguments: Vec<&str> = ["healthcheck"].into_iter().chain(url.iter().flat_map(|url| ["--url", url])).collect();
        run(program(service.folder.path(), &arguments).env(LISTEN_VARIABLE, &service.address)).0
    };
    assert_eq!(healthcheck(None), 0);
    assert_eq!(healthcheck(Some(&service.url("/livez"))), 0);
    assert_eq!(healthcheck(Some(&service.url("/nothing"))), 1);
    assert_eq!(healthcheck(Some("http://127.0.0.1:1/readyz")), 1);

    // Another one in the same place must not touch the files.
    let second =
        run(program(service.folder.path(), &["serve"]).env(SECRET_VARIABLE, SECRET).env(LISTEN_VARIABLE, free_address()));
    assert!(second.0 == 78 && second.2.contains("storage.url"), "{second:?}");
    let taken = folder();
    let second = run(program(taken.path(), &["serve"]).env(SECRET_VARIABLE, SECRET).env(LISTEN_VARIABLE, &service.address));
    assert!(second.0 == 78 && second.2.contains("server.listen"), "{second:?}");

    let trail = service.folder.path().join("data/audit.jsonl");
    let audit = until("the audit trail", || async {
        std::fs::read_to_string(&trail).ok().filter(|text| text.contains("create_schedule"))
    })
    .await;
    let (code, out, err) = run(&mut program(service.folder.path(), &["audit", "verify", "data/audit.jsonl"]));
    // The read without a token and the creation.
    assert!(code == 0 && out.starts_with("2 lines"), "{out} {err}");
    service.signal("-TERM");
    let (code, log, _folder) = service.ended().await;
    assert_eq!(code, Some(0), "{log}");
    for secret in [SECRET, token, token.rsplit('.').next().unwrap()] {
        assert!(!log.contains(secret) && !audit.contains(secret), "a secret got out: {log}");
    }
    assert!(log.contains("listening") && log.contains("SIGTERM"), "{log}");
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once_and_the_next_start_says_what_was_interrupted() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (sandbox, _) = Sandbox::start(listener, SandboxConfig::default(), std::future::pending()).await.unwrap();
    let target = sandbox.base_url();
    let environment = [("THEMIS_MAINTENANCE__TARGETS__DEFAULT__BASE_URL", target.as_str())];
    let service = Service::start_in(folder(), &environment).await;
    let document = json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","tasks":["METRICS_COLLECTION","METRICS_COLLECTION"]});
    service.call(Method::POST, "/schedules", document).await.expect(201);
    // The verdict of the probe comes by the same path, so wait for the job's own call.
    let held = sandbox.hold(None, "/stats");
    let job = service.call(Method::POST, "/schedules/s/run", json!({})).await.expect(202);
    let path = format!("/jobs/{}", job["id"].as_str().unwrap());
    sandbox.wait_for_requests(|seen| seen.iter().any(|request| request.header("idempotency-key").is_some())).await;
    service.signal("-TERM");
    let (client, url) = (client(), service.url("/readyz"));
    until("readiness to go off", || async { (client.get(&url).send().await.ok()?.status() == 503).then_some(()) }).await;
    assert_eq!(service.call(Method::GET, &path, Value::Null).await.expect(200)["state"], "RUNNING");
    service.signal("-TERM");
    let (code, log, folder) = service.ended().await;
    assert!(code.is_some_and(|code| code != 0), "{log}");
    held.release();
    let service = Service::start_in(folder, &environment).await;
    let job = service.call(Method::GET, &path, Value::Null).await.expect(200);
    assert_eq!((&job["state"], &job["reason"]), (&json!("FAILED"), &json!("INTERRUPTED")));
    let tasks: Vec<(&Value, &Value)> =
        job["tasks"].as_array().unwrap().iter().map(|task| (&task["state"], &task["outcome"])).collect();
    assert_eq!(tasks, [(&json!("FAILED"), &json!("UNKNOWN")), (&json!("SKIPPED"), &Value::Null)]);
    service.signal("-INT");
    let (code, log, folder) = service.ended().await;
    assert_eq!(code, Some(0), "{log}");
    let (code, _, err) = run(&mut program(folder.path(), &["audit", "verify", "data/audit.jsonl"]));
    assert_eq!(code, 0, "{err}");
}

#[test]
fn audit_verify_tells_a_good_file_from_a_tampered_one() {
    let folder = folder();
    let file = folder.path().join("audit.jsonl");
    let line = |sequence: u64, actor: &str, previous: &str| {
        let line: Value = json!({"sequence":sequence,"event_id":"019b8be1-f500-7000-8000-000000000001","time":"2026-01-01T00:00:00.000Z","actor":actor,"action":"create_schedule","object":"schedule/s","outcome":"SUCCEEDED","request_id":null,"before":null,"after":null,"detail":null,"previous":previous});
        line.to_string()
    };
    let first = line(1, "ann", &"0".repeat(64));
    let digest: String = sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(&first))
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let verify = |text: &str| {
        std::fs::write(&file, text).unwrap();
        run(&mut program(folder.path(), &["audit", "verify", "audit.jsonl"]))
    };
    let good = format!("{first}\n{}\n", line(2, "bob", &digest));
    let (code, out, err) = verify(&good);
    assert!(code == 0 && out.starts_with("2 lines") && err.is_empty(), "{out} {err}");
    let (code, out, err) = verify(&good.replace("ann", "eve"));
    assert!(code == 1 && out.is_empty() && err.contains("line 2"), "{err}");
    let (code, _, err) = verify(good.trim_end());
    assert!(code == 1 && err.contains("line 2"), "{err}");
    // Without its first lines it is not whole, unless somebody says that they were removed on purpose.
    let (code, _, err) = verify(good.split_once('\n').unwrap().1);
    assert!(code == 1 && err.contains("but after line 1."), "{err}");
    let (code, out, _) = run(&mut program(folder.path(), &["audit", "verify", "--continued", "audit.jsonl"]));
    assert!(code == 0 && out.contains(&format!("continued from line 1 with SHA-256 {digest}")), "{out}");
    assert_eq!(verify("").0, 0);
    let (code, _, err) = run(&mut program(folder.path(), &["audit", "verify", "none.jsonl"]));
    assert!(code == 1 && err.contains("cannot be read"), "{err}");

    // A trail of two files, by the folder and file by file.
    let (first_line, second_line) = (format!("{first}\n"), format!("{}\n", line(2, "bob", &digest)));
    let aside = "audit-20260101T000000.000Z-000000000001.jsonl";
    std::fs::write(folder.path().join(aside), &first_line).unwrap();
    std::fs::write(&file, &second_line).unwrap();
    for arguments in [vec!["."], vec![aside, "audit.jsonl"], vec!["audit.jsonl"]] {
        let (code, out, err) = run(&mut program(folder.path(), &[vec!["audit", "verify"], arguments].concat()));
        assert!(code == 0 && out.starts_with("2 files, 2 lines, last sequence 2,"), "{out} {err}");
    }
    std::fs::write(folder.path().join(aside), first_line.replace("ann", "eve")).unwrap();
    let (code, _, err) = run(&mut program(folder.path(), &["audit", "verify", "."]));
    assert!(code == 1 && err.contains(&format!("audit.jsonl does not continue ./{aside}: line 1 ")), "{err}");
}
