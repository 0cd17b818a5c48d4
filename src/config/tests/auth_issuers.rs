//! Key sets, more issuers, and what their claims mean.

use std::time::Duration;

use super::super::{KeySetLocation, Mode};
use super::{SECRET, Setup, accepted, refused};
use crate::domain::principal::Scope;

const PARTNER: &str = "[auth.issuers.partner]\nissuer = 'https://partner'\n";
const SET: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"W4fBAAZu04PlfhNJCY72aaTqu4vngnfofcTNvC-8gCE"}]}"#;

fn only(text: &str) -> Setup {
    Setup::bare().file(text)
}

#[test]
fn a_key_set_is_enough_to_start() {
    let auth = only("auth.jwks_url = 'https://issuer/keys'").config().auth;
    assert!(matches!(auth.key_set, Some(KeySetLocation::Url(url)) if url.as_str() == "https://issuer/keys"));
    assert_eq!(auth.algorithms, ["RS256", "ES256", "EdDSA"]);
    assert_eq!(auth.jwks_refresh, Duration::from_secs(300));

    let auth = only("[auth]\nissuer = 'https://issuer/realm/'\ndiscovery = true").config().auth;
    let Some(KeySetLocation::Discovery { document, issuer }) = auth.key_set else { panic!("{:?}", auth.key_set) };
    assert_eq!(document.as_str(), "https://issuer/realm/.well-known/openid-configuration");
    assert_eq!(issuer, "https://issuer/realm/");

    let auth = only(&format!("{PARTNER}discovery = true")).config().auth;
    assert!(auth.key_set.is_none() && auth.algorithms.is_empty() && auth.issuers["partner"].key_set.is_some());
    assert!(accepted("auth.jwks_url = 'http://127.0.0.1:1/k'").auth.key_set.is_some());
    assert!(accepted("auth.jwks_url = 'http://[::1]/k'").auth.key_set.is_some());
    assert!(accepted("auth.jwks_url = 'http://localhost/k'").auth.key_set.is_some());
}

#[test]
fn keys_are_not_fetched_where_others_could_put_in_theirs() {
    for url in ["http://issuer/keys", "http://localhost.example/keys", "ftp://issuer/keys", "http://10.0.0.1/keys"] {
        refused(&format!("auth.jwks_url = '{url}'"), "auth.jwks_url must begin with https:// (http:// only for a loopback host)");
    }
    refused("auth.jwks_url = 'https://u:p@issuer/keys'", "auth.jwks_url must not hold credentials");
    refused("auth.jwks_url = 'issuer'", "auth.jwks_url must be a URL");
    refused("[auth]\ndiscovery = true\nissuer = 'http://issuer'", "auth.issuer must begin with https://");
    refused("[auth]\ndiscovery = true\nissuer = 'issuer'", "auth.issuer must be a URL");
    refused("auth.discovery = true", "auth.discovery needs the issuer");
    refused("auth.discovery = 'yes'", "auth.discovery must be true or false");
}

#[test]
fn one_place_for_one_set() {
    refused(
        "[auth]\njwks_url = 'https://issuer/keys'\njwks_file = 'keys.json'",
        "auth.jwks_file and jwks_url are both given; give one of them",
    );
    refused(
        "[auth]\nissuer = 'https://issuer'\njwks_url = 'https://issuer/keys'\ndiscovery = true",
        "auth.discovery and jwks_url are both given; give one of them",
    );
    refused("auth.jwks_refresh = '1s'", "auth.jwks_refresh must be from 10s to 1day");
}

#[test]
fn a_key_set_file_is_looked_through_at_the_start() {
    let setup = Setup::bare();
    let path = setup.write("keys.json", SET).to_string_lossy().into_owned();
    let setup = setup.variable("AUTH__JWKS_FILE", &path);
    assert!(matches!(setup.config().auth.key_set, Some(KeySetLocation::File(file)) if file.to_string_lossy() == path));
    let other = setup.variable("AUTH__ALGORITHMS", "RS256").mistakes();
    assert!(other.len() == 1 && other[0].ends_with("key 1 is for an algorithm that is not accepted"), "{other:?}");
    for (text, expected) in [
        ("", "which is not a JSON object with an array \"keys\""),
        ("{\"keys\":[]}", "which holds no key that can verify tokens"),
        ("{\"keys\":[{\"kty\":\"oct\"}]}", "key 1 is a shared secret"),
    ] {
        let setup = Setup::bare();
        let path = setup.write("keys.json", text);
        let mistakes = setup.variable("AUTH__JWKS_FILE", &path.to_string_lossy()).mistakes();
        assert!(mistakes.len() == 1 && mistakes[0].starts_with("auth.jwks_file names"), "{mistakes:?}");
        assert!(mistakes[0].contains(expected), "{mistakes:?}");
    }
    refused("auth.jwks_file = '/nowhere/keys.json'", "auth.jwks_file names a file that cannot be read, /nowhere/keys.json");
}

#[test]
fn a_set_never_stands_for_the_shared_secret() {
    let with = |algorithms: &str| {
        only("auth.jwks_url = 'https://issuer/keys'").variable("AUTH__ALGORITHMS", algorithms).load().map(|config| config.auth)
    };
    assert_eq!(with("ES256").expect("a configuration").algorithms, ["ES256"]);
    let confused = with("RS256,HS256").expect_err("a mistake").to_string();
    assert!(confused.contains("names HS256, but there is no key for it"), "{confused}");
    let both = accepted("auth.jwks_url = 'https://issuer/keys'").auth;
    assert_eq!(both.algorithms, ["HS256", "RS256", "ES256", "EdDSA"]);
    refused(
        "[auth]\njwks_url = 'https://issuer/keys'\nalgorithms = ['HS256']",
        "auth.algorithms leaves the key set without any algorithm",
    );
    refused("[auth]\njwks_url = 'https://issuer/keys'\nalgorithms = ['RS256']", "auth.algorithms leaves a key without");
}

#[test]
fn every_issuer_has_a_name_an_iss_and_keys_of_its_own() {
    refused("[auth.issuers.partner]\njwks_url = 'https://partner/keys'", "auth.issuers.partner.issuer is missing");
    refused(PARTNER, "auth.issuers.partner needs keys: set public_key_file, jwks_url, jwks_file or discovery = true");
    refused(
        &format!("{PARTNER}hs256_secret = '{SECRET}'\ndiscovery = true"),
        "auth.issuers.partner.hs256_secret is not a known key",
    );
    refused(
        &format!("auth.issuer = 'https://partner'\n{PARTNER}discovery = true"),
        "auth.issuers.partner.issuer is that of [auth], too",
    );
    refused(
        &format!("{PARTNER}discovery = true\n[auth.issuers.same]\nissuer = 'https://partner'\ndiscovery = true"),
        "auth.issuers.same.issuer is that of [auth.issuers.partner], too",
    );
    refused("[auth.issuers.default]\nissuer = 'https://x'\ndiscovery = true", "auth.issuers.default has the name by which");
    refused("[auth.issuers.'Big One']\nissuer = 'https://x'\ndiscovery = true", "auth.issuers.Big One has a name that is not");
    let mistakes = only(&format!("auth.issuer = 'https://x'\n{PARTNER}discovery = true")).mistakes();
    assert!(mistakes.len() == 1 && mistakes[0].starts_with("auth.issuer has no key of its own"), "{mistakes:?}");
}

#[test]
fn every_mistake_of_every_issuer_is_listed() {
    let text = "[auth.issuers.a]\njwks_url = 'http://a/keys'\nscopes = { x = 'root', y = 'read' }\n\
                [auth.issuers.b]\nissuer = 'https://b'\ndiscovery = true\nalgorithms = ['HS256']\nscope_claims = []\naccess_claim = '/a~2'";
    let mistakes = Setup::new().file(text).mistakes();
    for expected in [
        "auth.issuers.a.issuer is missing",
        "auth.issuers.a.jwks_url must begin with https://",
        "auth.issuers.a.scopes.x must be read, write or admin",
        "auth.issuers.b.algorithms names HS256, but there is no key for it",
        "auth.issuers.b.scope_claims must name at least one claim",
        "auth.issuers.b.access_claim holds a JSON pointer that is none",
    ] {
        assert_eq!(mistakes.iter().filter(|mistake| mistake.starts_with(expected)).count(), 1, "{expected}: {mistakes:#?}");
    }
    assert_eq!(mistakes.len(), 6, "{mistakes:#?}");
}

#[test]
fn an_issuer_takes_over_where_to_look_and_limits_but_no_scopes() {
    let text = format!(
        "[auth]\nscope_claims = ['/realm_access/roles']\naccess_claim = 'targets'\nscopes = {{ 'DB Operators' = 'write' }}\n\
         {PARTNER}discovery = true\n\
         [auth.issuers.other]\nissuer = 'https://other'\ndiscovery = true\nscope_claims = ['groups']\naccess_claim = 'mine'\n\
         scopes = {{ dba = 'maintenance:admin' }}"
    );
    let auth = accepted(&text).auth;
    assert_eq!(auth.claims.scopes, [("DB Operators".to_owned(), Scope::Write)].into());
    let partner = &auth.issuers["partner"].claims;
    assert_eq!(partner.scope_claims, ["/realm_access/roles"]);
    assert_eq!((partner.access_claim.as_deref(), partner.scopes.len()), (Some("targets"), 0));
    let other = &auth.issuers["other"].claims;
    assert_eq!((other.scope_claims.as_slice(), other.access_claim.as_deref()), (["groups".to_owned()].as_slice(), Some("mine")));
    assert_eq!(other.scopes, [("dba".to_owned(), Scope::Admin)].into());
    let variable = Setup::new().variable("AUTH__SCOPES", r#"{"DB Operators":"admin"}"#).config().auth.claims;
    assert_eq!(variable.scopes, [("DB Operators".to_owned(), Scope::Admin)].into());
}

#[test]
fn the_summary_shows_whose_tokens_are_accepted_and_where_keys_come_from() {
    let text = format!("auth.jwks_url = 'https://own/keys'\n{PARTNER}discovery = true\nalgorithms = ['ES256']");
    let summary = accepted(&text).summary().to_string();
    assert!(summary.contains("tokens    HS256, RS256, ES256, EdDSA, keys from https://own/keys\n"), "{summary}");
    let line = "issuer    partner: https://partner with ES256, keys from https://partner/.well-known/openid-configuration\n";
    assert!(summary.contains(line), "{summary}");
}

#[test]
fn work_on_files_and_development_need_no_key() {
    for mode in [Mode::Files, Mode::Dev] {
        assert!(Setup::bare().mode(mode).config().auth.key_set.is_none());
    }
    let mistakes = Setup::bare().mistakes();
    assert!(
        mistakes.len() == 1 && mistakes[0].contains("auth.jwks_url") && mistakes[0].contains("auth.discovery"),
        "{mistakes:?}"
    );
}
