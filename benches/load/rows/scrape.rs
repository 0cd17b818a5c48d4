//! `GET /metrics` with many schedules: how long a scrape takes, and how much it is.

use std::time::Duration;

use super::super::clients::Clients;
use super::super::common::Service;
use super::super::data;
use super::super::http::get;
use super::super::table::{Extent, Table};
use super::{FEW, FULL, metrics};

const BUDGET_MS: f64 = 20.0;
/// The default bound of a thousand schedules with series of their own, two each of some 100 bytes, and everything else.
const SIZE_BUDGET_KIB: f64 = 512.0;
/// A scraper that comes often; one at rest for 15 s finds the same.
const PAUSE: Duration = Duration::from_millis(50);

pub async fn measure(extent: &Extent, table: &mut Table) {
    let schedules = extent.pick(FULL, FEW);
    let folder = data::folder_with(schedules, |number| data::document(number, &data::later(number))).await;
    let service = Service::start(folder, "").await;
    let scraper = Clients::new(service.address, 1, vec![get("/metrics", &service.token)]).with_pause(PAUSE);
    let mut sample = scraper.work_for(Duration::from_millis(extent.pick(5_000, 500))).await;
    table.all_answered("/metrics", &sample);
    let (slowest, middle) = (sample.percentile(100.0), sample.percentile(50.0));
    let what = format!("GET /metrics with {schedules} schedules");
    let measured = format!("at most {slowest:.1} ms, p50 {middle:.1} ms, {} scrapes", sample.count());
    table.judge(&what, &format!("≤ {BUDGET_MS} ms"), &measured, slowest <= BUDGET_MS);
    let size = metrics(&service).await.len() as f64 / 1024.0;
    table.judge("  its size", &format!("≤ {SIZE_BUDGET_KIB} KiB"), &format!("{size:.0} KiB"), size <= SIZE_BUDGET_KIB);
    table.broken(service.end().await);
}
