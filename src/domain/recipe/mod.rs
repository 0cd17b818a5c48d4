//! Endpoints: the recipe by which a task type is carried out on a target. Recipes are data: this module fills the places of their
//! calls and judges their answers, and knows no HTTP client.

mod answer;
mod calls;
mod path;
mod pattern;
mod poll;
mod render;
mod selector;
mod summary;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

pub use answer::{Assertion, Operand, SuccessRule, Test};
pub use calls::{Check, Discovery, Step};
pub use path::{PathTemplate, PathTemplateError, leads_to_restore};
pub use pattern::Pattern;
pub use poll::Poll;
pub use render::{RenderError, RenderedCall};
pub use selector::{Measure, Selector};
pub use summary::{SummaryEntry, summarize};

/// The longest time that one attempt may take where the recipe says nothing.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3600);

/// The place that is filled once the target has answered with the handle of its work.
pub const HANDLE: &str = "handle";

/// How a task type is carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Calls made before the one that does the work, in this order.
    pub steps: Vec<Step>,
    /// The call that does the work.
    pub call: Call,
    /// Values to keep out of its answer, by the names of the places that they fill from then on.
    pub capture: BTreeMap<String, Selector>,
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
    /// How to find out what a parameter can stand for, in this order.
    pub discover: Vec<Discovery>,
    /// Limit for one attempt, steps and verification included; with a poll, for everything but the waiting.
    pub timeout: Duration,
    /// True when doing it twice is as good as once: only then is an attempt with an unknown outcome repeated.
    pub idempotent: bool,
    /// What to look at on the target after an attempt with an unknown outcome, as a sentence's end.
    pub on_unknown: Option<String>,
    /// What of the answer, and of what was captured, is shown as `result_summary`.
    pub summary: Vec<SummaryEntry>,
}

impl Recipe {
    /// A recipe that is nothing but this call, and content with any 2xx.
    pub fn of(call: Call) -> Self {
        Self {
            steps: Vec::new(),
            call,
            capture: BTreeMap::new(),
            required_parameters: Vec::new(),
            minimums: BTreeMap::new(),
            success: SuccessRule::default(),
            verify: Vec::new(),
            poll: None,
            cancel: None,
            discover: Vec::new(),
            timeout: DEFAULT_TIMEOUT,
            idempotent: false,
            on_unknown: None,
            summary: Vec::new(),
        }
    }

    /// Whether some answer fills the place of this name.
    pub fn captures(&self, name: &str) -> bool {
        self.capture.contains_key(name) || self.steps.iter().any(|step| step.capture.contains_key(name))
    }

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
    /// The task's parameters, less those used in the path, `endpoint`, and those that have the name of a captured value; `{}` when
    /// there are none.
    Parameters,
    /// A template. A string that is nothing but `{name}` becomes the value with its type; `{name}` within a longer string is
    /// replaced by the value's text; a member whose value is `{name?}` is left out when there is no such parameter.
    Template(Value),
}

#[cfg(test)]
mod tests;
