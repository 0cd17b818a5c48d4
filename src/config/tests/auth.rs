use secrecy::ExposeSecret;

use super::super::{Config, Mode};
use super::{SECRET, Setup, refused};

const RSA: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqnrI46XaQcFZUc7t7re7
R+ZbW2p1Z6hVVdGIqS5cuHjvAw0/w4U0t+qZHZ1IhfuUiF5Wy/HPo3NC0+qLdbFW
FaKe8mr0LcbXwlyJDVd1Q/5LkbOxE0D2eek+Uuec7z23r2B0VM3E8yd09kVgwIqJ
1l+k+TC5OW33gg0+CvkMfT4xLanY1Fx4dQTv+FgfYU5LNAqSARyqgu7sigu2vnja
ySVcDZDABYB/rj+7/wapwHq2BHLFAFsCccWe8UJrUaZvq0lg1NFTGifmlOWmGE96
R6l2nP+cjUkp/kTK1dQYtNK9XZT6gyBfAxREIOWuc2U0X1KLEXtKcyU5vhjVTGxg
VwIDAQAB
-----END PUBLIC KEY-----
";
const CURVE: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEiJg8N6LQ8YJfOTEkpH3Us53gkTSD
+7Jdt/5/SiOFuJtyEgsfN/5csUw91Sn3eTUsg2mEZMUXv8mo0Ilml+s3BA==
-----END PUBLIC KEY-----
";
const EDWARDS: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAW4fBAAZu04PlfhNJCY72aaTqu4vngnfofcTNvC+8gCE=
-----END PUBLIC KEY-----
";
const P384: &str = "-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEnm/FFNondnP5F26F8lFhr/hDKjb41IKr
BBJp6i+39/53qIg75tTao06iYOEY81cTK9izMH4zUGcN5fR/IFzES0A0UcFcUJbC
jQWampz0g+gvtk4y0k5ar37K1xiw9U8C
-----END PUBLIC KEY-----
";
const SHORT_RSA: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDRaMQY+HF1gUmWdyvl+SKYeV11
/H7FyyDifKkNed2oTPKZM8sG/nqlqTmAikjuKkOM4mhWK0LIuDhFzyUjfqaGTUCC
6+Y7hd+JGxo/ANbUdMYn+9glgQ5W2O/moKohTT5ueAfp/pCZFCSBjcHAAQfQ6sAP
huQj+eHs51KUJn0AtQIDAQAB
-----END PUBLIC KEY-----
";

fn secret_of(config: &Config) -> Option<&str> {
    config.auth.hs256_secret.as_ref().map(ExposeSecret::expose_secret)
}

/// A set-up whose only key is this PEM file.
fn with_key(pem: &str) -> Setup {
    let setup = Setup::bare();
    let path = setup.write("key.pem", pem);
    setup.variable("AUTH__PUBLIC_KEY_FILE", &path.to_string_lossy())
}

#[test]
fn a_secret_has_at_least_32_bytes() {
    let mistakes = Setup::bare().variable("AUTH__HS256_SECRET", &SECRET[1..]).mistakes();
    assert_eq!(mistakes, ["auth.hs256_secret must be at least 32 bytes long"]);
    assert_eq!(secret_of(&Setup::new().config()), Some(SECRET));
}

#[test]
fn a_secret_can_be_in_a_file_but_not_in_both() {
    let setup = Setup::bare();
    let path = setup.write("secret", &format!("{SECRET}\n")).to_string_lossy().into_owned();
    let setup = setup.variable("AUTH__HS256_SECRET_FILE", &path);
    assert_eq!(secret_of(&setup.config()), Some(SECRET));
    let both = setup.variable("AUTH__HS256_SECRET", SECRET).mistakes();
    assert_eq!(both, ["auth.hs256_secret and hs256_secret_file are both given; give one of them"]);
}

#[test]
fn a_secret_file_has_to_hold_something_long_enough() {
    for (text, expected) in
        [("\n", "auth.hs256_secret_file names an empty file"), ("short", "auth.hs256_secret_file must be at least")]
    {
        let setup = Setup::bare();
        let path = setup.write("secret", text);
        let mistakes = setup.variable("AUTH__HS256_SECRET_FILE", &path.to_string_lossy()).mistakes();
        assert!(mistakes.len() == 1 && mistakes[0].starts_with(expected), "{mistakes:?}");
    }
    let mistakes = Setup::bare().variable("AUTH__HS256_SECRET_FILE", "/nowhere/secret").mistakes();
    assert!(mistakes.len() == 1 && mistakes[0].contains("names a file that cannot be read, /nowhere/secret"), "{mistakes:?}");
}

#[test]
fn target_and_metrics_tokens_follow_the_same_rules() {
    let setup = Setup::new();
    let path = setup.write("token", "a-token\n").to_string_lossy().into_owned();
    let config = setup.variable("TARGETS__DEFAULT__TOKEN_FILE", &path).variable("METRICS__TOKEN_FILE", &path).config();
    assert_eq!(config.metrics.token.as_ref().map(ExposeSecret::expose_secret), Some("a-token"));
    // The target's is read again for each call.
    let target = &config.targets["default"];
    assert!(target.token.is_none() && target.token_file == Some(path.into()));
    refused("targets.default.token_file = '/nowhere'", "targets.default.token_file names a file that cannot be read");
    refused("[metrics]\ntoken = 'a'\ntoken_file = 'b'", "metrics.token and token_file are both given");
    refused("[targets.default]\ntoken = 'a'\ntoken_file = 'b'", "targets.default.token and token_file are both given");
}

#[test]
fn nothing_prints_a_secret() {
    let setup = Setup::new().variable("METRICS__TOKEN", "metrics-token-x").variable("TARGETS__DEFAULT__TOKEN", "target-token-x");
    let config = setup.config();
    let printed = format!("{config:?} {config:#?} {}", config.summary());
    for secret in [SECRET, "metrics-token-x", "target-token-x"] {
        assert!(!printed.contains(secret));
    }
    assert!(printed.contains("REDACTED"));
    let mistakes = setup.variable("AUTH__HS256_SECRET", "too-short-x").variable("METRICS__TOKEN__X", "misplaced-x").load();
    let mistakes = format!("{:?}", mistakes.expect_err("mistakes"));
    assert!(!mistakes.contains("too-short-x") && !mistakes.contains("misplaced-x"), "{mistakes}");
}

#[test]
fn algorithms_follow_the_key() {
    assert_eq!(with_key(RSA).config().auth.algorithms, ["RS256"]);
    assert_eq!(with_key(CURVE).config().auth.algorithms, ["ES256"]);
    assert_eq!(with_key(EDWARDS).config().auth.algorithms, ["EdDSA"]);
    let both = with_key(EDWARDS).variable("AUTH__HS256_SECRET", SECRET).config().auth;
    assert_eq!(both.algorithms, ["HS256", "EdDSA"]);
    assert!(both.public_key_pem.is_some() && both.hs256_secret.is_some());
    let rotation = with_key(&format!("the old one\n{RSA}the new one\n{CURVE}")).config().auth;
    assert_eq!(rotation.algorithms, ["RS256", "ES256"]);
    assert_eq!(with_key(RSA).variable("AUTH__ALGORITHMS", "rs256").config().auth.algorithms, ["RS256"]);
    assert!(Setup::bare().mode(Mode::Dev).config().auth.algorithms.is_empty());
}

#[test]
fn an_algorithm_without_its_key_is_refused() {
    let with = |pem: &str, algorithms: &str| with_key(pem).variable("AUTH__ALGORITHMS", algorithms).mistakes();
    // The public key must never be taken for a shared secret.
    assert_eq!(with(RSA, "RS256,HS256"), ["auth.algorithms names HS256, but there is no key for it"]);
    assert_eq!(with(CURVE, "RS256"), ["auth.algorithms names RS256, but there is no key for it"]);
    assert!(with(RSA, "none")[0].starts_with("auth.algorithms must be out of HS256, RS256, ES256, EdDSA"));
    let unused = with_key(RSA).variable("AUTH__HS256_SECRET", SECRET).variable("AUTH__ALGORITHMS", "HS256").mistakes();
    assert_eq!(unused, ["auth.algorithms leaves a key without any algorithm"]);
}

#[test]
fn a_public_key_file_holds_a_public_key() {
    for (pem, expected) in [
        ("nonsense", "which is not a PEM file with"),
        (P384, "which holds a key on another curve than P-256"),
        (SHORT_RSA, "which holds an RSA key of fewer than 2048 bits"),
        (&format!("{RSA}-----BEGIN PUBLIC KEY-----\nMA==\n-----END PUBLIC KEY-----\n"), "which holds something else than"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMA==\n-----END RSA PRIVATE KEY-----\n", "which holds a private key"),
        ("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n", "which holds a certificate"),
    ] {
        let mistakes = with_key(pem).variable("AUTH__ALGORITHMS", "RS256").mistakes();
        assert!(mistakes.len() == 1 && mistakes[0].contains(expected), "{mistakes:?}");
    }
    let mistakes = Setup::bare().variable("AUTH__PUBLIC_KEY_FILE", "/nowhere/key.pem").mistakes();
    assert!(mistakes.len() == 1 && mistakes[0].contains("cannot be read"), "{mistakes:?}");
}

#[test]
fn claims_are_configurable() {
    let auth = Setup::new().file("[auth]\nissuer = 'i'\naudience = ['a']\nscope_claims = ['x']").config().auth;
    assert_eq!(
        (auth.issuer.as_deref(), auth.audience, auth.claims.scope_claims),
        (Some("i"), vec!["a".into()], vec!["x".into()])
    );
    refused("auth.scope_claims = []", "auth.scope_claims must name at least one claim");
}
