use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::{DEFAULT_TOML, LogFormat, Mode, ProbeKind, StorageUrl};
use super::{Setup, accepted, find};
use crate::domain::catalog::Catalog;
use crate::domain::recipe::{RenderedCall, Test};
use crate::domain::task::{TaskSpec, TaskType};

#[test]
fn a_secret_is_all_that_serve_needs() {
    let config = Setup::new().config();
    assert_eq!(config.auth.algorithms, ["HS256"]);
    let mistakes = Setup::bare().mistakes();
    assert!(mistakes.len() == 1 && mistakes[0].starts_with("auth needs a key to verify tokens with"), "{mistakes:?}");
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let config = Setup::new().config();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.max_body_bytes, 256 * 1024);
    assert_eq!(config.server.shutdown_grace, Duration::from_secs(30));
    assert!(config.server.tls.is_none() && config.metrics.tls.is_none());
    assert!(config.server.trusted_proxies.is_empty() && config.server.allowed_origins.is_empty());
    assert_eq!((config.server.max_json_depth, config.server.connections.max_connections), (32, 2048));
    assert_eq!(config.server.connections.max_connections_per_address, Some(1536));
    let address = config.server.rate_limits.address.expect("a limit");
    assert_eq!((address.per_second.get(), address.burst.get(), config.server.rate_limits.principal), (100, 6000, None));
    assert_eq!(config.storage.url, StorageUrl::Sqlite("data/maintenance.db".into()));
    assert_eq!(config.orchestrator.max_concurrent_jobs, 8);
    assert_eq!(config.orchestrator.max_schedules, 65_536);
    assert_eq!(config.orchestrator.job_retention, Duration::from_secs(86_400));
    assert_eq!(config.orchestrator.misfire_grace, Duration::from_secs(60));
    assert_eq!(config.orchestrator.queue_timeout, Duration::from_secs(3600));
    assert!(config.orchestrator.bundles.is_empty());
    assert_eq!(config.auth.leeway, Duration::from_secs(30));
    assert_eq!(config.auth.claims.scope_claims, ["scope", "scp", "permissions", "roles"]);
    assert_eq!(config.audit.file.as_deref(), Some(Path::new("data/audit.jsonl")));
    assert_eq!((config.audit.max_bytes, config.audit.keep), (64 * 1024 * 1024, None));
    assert_eq!(config.audit.max_age, Some(Duration::from_secs(30 * 86_400)));
    assert_eq!((config.telemetry.log_format, config.telemetry.log_level.as_str()), (LogFormat::Text, "info"));
    assert!(config.metrics.listen.is_none() && config.metrics.token.is_none());
    assert_eq!(config.metrics.max_schedule_series, 1000);
    let probe = &config.probes["themisdb"];
    assert_eq!(probe.kind, ProbeKind::ThemisDb { target: "default".into() });
    assert_eq!((probe.interval, probe.timeout), (Duration::from_secs(15), Duration::from_secs(2)));
}

#[test]
fn a_target_of_ones_own_has_the_defaults_of_the_first() {
    let config = accepted("targets.eu.base_url = 'https://eu.example/db'");
    for (name, url) in [("default", "http://127.0.0.1:8765/"), ("eu", "https://eu.example/db")] {
        let target = &config.targets[name];
        assert_eq!(target.base_url.as_str(), url);
        assert_eq!(target.connect_timeout, Duration::from_secs(5));
        assert_eq!((target.max_concurrent_jobs, target.requests_per_minute), (1, 90));
        assert!(target.token.is_none() && target.token_file.is_none());
        assert!(target.tls.is_default() && target.preflight.is_empty());
        assert_eq!((target.profile.as_str(), target.preflight_interval), ("themisdb-2025", Duration::from_secs(30)));
    }
    assert_eq!(config.catalog.max_concurrent_jobs("eu"), 1);
    assert_eq!(config.catalog.coverage(TaskType::IndexRebuild).0, ["default", "eu"]);
}

#[test]
fn the_default_file_shows_every_key() {
    let table: toml::Table = toml::from_str(DEFAULT_TOML).expect("TOML");
    for (section, keys) in [
        (
            "server",
            "listen max_body_bytes request_timeout shutdown_grace max_connections max_connections_per_address header_timeout idle_timeout body_timeout \
             write_timeout max_header_bytes max_headers max_json_depth trusted_proxies tls rate_limits cors",
        ),
        (
            "auth",
            "hs256_secret hs256_secret_file public_key_file jwks_url jwks_file discovery jwks_refresh algorithms issuer audience \
             leeway scope_claims access_claim scopes issuers",
        ),
        ("storage", "url"),
        ("orchestrator", "max_concurrent_jobs max_schedules job_retention misfire_grace queue_timeout bundles"),
        ("audit", "file max_bytes max_age keep"),
        ("telemetry", "log_format log_level"),
        ("metrics", "listen token token_file max_schedule_series tls"),
    ] {
        let shown: BTreeSet<&str> = table[section].as_table().expect("a table").keys().map(String::as_str).collect();
        assert_eq!(shown, keys.split(' ').collect(), "{section}");
    }
    for (section, inner, keys) in [
        ("server", "tls", "cert_file client_auth client_ca_file key_file min_version"),
        ("metrics", "tls", "cert_file client_auth client_ca_file key_file min_version"),
        ("server", "rate_limits", "address_burst address_per_second principal_burst principal_per_second"),
        ("server", "cors", "allowed_origins"),
    ] {
        let shown = table[section][inner].as_table().expect("a table").keys().map(String::as_str);
        assert_eq!(shown.collect::<BTreeSet<_>>(), keys.split(' ').collect(), "{section}.{inner}");
    }
    let target: BTreeSet<&str> = table["targets"]["default"].as_table().expect("a table").keys().map(String::as_str).collect();
    let expected = "base_url token token_file connect_timeout max_concurrent_jobs requests_per_minute profile breaker_failures \
                    breaker_cooldown preflight_interval allow_addresses tls";
    assert_eq!(target, expected.split(' ').collect());
    let tls = table["targets"]["default"]["tls"].as_table().expect("a table").keys().map(String::as_str);
    assert_eq!(
        tls.collect::<Vec<_>>(),
        ["ca_file", "client_cert_file", "client_key_file", "insecure_skip_verify", "server_name"]
    );
}

/// The types that have a recipe on the target `default`.
fn covered(catalog: &Catalog) -> Vec<&'static str> {
    let types = TaskType::ALL.into_iter().filter(|task_type| !catalog.coverage(*task_type).0.is_empty());
    types.map(TaskType::as_str).collect()
}

fn rendered(catalog: &Catalog, task_type: TaskType, parameters: Value) -> RenderedCall {
    let recipe = find(catalog, "default", &TaskSpec::plain(task_type)).expect("a recipe");
    let parameters = parameters.as_object().cloned().expect("an object");
    let values = json!({"job_id": "j-1"}).as_object().cloned().expect("an object");
    assert_eq!(recipe.check_parameters(&parameters), Ok(()));
    for check in &recipe.verify {
        check.call.render(&parameters, &values).expect("a check that can be made");
    }
    recipe.call.render(&parameters, &values).expect("a call that can be made")
}

#[test]
fn the_shipped_recipes_make_the_calls_that_were_measured() {
    use TaskType::{
        BackupVerification, IndexConsistencyCheck, IndexOptimize, IndexRebuild, MetricsCollection, RetentionEnforcement,
    };
    let catalog = Setup::new().config().catalog;
    assert_eq!(covered(&catalog).len(), 6);
    let (table, both) = (json!({"table": "t"}), json!({"table": "t", "column": "a+b"}));
    for (task_type, parameters, method, path, body) in [
        (IndexRebuild, &both, "POST", "/index/rebuild", Some(both.clone())),
        (IndexOptimize, &table, "POST", "/index/reindex", Some(table.clone())),
        (IndexConsistencyCheck, &both, "GET", "/index/stats", Some(both.clone())),
        (MetricsCollection, &json!({}), "GET", "/stats", None),
        (BackupVerification, &json!({}), "POST", "/admin/backup", Some(json!({"directory": "./data/backup_j-1"}))),
        (
            RetentionEnforcement,
            &json!({"before_sequence": 7}),
            "POST",
            "/changefeed/retention",
            Some(json!({"before_sequence": 7})),
        ),
    ] {
        let call = rendered(&catalog, task_type, parameters.clone());
        assert_eq!((call.method.as_str(), call.path.as_str(), call.body), (method, path, body), "{task_type}");
    }
}

#[test]
fn the_shipped_recipes_notice_when_the_server_did_nothing() {
    let catalog = Setup::new().config().catalog;
    for task_type in TaskType::ALL {
        let Ok(recipe) = find(&catalog, "default", &TaskSpec::plain(task_type)) else { continue };
        assert!(!recipe.success.assertions.is_empty(), "{task_type} believes any 2xx");
        let rules = std::iter::once(&recipe.success).chain(recipe.verify.iter().map(|check| &check.success));
        let looks_at_store = rules
            .flat_map(|rule| &rule.assertions)
            .any(|assertion| assertion.selector == "/storage/error".into() && assertion.test == Test::Absent);
        assert!(looks_at_store || task_type == TaskType::RetentionEnforcement, "{task_type} believes a closed store");
        let reads_only = matches!(task_type, TaskType::IndexConsistencyCheck | TaskType::MetricsCollection);
        assert_eq!(recipe.idempotent, reads_only, "{task_type}");
    }
}

#[test]
fn retention_refuses_the_number_that_deletes_everything() {
    let catalog = Setup::new().config().catalog;
    let recipe = find(&catalog, "default", &TaskSpec::plain(TaskType::RetentionEnforcement)).expect("a recipe");
    for bad in [json!({"before_sequence": -1}), json!({"before_sequence": "1"}), json!({})] {
        assert!(recipe.check_parameters(bad.as_object().expect("an object")).is_err(), "{bad}");
    }
}

#[test]
fn dev_has_a_recipe_for_every_type_and_keeps_the_shipped_ones() {
    let (serve, dev) = (Setup::new().config().catalog, Setup::bare().mode(Mode::Dev).config().catalog);
    assert_eq!(covered(&dev).len(), 18);
    for task_type in TaskType::ALL.into_iter().filter(|task_type| *task_type != TaskType::Custom) {
        let task = TaskSpec::plain(task_type);
        let found = find(&dev, "default", &task).expect("a recipe");
        match find(&serve, "default", &task) {
            Ok(shipped) => assert_eq!(found, shipped),
            Err(_) => assert_eq!(found.call.path.as_str(), format!("/maintenance/{}", task_type.kebab_case())),
        }
    }
}

#[test]
fn the_examples_in_comments_can_be_put_to_use() {
    let example = |line: &&str| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let (_, comments) = DEFAULT_TOML.split_once("# No endpoint of a ThemisDB server is known").expect("the examples");
    let lines = comments.lines().filter_map(|line| line.strip_prefix("# ")).filter(example);
    let config = accepted(&lines.collect::<Vec<_>>().join("\n"));
    let without: Vec<&str> = TaskType::ALL
        .into_iter()
        .filter(|task_type| config.catalog.coverage(*task_type).0.is_empty())
        .map(TaskType::as_str)
        .collect();
    let of_2026 = ["STORAGE_COMPACTION", "CACHE_WARM", "REPLICA_VALIDATION", "MVCC_CLEANUP", "STATISTICS_UPDATE", "CUSTOM"];
    assert_eq!(without, of_2026);
}

#[test]
fn the_profile_of_2026_adds_what_those_versions_answer_and_no_query_of_a_callers_choice() {
    let config = accepted("[targets.default]\nprofile = 'themisdb-2026'");
    let catalog = &config.catalog;
    assert_eq!(covered(catalog).len(), 11);
    for (task_type, required) in [
        (TaskType::StatisticsUpdate, vec!["table"]),
        (TaskType::CacheWarm, vec!["log_path"]),
        (TaskType::ReplicaValidation, vec![]),
        (TaskType::StorageCompaction, vec![]),
        (TaskType::MvccCleanup, vec![]),
        (TaskType::IndexRebuild, vec!["table", "column"]),
    ] {
        let recipe = find(catalog, "default", &TaskSpec::plain(task_type)).expect("a recipe");
        assert_eq!(recipe.required_parameters, required, "{task_type}");
        assert!(recipe.idempotent || recipe.on_unknown.is_some(), "{task_type} does not say what to check");
    }
    assert!(catalog.coverage(TaskType::Custom).0.is_empty());
    let enabled = accepted(
        "[targets.default]\nprofile = 'themisdb-2026'\n[profiles.themisdb-2026.custom_endpoints.mine]\nmethod = 'POST'\npath = '/v2/jobs'",
    );
    assert_eq!(enabled.catalog.coverage(TaskType::Custom).0, ["default"]);
}
