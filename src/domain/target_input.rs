//! Reads from a request document where a schedule runs: on one target, on several, or on a group.

use serde_json::Value;

use super::access::Access;
use super::catalog::Catalog;
use super::fields::{Fields, printable, type_name};
use super::target_selection::TargetSelection;

/// The target of a schedule that names none.
pub const DEFAULT_TARGET: &str = "default";
/// The most targets that a schedule can list.
pub const MAX_TARGETS: usize = 64;

/// The three ways to say where a schedule runs.
pub(super) const TARGET_FIELDS: [&str; 3] = ["target", "targets", "target_group"];

/// Whether a request document names a target, or a group with a target, that is outside of `access`. Looked at before anything else of
/// the document, so that no complaint about it tells of targets that the caller may not know. What is no name is for the reader to
/// complain about. `default` is what a document without any means; none for a patch.
pub fn names_outside(document: &Value, access: &Access, catalog: &Catalog, default: Option<&str>) -> bool {
    let outside = |name: &Value| name.as_str().is_some_and(|name| !access.allows_target(name));
    let group_outside = |name: &Value| {
        let members = name.as_str().and_then(|name| catalog.group(name));
        members.map_or_else(|| outside(name), |members| members.iter().any(|member| !access.allows_target(member)))
    };
    let given = |field: &str| document.get(field).filter(|value| !value.is_null());
    let one = given("target").is_some_and(outside);
    let many = given("targets").and_then(Value::as_array).is_some_and(|names| names.iter().any(outside));
    let group = given("target_group").is_some_and(group_outside);
    let none = TARGET_FIELDS.into_iter().all(|field| given(field).is_none());
    one || many || group || none && default.is_some_and(|name| !access.allows_target(name))
}

/// One of `target`, `targets` and `target_group`; without any, the default target.
pub(super) fn read_target(fields: &mut Fields<'_>, catalog: &Catalog) -> TargetSelection {
    let given: Vec<&'static str> = TARGET_FIELDS.into_iter().filter(|field| fields.value(field).is_some()).collect();
    if let [_, second, ..] = given.as_slice() {
        fields.error(second, format!("cannot stand beside {}: give one of {}", given[0], TARGET_FIELDS.join(", ")));
    }
    match given.first() {
        Some(&"targets") => TargetSelection::Many(read_targets(fields, catalog)),
        Some(&"target_group") => {
            let group = fields.string("target_group");
            // What is no text has been complained of.
            if let Some(group) = group.filter(|group| catalog.group(group).is_none()) {
                let known: Vec<&str> = catalog.group_names().collect();
                let known = if known.is_empty() { "there are none".to_owned() } else { known.join(", ") };
                fields.error("target_group", format!("'{}' is not a configured group ({known})", printable(group)));
            }
            TargetSelection::Group { group: group.unwrap_or_default().to_owned() }
        }
        Some(_) => {
            let target = fields.string("target").map(str::to_owned);
            if let Some(unknown) = target.as_deref().and_then(|target| unknown_target(target, catalog)) {
                fields.error("target", unknown);
            }
            TargetSelection::One(target.unwrap_or_default())
        }
        None => {
            if let Some(unknown) = unknown_target(DEFAULT_TARGET, catalog) {
                fields.error("target", unknown);
            }
            TargetSelection::One(DEFAULT_TARGET.to_owned())
        }
    }
}

/// Whether a text can be a target's name as far as its characters go.
pub fn can_name_a_target(text: &str) -> bool {
    let in_a_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    !text.is_empty() && text.bytes().all(in_a_name)
}

/// Reads the field `targets`: 1 to 64 names of configured targets, none of them twice.
pub(super) fn read_targets(fields: &mut Fields<'_>, catalog: &Catalog) -> Vec<String> {
    let Some(items) = fields.array("targets") else { return Vec::new() };
    if items.is_empty() || items.len() > MAX_TARGETS {
        fields.error("targets", format!("must have 1 to {MAX_TARGETS} items, not {}", items.len()));
        return Vec::new();
    }
    let mut targets: Vec<String> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let field = format!("targets[{index}]");
        match item.as_str() {
            None => fields.error(&field, format!("must be a target's name, not {}", type_name(item))),
            Some(target) if targets.iter().any(|earlier| earlier == target) => fields.error(&field, "is named twice"),
            Some(target) => {
                if let Some(unknown) = unknown_target(target, catalog) {
                    fields.error(&field, unknown);
                }
                targets.push(target.to_owned());
            }
        }
    }
    targets
}

fn unknown_target(target: &str, catalog: &Catalog) -> Option<String> {
    let known = || catalog.target_names().collect::<Vec<_>>().join(", ");
    (!catalog.has_target(target)).then(|| format!("'{}' is not a configured target ({})", printable(target), known()))
}
