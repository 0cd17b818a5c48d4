//! What there is to do: the documents held against the service.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Map, Value};
use similar::TextDiff;

use super::fields::{of_author, put_over};
use super::files::Wanted;
use crate::ctl::client::{Call, CallError};
use crate::ctl::failure::CtlFailure;
use crate::ctl::output::{Session, yaml};
use crate::ctl::pages;
use crate::ctl::schedules::PAGE;
use crate::domain::ids::ScheduleId;

/// One schedule and what is to be done with it.
#[derive(Debug)]
pub struct Step {
    /// Which schedule.
    pub id: ScheduleId,
    /// What to do.
    pub action: Action,
    /// A unified diff of the author's fields; empty when there is no difference.
    pub diff: String,
    /// What the service thinks its author should know.
    pub warnings: Vec<String>,
}

/// What to do with a schedule.
#[derive(Debug)]
pub enum Action {
    /// There is none of this id.
    Create(Map<String, Value>),
    /// There is one, and it is another.
    Change(Map<String, Value>, Option<String>),
    /// It is as it should be.
    Keep,
    /// It is in no file any more.
    Delete(Option<String>),
}

/// Makes the plan. Nothing is changed by it.
///
/// # Errors
/// Every document that the service refuses; or that it could not be asked.
pub async fn make(session: &mut Session<'_>, wanted: Vec<Wanted>, prune: Option<&str>) -> Result<Vec<Step>, CtlFailure> {
    let mut steps = Vec::new();
    let mut refused = Vec::new();
    // Known after the first document.
    let mut tries = true;
    let ids: BTreeSet<ScheduleId> = wanted.iter().map(|wanted| wanted.id.clone()).collect();
    for one in wanted {
        if let Some(label) = prune.filter(|label| !has_label(&one.fields, label)) {
            session.say(&format!("{}: has no label {label}: a later --prune would not find it", one.place));
        }
        match step(session, &one, &mut tries).await {
            Ok(step) => {
                for warning in &step.warnings {
                    session.say(&format!("{}: {warning}", one.place));
                }
                steps.push(step);
            }
            Err(CallError::Problem(problem)) if matches!(problem.status, 400 | 409 | 422) => {
                refused.push(format!("{}: {}: {problem}", one.place, one.id));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if !refused.is_empty() {
        refused.push("nothing was changed".to_owned());
        return Err(CtlFailure::Ended(refused.join("\n")));
    }
    if let Some(label) = prune {
        steps.extend(leftovers(session, label, &ids).await?);
    }
    Ok(steps)
}

async fn step(session: &mut Session<'_>, wanted: &Wanted, tries: &mut bool) -> Result<Step, CallError> {
    let Wanted { id, place, fields } = wanted;
    let live = match session.client.send(&Call::get(["schedules", id.as_str()])).await {
        Ok(answer) => Some(answer),
        Err(CallError::Problem(problem)) if problem.status == 404 => None,
        Err(error) => return Err(error),
    };
    let call = match &live {
        None => Call::post(["schedules"]),
        Some(_) => Call::new(Method::PUT, ["schedules", id.as_str()]),
    };
    let call = call.query("dry_run", "true").body(Value::Object(fields.clone()));
    let tried = if *tries { Some(session.client.send(&call).await) } else { None };
    let tried = match tried {
        Some(Err(CallError::Problem(problem))) if problem.names_parameter("dry_run") => {
            session.say("the service can do no dry run: what files leave out is not compared");
            *tries = false;
            None
        }
        Some(answer) => Some(answer?.json),
        None => None,
    };
    let before = live.as_ref().map(|live| of_author(&live.json));
    let after = match (&tried, &before) {
        (Some(tried), _) => of_author(tried),
        (None, Some(before)) => put_over(before, fields),
        (None, None) => fields.clone(),
    };
    let warnings = tried.as_ref().and_then(|tried| tried["warnings"].as_array()).map(Vec::as_slice).unwrap_or_default();
    let warnings = warnings.iter().filter_map(|warning| warning.as_str().map(str::to_owned)).collect();
    let diff = diff(before.as_ref(), Some(&after), id, &place.to_string());
    let action = match live {
        None => Action::Create(fields.clone()),
        Some(_) if before.as_ref() == Some(&after) => Action::Keep,
        Some(live) => Action::Change(fields.clone(), live.etag),
    };
    Ok(Step { id: id.clone(), action, diff, warnings })
}

/// The schedules with the label that stand in no file.
async fn leftovers(session: &Session<'_>, label: &str, ids: &BTreeSet<ScheduleId>) -> Result<Vec<Step>, CtlFailure> {
    let call = Call::get(["schedules"]).query("label", label);
    let found = pages::all(&session.client, &call, "schedules", PAGE, None).await;
    let (_, found) = match found {
        Err(CallError::Problem(problem)) if problem.names_parameter("label") && problem.status == 400 => {
            return Err(CtlFailure::Usage(format!("--prune: the service cannot list by label: {problem}")));
        }
        found => found?,
    };
    let mut steps = Vec::new();
    for schedule in found {
        let id = schedule["id"].as_str().and_then(|id| ScheduleId::parse(id).ok());
        let Some(id) = id.filter(|id| !ids.contains(id)) else { continue };
        // What is deleted is looked at as it is checked: by its label, which somebody may just have taken away.
        let live = session.client.send(&Call::get(["schedules", id.as_str()])).await?;
        let fields = of_author(&live.json);
        if has_label(&fields, label) {
            let diff = diff(Some(&fields), None, &id, "");
            steps.push(Step { id, action: Action::Delete(live.etag), diff, warnings: Vec::new() });
        }
    }
    Ok(steps)
}

fn has_label(fields: &Map<String, Value>, label: &str) -> bool {
    let (key, value) = label.split_once('=').unwrap_or((label, ""));
    fields.get("labels").and_then(|labels| labels.get(key)).is_some_and(|there| there == value)
}

fn diff(before: Option<&Map<String, Value>>, after: Option<&Map<String, Value>>, id: &ScheduleId, place: &str) -> String {
    // What was JSON can be written as YAML.
    let text = |fields: Option<&Map<String, Value>>| {
        fields.and_then(|fields| yaml(&Value::Object(fields.clone())).ok()).unwrap_or_default()
    };
    let (old, new) = (text(before), text(after));
    if old == new {
        return String::new();
    }
    let from = if before.is_some() { format!("service: {id}") } else { "/dev/null".to_owned() };
    let to = if after.is_some() { place.to_owned() } else { "/dev/null".to_owned() };
    TextDiff::from_lines(&old, &new).unified_diff().context_radius(3).header(&from, &to).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_diff_is_unified_and_names_both_sides() {
        let id = ScheduleId::parse("s").expect("an id");
        let before = of_author(&json!({"id": "s", "name": "S", "cron_expression": "0 2 * * *", "enabled": true}));
        let after = of_author(&json!({"id": "s", "name": "T", "cron_expression": "0 2 * * *", "enabled": true}));
        let told = diff(Some(&before), Some(&after), &id, "f.yaml:1");
        assert!(told.starts_with("--- service: s\n+++ f.yaml:1\n@@ -1,4 +1,4 @@\n id: s\n-name: S\n+name: T\n"), "{told}");
        assert!(diff(None, Some(&after), &id, "f.yaml:1").starts_with("--- /dev/null\n+++ f.yaml:1\n"));
        assert!(diff(Some(&before), None, &id, "").starts_with("--- service: s\n+++ /dev/null\n"));
        assert_eq!(diff(Some(&before), Some(&before), &id, ""), "");
    }

    #[test]
    fn a_label_has_its_value() {
        let fields = of_author(&json!({"labels": {"team": "a", "empty": ""}}));
        assert!(has_label(&fields, "team=a") && has_label(&fields, "empty="));
        assert!(!has_label(&fields, "team=") && !has_label(&fields, "other=a") && !has_label(&Map::new(), "team=a"));
    }
}
