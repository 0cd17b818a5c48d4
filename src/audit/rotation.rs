//! When the file of the trail is put aside, and the names of those that were.
//!
//! `audit.jsonl` becomes `audit-20260131T020000.000Z-000000000042.jsonl` beside it: the time at which it was put aside, and the sequence
//! of its first line. The names sort in the order of the chain.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;

use crate::domain::time::Timestamp;

/// A time in a name, digits as zeros.
const TIME_SHAPE: &str = "00000000T000000.000Z";

/// When a new file begins, and how many old ones are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The size over which a file does not grow, but for lines that are written at once.
    pub max_bytes: u64,
    /// How old the first line of a file becomes; `None` for any age.
    pub max_age: Option<TimeDelta>,
    /// How many files that were put aside are kept; `None` keeps all.
    pub keep: Option<usize>,
}

impl Rotation {
    /// One file, however long.
    pub const NEVER: Self = Self { max_bytes: u64::MAX, max_age: None, keep: None };
}

/// The place of a trail's current file, and of those around it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    path: PathBuf,
    folder: PathBuf,
    /// What the names of files that were put aside begin and end with.
    prefix: String,
    suffix: String,
}

impl Place {
    pub fn new(path: &Path) -> Self {
        let text = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self {
            path: path.to_owned(),
            folder: folder.to_owned(),
            prefix: format!("{}-", text(path.file_stem()).unwrap_or_default()),
            suffix: text(path.extension()).map_or(String::new(), |extension| format!(".{extension}")),
        }
    }

    /// The current file.
    pub fn current(&self) -> &Path {
        &self.path
    }

    /// The next file until it takes the place of the current one.
    pub fn pending(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".new");
        name.into()
    }

    /// The folder of all of them.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files that were put aside, oldest first.
    pub fn put_aside(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            if name.to_str().and_then(|name| self.parse(name)).is_some() {
                found.push(self.folder.join(name));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// A name for the current file, which begins with the line of this sequence. It sorts behind all that are there, also when the
    /// clock was put back.
    pub fn name_aside(&self, now: Timestamp, sequence: u64) -> io::Result<PathBuf> {
        let now = now.format("%Y%m%dT%H%M%S%.3fZ").to_string();
        let last = self.put_aside()?.pop();
        let last = last.as_ref().and_then(|path| self.parse(path.file_name()?.to_str()?));
        let time = last.map_or(now.as_str(), |last| last.max(now.as_str()));
        // Twelve digits: at a thousand lines a second they last for thirty years.
        Ok(self.folder.join(format!("{}{time}-{sequence:012}{}", self.prefix, self.suffix)))
    }

    /// The time in the name of a file that was put aside.
    fn parse<'a>(&self, name: &'a str) -> Option<&'a str> {
        let (time, sequence) = name.strip_prefix(&self.prefix)?.strip_suffix(&self.suffix)?.rsplit_once('-')?;
        let shape = time.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
        let is_ours = shape.eq(TIME_SHAPE.bytes()) && sequence.len() >= 12 && sequence.bytes().all(|byte| byte.is_ascii_digit());
        is_ours.then_some(time)
    }

    /// Brings names that were made, changed or removed to disk.
    pub fn sync(&self) -> io::Result<()> {
        #[cfg(unix)]
        File::open(&self.folder)?.sync_all()?;
        Ok(())
    }
}

/// The path of the trail to which a file that was put aside belongs.
pub(super) fn current_of(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    name.rmatch_indices('-').find_map(|(end, _)| {
        let start = end.checked_sub(TIME_SHAPE.len())?;
        let base = name.get(..start)?.strip_suffix('-')?;
        let after = name[end + 1..].trim_start_matches(|c: char| c.is_ascii_digit());
        let current = path.with_file_name(format!("{base}{after}"));
        Place::new(&current).parse(name).map(|_| current)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn names_sort_in_the_order_of_the_chain_whatever_the_clock_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::new(&folder.path().join("audit.jsonl"));
        let mut names = Vec::new();
        for (now, sequence) in [
            ("2026-01-31T02:00:00Z", 1),
            ("2026-01-31T02:00:00.5Z", 900),
            ("2025-12-31T00:00:00Z", 1000),
            ("2026-01-31T02:00:00.5Z", 10_000),
            ("2026-02-01T00:00:00Z", 10_001),
        ] {
            let name = place.name_aside(time(now), sequence).expect("a name");
            std::fs::write(&name, "").expect("written");
            names.push(name);
        }
        assert_eq!(names[0].file_name().expect("a name"), "audit-20260131T020000.000Z-000000000001.jsonl");
        assert_eq!(names[2].file_name().expect("a name"), "audit-20260131T020000.500Z-000000001000.jsonl");
        for other in ["audit.jsonl", "audit-1.jsonl", "audit-20260131T020000.000Z-1.jsonl", "audit-old.jsonl", "audit.jsonl.new"]
        {
            std::fs::write(folder.path().join(other), "").expect("written");
        }
        assert_eq!(place.put_aside().expect("readable"), names);
        assert!(names.iter().all(|name| current_of(name).as_deref() == Some(place.current())));
        assert_eq!(current_of(&folder.path().join("audit-old.jsonl")), None);
    }

    #[test]
    fn a_file_without_an_extension_and_one_with_dashes_have_names_too() {
        for path in ["trail", "a-b.c.log"] {
            let place = Place::new(Path::new(path));
            let name = place.name_aside(time("2026-01-31T02:00:00Z"), 7).expect("a name");
            assert_eq!(current_of(name.strip_prefix(".").expect("relative")).as_deref(), Some(Path::new(path)));
        }
    }
}
