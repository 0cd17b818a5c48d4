//! The limit of open files. Every connection is one, and the usual soft limit, 1,024, is less than `server.max_connections`.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises this process's soft limit as far as it may: to the hard limit. Where that fails the service runs all the same; when files
/// run out, new connections wait.
pub(super) fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        tracing::debug!(limit = current, "the limit of open files is as high as it may be");
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => tracing::debug!(from = current, to = maximum, "raised the limit of open files"),
        Err(error) => tracing::debug!(limit = current, %error, "the limit of open files cannot be raised"),
    }
}
