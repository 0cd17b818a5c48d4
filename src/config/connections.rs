//! What one connection may cost, in `[server]`: how many there may be, how long they may keep us waiting, and how large a head is.

use std::time::Duration;

use super::section::Section;
use super::values::{duration, integer};
use super::{HOUR, MINUTE};

/// Limits of a listener's connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Most connections at once; the next one takes the place of an idle one, or waits until one ends.
    pub max_connections: usize,
    /// Most of them from one address; `None` for any number.
    pub max_connections_per_address: Option<usize>,
    /// Longest time for the head of a request, and for the TLS handshake.
    pub header_timeout: Duration,
    /// Longest time between two requests of a connection.
    pub idle_timeout: Duration,
    /// Longest time without a byte while a request's body is read.
    pub body_timeout: Duration,
    /// Longest time without a byte taken while an answer is written.
    pub write_timeout: Duration,
    /// Largest head of a request, in bytes.
    pub max_header_bytes: usize,
    /// Most headers of a request.
    pub max_headers: usize,
}

/// Reads the keys out of `[server]`.
pub(super) fn connections(section: &mut Section<'_>) -> Option<ConnectionLimits> {
    // Below a few milliseconds not even a loopback connection is quick enough.
    let wait = |longest| duration(Duration::from_millis(10)..=longest);
    let max_connections = section.required("max_connections", integer(1..=1_000_000));
    let max_connections_per_address = section.required("max_connections_per_address", integer(0..=1_000_000));
    let header_timeout = section.required("header_timeout", wait(10 * MINUTE));
    let idle_timeout = section.required("idle_timeout", wait(HOUR));
    let body_timeout = section.required("body_timeout", wait(10 * MINUTE));
    let write_timeout = section.required("write_timeout", wait(10 * MINUTE));
    // 8 KiB is the least that HTTP/1.1 can be read with here.
    let max_header_bytes = section.required("max_header_bytes", integer(8192..=1024 * 1024));
    let max_headers = section.required("max_headers", integer(16..=1000));
    Some(ConnectionLimits {
        max_connections: max_connections?,
        max_connections_per_address: max_connections_per_address.map(|most| Some(most).filter(|most| *most > 0))?,
        header_timeout: header_timeout?,
        idle_timeout: idle_timeout?,
        body_timeout: body_timeout?,
        write_timeout: write_timeout?,
        max_header_bytes: max_header_bytes?,
        max_headers: max_headers?,
    })
}
