//! ThemisDB stand-ins in the load process, and how the service is told of them.

use std::fmt::Write as _;
use std::time::Duration;

use themis_maintenance::sandbox::{Sandbox, SandboxConfig};
use tokio::net::TcpListener;

use super::data::target;

/// The calls of a job of three tasks; the sandbox has a route for each type.
pub const CALLS: [(&str, &str); 3] = [
    ("LOG_ROTATION", "/maintenance/log-rotation"),
    ("CACHE_WARM", "/maintenance/cache-warm"),
    ("AUDIT_LOG_FLUSH", "/maintenance/audit-log-flush"),
];

/// So many sandboxes, which take so long for a call. They live as long as the program does.
pub async fn sandboxes(count: usize, delay: Duration) -> Vec<Sandbox> {
    let mut sandboxes = Vec::new();
    for _ in 0..count {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = SandboxConfig { task_delay: delay, ..SandboxConfig::default() };
        let (sandbox, _) = Sandbox::start(listener, config, std::future::pending()).await.unwrap();
        sandboxes.push(sandbox);
    }
    sandboxes
}

/// Names the sandboxes as targets, the first as the default one, each with so many jobs at a time; and the recipes of [`CALLS`].
pub fn settings(sandboxes: &[Sandbox], jobs_each: usize, requests_per_minute: u32) -> String {
    let mut settings = String::new();
    for (number, sandbox) in sandboxes.iter().enumerate() {
        let (name, url) = (target(number), sandbox.base_url());
        write!(settings, "[targets.{name}]\nbase_url = \"{url}\"\nmax_concurrent_jobs = {jobs_each}\n").unwrap();
        writeln!(settings, "requests_per_minute = {requests_per_minute}").unwrap();
    }
    for (task_type, path) in CALLS {
        write!(settings, "[endpoints.{task_type}]\nmethod = \"POST\"\npath = \"{path}\"\n").unwrap();
        writeln!(settings, "success = {{ assertions = [{{ pointer = \"/success\", equals = true }}] }}").unwrap();
    }
    settings
}
