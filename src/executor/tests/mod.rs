//! The executor against a scripted server. Time stands still unless a test moves it, so no outcome depends on the machine's pace.

mod addresses;
mod adopting;
mod cancelling;
mod discovering;
mod outcomes;
mod polling;
mod preflight;
mod probes;
mod requests;
mod resting;
mod server;
mod settling;
mod steps;
mod tls;
mod tokens;
mod verification;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::dns::Resolve;
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use self::server::Server;
use super::resolver::SystemLookup;
use super::{HttpExecutor, RequestMetrics, TargetSettings};
use crate::domain::catalog::{Catalog, TargetCatalog};
use crate::domain::ids::JobId;
use crate::domain::job::Outcome;
use crate::domain::ports::{AttemptObserver, AttemptReport, AttemptTrace, Checkpoint, TaskCall, TaskExecutor};
use crate::domain::recipe::{Assertion, Body, Call, Method, PathTemplate, Recipe, SuccessRule, Test};
use crate::domain::task::TaskType;

const JOB: u128 = 0x0190_0000_0000_7000_8000_0000_0000_00ab;

/// Keeps a paused clock still: without a blocking task the runtime would jump to the next timer whenever it waits for a socket.
struct StoppedClock {
    _running: std::sync::mpsc::Sender<()>,
}

impl StoppedClock {
    fn new() -> Self {
        let (running, ended) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || ended.recv());
        Self { _running: running }
    }
}

/// Keeps what was counted.
#[derive(Default)]
struct Counted(Mutex<Vec<(String, Outcome)>>);

impl RequestMetrics for Counted {
    fn target_request(&self, target: &str, outcome: Outcome) {
        self.0.lock().push((target.to_owned(), outcome));
    }
}

/// Keeps what an attempt says while it is under way.
#[derive(Clone, Default)]
struct Kept {
    metrics: Arc<Counted>,
    checkpoints: Arc<Mutex<Vec<(Checkpoint, usize)>>>,
    progress: Arc<Mutex<Vec<u8>>>,
}

impl Kept {
    /// Each checkpoint, and how many calls had been made before it.
    fn checkpoints(&self) -> Vec<(Checkpoint, usize)> {
        self.checkpoints.lock().clone()
    }

    fn progress(&self) -> Vec<u8> {
        self.progress.lock().clone()
    }
}

#[async_trait::async_trait]
impl AttemptObserver for Kept {
    async fn keep(&self, checkpoint: Checkpoint) {
        self.checkpoints.lock().push((checkpoint, self.metrics.0.lock().len()));
    }

    fn progress(&self, percent: u8) {
        self.progress.lock().push(percent);
    }
}

/// An executor with one target and one recipe, and what goes with it. For tests that start with a paused clock.
struct Bench {
    executor: Arc<HttpExecutor>,
    metrics: Arc<Counted>,
    trace: Arc<AttemptTrace>,
    task: TaskCall,
    _stopped: StoppedClock,
}

impl Bench {
    fn new(server: &Server, recipe: Recipe) -> Self {
        Self::with_settings(settings(&server.url("")), recipe)
    }

    fn with_settings(settings: TargetSettings, recipe: Recipe) -> Self {
        Self::with_lookup(settings, recipe, Arc::new(SystemLookup))
    }

    fn with_lookup(settings: TargetSettings, recipe: Recipe, lookup: Arc<dyn Resolve>) -> Self {
        let target = TargetCatalog {
            recipes: BTreeMap::from([(TaskType::IndexRebuild, Arc::new(recipe))]),
            custom: BTreeMap::new(),
            max_concurrent_jobs: 1,
            ..TargetCatalog::default()
        };
        let catalog = Arc::new(Catalog::new(BTreeMap::from([("default".to_owned(), target)])));
        let metrics = Arc::new(Counted::default());
        let counted = Arc::clone(&metrics) as Arc<dyn RequestMetrics>;
        let executor = HttpExecutor::with_lookup(vec![settings], catalog, counted, lookup).expect("an executor");
        let task = TaskCall {
            job_id: JobId(Uuid::from_u128(JOB)),
            task_index: 2,
            task_name: "rebuild".to_owned(),
            attempt: 3,
            target: "default".to_owned(),
            item: None,
            task_type: TaskType::IndexRebuild,
            parameters: object(json!({"table": "users", "column": "age"})),
            timeout: None,
            checkpoint: Checkpoint::default(),
        };
        Self { executor: Arc::new(executor), metrics, trace: Arc::default(), task, _stopped: StoppedClock::new() }
    }

    /// The same with somebody who hears what the attempt says.
    fn watched(mut self) -> (Self, Kept) {
        let kept = Kept { metrics: Arc::clone(&self.metrics), ..Kept::default() };
        self.trace = Arc::new(AttemptTrace::observed(Box::new(kept.clone())));
        (self, kept)
    }

    async fn attempt(&self) -> AttemptReport {
        self.executor.attempt(&self.task, &self.trace).await
    }

    async fn cancel(&self) {
        self.executor.cancel(&self.task, &self.trace).await;
    }

    /// Starts an attempt, waits until the server has got `requests` requests, lets `passing` pass, and gives back the report.
    async fn attempt_while(&self, server: &Server, requests: usize, passing: Duration) -> AttemptReport {
        let (executor, task, trace) = (Arc::clone(&self.executor), self.task.clone(), Arc::clone(&self.trace));
        let attempt = tokio::spawn(async move { executor.attempt(&task, &trace).await });
        server.requests_arrived(requests).await;
        tokio::time::advance(passing).await;
        attempt.await.expect("the attempt does not panic")
    }

    /// Makes an attempt while the clock moves on, by a millisecond whenever nothing else is to do. Fit for what waits for seconds:
    /// the task's timeout is put so far off that no request is overtaken by it.
    async fn attempt_while_time_passes(&self) -> AttemptReport {
        let mut task = self.task.clone();
        task.timeout = Some(Duration::MAX);
        let mut attempt = pin!(self.executor.attempt(&task, &self.trace));
        for _ in 0..1_000_000 {
            tokio::select! {
                biased;
                report = &mut attempt => return report,
                () = tokio::time::advance(Duration::from_millis(1)) => {}
            }
        }
        panic!("the attempt did not end within 1000 seconds");
    }

    fn counted(&self) -> Vec<Outcome> {
        let counted = self.metrics.0.lock();
        assert!(counted.iter().all(|(target, _)| target == "default"));
        counted.iter().map(|(_, outcome)| *outcome).collect()
    }
}

/// Settings that reach a server, with limits that no test meets unless it sets its own.
fn settings(base_url: &str) -> TargetSettings {
    TargetSettings {
        requests_per_minute: 1_000_000,
        connect_timeout: Duration::from_secs(86_400),
        ..TargetSettings::new("default", Url::parse(base_url).expect("a URL"))
    }
}

fn call(method: Method, path: &str, body: Body) -> Call {
    Call { method, path: PathTemplate::parse(path).expect("a path"), body }
}

/// `POST /index/rebuild` with the parameters, good when `/success` is true.
fn recipe() -> Recipe {
    Recipe {
        success: rule("/success", Test::Equals(true.into())),
        timeout: Duration::from_secs(600),
        idempotent: true,
        ..Recipe::of(call(Method::Post, "/index/rebuild", Body::Parameters))
    }
}

fn rule(pointer: &str, test: Test) -> SuccessRule {
    SuccessRule { statuses: Vec::new(), assertions: vec![Assertion { selector: pointer.into(), test }] }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

fn message(report: &AttemptReport) -> &str {
    report.error_message.as_deref().expect("a message")
}
