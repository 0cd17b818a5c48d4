//! From a configuration to a running service.

use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

use super::metrics::{API_LISTENER, AppMetrics, METRICS_LISTENER, TargetMetrics, label_sets, routes_of_the_document};
use super::probes;
use super::running::Running;
use super::targets::target_settings;
use super::verifier::{key_sets, token_verifier};
use super::{Adapters, AppError};
use crate::audit::{FileAudit, NoAudit, Rotation};
use crate::config::{AuditConfig, Config, StorageUrl};
use crate::domain::health::OWN_MODULES;
use crate::domain::ports::{AuditSink, Clock, Store, TaskExecutor};
use crate::domain::time::to_delta;
use crate::executor::HttpExecutor;
use crate::http::{
    self, AuthKeysProbe, HttpParts, HttpServer, HttpSettings, HttpState, ListenerSettings, RateLimits, ServerError, TokenVerifier,
};
use crate::orchestrator::{HealthRegistry, Orchestrator, Ports, Rules, bundles};
use crate::storage::{MemoryStore, SqliteStore};
use crate::telemetry::Metrics;
use crate::ticker::{EVERY_FIVE_SECONDS, EVERY_MINUTE, EVERY_SECOND, ServiceJob, SystemClock, Ticker};

/// Starts the service on a bound listener. When this returns, requests are answered; `/readyz` tells when the store is loaded.
///
/// # Errors
/// When a file, a key or an address that the configuration names cannot be used.
pub async fn start(config: Config, adapters: Adapters, listener: TcpListener) -> Result<Running, AppError> {
    let Adapters { clock, ids, store, executor } = adapters;
    let catalog = Arc::new(config.catalog.clone());
    let key_sets = key_sets(&config.auth);
    let kept = |name: &&str| match *name {
        "audit" => config.audit.file.is_some(),
        "auth_keys" => !key_sets.is_empty(),
        _ => true,
    };
    let own_modules = OWN_MODULES.into_iter().filter(kept).map(str::to_owned);
    let modules = own_modules.chain(config.probes.keys().cloned()).collect();
    let has_key_sets = !key_sets.is_empty();
    let targets = config.targets.keys().cloned().collect();
    let metrics = Metrics::new(label_sets(targets, modules, key_sets, routes_of_the_document()));

    let store = match store {
        Some(store) => store,
        None => open_store(&config.storage.url).await?,
    };
    let health = HealthRegistry::new(Arc::clone(&clock));
    let audit = open_audit(&config.audit, &clock, &health)?;
    let executor = match executor {
        Some(executor) => executor,
        None => http_executor(&config, &catalog, &metrics)?,
    };

    let rules = Rules {
        max_concurrent_jobs: config.orchestrator.max_concurrent_jobs,
        max_schedules: config.orchestrator.max_schedules,
        job_retention: to_delta(config.orchestrator.job_retention),
        misfire_grace: to_delta(config.orchestrator.misfire_grace),
        queue_timeout: to_delta(config.orchestrator.queue_timeout),
        catalog: Arc::clone(&catalog),
    };
    let bundles = bundles::inputs(&config.orchestrator.bundles, &catalog, clock.now())
        .map_err(|errors| AppError::internal("a bundle is not a valid schedule", format!("{errors:?}")))?;
    let ports = Ports { store, executor, audit: Arc::clone(&audit), clock: Arc::clone(&clock), ids: Arc::clone(&ids) };
    let (handle, orchestrator) = Orchestrator::new(rules, bundles, ports, metrics.clone());

    probes::register_own(&health, &handle);
    probes::register_configured(&health, &config)?;
    let verifier = token_verifier(&config.auth, &clock, &metrics)?;
    if has_key_sets {
        probes::register_module(&health, "auth_keys", Arc::new(AuthKeysProbe(Arc::clone(&verifier))));
    }
    // Not waited for: the service starts while an issuer is down, and a request whose key is not there yet waits for this refresh.
    verifier.refresh_due();
    let rate_limits = Arc::new(RateLimits::new(&config.server.rate_limits));
    let ticker = start_ticker(&handle, &health, &metrics, &verifier, &rate_limits).await?;
    probes::register_module(&health, "ticker", ticker.probe());
    let (modules, started) = (health.clone(), handle.clone());
    let first_look = tokio::spawn(async move {
        // What the probes said while the store was loading is out of date the moment it is loaded.
        started.started().await;
        modules.look_again();
    });

    let state = HttpState::new(HttpParts {
        handle: handle.clone(),
        health: health.clone(),
        verifier: Arc::clone(&verifier),
        audit: Arc::clone(&audit),
        ids,
        metrics: Arc::new(AppMetrics {
            metrics,
            handle: handle.clone(),
            health: health.clone(),
            verifier: Arc::clone(&verifier),
            clock,
            max_schedule_series: config.metrics.max_schedule_series,
        }),
        rate_limits,
        settings: HttpSettings {
            max_body_bytes: config.server.max_body_bytes,
            request_timeout: config.server.request_timeout,
            body_timeout: config.server.connections.body_timeout,
            max_json_depth: config.server.max_json_depth,
            trusted_proxies: config.server.trusted_proxies.clone(),
            allowed_origins: config.server.allowed_origins.clone(),
            rate_limits: config.server.rate_limits.clone(),
            metrics_token: config.metrics.token.clone(),
            serve_metrics: config.metrics.listen.is_none(),
        },
    });
    let stop_http = CancellationToken::new();
    let mut servers = Vec::new();
    if let Some(address) = config.metrics.listen {
        let listener = bind(address, "metrics.listen").await?;
        let (tls, connections) = (config.metrics.tls.clone(), config.server.connections.clone());
        let settings = ListenerSettings { name: METRICS_LISTENER, connections, tls };
        let server = HttpServer::start(listener, http::metrics_router(state.clone()), &state, settings, stop_http.clone());
        servers.push(server.map_err(|error| listener_error("metrics.tls", error))?);
    }
    let settings = ListenerSettings { name: API_LISTENER, connections: config.server.connections, tls: config.server.tls };
    let server = HttpServer::start(listener, http::router(state.clone()), &state, settings, stop_http.clone());
    servers.insert(0, server.map_err(|error| listener_error("server.tls", error))?);

    Ok(Running {
        servers,
        stop_http,
        handle,
        health,
        audit,
        ticker,
        verifier,
        first_look,
        orchestrator: Some(tokio::spawn(orchestrator.run())),
        shutdown_grace: config.server.shutdown_grace,
    })
}

fn listener_error(key: &str, error: ServerError) -> AppError {
    match error {
        ServerError::Address(_) => AppError::internal("a listener cannot start", error),
        ServerError::Files(_) | ServerError::Tls(_) => {
            AppError::configuration(format!("{key}: the listener cannot start"), error)
        }
    }
}

/// Binds an address that the configuration names.
///
/// # Errors
/// When it cannot be bound.
pub(super) async fn bind(address: std::net::SocketAddr, key: &str) -> Result<TcpListener, AppError> {
    let what = || format!("{key}: cannot listen on {address}; choose another address, for example port 0 for any free one");
    listen(address).map_err(|error| AppError::configuration(what(), error))
}

/// Connections that the system keeps for us until they are accepted. With a shorter queue than the crowd that comes at once, after a
/// restart for example, it drops some of them, and these clients wait for seconds; Linux takes no more than its own 4,096.
const BACKLOG: u32 = 1024;

fn listen(address: std::net::SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As the standard library does: else the port is taken for a minute after a restart. On Windows it means something else.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn open_store(url: &StorageUrl) -> Result<Arc<dyn Store>, AppError> {
    match url {
        StorageUrl::Memory => Ok(Arc::new(MemoryStore)),
        StorageUrl::Sqlite(path) => {
            let store = SqliteStore::open(path).await;
            Ok(Arc::new(store.map_err(|error| AppError::configuration("storage.url: the store cannot be opened", error))?))
        }
    }
}

fn open_audit(config: &AuditConfig, clock: &Arc<dyn Clock>, health: &HealthRegistry) -> Result<Arc<dyn AuditSink>, AppError> {
    let AuditConfig { file: Some(path), max_bytes, max_age, keep } = config else { return Ok(Arc::new(NoAudit)) };
    let rotation = Rotation { max_bytes: *max_bytes, max_age: max_age.map(to_delta), keep: *keep };
    let audit = FileAudit::open(path, rotation, Arc::clone(clock))
        .map_err(|error| AppError::configuration("audit.file: the audit trail cannot be opened", error))?;
    probes::register_module(health, "audit", audit.probe());
    Ok(Arc::new(audit))
}

fn http_executor(
    config: &Config,
    catalog: &Arc<crate::domain::catalog::Catalog>,
    metrics: &Metrics,
) -> Result<Arc<dyn TaskExecutor>, AppError> {
    let targets = config.targets.iter().map(|(name, target)| target_settings(name, target)).collect();
    let executor = HttpExecutor::new(targets, Arc::clone(catalog), Arc::new(TargetMetrics(metrics.clone())));
    Ok(Arc::new(executor.map_err(|error| AppError::configuration("targets: a target cannot be used", error))?))
}

async fn start_ticker(
    handle: &crate::orchestrator::OrchestratorHandle,
    health: &HealthRegistry,
    metrics: &Metrics,
    verifier: &Arc<TokenVerifier>,
    rate_limits: &Arc<RateLimits>,
) -> Result<Ticker, AppError> {
    let limits = Arc::clone(rate_limits);
    let (heart, pruner, probes, upkeep) = (handle.clone(), handle.clone(), health.clone(), metrics.clone());
    let keys = Arc::clone(verifier);
    let jobs = vec![
        ServiceJob { name: "heartbeat", cron: EVERY_SECOND, action: Arc::new(move || heart.heartbeat()) },
        ServiceJob { name: "probes", cron: EVERY_SECOND, action: Arc::new(move || probes.spawn_refresh()) },
        ServiceJob { name: "keys", cron: EVERY_SECOND, action: Arc::new(move || keys.refresh_due()) },
        ServiceJob { name: "prune", cron: EVERY_MINUTE, action: Arc::new(move || pruner.prune()) },
        ServiceJob { name: "rate-limits", cron: EVERY_MINUTE, action: Arc::new(move || limits.forget_idle()) },
        ServiceJob { name: "metrics-upkeep", cron: EVERY_FIVE_SECONDS, action: Arc::new(move || upkeep.upkeep()) },
    ];
    // The ticker watches real time, whatever clock the rules are given.
    Ticker::start(jobs, Arc::new(SystemClock))
        .await
        .map_err(|error| AppError::internal("the service's own cron jobs cannot be started", error))
}
