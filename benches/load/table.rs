//! The table that is printed: what, budget, measured, verdict.

use super::sample::Sample;

/// How much is measured, and which rows.
pub struct Extent {
    /// Little data and little time: shows that the programs work, and judges no figure.
    pub short: bool,
    /// Only rows whose group has this name.
    pub only: Option<String>,
    /// Also what takes ten minutes.
    pub soak: bool,
}

impl Extent {
    pub fn wants(&self, group: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == group)
    }

    /// The one figure, or the other when it is to be short.
    pub fn pick<T>(&self, full: T, short: T) -> T {
        if self.short { short } else { full }
    }
}

pub struct Table {
    judges: bool,
    misses: Vec<String>,
    broken: Vec<String>,
}

impl Table {
    pub fn begin(extent: &Extent) -> Self {
        line("what", "budget", "measured", "verdict");
        Self { judges: !extent.short, misses: Vec::new(), broken: Vec::new() }
    }

    /// A figure with a budget.
    pub fn judge(&mut self, what: &str, budget: &str, measured: &str, kept: bool) {
        let verdict = match (self.judges, kept) {
            (false, _) => "",
            (true, true) => "kept",
            (true, false) => "MISSED",
        };
        line(what, budget, measured, verdict);
        if self.judges && !kept {
            self.misses.push(format!("{what}: {measured}, the budget is {budget}"));
        }
    }

    /// A figure that explains others.
    pub fn tell(&self, what: &str, measured: &str) {
        line(what, "", measured, "");
    }

    /// What has to hold whatever the machine.
    pub fn must(&mut self, what: &str, holds: bool) {
        if !holds {
            self.broken.push(what.to_owned());
        }
    }

    /// All that were asked for have to be answered well.
    pub fn all_answered(&mut self, who: &str, sample: &Sample) {
        self.broken.extend(sample.refusals().map(|refusals| format!("{who}: {refusals}")));
    }

    pub fn broken(&mut self, promises: Vec<String>) {
        self.broken.extend(promises);
    }

    /// True when all is well.
    pub fn end(self) -> bool {
        for miss in &self.misses {
            println!("MISSED: {miss}");
        }
        for promise in &self.broken {
            println!("BROKEN: {promise}");
        }
        self.misses.is_empty() && self.broken.is_empty()
    }
}

fn line(what: &str, budget: &str, measured: &str, verdict: &str) {
    println!("{what:<58} {budget:<34} {measured:<58} {verdict}");
}
