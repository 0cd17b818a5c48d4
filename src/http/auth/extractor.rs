//! `Authorized<S>`: the first extractor of every handler of the API. A handler that has one was called by somebody who may.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::error::TokenError;
use crate::domain::principal::{Caller, Principal, Scope};
use crate::http::context::RequestContext;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::HttpState;
use crate::http::throttle;

/// A scope as a type, so that the compiler sees which one a handler asks for.
pub(in crate::http) trait RequiredScope: Send + Sync + 'static {
    /// The scope.
    const SCOPE: Scope;
}

/// `maintenance:read`.
pub(in crate::http) struct Read;
/// `maintenance:write`.
pub(in crate::http) struct Write;
/// `maintenance:admin`.
pub(in crate::http) struct Admin;

impl RequiredScope for Read {
    const SCOPE: Scope = Scope::Read;
}
impl RequiredScope for Write {
    const SCOPE: Scope = Scope::Write;
}
impl RequiredScope for Admin {
    const SCOPE: Scope = Scope::Admin;
}

/// A caller who holds the scope `S` or a higher one.
pub(in crate::http) struct Authorized<S> {
    /// Whose token it was.
    pub principal: Principal,
    /// The same for the record.
    pub caller: Caller,
    scope: PhantomData<S>,
}

impl<S: RequiredScope> FromRequestParts<HttpState> for Authorized<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Problem> {
        let token = bearer_token(&parts.headers)?;
        let verdict = state.verifier.authenticate(token, state.handle.clock().as_ref()).await;
        let principal = verdict.map_err(|error| invalid_token(&error.to_string()))?;
        let context = parts.extensions.get::<RequestContext>();
        if let Some(context) = context {
            context.set_subject(&principal.subject);
        }
        throttle::by_principal(state, &principal.subject)?;
        require(&principal, S::SCOPE)?;
        if !state.handle.is_loaded() {
            // An empty list would be a lie, and so would 404.
            return Err(Problem::new(ProblemKind::NotReady, "the store is not loaded yet"));
        }
        let request_id = context.map(|context| context.request_id.to_string());
        let address = context.and_then(RequestContext::client_address);
        let caller = Caller { subject: principal.subject.clone(), request_id, address, access: principal.access.clone() };
        Ok(Self { principal, caller, scope: PhantomData })
    }
}

/// Asks for a scope; 403 names it.
pub(in crate::http) fn require(principal: &Principal, needed: Scope) -> Result<(), Problem> {
    if principal.may(needed) {
        return Ok(());
    }
    let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{needed}\"");
    Err(Problem::new(ProblemKind::InsufficientScope, format!("this needs the scope {needed}")).with_challenge(challenge))
}

/// The token of the `Authorization` header (RFC 6750, section 2.1).
pub(in crate::http) fn bearer_token(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Err(missing_token("send Authorization: Bearer and a token"));
    };
    if values.next().is_some() {
        return Err(invalid_token("there is more than one Authorization header"));
    }
    let text = value.to_str().map_err(|_| invalid_token(&TokenError::Malformed.to_string()))?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(missing_token("the Authorization header has another scheme than Bearer"));
    }
    let token = token.trim_matches(' ');
    if token.is_empty() { Err(missing_token("the Authorization header holds no token")) } else { Ok(token) }
}

fn missing_token(detail: &str) -> Problem {
    Problem::new(ProblemKind::MissingToken, detail).with_challenge("Bearer")
}

/// `description` is one of our own texts, so it needs no quoting.
fn invalid_token(description: &str) -> Problem {
    let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{description}\"");
    Problem::new(ProblemKind::InvalidToken, description).with_challenge(challenge)
}
