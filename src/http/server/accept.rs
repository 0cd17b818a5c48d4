//! Takes connections up to their number, and owns their tasks.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::{Shared, connection, tls};
use crate::telemetry::Stopwatch;

/// How long nothing is accepted after the system had no file or memory left for a connection. Ending ones give theirs back within
/// that time; without a pause the loop would spin, because the connection that could not be taken is still there.
const BACK_OFF: Duration = Duration::from_millis(200);
/// A condition that lasts is logged so often.
const LOG_EVERY_SECONDS: f64 = 60.0;

/// Serves until `stop`, and then until all connections have ended.
pub(super) async fn run(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let _streams_end_too = shared.streams.end_on_drop();
    let _reload = shared.tls.clone().map(|files| AbortOnDropHandle::new(tokio::spawn(tls::keep_fresh(files))));
    let mut connections = JoinSet::new();
    let (mut full_log, mut error_log) = (Sparse::default(), Sparse::default());
    let mut is_full = false;
    loop {
        let has_room = connections.len() < shared.limits.max_connections;
        if !has_room && !is_full {
            shared.metrics.connections_full(shared.name);
            if full_log.may_log() {
                let (listener, open) = (shared.name, connections.len());
                tracing::warn!(listener, open, "there are as many connections as may be: new ones wait until one ends");
            }
        }
        is_full = !has_room;
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => note_end(&ended, &shared),
            accepted = listener.accept(), if has_room => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(connection::serve(stream, peer, Arc::clone(&shared), stop.clone()));
                }
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) => {
                    if error_log.may_log() {
                        tracing::error!(listener = shared.name, %error, "no connection can be accepted for now");
                    }
                    // The end may come meanwhile.
                    let _ = tokio::time::timeout(BACK_OFF, stop.cancelled()).await;
                }
            },
        }
        shared.metrics.connections(shared.name, connections.len());
    }
    // From here on the system refuses connections.
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        note_end(&ended, &shared);
    }
    shared.streams.ended().await;
    shared.metrics.connections(shared.name, 0);
}

fn note_end(ended: &Result<(), JoinError>, shared: &Shared) {
    if let Err(error) = ended {
        tracing::error!(listener = shared.name, %error, "a connection failed");
    }
}

/// Errors that say something about the connection that was to be accepted, not about the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Lets a line into the log once a minute.
#[derive(Default)]
struct Sparse(Option<Stopwatch>);

impl Sparse {
    fn may_log(&mut self) -> bool {
        let may = self.0.is_none_or(|last| last.seconds() >= LOG_EVERY_SECONDS);
        if may {
            self.0 = Some(Stopwatch::start());
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_files_is_no_matter_of_one_connection() {
        // EMFILE and ENFILE.
        for code in [24, 23] {
            assert!(!is_of_one_connection(&io::Error::from_raw_os_error(code)));
        }
        assert!(is_of_one_connection(&io::ErrorKind::ConnectionAborted.into()));
    }

    #[test]
    fn what_lasts_is_logged_once() {
        let mut log = Sparse::default();
        assert_eq!([log.may_log(), log.may_log(), log.may_log()], [true, false, false]);
    }
}
