//! What of an attempt is shown as its task's result.

use serde_json::{Map, Value};

/// One entry of a summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SummaryEntry {
    /// What stands at this JSON pointer in the answer, under the pointer's last segment.
    Pointer(String),
    /// A captured value, under its name.
    Captured(String),
}

impl From<&str> for SummaryEntry {
    fn from(pointer: &str) -> Self {
        Self::Pointer(pointer.to_owned())
    }
}

/// Picks the entries out of a body and of what was captured; `None` when none is there.
pub fn summarize(entries: &[SummaryEntry], body: Option<&Value>, captured: &Map<String, Value>) -> Option<Value> {
    let found: Map<String, Value> = entries
        .iter()
        .filter_map(|entry| match entry {
            SummaryEntry::Captured(name) => captured.get(name).map(|value| (name.clone(), value.clone())),
            SummaryEntry::Pointer(pointer) => {
                let name = pointer.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("body");
                body?.pointer(pointer).map(|value| (name.to_owned(), value.clone()))
            }
        })
        .collect();
    (!found.is_empty()).then_some(Value::Object(found))
}
