//! The command line as types. Parsing only: nothing here does anything.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use url::Url;

use crate::ctl::CtlArgs;
use crate::domain::principal::Scope;
use crate::sandbox::SandboxVersion;

/// The longest life of a token that the command makes. Longer than anybody should want, short enough to add to any date.
const MAX_TTL: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Plans, runs and reports database maintenance for ThemisDB servers over HTTP.
#[derive(Debug, Parser)]
#[command(name = "themis-maintenance", version, about, arg_required_else_help = true, subcommand_required = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 the check failed, 64 wrong usage, 70 internal fault, 78 wrong configuration; `ctl --help` has those of ctl"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service; refuses to start without a key to verify tokens with
    Serve(ConfigArgs),
    /// Run the service and a stand-in for ThemisDB in one process, for trying out
    Dev(DevArgs),
    /// Run the stand-in for ThemisDB alone
    Sandbox(SandboxArgs),
    /// Make a token with the configured HS256 secret and print it
    Token(TokenArgs),
    /// Print the OpenAPI document
    Openapi,
    /// List every mistake of the configuration, or say what was understood
    CheckConfig(ConfigArgs),
    /// Look after the audit trail
    #[command(subcommand, arg_required_else_help = true)]
    Audit(AuditCommand),
    /// Copy the database while the service runs; never overwrites a file
    Backup(BackupArgs),
    /// Check that a copy of the database is whole and can be read by this version
    Check {
        /// The copy
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Ask a running service whether it is ready
    Healthcheck(HealthcheckArgs),
    /// Work with a running service: schedules, runs, jobs, health
    Ctl(CtlArgs),
}

/// Where the configuration is.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArgs {
    /// A TOML file over the defaults; may be given several times, later ones count more
    #[arg(long = "config", value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Arguments of `dev`.
#[derive(Debug, Clone, Args)]
pub struct DevArgs {
    /// Where the service listens; by default at 127.0.0.1:8080
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Keep schedules, jobs and the audit trail in this directory; by default in ./data
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Arguments of `sandbox`.
#[derive(Debug, Clone, Args)]
pub struct SandboxArgs {
    /// Where the stand-in listens; the default is ThemisDB's own port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8765")]
    pub listen: SocketAddr,
    /// Which server it stands for: that of 2025, or one of 2026 with the routes that came since
    #[arg(long, value_name = "YEAR", default_value = "2025")]
    pub version: SandboxVersion,
}

/// Arguments of `token`.
#[derive(Debug, Clone, Args)]
pub struct TokenArgs {
    /// read, write or admin, also as maintenance:read; several are separated by commas or blanks
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_parser = scopes)]
    pub scopes: Vec<Scopes>,
    /// Whom the token speaks for: `created_by` and the audit trail show it
    #[arg(long, value_name = "SUBJECT", default_value = "operator", value_parser = subject)]
    pub subject: String,
    /// How long the token is valid
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = ttl)]
    pub ttl: Duration,
    /// Limit it to targets and schedules: "target:PATTERN schedule:PATTERN" (see auth.access_claim)
    #[arg(long, value_name = "WORDS")]
    pub access: Option<String>,
    /// Where the secret is configured
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// The scopes of one `--scope`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(pub Vec<Scope>);

/// Commands of `audit`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check that no line of an audit trail was changed, removed or put in
    Verify {
        /// The current file, which stands for all of its trail; or files in their order; or the folder in which they are
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Older files were removed on purpose: take what the first one says of them on trust
        #[arg(long)]
        continued: bool,
    },
}

/// Arguments of `backup`.
#[derive(Debug, Clone, Args)]
pub struct BackupArgs {
    /// Where the copy goes; there must be no such file yet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where the database is configured
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Arguments of `healthcheck`.
#[derive(Debug, Clone, Args)]
pub struct HealthcheckArgs {
    /// What to ask; by default /readyz at THEMIS_MAINTENANCE__SERVER__LISTEN, or at 127.0.0.1:8080, over TLS if
    /// THEMIS_MAINTENANCE__SERVER__TLS__CERT_FILE is set
    #[arg(long, value_name = "URL")]
    pub url: Option<Url>,
    /// A PEM file with the authority that signed the service's certificate; by default those of the system count
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Accept any certificate: a check of this machine's own service, whose certificate is for another name than 127.0.0.1
    #[arg(long, conflicts_with = "ca")]
    pub insecure: bool,
}

fn scopes(text: &str) -> Result<Scopes, String> {
    let words = text.split([',', ' ']).filter(|word| !word.is_empty());
    let scope = |word: &str| {
        let known = Scope::ALL.into_iter().find(|scope| {
            let (_, short) = scope.as_str().split_once(':').unwrap_or_default();
            scope.as_str().eq_ignore_ascii_case(word) || short.eq_ignore_ascii_case(word)
        });
        known.ok_or_else(|| "must be out of read, write, admin".to_owned())
    };
    let read: Vec<Scope> = words.map(scope).collect::<Result<_, _>>()?;
    if read.is_empty() { Err("must be out of read, write, admin".to_owned()) } else { Ok(Scopes(read)) }
}

fn subject(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err("must not be blank and must not contain control characters".to_owned());
    }
    Ok(text.to_owned())
}

fn ttl(text: &str) -> Result<Duration, String> {
    if text.parse::<f64>().is_ok() {
        return Err("needs a unit, for example \"30m\" or \"1h\"".to_owned());
    }
    let ttl = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_secs(1)..=MAX_TTL).contains(&ttl) { Ok(ttl) } else { Err("must be from 1s to 10 years".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        let words = line.split_whitespace();
        Cli::try_parse_from(std::iter::once("themis-maintenance").chain(words)).map(|cli| cli.command)
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_of_the_contract_is_understood() {
        assert!(matches!(parse("serve --config a.toml --config b.toml"), Ok(Command::Serve(args)) if args.files.len() == 2));
        assert!(matches!(parse("dev"), Ok(Command::Dev(args)) if args.listen.is_none() && args.data.is_none()));
        assert!(matches!(parse("dev --listen [::1]:0 --data d"), Ok(Command::Dev(args)) if args.data == Some("d".into())));
        assert!(
            matches!(parse("sandbox"), Ok(Command::Sandbox(args)) if args.listen.port() == 8765 && args.version == SandboxVersion::V2025)
        );
        assert!(matches!(parse("sandbox --version 2026"), Ok(Command::Sandbox(args)) if args.version == SandboxVersion::V2026));
        assert!(parse("sandbox --version 2024").is_err());
        assert!(matches!(parse("openapi"), Ok(Command::Openapi)));
        assert!(matches!(parse("check-config --config a.toml"), Ok(Command::CheckConfig(args)) if args.files.len() == 1));
        assert!(
            matches!(parse("audit verify x y"), Ok(Command::Audit(AuditCommand::Verify { files, continued: false })) if files == ["x", "y"].map(PathBuf::from))
        );
        assert!(parse("audit verify").is_err());
        assert!(matches!(
            parse("healthcheck"),
            Ok(Command::Healthcheck(HealthcheckArgs { url: None, ca: None, insecure: false }))
        ));
        assert!(
            matches!(parse("backup b --config a.toml"), Ok(Command::Backup(args)) if args.file == *"b" && args.config.files.len() == 1)
        );
        assert!(matches!(parse("check b"), Ok(Command::Check { file }) if file == *"b"));
        assert!(parse("backup").is_err() && parse("check").is_err());
        assert!(parse("healthcheck --url nonsense").is_err());
        assert!(matches!(parse("healthcheck --ca c.pem"), Ok(Command::Healthcheck(args)) if args.ca == Some("c.pem".into())));
        assert!(parse("healthcheck --insecure").is_ok() && parse("healthcheck --insecure --ca c.pem").is_err());
        assert!(parse("serve extra").is_err());
    }

    #[test]
    fn tokens_have_defaults_and_limits() {
        let Ok(Command::Token(args)) = parse("token --scope admin") else { panic!("a token") };
        assert_eq!((args.subject.as_str(), args.ttl), ("operator", Duration::from_secs(3600)));
        assert_eq!(args.scopes, [Scopes(vec![Scope::Admin])]);
        for bad in ["", "--scope root", "--scope ,", "--scope read --ttl 60", "--scope read --ttl 0s", "--scope read --ttl 99y"] {
            assert!(parse(&format!("token {bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn scopes_are_read_long_and_short() {
        let both = Ok(Scopes(vec![Scope::Read, Scope::Write]));
        assert_eq!(scopes("read,write"), both);
        assert_eq!(scopes("maintenance:read  MAINTENANCE:WRITE"), both);
        assert!(scopes("maintenance").is_err() && scopes("").is_err());
    }
}
