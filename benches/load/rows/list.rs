//! `GET /schedules?limit=100` out of many, by readers who never rest beside a writer; and by readers who do.

use std::time::Duration;

use super::super::clients::Clients;
use super::super::common::Service;
use super::super::data::{self, API};
use super::super::http::{get, post};
use super::super::table::{Extent, Table};
use super::{FEW, FULL};

/// As the budget has it.
const READERS: usize = 8;
const P99_BUDGET_MS: f64 = 2.0;
/// Readers who look at what they got: still 800 pages a second.
const PAUSE: Duration = Duration::from_millis(10);

pub async fn measure(extent: &Extent, table: &mut Table) {
    let schedules = extent.pick(FULL, FEW);
    let folder = data::folder_with(schedules, |number| data::document(number, &data::later(number))).await;
    let service = Service::start(folder, "[orchestrator]\nmax_schedules = 1000000\n").await;
    let pages = Clients::new(service.address, READERS, vec![get(&format!("{API}/schedules?limit=100"), &service.token)]);
    let mut document = data::document(0, "0 2 * * *");
    document.as_object_mut().unwrap().remove("id");
    let writer = Clients::new(service.address, 1, vec![post(&format!("{API}/schedules"), &service.token, &document.to_string())]);
    let time = Duration::from_millis(extent.pick(6_000, 1_000));
    for (how, readers, writer) in
        [("who never rest", pages.clone(), writer.clone()), ("who rest 10 ms", pages.with_pause(PAUSE), writer.with_pause(PAUSE))]
    {
        readers.work_for(time / 6).await;
        let at_work = writer.start();
        let mut sample = readers.work_for(time).await;
        let mut written = at_work.end().await;
        table.all_answered("pages", &sample);
        table.all_answered("creates beside pages", &written);
        let p99 = sample.percentile(99.0);
        let measured = format!("{p99:.2} ms; p50 {:.2} ms, {:.0}/s", sample.percentile(50.0), sample.per_second());
        let what = format!("100 of {schedules}, {READERS} readers {how}, a writer");
        table.judge(&what, &format!("p99 ≤ {P99_BUDGET_MS} ms"), &measured, p99 <= P99_BUDGET_MS);
        let measured = format!("p99 {:.2} ms, {:.0}/s", written.percentile(99.0), written.per_second());
        table.tell("  the writer beside them", &measured);
    }
    table.broken(service.end().await);
}
