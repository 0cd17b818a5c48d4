//! How the service is set up for its abusers.

use std::sync::Arc;
use std::time::Duration;

use super::common::Service;

/// Requests without a token per second and address. The flood sends a hundred times as many, or as many as it can.
const ADDRESS_PER_SECOND: u32 = 100;
/// A slow client has so long for a head, or for the next bytes of a body.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// With short patience and a small burst, so that a phase of some seconds sees the limits at work; all else as it is by default.
pub async fn start() -> Service {
    let settings = format!(
        "header_timeout = \"{patience}s\"\nbody_timeout = \"{patience}s\"\nidle_timeout = \"{patience}s\"\n[server.rate_limits]\n\
         address_per_second = {ADDRESS_PER_SECOND}\naddress_burst = 200\n",
        patience = PATIENCE.as_secs()
    );
    Service::start(Arc::new(tempfile::tempdir().unwrap()), &settings).await
}

/// File descriptors, sockets among them.
pub fn open_files(service: &Service) -> usize {
    std::fs::read_dir(service.proc("fd")).expect("the service runs").count()
}
