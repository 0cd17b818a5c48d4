//! The pages that a person reads: one per task type, and each names every path that the shipped recipe calls.

use std::path::Path;

use themis_maintenance::config::{Mode, load};
use themis_maintenance::domain::task::TaskType;

#[test]
fn every_task_type_has_a_page_that_names_the_calls_of_its_recipe() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tasks");
    let secret = ("THEMIS_MAINTENANCE__AUTH__HS256_SECRET".to_owned(), "a secret that is long enough for a test".to_owned());
    let profile = ("THEMIS_MAINTENANCE__TARGETS__DEFAULT__PROFILE".to_owned(), "themisdb-2026".to_owned());
    let config = load(&[], [secret, profile], Mode::Serve).expect("the shipped configuration");
    let index = std::fs::read_to_string(folder.join("README.md")).expect("an index");
    for task_type in TaskType::ALL {
        let file = format!("{task_type}.md");
        let page = std::fs::read_to_string(folder.join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(index.contains(&file), "{file} is not in the index");
        let Ok(recipe) = config.catalog.recipe("default", task_type, &serde_json::Map::new()) else {
            assert!(page.contains("custom_endpoints") || page.contains(&format!("[endpoints.{task_type}]")), "{file}");
            continue;
        };
        let calls = std::iter::once(&recipe.call)
            .chain(recipe.steps.iter().map(|step| &step.call))
            .chain(recipe.verify.iter().map(|check| &check.call))
            .chain(recipe.discover.iter().map(|discovery| &discovery.call))
            .chain(recipe.poll.iter().map(|poll| &poll.call))
            .chain(&recipe.cancel);
        for call in calls {
            let call = format!("{} {}", call.method.as_str(), call.path.as_str());
            assert!(page.contains(&call), "{file} does not name {call}");
        }
    }
}
