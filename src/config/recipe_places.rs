//! The places of a recipe: which names they have, what fills them, and when it is there.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::recipe::{Body, Call, HANDLE, Recipe, SuccessRule};

/// Places that the service fills, so that no parameter is required for them.
const BUILT_IN: [&str; 2] = ["job_id", "task_name"];

/// The parameters that are named, and those without which some call could not be made or some answer not judged.
pub(super) fn required_parameters(recipe: &Recipe) -> Vec<String> {
    let mut names = recipe.required_parameters.clone();
    for place in stages(recipe).into_iter().flat_map(|stage| stage.places) {
        let filled = BUILT_IN.contains(&place.name.as_str()) || place.name == HANDLE || recipe.captures(&place.name);
        if !filled && !place.optional && !names.contains(&place.name) {
            names.push(place.name);
        }
    }
    names
}

/// What is wrong with the places of a recipe, each as an end of the sentence that begins with its key.
pub(super) fn mistakes(recipe: &Recipe) -> Vec<String> {
    let mut mistakes = captured_twice(recipe);
    // Captured so far, and the step, if any, without which it is not.
    let mut captured: BTreeMap<&str, Option<usize>> = BTreeMap::new();
    for stage in stages(recipe) {
        for Place { name, optional } in &stage.places {
            let at = stage.name.as_str();
            if name == HANDLE {
                if !stage.follows {
                    mistakes.push(format!(
                        "has {{handle}} in {at}, which is known only after the first answer: use it in poll, cancel or verify"
                    ));
                } else if recipe.poll.is_none() {
                    mistakes.push(format!("has {{handle}} in {at}, but no poll table that says where the handle is"));
                }
                continue;
            }
            match captured.get(name.as_str()) {
                None if recipe.captures(name) => {
                    mistakes.push(format!("has {{{name}}} in {at}, but it is captured only later"));
                }
                Some(Some(step)) if !optional => {
                    mistakes.push(format!("has {{{name}}} in {at}, but it is missing when steps[{step}] is left out"));
                }
                _ => {}
            }
        }
        if let Some(index) = stage.step {
            let step = &recipe.steps[index];
            for name in step.capture.keys() {
                let missing_without = step.unless.as_ref().filter(|given| *given != name).map(|_| index);
                captured.insert(name, missing_without);
            }
        } else {
            captured.extend(recipe.capture.keys().map(|name| (name.as_str(), None)));
        }
    }
    for discovery in &recipe.discover {
        let parameter = &discovery.parameter;
        for Place { name, .. } in places_of(&discovery.call, &discovery.success) {
            if name == HANDLE || recipe.captures(&name) {
                mistakes.push(format!("has {{{name}}} in discover, which comes before every other call"));
            } else if name == *parameter {
                mistakes.push(format!("has {{{name}}} in the discover call that looks for it"));
            }
        }
    }
    mistakes
}

fn captured_twice(recipe: &Recipe) -> Vec<String> {
    let mut seen: Vec<&String> = Vec::new();
    let mut mistakes = Vec::new();
    for name in recipe.steps.iter().flat_map(|step| step.capture.keys()).chain(recipe.capture.keys()) {
        if seen.contains(&name) {
            mistakes.push(format!("captures {name} twice"));
        }
        seen.push(name);
    }
    mistakes
}

/// One place, and whether it may stay empty.
struct Place {
    name: String,
    optional: bool,
}

/// A call with the rule for its answer, in the order in which an attempt makes them.
struct Stage {
    name: String,
    places: Vec<Place>,
    /// Its position among the steps, if it is one.
    step: Option<usize>,
    /// Whether it comes after the first answer of the call that does the work.
    follows: bool,
}

fn stages(recipe: &Recipe) -> Vec<Stage> {
    let stage = |name: String, places, step, follows| Stage { name, places, step, follows };
    let steps = recipe
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| stage(format!("steps[{index}]"), places_of(&step.call, &step.success), Some(index), false));
    let main = stage("path, body or success".to_owned(), places_of(&recipe.call, &recipe.success), None, false);
    let mut stages: Vec<Stage> = steps.chain([main]).collect();
    let after = |name: &str, places| stage(name.to_owned(), places, None, true);
    stages.extend(recipe.verify.iter().map(|check| after("verify", places_of(&check.call, &check.success))));
    stages.extend(recipe.poll.iter().map(|poll| after("poll", places_of(&poll.call, &poll.success))));
    stages.extend(recipe.cancel.iter().map(|cancel| after("cancel", places_of(cancel, &SuccessRule::default()))));
    stages
}

fn places_of(call: &Call, rule: &SuccessRule) -> Vec<Place> {
    let mut texts = Vec::new();
    if let Body::Template(template) = &call.body {
        collect_texts(template, &mut texts);
    }
    for operand in rule.assertions.iter().filter_map(|assertion| assertion.test.operand()) {
        collect_texts(operand.value(), &mut texts);
    }
    let in_texts = texts.into_iter().flat_map(places_in);
    let place = |name: &str| Place { name: name.trim_end_matches('?').to_owned(), optional: name.ends_with('?') };
    call.path.parameters().chain(in_texts).map(place).collect()
}

/// Checks the name of a captured value.
pub(super) fn assert_capture_name(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || !name.chars().all(plain) {
        return Err(format!("has {name:?}, which is no name: use letters, digits, '_' and '-'"));
    }
    if BUILT_IN.contains(&name) || [HANDLE, "endpoint"].contains(&name) {
        return Err(format!("has {name}, a name that is taken"));
    }
    Ok(())
}

/// Checks the places in all texts of a template.
pub(super) fn assert_texts(template: &Value) -> Result<(), String> {
    let mut texts = Vec::new();
    collect_texts(template, &mut texts);
    texts.into_iter().try_for_each(assert_text)
}

fn assert_text(text: &str) -> Result<(), String> {
    if !is_lone_place(text) && places_in(text).any(|place| place.ends_with('?')) {
        return Err("has an optional place such as {name?} within a longer text; it can only stand alone".to_owned());
    }
    if places_in(text).any(|place| place.trim_end_matches('?').is_empty()) {
        return Err("has a place without a name".to_owned());
    }
    Ok(())
}

/// True for a text that is nothing but one place.
pub(super) fn is_lone_place(text: &str) -> bool {
    text.starts_with('{') && text.ends_with('}') && text.matches(['{', '}']).count() == 2
}

/// Follows the reading of [`Body::Template`]: from a brace to the next closing one.
fn places_in(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

fn collect_texts<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(members) => members.values().for_each(|member| collect_texts(member, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
