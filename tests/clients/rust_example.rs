//! Creates a schedule, runs it, waits for its job, reads what it did, and deletes the schedule.
//!
//! The module `maintenance` is generated, and says in `REQUIRED_DEPS.toml` what belongs into `Cargo.toml`:
//! `openapi-to-rust generate openapi.json --output-dir src/maintenance`

#[expect(dead_code, reason = "the client can do more than is shown here")]
mod maintenance;

use std::env;

use maintenance::{HttpClient, JobState, RunRequest, ScheduleRequest, TaskRequest, TaskType};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (url, token) = (env::var("THEMIS_MAINTENANCE_URL")?, env::var("THEMIS_MAINTENANCE_TOKEN")?);
    let client = HttpClient::new().with_base_url(url).with_api_key(token);

    // create
    let tasks = [TaskType::MetricsCollection, TaskType::StorageCompaction].map(TaskRequest::Task).to_vec();
    let request = ScheduleRequest::builder("From Rust".to_owned(), tasks)
        .id("from-rust".to_owned())
        .cron_expression("0 2 * * *".to_owned())
        .build();
    let schedule = client.create_schedule(None, None::<&str>, request).await?;

    // run
    let request = RunRequest { force: Some(Some(true)), ..RunRequest::default() };
    let mut job = client.run_schedule(&schedule.id, None, None::<&str>, Some(request)).await?;

    // wait
    while matches!(job.state, JobState::Pending | JobState::Running) {
        job = client.get_job(job.id.to_string(), Some(30)).await?;
    }

    // read
    if job.state != JobState::Succeeded {
        return Err(format!("did not succeed: {:?}", job.error_message).into());
    }
    for task in job.tasks {
        println!("{} {} {:?}", task.name, task.state, task.duration_ms);
    }

    // delete
    client.delete_schedule(&schedule.id, None::<&str>).await?;
    Ok(())
}
