//! `[endpoints.TYPE]`, `[targets.NAME.endpoints.TYPE]` and `[custom_endpoints.NAME]`: recipes out of tables.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::layer::{Node, Value};
use super::recipe_calls::{call, cancel, checks, discoveries, poll, steps};
use super::recipe_places;
use super::recipe_rules::{assert_pointer, capture, success};
use super::section::Section;
use super::targets::check_name;
use super::values::{boolean, duration, float, string, strings};
use crate::domain::recipe::{DEFAULT_TIMEOUT, Recipe, SummaryEntry};
use crate::domain::task::TaskType;

/// What a target has for a task type.
#[derive(Debug, Clone)]
pub(super) enum Endpoint {
    /// This.
    Recipe(Arc<Recipe>),
    /// Nothing, although a lower layer had something.
    Disabled,
}

pub(super) type Endpoints = BTreeMap<TaskType, Endpoint>;
pub(super) type CustomEndpoints = BTreeMap<String, Endpoint>;

/// Reads the recipes of task types.
pub(super) fn endpoints(sections: Vec<(&str, Section<'_>)>) -> Endpoints {
    let mut found = Endpoints::new();
    for (name, section) in sections {
        match TaskType::parse(name) {
            None => section.table_mistake(unknown_type(name)),
            Some(TaskType::Custom) => {
                section.table_mistake("cannot have an endpoint: a CUSTOM task names one of [custom_endpoints.NAME]");
            }
            Some(task_type) => {
                found.extend(endpoint(section).map(|endpoint| (task_type, endpoint)));
            }
        }
    }
    found
}

/// Reads the custom endpoints.
pub(super) fn custom_endpoints(sections: Vec<(&str, Section<'_>)>) -> CustomEndpoints {
    let mut found = CustomEndpoints::new();
    for (name, section) in sections {
        check_name(name, &section);
        found.extend(endpoint(section).map(|endpoint| (name.to_owned(), endpoint)));
    }
    found
}

pub(super) fn unknown_type(name: &str) -> String {
    let hint = super::mistake::closest(&name.to_ascii_uppercase(), TaskType::ALL.map(TaskType::as_str));
    format!("is not a task type{}", hint.map_or(String::new(), |word| format!("; did you mean {word}?")))
}

fn endpoint(mut section: Section<'_>) -> Option<Endpoint> {
    let disabled = section.or("disabled", false, boolean);
    if disabled == Some(true) && section.is_only("disabled") {
        return Some(Endpoint::Disabled);
    }
    let recipe = recipe(section);
    if disabled? { Some(Endpoint::Disabled) } else { Some(Endpoint::Recipe(Arc::new(recipe?))) }
}

fn recipe(mut section: Section<'_>) -> Option<Recipe> {
    let steps = steps(&mut section);
    let call = call(&mut section, None);
    let capture = capture(&mut section);
    let required = section.or("required_parameters", Vec::new(), strings);
    let minimums = minimums(&mut section);
    let success = success(&mut section);
    let verify = checks(&mut section);
    let limit = Duration::from_millis(1)..=DEFAULT_TIMEOUT;
    let timeout = section.or("timeout", DEFAULT_TIMEOUT, duration(limit));
    let poll = poll(&mut section, timeout.unwrap_or(DEFAULT_TIMEOUT));
    let cancel = cancel(&mut section);
    let discover = discoveries(&mut section);
    let idempotent = section.or("idempotent", false, boolean);
    let on_unknown = match section.node("on_unknown") {
        None => Some(None),
        Some(_) => section.optional("on_unknown", string).map(Some),
    };
    let summary = section.or("summary", Vec::new(), |node| strings(node)?.into_iter().map(summary_entry).collect());
    section.finish();
    let mut recipe = Recipe {
        steps: steps?,
        call: call?,
        capture: capture?,
        required_parameters: required?,
        minimums: minimums?,
        success: success?,
        verify: verify?,
        poll: poll?,
        cancel: cancel?,
        discover: discover?,
        timeout: timeout?,
        idempotent: idempotent?,
        on_unknown: on_unknown?,
        summary: summary?,
    };
    for mistake in recipe_places::mistakes(&recipe) {
        section.table_mistake(mistake);
    }
    for entry in &recipe.summary {
        if let SummaryEntry::Captured(name) = entry
            && !recipe.captures(name)
        {
            section.mistake("summary", format!("names {{{name}}}, which nothing captures"));
        }
    }
    recipe.required_parameters = recipe_places::required_parameters(&recipe);
    Some(recipe)
}

fn summary_entry(text: String) -> Result<SummaryEntry, String> {
    match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) => Ok(SummaryEntry::Captured(name.to_owned())),
        None => assert_pointer(text).map(SummaryEntry::Pointer),
    }
}

fn minimums(section: &mut Section<'_>) -> Option<BTreeMap<String, f64>> {
    let read = |node: &Node| match &node.value {
        Value::Table(members) => members.iter().map(|(name, node)| Ok((name.clone(), float(node)?))).collect(),
        _ => Err("must be a table of numbers by parameter".to_owned()),
    };
    section.or("parameter_minimums", BTreeMap::new(), read)
}
