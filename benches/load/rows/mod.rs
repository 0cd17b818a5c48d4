//! The rows of the table, a group a file. Each prepares its data, starts a service of its own, and ends it in order.

pub mod creates;
pub mod executing;
pub mod growth;
pub mod health;
pub mod idle;
pub mod lateness;
pub mod list;
pub mod memory;
pub mod reads;
pub mod scrape;
pub mod soak;
pub mod start;
pub mod storm;

use std::time::Duration;

use super::clients::Clients;
use super::common::Service;
use super::http::get;
use super::process::ProcessorTime;
use super::sample::Sample;
use super::table::Table;
use super::{data, http};

/// As many schedules as there may be by default.
const FULL: usize = 65_536;
/// What `--short` makes do with.
const FEW: usize = 2_000;

/// GETs of schedules all over the list, in no order that a cache would like. No more of them than the client can hold cheaply.
fn gets_of_schedules(service: &Service, schedules: usize) -> Vec<Vec<u8>> {
    let count = schedules.min(4_096);
    // Coprime to the number of schedules, which is a power of two or ends in zeros.
    let stride = 7_919;
    let path = |number: usize| format!("{}/schedules/{}", data::API, data::id(number * stride % schedules));
    (0..count).map(|number| get(&path(number), &service.token)).collect()
}

/// Two kinds of requests on the same service, by turns, so that whatever else the machine does befalls both.
struct Contest {
    base: Sample,
    other: Sample,
    /// Processor time of the service for each request, in microseconds.
    base_cost: f64,
    other_cost: f64,
}

async fn contest(service: &Service, base: &Clients, other: &Clients, turns: usize, turn: Duration) -> Contest {
    let (mut samples, mut seconds) = ((Sample::default(), Sample::default()), (0.0, 0.0));
    for clients in [base, other] {
        clients.work_for(turn / 4).await;
    }
    for _ in 0..turns {
        let before = ProcessorTime::of(service);
        samples.0.then(base.work_for(turn).await);
        seconds.0 += before.used(service);
        let before = ProcessorTime::of(service);
        samples.1.then(other.work_for(turn).await);
        seconds.1 += before.used(service);
    }
    let cost = |seconds: f64, sample: &Sample| seconds * 1e6 / sample.count() as f64;
    let (base_cost, other_cost) = (cost(seconds.0, &samples.0), cost(seconds.1, &samples.1));
    Contest { base: samples.0, other: samples.1, base_cost, other_cost }
}

impl Contest {
    /// Rows for a read that is held against `/livez`.
    fn judge(&mut self, what: &str, table: &mut Table) {
        let Self { base, other, base_cost, other_cost } = self;
        table.all_answered("/livez", base);
        table.all_answered(what, other);
        let ratio = other.per_second() / base.per_second();
        let rates = format!("{ratio:.2} ({:.0}/s to {:.0}/s)", other.per_second(), base.per_second());
        table.judge(what, "≥ 0.85 of /livez", &rates, ratio >= 0.85);
        let (slow, base_slow) = (other.percentile(99.0), base.percentile(99.0));
        let times = format!("{:.2} × ({slow:.2} ms to {base_slow:.2} ms)", slow / base_slow);
        table.judge("  its p99", "≤ 2 × that of /livez", &times, slow <= 2.0 * base_slow);
        table.tell("  the service's processor time for each", &format!("{other_cost:.1} µs to {base_cost:.1} µs"));
    }
}

/// The text of the service's metrics.
async fn metrics(service: &Service) -> String {
    let mut connection = http::Connection::open(service.address).await.unwrap();
    let answer = connection.ask(&get("/metrics", &service.token)).await.unwrap();
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// The value of the series that is written exactly so.
fn series(metrics: &str, name: &str) -> f64 {
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
    metrics.lines().find_map(value).unwrap_or_default()
}
