//! `[profiles.NAME]`: sets of recipes for a version of the server, which a target takes by name.

use std::collections::BTreeMap;

use super::recipe::{self, CustomEndpoints, Endpoints};
use super::section::Section;
use super::targets::check_name;

/// The profile of a target that names none.
pub(super) const DEFAULT_PROFILE: &str = "themisdb-2025";

/// The recipes of a profile. They lie over those for all targets, and below a target's own.
#[derive(Debug, Default)]
pub(super) struct Profile {
    pub(super) endpoints: Endpoints,
    pub(super) custom: CustomEndpoints,
}

pub(super) type Profiles = BTreeMap<String, Profile>;

pub(super) fn profiles(sections: Vec<(&str, Section<'_>)>) -> Profiles {
    sections.into_iter().map(|(name, section)| (name.to_owned(), profile(name, section))).collect()
}

fn profile(name: &str, mut section: Section<'_>) -> Profile {
    check_name(name, &section);
    let endpoints = recipe::endpoints(section.named("endpoints"));
    let custom = recipe::custom_endpoints(section.named("custom_endpoints"));
    section.finish();
    Profile { endpoints, custom }
}
