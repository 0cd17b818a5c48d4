//! The task types and where each can be carried out.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::catalog::Catalog;
use crate::domain::task::TaskType;

/// All task types.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct TaskTypeList {
    /// In the order of the documentation.
    task_types: Vec<TaskTypeView>,
    /// How many there are.
    count: usize,
}

/// One task type.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskTypeInfo)]
pub(in crate::http) struct TaskTypeView {
    /// Its name.
    task_type: TaskType,
    /// What it is for.
    description: &'static str,
    /// Targets that have an endpoint for it.
    targets: Vec<String>,
    /// Parameters that some of these endpoints require.
    required_parameters: Vec<String>,
}

impl TaskTypeList {
    /// All types as the catalog covers them.
    pub fn new(catalog: &Catalog) -> Self {
        let view = |task_type: TaskType| {
            let (targets, parameters) = catalog.coverage(task_type);
            TaskTypeView {
                task_type,
                description: task_type.description(),
                targets: targets.into_iter().map(str::to_owned).collect(),
                required_parameters: parameters.into_iter().map(str::to_owned).collect(),
            }
        };
        let task_types: Vec<TaskTypeView> = TaskType::ALL.into_iter().map(view).collect();
        Self { count: task_types.len(), task_types }
    }
}
