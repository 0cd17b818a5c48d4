//! Resident memory of a service in use: with nothing stored, and what each schedule adds, loaded and created.

use std::sync::Arc;
use std::time::Duration;

use super::super::clients::Clients;
use super::super::common::Service;
use super::super::data::{self, API};
use super::super::http::{get, post};
use super::super::table::{Extent, Table};
use super::{FEW, FULL, metrics};

const BASE_BUDGET_MIB: f64 = 30.0;
const EACH_BUDGET_KIB: f64 = 2.5;

pub async fn measure(extent: &Extent, table: &mut Table) {
    let service = Service::start(Arc::new(tempfile::tempdir().unwrap()), "").await;
    let base = in_use(&service).await;
    table.judge(
        "resident memory, no schedules",
        &format!("≤ {BASE_BUDGET_MIB} MiB"),
        &format!("{base:.1} MiB"),
        base <= BASE_BUDGET_MIB,
    );
    let created = create(&service, extent.pick(20_000, 500)).await;
    let each = (in_use(&service).await - base) * 1024.0 / created as f64;
    table.tell("  and for each schedule that is created", &format!("{each:.2} KiB, the audit of it included ({created})"));
    table.broken(service.end().await);

    let schedules = extent.pick(FULL, FEW);
    let folder = data::folder_with(schedules, |number| data::document(number, &data::later(number))).await;
    let service = Service::start(folder, "").await;
    let all = in_use(&service).await;
    let each = (all - base) * 1024.0 / schedules as f64;
    let measured = format!("{each:.2} KiB ({all:.0} MiB with {schedules})");
    table.judge("  and for each stored schedule", &format!("≤ {EACH_BUDGET_KIB} KiB"), &measured, each <= EACH_BUDGET_KIB);
    table.broken(service.end().await);
}

/// After some requests of all kinds, so that buffers and caches are there.
async fn in_use(service: &Service) -> f64 {
    let paths = ["schedules?limit=1", "jobs", "health", "task-types"].map(|path| format!("{API}/{path}"));
    let requests = paths.iter().map(|path| get(path, &service.token)).collect();
    Clients::new(service.address, 8, requests).work_for(Duration::from_millis(300)).await;
    metrics(service).await;
    service.memory_mib()
}

/// Creates about so many.
async fn create(service: &Service, about: usize) -> usize {
    let document = |number| {
        let mut document = data::document(number, &data::later(number));
        document.as_object_mut().unwrap().remove("id");
        post(&format!("{API}/schedules"), &service.token, &document.to_string())
    };
    let clients = Clients::new(service.address, 64, (0..1_000).map(document).collect());
    let mut created = 0;
    while created < about {
        created += clients.work_for(Duration::from_millis(200)).await.count();
    }
    created
}
