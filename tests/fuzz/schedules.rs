//! Schedule documents: what is accepted says the same when it is printed and read again.

use anyhow::{anyhow, ensure};
use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use serde_json::{Value, json};
use themis_maintenance::domain::schedule::{MAX_TASK_WARNINGS, ScheduleDefinition};
use themis_maintenance::domain::schedule_input::{self, MAX_ATTEMPTS};
use themis_maintenance::domain::task::{self, TaskType};

use crate::checks::{catalog, check_errors, check_message, cron_texts, document, now};
use crate::driver::{Fuzz, Verdict};

pub const WORDS: &[&str] = &[
    "id",
    "name",
    "description",
    "cron_expression",
    "frequency",
    "tasks",
    "task_type",
    "parameters",
    "depends_on",
    "timeout_seconds",
    "max_attempts",
    "window_start_hour",
    "window_end_hour",
    "enforce_window",
    "halt_on_task_failure",
    "enabled",
    "target",
    "targets",
    "target_group",
    "misfire_policy",
    "fit_check",
    "on_window_close",
    "version",
    "warnings",
    "next_run_at",
    "DAILY",
    "weekly",
    "MONTHLY",
    "QUARTERLY",
    "CUSTOM",
    "INDEX_REBUILD",
    "cache_warm",
    "RUN_ONCE",
    "skip",
    "RUN_TO_COMPLETION",
    "default",
    "east",
    "eu",
    "0 2 * * *",
    "@daily",
    "* * * * * *",
    "0 0 30 2 *",
    "0 7 1 1,4,7,10 *",
    "endpoint",
    "vacuum",
    "table",
    "column",
    "*",
    "INDEX_REBUILD-2",
    "true",
    "null",
    "a..b",
    "../x",
];

#[test]
fn schedules_come_back_as_they_were_read() {
    let generated = || documents().prop_map(|document| document.to_string().into_bytes()).boxed();
    Fuzz { name: "schedule", words: WORDS, generated }.run(|| judge);
}

/// As many tasks and calls as a request body can hold, each with a mistake of its own, on each of three targets.
#[test]
fn a_schedule_has_a_bounded_number_of_warnings() {
    let calls = |task: usize| (0..190).map(|call| json!({"endpoint": format!("e{task}x{call}")})).collect::<Vec<_>>();
    let tasks: Vec<Value> = (0..64).map(|task| json!({"task_type": "CUSTOM", "parameters": calls(task)})).collect();
    let document = json!({"name": "N", "cron_expression": "0 2 * * *", "targets": ["default", "east", "west"], "tasks": tasks});
    let warnings = parse(&document).expect("a schedule").warnings(catalog());
    assert_eq!(warnings.len(), MAX_TASK_WARNINGS + 1);
    assert_eq!(warnings[MAX_TASK_WARNINGS], "there are more than these 100 warnings about tasks");
}

fn judge(input: &[u8]) -> Verdict {
    let Some(document) = document(input) else { return Ok("not JSON".into()) };
    let read = match schedule_input::parse(&document, catalog(), now()) {
        Ok(read) => read,
        Err(errors) => return check_errors(&errors),
    };
    let definition = read.definition;
    let printed = definition.to_document();
    let again = parse(&printed)?;
    ensure!(again == definition, "printed and read again it is {again:#?}, not {definition:#?}");
    ensure!(again.to_document() == printed, "printed again it is another document");
    let stored: ScheduleDefinition = serde_json::from_str(&serde_json::to_string(&definition)?)?;
    ensure!(stored == definition, "stored and read again it is {stored:#?}, not {definition:#?}");

    let warnings = definition.warnings(catalog());
    warnings.iter().try_for_each(|warning| check_message(warning))?;
    let order = task::execution_order(&definition.tasks).map_err(|error| anyhow!("accepted, but {error}"))?;
    ensure!(order.len() == definition.tasks.len(), "not every task has its turn");
    ensure!(definition.next_run_after(now()).is_some() == definition.enabled, "fires though it is disabled, or not at all");
    let (tasks, window) = (definition.tasks.len(), definition.window.is_whole_day());
    Ok(format!("{} with {} tasks, {} warnings, {window}", definition.frequency, tasks.min(5), warnings.len().min(3)))
}

pub fn parse(document: &Value) -> anyhow::Result<ScheduleDefinition> {
    let read = schedule_input::parse(document, catalog(), now());
    read.map(|read| read.definition).map_err(|errors| anyhow!("what was accepted is refused when it is printed: {errors:?}"))
}

/// Documents that keep all rules but those on the times of fires.
pub fn documents() -> BoxedStrategy<Value> {
    let name = || "[A-Za-zäß][ -~é]{0,19}";
    let task_type = || prop::sample::select(TaskType::ALL.to_vec());
    let scalar =
        prop_oneof![any::<i64>().prop_map(Value::from), any::<bool>().prop_map(Value::from), "\\PC{0,8}".prop_map(Value::from)];
    let parameters = || prop::collection::btree_map("[a-z*]{1,6}", scalar.clone(), 0..3).prop_map(|members| json!(members));
    let parameters = prop_oneof![3 => parameters(), 1 => prop::collection::vec(parameters(), 1..4).prop_map(Value::from)];
    let whole = (task_type(), prop::option::of(0..40_u32), parameters, prop::option::of(1..=MAX_ATTEMPTS), 1..=86_400_u32);
    let whole = whole.prop_map(|(task_type, name, parameters, attempts, timeout)| {
        let name = name.map(|number| format!("step {number}"));
        json!({"task_type": task_type, "name": name, "parameters": parameters, "max_attempts": attempts, "timeout_seconds": timeout})
    });
    let task = prop_oneof![1 => task_type().prop_map(|task_type| json!(task_type)), 2 => whole];
    let tasks = prop::collection::vec(task, 1..6);
    let timing = prop_oneof![
        3 => cron_texts().prop_map(|text| ("cron_expression", text)),
        1 => prop::sample::select(vec!["DAILY", "Weekly", "MONTHLY", "QUARTERLY"]).prop_map(|preset| ("frequency", preset.to_owned())),
    ];
    let places = vec![("target", json!("east")), ("targets", json!(["west", "default"])), ("target_group", json!("eu"))];
    let place = prop::sample::select(places);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (name(), "\\PC{0,30}", timing, tasks, (0..24_u8, 0..24_u8), place, flags).prop_map(
        |(name, description, (when, time), tasks, (start, end), (place, target), (enforce, halt, enabled, fit))| {
            json!({
                "name": name, "description": description, when: time, "tasks": tasks, "window_start_hour": start, "window_end_hour": end,
                place: target, "enforce_window": enforce, "halt_on_task_failure": halt, "enabled": enabled, "fit_check": fit,
            })
        },
    ).boxed()
}
