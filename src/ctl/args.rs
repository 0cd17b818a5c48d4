//! The arguments of `ctl`.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use clap_complete::Shell;
use secrecy::SecretString;
use uuid::Uuid;

use crate::domain::ids::ScheduleId;

const EXIT_CODES: &str = "\
Exit codes:
  0   done; with --wait, and for `jobs follow`: every job ended SUCCEEDED
  1   the service refused, or a job that was waited for ended otherwise
  64  wrong usage
  65  a file that `schedules apply` reads is wrong; nothing was sent
  69  the service cannot be reached, or cannot answer now
  70  a fault of this machine
  75  --timeout is over; the job goes on
  77  the token is not accepted, or allows too little
  78  address, token or context file are missing or wrong

Address and token come from the options, then from the environment (THEMIS_MAINTENANCE_URL,
THEMIS_MAINTENANCE_TOKEN or THEMIS_MAINTENANCE_TOKEN_FILE, THEMIS_MAINTENANCE_CONTEXT,
THEMIS_MAINTENANCE_CA_FILE), then from the current context in
$XDG_CONFIG_HOME/themis-maintenance/contexts.toml (or below ~/.config).";

/// Arguments of `ctl`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXIT_CODES, subcommand_required = true, arg_required_else_help = true)]
pub struct CtlArgs {
    /// How to print what was asked for
    #[arg(long, short, global = true, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    pub output: Format,
    /// Which service, and who asks.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: CtlCommand,
}

/// Which service, and who asks.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionArgs {
    /// Address of the service, for example https://maintenance.example:8443
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// The bearer token; other users of the machine can see it, so rather use --token-file or the environment
    #[arg(long, global = true, value_name = "TOKEN", value_parser = secret, conflicts_with = "token_file")]
    pub token: Option<SecretString>,
    /// A file with the bearer token
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A context of the context file; what it says counts more than the environment
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// A PEM file with the authority that signed the service's certificate; by default those of the system count
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// As the API has it
    Json,
    /// The same as YAML
    Yaml,
}

/// The commands of `ctl`.
#[derive(Debug, Clone, Subcommand)]
pub enum CtlCommand {
    /// Look at schedules and change them
    #[command(subcommand, arg_required_else_help = true)]
    Schedules(SchedulesCommand),
    /// Run a schedule now, and wait for the end if wanted
    #[command(
        after_help = "Exit code with --wait: 0 only if every job ended SUCCEEDED, 1 if not, 75 when --timeout is over first.\n\
        The request carries an Idempotency-Key: it is sent again after a lost connection, and runs once all the same."
    )]
    Run(RunArgs),
    /// Look at jobs, stop them, retry them, wait for them
    #[command(subcommand, arg_required_else_help = true)]
    Jobs(JobsCommand),
    /// How well the service and what stands behind it are
    #[command(after_help = "Exit code 0 for every verdict: the question was answered.")]
    Health,
    /// Look at the targets, pause and resume them
    Targets {
        /// What to do; without it they are listed.
        #[command(subcommand)]
        command: Option<TargetsCommand>,
    },
    /// Look at freezes, make and delete them
    #[command(subcommand, arg_required_else_help = true)]
    Freezes(FreezesCommand),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// The commands of `ctl schedules`.
#[derive(Debug, Clone, Subcommand)]
pub enum SchedulesCommand {
    /// List them, in order of their ids
    List(ListSchedulesArgs),
    /// Show one
    Get(ScheduleArg),
    /// Make the service's schedules those of files
    #[command(after_help = APPLY_HELP)]
    Apply(ApplyArgs),
    /// Delete one
    Delete(ScheduleArg),
    /// Let one fire again
    Enable(ScheduleArg),
    /// Let one fire no more
    Disable(ScheduleArg),
    /// Leave out its fires for a while
    Pause {
        /// Which one.
        #[command(flatten)]
        schedule: ScheduleArg,
        /// Why, and until when.
        #[command(flatten)]
        pause: PauseArgs,
    },
    /// End a pause
    Resume(ScheduleArg),
    /// Leave out its next fire
    SkipNext {
        /// Which one.
        #[command(flatten)]
        schedule: ScheduleArg,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Show its next fires and what would become of them
    Preview {
        /// Which one.
        #[command(flatten)]
        schedule: ScheduleArg,
        /// How many
        #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=100))]
        count: u8,
        /// From when on (RFC 3339); by default from now on
        #[arg(long, value_name = "TIME", value_parser = time)]
        from: Option<DateTime<Utc>>,
    },
}

const APPLY_HELP: &str = "\
Each document is a schedule as for POST /schedules, with an id. All files are read, checked and, where the
service can do a dry run, tried there before anything is changed. Then what is missing is created and what
differs is replaced; what is the same is left alone. Fields that a file leaves out go back to their defaults.

Exit code 0 with --dry-run whether or not there are differences; the last line on standard error counts them.";

/// Arguments of `schedules list`.
#[derive(Debug, Clone, Args)]
pub struct ListSchedulesArgs {
    /// Only those that fire, or only those that do not
    #[arg(long, value_name = "BOOL")]
    pub enabled: Option<bool>,
    /// Only those of this target
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// Only those with this label: KEY=VALUE, or KEY alone; may be given several times
    #[arg(long = "label", value_name = "KEY[=VALUE]")]
    pub labels: Vec<String>,
    /// No more than so many
    #[arg(long, value_name = "NUMBER", value_parser = at_least_one)]
    pub limit: Option<usize>,
}

/// Which schedule.
#[derive(Debug, Clone, Args)]
pub struct ScheduleArg {
    /// The schedule's id
    #[arg(value_name = "ID", value_parser = ScheduleId::parse)]
    pub id: ScheduleId,
}

/// Arguments of a pause.
#[derive(Debug, Clone, Args)]
pub struct PauseArgs {
    /// Why; whoever looks sees it
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Until when (RFC 3339); by default until it is resumed
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "length")]
    pub until: Option<DateTime<Utc>>,
    /// For how long, for example 2h
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub length: Option<Duration>,
}

/// Arguments of `schedules apply`.
#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    /// A file (YAML with any number of documents, or JSON), a folder whose *.yaml, *.yml and *.json are read, or - for
    /// standard input; may be given several times
    #[arg(long = "file", short = 'f', value_name = "FILE|DIR|-", required = true)]
    pub files: Vec<PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Delete the schedules with the label that are not in the files
    #[arg(long, requires = "label")]
    pub prune: bool,
    /// Which schedules are these files' affair
    #[arg(long, value_name = "KEY=VALUE", requires = "prune", value_parser = label)]
    pub label: Option<String>,
}

/// Arguments of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Which one.
    #[command(flatten)]
    pub schedule: ScheduleArg,
    /// Ignore the window; needs the scope maintenance:admin
    #[arg(long)]
    pub force: bool,
    /// Only on this one of its targets
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// The run's Idempotency-Key; by default a new one. With the id of a pipeline's job, a repeated job runs nothing twice
    #[arg(long, value_name = "KEY", value_parser = key)]
    pub idempotency_key: Option<String>,
    /// Wait for the end, and tell it by the exit code
    #[arg(long)]
    pub wait: bool,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration, requires = "wait")]
    pub timeout: Duration,
}

/// The commands of `ctl jobs`.
#[derive(Debug, Clone, Subcommand)]
pub enum JobsCommand {
    /// List them, newest first
    List(ListJobsArgs),
    /// Show one
    Get(JobArg),
    /// Stop one that waits or runs
    Cancel(JobArg),
    /// Have what one left undone carried out
    Retry(JobArg),
    /// Wait for the end of one; exit code 0 only if it ended SUCCEEDED
    Follow {
        /// Which one.
        #[command(flatten)]
        job: JobArg,
        /// How long to wait
        #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
        timeout: Duration,
    },
}

/// Arguments of `jobs list`.
#[derive(Debug, Clone, Args)]
pub struct ListJobsArgs {
    /// Only those of this schedule
    #[arg(long, value_name = "ID", value_parser = ScheduleId::parse)]
    pub schedule: Option<ScheduleId>,
    /// Only those in this state, for example FAILED
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    /// Only those on this target
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// Only those of this fire
    #[arg(long, value_name = "ID")]
    pub fire: Option<Uuid>,
    /// Only those that wait or run
    #[arg(long)]
    pub active: bool,
    /// No more than so many
    #[arg(long, value_name = "NUMBER", value_parser = at_least_one)]
    pub limit: Option<usize>,
}

/// Which job.
#[derive(Debug, Clone, Args)]
pub struct JobArg {
    /// The job's id
    #[arg(value_name = "ID")]
    pub id: Uuid,
}

/// The commands of `ctl targets`.
#[derive(Debug, Clone, Subcommand)]
pub enum TargetsCommand {
    /// List them, with what keeps jobs from them
    List,
    /// Skip what would start on one, or on all, for a while
    Pause {
        /// Which one.
        #[command(flatten)]
        target: TargetArg,
        /// Why, and until when.
        #[command(flatten)]
        pause: PauseArgs,
    },
    /// End a pause
    Resume(TargetArg),
}

/// Which target.
#[derive(Debug, Clone, Args)]
pub struct TargetArg {
    /// The target's name
    #[arg(value_name = "NAME", required_unless_present = "all")]
    pub name: Option<String>,
    /// All of them; a pause of its own, beside those of single targets
    #[arg(long, conflicts_with = "name")]
    pub all: bool,
}

/// The commands of `ctl freezes`.
#[derive(Debug, Clone, Subcommand)]
pub enum FreezesCommand {
    /// List them
    List,
    /// Keep a stretch of time free of maintenance
    Create {
        /// When it begins (RFC 3339)
        #[arg(long, value_name = "TIME", value_parser = time)]
        from: DateTime<Utc>,
        /// When it ends (RFC 3339)
        #[arg(long, value_name = "TIME", value_parser = time)]
        to: DateTime<Utc>,
        /// Only for this target; may be given several times. By default for all
        #[arg(long = "target", value_name = "NAME")]
        targets: Vec<String>,
        /// Why; whoever looks sees it
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Delete one
    Delete {
        /// The freeze's id
        id: String,
    },
}

fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(text.to_owned().into())
}

fn time(text: &str) -> Result<DateTime<Utc>, String> {
    let time = DateTime::parse_from_rfc3339(text);
    time.map(|time| time.to_utc()).map_err(|error| format!("must be RFC 3339, for example 2026-01-31T02:00:00Z: {error}"))
}

fn duration(text: &str) -> Result<Duration, String> {
    if text.parse::<f64>().is_ok() {
        return Err("needs a unit, for example \"30m\" or \"1h\"".to_owned());
    }
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let year = Duration::from_secs(366 * 86_400);
    if (Duration::from_secs(1)..=year).contains(&duration) { Ok(duration) } else { Err("must be from 1s to a year".to_owned()) }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number >= 1).ok_or_else(|| "must be a whole number from 1 on".to_owned())
}

fn label(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((key, _)) if !key.is_empty() && !text.contains(',') => Ok(text.to_owned()),
        _ => Err("must be one KEY=VALUE".to_owned()),
    }
}

fn key(text: &str) -> Result<String, String> {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if visible && (1..=255).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 255 visible ASCII characters".to_owned())
    }
}
