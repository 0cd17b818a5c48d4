//! Merge patches (RFC 7396): an input is an array of a schedule's document and a patch.

use anyhow::ensure;
use proptest::prelude::*;
use serde_json::{Value, json};
use themis_maintenance::domain::merge_patch::merge;
use themis_maintenance::domain::schedule::ScheduleDefinition;
use themis_maintenance::domain::schedule_input;

use crate::checks::{catalog, check_errors, document, now};
use crate::driver::{Fuzz, Verdict};
use crate::schedules::{self, WORDS};

/// Fields that are read together: a patch of one changes what another means.
const TIMING: [&str; 3] = ["cron_expression", "frequency", "window_start_hour"];
const PLACES: [&str; 3] = ["target", "targets", "target_group"];

#[test]
fn patches_merge_and_change_nothing_else() {
    Fuzz { name: "merge-patch", words: WORDS, generated }.run(|| judge);
}

/// A document, and a part of another one as the patch.
fn generated() -> BoxedStrategy<Vec<u8>> {
    let part = (schedules::documents(), prop::collection::vec(any::<bool>(), 16)).prop_map(|(mut whole, keep)| {
        let mut keep = keep.into_iter().cycle();
        whole.as_object_mut().expect("an object").retain(|_, _| keep.next() == Some(true));
        whole
    });
    (schedules::documents(), part).prop_map(|pair| json!([pair.0, pair.1]).to_string().into_bytes()).boxed()
}

fn judge(input: &[u8]) -> Verdict {
    let Some(Value::Array(pair)) = document(input) else { return Ok("no array".into()) };
    let [base, patch] = pair.as_slice() else { return Ok("no pair".into()) };
    check_merging(base, patch)?;
    let Ok(current) = schedule_input::parse(base, catalog(), now()).map(|read| read.definition) else {
        return Ok("no schedule".into());
    };
    ensure!(apply(&current, &json!({})).as_ref() == Ok(&current), "a patch that says nothing changes something");

    let applied = apply(&current, patch);
    if let Some(merged) = plainly_merged(&current, patch) {
        let read = schedule_input::parse(&merged, catalog(), now()).map(|read| read.definition);
        ensure!(applied == read, "patched it is {applied:#?}, merged and read it is {read:#?}");
    }
    let patched = match applied {
        Ok(patched) => patched,
        Err(errors) => return check_errors(&errors),
    };
    ensure!(apply(&patched, patch).as_ref() == Ok(&patched), "the same patch changes something once more");
    check_untouched(&current, &patched, patch)?;
    schedules::parse(&patched.to_document())?;
    Ok(format!("patched, {} fields, same {}", patch.as_object().map_or(0, |members| members.len().min(6)), patched == current))
}

fn apply(
    current: &ScheduleDefinition,
    patch: &Value,
) -> Result<ScheduleDefinition, Vec<themis_maintenance::domain::fields::FieldError>> {
    schedule_input::parse_patch(current, patch, catalog(), now()).map(|read| read.definition)
}

/// RFC 7396 on any two values: merging again changes nothing, and an object that is patched holds no null of the patch.
fn check_merging(base: &Value, patch: &Value) -> anyhow::Result<()> {
    let mut once = base.clone();
    merge(&mut once, patch);
    let mut twice = once.clone();
    merge(&mut twice, patch);
    ensure!(twice == once, "merged twice it is {twice}, once it is {once}");
    for (key, value) in patch.as_object().into_iter().flatten() {
        ensure!(!value.is_null() || once.get(key).is_none(), "null did not remove '{key}'");
    }
    Ok(())
}

/// What RFC 7396 alone makes of it; `None` where more has to be thought of: times and places, and null for what is not there, which
/// would hide a mistyped name.
fn plainly_merged(current: &ScheduleDefinition, patch: &Value) -> Option<Value> {
    let mut document = current.to_document();
    let simple = |(key, value): (&String, &Value)| {
        let alone = !TIMING.contains(&key.as_str()) && !PLACES.contains(&key.as_str());
        alone && (!value.is_null() || document.get(key).is_some())
    };
    if !patch.as_object()?.iter().all(simple) {
        return None;
    }
    merge(&mut document, patch);
    Some(document)
}

/// Fields that the patch leaves out are as they were.
fn check_untouched(before: &ScheduleDefinition, after: &ScheduleDefinition, patch: &Value) -> anyhow::Result<()> {
    let (before, after) = (before.to_document(), after.to_document());
    let named = |group: &[&str]| group.iter().any(|key| patch.get(key).is_some());
    for (key, value) in before.as_object().into_iter().flatten() {
        let group = [&TIMING[..], &PLACES[..]].into_iter().find(|group| group.contains(&key.as_str()));
        if !named(group.unwrap_or(&[key.as_str()])) {
            ensure!(after.get(key) == Some(value), "'{key}' was {value}, and is {:?}", after.get(key));
        }
    }
    Ok(())
}
