//! Makes HS256 tokens, for `token` and for `dev`.

use std::time::Duration;

use jsonwebtoken::{EncodingKey, Header};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::config::AuthConfig;
use crate::domain::principal::Scope;
use crate::domain::time::Timestamp;

/// What a token is to say.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// Whom it speaks for.
    pub subject: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// How long it is valid.
    pub ttl: Duration,
    /// To which targets and schedules it is limited, in the words of `auth.access_claim`; `None` for none.
    pub access: Option<String>,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Tokens are somebody else's to make.
    #[error(
        "no HS256 secret is configured, so tokens come from the holder of the private key; \
         to make them here set auth.hs256_secret or auth.hs256_secret_file"
    )]
    NoSecret,
    /// A limit that nobody would look at.
    #[error("auth.access_claim is not configured, so nothing limits a token")]
    NoAccessClaim,
    /// The signature could not be made.
    #[error("the token could not be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// Makes a token that a service with this configuration accepts from `now` on.
///
/// # Errors
/// When no secret is configured, or no claim for the limits of access.
pub fn issue(auth: &AuthConfig, request: &TokenRequest, now: Timestamp, id: Uuid) -> Result<String, TokenError> {
    let secret = auth.hs256_secret.as_ref().ok_or(TokenError::NoSecret)?;
    if request.access.is_some() && auth.claims.access_claim.is_none() {
        return Err(TokenError::NoAccessClaim);
    }
    let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims(auth, request, now, id), &key).map_err(TokenError::Sign)
}

fn claims(auth: &AuthConfig, request: &TokenRequest, now: Timestamp, id: Uuid) -> Map<String, Value> {
    let mut scopes: Vec<&str> = Vec::new();
    for scope in &request.scopes {
        if !scopes.contains(&scope.as_str()) {
            scopes.push(scope.as_str());
        }
    }
    // The service looks into these claims only.
    let usual = auth.claims.scope_claims.iter().find(|claim| *claim == "scope");
    let scope_claim = usual.or(auth.claims.scope_claims.first()).map_or("scope", String::as_str);
    let issued = now.timestamp();
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), request.subject.clone().into());
    say(&mut claims, scope_claim, &scopes.join(" "));
    if let Some(access_claim) = &auth.claims.access_claim {
        // Where access is limited, who has no such claim may touch nothing. Whoever holds the secret is not limited.
        say(&mut claims, access_claim, request.access.as_deref().unwrap_or("*"));
    }
    claims.insert("iat".to_owned(), issued.into());
    claims.insert("nbf".to_owned(), issued.into());
    claims.insert("exp".to_owned(), issued.saturating_add_unsigned(request.ttl.as_secs()).into());
    claims.insert("jti".to_owned(), id.to_string().into());
    if let Some(issuer) = &auth.issuer {
        claims.insert("iss".to_owned(), issuer.clone().into());
    }
    match auth.audience.as_slice() {
        [] => {}
        [one] => drop(claims.insert("aud".to_owned(), one.clone().into())),
        several => drop(claims.insert("aud".to_owned(), several.to_vec().into())),
    }
    claims
}

/// Adds words to a claim by its name, or by a JSON pointer to it.
fn say(claims: &mut Map<String, Value>, claim: &str, words: &str) {
    let (name, rest) = match claim.strip_prefix('/') {
        None => (claim.to_owned(), None),
        Some(pointer) => {
            let (first, rest) = pointer.split_once('/').map_or((pointer, None), |(first, rest)| (first, Some(rest)));
            (first.replace("~1", "/").replace("~0", "~"), rest)
        }
    };
    let member = claims.entry(name).or_insert(Value::Null);
    match (rest, member) {
        (Some(rest), Value::Object(inner)) => say(inner, &format!("/{rest}"), words),
        (Some(rest), member) => {
            let mut inner = Map::new();
            say(&mut inner, &format!("/{rest}"), words);
            *member = Value::Object(inner);
        }
        (None, Value::String(text)) => *text = format!("{text} {words}"),
        (None, member) => *member = words.into(),
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
    use serde_json::json;

    use super::*;
    use crate::config::{Mode, load};

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn auth(more: &[(&str, &str)]) -> AuthConfig {
        let given = [("HS256_SECRET", SECRET)].iter().chain(more);
        let variables = given.map(|(key, value)| (format!("THEMIS_MAINTENANCE__AUTH__{key}"), (*value).to_owned()));
        load(&[], variables, Mode::Serve).expect("a configuration").auth
    }

    fn claims_of(auth: &AuthConfig, request: &TokenRequest) -> Value {
        let now = "2026-01-01T00:00:00.750Z".parse().expect("a timestamp");
        let token = issue(auth, request, now, Uuid::nil()).expect("a token");
        let mut validation = Validation::new(Algorithm::HS256);
        // The token is of a fixed day.
        validation.validate_exp = false;
        validation.validate_aud = false;
        decode::<Value>(&token, &DecodingKey::from_secret(SECRET.as_bytes()), &validation).expect("verified").claims
    }

    fn request(scopes: &[Scope]) -> TokenRequest {
        TokenRequest { subject: "ci".into(), scopes: scopes.to_vec(), ttl: Duration::from_secs(90), access: None }
    }

    #[test]
    fn a_token_says_who_what_and_how_long() {
        let expected = json!({
            "sub": "ci", "scope": "maintenance:read maintenance:write", "iat": 1_767_225_600, "nbf": 1_767_225_600,
            "exp": 1_767_225_690, "jti": "00000000-0000-0000-0000-000000000000",
        });
        assert_eq!(claims_of(&auth(&[]), &request(&[Scope::Read, Scope::Write, Scope::Read])), expected);
    }

    #[test]
    fn issuer_audience_and_the_scope_claim_follow_the_configuration() {
        let one = claims_of(&auth(&[("ISSUER", "i"), ("AUDIENCE", "a"), ("SCOPE_CLAIMS", "roles")]), &request(&[Scope::Admin]));
        assert_eq!((&one["iss"], &one["aud"], &one["roles"]), (&json!("i"), &json!("a"), &json!("maintenance:admin")));
        assert_eq!(one.get("scope"), None);
        assert_eq!(claims_of(&auth(&[("AUDIENCE", "a,b")]), &request(&[Scope::Read]))["aud"], json!(["a", "b"]));
    }

    #[test]
    fn nested_claims_are_made_where_the_service_looks_for_them() {
        let auth = auth(&[("SCOPE_CLAIMS", "/realm_access/roles"), ("ACCESS_CLAIM", "/realm_access/a~1b")]);
        let claims = claims_of(&auth, &request(&[Scope::Write]));
        assert_eq!(claims["realm_access"], json!({"roles": "maintenance:write", "a/b": "*"}));
        let same = self::auth(&[("ACCESS_CLAIM", "scope")]);
        assert_eq!(claims_of(&same, &request(&[Scope::Read]))["scope"], "maintenance:read *");
    }

    #[test]
    fn a_limit_is_what_was_asked_for_and_refused_where_nobody_looks_at_it() {
        let limited = TokenRequest { access: Some("eu-* schedule:a".to_owned()), ..request(&[Scope::Read]) };
        assert_eq!(claims_of(&auth(&[("ACCESS_CLAIM", "limits")]), &limited)["limits"], "eu-* schedule:a");
        let error = issue(&auth(&[]), &limited, Timestamp::UNIX_EPOCH, Uuid::nil()).expect_err("nothing would limit it");
        assert!(error.to_string().contains("auth.access_claim"), "{error}");
    }

    #[test]
    fn without_a_secret_there_is_no_token() {
        let auth = load(&[], [], Mode::Dev).expect("a configuration").auth;
        let made = issue(&auth, &request(&[Scope::Read]), Timestamp::UNIX_EPOCH, Uuid::nil());
        assert!(matches!(made, Err(TokenError::NoSecret)));
    }
}
