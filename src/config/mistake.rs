//! What is wrong with a configuration: every mistake with its key and with the place that set it.

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::fields::{printable, printable_message};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The compiled-in defaults; also what nobody set.
    Default,
    /// A file given with `--config`.
    File(PathBuf),
    /// An environment variable, by its name as it was spelled.
    Environment(String),
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("defaults"),
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Environment(name) => write!(formatter, "environment variable {}", printable(name)),
        }
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigMistake {
    /// Path of the key, for example `targets.default.base_url`; empty for a source as a whole.
    pub key: String,
    /// What is wrong, as an end of the sentence that begins with the key. Never holds a secret.
    pub message: String,
    /// Who set it.
    pub source: Source,
}

impl fmt::Display for ConfigMistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.source)?;
        if !self.key.is_empty() {
            write!(formatter, "{} ", self.key)?;
        }
        formatter.write_str(&self.message)
    }
}

/// All mistakes of a configuration, at least one; displayed one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigMistakes(pub Vec<ConfigMistake>);

impl fmt::Display for ConfigMistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            mistake.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigMistakes {}

/// Gathers mistakes while sections are read. Shared by reference, so that a section and its subsections can note at the same time.
#[derive(Debug, Default)]
pub(super) struct Notes(RefCell<Vec<ConfigMistake>>);

impl Notes {
    /// Notes a mistake. Keys and messages quote what was written, and are printed on a terminal: cut, and without control characters.
    pub(super) fn add(&self, key: impl Into<String>, message: impl Into<String>, source: &Arc<Source>) {
        let (key, message) = (printable_message(&key.into()), printable_message(&message.into()));
        let mistake = ConfigMistake { key, message, source: source.as_ref().clone() };
        self.0.borrow_mut().push(mistake);
    }

    pub(super) fn into_mistakes(self) -> Vec<ConfigMistake> {
        self.0.into_inner()
    }
}

/// The known word that `text` was probably meant to be.
pub(super) fn closest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Two edits, and at most a third of the word: nearer words are slips, farther ones are guesses.
    let limit = (text.chars().count() / 3).min(2);
    let distances = known.into_iter().map(|word| (edits(text, word), word));
    distances.filter(|(distance, _)| *distance <= limit).min_by_key(|(distance, _)| *distance).map(|(_, word)| word)
}

/// Levenshtein's distance.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_a_guess_does_not() {
        let known = ["listen", "request_timeout", "leeway"];
        assert_eq!(closest("lisen", known), Some("listen"));
        assert_eq!(closest("request_timeuot", known), Some("request_timeout"));
        assert_eq!(closest("port", known), None);
        assert_eq!(closest("", known), None);
        assert_eq!((edits("kitten", "sitting"), edits("", "abc"), edits("abc", "abc")), (3, 3, 0));
    }

    #[test]
    fn a_mistake_names_its_source_and_key() {
        let mistake = |key: &str, source| ConfigMistake { key: key.into(), message: "is wrong".into(), source };
        assert_eq!(mistake("a.b", Source::File("x.toml".into())).to_string(), "x.toml: a.b is wrong");
        assert_eq!(mistake("", Source::Default).to_string(), "defaults: is wrong");
        let all = ConfigMistakes(vec![mistake("a", Source::Environment("E".into())), mistake("b", Source::Default)]);
        assert_eq!(all.to_string(), "environment variable E: a is wrong\ndefaults: b is wrong");
    }
}
