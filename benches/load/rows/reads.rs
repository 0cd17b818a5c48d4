//! `GET /schedules/{id}` against `GET /livez`: what authorisation, the view and the document cost beside the bare request.

use std::time::Duration;

use super::super::clients::Clients;
use super::super::common::Service;
use super::super::data;
use super::super::http::get;
use super::super::table::{Extent, Table};
use super::{FEW, FULL, contest, gets_of_schedules};

/// As the budget has it.
const CONNECTIONS: usize = 32;

pub async fn measure(extent: &Extent, table: &mut Table) {
    let schedules = extent.pick(FULL, FEW);
    let folder = data::folder_with(schedules, |number| data::document(number, &data::later(number))).await;
    let service = Service::start(folder, "").await;
    let livez = Clients::new(service.address, CONNECTIONS, vec![get("/livez", &service.token)]);
    let reads = Clients::new(service.address, CONNECTIONS, gets_of_schedules(&service, schedules));
    let turn = Duration::from_millis(extent.pick(2_000, 500));
    let mut contest = contest(&service, &livez, &reads, extent.pick(5, 2), turn).await;
    contest.judge(&format!("GET /schedules/{{id}}, {CONNECTIONS} connections"), table);
    table.broken(service.end().await);
}
