use rcgen::generate_simple_self_signed;
use secrecy::ExposeSecret;

use super::Setup;
use crate::config::TlsConfig;

/// A certificate of its own, and its key, as PEM.
fn pair() -> (String, String) {
    let pair = generate_simple_self_signed(vec!["themis.internal".to_owned()]).expect("a certificate");
    (pair.cert.pem(), pair.signing_key.serialize_pem())
}

/// What comes of these lines of a target's table, with these files written before; `DIR` in the lines is their folder.
fn load(files: &[(&str, &str)], base_url: &str, lines: &str) -> Result<TlsConfig, Vec<String>> {
    let setup = Setup::new();
    for (name, text) in files {
        setup.write(name, text);
    }
    let lines = lines.replace("DIR", &setup.directory.path().display().to_string());
    let setup = setup.file(&format!("[targets.eu]\nbase_url = '{base_url}'\n[targets.eu.tls]\n{lines}"));
    match setup.load() {
        Ok(config) => Ok(config.targets["eu"].tls.clone()),
        Err(_) => Err(setup.mistakes()),
    }
}

#[track_caller]
fn refused(files: &[(&str, &str)], lines: &str, expected: &str) {
    let mistakes = load(files, "https://h", lines).expect_err("mistakes");
    assert!(mistakes.len() == 1 && mistakes[0].starts_with(&format!("targets.eu.tls{expected}")), "{lines}: {mistakes:#?}");
}

#[test]
fn files_are_read_and_the_key_does_not_show() {
    let (certificate, key) = pair();
    let both = format!("{key}\n{certificate}");
    let files = [("ca.pem", certificate.as_str()), ("c.pem", &certificate), ("k.pem", &key), ("both.pem", &both)];
    for (certificate, key) in [("c.pem", "k.pem"), ("both.pem", "both.pem")] {
        let lines = format!(
            "ca_file = 'DIR/ca.pem'\nclient_cert_file = 'DIR/{certificate}'\nclient_key_file = 'DIR/{key}'\n\
             server_name = 'Themis.Internal'"
        );
        let tls = load(&files, "https://10.0.0.1", &lines).expect("TLS settings");
        assert_eq!(tls.server_name.as_deref(), Some("themis.internal"));
        assert!(tls.ca_pem.as_ref().is_some_and(|pem| pem.matches("BEGIN CERTIFICATE").count() == 1));
        let client = tls.client_pem.as_ref().expect("an identity").expose_secret();
        assert!(client.matches("BEGIN CERTIFICATE").count() == 1 && client.matches("BEGIN PRIVATE KEY").count() == 1);
        let shown = format!("{tls:?}");
        assert!(!shown.contains("PRIVATE") && !tls.insecure_skip_verify, "{shown}");
    }
}

#[test]
fn a_file_that_is_not_what_its_key_says_is_a_mistake() {
    let ((certificate, key), (_, other_key)) = (pair(), pair());
    let rubbish = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let odd_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let files = [
        ("c.pem", certificate.as_str()),
        ("k.pem", &key),
        ("other.pem", &other_key),
        ("text", "hello"),
        ("rubbish.pem", rubbish),
        ("broken.pem", broken),
        ("encrypted.pem", encrypted),
        ("odd.pem", odd_key),
    ];
    for (file, expected) in [
        ("absent.pem", "names a file that cannot be read, "),
        ("text", "names a file without a certificate in PEM form, "),
        ("k.pem", "names a file without a certificate in PEM form, "),
        ("broken.pem", "names a file that is not whole PEM, "),
        ("rubbish.pem", "names a file with something in it that is no X.509 certificate, "),
    ] {
        refused(&files, &format!("ca_file = 'DIR/{file}'"), &format!(".ca_file {expected}"));
        let client = format!("client_cert_file = 'DIR/{file}'\nclient_key_file = 'DIR/k.pem'");
        refused(&files, &client, &format!(".client_cert_file {expected}"));
    }
    for (file, expected) in [
        ("c.pem", "names a file without a private key in PEM form"),
        ("encrypted.pem", "names a file without a private key in PEM form (an encrypted key cannot be used), "),
        ("odd.pem", "names a file with a key of a kind that cannot be used, "),
        ("other.pem", "is not the key of the certificate in client_cert_file, "),
    ] {
        let client = format!("client_cert_file = 'DIR/c.pem'\nclient_key_file = 'DIR/{file}'");
        refused(&files, &client, &format!(".client_key_file {expected}"));
    }
    refused(&files, "client_cert_file = 'DIR/c.pem'", ".client_key_file is missing");
    refused(&files, "client_key_file = 'DIR/k.pem'", ".client_cert_file is missing");
}

#[test]
fn names_and_switches_are_checked() {
    for bad in ["h:8765", "https://h", "a b", "-x-"] {
        refused(&[], &format!("server_name = '{bad}'"), ".server_name must be a host name such as");
    }
    refused(
        &[],
        "server_name = '10.0.0.1'",
        ".server_name must be a host name such as \"themis.internal\", without port, not an IP",
    );
    refused(&[], "insecure = true", ".insecure is not a known key");
    refused(&[], "insecure_skip_verify = 'yes'", ".insecure_skip_verify must be true or false");
    assert!(load(&[], "https://h", "insecure_skip_verify = true").expect("settings").insecure_skip_verify);
}

#[test]
fn without_https_there_is_nothing_to_secure() {
    for lines in ["server_name = 'h'", "insecure_skip_verify = true"] {
        let mistakes = load(&[], "http://h", lines).expect_err("a mistake");
        assert_eq!(mistakes, ["targets.eu.tls is for a server at https://, but base_url begins with http://"]);
    }
    let tls = load(&[], "http://h", "server_name = ''\ninsecure_skip_verify = false").expect("nothing is set");
    assert!(tls.is_default());
}

#[test]
fn the_rules_learn_of_a_target_that_is_not_verified() {
    let setup = Setup::new().file("[targets.eu]\nbase_url = 'https://h'\ntls = { insecure_skip_verify = true }");
    let catalog = setup.config().catalog;
    assert!(catalog.target("eu").expect("a target").insecure && !catalog.target("default").expect("a target").insecure);
}
