//! `[targets.NAME.tls]`: whom a target has to prove to be, and what the service shows it.
//!
//! Files are read and looked through here, so that a key that does not belong to its certificate is a mistake now and not a
//! refused connection in the middle of the night. What is kept is clean PEM: the executor's client takes nothing else, and a file
//! in which certificate and key stand together can be named for both.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};
use secrecy::SecretString;
use secrecy::zeroize::{Zeroize, Zeroizing};
use url::Url;

use super::layer::Node;
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

fn path(node: &Node) -> Result<PathBuf, String> {
    string(node).map(PathBuf::from)
}

fn ca_pem(section: &Section<'_>, file: &Path) -> Option<String> {
    let certificates = certificates(section, "ca_file", file)?;
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        if roots.add(certificate.clone()).is_err() {
            return not_a_certificate(section, "ca_file", file);
        }
    }
    Some(certificates.iter().map(|certificate| pem("CERTIFICATE", certificate)).collect())
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
    let chain = certificates(section, "client_cert_file", &certificate_file);
    let key = private_key(section, &key_file);
    let (chain, mut key) = (chain?, key?);
    match CertifiedKey::from_der(chain.clone(), key.clone_key(), &rustls::crypto::aws_lc_rs::default_provider()) {
        Ok(_) => {}
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            let message = format!("is not the key of the certificate in client_cert_file, {}", certificate_file.display());
            section.mistake("client_key_file", message);
            return None;
        }
        Err(Error::InvalidCertificate(_)) => return not_a_certificate(section, "client_cert_file", &certificate_file),
        Err(_) => {
            let message = format!("names a file with a key of a kind that cannot be used, {}", key_file.display());
            section.mistake("client_key_file", message);
            return None;
        }
    }
    let label = match &key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    let chain: String = chain.iter().map(|certificate| pem("CERTIFICATE", certificate)).collect();
    let key_pem = Zeroizing::new(pem(label, key.secret_der()));
    key.zeroize();
    let whole = Zeroizing::new([chain.as_str(), key_pem.as_str()].concat());
    Some(Some(SecretString::from(whole.as_str())))
}

fn certificates(section: &Section<'_>, key: &str, file: &Path) -> Option<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(section, key, file)?).collect();
    let mistake = match found {
        Ok(certificates) if certificates.is_empty() => "names a file without a certificate in PEM form",
        Ok(certificates) => return Some(certificates),
        Err(_) => "names a file that is not whole PEM",
    };
    section.mistake(key, format!("{mistake}, {}", file.display()));
    None
}

/// What is wrong with the file is said without a word of what stands in it.
fn private_key(section: &Section<'_>, file: &Path) -> Option<PrivateKeyDer<'static>> {
    use rustls::pki_types::pem::Error::NoItemsFound;
    let mistake = match PrivateKeyDer::from_pem_slice(&read(section, "client_key_file", file)?) {
        Ok(key) => return Some(key),
        Err(NoItemsFound) => "names a file without a private key in PEM form (an encrypted key cannot be used)",
        Err(_) => "names a file that is not whole PEM",
    };
    section.mistake("client_key_file", format!("{mistake}, {}", file.display()));
    None
}

fn read(section: &Section<'_>, key: &str, file: &Path) -> Option<Zeroizing<Vec<u8>>> {
    let cannot = |error| section.mistake(key, format!("names a file that cannot be read, {}: {error}", file.display()));
    std::fs::read(file).map(Zeroizing::new).map_err(cannot).ok()
}

fn not_a_certificate<T>(section: &Section<'_>, key: &str, file: &Path) -> Option<T> {
    section.mistake(key, format!("names a file with something in it that is no X.509 certificate, {}", file.display()));
    None
}

fn server_name(node: &Node) -> Result<String, String> {
    const EXPECTED: &str = "must be a host name such as \"themis.internal\", without port";
    match ServerName::try_from(string(node)?.trim().to_ascii_lowercase()) {
        Ok(ServerName::DnsName(name)) => Ok(name.as_ref().to_owned()),
        Ok(_) => Err(format!("{EXPECTED}, not an IP address: for that, put the address into base_url")),
        Err(_) => Err(EXPECTED.to_owned()),
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = Zeroizing::new(STANDARD.encode(der));
    // In one piece: a text that grows leaves copies behind.
    ["-----BEGIN ", label, "-----\n", body.as_str(), "\n-----END ", label, "-----\n"].concat()
}
