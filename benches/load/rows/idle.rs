//! What the service does when nothing is to be done.

use std::time::Duration;

use super::super::common::Service;
use super::super::data;
use super::super::process::ProcessorTime;
use super::super::table::{Extent, Table};
use super::super::targets::{sandboxes, settings};
use super::{FEW, FULL};

/// Of one core.
const BUDGET_PERCENT: f64 = 0.5;
/// What a start leaves to be done is done by then.
const SETTLE: Duration = Duration::from_secs(3);

pub async fn measure(extent: &Extent, table: &mut Table) {
    let schedules = extent.pick(FULL, FEW);
    let folder = data::folder_with(schedules, |number| data::document(number, &data::later(number))).await;
    // A target for the health probe to ask, as there is one in production.
    let targets = sandboxes(1, Duration::ZERO).await;
    let service = Service::start(folder, &settings(&targets, 1, 90)).await;
    tokio::time::sleep(SETTLE).await;
    // Twice the interval of the probe, so that it counts as often as it should.
    let time = Duration::from_secs(extent.pick(30, 3));
    let before = ProcessorTime::of(&service);
    tokio::time::sleep(time).await;
    let percent = before.used(&service) / time.as_secs_f64() * 100.0;
    let what = format!("idle, {schedules} enabled schedules");
    table.judge(&what, &format!("≤ {BUDGET_PERCENT} % of a core"), &format!("{percent:.2} %"), percent <= BUDGET_PERCENT);
    table.broken(service.end().await);
}
