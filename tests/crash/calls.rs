//! What the target was asked to do, over all processes.

use std::collections::HashMap;

use serde_json::Value;
use themis_maintenance::sandbox::Sandbox;

/// How often each task was called, by `Idempotency-Key`.
#[derive(Default)]
pub struct Calls {
    seen_up_to: u64,
    by_key: HashMap<String, u64>,
}

impl Calls {
    /// Takes in what the sandbox has recorded.
    pub fn read(&mut self, sandbox: &Sandbox) {
        let seen_up_to = self.seen_up_to;
        for request in sandbox.requests().iter().filter(|request| request.sequence > seen_up_to) {
            self.seen_up_to = request.sequence;
            if request.path.starts_with("/maintenance/") {
                let key = request.header("idempotency-key").expect("a key");
                *self.by_key.entry(key.to_owned()).or_default() += 1;
            }
        }
    }

    /// Every call belongs to a committed attempt, and a task is called at most once for each of its attempts. `jobs` were read after
    /// the calls.
    pub fn check(&self, jobs: &[Value]) {
        let jobs: HashMap<&str, &Value> = jobs.iter().map(|job| (job["id"].as_str().expect("an id"), job)).collect();
        for (key, calls) in &self.by_key {
            let (id, index) = key.rsplit_once('-').expect("a job and a task");
            let job = jobs.get(id).unwrap_or_else(|| panic!("a call for job {id}, which is not there"));
            let attempts = job["tasks"][index.parse::<usize>().expect("a number")]["attempts"].as_u64().expect("a number");
            assert!(*calls <= attempts, "task {index} was called {calls} times in {attempts} attempts: {job}");
        }
    }
}
