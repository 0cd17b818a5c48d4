//! The 19 task types, the steps of a schedule, and the order in which they run.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

macro_rules! task_types {
    ($($variant:ident $wire:tt $description:literal,)*) => {
        /// What a task does. Spelled in upper case on the wire; input in any letter case is accepted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        pub enum TaskType {
            $(#[doc = $description] #[serde(rename = $wire)] $variant,)*
        }

        impl TaskType {
            /// All types, in the order of the documentation.
            pub const ALL: [Self; 19] = [$(Self::$variant),*];

            /// The name on the wire, for example `INDEX_REBUILD`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $wire,)* }
            }

            /// What the type is for, in one sentence.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $description,)* }
            }
        }
    };
}

task_types! {
    IndexRebuild "INDEX_REBUILD" "Builds one index anew from the stored rows.",
    IndexOptimize "INDEX_OPTIMIZE" "Rebuilds every index of one table.",
    IndexConsistencyCheck "INDEX_CONSISTENCY_CHECK" "Reads an index's statistics and checks that the index is there and the store is open.",
    StorageCompaction "STORAGE_COMPACTION" "Compacts the storage engine's files.",
    WalArchiving "WAL_ARCHIVING" "Moves finished write-ahead log segments to the archive.",
    BackupVerification "BACKUP_VERIFICATION" "Takes a checkpoint and checks that the server reports it complete.",
    MetricsCollection "METRICS_COLLECTION" "Reads the server's statistics and checks that its store is open.",
    LogRotation "LOG_ROTATION" "Rotates the server's log files.",
    CacheWarm "CACHE_WARM" "Loads frequently read entries into the cache.",
    DeadLetterDrain "DEAD_LETTER_DRAIN" "Works off the queue of undeliverable messages.",
    ReplicaValidation "REPLICA_VALIDATION" "Checks that the replicas have a quorum and follow the leader.",
    MvccCleanup "MVCC_CLEANUP" "Removes row versions that no transaction can see any more.",
    SchemaValidation "SCHEMA_VALIDATION" "Checks stored rows against their schema.",
    RetentionEnforcement "RETENTION_ENFORCEMENT" "Deletes change events before a given sequence number.",
    StatisticsUpdate "STATISTICS_UPDATE" "Recomputes a table's statistics for the query planner.",
    SecurityScan "SECURITY_SCAN" "Checks permissions and encryption settings.",
    AuditLogFlush "AUDIT_LOG_FLUSH" "Writes buffered audit records to durable storage.",
    BloomFilterRebuild "BLOOM_FILTER_REBUILD" "Builds the Bloom filters of the storage files anew.",
    Custom "CUSTOM" "Calls one of the configured custom endpoints, named by parameters.endpoint.",
}

impl TaskType {
    /// Reads a name in any letter case. An unknown name is `None`, never a default.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task_type| task_type.as_str().eq_ignore_ascii_case(text))
    }

    /// The name as a path segment, for example `index-rebuild`.
    pub fn kebab_case(self) -> String {
        self.as_str().to_ascii_lowercase().replace('_', "-")
    }
}

impl fmt::Display for TaskType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The most objects in one task's list of parameters, and the most that a discovery may find.
pub const MAX_ITEMS: usize = 256;

/// What a task is told: one object, or a list of them, for each of which its call is made once.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Parameters {
    /// One call.
    One(Map<String, Value>),
    /// One call for each, in this order; 1–[`MAX_ITEMS`].
    Many(Vec<Map<String, Value>>),
}

impl Default for Parameters {
    fn default() -> Self {
        Self::One(Map::new())
    }
}

/// Read by what it begins with: the derived form keeps all of it and then tries each variant, and every stored task has one.
impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Parameters;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object or a list of objects")
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Parameters, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(object)).map(Parameters::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Parameters, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(list)).map(Parameters::Many)
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

impl Parameters {
    /// The parameters of each call.
    pub fn each(&self) -> &[Map<String, Value>] {
        match self {
            Self::One(parameters) => std::slice::from_ref(parameters),
            Self::Many(list) => list,
        }
    }

    /// True when nothing was said at all.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::One(parameters) if parameters.is_empty())
    }

    /// These parameters laid over a target's defaults. Without any of its own a task takes the defaults as they are; objects are
    /// merged member by member, into each object of a list; a list of defaults stands only where nothing was said.
    pub fn over<'a>(&'a self, defaults: Option<&'a Self>) -> Cow<'a, Self> {
        let Some(defaults) = defaults else { return Cow::Borrowed(self) };
        if self.is_empty() {
            return Cow::Borrowed(defaults);
        }
        let Self::One(base) = defaults else { return Cow::Borrowed(self) };
        let merged = |own: &Map<String, Value>| {
            let mut all = base.clone();
            all.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
            all
        };
        Cow::Owned(match self {
            Self::One(own) => Self::One(merged(own)),
            Self::Many(list) => Self::Many(list.iter().map(merged).collect()),
        })
    }
}

/// One step of a schedule, as its author wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// What to do.
    pub task_type: TaskType,
    /// The author's name for the step; see [`resolved_names`] for steps without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Values for the endpoint's recipe.
    pub parameters: Parameters,
    /// Names of steps that have to succeed first.
    pub depends_on: Vec<String>,
    /// Limit for one attempt in seconds, in place of the recipe's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
    /// Attempts in all, in place of the schedule's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u8>,
    /// Written as a plain string, and shown as one.
    pub plain: bool,
}

impl TaskSpec {
    /// A step written as a plain type name.
    pub fn plain(task_type: TaskType) -> Self {
        Self {
            task_type,
            name: None,
            parameters: Parameters::default(),
            depends_on: Vec::new(),
            timeout_seconds: None,
            max_attempts: None,
            plain: true,
        }
    }
}

/// The name by which each step is known in jobs and in `depends_on`: the author's, else the type's name, with `-2`, `-3`, …
/// where that is taken.
pub fn resolved_names(tasks: &[TaskSpec]) -> Vec<String> {
    let mut taken: Vec<Cow<'_, str>> = tasks.iter().filter_map(|task| task.name.as_deref().map(Cow::Borrowed)).collect();
    let mut free_name = |task_type: TaskType| {
        let base = task_type.as_str();
        let free = (1..)
            .map(|n: u32| if n == 1 { Cow::Borrowed(base) } else { Cow::Owned(format!("{base}-{n}")) })
            .find(|candidate| !taken.contains(candidate))
            .expect("an endless range of names has a free one");
        taken.push(free.clone());
        free.into_owned()
    };
    tasks.iter().map(|task| task.name.clone().unwrap_or_else(|| free_name(task.task_type))).collect()
}

/// Why steps cannot be put in order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// `depends_on` of step `index` names no step of the list.
    #[error("names '{name}', which is no task of this schedule")]
    UnknownName {
        /// Position of the step whose `depends_on` is wrong.
        index: usize,
        /// The unknown name.
        name: String,
    },
    /// The steps wait for each other; `index` is the first of them.
    #[error("is part of a cycle: {}", names.join(", "))]
    Cycle {
        /// Position of the first step that can never start.
        index: usize,
        /// The names of all steps that can never start.
        names: Vec<String>,
    },
}

impl OrderError {
    /// Position of the step to blame.
    pub fn index(&self) -> usize {
        match self {
            Self::UnknownName { index, .. } | Self::Cycle { index, .. } => *index,
        }
    }
}

/// The steps' positions in the order in which they run: of the steps whose dependencies are done, always the one that stands
/// first in the list.
///
/// # Errors
/// An unknown name in `depends_on`, or a cycle.
pub fn execution_order(tasks: &[TaskSpec]) -> Result<Vec<usize>, OrderError> {
    // Most lists are in order as they stand, and this is asked at every fire.
    if tasks.iter().all(|task| task.depends_on.is_empty()) {
        return Ok((0..tasks.len()).collect());
    }
    let names = resolved_names(tasks);
    let dependencies = dependency_indices(tasks, &names)?;
    let mut done = vec![false; tasks.len()];
    let mut order = Vec::with_capacity(tasks.len());
    while order.len() < tasks.len() {
        let ready = (0..tasks.len()).find(|&index| !done[index] && dependencies[index].iter().all(|&needed| done[needed]));
        match ready {
            Some(index) => {
                done[index] = true;
                order.push(index);
            }
            None => {
                let stuck: Vec<usize> = (0..tasks.len()).filter(|&index| !done[index]).collect();
                return Err(OrderError::Cycle {
                    index: stuck[0],
                    names: stuck.into_iter().map(|index| names[index].clone()).collect(),
                });
            }
        }
    }
    Ok(order)
}

/// For each step the positions of the steps that it depends on.
fn dependency_indices(tasks: &[TaskSpec], names: &[String]) -> Result<Vec<Vec<usize>>, OrderError> {
    tasks
        .iter()
        .enumerate()
        .map(|(index, task)| {
            task.depends_on
                .iter()
                .map(|name| {
                    names
                        .iter()
                        .position(|known| known == name)
                        .ok_or_else(|| OrderError::UnknownName { index, name: name.clone() })
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, depends_on: &[&str]) -> TaskSpec {
        TaskSpec {
            name: Some(name.to_owned()),
            depends_on: depends_on.iter().map(|&name| name.to_owned()).collect(),
            plain: false,
            ..TaskSpec::plain(TaskType::Custom)
        }
    }

    #[test]
    fn names_are_read_in_any_letter_case_and_unknown_ones_are_refused() {
        assert_eq!(TaskType::parse("index_Rebuild"), Some(TaskType::IndexRebuild));
        assert_eq!(TaskType::parse("INDEX REBUILD"), None);
        assert_eq!(TaskType::parse(""), None);
        for task_type in TaskType::ALL {
            assert_eq!(TaskType::parse(task_type.as_str()), Some(task_type));
        }
    }

    #[test]
    fn parameters_are_stored_as_they_are_read() {
        let object = |value: &str| Map::from_iter([("table".to_owned(), Value::from(value))]);
        for parameters in [
            Parameters::default(),
            Parameters::One(object("a")),
            Parameters::Many(vec![]),
            Parameters::Many(vec![object("a"), object("b")]),
        ] {
            let stored = serde_json::to_string(&parameters).expect("JSON");
            let value = serde_json::to_value(&parameters).expect("JSON");
            assert_eq!(serde_json::from_value::<Parameters>(value).ok().as_ref(), Some(&parameters), "{stored}");
            assert_eq!(serde_json::from_str::<Parameters>(&stored).ok(), Some(parameters), "{stored}");
        }
        for wrong in ["1", "null", "[1]", "\"a\""] {
            assert!(serde_json::from_str::<Parameters>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn steps_without_a_name_get_their_types_name() {
        let tasks = [
            TaskSpec::plain(TaskType::Custom),
            step("CUSTOM-2", &[]),
            TaskSpec::plain(TaskType::Custom),
            TaskSpec::plain(TaskType::LogRotation),
        ];
        assert_eq!(resolved_names(&tasks), ["CUSTOM", "CUSTOM-2", "CUSTOM-3", "LOG_ROTATION"]);
    }

    #[test]
    fn ties_are_broken_by_the_position_in_the_list() {
        let tasks = [step("d", &["a"]), step("c", &["b"]), step("b", &[]), step("a", &[])];
        assert_eq!(execution_order(&tasks), Ok(vec![2, 1, 3, 0]));
    }

    #[test]
    fn cycles_and_unknown_names_are_refused() {
        let cycle = [step("x", &[]), step("a", &["b"]), step("b", &["a"])];
        assert_eq!(execution_order(&cycle), Err(OrderError::Cycle { index: 1, names: vec!["a".into(), "b".into()] }));
        let own = [step("a", &["a"])];
        assert!(matches!(execution_order(&own), Err(OrderError::Cycle { index: 0, .. })));
        let unknown = [step("a", &["nobody"])];
        assert_eq!(execution_order(&unknown), Err(OrderError::UnknownName { index: 0, name: "nobody".into() }));
    }
}
