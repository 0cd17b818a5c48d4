//! What every target asks of messages, and the world that schedules are read in.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use anyhow::ensure;
use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use serde_json::Value;
use themis_maintenance::domain::catalog::{Catalog, TargetCatalog};
use themis_maintenance::domain::fields::{FieldError, depth};
use themis_maintenance::domain::recipe::{Body, Call, Method, PathTemplate, Recipe};
use themis_maintenance::domain::task::TaskType;
use themis_maintenance::domain::time::Timestamp;

/// The longest message. It stands in an answer beside others, in a log line and in a terminal.
const LONGEST_MESSAGE: usize = 4096;
/// How deep a document may be nested that reaches the readers behind the listener (`http::extract::strict_json`).
const MAX_DEPTH: usize = 64;

/// A message says something, is not endless, and cannot move a terminal's cursor or forge a line of a log.
pub fn check_message(message: &str) -> anyhow::Result<()> {
    ensure!(!message.trim().is_empty(), "a message is empty");
    ensure!(message.len() <= LONGEST_MESSAGE, "a message has {} bytes: {message}", message.len());
    ensure!(!message.chars().any(char::is_control), "a message holds control characters: {message:?}");
    Ok(())
}

/// Refusals say what is wrong and where; what they say without what was quoted is the answer.
pub fn check_errors(errors: &[FieldError]) -> anyhow::Result<String> {
    ensure!(!errors.is_empty(), "refused without a reason");
    let mut kinds = Vec::new();
    for FieldError { field, message } in errors {
        check_message(message)?;
        ensure!(!field.is_empty() || message.contains("must be an object"), "'{message}' names no field");
        if !field.is_empty() {
            check_message(field)?;
        }
        kinds.push(format!("{} {}", kind(field), kind(message)));
    }
    kinds.sort();
    kinds.dedup();
    // Which mistakes come together tells little; how many kinds does.
    Ok(format!("refused: {} ({})", kinds.first().cloned().unwrap_or_default(), kinds.len()))
}

/// A text without what changes from one input to the next.
pub fn kind(text: &str) -> String {
    let words = text.split(['\'', '"', ' ']).filter(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphabetic()));
    words.take(8).collect::<Vec<_>>().join(" ")
}

/// A document as it comes through the listener; `None` for what does not come through.
pub fn document(input: &[u8]) -> Option<Value> {
    serde_json::from_slice(input).ok().filter(|value| depth(value) <= MAX_DEPTH)
}

/// When documents are read.
pub fn now() -> Timestamp {
    "2026-01-31T02:00:00Z".parse().expect("a time")
}

/// Three targets, some recipes, one group.
pub fn catalog() -> &'static Catalog {
    static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
        let path = |text| PathTemplate::parse(text).expect("a path");
        let recipe = |text| Arc::new(Recipe::of(Call { method: Method::Post, path: path(text), body: Body::Parameters }));
        let rebuild =
            Recipe { required_parameters: vec!["table".into(), "column".into()], ..(*recipe("/index/rebuild")).clone() };
        let target = TargetCatalog {
            recipes: BTreeMap::from([
                (TaskType::IndexRebuild, Arc::new(rebuild)),
                (TaskType::CacheWarm, recipe("/warm/{table}")),
            ]),
            custom: BTreeMap::from([("vacuum".to_owned(), recipe("/vacuum"))]),
            ..TargetCatalog::default()
        };
        let targets = ["default", "east", "west"].map(|name| (name.to_owned(), target.clone()));
        let members = ["east", "west"].map(str::to_owned).to_vec();
        Catalog::new(targets.into()).with_groups(BTreeMap::from([("eu".to_owned(), members)]))
    });
    &CATALOG
}

/// Cron expressions that have the right form; some fire too often, or never.
pub fn cron_texts() -> BoxedStrategy<String> {
    let field = |low: u32, high: u32| {
        let number = low..=high;
        prop_oneof![
            3 => Just("*".to_owned()),
            3 => number.clone().prop_map(|n| n.to_string()),
            1 => (number.clone(), number.clone()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
            1 => (number.clone(), 1..=high.max(2)).prop_map(|(from, step)| format!("{from}/{step}")),
            1 => (1..=high.max(2)).prop_map(|step| format!("*/{step}")),
            1 => prop::collection::vec(number, 1..5).prop_map(|list| list.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
        ]
    };
    let day = prop_oneof![6 => field(1, 31), 1 => Just("L".to_owned()), 1 => Just("15W".to_owned()), 1 => Just("?".to_owned())];
    let month = prop_oneof![4 => field(1, 12), 1 => Just("JAN,jul".to_owned()), 1 => Just("FEB-apr".to_owned())];
    let weekday =
        prop_oneof![4 => field(0, 7), 1 => Just("MON-fri".to_owned()), 1 => Just("5L".to_owned()), 1 => Just("2#3".to_owned())];
    let seconds = prop_oneof![3 => Just(String::new()), 1 => field(0, 59).prop_map(|field| format!("{field} "))];
    let fields = (seconds, field(0, 59), field(0, 23), day, month, weekday);
    let fields = fields.prop_map(|(s, m, h, day, month, weekday)| format!("{s}{m} {h} {day} {month} {weekday}"));
    prop_oneof![8 => fields, 1 => prop::sample::select(vec!["@hourly", "@Daily", " @weekly ", "@YEARLY"]).prop_map(str::to_owned)]
        .boxed()
}
