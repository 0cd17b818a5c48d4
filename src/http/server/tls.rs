//! A listener's certificate: read at the start, looked at every few seconds, replaced when the new one is good.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::SingleCertAndKey;
use rustls::{ServerConfig, SupportedProtocolVersion, version};
use tokio_rustls::TlsAcceptor;

use super::ServerError;
use crate::config::{ClientAuth, ListenerCertificates, ListenerTls, TlsVersion};
use crate::http::state::HttpMetrics;

/// How often the files are looked at. They are a few KiB; and who has replaced them wants to see it happen.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// What is spoken within TLS.
const ALPN: &[u8] = b"http/1.1";

/// The files of a listener and what is served of them.
pub(super) struct TlsFiles {
    listener: &'static str,
    files: ListenerTls,
    metrics: Arc<dyn HttpMetrics>,
    /// Read once for each connection, written when there is a new certificate.
    current: RwLock<TlsAcceptor>,
    /// What stood in the files when they were last read.
    seen: RwLock<[u8; 32]>,
}

impl TlsFiles {
    /// Reads the files.
    pub fn open(listener: &'static str, files: ListenerTls, metrics: Arc<dyn HttpMetrics>) -> Result<Self, ServerError> {
        // Before they are read: what changes in between is noticed at the next look.
        let seen = RwLock::new(files.fingerprint());
        let (acceptor, expiry) = read(&files)?;
        note_expiry(listener, expiry, &*metrics);
        Ok(Self { listener, files, metrics, current: RwLock::new(acceptor), seen })
    }

    /// Makes handshakes with the certificate of now.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.current.read().clone()
    }

    /// Reads the files again if something else stands in them. Blocks for as long as the disk does.
    fn refresh(&self) {
        let found = self.files.fingerprint();
        if found == *self.seen.read() {
            return;
        }
        *self.seen.write() = found;
        let listener = self.listener;
        match read(&self.files) {
            Ok((acceptor, expiry)) => {
                *self.current.write() = acceptor;
                tracing::info!(listener, "the TLS files have changed: new connections get the new certificate");
                note_expiry(listener, expiry, &*self.metrics);
            }
            // Once for each content: half of a pair may be there a moment before the other.
            Err(error) => tracing::warn!(
                listener,
                error = &error as &dyn std::error::Error,
                "the TLS files have changed and cannot be used: the last good certificate stays"
            ),
        }
    }
}

/// Looks at the files until it is dropped.
pub(super) async fn keep_fresh(files: Arc<TlsFiles>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let files = Arc::clone(&files);
        if let Err(error) = tokio::task::spawn_blocking(move || files.refresh()).await {
            tracing::error!(%error, "the TLS files could not be looked at");
        }
    }
}

/// The acceptor for what stands in the files, and when the certificate expires.
fn read(files: &ListenerTls) -> Result<(TlsAcceptor, Option<i64>), ServerError> {
    let first = |mistakes: Vec<_>| mistakes.into_iter().next().expect("files that cannot be read have a mistake");
    let certificates = files.read().map_err(|mistakes| ServerError::Files(first(mistakes)))?;
    let expiry = certificates.pair.cert.first().and_then(|certificate| not_after(certificate));
    let config = server_config(files, certificates).map_err(ServerError::Tls)?;
    Ok((TlsAcceptor::from(Arc::new(config)), expiry))
}

fn server_config(
    files: &ListenerTls,
    certificates: ListenerCertificates,
) -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
    let ListenerCertificates { pair, client_roots } = certificates;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions: &[&SupportedProtocolVersion] = match files.min_version {
        TlsVersion::V1_2 => &[&version::TLS13, &version::TLS12],
        TlsVersion::V1_3 => &[&version::TLS13],
    };
    let verifier: Arc<dyn ClientCertVerifier> = match (files.client_auth, client_roots) {
        (ClientAuth::None, _) | (_, None) => WebPkiClientVerifier::no_client_auth(),
        (ClientAuth::Optional, Some(roots)) => {
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).allow_unauthenticated().build()?
        }
        (ClientAuth::Required, Some(roots)) => {
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?
        }
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// Seconds since 1970.
fn not_after(certificate: &[u8]) -> Option<i64> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

fn note_expiry(listener: &'static str, expiry: Option<i64>, metrics: &dyn HttpMetrics) {
    let Some(seconds) = expiry else {
        tracing::warn!(listener, "the certificate does not say until when it is valid");
        return;
    };
    let until = chrono::DateTime::from_timestamp(seconds, 0).map(|time| time.to_rfc3339());
    tracing::info!(listener, until, "the certificate that is shown");
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit a double exactly for millions of years")]
    metrics.certificate_expiry(listener, seconds as f64);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use parking_lot::Mutex;

    use super::*;
    use crate::config::{Mode, load};

    #[derive(Default)]
    struct Expiries(Mutex<Vec<f64>>);

    impl HttpMetrics for Expiries {
        fn http_request(&self, _: &str, _: &str, _: u16, _: f64) {}
        fn rate_limited(&self, _: &'static str) {}
        fn connections(&self, _: &'static str, _: usize) {}
        fn connections_full(&self, _: &'static str) {}
        fn connection_refused(&self, _: &'static str, _: &'static str) {}
        fn certificate_expiry(&self, listener: &'static str, seconds: f64) {
            assert_eq!(listener, "test");
            self.0.lock().push(seconds);
        }
        fn render(&self) -> String {
            String::new()
        }
    }

    fn write(folder: &Path, until_year: i32) {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
        params.not_after = rcgen::date_time_ymd(until_year, 1, 1);
        let certificate = params.self_signed(&key).expect("a certificate");
        std::fs::write(folder.join("c.pem"), certificate.pem()).expect("a written file");
        std::fs::write(folder.join("k.pem"), key.serialize_pem()).expect("a written file");
    }

    #[test]
    fn a_good_pair_is_taken_over_with_its_expiry_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        write(path, 2030);
        let toml = format!("server.tls = {{ cert_file = '{0}/c.pem', key_file = '{0}/k.pem' }}", path.display());
        std::fs::write(path.join("c.toml"), toml).expect("a written file");
        let config = load(&[path.join("c.toml")], [], Mode::Files).expect("a configuration");
        let metrics = Arc::new(Expiries::default());
        let metrics_port: Arc<dyn HttpMetrics> = metrics.clone();
        let files = TlsFiles::open("test", config.server.tls.expect("TLS"), metrics_port).expect("good files");
        // Kept, so that a new one cannot come to lie where the first one was.
        let first = Arc::clone(files.current.read().config());
        let serves_the_first = || Arc::ptr_eq(files.current.read().config(), &first);

        files.refresh();
        assert!(serves_the_first(), "nothing has changed");
        let good = std::fs::read(path.join("c.pem")).expect("a file");
        std::fs::write(path.join("c.pem"), "half of a certif").expect("a written file");
        files.refresh();
        files.refresh();
        assert_eq!((serves_the_first(), metrics.0.lock().len()), (true, 1), "the last good one stays");
        std::fs::remove_file(path.join("c.pem")).expect("a removed file");
        files.refresh();
        assert!(serves_the_first());
        std::fs::write(path.join("c.pem"), good).expect("a written file");
        files.refresh();
        write(path, 2031);
        files.refresh();
        assert!(!serves_the_first());
        assert_eq!(*metrics.0.lock(), [1_893_456_000.0, 1_893_456_000.0, 1_924_992_000.0]);
    }
}
