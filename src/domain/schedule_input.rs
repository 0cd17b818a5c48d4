//! Reads a schedule from a request document. Every rule of the schedule table is checked here and nowhere else, and all broken
//! ones are listed at once.

use serde_json::{Map, Value};

use super::catalog::Catalog;
use super::cron::CronExpression;
use super::fields::{FieldError, Fields, members_of, printable, printable_message, type_name};
use super::ids::ScheduleId;
use super::labels::Labels;
use super::merge_patch;
use super::schedule::{Frequency, MisfirePolicy, OnWindowClose, ScheduleDefinition};
use super::target_input::{TARGET_FIELDS, read_target};
use super::task::{self, MAX_ITEMS, Parameters, TaskSpec, TaskType};
use super::time::Timestamp;
use super::window::Window;

/// The longest schedule or task name, in characters.
pub const MAX_NAME_CHARACTERS: usize = 200;
/// The longest description, in characters.
pub const MAX_DESCRIPTION_CHARACTERS: usize = 2000;
/// The most tasks of one schedule.
pub const MAX_TASKS: usize = 64;
/// The most attempts of one task.
pub const MAX_ATTEMPTS: u32 = 10;
/// Attempts of a task where nothing else is said.
pub const DEFAULT_MAX_ATTEMPTS: u8 = 3;
/// The longest limit for one attempt: a day.
pub const MAX_TIMEOUT_SECONDS: u32 = 86_400;

/// Fields that the service writes, and what is done to a schedule without editing it; in a request they are ignored, so that what was read can
/// be sent back.
pub const OUTPUT_ONLY: [&str; 15] = [
    "created_at",
    "updated_at",
    "created_by",
    "updated_by",
    "version",
    "last_run_at",
    "last_run_state",
    "last_job_id",
    "next_run_at",
    "warnings",
    "last_success_at",
    "task_durations_ms",
    "pause",
    "skip_next",
    "next_fires",
];

/// A schedule as a request describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleInput {
    /// The id, when the request holds one.
    pub id: Option<ScheduleId>,
    /// All the rest.
    pub definition: ScheduleDefinition,
}

/// Reads the document of a POST or PUT.
///
/// # Errors
/// Every broken rule, with its field.
pub fn parse(document: &Value, catalog: &Catalog, now: Timestamp) -> Result<ScheduleInput, Vec<FieldError>> {
    let mut fields = Fields::new(members_of(document)?, "");
    fields.ignore(&OUTPUT_ONLY);

    let id =
        fields.string("id").and_then(|text| ScheduleId::parse(text).map_err(|error| fields.error("id", error.to_string())).ok());
    let name = read_name(&mut fields).unwrap_or_default();
    let description = read_description(&mut fields);
    let start_hour = hour(&mut fields, "window_start_hour");
    let end_hour = hour(&mut fields, "window_end_hour");
    let window = Window::new(start_hour, end_hour).unwrap_or(Window::WHOLE_DAY);
    let timing = read_timing(&mut fields, start_hour, now);
    let tasks = read_tasks(&mut fields);
    let enforce_window = fields.boolean("enforce_window").unwrap_or(true);
    let halt_on_task_failure = fields.boolean("halt_on_task_failure").unwrap_or(false);
    let enabled = fields.boolean("enabled").unwrap_or(true);
    let target = read_target(&mut fields, catalog);
    let max_attempts = attempts(&mut fields).unwrap_or(DEFAULT_MAX_ATTEMPTS);
    let misfire_policy =
        word(&mut fields, "misfire_policy", MisfirePolicy::ALL, MisfirePolicy::parse).unwrap_or(MisfirePolicy::RunOnce);
    let fit_check = fields.boolean("fit_check").unwrap_or(false);
    let on_window_close =
        word(&mut fields, "on_window_close", OnWindowClose::ALL, OnWindowClose::parse).unwrap_or(OnWindowClose::usual());
    let labels = Labels::read(&mut fields);

    let errors = fields.finish();
    match timing {
        Some((frequency, cron)) if errors.is_empty() => Ok(ScheduleInput {
            id,
            definition: ScheduleDefinition {
                name,
                description,
                cron,
                frequency,
                tasks,
                window,
                enforce_window,
                halt_on_task_failure,
                enabled,
                target,
                max_attempts,
                misfire_policy,
                fit_check,
                on_window_close,
                labels,
            },
        }),
        _ => Err(errors),
    }
}

/// Applies a merge patch (RFC 7396) to a definition and reads the result. A preset's expression is derived anew unless the patch
/// gives one; a patch that only names a preset replaces the expression that was there.
///
/// # Errors
/// Every broken rule, with its field.
pub fn parse_patch(
    current: &ScheduleDefinition,
    patch: &Value,
    catalog: &Catalog,
    now: Timestamp,
) -> Result<ScheduleInput, Vec<FieldError>> {
    let Value::Object(members) = patch else {
        return Err(vec![FieldError::new("", format!("the patch must be an object, not {}", type_name(patch)))]);
    };
    let mut document = current.to_document();
    let names_a_preset =
        members.get("frequency").and_then(Value::as_str).and_then(Frequency::parse).is_some_and(|f| f != Frequency::Custom);
    let leaves_expression = !members.contains_key("cron_expression");
    let names_targets = TARGET_FIELDS.iter().any(|field| members.get(*field).is_some_and(|value| !value.is_null()));
    if let Value::Object(base) = &mut document {
        if names_targets {
            // Another way to say where takes the place of the one that was there.
            base.retain(|field, _| !TARGET_FIELDS.contains(&field.as_str()));
        }
        if names_a_preset && leaves_expression {
            base.shift_remove("cron_expression");
        }
        // From a preset to CUSTOM without a new expression: the derived one stays, as every field that the patch leaves out.
        if leaves_expression && current.frequency != Frequency::Custom && !names_a_preset && members.contains_key("frequency") {
            base.insert("cron_expression".into(), current.cron.as_str().into());
        }
    }
    // Null for an unknown field would vanish in the merge; it is a mistake all the same.
    let unknown: Map<String, Value> = members
        .iter()
        .filter(|(key, value)| value.is_null() && !TARGET_FIELDS.contains(&key.as_str()))
        .filter(|(key, _)| !document.as_object().is_some_and(|base| base.contains_key(*key)))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    merge_patch::merge(&mut document, patch);
    if let Value::Object(merged) = &mut document {
        merged.extend(unknown);
    }
    parse(&document, catalog, now)
}

fn read_name(fields: &mut Fields<'_>) -> Option<String> {
    if fields.value("name").is_none() {
        fields.error("name", "is required");
        return None;
    }
    let name = fields.string("name")?;
    check_name(name).map_err(|message| fields.error("name", message)).ok()?;
    Some(name.to_owned())
}

/// The rule for names of schedules and tasks.
fn check_name(name: &str) -> Result<(), String> {
    if name.trim().is_empty() {
        Err("must not be blank".to_owned())
    } else if name.chars().count() > MAX_NAME_CHARACTERS {
        Err(format!("must be at most {MAX_NAME_CHARACTERS} characters long"))
    } else if name.chars().any(char::is_control) {
        Err("must not contain control characters".to_owned())
    } else {
        Ok(())
    }
}

fn read_description(fields: &mut Fields<'_>) -> String {
    let description = fields.string("description").unwrap_or_default();
    if description.chars().count() > MAX_DESCRIPTION_CHARACTERS {
        fields.error("description", format!("must be at most {MAX_DESCRIPTION_CHARACTERS} characters long"));
    }
    if description.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        fields.error("description", "must not contain control characters other than line breaks and tabs");
    }
    description.to_owned()
}

fn hour(fields: &mut Fields<'_>, field: &'static str) -> u8 {
    fields.integer(field, 0, 23).and_then(|hour| u8::try_from(hour).ok()).unwrap_or(0)
}

fn attempts(fields: &mut Fields<'_>) -> Option<u8> {
    fields.integer("max_attempts", 1, MAX_ATTEMPTS).and_then(|attempts| u8::try_from(attempts).ok())
}

fn read_timing(fields: &mut Fields<'_>, start_hour: u8, now: Timestamp) -> Option<(Frequency, CronExpression)> {
    let has_frequency = fields.value("frequency").is_some();
    let has_expression = fields.value("cron_expression").is_some();
    let frequency =
        if has_frequency { word(fields, "frequency", Frequency::ALL, Frequency::parse) } else { Some(Frequency::Custom) };
    let text = fields.string("cron_expression");
    if !has_expression && (!has_frequency || frequency == Some(Frequency::Custom)) {
        let message = if has_frequency { "is required with frequency CUSTOM" } else { "is required, or a frequency" };
        fields.error("cron_expression", message);
        return None;
    }
    let parsed = text.map(|text| CronExpression::parse(text, now));
    if let Some(Err(error)) = &parsed {
        fields.error("cron_expression", error.to_string());
    }
    let frequency = frequency?;
    let Some(derived) = frequency.expression(start_hour) else {
        return Some((frequency, parsed?.ok()?));
    };
    match parsed {
        Some(Err(_)) => None,
        Some(Ok(given)) if !given.same_as(&derived) => {
            let message = format!(
                "must be absent or '{derived}', which {frequency} derives from window_start_hour; use frequency CUSTOM for another"
            );
            fields.error("cron_expression", message);
            None
        }
        _ => CronExpression::parse(&derived, now).ok().map(|cron| (frequency, cron)),
    }
}

/// A word of a closed vocabulary, in any letter case.
fn word<T: Copy + std::fmt::Display>(
    fields: &mut Fields<'_>,
    field: &'static str,
    all: &[T],
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let parsed = parse(fields.string(field)?);
    if parsed.is_none() {
        fields.error(field, one_of(all.iter().map(T::to_string)));
    }
    parsed
}

fn read_tasks(fields: &mut Fields<'_>) -> Vec<TaskSpec> {
    if fields.value("tasks").is_none() {
        fields.error("tasks", "is required");
        return Vec::new();
    }
    let Some(items) = fields.array("tasks") else { return Vec::new() };
    if items.is_empty() || items.len() > MAX_TASKS {
        fields.error("tasks", format!("must have 1 to {MAX_TASKS} items, not {}", items.len()));
        return Vec::new();
    }
    let mut tasks = Vec::with_capacity(items.len());
    let mut errors = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match read_task(item, &format!("tasks[{index}]")) {
            Ok(task) => tasks.push(task),
            Err(mut found) => errors.append(&mut found),
        }
    }
    if errors.is_empty() {
        errors = check_names_and_order(&tasks);
    }
    fields.extend_errors(errors);
    tasks
}

fn read_task(item: &Value, path: &str) -> Result<TaskSpec, Vec<FieldError>> {
    let members = match item {
        Value::String(name) => {
            return TaskType::parse(name)
                .map(TaskSpec::plain)
                .ok_or_else(|| vec![FieldError::new(path, unknown_task_type(name))]);
        }
        Value::Object(members) => members,
        other => return Err(vec![FieldError::new(path, format!("must be a task type or an object, not {}", type_name(other)))]),
    };
    let mut fields = Fields::new(members, path);
    if fields.value("task_type").is_none() {
        fields.error("task_type", "is required");
    }
    let task_type = fields.string("task_type").and_then(|name| {
        let parsed = TaskType::parse(name);
        if parsed.is_none() {
            fields.error("task_type", unknown_task_type(name));
        }
        parsed
    });
    let name = fields.string("name").map(str::to_owned);
    if let Some(Err(message)) = name.as_deref().map(check_name) {
        fields.error("name", message);
    }
    let parameters = read_parameters(&mut fields);
    let depends_on = read_depends_on(&mut fields);
    let timeout_seconds = fields.integer("timeout_seconds", 1, MAX_TIMEOUT_SECONDS);
    let max_attempts = attempts(&mut fields);
    let errors = fields.finish();
    match task_type {
        Some(task_type) if errors.is_empty() => {
            Ok(TaskSpec { task_type, name, parameters, depends_on, timeout_seconds, max_attempts, plain: false })
        }
        _ => Err(errors),
    }
}

/// One object, or a list of them.
fn read_parameters(fields: &mut Fields<'_>) -> Parameters {
    let items = match fields.value("parameters") {
        None => return Parameters::default(),
        Some(Value::Object(parameters)) => return Parameters::One(parameters.clone()),
        Some(Value::Array(items)) => items,
        Some(other) => {
            fields.error("parameters", format!("must be an object or an array of objects, not {}", type_name(other)));
            return Parameters::default();
        }
    };
    if items.is_empty() || items.len() > MAX_ITEMS {
        fields.error("parameters", format!("must have 1 to {MAX_ITEMS} items, not {}", items.len()));
        return Parameters::default();
    }
    let mut list = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match item {
            Value::Object(parameters) => list.push(parameters.clone()),
            other => {
                let message = format!("must be an object or an array of objects; item {index} is {}", type_name(other));
                fields.error("parameters", message);
            }
        }
    }
    Parameters::Many(list)
}

fn read_depends_on(fields: &mut Fields<'_>) -> Vec<String> {
    let Some(items) = fields.array("depends_on") else { return Vec::new() };
    if items.len() > MAX_TASKS {
        fields.error("depends_on", format!("must have at most {MAX_TASKS} items"));
        return Vec::new();
    }
    let mut names = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match item.as_str() {
            Some(name) => names.push(name.to_owned()),
            None => fields.error(&format!("depends_on[{index}]"), format!("must be a task's name, not {}", type_name(item))),
        }
    }
    names
}

fn check_names_and_order(tasks: &[TaskSpec]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, task) in tasks.iter().enumerate() {
        if task.name.is_some() && tasks[..index].iter().any(|earlier| earlier.name == task.name) {
            errors.push(FieldError::new(format!("tasks[{index}].name"), "is the name of an earlier task"));
        }
    }
    if let Err(error) = task::execution_order(tasks) {
        errors.push(FieldError::new(format!("tasks[{}].depends_on", error.index()), printable_message(&error.to_string())));
    }
    errors
}

fn unknown_task_type(name: &str) -> String {
    format!("'{}' is not a task type; GET /api/v1/maintenance/task-types lists them", printable(name))
}

fn one_of(values: impl Iterator<Item = String>) -> String {
    format!("must be one of {}", values.collect::<Vec<_>>().join(", "))
}
