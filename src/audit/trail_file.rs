//! The current file of the trail, and how the next one takes its place.
//!
//! A new file is written beside the current one, under a name of its own, with the lines with which it begins; it is brought to disk;
//! then the current file is put aside, and the new one is put in its place. Whatever step a crash comes after, the next start finds
//! either the current file or, where none is, the new one whole ([`recover`](super::opening::recover)). That no file is there otherwise means that somebody took
//! it away, and a new chain begins: an empty file is never a continuation, so that a trail which was taken away is missed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use chrono::TimeDelta;

use super::chain::{Head, MAX_LINE_BYTES};
use super::opening::{lock, open_new, remove_if_there};
use super::rotation::{Place, Rotation};
use super::writer::LineFile;
use crate::domain::ports::Clock;
use crate::domain::time::Timestamp;

/// How long the current file is used on after it could not be put aside.
const RETRY_AFTER: TimeDelta = TimeDelta::minutes(1);

/// The file that lines are written to.
pub(super) struct TrailFile {
    place: Place,
    file: File,
    bytes: u64,
    /// The file's first line; `None` while it has none.
    head: Option<Head>,
    rotation: Rotation,
    clock: Arc<dyn Clock>,
    /// The file was begun, and the one before put aside, but it could not be put in its place yet.
    unplaced: bool,
    not_before: Option<Timestamp>,
}

impl TrailFile {
    /// Takes over a locked file that ends with a whole line.
    pub fn new(path: &Path, mut file: File, rotation: Rotation, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let head = first_line(&mut file)?;
        let bytes = file.metadata()?.len();
        Ok(Self { place: Place::new(path), file, bytes, head, rotation, clock, unplaced: false, not_before: None })
    }

    fn is_due(&self, head: &Head, more: usize, now: Timestamp) -> bool {
        let too_long = self.bytes.saturating_add(more as u64) > self.rotation.max_bytes;
        let too_old = self.rotation.max_age.is_some_and(|age| now.signed_duration_since(head.time) >= age);
        (too_long || too_old) && self.not_before.is_none_or(|time| now >= time)
    }

    /// Begins the next file with these lines. An error means that the current one is still in use, and has none of them.
    fn begin_next(&mut self, sequence: u64, lines: &[u8], now: Timestamp) -> io::Result<()> {
        self.file.sync_data()?;
        self.check_current()?;
        let aside = self.place.name_aside(now, sequence)?;
        if aside.try_exists()? {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} is there already", aside.display())));
        }
        let pending = self.place.pending();
        remove_if_there(&pending)?;
        let mut next = open_new(&pending)?;
        lock(&next)?;
        next.write_all(lines)?;
        next.sync_all()?;
        self.place.sync()?;
        match std::fs::rename(self.place.current(), &aside) {
            // Taken away by somebody: the lines that follow have a place all the same.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.file = next;
        self.bytes = lines.len() as u64;
        self.head = Head::of(lines);
        self.unplaced = true;
        Ok(())
    }

    /// Puts a file that was begun in its place, and removes those that are not kept.
    fn put_in_place(&mut self) -> io::Result<()> {
        if self.unplaced {
            // The old name first, then the new one, also after a power cut: otherwise the new file could take the old one's place.
            self.place.sync()?;
            std::fs::rename(self.place.pending(), self.place.current())?;
            self.place.sync()?;
            self.unplaced = false;
            if let Err(error) = self.remove_oldest() {
                tracing::warn!(folder = %self.place.folder().display(), %error, "old audit files cannot be removed");
            }
        }
        Ok(())
    }

    fn remove_oldest(&self) -> io::Result<()> {
        let Some(keep) = self.rotation.keep else { return Ok(()) };
        let files = self.place.put_aside()?;
        for file in &files[..files.len().saturating_sub(keep)] {
            std::fs::remove_file(file)?;
            tracing::info!(file = %file.display(), keep, "an old audit file was removed");
        }
        self.place.sync()
    }

    /// The file in the place of the current one has to be the one that is written: another one is not ours to put aside.
    fn check_current(&self) -> io::Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let (ours, there) = (self.file.metadata()?, std::fs::metadata(self.place.current()));
            if there.is_ok_and(|there| (there.dev(), there.ino()) != (ours.dev(), ours.ino())) {
                return Err(io::Error::other("another file has taken its place"));
            }
        }
        Ok(())
    }
}

impl LineFile for TrailFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.put_in_place()?;
        self.file.sync_data()
    }

    fn rotate(&mut self, lines: &[u8]) -> io::Result<bool> {
        self.put_in_place()?;
        let Some(head) = &self.head else {
            self.head = Head::of(lines);
            return Ok(false);
        };
        let now = self.clock.now();
        if lines.is_empty() || !self.is_due(head, lines.len(), now) {
            return Ok(false);
        }
        let sequence = head.sequence;
        self.not_before = Some(now + RETRY_AFTER);
        self.begin_next(sequence, lines, now)?;
        self.not_before = None;
        // The lines are on disk, and a start would find them; what is left to do is done with the next batch.
        if let Err(error) = self.put_in_place() {
            tracing::warn!(file = %self.place.current().display(), %error, "the new audit file is not in its place yet");
        }
        Ok(true)
    }
}

/// What the first line of a file says; `None` when there is none, or one that is not ours (`audit verify` tells more).
pub(super) fn first_line(file: &mut (impl Read + Seek)) -> io::Result<Option<Head>> {
    file.seek(SeekFrom::Start(0))?;
    let mut line = Vec::new();
    BufReader::new(file.by_ref().take(MAX_LINE_BYTES as u64)).read_until(b'\n', &mut line)?;
    Ok(Head::of(&line))
}

#[cfg(test)]
mod tests {
    use super::super::chain::Chain;
    use super::super::chain::tests::{Time, event};
    use super::super::opening::{open_locked, recover};
    use super::super::verify_trail::{FirstLines, verify_trail};
    use super::*;

    fn line(chain: &mut Chain) -> Vec<u8> {
        let mut line = Vec::new();
        chain.append(&event("ann"), &mut line);
        line
    }

    #[test]
    fn a_new_file_that_cannot_be_put_in_its_place_is_written_where_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.jsonl");
        let time = Arc::new(Time::new());
        let rotation = Rotation { max_bytes: 1, ..Rotation::NEVER };
        let file = open_locked(&path).expect("a file");
        let mut file = TrailFile::new(&path, file, rotation, Arc::clone(&time) as Arc<dyn Clock>).expect("a file");
        let mut chain = Chain::start();
        let first = line(&mut chain);
        assert!(!file.rotate(&first).expect("nothing to do"));
        assert_eq!(file.append(&first).expect("written"), first.len());
        file.begin_next(1, &line(&mut chain), time.now()).expect("begun");
        // A folder in its place.
        std::fs::create_dir(&path).expect("a folder");
        let third = line(&mut chain);
        assert!(file.sync().is_err() && file.rotate(&third).is_err());
        assert_eq!(file.append(&third).expect("written"), third.len());
        std::fs::remove_dir(&path).expect("removed");
        file.sync().expect("in its place");
        assert!(path.is_file() && !file.place.pending().exists());
        assert_eq!(verify_trail(&[folder.path().to_owned()], FirstLines::Required).expect("intact").lines.lines, 3);
    }

    #[test]
    fn an_empty_file_in_the_place_of_a_new_one_does_not_cost_its_lines() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.jsonl");
        let mut chain = Chain { sequence: 5, ..Chain::start() };
        let lines = line(&mut chain);
        std::fs::write(Place::new(&path).pending(), &lines).expect("written");
        std::fs::write(&path, "").expect("written");
        recover(&path).expect("recovered");
        assert_eq!(std::fs::read(&path).expect("a file"), lines);
        recover(&path).expect("nothing to do");
    }
}
