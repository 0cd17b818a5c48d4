//! How pauses, fires to leave out and freezes are asked for; for the document alone.
#![expect(dead_code, reason = "these types are described, not built: the orchestrator reads the raw JSON")]

use chrono::{DateTime, Utc};
use utoipa::ToSchema;

use crate::domain::pause::MAX_REASON_CHARACTERS;

/// What to pause for.
#[derive(ToSchema)]
#[schema(example = json!({"reason": "disk is being replaced", "until": "2026-12-31T06:00:00Z"}))]
pub(in crate::http) struct PauseRequest {
    /// For those who come after you.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// When it ends by itself, RFC 3339; absent: when somebody resumes.
    until: Option<DateTime<Utc>>,
}

/// Why a fire is left out. The body can be left out.
#[derive(ToSchema)]
#[schema(example = json!({"reason": "done by hand last night"}))]
pub(in crate::http) struct SkipNextRequest {
    /// For those who come after you.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// A freeze to make.
#[derive(ToSchema)]
#[schema(example = json!({"from": "2026-12-24T00:00:00Z", "to": "2026-12-27T00:00:00Z", "reason": "Christmas"}))]
pub(in crate::http) struct FreezeRequest {
    /// Its first moment, RFC 3339.
    from: DateTime<Utc>,
    /// The first moment after it, RFC 3339.
    to: DateTime<Utc>,
    /// Names of configured targets; absent: all.
    #[schema(min_items = 1, max_items = 64)]
    targets: Option<Vec<String>>,
    /// For those who come after you.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

// The attributes above take literals; a limit that moves in the domain stops the build here.
const _: () = assert!(MAX_REASON_CHARACTERS == 500);
