//! Certificates and keys in PEM files, for both directions: what a target is shown and what a listener shows.
//!
//! Every failure is a message that stands behind the key which names the file. What is wrong with a key's file is said without a
//! word of what stands in it.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};
use secrecy::zeroize::Zeroizing;

use super::layer::Node;
use super::values::string;

/// Why a chain and a key are no pair: which of both is to blame, and the message for it.
pub(super) enum PairMistake {
    Certificate(String),
    Key(String),
}

pub(super) fn path(node: &Node) -> Result<PathBuf, String> {
    string(node).map(PathBuf::from)
}

/// All certificates of a file; at least one.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(file)?).collect();
    let mistake = match found {
        Ok(certificates) if certificates.is_empty() => "names a file without a certificate in PEM form",
        Ok(certificates) => return Ok(certificates),
        Err(_) => "names a file that is not whole PEM",
    };
    Err(format!("{mistake}, {}", file.display()))
}

/// The certificates of a file as roots of trust.
pub(super) fn roots(file: &Path) -> Result<(Vec<CertificateDer<'static>>, RootCertStore), String> {
    let certificates = certificates(file)?;
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|_| not_a_certificate(file))?;
    }
    Ok((certificates, roots))
}

/// The first private key of a file.
pub(super) fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    use rustls::pki_types::pem::Error::NoItemsFound;
    let mistake = match PrivateKeyDer::from_pem_slice(&read(file)?) {
        Ok(key) => return Ok(key),
        Err(NoItemsFound) => "names a file without a private key in PEM form (an encrypted key cannot be used)",
        Err(_) => "names a file that is not whole PEM",
    };
    Err(format!("{mistake}, {}", file.display()))
}

/// Joins a chain with its key. `certificate_key` is the configuration key that names the chain's file, for the message.
pub(super) fn pair(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    certificate_key: &str,
    certificate_file: &Path,
    key_file: &Path,
) -> Result<CertifiedKey, PairMistake> {
    match CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider()) {
        Ok(pair) => Ok(pair),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            let file = certificate_file.display();
            Err(PairMistake::Key(format!("is not the key of the certificate in {certificate_key}, {file}")))
        }
        Err(Error::InvalidCertificate(_)) => Err(PairMistake::Certificate(not_a_certificate(certificate_file))),
        Err(_) => {
            let message = format!("names a file with a key of a kind that cannot be used, {}", key_file.display());
            Err(PairMistake::Key(message))
        }
    }
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    std::fs::read(file)
        .map(Zeroizing::new)
        .map_err(|error| format!("names a file that cannot be read, {}: {error}", file.display()))
}

fn not_a_certificate(file: &Path) -> String {
    format!("names a file with something in it that is no X.509 certificate, {}", file.display())
}
