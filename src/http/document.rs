//! JSON answers that are asked for all the time: written where they stay, as about how long they become is known beforehand.

use axum::Json;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What most schedules and jobs take as a document.
const USUAL_BYTES: usize = 1536;

/// An answer of one document or several. It is the same as [`Json`] gives, which begins with a few bytes and moves all that it has written
/// each time that there is no more room.
pub(super) fn answer_of(value: &impl Serialize, documents: usize) -> Response {
    let mut body = Vec::with_capacity(documents.max(1) * USUAL_BYTES);
    match serde_json::to_writer(&mut body, value) {
        Ok(()) => ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response(),
        // It says what the matter was.
        Err(_) => Json(value).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn it_is_what_the_framework_would_answer() {
        let value = ["x".repeat(2 * USUAL_BYTES), "ä\"\n".to_owned()];
        let (ours, theirs) = (answer_of(&value, 0), Json(&value).into_response());
        assert_eq!((ours.status(), ours.headers()), (theirs.status(), theirs.headers()));
        let body = async |answer: Response| to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        assert_eq!(body(ours).await, body(theirs).await);
        // JSON has no such keys.
        let wrong = std::collections::BTreeMap::from([((1, 2), 3)]);
        assert_eq!(answer_of(&wrong, 1).status(), Json(&wrong).into_response().status());
    }
}
