//! The release binary, started as an operator would, and looked at from outside.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use themis_maintenance::telemetry::Stopwatch;
use tokio::process::{Child, Command};

const BINARY: &str = env!("CARGO_BIN_EXE_themis-maintenance");
const SECRET: &str = "a secret that is long enough for the benchmark of abuse";
/// Requests without a token per second and address. The flood sends a hundred times as many, or as many as it can.
pub const ADDRESS_PER_SECOND: u32 = 100;
/// A slow client has so long for a head, or for the next bytes of a body.
pub const PATIENCE: Duration = Duration::from_secs(2);
const START: Duration = Duration::from_secs(20);

pub struct Service {
    child: Child,
    pub address: SocketAddr,
    pub token: String,
    folder: TempDir,
}

impl Service {
    /// With short patience and a small burst, so that a phase of some seconds sees the limits at work; all else as it is by default.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let configuration = format!(
            "auth.hs256_secret = \"{SECRET}\"\n[server]\nlisten = \"{address}\"\nheader_timeout = \"{patience}s\"\n\
             body_timeout = \"{patience}s\"\nidle_timeout = \"{patience}s\"\n[server.rate_limits]\n\
             address_per_second = {ADDRESS_PER_SECOND}\naddress_burst = 200\n",
            patience = PATIENCE.as_secs()
        );
        std::fs::write(folder.path().join("abuse.toml"), configuration).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let command = |arguments: &[&str]| {
            let mut command = Command::new(BINARY);
            command.args(arguments).args(["--config", "abuse.toml"]).current_dir(folder.path()).kill_on_drop(true);
            command
        };
        let token = command(&["token", "--scope", "admin"]).output().await.unwrap();
        assert!(token.status.success(), "{}", String::from_utf8_lossy(&token.stderr));
        let token = String::from_utf8(token.stdout).unwrap().trim().to_owned();
        let child = command(&["serve"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let service = Self { child, address, token, folder };
        service.until_ready().await;
        service
    }

    async fn until_ready(&self) {
        let stopwatch = Stopwatch::start();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/readyz", self.address);
        while !client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            assert!(stopwatch.seconds() < START.as_secs_f64(), "not ready: {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn proc(&self, file: &str) -> PathBuf {
        format!("/proc/{}/{file}", self.child.id().expect("the service runs")).into()
    }

    /// Resident memory.
    pub fn memory_mib(&self) -> f64 {
        let status = std::fs::read_to_string(self.proc("status")).expect("the service runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }

    /// File descriptors, sockets among them.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(self.proc("fd")).expect("the service runs").count()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends the service in order; says what it should not have done.
    pub async fn end(mut self) -> Vec<String> {
        let mut broken = Vec::new();
        let id = self.child.id().expect("the service runs").to_string();
        Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        match tokio::time::timeout(START, self.child.wait()).await {
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
