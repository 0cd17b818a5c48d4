//! The settings of a target and the HTTP client made of them.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{HOST, HeaderValue};
use reqwest::{Client, Method, Request};
use secrecy::SecretString;
use url::{Position, Url};

use super::resolver::{Addresses, CheckedResolver, RefusedAddresses};
use super::tls::secured;
use crate::config::{PreflightCheck, TlsConfig};
use crate::domain::addresses::AddressRule;
use crate::domain::recipe::leads_to_restore;

/// How long a connection may take to stand where nothing else is said.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Calls in any minute where nothing else is said; ThemisDB refuses the 101st.
pub const DEFAULT_REQUESTS_PER_MINUTE: u32 = 90;

/// Below what a server usually keeps an idle connection open. When the server closes one at the moment in which a request goes out
/// on it, the request was never carried out and yet "sent, no answer": a call that could have been repeated becomes `UNKNOWN`.
/// Maintenance calls are minutes apart; the calls of one attempt, and its polls, are not.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// A server to call.
#[derive(Debug, Clone)]
pub struct TargetSettings {
    /// The target's name.
    pub name: String,
    /// `http` or `https`, host, port and perhaps a path prefix; no credentials, query or fragment.
    pub base_url: Url,
    /// The bearer token. Without it and without a file calls go out without `Authorization`.
    pub token: Option<SecretString>,
    /// A file with the bearer token, in place of `token`; it is read again whenever it changes.
    pub token_file: Option<PathBuf>,
    /// How long a connection may take to stand, TLS included.
    pub connect_timeout: Duration,
    /// Most calls in any minute, health probes not counted; at least 1.
    pub requests_per_minute: u32,
    /// How connections are secured, if they are.
    pub tls: TlsConfig,
    /// Which addresses its host may have.
    pub addresses: AddressRule,
    /// What has to hold before a job starts.
    pub preflight: Vec<PreflightCheck>,
}

impl TargetSettings {
    /// A target with the usual limits and no token.
    pub fn new(name: impl Into<String>, base_url: Url) -> Self {
        Self {
            name: name.into(),
            base_url,
            token: None,
            token_file: None,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            requests_per_minute: DEFAULT_REQUESTS_PER_MINUTE,
            tls: TlsConfig::default(),
            addresses: AddressRule::default(),
            preflight: Vec::new(),
        }
    }
}

/// Why a target cannot be called at all.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// Not a URL of a server.
    #[error("{owner}: the URL must be http:// or https:// with a host, and without credentials, query or fragment")]
    Url {
        /// What the URL belongs to.
        owner: String,
    },
    /// The URL holds an IP address that may not be called.
    #[error("{owner}: the address in the URL may not be called: {why}")]
    Address {
        /// What the URL belongs to.
        owner: String,
        /// The class of the address, and the key that lists exceptions.
        why: String,
    },
    /// No call could ever be made.
    #[error("target '{target}': requests_per_minute must be at least 1")]
    NoRequests {
        /// The target's name.
        target: String,
    },
    /// Two targets have one name.
    #[error("target '{target}' is there twice")]
    Duplicate {
        /// The target's name.
        target: String,
    },
    /// The client could not be built, for example because the system has no CA certificates.
    #[error("{owner}: the HTTP client could not be set up")]
    Client {
        /// What the client is for.
        owner: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
}

/// A server to which paths can be added.
pub(super) struct BaseUrl {
    /// Scheme, host and port as they are configured.
    origin: String,
    /// The same, by the name that the server's certificate has to be for.
    connect_origin: String,
    /// The configured host, where the name is another one.
    host: Option<HeaderValue>,
    prefix: String,
}

impl BaseUrl {
    /// Checks a base URL. `owner` is named in the error, which must not show the URL: it could hold a password.
    pub(super) fn new(url: &Url, owner: &str) -> Result<Self, ExecutorError> {
        let plain = matches!(url.scheme(), "http" | "https") && url.has_host();
        let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        if !plain || !bare {
            return Err(ExecutorError::Url { owner: owner.to_owned() });
        }
        let origin = url[..Position::BeforePath].to_owned();
        let prefix = url.path().trim_end_matches('/').to_owned();
        Ok(Self { connect_origin: origin.clone(), origin, host: None, prefix })
    }

    /// The same server, connected to and verified by another name; its addresses are still those of its own (see `tls`), and it is
    /// still told its own in `Host`.
    pub(super) fn under_name(self, name: Option<&str>, owner: &str) -> Result<Self, ExecutorError> {
        let Some(name) = name else { return Ok(self) };
        let unfit = || ExecutorError::Url { owner: owner.to_owned() };
        let mut url = Url::parse(&self.origin).map_err(|_| unfit())?;
        let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]).map_err(|_| unfit())?;
        url.set_host(Some(name)).map_err(|_| unfit())?;
        let connect_origin = url[..Position::BeforePath].to_owned();
        Ok(Self { connect_origin, host: Some(host), ..self })
    }

    /// Scheme, host and port, for messages.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The URL of a path that begins with `/`, or `None` when it would not be sent letter by letter: a URL parser resolves `%2e%2e`
    /// as it does `..`, and then the call would go to another place than the recipe was checked for.
    fn join(&self, path: &str) -> Option<Url> {
        let path = format!("{}{path}", self.prefix);
        let url = Url::parse(&format!("{}{path}", self.connect_origin)).ok()?;
        // A prefix could complete what no path of a recipe may hold.
        (url[Position::BeforePath..] == path && !leads_to_restore(&path)).then_some(url)
    }

    /// A request for a path that begins with `/`; `None` as for [`BaseUrl::join`].
    pub(super) fn request(&self, method: Method, path: &str) -> Option<Request> {
        let mut request = Request::new(method, self.join(path)?);
        if let Some(host) = &self.host {
            request.headers_mut().insert(HOST, host.clone());
        }
        Some(request)
    }
}

/// A client that goes to the given server and nowhere else.
pub(super) fn client(
    base: &Url,
    connect_timeout: Duration,
    tls: &TlsConfig,
    addresses: Addresses,
    owner: &str,
) -> Result<Client, ExecutorError> {
    if let Some(host) = base.host() {
        let refused = |error: RefusedAddresses| ExecutorError::Address { owner: owner.to_owned(), why: error.to_string() };
        addresses.check_host(&host).map_err(refused)?;
    }
    let found_by = base.host().filter(|_| tls.server_name.is_some()).map(|host| host.to_owned());
    let builder = Client::builder()
        .user_agent(concat!("themis-maintenance/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        // What `body::SentBody` knows about the moment of sending is true of HTTP/1.1; ThemisDB speaks nothing else.
        .http1_only()
        .dns_resolver(CheckedResolver { found_by, addresses })
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT);
    let built = secured(builder, base, tls).and_then(reqwest::ClientBuilder::build);
    built.map_err(|source| ExecutorError::Client { owner: owner.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(url: &str) -> Result<BaseUrl, ExecutorError> {
        BaseUrl::new(&Url::parse(url).expect("a URL"), "target 'default'")
    }

    #[test]
    fn paths_are_added_letter_by_letter() {
        for (base_url, path, joined) in [
            ("http://h:8765", "/index/rebuild", "http://h:8765/index/rebuild"),
            ("http://h:8765/", "/index/rebuild", "http://h:8765/index/rebuild"),
            ("https://h/themis//", "/a%2Fb/c?d=1", "https://h/themis/a%2Fb/c?d=1"),
            ("http://[::1]:1/p", "/x", "http://[::1]:1/p/x"),
        ] {
            let url = base(base_url).expect("a base URL").join(path).expect("a URL");
            assert_eq!(url.as_str(), joined);
        }
        let base = base("http://h/p").expect("a base URL");
        for rewritten in ["/admin/x/%2e%2e/restore", "/a/%2E/b", "/a\\b"] {
            assert!(base.join(rewritten).is_none(), "{rewritten}");
        }
        let admin = self::base("http://h/admin/").expect("a base URL");
        assert!(admin.join("/backup").is_some() && admin.join("/restore").is_none());
    }

    #[test]
    fn urls_that_are_no_servers_or_hold_credentials_are_refused_without_being_shown() {
        for bad in ["ftp://h", "http://u:hunter2@h", "http://u@h", "http://h/?a=1", "http://h/#f", "data:x"] {
            let error = base(bad).err().expect("refused").to_string();
            assert!(error.contains("target 'default'") && !error.contains("hunter2"), "{error}");
        }
    }
}
