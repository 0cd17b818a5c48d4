use std::path::PathBuf;
use std::time::Duration;

use super::super::{LogFormat, ProbeKind, StorageUrl};
use super::{Setup, accepted, refused};
use crate::domain::task::TaskType;

#[test]
fn numbers_and_durations_have_ranges() {
    for (text, expected) in [
        ("server.max_body_bytes = 10", "server.max_body_bytes must be from 1024 to 16777216, not 10"),
        ("server.request_timeout = '0s'", "server.request_timeout must be from 1ms to 10m, not 0s"),
        ("server.shutdown_grace = '2h'", "server.shutdown_grace must be from 0s to 1h, not 2h"),
        ("auth.leeway = '11m'", "auth.leeway must be from 0s to 10m, not 11m"),
        ("orchestrator.max_concurrent_jobs = 1025", "orchestrator.max_concurrent_jobs must be from 1 to 1024, not 1025"),
        ("orchestrator.max_schedules = 1000001", "orchestrator.max_schedules must be from 1 to 1000000, not 1000001"),
        ("orchestrator.job_retention = '0s'", "orchestrator.job_retention must be from 1s"),
        ("orchestrator.misfire_grace = '2years'", "orchestrator.misfire_grace must be from 0s"),
        ("orchestrator.queue_timeout = '1ms'", "orchestrator.queue_timeout must be from 1s"),
        ("targets.default.max_concurrent_jobs = 0", "targets.default.max_concurrent_jobs must be from 1 to 1024, not 0"),
        ("targets.default.requests_per_minute = 0", "targets.default.requests_per_minute must be from 1 to 100000, not 0"),
        ("targets.default.connect_timeout = '1h'", "targets.default.connect_timeout must be from 1ms to 5m, not 1h"),
        ("probes.themisdb.interval = '1ms'", "probes.themisdb.interval must be from 50ms to 1day, not 1ms"),
        ("probes.themisdb.timeout = '5m'", "probes.themisdb.timeout must be from 10ms to 1m, not 5m"),
        ("metrics.max_schedule_series = -1", "metrics.max_schedule_series must be from 0 to 100000, not -1"),
    ] {
        refused(text, expected);
    }
    let config = accepted("server.shutdown_grace = '0s'\nmetrics.max_schedule_series = 0");
    assert_eq!((config.server.shutdown_grace, config.metrics.max_schedule_series), (Duration::ZERO, 0));
}

#[test]
fn a_required_value_cannot_be_emptied() {
    refused("server.listen = ''", "server.listen is missing");
    refused("storage.url = ' '", "storage.url is missing");
    let mistakes = Setup::new().variable("TELEMETRY__LOG_LEVEL", "").mistakes();
    assert_eq!(mistakes, ["telemetry.log_level is missing"]);
}

#[test]
fn storage_urls_come_in_two_kinds() {
    for (text, url) in [
        ("memory:", StorageUrl::Memory),
        ("sqlite:/var/lib/m.db", StorageUrl::Sqlite(PathBuf::from("/var/lib/m.db"))),
        ("sqlite:m.db", StorageUrl::Sqlite(PathBuf::from("m.db"))),
        ("sqlite:///var/lib/m.db", StorageUrl::Sqlite(PathBuf::from("/var/lib/m.db"))),
        ("sqlite://m.db", StorageUrl::Sqlite(PathBuf::from("m.db"))),
    ] {
        assert_eq!(accepted(&format!("storage.url = '{text}'")).storage.url, url);
        assert_eq!(StorageUrl::parse(&url.to_string()), Ok(url));
    }
    for bad in ["sqlite:", "sqlite:dir/", "sqlite::memory:", "sqlite:m.db?mode=ro", "postgres://h/d", "memory", "m.db"] {
        refused(&format!("storage.url = '{bad}'"), "storage.url must");
    }
}

#[test]
fn targets_have_a_plain_url_and_a_plain_name() {
    for (url, expected) in [
        ("ftp://h", "must begin with http:// or https://"),
        ("h:80", "must begin with http:// or https://"),
        ("/x", "must be a URL"),
        ("http://u:p@h", "must not hold credentials"),
        ("http://h?x=1", "must not have a query or a fragment"),
        ("http://h#x", "must not have a query or a fragment"),
    ] {
        refused(&format!("targets.default.base_url = '{url}'"), &format!("targets.default.base_url {expected}"));
    }
    for name in ["Eu", "-eu", "_eu", "e.u", "é", ""] {
        // A name that cannot be seen is shown in quotes.
        let shown = if name.is_empty() { "\"\"" } else { name };
        refused(&format!("[targets.'{name}']\nbase_url = 'http://h'"), &format!("targets.{shown} has a name"));
    }
    assert!(accepted("[targets.0-a_b]\nbase_url = 'https://h:1/x'").catalog.has_target("0-a_b"));
    refused("[targets.eu]\nmax_concurrent_jobs = 2", "targets.eu.base_url is missing");
}

#[test]
fn bundles_are_known_and_named_once() {
    refused("orchestrator.bundles = ['hourly']", "orchestrator.bundles must be out of daily, weekly, monthly, quarterly");
    refused("orchestrator.bundles = ['daily', 'DAILY']", "orchestrator.bundles names \"daily\" twice");
    refused("orchestrator.bundles = 'daily'", "orchestrator.bundles must be an array of strings, not a string");
}

#[test]
fn probes_refer_to_what_there_is() {
    let config = accepted(
        "[targets.eu]\nbase_url = 'http://h'\n[probes.eu]\nkind = 'ThemisDB'\ntarget = 'eu'\n\
         [probes.proxy]\nkind = 'http'\nurl = 'http://h/health?deep=1'\ninterval = '1m'\n[probes.themisdb]\ndisabled = true",
    );
    assert_eq!(config.probes.keys().collect::<Vec<_>>(), ["eu", "proxy"]);
    assert_eq!(config.probes["eu"].kind, ProbeKind::ThemisDb { target: "eu".into() });
    let proxy = &config.probes["proxy"];
    assert!(matches!(&proxy.kind, ProbeKind::Http { url } if url.query() == Some("deep=1")));
    assert_eq!((proxy.interval, proxy.timeout), (Duration::from_secs(60), Duration::from_secs(2)));
    for (text, expected) in [
        ("[probes.x]\nkind = 'themisdb'\ntarget = 'us'", "probes.x.target names \"us\", which is not configured"),
        ("[probes.x]\nkind = 'themisdb'\nurl = 'http://h'", "probes.x.url is for kind \"http\""),
        ("[probes.x]\nkind = 'http'", "probes.x.url is missing"),
        ("[probes.x]\nkind = 'http'\nurl = 'http://u:p@h'", "probes.x.url must not hold credentials"),
        ("[probes.x]\nkind = 'http'\nurl = 'http://h'\ntarget = 'default'", "probes.x.target is for kind \"themisdb\""),
        ("[probes.x]\nkind = 'tcp'", "probes.x.kind must be \"themisdb\" or \"http\""),
        ("[probes.x]\ntarget = 'default'", "probes.x.kind is missing"),
        ("[probes.X]\nkind = 'themisdb'", "probes.X has a name"),
    ] {
        refused(text, expected);
    }
}

#[test]
fn logging_is_checked_before_it_is_needed() {
    let telemetry = accepted("[telemetry]\nlog_format = 'JSON'\nlog_level = 'warn,themis_maintenance=debug'").telemetry;
    assert_eq!(telemetry.log_format, LogFormat::Json);
    refused("telemetry.log_format = 'xml'", "telemetry.log_format must be \"text\" or \"json\"");
    refused("telemetry.log_level = 'a=b=c'", "telemetry.log_level must be a level");
}

#[test]
fn metrics_can_have_a_listener_of_their_own() {
    assert_eq!(accepted("metrics.listen = '[::1]:9100'").metrics.listen.map(|listen| listen.port()), Some(9100));
    refused("metrics.listen = '127.0.0.1:8080'", "metrics listen is the same address as server.listen");
    refused("metrics.listen = ':9100'", "metrics.listen must be an IP address and a port");
    accepted("metrics.listen = '127.0.0.1:0'\nserver.listen = '127.0.0.1:0'");
}

#[test]
fn the_summary_says_what_was_understood() {
    let summary =
        accepted("storage.url = 'memory:'\n[probes.p]\nkind = 'http'\nurl = 'http://h/x?key=hidden'").summary().to_string();
    for expected in ["127.0.0.1:8080", "HS256", "memory:", "endpoints for 6 of 19 task types", "http://h/x", "bundles   none"] {
        assert!(summary.contains(expected), "{summary}");
    }
    assert!(!summary.contains("hidden") && !summary.contains(super::SECRET));
    assert!(summary.contains("task types, profile themisdb-2025, left alone for 10s after 5 failures\n"), "{summary}");
    let target = "base_url = 'https://10.0.0.1'\nbreaker_failures = 2\nprofile = 'themisdb-2026'\npreflight = { path = '/stats' }\n\
                  tls = { server_name = 'h', insecure_skip_verify = true }";
    let summary = accepted(&format!("[targets.eu]\n{target}")).summary().to_string();
    let expected =
        ", profile themisdb-2026, as h, CERTIFICATE NOT VERIFIED, left alone for 10s after 2 failures, 1 pre-flight check\n";
    assert!(summary.contains(expected), "{summary}");
    assert_eq!(TaskType::ALL.len(), 19);
}

#[test]
fn names_that_cannot_be_shown_are_made_visible() {
    refused("\"\\u001b[2J\" = 1", "\u{fffd}[2J is not a known key");
    refused("[server]\n\" \" = 1", "server.\" \" is not a known key");
    let deep = Setup::new().variable(&["A"; 33].join("__"), "1");
    assert_eq!(deep.mistakes(), [" is not a key: it has more than 32 levels"]);
}
