//! Ready schedules for the usual rhythms. Those named in the configuration are installed, disabled, at the first start; once
//! deleted they never come back.

use serde_json::{Value, json};

use crate::domain::catalog::Catalog;
use crate::domain::fields::FieldError;
use crate::domain::schedule_input::{self, ScheduleInput};
use crate::domain::time::Timestamp;

/// The schedule of a bundle as a request document; `None` for an unknown name. Its id is the name followed by `-maintenance`.
pub fn document(name: &str) -> Option<Value> {
    let (title, description, tasks): (_, _, &[&str]) = match name {
        "daily" => (
            "Daily maintenance",
            "Cheap upkeep for every night: statistics, old row versions, logs.",
            &["STATISTICS_UPDATE", "MVCC_CLEANUP", "WAL_ARCHIVING", "LOG_ROTATION", "AUDIT_LOG_FLUSH", "METRICS_COLLECTION"],
        ),
        "weekly" => (
            "Weekly maintenance",
            "Storage and index upkeep, and a checkpoint that is known to be good.",
            &["BACKUP_VERIFICATION", "INDEX_OPTIMIZE", "STORAGE_COMPACTION", "DEAD_LETTER_DRAIN", "CACHE_WARM"],
        ),
        "monthly" => (
            "Monthly maintenance",
            "Checks of what is stored, and the indexes built anew.",
            &["INDEX_CONSISTENCY_CHECK", "SCHEMA_VALIDATION", "RETENTION_ENFORCEMENT", "INDEX_REBUILD", "BLOOM_FILTER_REBUILD"],
        ),
        "quarterly" => (
            "Quarterly maintenance",
            "A look at replicas, backups and permissions.",
            &["BACKUP_VERIFICATION", "REPLICA_VALIDATION", "SECURITY_SCAN", "SCHEMA_VALIDATION"],
        ),
        _ => return None,
    };
    Some(json!({
        "id": format!("{name}-maintenance"),
        "name": title,
        "description": description,
        "frequency": name.to_ascii_uppercase(),
        "window_start_hour": 1,
        "window_end_hour": 5,
        "tasks": tasks,
        "enabled": false,
    }))
}

/// The schedules of the named bundles; unknown names were refused by the configuration and are left out.
///
/// # Errors
/// Never for the bundles above (a test holds that); the signature is that of every schedule that is read.
pub fn inputs(names: &[String], catalog: &Catalog, now: Timestamp) -> Result<Vec<(String, ScheduleInput)>, Vec<FieldError>> {
    let known = names.iter().filter_map(|name| document(name).map(|document| (name.clone(), document)));
    known.map(|(name, document)| Ok((name, schedule_input::parse(&document, catalog, now)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalog::TargetCatalog;
    use crate::domain::schedule::BUNDLE_NAMES;
    use std::collections::BTreeMap;

    #[test]
    fn every_bundle_is_a_valid_disabled_schedule_that_meets_its_window() {
        let catalog = Catalog::new(BTreeMap::from([("default".to_owned(), TargetCatalog::default())]));
        let names: Vec<String> = BUNDLE_NAMES.iter().map(|&name| name.to_owned()).collect();
        let now = "2026-01-01T00:00:00Z".parse().expect("a timestamp");
        let inputs = inputs(&names, &catalog, now).expect("valid bundles");
        assert_eq!(inputs.len(), 4);
        for (name, input) in inputs {
            assert_eq!(input.id.expect("an id").as_str(), format!("{name}-maintenance"));
            assert!(!input.definition.enabled);
            assert!(input.definition.cron.ever_inside(input.definition.window));
        }
    }
}
