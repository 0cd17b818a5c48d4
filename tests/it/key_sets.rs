//! Issuers that publish their keys, over HTTP and in files: rotation, outages, discovery, several issuers.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use crate::support::{Answer, TestApp, until};

/// 2026-01-05T02:00:00Z, where the clock stands.
const NOW: i64 = 1_767_578_400;

/// A P-256 key and its name.
struct Signer {
    kid: String,
    key: EncodingKey,
}

impl Signer {
    fn new(kid: &str) -> Self {
        let pem = rcgen::KeyPair::generate().expect("a key").serialize_pem();
        Self { kid: kid.to_owned(), key: EncodingKey::from_ec_pem(pem.as_bytes()).expect("PEM") }
    }

    fn jwk(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, Algorithm::ES256).expect("a public key");
        let mut jwk = serde_json::to_value(jwk).expect("JSON");
        jwk["kid"] = self.kid.clone().into();
        jwk
    }

    /// A token from this issuer, a day valid, with more members.
    fn token(&self, iss: &str, members: Value) -> String {
        let mut claims = json!({"iss":iss,"sub":"alice","exp":NOW + 86_400});
        claims.as_object_mut().expect("an object").extend(members.as_object().expect("an object").clone());
        let header = Header { kid: Some(self.kid.clone()), typ: Some("at+jwt".to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &self.key).expect("a token")
    }

    fn reader(&self, iss: &str) -> String {
        self.token(iss, json!({"scope":"maintenance:read"}))
    }
}

fn set(signers: &[&Signer]) -> String {
    json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()}).to_string()
}

type Pages = Arc<Mutex<BTreeMap<String, (u16, String)>>>;

/// A server that publishes pages.
struct Issuer {
    base: String,
    pages: Pages,
    server: Option<AbortOnDropHandle<()>>,
}

impl Issuer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let pages = Pages::default();
        let server = Some(Self::serve(listener, &pages));
        Self { base, pages, server }
    }

    fn serve(listener: TcpListener, pages: &Pages) -> AbortOnDropHandle<()> {
        let router = Router::new().fallback(page).with_state(Arc::clone(pages));
        AbortOnDropHandle::new(tokio::spawn(async move { axum::serve(listener, router).await.expect("a server") }))
    }

    /// Answers on no port any more.
    fn go_down(&mut self) {
        self.server = None;
    }

    async fn come_back(&mut self) {
        let address = self.base.trim_start_matches("http://").to_owned();
        let address = &address;
        let listener = until("the port", || async move { TcpListener::bind(address).await.ok() }).await;
        self.server = Some(Self::serve(listener, &self.pages));
    }

    fn publish(&self, path: &str, body: impl Into<String>) {
        self.answer(path, 200, body);
    }

    fn answer(&self, path: &str, status: u16, body: impl Into<String>) {
        self.pages.lock().insert(path.to_owned(), (status, body.into()));
    }
}

async fn page(State(pages): State<Pages>, OriginalUri(uri): OriginalUri) -> Response {
    let found = pages.lock().get(uri.path()).cloned();
    let (status, body) = found.unwrap_or((404, String::new()));
    let status = StatusCode::from_u16(status).expect("a status");
    if status.is_redirection() { (status, [("location", body)]).into_response() } else { (status, body).into_response() }
}

/// Configuration of one more issuer.
fn issuer(name: &str, iss: &str, more: &str) -> String {
    format!("[auth.issuers.{name}]\nissuer = \"{iss}\"\n{more}\n")
}

async fn get(app: &TestApp, path: &str, token: &str) -> Answer {
    Answer::of(app.client().get(format!("{}/api/v1/maintenance{path}", app.base())).bearer_auth(token)).await
}

async fn status(app: &TestApp, token: &str) -> u16 {
    get(app, "/schedules", token).await.status.as_u16()
}

async fn becomes(app: &TestApp, token: &str, expected: u16) {
    until("a token to be judged otherwise", || async { (status(app, token).await == expected).then_some(()) }).await;
}

/// The health module once its message says so.
async fn module_says(app: &TestApp, wanted: &str) -> Value {
    until(wanted, || async {
        app.running().health().look_again();
        let report = app.get("/health").await.expect(200);
        let modules = report["modules"].as_array().expect("a list").clone();
        let module = modules.into_iter().find(|module| module["module_name"] == "auth_keys").expect("the module");
        module["message"].as_str().expect("a message").contains(wanted).then_some(module)
    })
    .await
}

fn refreshes(issuer: &str, outcome: &str) -> String {
    format!("maintenance_auth_key_refreshes_total{{issuer=\"{issuer}\",outcome=\"{outcome}\"}}")
}

#[tokio::test]
async fn a_new_key_works_without_a_restart_and_a_withdrawn_one_stops() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let place = Issuer::start().await;
    place.publish("/keys", set(&[&old]));
    let url = format!("jwks_url = \"{}/keys\"", place.base);
    let mut app = TestApp::builder().with(&issuer("partner", "https://partner", &url)).start().await;
    let (old_token, new_token) = (old.reader("https://partner"), new.reader("https://partner"));
    assert_eq!(status(&app, &old_token).await, 200, "the first request waits for the keys");
    assert_eq!(status(&app, &new_token).await, 401);

    place.publish("/keys", set(&[&old, &new]));
    assert_eq!(status(&app, &new_token).await, 401, "it was asked a moment ago");
    app.clock.advance(TimeDelta::seconds(10));
    assert_eq!(status(&app, &new_token).await, 200, "the unknown key makes the service ask");

    place.publish("/keys", set(&[&new]));
    assert_eq!(status(&app, &old_token).await, 200);
    app.clock.advance(TimeDelta::minutes(5));
    becomes(&app, &old_token, 401).await;
    assert_eq!(status(&app, &new_token).await, 200);
    let answer = get(&app, "/schedules", &old_token).await;
    let challenge = "Bearer error=\"invalid_token\", error_description=\"the key of the token is not known\"";
    assert_eq!((&answer.json["code"], answer.header("www-authenticate")), (&json!("invalid_token"), challenge));
    assert_eq!(app.metric(&refreshes("partner", "success")).await, 3.0);
    app.stop().await;
}

#[tokio::test]
async fn the_service_starts_without_its_issuer_and_keeps_the_last_keys_when_it_goes() {
    let signer = Signer::new("key");
    let mut place = Issuer::start().await;
    place.publish("/keys", set(&[&signer]));
    place.go_down();
    let mut app = TestApp::builder().with(&format!("auth.jwks_url = \"{}/keys\"", place.base)).start().await;
    let token = signer.reader("https://anybody");
    assert_eq!(status(&app, &token).await, 401);
    assert_eq!(status(&app, &app.token("maintenance:read")).await, 200, "the shared secret counts all the same");
    let module = module_says(&app, "there are no keys of issuer default").await;
    assert_eq!((&module["status"], &module["details"]["default"]["keys"]), (&json!("UNHEALTHY"), &json!(0)));
    assert!(module["message"].as_str().expect("a message").contains("/keys does not answer"), "{module}");

    place.come_back().await;
    app.clock.advance(TimeDelta::seconds(10));
    becomes(&app, &token, 200).await;
    let module = module_says(&app, "up to date").await;
    assert_eq!((&module["status"], &module["details"]["default"]["keys"]), (&json!("HEALTHY"), &json!(1)));

    place.go_down();
    app.clock.advance(TimeDelta::minutes(5));
    let module = module_says(&app, "the keys of issuer default are 300 s old and cannot be refreshed").await;
    assert_eq!(module["status"], "DEGRADED");
    assert_eq!(status(&app, &token).await, 200, "its last keys count");
    assert_eq!(status(&app, &signer.token("https://anybody", json!({"scope":"maintenance:write"}))).await, 200);
    assert_eq!(app.metric("maintenance_auth_key_set_age_seconds{issuer=\"default\"}").await, 300.0);
    assert!(app.metric(&refreshes("default", "failure")).await >= 2.0);
    app.stop().await;
}

#[tokio::test]
async fn an_issuer_says_itself_where_its_keys_are() {
    let signer = Signer::new("key");
    let place = Issuer::start().await;
    let iss = format!("{}/realms/ops", place.base);
    let describe = |issuer: &str, uri: &str| {
        let description = json!({"issuer":issuer,"jwks_uri":uri}).to_string();
        place.publish("/realms/ops/.well-known/openid-configuration", description);
    };
    place.publish("/certs", set(&[&signer]));
    place.answer("/moved", 302, format!("{}/certs", place.base));
    place.publish("/long", format!("{{\"keys\":[{}]}}", " ".repeat(1 << 20)));
    describe("https://another", &format!("{}/certs", place.base));
    let mut app = TestApp::builder().with(&issuer("ops", &iss, "discovery = true")).start().await;
    let token = signer.reader(&iss);
    for (issuer, uri, reason) in [
        ("https://another", "/certs", "is that of another issuer"),
        (iss.as_str(), "/moved", "answered 302 Found"),
        (&iss, "/nowhere", "answered 404 Not Found"),
        (&iss, "/long", "sends more than 1048576 bytes"),
    ] {
        describe(issuer, &format!("{}{uri}", place.base));
        app.clock.advance(TimeDelta::seconds(10));
        // The unknown key makes the service ask.
        assert_eq!(status(&app, &token).await, 401, "{reason}");
        let module = module_says(&app, reason).await;
        assert_eq!(module["status"], "UNHEALTHY", "{module}");
    }
    for uri in ["http://issuer.example/keys", "file:///etc/passwd", "https://u:p@issuer.example/keys", "keys"] {
        for (issuer, reason) in [(iss.as_str(), "has a jwks_uri that"), ("https://another", "is that of another issuer")] {
            describe(issuer, uri);
            app.clock.advance(TimeDelta::seconds(10));
            assert_eq!(status(&app, &token).await, 401, "{uri}");
            module_says(&app, reason).await;
        }
    }
    describe(&iss, &format!("{}/certs", place.base));
    app.clock.advance(TimeDelta::seconds(10));
    becomes(&app, &token, 200).await;
    app.stop().await;
}

#[tokio::test]
async fn each_of_two_issuers_speaks_for_itself() {
    let (one, two) = (Signer::new("key"), Signer::new("key"));
    let place = Issuer::start().await;
    place.publish("/one", set(&[&one]));
    place.publish("/two", set(&[&two]));
    let of = |path: &str| format!("jwks_url = \"{}/{path}\"", place.base);
    let configuration = [
        issuer("one", "https://one", &format!("{}\naudience = [\"maintenance\"]\nscopes = {{ dba = \"admin\" }}", of("one"))),
        issuer("two", "https://two", &format!("{}\nscope_claims = [\"/realm_access/roles\"]", of("two"))),
    ];
    let mut app = TestApp::builder().with(&configuration.concat()).start().await;
    let dba = json!({"roles":["dba"],"aud":["maintenance"]});
    let nested = json!({"realm_access":{"roles":["maintenance:read"]}});
    for (token, expected, what) in [
        (one.token("https://one", dba.clone()), 200, "a role of one"),
        (one.token("https://one", json!({"roles":["dba"]})), 401, "without its audience"),
        (two.token("https://two", nested.clone()), 200, "a nested role of two"),
        (two.token("https://two", json!({"realm_access":{"roles":["dba"]}})), 403, "a role that two does not know"),
        (two.token("https://two", json!({"scope":"maintenance:read"})), 403, "a claim in which two has no scopes"),
        (two.token("https://one", dba.clone()), 401, "two for one"),
        (one.token("https://two", nested), 401, "one for two"),
        (one.token("https://three", dba), 401, "one for a stranger"),
    ] {
        assert_eq!(status(&app, &token).await, expected, "{what}");
    }
    assert_eq!(status(&app, &app.token("maintenance:read")).await, 200, "the shared secret is there, too");
    app.stop().await;
}

#[tokio::test]
async fn a_key_set_in_a_file_is_read_again() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys.json");
    std::fs::write(&file, set(&[&old])).expect("a file");
    let configuration = format!("auth.jwks_file = {:?}\nauth.jwks_refresh = \"1h\"", file.display().to_string());
    let mut app = TestApp::builder().with(&configuration).start().await;
    let (old_token, new_token) = (old.reader("https://any"), new.reader("https://any"));
    assert_eq!(status(&app, &old_token).await, 200);
    std::fs::write(&file, set(&[&new])).expect("a file");
    app.clock.advance(TimeDelta::seconds(10));
    assert_eq!(status(&app, &new_token).await, 200);
    assert_eq!(status(&app, &old_token).await, 401);
    std::fs::write(&file, "half of a docu").expect("a file");
    app.clock.advance(TimeDelta::hours(1));
    module_says(&app, "the document is not a JSON object").await;
    assert_eq!(status(&app, &new_token).await, 200, "the last keys count");
    app.stop().await;
}

#[tokio::test]
async fn series_and_module_are_there_for_key_sets_and_for_nothing_else() {
    let mut app = TestApp::start().await;
    assert!(!app.metrics().await.contains("auth_key"));
    let report = app.get("/health").await.expect(200).to_string();
    assert!(!report.contains("auth_keys"), "{report}");
    app.stop().await;

    let mut place = Issuer::start().await;
    place.go_down();
    let of = |name: &str| issuer(name, &format!("https://{name}"), &format!("jwks_url = \"{}/{name}\"", place.base));
    let mut app = TestApp::builder().with(&[of("one"), of("two")].concat()).start().await;
    for name in ["one", "two"] {
        assert_eq!(app.metric(&refreshes(name, "success")).await, 0.0);
        assert_eq!(app.metric(&format!("maintenance_auth_key_set_age_seconds{{issuer=\"{name}\"}}")).await, 0.0);
    }
    let page = app.metrics().await;
    assert_eq!(page.lines().filter(|line| line.starts_with("maintenance_auth_key_refreshes_total{")).count(), 4);
    // Tokens invent names, and no series come of it.
    assert_eq!(status(&app, &Signer::new("x").reader("https://three")).await, 401);
    assert!(!app.metrics().await.contains("three"));
    app.stop().await;
}
