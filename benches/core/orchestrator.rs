//! The actor: commands, fires and reports, with few and with many schedules beside them.

use chrono::TimeDelta;
use divan::Bencher;
use themis_maintenance::domain::ids::ScheduleId;
use themis_maintenance::domain::ports::Clock;
use themis_maintenance::orchestrator::view::JobQuery;

use super::rig::{Rig, caller, document};

/// Growth has to be that of a logarithm.
const SCHEDULES: [usize; 3] = [1_000, 10_000, 65_536];

/// A command that is decided, applied and published.
#[divan::bench(args = SCHEDULES)]
fn create(bencher: Bencher<'_, '_>, schedules: usize) {
    let rig = Rig::with(schedules);
    let mut document = document(0, false);
    document.as_object_mut().unwrap().remove("id");
    bencher.bench_local(|| rig.runtime.block_on(rig.handle.create_schedule(caller(), &document, None)).unwrap());
}

/// The first of the due queue comes due, fires, and goes back into the queue; the job's two tasks run and report.
#[divan::bench(args = SCHEDULES)]
fn fire_and_run(bencher: Bencher<'_, '_>, schedules: usize) {
    let rig = Rig::with(schedules);
    let id = ScheduleId::parse("schedule-000000").unwrap();
    bencher.bench_local(|| {
        rig.clock.forward(TimeDelta::seconds(10));
        let now = rig.clock.now();
        rig.until(|| rig.handle.view().schedule(&id).is_some_and(|schedule| schedule.run.next_run_at > Some(now)));
        rig.until(|| rig.handle.running_jobs() == 0);
    });
    let jobs = rig.handle.view().jobs(&JobQuery { limit: 1, ..JobQuery::default() });
    assert_eq!(jobs.items[0].tasks.len(), 2, "it fired");
}

/// A job by hand: the command, two attempts, and their reports.
#[divan::bench(args = SCHEDULES)]
fn run_by_hand(bencher: Bencher<'_, '_>, schedules: usize) {
    let rig = Rig::with(schedules);
    let id = ScheduleId::parse("schedule-000001").unwrap();
    bencher.bench_local(|| {
        rig.runtime.block_on(rig.handle.run_schedule(caller(), id.clone(), true, None, None)).unwrap();
        rig.until(|| rig.handle.running_jobs() == 0);
    });
}
