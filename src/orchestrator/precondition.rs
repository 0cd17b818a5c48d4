//! `If-Match` (RFC 9110, section 13.1.1): change a schedule only if it is still the version that the caller saw.

/// What a caller demands of the schedule's current version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing: there was no `If-Match`, or it was `*`.
    #[default]
    None,
    /// The current entity tag has to be one of these, compared strongly (a weak tag never matches).
    OneOf(Vec<String>),
}

impl Precondition {
    /// True when a schedule with this entity tag may be changed.
    pub fn holds(&self, etag: &str) -> bool {
        match self {
            Self::None => true,
            Self::OneOf(tags) => tags.iter().any(|tag| tag == etag),
        }
    }
}
