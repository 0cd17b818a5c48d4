//! The calls around the one that does the work: steps before it, checks after it, and those that find out what there is to do.

use std::collections::BTreeMap;

use super::{Call, Selector, SuccessRule};

/// A call made before the one that does the work: it looks whether the work can be done, keeps how things were before it, or
/// prepares it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The call.
    pub call: Call,
    /// What its answer has to be.
    pub success: SuccessRule,
    /// Values to keep out of its answer, by the names of the places that they fill from then on.
    pub capture: BTreeMap<String, Selector>,
    /// The step is left out when there is already a value of this name, be it a parameter of the task or a captured one.
    pub unless: Option<String>,
}

/// A read-only call and what its answer has to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The call.
    pub call: Call,
    /// What its answer has to be.
    pub success: SuccessRule,
    /// Whether it tells work that was done from work that was not, so that it settles the question when the answer to the work's
    /// own call was lost. False for a check that also holds without the work.
    pub settles: bool,
}

/// A read-only call that lists what a parameter can stand for, for tasks that give `"*"`.
#[derive(Debug, Clone, PartialEq)]
pub struct Discovery {
    /// The parameter.
    pub parameter: String,
    /// The call.
    pub call: Call,
    /// What its answer has to be.
    pub success: SuccessRule,
    /// JSON pointer to the list in its answer.
    pub items: String,
    /// JSON pointer to the parameter's value within each element of the list.
    pub value: String,
}

impl Discovery {
    /// What a task gives for a parameter of which it means every object there is.
    pub const WILDCARD: &'static str = "*";
}
