use std::time::Duration;

use super::super::{Source, load};
use super::{Setup, accepted, find, refused};
use crate::config::Mode;
use crate::domain::task::{TaskSpec, TaskType};

#[test]
fn later_layers_count_more() {
    let setup = Setup::new().file("[server]\nlisten = '1.1.1.1:1'\nshutdown_grace = '1s'\nmax_body_bytes = 2048");
    let setup = setup.file("[server]\nlisten = '2.2.2.2:2'\nshutdown_grace = '2s'").variable("SERVER__LISTEN", "3.3.3.3:3");
    let server = setup.config().server;
    assert_eq!(server.listen.to_string(), "3.3.3.3:3");
    assert_eq!((server.shutdown_grace, server.max_body_bytes), (Duration::from_secs(2), 2048));
    assert_eq!(server.request_timeout, Duration::from_secs(30));
}

#[test]
fn the_environment_reaches_every_kind_of_value() {
    let config = Setup::new()
        .variable("ORCHESTRATOR__BUNDLES", "daily, Weekly")
        .variable("ORCHESTRATOR__MAX_CONCURRENT_JOBS", "3")
        .variable("ORCHESTRATOR__JOB_RETENTION", "2h")
        .variable("AUTH__AUDIENCE", "[\"a,b\", \"c\"]")
        .variable("AUDIT__FILE", "")
        .variable("STORAGE__URL", "memory:")
        .variable("Targets__Eu-1__Base_Url", "http://eu:1")
        .variable("ENDPOINTS__index_rebuild__IDEMPOTENT", "true")
        .variable("ENDPOINTS__LOG_ROTATION", "{\"method\": \"POST\", \"path\": \"/rotate\", \"body\": {\"n\": \"{n}\"}}")
        .config();
    assert_eq!(config.orchestrator.bundles, ["daily", "weekly"]);
    assert_eq!(config.orchestrator.max_concurrent_jobs, 3);
    assert_eq!(config.orchestrator.job_retention, Duration::from_secs(7200));
    assert_eq!(config.auth.audience, ["a,b", "c"]);
    assert_eq!(config.audit.file, None);
    assert!(config.targets.contains_key("eu-1"));
    let recipe = |task_type| find(&config.catalog, "default", &TaskSpec::plain(task_type)).expect("a recipe");
    // One key of the shipped recipe, not a recipe of one key.
    assert!(recipe(TaskType::IndexRebuild).idempotent && recipe(TaskType::IndexRebuild).verify.len() == 2);
    assert_eq!(recipe(TaskType::LogRotation).required_parameters, ["n"]);
}

#[test]
fn variables_that_are_not_ours_are_left_alone() {
    let variables = [("THEMIS_MAINTENANCE_SERVICE_HOST", "10.0.0.1"), ("PATH", "/bin"), ("ü", "THEMIS_MAINTENANCE__X")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert!(load(&[], variables, Mode::Dev).is_ok());
}

#[test]
fn a_recipe_in_a_file_replaces_the_shipped_one_as_a_whole() {
    let config = accepted("[endpoints.index_rebuild]\nmethod = 'post'\npath = '/other'");
    let recipe = find(&config.catalog, "default", &TaskSpec::plain(TaskType::IndexRebuild)).expect("a recipe");
    assert_eq!(recipe.call.path.as_str(), "/other");
    assert!(recipe.verify.is_empty() && recipe.required_parameters.is_empty() && recipe.success.assertions.is_empty());
    refused("[endpoints.INDEX_REBUILD]\ntimeout = '5m'\nmethod = 'POST'", "endpoints.INDEX_REBUILD.path is missing");
    let twice = "[endpoints]\nlog_rotation = { disabled = true }\nLOG_ROTATION = { disabled = true }";
    refused(twice, "endpoints.LOG_ROTATION is given twice, in different letter case");
}

#[test]
fn every_mistake_of_every_source_is_listed_with_its_source() {
    let setup = Setup::bare()
        .file("[server]\nlisten = 5\nlisen = 'x'\nrequest_timeout = 30\n[targets.default]\nbase_url = 'ftp://x'")
        .file("colour = 'red'\n[orchestrator]\nmax_concurrent_jobs = 0")
        .variable("AUTH__HS265_SECRET", "never-to-be-printed")
        .variable("METRICS__MAX_SCHEDULE_SERIES", "many")
        .variable("SERVER____X", "1");
    let mistakes = setup.load().expect_err("mistakes");
    let mut listed: Vec<String> = mistakes.0.iter().map(|mistake| format!("{} {}", mistake.key, mistake.message)).collect();
    listed.sort();
    let expected = [
        " is not a key: write THEMIS_MAINTENANCE__SECTION__KEY",
        "auth needs a key to verify tokens with",
        "auth.hs265_secret is not a known key; did you mean hs256_secret?",
        "colour is not a known key",
        "metrics.max_schedule_series must be an integer, not text",
        "orchestrator.max_concurrent_jobs must be from 1 to 1024, not 0",
        "server.lisen is not a known key; did you mean listen?",
        "server.listen must be a string, not an integer",
        "server.request_timeout needs a unit",
        "targets.default.base_url must begin with http:// or https://",
    ];
    assert_eq!(listed.len(), expected.len(), "{listed:#?}");
    for (listed, expected) in listed.iter().zip(expected) {
        assert!(listed.starts_with(expected), "{listed}, expected {expected}");
    }
    let source_of = |key: &str| mistakes.0.iter().find(|mistake| mistake.key == key).map(|mistake| mistake.source.clone());
    assert_eq!(source_of("server.listen"), Some(Source::File(setup.files[0].clone())));
    assert_eq!(source_of("colour"), Some(Source::File(setup.files[1].clone())));
    let name = "THEMIS_MAINTENANCE__AUTH__HS265_SECRET".to_owned();
    assert_eq!(source_of("auth.hs265_secret"), Some(Source::Environment(name)));
    assert_eq!(source_of("auth"), Some(Source::Default));
    assert!(!mistakes.to_string().contains("never-to-be-printed"));
}

#[test]
fn a_file_that_is_no_toml_is_reported_by_line_and_without_its_text() {
    let setup = Setup::bare().file("[auth]\n\nhs256_secret = \"never-to-be-printed\n").variable("SERVER__LISTEN", "x");
    let mistakes = setup.load().expect_err("mistakes").to_string();
    assert!(mistakes.contains("is not TOML: ") && mistakes.contains("(line 3)"), "{mistakes}");
    assert!(mistakes.contains("server.listen must be an IP address"));
    // What is missing may stand in the file that could not be read.
    assert!(!mistakes.contains("never-to-be-printed") && !mistakes.contains("needs a key"), "{mistakes}");
}

#[test]
fn a_file_that_is_not_there_is_a_mistake() {
    let mut setup = Setup::new();
    setup.files.push(setup.directory.path().join("absent.toml"));
    let mistakes = setup.load().expect_err("a mistake").to_string();
    assert!(mistakes.contains("absent.toml: cannot be read: "), "{mistakes}");
}

#[test]
fn a_table_where_a_value_belongs_and_the_other_way_round() {
    refused("server = 5", "server must be a table, not an integer");
    refused("[server.listen]\nx = 1", "server.listen must be a string, not a table");
    refused("targets.default = 'x'", "targets.default must be a table, not a string");
    refused("probes = []", "probes must be a table, not an array");
    let mistakes = Setup::new().variable("SERVER", "x").variable("TELEMETRY__LOG_LEVEL__X", "y").mistakes();
    assert_eq!(mistakes, ["server must be a table, not text", "telemetry.log_level must be a string, not a table"]);
}
