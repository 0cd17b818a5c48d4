//! The command `ctl`, run as a program beside the service.

use std::path::Path;
use std::process::{Output, Stdio};

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::{LIMIT, TestApp};

/// What a command said in the end.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// What was asked for, if the exit code is as expected.
    #[track_caller]
    pub fn expect(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        self.out
    }

    /// What was asked for as JSON, if the command was carried out.
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.expect(0)).expect("JSON")
    }
}

/// `ctl` with these words, an admin's token and the service's address in its environment, and nothing else.
pub fn ctl(app: &TestApp, words: &[&str]) -> Command {
    let mut command = bare(words);
    command.env("THEMIS_MAINTENANCE_URL", app.base()).env("THEMIS_MAINTENANCE_TOKEN", app.token("maintenance:admin"));
    command
}

/// `ctl` with nothing in its environment.
pub fn bare(words: &[&str]) -> Command {
    let mut command = program(Path::new(env!("CARGO_BIN_EXE_themis-maintenance")));
    command.arg("ctl").args(words);
    command
}

/// A program with nothing in its environment, whose outputs are kept.
pub fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs a command to its end.
pub async fn said(command: &mut Command) -> Said {
    end(command.spawn().expect("the program starts")).await
}

/// Runs a command to its end, with this on its standard input.
pub async fn said_of(command: &mut Command, input: &str) -> Said {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("a standard input");
    stdin.write_all(input.as_bytes()).await.expect("written");
    drop(stdin);
    end(child).await
}

/// What a running command says in the end.
pub async fn end(child: Child) -> Said {
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await.expect("the program ends");
    let Output { status, stdout, stderr } = output.expect("the program's output");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Said { code: status.code().expect("an exit code"), out: text(stdout), err: text(stderr) }
}
