//! How the cost of a fire, a create and a read grows with the number of schedules. Costs are the service's processor time, which
//! says more of growth than the clock does: a commit waits for the disk whatever its size.

use std::time::Duration;

use themis_maintenance::domain::ports::Clock;
use themis_maintenance::ticker::SystemClock;

use super::super::clients::Clients;
use super::super::common::Service;
use super::super::data::{self, API};
use super::super::database::Database;
use super::super::http::post;
use super::super::process::ProcessorTime;
use super::super::sample::median;
use super::super::table::{Extent, Table};
use super::super::targets::{sandboxes, settings};
use super::{FULL, gets_of_schedules};

/// The same number everywhere, spread over the list.
const FIRES: usize = 1_000;
/// Before the second and after the last row, so that all of it is counted.
const MARGIN: Duration = Duration::from_millis(200);

/// Microseconds of processor time each.
struct Costs {
    fire: f64,
    create: f64,
    read: f64,
}

pub async fn measure(extent: &Extent, table: &mut Table) {
    let sizes: &[usize] = extent.pick(&[FIRES, 8_192, FULL], &[FIRES, 2 * FIRES]);
    let mut all = Vec::new();
    for &schedules in sizes {
        let costs = costs(extent, schedules, table).await;
        let Costs { fire, create, read } = costs;
        table.tell(
            &format!("growth: {schedules} schedules"),
            &format!("{fire:.0} µs a fire, {create:.0} µs a create, {read:.1} µs a GET"),
        );
        all.push(costs);
    }
    let (Some(first), Some(last), Some(most)) = (all.first(), all.last(), sizes.last()) else { return };
    let budget = (*most as f64).ln() / (FIRES as f64).ln();
    for (what, grown) in
        [("a fire", last.fire / first.fire), ("a create", last.create / first.create), ("a GET", last.read / first.read)]
    {
        let what = format!("  growth of {what} from {FIRES} to {most}");
        table.judge(&what, &format!("≤ {budget:.2} × (as the logarithm)"), &format!("{grown:.2} ×"), grown <= budget);
    }
}

async fn costs(extent: &Extent, schedules: usize, table: &mut Table) -> Costs {
    let second = data::second_in(if schedules > 10_000 { 12 } else { 6 });
    let every = schedules / FIRES;
    let folder = data::folder_with(schedules, |number| {
        let fires = number % every == 0 && number / every < FIRES;
        data::document(number, &if fires { data::once_at(second) } else { data::later(number) })
    });
    let folder = folder.await;
    let targets = sandboxes(1, Duration::ZERO).await;
    // One call a minute: the jobs wait, and what running them costs is not counted as what a fire costs.
    let settings = format!("shutdown_grace = \"0s\"\n[orchestrator]\nmax_schedules = 1000000\n{}", settings(&targets, 1, 1));
    let service = Service::start(folder.clone(), &settings).await;
    let database = Database::open(folder.path()).await;
    let until = (second - SystemClock.now()).to_std().unwrap_or_default();
    table.must("the fires came before the service was ready", !until.is_zero());
    tokio::time::sleep(until.saturating_sub(MARGIN)).await;
    let before = ProcessorTime::of(&service);
    table.must("a fire was lost", database.jobs_committed(FIRES).await);
    tokio::time::sleep(MARGIN).await;
    let fire = before.used(&service) * 1e6 / FIRES as f64;

    let mut document = data::document(0, &data::later(0));
    document.as_object_mut().unwrap().remove("id");
    let create = post(&format!("{API}/schedules"), &service.token, &document.to_string());
    let create = cost(&service, Clients::new(service.address, 64, vec![create]), extent, table).await;
    let reads = Clients::new(service.address, 32, gets_of_schedules(&service, schedules));
    let read = cost(&service, reads, extent, table).await;
    table.broken(service.end().await);
    Costs { fire, create, read }
}

async fn cost(service: &Service, clients: Clients, extent: &Extent, table: &mut Table) -> f64 {
    let time = Duration::from_millis(extent.pick(600, 150));
    clients.work_for(time).await;
    let mut costs = Vec::new();
    // The middle one of several: what else the machine does makes caches cold, and some turns dearer.
    for _ in 0..extent.pick(5, 1) {
        let before = ProcessorTime::of(service);
        let sample = clients.work_for(time).await;
        costs.push(before.used(service) * 1e6 / sample.count() as f64);
        table.all_answered("clients of the growth rows", &sample);
    }
    median(costs)
}
