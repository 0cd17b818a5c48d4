//! Finds out which events of an outbox are missing from the trail, by reading it from its end.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use serde::Deserialize;
use uuid::Uuid;

use super::rotation::Place;
use super::tail::read_tail;
use super::trail_file::first_line;
use crate::domain::audit::AuditEvent;
use crate::domain::ports::OutboxEntry;

/// How much is read at a time on the way back from the end.
const BLOCK_BYTES: u64 = 64 * 1024;

/// The one field that matters here.
#[derive(Deserialize)]
struct Identified {
    event_id: Uuid,
}

/// The events that are not in the trail, in their order. Events reach it in the order of their positions, with those of refused
/// requests in between: whatever comes after the last one that is there is missing. As the outbox holds on to the last event that is
/// known to be in the trail, the search ends there; in a file that was put aside, when a new one was begun since. It does not go
/// beyond the first line of all: there somebody took the trail away.
pub(super) fn missing(path: &Path, outbox: Vec<OutboxEntry>) -> io::Result<Vec<AuditEvent>> {
    let positions: HashMap<Uuid, u64> = outbox.iter().map(|entry| (entry.event_id, entry.position)).collect();
    let mut last = 0;
    // With nothing that could be missing there is nothing to look for.
    if outbox.iter().any(|entry| entry.event.is_some()) {
        let mut file = Some(File::open(path)?);
        while let Some(current) = file.take() {
            match last_known(&current, &positions)? {
                Some(position) => last = position,
                None => file = file_before(path, current)?,
            }
        }
    }
    Ok(outbox.into_iter().filter(|entry| entry.position > last).filter_map(|entry| entry.event).collect())
}

/// Position of the last event in a file that is one of these.
fn last_known(file: &File, positions: &HashMap<Uuid, u64>) -> io::Result<Option<u64>> {
    let mut lines = LinesBackwards::new(file)?;
    while let Some(line) = lines.next_line()? {
        // What cannot be read is being written just now by somebody else, or is reported by `audit verify`.
        let known = serde_json::from_slice(&line).ok().and_then(|line: Identified| positions.get(&line.event_id));
        if known.is_some() {
            return Ok(known.copied());
        }
    }
    Ok(None)
}

/// The file that ends with the line which a file continues.
fn file_before(path: &Path, mut file: File) -> io::Result<Option<File>> {
    let Some(digest) = first_line(&mut file)?.and_then(|head| head.previous) else { return Ok(None) };
    for path in Place::new(path).put_aside()?.into_iter().rev() {
        let mut file = File::open(path)?;
        if read_tail(&mut file)?.chain.is_ok_and(|chain| chain.digest == digest) {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// Gives out the lines of a file from the last to the first.
struct LinesBackwards<R> {
    reader: R,
    /// Where the bytes begin that have been read and not been given out.
    start: u64,
    unread: Vec<u8>,
}

impl<R: Read + Seek> LinesBackwards<R> {
    fn new(mut reader: R) -> io::Result<Self> {
        let start = reader.seek(SeekFrom::End(0))?;
        Ok(Self { reader, start, unread: Vec::new() })
    }

    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let before_break = self.unread.len().saturating_sub(1);
            if let Some(position) = self.unread[..before_break].iter().rposition(|byte| *byte == b'\n') {
                return Ok(Some(self.unread.split_off(position + 1)));
            }
            if self.start == 0 {
                let first = std::mem::take(&mut self.unread);
                return Ok((!first.is_empty()).then_some(first));
            }
            let length = self.start.min(BLOCK_BYTES);
            self.start -= length;
            self.reader.seek(SeekFrom::Start(self.start))?;
            let mut block = Vec::new();
            self.reader.by_ref().take(length).read_to_end(&mut block)?;
            block.append(&mut self.unread);
            self.unread = block;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::chain::Chain;
    use super::super::chain::tests::plain_event;
    use super::*;
    use crate::domain::audit::EncodedEvent;
    use std::io::{Cursor, Write};

    fn numbered(number: u128) -> AuditEvent {
        AuditEvent { event_id: Uuid::from_u128(number), ..plain_event("ann") }
    }

    fn file_with(numbers: &[u128]) -> tempfile::NamedTempFile {
        let (mut chain, mut bytes) = (Chain::start(), Vec::new());
        numbers.iter().for_each(|number| chain.append(&EncodedEvent::from(&numbered(*number)), &mut bytes));
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&bytes).expect("written");
        file
    }

    /// Positions are the numbers; the first one is known to be in the trail.
    fn outbox(numbers: &[u64]) -> Vec<OutboxEntry> {
        let entry = |(index, number): (usize, &u64)| OutboxEntry {
            position: *number,
            event_id: Uuid::from_u128(u128::from(*number)),
            event: (index > 0).then(|| numbered(u128::from(*number))),
        };
        numbers.iter().enumerate().map(entry).collect()
    }

    fn missing_numbers(file: &[u128], numbers: &[u64]) -> Vec<u128> {
        let file = file_with(file);
        missing(file.path(), outbox(numbers)).expect("readable").iter().map(|event| event.event_id.as_u128()).collect()
    }

    #[test]
    fn what_comes_after_the_last_known_event_is_missing() {
        assert_eq!(missing_numbers(&[1, 2, 3], &[1, 2, 3]), [0_u128; 0]);
        assert_eq!(missing_numbers(&[1, 100, 2, 101, 102], &[1, 2, 3, 4]), [3, 4]);
        assert_eq!(missing_numbers(&[90, 1, 100], &[1, 2]), [2]);
    }

    #[test]
    fn in_a_new_file_everything_not_known_to_be_in_the_old_one_is_missing() {
        assert_eq!(missing_numbers(&[], &[1, 2, 3]), [2, 3]);
        assert_eq!(missing_numbers(&[100], &[1]), [0_u128; 0]);
    }

    /// A trail of several files, the last one being the current one.
    fn trail_with(files: &[&[u128]]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut chain, current) = (Chain::start(), folder.path().join("audit.jsonl"));
        for (index, numbers) in files.iter().enumerate() {
            let (mut bytes, first) = (Vec::new(), chain.sequence + 1);
            numbers.iter().for_each(|number| chain.append(&EncodedEvent::from(&numbered(*number)), &mut bytes));
            let aside = || Place::new(&current).name_aside(plain_event("ann").time, first).expect("a name");
            std::fs::write(if index + 1 == files.len() { current.clone() } else { aside() }, bytes).expect("written");
        }
        (folder, current)
    }

    #[test]
    fn the_last_known_event_is_looked_for_in_the_files_before() {
        for (files, expected) in [
            (&[&[1, 2][..], &[100], &[101]][..], &[3, 4][..]),
            (&[&[1][..], &[2, 100], &[3]], &[4]),
            (&[&[90, 1][..], &[100], &[101, 102]], &[2, 3, 4]),
        ] {
            let (_folder, current) = trail_with(files);
            let found = missing(&current, outbox(&[1, 2, 3, 4])).expect("readable");
            let found: Vec<u128> = found.iter().map(|event| event.event_id.as_u128()).collect();
            assert_eq!(found, expected, "{files:?}");
        }
    }

    #[test]
    fn the_search_ends_where_somebody_took_the_trail_away() {
        let (folder, current) = trail_with(&[&[1, 2, 3], &[4]]);
        std::fs::copy(file_with(&[100]).path(), &current).expect("a new chain");
        let found = missing(&current, outbox(&[1, 2, 3])).expect("readable");
        assert_eq!(found.len(), 2, "the old chain is another one");
        // Without the file that it continues, too.
        let (other, current) = trail_with(&[&[1, 2, 3], &[4]]);
        for path in Place::new(&current).put_aside().expect("readable") {
            std::fs::remove_file(path).expect("removed");
        }
        assert_eq!(missing(&current, outbox(&[1, 2, 3])).expect("readable").len(), 2);
        drop((folder, other));
    }

    #[test]
    fn lines_come_from_the_last_to_the_first_whatever_their_length() {
        let long = "x".repeat(3 * BLOCK_BYTES as usize);
        for text in ["a\nb\nc\n", "a\n\nb", &format!("a\n{long}\nb\n{long}"), ""] {
            let mut lines = LinesBackwards::new(Cursor::new(text)).expect("memory");
            let mut found = Vec::new();
            while let Some(line) = lines.next_line().expect("memory") {
                found.push(String::from_utf8(line).expect("text"));
            }
            found.reverse();
            assert_eq!(found.concat(), text);
            assert_eq!(found.len(), text.lines().count());
        }
    }
}
