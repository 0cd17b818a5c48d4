//! What a good client notices while others misbehave: the release binary, a client with a token that asks all the time, and beside it
//! idle connections and those that ask now and then, slow heads and bodies, a flood far above the rate limit, oversized everything, and clients that read no answers.
//!
//! `cargo bench --bench abuse` prints a table and fails when a promise is broken; `-- --short` looks at each for a moment only, and
//! does not judge the times. The service and its abusers share the machine, so the times are those of a busy one.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "a load program watches real time")]

mod attacks;
mod client;
#[path = "../common/mod.rs"]
mod common;
mod service;

use std::time::Duration;

use attacks::{Attack, Harm};
use client::GoodClient;
use common::Service;
use service::open_files;
use themis_maintenance::telemetry::Stopwatch;

/// The budget: the slowest of a hundred answers to the good client.
const P99_BUDGET_MS: f64 = 50.0;
/// The budget: how much more memory than at rest the service may ever hold, in MiB. 2,048 connections with their largest buffers
/// would be twice as much.
const MEMORY_BUDGET_MIB: f64 = 128.0;
/// How long connections may take to be gone after their abuser is.
const SETTLE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    // `cargo test --benches` and `--test` only ask whether it runs.
    if has("--test") {
        return;
    }
    raise_file_limit();
    let short = has("--short");
    let phase = Duration::from_secs(if short { 3 } else { 12 });
    let service = service::start().await;
    let mut broken = Vec::new();
    // Warms the connection, the token cache and the allocator, so that memory at rest is that of a service in use.
    GoodClient::new(&service).ask_for(Duration::from_secs(1)).await;
    let (memory, files) = (service.memory_mib(), open_files(&service));
    println!("{:<34} {:>8} {:>8} {:>8} {:>9}  what the abusers saw", "beside", "answers", "p50 ms", "p99 ms", "RSS MiB");
    for attack in Attack::ALL {
        let client = GoodClient::new(&service);
        let (answers, harm) = tokio::join!(client.ask_for(phase), attack.run(&service, phase));
        let peak = service.memory_mib();
        println!(
            "{:<34} {:>8} {:>8.2} {:>8.2} {:>9.1}  {harm}",
            attack.name(),
            answers.count(),
            answers.percentile(50.0),
            answers.percentile(99.0),
            peak
        );
        broken.extend(answers.refused().map(|answer| format!("{}: the good client got {answer}", attack.name())));
        broken.extend(attack.disappointments(&harm).map(|what| format!("{}: {what}", attack.name())));
        if peak - memory > MEMORY_BUDGET_MIB {
            broken.push(format!("{}: {:.0} MiB more memory than at rest", attack.name(), peak - memory));
        }
        if !short && answers.percentile(99.0) > P99_BUDGET_MS {
            broken.push(format!("{}: p99 above {P99_BUDGET_MS} ms", attack.name()));
        }
        settle(&service, files, attack, &mut broken).await;
    }
    println!(
        "ready after {:.0} ms; at rest: {memory:.1} MiB and {files} open files before, {:.1} MiB and {} after",
        service.ready_after.as_secs_f64() * 1000.0,
        service.memory_mib(),
        open_files(&service)
    );
    broken.extend(service.end().await);
    for promise in &broken {
        println!("BROKEN: {promise}");
    }
    println!("{}", if broken.is_empty() { "all promises kept" } else { "promises were broken" });
    std::process::exit(i32::from(!broken.is_empty()));
}

/// Each connection is an open file here, too, and the usual limit is 1,024.
fn raise_file_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    }
}

/// Waits until the abusers' connections are gone.
async fn settle(service: &Service, files: usize, attack: Attack, broken: &mut Vec<String>) {
    let stopwatch = Stopwatch::start();
    // A connection of the good client may be on its way out, and SQLite opens files as it needs them.
    while open_files(service) > files + 4 {
        if stopwatch.seconds() > SETTLE.as_secs_f64() {
            broken.push(format!("{}: {} files are still open, {files} were before", attack.name(), open_files(service)));
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl std::fmt::Display for Harm {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let statuses: Vec<String> = self.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        write!(
            formatter,
            "{} connections, {} cut off{}",
            self.connections,
            self.cut_off,
            if statuses.is_empty() { "" } else { "; " }
        )?;
        formatter.write_str(&statuses.join(", "))
    }
}
