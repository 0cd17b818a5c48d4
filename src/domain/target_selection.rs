//! Where a schedule's jobs run.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::access::Access;
use super::catalog::Catalog;
use super::ids::ScheduleId;

/// Where a schedule's jobs run: a fire makes one job for each target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum TargetSelection {
    /// One target.
    One(String),
    /// Several, in this order.
    Many(Vec<String>),
    /// A group of the configuration, with the members that it has when a fire comes.
    Group {
        /// The group's name.
        group: String,
    },
}

/// Read by what it begins with: the derived form keeps all of it and then tries each variant.
impl<'de> Deserialize<'de> for TargetSelection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Group {
            group: String,
        }

        struct Selection;

        impl<'de> Visitor<'de> for Selection {
            type Value = TargetSelection;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a target, a list of targets or a group")
            }

            fn visit_str<E: de::Error>(self, target: &str) -> Result<TargetSelection, E> {
                Ok(TargetSelection::One(target.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<TargetSelection, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(list)).map(TargetSelection::Many)
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<TargetSelection, A::Error> {
                let Group { group } = Deserialize::deserialize(MapAccessDeserializer::new(object))?;
                Ok(TargetSelection::Group { group })
            }
        }

        deserializer.deserialize_any(Selection)
    }
}

impl TargetSelection {
    /// The targets as they are now. A group that is not configured any more stands for itself, so that its jobs start and fail with
    /// a message that says so.
    pub fn resolve<'a>(&'a self, catalog: &'a Catalog) -> Vec<&'a str> {
        match self {
            Self::One(target) => vec![target],
            Self::Many(targets) => targets.iter().map(String::as_str).collect(),
            Self::Group { group } => match catalog.group(group) {
                Some(members) => members.iter().map(String::as_str).collect(),
                None => vec![group],
            },
        }
    }

    /// Whether a target is among those of [`TargetSelection::resolve`].
    pub fn includes(&self, target: &str, catalog: &Catalog) -> bool {
        match self {
            Self::One(one) => one == target,
            Self::Many(targets) => targets.iter().any(|one| one == target),
            Self::Group { group } => match catalog.group(group) {
                Some(members) => members.iter().any(|member| member == target),
                None => group == target,
            },
        }
    }

    /// Whether a caller may see and change a schedule with this id and these targets.
    pub fn is_within(&self, access: &Access, id: &ScheduleId, catalog: &Catalog) -> bool {
        // Most callers are not limited: no need to look up groups then.
        access.is_unlimited() || access.allows(id, &self.resolve(catalog))
    }

    /// The first name in it.
    pub fn first(&self) -> &str {
        match self {
            Self::One(target) => target,
            Self::Many(targets) => targets.first().map_or("", String::as_str),
            Self::Group { group } => group,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_selection_is_stored_as_it_is_read() {
        let group = TargetSelection::Group { group: "eu".to_owned() };
        let forms = [
            (TargetSelection::One("a".to_owned()), json!("a")),
            (TargetSelection::Many(vec!["a".to_owned(), "b".to_owned()]), json!(["a", "b"])),
            (group, json!({"group": "eu"})),
        ];
        for (selection, stored) in forms {
            assert_eq!(serde_json::to_value(&selection).ok().as_ref(), Some(&stored));
            assert_eq!(serde_json::from_str::<TargetSelection>(&stored.to_string()).ok().as_ref(), Some(&selection));
            assert_eq!(serde_json::from_value::<TargetSelection>(stored).ok(), Some(selection));
        }
        for wrong in [json!(1), json!(null), json!([1]), json!({"name": "eu"})] {
            assert!(serde_json::from_value::<TargetSelection>(wrong.clone()).is_err(), "{wrong}");
        }
        let wrong: Result<TargetSelection, _> = serde_json::from_value(Value::Bool(true));
        assert!(wrong.is_err_and(|error| error.to_string().contains("a target, a list of targets or a group")));
    }
}
