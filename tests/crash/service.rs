//! The process: start, ask, kill.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::files::Files;

/// How long to wait for something that has to happen.
const LIMIT: Duration = Duration::from_secs(20);

/// A process of the service. Killed when it is dropped.
pub struct Service {
    child: Child,
    log: PathBuf,
    client: Option<Client>,
}

/// Calls the API as an admin.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Service {
    pub fn spawn(files: &Files) -> Self {
        Self::spawn_by(Command::new(env!("CARGO_BIN_EXE_themis-maintenance")), files)
    }

    /// With a limit on the length of files, beyond which writing fails as on a full disk.
    pub fn spawn_with_small_files(files: &Files, blocks: u32) -> Self {
        let mut shell = Command::new("sh");
        let script = format!("trap '' XFSZ; ulimit -S -f {blocks}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_themis-maintenance")]);
        Self::spawn_by(shell, files)
    }

    /// Takes that limit away; false where the machine has no tool for it.
    pub fn lift_limit(&self) -> bool {
        let pid = self.child.id().to_string();
        let lifted = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status();
        lifted.is_ok_and(|status| status.success())
    }

    fn spawn_by(mut command: Command, files: &Files) -> Self {
        let log = files.path("log");
        let stderr = File::create(&log).expect("a log file");
        command.arg("serve").env_clear().envs(path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        for file in files.configuration() {
            command.arg("--config").arg(file);
        }
        Self { child: command.spawn().expect("a process"), log, client: None }
    }

    /// Waits until the service is ready.
    pub async fn ready(&mut self) {
        let base = until("the service to listen", async || self.address()).await;
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let client = Client { http, base, token: crate::files::token() };
        until("readiness", async || client.is_ready().await.then_some(())).await;
        self.client = Some(client);
    }

    pub fn client(&self) -> Client {
        self.client.clone().expect("a service that is ready")
    }

    /// All jobs, newest first.
    pub async fn jobs(&self) -> Vec<Value> {
        let (client, mut jobs, mut cursor) = (self.client(), Vec::new(), String::new());
        loop {
            let page = client.get(&format!("/jobs?limit=500{cursor}")).await.expect("a page");
            jobs.extend(page["jobs"].as_array().expect("a list").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return jobs,
            }
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("a process that can be killed");
        self.child.wait().expect("its end");
    }

    /// SIGTERM, and the exit status.
    pub fn terminate(&mut self) -> ExitStatus {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
        self.child.wait().expect("its end")
    }

    fn address(&mut self) -> Option<String> {
        let log = std::fs::read_to_string(&self.log).expect("a log");
        if let Some(status) = self.child.try_wait().expect("a process") {
            panic!("the service ended with {status}:\n{log}");
        }
        let complete = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut found = complete.filter_map(|line| find_address(&line));
        found.next().map(|address| format!("http://{address}"))
    }
}

/// So that the shell finds its tools; nothing else of the environment is passed on.
fn path() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    std::env::var_os("PATH").into_iter().map(|path| ("PATH", path))
}

/// The address in the log line of a service that listens.
fn find_address(line: &Value) -> Option<String> {
    let text = line.to_string();
    let address = |value: &Value| value["address"].as_str().map(str::to_owned);
    text.contains("\"listening\"").then(|| address(line).or_else(|| address(&line["fields"])))?
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().filter(|line| !line.contains("request served")).collect();
            report(&lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

#[expect(clippy::print_stderr, reason = "the end of the service's log, beside the test's failure")]
fn report(text: &str) {
    eprintln!("{text}");
}

impl Client {
    async fn is_ready(&self) -> bool {
        let answer = self.http.get(format!("{}/readyz", self.base)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// `None` for 404.
    pub async fn get(&self, path: &str) -> Option<Value> {
        let (status, body) = self.send(Method::GET, path, "", None).await.expect("an answer to a read");
        assert!(status == 200 || status == 404, "{path}: {status} {body}");
        (status == 200).then_some(body)
    }

    /// Status and body; nothing when the connection or the answer was cut off.
    pub async fn send(&self, method: Method, path: &str, request_id: &str, body: Option<Value>) -> Option<(u16, Value)> {
        let url = format!("{}/api/v1/maintenance{path}", self.base);
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if !request_id.is_empty() {
            request = request.header("x-request-id", request_id);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let text = answer.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }
}

/// Waits until a condition holds, and fails when that takes too long.
pub async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let look = async {
        loop {
            if let Some(found) = condition().await {
                return found;
            }
            // Between two looks, not instead of them.
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    };
    tokio::time::timeout(LIMIT, look).await.unwrap_or_else(|_| panic!("waited {LIMIT:?} for {what}"))
}
