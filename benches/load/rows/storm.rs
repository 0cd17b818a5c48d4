//! All schedules due in the same second, while operators go on reading and writing.

use std::time::Duration;

use super::super::clients::Clients;
use super::super::common::Service;
use super::super::data::{self, API};
use super::super::database::Database;
use super::super::http::{get, post};
use super::super::table::{Extent, Table};
use super::super::targets::{sandboxes, settings};
use super::{FEW, FULL, gets_of_schedules, metrics, series};
use themis_maintenance::domain::ports::Clock;
use themis_maintenance::ticker::SystemClock;

const LAST_ROW_BUDGET_S: f64 = 1.5;
const API_P99_BUDGET_MS: f64 = 50.0;
/// The lateness that 99 of 100 fires may have; a bound of the histogram, so that it can be read off it.
const LATENESS_BUCKET: &str = "1";
/// Readers and writers of an operations room; they rest in between.
const READERS: usize = 8;
const WRITERS: usize = 2;
const PAUSE: Duration = Duration::from_millis(5);
/// Before the second, so that connections stand and tokens are known.
const LEAD: Duration = Duration::from_millis(300);

pub async fn measure(extent: &Extent, table: &mut Table) {
    let schedules = extent.pick(FULL, FEW);
    // Time to make the data and to start.
    let second = data::second_in(extent.pick(15, 4));
    let folder = data::folder_with(schedules, |number| data::document(number, &data::once_at(second))).await;
    let targets = sandboxes(1, Duration::ZERO).await;
    // Its jobs would take days: nobody waits for them at the end.
    let settings = format!("shutdown_grace = \"0s\"\n[orchestrator]\nmax_schedules = 1000000\n{}", settings(&targets, 1, 90));
    let service = Service::start(folder.clone(), &settings).await;
    let database = Database::open(folder.path()).await;
    let readers = gets_of_schedules(&service, schedules).into_iter();
    // Every fourth looks at the health report, or at the newest jobs.
    let health = get(&format!("{API}/health"), &service.token);
    let jobs = get(&format!("{API}/jobs?limit=20"), &service.token);
    let readers = readers.enumerate().map(|(number, read)| match number % 8 {
        0 => health.clone(),
        4 => jobs.clone(),
        _ => read,
    });
    let readers = Clients::new(service.address, READERS, readers.collect()).with_pause(PAUSE);
    let mut document = data::document(0, &data::later(0));
    document.as_object_mut().unwrap().remove("id");
    let request = post(&format!("{API}/schedules"), &service.token, &document.to_string());
    let writers = Clients::new(service.address, WRITERS, vec![request]).with_pause(PAUSE);

    let until = (second - SystemClock.now()).to_std().unwrap_or_default();
    table.must("the storm came before the service was ready", !until.is_zero());
    tokio::time::sleep(until.saturating_sub(LEAD)).await;
    let (reading, writing) = (readers.start(), writers.start());
    let all = database.jobs_committed(schedules).await;
    let last_row = (SystemClock.now() - second).as_seconds_f64();
    let (mut read, mut written) = (reading.end().await, writing.end().await);

    let (jobs, fires) = database.jobs_and_fires().await;
    let once = all && jobs == schedules && fires == schedules;
    let what = format!("storm: {schedules} schedules due in the same second");
    table.judge(&what, "every fire recorded exactly once", &format!("{jobs} jobs of {fires} fires"), once);
    table.must("a fire of the storm was lost or doubled", once);
    table.judge(
        "  last job row committed",
        &format!("≤ {LAST_ROW_BUDGET_S} s"),
        &format!("{last_row:.2} s"),
        last_row <= LAST_ROW_BUDGET_S,
    );
    let page = metrics(&service).await;
    let name = "maintenance_fire_lateness_seconds";
    let within = series(&page, &format!("{name}_bucket{{le=\"{LATENESS_BUCKET}\"}}")) / series(&page, &format!("{name}_count"));
    let mut lateness: Vec<f64> = database.times().await.iter().map(|job| (job.made - job.due).as_seconds_f64()).collect();
    lateness.sort_by(f64::total_cmp);
    let p99 = lateness[lateness.len() * 99 / 100];
    table.judge(
        "  lateness of the fires",
        "p99 ≤ 1 s",
        &format!("p99 {p99:.2} s; {:.1} % within 1 s", within * 100.0),
        within >= 0.99,
    );
    table.all_answered("reads in the storm", &read);
    table.all_answered("writes in the storm", &written);
    let (read_p99, write_p99) = (read.percentile(99.0), written.percentile(99.0));
    let measured = format!("reads {read_p99:.1} ms ({}), writes {write_p99:.1} ms ({})", read.count(), written.count());
    let kept = read_p99.max(write_p99) <= API_P99_BUDGET_MS;
    table.judge("  the API meanwhile", &format!("p99 ≤ {API_P99_BUDGET_MS} ms"), &measured, kept);
    table.broken(service.end().await);
}
