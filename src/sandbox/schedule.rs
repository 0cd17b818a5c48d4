//! The schedules of the server's own maintenance API (2026; read in its sources, not measured).
//!
//! They are run only when asked to, so all that is kept of one is what it would do.

use std::collections::VecDeque;

use uuid::Uuid;

use crate::domain::task::TaskType;

/// A caller that makes a schedule for each run must not fill memory; the oldest are forgotten.
const MAX_SCHEDULES: usize = 1024;
/// What a name that the server does not know becomes.
const FALLBACK: TaskType = TaskType::MetricsCollection;

struct Schedule {
    id: String,
    tasks: Vec<String>,
}

/// The schedules that were made, oldest first.
#[derive(Default)]
pub(super) struct Schedules(VecDeque<Schedule>);

impl Schedules {
    /// Makes a schedule of these tasks, and answers its id.
    pub(super) fn add<'a>(&mut self, tasks: impl IntoIterator<Item = &'a str>) -> String {
        if self.0.len() >= MAX_SCHEDULES {
            self.0.pop_front();
        }
        let id = Uuid::now_v7().to_string();
        self.0.push_back(Schedule { id: id.clone(), tasks: tasks.into_iter().map(understood).collect() });
        id
    }

    /// What a schedule does.
    pub(super) fn tasks(&self, id: &str) -> Option<&[String]> {
        let schedule = self.0.iter().rev().find(|schedule| schedule.id == id)?;
        Some(&schedule.tasks)
    }
}

/// The task that a name stands for. Only lower-case names are known; any other silently becomes another task.
fn understood(name: &str) -> String {
    let known = TaskType::ALL.into_iter().map(|known| known.as_str().to_ascii_lowercase());
    known.into_iter().find(|known| known == name).unwrap_or_else(|| FALLBACK.as_str().to_ascii_lowercase())
}
