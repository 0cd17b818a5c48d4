//! A minute of real time: 200 schedules on five targets that fail at random. Whatever they do, no job is stuck, no two jobs run on
//! one target at once, no target gets more calls than it may, and every fire is accounted for.
//!
//! `THEMIS_SOAK_SECONDS` makes it longer, `THEMIS_SOAK_SEED` repeats the choices of a run (not the timing of the machine).

mod fires;
mod jobs;
mod world;

use std::time::Duration;

use world::World;

/// How long the schedules fire.
const SECONDS: u64 = 60;
/// How long what is under way may take to end after that: the longest attempt, its retries, and what waits behind it.
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stderr, reason = "the seed and the figures, for whoever repeats the run")]
async fn whatever_the_targets_do_every_fire_ends_and_no_target_is_overrun() {
    let seed = setting("THEMIS_SOAK_SEED").unwrap_or_else(rand::random);
    let seconds = setting("THEMIS_SOAK_SECONDS").unwrap_or(SECONDS);
    eprintln!("THEMIS_SOAK_SEED={seed}");
    let world = World::start(seed).await;
    let created = world.create_schedules().await;
    // The time itself is what is tested: schedules fire by the real clock.
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let disabled = world.disable_schedules().await;
    let jobs = tokio::time::timeout(LIMIT, world.jobs_when_all_have_ended()).await.expect("a job is stuck");

    fires::check_that_every_fire_is_accounted_for(&created, &disabled, &jobs);
    jobs::check_that_no_two_ran_at_once_on_a_target(&jobs);
    jobs::check_that_each_record_is_true(&jobs);
    for (target, sandbox) in &world.sandboxes {
        let most = sandbox.max_requests_in_any(Duration::from_secs(60));
        assert!(most <= world::REQUESTS_PER_MINUTE as usize, "{target} got {most} requests in a minute");
        assert!(sandbox.faults_met() > 0, "{target} met no fault");
        assert_eq!(sandbox.restores(), 0);
    }
    world.check_metrics(&jobs).await;
    eprintln!("{}", jobs::summary(&jobs));
    world.stop().await;
}

#[expect(clippy::disallowed_methods, reason = "the test's own settings")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}
