//! A reader over one table: typed values by key, every mistake noted with its path and source, unknown keys listed.
//!
//! A reader that returns `None` for a required value has noted why; so a section reads all of its keys first, and only then
//! gives up on the first `None`.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::layer::{Node, Table, Value};
use super::mistake::{Notes, Source, closest};
use super::values;

pub(super) struct Section<'a> {
    path: String,
    members: &'a Table,
    source: &'a Arc<Source>,
    known: Vec<&'static str>,
    notes: &'a Notes,
}

impl<'a> Section<'a> {
    /// Reads a node as a table; anything else is noted.
    pub(super) fn new(path: impl Into<String>, node: &'a Node, notes: &'a Notes) -> Option<Self> {
        let path = path.into();
        match &node.value {
            Value::Table(members) => Some(Self { path, members, source: &node.source, known: Vec::new(), notes }),
            Value::Text { structured: Some(parsed), .. } => Self::new(path, parsed, notes),
            _ => {
                notes.add(path, format!("must be a table, not {}", values::kind(node)), &node.source);
                None
            }
        }
    }

    /// The path of a key.
    pub(super) fn path(&self, key: &str) -> String {
        below(&self.path, key)
    }

    /// The raw value. An empty string counts as absent: it is how a variable or a file takes back what a lower layer set.
    pub(super) fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.given(key).filter(|node| !is_blank(node))
    }

    /// The raw value, empty strings included.
    pub(super) fn given(&mut self, key: &'static str) -> Option<&'a Node> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.members.get(key)
    }

    /// An optional value.
    pub(super) fn optional<T>(&mut self, key: &'static str, read: impl FnOnce(&Node) -> Result<T, String>) -> Option<T> {
        let node = self.node(key)?;
        read(node).map_err(|message| self.mistake(key, message)).ok()
    }

    /// A value that has to be there.
    pub(super) fn required<T>(&mut self, key: &'static str, read: impl FnOnce(&Node) -> Result<T, String>) -> Option<T> {
        if self.node(key).is_none() {
            self.mistake(key, "is missing");
            return None;
        }
        self.optional(key, read)
    }

    /// A value with a default of its own, for tables that the default file cannot know (targets, probes, recipes).
    pub(super) fn or<T>(&mut self, key: &'static str, default: T, read: impl FnOnce(&Node) -> Result<T, String>) -> Option<T> {
        if self.node(key).is_none() { Some(default) } else { self.optional(key, read) }
    }

    /// A table.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Self> {
        let node = self.node(key)?;
        Self::new(self.path(key), node, self.notes)
    }

    /// A table of tables by name.
    pub(super) fn named(&mut self, key: &'static str) -> Vec<(&'a str, Self)> {
        let Some(Self { members, path, notes, .. }) = self.section(key) else { return Vec::new() };
        members.iter().filter_map(|(name, node)| Some((name.as_str(), Self::new(below(&path, name), node, notes)?))).collect()
    }

    /// The members of a table whose keys are names, those with an empty string left out: that is how a layer takes one back.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'a str, &'a Node)> + use<'a> {
        self.members.iter().map(|(name, node)| (name.as_str(), node)).filter(|(_, node)| !is_blank(node))
    }

    /// The names in a table of tables, those of unreadable ones included.
    pub(super) fn names(&mut self, key: &'static str) -> Vec<&'a str> {
        match self.node(key).map(|node| &node.value) {
            Some(Value::Table(members)) => members.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// A list of tables, or a single one.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Self> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let node = match &node.value {
            Value::Text { structured: Some(parsed), .. } => parsed,
            _ => node,
        };
        let path = self.path(key);
        match &node.value {
            Value::List(items) => {
                let each = items.iter().enumerate();
                each.filter_map(|(index, item)| Self::new(format!("{path}[{index}]"), item, self.notes)).collect()
            }
            _ => Self::new(path, node, self.notes).into_iter().collect(),
        }
    }

    /// A secret, given as `key` or in a file named by `file_key`; read and trimmed now.
    pub(super) fn secret(&mut self, key: &'static str, file_key: &'static str) -> Option<SecretString> {
        let inline = self.optional(key, values::string);
        let file = self.optional(file_key, values::string).map(PathBuf::from);
        match (inline, file) {
            (Some(_), Some(_)) => {
                self.mistake(key, format!("and {file_key} are both given; give one of them"));
                None
            }
            (Some(text), None) => Some(text.into()),
            (None, Some(path)) => {
                let text = Zeroizing::new(self.file_text(file_key, &path)?);
                if text.trim().is_empty() {
                    self.mistake(file_key, format!("names an empty file, {}", path.display()));
                    return None;
                }
                Some(text.trim().into())
            }
            (None, None) => None,
        }
    }

    /// The text of a file that a key names.
    pub(super) fn file_text(&self, key: &str, path: &std::path::Path) -> Option<String> {
        std::fs::read_to_string(path)
            .map_err(|error| self.mistake(key, format!("names a file that cannot be read, {}: {error}", path.display())))
            .ok()
    }

    /// True when the table has this key and no other.
    pub(super) fn is_only(&self, key: &str) -> bool {
        self.members.len() == 1 && self.members.contains_key(key)
    }

    /// Notes a mistake at a key.
    pub(super) fn mistake(&self, key: &str, message: impl Into<String>) {
        let source = self.members.get(key).map_or(self.source, |node| &node.source);
        self.notes.add(self.path(key), message, source);
    }

    /// Notes a mistake of the table as a whole.
    pub(super) fn table_mistake(&self, message: impl Into<String>) {
        self.notes.add(self.path.as_str(), message, self.source);
    }

    /// Ends the reading: every key that nobody asked for is a mistake.
    pub(super) fn finish(&self) {
        for key in self.members.keys().filter(|key| !self.known.contains(&key.as_str())) {
            let hint = closest(key, self.known.iter().copied()).map_or(String::new(), |word| format!("; did you mean {word}?"));
            self.mistake(key, format!("is not a known key{hint}"));
        }
    }
}

/// The path of a key below another one; quoted when nothing could be seen of it.
fn below(path: &str, key: &str) -> String {
    let quoted = key.trim().is_empty().then(|| format!("{key:?}"));
    let key = quoted.as_deref().unwrap_or(key);
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn is_blank(node: &Node) -> bool {
    match &node.value {
        Value::Scalar(toml::Value::String(text)) | Value::Text { text, .. } => text.trim().is_empty(),
        _ => false,
    }
}
