//! Commands from outside: arguments and variables in, output and exit code out.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::Value;

use super::args::{DevArgs, SandboxArgs};
use super::joined::Commands;
use super::run::run;
use crate::audit::FirstLines;
use crate::config::Config;

const SECRET: (&str, &str) = ("THEMIS_MAINTENANCE__AUTH__HS256_SECRET", "a-secret-of-thirty-two-bytes-ok!");

/// Notes what it was asked for.
#[derive(Default)]
struct Fake {
    asked: RefCell<Vec<String>>,
    broken: bool,
}

impl Fake {
    fn answer(&self, asked: String) -> anyhow::Result<()> {
        self.asked.borrow_mut().push(asked);
        if self.broken { Err(anyhow::anyhow!("the cause").context("it broke")) } else { Ok(()) }
    }
}

impl Commands for Fake {
    fn serve(&self, config: Config) -> anyhow::Result<()> {
        self.answer(format!("serve {}", config.server.listen))
    }

    fn dev(&self, args: DevArgs, environment: Vec<(String, String)>) -> anyhow::Result<()> {
        self.answer(format!("dev {:?} {}", args.listen, environment.len()))
    }

    fn sandbox(&self, args: SandboxArgs) -> anyhow::Result<()> {
        self.answer(format!("sandbox {}", args.listen))
    }

    fn openapi(&self) -> anyhow::Result<String> {
        self.answer("openapi".into()).map(|()| "{}\n".into())
    }

    fn backup(&self, config: Config, file: &Path) -> anyhow::Result<String> {
        self.answer(format!("backup {:?} {}", config.storage.url, file.display())).map(|()| "copied".into())
    }

    fn check(&self, file: &Path) -> anyhow::Result<String> {
        self.answer(format!("check {}", file.display())).map(|()| "sound".into())
    }

    fn verify_audit(&self, files: &[PathBuf], _first_lines: FirstLines) -> anyhow::Result<String> {
        let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        self.answer(format!("verify {}", files.join(" "))).map(|()| "3 lines".into())
    }
}

/// Exit code, standard output, standard error.
fn call(fake: &Fake, line: &str, variables: &[(&str, &str)]) -> (u8, String, String) {
    let args = std::iter::once("themis-maintenance").chain(line.split_whitespace()).map(OsString::from);
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(args, variables, fake, &mut out, &mut err);
    (code, String::from_utf8(out).expect("text"), String::from_utf8(err).expect("text"))
}

#[test]
fn wrong_usage_is_64_and_help_is_0() {
    for line in ["", "nonsense", "serve --nonsense", "token", "audit", "audit verify"] {
        let (code, out, err) = call(&Fake::default(), line, &[]);
        assert!(code == 64 && out.is_empty() && err.contains("Usage:"), "{line}: {code} {out} {err}");
    }
    for (line, expected) in [("--help", "check-config"), ("token --help", "--scope"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let (code, out, err) = call(&Fake::default(), line, &[]);
        assert!(code == 0 && out.contains(expected) && err.is_empty(), "{line}: {code} {out} {err}");
    }
}

#[test]
fn commands_get_their_arguments() {
    let fake = Fake::default();
    assert_eq!(call(&fake, "serve", &[SECRET, ("THEMIS_MAINTENANCE__SERVER__LISTEN", "[::1]:1")]).0, 0);
    assert_eq!(call(&fake, "dev --listen 127.0.0.1:2", &[SECRET, ("PATH", "/bin")]).0, 0);
    assert_eq!(call(&fake, "sandbox --listen 127.0.0.1:3", &[]).0, 0);
    assert_eq!(call(&fake, "openapi", &[]), (0, "{}\n".into(), String::new()));
    assert_eq!(call(&fake, "audit verify a.jsonl b.jsonl", &[]), (0, "3 lines\n".into(), String::new()));
    assert_eq!(call(&fake, "check b.db", &[]), (0, "sound\n".into(), String::new()));
    let memory = ("THEMIS_MAINTENANCE__STORAGE__URL", "memory:");
    assert_eq!(call(&fake, "backup b.db", &[memory]), (0, "copied\n".into(), String::new()));
    let expected = [
        "serve [::1]:1",
        "dev Some(127.0.0.1:2) 1",
        "sandbox 127.0.0.1:3",
        "openapi",
        "verify a.jsonl b.jsonl",
        "check b.db",
        "backup Memory b.db",
    ];
    assert_eq!(*fake.asked.borrow(), expected);
}

#[test]
fn every_command_and_option_of_ctl_is_in_its_document() {
    fn look(command: &clap::Command, document: &str, missing: &mut Vec<String>) {
        let options = command.get_arguments().filter_map(|argument| argument.get_long()).filter(|long| *long != "help");
        missing.extend(options.map(|long| format!("--{long}")).filter(|option| !document.contains(option)));
        for inner in command.get_subcommands() {
            if !document.contains(inner.get_name()) {
                missing.push(inner.get_name().to_owned());
            }
            look(inner, document, missing);
        }
    }
    let program = super::args::Cli::command();
    let ctl = program.find_subcommand("ctl").expect("the command");
    let mut missing = Vec::new();
    look(ctl, include_str!("../../docs/CTL.md"), &mut missing);
    assert_eq!(missing, Vec::<String>::new(), "docs/CTL.md does not name them");
}

#[test]
fn a_fault_is_70_with_its_causes_and_a_broken_chain_is_1() {
    let fake = Fake { broken: true, ..Fake::default() };
    for line in ["serve", "dev", "sandbox", "openapi", "backup x"] {
        assert_eq!(call(&fake, line, &[SECRET]), (70, String::new(), "it broke: the cause\n".into()), "{line}");
    }
    assert_eq!(call(&fake, "check x", &[]), (1, String::new(), "it broke: the cause\n".into()));
    assert_eq!(call(&fake, "audit verify x", &[]), (1, String::new(), "it broke: the cause\n".into()));
}

#[test]
fn a_wrong_configuration_is_78_before_anything_starts() {
    let fake = Fake::default();
    let variables = [("THEMIS_MAINTENANCE__SERVER__LISTEN", "x"), ("THEMIS_MAINTENANCE__NONSENSE", "1")];
    for line in ["serve", "check-config", "token --scope read", "serve --config /nowhere/c.toml"] {
        let (code, out, err) = call(&fake, line, &variables);
        assert!(code == 78 && out.is_empty(), "{line}: {code} {out}");
        assert!(err.contains("environment variable THEMIS_MAINTENANCE__SERVER__LISTEN: server.listen must be"), "{err}");
        assert!(err.contains("nonsense is not a known key"), "{err}");
    }
    assert!(fake.asked.borrow().is_empty());
}

#[test]
fn check_config_says_what_was_understood_and_no_secret() {
    let (code, out, err) = call(&Fake::default(), "check-config", &[SECRET]);
    assert!(code == 0 && err.is_empty() && out.starts_with("configuration is valid\n"), "{out} {err}");
    assert!(out.contains("HS256") && !out.contains(SECRET.1));
}

#[test]
fn token_prints_a_token_and_nothing_else() {
    let (code, out, err) = call(&Fake::default(), "token --scope write --scope read --subject ci --ttl 5m", &[SECRET]);
    assert!(code == 0 && err.is_empty(), "{err}");
    let token = out.strip_suffix('\n').expect("one line");
    let key = DecodingKey::from_secret(SECRET.1.as_bytes());
    let claims = decode::<Value>(token, &key, &Validation::new(Algorithm::HS256)).expect("a valid token").claims;
    assert_eq!((&claims["sub"], &claims["scope"]), (&"ci".into(), &"maintenance:write maintenance:read".into()));
    assert_eq!(claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(exp, iat)| exp - iat), Some(300));
}

#[test]
fn token_without_any_key_says_what_to_set() {
    let (code, out, err) = call(&Fake::default(), "token --scope read", &[]);
    assert!(code == 78 && out.is_empty() && err.contains("auth.hs256_secret"), "{err}");
}

#[cfg(unix)]
#[test]
fn only_our_variables_have_to_be_text() {
    use std::os::unix::ffi::OsStringExt;
    let broken = || OsString::from_vec(vec![0xff]);
    let with = |name: OsString| {
        let args = ["themis-maintenance", "check-config"].map(OsString::from);
        let variables = [(OsString::from(SECRET.0), SECRET.1.into()), (name, broken())];
        let mut err = Vec::new();
        let code = run(args, variables, &Fake::default(), &mut io::sink(), &mut err);
        (code, String::from_utf8(err).expect("text"))
    };
    assert_eq!(with("OTHER".into()).0, 0);
    assert_eq!(with(broken()).0, 0);
    let (code, err) = with("THEMIS_MAINTENANCE__AUTH__ISSUER".into());
    assert_eq!((code, err.as_str()), (78, "environment variable THEMIS_MAINTENANCE__AUTH__ISSUER: is not UTF-8\n"));
}

/// Refuses every write.
struct Refusing(io::ErrorKind);

impl Write for Refusing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_left_is_no_fault_and_a_full_disk_is() {
    for (kind, expected) in [(io::ErrorKind::BrokenPipe, 0), (io::ErrorKind::StorageFull, 70)] {
        let args = ["themis-maintenance", "openapi"].map(OsString::from);
        assert_eq!(run(args, [], &Fake::default(), &mut Refusing(kind), &mut io::sink()), expected);
    }
}
