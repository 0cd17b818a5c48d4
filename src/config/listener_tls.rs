//! `[server.tls]` and `[metrics.tls]`: what a listener shows its callers, and what it wants to see of them.
//!
//! The files are read here, so that a broken pair is a mistake of the configuration; they are read again with the same function
//! while the service runs, so that what passes now cannot fail later for another reason.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::sign::CertifiedKey;
use secrecy::zeroize::Zeroizing;
use sha2::{Digest, Sha256};

use super::pem::{self, PairMistake, path};
use super::section::Section;
use super::values::string;

/// `[server.tls]` or `[metrics.tls]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTls {
    cert_file: PathBuf,
    key_file: PathBuf,
    client_ca_file: Option<PathBuf>,
    /// Whether callers show a certificate.
    pub client_auth: ClientAuth,
    /// The oldest version of TLS that is spoken.
    pub min_version: TlsVersion,
}

/// Whether callers show a certificate; the scopes come from the token in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// Nobody is asked for one.
    None,
    /// Who shows one has to show a good one.
    Optional,
    /// Without a good one there is no connection.
    Required,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// What stands in the files.
#[derive(Debug, Clone)]
pub struct ListenerCertificates {
    /// The chain and its key, which fit together.
    pub pair: CertifiedKey,
    /// Who signs the callers' certificates; `None` when nobody is asked for one.
    pub client_roots: Option<RootCertStore>,
}

/// A file that cannot be used, by the key that names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {message}")]
pub struct FileMistake {
    key: &'static str,
    message: String,
}

impl FileMistake {
    fn of(key: &'static str) -> impl Fn(String) -> Self {
        move |message| Self { key, message }
    }
}

impl ListenerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn read(&self) -> Result<ListenerCertificates, Vec<FileMistake>> {
        let (cert_file, key_file): (&Path, &Path) = (&self.cert_file, &self.key_file);
        let mut mistakes = Vec::new();
        let chain = pem::certificates(cert_file).map_err(FileMistake::of("cert_file"));
        let key = pem::private_key(key_file).map_err(FileMistake::of("key_file"));
        let pair = match (chain, key) {
            (Ok(chain), Ok(key)) => pem::pair(chain, key, "cert_file", cert_file, key_file)
                .map_err(|mistake| match mistake {
                    PairMistake::Certificate(message) => FileMistake::of("cert_file")(message),
                    PairMistake::Key(message) => FileMistake::of("key_file")(message),
                })
                .map_err(|mistake| mistakes.push(mistake))
                .ok(),
            (chain, key) => {
                mistakes.extend(chain.err().into_iter().chain(key.err()));
                None
            }
        };
        let roots = self.client_ca_file.as_deref().map(|file| pem::roots(file).map_err(FileMistake::of("client_ca_file")));
        let client_roots = match roots {
            Some(Ok((_, roots))) => Some(roots),
            Some(Err(mistake)) => {
                mistakes.push(mistake);
                None
            }
            None => None,
        };
        match pair {
            Some(pair) if mistakes.is_empty() => Ok(ListenerCertificates { pair, client_roots }),
            _ => Err(mistakes),
        }
    }

    /// A digest of what stands in the files now, to notice a change by. Contents rather than times: a mounted secret is swapped by
    /// a link, and two writes can happen within one tick of a file system's clock.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for file in [Some(&self.cert_file), Some(&self.key_file), self.client_ca_file.as_ref()].into_iter().flatten() {
            // A file that cannot be read counts as an empty one here; reading it says what is wrong.
            // One of them is the private key, which is not left behind in memory.
            let content = Zeroizing::new(std::fs::read(file).unwrap_or_default());
            digest.update(content.len().to_le_bytes());
            digest.update(&*content);
        }
        digest.finalize().into()
    }
}

/// Reads the table `tls`. `Some(None)` when no certificate is named, `None` when there is a mistake.
pub(super) fn listener_tls(parent: &mut Section<'_>) -> Option<Option<ListenerTls>> {
    if parent.node("tls").is_none() {
        return Some(None);
    }
    let mut section = parent.section("tls")?;
    let cert_file = section.optional("cert_file", path);
    let key_file = section.optional("key_file", path);
    let client_ca_file = section.optional("client_ca_file", path);
    let client_auth = section.or("client_auth", ClientAuth::None, |node| match string(node)?.trim() {
        "none" => Ok(ClientAuth::None),
        "optional" => Ok(ClientAuth::Optional),
        "required" => Ok(ClientAuth::Required),
        _ => Err("must be \"none\", \"optional\" or \"required\"".to_owned()),
    });
    let min_version = section.or("min_version", TlsVersion::V1_2, |node| match string(node)?.trim() {
        "1.2" => Ok(TlsVersion::V1_2),
        "1.3" => Ok(TlsVersion::V1_3),
        _ => Err("must be \"1.2\" or \"1.3\"".to_owned()),
    });
    section.finish();
    let (client_auth, min_version) = (client_auth?, min_version?);
    match (client_auth, &client_ca_file) {
        (ClientAuth::None, Some(_)) => {
            section.mistake("client_auth", "is \"none\", so client_ca_file has no effect; say \"optional\" or \"required\"");
            return None;
        }
        (ClientAuth::Optional | ClientAuth::Required, None) => {
            section.mistake("client_ca_file", "is missing: client_auth needs to know who signs the callers' certificates");
            return None;
        }
        (ClientAuth::None, None) | (ClientAuth::Optional | ClientAuth::Required, Some(_)) => {}
    }
    match (cert_file, key_file) {
        (Some(cert_file), Some(key_file)) => {
            let tls = ListenerTls { cert_file, key_file, client_ca_file, client_auth, min_version };
            let mistakes = tls.read().err().unwrap_or_default();
            for FileMistake { key, message } in &mistakes {
                section.mistake(key, message.clone());
            }
            mistakes.is_empty().then_some(Some(tls))
        }
        (Some(_), None) => {
            section.mistake("key_file", "is missing: the certificate in cert_file is worth nothing without its key");
            None
        }
        (None, Some(_)) => {
            section.mistake("cert_file", "is missing: the key in key_file is worth nothing without its certificate");
            None
        }
        (None, None) if client_auth != ClientAuth::None => {
            section.mistake("cert_file", "is missing: callers can only show certificates where TLS is spoken");
            None
        }
        (None, None) => Some(None),
    }
}
