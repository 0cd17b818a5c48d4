//! What alert rules and dashboards ask for is what the running service shows: every metric that they name, and every label.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use regex::Regex;
use serde_json::json;

use crate::support::TestApp;

/// Labels that Prometheus itself adds.
const OF_PROMETHEUS: [&str; 3] = ["instance", "job", "le"];
/// The series that a histogram has.
const OF_HISTOGRAMS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// A service that has a reason for every metric: a certificate, an issuer with a key set, a schedule.
async fn service_with_everything() -> TestApp {
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let key = EncodingKey::from_ec_pem(pair.signing_key.serialize_pem().as_bytes()).expect("a key");
    let jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).expect("a public key");
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: String| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).expect("a written file");
        file.display().to_string()
    };
    let configuration = format!(
        "auth.jwks_file = {:?}\nserver.tls.cert_file = {:?}\nserver.tls.key_file = {:?}",
        write("keys.json", json!({"keys": [jwk]}).to_string()),
        write("cert.pem", pair.cert.pem()),
        write("key.pem", pair.signing_key.serialize_pem()),
    );
    let client = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).build().expect("a client");
    let app = TestApp::builder().with(&configuration).client(client).start().await;
    app.create(json!({"id":"s","name":"S","cron_expression":"0 3 * * *","tasks":["LOG_ROTATION"]})).await;
    app
}

/// The files that name metrics.
fn watchers() -> Vec<PathBuf> {
    fn all(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        entries.flat_map(|path| if path.is_dir() { all(&path) } else { vec![path] }).collect()
    }
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    [all(&config.join("grafana")), all(&config.join("prometheus"))].concat()
}

/// The name without what a histogram adds, and the labels of each series, for every metric of the page.
fn shown(page: &str) -> BTreeMap<String, BTreeSet<String>> {
    let label = Regex::new(r#"(\w+)=""#).expect("a pattern");
    let mut shown = BTreeMap::<String, BTreeSet<String>>::new();
    for name in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        shown.entry(name.to_owned()).or_default();
    }
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        if let Some(known) = metric_of(name, &shown) {
            let labels = label.captures_iter(line).map(|found| found[1].to_owned());
            shown.entry(known).or_default().extend(labels);
        }
    }
    shown
}

/// The metric to which a series belongs.
fn metric_of(series: &str, shown: &BTreeMap<String, BTreeSet<String>>) -> Option<String> {
    let bases = OF_HISTOGRAMS.iter().filter_map(|suffix| series.strip_suffix(suffix));
    std::iter::once(series).chain(bases).find(|name| shown.contains_key(*name)).map(str::to_owned)
}

#[tokio::test]
async fn rules_and_dashboards_name_only_what_the_service_shows() {
    let mut app = service_with_everything().await;
    let shown = shown(&app.metrics().await);
    let selector = Regex::new(r#"\b((?:maintenance|http)_[a-z0-9_]+)\b(?:\{([^}]*)\})?"#).expect("a pattern");
    // In JSON a quotation mark stands behind a backslash.
    let matcher = Regex::new(r#"(\w+)(?:=~|!~|!=|=)\\?""#).expect("a pattern");
    let (mut wrong, mut named) = (BTreeSet::new(), BTreeSet::new());
    for file in watchers() {
        let text = std::fs::read_to_string(&file).expect("a file");
        let file = file.file_name().unwrap_or_default().display().to_string();
        for found in selector.captures_iter(&text) {
            let Some(metric) = metric_of(&found[1], &shown) else {
                wrong.insert(format!("{file}: {} is no metric of the service", &found[1]));
                continue;
            };
            for label in matcher.captures_iter(found.get(2).map_or("", |labels| labels.as_str())) {
                if !OF_PROMETHEUS.contains(&&label[1]) && !shown[&metric].contains(&label[1]) {
                    wrong.insert(format!("{file}: {metric} has no label {}", &label[1]));
                }
            }
            named.insert(metric);
        }
    }
    assert!(named.len() > 25, "the names were found: {named:?}");
    assert_eq!(wrong, BTreeSet::new());
    app.stop().await;
}
