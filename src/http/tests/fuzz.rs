//! Readers of bodies, headers and cursors, tried as `tests/fuzz` does it. Here, because nothing outside of `http` should see them; the
//! driver and the corpus are those of `tests/fuzz`.

#[path = "../../../tests/fuzz/driver/mod.rs"]
mod driver;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, ensure};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Request};
use proptest::prelude::*;
use serde_json::{Value, json};

use self::driver::{Fuzz, Verdict};
use super::support::{TestService, now};
use crate::domain::catalog::{Catalog, TargetCatalog};
use crate::domain::fields::depth;
use crate::domain::idempotency::IdempotentRequest;
use crate::domain::ids::ScheduleId;
use crate::domain::schedule::{RunState, Schedule};
use crate::domain::schedule_input;
use crate::http::dto::schedule::ScheduleView;
use crate::http::extract::{IdempotencyKey, IfMatch, cursor, strict_json};
use crate::http::problem::Problem;
use crate::http::state::HttpState;

const BODY_WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\u0061",
    "\\ud800",
    "\\ud83d\\ude00",
    "\"a\":1,",
    "\"name\":\"N\",",
    "1e999",
    "-0",
    "0.1",
    "1E-400",
    "NaN",
    "null",
    "true",
    "\u{feff}",
    "/**/",
    "'",
    "name",
    "tasks",
    "cron_expression",
    "parameters",
    "0 2 * * *",
    "CUSTOM",
    "target",
    "targets",
];
const HEADER_WORDS: &[&str] = &[
    "If-Match: ",
    "Idempotency-Key: ",
    "schedules: ",
    "jobs: ",
    "*",
    "W/",
    "\"",
    "\"a:1\"",
    ", ",
    ",,",
    "\t",
    " ",
    "ä",
    "MXNh",
    "MWo",
    "==",
    "-_",
    "+/",
    "1s",
    "1j",
];

#[test]
fn bodies_mean_one_thing_and_can_be_sent_back() {
    Fuzz { name: "http-body", words: BODY_WORDS, generated: bodies }.run(|| judge_body);
}

#[test]
fn headers_and_cursors_are_read_strictly() {
    Fuzz { name: "http-header", words: HEADER_WORDS, generated: headers }.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let state = {
            let _inside = runtime.enter();
            TestService::new().state
        };
        move |input| runtime.block_on(judge_header(&state, input))
    });
}

/// Any JSON, and schedules with any parameters.
fn bodies() -> BoxedStrategy<Vec<u8>> {
    let leaf = prop_oneof![
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
        Just(Value::Null),
    ];
    let json = leaf.prop_recursive(4, 24, 4, |inner| {
        let members = prop::collection::btree_map("[a-c\\\\\"é]{0,2}", inner.clone(), 0..4);
        prop_oneof![prop::collection::vec(inner, 0..4).prop_map(Value::from), members.prop_map(|members| json!(members))]
    });
    let schedule = json.clone().prop_map(|value| {
        let task = json!({"task_type": "CUSTOM", "parameters": {"x": value}});
        json!({"name": "N", "cron_expression": "0 2 * * *", "tasks": [task]})
    });
    prop_oneof![json, schedule].prop_map(|value| value.to_string().into_bytes()).boxed()
}

/// Lines as a request has them, and cursors after any key.
fn headers() -> BoxedStrategy<Vec<u8>> {
    let tags = prop::collection::vec("(W/)?\"[!#-~é]{0,5}\"", 1..4).prop_map(|tags| format!("If-Match: {}", tags.join(", ")));
    let schedule = "[a-z0-9_-]{1,10}".prop_map(|id| cursor::after_schedule(&ScheduleId::parse(&id).expect("an id")));
    let key = (any::<u32>(), any::<u128>());
    let job = key.prop_map(|(seconds, id)| {
        let time = chrono::DateTime::from_timestamp(i64::from(seconds), 0).expect("a time");
        cursor::after_job((time, crate::domain::ids::JobId(uuid::Uuid::from_u128(id))))
    });
    prop_oneof![
        tags,
        "[!-~]{1,40}".prop_map(|key| format!("Idempotency-Key: {key}")),
        schedule.prop_map(|cursor| format!("schedules: {cursor}")),
        job.prop_map(|cursor| format!("jobs: {cursor}")),
    ]
    .prop_map(String::into_bytes)
    .boxed()
}

fn check_message(message: &str) -> anyhow::Result<()> {
    // As for all messages: they stand in answers, logs and terminals.
    ensure!(!message.trim().is_empty() && message.len() <= 4096, "a message has {} bytes", message.len());
    ensure!(!message.contains(char::is_control), "a message holds control characters: {message:?}");
    Ok(())
}

fn judge_body(input: &[u8]) -> Verdict {
    let lax: Result<Value, _> = serde_json::from_slice(input);
    let value = match strict_json::parse(input) {
        Ok(value) => value,
        Err(message) => {
            check_message(&message)?;
            let stricter = ["is repeated", "nested deeper"].iter().any(|words| message.contains(words));
            ensure!(lax.is_err() || stricter, "refused, though it is JSON: {message}");
            return Ok(message.chars().filter(|c| c.is_ascii_alphabetic() || *c == ' ').take(20).collect());
        }
    };
    ensure!(lax.is_ok_and(|lax| lax == value), "it is read as {value}, and by others as something else");
    ensure!(depth(&value) <= 64, "nested deeper than what is stored may be");
    let again = strict_json::parse(value.to_string().as_bytes()).map_err(|error| anyhow!("printed it is refused: {error}"))?;
    ensure!(again == value, "printed and read again it is {again}, not {value}");
    let catalog = Catalog::new(BTreeMap::from([("default".to_owned(), TargetCatalog::default())]));
    let Ok(read) = schedule_input::parse(&value, &catalog, now()) else { return Ok("no schedule".into()) };

    let definition = Arc::new(read.definition);
    let (created_by, updated_by) = ("ann".to_owned(), "ann".to_owned());
    let (id, run) = (ScheduleId::parse("tried")?, RunState::default());
    let schedule = Schedule { id, definition, version: 1, created_at: now(), updated_at: now(), created_by, updated_by, run };
    let shown = serde_json::to_vec(&ScheduleView::new(&schedule, &catalog))?;
    let sent_back = strict_json::parse(&shown).map_err(|error| anyhow!("what is shown is refused: {error}"))?;
    let sent_back =
        schedule_input::parse(&sent_back, &catalog, now()).map_err(|errors| anyhow!("what is shown is refused: {errors:?}"))?;
    ensure!(
        sent_back.definition == *schedule.definition,
        "sent back it is {:#?}, not {:#?}",
        sent_back.definition,
        schedule.definition
    );
    Ok("a schedule".into())
}

async fn judge_header(state: &HttpState, input: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(input);
    match text.split_once(": ") {
        Some(("schedules", cursor)) => match cursor::read_schedule(cursor) {
            Some(id) => {
                ensure!(cursor::after_schedule(&id) == cursor, "two cursors stand for {id}");
                Ok("a schedule".into())
            }
            None => Ok("no cursor of schedules".into()),
        },
        Some(("jobs", cursor)) => match cursor::read_job(cursor) {
            Some(key) => {
                ensure!(cursor::after_job(key) == cursor, "two cursors stand for {key:?}");
                Ok("a job".into())
            }
            None => Ok("no cursor of jobs".into()),
        },
        _ => judge_lines(state, input).await,
    }
}

/// All lines of an input are headers of one request.
async fn judge_lines(state: &HttpState, input: &[u8]) -> Verdict {
    let mut request = Request::new(());
    for line in input.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(line[colon + 1..].trim_ascii()));
        // What is no header does not come as far as an extractor.
        if let (Ok(name), Ok(value)) = (name, value) {
            request.headers_mut().append(name, value);
        }
    }
    let mut parts: Parts = request.into_parts().0;
    let tags = match IfMatch::from_request_parts(&mut parts, state).await {
        Ok(IfMatch(precondition)) => {
            // A tag that was never given holds for no demand but "any".
            ensure!(
                precondition.holds("\"never:given\"") == precondition.holds("\"nor:this\""),
                "{precondition:?} tells strangers apart"
            );
            format!("{precondition:?}").split('(').next().context("a name")?.to_owned()
        }
        Err(problem) => check_problem(&problem)?,
    };
    let key = match IdempotencyKey::from_request_parts(&mut parts, state).await {
        Ok(key) => match key.of(None) {
            Some(IdempotentRequest { key, digest }) => {
                ensure!(
                    (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()),
                    "the key {key:?} is accepted"
                );
                ensure!(digest.len() == 64, "the digest {digest}");
                "a key".to_owned()
            }
            None => "no key".to_owned(),
        },
        Err(problem) => check_problem(&problem)?,
    };
    Ok(format!("{tags}, {key}"))
}

fn check_problem(problem: &Problem) -> Verdict {
    let errors = &problem.errors;
    ensure!(errors.iter().any(|error| !error.field.is_empty()), "a refusal names no header");
    errors.iter().try_for_each(|error| check_message(&error.message))?;
    Ok(format!("refused {}", errors[0].field))
}
