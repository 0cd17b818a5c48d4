//! The `dev` command: the service and a stand-in for ThemisDB in one process, with a token and lines to paste.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::serve::until_signal;
use super::signals::Signals;
use super::start::bind;
use super::{Adapters, AppError, file_limit, start};
use crate::cli::{DevArgs, TokenRequest, issue};
use crate::config::{Config, ENVIRONMENT_PREFIX, Mode, load};
use crate::domain::ports::{Clock, IdSource};
use crate::domain::principal::Scope;
use crate::sandbox::{Sandbox, SandboxConfig};
use crate::ticker::{SystemClock, SystemIds, random_secret};

/// Where the service listens without `--listen`.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Where the data goes without `--data`.
const DEFAULT_DATA: &str = "data";
/// How long the sandbox's maintenance calls take: long enough to see a job run, short enough not to wait for it.
const TASK_DELAY: Duration = Duration::from_millis(300);
/// Life of the printed token: a day of trying things out.
const TOKEN_TTL: Duration = Duration::from_secs(86_400);

/// Runs service and sandbox until ctrl-c. `environment` lays over the defaults as for `serve`.
///
/// # Errors
/// When the configuration is wrong or something cannot be started.
pub async fn dev(args: DevArgs, environment: Vec<(String, String)>) -> anyhow::Result<()> {
    let signals = Signals::install()?;
    let sandbox_listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.context("the sandbox cannot listen")?;
    let stop_sandbox = CancellationToken::new();
    let settings = SandboxConfig { task_delay: TASK_DELAY, ..SandboxConfig::default() };
    let (sandbox, sandbox_ended) = Sandbox::start(sandbox_listener, settings, stop_sandbox.clone().cancelled_owned()).await?;

    let mut config = load(&[], dev_environment(&args, environment, &sandbox.base_url()), Mode::Dev)?;
    super::serve::init_logging(&config)?;
    file_limit::fit(&mut config);
    let token = token(&config)?;
    let scheme = if config.server.tls.is_some() { "https" } else { "http" };
    let listener = bind(config.server.listen, "--listen").await?;
    let running = start(config, Adapters::default(), listener).await?;
    let data = data_folder(&args).display().to_string();
    greet(&format!("{scheme}://{}", running.address()), &sandbox.base_url(), &data, &token).context("standard output")?;
    let ended = until_signal(running, signals).await;
    stop_sandbox.cancel();
    sandbox_ended.await.context("the sandbox failed")?;
    Ok(ended?)
}

/// What `dev` sets: a flag that was given counts more than the environment, the environment more than what `dev` has as defaults.
fn dev_environment(args: &DevArgs, environment: Vec<(String, String)>, sandbox: &str) -> Vec<(String, String)> {
    let folder = data_folder(args);
    let data = |file: &str| folder.join(file).display().to_string();
    let flag = |given: bool| if given { Weight::Flag } else { Weight::Default };
    let settings = [
        (flag(args.listen.is_some()), "SERVER__LISTEN", args.listen.unwrap_or(DEFAULT_LISTEN).to_string()),
        (flag(args.data.is_some()), "STORAGE__URL", format!("sqlite:{}", data("maintenance.db"))),
        (flag(args.data.is_some()), "AUDIT__FILE", data("audit.jsonl")),
        (Weight::Default, "TARGETS__DEFAULT__BASE_URL", sandbox.to_owned()),
        // The sandbox has no limit, and nobody wants to wait for one while trying things out.
        (Weight::Default, "TARGETS__DEFAULT__REQUESTS_PER_MINUTE", "6000".to_owned()),
        // New at every start: tokens of one run are worth nothing in the next.
        (Weight::Default, "AUTH__HS256_SECRET", random_secret()),
    ];
    let set = |key: &str| {
        let name = format!("{ENVIRONMENT_PREFIX}{key}");
        environment.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name))
    };
    let secret_file = set("AUTH__HS256_SECRET_FILE");
    let wanted = |weight: &Weight, key: &str| match weight {
        Weight::Flag => true,
        Weight::Default => !(set(key) || key == "AUTH__HS256_SECRET" && secret_file),
    };
    let ours: Vec<(String, String)> = settings
        .into_iter()
        .filter(|(weight, key, _)| wanted(weight, key))
        .map(|(_, key, value)| (format!("{ENVIRONMENT_PREFIX}{key}"), value))
        .collect();
    // Of two values of one key the later counts.
    environment.into_iter().chain(ours).collect()
}

/// How much a setting of `dev` counts against the environment.
enum Weight {
    /// Given on the command line: more.
    Flag,
    /// Only what `dev` has as a default: less.
    Default,
}

fn data_folder(args: &DevArgs) -> PathBuf {
    args.data.clone().unwrap_or_else(|| DEFAULT_DATA.into())
}

fn token(config: &Config) -> Result<String, AppError> {
    let request = TokenRequest { subject: "dev".to_owned(), scopes: vec![Scope::Admin], ttl: TOKEN_TTL, access: None };
    let now = SystemClock.now();
    issue(&config.auth, &request, now, SystemIds::default().new_uuid(now)).map_err(|error| AppError::configuration("auth", error))
}

/// Prints what a newcomer needs: to standard output, so that it can be told from the log.
fn greet(base: &str, sandbox: &str, data: &str, token: &str) -> std::io::Result<()> {
    let api = format!("{base}/api/v1/maintenance");
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        r#"
themis-maintenance is running.

  API          {api}
  Swagger UI   {base}/swagger-ui
  metrics      {base}/metrics
  sandbox      {sandbox}   (stands for a ThemisDB server)
  data         {data}/
  end          ctrl-c

Paste into another terminal:

export TOKEN='{token}'

# create a schedule that fires every ten seconds
curl -sS -X POST {api}/schedules -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{{"id":"try-it","name":"Try it","cron_expression":"*/10 * * * * *","tasks":["WAL_ARCHIVING",{{"task_type":"INDEX_REBUILD","parameters":{{"table":"orders","column":"status"}}}}]}}'

# or run it now, without waiting
curl -sS -X POST {api}/schedules/try-it/run -H "Authorization: Bearer $TOKEN"

# look at its jobs, newest first
curl -sS "{api}/jobs?schedule_id=try-it&limit=3" -H "Authorization: Bearer $TOKEN"

# is everything well?
curl -sS {api}/health -H "Authorization: Bearer $TOKEN"

# delete it
curl -sS -X DELETE {api}/schedules/try-it -H "Authorization: Bearer $TOKEN"
"#
    )?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effective(args: &DevArgs, environment: &[(&str, &str)], key: &str) -> Vec<String> {
        let environment =
            environment.iter().map(|(key, value)| (format!("{ENVIRONMENT_PREFIX}{key}"), (*value).to_owned())).collect();
        let name = format!("{ENVIRONMENT_PREFIX}{key}");
        let all = dev_environment(args, environment, "http://sandbox");
        all.into_iter().filter(|(other, _)| other.eq_ignore_ascii_case(&name)).map(|(_, value)| value).collect()
    }

    #[test]
    fn a_flag_counts_more_than_the_environment_and_the_environment_more_than_a_default() {
        let none = DevArgs { listen: None, data: None };
        let listen = DevArgs { listen: "127.0.0.1:1".parse().ok(), data: Some("d".into()) };
        let environment = [("server__listen", "127.0.0.1:2")];
        assert_eq!(effective(&none, &[], "SERVER__LISTEN"), ["127.0.0.1:8080"]);
        assert_eq!(effective(&none, &environment, "SERVER__LISTEN"), ["127.0.0.1:2"]);
        assert_eq!(effective(&listen, &environment, "SERVER__LISTEN").last().map(String::as_str), Some("127.0.0.1:1"));
        assert_eq!(effective(&listen, &[], "STORAGE__URL"), ["sqlite:d/maintenance.db"]);
    }

    #[test]
    fn a_configured_secret_file_takes_the_place_of_the_random_secret() {
        let none = DevArgs { listen: None, data: None };
        assert_eq!(effective(&none, &[], "AUTH__HS256_SECRET").len(), 1);
        assert_eq!(effective(&none, &[("AUTH__HS256_SECRET_FILE", "f")], "AUTH__HS256_SECRET").len(), 0);
    }
}
