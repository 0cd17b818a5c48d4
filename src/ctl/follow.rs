//! Waits for jobs to end, over lost connections and restarts of the service.

use std::pin::Pin;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::client::{Call, CallError, Client};
use super::failure::CtlFailure;
use super::insist::{Pauses, insist};
use super::output::Session;
use super::printed;
use super::progress::Progress;

/// How long the service is asked to hold an answer back. Short, because the progress meanwhile is to be seen, too.
const WAIT: Duration = Duration::from_secs(2);
/// Between two questions to a service that answers at once.
const POLL: Duration = Duration::from_secs(1);
/// Between two questions to one that holds its answers back; it may not, for example while it stops.
const BREATH: Duration = Duration::from_millis(200);

/// What was heard of a job.
enum Heard {
    Job(Value),
    Lost(String, CallError),
    Refused(CallError),
}

/// The time that a command has for all that it waits for.
pub struct Limit {
    length: Duration,
    over: Pin<Box<tokio::time::Sleep>>,
}

impl Limit {
    /// Begins now.
    pub fn of(length: Duration) -> Self {
        Self { length, over: Box::pin(tokio::time::sleep(length)) }
    }

    /// What comes of the work, or `None` when time is over first.
    pub async fn within<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = &mut self.over => None,
        }
    }

    /// How long it is, in words.
    pub fn words(&self) -> String {
        humantime::format_duration(self.length).to_string()
    }
}

/// Waits for all of the jobs, prints them, and fails unless every one succeeded.
///
/// # Errors
/// When one ended otherwise, cannot be seen any more, or time is over.
pub async fn follow(session: &mut Session<'_>, jobs: Vec<Value>, limit: &mut Limit) -> Result<(), CtlFailure> {
    let mut progress = Progress::new(&mut *session.err, session.around.terminal);
    let ended = limit.within(ends(&session.client, &jobs, &mut progress)).await;
    drop(progress);
    let Some(ended) = ended else {
        let ids: Vec<&str> = jobs.iter().filter_map(|job| job["id"].as_str()).collect();
        let goes_on = ids.iter().map(|id| format!("themis-maintenance ctl jobs follow {id}")).collect::<Vec<_>>().join("\n  ");
        return Err(CtlFailure::TimedOut(format!("not over after {}; it goes on:\n  {goes_on}", limit.words())));
    };
    let ended = ended?;
    match ended.as_slice() {
        [one] => session.show(one, printed::job)?,
        several => session.show(&json!({"jobs": several, "count": several.len()}), printed::several_jobs)?,
    }
    let bad: Vec<String> = ended.iter().filter(|job| job["state"] != "SUCCEEDED").map(end).collect();
    if bad.is_empty() { Ok(()) } else { Err(CtlFailure::Ended(bad.join("\n"))) }
}

fn end(job: &Value) -> String {
    let said = ["state", "reason"].map(|field| printed::text(&job[field]));
    format!("job {} ended {}", printed::text(&job["id"]), said.join(" ").trim_end_matches([' ', '-']))
}

async fn ends(client: &Client, jobs: &[Value], progress: &mut Progress<'_>) -> Result<Vec<Value>, CtlFailure> {
    // As many as a fire has targets; a full channel makes the watchers wait.
    let (say, mut hear) = mpsc::channel(64);
    let mut watchers = tokio::task::JoinSet::new();
    let mut ended = jobs.to_vec();
    for job in jobs {
        progress.job(job);
        if !is_over(job) {
            watchers.spawn(watch(client.clone(), printed::text(&job["id"]), say.clone()));
        }
    }
    drop(say);
    // Dropping the watchers ends them, so a refusal or the end of time leaves none behind.
    while let Some(heard) = hear.recv().await {
        match heard {
            Heard::Job(job) => {
                progress.job(&job);
                if let Some(place) = ended.iter_mut().find(|known| known["id"] == job["id"]) {
                    *place = job;
                }
            }
            Heard::Lost(id, error) => progress.lost(&id, &error.in_short()),
            Heard::Refused(error) => return Err(error.into()),
        }
    }
    Ok(ended)
}

/// Looks at one job until it is over.
async fn watch(client: Client, id: String, say: mpsc::Sender<Heard>) {
    let mut waits = true;
    let mut pauses = Pauses::default();
    loop {
        let call = Call::get(["jobs", id.as_str()]);
        let call = if waits { call.query("wait", WAIT.as_secs().to_string()).more_time(WAIT) } else { call };
        let heard = match client.send(&call).await {
            Ok(answer) => {
                pauses = Pauses::default();
                Heard::Job(answer.json)
            }
            // A service from before there was such a parameter.
            Err(CallError::Problem(problem)) if waits && problem.names_parameter("wait") => {
                waits = false;
                continue;
            }
            Err(error) if error.is_temporary() => Heard::Lost(id.clone(), error),
            Err(error) => Heard::Refused(error),
        };
        let (over, lost) = match &heard {
            Heard::Job(job) => (is_over(job), None),
            Heard::Lost(_, error) => (false, Some(error.clone())),
            Heard::Refused(_) => (true, None),
        };
        // Nobody listens any more: the command is at its end.
        if say.send(heard).await.is_err() || over {
            return;
        }
        match lost {
            Some(error) => pauses.pass(&error).await,
            None => tokio::time::sleep(if waits { BREATH } else { POLL }).await,
        }
    }
}

fn is_over(job: &Value) -> bool {
    !job["finished_at"].is_null()
}

/// All jobs of a job's fire; its siblings on other targets are part of what was asked for.
///
/// # Errors
/// As for any request.
pub async fn siblings(client: &Client, job: Value) -> Result<Vec<Value>, CallError> {
    let Some(fire) = job["fire_id"].as_str().map(str::to_owned) else { return Ok(vec![job]) };
    let call = Call::get(["jobs"]).query("fire_id", fire).query("limit", "500");
    let document = insist(client, &call, |_| {}).await?.json;
    let mut jobs = document["jobs"].as_array().cloned().unwrap_or_default();
    jobs.sort_by(|one, other| one["id"].as_str().cmp(&other["id"].as_str()));
    if jobs.iter().any(|other| other["id"] == job["id"]) { Ok(jobs) } else { Ok(vec![job]) }
}
