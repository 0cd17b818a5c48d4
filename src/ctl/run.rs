//! From arguments to a command, and the commands that are one request.

use std::ffi::OsString;
use std::io::Write;
use std::time::Duration;

use serde_json::{Map, Value};

use super::args::{CtlArgs, CtlCommand, RunArgs};
use super::client::{Call, Client};
use super::failure::CtlFailure;
use super::follow::{Limit, follow, siblings};
use super::insist::insist;
use super::output::{Session, write};
use super::settings::settings;
use super::{freezes, jobs, printed, schedules, targets};
use crate::domain::ports::{Clock, IdSource};

/// How long a run that is not waited for is asked for again.
const RUN_LIMIT: Duration = Duration::from_secs(60);

/// What comes from outside besides the arguments.
pub struct Surroundings<'a> {
    /// The environment.
    pub environment: &'a [(OsString, OsString)],
    /// The time, for relative ones and for ids.
    pub clock: &'a dyn Clock,
    /// Makes idempotency keys.
    pub ids: &'a dyn IdSource,
    /// Whether somebody looks at standard error.
    pub terminal: bool,
    /// Standard input.
    pub input: fn() -> std::io::Result<String>,
    /// The whole command line, for completions.
    pub command: fn() -> clap::Command,
}

/// Carries out a command.
///
/// # Errors
/// Why it did not end well; the failure knows its exit code.
pub fn run(args: CtlArgs, around: &Surroundings<'_>, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), CtlFailure> {
    let CtlArgs { connection, output: format, command } = args;
    if let CtlCommand::Completions { shell } = command {
        let (mut command, mut script) = ((around.command)(), Vec::new());
        let name = command.get_name().to_owned();
        clap_complete::generate(shell, &mut command, name, &mut script);
        return write(out, &String::from_utf8_lossy(&script));
    }
    let settings = settings(&connection, around.environment)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CtlFailure::Fault(format!("cannot start: {error}")))?;
    let mut session = Session { client: Client::new(&settings)?, format, around, out, err };
    runtime.block_on(perform(&mut session, command))
}

async fn perform(session: &mut Session<'_>, command: CtlCommand) -> Result<(), CtlFailure> {
    match command {
        CtlCommand::Schedules(command) => schedules::perform(session, command).await,
        CtlCommand::Run(args) => run_schedule(session, args).await,
        CtlCommand::Jobs(command) => jobs::perform(session, command).await,
        CtlCommand::Health => {
            let report = session.client.send(&Call::get(["health"])).await?.json;
            session.show(&report, printed::health)
        }
        CtlCommand::Targets { command } => targets::perform(session, command).await,
        CtlCommand::Freezes(command) => freezes::perform(session, command).await,
        // Needs no service, and was carried out before there was a session.
        CtlCommand::Completions { .. } => Ok(()),
    }
}

async fn run_schedule(session: &mut Session<'_>, args: RunArgs) -> Result<(), CtlFailure> {
    let RunArgs { schedule, force, target, idempotency_key, wait, timeout } = args;
    let mut body = Map::new();
    if force {
        body.insert("force".to_owned(), true.into());
    }
    let one_target = target.is_some();
    if let Some(target) = target {
        body.insert("target".to_owned(), target.into());
    }
    let key = idempotency_key.unwrap_or_else(|| session.new_id());
    let call = Call::post(["schedules", schedule.id.as_str(), "run"]).header("Idempotency-Key", key).body(Value::Object(body));
    let (mut limit, client) = (Limit::of(if wait { timeout } else { RUN_LIMIT }), session.client.clone());
    let start = async {
        let job = insist(&client, &call, |error| session.say(&format!("{}; asking again", error.in_short()))).await?.json;
        if wait && !one_target { siblings(&client, job).await } else { Ok(vec![job]) }
    };
    let Some(started) = limit.within(start).await else {
        let words = limit.words();
        return Err(CtlFailure::TimedOut(format!("no answer within {words}; the run may have been started")));
    };
    match (wait, started?) {
        (true, jobs) => follow(session, jobs, &mut limit).await,
        (false, jobs) => jobs.iter().try_for_each(|job| session.show(job, printed::job)),
    }
}

impl Session<'_> {
    /// A new UUIDv7.
    pub fn new_id(&self) -> String {
        self.around.ids.new_uuid(self.around.clock.now()).to_string()
    }
}
