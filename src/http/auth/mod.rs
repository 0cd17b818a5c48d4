//! Who calls, and may they: bearer tokens (RFC 6750, RFC 7519, RFC 9068) and the extractor that no handler can do without.
//!
//! Invariants:
//! - The algorithm is a property of the key, never of the token (RFC 8725, section 3.1).
//! - A token is judged with the keys of the issuer that it names, and with no others (RFC 8725, section 3.8). It brings no key of
//!   its own.
//! - Times are judged by the clock port, at each use.
//! - What an issuer publishes is fetched in the background; a request waits for it only when its key is not known.

mod claims;
mod error;
pub(super) mod extractor;
mod health;
mod issuer;
mod key_ring;
mod key_source;
pub(super) mod keys;
mod token;
pub(super) mod verifier;

pub use error::TokenError;
pub(super) use extractor::{Admin, Authorized, Read, Write, bearer_token, require};
pub use health::AuthKeysProbe;
pub use issuer::VerifierSettings;
pub use key_ring::{KeyMetrics, KeyRing, KeyRingSettings, KeyRingStatus};
pub use key_source::{FetchError, KeySetSource, key_set_source};
