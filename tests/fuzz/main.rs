//! Readers of what comes from outside, tried with inputs that nobody would think of: none of them panics or takes long, every refusal
//! says where and why, and what is accepted means one thing.
//!
//! `corpus/TARGET` holds inputs that are tried first, each named for what it is; further ones are made of them by chance (`driver`).
//! `THEMIS_FUZZ_SECONDS` makes it longer (for each target), `THEMIS_FUZZ_SEED` repeats a run's choices. A failure prints the input and
//! how it is added to the corpus. Targets that only the library can see are beside their code, in tests called `fuzz`.

mod checks;
mod driver;

mod answers;
mod configuration;
mod crons;
mod patches;
mod recipes;
mod rows;
mod schedules;
mod tokens;

// As in the library, for the sources of it that are compiled in (`answers`).
use themis_maintenance::domain;
