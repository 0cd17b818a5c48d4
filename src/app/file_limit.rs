//! The limit of open files. Every connection is one, and the usual soft limit, 1,024, is less than `server.max_connections`.

use crate::config::Config;

/// Files that are not for connections: the store, the audit trail, the log, connections to targets, and for each listener the one
/// connection that waits for room.
const RESERVED: u64 = 128;

/// Raises the limit, and lowers `server.max_connections` to what the limit allows each listener.
pub(super) fn fit(config: &mut Config) {
    let listeners = 1 + usize::from(config.metrics.listen.is_some());
    let connections = &mut config.server.connections;
    let configured = connections.max_connections;
    connections.max_connections = affordable(configured, listeners, raise());
    // An address keeps its share, so that it still leaves places to others.
    let share = |most: usize| (most * connections.max_connections / configured.max(1)).max(1);
    connections.max_connections_per_address = connections.max_connections_per_address.map(share);
}

/// Raises this process's soft limit as far as it may: to the hard limit. Returns the limit that then holds, if there is one. Where the
/// system refuses, the service runs all the same.
#[cfg(unix)]
fn raise() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        tracing::debug!(limit = current, "the limit of open files is as high as it may be");
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => {
            tracing::debug!(from = current, to = maximum, "raised the limit of open files");
            maximum
        }
        Err(error) => {
            tracing::debug!(limit = current, %error, "the limit of open files cannot be raised");
            current
        }
    }
}

/// Elsewhere there is no such limit.
#[cfg(not(unix))]
fn raise() -> Option<u64> {
    None
}

/// As many of the configured connections as there are files for when every listener has as many. A flood of connections must not take
/// the last file from the store.
fn affordable(max_connections: usize, listeners: usize, limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return max_connections };
    let for_connections = usize::try_from(limit.saturating_sub(RESERVED)).unwrap_or(usize::MAX);
    let for_connections = (for_connections / listeners).max(1);
    if for_connections < max_connections {
        tracing::warn!(
            max_connections,
            limit,
            listeners,
            affordable = for_connections,
            "the limit of open files is too low for server.max_connections: fewer are accepted at once"
        );
    }
    max_connections.min(for_connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_keeps_its_files() {
        assert_eq!(affordable(2048, 1, None), 2048);
        assert_eq!(affordable(2048, 1, Some(65_536)), 2048);
        assert_eq!(affordable(2048, 1, Some(1024)), 896);
        assert_eq!(affordable(2048, 1, Some(64)), 1);
    }

    #[test]
    fn two_listeners_share_what_there_is() {
        assert_eq!(affordable(2048, 2, Some(1024)), 448);
        assert_eq!(affordable(2048, 2, Some(4224)), 2048);
        assert_eq!(affordable(2048, 2, Some(129)), 1);
    }
}
