//! In place of the service, for what a real one does only now and then, or did only once.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

use super::bare;

/// What a client asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Method, and path with query below the base path: `GET /jobs?limit=1`.
    pub what: String,
    pub body: Value,
    pub if_match: Option<String>,
    pub idempotency_key: Option<String>,
}

/// What a client is answered: status, document, and the document's `ETag`.
pub type Reply = (u16, Value, Option<&'static str>);

type Answers = dyn Fn(&Asked, usize) -> Reply + Send + Sync;
type Shared = (Arc<Mutex<Vec<Asked>>>, Arc<Answers>);

/// Answers as a test says, and notes what it was asked.
pub struct StandIn {
    base: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl StandIn {
    /// Answers with what a function makes of each request and the number of those before it.
    pub async fn start(answers: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answers: Arc<Answers> = Arc::new(answers);
        let router = Router::new().fallback(answer).with_state((Arc::clone(&asked), answers));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base, asked }
    }

    /// `ctl` with these words and this service.
    pub fn ctl(&self, words: &[&str]) -> Command {
        let mut command = bare(words);
        command.env("THEMIS_MAINTENANCE_URL", &self.base).env("THEMIS_MAINTENANCE_TOKEN", "a-token");
        command
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("nobody panics with it").clone()
    }

    /// What was asked, without bodies.
    pub fn heads(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.what).collect()
    }

    /// A problem document that names a parameter or field.
    pub fn problem(status: u16, field: &str) -> Reply {
        let errors = json!([{"field": field, "message": "is wrong"}]);
        (status, json!({"title": "No", "status": status, "detail": "", "code": "c", "request_id": "r", "errors": errors}), None)
    }
}

async fn answer(State((asked, answers)): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().expect("text").to_owned());
    assert_eq!(header("authorization").as_deref(), Some("Bearer a-token"));
    let target = parts.uri.to_string();
    let one = Asked {
        what: format!("{} {}", parts.method, target.strip_prefix("/api/v1/maintenance").expect("the base path")),
        if_match: header("if-match"),
        idempotency_key: header("idempotency-key"),
        body: serde_json::from_slice(&to_bytes(body, 1 << 20).await.expect("a body")).unwrap_or(Value::Null),
    };
    let before = asked.lock().expect("nobody panics with it").len();
    let (status, document, etag) = answers(&one, before);
    asked.lock().expect("nobody panics with it").push(one);
    let status = StatusCode::from_u16(status).expect("a status");
    let body = if document.is_null() { String::new() } else { document.to_string() };
    match etag {
        Some(etag) => (status, [("etag", etag)], body).into_response(),
        None => (status, body).into_response(),
    }
}
