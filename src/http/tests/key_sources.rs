//! Places from which keys are fetched: whom the service believes, and how long it listens.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use crate::config::{KeySetLocation, MAX_KEY_SET_BYTES};
use crate::http::{FetchError, key_set_source};

/// A server that does this with the first connection.
async fn server<F, T>(serve: F) -> (u16, AbortOnDropHandle<()>)
where
    F: FnOnce(tokio::net::TcpStream) -> T + Send + 'static,
    T: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let serve = async move { serve(listener.accept().await.expect("a connection").0).await };
    (port, AbortOnDropHandle::new(tokio::spawn(serve)))
}

/// Every name is this host.
struct Loopback;

impl Resolve for Loopback {
    fn resolve(&self, _name: Name) -> Resolving {
        Box::pin(async { Ok(Box::new(std::iter::once(SocketAddr::from(([127, 0, 0, 1], 0)))) as Addrs) })
    }
}

async fn fetch(url: &str) -> Result<Vec<u8>, FetchError> {
    let source = key_set_source(KeySetLocation::Url(Url::parse(url).expect("a URL")), Arc::new(Loopback));
    source.expect("a client").fetch().await
}

#[tokio::test]
async fn an_issuer_that_no_ca_vouches_for_is_not_believed() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a key that fits");
    let (port, server) = server(|stream| async move {
        let shaken = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
        if let Ok(mut stream) = shaken {
            // With TLS 1.3 the server may be done before the client refuses; no request follows.
            let mut request = Vec::new();
            let _ = stream.read_to_end(&mut request).await;
            assert_eq!(request, b"");
        }
    })
    .await;
    let place = Url::parse(&format!("https://localhost:{port}/keys")).expect("a URL");
    match key_set_source(KeySetLocation::Url(place), Arc::new(Loopback)) {
        Ok(source) => {
            let error = source.fetch().await.expect_err("nobody vouches for it").to_string();
            assert!(error.contains("does not answer") && error.to_lowercase().contains("certificate"), "{error}");
            server.await.expect("a server");
        }
        // A machine without any CA certificate believes nobody at all.
        Err(error) => assert!(matches!(error, FetchError::Client(_)), "{error}"),
    }
}

#[tokio::test]
async fn a_document_comes_whole_or_not_at_all() {
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned(), Ok("{}")),
        ("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{}".to_owned(), Err("does not answer")),
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), Err("answered 204 No Content")),
        ("HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\n\r\n".to_owned(), Err("answered 307")),
        // Its end is not announced, and more than is wanted comes.
        (format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(MAX_KEY_SET_BYTES + 1)), Err("sends more than")),
        ("nonsense\r\n\r\n".to_owned(), Err("does not answer")),
    ] {
        let (port, _server) = server(|mut stream| async move {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            // The client may have enough before all is written.
            let _ = stream.write_all(answer.as_bytes()).await;
        })
        .await;
        let fetched = fetch(&format!("http://127.0.0.1:{port}/keys")).await;
        match (fetched, expected) {
            (Ok(document), Ok(expected)) => assert_eq!(document, expected.as_bytes()),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}, expected {expected}"),
            (fetched, expected) => panic!("{fetched:?}, expected {expected:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_not_listened_to_for_ever() {
    let (port, _server) = server(|stream| async move {
        let _open = stream;
        std::future::pending().await
    })
    .await;
    let url = format!("http://127.0.0.1:{port}/keys?code=hunter2");
    let fetched = tokio::time::timeout(Duration::from_secs(6), fetch(&url)).await.expect("its own limit is lower");
    let error = fetched.expect_err("no answer").to_string();
    assert!(error.ends_with("/keys does not answer: it takes too long"), "{error}");
}

#[tokio::test]
async fn a_file_is_read_within_bounds() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys.json");
    let source = key_set_source(KeySetLocation::File(path.clone()), Arc::new(Loopback)).expect("a file needs no client");
    let missing = source.fetch().await.expect_err("no file").to_string();
    assert!(missing.contains("keys.json cannot be read: "), "{missing}");
    std::fs::write(&path, "{}").expect("a file");
    assert_eq!(source.fetch().await.expect("a file"), b"{}");
    std::fs::write(&path, vec![b' '; MAX_KEY_SET_BYTES + 1]).expect("a file");
    assert!(matches!(source.fetch().await, Err(FetchError::TooLong { .. })));
}

#[tokio::test]
async fn what_only_this_machine_can_reach_is_not_asked() {
    for url in ["https://169.254.169.254/keys?code=hunter2", "https://[fe80::1]/keys", "https://[::ffff:169.254.169.254]/keys"] {
        match key_set_source(KeySetLocation::Url(Url::parse(url).expect("a URL")), Arc::new(Loopback)) {
            Ok(source) => {
                let error = source.fetch().await.expect_err("refused").to_string();
                assert!(error.ends_with("which is never asked") && !error.contains("hunter2"), "{error}");
            }
            Err(error) => assert!(matches!(error, FetchError::Client(_)), "{error}"),
        }
    }
}
