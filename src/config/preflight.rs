//! `[[targets.NAME.preflight]]`: what has to hold at a target before a job starts on it.

use std::collections::BTreeMap;

use serde_json::Map;

use super::layer::{Node, Value};
use super::recipe_calls::{each, reading_call};
use super::recipe_rules::success;
use super::section::Section;
use super::values::{float, kind, string};
use crate::domain::recipe::{RenderedCall, SuccessRule};

/// A question to a target, and the answer that lets a job start.
#[derive(Debug, Clone, PartialEq)]
pub struct PreflightCheck {
    /// The question: a GET.
    pub call: RenderedCall,
    /// The answer.
    pub expected: Expected,
}

/// What an answer has to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// Statuses and assertions on JSON, as in recipes.
    Json(SuccessRule),
    /// Statements on metrics in Prometheus's text format, in a 2xx.
    Metrics(Vec<MetricRule>),
}

/// A statement on a metric: every chosen series lies within the bounds, and there is at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRule {
    /// The metric's name.
    pub name: String,
    /// Only series with these labels are meant, whatever others they have.
    pub labels: BTreeMap<String, String>,
    /// The lower bound, itself included.
    pub at_least: Option<f64>,
    /// The upper bound, itself included.
    pub at_most: Option<f64>,
}

/// Reads all checks; `None` when one of them is not whole.
pub(super) fn preflight(section: &mut Section<'_>) -> Option<Vec<PreflightCheck>> {
    each(section, "preflight", check)
}

fn check(mut section: Section<'_>) -> Option<PreflightCheck> {
    let call = reading_call(&mut section, "a check").and_then(|call| {
        let none = Map::new();
        let place =
            |error| section.mistake("path", format!("or body has a place to fill, but no task stands behind it: {error}"));
        call.render(&none, &none).map_err(place).ok()
    });
    let has_success = section.node("success").is_some();
    let expected = if section.node("metrics").is_some() {
        if has_success {
            section.mistake("success", "and metrics are both given; make two checks of them");
        }
        metrics(&mut section).map(Expected::Metrics)
    } else {
        success(&mut section).map(Expected::Json)
    };
    section.finish();
    Some(PreflightCheck { call: call?, expected: expected? })
}

fn metrics(section: &mut Section<'_>) -> Option<Vec<MetricRule>> {
    let rules = each(section, "metrics", metric)?;
    if rules.is_empty() {
        section.mistake("metrics", "must hold at least one table with name and at_most or at_least");
        return None;
    }
    Some(rules)
}

fn metric(mut section: Section<'_>) -> Option<MetricRule> {
    let name = section.required("name", |node| {
        string(node).and_then(|name| if is_metric(&name) { Ok(name) } else { Err("must be the name of a metric".to_owned()) })
    });
    let labels = section.or("labels", BTreeMap::new(), labels);
    let at_least = section.optional("at_least", float);
    let at_most = section.optional("at_most", float);
    if section.node("at_least").is_none() && section.node("at_most").is_none() {
        section.table_mistake("needs at_most or at_least");
    }
    if let (Some(least), Some(most)) = (at_least, at_most)
        && least > most
    {
        section.mistake("at_least", format!("must not be above at_most, {most}"));
    }
    section.finish();
    Some(MetricRule { name: name?, labels: labels?, at_least, at_most })
}

fn labels(node: &Node) -> Result<BTreeMap<String, String>, String> {
    match &node.value {
        Value::Table(members) => members.iter().map(|(name, node)| Ok((name.clone(), string(node)?))).collect(),
        Value::Text { structured: Some(parsed), .. } => labels(parsed),
        _ => Err(format!("must be a table of label values, not {}", kind(node))),
    }
}

fn is_metric(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
    name.bytes().all(fits) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}
