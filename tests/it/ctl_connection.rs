//! `ctl` finds the service and says who asks; and how it ends when it cannot.

use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

use crate::support::{TestApp, bare, ctl, said};

#[tokio::test]
async fn address_and_token_come_from_options_environment_and_context_file() {
    let mut app = TestApp::start().await;
    app.create(json!({"id":"s","name":"S","cron_expression":"0 2 * * *","tasks":["LOG_ROTATION"]})).await;
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("themis-maintenance");
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("token"), app.token("maintenance:read")).unwrap();
    let contexts = format!(
        "current = \"nowhere\"\n[contexts.nowhere]\nurl = \"http://127.0.0.1:1\"\ntoken = \"t\"\n[contexts.here]\nurl = \"{}\"\ntoken_file = \"token\"\n",
        app.base()
    );
    std::fs::write(own.join("contexts.toml"), contexts).unwrap();
    let token_file = own.join("token").display().to_string();
    let token = app.token("maintenance:read");

    let mut of_options = bare(&["schedules", "get", "s", "--url", app.base(), "--token-file", &token_file, "-o", "json"]);
    assert_eq!(said(&mut of_options).await.json()["id"], "s");
    let mut of_environment = bare(&["schedules", "list", "-o", "json"]);
    of_environment.env("THEMIS_MAINTENANCE_URL", app.base()).env("THEMIS_MAINTENANCE_TOKEN_FILE", &token_file);
    assert_eq!(said(&mut of_environment).await.json()["count"], 1);
    let mut of_context = bare(&["--context", "here", "schedules", "list", "-o", "json"]);
    of_context.env("XDG_CONFIG_HOME", folder.path());
    assert_eq!(said(&mut of_context).await.json()["count"], 1);
    let mut named = bare(&["schedules", "list", "-o", "json"]);
    named.env("XDG_CONFIG_HOME", folder.path()).env("THEMIS_MAINTENANCE_CONTEXT", "here");
    assert_eq!(said(&mut named).await.json()["count"], 1);
    // The environment leads elsewhere than the current context, and the token of that one stays at home.
    let mut mixed = bare(&["schedules", "list"]);
    mixed.env("XDG_CONFIG_HOME", folder.path()).env("THEMIS_MAINTENANCE_URL", app.base());
    let refused = said(&mut mixed).await;
    assert!(refused.code == 78 && refused.err.contains("no token for"), "{refused:?}");
    // Below the home folder, too; and a token alone may come from the environment.
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join(".config/themis-maintenance")).unwrap();
    let contexts = format!("current = \"c\"\n[contexts.c]\nurl = \"{}/api/v1/maintenance/\"\n", app.base());
    std::fs::write(home.path().join(".config/themis-maintenance/contexts.toml"), contexts).unwrap();
    let mut of_home = bare(&["schedules", "list", "-o", "json"]);
    of_home.env("HOME", home.path()).env("THEMIS_MAINTENANCE_TOKEN", &token);
    assert_eq!(said(&mut of_home).await.json()["count"], 1);
    app.stop().await;
}

#[tokio::test]
async fn every_end_has_its_exit_code_and_says_why() {
    let mut app = TestApp::start().await;
    let reader = app.token("maintenance:read");
    for (words, code, wanted) in [
        (vec!["schedules"], 64, "Usage:"),
        (vec!["schedules", "get", ".."], 64, "must"),
        (vec!["run", "s", "--timeout", "5m"], 64, "--wait"),
        (vec!["run", "s", "--wait", "--timeout", "60"], 64, "needs a unit"),
        (vec!["jobs", "get", "no-uuid"], 64, "no-uuid"),
        (vec!["schedules", "apply"], 64, "--file"),
        (vec!["schedules", "apply", "-f", "x", "--prune"], 64, "--label"),
        (vec!["schedules", "list", "--output", "xml"], 64, "xml"),
        (vec!["schedules", "apply", "-f", "/nowhere/at/all.yaml"], 65, "/nowhere/at/all.yaml"),
        (vec!["jobs", "list", "--url", "http://127.0.0.1:1"], 69, "no answer from http://127.0.0.1:1/api/v1/maintenance"),
        (vec!["schedules", "list", "--token", "nonsense"], 77, "(401)"),
        (vec!["schedules", "delete", "s", "--token", &reader], 77, "maintenance:admin"),
        (vec!["schedules", "list", "--url", "nonsense"], 78, "--url is no URL"),
        (vec!["schedules", "list", "--token-file", "/nowhere/at/all"], 78, "/nowhere/at/all"),
        (vec!["schedules", "get", "gone"], 1, "request id"),
    ] {
        let said = said(&mut ctl(&app, &words)).await;
        assert!(said.code == code && said.err.contains(wanted) && said.out.is_empty(), "{words:?}: {said:?}");
    }
    let nothing = said(&mut bare(&["schedules", "list"])).await;
    assert!(nothing.code == 78 && nothing.err.contains("--url") && nothing.err.contains("THEMIS_MAINTENANCE_URL"), "{nothing:?}");
    let no_token = said(bare(&["schedules", "list"]).env("THEMIS_MAINTENANCE_URL", app.base())).await;
    assert!(no_token.code == 78 && no_token.err.contains("THEMIS_MAINTENANCE_TOKEN"), "{no_token:?}");
    let refused = said(&mut ctl(&app, &["jobs", "list", "--state", "DONE"])).await;
    assert!(refused.code == 1 && refused.err.contains("(400)") && refused.err.contains("\n  state: "), "{refused:?}");
    // An address at which something else is.
    let sandbox = app.sandbox.base_url();
    let strange = said(&mut ctl(&app, &["schedules", "list", "--url", &sandbox])).await;
    assert!(strange.code == 69 && strange.err.contains("is it the address of the service?"), "{strange:?}");
    app.stop().await;
}

#[tokio::test]
async fn a_service_with_a_certificate_of_one_s_own_is_trusted_through_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name).display().to_string();
        std::fs::write(&path, text).unwrap();
        path
    };
    let (cert, key) = (file("cert.pem", &pem), file("key.pem", &key.serialize_pem()));
    let client = reqwest::Client::builder().no_proxy();
    let client = client.tls_certs_only([reqwest::Certificate::from_pem(pem.as_bytes()).unwrap()]).build().unwrap();
    let toml = format!("server.tls.cert_file = {cert:?}\nserver.tls.key_file = {key:?}\n");
    let mut app = TestApp::builder().with(&toml).client(client).start().await;
    assert_eq!(said(&mut ctl(&app, &["schedules", "list", "--ca-file", &cert, "-o", "json"])).await.json()["count"], 0);
    let other = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let other = file("other.pem", &other.self_signed(&KeyPair::generate().unwrap()).unwrap().pem());
    assert_eq!(said(&mut ctl(&app, &["schedules", "list", "--ca-file", &other])).await.code, 69);
    let empty = file("empty.pem", "");
    assert_eq!(said(&mut ctl(&app, &["schedules", "list", "--ca-file", &empty])).await.code, 78);
    app.stop().await;
}
