//! Every fire has exactly one job, and every job a fire.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use serde_json::Value;

use crate::world::{Life, time};

/// How often the schedules fire.
const PERIOD: TimeDelta = TimeDelta::seconds(10);

pub fn check_that_every_fire_is_accounted_for(
    created: &BTreeMap<String, Life>,
    disabled: &BTreeMap<String, DateTime<Utc>>,
    jobs: &[Value],
) {
    let mut recorded: BTreeMap<&str, BTreeSet<DateTime<Utc>>> = BTreeMap::new();
    for job in jobs {
        let (id, at) = (job["schedule_id"].as_str().expect("an id"), time(&job["scheduled_for"]));
        assert!(recorded.entry(id).or_default().insert(at), "two jobs of one fire: {job}");
        assert_ne!(job["reason"], "MISFIRED", "the service was there all the time: {job}");
        assert_eq!(job["target"].as_str(), Some(created[id].target.as_str()));
    }
    for (id, life) in created {
        let end = disabled[id];
        let mut expected = BTreeSet::new();
        let mut at = life.from.duration_trunc(PERIOD).expect("a time") + PERIOD;
        while at <= end {
            expected.insert(at);
            at += PERIOD;
        }
        let recorded = recorded.get(id.as_str()).cloned().unwrap_or_default();
        // A fire in the very millisecond of the end may be on either side of it.
        let differing: Vec<_> =
            recorded.symmetric_difference(&expected).filter(|at| (**at - end).abs() > TimeDelta::seconds(2)).collect();
        assert!(differing.is_empty(), "{id}: from {} to {end}: {differing:?}", life.from);
        assert!(!recorded.is_empty(), "{id} never fired");
    }
}
