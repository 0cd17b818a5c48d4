//! Health probes over HTTP.
//!
//! A probe does not pass the target's rate limiter: it must answer in time while a job polls, and an empty bucket is no sign of a
//! sick server. One probe every 15 s is 4 requests a minute; with the 90 of the limiter that stays below ThemisDB's 100.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::{ACCEPT, AUTHORIZATION};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use url::{Position, Url};

use super::answer::{Answer, answer, read_body};
use super::client::{BaseUrl, DEFAULT_CONNECT_TIMEOUT, ExecutorError, TargetSettings, client};
use super::clocks;
use super::failure::root_cause;
use super::resolver::{Addresses, SystemLookup};
use super::token::TokenSource;
use crate::config::TlsConfig;
use crate::domain::fields::printable;
use crate::domain::health::{HealthSignal, HealthStatus};
use crate::domain::ports::HealthProbe;

/// Asks a ThemisDB server for `/stats`. Never for `/health`, which says `healthy` even when the store is closed (THEMISDB.md,
/// Conduct).
pub struct ThemisDbProbe {
    client: Client,
    base: BaseUrl,
    token: Option<TokenSource>,
}

impl ThemisDbProbe {
    /// A probe of this target.
    ///
    /// # Errors
    /// When the target cannot be called at all.
    pub fn new(settings: TargetSettings) -> Result<Self, ExecutorError> {
        let owner = format!("probe of target '{}'", settings.name);
        let base = BaseUrl::new(&settings.base_url, &owner)?.under_name(settings.tls.server_name.as_deref(), &owner)?;
        let addresses = Addresses::of_target(&settings.name, settings.addresses, Arc::new(SystemLookup));
        Ok(Self {
            client: client(&settings.base_url, settings.connect_timeout, &settings.tls, addresses, &owner)?,
            base,
            token: TokenSource::new(settings.token, settings.token_file),
        })
    }
}

#[async_trait]
impl HealthProbe for ThemisDbProbe {
    async fn check(&self) -> HealthSignal {
        let Some(request) = self.base.request(Method::GET, "/stats") else {
            return HealthSignal::new(
                HealthStatus::Unhealthy,
                format!("{} has no path /stats that can be asked", self.base.origin()),
            );
        };
        let mut request = RequestBuilder::from_parts(self.client.clone(), request).header(ACCEPT, "application/json");
        let mut token_error = None;
        if let Some(token) = &self.token {
            match token.authorization().await {
                Ok(authorization) => request = request.header(AUTHORIZATION, authorization),
                // Asked all the same: whether the server is there can be seen without a token.
                Err(error) => token_error = Some(error.to_string()),
            }
        }
        let (answer, latency_ms) = match ask(request).await {
            Ok(found) => found,
            Err(why) => {
                return HealthSignal::new(HealthStatus::Unhealthy, format!("{} is not reachable ({why})", self.base.origin()));
            }
        };
        let signal = token_error.map_or_else(
            || judge(&answer, self.token.is_some()),
            |why| HealthSignal::new(HealthStatus::Degraded, format!("reachable, but the {why}")),
        );
        let signal = signal.with_detail("latency_ms", latency_ms).with_detail("http_status", answer.status);
        add_server_details(signal, answer.json())
    }
}

fn judge(answer: &Answer, with_token: bool) -> HealthSignal {
    use HealthStatus::{Degraded, Healthy, Unhealthy};
    let says = answer.excerpt().map(|text| format!(" ({text})")).unwrap_or_default();
    match (answer.status, answer.json()) {
        (200, Some(body)) => match body.pointer("/storage/error") {
            Some(error) => {
                let error = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
                HealthSignal::new(Unhealthy, format!("store is closed: {}", printable(&error)))
            }
            None => HealthSignal::new(Healthy, "answers, and its store is open"),
        },
        (200, None) => HealthSignal::new(Unhealthy, "GET /stats answered 200, but not in JSON: is this a ThemisDB server?"),
        (status @ (401 | 403), _) if with_token => {
            HealthSignal::new(Degraded, format!("reachable, but GET /stats answered {status}: the token is refused{says}"))
        }
        (status @ (401 | 403), _) => HealthSignal::new(
            Degraded,
            format!("reachable, but GET /stats answered {status}: a token is needed (token_file){says}"),
        ),
        (429, _) => HealthSignal::new(Degraded, "reachable, but GET /stats answered 429: its rate limit is used up"),
        (status, _) => HealthSignal::new(Unhealthy, format!("GET /stats answered {status}{says}")),
    }
}

fn add_server_details(signal: HealthSignal, body: Option<&Value>) -> HealthSignal {
    let Some(server) = body.and_then(|body| body.get("server")) else { return signal };
    let names = ["uptime_seconds", "queries_per_second", "total_requests", "total_errors", "threads"];
    let numbers =
        names.into_iter().filter_map(|name| server.get(name).filter(|value| value.is_number()).map(|value| (name, value)));
    numbers.fold(signal, |signal, (name, value)| signal.with_detail(name, value.clone()))
}

/// Asks any URL; a 2xx is healthy.
pub struct HttpProbe {
    client: Client,
    url: Url,
}

impl HttpProbe {
    /// A probe of this URL.
    ///
    /// # Errors
    /// When the URL is not one of a server, or holds credentials.
    pub fn new(url: Url) -> Result<Self, ExecutorError> {
        Self::with_addresses(url, Addresses::of_probe(Arc::new(SystemLookup)))
    }

    pub(super) fn with_addresses(url: Url, addresses: Addresses) -> Result<Self, ExecutorError> {
        let owner = "HTTP probe";
        let mut base = url.clone();
        base.set_query(None);
        BaseUrl::new(&base, owner)?;
        Ok(Self { client: client(&url, DEFAULT_CONNECT_TIMEOUT, &TlsConfig::default(), addresses, owner)?, url })
    }
}

#[async_trait]
impl HealthProbe for HttpProbe {
    async fn check(&self) -> HealthSignal {
        // Without the query, which can hold a key.
        let shown = printable(&self.url[..Position::AfterPath]);
        match ask(self.client.get(self.url.clone())).await {
            Ok((Answer { status, .. }, latency_ms)) => {
                let verdict = if (200..300).contains(&status) { HealthStatus::Healthy } else { HealthStatus::Unhealthy };
                HealthSignal::new(verdict, format!("GET {shown} answered {status}"))
                    .with_detail("latency_ms", latency_ms)
                    .with_detail("http_status", status)
            }
            Err(why) => HealthSignal::new(HealthStatus::Unhealthy, format!("{shown} is not reachable ({why})")),
        }
    }
}

/// The answer, and how many milliseconds it took.
async fn ask(request: RequestBuilder) -> Result<(Answer, u64), String> {
    let start = clocks::instant();
    let mut response = request.send().await.map_err(|error| root_cause(&error))?;
    let body = read_body(&mut response).await.map_err(|error| root_cause(&error))?;
    let elapsed = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok((answer(&response, body), elapsed))
}
