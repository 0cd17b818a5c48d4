//! Which task types can be carried out on which target: the configured recipes, looked up by task.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::access::Access;
use super::fields::printable;
use super::recipe::Recipe;
use super::task::{Parameters, TaskSpec, TaskType};

/// What the rules and the executor need to know of a target.
#[derive(Debug, Clone, Default)]
pub struct TargetCatalog {
    /// Recipe of each task type that has one. `CUSTOM` never has: see [`TargetCatalog::custom`].
    pub recipes: BTreeMap<TaskType, Arc<Recipe>>,
    /// Custom endpoints by name.
    pub custom: BTreeMap<String, Arc<Recipe>>,
    /// Most jobs that may run on the target at once; at least 1.
    pub max_concurrent_jobs: usize,
    /// Parameters for tasks that do not give their own.
    pub parameters: BTreeMap<TaskType, Parameters>,
    /// When the target is left alone because it does not answer.
    pub breaker: BreakerRule,
    /// How long a job is put off when a pre-flight check says not now; `None` when the target has no such checks.
    pub preflight: Option<Duration>,
    /// The target's certificate is not verified: anybody may answer in its place.
    pub insecure: bool,
}

/// When a target's circuit breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRule {
    /// So many attempts in a row without any answer open it; at least 1.
    pub failures: u32,
    /// How long it stays open before the target is asked again; doubles with every vain question, up to
    /// [`BreakerRule::LONGEST_COOLDOWN`].
    pub cooldown: Duration,
}

impl BreakerRule {
    /// The longest time between two questions.
    pub const LONGEST_COOLDOWN: Duration = Duration::from_secs(300);
}

impl Default for BreakerRule {
    fn default() -> Self {
        Self { failures: 5, cooldown: Duration::from_secs(10) }
    }
}

/// All targets, by name.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    targets: BTreeMap<String, TargetCatalog>,
    groups: BTreeMap<String, Vec<String>>,
}

/// Why a task has no recipe. The message names the key to set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MissingRecipe {
    /// The target is not configured any more.
    #[error("target '{target}' is not configured: set [targets.{target}]")]
    Target {
        /// The target's name.
        target: String,
    },
    /// No recipe for this type.
    #[error(
        "{task_type} has no endpoint on target '{target}': set [endpoints.{task_type}] or [targets.{target}.endpoints.{task_type}]"
    )]
    Type {
        /// The task's type.
        task_type: TaskType,
        /// The target's name.
        target: String,
    },
    /// A custom task without `parameters.endpoint`.
    #[error("CUSTOM needs parameters.endpoint, the name of one of [custom_endpoints.*]")]
    CustomUnnamed,
    /// A custom task that names an endpoint which is not configured.
    #[error("custom endpoint '{name}' is not configured on target '{target}': set [custom_endpoints.{name}]")]
    CustomUnknown {
        /// The name in `parameters.endpoint`.
        name: String,
        /// The target's name.
        target: String,
    },
}

impl Catalog {
    /// A catalog of these targets.
    pub fn new(targets: BTreeMap<String, TargetCatalog>) -> Self {
        Self { targets, groups: BTreeMap::new() }
    }

    /// The same with groups of targets by name.
    #[must_use]
    pub fn with_groups(self, groups: BTreeMap<String, Vec<String>>) -> Self {
        Self { groups, ..self }
    }

    /// What a limited caller may know of it: the targets within `access`, and the groups that hold no others.
    pub fn within(&self, access: &Access) -> Cow<'_, Self> {
        if access.is_unlimited() {
            return Cow::Borrowed(self);
        }
        let targets = self.targets.iter().filter(|(name, _)| access.allows_target(name));
        let groups = self.groups.iter().filter(|(_, members)| members.iter().all(|member| access.allows_target(member)));
        Cow::Owned(Self {
            targets: targets.map(|(name, target)| (name.clone(), target.clone())).collect(),
            groups: groups.map(|(name, members)| (name.clone(), members.clone())).collect(),
        })
    }

    /// The members of a group, in their order.
    pub fn group(&self, name: &str) -> Option<&[String]> {
        self.groups.get(name).map(Vec::as_slice)
    }

    /// Names of the groups in alphabetical order.
    pub fn group_names(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// What is known of a target.
    pub fn target(&self, name: &str) -> Option<&TargetCatalog> {
        self.targets.get(name)
    }

    /// A task's parameters over the target's defaults for its type.
    pub fn parameters<'a>(&'a self, target: &str, task: &'a TaskSpec) -> Cow<'a, Parameters> {
        task.parameters.over(self.targets.get(target).and_then(|found| found.parameters.get(&task.task_type)))
    }

    /// How the breaker of a target works; the usual rule for one that is not configured any more.
    pub fn breaker(&self, target: &str) -> BreakerRule {
        self.targets.get(target).map_or_else(BreakerRule::default, |found| found.breaker)
    }

    /// How long a job is put off by a target's pre-flight checks; `None` when it has none.
    pub fn preflight(&self, target: &str) -> Option<Duration> {
        self.targets.get(target)?.preflight
    }

    /// True when the target is configured.
    pub fn has_target(&self, name: &str) -> bool {
        self.targets.contains_key(name)
    }

    /// Names of the targets in alphabetical order.
    pub fn target_names(&self) -> impl Iterator<Item = &str> {
        self.targets.keys().map(String::as_str)
    }

    /// Most jobs that may run on a target at once; 1 for a target that is not configured any more, so that its jobs start and
    /// fail with a message that says so.
    pub fn max_concurrent_jobs(&self, target: &str) -> usize {
        self.targets.get(target).map_or(1, |found| found.max_concurrent_jobs.max(1))
    }

    /// Targets with a recipe for a type (for `CUSTOM`: with any custom endpoint), and all parameters that some of these recipes
    /// require.
    pub fn coverage(&self, task_type: TaskType) -> (Vec<&str>, Vec<&str>) {
        let mut names = Vec::new();
        let mut parameters: Vec<&str> = if task_type == TaskType::Custom { vec!["endpoint"] } else { Vec::new() };
        for (name, target) in &self.targets {
            if task_type == TaskType::Custom && !target.custom.is_empty() {
                names.push(name.as_str());
            }
            if let Some(recipe) = target.recipes.get(&task_type) {
                names.push(name.as_str());
                for parameter in &recipe.required_parameters {
                    if !parameters.contains(&parameter.as_str()) {
                        parameters.push(parameter);
                    }
                }
            }
        }
        (names, parameters)
    }

    /// The recipe by which a task is carried out on a target.
    ///
    /// # Errors
    /// Says which key to set when there is none.
    pub fn recipe(
        &self,
        target: &str,
        task_type: TaskType,
        parameters: &Map<String, Value>,
    ) -> Result<&Arc<Recipe>, MissingRecipe> {
        let found = self.targets.get(target).ok_or_else(|| MissingRecipe::Target { target: target.to_owned() })?;
        if task_type != TaskType::Custom {
            let missing = || MissingRecipe::Type { task_type, target: target.to_owned() };
            return found.recipes.get(&task_type).ok_or_else(missing);
        }
        let name = parameters.get("endpoint").and_then(Value::as_str).ok_or(MissingRecipe::CustomUnnamed)?;
        let unknown = || MissingRecipe::CustomUnknown { name: printable(name), target: target.to_owned() };
        found.custom.get(name).ok_or_else(unknown)
    }
}
