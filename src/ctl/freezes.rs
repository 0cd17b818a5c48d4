//! `ctl freezes`.

use reqwest::Method;
use serde_json::json;

use super::args::FreezesCommand;
use super::client::Call;
use super::failure::CtlFailure;
use super::output::Session;
use super::printed;
use crate::domain::time::format_timestamp;

/// Carries out one of the commands.
///
/// # Errors
/// As for any request.
pub async fn perform(session: &mut Session<'_>, command: FreezesCommand) -> Result<(), CtlFailure> {
    match command {
        FreezesCommand::List => {
            let freezes = session.client.send(&Call::get(["freezes"])).await?.json;
            session.show(&freezes, printed::freezes)
        }
        FreezesCommand::Create { from, to, targets, reason } => {
            let mut body = json!({"from": format_timestamp(from), "to": format_timestamp(to), "reason": reason});
            // Left out means all.
            if !targets.is_empty() {
                body["targets"] = targets.into();
            }
            let freeze = session.client.send(&Call::post(["freezes"]).body(body)).await?.json;
            session.show(&freeze, printed::freeze)
        }
        FreezesCommand::Delete { id } => {
            session.client.send(&Call::new(Method::DELETE, ["freezes", id.as_str()])).await?;
            session.say(&format!("deleted {id}"));
            Ok(())
        }
    }
}
