//! Five targets, the service, and a client.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use themis_maintenance::app::{Adapters, Running, start};
use themis_maintenance::cli::{TokenRequest, issue};
use themis_maintenance::config::{Config, Mode, load};
use themis_maintenance::domain::ports::Clock;
use themis_maintenance::domain::principal::Scope;
use themis_maintenance::sandbox::{FaultKind, Sandbox, SandboxConfig};
use themis_maintenance::ticker::SystemClock;
use tokio::net::TcpListener;
use uuid::Uuid;

pub const TARGETS: [&str; 5] = ["default", "north", "east", "south", "west"];
pub const SCHEDULES: usize = 200;
/// Near what the schedules ask for, so that the limit is met.
pub const REQUESTS_PER_MINUTE: u32 = 1500;
/// Of the requests to a target, the share that meets a fault.
const FAULTY: f64 = 0.1;

pub struct World {
    pub sandboxes: BTreeMap<&'static str, Sandbox>,
    running: Running,
    config: Config,
    client: reqwest::Client,
    _folder: TempDir,
}

impl World {
    pub async fn start(seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut sandboxes = BTreeMap::new();
        let mut configuration = format!(
            "auth.hs256_secret = \"a secret that is long enough for a test of the service\"\n\
             storage.url = \"sqlite:{}\"\naudit.file = {:?}\nserver.shutdown_grace = \"0s\"\nprobes.themisdb.disabled = true\n\
             probes.themisdb.kind = \"themisdb\"\n",
            folder.path().join("maintenance.db").display(),
            folder.path().join("audit.jsonl"),
        );
        for (number, name) in (0..).zip(TARGETS) {
            let sandbox = sandbox(seed.wrapping_add(number)).await;
            configuration += &format!(
                "[targets.{name}]\nbase_url = \"{}\"\nrequests_per_minute = {REQUESTS_PER_MINUTE}\nbreaker_cooldown = \"1s\"\n",
                sandbox.base_url()
            );
            sandboxes.insert(name, sandbox);
        }
        let file: PathBuf = folder.path().join("soak.toml");
        std::fs::write(&file, configuration).expect("a written file");
        let config = load(&[file], [], Mode::Dev).expect("a valid configuration");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let running = start(config.clone(), Adapters::default(), listener).await.expect("the service starts");
        running.handle().started().await;
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { sandboxes, running, config, client, _folder: folder }
    }

    /// Creates all schedules; says when each was there.
    pub async fn create_schedules(&self) -> BTreeMap<String, Life> {
        let mut lives = BTreeMap::new();
        for number in 0..SCHEDULES {
            let (id, target) = (format!("s{number:03}"), TARGETS[number % TARGETS.len()]);
            let tasks = json!([
                {"task_type": "INDEX_REBUILD", "parameters": {"table": "orders", "column": "status"}, "timeout_seconds": 1},
                {"task_type": "LOG_ROTATION", "timeout_seconds": 1},
            ]);
            let schedule = json!({"id": id, "name": id, "cron_expression": "*/10 * * * * *", "target": target, "tasks": tasks,
                "max_attempts": 2, "halt_on_task_failure": number % 2 == 0});
            let created = self.send(Method::POST, "/schedules", Some(schedule)).await;
            lives.insert(id, Life { from: time(&created["created_at"]), target: target.to_owned() });
        }
        lives
    }

    /// Disables all schedules; says when each was.
    pub async fn disable_schedules(&self) -> BTreeMap<String, DateTime<Utc>> {
        let mut ends = BTreeMap::new();
        for number in 0..SCHEDULES {
            let id = format!("s{number:03}");
            let disabled = self.send(Method::POST, &format!("/schedules/{id}/disable"), None).await;
            ends.insert(id, time(&disabled["updated_at"]));
        }
        ends
    }

    /// All jobs, once none of them waits or runs.
    pub async fn jobs_when_all_have_ended(&self) -> Vec<Value> {
        while self.send(Method::GET, "/jobs?active=true", None).await["count"] != 0 {
            // Between two looks, not instead of them.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let (mut jobs, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.send(Method::GET, &format!("/jobs?limit=500{cursor}"), None).await;
            jobs.extend(page["jobs"].as_array().expect("a list").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return jobs,
            }
        }
    }

    /// What the metrics counted is what the records say.
    pub async fn check_metrics(&self, jobs: &[Value]) {
        let page = self.client.get(format!("http://{}/metrics", self.running.address())).send().await.expect("an answer");
        let page = page.text().await.expect("text");
        let sum = |name: &str| -> f64 {
            let series = page.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
            series.map(|line| line.rsplit_once(' ').expect("a value").1.parse::<f64>().expect("a number")).sum()
        };
        let count = |state: &str| jobs.iter().filter(|job| job["state"] == state).count() as f64;
        assert_eq!(sum("maintenance_jobs_triggered_total"), jobs.len() as f64);
        assert_eq!(sum("maintenance_jobs_succeeded_total"), count("SUCCEEDED"));
        assert_eq!(sum("maintenance_jobs_failed_total"), count("FAILED"));
        assert_eq!(sum("maintenance_jobs_skipped_total"), count("SKIPPED"));
        assert_eq!(sum("maintenance_jobs_active"), 0.0);
    }

    pub async fn stop(self) {
        self.running.shutdown().await;
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let request =
            TokenRequest { subject: "soak".to_owned(), scopes: vec![Scope::Admin], ttl: Duration::from_secs(60), access: None };
        let token = issue(&self.config.auth, &request, SystemClock.now(), Uuid::from_u128(1)).expect("a token");
        let url = format!("http://{}/api/v1/maintenance{path}", self.running.address());
        let mut request = self.client.request(method, url).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
        answer.json().await.expect("JSON")
    }
}

/// A schedule's beginning, and where it runs.
pub struct Life {
    pub from: DateTime<Utc>,
    pub target: String,
}

/// A target that meets a tenth of its requests with a fault.
async fn sandbox(seed: u64) -> Sandbox {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let config = SandboxConfig { task_delay: Duration::from_millis(10), ..SandboxConfig::default() };
    let (sandbox, _) = Sandbox::start(listener, config, std::future::pending()).await.expect("a sandbox");
    let status = |status: u16| FaultKind::status(status.try_into().expect("a status"));
    let kinds = [
        status(500),
        status(503),
        FaultKind::HangUp,
        FaultKind::HangUpAfterWork,
        FaultKind::HangUpAfterHeaders,
        FaultKind::Garbage,
        FaultKind::Delay(Duration::from_millis(150)),
        FaultKind::Redirect("/v1/elsewhere".to_owned()),
        FaultKind::NoAnswer,
        FaultKind::RateLimited { retry_after_seconds: 1 },
    ];
    sandbox.script_randomly(seed, FAULTY, kinds);
    sandbox
}

pub fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no time"))
}
