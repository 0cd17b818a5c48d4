//! What the claims of an issuer's tokens mean: which hold scopes, which names stand for scopes, and which claim limits a caller.

use std::collections::BTreeMap;

use super::section::Section;
use super::values::{string, strings};
use crate::domain::principal::Scope;

/// What the claims of an issuer's tokens mean. A claim is named, or pointed to by a JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRules {
    /// Claims that may hold scopes.
    pub scope_claims: Vec<String>,
    /// What else counts as a scope in these claims: roles and groups by the names that the issuer has for them.
    pub scopes: BTreeMap<String, Scope>,
    /// The claim that limits a caller to targets and schedules; without it nobody is limited.
    pub access_claim: Option<String>,
}

/// Reads what claims mean. `usual` is what counts where an issuer says nothing; a mapping of roles is never taken over from another
/// issuer, because an `admin` there is not an `admin` here.
pub(super) fn claim_rules(section: &mut Section<'_>, usual: Option<&ClaimRules>) -> Option<ClaimRules> {
    let scope_claims = match usual {
        Some(usual) => section.or("scope_claims", usual.scope_claims.clone(), strings),
        None => section.required("scope_claims", strings),
    };
    if scope_claims.as_ref().is_some_and(Vec::is_empty) {
        section.mistake("scope_claims", "must name at least one claim");
    }
    if scope_claims.iter().flatten().any(|claim| !is_claim(claim)) {
        section.mistake("scope_claims", BAD_POINTER);
    }
    let scopes = section.section("scopes").map(|scopes| scope_names(&scopes)).unwrap_or_default();
    // A limit that stands above holds for all: an issuer that was forgotten must not be the way around it.
    let access_claim = section.optional("access_claim", string).or_else(|| usual.and_then(|usual| usual.access_claim.clone()));
    if access_claim.as_ref().is_some_and(|claim| !is_claim(claim)) {
        section.mistake("access_claim", BAD_POINTER);
    }
    Some(ClaimRules { scope_claims: scope_claims?, scopes, access_claim })
}

const BAD_POINTER: &str = "holds a JSON pointer that is none: in it '~' has to be followed by 0 or 1";

/// A name of a claim, or a JSON pointer (RFC 6901) when it begins with a slash.
fn is_claim(text: &str) -> bool {
    !text.starts_with('/') || text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
}

fn scope_names(section: &Section<'_>) -> BTreeMap<String, Scope> {
    let mut found = BTreeMap::new();
    for (name, node) in section.members() {
        let text = string(node);
        let known = |text: &String| Scope::ALL.into_iter().find(|scope| is_name_of(*scope, text));
        match text.as_ref().map(known) {
            Ok(Some(scope)) => drop(found.insert(name.to_owned(), scope)),
            Ok(None) => section.mistake(name, "must be read, write or admin"),
            Err(message) => section.mistake(name, message.as_str()),
        }
    }
    found
}

/// `maintenance:read`, or `read` for short.
fn is_name_of(scope: Scope, text: &str) -> bool {
    let full = scope.as_str();
    full == text || full.split_once(':').is_some_and(|(_, short)| short == text)
}
