//! Where an issuer's keys are, and `[auth.issuers.NAME]`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use url::{Host, Url};

use super::auth_claims::{ClaimRules, claim_rules};
use super::auth_key_set::{KeySet, KeySetError, MAX_KEY_SET_BYTES};
use super::auth_keys::{KeyKind, Kinds, algorithms, public_key};
use super::layer::Node;
use super::section::Section;
use super::targets::check_name;
use super::values::{boolean, string, strings};

/// By this name the issuer in `[auth]` itself goes in metrics, in the health report and in the log.
pub const DEFAULT_ISSUER: &str = "default";
/// Where an issuer describes itself, below its own URL (OpenID Connect Discovery 1.0, section 4).
const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";

/// `[auth.issuers.NAME]`: one more issuer whose tokens are accepted.
#[derive(Debug, Clone)]
pub struct IssuerConfig {
    /// The `iss` of its tokens; no other issuer has the same.
    pub issuer: String,
    /// Its public keys in PEM; in place of `key_set`.
    pub public_key_pem: Option<String>,
    /// Where its keys are published; in place of `public_key_pem`.
    pub key_set: Option<KeySetLocation>,
    /// Accepted algorithms by their JOSE names; at least one.
    pub algorithms: Vec<String>,
    /// A token has to have one of these as `aud`; empty asks for none.
    pub audience: Vec<String>,
    /// What its claims mean.
    pub claims: ClaimRules,
}

/// Where a key set comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySetLocation {
    /// Fetched from here; `https`, or `http` of a loopback host.
    Url(Url),
    /// Read from this file. When the configuration was read it held a usable key.
    File(PathBuf),
    /// Fetched from where the issuer's own description says.
    Discovery {
        /// The description.
        document: Url,
        /// What the description has to say of its `issuer`.
        issuer: String,
    },
}

/// The keys of one issuer, as far as the configuration knows them.
pub(super) struct IssuerKeys {
    pub(super) public_key_pem: Option<String>,
    pub(super) key_set: Option<KeySetLocation>,
    pub(super) algorithms: Vec<String>,
    /// Whether any of the keys is named, readable or not.
    pub(super) any_given: bool,
}

/// Reads the keys of an issuer; `secret_given` when it has a shared secret as well.
pub(super) fn issuer_keys(section: &mut Section<'_>, issuer: Option<&str>, secret_given: bool) -> Option<IssuerKeys> {
    let pem_given = section.node("public_key_file").is_some();
    let public_key = public_key(section);
    let (set_given, key_set) = key_set_location(section, issuer);
    let secret = secret_given.then_some(KeyKind::Secret);
    let kinds = Kinds {
        present: secret.into_iter().chain(public_key.iter().flat_map(|(_, kinds)| kinds).copied()).collect(),
        with_set: set_given,
        unknown: pem_given && public_key.is_none(),
    };
    let algorithms = algorithms(section, &kinds);
    if let (Some(KeySetLocation::File(path)), Some(algorithms)) = (&key_set, &algorithms) {
        check_file(section, path, algorithms);
    }
    Some(IssuerKeys {
        public_key_pem: public_key.map(|(pem, _)| pem),
        key_set,
        algorithms: algorithms?,
        any_given: secret_given || pem_given || set_given,
    })
}

/// Whether a key set is asked for, and where it is.
fn key_set_location(section: &mut Section<'_>, issuer: Option<&str>) -> (bool, Option<KeySetLocation>) {
    let url = section.optional("jwks_url", key_url).map(KeySetLocation::Url);
    let file = section.optional("jwks_file", string).map(PathBuf::from).map(KeySetLocation::File);
    let discovers = section.or("discovery", false, boolean) == Some(true);
    let given = [
        ("jwks_url", section.node("jwks_url").is_some()),
        ("jwks_file", section.node("jwks_file").is_some()),
        ("discovery", discovers),
    ];
    let given: Vec<&str> = given.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect();
    if let [first, second, ..] = given.as_slice() {
        section.mistake(second, format!("and {first} are both given; give one of them"));
        return (true, None);
    }
    let found = if discovers { discovery(section, issuer) } else { url.or(file) };
    (!given.is_empty(), found)
}

fn discovery(section: &Section<'_>, issuer: Option<&str>) -> Option<KeySetLocation> {
    let Some(issuer) = issuer else {
        section.mistake("discovery", "needs the issuer: set issuer to the URL that its tokens have as iss");
        return None;
    };
    // The issuer's URL may end in a slash, which is taken off before the path is put on.
    let document = secure_url(&format!("{}{DISCOVERY_PATH}", issuer.trim_end_matches('/')));
    match document {
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            section.mistake("issuer", "must not have a query or a fragment, because of discovery");
            None
        }
        Ok(document) => Some(KeySetLocation::Discovery { document, issuer: issuer.to_owned() }),
        Err(message) => {
            section.mistake("issuer", format!("{message}, because of discovery"));
            None
        }
    }
}

/// A file that is broken when the service starts is a mistake; one that breaks later is a refresh that failed.
fn check_file(section: &Section<'_>, path: &Path, algorithms: &[String]) {
    let is_long = std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > MAX_KEY_SET_BYTES as u64);
    let read = if is_long {
        Err(KeySetError::TooLong)
    } else {
        let Some(text) = section.file_text("jwks_file", path) else { return };
        KeySet::read(text.as_bytes(), algorithms).map(drop)
    };
    if let Err(error) = read {
        section.mistake("jwks_file", format!("names {}, which {error}", path.display()));
    }
}

fn key_url(node: &Node) -> Result<Url, String> {
    secure_url(string(node)?.trim())
}

/// A URL from which keys may be fetched.
fn secure_url(text: &str) -> Result<Url, String> {
    // The text is not repeated: credentials in it are one of the mistakes.
    let url = Url::parse(text).map_err(|error| format!("must be a URL: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold credentials: keys that verify are published for everybody".to_owned());
    }
    if is_secure(&url) {
        return Ok(url);
    }
    Err("must begin with https:// (http:// only for a loopback host): whoever is on the way could put in keys of their own"
        .to_owned())
}

/// True for `https`, and for `http` of this very host.
pub fn is_secure(url: &Url) -> bool {
    url.scheme() == "https" && url.host().is_some() || is_plain_loopback(url)
}

/// True for `http` of this very host.
pub fn is_plain_loopback(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "http" && is_loopback
}

/// Reads `[auth.issuers]`. `own` is the `iss` of the issuer in `[auth]` itself.
pub(super) fn issuers(
    sections: Vec<(&str, Section<'_>)>,
    own: Option<&str>,
    usual: Option<&ClaimRules>,
) -> Option<BTreeMap<String, IssuerConfig>> {
    let mut by_iss: BTreeMap<String, String> = own.map(|iss| (iss.to_owned(), "auth".to_owned())).into_iter().collect();
    let mut found = Some(BTreeMap::new());
    for (name, mut section) in sections {
        check_name(name, &section);
        if name == DEFAULT_ISSUER {
            section.table_mistake("has the name by which the issuer in [auth] itself goes; take another one");
        }
        let issuer = section.required("issuer", string);
        if let Some(other) = issuer.as_ref().and_then(|iss| by_iss.get(iss)) {
            section.mistake("issuer", format!("is that of [{other}], too; whose keys would count?"));
        } else if let Some(iss) = &issuer {
            by_iss.insert(iss.clone(), format!("auth.issuers.{name}"));
        }
        let config = read_issuer(&mut section, issuer, usual);
        section.finish();
        found = match (found, config) {
            (Some(mut all), Some(config)) => {
                all.insert(name.to_owned(), config);
                Some(all)
            }
            _ => None,
        };
    }
    found
}

fn read_issuer(section: &mut Section<'_>, issuer: Option<String>, usual: Option<&ClaimRules>) -> Option<IssuerConfig> {
    let keys = issuer_keys(section, issuer.as_deref(), false);
    if let Some(keys) = &keys {
        if !keys.any_given {
            section.table_mistake("needs keys: set public_key_file, jwks_url, jwks_file or discovery = true");
        }
        if keys.key_set.is_some() && section.node("public_key_file").is_some() {
            section.mistake("public_key_file", "and a key set are both given; give one of them");
        }
    }
    let audience = section.or("audience", Vec::new(), strings);
    let claims = claim_rules(section, usual);
    let IssuerKeys { public_key_pem, key_set, algorithms, any_given: _ } = keys?;
    Some(IssuerConfig { issuer: issuer?, public_key_pem, key_set, algorithms, audience: audience?, claims: claims? })
}
