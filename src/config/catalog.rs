//! The catalog: which recipe each target has for each task type, and what else the rules need to know of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::profiles::{Profile, Profiles};
use super::recipe::{CustomEndpoints, Endpoint, Endpoints};
use super::targets::TargetEntry;
use crate::domain::catalog::{Catalog, TargetCatalog};
use crate::domain::recipe::Recipe;

/// What there is before a target's own.
pub(super) struct Shared {
    pub(super) endpoints: Endpoints,
    pub(super) custom: CustomEndpoints,
    pub(super) profiles: Profiles,
}

/// Lays the recipes for all, those of each target's profile and its own over each other; the most specific wins.
pub(super) fn catalog(
    targets: &BTreeMap<String, TargetEntry>,
    shared: &Shared,
    groups: BTreeMap<String, Vec<String>>,
) -> Catalog {
    let none = Profile::default();
    let of = |entry: &TargetEntry| {
        // A profile that does not exist is a mistake that was noted; nobody gets to see this catalog then.
        let profile = shared.profiles.get(&entry.profile).unwrap_or(&none);
        TargetCatalog {
            recipes: laid([&shared.endpoints, &profile.endpoints, &entry.endpoints]),
            custom: laid([&shared.custom, &profile.custom]),
            max_concurrent_jobs: entry.max_concurrent_jobs,
            parameters: entry.parameters.clone(),
            breaker: entry.breaker,
            preflight: entry
                .config
                .as_ref()
                .filter(|config| !config.preflight.is_empty())
                .map(|config| config.preflight_interval),
            insecure: entry.config.as_ref().is_some_and(|config| config.tls.insecure_skip_verify),
        }
    };
    Catalog::new(targets.iter().map(|(name, entry)| (name.clone(), of(entry))).collect()).with_groups(groups)
}

/// What is left when each layer has put its recipes in and taken away what it disables.
fn laid<K: Ord + Clone, const N: usize>(layers: [&BTreeMap<K, Endpoint>; N]) -> BTreeMap<K, Arc<Recipe>> {
    let mut recipes = BTreeMap::new();
    for (key, endpoint) in layers.into_iter().flatten() {
        match endpoint {
            Endpoint::Recipe(recipe) => recipes.insert(key.clone(), Arc::clone(recipe)),
            Endpoint::Disabled => recipes.remove(key),
        };
    }
    recipes
}
