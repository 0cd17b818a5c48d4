//! Who calls, and may they: bearer tokens (RFC 6750, RFC 7519) and the extractor that no handler can do without.
//!
//! The algorithm is a property of the key, never of the token (RFC 8725, section 3.1). Times are judged by the clock port.

pub(super) mod extractor;
pub(super) mod keys;
pub(super) mod verifier;

pub(super) use extractor::{Admin, Authorized, Read, Write, bearer_token, require};
