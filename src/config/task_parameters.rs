//! `[targets.NAME.parameters]`: what a target's tasks are told when their schedule does not say.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::layer::Node;
use super::recipe::unknown_type;
use super::section::Section;
use super::values::json;
use crate::domain::task::{MAX_ITEMS, Parameters, TaskType};

/// Reads the default parameters by task type.
pub(super) fn task_parameters(section: &Section<'_>) -> BTreeMap<TaskType, Parameters> {
    let mut found = BTreeMap::new();
    for (name, node) in section.members() {
        let Some(task_type) = TaskType::parse(name) else {
            section.mistake(name, unknown_type(name));
            continue;
        };
        match parameters(node) {
            Ok(parameters) => {
                found.insert(task_type, parameters);
            }
            Err(message) => section.mistake(name, message),
        }
    }
    found
}

fn parameters(node: &Node) -> Result<Parameters, String> {
    match json(node)? {
        Value::Object(object) => Ok(Parameters::One(object)),
        Value::Array(items) if (1..=MAX_ITEMS).contains(&items.len()) => {
            let objects: Option<Vec<Map<String, Value>>> = items.into_iter().map(into_object).collect();
            objects.map(Parameters::Many).ok_or_else(|| "must hold nothing but tables, one for each call".to_owned())
        }
        Value::Array(items) => Err(format!("must hold from 1 to {MAX_ITEMS} tables, not {}", items.len())),
        _ => Err("must be a table of parameters, or an array of such tables".to_owned()),
    }
}

fn into_object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}
