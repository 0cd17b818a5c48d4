//! From the start of the process to readiness, with stored schedules.

use super::super::common::Service;
use super::super::data;
use super::super::sample::median;
use super::super::table::{Extent, Table};
use super::FULL;

/// Schedules and the milliseconds that they may take.
const BUDGETS: [(usize, f64); 2] = [(FULL, 500.0), (10_000, 100.0)];
/// The first one finds no file in the page cache that it has not just written, so they differ little.
const STARTS: usize = 3;

pub async fn measure(extent: &Extent, table: &mut Table) {
    for (schedules, budget) in BUDGETS {
        let schedules = extent.pick(schedules, schedules / 10);
        let folder = data::folder_with(schedules, |number| data::document(number, &data::later(number))).await;
        let mut milliseconds = Vec::new();
        for _ in 0..STARTS {
            let service = Service::start(folder.clone(), "").await;
            milliseconds.push(service.ready_after.as_secs_f64() * 1000.0);
            table.broken(service.end().await);
        }
        let middle = median(milliseconds);
        let what = format!("start with {schedules} stored schedules, until ready");
        table.judge(&what, &format!("≤ {budget} ms"), &format!("{middle:.0} ms"), middle <= budget);
    }
}
