//! What is told of a job while it is waited for: bars on a terminal, lines where they go into a log.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;

use super::printed::{duration, text};
use super::table::NOTHING;

/// Tells how jobs go on.
pub struct Progress<'a> {
    err: &'a mut dyn Write,
    bars: Option<MultiProgress>,
    jobs: BTreeMap<String, Told>,
}

/// What was told of a job.
#[derive(Default)]
struct Told {
    bar: Option<ProgressBar>,
    state: String,
    tasks: BTreeMap<String, String>,
    lost: bool,
}

impl<'a> Progress<'a> {
    /// Bars if somebody looks on, lines if not.
    pub fn new(err: &'a mut dyn Write, terminal: bool) -> Self {
        Self { err, bars: terminal.then(MultiProgress::new), jobs: BTreeMap::new() }
    }

    /// Tells what is new of a job.
    pub fn job(&mut self, job: &Value) {
        let id = text(&job["id"]);
        let told = self.jobs.entry(id.clone()).or_default();
        if std::mem::take(&mut told.lost) && self.bars.is_none() {
            line(self.err, &format!("job {id}: connected again"));
        }
        match &self.bars {
            Some(bars) => {
                let bar = told.bar.get_or_insert_with(|| bars.add(bar(&text(&job["schedule_id"]), &text(&job["target"]))));
                bar.set_position(job["progress_pct"].as_u64().unwrap_or(0));
                bar.set_message(now(job));
                if !job["finished_at"].is_null() {
                    bar.abandon();
                }
            }
            None => lines(self.err, told, &id, job),
        }
    }

    /// Tells that there was no answer; once until there is one again.
    pub fn lost(&mut self, id: &str, why: &str) {
        let told = self.jobs.entry(id.to_owned()).or_default();
        if std::mem::replace(&mut told.lost, true) {
            return;
        }
        match &told.bar {
            Some(bar) => bar.set_message(format!("{why}; asking again")),
            None => line(self.err, &format!("job {id}: {why}; asking again")),
        }
    }
}

fn line(err: &mut dyn Write, text: &str) {
    // Nobody is left to tell that it could not be said.
    let _ = writeln!(err, "{text}");
}

fn bar(schedule: &str, target: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} [{bar:24}] {pos:>3} % {elapsed} {wide_msg}");
    let bar = ProgressBar::new(100);
    // The template is ours; without it the bar has its usual looks.
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(format!("{schedule} on {target}"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The state, and the task that is under way or the reason.
fn now(job: &Value) -> String {
    let tasks = job["tasks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let running = tasks.iter().find(|task| task["state"] == "RUNNING").map(|task| text(&task["name"]));
    format!("{} {}", text(&job["state"]), running.unwrap_or_else(|| why(job).unwrap_or_default()))
}

/// Why the job waits, was skipped or failed. The sentence about a job that is over begins with its state, which is said already.
fn why(job: &Value) -> Option<String> {
    let sentence = if job["finished_at"].is_null() { "explanation" } else { "error_message" };
    let said = [sentence, "error_message", "reason"].map(|field| text(&job[field]));
    said.into_iter().find(|said| said != NOTHING)
}

fn lines(err: &mut dyn Write, told: &mut Told, id: &str, job: &Value) {
    let over = !job["finished_at"].is_null();
    let state = text(&job["state"]);
    let whole = |told: &mut Told, err: &mut dyn Write| {
        if told.state != state {
            let why =
                why(job).filter(|_| state != "RUNNING" && state != "SUCCEEDED").map(|why| format!(": {why}")).unwrap_or_default();
            line(err, &format!("job {id}: {} on {} {state}{why}", text(&job["schedule_id"]), text(&job["target"])));
            told.state.clone_from(&state);
        }
    };
    if !over {
        whole(told, err);
    }
    // Of a job that never ran its own line says all.
    let tasks = job["tasks"].as_array().map(Vec::as_slice).unwrap_or_default();
    for task in tasks.iter().filter(|_| !over || !job["started_at"].is_null()) {
        let (name, state) = (text(&task["name"]), text(&task["state"]));
        let before = told.tasks.insert(name.clone(), state.clone());
        if before.as_ref() == Some(&state) || (before.is_none() && state == "PENDING") {
            continue;
        }
        let took = match (duration(&task["duration_ms"]).as_str(), text(&task["error_message"]).as_str()) {
            (NOTHING, NOTHING) => String::new(),
            (took, NOTHING) => format!(" after {took}"),
            (NOTHING, error) => format!(": {error}"),
            (took, error) => format!(" after {took}: {error}"),
        };
        line(err, &format!("job {id}: task {name} {state}{took}"));
    }
    whole(told, err);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(state: &str, task: &Value) -> Value {
        json!({"id": "j", "schedule_id": "s", "target": "t", "state": state, "tasks": [task], "started_at": "a",
            "finished_at": if state == "FAILED" { json!("b") } else { Value::Null }})
    }

    #[test]
    fn lines_tell_what_has_changed_and_nothing_twice() {
        let mut err = Vec::new();
        let mut progress = Progress::new(&mut err, false);
        let mut waits = job("PENDING", &json!({"name": "A", "state": "PENDING"}));
        waits["explanation"] = json!("It waits for its target.");
        progress.job(&waits);
        let runs = job("RUNNING", &json!({"name": "A", "state": "RUNNING"}));
        progress.job(&runs);
        progress.lost("j", "gone");
        progress.lost("j", "gone");
        progress.job(&runs);
        progress.job(&job("FAILED", &json!({"name": "A", "state": "FAILED", "duration_ms": 7, "error_message": "no"})));
        assert_eq!(
            String::from_utf8(err).expect("text"),
            "job j: s on t PENDING: It waits for its target.\njob j: s on t RUNNING\njob j: task A RUNNING\n\
             job j: gone; asking again\njob j: connected again\njob j: task A FAILED after 7 ms: no\njob j: s on t FAILED\n"
        );
    }

    #[test]
    fn a_job_that_never_ran_is_one_line() {
        let mut err = Vec::new();
        let mut skipped = job("FAILED", &json!({"name": "A", "state": "SKIPPED", "error_message": "the job did not run"}));
        (skipped["state"], skipped["started_at"], skipped["error_message"]) =
            (json!("SKIPPED"), Value::Null, json!("it is late"));
        skipped["explanation"] = json!("Skipped: it is late.");
        Progress::new(&mut err, false).job(&skipped);
        assert_eq!(String::from_utf8(err).expect("text"), "job j: s on t SKIPPED: it is late\n");
    }
}
