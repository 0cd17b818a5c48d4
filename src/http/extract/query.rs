//! Query parameters. Unknown ones are refused: a `dry_run=true` that is silently passed over would be a disaster.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use url::form_urlencoded;

use super::cursor;
use crate::domain::access::Access;
use crate::domain::fields::{FieldError, printable};
use crate::domain::ids::{JobId, ScheduleId};
use crate::domain::job::JobState;
use crate::domain::labels::LabelSelector;
use crate::domain::pause::parse_moment;
use crate::domain::preview::{MAX_FIRES, USUAL_FIRES};
use crate::domain::principal::Principal;
use crate::domain::time::Timestamp;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::HttpState;
use crate::orchestrator::view::{JobQuery, ScheduleQuery};

/// The most schedules on a page, and how many there are where nothing is said.
const SCHEDULES_PER_PAGE: (usize, usize) = (1000, 100);
/// The most jobs on a page, and how many there are where nothing is said.
const JOBS_PER_PAGE: (usize, usize) = (500, 50);

/// The most fires of a preview, and how many there are where nothing is said.
const FIRES: (usize, usize) = (MAX_FIRES, USUAL_FIRES);
/// The longest wait for a job's end in seconds.
const LONGEST_WAIT: usize = 300;

/// Asserts that there are no query parameters.
pub(in crate::http) struct NoQuery;

/// How long to wait for a job's end; no time at all where nothing is said.
pub(in crate::http) struct Wait(pub Duration);

/// Which schedules to list. Gives its query only to somebody: to whom decides what is on the list.
pub(in crate::http) struct ScheduleList(ScheduleQuery);

/// Which jobs to list; as [`ScheduleList`].
pub(in crate::http) struct JobList(JobQuery);

/// Whether a write only says what would come of it.
pub(in crate::http) struct DryRun(pub bool);

/// Which fires to preview.
pub(in crate::http) struct PreviewRange {
    /// How many.
    pub count: usize,
    /// From when on.
    pub from: Option<Timestamp>,
}

impl FromRequestParts<HttpState> for DryRun {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &HttpState) -> Result<Self, Problem> {
        let mut parameters = Parameters::read(parts.uri.query());
        let dry_run = parameters.boolean("dry_run").unwrap_or(false);
        parameters.finish().map(|()| Self(dry_run))
    }
}

impl FromRequestParts<HttpState> for PreviewRange {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &HttpState) -> Result<Self, Problem> {
        let mut parameters = Parameters::read(parts.uri.query());
        let count = parameters.integer("count", 1, FIRES.0).unwrap_or(FIRES.1);
        let from =
            parameters.parsed("from", "must be a time such as 2026-01-31T02:00:00Z (RFC 3339; + is written %2B)", parse_moment);
        parameters.finish().map(|()| Self { count, from })
    }
}

impl ScheduleList {
    /// The query for what this caller may see.
    pub fn of(self, principal: &Principal) -> ScheduleQuery {
        ScheduleQuery { access: principal.access.clone(), ..self.0 }
    }
}

impl JobList {
    /// The query for what this caller may see.
    pub fn of(self, principal: &Principal) -> JobQuery {
        JobQuery { access: principal.access.clone(), ..self.0 }
    }
}

impl FromRequestParts<HttpState> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &HttpState) -> Result<Self, Problem> {
        Parameters::read(parts.uri.query()).finish().map(|()| Self)
    }
}

impl FromRequestParts<HttpState> for Wait {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &HttpState) -> Result<Self, Problem> {
        wait_query(parts.uri.query()).map(Self)
    }
}

impl FromRequestParts<HttpState> for ScheduleList {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &HttpState) -> Result<Self, Problem> {
        schedule_query(parts.uri.query()).map(Self)
    }
}

impl FromRequestParts<HttpState> for JobList {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &HttpState) -> Result<Self, Problem> {
        job_query(parts.uri.query()).map(Self)
    }
}

fn wait_query(query: Option<&str>) -> Result<Duration, Problem> {
    let mut parameters = Parameters::read(query);
    let seconds = parameters.integer("wait", 0, LONGEST_WAIT).unwrap_or_default();
    parameters.finish()?;
    Ok(Duration::from_secs(seconds as u64))
}

fn schedule_query(query: Option<&str>) -> Result<ScheduleQuery, Problem> {
    let mut parameters = Parameters::read(query);
    let enabled = parameters.boolean("enabled");
    let target = parameters.parsed("target", "must not be empty", |text| (!text.is_empty()).then(|| text.to_owned()));
    let labels = parameters.parsed("label", LabelSelector::RULE, LabelSelector::parse).unwrap_or_default();
    let limit = parameters.limit(SCHEDULES_PER_PAGE);
    let after = parameters.parsed("cursor", BAD_CURSOR, cursor::read_schedule);
    parameters.finish()?;
    Ok(ScheduleQuery { enabled, target, labels, access: Access::UNLIMITED, limit, after })
}

fn job_query(query: Option<&str>) -> Result<JobQuery, Problem> {
    let mut parameters = Parameters::read(query);
    let states = JobState::ALL.iter().map(|state| state.as_str()).collect::<Vec<_>>().join(", ");
    let state = parameters.parsed("state", &format!("must be one of {states}"), JobState::parse);
    let schedule_id = parameters.parsed("schedule_id", "is not a schedule's id", |text| ScheduleId::parse(text).ok());
    let target = parameters.parsed("target", "must not be empty", |text| (!text.is_empty()).then(|| text.to_owned()));
    let fire_id = parameters.parsed("fire_id", "is not a fire's id", JobId::parse);
    let active = parameters.boolean("active");
    let limit = parameters.limit(JOBS_PER_PAGE);
    let before = parameters.parsed("cursor", BAD_CURSOR, cursor::read_job);
    parameters.finish()?;
    Ok(JobQuery { state, schedule_id, target, fire_id, active, access: Access::UNLIMITED, limit, before })
}

/// More than any list has.
const MOST_PARAMETERS: usize = 32;

const BAD_CURSOR: &str = "is not a next_cursor of this list";

/// Reads parameters one by one and gathers every mistake.
struct Parameters {
    values: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl Parameters {
    fn read(query: Option<&str>) -> Self {
        let query = query.unwrap_or_default();
        let values: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let mut errors = Vec::new();
        if values.len() > MOST_PARAMETERS {
            // Before they are compared with each other.
            errors.push(FieldError::new("", format!("the query has more than {MOST_PARAMETERS} parameters")));
            return Self { values: Vec::new(), errors };
        }
        for (index, (name, value)) in values.iter().enumerate() {
            if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
                errors.push(FieldError::new(printable(name), "is not UTF-8"));
            }
            if values[..index].iter().filter(|(earlier, _)| earlier == name).count() == 1 {
                errors.push(FieldError::new(printable(name), "is repeated"));
            }
        }
        if !has_sound_escapes(query) {
            errors.push(FieldError::new("", "the query has a % that two hexadecimal digits do not follow"));
        }
        Self { values, errors }
    }

    /// Takes a parameter; what stands more than once was noted before.
    fn take(&mut self, name: &str) -> Option<String> {
        let value = self.values.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        self.values.retain(|(known, _)| known != name);
        value
    }

    fn parsed<T>(&mut self, name: &str, rule: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.take(name)?;
        let value = read(&text);
        if value.is_none() {
            self.errors.push(FieldError::new(name, rule));
        }
        value
    }

    fn boolean(&mut self, name: &str) -> Option<bool> {
        self.parsed(name, "must be true or false", |text| text.parse().ok())
    }

    fn limit(&mut self, (most, usual): (usize, usize)) -> usize {
        self.integer("limit", 1, most).unwrap_or(usual)
    }

    fn integer(&mut self, name: &str, least: usize, most: usize) -> Option<usize> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let read = |text: &str| text.parse().ok().filter(|value| digits(text) && (least..=most).contains(value));
        self.parsed(name, &format!("must be an integer from {least} to {most}"), read)
    }

    /// Ends the reading: every parameter that nobody took is a mistake.
    fn finish(self) -> Result<(), Problem> {
        let Self { values, mut errors } = self;
        let mut unknown: Vec<String> = Vec::new();
        for (name, _) in values {
            let name = printable(&name);
            if !unknown.contains(&name) {
                errors.push(FieldError::new(name.clone(), "is not a known parameter"));
                unknown.push(name);
            }
        }
        let Some(first) = errors.first() else { return Ok(()) };
        let detail = format!("{} {}", first.field, first.message).trim_start().to_owned();
        Err(Problem::new(ProblemKind::InvalidParameter, detail).with_errors(errors))
    }
}

fn has_sound_escapes(query: &str) -> bool {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = query.as_bytes();
    let mut escapes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%').map(|(index, _)| index);
    escapes.all(|index| is_hex(bytes.get(index + 1)) && is_hex(bytes.get(index + 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints<T>(result: Result<T, Problem>) -> Vec<String> {
        let problem = result.err().expect("a problem");
        assert_eq!(problem.kind, ProblemKind::InvalidParameter);
        problem.errors.iter().map(|error| format!("{} {}", error.field, error.message)).collect()
    }

    #[test]
    fn schedules_are_listed_by_what_is_said() {
        let usual = schedule_query(None).expect("a query");
        assert_eq!((usual.enabled, usual.target, usual.limit, usual.after), (None, None, 100, None));
        let after = ScheduleId::parse("a").expect("an id");
        let text = format!("enabled=false&target=a%2Bb+c&limit=1000&cursor={}", cursor::after_schedule(&after));
        let query = schedule_query(Some(&text)).expect("a query");
        assert_eq!((query.enabled, query.target.as_deref(), query.limit), (Some(false), Some("a+b c"), 1000));
        assert_eq!(query.after, Some(after));
    }

    #[test]
    fn jobs_are_listed_by_what_is_said() {
        assert_eq!(job_query(Some("")).expect("a query").limit, 50);
        let query = job_query(Some("state=Running&schedule_id=x&active=true&limit=1")).expect("a query");
        assert_eq!((query.state, query.active, query.limit), (Some(JobState::Running), Some(true), 1));
        assert_eq!(query.schedule_id.expect("an id").as_str(), "x");
    }

    #[test]
    fn every_mistake_is_named() {
        assert_eq!(
            complaints(schedule_query(Some("enabled=yes&target=&limit=1001&cursor=x&dry_run=true"))),
            [
                "enabled must be true or false",
                "target must not be empty",
                "limit must be an integer from 1 to 1000",
                "cursor is not a next_cursor of this list",
                "dry_run is not a known parameter",
            ]
        );
        assert_eq!(
            complaints(job_query(Some("state=DONE&schedule_id=../x&active=1&limit=501&cursor=")))
                .iter()
                .map(|text| text.split(' ').next().expect("a name"))
                .collect::<Vec<_>>(),
            ["state", "schedule_id", "active", "limit", "cursor"]
        );
    }

    #[test]
    fn limits_are_plain_integers() {
        for bad in ["0", "-1", "+1", "%2B1", "1.0", "", "ten", "99999999999999999999", "1%20"] {
            assert_eq!(
                complaints(job_query(Some(&format!("limit={bad}"))))[0],
                "limit must be an integer from 1 to 500",
                "{bad}"
            );
        }
    }

    #[test]
    fn a_wait_is_whole_seconds_up_to_five_minutes() {
        for (query, seconds) in [(None, 0), (Some(""), 0), (Some("wait=0"), 0), (Some("wait=7"), 7), (Some("wait=300"), 300)] {
            assert_eq!(wait_query(query).expect("a wait"), Duration::from_secs(seconds));
        }
        for bad in ["-1", "301", "x", "", "1.5", "1s", "%2B1"] {
            assert_eq!(complaints(wait_query(Some(&format!("wait={bad}")))), ["wait must be an integer from 0 to 300"], "{bad}");
        }
        assert_eq!(complaints(wait_query(Some("wait=1&wait=1"))), ["wait is repeated"]);
        assert_eq!(complaints(wait_query(Some("force=true"))), ["force is not a known parameter"]);
    }

    #[test]
    fn repeated_and_undecodable_parameters_are_refused() {
        assert_eq!(complaints(job_query(Some("limit=1&limit=2&limit=3"))), ["limit is repeated"]);
        assert_eq!(complaints(schedule_query(Some("target=%ff"))), ["target is not UTF-8"]);
        assert_eq!(
            complaints(schedule_query(Some("target=%zz")))[0],
            " the query has a % that two hexadecimal digits do not follow"
        );
        assert_eq!(complaints(Parameters::read(Some("x")).finish()), ["x is not a known parameter"]);
        let many = "a&".repeat(MOST_PARAMETERS + 1);
        assert_eq!(complaints(job_query(Some(&many))), [" the query has more than 32 parameters"]);
    }
}
