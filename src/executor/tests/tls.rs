//! TLS towards a target, with real handshakes on loopback.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use secrecy::SecretString;

use super::server::{Reply, Server};
use super::*;
use crate::config::{Expected, PreflightCheck, TlsConfig};
use crate::domain::health::HealthStatus;
use crate::domain::ports::{HealthProbe, TargetAnswer};
use crate::domain::recipe::RenderedCall;
use crate::executor::ThemisDbProbe;

/// Signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// Two of one name would be taken for each other, until a signature does not fit.
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority"))
    }

    fn sign(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.extended_key_usages = vec![usage];
        (params.signed_by(&key, &self.0).expect("a certificate"), key)
    }

    /// A server with a certificate for this name.
    fn server_for(&self, name: &str) -> ServerConfig {
        let (certificate, key) = self.sign(name, ExtendedKeyUsagePurpose::ServerAuth);
        server_config(ServerConfig::builder().with_no_client_auth(), certificate.der().clone(), key)
    }

    /// Trust in this authority alone.
    fn trusted(&self) -> TlsConfig {
        TlsConfig { ca_pem: Some(self.0.pem()), ..TlsConfig::default() }
    }
}

type Builder = rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>;

fn server_config(builder: Builder, certificate: CertificateDer<'static>, key: KeyPair) -> ServerConfig {
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    builder.with_single_cert(vec![certificate], key).expect("a server")
}

async fn start(tls: ServerConfig) -> Server {
    Server::start_tls([Reply::json(200, json!({"success": true, "storage": {}}))], tls).await
}

fn secured(server: &Server, tls: TlsConfig) -> TargetSettings {
    TargetSettings { tls, ..settings(&server.https_url()) }
}

async fn attempt(server: &Server, tls: TlsConfig) -> AttemptReport {
    Bench::with_settings(secured(server, tls), recipe()).attempt().await
}

/// Asserts that nothing was sent, because of the certificate.
#[track_caller]
fn refused(server: &Server, report: &AttemptReport, why: &str) {
    let expected = format!("POST /index/rebuild: no connection to {} (invalid peer certificate: ", server.https_url());
    assert_eq!(report.outcome, Outcome::Transient, "{report:?}");
    let words = message(report);
    assert!(words.starts_with(&expected) && words.contains(why) && words.ends_with("); nothing was sent"), "{words}");
    assert!(server.lines().is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_the_authorities_that_are_given_count() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = start(ours.server_for("127.0.0.1")).await;
    refused(&server, &attempt(&server, theirs.trusted()).await, "UnknownIssuer");
    let both = TlsConfig { ca_pem: Some(theirs.0.pem() + &ours.0.pem()), ..TlsConfig::default() };
    for tls in [ours.trusted(), both] {
        assert_eq!(attempt(&server, tls).await.outcome, Outcome::Succeeded);
    }
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_ca_file_those_of_the_system_count() {
    let server = start(Authority::new("ours").server_for("127.0.0.1")).await;
    // A machine without any cannot even make the client; then nothing is sent, either.
    let executor = HttpExecutor::new(vec![secured(&server, TlsConfig::default())], Arc::default(), Arc::new(Counted::default()));
    if executor.is_ok() {
        refused(&server, &attempt(&server, TlsConfig::default()).await, "UnknownIssuer");
    }
    assert!(server.lines().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_certificate_for_another_name_is_refused_unless_that_name_is_given() {
    let authority = Authority::new("ours");
    let server = start(authority.server_for("themis.internal")).await;
    refused(&server, &attempt(&server, authority.trusted()).await, "not valid for name");
    let named = |name: &str| TlsConfig { server_name: Some(name.to_owned()), ..authority.trusted() };
    refused(&server, &attempt(&server, named("other.internal")).await, "not valid for name");
    assert_eq!(attempt(&server, named("themis.internal")).await.outcome, Outcome::Succeeded);
    assert_eq!(server.names(), ["themis.internal"]);
    let host = server.https_url().replace("https://", "");
    assert_eq!(server.received()[0].header("host"), Some(host.as_str()));
}

#[tokio::test(start_paused = true)]
async fn a_host_name_is_looked_up_though_another_name_is_verified() {
    let authority = Authority::new("ours");
    let server = start(authority.server_for("themis.internal")).await;
    let tls = TlsConfig { server_name: Some("themis.internal".to_owned()), ..authority.trusted() };
    let base_url = server.https_url().replace("127.0.0.1", "localhost");
    let bench = Bench::with_settings(TargetSettings { tls, ..settings(&base_url) }, recipe());
    let report = bench.attempt().await;
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert_eq!(server.received()[0].header("host"), Some(base_url.replace("https://", "").as_str()));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_wants_a_certificate_gets_one() {
    let authority = Authority::new("ours");
    let mut roots = RootCertStore::empty();
    roots.add(authority.0.der().clone()).expect("a root");
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().expect("a verifier");
    let (certificate, key) = authority.sign("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    let builder = ServerConfig::builder().with_client_cert_verifier(verifier);
    let server = start(server_config(builder, certificate.der().clone(), key)).await;

    let report = attempt(&server, authority.trusted()).await;
    assert_ne!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert!(server.lines().is_empty());

    let (certificate, key) = authority.sign("maintenance", ExtendedKeyUsagePurpose::ClientAuth);
    let pem = SecretString::from(certificate.pem() + &key.serialize_pem());
    let settings = secured(&server, TlsConfig { client_pem: Some(pem), ..authority.trusted() });
    let shown = format!("{settings:?}");
    assert!(!shown.contains("PRIVATE") && shown.contains("client_pem"), "{shown}");
    assert_eq!(Bench::with_settings(settings, recipe()).attempt().await.outcome, Outcome::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn verification_can_be_switched_off() {
    let pair = rcgen::generate_simple_self_signed(vec!["elsewhere".to_owned()]).expect("a certificate");
    let builder = ServerConfig::builder().with_no_client_auth();
    let server = start(server_config(builder, pair.cert.der().clone(), pair.signing_key)).await;
    let tls = TlsConfig { insecure_skip_verify: true, ..TlsConfig::default() };
    assert_eq!(attempt(&server, tls).await.outcome, Outcome::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn probes_and_questions_are_verified_as_calls_are() {
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let server = start(authority.server_for("themis.internal")).await;
    let named = |authority: &Authority| TlsConfig { server_name: Some("themis.internal".to_owned()), ..authority.trusted() };
    let call = RenderedCall { method: Method::Get, path: "/stats".to_owned(), body: None };
    let check = PreflightCheck { call, expected: Expected::Json(SuccessRule::default()) };
    for (tls, preflight, status, ready) in [
        (named(&authority), vec![], HealthStatus::Healthy, true),
        (named(&authority), vec![check.clone()], HealthStatus::Healthy, true),
        (named(&other), vec![], HealthStatus::Unhealthy, false),
        (named(&other), vec![check], HealthStatus::Unhealthy, false),
    ] {
        let settings = TargetSettings { preflight, ..secured(&server, tls) };
        let signal = ThemisDbProbe::new(settings.clone()).expect("a probe").check().await;
        assert_eq!(signal.status, status, "{signal:?}");
        let answer = Bench::with_settings(settings, recipe()).executor.ask("default").await;
        match answer {
            TargetAnswer::Ready => assert!(ready),
            TargetAnswer::Unreachable(words) => assert!(!ready && words.contains("UnknownIssuer"), "{words}"),
            TargetAnswer::Postpone(words) => panic!("{words}"),
        }
    }
    assert_eq!(server.lines(), ["GET /stats", "GET /health", "GET /stats", "GET /stats"]);
}
