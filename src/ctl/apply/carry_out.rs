//! Carries out a plan, or says what it is.

use reqwest::Method;
use serde_json::{Value, json};

use super::plan::{Action, Step};
use crate::ctl::args::Format;
use crate::ctl::client::{Call, CallError};
use crate::ctl::failure::CtlFailure;
use crate::ctl::insist::insist;
use crate::ctl::output::Session;

/// Carries out the plan step by step, and says of each what was done. The first failure ends it: what was done before stays, and
/// applying the same files again goes on from there.
///
/// # Errors
/// The failure of a step.
pub async fn carry_out(session: &mut Session<'_>, plan: Vec<Step>, dry_run: bool) -> Result<(), CtlFailure> {
    let mut done: Vec<Value> = Vec::new();
    let mut failure = None;
    for step in plan {
        let Step { id, action, diff, warnings: _ } = step;
        if session.format == Format::Table && !diff.is_empty() {
            session.print(&diff)?;
        }
        let result = if dry_run { "planned" } else { "done" };
        let word = word(&action);
        if !dry_run && let Err(error) = one(session, &id.to_string(), action).await {
            session.say(&format!("{id} could not be {word}; what was said before is done, the rest is not"));
            failure = Some(error);
            break;
        }
        if session.format == Format::Table {
            session.print(&format!("{word} {id}{}", if dry_run { " (dry run)" } else { "" }))?;
        }
        done.push(json!({"id": id.to_string(), "action": word, "result": result, "diff": diff}));
    }
    let count = |word: &str| done.iter().filter(|step| step["action"] == word).count();
    let counts = ["created", "changed", "unchanged", "deleted"].map(|word| format!("{} {word}", count(word))).join(", ");
    if session.format != Format::Table {
        session.show(&json!({"schedules": done, "count": done.len(), "dry_run": dry_run}), |_| String::new())?;
    }
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    session.say(&format!("{counts}{}", if dry_run { " (dry run: nothing was changed)" } else { "" }));
    Ok(())
}

fn word(action: &Action) -> &'static str {
    match action {
        Action::Create(_) => "created",
        Action::Change(..) => "changed",
        Action::Keep => "unchanged",
        Action::Delete(_) => "deleted",
    }
}

async fn one(session: &mut Session<'_>, id: &str, action: Action) -> Result<(), CallError> {
    let client = session.client.clone();
    let guarded = |call: Call, etag: Option<String>| match etag {
        Some(etag) => call.header("If-Match", etag),
        None => call,
    };
    match action {
        Action::Keep => Ok(()),
        Action::Create(fields) => {
            // The key makes it harmless to send it twice.
            let call = Call::post(["schedules"]).header("Idempotency-Key", session.new_id()).body(Value::Object(fields));
            insist(&client, &call, |error| session.say(&format!("{}; asking again", error.in_short()))).await.map(drop)
        }
        Action::Change(fields, etag) => {
            let call = Call::new(Method::PUT, ["schedules", id]).body(Value::Object(fields));
            client.send(&guarded(call, etag)).await.map(drop)
        }
        Action::Delete(etag) => client.send(&guarded(Call::new(Method::DELETE, ["schedules", id]), etag)).await.map(drop),
    }
}
