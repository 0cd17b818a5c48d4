//! Reads the audit trail as it grows, over the files that are put aside, and checks its chain.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::service::until;

pub struct Trail {
    path: PathBuf,
    /// Bytes that were taken in, of all files together.
    offset: usize,
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

    /// All files one after the other; `None` when one was put aside meanwhile.
    fn bytes(&self) -> Option<Vec<u8>> {
        let aside = || {
            let entries = std::fs::read_dir(self.path.parent().expect("a folder")).expect("readable");
            let paths = entries.map(|entry| entry.expect("an entry").path());
            let mut paths: Vec<_> = paths.filter(|path| path.to_string_lossy().contains("/audit-")).collect();
            paths.sort();
            paths
        };
        let files = aside();
        let mut bytes = Vec::new();
        for path in files.iter().chain([&self.path]) {
            bytes.extend(std::fs::read(path).ok()?);
        }
        (aside() == files).then_some(bytes)
    }

    /// Takes in the complete lines that are new.
    fn read(&mut self) {
        // Only the two steps between which a file has no place can come between; they take less than a millisecond.
        let bytes = (0..100_000).find_map(|_| self.bytes()).expect("files that stay for a moment");
        for line in bytes[self.offset..].split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            self.offset += line.len();
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
