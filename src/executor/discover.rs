//! Finding out what there is to do, for tasks that give `"*"` for a parameter.

use serde_json::{Map, Value};

use super::answer::Answer;
use super::attempt::Attempt;
use super::captures::LONGEST_VALUE;
use super::failure::{Failure, label};
use super::read::Busy;
use crate::domain::fields::printable;
use crate::domain::job::Outcome;
use crate::domain::recipe::Discovery;
use crate::domain::task::MAX_ITEMS;

impl Attempt<'_> {
    /// Whether the task means every object there is, and the recipe can find out which these are.
    pub(super) fn has_wildcard(&self) -> bool {
        self.recipe.discover.iter().any(|discovery| is_wildcard(&self.task.parameters, discovery))
    }

    /// The parameters of each call that the task stands for, in the order of the target's answers, none twice. Discoveries are made
    /// one after the other, each for every object that those before it found.
    pub(super) async fn discover(&mut self) -> Result<Vec<Map<String, Value>>, Failure> {
        let recipe = self.recipe;
        let mut found = vec![self.task.parameters.clone()];
        for discovery in &recipe.discover {
            let mut next = Vec::new();
            let mut asked = None;
            for parameters in found {
                if !is_wildcard(&parameters, discovery) {
                    push_new(&mut next, parameters);
                    continue;
                }
                let (label, values) = self.ask_for(discovery, &parameters).await?;
                asked = Some(label);
                for value in values {
                    let mut one = parameters.clone();
                    one.insert(discovery.parameter.clone(), value);
                    push_new(&mut next, one);
                }
                if next.len() > MAX_ITEMS {
                    return Err(Failure::permanent(format!(
                        "there are more than {MAX_ITEMS} objects to go through; name them in lists of parameters, in several tasks"
                    )));
                }
            }
            if let Some(label) = asked.filter(|_| next.is_empty()) {
                let parameter = &discovery.parameter;
                return Err(Failure::permanent(format!(
                    "{label} found no {parameter}: does the table exist, and is the store open?"
                )));
            }
            found = next;
        }
        Ok(found)
    }

    /// Makes one discovery call; its label, and the values that it lists.
    async fn ask_for(&mut self, discovery: &Discovery, parameters: &Map<String, Value>) -> Result<(String, Vec<Value>), Failure> {
        let words = format!("looking for every {}: ", discovery.parameter);
        let call = discovery.call.render(parameters, &self.values).map_err(|why| {
            let (method, path) = (discovery.call.method.as_str(), discovery.call.path.as_str());
            Failure::permanent(format!("{words}{method} {path} cannot be made: {why}"))
        })?;
        let rule = self.fill(&discovery.success)?;
        self.ready().await;
        let answer = self.read(&call, &rule, self.deadline, Busy::GiveUp).await.map_err(|failure| {
            // Only reads were made, so that nothing was done.
            let failure = if failure.is_lost() { failure.with_outcome(Outcome::Transient) } else { failure };
            failure.preceded_by(&words)
        })?;
        let label = label(&call);
        let values = listed(discovery, &answer).map_err(|why| {
            Failure::permanent(format!("{words}{label} answered {}, but {why}", answer.status)).with_status(answer.status)
        })?;
        Ok((label, values))
    }
}

fn listed(discovery: &Discovery, answer: &Answer) -> Result<Vec<Value>, String> {
    let list = answer.json().and_then(|body| body.pointer(&discovery.items)).and_then(Value::as_array);
    let place = if discovery.items.is_empty() { "in it" } else { &discovery.items };
    let list = list.ok_or_else(|| format!("there is no list {place}"))?;
    list.iter().map(|element| value_of(discovery, element)).collect()
}

fn value_of(discovery: &Discovery, element: &Value) -> Result<Value, String> {
    let value = element.pointer(&discovery.value).filter(|value| value.is_string() || value.is_number());
    let value = value.ok_or_else(|| format!("an element of its list has no text or number at {}", discovery.value))?;
    let text = value.to_string();
    if text.len() > LONGEST_VALUE {
        return Err(format!("an element of its list has more than {LONGEST_VALUE} bytes at {}", discovery.value));
    }
    if matches!(value.as_str(), Some("" | Discovery::WILDCARD)) {
        return Err(format!("an element of its list has {} at {}", printable(&text), discovery.value));
    }
    Ok(value.clone())
}

fn is_wildcard(parameters: &Map<String, Value>, discovery: &Discovery) -> bool {
    parameters.get(&discovery.parameter).and_then(Value::as_str) == Some(Discovery::WILDCARD)
}

fn push_new(list: &mut Vec<Map<String, Value>>, one: Map<String, Value>) {
    if !list.contains(&one) {
        list.push(one);
    }
}
