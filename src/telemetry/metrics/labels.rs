//! The closed sets of label values, handed in once by the part of the program that sees them all.

/// Label values whose series exist from the first scrape. Repeated values do no harm.
#[derive(Debug, Clone, Default)]
pub struct LabelSets {
    /// Frequencies of a schedule.
    pub frequencies: Vec<&'static str>,
    /// What makes a job.
    pub triggers: Vec<&'static str>,
    /// Why a job failed, was cancelled or was skipped. [`super::TASK_FAILED`] need not be among them.
    pub reasons: Vec<&'static str>,
    /// Task types.
    pub task_types: Vec<&'static str>,
    /// Names of the configured targets.
    pub targets: Vec<String>,
    /// How an attempt at a task ends.
    pub outcomes: Vec<&'static str>,
    /// Names of the modules that have a health probe.
    pub modules: Vec<String>,
    /// Names of the issuers whose key sets are fetched.
    pub key_sets: Vec<String>,
    /// How a refresh of a key set ends.
    pub key_outcomes: Vec<&'static str>,
    /// Method, route template and status of the answers that the service can give.
    pub http_routes: Vec<(String, String, u16)>,
    /// Names of the listeners.
    pub listeners: Vec<&'static str>,
}
