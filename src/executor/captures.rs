//! Values that an attempt takes out of answers: kept for later calls and attempts, and shown in the summary.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::answer::Answer;
use super::attempt::Attempt;
use super::failure::Failure;
use crate::domain::fields::depth;
use crate::domain::ports::{AttemptTrace, Checkpoint};
use crate::domain::recipe::{Selector, summarize};

/// The longest value that a summary keeps, or that can be captured. It is stored with the job and shown in lists.
pub(super) const LONGEST_VALUE: usize = 4096;
/// How deep such a value may be nested: it is stored with the job, some levels deeper, and has to be read from there again.
const DEEPEST_VALUE: usize = 32;

impl Attempt<'_> {
    /// Takes values out of an answer; all of them, or the attempt has failed.
    pub(super) fn capture(&mut self, wanted: &BTreeMap<String, Selector>, answer: &Answer, label: &str) -> Result<(), Failure> {
        for (name, selector) in wanted {
            let found = answer.json().map_or(Ok(None), |body| selector.pick(body));
            let kept = match found {
                Ok(Some(value)) if value.is_null() => Err(format!("{selector} is null")),
                Ok(Some(value)) if is_too_large(&value) => Err(format!("{selector} is larger than {LONGEST_VALUE} bytes")),
                Ok(Some(value)) => Ok(value),
                Ok(None) => Err(format!("{selector} is missing")),
                Err(why) => Err(why),
            };
            let value = kept.map_err(|why| {
                let message = format!("{label} answered {}, but {name} cannot be taken out of it: {why}", answer.status);
                Failure::permanent(message).with_status(answer.status)
            })?;
            self.captured.insert(name.clone(), value);
        }
        Ok(())
    }

    /// Has the captured values stored with the job; a later attempt goes on from them.
    pub(super) async fn keep_captured(&self, trace: &AttemptTrace) {
        trace.keep(Checkpoint { captured: self.captured.clone(), ..Checkpoint::default() }).await;
    }

    /// What of an answer, and of what was captured, is shown.
    pub(super) fn summary(&self, body: Option<&Value>) -> Option<Value> {
        let mut summary = summarize(&self.recipe.summary, body, &self.captured)?;
        for value in summary.as_object_mut().into_iter().flat_map(Map::values_mut) {
            if is_too_large(value) {
                *value = Value::from(format!("({} bytes, not kept)", value.to_string().len()));
            }
        }
        Some(summary)
    }
}

fn is_too_large(value: &Value) -> bool {
    value.to_string().len() > LONGEST_VALUE || depth(value) > DEEPEST_VALUE
}
