//! Finds the end of an existing file: its last complete line, and what a crash left behind it.

use std::io::{self, Read, Seek, SeekFrom};

use super::chain::{Chain, LineError, MAX_LINE_BYTES};

/// How much is read at a time on the way back from the end.
const BLOCK_BYTES: u64 = 64 * 1024;

/// The end of a file.
#[derive(Debug)]
pub(super) struct Tail {
    /// The chain after the last complete line, or why it cannot be continued.
    pub chain: Result<Chain, LineError>,
    /// Length of the file up to and with its last line break.
    pub complete_bytes: u64,
    /// Bytes after the last line break: a line that was being written when the machine or the process stopped.
    pub torn_bytes: u64,
}

/// Reads the end of a file; the rest of it is not looked at.
pub(super) fn read_tail(file: &mut (impl Read + Seek)) -> io::Result<Tail> {
    let length = file.seek(SeekFrom::End(0))?;
    let complete_bytes = end_of_line_before(file, length)?;
    let torn_bytes = length - complete_bytes;
    if complete_bytes == 0 {
        return Ok(Tail { chain: Ok(Chain::start()), complete_bytes, torn_bytes });
    }
    let line_end = complete_bytes - 1;
    let line_start = end_of_line_before(file, line_end)?;
    file.seek(SeekFrom::Start(line_start))?;
    let mut line = Vec::new();
    file.take((line_end - line_start).min(MAX_LINE_BYTES as u64)).read_to_end(&mut line)?;
    Ok(Tail { chain: Chain::after(&line), complete_bytes, torn_bytes })
}

/// Position after the last line break within the first `end` bytes; 0 if there is none.
fn end_of_line_before(file: &mut (impl Read + Seek), mut end: u64) -> io::Result<u64> {
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        file.take(end - start).read_to_end(&mut block)?;
        if let Some(position) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + position as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::super::chain::tests::event;
    use super::*;
    use std::io::Cursor;

    #[test]
    fn the_last_complete_line_is_found_behind_any_length_of_lines_and_of_torn_bytes() {
        for actor_bytes in [1, BLOCK_BYTES as usize - 1, BLOCK_BYTES as usize, 3 * BLOCK_BYTES as usize] {
            for torn_bytes in [0, 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 1] {
                let (mut chain, mut bytes) = (Chain::start(), Vec::new());
                chain.append(&event("first"), &mut bytes);
                chain.append(&event(&"x".repeat(actor_bytes)), &mut bytes);
                let complete_bytes = bytes.len() as u64;
                bytes.resize(bytes.len() + torn_bytes as usize, b'{');
                let tail = read_tail(&mut Cursor::new(bytes)).expect("memory can be read");
                assert_eq!((tail.complete_bytes, tail.torn_bytes), (complete_bytes, torn_bytes));
                assert_eq!(tail.chain.expect("one of ours"), chain);
            }
        }
    }

    #[test]
    fn a_file_with_nothing_complete_begins_a_chain() {
        for bytes in ["", "{\"sequence\":1"] {
            let tail = read_tail(&mut Cursor::new(bytes)).expect("memory can be read");
            assert_eq!((tail.complete_bytes, tail.torn_bytes), (0, bytes.len() as u64));
            assert_eq!(tail.chain.expect("a start"), Chain::start());
        }
    }

    #[test]
    fn a_foreign_last_line_is_reported() {
        for bytes in ["\n", "hello\n", "{\"sequence\":1}\n"] {
            assert!(read_tail(&mut Cursor::new(bytes)).expect("memory can be read").chain.is_err(), "{bytes:?}");
        }
    }
}
