//! Endpoints: the recipe by which a task type is carried out on a target. Recipes are data: this module fills the places of their
//! calls and judges their answers, and knows no HTTP client.

mod answer;
mod path;
mod render;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

pub use answer::{Assertion, SuccessRule, Test, summarize};
pub use path::{PathTemplate, PathTemplateError};
pub use render::{RenderError, RenderedCall};

/// The longest time that one attempt may take where the recipe says nothing.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3600);

/// How a task type is carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// The call that does the work.
    pub call: Call,
    /// Parameters without which the task fails before any call.
    pub required_parameters: Vec<String>,
    /// Smallest accepted value of numeric parameters, for a target on which a smaller one does harm.
    pub minimums: BTreeMap<String, f64>,
    /// When the answer counts as success.
    pub success: SuccessRule,
    /// Read-only calls made after success; a target can claim success without having done anything (THEMISDB.md, Conduct).
    pub verify: Vec<Check>,
    /// For a target that answers at once and works on: how to wait for the end.
    pub poll: Option<Poll>,
    /// How to stop the work; `{handle}` is the poll handle.
    pub cancel: Option<Call>,
    /// Limit for one attempt, verification and polling included.
    pub timeout: Duration,
    /// True when doing it twice is as good as once: only then is an attempt with an unknown outcome repeated.
    pub idempotent: bool,
    /// JSON pointers into the answer, shown as `result_summary`.
    pub summary: Vec<String>,
}

impl Recipe {
    /// Checks a task's parameters before any call is made: every required one is there, and those with a minimum are numbers
    /// that are not below it.
    ///
    /// # Errors
    /// Lists everything that is wrong, in words.
    pub fn check_parameters(&self, parameters: &Map<String, Value>) -> Result<(), String> {
        let given = |name: &String| parameters.get(name).filter(|value| !value.is_null());
        let missing = self.required_parameters.iter().filter(|name| given(name).is_none());
        let mut mistakes: Vec<String> = missing.map(|name| format!("parameter '{name}' is missing")).collect();
        for (name, least) in &self.minimums {
            match given(name).map(Value::as_f64) {
                None => {}
                Some(None) => mistakes.push(format!("parameter '{name}' must be a number")),
                Some(Some(number)) if number < *least => mistakes.push(format!("parameter '{name}' must be at least {least}")),
                Some(Some(_)) => {}
            }
        }
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes.join("; ")) }
    }
}

/// One HTTP call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// How.
    pub method: Method,
    /// Where, below the target's base URL.
    pub path: PathTemplate,
    /// With what.
    pub body: Body,
}

/// The methods that a recipe may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the methods of RFC 9110")]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    /// Reads a method in any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete]
            .into_iter()
            .find(|method| method.as_str().eq_ignore_ascii_case(text))
    }

    /// The method's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// What a call sends.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Nothing.
    None,
    /// The task's parameters, less those used in the path and `endpoint`; `{}` when there are none.
    Parameters,
    /// A template. A string that is nothing but `{name}` becomes the value with its type; `{name}` within a longer string is
    /// replaced by the value's text; a member whose value is `{name?}` is left out when there is no such parameter.
    Template(Value),
}

/// A read-only call and what its answer has to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The call.
    pub call: Call,
    /// What its answer has to be.
    pub success: SuccessRule,
}

/// How to wait for work that goes on after the first answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Poll {
    /// JSON pointer to the handle in the first answer; it fills `{handle}`.
    pub handle: String,
    /// The call that asks for the state.
    pub call: Call,
    /// JSON pointer to the state in that call's answer.
    pub state: String,
    /// States that mean success.
    pub succeeded: Vec<Value>,
    /// States that mean failure; any other state means that the work goes on.
    pub failed: Vec<Value>,
    /// Time between two polls.
    pub interval: Duration,
    /// What the last answer has to be, beside its state.
    pub success: SuccessRule,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    fn call(path: &str, body: Body) -> Call {
        Call { method: Method::Post, path: PathTemplate::parse(path).expect("a path"), body }
    }

    #[test]
    fn parameters_in_the_path_are_encoded_and_not_sent_in_the_body() {
        let call = call("/stats/{table}/x", Body::Parameters);
        let parameters = object(json!({"table": "a/b ü%", "endpoint": "e", "column": "c"}));
        let rendered = call.render(&parameters, &Map::new()).expect("rendered");
        assert_eq!(rendered.path, "/stats/a%2Fb%20%C3%BC%25/x");
        assert_eq!(rendered.body, Some(json!({"column": "c"})));
    }

    #[test]
    fn a_path_parameter_cannot_leave_its_segment() {
        let call = call("/stats/{table}", Body::None);
        for (value, error) in [
            (json!(".."), RenderError::NotASegment("table".into())),
            (json!(""), RenderError::NotASegment("table".into())),
            (json!({"a": 1}), RenderError::NotScalar("table".into())),
        ] {
            assert_eq!(call.render(&object(json!({"table": value})), &Map::new()), Err(error));
        }
        assert_eq!(call.render(&Map::new(), &Map::new()), Err(RenderError::Missing("table".into())));
    }

    #[test]
    fn templates_keep_the_type_of_a_value_that_stands_alone() {
        let template = json!({"n": "{n}", "text": "n is {n}", "list": ["{n}", 1], "maybe": "{absent?}", "job": "{job_id}"});
        let rendered = call("/x", Body::Template(template)).render(&object(json!({"n": 5})), &object(json!({"job_id": "j"})));
        assert_eq!(rendered.expect("rendered").body, Some(json!({"n": 5, "text": "n is 5", "list": [5, 1], "job": "j"})));
    }

    #[test]
    fn paths_that_are_no_paths_and_restore_are_refused() {
        for bad in ["", "x", "http://h/x", "//h/x", "/a/../b", "/a b", "/a{", "/a}", "/{}", "/{a{b}}", "/a#b"] {
            assert!(PathTemplate::parse(bad).is_err(), "{bad}");
        }
        for restore in ["/admin/restore", "/Admin/Restore?x=1", "/v1/admin/restore", "/admin/./restore", "/admin/%72estore"] {
            assert_eq!(PathTemplate::parse(restore), Err(PathTemplateError::Restore), "{restore}");
        }
        let sneaky = call("/admin/{what}", Body::None);
        assert_eq!(sneaky.render(&object(json!({"what": "restore"})), &Map::new()), Err(RenderError::Restore));
    }

    #[test]
    fn assertions_say_what_is_wrong() {
        let rule =
            |pointer: &str, test| SuccessRule { statuses: vec![], assertions: vec![Assertion { pointer: pointer.into(), test }] };
        let body = json!({"success": true, "n": 3, "error": null});
        assert_eq!(rule("/success", Test::Equals(json!(true))).check_body(Some(&body)), Ok(()));
        assert_eq!(rule("/n", Test::Equals(json!(3.0))).check_body(Some(&body)), Ok(()));
        assert_eq!(rule("/n", Test::AtLeast(4.0)).check_body(Some(&body)), Err("/n must be at least 4, but it is 3".into()));
        assert_eq!(
            rule("/type", Test::NotEquals(json!(""))).check_body(Some(&body)),
            Err("/type must be there and not \"\", but it is missing".into())
        );
        assert_eq!(rule("/error", Test::Absent).check_body(Some(&body)), Err("/error must be absent, but it is null".into()));
        assert_eq!(rule("/n", Test::Exists).check_body(None), Err("the answer is not JSON".into()));
        assert_eq!(SuccessRule::default().check_body(None), Ok(()));
        assert!(SuccessRule::default().accepts_status(204) && !SuccessRule::default().accepts_status(301));
    }

    #[test]
    fn parameters_that_are_missing_or_too_small_are_all_listed() {
        let recipe = Recipe {
            call: call("/x", Body::Parameters),
            required_parameters: vec!["table".into(), "column".into()],
            minimums: BTreeMap::from([("before".to_owned(), 0.0), ("pages".to_owned(), 1.0)]),
            success: SuccessRule::default(),
            verify: vec![],
            poll: None,
            cancel: None,
            timeout: DEFAULT_TIMEOUT,
            idempotent: false,
            summary: vec![],
        };
        assert_eq!(
            recipe.check_parameters(&object(json!({"column": null, "before": -1, "pages": "3"}))),
            Err("parameter 'table' is missing; parameter 'column' is missing; parameter 'before' must be at least 0; \
                 parameter 'pages' must be a number"
                .into())
        );
        assert_eq!(recipe.check_parameters(&object(json!({"table": "t", "column": "c", "before": 0}))), Ok(()));
    }

    #[test]
    fn a_summary_takes_what_is_there() {
        let pointers = ["/a/b".to_owned(), "/nothing".to_owned()];
        assert_eq!(summarize(&pointers, Some(&json!({"a": {"b": 1}}))), Some(json!({"b": 1})));
        assert_eq!(summarize(&pointers, Some(&json!([]))), None);
    }
}
