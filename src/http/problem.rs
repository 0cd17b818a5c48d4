//! The one table of errors: what went wrong, its status, and how it is told (RFC 9457).
//!
//! `code` and `type` are stable: clients switch on them. A new error is a new line here, never a new meaning of an old one.

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::domain::fields::FieldError;
use crate::orchestrator::CommandError;

macro_rules! problem_kinds {
    ($($variant:ident $status:literal $code:literal $title:literal,)*) => {
        /// What went wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemKind { $(#[doc = $title] $variant,)* }

        impl ProblemKind {
            /// All kinds, by status.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable code, in snake case.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What this kind is called; the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            const fn status_code(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }
        }
    };
}

problem_kinds! {
    BadRequest 400 "bad_request" "The request cannot be understood",
    MalformedJson 400 "malformed_json" "The body is not JSON",
    MissingBody 400 "missing_body" "The body is missing",
    InvalidParameter 400 "invalid_parameter" "A query parameter is wrong",
    InvalidHeader 400 "invalid_header" "A header is wrong",
    MissingToken 401 "missing_token" "A bearer token is needed",
    InvalidToken 401 "invalid_token" "The token is not accepted",
    InsufficientScope 403 "insufficient_scope" "The token's scope does not suffice",
    OutsideAccess 403 "outside_access" "The token is limited to other targets or schedules",
    RouteNotFound 404 "route_not_found" "There is nothing here",
    ScheduleNotFound 404 "schedule_not_found" "There is no such schedule",
    JobNotFound 404 "job_not_found" "There is no such job",
    TargetNotFound 404 "target_not_found" "There is no such target",
    FreezeNotFound 404 "freeze_not_found" "There is no such freeze",
    MethodNotAllowed 405 "method_not_allowed" "The method is not allowed here",
    BodyTimeout 408 "body_timeout" "The body stopped coming",
    IdTaken 409 "id_taken" "The schedule's id is taken",
    TooManySchedules 409 "too_many_schedules" "The number of schedules is at its maximum",
    JobActive 409 "job_active" "A job of this schedule is active",
    JobSucceeded 409 "job_succeeded" "The job has succeeded already",
    JobOver 409 "job_over" "The job is already over",
    FreezeOverlaps 409 "freeze_overlaps" "Another freeze overlaps it",
    TooManyFreezes 409 "too_many_freezes" "The number of freezes is at its maximum",
    NoNextFire 409 "no_next_fire" "The schedule has no next fire",
    PreconditionFailed 412 "precondition_failed" "The schedule has changed since",
    BodyTooLarge 413 "body_too_large" "The body is too large",
    UriTooLong 414 "uri_too_long" "The path and query are too long",
    UnsupportedMediaType 415 "unsupported_media_type" "The body's type is not supported",
    ValidationFailed 422 "validation_failed" "Rules are broken",
    IdempotencyKeyReused 422 "idempotency_key_reused" "The idempotency key was used for another body",
    TooManyRequests 429 "too_many_requests" "Too many requests",
    HeadersTooLarge 431 "headers_too_large" "The headers are too large, or too many",
    InternalError 500 "internal_error" "The service has a fault",
    Busy 503 "busy" "The service is busy",
    Stopping 503 "stopping" "The service is shutting down",
    StoreUnavailable 503 "store_unavailable" "The store is not available",
    RequestTimeout 503 "request_timeout" "The request took too long",
    NotReady 503 "not_ready" "The service is not ready",
}

impl ProblemKind {
    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.status_code()).expect("the table holds statuses between 400 and 503")
    }

    /// The problem type, a stable URI.
    pub fn type_uri(self) -> String {
        format!("urn:themis-maintenance:problem:{}", self.code().replace('_', "-"))
    }

    /// After how many seconds it is worth another try; none when a repetition would end the same.
    pub const fn retry_after_seconds(self) -> Option<u64> {
        match self {
            Self::Busy | Self::RequestTimeout | Self::NotReady | Self::TooManyRequests => Some(1),
            Self::Stopping | Self::StoreUnavailable => Some(5),
            _ => None,
        }
    }

    /// The kind for an answer that only has a status; none for a status that the table does not know.
    pub fn from_status(status: StatusCode) -> Option<Self> {
        Some(match status.as_u16() {
            400 => Self::BadRequest,
            401 => Self::MissingToken,
            403 => Self::InsufficientScope,
            404 => Self::RouteNotFound,
            405 => Self::MethodNotAllowed,
            408 => Self::BodyTimeout,
            413 => Self::BodyTooLarge,
            414 => Self::UriTooLong,
            415 => Self::UnsupportedMediaType,
            429 => Self::TooManyRequests,
            431 => Self::HeadersTooLarge,
            500.. => Self::InternalError,
            _ => return None,
        })
    }
}

/// One occurrence of a problem. As a response it has the status and headers; `super::render` writes the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What went wrong.
    pub kind: ProblemKind,
    /// This occurrence in words; nothing of the inside.
    pub detail: String,
    /// Every broken rule with its field.
    pub errors: Vec<FieldError>,
    /// The value of `WWW-Authenticate`.
    challenge: Option<String>,
    /// Seconds for `Retry-After`, where this occurrence knows better than its kind.
    retry_after: Option<u64>,
}

impl Problem {
    /// An occurrence.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), challenge: None, retry_after: None }
    }

    /// Names the fields or parameters to blame.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// Says how to authenticate (RFC 6750, section 3). `challenge` holds no caller's text.
    #[must_use]
    pub fn with_challenge(mut self, challenge: impl Into<String>) -> Self {
        self.challenge = Some(challenge.into());
        self
    }

    /// Says after how many seconds it is worth another try.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Rules of a request document are broken.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [error] if error.field.is_empty() => error.message.clone(),
            [error] => format!("{} {}", error.field, error.message),
            errors => format!("{} rules are broken; see errors", errors.len()),
        };
        Self::new(ProblemKind::ValidationFailed, detail).with_errors(errors)
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let detail = error.to_string();
        let kind = match error {
            CommandError::Invalid(errors) => return Self::invalid(errors),
            CommandError::ScheduleNotFound(_) => ProblemKind::ScheduleNotFound,
            CommandError::JobNotFound(_) => ProblemKind::JobNotFound,
            CommandError::TargetNotFound(_) => ProblemKind::TargetNotFound,
            CommandError::FreezeNotFound(_) => ProblemKind::FreezeNotFound,
            CommandError::FreezeOverlaps { .. } => ProblemKind::FreezeOverlaps,
            CommandError::TooManyFreezes(_) => ProblemKind::TooManyFreezes,
            CommandError::NoNextFire(_) => ProblemKind::NoNextFire,
            CommandError::OutsideAccess => ProblemKind::OutsideAccess,
            CommandError::IdTaken(_) => ProblemKind::IdTaken,
            CommandError::PreconditionFailed { current: _ } => ProblemKind::PreconditionFailed,
            CommandError::JobActive(_) => ProblemKind::JobActive,
            CommandError::JobSucceeded(_) => ProblemKind::JobSucceeded,
            CommandError::JobOver(_) => ProblemKind::JobOver,
            CommandError::IdempotencyKeyReused => ProblemKind::IdempotencyKeyReused,
            CommandError::TooManySchedules(_) => ProblemKind::TooManySchedules,
            CommandError::Busy => ProblemKind::Busy,
            CommandError::Stopped => ProblemKind::Stopping,
            CommandError::StoreUnavailable => ProblemKind::StoreUnavailable,
        };
        Self::new(kind, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        if let Some(seconds) = self.retry_after.or(self.kind.retry_after_seconds()) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = &self.challenge
            && let Ok(value) = HeaderValue::from_str(challenge)
        {
            response.headers_mut().insert(WWW_AUTHENTICATE, value);
        }
        response.extensions_mut().insert(self);
        response
    }
}
