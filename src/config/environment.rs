//! The environment as a layer: `THEMIS_MAINTENANCE__SECTION__KEY`, in any letter case.
//!
//! Two underscores separate, so that the variables which Kubernetes makes for a service of this name
//! (`THEMIS_MAINTENANCE_SERVICE_HOST`) mean nothing here. Names within (targets, probes, endpoints) are lower-cased.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::layer::{self, Node, Table, Value};
use super::mistake::{Notes, Source};

/// What the variables of the service begin with.
pub const ENVIRONMENT_PREFIX: &str = "THEMIS_MAINTENANCE__";

/// The most levels of one key. The deepest keys that mean something have less than ten; layers are read recursively, and a name of
/// thousands would exhaust the stack.
const MAX_LEVELS: usize = 32;

/// Makes a layer of the variables that begin with the prefix. Of two spellings of one key the later one counts.
pub(super) fn environment_layer(variables: impl IntoIterator<Item = (String, String)>, notes: &Notes) -> Node {
    // Sorted by key, so that the outcome does not depend on the order of the environment.
    let mut ours: BTreeMap<String, (String, String)> = BTreeMap::new();
    for (name, text) in variables {
        if let Some(key) = key_of(&name) {
            ours.insert(key, (name, text));
        }
    }
    let mut root = Node::empty_table(Source::Environment(format!("{ENVIRONMENT_PREFIX}…")));
    for (key, (name, text)) in ours {
        let source = Arc::new(Source::Environment(name));
        let path: Vec<&str> = key.split("__").collect();
        if path.iter().any(|segment| segment.is_empty()) {
            notes.add("", format!("is not a key: write {ENVIRONMENT_PREFIX}SECTION__KEY"), &source);
            continue;
        }
        if path.len() > MAX_LEVELS {
            notes.add("", format!("is not a key: it has more than {MAX_LEVELS} levels"), &source);
            continue;
        }
        let leaf = Node::from_text(text, &source);
        let branch = path.into_iter().rev().fold(leaf, |node, segment| Node {
            value: Value::Table(Table::from([(segment.to_owned(), node)])),
            source: Arc::clone(&source),
        });
        layer::merge(&mut root, branch);
    }
    layer::spell_task_types(&mut root, notes);
    root
}

/// The part of a variable's name after the prefix, in lower case; `None` for a variable that is not ours.
pub(crate) fn key_of(name: &str) -> Option<String> {
    let head = name.get(..ENVIRONMENT_PREFIX.len())?;
    head.eq_ignore_ascii_case(ENVIRONMENT_PREFIX).then(|| name[ENVIRONMENT_PREFIX.len()..].to_ascii_lowercase())
}
