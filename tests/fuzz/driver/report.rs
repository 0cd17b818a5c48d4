//! What is told of an input that breaks a rule, and how a smaller one is found.

use std::any::Any;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

/// How long a smaller input is looked for.
const SHRINKING: Duration = Duration::from_secs(3);
/// How much of an input is printed; all of it is in the file.
const SHOWN: usize = 2000;

/// An input that breaks a rule.
pub(super) struct Failure {
    /// The rule, or how the reader ended.
    pub what: String,
    /// The input.
    pub input: Vec<u8>,
    /// How many inputs there were before it.
    pub count: u64,
}

impl Failure {
    /// Keeps the input in a file, and says how to go on.
    pub fn report(&self, name: &str, seed: u64) -> String {
        let Self { what, input, count } = self;
        let path = folder().join(format!("fuzz-{name}-{seed}"));
        let kept = match std::fs::write(&path, input) {
            Ok(()) => path.display().to_string(),
            Err(error) => format!("nowhere ({error})"),
        };
        let shown = input[..input.len().min(SHOWN)].escape_ascii();
        let rest = if input.len() > SHOWN { format!("… ({} bytes)", input.len()) } else { String::new() };
        format!(
            "fuzz target {name}: {what}\n  input: {shown}{rest}\n  kept in: {kept}\n  found with: THEMIS_FUZZ_SEED={seed}, input {count}\n\
             Mend the reader, and keep the input: cp {kept} tests/fuzz/corpus/{name}/WHAT-IT-IS"
        )
    }
}

/// Where inputs are kept. Only integration tests have a folder below `target`.
fn folder() -> PathBuf {
    option_env!("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, |folder| Path::new(folder).to_owned())
}

/// The input that is being tried: a stack that overflows ends the process before anything could be reported.
pub(super) struct Running(PathBuf);

impl Running {
    pub fn new(name: &str) -> Self {
        Self(folder().join(format!("fuzz-{name}-running-{}", std::process::id())))
    }

    pub fn keep(&self, input: &[u8]) {
        // Without it there would be less to go by, and nothing else.
        let _ = std::fs::write(&self.0, input);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Leaves out ever smaller parts of an input, as long as what is left breaks a rule.
pub(super) fn shrunk(what: String, input: &[u8], mut broken: impl FnMut(&[u8]) -> Option<String>) -> (String, Vec<u8>) {
    let end = super::now() + SHRINKING;
    let (mut what, mut input) = (what, input.to_vec());
    let mut part = input.len() / 2;
    QUIET.set(true);
    while part > 0 {
        let mut at = 0;
        while at < input.len() {
            if super::now() > end {
                QUIET.set(false);
                return (what, input);
            }
            let smaller = [&input[..at], &input[(at + part).min(input.len())..]].concat();
            match broken(&smaller) {
                Some(rule) => (what, input) = (rule, smaller),
                None => at += part,
            }
        }
        part /= 2;
    }
    QUIET.set(false);
    (what, input)
}

pub(super) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
}

thread_local! {
    /// Whether panics of this thread are already known.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// The first panic is printed, with its place; those of ever smaller inputs would bury it.
pub(super) fn install_quiet_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                usual(panic);
            }
        }));
    });
}
