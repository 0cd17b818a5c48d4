//! Follows what comes in on a connection, as far as it takes to tell whether the head of a next request has begun.
//!
//! A peer may send more than one request at once. What follows a whole request lies in hyper's buffer, where nobody sees it; so its
//! bytes are counted here as they pass. This is no parser: hyper alone decides what is a request.

/// So many bytes at the end of what came tell whether it ends with an empty line: two line feeds with a carriage return between them.
const TAIL: usize = 3;

/// What has come in since the last request that was answered.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Inflow {
    /// How many requests had begun before.
    before: u64,
    /// Something came.
    has_begun: bool,
    /// A line has begun that is not empty: empty ones before a request mean nothing (RFC 9112, section 2.2).
    has_text: bool,
    head_is_over: bool,
    /// Bytes of the head.
    head: usize,
    /// Bytes after the head.
    past_head: u64,
    /// The last byte ended a line,
    at_line_start: bool,
    /// and that line was empty.
    ends_empty: bool,
}

impl Inflow {
    /// Notes bytes.
    pub fn note(&mut self, bytes: &[u8]) {
        self.has_begun |= !bytes.is_empty();
        let mut rest = bytes;
        while !self.head_is_over
            && let Some((&byte, after)) = rest.split_first()
        {
            self.step(byte);
            self.head += 1;
            self.has_text |= !matches!(byte, b'\r' | b'\n');
            self.head_is_over = self.has_text && self.ends_empty;
            rest = after;
        }
        self.past_head += rest.len() as u64;
        for &byte in &rest[rest.len().saturating_sub(TAIL)..] {
            self.step(byte);
        }
    }

    fn step(&mut self, byte: u8) {
        match byte {
            b'\n' => (self.ends_empty, self.at_line_start) = (self.at_line_start, true),
            b'\r' => self.ends_empty = false,
            _ => (self.ends_empty, self.at_line_start) = (false, false),
        }
    }

    /// To be called while no request is under way: goes on to the next request if one was answered. `begun` is how many began so far,
    /// `body` how long the last one's body was, if its head said so.
    pub fn go_on(&mut self, begun: u64, body: Option<u64>) {
        if begun == self.before {
            return;
        }
        let is_one = begun == self.before + 1;
        // What ends with an empty line ends with a head or with chunks; but for several requests at once, whose last one has a body of
        // a known length: they are taken for an unfinished head, and the peer has less time than it could have.
        let is_whole = self.ends_empty || is_one && self.head_is_over && body == Some(self.past_head);
        *self = Self { before: begun, ..Self::default() };
        if !is_whole {
            (self.has_begun, self.has_text) = (true, true);
        }
    }

    /// How much may be read at once, so that no head becomes larger than this before it is looked at. At least one byte.
    pub fn room(&self, max_head: usize) -> usize {
        if self.head_is_over { usize::MAX } else { max_head.saturating_sub(self.head).max(1) }
    }

    /// Whether a request has begun to come in of which `begun` does not know yet.
    pub fn is_amid_head(&self, begun: u64) -> bool {
        self.has_begun && self.before == begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    const POST: &str = "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n{\n\n}";

    /// Whether a head has begun after these pieces came and so many requests were answered, the last one with such a body.
    fn is_amid(pieces: &[&str], answered: u64, body: Option<u64>) -> bool {
        let mut inflow = Inflow::default();
        for piece in pieces {
            inflow.note(piece.as_bytes());
        }
        inflow.go_on(answered, body);
        inflow.is_amid_head(answered)
    }

    #[test]
    fn after_whole_requests_no_head_has_begun() {
        assert!(!is_amid(&[], 0, None));
        assert!(!is_amid(&[GET], 1, Some(0)));
        assert!(!is_amid(&["\r\n", "GET / HTTP/1.1\r\nHost: h\r", "\n\r", "\n"], 1, Some(0)));
        assert!(!is_amid(&["GET / HTTP/1.1\nHost: h\n\n"], 1, Some(0)));
        assert!(!is_amid(&[POST], 1, Some(4)));
        assert!(!is_amid(&[&POST[..20], &POST[20..38], &POST[38..]], 1, Some(4)));
        assert!(!is_amid(&["POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n", "x\r\n0\r\n\r\n"], 1, None));
        assert!(!is_amid(&[POST, GET, GET], 3, Some(0)));
    }

    #[test]
    fn what_comes_along_with_a_request_is_the_beginning_of_a_head() {
        for more in ["G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: h"] {
            assert!(is_amid(&[GET, more], 1, Some(0)), "{more}");
            assert!(is_amid(&[&format!("{GET}{more}")], 1, Some(0)), "{more}");
            assert!(is_amid(&[&format!("{POST}{more}")], 1, Some(4)), "{more}");
            assert!(is_amid(&["POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", more], 1, None), "{more}");
            assert!(is_amid(&[GET, POST, GET, more], 3, Some(0)), "{more}");
        }
        assert!(is_amid(&["G"], 0, None));
    }

    #[test]
    fn a_head_that_began_along_with_a_request_goes_on_to_its_end() {
        let mut inflow = Inflow::default();
        inflow.note(format!("{GET}POST / HT").as_bytes());
        inflow.go_on(1, Some(0));
        inflow.note(b"TP/1.1\r\nContent-Length: 2\r\n\r\n{}");
        assert!(inflow.is_amid_head(1) && !inflow.is_amid_head(2));
        inflow.go_on(2, Some(2));
        assert!(!inflow.is_amid_head(2));
    }
}
