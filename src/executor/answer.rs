//! An answer as far as it was read.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;

use super::clocks;
use super::retry_after::retry_after;
use crate::domain::fields::printable;

/// The longest body that is kept. Longer ones are not read to their end.
pub(super) const LONGEST_BODY: usize = 1024 * 1024;

/// What a target answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: AnswerBody,
}

/// What a target answered after the head.
#[derive(Debug)]
pub(super) enum AnswerBody {
    Json(Value),
    /// Something else, perhaps nothing.
    Other(Vec<u8>),
    /// More than [`LONGEST_BODY`].
    TooLong,
}

impl Answer {
    /// The body as JSON, if it is.
    pub(super) fn json(&self) -> Option<&Value> {
        match &self.body {
            AnswerBody::Json(value) => Some(value),
            AnswerBody::Other(_) | AnswerBody::TooLong => None,
        }
    }

    /// What the target says in words: ThemisDB's `message`, else its `error`.
    pub(super) fn excerpt(&self) -> Option<String> {
        let body = self.json()?;
        let text = ["message", "error", "error_message", "detail"].iter().find_map(|key| body.get(key)?.as_str())?;
        Some(printable(text)).filter(|text| !text.trim().is_empty())
    }
}

/// Reads a body up to the cap.
///
/// # Errors
/// When the connection broke off before the end.
pub(super) async fn read_body(response: &mut Response) -> Result<AnswerBody, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > LONGEST_BODY {
            return Ok(AnswerBody::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(match serde_json::from_slice(&bytes) {
        Ok(value) => AnswerBody::Json(value),
        Err(_) => AnswerBody::Other(bytes),
    })
}

/// Puts an answer together.
pub(super) fn answer(response: &Response, body: AnswerBody) -> Answer {
    let mut answer = Answer { status: response.status().as_u16(), retry_after: None, body };
    answer.retry_after = retry_after(response.headers(), answer.json(), clocks::wall_clock());
    answer
}
