//! Whether the machine was ours: a table from a busy one says little.

use themis_maintenance::telemetry::Stopwatch;

/// What `/proc` counts in, on every Linux of today.
const TICKS_PER_SECOND: f64 = 100.0;

pub struct Machine {
    busy: f64,
    ours: f64,
    stopwatch: Stopwatch,
}

impl Machine {
    pub fn look() -> Self {
        Self { busy: busy(), ours: ours(), stopwatch: Stopwatch::start() }
    }

    /// How many cores others kept busy since then, the system's own threads and the hypervisor among them.
    pub fn others(&self) -> f64 {
        ((busy() - self.busy) - (ours() - self.ours)) / self.stopwatch.seconds()
    }
}

/// Seconds in which some core did something.
fn busy() -> f64 {
    let ticks = numbers("/proc/stat", 1);
    // user nice system idle iowait irq softirq steal
    ticks.iter().take(8).enumerate().filter(|(place, _)| ![3, 4].contains(place)).map(|(_, ticks)| ticks).sum::<f64>()
        / TICKS_PER_SECOND
}

/// Seconds that this process and those that it has started and seen end have used.
fn ours() -> f64 {
    // utime stime cutime cstime
    numbers("/proc/self/stat", 13).iter().take(4).sum::<f64>() / TICKS_PER_SECOND
}

/// The words of a file's first line, without the first ones.
fn numbers(file: &str, skip: usize) -> Vec<f64> {
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().next().unwrap_or_default();
    line.split_whitespace().skip(skip).filter_map(|word| word.parse().ok()).collect()
}
