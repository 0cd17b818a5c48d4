//! What the kernel knows of the service's processor use.

use std::collections::HashMap;

use super::common::Service;

/// Time on a processor by thread, in nanoseconds.
pub struct ProcessorTime(HashMap<String, u64>);

impl ProcessorTime {
    pub fn of(service: &Service) -> Self {
        let threads = std::fs::read_dir(service.proc("task")).expect("the service runs").filter_map(|entry| {
            let entry = entry.ok()?;
            // A thread may end while we look.
            let schedule = std::fs::read_to_string(entry.path().join("schedstat")).ok()?;
            let nanoseconds = schedule.split(' ').next()?.parse().ok()?;
            Some((entry.file_name().to_string_lossy().into_owned(), nanoseconds))
        });
        Self(threads.collect())
    }

    /// Seconds that the service has used since then. What a thread that has ended used is lost; those that matter do not end.
    pub fn used(&self, service: &Service) -> f64 {
        let now = Self::of(service);
        let nanoseconds = now.0.iter().map(|(thread, time)| time.saturating_sub(self.0.get(thread).copied().unwrap_or_default()));
        nanoseconds.sum::<u64>() as f64 / 1e9
    }
}
