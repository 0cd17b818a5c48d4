//! `ctl schedules`.

use reqwest::Method;
use serde_json::json;

use super::args::{ListSchedulesArgs, PauseArgs, SchedulesCommand};
use super::client::Call;
use super::failure::CtlFailure;
use super::output::Session;
use super::{apply, pages, printed};
use crate::domain::ids::ScheduleId;
use crate::domain::time::{format_timestamp, to_delta};

/// The most that the service gives on one page.
pub const PAGE: usize = 1000;

/// Carries out one of the commands.
///
/// # Errors
/// As for any request.
pub async fn perform(session: &mut Session<'_>, command: SchedulesCommand) -> Result<(), CtlFailure> {
    let call = match command {
        SchedulesCommand::List(args) => return list(session, args).await,
        SchedulesCommand::Apply(args) => return apply::apply(session, args).await,
        SchedulesCommand::Delete(schedule) => {
            session.client.send(&Call::new(Method::DELETE, ["schedules", schedule.id.as_str()])).await?;
            session.say(&format!("deleted {}", schedule.id));
            return Ok(());
        }
        SchedulesCommand::Preview { schedule, count, from } => {
            let call = Call::get(["schedules", schedule.id.as_str(), "preview"])
                .query("count", count.to_string())
                .maybe_query("from", from.map(format_timestamp));
            let preview = session.client.send(&call).await?.json;
            return session.show(&preview, printed::preview);
        }
        SchedulesCommand::Get(schedule) => Call::get(["schedules", schedule.id.as_str()]),
        SchedulesCommand::Enable(schedule) => action(&schedule.id, "enable"),
        SchedulesCommand::Disable(schedule) => action(&schedule.id, "disable"),
        SchedulesCommand::Resume(schedule) => action(&schedule.id, "resume"),
        SchedulesCommand::Pause { schedule, pause } => action(&schedule.id, "pause").body(session.pause_body(pause)),
        SchedulesCommand::SkipNext { schedule, reason } => {
            let call = action(&schedule.id, "skip-next");
            match reason {
                Some(reason) => call.body(json!({"reason": reason})),
                None => call,
            }
        }
    };
    let schedule = session.client.send(&call).await?.json;
    session.show(&schedule, printed::schedule)
}

fn action(id: &ScheduleId, what: &str) -> Call {
    Call::post(["schedules", id.as_str(), what])
}

async fn list(session: &mut Session<'_>, args: ListSchedulesArgs) -> Result<(), CtlFailure> {
    let ListSchedulesArgs { enabled, target, labels, limit } = args;
    let call = Call::get(["schedules"])
        .maybe_query("enabled", enabled.map(|enabled| enabled.to_string()))
        .maybe_query("target", target)
        .maybe_query("label", (!labels.is_empty()).then(|| labels.join(",")));
    let (document, _) = pages::all(&session.client, &call, "schedules", PAGE, limit).await?;
    session.show(&document, printed::schedules)
}

impl Session<'_> {
    /// The body of a pause.
    pub fn pause_body(&self, pause: PauseArgs) -> serde_json::Value {
        let PauseArgs { reason, until, length } = pause;
        let until = until.or_else(|| self.around.clock.now().checked_add_signed(to_delta(length?)));
        json!({"reason": reason, "until": until.map(format_timestamp)})
    }
}
