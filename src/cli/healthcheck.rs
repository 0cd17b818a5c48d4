//! Asks a running service whether it is ready; made for the health check of a container, which has no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use reqwest::{Certificate, ClientBuilder};
use url::Url;

use super::exit::Failure;
use crate::config::{ConfigMistake, ConfigMistakes, Source, key_of};

/// Shorter than the usual time-outs of whoever runs the check, so that it can say what was wrong.
const LIMIT: Duration = Duration::from_secs(3);

/// Which certificates are accepted of a service that speaks TLS.
#[derive(Debug)]
pub enum Trust {
    /// What the system trusts.
    System,
    /// What an authority in this file signed.
    Authority(PathBuf),
    /// Any: who can answer at this machine's own address needs no deception.
    Anybody,
}

impl Trust {
    /// As the command line says.
    pub fn new(ca: Option<PathBuf>, insecure: bool) -> Self {
        match ca {
            _ if insecure => Self::Anybody,
            Some(file) => Self::Authority(file),
            None => Self::System,
        }
    }

    fn apply(&self, builder: ClientBuilder, url: &Url) -> anyhow::Result<ClientBuilder> {
        // Without TLS no certificates are needed: not even the system's, which a small container may not have.
        if url.scheme() == "http" {
            return Ok(builder.tls_certs_only(std::iter::empty()));
        }
        Ok(match self {
            Self::System => builder,
            Self::Authority(file) => {
                let pem = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
                let authorities = Certificate::from_pem_bundle(&pem);
                builder.tls_certs_only(authorities.with_context(|| format!("{} holds no certificate", file.display()))?)
            }
            Self::Anybody => builder.tls_certs_only(std::iter::empty()).tls_danger_accept_invalid_certs(true),
        })
    }
}

/// The URL of `/readyz` at the address that the service was told to listen at, or at the default one.
///
/// # Errors
/// When the variable does not hold an address.
pub fn default_url(environment: &[(String, String)]) -> Result<Url, Failure> {
    let set =
        |wanted: &str| environment.iter().rfind(|(name, text)| key_of(name).is_some_and(|key| key == wanted) && !text.is_empty());
    let given = set("server__listen");
    let scheme = if set("server__tls__cert_file").is_some() { "https" } else { "http" };
    let mut address = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    if let Some((name, text)) = given {
        address = text.trim().parse().map_err(|_| {
            ConfigMistakes(vec![ConfigMistake {
                key: "server.listen".to_owned(),
                message: "must be an IP address and a port".to_owned(),
                source: Source::Environment(name.clone()),
            }])
        })?;
    }
    // A service that listens everywhere listens here.
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    Ok(Url::parse(&format!("{scheme}://{address}/readyz")).expect("a socket address is a valid authority"))
}

/// Asks once.
///
/// # Errors
/// When there is no answer in time, or one that is not 2xx.
pub fn check(url: Url, trust: &Trust) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start").map_err(Failure::Internal)?.block_on(ask(url, trust))
}

async fn ask(url: Url, trust: &Trust) -> Result<(), Failure> {
    // No proxy: the question is whether this machine's own service is well.
    let client = reqwest::Client::builder().timeout(LIMIT).no_proxy().redirect(reqwest::redirect::Policy::none());
    let client = trust.apply(client, &url).map_err(Failure::Internal)?.build();
    let client = client.context("cannot make an HTTP client").map_err(Failure::Internal)?;
    match client.get(url.clone()).send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(Failure::CheckFailed(format!("{url} answered {}", answer.status()))),
        Err(error) => Err(Failure::CheckFailed(format!("no answer: {:#}", anyhow::Error::new(error)))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    fn url_for(value: &str) -> String {
        let variables = [("themis_maintenance__server__LISTEN".to_owned(), value.to_owned())];
        default_url(&variables).map_or_else(|failure| failure.to_string(), |url| url.to_string())
    }

    #[test]
    fn the_address_follows_the_environment() {
        assert_eq!(url_for(""), "http://127.0.0.1:8080/readyz");
        assert_eq!(url_for("0.0.0.0:9000"), "http://127.0.0.1:9000/readyz");
        assert_eq!(url_for("[::]:9000"), "http://[::1]:9000/readyz");
        assert_eq!(url_for("10.0.0.1:80"), "http://10.0.0.1/readyz");
        assert!(url_for("everywhere").contains("server.listen must be an IP address and a port"));
    }

    #[test]
    fn a_service_with_a_certificate_is_asked_over_tls() {
        let variables = [("THEMIS_MAINTENANCE__SERVER__TLS__CERT_FILE".to_owned(), "/etc/tls.crt".to_owned())];
        assert_eq!(
            default_url(&variables).map_err(|failure| failure.to_string()),
            Ok(Url::parse("https://127.0.0.1:8080/readyz").expect("a URL"))
        );
    }

    /// Answers one request with a status line.
    fn answering(status: &'static str) -> (Url, std::thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = Url::parse(&format!("http://{}/readyz", listener.local_addr().expect("an address"))).expect("a URL");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = [0; 1024];
            let length = stream.read(&mut request).expect("a request");
            assert!(request[..length].starts_with(b"GET /readyz HTTP/1.1"));
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").expect("an answer");
        });
        (url, server)
    }

    #[test]
    fn only_2xx_is_ready() {
        for (status, code) in [("200 OK", None), ("503 Service Unavailable", Some(1)), ("302 Found", Some(1))] {
            let (url, server) = answering(status);
            assert_eq!(check(url, &Trust::System).err().map(|failure| failure.code()), code, "{status}");
            server.join().expect("the request was as expected");
        }
    }

    #[test]
    fn nobody_there_is_not_ready() {
        // Nothing can listen at port 0.
        let url = Url::parse("http://127.0.0.1:0/readyz").expect("a URL");
        assert_eq!(check(url, &Trust::System).err().map(|failure| failure.code()), Some(1));
    }
}
