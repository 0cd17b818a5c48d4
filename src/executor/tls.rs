//! TLS towards a target: whom it has to prove to be, and what it is shown.

use std::error::Error as StdError;
use std::io;

use reqwest::{Certificate, ClientBuilder, Identity};
use rustls::AlertDescription;
use secrecy::ExposeSecret;
use url::Url;

use crate::config::TlsConfig;

/// Secures a client that goes to `base` and to nowhere else.
///
/// # Errors
/// When a certificate or a key cannot be used. The configuration has looked them through.
pub(super) fn secured(builder: ClientBuilder, base: &Url, tls: &TlsConfig) -> reqwest::Result<ClientBuilder> {
    // The name is the client's matter: it connects under it, and `resolver` finds the addresses.
    let TlsConfig { ca_pem, client_pem, server_name: _, insecure_skip_verify } = tls;
    if base.scheme() == "http" {
        // Without TLS no certificates are needed: a container without a CA bundle can still call plain HTTP.
        return Ok(builder.tls_certs_only(std::iter::empty()));
    }
    let mut builder = match ca_pem {
        Some(pem) => builder.tls_certs_only(Certificate::from_pem_bundle(pem.as_bytes())?),
        None => builder,
    };
    if let Some(pem) = client_pem {
        // The client makes its own copy of the key, and has it for as long as the service runs.
        builder = builder.identity(Identity::from_pem(pem.expose_secret().as_bytes())?);
    }
    Ok(builder.tls_danger_accept_invalid_certs(*insecure_skip_verify))
}

/// True when the server ended the handshake because of the client's certificate, or because there was none. With TLS 1.3 a request
/// may have left by then, but a server that refuses the handshake has read nothing of it.
pub(super) fn refused_in_handshake(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(cause) = next {
        // An I/O error hides what it was made of from its own chain.
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = inner.map_or_else(|| cause.downcast_ref(), |inner| inner.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::AlertReceived(alert)) = tls {
            return is_about_the_certificate(*alert);
        }
        next = cause.source();
    }
    false
}

fn is_about_the_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}
