//! Lines that are logged together are written together: a storm of fires logs a line for each of hundreds of jobs, and a call of the
//! system for each of them takes longer than to put it into words.

use std::cell::RefCell;
use std::io::{self, Write};

/// More than this is not held back.
const MOST_BYTES: usize = 64 * 1024;

thread_local! {
    /// What this thread has logged and not written yet; `None` while each line is written at once.
    static HELD: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Does `work`. What this thread logs meanwhile is written when it is done, or has panicked; in between only the end of the process
/// could lose it.
pub fn log_together<T>(work: impl FnOnce() -> T) -> T {
    let _written_at_the_end = Held::begin();
    work()
}

struct Held {
    /// Within another one, which then writes.
    inner: bool,
}

impl Held {
    fn begin() -> Self {
        let inner = HELD.with_borrow_mut(|held| {
            let inner = held.is_some();
            held.get_or_insert_default();
            inner
        });
        Self { inner }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.inner {
            let lines = HELD.take().unwrap_or_default();
            // Where the log cannot be written there is nothing to tell it to.
            let _ = io::stderr().write_all(&lines);
        }
    }
}

/// Standard error, for the log.
pub(super) struct Lines;

impl Lines {
    /// True when the bytes are held back.
    fn hold(bytes: &[u8]) -> io::Result<bool> {
        HELD.with_borrow_mut(|held| {
            let Some(lines) = held else { return Ok(false) };
            lines.extend_from_slice(bytes);
            if lines.len() > MOST_BYTES {
                // Taken first: what was written only in part is not written again.
                let lines = std::mem::take(lines);
                io::stderr().write_all(&lines)?;
            }
            Ok(true)
        })
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if Self::hold(bytes)? { Ok(bytes.len()) } else { io::stderr().write(bytes) }
    }

    /// A line that is not held back is written under one lock, so that lines of several threads do not mix.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if Self::hold(bytes)? { Ok(()) } else { io::stderr().write_all(bytes) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> Option<Vec<u8>> {
        HELD.with_borrow(Clone::clone)
    }

    #[test]
    fn lines_are_held_until_the_outermost_work_is_done() {
        assert_eq!(held(), None);
        log_together(|| {
            Lines.write_all(b"one\n").unwrap();
            log_together(|| Lines.write_all(b"two\n").unwrap());
            assert_eq!(held().as_deref(), Some(&b"one\ntwo\n"[..]));
            // Written, so that it is not in what follows.
            HELD.with_borrow_mut(|held| held.iter_mut().for_each(Vec::clear));
        });
        assert_eq!(held(), None);
        let panicked = std::panic::catch_unwind(|| log_together(|| panic!("on purpose")));
        assert!(panicked.is_err() && held().is_none());
    }
}
