//! Durable `POST /schedules`: many clients share their commits, one has each to itself.

use std::sync::Arc;
use std::time::Duration;

use super::super::clients::Clients;
use super::super::common::Service;
use super::super::data::{self, API};
use super::super::http::post;
use super::super::table::{Extent, Table};

const CLIENTS: usize = 64;
const PER_SECOND_BUDGET: f64 = 5_000.0;
/// How many times one client's rate.
const RATIO_BUDGET: f64 = 5.0;

pub async fn measure(extent: &Extent, table: &mut Table) {
    let settings = "[orchestrator]\nmax_schedules = 1000000\n";
    let service = Service::start(Arc::new(tempfile::tempdir().unwrap()), settings).await;
    let mut document = data::document(0, "0 2 * * *");
    document.as_object_mut().unwrap().remove("id");
    let request = post(&format!("{API}/schedules"), &service.token, &document.to_string());
    let clients = |count| Clients::new(service.address, count, vec![request.clone()]);
    let time = Duration::from_millis(extent.pick(4_000, 1_000));
    clients(CLIENTS).work_for(time / 8).await;
    let mut alone = clients(1).work_for(time).await;
    let mut many = clients(CLIENTS).work_for(time).await;
    table.all_answered("one creating client", &alone);
    table.all_answered("many creating clients", &many);
    let (rate, ratio) = (many.per_second(), many.per_second() / alone.per_second());
    let measured = format!("{rate:.0}/s, p99 {:.1} ms", many.percentile(99.0));
    let what = format!("durable POST /schedules, {CLIENTS} clients");
    table.judge(&what, &format!("≥ {PER_SECOND_BUDGET} /s"), &measured, rate >= PER_SECOND_BUDGET);
    let measured = format!("{ratio:.1} × ({:.0}/s, p99 {:.1} ms)", alone.per_second(), alone.percentile(99.0));
    table.judge("  to one client's rate", &format!("≥ {RATIO_BUDGET} ×"), &measured, ratio >= RATIO_BUDGET);
    table.broken(service.end().await);
}
