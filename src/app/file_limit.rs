//! The limit of open files. Every connection is one, and the usual soft limit, 1,024, is less than `server.max_connections`.

/// Files that are not for connections: the store, the audit trail, the log, connections to targets.
const RESERVED: u64 = 128;

/// Raises this process's soft limit as far as it may: to the hard limit. Returns the limit that then holds, if there is one. Where the
/// system refuses, the service runs all the same.
#[cfg(unix)]
pub(super) fn raise() -> Option<u64> {
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
pub(super) fn raise() -> Option<u64> {
    None
}

/// As many of the configured connections as there are files for. A flood of connections must not take the last file from the store.
pub(super) fn affordable(max_connections: usize, limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return max_connections };
    let for_connections = usize::try_from(limit.saturating_sub(RESERVED)).unwrap_or(usize::MAX).max(1);
    if for_connections < max_connections {
        tracing::warn!(
            max_connections,
            limit,
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
        assert_eq!(affordable(2048, None), 2048);
        assert_eq!(affordable(2048, Some(65_536)), 2048);
        assert_eq!(affordable(2048, Some(1024)), 896);
        assert_eq!(affordable(2048, Some(64)), 1);
    }
}
