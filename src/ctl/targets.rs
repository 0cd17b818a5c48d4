//! `ctl targets`.

use super::args::{TargetArg, TargetsCommand};
use super::client::Call;
use super::failure::CtlFailure;
use super::output::Session;
use super::printed;

/// Carries out one of the commands; without one, lists.
///
/// # Errors
/// As for any request.
pub async fn perform(session: &mut Session<'_>, command: Option<TargetsCommand>) -> Result<(), CtlFailure> {
    let call = match command {
        None | Some(TargetsCommand::List) => {
            let targets = session.client.send(&Call::get(["targets"])).await?.json;
            return session.show(&targets, printed::targets);
        }
        Some(TargetsCommand::Pause { target, pause }) => action(&target, "pause").body(session.pause_body(pause)),
        Some(TargetsCommand::Resume(target)) => action(&target, "resume"),
    };
    let answer = session.client.send(&call).await?.json;
    session.show(&answer, printed::target)
}

fn action(target: &TargetArg, what: &str) -> Call {
    match &target.name {
        Some(name) => Call::post(["targets", name.as_str(), what]),
        None => Call::post([what]),
    }
}
