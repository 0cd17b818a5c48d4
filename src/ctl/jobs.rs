//! `ctl jobs`.

use super::args::{JobsCommand, ListJobsArgs};
use super::client::Call;
use super::failure::CtlFailure;
use super::follow::{Limit, follow};
use super::insist::insist;
use super::output::Session;
use super::{pages, printed};

/// The most that the service gives on one page.
const PAGE: usize = 500;

/// Carries out one of the commands.
///
/// # Errors
/// As for any request, and when a job that is followed does not succeed.
pub async fn perform(session: &mut Session<'_>, command: JobsCommand) -> Result<(), CtlFailure> {
    let call = match command {
        JobsCommand::List(args) => return list(session, args).await,
        JobsCommand::Get(job) => Call::get(["jobs", &job.id.to_string()]),
        JobsCommand::Cancel(job) => Call::post(["jobs", &job.id.to_string(), "cancel"]),
        JobsCommand::Retry(job) => Call::post(["jobs", &job.id.to_string(), "retry"]).header("Idempotency-Key", session.new_id()),
        JobsCommand::Follow { job, timeout } => {
            let (mut limit, client) = (Limit::of(timeout), session.client.clone());
            let call = Call::get(["jobs", &job.id.to_string()]);
            let known = insist(&client, &call, |error| session.say(&format!("{}; asking again", error.in_short())));
            let Some(known) = limit.within(known).await else {
                return Err(CtlFailure::TimedOut(format!("no answer within {}", limit.words())));
            };
            return follow(session, vec![known?.json], &mut limit).await;
        }
    };
    let job = session.client.send(&call).await?.json;
    session.show(&job, printed::job)
}

async fn list(session: &mut Session<'_>, args: ListJobsArgs) -> Result<(), CtlFailure> {
    let ListJobsArgs { schedule, state, target, fire, active, limit } = args;
    let call = Call::get(["jobs"])
        .maybe_query("schedule_id", schedule.map(|id| id.to_string()))
        .maybe_query("state", state)
        .maybe_query("target", target)
        .maybe_query("fire_id", fire.map(|id| id.to_string()))
        .maybe_query("active", active.then_some("true"));
    let (document, _) = pages::all(&session.client, &call, "jobs", PAGE, limit).await?;
    session.show(&document, printed::jobs)
}
