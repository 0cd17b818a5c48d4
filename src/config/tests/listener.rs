use rcgen::generate_simple_self_signed;

use super::super::{ClientAuth, TlsVersion};
use super::{Setup, accepted, refused};

/// A configuration of which `DIR` is the folder with a pair (`c.pem`, `k.pem`) and another key (`other.pem`).
fn with_files(text: &str) -> Setup {
    let pair = || generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let (ours, other) = (pair(), pair());
    let setup = Setup::new();
    setup.write("c.pem", &ours.cert.pem());
    setup.write("k.pem", &ours.signing_key.serialize_pem());
    setup.write("other.pem", &other.signing_key.serialize_pem());
    setup.write("text", "hello");
    let text = text.replace("DIR", &setup.directory.path().display().to_string());
    setup.file(&text)
}

const PAIR: &str = "cert_file = 'DIR/c.pem'\nkey_file = 'DIR/k.pem'";

#[test]
fn a_listener_gets_its_pair_and_what_it_asks_of_callers() {
    let tls = with_files(&format!("[server.tls]\n{PAIR}")).config().server.tls.expect("TLS");
    assert_eq!((tls.client_auth, tls.min_version), (ClientAuth::None, TlsVersion::V1_2));
    let more = "client_ca_file = 'DIR/c.pem'\nclient_auth = 'required'\nmin_version = '1.3'";
    let setup = with_files(&format!("metrics.listen = '127.0.0.1:9'\n[metrics.tls]\n{PAIR}\n{more}"));
    let config = setup.config();
    let tls = config.metrics.tls.expect("TLS");
    assert_eq!((tls.client_auth, tls.min_version), (ClientAuth::Required, TlsVersion::V1_3));
    assert!(config.server.tls.is_none() && tls.read().is_ok_and(|found| found.client_roots.is_some()));
}

#[test]
fn a_broken_pair_is_named_with_its_key() {
    for (lines, expected) in [
        ("cert_file = 'DIR/c.pem'", "key_file is missing"),
        ("key_file = 'DIR/k.pem'", "cert_file is missing"),
        ("cert_file = 'DIR/c.pem'\nkey_file = 'DIR/other.pem'", "key_file is not the key of the certificate in cert_file, "),
        ("cert_file = 'DIR/text'\nkey_file = 'DIR/k.pem'", "cert_file names a file without a certificate in PEM form, "),
        ("cert_file = 'DIR/c.pem'\nkey_file = 'DIR/absent'", "key_file names a file that cannot be read, "),
        (&format!("{PAIR}\nclient_auth = 'required'"), "client_ca_file is missing"),
        (&format!("{PAIR}\nclient_ca_file = 'DIR/c.pem'"), "client_auth is \"none\""),
        (
            &format!("{PAIR}\nclient_auth = 'optional'\nclient_ca_file = 'DIR/k.pem'"),
            "client_ca_file names a file without a certificate",
        ),
        ("client_auth = 'optional'\nclient_ca_file = 'DIR/c.pem'", "cert_file is missing"),
        ("client_auth = 'yes'", "client_auth must be \"none\", \"optional\" or \"required\""),
        ("min_version = '1.1'", "min_version must be \"1.2\" or \"1.3\""),
        ("certificate = 'x'", "certificate is not a known key"),
    ] {
        let mistakes = with_files(&format!("[server.tls]\n{lines}")).mistakes();
        let expected = format!("server.tls.{expected}");
        assert!(mistakes.len() == 1 && mistakes[0].starts_with(&expected), "{lines}: {mistakes:#?}");
    }
    let both = with_files("[server.tls]\ncert_file = 'DIR/text'\nkey_file = 'DIR/text'").mistakes();
    assert_eq!(both.len(), 2, "{both:?}");
}

#[test]
fn tls_of_the_metrics_needs_a_listener_of_their_own() {
    let mistakes = with_files(&format!("[metrics.tls]\n{PAIR}")).mistakes();
    assert!(mistakes.len() == 1 && mistakes[0].starts_with("metrics.tls is for a listener of its own"), "{mistakes:?}");
}

#[test]
fn proxies_are_addresses_and_networks() {
    let proxies = accepted("server.trusted_proxies = ['10.0.0.7', '10.1.0.0/16', 'fd00::/8', '::1']").server.trusted_proxies;
    assert_eq!(
        proxies.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.0.7/32", "10.1.0.0/16", "fd00::/8", "::1/128"]
    );
    for bad in ["10.0.0.0/33", "proxy.internal", "*", "10.0.0.1:80"] {
        refused(&format!("server.trusted_proxies = ['{bad}']"), "server.trusted_proxies must hold IP addresses and networks");
    }
}

#[test]
fn origins_are_bare_and_named_one_by_one() {
    let config =
        accepted("server.cors.allowed_origins = ['https://ops.example', 'HTTP://Ops.Example:8080/', 'https://a.example:443']");
    assert_eq!(config.server.allowed_origins, ["https://ops.example", "http://ops.example:8080", "https://a.example"]);
    refused("server.cors.allowed_origins = ['*']", "server.cors.allowed_origins must name each origin, without \"*\"");
    for bad in
        ["ops.example", "https://ops.example/path", "https://user@ops.example", "null", "file:///x", "https://ops.example?x"]
    {
        refused(&format!("server.cors.allowed_origins = ['{bad}']"), "server.cors.allowed_origins must hold origins such as");
    }
}

#[test]
fn a_rate_of_zero_is_no_limit() {
    let config = accepted("server.rate_limits = { address_per_second = 0, principal_per_second = 5, principal_burst = 7 }");
    assert_eq!(config.server.rate_limits.address, None);
    let principal = config.server.rate_limits.principal.expect("a limit");
    assert_eq!((principal.per_second.get(), principal.burst.get()), (5, 7));
    refused("server.rate_limits.address_burst = 0", "server.rate_limits.address_burst must be from 1 to");
}

#[test]
fn no_connections_per_address_is_no_limit() {
    assert_eq!(accepted("server.max_connections_per_address = 0").server.connections.max_connections_per_address, None);
    assert_eq!(accepted("server.max_connections_per_address = 7").server.connections.max_connections_per_address, Some(7));
}

#[test]
fn limits_of_connections_have_ranges() {
    for (key, bad, expected) in [
        ("max_connections", "0", "must be from 1 to"),
        ("max_connections_per_address", "-1", "must be from 0 to"),
        ("header_timeout", "'1ms'", "must be from 10ms to 10m"),
        ("idle_timeout", "'2h'", "must be from 10ms to 1h"),
        ("body_timeout", "10", "needs a unit"),
        ("write_timeout", "'0s'", "must be from"),
        ("max_header_bytes", "4096", "must be from 8192 to"),
        ("max_headers", "8", "must be from 16 to"),
        ("max_json_depth", "65", "must be from 4 to 64"),
    ] {
        refused(&format!("server.{key} = {bad}"), &format!("server.{key} {expected}"));
    }
}
