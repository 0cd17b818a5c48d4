//! Bearer tokens: those that are accepted, every attack that is not, and the order of the refusals.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

/// The secret of the services that `TestApp` starts.
const SECRET: &str = "a secret that is long enough for a test of the service";
const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/keys");
/// 2026-01-05T02:00:00Z, where the clock stands.
const NOW: i64 = 1_767_578_400;
const READ: &str = "/api/v1/maintenance/schedules";

fn key(name: &str) -> Vec<u8> {
    std::fs::read(format!("{KEYS}/{name}")).expect("a key")
}

fn signed(claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("a token")
}

/// A token that says to be of this type.
fn typed(typ: &str, claims: &Value) -> String {
    let header = Header { typ: Some(typ.to_owned()), ..Header::new(Algorithm::HS256) };
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("a token")
}

/// A reader's claims, with some members set; null removes one.
fn claims(members: Value) -> Value {
    let mut claims = json!({"sub":"alice","exp":NOW + 60,"scope":"maintenance:read"});
    for (name, value) in members.as_object().expect("an object") {
        if value.is_null() {
            claims.as_object_mut().expect("an object").remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

async fn call(app: &TestApp, method: Method, path: &str, authorization: Option<&str>) -> Answer {
    let request = app.client().request(method, format!("{}{path}", app.base()));
    Answer::of(match authorization {
        Some(value) => request.header("authorization", value),
        None => request,
    })
    .await
}

async fn status(app: &TestApp, token: &str) -> u16 {
    call(app, Method::GET, READ, Some(&format!("Bearer {token}"))).await.status.as_u16()
}

fn unsigned(header: Value, claims: &Value, signature: &[u8]) -> String {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    format!("{}.{}.{}", part(header.to_string().as_bytes()), part(claims.to_string().as_bytes()), part(signature))
}

#[tokio::test]
async fn without_an_accepted_token_every_request_is_401() {
    let mut app = TestApp::start().await;
    let good = signed(&claims(json!({})));
    for token in [good.clone(), typed("at+jwt", &claims(json!({}))), typed("application/at+JWT", &claims(json!({})))] {
        assert_eq!(status(&app, &token).await, 200);
    }
    for authorization in [
        None,
        Some("Basic dXNlcjpwYXNzd29yZA=="),
        Some("Digest x"),
        Some("Bearer"),
        Some("Bearer "),
        Some(good.as_str()),
        Some(""),
    ] {
        let answer = call(&app, Method::GET, READ, authorization).await;
        assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, "Bearer"), "{authorization:?}");
        assert_eq!(answer.json["code"], "missing_token", "{authorization:?}");
    }
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = head.split_once('.').unwrap();
    let other_secret = EncodingKey::from_secret(b"another secret that is long enough for a test");
    let admin = claims(json!({"scope":"maintenance:admin"}));
    let forged = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &admin, &other_secret).unwrap();
    let promoted = format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(admin.to_string()));
    let hs512 =
        jsonwebtoken::encode(&Header::new(Algorithm::HS512), &admin, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
    let mut flipped = URL_SAFE_NO_PAD.decode(signature).unwrap();
    flipped[0] ^= 1;
    for (token, what) in [
        ("garbage".to_owned(), "garbage"),
        ("a.b.c".to_owned(), "garbage in three parts"),
        ("..".to_owned(), "nothing in three parts"),
        (good.replace('.', " "), "blanks"),
        ("x".repeat(7000), "length"),
        (head.to_owned(), "no signature"),
        (format!("{head}."), "an empty signature"),
        (format!("{good}."), "four parts"),
        (format!("{head}.{}", URL_SAFE_NO_PAD.encode(flipped)), "a flipped bit"),
        (format!("{header}.{payload}A.{signature}"), "a longer payload"),
        (promoted, "another payload"),
        (forged, "another secret"),
        (hs512, "another algorithm of the family"),
        (unsigned(json!({"alg":"none","typ":"JWT"}), &admin, b""), "none"),
        (unsigned(json!({"alg":"NONE"}), &admin, b""), "NONE"),
        (unsigned(json!({"alg":"none"}), &admin, b"x"), "none with a signature"),
        (unsigned(json!({"typ":"JWT"}), &admin, b""), "no algorithm"),
        (unsigned(json!({"alg":"RS256","jwk":{"kty":"oct","k":"AAAA"}}), &admin, b"x"), "a key of its own"),
        (unsigned(json!([]), &admin, b"x"), "an array as header"),
        (typed("id+jwt", &admin), "another type"),
        (signed(&claims(json!({"padding":"x".repeat(20_000)}))), "a huge one"),
        (signed(&claims(json!({"exp":null}))), "no exp"),
        (signed(&claims(json!({"exp":"soon"}))), "exp as text"),
        (signed(&claims(json!({"exp":NOW - 31}))), "expired beyond the leeway"),
        (signed(&claims(json!({"exp":-1}))), "long expired"),
        (signed(&claims(json!({"nbf":NOW + 31}))), "not valid yet"),
        (signed(&claims(json!({"nbf":"now"}))), "nbf as text"),
        (signed(&claims(json!({"sub":null}))), "no sub"),
        (signed(&claims(json!({"sub":" "}))), "a blank sub"),
        (signed(&claims(json!({"sub":"a\nb"}))), "a line break in sub"),
        (signed(&claims(json!({"sub":5}))), "a number as sub"),
        (signed(&json!([1])), "an array as claims"),
    ] {
        let answer = call(&app, Method::GET, READ, Some(&format!("Bearer {token}"))).await;
        assert_eq!((answer.status.as_u16(), &answer.json["code"]), (401, &json!("invalid_token")), "{what}: {}", answer.text);
        let challenge = answer.header("www-authenticate");
        assert!(challenge.starts_with("Bearer error=\"invalid_token\", error_description=\""), "{what}: {challenge}");
        assert!(token.len() < 3 || !answer.text.contains(&token), "{what}: the token comes back");
    }
    app.stop().await;
}

#[tokio::test]
async fn times_are_judged_with_the_leeway() {
    let mut app = TestApp::start().await;
    for members in [
        json!({"exp":NOW - 29}),
        json!({"nbf":NOW + 30}),
        json!({"exp":NOW + 0x7fff_ffff}),
        json!({"exp":1e300}),
        json!({"nbf":NOW - 9, "iat":NOW + 500}),
    ] {
        assert_eq!(status(&app, &signed(&claims(members.clone()))).await, 200, "{members}");
    }
    let token = signed(&claims(json!({})));
    app.clock.set("2026-01-05T02:01:29.999Z");
    assert_eq!(status(&app, &token).await, 200);
    app.clock.set("2026-01-05T02:01:30Z");
    assert_eq!(status(&app, &token).await, 401);
    app.stop().await;
}

/// The public key is public: nothing that is made of it may count as a signature.
#[tokio::test]
async fn a_public_key_is_never_taken_for_a_shared_secret() {
    for (name, algorithm) in [("rsa-2048", Algorithm::RS256), ("ec-p256", Algorithm::ES256), ("ed25519", Algorithm::EdDSA)] {
        let public = format!("{KEYS}/{name}.public.pem");
        let mut app =
            TestApp::builder().with(&format!("auth.hs256_secret = \"\"\nauth.public_key_file = {public:?}")).start().await;
        let private = key(&format!("{name}.private.pem"));
        let private = match algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(&private),
            Algorithm::ES256 => EncodingKey::from_ec_pem(&private),
            _ => EncodingKey::from_ed_pem(&private),
        };
        let good = jsonwebtoken::encode(&Header::new(algorithm), &claims(json!({})), &private.unwrap()).unwrap();
        assert_eq!(status(&app, &good).await, 200, "{name}");
        let pem = key(&format!("{name}.public.pem"));
        let trimmed = pem.trim_ascii().to_vec();
        let body: String = String::from_utf8(pem.clone()).unwrap().lines().filter(|line| !line.starts_with('-')).collect();
        let der = base64::engine::general_purpose::STANDARD.decode(&body).unwrap();
        for secret in [pem, trimmed, body.into_bytes(), der, SECRET.into(), Vec::new()] {
            for hmac in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                let confused =
                    jsonwebtoken::encode(&Header::new(hmac), &claims(json!({})), &EncodingKey::from_secret(&secret)).unwrap();
                assert_eq!(status(&app, &confused).await, 401, "{name} {hmac:?}");
            }
        }
        app.stop().await;
    }
}

#[tokio::test]
async fn issuer_and_audience_are_checked_where_they_are_configured() {
    let configuration = "auth.issuer = \"https://issuer\"\nauth.audience = [\"maintenance\", \"ops\"]";
    let mut app = TestApp::builder().with(configuration).start().await;
    for (members, expected) in [
        (json!({"iss":"https://issuer","aud":"maintenance"}), 200),
        (json!({"iss":"https://issuer","aud":"ops"}), 200),
        (json!({"iss":"https://issuer","aud":["other","ops"]}), 200),
        (json!({"iss":"https://issuer","aud":["other"]}), 401),
        (json!({"iss":"https://issuer","aud":[]}), 401),
        (json!({"iss":"https://issuer","aud":"maintenance "}), 401),
        (json!({"iss":"https://issuer"}), 401),
        (json!({"iss":"https://issuer/","aud":"ops"}), 401),
        (json!({"iss":["https://issuer"],"aud":"ops"}), 401),
        (json!({"aud":"ops"}), 401),
    ] {
        assert_eq!(status(&app, &signed(&claims(members.clone()))).await, expected, "{members}");
    }
    app.stop().await;
    // Where nothing is configured, nothing is asked.
    let mut app = TestApp::start().await;
    assert_eq!(status(&app, &signed(&claims(json!({"iss":"anybody","aud":["anything"]})))).await, 200);
    app.stop().await;
}

#[tokio::test]
async fn scopes_are_read_from_every_claim_in_every_form() {
    let mut app = TestApp::start().await;
    for claim in ["scope", "scp", "permissions", "roles"] {
        for value in [
            json!("maintenance:read"),
            json!("openid maintenance:read x"),
            json!(["maintenance:read"]),
            json!(["x", 5, "maintenance:read"]),
        ] {
            let mut members = json!({"scope":null});
            members[claim] = value.clone();
            assert_eq!(status(&app, &signed(&claims(members))).await, 200, "{claim} {value}");
        }
    }
    for members in [
        json!({"scope":null}),
        json!({"scope":""}),
        json!({"scope":"read"}),
        json!({"scope":"maintenance"}),
        json!({"scope":"maintenance:*"}),
        json!({"scope":"xmaintenance:read"}),
        json!({"scope":"maintenance:readx"}),
        json!({"scope":"maintenance:write,maintenance:read"}),
        json!({"scope":{"maintenance:read":true}}),
        json!({"scope":true}),
        json!({"scope":null,"scopes":"maintenance:read"}),
    ] {
        assert_eq!(status(&app, &signed(&claims(members.clone()))).await, 403, "{members}");
    }
    app.stop().await;
}

/// Every operation of the document with the scope that it asks for, or none.
fn operations() -> Vec<(Method, String, Option<String>)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json")).expect("the document");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let paths = document["paths"].as_object().expect("an object");
    let operations = paths.iter().flat_map(|(path, item)| {
        item.as_object().expect("an object").iter().map(move |(method, operation)| {
            let scope = operation["x-required-scope"].as_str().map(str::to_owned);
            (method.to_uppercase().parse().expect("a method"), path.clone(), scope)
        })
    });
    operations.collect()
}

#[tokio::test]
async fn every_operation_wants_its_scope_or_a_higher_one() {
    let mut app = TestApp::start().await;
    let scopes = ["maintenance:read", "maintenance:write", "maintenance:admin"];
    let mut guarded = 0;
    for (method, path, required) in operations() {
        let path = path.replace("{id}", "unknown");
        let Some(required) = required else {
            assert!(!path.starts_with("/api/v1/"), "{path} is open");
            continue;
        };
        guarded += 1;
        let level = scopes.iter().position(|scope| *scope == required).expect("one of the three");
        let none = call(&app, method.clone(), &path, None).await;
        assert_eq!((none.status.as_u16(), none.header("www-authenticate")), (401, "Bearer"), "{method} {path}");
        for (index, scope) in ["openid"].iter().chain(&scopes).enumerate() {
            let token = format!("Bearer {}", signed(&claims(json!({"scope":scope}))));
            let answer = call(&app, method.clone(), &path, Some(&token)).await;
            if index > level {
                assert!(![401, 403].contains(&answer.status.as_u16()), "{method} {path} {scope}: {}", answer.text);
            } else {
                assert_eq!(
                    (answer.status.as_u16(), &answer.json["code"]),
                    (403, &json!("insufficient_scope")),
                    "{method} {path} {scope}"
                );
                assert!(answer.json["detail"].as_str().unwrap().contains(&required), "{}", answer.text);
                let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{required}\"");
                assert_eq!(answer.header("www-authenticate"), challenge);
            }
        }
    }
    assert!(guarded >= 14, "{guarded}");
    app.stop().await;
}

#[tokio::test]
async fn who_has_no_scope_learns_nothing_of_what_there_is() {
    let mut app = TestApp::start().await;
    app.create(json!({"id":"there","name":"S","cron_expression":"@daily","tasks":["CUSTOM"]})).await;
    let reader = app.token("maintenance:read");
    // An id that is there, one that is not, one that cannot be; a body of another type, none, a broken one, one that is too long.
    for id in ["there", "missing", "x".repeat(300).as_str(), "%00"] {
        for (content_type, body) in [
            ("text/plain", "x".to_owned()),
            ("application/json", "{".to_owned()),
            ("application/json", " ".repeat(300_000)),
            ("application/json", "{}".to_owned()),
        ] {
            for (method, path) in [
                (Method::POST, "/schedules".to_owned()),
                (Method::PUT, format!("/schedules/{id}")),
                (Method::PATCH, format!("/schedules/{id}")),
                (Method::DELETE, format!("/schedules/{id}?x=1")),
                (Method::POST, format!("/schedules/{id}/enable")),
                (Method::POST, format!("/schedules/{id}/run")),
                (Method::POST, format!("/jobs/{id}/cancel")),
            ] {
                let url = format!("{}/api/v1/maintenance{path}", app.base());
                let request = app
                    .client()
                    .request(method.clone(), url)
                    .header("content-type", content_type)
                    .header("if-match", "bad")
                    .body(body.clone());
                let answer = Answer::of(request.try_clone().unwrap()).await;
                assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text);
                let answer = Answer::of(request.bearer_auth(&reader)).await;
                assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text);
            }
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn the_routes_of_the_machinery_ignore_a_bad_token() {
    let mut app = TestApp::start().await;
    for path in ["/livez", "/readyz", "/metrics", "/api-docs/openapi.json"] {
        for authorization in [None, Some("Bearer garbage"), Some("Basic x"), Some("")] {
            assert_eq!(call(&app, Method::GET, path, authorization).await.status, 200, "{path} {authorization:?}");
        }
    }
    app.stop().await;
}
