//! TLS on the service's own listeners.

use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use reqwest::{Certificate, Client, Identity};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{Answer, LIMIT, TestApp, until};

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

    /// A certificate for 127.0.0.1 and its key, as PEM.
    fn sign(&self, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
        params.extended_key_usages = vec![usage];
        (params.signed_by(&key, &self.0).expect("a certificate").pem(), key.serialize_pem())
    }

    /// Puts a new server certificate in place: key first, so that for a moment the pair does not fit.
    fn write_pair(&self, folder: &Path) {
        let (certificate, key) = self.sign(ExtendedKeyUsagePurpose::ServerAuth);
        for (name, text) in [("key.pem", key), ("cert.pem", certificate), ("ca.pem", self.0.pem())] {
            std::fs::write(folder.join(name), text).expect("a written file");
        }
    }

    /// Trusts this authority alone; fresh, so that it has no connection yet.
    fn client(&self, identity: Option<&Authority>) -> Client {
        let ca = Certificate::from_pem(self.0.pem().as_bytes()).expect("a certificate");
        let mut builder = Client::builder().no_proxy().tls_certs_only([ca]);
        if let Some(signer) = identity {
            let (certificate, key) = signer.sign(ExtendedKeyUsagePurpose::ClientAuth);
            builder = builder.identity(Identity::from_pem((certificate + &key).as_bytes()).expect("an identity"));
        }
        builder.build().expect("a client")
    }
}

fn table(section: &str, folder: &TempDir, more: &str) -> String {
    let folder = folder.path().display();
    let more = more.replace("DIR", &folder.to_string());
    format!("[{section}.tls]\ncert_file = '{folder}/cert.pem'\nkey_file = '{folder}/key.pem'\n{more}")
}

#[tokio::test]
async fn the_api_is_served_over_tls_and_nothing_else_on_that_port() {
    let (authority, folder) = (Authority::new("ours"), tempfile::tempdir().expect("a folder"));
    authority.write_pair(folder.path());
    let mut app = TestApp::builder().with(&table("server", &folder, "")).client(authority.client(None)).start().await;
    let answer = app.get("/schedules").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("strict-transport-security"), "max-age=63072000");
    assert!(app.metric("maintenance_tls_certificate_expiry_timestamp_seconds{listener=\"api\"}").await > 1.7e9);
    let plain = Client::builder().no_proxy().build().expect("a client");
    let address = app.running().address();
    assert!(plain.get(format!("http://{address}/livez")).send().await.is_err());
    assert!(Authority::new("theirs").client(None).get(format!("{}/livez", app.base())).send().await.is_err());

    let url = format!("{}/readyz", app.base());
    let ca = folder.path().join("ca.pem").display().to_string();
    for (arguments, code) in [(vec!["--ca", &ca], 0), (vec!["--insecure"], 0), (vec![], 1)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_themis-maintenance"));
        command.args(["healthcheck", "--url", &url]).args(&arguments).env_clear();
        let ended = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("the program runs");
        if arguments.is_empty() {
            // A machine without any certificates of its own cannot even ask.
            assert_ne!(ended.status.code(), Some(0));
            continue;
        }
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    }
    app.stop().await;
}

/// What comes of a handshake that offers these protocols in this version of TLS: the one that was chosen.
async fn handshake(
    app: &TestApp,
    ca: &Authority,
    offered: &[&[u8]],
    version: &'static SupportedProtocolVersion,
) -> io::Result<Vec<u8>> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.0.der().clone()).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).expect("a version");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(app.running().address()).await.expect("a connection");
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    Ok(stream.get_ref().1.alpn_protocol().unwrap_or_default().to_vec())
}

#[tokio::test]
async fn http_1_1_alone_is_offered_and_old_versions_of_tls_are_refused_where_that_is_configured() {
    let (authority, folder) = (Authority::new("ours"), tempfile::tempdir().expect("a folder"));
    authority.write_pair(folder.path());
    let both: [&[u8]; 2] = [b"h2", b"http/1.1"];
    for (more, old_is_spoken) in [("", true), ("min_version = '1.3'", false)] {
        let builder = TestApp::builder().with(&table("server", &folder, more)).client(authority.client(None));
        let mut app = builder.start().await;
        assert_eq!(handshake(&app, &authority, &both, &TLS13).await.expect("a handshake"), b"http/1.1");
        assert_eq!(handshake(&app, &authority, &[], &TLS13).await.expect("a handshake"), b"", "who names none is served, too");
        for other in ["h2", "spdy/3"] {
            assert!(handshake(&app, &authority, &[other.as_bytes()], &TLS13).await.is_err());
        }
        assert_eq!(handshake(&app, &authority, &both, &TLS12).await.is_ok(), old_is_spoken);
        app.stop().await;
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_come_to_its_end_is_not_waited_for() {
    let (authority, folder) = (Authority::new("ours"), tempfile::tempdir().expect("a folder"));
    authority.write_pair(folder.path());
    let configuration = format!("server.header_timeout = '200ms'\n{}", table("server", &folder, ""));
    let mut app = TestApp::builder().with(&configuration).client(authority.client(None)).start().await;
    for beginning in [&b""[..], &[0x16, 0x03, 0x01, 0x02, 0x00]] {
        let mut stream = TcpStream::connect(app.running().address()).await.expect("a connection");
        stream.write_all(beginning).await.expect("a sent beginning");
        let mut rest = Vec::new();
        let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut rest)).await.expect("the connection is closed");
        assert!(read.is_err() || rest.is_empty(), "{rest:?}");
    }
    // And with a shutdown in the middle of one.
    let mut stream = TcpStream::connect(app.running().address()).await.expect("a connection");
    stream.write_all(&[0x16]).await.expect("a sent byte");
    app.stop().await;
}

#[tokio::test]
async fn a_new_certificate_is_taken_over_and_old_connections_go_on() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let folder = tempfile::tempdir().expect("a folder");
    old.write_pair(folder.path());
    let mut app = TestApp::builder().with(&table("server", &folder, "")).client(old.client(None)).start().await;
    let url = format!("{}/livez", app.base());
    assert!(new.client(None).get(&url).send().await.is_err());
    new.write_pair(folder.path());
    until("the new certificate", || async { new.client(None).get(&url).send().await.ok() }).await;
    assert!(old.client(None).get(&url).send().await.is_err());
    // The one that was there before is not asked again who it is.
    assert_eq!(app.get("/schedules").await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn where_callers_have_to_show_a_certificate_nobody_gets_in_without_a_good_one() {
    let (authority, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let folder = tempfile::tempdir().expect("a folder");
    authority.write_pair(folder.path());
    let required = table("server", &folder, "client_auth = 'required'\nclient_ca_file = 'DIR/ca.pem'");
    let mut app = TestApp::builder().with(&required).client(authority.client(Some(&authority))).start().await;
    assert_eq!(app.get("/schedules").await.status, 200);
    let url = format!("{}/livez", app.base());
    for client in [authority.client(None), authority.client(Some(&theirs))] {
        assert!(client.get(&url).send().await.is_err());
    }
    // It is no token.
    let answer = Answer::of(authority.client(Some(&authority)).get(format!("{}/api/v1/maintenance/jobs", app.base()))).await;
    assert_eq!(answer.status, 401);
    app.stop().await;
}

#[tokio::test]
async fn optional_certificates_are_checked_when_they_are_shown() {
    let (authority, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let folder = tempfile::tempdir().expect("a folder");
    authority.write_pair(folder.path());
    let optional = table("server", &folder, "client_auth = 'optional'\nclient_ca_file = 'DIR/ca.pem'\nmin_version = '1.3'");
    let mut app = TestApp::builder().with(&optional).client(authority.client(None)).start().await;
    let url = format!("{}/livez", app.base());
    assert_eq!(Answer::of(authority.client(Some(&authority)).get(&url)).await.status, 200);
    assert!(authority.client(Some(&theirs)).get(&url).send().await.is_err());
    app.stop().await;
}

#[tokio::test]
async fn the_metrics_have_tls_of_their_own() {
    let (authority, folder) = (Authority::new("ours"), tempfile::tempdir().expect("a folder"));
    authority.write_pair(folder.path());
    let more = "client_auth = 'required'\nclient_ca_file = 'DIR/ca.pem'";
    let metrics = format!("metrics.listen = '127.0.0.1:0'\n{}", table("metrics", &folder, more));
    let mut app = TestApp::builder().with(&metrics).start().await;
    app.get("/schedules").await.expect(200);
    let url = format!("https://{}/metrics", app.running().metrics_address().expect("a listener"));
    let page = Answer::of(authority.client(Some(&authority)).get(&url)).await;
    assert!(page.text.contains("maintenance_tls_certificate_expiry_timestamp_seconds{listener=\"metrics\"}"), "{}", page.text);
    assert!(page.text.contains("maintenance_http_connections{listener=\"metrics\"} 1\n"));
    assert!(authority.client(None).get(&url).send().await.is_err());
    app.stop().await;
}
