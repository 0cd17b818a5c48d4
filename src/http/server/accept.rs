//! Takes connections up to their number, and has idle ones make room for new ones.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::crowd::{Crowd, Place};
use super::{Shared, connection, tls};
use crate::telemetry::Stopwatch;

/// How long nothing is accepted after the system had no file or memory left for a connection. Ending ones give theirs back within
/// that time; without a pause the loop would spin, because the connection that could not be taken is still there.
const BACK_OFF: Duration = Duration::from_millis(200);
/// A condition that lasts is logged so often.
const LOG_EVERY_SECONDS: f64 = 60.0;
/// Why a connection is refused, as a label: its address has as many as it may.
const OF_ITS_ADDRESS: &str = "address";
/// How soon it is looked again whether a connection has become idle, while one waits and none was.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Serves until `stop`, and then until all connections have ended.
pub(super) async fn run(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let _reload = shared.tls.clone().map(|files| AbortOnDropHandle::new(tokio::spawn(tls::keep_fresh(files))));
    let mut crowd = Crowd::new(shared.limits.max_connections_per_address, shared.exempt.clone());
    let mut log = Logs::default();
    let mut is_full = false;
    // One that is accepted and has no room yet. The next ones wait in the system's backlog.
    let mut waiting: Option<(TcpStream, SocketAddr, Place)> = None;
    loop {
        let has_room = crowd.len() < shared.limits.max_connections;
        if has_room && let Some((stream, peer, place)) = waiting.take() {
            crowd.admit(place, |activity| connection::serve(stream, peer, Arc::clone(&shared), activity, stop.clone()));
            shared.metrics.connections(shared.name, crowd.len());
            continue;
        }
        if !has_room && !is_full {
            shared.metrics.connections_full(shared.name);
            log.full(&shared, crowd.len());
        }
        is_full = !has_room;
        // Who was asked to end has so long for it; after that the next one is asked.
        let look_again = if waiting.is_some() && crowd.make_room() { connection::LAST_WORDS } else { LOOK_AGAIN };
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = crowd.ended() => note_end(&ended, &shared),
            () = tokio::time::sleep(look_again), if waiting.is_some() => {}
            accepted = listener.accept(), if waiting.is_none() => match accepted {
                Ok((stream, peer)) => match crowd.place(peer.ip()) {
                    Some(place) => waiting = Some((stream, peer, place)),
                    // Closed rather than left to wait: in the backlog it would hold up those who come after it.
                    None => {
                        shared.metrics.connection_refused(shared.name, OF_ITS_ADDRESS);
                        log.refused(&shared, peer);
                    }
                },
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) => {
                    log.error(&shared, &error);
                    // The end may come meanwhile.
                    let _ = tokio::time::timeout(BACK_OFF, stop.cancelled()).await;
                }
            },
        }
        shared.metrics.connections(shared.name, crowd.len());
    }
    // From here on the system refuses connections.
    drop((listener, waiting));
    while let Some(ended) = crowd.ended().await {
        note_end(&ended, &shared);
    }
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

/// What the log hears of the listener.
#[derive(Default)]
struct Logs {
    full: Sparse,
    refused: Sparse,
    error: Sparse,
}

impl Logs {
    fn full(&mut self, shared: &Shared, open: usize) {
        if self.full.may_log() {
            tracing::warn!(
                listener = shared.name,
                open,
                "there are as many connections as may be: the one that is idle longest makes room for the next; if none is, that waits"
            );
        }
    }

    fn refused(&mut self, shared: &Shared, peer: SocketAddr) {
        if self.refused.may_log() {
            let (listener, limit) = (shared.name, shared.limits.max_connections_per_address);
            let client = peer.ip().to_canonical();
            tracing::warn!(listener, %client, limit, "an address has as many connections as it may: more from there are closed");
        }
    }

    fn error(&mut self, shared: &Shared, error: &io::Error) {
        if self.error.may_log() {
            tracing::error!(listener = shared.name, %error, "no connection can be accepted for now");
        }
    }
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
