//! Where a key set comes from: a URL, an issuer's description of itself, or a file.
//!
//! What is fetched decides who may come in. So only the configured places are asked: no redirect is followed, no proxy is used, and
//! an issuer that is reached over TLS can name only places that are, and none that only this machine can reach.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::dns::Resolve;
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use url::{Host, Position, Url};

use crate::config::{KeySetLocation, MAX_KEY_SET_BYTES, is_plain_loopback, is_secure};
use crate::domain::addresses::{AddressClass, AddressRule};

/// How long a connection to an issuer may take to stand, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long one document may take. Two of them, the description and the set, fit into the time of a refresh.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Gets a key set.
#[async_trait]
pub trait KeySetSource: fmt::Debug + Send + Sync + 'static {
    /// The document as it is now. Called under a timeout.
    ///
    /// # Errors
    /// Why it cannot be had.
    async fn fetch(&self) -> Result<Vec<u8>, FetchError>;
}

/// Why a key set cannot be had. Shown in the health report: it names the place, without its query, which may hold a secret.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No client can be made, for example because the system has no CA certificates.
    #[error("no HTTPS client can be made: {0}")]
    Client(String),
    /// No answer.
    #[error("{} does not answer: {cause}", shown(place))]
    NoAnswer {
        /// Who was asked.
        place: Url,
        /// The innermost cause.
        cause: String,
    },
    /// An address that is never connected to.
    #[error("{} is {class}, which is never asked", shown(place))]
    Refused {
        /// Who would have been asked.
        place: Url,
        /// What it is.
        class: AddressClass,
    },
    /// Another answer than 200, redirects included.
    #[error("{} answered {status}; only 200 will do, and redirects are not followed", shown(place))]
    Status {
        /// Who was asked.
        place: Url,
        /// What it answered.
        status: StatusCode,
    },
    /// More than a key set can be.
    #[error("{place} sends more than {MAX_KEY_SET_BYTES} bytes")]
    TooLong {
        /// Who was asked, or which file was read.
        place: String,
    },
    /// The issuer's description of itself cannot be used.
    #[error("the description at {} {what}", shown(place))]
    Description {
        /// Who was asked.
        place: Url,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The file cannot be read.
    #[error("{place} cannot be read: {cause}")]
    File {
        /// Which.
        place: String,
        /// Why.
        cause: std::io::Error,
    },
}

/// The source at a place in the configuration; `resolver` finds the addresses of its host. Nothing is fetched yet.
///
/// # Errors
/// When no client can be made.
pub fn key_set_source(location: KeySetLocation, resolver: Arc<dyn Resolve>) -> Result<Arc<dyn KeySetSource>, FetchError> {
    Ok(match location {
        KeySetLocation::File(path) => Arc::new(FileSource(path)),
        KeySetLocation::Url(url) => Arc::new(UrlSource { client: client(&url, resolver)?, url }),
        KeySetLocation::Discovery { document, issuer } => {
            Arc::new(DiscoverySource { client: client(&document, resolver)?, document, issuer })
        }
    })
}

#[derive(Debug)]
struct FileSource(PathBuf);

#[async_trait]
impl KeySetSource for FileSource {
    async fn fetch(&self) -> Result<Vec<u8>, FetchError> {
        let place = || self.0.display().to_string();
        let failed = |cause| FetchError::File { place: place(), cause };
        let file = tokio::fs::File::open(&self.0).await.map_err(failed)?;
        let mut document = Vec::new();
        file.take(MAX_KEY_SET_BYTES as u64 + 1).read_to_end(&mut document).await.map_err(failed)?;
        if document.len() > MAX_KEY_SET_BYTES { Err(FetchError::TooLong { place: place() }) } else { Ok(document) }
    }
}

#[derive(Debug)]
struct UrlSource {
    client: Client,
    url: Url,
}

#[async_trait]
impl KeySetSource for UrlSource {
    async fn fetch(&self) -> Result<Vec<u8>, FetchError> {
        get(&self.client, &self.url).await
    }
}

#[derive(Debug)]
struct DiscoverySource {
    client: Client,
    document: Url,
    issuer: String,
}

#[async_trait]
impl KeySetSource for DiscoverySource {
    /// Asks for the description each time: an issuer that moves its set says so there.
    async fn fetch(&self) -> Result<Vec<u8>, FetchError> {
        let description = get(&self.client, &self.document).await?;
        let url = jwks_uri(&description, &self.issuer, &self.document);
        let url = url.map_err(|what| FetchError::Description { place: self.document.clone(), what })?;
        get(&self.client, &url).await
    }
}

/// Where the description says that the set is.
fn jwks_uri(description: &[u8], issuer: &str, place: &Url) -> Result<Url, &'static str> {
    let description: Value = serde_json::from_slice(description).map_err(|_| "is not JSON")?;
    // Else one tenant of a provider could speak for another (OpenID Connect Discovery 1.0, section 4.3).
    if description.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err("is that of another issuer");
    }
    let url = description.get("jwks_uri").and_then(Value::as_str).ok_or("has no jwks_uri")?;
    let url = Url::parse(url).map_err(|_| "has a jwks_uri that is no URL")?;
    if !is_secure(&url) || (is_plain_loopback(&url) && !is_plain_loopback(place)) {
        return Err("has a jwks_uri that is not https");
    }
    if is_this_host(&url) && !is_this_host(place) {
        return Err("has a jwks_uri that only this machine can reach");
    }
    // They would be sent there, and shown in the health report.
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a jwks_uri that holds credentials");
    }
    Ok(url)
}

/// Where only somebody on this machine should be led.
fn is_this_host(place: &Url) -> bool {
    match place.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

fn client(place: &Url, resolver: Arc<dyn Resolve>) -> Result<Client, FetchError> {
    let builder = Client::builder()
        .user_agent(concat!("themis-maintenance/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .dns_resolver(resolver)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        // Minutes pass from one refresh to the next; no server keeps a connection for so long.
        .pool_max_idle_per_host(0);
    let builder = if is_plain_loopback(place) {
        // Without TLS no certificates are needed: a container without a CA bundle can still call a helper beside it.
        builder.tls_certs_only(std::iter::empty())
    } else {
        builder.https_only(true)
    };
    builder.build().map_err(|error| FetchError::Client(root_cause(&error)))
}

async fn get(client: &Client, place: &Url) -> Result<Vec<u8>, FetchError> {
    // An address that stands in the URL is not resolved, so nobody else looks at it.
    if let Some(class) = refused_address(place) {
        return Err(FetchError::Refused { place: place.clone(), class });
    }
    let no_answer = |error: reqwest::Error| FetchError::NoAnswer { place: place.clone(), cause: root_cause(&error) };
    let mut response = client.get(place.clone()).header("accept", "application/json").send().await.map_err(no_answer)?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status { place: place.clone(), status: response.status() });
    }
    let mut document = Vec::new();
    // Piece by piece, because a length that is announced need not be true.
    while let Some(piece) = response.chunk().await.map_err(no_answer)? {
        if document.len() + piece.len() > MAX_KEY_SET_BYTES {
            return Err(FetchError::TooLong { place: shown(place).to_owned() });
        }
        document.extend_from_slice(&piece);
    }
    Ok(document)
}

fn shown(place: &Url) -> &str {
    &place[..Position::AfterPath]
}

fn refused_address(place: &Url) -> Option<AddressClass> {
    AddressRule::default().check_host(&place.host()?).err()
}

/// The innermost cause, which is the one that says something ("Connection refused").
fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it takes too long".to_owned();
    }
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
