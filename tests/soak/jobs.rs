//! What the jobs' records say, one by one and beside each other.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::world::{TARGETS, time};

pub fn check_that_no_two_ran_at_once_on_a_target(jobs: &[Value]) {
    for target in TARGETS {
        let ran = jobs.iter().filter(|job| job["target"] == target && !job["started_at"].is_null());
        let mut spans: Vec<_> = ran.map(|job| (time(&job["started_at"]), time(&job["finished_at"]), &job["id"])).collect();
        spans.sort_by_key(|(start, _, _)| *start);
        for pair in spans.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "two jobs at once on {target}: {pair:?}");
        }
        assert!(spans.len() > 10, "{target} ran only {} jobs", spans.len());
    }
}

pub fn check_that_each_record_is_true(jobs: &[Value]) {
    for job in jobs {
        let tasks = job["tasks"].as_array().expect("a list");
        let states: Vec<&str> = tasks.iter().map(|task| task["state"].as_str().expect("a state")).collect();
        let failed = states.contains(&"FAILED");
        match job["state"].as_str().expect("a state") {
            "SUCCEEDED" => assert!(states.iter().all(|state| *state == "SUCCEEDED"), "{job}"),
            "FAILED" => assert!(failed && !job["error_message"].is_null(), "{job}"),
            // The second at the end, when the schedules are disabled.
            "SKIPPED" => assert!(
                ["OVERLAP", "SCHEDULE_DISABLED"].contains(&job["reason"].as_str().unwrap_or_default())
                    && states.iter().all(|state| *state == "SKIPPED"),
                "{job}"
            ),
            other => panic!("{other}: {job}"),
        }
        for task in tasks {
            let outcome = task["outcome"].as_str();
            match task["state"].as_str().expect("a state") {
                "SUCCEEDED" => assert_eq!(outcome, Some("SUCCEEDED"), "{job}"),
                "FAILED" => {
                    assert!(outcome.is_some_and(|outcome| outcome != "SUCCEEDED") && !task["error_message"].is_null(), "{job}")
                }
                _ => assert_eq!(task["attempts"], 0, "{job}"),
            }
            assert!(task["attempts"].as_u64().expect("a number") <= 2, "{job}");
        }
    }
}

/// How the jobs ended, in one line.
pub fn summary(jobs: &[Value]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for job in jobs {
        *counts.entry(job["state"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        for outcome in job["tasks"].as_array().into_iter().flatten().filter_map(|task| task["outcome"].as_str()) {
            *counts.entry(format!("task {outcome}")).or_default() += 1;
        }
    }
    format!("{} jobs: {counts:?}", jobs.len())
}
