//! `[targets.NAME.tls]`: whom a target has to prove to be, and what the service shows it.
//!
//! Files are read and looked through here, so that a key that does not belong to its certificate is a mistake now and not a
//! refused connection in the middle of the night. What is kept is clean PEM: the executor's client takes nothing else, and a file
//! in which certificate and key stand together can be named for both.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use secrecy::SecretString;
use secrecy::zeroize::{Zeroize, Zeroizing};
use url::Url;

use super::layer::Node;
use super::pem::{self, PairMistake, path};
use super::section::Section;
use super::values::{boolean, string};

/// `[targets.NAME.tls]`.
#[derive(Debug, Clone, Default)]
pub struct TlsConfig {
    /// The only roots that count, as PEM; `None` for those of the system.
    pub ca_pem: Option<String>,
    /// Certificate chain and key that are shown to the target, as PEM.
    pub client_pem: Option<SecretString>,
    /// The name that the target's certificate has to be for, in place of the host in its URL.
    pub server_name: Option<String>,
    /// The target's certificate is not verified at all: anybody may answer in its place, and read its token.
    pub insecure_skip_verify: bool,
}

impl TlsConfig {
    /// True when nothing differs from what every target has.
    pub fn is_default(&self) -> bool {
        let Self { ca_pem, client_pem, server_name, insecure_skip_verify } = self;
        ca_pem.is_none() && client_pem.is_none() && server_name.is_none() && !insecure_skip_verify
    }
}

/// Reads the table of a target at `base_url`.
pub(super) fn tls(mut section: Section<'_>, base_url: Option<&Url>) -> Option<TlsConfig> {
    let ca_pem = match section.optional("ca_file", path) {
        Some(file) => Some(ca_pem(&section, &file)?),
        None => None,
    };
    let client_pem = client_pem(&mut section);
    let server_name = section.optional("server_name", server_name);
    let insecure_skip_verify = section.or("insecure_skip_verify", false, boolean);
    section.finish();
    let config = TlsConfig { ca_pem, client_pem: client_pem?, server_name, insecure_skip_verify: insecure_skip_verify? };
    if !config.is_default() && base_url.is_some_and(|url| url.scheme() == "http") {
        section.table_mistake("is for a server at https://, but base_url begins with http://");
    }
    Some(config)
}

fn ca_pem(section: &Section<'_>, file: &Path) -> Option<String> {
    let (certificates, _) = noted(section, "ca_file", pem::roots(file))?;
    Some(certificates.iter().map(|certificate| pem_text("CERTIFICATE", certificate)).collect())
}

/// `Some(None)` when there is no client certificate, `None` when there is a mistake.
fn client_pem(section: &mut Section<'_>) -> Option<Option<SecretString>> {
    let certificate_file = section.optional("client_cert_file", path);
    let key_file = section.optional("client_key_file", path);
    let (certificate_file, key_file) = match (certificate_file, key_file) {
        (None, None) => return Some(None),
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => {
            section
                .mistake("client_key_file", "is missing: the certificate in client_cert_file is worth nothing without its key");
            return None;
        }
        (None, Some(_)) => {
            section
                .mistake("client_cert_file", "is missing: the key in client_key_file is worth nothing without its certificate");
            return None;
        }
    };
    let chain = noted(section, "client_cert_file", pem::certificates(&certificate_file));
    let key = noted(section, "client_key_file", pem::private_key(&key_file));
    let (chain, mut key) = (chain?, key?);
    match pem::pair(chain.clone(), key.clone_key(), "client_cert_file", &certificate_file, &key_file) {
        Ok(_) => {}
        Err(PairMistake::Certificate(message)) => return noted(section, "client_cert_file", Err(message)),
        Err(PairMistake::Key(message)) => return noted(section, "client_key_file", Err(message)),
    }
    let label = match &key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    let chain: String = chain.iter().map(|certificate| pem_text("CERTIFICATE", certificate)).collect();
    let key_pem = Zeroizing::new(pem_text(label, key.secret_der()));
    key.zeroize();
    let whole = Zeroizing::new([chain.as_str(), key_pem.as_str()].concat());
    Some(Some(SecretString::from(whole.as_str())))
}

fn noted<T>(section: &Section<'_>, key: &str, read: Result<T, String>) -> Option<T> {
    read.map_err(|message| section.mistake(key, message)).ok()
}

fn server_name(node: &Node) -> Result<String, String> {
    const EXPECTED: &str = "must be a host name such as \"themis.internal\", without port";
    match ServerName::try_from(string(node)?.trim().to_ascii_lowercase()) {
        Ok(ServerName::DnsName(name)) => Ok(name.as_ref().to_owned()),
        Ok(_) => Err(format!("{EXPECTED}, not an IP address: for that, put the address into base_url")),
        Err(_) => Err(EXPECTED.to_owned()),
    }
}

fn pem_text(label: &str, der: &[u8]) -> String {
    let body = Zeroizing::new(STANDARD.encode(der));
    // In one piece: a text that grows leaves copies behind.
    ["-----BEGIN ", label, "-----\n", body.as_str(), "\n-----END ", label, "-----\n"].concat()
}
