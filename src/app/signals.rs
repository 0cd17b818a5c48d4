//! SIGTERM and ctrl-c: the first asks for an end in order, the second ends at once.

use super::AppError;

/// Exit code of a process that was told twice: that of one killed by SIGINT.
const ENDED_AT_ONCE: i32 = 130;

/// Waits for the termination signals of the system.
#[cfg(unix)]
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// From now on the signals come here.
    ///
    /// # Errors
    /// When the system gives no handler.
    pub fn install() -> Result<Self, AppError> {
        use tokio::signal::unix::{SignalKind, signal};
        let install = |kind| signal(kind).map_err(|error| AppError::internal("signals cannot be handled", error));
        Ok(Self { terminate: install(SignalKind::terminate())?, interrupt: install(SignalKind::interrupt())? })
    }

    /// Returns at the next signal, with its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// From now on the next signal ends the process at once.
    pub fn end_at_once(mut self) {
        tokio::spawn(async move {
            let signal = self.next().await;
            tracing::error!(signal, "a second signal: ending at once");
            std::process::exit(ENDED_AT_ONCE);
        });
    }
}
