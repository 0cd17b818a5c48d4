//! `GET /health` while 50 probes ask a server that never answers: the report is what is known, and nobody waits for it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::super::clients::Clients;
use super::super::common::Service;
use super::super::data::API;
use super::super::http::get;
use super::super::table::{Extent, Table};
use super::contest;

const PROBES: usize = 50;
const CONNECTIONS: usize = 32;

pub async fn measure(extent: &Extent, table: &mut Table) {
    // Takes connections into its backlog, and never looks at them.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", mute.local_addr().unwrap());
    let mut settings = String::new();
    for number in 0..PROBES {
        write!(settings, "[probes.module-{number}]\nkind = \"http\"\nurl = \"{url}\"\ninterval = \"2s\"\ntimeout = \"1s\"\n")
            .unwrap();
    }
    let service = Service::start(Arc::new(tempfile::tempdir().unwrap()), &settings).await;
    let livez = Clients::new(service.address, CONNECTIONS, vec![get("/livez", &service.token)]);
    let reports = Clients::new(service.address, CONNECTIONS, vec![get(&format!("{API}/health"), &service.token)]);
    let turn = Duration::from_millis(extent.pick(2_000, 500));
    let mut contest = contest(&service, &livez, &reports, extent.pick(5, 2), turn).await;
    let slowest = contest.other.percentile(100.0);
    contest.judge(&format!("GET /health, {PROBES} probes that hang, {CONNECTIONS} connections"), table);
    // A probe hangs for a second; who waits for one waits about so long.
    table.must(&format!("GET /health waited for a probe: {slowest:.0} ms"), slowest < 500.0);
    table.broken(service.end().await);
}
