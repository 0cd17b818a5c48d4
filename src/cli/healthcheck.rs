//! Asks a running service whether it is ready; made for the health check of a container, which has no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use url::Url;

use super::exit::Failure;
use crate::config::{ConfigMistake, ConfigMistakes, Source, key_of};

/// Shorter than the usual time-outs of whoever runs the check, so that it can say what was wrong.
const LIMIT: Duration = Duration::from_secs(3);

/// The URL of `/readyz` at the address that the service was told to listen at, or at the default one.
///
/// # Errors
/// When the variable does not hold an address.
pub fn default_url(environment: &[(String, String)]) -> Result<Url, Failure> {
    let given =
        environment.iter().rfind(|(name, text)| key_of(name).is_some_and(|key| key == "server__listen") && !text.is_empty());
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
    Ok(Url::parse(&format!("http://{address}/readyz")).expect("a socket address is a valid authority"))
}

/// Asks once.
///
/// # Errors
/// When there is no answer in time, or one that is not 2xx.
pub fn check(url: Url) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start").map_err(Failure::Internal)?.block_on(ask(url))
}

async fn ask(url: Url) -> Result<(), Failure> {
    // No proxy: the question is whether this machine's own service is well.
    let client = reqwest::Client::builder().timeout(LIMIT).no_proxy().redirect(reqwest::redirect::Policy::none()).build();
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
            assert_eq!(check(url).err().map(|failure| failure.code()), code, "{status}");
            server.join().expect("the request was as expected");
        }
    }

    #[test]
    fn nobody_there_is_not_ready() {
        // Nothing can listen at port 0.
        let url = Url::parse("http://127.0.0.1:0/readyz").expect("a URL");
        assert_eq!(check(url).err().map(|failure| failure.code()), Some(1));
    }
}
