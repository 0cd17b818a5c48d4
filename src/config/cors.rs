//! `[server.cors]`: which web pages may read answers.

use url::{Origin, Url};

use super::layer::Node;
use super::section::Section;
use super::values::strings;

/// The allowed origins, as a browser writes them.
pub(super) fn allowed_origins(mut section: Section<'_>) -> Option<Vec<String>> {
    let origins = section.required("allowed_origins", origins);
    section.finish();
    origins
}

fn origins(node: &Node) -> Result<Vec<String>, String> {
    strings(node)?.iter().map(|text| origin(text.trim())).collect()
}

fn origin(text: &str) -> Result<String, String> {
    if text.contains('*') {
        let reason = "a page of any site could then use a token that it got hold of, from within your network";
        return Err(format!("must name each origin, without \"*\": {reason}"));
    }
    let wrong = || format!("must hold origins such as \"https://ops.example:8443\", without a path, not \"{text}\"");
    let url = Url::parse(text).map_err(|_| wrong())?;
    let origin = url.origin();
    // Compared with what was written, so that a path or a user name cannot be overlooked; a default port or a slash may stand there.
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    match origin {
        Origin::Tuple(..) if bare && matches!(url.scheme(), "http" | "https") => Ok(origin.ascii_serialization()),
        _ => Err(wrong()),
    }
}
