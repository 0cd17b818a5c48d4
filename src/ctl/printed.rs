//! Documents of the service as tables. Fields that an older service does not have are passed over.

use serde_json::{Value, json};

use super::table::{NOTHING, pairs, table};
use crate::domain::fields::printable_message;

/// A value in a cell.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => NOTHING.to_owned(),
        Value::String(text) if text.is_empty() => NOTHING.to_owned(),
        Value::String(text) => printable_message(text),
        Value::Array(items) if items.is_empty() => NOTHING.to_owned(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// An instant to the second.
pub fn time(value: &Value) -> String {
    let text = text(value);
    match text.split_once('.') {
        Some((seconds, fraction)) if fraction.strip_suffix('Z').is_some_and(|digits| digits.parse::<u64>().is_ok()) => {
            format!("{seconds}Z")
        }
        _ => text,
    }
}

/// Milliseconds as a person says them.
pub fn duration(value: &Value) -> String {
    let Some(milliseconds) = value.as_u64() else { return NOTHING.to_owned() };
    let (seconds, tenths) = (milliseconds / 1000, milliseconds % 1000 / 100);
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{seconds}.{tenths} s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

fn rows(document: &Value, list: &str, row: impl Fn(&Value) -> Vec<String>) -> Vec<Vec<String>> {
    document[list].as_array().map(|items| items.iter().map(row).collect()).unwrap_or_default()
}

/// `schedules list`.
pub fn schedules(document: &Value) -> String {
    let rows = rows(document, "schedules", |schedule| {
        vec![
            text(&schedule["id"]),
            text(&schedule["cron_expression"]),
            window(schedule),
            targets_of(schedule),
            state(schedule),
            time(&schedule["next_run_at"]),
            time(&schedule["last_run_at"]),
            text(&schedule["last_run_state"]),
        ]
    });
    table(&["ID", "CRON", "WINDOW", "TARGET", "STATE", "NEXT RUN", "LAST RUN", "LAST STATE"], &rows)
}

/// `schedules get`, and every answer that is one schedule.
pub fn schedule(schedule: &Value) -> String {
    let cron = match text(&schedule["frequency"]).as_str() {
        NOTHING | "CUSTOM" => text(&schedule["cron_expression"]),
        preset => format!("{} ({preset})", text(&schedule["cron_expression"])),
    };
    let tasks = schedule["tasks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let tasks: Vec<String> = tasks
        .iter()
        .map(|task| match task {
            Value::Object(task) if task.get("name").is_some_and(Value::is_string) => {
                format!("{} ({})", text(&task["name"]), text(&task["task_type"]))
            }
            Value::Object(task) => text(&task["task_type"]),
            plain => text(plain),
        })
        .collect();
    let labels = schedule["labels"].as_object().map(|labels| {
        let labels: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        labels.join(",")
    });
    let last = match text(&schedule["last_run_state"]).as_str() {
        NOTHING => NOTHING.to_owned(),
        state => format!("{state} at {}, job {}", time(&schedule["last_run_at"]), text(&schedule["last_job_id"])),
    };
    pairs(&[
        ("Id", text(&schedule["id"])),
        ("Name", text(&schedule["name"])),
        ("Description", text(&schedule["description"])),
        ("Labels", labels.filter(|labels| !labels.is_empty()).unwrap_or_else(|| NOTHING.to_owned())),
        ("State", state(schedule)),
        ("Pause", pause(&schedule["pause"])),
        ("Skips", skip(&schedule["skip_next"])),
        ("Cron", cron),
        ("Window", window(schedule)),
        ("Target", targets_of(schedule)),
        ("Tasks", tasks.join(", ")),
        ("Next run", time(&schedule["next_run_at"])),
        ("Last run", last),
        (
            "Version",
            format!(
                "{}, edited {} by {}",
                text(&schedule["version"]),
                time(&schedule["updated_at"]),
                text(&schedule["updated_by"])
            ),
        ),
        ("Warnings", text(&schedule["warnings"])),
    ])
}

fn state(schedule: &Value) -> String {
    match (schedule["enabled"].as_bool(), schedule["pause"].is_object()) {
        (Some(false), _) => "disabled",
        (_, true) => "paused",
        _ => "enabled",
    }
    .to_owned()
}

fn pause(pause: &Value) -> String {
    if !pause.is_object() {
        return NOTHING.to_owned();
    }
    let until = match time(&pause["until"]).as_str() {
        NOTHING => "until it is resumed".to_owned(),
        until => format!("until {until}"),
    };
    format!("{until}, by {} at {}: {}", text(&pause["paused_by"]), time(&pause["paused_at"]), text(&pause["reason"]))
}

fn skip(skip: &Value) -> String {
    if !skip.is_object() {
        return NOTHING.to_owned();
    }
    let fire = format!("the fire of {}, asked for by {}", time(&skip["scheduled_for"]), text(&skip["requested_by"]));
    match text(&skip["reason"]).as_str() {
        NOTHING => fire,
        reason => format!("{fire}: {reason}"),
    }
}

fn window(schedule: &Value) -> String {
    let (start, end) = (&schedule["window_start_hour"], &schedule["window_end_hour"]);
    let (Some(start), Some(end)) = (start.as_u64(), end.as_u64()) else { return NOTHING.to_owned() };
    match (start == end, schedule["enforce_window"].as_bool()) {
        (true, _) => "all day".to_owned(),
        (false, Some(false)) => format!("({start:02}-{end:02})"),
        (false, _) => format!("{start:02}-{end:02}"),
    }
}

fn targets_of(schedule: &Value) -> String {
    match (text(&schedule["target"]), text(&schedule["targets"]), text(&schedule["target_group"])) {
        (one, _, _) if one != NOTHING => one,
        (_, several, _) if several != NOTHING => several,
        (_, _, group) => format!("group {group}"),
    }
}

/// `jobs list`.
pub fn jobs(document: &Value) -> String {
    let rows = rows(document, "jobs", |job| {
        vec![
            text(&job["id"]),
            text(&job["schedule_id"]),
            text(&job["target"]),
            text(&job["trigger"]),
            text(&job["state"]),
            text(&job["reason"]),
            time(&job["scheduled_for"]),
            duration(&job["duration_ms"]),
        ]
    });
    table(&["ID", "SCHEDULE", "TARGET", "TRIGGER", "STATE", "REASON", "FOR", "TOOK"], &rows)
}

/// `jobs get`, and every answer that is one job.
pub fn job(job: &Value) -> String {
    let state = match text(&job["reason"]).as_str() {
        NOTHING => text(&job["state"]),
        reason => format!("{} {reason}", text(&job["state"])),
    };
    let message = match text(&job["explanation"]).as_str() {
        NOTHING => text(&job["error_message"]),
        explanation => explanation.to_owned(),
    };
    let head = pairs(&[
        ("Job", text(&job["id"])),
        ("Schedule", text(&job["schedule_id"])),
        ("Target", text(&job["target"])),
        ("Trigger", text(&job["trigger"])),
        ("Requested by", text(&job["requested_by"])),
        ("Retry of", text(&job["retry_of"])),
        ("State", state),
        ("Because", message),
        ("For", time(&job["scheduled_for"])),
        ("Started", time(&job["started_at"])),
        ("Finished", time(&job["finished_at"])),
        ("Took", duration(&job["duration_ms"])),
        ("Progress", format!("{} %", text(&job["progress_pct"]))),
    ]);
    let tasks = rows(job, "tasks", |task| {
        vec![
            text(&task["name"]),
            text(&task["state"]),
            text(&task["attempts"]),
            duration(&task["duration_ms"]),
            text(&task["error_message"]),
        ]
    });
    format!("{head}\n{}", table(&["TASK", "STATE", "ATTEMPTS", "TOOK", "MESSAGE"], &tasks))
}

/// Several jobs, one after the other.
pub fn several_jobs(document: &Value) -> String {
    let jobs = document["jobs"].as_array().map(Vec::as_slice).unwrap_or_default();
    jobs.iter().map(job).collect::<Vec<_>>().join("\n")
}

/// `health`.
pub fn health(report: &Value) -> String {
    let head = pairs(&[
        ("Status", text(&report["overall_status"])),
        ("At", time(&report["generated_at"])),
        (
            "Schedules",
            format!("{}, of which {} are enabled", text(&report["total_schedules"]), text(&report["enabled_schedules"])),
        ),
        ("Active jobs", text(&report["active_jobs"])),
        (
            "Last 24 h",
            format!("{} jobs succeeded, {} failed", text(&report["succeeded_jobs_24h"]), text(&report["failed_jobs_24h"])),
        ),
    ]);
    let modules = rows(report, "modules", |module| {
        vec![text(&module["module_name"]), text(&module["status"]), time(&module["checked_at"]), text(&module["message"])]
    });
    format!("{head}\n{}", table(&["MODULE", "STATUS", "CHECKED", "MESSAGE"], &modules))
}

/// `targets`.
pub fn targets(document: &Value) -> String {
    let rows = rows(document, "targets", |target| {
        vec![
            text(&target["name"]),
            text(&target["state"]),
            text(&target["pending_jobs"]),
            format!("{} of {}", text(&target["running_jobs"]), text(&target["max_concurrent_jobs"])),
            text(&target["reason"]),
        ]
    });
    let list = table(&["TARGET", "STATE", "PENDING", "RUNNING", "REASON"], &rows);
    match pause(&document["pause"]).as_str() {
        NOTHING => list,
        pause => format!("{list}\nAll targets are paused {pause}\n"),
    }
}

/// One target; of an answer that is about all of them only the pause is there.
pub fn target(target: &Value) -> String {
    if target["name"].is_null() {
        return match pause(&target["pause"]).as_str() {
            NOTHING => "All targets: no pause of all".to_owned(),
            pause => format!("All targets: paused {pause}"),
        };
    }
    pairs(&[
        ("Target", text(&target["name"])),
        ("State", text(&target["state"])),
        ("Reason", text(&target["reason"])),
        ("Pause", pause(&target["pause"])),
        ("Pending", text(&target["pending_jobs"])),
        ("Running", format!("{} of {}", text(&target["running_jobs"]), text(&target["max_concurrent_jobs"]))),
    ])
}

/// One freeze.
pub fn freeze(freeze: &Value) -> String {
    freezes(&json!({"freezes": [freeze]}))
}

/// `freezes list`.
pub fn freezes(document: &Value) -> String {
    let rows = rows(document, "freezes", |freeze| {
        let targets = match text(&freeze["targets"]).as_str() {
            NOTHING => "all".to_owned(),
            names => names.to_owned(),
        };
        vec![
            text(&freeze["id"]),
            time(&freeze["from"]),
            time(&freeze["to"]),
            targets,
            text(&freeze["created_by"]),
            text(&freeze["reason"]),
        ]
    });
    table(&["ID", "FROM", "TO", "TARGETS", "BY", "REASON"], &rows)
}

/// `schedules preview`.
pub fn preview(document: &Value) -> String {
    let rows = rows(document, "fires", |fire| {
        let elsewhere: Vec<String> = fire["targets"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
            .filter(|target| target["verdict"] != fire["verdict"])
            .map(|target| format!("{}: {}", text(&target["target"]), text(&target["verdict"])))
            .collect();
        let elsewhere = if elsewhere.is_empty() { NOTHING.to_owned() } else { elsewhere.join(", ") };
        vec![time(&fire["scheduled_for"]), text(&fire["verdict"]), elsewhere, text(&fire["reason"])]
    });
    table(&["FIRE", "VERDICT", "EXCEPT ON", "REASON"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_times_are_short() {
        let said: Vec<String> =
            [0, 305, 1_050, 61_000, 3_661_000].into_iter().map(|milliseconds| duration(&json!(milliseconds))).collect();
        assert_eq!(said, ["0 ms", "305 ms", "1.0 s", "1m 01s", "1h 01m"]);
        assert_eq!((duration(&json!(null)), time(&json!(null))), ("-".to_owned(), "-".to_owned()));
        assert_eq!(time(&json!("2026-01-31T02:00:00.123Z")), "2026-01-31T02:00:00Z");
        assert_eq!(time(&json!("a sentence. And Z")), "a sentence. And Z");
    }

    #[test]
    fn a_schedule_is_told_in_words() {
        let mut document = json!({"id": "s", "enabled": true, "window_start_hour": 1, "window_end_hour": 5, "enforce_window": false,
            "target": null, "targets": ["a", "b"], "cron_expression": "0 3 * * 0", "frequency": "WEEKLY", "labels": {"team": "a", "x": ""},
            "tasks": ["LOG_ROTATION", {"task_type": "CUSTOM", "name": "mine"}, {"task_type": "CUSTOM", "name": null}]});
        let told = schedule(&document);
        for line in ["Labels   team=a,x=", "Window   (01-05)", "Target   a,b", "Cron     0 3 * * 0 (WEEKLY)", "State    enabled"]
        {
            assert!(told.contains(line), "{told}");
        }
        assert!(told.contains("LOG_ROTATION, mine (CUSTOM), CUSTOM"), "{told}");
        document["pause"] =
            json!({"paused_by": "me", "reason": "release", "paused_at": "2026-01-01T00:00:00.000Z", "until": null});
        document["skip_next"] = json!({"scheduled_for": "2026-01-02T00:00:00.000Z", "requested_by": "you", "reason": null});
        let told = schedule(&document);
        assert!(
            told.contains("paused") && told.contains("until it is resumed, by me at 2026-01-01T00:00:00Z: release"),
            "{told}"
        );
        assert!(told.contains("the fire of 2026-01-02T00:00:00Z, asked for by you\n"), "{told}");
        document["enabled"] = json!(false);
        assert!(schedules(&json!({"schedules": [document]})).contains("disabled"));
    }

    #[test]
    fn lists_of_an_older_service_are_shown_with_what_they_have() {
        assert_eq!(jobs(&json!({})), "ID  SCHEDULE  TARGET  TRIGGER  STATE  REASON  FOR  TOOK\n");
        let told = targets(&json!({"targets": [{"name": "a", "state": "READY"}], "pause": {"reason": "r"}}));
        assert!(
            told.contains("a       READY  -        - of -   -") && told.contains("All targets are paused until it is resumed"),
            "{told}"
        );
        let fires = json!({"fires": [{"scheduled_for": "2026-01-01T00:00:00.000Z", "verdict": "RUN", "reason": null,
            "targets": [{"target": "a", "verdict": "RUN"}, {"target": "b", "verdict": "FROZEN"}]}]});
        assert!(preview(&fires).contains("2026-01-01T00:00:00Z  RUN      b: FROZEN  -"), "{}", preview(&fires));
        assert!(freezes(&json!({"freezes": [{"id": "f", "targets": []}]})).contains("all"));
    }

    #[test]
    fn nothing_of_the_service_s_texts_steers_a_terminal() {
        let told = job(&json!({"id": "j", "error_message": "\u{1b}[2J", "tasks": [{"name": "t", "error_message": "\u{7}"}]}));
        assert!(!told.contains(['\u{1b}', '\u{7}']), "{told:?}");
    }
}
