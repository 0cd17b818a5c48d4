//! Regular expressions of recipes, compiled when the configuration is read.

use std::fmt;

use regex::{Regex, RegexBuilder};

use crate::domain::fields::printable_message;

/// The longest expression, in bytes. An assertion looks for a word or two, not for a language.
const LONGEST: usize = 1000;
/// What a compiled expression may take, in bytes: a short one such as `\w{1000}` can become large.
const SIZE_LIMIT: usize = 1024 * 1024;

/// A regular expression, anchored nowhere. Matching takes time linear in the text, whatever a target answers.
#[derive(Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// Says in words why the text is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("must be a regular expression of at most {LONGEST} bytes"));
        }
        let compiled = RegexBuilder::new(text).size_limit(SIZE_LIMIT).build();
        compiled.map(Self).map_err(|error| {
            // A syntax error is drawn over several lines; the last one says it.
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("must be a regular expression: {}", printable_message(reason))
        })
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// True when the expression is found in the text.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Pattern({:?})", self.as_str())
    }
}
