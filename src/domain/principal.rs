//! Who calls, and what they may do.

use std::fmt;
use std::net::IpAddr;

use super::access::Access;

/// What a caller may do. A higher scope contains the lower ones: `maintenance:admin` ⊇ `maintenance:write` ⊇ `maintenance:read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `maintenance:read`: look at everything, change nothing.
    Read,
    /// `maintenance:write`: create, change, run and cancel.
    Write,
    /// `maintenance:admin`: also delete, and run outside a window.
    Admin,
}

impl Scope {
    /// All scopes, lowest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// The scope as it stands in a token.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "maintenance:read",
            Self::Write => "maintenance:write",
            Self::Admin => "maintenance:admin",
        }
    }

    /// Reads one word of a token's scope claim; `None` for words that belong to other services.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A caller whose token was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The token's `sub`.
    pub subject: String,
    /// The highest scope the token holds; `None` when it holds none of ours.
    pub scope: Option<Scope>,
    /// To which targets and schedules the token is limited.
    pub access: Access,
}

impl Principal {
    /// True when the caller holds `needed` or a scope that contains it.
    pub fn may(&self, needed: Scope) -> bool {
        self.scope.is_some_and(|held| held >= needed)
    }
}

/// Who asked for a command, for the record: stored as `created_by`, `updated_by`, `requested_by`, and written to the audit file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's `sub`, or the name of the part of the service that acts on its own (`system:bundles`).
    pub subject: String,
    /// The request's id, when there was a request.
    pub request_id: Option<String>,
    /// Where the request came from, when there was one and that is known.
    pub address: Option<IpAddr>,
    /// To which targets and schedules the caller is limited.
    pub access: Access,
}
