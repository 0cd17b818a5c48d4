//! Layers: trees of values that remember who set them, and how one is laid over another.
//!
//! A tree may hold secrets as they were written down. It cannot be printed, and is wiped when it has been read ([`Node::wipe`]). What
//! the TOML parser held meanwhile, and the environment of the process, are out of reach.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::zeroize::Zeroize;

use super::mistake::{Notes, Source};
use crate::domain::task::TaskType;

/// A value and who set it.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) source: Arc<Source>,
}

#[derive(Clone)]
pub(super) enum Value {
    Table(Table),
    List(Vec<Node>),
    /// Neither table nor array.
    Scalar(toml::Value),
    /// From the environment: text, of whatever type its key needs; `structured` is what it says when it is written as a table or
    /// an array.
    Text {
        text: String,
        structured: Option<Box<Node>>,
    },
}

pub(super) type Table = BTreeMap<String, Node>;

impl Node {
    pub(super) fn from_toml(value: toml::Value, source: &Arc<Source>) -> Self {
        let value = match value {
            toml::Value::Table(table) => {
                Value::Table(table.into_iter().map(|(key, value)| (key, Self::from_toml(value, source))).collect())
            }
            toml::Value::Array(items) => Value::List(items.into_iter().map(|item| Self::from_toml(item, source)).collect()),
            scalar => Value::Scalar(scalar),
        };
        Self { value, source: Arc::clone(source) }
    }

    /// Reads a text from the environment.
    pub(super) fn from_text(text: String, source: &Arc<Source>) -> Self {
        let looks_structured = text.trim_start().starts_with(['[', '{']);
        let parsed = looks_structured.then(|| parse_structured(&text)).flatten();
        let structured = parsed.map(|value| Box::new(Self::from_toml(value, source)));
        Self { value: Value::Text { text, structured }, source: Arc::clone(source) }
    }

    /// Overwrites every text in the tree.
    pub(super) fn wipe(&mut self) {
        match &mut self.value {
            Value::Table(members) => members.values_mut().for_each(Self::wipe),
            Value::List(items) => items.iter_mut().for_each(Self::wipe),
            Value::Scalar(toml::Value::String(text)) => text.zeroize(),
            Value::Scalar(_) => {}
            Value::Text { text, structured } => {
                text.zeroize();
                structured.iter_mut().for_each(|node| node.wipe());
            }
        }
    }

    pub(super) fn empty_table(source: Source) -> Self {
        Self { value: Value::Table(Table::new()), source: Arc::new(source) }
    }
}

/// An array or a table, in the syntax of JSON or of TOML.
fn parse_structured(text: &str) -> Option<toml::Value> {
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(text) {
        return toml::Value::try_from(value).ok();
    }
    toml::from_str::<toml::Table>(&format!("value = {text}")).ok()?.remove("value")
}

/// Parses a file's text.
///
/// # Errors
/// Says what is wrong and in which line. The line itself is not shown: it may hold a secret.
pub(super) fn parse_file(text: &str, source: &Arc<Source>, notes: &Notes) -> Result<Node, String> {
    let table = toml::from_str::<toml::Table>(text).map_err(|error| {
        let line = error.span().map_or(0, |span| text.as_bytes().iter().take(span.start).filter(|&&byte| byte == b'\n').count());
        let message = error.message().lines().next().unwrap_or("no TOML");
        format!("is not TOML: {message} (line {})", line + 1)
    })?;
    let mut root = Node::from_toml(toml::Value::Table(table), source);
    spell_task_types(&mut root, notes);
    Ok(root)
}

/// Lays `over` upon `base`: tables are merged key by key, anything else is replaced. A recipe from a file replaces the one below
/// as a whole, because half of one recipe with half of another is neither; a variable from the environment changes one key of it.
pub(super) fn merge(base: &mut Node, over: Node) {
    merge_at(base, over, &mut Vec::new());
}

fn merge_at(base: &mut Node, over: Node, path: &mut Vec<String>) {
    let replaces = is_recipe(path) && !matches!(*over.source, Source::Environment(_));
    match (&mut base.value, over.value) {
        (Value::Table(below), Value::Table(above)) if !replaces => {
            for (key, node) in above {
                match below.get_mut(&key) {
                    Some(existing) => {
                        path.push(key);
                        merge_at(existing, node, path);
                        path.pop();
                    }
                    None => {
                        below.insert(key, node);
                    }
                }
            }
        }
        (_, value) => {
            base.wipe();
            *base = Node { value, source: over.source };
        }
    }
}

/// True for a recipe's path; a pre-flight check that is written as a single table is one, too.
fn is_recipe(path: &[String]) -> bool {
    match path {
        [section, _] => section == "endpoints" || section == "custom_endpoints",
        [section, _, inner] => section == "targets" && inner == "preflight",
        [section, _, inner, _] => match section.as_str() {
            "targets" => inner == "endpoints",
            "profiles" => inner == "endpoints" || inner == "custom_endpoints",
            _ => false,
        },
        _ => false,
    }
}

/// Tables whose keys are task types, within each table of a section.
const KEYED_BY_TYPE: [(&str, &str); 3] = [("targets", "endpoints"), ("targets", "parameters"), ("profiles", "endpoints")];

/// Writes the names of task types in upper case, so that layers which spell them differently mean the same.
pub(super) fn spell_task_types(root: &mut Node, notes: &Notes) {
    let Value::Table(sections) = &mut root.value else { return };
    if let Some(endpoints) = sections.get_mut("endpoints") {
        spell(endpoints, "endpoints", notes);
    }
    for (section, inner) in KEYED_BY_TYPE {
        let Some(Node { value: Value::Table(tables), .. }) = sections.get_mut(section) else { continue };
        for (name, table) in tables {
            if let Value::Table(keys) = &mut table.value
                && let Some(by_type) = keys.get_mut(inner)
            {
                spell(by_type, &format!("{section}.{name}.{inner}"), notes);
            }
        }
    }
}

fn spell(by_type: &mut Node, path: &str, notes: &Notes) {
    let Value::Table(members) = &mut by_type.value else { return };
    for (key, member) in std::mem::take(members) {
        let name = TaskType::parse(&key).map_or(key, |task_type| task_type.as_str().to_owned());
        let source = Arc::clone(&member.source);
        if members.insert(name.clone(), member).is_some() {
            notes.add(format!("{path}.{name}"), "is given twice, in different letter case", &source);
        }
    }
}
