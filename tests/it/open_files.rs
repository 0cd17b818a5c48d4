//! The limit of open files: what the program makes of it at its start.
#![cfg(unix)]

use std::process::{Child, Command, Stdio};

use super::command_line::{SECRET_VARIABLE, folder};
use crate::support::until;

/// Ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the program with the limits that a shell sets first, and waits for this text in its log.
async fn logs(limits: &str, arguments: &[&str], environment: &[(&str, &str)], expected: &str) {
    let folder = folder();
    let path = folder.path().join("log");
    let log = std::fs::File::create(&path).expect("a log file");
    let child = Command::new("/bin/sh")
        .args(["-c", &format!("{limits} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_themis-maintenance")])
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .env(SECRET_VARIABLE, "a-secret-that-is-long-enough-for-HS256")
        .env("THEMIS_MAINTENANCE__TELEMETRY__LOG_FORMAT", "json")
        .env("THEMIS_MAINTENANCE__TELEMETRY__LOG_LEVEL", "debug")
        .env("THEMIS_MAINTENANCE__SERVER__LISTEN", "127.0.0.1:0")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file handle"))
        .stderr(log)
        .spawn()
        .expect("a shell");
    let _running = Running(child);
    until(expected, || async { std::fs::read_to_string(&path).ok()?.contains(expected).then_some(()) }).await;
}

#[tokio::test]
async fn serve_and_dev_raise_the_limit_of_open_files() {
    for command in ["serve", "dev"] {
        logs("ulimit -S -n 256", &[command], &[], "\"raised the limit of open files\"").await;
    }
}

#[tokio::test]
async fn two_listeners_share_the_files_that_there_are() {
    let metrics = [("THEMIS_MAINTENANCE__METRICS__LISTEN", "127.0.0.1:0")];
    for command in ["serve", "dev"] {
        logs("ulimit -n 256", &[command], &[], "\"affordable\":128").await;
        logs("ulimit -n 256", &[command], &metrics, "\"affordable\":64").await;
    }
}
