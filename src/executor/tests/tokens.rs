//! The bearer token and its file.

use std::fs::{File, FileTimes};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::server::{Reply, Server};
use super::*;

fn bench_with_token(server: &Server, token_file: &Path) -> Bench {
    Bench::with_settings(TargetSettings { token_file: Some(token_file.to_owned()), ..settings(&server.url("")) }, recipe())
}

/// Writes a token and dates the file, so that two writes differ however coarse the file system's clock is.
fn write(path: &Path, token: &str, seconds: u64) {
    std::fs::write(path, token).expect("written");
    let file = File::options().write(true).open(path).expect("opened");
    file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))).expect("dated");
}

#[tokio::test(start_paused = true)]
async fn the_token_is_trimmed_sent_and_read_again_when_the_file_changes() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("token");
    let server = Server::start([Reply::json(200, json!({"success": true}))]).await;
    let bench = bench_with_token(&server, &path);
    for (token, seconds) in [(" first\n", 30), ("secnd\r\n", 20), ("third", 10)] {
        write(&path, token, seconds);
        for _ in 0..2 {
            assert_eq!(bench.attempt().await.outcome, Outcome::Succeeded);
            let expected = format!("Bearer {}", token.trim());
            assert_eq!(server.received().pop().expect("a request").header("authorization"), Some(expected.as_str()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_readable_token_nothing_is_sent() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("token");
    let server = Server::start([Reply::json(200, json!({"success": true}))]).await;
    let bench = bench_with_token(&server, &path);
    let start = format!("POST /index/rebuild: token file '{}' cannot be read: ", path.display());
    let refused = |report: &AttemptReport, why: &str| {
        assert_eq!(report.outcome, Outcome::Permanent);
        assert_eq!(message(report), format!("{start}{why}"));
    };
    refused(&bench.attempt().await, "No such file or directory (os error 2)");
    write(&path, " \n", 30);
    refused(&bench.attempt().await, "it is empty");
    write(&path, "sec\nret", 20);
    refused(&bench.attempt().await, "it holds characters that no token has");
    write(&path, &"x".repeat(65 * 1024), 10);
    refused(&bench.attempt().await, "it is not a regular file of at most 64 KiB");
    let bench = bench_with_token(&server, directory.path());
    assert_eq!(bench.attempt().await.outcome, Outcome::Permanent);
    assert!(server.lines().is_empty() && !bench.trace.was_sent() && bench.counted().is_empty());
}

/// What stands in the file is not repeated, wherever it was read from.
#[tokio::test(start_paused = true)]
async fn a_token_that_would_end_its_header_line_is_refused_and_not_shown() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("token");
    let server = Server::start([Reply::json(200, json!({"success": true}))]).await;
    for (seconds, token) in
        ["hunter2\r\nX-Evil: 1", "hunter2\nX-Evil: 1", "hunter2 x", "hunter2\tx", "hunter2\0", "hunter2é", "hunter2\u{7f}"]
            .into_iter()
            .enumerate()
    {
        write(&path, token, seconds as u64);
        let fixed = TargetSettings { token: Some(token.into()), ..settings(&server.url("")) };
        assert!(!format!("{fixed:?}").contains("hunter2"));
        for bench in [bench_with_token(&server, &path), Bench::with_settings(fixed, recipe())] {
            let report = bench.attempt().await;
            assert_eq!(report.outcome, Outcome::Permanent);
            assert!(message(&report).ends_with("it holds characters that no token has"), "{report:?}");
            assert!(!format!("{report:?}").contains("hunter2"), "{report:?}");
        }
    }
    assert!(server.lines().is_empty());
}

/// A token that is gone while it is rotated is not sent on from memory.
#[tokio::test(start_paused = true)]
async fn a_token_that_was_taken_away_is_not_used_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("token");
    let server = Server::start([Reply::json(200, json!({"success": true}))]).await;
    let bench = bench_with_token(&server, &path);
    write(&path, "first", 30);
    assert_eq!(bench.attempt().await.outcome, Outcome::Succeeded);
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(bench.attempt().await.outcome, Outcome::Permanent);
    assert_eq!(server.lines().len(), 1);
}
