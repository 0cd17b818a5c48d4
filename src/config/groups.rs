//! `[target_groups]`: names for lists of targets.

use std::collections::BTreeMap;

use super::section::Section;
use super::targets::is_name;
use super::values::strings;

/// Most targets in one group: a fire makes one job for each.
const MOST_MEMBERS: usize = 64;

/// Reads all groups; `is_target` knows the targets. A group may have the name of a target: they are named by different fields.
pub(super) fn groups(section: &Section<'_>, is_target: impl Fn(&str) -> bool) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for (name, node) in section.members() {
        if !is_name(name) {
            section.mistake(name, super::targets::BAD_NAME);
        }
        match strings(node) {
            Ok(members) => {
                if let Some(mistake) = mistake_in(&members, &is_target) {
                    section.mistake(name, mistake);
                }
                found.insert(name.to_owned(), members);
            }
            Err(message) => section.mistake(name, message),
        }
    }
    found
}

fn mistake_in(members: &[String], is_target: impl Fn(&str) -> bool) -> Option<String> {
    if members.is_empty() || members.len() > MOST_MEMBERS {
        return Some(format!("must name from 1 to {MOST_MEMBERS} targets, not {}", members.len()));
    }
    members.iter().enumerate().find_map(|(index, member)| {
        if !is_target(member) {
            Some(format!("names \"{member}\", which is not configured: set [targets.{member}]"))
        } else if members[..index].contains(member) {
            Some(format!("names \"{member}\" twice"))
        } else {
            None
        }
    })
}
