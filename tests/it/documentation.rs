//! The pages that a person reads: one per task type, and each names every path that the shipped recipe calls; and what they say of generated clients,
//! which is what every run generates.

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

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_clients_of_the_readme_are_those_that_every_run_generates() {
    let readme = read("README.md");
    let (_, section) = readme.split_once("## Clients in your language\n").expect("a section on clients");
    let section = section.split("\n## ").next().expect("its text");
    let mut languages = Vec::new();
    for block in section.split("```").skip(1).step_by(2) {
        let (language, lines) = block.split_once('\n').expect("a block of lines");
        let path = match language {
            "console" => ".ci/clients",
            "python" => "tests/clients/python_example.py",
            "ts" => "tests/clients/typescript_example.ts",
            "rust" => "tests/clients/rust_example.rs",
            other => panic!("no example is in {other}"),
        };
        let source = read(path);
        let mut rest = source.lines().map(str::trim_start);
        for line in lines.lines().map(|line| line.trim_start().trim_start_matches("$ ")) {
            assert!(rest.any(|other| other.starts_with(line)), "{path} does not say, or not in this order: {line}");
        }
        languages.push(language);
    }
    assert_eq!(languages, ["console", "python", "console", "ts", "console", "rust"]);
}

#[test]
fn the_generators_are_named_with_the_versions_that_every_run_uses() {
    let page = read("docs/API.md");
    let used = read(".ci/clients") + &read("tests/clients/package.json");
    for name in ["openapi-python-client", "openapi-typescript", "openapi-fetch", "openapi-to-rust"] {
        let (_, rest) = page.split_once(&format!("`{name}` ")).unwrap_or_else(|| panic!("{name} is not named"));
        let version = rest.split([' ', '\n']).next().expect("a version");
        let pins = [format!("{name}=={version}"), format!("\"{name}\": \"{version}\""), format!("{name}={version}")];
        assert!(pins.iter().any(|pin| used.contains(pin)), "{name} {version} is not what .ci/clients takes");
    }
}
