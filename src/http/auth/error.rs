//! Why a token is not accepted.

/// Why a token is not accepted. The text goes into `error_description`: ASCII without quotes (RFC 6750, section 3), and nothing
/// from the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Larger than any token that an issuer makes.
    #[error("the token is too long")]
    TooLong,
    /// Not three parts of base64url with JSON objects in the first two, or one of these has a member twice.
    #[error("the token is not a signed JWT")]
    Malformed,
    /// `typ` says that it is something else than an access token.
    #[error("the type of the token is not accepted")]
    Type,
    /// An algorithm for which there is no key; `none` too.
    #[error("the algorithm of the token is not accepted")]
    Algorithm,
    /// The header has `crit`, and no extension is known here (RFC 7515, section 4.1.11).
    #[error("the token has critical extensions that are not known")]
    Critical,
    /// The issuer's key set has no such key, as far as is known here.
    #[error("the key of the token is not known")]
    UnknownKey,
    /// No key verifies the signature.
    #[error("the signature is wrong")]
    Signature,
    /// `exp` is missing or no number.
    #[error("the token has no numeric exp")]
    NoExpiry,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` lies ahead, or is no number.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iss` is missing or another one.
    #[error("the issuer is not accepted")]
    Issuer,
    /// `aud` is missing or does not name this service.
    #[error("the audience is not accepted")]
    Audience,
    /// `sub` is missing, empty, too long, or holds control characters.
    #[error("the token has no usable sub")]
    Subject,
}
