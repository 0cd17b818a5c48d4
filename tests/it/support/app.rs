//! Starts the application for a test, and ends it in order.

use std::path::Path;
use std::sync::Arc;

use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use themis_maintenance::app::{Adapters, Running, start};
use themis_maintenance::cli::{TokenRequest, issue};
use themis_maintenance::config::{Config, Mode, load};
use themis_maintenance::domain::ports::{Clock, Store, TaskExecutor};
use themis_maintenance::domain::principal::Scope;
use themis_maintenance::sandbox::{Sandbox, SandboxConfig};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::{Answer, TestClock, until};
use crate::support::client::request;

const API: &str = "/api/v1/maintenance";

/// How a test wants its service.
pub struct TestAppBuilder {
    now: String,
    configuration: String,
    sandbox: SandboxConfig,
    environment: Vec<(String, String)>,
    store: Option<Arc<dyn Store>>,
    executor: Option<Arc<dyn TaskExecutor>>,
    client: Option<reqwest::Client>,
}

impl TestAppBuilder {
    /// The time at which the clock stands.
    pub fn at(mut self, now: &str) -> Self {
        self.now = now.to_owned();
        self
    }

    /// More configuration, as TOML.
    pub fn with(mut self, toml: &str) -> Self {
        self.configuration.push_str(toml);
        self.configuration.push('\n');
        self
    }

    pub fn sandbox(mut self, sandbox: SandboxConfig) -> Self {
        self.sandbox = sandbox;
        self
    }

    /// Variables of the environment.
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment.extend(variables);
        self
    }

    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    pub fn executor(mut self, executor: Arc<dyn TaskExecutor>) -> Self {
        self.executor = Some(executor);
        self
    }

    /// Who asks; by default somebody who knows nothing of certificates.
    pub fn client(mut self, client: reqwest::Client) -> Self {
        self.client = Some(client);
        self
    }

    pub async fn start(self) -> TestApp {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (sandbox, _) = Sandbox::start(listener, self.sandbox, std::future::pending()).await.expect("a sandbox");
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(TestClock::new(&self.now));
        let mut app = TestApp {
            running: None,
            sandbox,
            clock,
            folder,
            client: self.client.unwrap_or_else(|| reqwest::Client::builder().no_proxy().build().expect("a client")),
            base: String::new(),
            config: None,
            configuration: self.configuration,
            environment: self.environment,
        };
        app.start_service(self.store, self.executor).await;
        app
    }
}

/// A running service.
pub struct TestApp {
    running: Option<Running>,
    pub sandbox: Sandbox,
    pub clock: Arc<TestClock>,
    folder: TempDir,
    client: reqwest::Client,
    base: String,
    config: Option<Config>,
    configuration: String,
    environment: Vec<(String, String)>,
}

impl TestApp {
    /// A service with a SQLite file, one target (the sandbox), recipes for every task type, and a clock that stands at
    /// 2026-01-05T02:00:00Z, a Monday.
    pub fn builder() -> TestAppBuilder {
        TestAppBuilder {
            now: "2026-01-05T02:00:00Z".to_owned(),
            configuration: String::new(),
            sandbox: SandboxConfig::default(),
            environment: Vec::new(),
            store: None,
            executor: None,
            client: None,
        }
    }

    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Ends the service in order and starts it again on the same files.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.start_service(None, None).await;
    }

    /// Starts the service on its files after it has ended.
    pub async fn restart_after_end(&mut self) {
        self.start_service(None, None).await;
    }

    /// Ends the service in order.
    pub async fn stop(&mut self) {
        self.running.take().expect("a running service").shutdown().await;
    }

    /// Takes the running service, to end it in a way of one's own.
    pub fn take_running(&mut self) -> Running {
        self.running.take().expect("a running service")
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("a running service")
    }

    /// A file of the service.
    pub fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    async fn start_service(&mut self, store: Option<Arc<dyn Store>>, executor: Option<Arc<dyn TaskExecutor>>) {
        let config = load(&self.write_configuration(), self.environment.clone(), Mode::Dev).expect("a valid configuration");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let adapters = Adapters { clock, store, executor, ..Adapters::default() };
        let running = start(config.clone(), adapters, listener).await.expect("the service starts");
        let scheme = if config.server.tls.is_some() { "https" } else { "http" };
        self.base = format!("{scheme}://{}", running.address());
        self.config = Some(config);
        self.running = Some(running);
        let (client, url) = (&self.client, format!("{}/readyz", self.base));
        until("readiness", || async { client.get(&url).send().await.ok()?.status().is_success().then_some(()) }).await;
    }

    fn write_configuration(&self) -> [std::path::PathBuf; 2] {
        let path = |name: &str| toml_string(&self.folder.path().join(name));
        let text = format!(
            "auth.hs256_secret = \"a secret that is long enough for a test of the service\"\n\
             storage.url = {}\naudit.file = {}\nserver.shutdown_grace = \"0s\"\n\
             targets.default.base_url = \"{}\"\ntargets.default.requests_per_minute = 60000\n",
            toml_string(Path::new(&format!("sqlite:{}", self.folder.path().join("maintenance.db").display()))),
            path("audit.jsonl"),
            self.sandbox.base_url(),
        );
        // The test's own is a second file, so that it may say otherwise.
        [("maintenance.toml", &text), ("test.toml", &self.configuration)].map(|(name, text)| {
            let file = self.file(name);
            std::fs::write(&file, text).expect("a written file");
            file
        })
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// A token with these scopes (`maintenance:write`), an hour valid.
    pub fn token(&self, scopes: &str) -> String {
        self.token_of("tester", scopes)
    }

    pub fn token_of(&self, subject: &str, scopes: &str) -> String {
        let scopes = scopes.split(' ').filter_map(Scope::parse).collect();
        let request =
            TokenRequest { subject: subject.to_owned(), scopes, ttl: std::time::Duration::from_secs(3600), access: None };
        let auth = &self.config.as_ref().expect("a configuration").auth;
        issue(auth, &request, self.clock.now(), Uuid::from_u128(1)).expect("a token")
    }

    /// A request with an admin's token; the path is below the base path.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.request_as("maintenance:admin", method, path)
    }

    pub fn request_as(&self, scopes: &str, method: Method, path: &str) -> reqwest::RequestBuilder {
        request(&self.client, &self.base, method, &format!("{API}{path}"), Some(&self.token(scopes)))
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PUT, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        let request = self.request(Method::PATCH, path).header("content-type", "application/merge-patch+json");
        Answer::of(request.body(body.to_string())).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }

    /// Creates a schedule that has to be accepted.
    pub async fn create(&self, document: Value) -> Value {
        self.post("/schedules", document).await.expect(201)
    }

    /// Runs a schedule and returns the job once it is over.
    pub async fn run(&self, schedule: &str) -> Value {
        let job = self.post(&format!("/schedules/{schedule}/run"), serde_json::json!({})).await.expect(202);
        self.ended(job["id"].as_str().expect("an id")).await
    }

    /// The job once it is in a state for which `wanted` holds.
    pub async fn job_when(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/jobs/{id}");
        let (path, wanted) = (&path, &wanted);
        until("a job's state", || async move {
            let job = self.get(path).await.expect(200);
            wanted(&job).then_some(job)
        })
        .await
    }

    /// The job once it is over.
    pub async fn ended(&self, id: &str) -> Value {
        self.job_when(id, |job| !job["finished_at"].is_null()).await
    }

    /// Jobs of a schedule, newest first, once there are as many.
    pub async fn jobs_of(&self, schedule: &str, at_least: usize) -> Vec<Value> {
        let path = format!("/jobs?schedule_id={schedule}");
        let path = &path;
        until("jobs", || async move {
            let page = self.get(path).await.expect(200);
            let jobs = page["jobs"].as_array().expect("a list").clone();
            (jobs.len() >= at_least).then_some(jobs)
        })
        .await
    }

    /// The lines of the audit trail, once there are as many.
    pub async fn audit_lines(&self, at_least: usize) -> Vec<Value> {
        until("lines of the audit trail", || async {
            let text = std::fs::read_to_string(self.file("audit.jsonl")).expect("the audit trail");
            let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
            (lines.len() >= at_least).then_some(lines)
        })
        .await
    }

    /// The metrics page.
    pub async fn metrics(&self) -> String {
        Answer::of(self.client.get(format!("{}/metrics", self.base))).await.text
    }

    /// The value of one series of the metrics page.
    pub async fn metric(&self, series: &str) -> f64 {
        let page = self.metrics().await;
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
            .unwrap_or_else(|| panic!("{series} in\n{page}"));
        line.parse().expect("a number")
    }
}

fn toml_string(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}
