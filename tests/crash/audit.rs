//! Reads the audit trail as it grows, and checks its chain.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::service::until;

pub struct Trail {
    path: PathBuf,
    offset: u64,
    sequence: u64,
    previous: String,
    event_ids: HashSet<String>,
    /// Lines of writes that were carried out, by request id.
    writes: HashMap<String, usize>,
    /// Lines of job transitions, by job and action.
    transitions: HashMap<(String, String), usize>,
}

impl Trail {
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            offset: 0,
            sequence: 0,
            previous: "0".repeat(64),
            event_ids: HashSet::new(),
            writes: HashMap::new(),
            transitions: HashMap::new(),
        }
    }

    /// Waits for the line of a write that was acknowledged; there is exactly one.
    pub async fn expect_write(&mut self, request_id: &str) {
        until(&format!("the audit line of {request_id}"), async || {
            self.read();
            self.writes.contains_key(request_id).then_some(())
        })
        .await;
        assert_eq!(self.writes[request_id], 1, "audit lines of {request_id}");
    }

    /// How many lines say that a request was carried out.
    pub fn writes(&mut self, request_id: &str) -> usize {
        self.read();
        self.writes.get(request_id).copied().unwrap_or(0)
    }

    /// Every job's last transition has its line, once.
    pub async fn check_jobs(&mut self, jobs: &[Value]) {
        for job in jobs {
            let id = format!("job/{}", job["id"].as_str().expect("an id"));
            let state = job["state"].as_str().expect("a state").to_ascii_lowercase();
            let started = job["started_at"].is_string().then(|| "job.running".to_owned());
            for action in [format!("job.{state}")].into_iter().chain(started) {
                let key = (id.clone(), action);
                until(&format!("the audit line of {key:?}"), async || {
                    self.read();
                    self.transitions.contains_key(&key).then_some(())
                })
                .await;
                assert_eq!(self.transitions[&key], 1, "audit lines of {key:?}");
            }
        }
    }

    /// Takes in the complete lines that are new.
    fn read(&mut self) {
        let mut file = std::fs::File::open(&self.path).expect("an audit file");
        file.seek(SeekFrom::Start(self.offset)).expect("a position");
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("readable");
        for line in bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            self.offset += line.len() as u64;
            self.take(&line[..line.len() - 1]);
        }
    }

    fn take(&mut self, line: &[u8]) {
        let event: Value = serde_json::from_slice(line).expect("a JSON line");
        self.sequence += 1;
        assert_eq!((&event["sequence"], &event["previous"]), (&self.sequence.into(), &self.previous.as_str().into()), "{event}");
        self.previous = Sha256::digest(line).iter().map(|byte| format!("{byte:02x}")).collect();
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        assert!(self.event_ids.insert(text("event_id")), "an event is there twice: {event}");
        if text("outcome") == "SUCCEEDED" && event["request_id"].is_string() {
            *self.writes.entry(text("request_id")).or_default() += 1;
        }
        if text("action").starts_with("job.") {
            *self.transitions.entry((text("object"), text("action"))).or_default() += 1;
        }
    }
}
