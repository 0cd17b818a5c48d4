//! `[endpoints.TYPE]`, `[targets.NAME.endpoints.TYPE]` and `[custom_endpoints.NAME]`: recipes out of tables.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::layer::{Node, Value};
use super::recipe_rules::{assert_pointer, checks, success};
use super::section::Section;
use super::targets::check_name;
use super::values::{boolean, duration, float, json, kind, string, strings};
use crate::domain::recipe::{Body, Call, DEFAULT_TIMEOUT, Method, PathTemplate, Poll, Recipe};
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

/// Places that the service fills, so that no parameter is required for them.
const BUILT_IN: [&str; 2] = ["job_id", "task_name"];
/// The place that is filled once the target has answered with the handle of its work.
const HANDLE: &str = "handle";

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
    let call = call(&mut section, None);
    let required = section.or("required_parameters", Vec::new(), strings);
    let minimums = minimums(&mut section);
    let success = success(&mut section);
    let verify = checks(&mut section);
    let poll = section.section("poll").map(poll);
    let cancel = section.section("cancel").map(|mut inner| {
        let call = self::call(&mut inner, None);
        inner.finish();
        call
    });
    let limit = Duration::from_millis(1)..=DEFAULT_TIMEOUT;
    let timeout = section.or("timeout", DEFAULT_TIMEOUT, duration(limit));
    let idempotent = section.or("idempotent", false, boolean);
    let summary = section.or("summary", Vec::new(), |node| strings(node)?.into_iter().map(assert_pointer).collect());
    section.finish();
    let mut recipe = Recipe {
        call: call?,
        required_parameters: required?,
        minimums: minimums?,
        success: success?,
        verify: verify?,
        // A poll or cancel table that could not be read is noted; without the table there is none.
        poll: match poll {
            Some(poll) => Some(poll?),
            None => None,
        },
        cancel: match cancel {
            Some(cancel) => Some(cancel?),
            None => None,
        },
        timeout: timeout?,
        idempotent: idempotent?,
        summary: summary?,
    };
    if places(&recipe.call).any(|place| place == HANDLE) {
        section.mistake(
            "path",
            "or body has {handle}, which is known only after the first answer: use it in poll, cancel or verify",
        );
    }
    if recipe.poll.is_none() && recipe.verify.iter().map(|check| &check.call).chain(&recipe.cancel).any(has_handle) {
        section.table_mistake("has {handle} in verify or cancel, but no poll table that says where the handle is");
    }
    recipe.required_parameters = required_parameters(&recipe);
    Some(recipe)
}

/// Method, path and body. `default_method` is for calls that have an obvious one.
pub(super) fn call(section: &mut Section<'_>, default_method: Option<Method>) -> Option<Call> {
    let read_method = |node: &Node| Method::parse(&string(node)?).ok_or("must be GET, POST, PUT, PATCH or DELETE".to_owned());
    let method = match default_method {
        Some(default) => section.or("method", default, read_method),
        None => section.required("method", read_method),
    };
    let path = section.required("path", |node| PathTemplate::parse(&string(node)?).map_err(|error| error.to_string()));
    let body = match section.node("body") {
        None => Some(match method {
            Some(Method::Get | Method::Delete) => Body::None,
            _ => Body::Parameters,
        }),
        Some(node) => body(node).map_err(|message| section.mistake("body", message)).ok(),
    };
    Some(Call { method: method?, path: path?, body: body? })
}

fn body(node: &Node) -> Result<Body, String> {
    const EXPECTED: &str = "must be \"none\", \"parameters\", or a table or an array as a template";
    let word = match &node.value {
        Value::Table(_) | Value::List(_) | Value::Text { structured: Some(_), .. } => None,
        Value::Text { text, .. } | Value::Scalar(toml::Value::String(text)) => Some(text.as_str()),
        Value::Scalar(_) => return Err(format!("{EXPECTED}, not {}", kind(node))),
    };
    match word {
        Some("none") => Ok(Body::None),
        Some("parameters") => Ok(Body::Parameters),
        Some(_) => Err(EXPECTED.to_owned()),
        None => {
            let template = json(node)?;
            let mut texts = Vec::new();
            collect_texts(&template, &mut texts);
            texts.into_iter().try_for_each(check_places)?;
            Ok(Body::Template(template))
        }
    }
}

fn poll(mut section: Section<'_>) -> Option<Poll> {
    let pointer = |node: &Node| assert_pointer(string(node)?);
    let handle = section.required("handle", pointer);
    let call = call(&mut section, Some(Method::Get));
    let state = section.required("state", pointer);
    let values = |node: &Node| match json(node)? {
        serde_json::Value::Array(values) if !values.is_empty() => Ok(values),
        _ => Err("must be an array with at least one value".to_owned()),
    };
    let succeeded = section.required("succeeded", values);
    let failed = section.or("failed", Vec::new(), values);
    let interval = section.or("interval", Duration::from_secs(5), duration(Duration::from_millis(1)..=Duration::from_secs(3600)));
    let success = success(&mut section);
    section.finish();
    Some(Poll {
        handle: handle?,
        call: call?,
        state: state?,
        succeeded: succeeded?,
        failed: failed?,
        interval: interval?,
        success: success?,
    })
}

fn minimums(section: &mut Section<'_>) -> Option<BTreeMap<String, f64>> {
    let read = |node: &Node| match &node.value {
        Value::Table(members) => members.iter().map(|(name, node)| Ok((name.clone(), float(node)?))).collect(),
        _ => Err("must be a table of numbers by parameter".to_owned()),
    };
    section.or("parameter_minimums", BTreeMap::new(), read)
}

/// The parameters that are named, and those without which some call could not be rendered.
fn required_parameters(recipe: &Recipe) -> Vec<String> {
    let mut names = recipe.required_parameters.clone();
    let later =
        recipe.verify.iter().map(|check| &check.call).chain(recipe.poll.as_ref().map(|poll| &poll.call)).chain(&recipe.cancel);
    for place in places(&recipe.call).chain(later.flat_map(places)) {
        if !BUILT_IN.contains(&place.as_str()) && place != HANDLE && !names.contains(&place) {
            names.push(place);
        }
    }
    names
}

fn has_handle(call: &Call) -> bool {
    places(call).any(|place| place == HANDLE)
}

/// Names of the places in path and body that have to be filled.
fn places(call: &Call) -> impl Iterator<Item = String> {
    let mut texts = Vec::new();
    if let Body::Template(template) = &call.body {
        collect_texts(template, &mut texts);
    }
    let in_body = texts.into_iter().flat_map(places_in).filter(|place| !place.ends_with('?'));
    let names: Vec<String> = call.path.parameters().chain(in_body).map(str::to_owned).collect();
    names.into_iter()
}

/// Follows the reading of [`Body::Template`]: from a brace to the next closing one.
fn places_in(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

fn check_places(text: &str) -> Result<(), String> {
    let alone = text.starts_with('{') && text.ends_with('}') && text.matches(['{', '}']).count() == 2;
    if !alone && places_in(text).any(|place| place.ends_with('?')) {
        return Err("has an optional place such as {name?} within a longer text; it can only stand alone".to_owned());
    }
    if places_in(text).any(|place| place.trim_end_matches('?').is_empty()) {
        return Err("has a place without a name".to_owned());
    }
    Ok(())
}

fn collect_texts<'a>(value: &'a serde_json::Value, texts: &mut Vec<&'a str>) {
    match value {
        serde_json::Value::String(text) => texts.push(text),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        serde_json::Value::Object(members) => members.values().for_each(|member| collect_texts(member, texts)),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}
