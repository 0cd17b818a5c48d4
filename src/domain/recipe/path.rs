//! Paths with places, below a target's base URL: what may stand in them, and how the places are filled.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};

use super::render::{RenderError, scalar_text};

/// Everything but the unreserved characters of RFC 3986, so that a value stays within its segment.
const NOT_UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A path with `{parameter}` places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate(String);

/// Why a text is not a path template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathTemplateError {
    /// It has to be a path, never a URL.
    #[error("must begin with '/' and contain no '//', no '..', no blank, and no '%' without two hex digits")]
    NotAPath,
    /// `/admin/restore` replaces the live database (THEMISDB.md).
    #[error("must not lead to /admin/restore, which replaces the live database")]
    Restore,
    /// A brace without its partner, or nothing between them.
    #[error("has a '{{' or '}}' without its partner, or an empty '{{}}'")]
    Braces,
}

impl PathTemplate {
    /// Checks a template.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, PathTemplateError> {
        let forbidden = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\\' | '#');
        if !text.starts_with('/')
            || text.contains("//")
            || text.contains("..")
            || text.contains(forbidden)
            || has_half_an_escape(text)
        {
            return Err(PathTemplateError::NotAPath);
        }
        if leads_to_restore(text) {
            return Err(PathTemplateError::Restore);
        }
        let mut open = false;
        for (index, c) in text.char_indices() {
            match c {
                '{' if open => return Err(PathTemplateError::Braces),
                '{' => open = true,
                '}' if !open || text[..index].ends_with('{') => return Err(PathTemplateError::Braces),
                '}' => open = false,
                _ => {}
            }
        }
        if open { Err(PathTemplateError::Braces) } else { Ok(Self(text.to_owned())) }
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Names of the parameters in the path.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.0.split('{').skip(1).filter_map(|rest| rest.split('}').next())
    }

    pub(super) fn render(&self, values: &Map<String, Value>) -> Result<String, RenderError> {
        let mut path = String::with_capacity(self.0.len() + 32);
        let mut rest = self.0.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (name, tail) = after.split_once('}').unwrap_or((after, ""));
            path.push_str(before);
            let value = values.get(name).ok_or_else(|| RenderError::Missing(name.to_owned()))?;
            let text = scalar_text(value).ok_or_else(|| RenderError::NotScalar(name.to_owned()))?;
            if text.is_empty() || text == "." || text == ".." {
                return Err(RenderError::NotASegment(name.to_owned()));
            }
            path.extend(utf8_percent_encode(&text, NOT_UNRESERVED));
            rest = tail;
        }
        path.push_str(rest);
        if leads_to_restore(&path) { Err(RenderError::Restore) } else { Ok(path) }
    }
}

/// True for a `%` without its two digits: a value could complete it, and make a dot or a slash of it.
fn has_half_an_escape(text: &str) -> bool {
    let digits = |rest: &str| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    text.split('%').skip(1).any(|rest| !digits(rest))
}

/// How many servers on the way may each decode a path: a proxy, one behind it, and the target.
const DECODERS: usize = 3;

/// True when a server might take the path for `/admin/restore`: encoded letters, slashes and dots are read as what they stand for,
/// also when they were encoded more than once, and `..` is followed.
pub fn leads_to_restore(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default().to_owned();
    std::iter::successors(Some(path), |path| {
        path.contains('%').then(|| percent_decode_str(path).decode_utf8_lossy().into_owned())
    })
    .take(1 + DECODERS)
    .any(|path| is_restore(&path))
}

fn is_restore(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let mut resolved: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(resolved.pop()),
            other => resolved.push(other),
        }
    }
    let leads = |segments: Vec<&str>| segments.join("/").contains("admin/restore");
    leads(resolved) || leads(path.split('/').filter(|segment| !matches!(*segment, "" | ".")).collect())
}
