//! One HTTP request and what came of it.

use std::time::Duration;

use reqwest::header::{ETAG, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Certificate, Method};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::failure::CtlFailure;
use super::problem::Problem;
use super::settings::Settings;
use crate::domain::fields::printable_message;

const BASE_PATH: [&str; 3] = ["api", "v1", "maintenance"];
/// As long as the service gives a request (`server.request_timeout`), and some time on the way.
const LIMIT: Duration = Duration::from_secs(35);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// The largest answer that is read: a page of 1,000 schedules with everything that they may hold is smaller.
const MAX_ANSWER_BYTES: usize = 512 * 1024 * 1024;

/// Asks one service in somebody's name. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<SecretString>,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Call {
    method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
    more_time: Duration,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The document; null when there is none.
    pub json: Value,
    /// The version, for `If-Match`.
    pub etag: Option<String>,
}

/// Why nothing usable came back.
#[derive(Debug, Clone)]
pub enum CallError {
    /// No answer, or half of one.
    Lost {
        /// Whether the request may have arrived.
        perhaps_arrived: bool,
        /// In words.
        message: String,
    },
    /// The service said no.
    Problem(Box<Problem>),
    /// An answer that is not the service's.
    Strange {
        /// Whether it may be another one later.
        temporary: bool,
        /// In words.
        message: String,
    },
}

impl CallError {
    /// Whether the same request may be answered later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Lost { .. } => true,
            Self::Problem(problem) => problem.is_temporary(),
            Self::Strange { temporary, .. } => *temporary,
        }
    }

    /// Whether nobody was there: the request reached nothing.
    pub fn is_nobody(&self) -> bool {
        matches!(self, Self::Lost { perhaps_arrived: false, .. })
    }

    /// How long the service wants to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Problem(problem) => problem.retry_after.map(Duration::from_secs),
            Self::Lost { .. } | Self::Strange { .. } => None,
        }
    }

    /// In one line.
    pub fn in_short(&self) -> String {
        match self {
            Self::Lost { message, .. } | Self::Strange { message, .. } => message.clone(),
            Self::Problem(problem) => format!("{} ({})", printable_message(&problem.title), problem.status),
        }
    }
}

impl Call {
    /// A request for a path below the base path; each segment is escaped.
    pub fn new<'a>(method: Method, path: impl IntoIterator<Item = &'a str>) -> Self {
        let path = path.into_iter().map(str::to_owned).collect();
        Self { method, path, query: Vec::new(), headers: Vec::new(), body: None, more_time: Duration::ZERO }
    }

    /// `GET`.
    pub fn get<'a>(path: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(Method::GET, path)
    }

    /// `POST`.
    pub fn post<'a>(path: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(Method::POST, path)
    }

    /// With a query parameter.
    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// With a query parameter if there is a value.
    pub fn maybe_query(self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// With a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With a JSON body.
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// For an answer that the service is asked to hold back for so long.
    pub fn more_time(mut self, more: Duration) -> Self {
        self.more_time = more;
        self
    }
}

impl Client {
    /// A client as the settings have it.
    ///
    /// # Errors
    /// When the file with authorities cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, CtlFailure> {
        let agent = concat!("themis-maintenance-ctl/", env!("CARGO_PKG_VERSION"));
        // A redirect would carry the token, or lose the method: the address has to be right.
        let builder = reqwest::Client::builder()
            .user_agent(agent)
            .connect_timeout(CONNECT_LIMIT)
            .redirect(reqwest::redirect::Policy::none());
        let builder = match &settings.ca_file {
            // Without TLS not even the system's certificates are needed, which a small container may not have.
            _ if settings.url.scheme() == "http" => builder.tls_certs_only(std::iter::empty()),
            None => builder,
            Some(file) => {
                let unusable = |error: &dyn std::fmt::Display| CtlFailure::NotConfigured(format!("{}: {error}", file.display()));
                let pem = std::fs::read(file).map_err(|error| unusable(&error))?;
                let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| unusable(&error))?;
                if authorities.is_empty() {
                    return Err(unusable(&"holds no certificate"));
                }
                builder.tls_certs_only(authorities)
            }
        };
        let http = builder.build().map_err(|error| CtlFailure::Fault(format!("cannot make an HTTP client: {}", told(&error))))?;
        Ok(Self { http, base: settings.url.clone(), token: settings.token.clone() })
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// Whenever there is no 2xx answer of the service.
    pub async fn send(&self, call: &Call) -> Result<Answered, CallError> {
        let url = self.url(call);
        let mut request = self.http.request(call.method.clone(), url.clone()).timeout(LIMIT + call.more_time);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let lost = |error: reqwest::Error| CallError::Lost {
            perhaps_arrived: !(error.is_connect() || error.is_builder()),
            message: format!("no answer from {}: {}", self.base, told(&error)),
        };
        let mut response = request.send().await.map_err(lost)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(CallError::Strange { temporary: false, message: format!("the answer of {url} is too long") });
            }
            bytes.extend_from_slice(&chunk);
        }
        self.read(status.as_u16(), &headers, &bytes)
    }

    fn read(&self, status: u16, headers: &HeaderMap, bytes: &[u8]) -> Result<Answered, CallError> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let strange = |what: String| CallError::Strange {
            temporary: matches!(status, 429 | 502..=504),
            message: format!("{} {what}: is it the address of the service?", self.base),
        };
        match status {
            200..300 if bytes.is_empty() => Ok(Answered { json: Value::Null, etag: None }),
            200..300 => {
                let json = serde_json::from_slice(bytes).map_err(|_| strange(format!("answered {status} without JSON")))?;
                Ok(Answered { json, etag: text(ETAG).map(str::to_owned) })
            }
            300..400 => {
                let to = printable_message(text(LOCATION).unwrap_or("elsewhere"));
                Err(strange(format!("answered {status} and leads to {to}, which is not followed")))
            }
            _ => {
                let mut problem: Problem =
                    serde_json::from_slice(bytes).map_err(|_| strange(format!("answered {status} without saying why")))?;
                // The status line counts, whatever the document says.
                problem.status = status;
                problem.retry_after = text(RETRY_AFTER).and_then(|value| value.parse().ok());
                Err(CallError::Problem(Box::new(problem)))
            }
        }
    }

    fn url(&self, call: &Call) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(&call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        url
    }
}

/// The address of the API from that of the service; one that is the API's already stays.
///
/// # Errors
/// What is wrong with it, as an end of a sentence.
pub fn api_url(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    if !["http", "https"].contains(&url.scheme()) || url.host().is_none() {
        return Err("must begin with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("must have no user, query or fragment".to_owned());
    }
    let segments: Vec<&str> = url.path().split('/').filter(|segment| !segment.is_empty()).collect();
    if !segments.ends_with(&BASE_PATH)
        && let Ok(mut path) = url.path_segments_mut()
    {
        path.pop_if_empty().extend(BASE_PATH);
    }
    Ok(url)
}

/// An error with its causes; reqwest's own text names the URL, which is said already.
fn told(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "nothing came in time".to_owned();
    }
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    // The innermost says it best, and the others often repeat it.
    printable_message(&causes.pop().unwrap_or_else(|| error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(text: &str) -> String {
        api_url(text).map_or_else(|error| error, |url| url.to_string())
    }

    #[test]
    fn the_address_of_the_service_becomes_that_of_the_api() {
        assert_eq!(api("http://h:1"), "http://h:1/api/v1/maintenance");
        assert_eq!(api("https://h/"), "https://h/api/v1/maintenance");
        assert_eq!(api("https://h/below/"), "https://h/below/api/v1/maintenance");
        assert_eq!(api("https://h/api/v1/maintenance/"), "https://h/api/v1/maintenance/");
        for bad in ["h:1", "ftp://h", "http://u:p@h", "http://h?x", "nonsense"] {
            assert!(api_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn segments_and_parameters_are_escaped() {
        let settings = Settings { url: api_url("http://h/").expect("a URL"), token: None, ca_file: None };
        let client = Client::new(&settings).expect("a client");
        let call = Call::get(["freezes", "a b/c"]).query("label", "a=b&c").maybe_query("cursor", None::<String>);
        assert_eq!(client.url(&call).as_str(), "http://h/api/v1/maintenance/freezes/a%20b%2Fc?label=a%3Db%26c");
        let slash = Settings { url: api_url("http://h/api/v1/maintenance/").expect("a URL"), ..settings };
        let client = Client::new(&slash).expect("a client");
        assert_eq!(client.url(&Call::get(["jobs"])).as_str(), "http://h/api/v1/maintenance/jobs");
    }

    #[test]
    fn answers_of_others_are_told_from_the_service_s() {
        let settings = Settings { url: api_url("http://h/").expect("a URL"), token: None, ca_file: None };
        let client = Client::new(&settings).expect("a client");
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "7".parse().expect("a header"));
        let read = |status, body: &str| client.read(status, &headers, body.as_bytes());
        assert!(read(204, "").is_ok_and(|answer| answer.json.is_null()));
        for (status, body, temporary) in [(200, "<html>", false), (302, "", false), (404, "no", false), (502, "no", true)] {
            let error = read(status, body).expect_err("nothing usable");
            assert!(matches!(&error, CallError::Strange { .. }) && error.is_temporary() == temporary, "{status} {error:?}");
        }
        let busy = read(503, r#"{"title": "Busy", "status": 503}"#).expect_err("a problem");
        assert_eq!((busy.is_temporary(), busy.retry_after()), (true, Some(Duration::from_secs(7))));
        assert!(!read(409, r#"{"title": "No", "status": 409}"#).expect_err("a problem").is_temporary());
    }
}
