//! A service of its own in a folder of its own. Its configuration is what the caller changes; all else is as it is by default,
//! durability, audit, log and metrics included.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use themis_maintenance::telemetry::Stopwatch;
use tokio::process::{Child, Command};

const BINARY: &str = env!("CARGO_BIN_EXE_themis-maintenance");
const SECRET: &str = "a secret that is long enough for the benchmarks";
/// How long a start or an end may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks whether it is ready; the resolution of the time that a start takes.
const LOOK: Duration = Duration::from_millis(2);

pub struct Service {
    child: Child,
    pub address: SocketAddr,
    /// May do everything.
    pub token: String,
    /// From the start of the process to readiness.
    pub ready_after: Duration,
    /// Its working directory. Shared, so that another one can be started in it later.
    folder: Arc<TempDir>,
}

impl Service {
    /// Starts it in a folder, perhaps with data in it, and waits until it is ready. `settings` may set keys of `[server]` at its
    /// beginning, and goes on with sections of its own.
    pub async fn start(folder: Arc<TempDir>, settings: &str) -> Self {
        let address = free_address();
        let configuration = format!("auth.hs256_secret = \"{SECRET}\"\n[server]\nlisten = \"{address}\"\n{settings}\n");
        std::fs::write(folder.path().join("bench.toml"), configuration).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let command = |arguments: &[&str]| {
            let mut command = Command::new(BINARY);
            command.args(arguments).args(["--config", "bench.toml"]).current_dir(folder.path()).kill_on_drop(true);
            command
        };
        let token = command(&["token", "--scope", "admin"]).output().await.unwrap();
        assert!(token.status.success(), "{}", String::from_utf8_lossy(&token.stderr));
        let token = String::from_utf8(token.stdout).unwrap().trim().to_owned();
        // Made before the clock starts: it reads the system's certificates.
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let stopwatch = Stopwatch::start();
        let child = command(&["serve"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut service = Self { child, address, token, ready_after: Duration::ZERO, folder };
        let url = format!("http://{address}/readyz");
        while !client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            assert!(stopwatch.seconds() < PATIENCE.as_secs_f64(), "not ready: {}", service.log());
            tokio::time::sleep(LOOK).await;
        }
        service.ready_after = Duration::from_secs_f64(stopwatch.seconds());
        service
    }

    /// A file that the kernel keeps of the process.
    pub fn proc(&self, file: &str) -> PathBuf {
        format!("/proc/{}/{file}", self.child.id().expect("the service runs")).into()
    }

    /// Resident memory.
    pub fn memory_mib(&self) -> f64 {
        let status = std::fs::read_to_string(self.proc("status")).expect("the service runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends the service in order; says what it should not have done.
    pub async fn end(mut self) -> Vec<String> {
        let mut broken = Vec::new();
        let id = self.child.id().expect("the service runs").to_string();
        Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => {}
            other => broken.push(format!("the service did not end in order: {other:?}")),
        }
        let log = self.log();
        broken.extend(log.lines().filter(|line| line.contains("panicked")).map(|line| format!("a panic: {line}")));
        if log.contains(&self.token) {
            broken.push("the token stands in the log".to_owned());
        }
        broken
    }
}

/// Free a moment ago; nobody else opens ports here.
fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
