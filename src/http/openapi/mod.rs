//! The OpenAPI document. It is generated from the handlers and types, and committed; a test holds that both are the same.

mod finish;
pub(super) mod problem_sets;
mod schemas;

use std::sync::LazyLock;

use axum::http::Method;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{HttpMethod, OpenApi};
use utoipa::{Modify, OpenApi as _};

use super::dto::problem::ProblemDocument;
use super::routes;

/// What is not said at the handlers.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "ThemisDB maintenance",
        description = "Plans, runs and reports database maintenance for ThemisDB servers. Times are RFC 3339 in UTC with milliseconds. \
            Every error is an `application/problem+json` document (RFC 9457); switch on its `code`. \
            Every answer carries `X-Request-Id`. A head that is too large is answered 431, one that is no HTTP 400, before any \
            operation is known. Unknown query parameters and unknown fields are refused.",
    ),
    servers((url = "/", description = "This service.")),
    tags(
        (name = "schedules", description = "Named plans: when, in which window, which tasks, on which target."),
        (name = "jobs", description = "Runs of schedules."),
        (name = "targets", description = "The configured ThemisDB servers: how they are, and pauses of one or of all."),
        (name = "freezes", description = "Days on which nobody touches production."),
        (name = "health", description = "The health report over all modules."),
        (name = "extension", description = "Operations beyond the basic eleven: run, cancel, retry, preview, pauses, freezes, targets, task types."),
        (name = "operations", description = "For the machinery around the service, without a token."),
    ),
    components(schemas(ProblemDocument)),
    modifiers(&BearerTokens),
)]
struct BaseDocument;

struct BearerTokens;

impl Modify for BearerTokens {
    fn modify(&self, document: &mut OpenApi) {
        let description = "A JWT with `sub`, `exp` and one of the scopes `maintenance:read`, `maintenance:write`, `maintenance:admin`; \
            each contains the ones before it. Scopes are read from the claims `scope`, `scp`, `permissions` and `roles`.";
        let scheme =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(description)).build();
        document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The document before the routes are added.
pub(super) fn base_document() -> OpenApi {
    BaseDocument::openapi()
}

/// The document before what holds for every operation is added.
fn as_the_handlers_say() -> OpenApi {
    routes::documented().merge(routes::metrics()).into_openapi()
}

/// The document, complete.
pub fn openapi() -> OpenApi {
    let mut document = as_the_handlers_say();
    finish::finish(&mut document);
    schemas::finish(&mut document);
    document
}

/// The document as JSON, indented, with a line break at the end; the same text every time.
pub fn openapi_json() -> String {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let text = openapi().to_pretty_json().expect("a document of maps with string keys can be written as JSON");
        text + "\n"
    });
    TEXT.clone()
}

/// An operation of the document.
pub struct DocumentedOperation {
    /// Its method.
    pub method: Method,
    /// Its path, with placeholders.
    pub route: String,
    /// Its operation id.
    pub id: String,
    /// The status of success.
    pub success: u16,
}

/// Every operation of the document. Put together once: a start needs it, and the whole document is seldom asked for.
pub fn operations() -> &'static [DocumentedOperation] {
    static OPERATIONS: LazyLock<Vec<DocumentedOperation>> = LazyLock::new(|| {
        let operations = as_the_handlers_say().paths.paths.into_iter().flat_map(|(path, item)| {
            finish::operations(item).map(move |(method, operation)| documented_operation(path.clone(), &method, operation))
        });
        operations.flatten().collect()
    });
    &OPERATIONS
}

fn documented_operation(route: String, method: &HttpMethod, operation: Operation) -> Option<DocumentedOperation> {
    let statuses = operation.responses.responses.keys().filter_map(|status| status.parse().ok());
    // The highest, as a trial of what is answered 201 is answered 200.
    let success = statuses.filter(|status| (200..300).contains(status)).max()?;
    Some(DocumentedOperation { method: method_of(method)?, route, id: operation.operation_id?, success })
}

fn method_of(method: &HttpMethod) -> Option<Method> {
    match method {
        HttpMethod::Get => Some(Method::GET),
        HttpMethod::Put => Some(Method::PUT),
        HttpMethod::Post => Some(Method::POST),
        HttpMethod::Delete => Some(Method::DELETE),
        HttpMethod::Patch => Some(Method::PATCH),
        HttpMethod::Options | HttpMethod::Head | HttpMethod::Trace => None,
    }
}
