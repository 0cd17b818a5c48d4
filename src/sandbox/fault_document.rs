//! Faults as JSON, for `POST /sandbox/faults`:
//! `{"method":"POST","path_prefix":"/index","times":2,"fault":{"kind":"status","status":503}}`.
//!
//! Kept apart from [`Fault`], so that the types that tests use need not bend to JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chance::Chance;
use super::fault::{Fault, FaultKind};

/// A [`Fault`] on the wire. `method` absent: any; `times` absent: always.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultDocument {
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    path_prefix: String,
    #[serde(default)]
    times: Option<u32>,
    fault: KindDocument,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum KindDocument {
    Status {
        status: u16,
        /// Absent: ThemisDB's usual error body.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Value>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    Delay {
        milliseconds: u64,
    },
    HangUp,
    HangUpAfterWork,
    HangUpAfterHeaders,
    NoAnswer,
    HugeBody {
        bytes: u64,
    },
    Garbage,
    RateLimited {
        retry_after_seconds: u64,
    },
    Redirect {
        location: String,
    },
}

impl TryFrom<FaultDocument> for Fault {
    type Error = String;

    fn try_from(document: FaultDocument) -> Result<Self, String> {
        let FaultDocument { method, path_prefix, times, fault } = document;
        let method = method.map(|name| parse_method(&name)).transpose()?;
        Ok(Self { method, path_prefix, times, kind: fault.try_into()? })
    }
}

impl TryFrom<KindDocument> for FaultKind {
    type Error = String;

    fn try_from(document: KindDocument) -> Result<Self, String> {
        Ok(match document {
            KindDocument::Status { status, body, headers: given } => {
                let status = StatusCode::from_u16(status).ok().filter(|status| status.as_u16() >= 200);
                let mut kind = Self::status(status.ok_or("'status' must be between 200 and 999")?);
                if let Self::Status { body: usual, headers, .. } = &mut kind {
                    *usual = body.unwrap_or_else(|| usual.take());
                    *headers = parse_headers(&given)?;
                }
                kind
            }
            KindDocument::Delay { milliseconds } => Self::Delay(Duration::from_millis(milliseconds)),
            KindDocument::HangUp => Self::HangUp,
            KindDocument::HangUpAfterWork => Self::HangUpAfterWork,
            KindDocument::HangUpAfterHeaders => Self::HangUpAfterHeaders,
            KindDocument::NoAnswer => Self::NoAnswer,
            KindDocument::HugeBody { bytes } => Self::HugeBody(bytes),
            KindDocument::Garbage => Self::Garbage,
            KindDocument::RateLimited { retry_after_seconds } => Self::RateLimited { retry_after_seconds },
            KindDocument::Redirect { location } => Self::Redirect(location),
        })
    }
}

impl From<Fault> for FaultDocument {
    fn from(fault: Fault) -> Self {
        let Fault { method, path_prefix, times, kind } = fault;
        Self { method: method.map(|method| method.to_string()), path_prefix, times, fault: kind.into() }
    }
}

impl From<FaultKind> for KindDocument {
    fn from(kind: FaultKind) -> Self {
        match kind {
            FaultKind::Status { status, body, headers } => {
                let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
                let headers = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
                Self::Status { status: status.as_u16(), body: Some(body), headers }
            }
            FaultKind::Delay(delay) => Self::Delay { milliseconds: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX) },
            FaultKind::HangUp => Self::HangUp,
            FaultKind::HangUpAfterWork => Self::HangUpAfterWork,
            FaultKind::HangUpAfterHeaders => Self::HangUpAfterHeaders,
            FaultKind::NoAnswer => Self::NoAnswer,
            FaultKind::HugeBody(bytes) => Self::HugeBody { bytes },
            FaultKind::Garbage => Self::Garbage,
            FaultKind::RateLimited { retry_after_seconds } => Self::RateLimited { retry_after_seconds },
            FaultKind::Redirect(location) => Self::Redirect { location },
        }
    }
}

/// `{"seed":1,"share":0.1,"kinds":[{"kind":"hang_up"}]}`, for `POST /sandbox/faults/random`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChanceDocument {
    seed: u64,
    share: f64,
    kinds: Vec<KindDocument>,
}

impl TryFrom<ChanceDocument> for Chance {
    type Error = String;

    fn try_from(document: ChanceDocument) -> Result<Self, String> {
        let ChanceDocument { seed, share, kinds } = document;
        let kinds = kinds.into_iter().map(FaultKind::try_from).collect::<Result<_, _>>()?;
        Ok(Self::new(seed, share, kinds))
    }
}

fn parse_method(name: &str) -> Result<Method, String> {
    Method::from_bytes(name.to_ascii_uppercase().as_bytes()).map_err(|_| format!("'{name}' is no method"))
}

fn parse_headers(given: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let parsed = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
        let (name, value) = parsed.ok_or_else(|| format!("'{name}' is no header"))?;
        headers.insert(name, value);
    }
    Ok(headers)
}
