//! Which fields of a schedule are its author's, and whether two schedules are the same in them.

use serde_json::{Map, Value};

use crate::domain::schedule_input::OUTPUT_ONLY;

/// The author's fields of a document; those without a value count as left out.
pub fn of_author(document: &Value) -> Map<String, Value> {
    let members = document.as_object().into_iter().flatten();
    members
        .filter(|(field, value)| !OUTPUT_ONLY.contains(&field.as_str()) && !value.is_null())
        .map(|(field, value)| (field.clone(), if field == "tasks" { tasks(value) } else { value.clone() }))
        .collect()
}

/// Tasks without what was not said of them.
fn tasks(list: &Value) -> Value {
    let mut list = list.clone();
    for task in list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        task.retain(|_, value| !value.is_null());
    }
    list
}

/// The live schedule with what a document says put over it, for a service that cannot tell itself what would become of it. What is
/// already as the document says stays as the service wrote it.
pub fn put_over(live: &Map<String, Value>, given: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = live.clone();
    for (field, value) in given {
        match live.get(field) {
            Some(there) if says(there, value) => {}
            _ => drop(merged.insert(field.clone(), value.clone())),
        }
    }
    // One way to say where takes the place of another.
    let ways = ["target", "targets", "target_group"];
    if ways.iter().any(|way| given.contains_key(*way)) {
        merged.retain(|field, _| !ways.contains(&field.as_str()) || given.contains_key(field));
    }
    merged
}

/// Whether the service's value says what an author's does: words count in any letter case, and what the author leaves out is not
/// looked at.
fn says(there: &Value, given: &Value) -> bool {
    match (there, given) {
        (Value::Object(there), Value::Object(given)) => {
            given.iter().all(|(field, value)| value.is_null() || there.get(field).is_some_and(|there| says(there, value)))
        }
        (Value::Array(there), Value::Array(given)) => {
            there.len() == given.len() && there.iter().zip(given).all(|(there, given)| says(there, given))
        }
        (Value::String(there), Value::String(given)) => there == given || (is_word(there) && there.eq_ignore_ascii_case(given)),
        (there, given) => there == given,
    }
}

/// A word of the service's own, as `INDEX_REBUILD`.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_the_author_decides_is_compared() {
        let document = json!({"id": "s", "version": 3, "pause": null, "warnings": [], "targets": null, "target": "a", "labels": {},
            "tasks": ["A", {"task_type": "B", "name": null, "parameters": {"x": null}}]});
        assert_eq!(
            Value::Object(of_author(&document)),
            json!({"id": "s", "target": "a", "labels": {},
            "tasks": ["A", {"task_type": "B", "parameters": {"x": null}}]})
        );
    }

    #[test]
    fn what_the_service_says_in_its_own_way_is_no_difference() {
        let live = json!({"id": "s", "frequency": "WEEKLY", "target": "a", "max_attempts": 3,
            "tasks": ["LOG_ROTATION", {"task_type": "CUSTOM", "name": null, "parameters": {"endpoint": "e"}, "depends_on": []}]});
        let live = of_author(&live);
        let same = json!({"id": "s", "frequency": "weekly", "tasks": ["log_rotation", {"task_type": "CUSTOM", "parameters": {"endpoint": "e"}}]});
        assert_eq!(put_over(&live, &of_author(&same)), live);
        let other = json!({"id": "s", "target_group": "g", "tasks": ["LOG_ROTATION"]});
        let changed = put_over(&live, &of_author(&other));
        assert_eq!(
            (changed.get("target"), &changed["target_group"], &changed["tasks"]),
            (None, &json!("g"), &json!(["LOG_ROTATION"]))
        );
    }
}
