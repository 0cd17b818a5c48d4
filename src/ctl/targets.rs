//! `ctl targets`.

use super::args::TargetsCommand;
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
        Some(TargetsCommand::Pause { name, pause }) => {
            Call::post(["targets", name.as_str(), "pause"]).body(session.pause_body(pause))
        }
        Some(TargetsCommand::Resume { name }) => Call::post(["targets", name.as_str(), "resume"]),
    };
    let target = session.client.send(&call).await?.json;
    session.show(&target, printed::any)
}
