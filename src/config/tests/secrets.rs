//! No secret gets out: not in debug output, not in the summary, and in no mistake, however wrong the configuration is around it.

use rcgen::{CertificateParams, KeyPair};

use super::super::layer::{Node, merge, parse_file};
use super::super::mistake::{Notes, Source};
use super::{SECRET, Setup};

/// Stands in every secret, and nowhere else; long enough for HS256.
const MARKER: &str = "MARKER-of-a-secret-that-must-not-get-out";

/// A certificate and its key as files, and a piece of the key that shows up wherever the key does.
fn client_pem(setup: &Setup) -> (String, String, String) {
    let key = KeyPair::generate().expect("a key");
    let certificate =
        CertificateParams::new(vec!["maintenance".to_owned()]).expect("parameters").self_signed(&key).expect("a certificate");
    let body = key.serialize_pem().lines().nth(1).expect("a line of base64").to_owned();
    let write = |name: &str, text: &str| setup.write(name, text).display().to_string();
    (write("client.pem", &certificate.pem()), write("client.key", &key.serialize_pem()), body)
}

fn is_clean(text: &str, key: &str) -> bool {
    !text.contains("MARKER") && !text.contains(key) && !text.contains("BEGIN PRIVATE") && !text.contains(&key[..20])
}

#[test]
fn a_whole_configuration_shows_none_of_its_secrets() {
    for in_files in [false, true] {
        let setup = Setup::bare();
        let (certificate, key_file, key) = client_pem(&setup);
        let file = setup.write("secret", &format!("{MARKER}\n")).display().to_string();
        let secret = |key: &str| if in_files { format!("{key}_file = {file:?}") } else { format!("{key} = {MARKER:?}") };
        let text = format!(
            "[auth]\n{}\n[metrics]\n{}\n[targets.default]\n{}\nbase_url = 'https://h'\n\
             tls = {{ client_cert_file = {certificate:?}, client_key_file = {key_file:?} }}\n",
            secret("hs256_secret"),
            secret("token"),
            secret("token"),
        );
        let config = setup.file(&text).config();
        assert!(config.targets["default"].tls.client_pem.is_some());
        assert!(
            config.auth.hs256_secret.is_some()
                && config.metrics.token.is_some()
                && config.targets["default"].token.is_some() != in_files
        );
        for shown in
            [format!("{config:?}"), format!("{config:#?}"), config.summary().to_string(), format!("{:?}", config.summary())]
        {
            assert!(is_clean(&shown, &key), "{shown}");
        }
    }
}

/// Everything that can be wrong with a secret or beside it; each mistake is reported, and none repeats what it is about.
#[test]
fn no_mistake_repeats_a_secret() {
    let setup = Setup::bare();
    let (certificate, key_file, key) = client_pem(&setup);
    let other = Setup::bare();
    let (_, other_key_file, other_key) = client_pem(&other);
    let torn = setup.write("torn.key", &std::fs::read_to_string(&key_file).expect("text").replace("-----END", "-- END"));
    let tls = |certificate: &str, key: &str| {
        format!(
            "[targets.default]\nbase_url = 'https://h'\ntls = {{ client_cert_file = {certificate:?}, client_key_file = {key:?} }}"
        )
    };
    let torn = torn.display().to_string();
    let marker_file = setup.write("marker", &format!("{MARKER} {MARKER}\n")).display().to_string();
    for text in [
        // Of another type.
        format!("auth.hs256_secret = ['{MARKER}']\nmetrics.token = {{ x = '{MARKER}' }}\ntargets.default.token = ['{MARKER}']"),
        // Twice.
        format!("auth = {{ hs256_secret = '{MARKER}', hs256_secret_file = {marker_file:?} }}"),
        format!("metrics = {{ token = '{MARKER}', token_file = {marker_file:?} }}"),
        format!("targets.default = {{ token = '{MARKER}', token_file = {marker_file:?} }}"),
        // Too short, or no token.
        "auth.hs256_secret = 'MARKER'".to_owned(),
        format!("targets.default.token = '{MARKER} {MARKER}'"),
        format!("targets.default.token_file = {marker_file:?}"),
        // Where something else belongs.
        format!("server.listen = '{MARKER}'\nserver.request_timeout = '{MARKER}'\naudit.max_bytes = '{MARKER}'"),
        format!(
            "targets.default.base_url = 'http://root:{MARKER}@h'\nprobes.x = {{ kind = 'http', url = 'http://u:{MARKER}@h' }}"
        ),
        format!("targets.default.allow_addresses = ['{MARKER}']\nstorage.url = '{MARKER}'\ntelemetry.log_level = '{MARKER}=='"),
        format!("auth.public_key_file = {key_file:?}"),
        format!("auth.public_key_file = {marker_file:?}"),
        // No TOML.
        format!("auth.hs256_secret = '{MARKER}"),
        format!("auth.hs256_secret = {MARKER}"),
        format!("auth.hs256_secret = '{MARKER}' {MARKER}"),
        format!("auth.hs256_secret = \"{MARKER}\\q\""),
        format!("auth.hs256_secret '{MARKER}'"),
        // Keys and certificates that do not fit.
        tls(&certificate, &torn),
        tls(&certificate, &marker_file),
        tls(&marker_file, &key_file),
        tls(&key_file, &certificate),
        tls(&certificate, &other_key_file),
    ] {
        let mut setup = Setup::bare().file(&text);
        if !text.contains("auth") {
            setup = setup.variable("AUTH__HS256_SECRET", MARKER);
        }
        let mistakes = setup.load().expect_err(&text);
        for shown in [mistakes.to_string(), format!("{mistakes:?}")] {
            assert!(is_clean(&shown, &key) && is_clean(&shown, &other_key), "{text}:\n{shown}");
        }
    }
    for (name, value) in [
        ("AUTH__HS256_SECRET", format!("[\"{MARKER}\"")),
        ("AUTH", format!("{{ hs256_secret = ['{MARKER}'] }}")),
        ("TARGETS__DEFAULT__TOKEN", format!("{MARKER}\n{MARKER}")),
        ("METRICS__TOKEN__X", MARKER.to_owned()),
        ("SERVER__LISTEN", MARKER.to_owned()),
        ("SERVER", MARKER.to_owned()),
        ("__SERVER", MARKER.to_owned()),
    ] {
        let setup = Setup::bare().variable(name, &value).variable("SERVER__SURPRISE", MARKER);
        let shown = setup.load().expect_err(name).to_string();
        assert!(is_clean(&shown, &key), "{name}: {shown}");
    }
}

/// The tree of values is wiped when it has been read.
#[test]
fn a_tree_of_values_can_be_wiped() {
    fn texts(node: &Node) -> Vec<String> {
        use super::super::layer::Value;
        match &node.value {
            Value::Table(members) => members.values().flat_map(texts).collect(),
            Value::List(items) => items.iter().flat_map(texts).collect(),
            Value::Scalar(value) => value.as_str().map(str::to_owned).into_iter().collect(),
            Value::Text { text, structured } => structured.iter().flat_map(|node| texts(node)).chain([text.clone()]).collect(),
        }
    }
    let source = std::sync::Arc::new(Source::Default);
    let Ok(mut root) = parse_file("a = { b = ['x', { c = 'y' }] }\nn = 5", &source, &Notes::default()) else { panic!("TOML") };
    let Ok(mut over) = parse_file("z = 1", &source, &Notes::default()) else { panic!("TOML") };
    if let super::super::layer::Value::Table(members) = &mut over.value {
        members.insert("t".to_owned(), Node::from_text(format!("['{SECRET}']"), &source));
    }
    merge(&mut root, over);
    assert_eq!(texts(&root).len(), 4);
    root.wipe();
    assert_eq!(texts(&root), [""; 4]);
}
