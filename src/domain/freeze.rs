//! Freezes: days on which nobody touches production.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::access::Access;
use super::catalog::Catalog;
use super::fields::{FieldError, Fields, members_of};
use super::ids::FreezeId;
use super::pause::{read_moment, read_reason};
use super::target_input::read_targets;
use super::time::{Timestamp, format_timestamp, serde_millis};

/// The most freezes that are kept at once.
pub const MAX_FREEZES: usize = 1000;

/// A span of time in which nothing starts on some targets or on all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Made by the service.
    pub id: FreezeId,
    /// Its first moment.
    #[serde(with = "serde_millis")]
    pub from: Timestamp,
    /// The first moment after it.
    #[serde(with = "serde_millis")]
    pub to: Timestamp,
    /// On which targets; empty: on all.
    pub targets: Vec<String>,
    /// Why, 1–500 characters.
    pub reason: String,
    /// Who asked for it (JWT `sub`).
    pub created_by: String,
    /// When.
    #[serde(with = "serde_millis")]
    pub created_at: Timestamp,
}

impl Freeze {
    /// True when nothing may start on a target at a moment.
    pub fn covers(&self, target: &str, moment: Timestamp) -> bool {
        // Two comparisons before up to 64: most freezes are of another time.
        self.holds_at(moment) && self.is_on(target)
    }

    /// True while it lasts.
    pub fn holds_at(&self, moment: Timestamp) -> bool {
        self.from <= moment && moment < self.to
    }

    /// Whether it is about a target.
    pub fn is_on(&self, target: &str) -> bool {
        self.targets.is_empty() || self.targets.iter().any(|one| one == target)
    }

    /// Whether a caller may see it: it is about a target that the caller may see.
    pub fn is_visible_to(&self, access: &Access) -> bool {
        self.targets.is_empty() || self.targets.iter().any(|target| access.allows_target(target))
    }

    /// Whether a caller may make or remove it: it is about nothing that lies outside.
    pub fn is_within(&self, access: &Access) -> bool {
        access.is_unlimited() || (!self.targets.is_empty() && self.targets.iter().all(|target| access.allows_all_on(target)))
    }

    /// What it does to a target, in words.
    pub fn explain(&self, target: &str) -> String {
        format!("target '{target}' is frozen {}", self.circumstances())
    }

    /// Its targets as far as a caller may know them who may see it; none: all targets.
    pub fn targets_within(&self, access: &Access) -> Vec<String> {
        self.targets.iter().filter(|target| access.allows_target(target)).cloned().collect()
    }

    /// What it does, in words for a caller who may see it.
    pub fn words(&self, access: &Access) -> String {
        match self.targets_within(access).as_slice() {
            [] => format!("all targets are frozen {}", self.circumstances()),
            [target] => self.explain(target),
            targets => format!("targets {} are frozen {}", targets.join(", "), self.circumstances()),
        }
    }

    fn circumstances(&self) -> String {
        let (from, to) = (format_timestamp(self.from), format_timestamp(self.to));
        format!("from {from} to {to} by {}: {}", self.created_by, self.reason)
    }

    /// As it stands in the audit trail.
    pub fn record(&self) -> Value {
        json!({
            "from": format_timestamp(self.from),
            "to": format_timestamp(self.to),
            "targets": self.targets,
            "reason": self.reason,
        })
    }
}

/// A freeze as a request describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreezeInput {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
    /// On which targets; empty: on all.
    pub targets: Vec<String>,
    /// Why.
    pub reason: String,
}

impl FreezeInput {
    /// Whether a document names a configured target that the caller may not stop. Of names that nobody knows only the reader complains.
    pub fn names_outside(document: &Value, access: &Access, catalog: &Catalog) -> bool {
        let names = document["targets"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let outside = |name: &str| catalog.has_target(name) && !access.allows_all_on(name);
        !access.is_unlimited() && names.into_iter().any(outside)
    }

    /// Reads the body of a freeze.
    ///
    /// # Errors
    /// Every broken rule, with its field.
    pub fn parse(document: &Value, catalog: &Catalog, now: Timestamp) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::new(members_of(document)?, "");
        let from = required_moment(&mut fields, "from");
        let to = required_moment(&mut fields, "to");
        if let (Some(from), Some(to)) = (from, to) {
            if to <= from {
                fields.error("to", "must be later than from");
            } else if to <= now {
                fields.error("to", "must be in the future");
            }
        }
        let targets = read_targets(&mut fields, catalog);
        let reason = read_reason(&mut fields, true);
        let errors = fields.finish();
        match (from, to) {
            (Some(from), Some(to)) if errors.is_empty() => Ok(Self { from, to, targets, reason }),
            _ => Err(errors),
        }
    }

    /// True when both are about a target at some moment.
    pub fn overlaps(&self, other: &Freeze) -> bool {
        let in_time = self.from < other.to && other.from < self.to;
        let on_one_target =
            self.targets.is_empty() || other.targets.is_empty() || self.targets.iter().any(|target| other.is_on(target));
        in_time && on_one_target
    }
}

fn required_moment(fields: &mut Fields<'_>, field: &'static str) -> Option<Timestamp> {
    if fields.value(field).is_none() {
        fields.error(field, "is required");
        return None;
    }
    read_moment(fields, field)
}
