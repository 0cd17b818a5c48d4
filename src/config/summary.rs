//! A configuration in a few lines, for a person who wants to know what was understood. Holds no secret.

use std::fmt;

use super::{ClientAuth, Config, IssuerConfig, KeySetLocation, ListenerTls, ProbeKind, TargetConfig, TlsConfig};
use crate::domain::catalog::BreakerRule;
use crate::domain::task::TaskType;

/// Displays a [`Config`] in a few lines.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'a>(&'a Config);

impl Config {
    /// What was understood, in a few lines without secrets.
    pub fn summary(&self) -> Summary<'_> {
        Summary(self)
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.0;
        writeln!(formatter, "listen    {}{}", config.server.listen, listener_security(config.server.tls.as_ref()))?;
        if let Some(address) = config.metrics.listen {
            writeln!(formatter, "metrics   {address}{}", listener_security(config.metrics.tls.as_ref()))?;
        }
        let auth = &config.auth;
        writeln!(formatter, "tokens    {}{}", or_none(&auth.algorithms), keys_from(auth.key_set.as_ref()))?;
        for (name, IssuerConfig { issuer, algorithms, key_set, .. }) in &auth.issuers {
            let keys = keys_from(key_set.as_ref());
            writeln!(formatter, "issuer    {name}: {issuer} with {}{keys}", algorithms.join(", "))?;
        }
        writeln!(formatter, "storage   {}", config.storage.url)?;
        let audit = config.audit.file.as_ref().map_or("none".to_owned(), |path| path.display().to_string());
        writeln!(formatter, "audit     {audit}")?;
        for (name, target) in &config.targets {
            let with_endpoint = |task_type: &TaskType| config.catalog.coverage(*task_type).0.contains(&name.as_str());
            let count = TaskType::ALL.iter().filter(|task_type| with_endpoint(task_type)).count();
            writeln!(
                formatter,
                "target    {name} at {}, endpoints for {count} of {} task types, profile {}{}{}",
                target.base_url,
                TaskType::ALL.len(),
                target.profile,
                security(target),
                protection(config, name),
            )?;
        }
        for (name, probe) in &config.probes {
            let what = match &probe.kind {
                ProbeKind::ThemisDb { target } => format!("target {target}"),
                ProbeKind::Http { url } => format!("{}{}", url.origin().ascii_serialization(), url.path()),
            };
            writeln!(formatter, "probe     {name} of {what} every {}", humantime::format_duration(probe.interval))?;
        }
        write!(formatter, "bundles   {}", or_none(&config.orchestrator.bundles))
    }
}

/// Where keys are published; a query may hold what is nobody's business.
fn keys_from(key_set: Option<&KeySetLocation>) -> String {
    match key_set {
        None => String::new(),
        Some(KeySetLocation::File(path)) => format!(", keys from {}", path.display()),
        Some(KeySetLocation::Url(url) | KeySetLocation::Discovery { document: url, .. }) => {
            format!(", keys from {}{}", url.origin().ascii_serialization(), url.path())
        }
    }
}

fn listener_security(tls: Option<&ListenerTls>) -> &'static str {
    match tls.map(|tls| tls.client_auth) {
        None => ", plain HTTP",
        Some(ClientAuth::None) => ", TLS",
        Some(ClientAuth::Optional) => ", TLS, client certificates optional",
        Some(ClientAuth::Required) => ", TLS, client certificates required",
    }
}

/// What differs from a usual connection; the names of files and keys are nobody's business here.
fn security(target: &TargetConfig) -> String {
    let TlsConfig { ca_pem, client_pem, server_name, insecure_skip_verify } = &target.tls;
    let words = [
        ca_pem.as_ref().map(|_| ", own CA".to_owned()),
        client_pem.as_ref().map(|_| ", client certificate".to_owned()),
        server_name.as_ref().map(|name| format!(", as {name}")),
        insecure_skip_verify.then(|| ", CERTIFICATE NOT VERIFIED".to_owned()),
    ];
    words.into_iter().flatten().collect()
}

/// When the target is left alone.
fn protection(config: &Config, name: &str) -> String {
    let Some(target) = config.catalog.target(name) else { return String::new() };
    let BreakerRule { failures, cooldown } = target.breaker;
    let breaker = format!(", left alone for {} after {failures} failures", humantime::format_duration(cooldown));
    match config.targets.get(name).map_or(0, |found| found.preflight.len()) {
        0 => breaker,
        1 => format!("{breaker}, 1 pre-flight check"),
        count => format!("{breaker}, {count} pre-flight checks"),
    }
}

fn or_none(words: &[String]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
