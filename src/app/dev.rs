//! The `dev` command: the service and a stand-in for ThemisDB in one process, with a token and lines to paste.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::serve::until_signal;
use super::signals::Signals;
use super::start::bind;
use super::{Adapters, AppError, start};
use crate::cli::{DevArgs, TokenRequest, issue};
use crate::config::{Config, ENVIRONMENT_PREFIX, Mode, load};
use crate::domain::ports::{Clock, IdSource};
use crate::domain::principal::Scope;
use crate::sandbox::{Sandbox, SandboxConfig};
use crate::ticker::{SystemClock, SystemIds, random_secret};

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

    let config = load(&[], dev_environment(&args, environment, &sandbox.base_url()), Mode::Dev)?;
    super::serve::init_logging(&config)?;
    let token = token(&config)?;
    let listener = bind(config.server.listen, "--listen").await?;
    let running = start(config, Adapters::default(), listener).await?;
    let data = args.data.display().to_string();
    greet(running.address(), &sandbox.base_url(), &data, &token).context("standard output")?;
    let ended = until_signal(running, signals).await;
    stop_sandbox.cancel();
    sandbox_ended.await.context("the sandbox failed")?;
    Ok(ended?)
}

/// What `dev` sets, over what the environment sets, unless the environment set that very key.
fn dev_environment(args: &DevArgs, environment: Vec<(String, String)>, sandbox: &str) -> Vec<(String, String)> {
    let data = |file: &str| args.data.join(file).display().to_string();
    let settings = [
        ("SERVER__LISTEN", args.listen.to_string()),
        // New at every start: tokens of one run are worth nothing in the next.
        ("AUTH__HS256_SECRET", random_secret()),
        ("STORAGE__URL", format!("sqlite:{}", data("maintenance.db"))),
        ("AUDIT__FILE", data("audit.jsonl")),
        ("TARGETS__DEFAULT__BASE_URL", sandbox.to_owned()),
        // The sandbox has no limit, and nobody wants to wait for one while trying things out.
        ("TARGETS__DEFAULT__REQUESTS_PER_MINUTE", "6000".to_owned()),
    ];
    let set = |key: &str| environment.iter().any(|(name, _)| name.eq_ignore_ascii_case(key));
    let ours = settings.map(|(key, value)| (format!("{ENVIRONMENT_PREFIX}{key}"), value));
    let ours: Vec<_> = ours.into_iter().filter(|(key, _)| !set(key)).collect();
    environment.into_iter().chain(ours).collect()
}

fn token(config: &Config) -> Result<String, AppError> {
    let request = TokenRequest { subject: "dev".to_owned(), scopes: vec![Scope::Admin], ttl: TOKEN_TTL };
    let now = SystemClock.now();
    issue(&config.auth, &request, now, SystemIds::default().new_uuid(now)).map_err(|error| AppError::configuration("auth", error))
}

/// Prints what a newcomer needs: to standard output, so that it can be told from the log.
fn greet(address: SocketAddr, sandbox: &str, data: &str, token: &str) -> std::io::Result<()> {
    let base = format!("http://{address}");
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
