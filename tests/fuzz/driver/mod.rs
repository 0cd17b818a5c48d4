//! Drives a fuzz target: every file of its corpus, then inputs made from them by chance, for a bounded time.
//!
//! There is no coverage to go by without a nightly compiler. What an input was answered with takes its place: a judge returns it in
//! words, and an input with a new answer joins those that others are made from. The same seed makes the same inputs in the same order.
//!
//! A folder of its own, because unit tests use it too (`#[path]`): for readers that nothing outside of the library should see.

mod mutate;
mod report;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use proptest::strategy::{BoxedStrategy, Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use mutate::Mutator;
use report::{Failure, Running};

/// How long a target is tried where `THEMIS_FUZZ_SECONDS` says nothing.
const SECONDS: u64 = 2;
/// The longest that one input may take: what a caller sends must not hold up the others. The fastest of several tries counts, because
/// the machine may be busy with something else.
const LIMIT: Duration = Duration::from_secs(1);
const TRIES: u32 = 4;
/// An input that takes so long will not end.
const HANGS_AFTER: Duration = Duration::from_secs(20);
/// How many inputs with new answers are kept beside the corpus. More would be picked too seldom to be worth it.
const POOL: usize = 512;

/// What there is to say of an input: what it was answered with in a few words, or the rule that is broken.
pub type Verdict = anyhow::Result<String>;

/// A fuzz target.
pub struct Fuzz {
    /// Names its folder in the corpus.
    pub name: &'static str,
    /// Texts that mean something to the reader that is tried.
    pub words: &'static [&'static str],
    /// Makes inputs that are well-formed by construction. A function, because the strategy stays on the thread that uses it.
    pub generated: fn() -> BoxedStrategy<Vec<u8>>,
}

/// What the worker does, for the thread that watches over it.
#[derive(Default)]
struct Watched {
    count: u64,
    input: Vec<u8>,
}

impl Fuzz {
    /// Tries the target. `make` makes its judge, on the thread that it is used on.
    ///
    /// # Panics
    /// When a rule is broken, with the input.
    #[track_caller]
    pub fn run<J: FnMut(&[u8]) -> Verdict>(self, make: impl FnOnce() -> J + Send + 'static) {
        let (name, seed) = (self.name, setting("THEMIS_FUZZ_SEED").unwrap_or_else(rand::random));
        let watched = Arc::new(Mutex::new(Watched::default()));
        let (report, reports) = channel();
        let shared = Arc::clone(&watched);
        // Not joined: one that hangs never ends, and one that ends has reported.
        std::thread::spawn(move || {
            let _ = report
                .send(Run { judge: make(), watched: shared, running: Running::new(name), seen: HashSet::new() }.of(self, seed));
        });
        let mut last = 0;
        let failure = loop {
            match reports.recv_timeout(HANGS_AFTER) {
                Ok(None) => return,
                Ok(Some(failure)) => break failure,
                Err(RecvTimeoutError::Disconnected) => panic!("fuzz target {name}: the judge cannot be made"),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = watched.lock().unwrap_or_else(PoisonError::into_inner);
            if now.count == last {
                let what = format!("did not end within {} s", HANGS_AFTER.as_secs());
                break Failure { what, input: now.input.clone(), count: now.count };
            }
            last = now.count;
        };
        panic!("{}", failure.report(name, seed));
    }
}

/// One run on the worker's thread.
struct Run<J> {
    judge: J,
    watched: Arc<Mutex<Watched>>,
    running: Running,
    /// Answers that were given.
    seen: HashSet<String>,
}

impl<J: FnMut(&[u8]) -> Verdict> Run<J> {
    #[expect(clippy::print_stderr, reason = "the seed and the figures, for whoever repeats the run")]
    fn of(mut self, fuzz: Fuzz, seed: u64) -> Option<Failure> {
        report::install_quiet_hook();
        let mut pool = Vec::new();
        for (file, input) in corpus(fuzz.name) {
            if let Some(failure) = self.failure(&input) {
                return Some(Failure { what: format!("{} (corpus file {file})", failure.what), ..failure });
            }
            pool.push(input);
        }
        let mut random = StdRng::seed_from_u64(seed);
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &key));
        let generated = (fuzz.generated)();
        let mutator = Mutator { words: fuzz.words };
        let end = now() + Duration::from_secs(setting("THEMIS_FUZZ_SECONDS").unwrap_or(SECONDS));
        while now() < end {
            let mut input = if random.random_ratio(1, 4) {
                generated.new_tree(&mut runner).expect("a strategy that rejects nothing").current()
            } else {
                pool[random.random_range(0..pool.len())].clone()
            };
            let other = &pool[random.random_range(0..pool.len())];
            // None at all now and then: what was generated has to pass as it is, too.
            for _ in 0..random.random_range(0..5) {
                mutator.mutate(&mut random, &mut input, other);
            }
            let seen = self.seen.len();
            if let Some(failure) = self.failure(&input) {
                return Some(failure);
            }
            if self.seen.len() > seen && pool.len() < POOL {
                pool.push(input);
            }
        }
        let count = self.watched.lock().unwrap_or_else(PoisonError::into_inner).count;
        eprintln!("fuzz target {}: {count} inputs, {} different answers, THEMIS_FUZZ_SEED={seed}", fuzz.name, self.seen.len());
        None
    }

    /// Tries an input, and when it breaks a rule, looks for a smaller one that breaks one as well.
    fn failure(&mut self, input: &[u8]) -> Option<Failure> {
        let what = self.broken(input)?;
        let count = self.watched.lock().unwrap_or_else(PoisonError::into_inner).count;
        let (what, input) = report::shrunk(what, input, |input| self.broken(input));
        Some(Failure { what, input, count })
    }

    /// The rule that an input breaks.
    fn broken(&mut self, input: &[u8]) -> Option<String> {
        {
            let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
            watched.count += 1;
            watched.input.clear();
            watched.input.extend_from_slice(input);
        }
        self.running.keep(input);
        let mut fastest = Duration::MAX;
        for _ in 0..TRIES {
            let started = now();
            match catch_unwind(AssertUnwindSafe(|| (self.judge)(input))) {
                Err(panic) => return Some(format!("panics: {}", report::panic_message(panic.as_ref()))),
                Ok(Err(rule)) => return Some(format!("{rule:#}")),
                Ok(Ok(answer)) => self.seen.insert(answer),
            };
            fastest = fastest.min(now() - started);
            if fastest <= LIMIT {
                return None;
            }
        }
        Some(format!("takes {} ms", fastest.as_millis()))
    }
}

/// Where the files of a target are.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name)
}

/// The files of a target with their names, in the order of these.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder(name)).expect("a folder of the corpus").map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> = entries.collect();
    paths.sort();
    assert!(!paths.is_empty(), "the corpus of {name} is empty");
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (name, std::fs::read(path).expect("a file of the corpus"))
    };
    paths.into_iter().map(read).collect()
}

#[expect(clippy::disallowed_methods, reason = "the time of the machine is what bounds a run")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a test has no other way to be told something from outside")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}
