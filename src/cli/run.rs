//! Dispatch: parse, do, and turn the end into an exit code.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};

use clap::{CommandFactory, Parser};

use super::args::{AuditCommand, Cli, Command, ConfigArgs, TokenArgs};
use super::exit::{Failure, USAGE};
use super::healthcheck::{self, Trust};
use super::joined::Commands;
use super::token::{TokenError, TokenRequest, issue};
use crate::audit::FirstLines;
use crate::config::{Config, ConfigMistake, ConfigMistakes, Mode, Source, key_of, load};
use crate::ctl::{self, CtlArgs, Surroundings};
use crate::domain::ports::{Clock, IdSource};
use crate::ticker::{SystemClock, SystemIds};

/// Runs a command and returns its exit code.
pub(super) fn run(
    args: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    commands: &dyn Commands,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let command = match Cli::try_parse_from(args) {
        Ok(cli) => cli.command,
        Err(error) => {
            // Help and version that were asked for are an answer; everything else is wrong usage.
            let (stream, code): (&mut dyn Write, u8) = if error.use_stderr() { (&mut *err, USAGE) } else { (&mut *out, 0) };
            // Nobody is left to tell that the message could not be written.
            let _ = write!(stream, "{}", error.render());
            return code;
        }
    };
    let environment: Vec<_> = environment.into_iter().collect();
    match perform(command, &environment, commands, out, err) {
        Ok(()) => 0,
        Err(failure) => {
            let _ = writeln!(err, "{failure}");
            failure.code()
        }
    }
}

fn perform(
    command: Command,
    environment: &[(OsString, OsString)],
    commands: &dyn Commands,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let ours = || own_variables(environment);
    match command {
        Command::Serve(args) => commands.serve(configuration(&args, ours()?)?).map_err(Failure::of_command),
        Command::Dev(args) => commands.dev(args, ours()?).map_err(Failure::of_command),
        Command::Sandbox(args) => commands.sandbox(args).map_err(Failure::of_command),
        Command::Token(args) => token(args, ours()?, out),
        Command::Openapi => print(out, &commands.openapi().map_err(Failure::Internal)?),
        Command::CheckConfig(args) => {
            let config = configuration(&args, ours()?)?;
            print(out, &format!("configuration is valid\n{}", config.summary()))
        }
        Command::Audit(AuditCommand::Verify { files, continued }) => {
            let first_lines = if continued { FirstLines::Removed } else { FirstLines::Required };
            let found = commands.verify_audit(&files, first_lines).map_err(|error| Failure::CheckFailed(format!("{error:#}")))?;
            print(out, &found)
        }
        Command::Backup(args) => {
            let config = load(&args.config.files, ours()?, Mode::Files)?;
            print(out, &commands.backup(config, &args.file).map_err(Failure::Internal)?)
        }
        Command::Check { file } => {
            print(out, &commands.check(&file).map_err(|error| Failure::CheckFailed(format!("{error:#}")))?)
        }
        Command::Healthcheck(args) => {
            let url = match args.url {
                Some(url) => url,
                None => healthcheck::default_url(&ours()?)?,
            };
            healthcheck::check(url, &Trust::new(args.ca, args.insecure))
        }
        Command::Ctl(args) => control(args, environment, out, err),
    }
}

/// Commands of `ctl` know a running service and no configuration of one.
fn control(args: CtlArgs, environment: &[(OsString, OsString)], out: &mut dyn Write, err: &mut dyn Write) -> Result<(), Failure> {
    let surroundings = Surroundings {
        environment,
        clock: &SystemClock,
        ids: &SystemIds::default(),
        terminal: io::stderr().is_terminal(),
        input: || {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).map(|_| text)
        },
        command: Cli::command,
    };
    Ok(ctl::run(args, &surroundings, out, err)?)
}

fn configuration(args: &ConfigArgs, environment: Vec<(String, String)>) -> Result<Config, Failure> {
    Ok(load(&args.files, environment, Mode::Serve)?)
}

fn token(args: TokenArgs, environment: Vec<(String, String)>, out: &mut dyn Write) -> Result<(), Failure> {
    let config = configuration(&args.config, environment)?;
    let scopes = args.scopes.into_iter().flat_map(|scopes| scopes.0).collect();
    let request = TokenRequest { subject: args.subject, scopes, ttl: args.ttl, access: args.access };
    let now = SystemClock.now();
    let token = issue(&config.auth, &request, now, SystemIds::default().new_uuid(now)).map_err(|error| match error {
        TokenError::NoSecret | TokenError::NoAccessClaim => Failure::NotConfigured(error.to_string()),
        TokenError::Sign(_) => Failure::Internal(error.into()),
    })?;
    print(out, &token)
}

/// Prints what was asked for, with one line break at the end. A reader that has left (`| head`) has what it wanted.
fn print(out: &mut dyn Write, text: &str) -> Result<(), Failure> {
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The variables that are ours, as text. The others need not be UTF-8, and are nobody's business.
fn own_variables(environment: &[(OsString, OsString)]) -> Result<Vec<(String, String)>, Failure> {
    let mut ours = Vec::new();
    let mut mistakes = Vec::new();
    for (name, value) in environment {
        let Some(name) = name.to_str().filter(|name| key_of(name).is_some()) else { continue };
        match value.to_str() {
            Some(value) => ours.push((name.to_owned(), value.to_owned())),
            None => mistakes.push(ConfigMistake {
                key: String::new(),
                message: "is not UTF-8".to_owned(),
                source: Source::Environment(name.to_owned()),
            }),
        }
    }
    if mistakes.is_empty() { Ok(ours) } else { Err(ConfigMistakes(mistakes).into()) }
}
