//! Checks a trail of several files, and that each continues the one before.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use super::chain::Chain;
use super::rotation::{Place, current_of};
use super::verify::{AuditSummary, ChainStart, VerifyError, verify_after};

/// How often the files of a folder are looked at again, when the service began a new one meanwhile.
const TRIES: u32 = 3;

/// What an intact trail holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailSummary {
    /// Number of files.
    pub files: usize,
    /// All of their lines.
    pub lines: AuditSummary,
}

impl fmt::Display for TrailSummary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.files {
            1 => {}
            files => write!(formatter, "{files} files, ")?,
        }
        self.lines.fmt(formatter)
    }
}

/// The first thing that is wrong with a trail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrailError {
    /// In a file.
    #[error("{}: {error}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        error: VerifyError,
    },
    /// Between two files.
    #[error("{} does not continue {}: {error}; a file between them is gone, or one of them was changed", file.display(), before.display())]
    Gap {
        /// The file before.
        before: PathBuf,
        /// The file.
        file: PathBuf,
        /// What its first line has that does not fit.
        error: VerifyError,
    },
    /// Before the first file.
    #[error(
        "{} does not begin with the first line of the trail, but after line {missing}. Give the files before it, too, or --continued if \
         these were removed on purpose", file.display()
    )]
    NoBeginning {
        /// The first file.
        file: PathBuf,
        /// The last line before its first one.
        missing: u64,
    },
    /// The files of a folder are not those of one trail.
    #[error("{}: {message}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// Whether a chain may begin somewhere in its middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstLines {
    /// Every line from the first on has to be there.
    Required,
    /// Files before the first one were removed on purpose; what it says of them is taken on trust.
    Removed,
}

/// Checks files in the order in which they are given. A folder stands for the trail in it, and the current file of a trail, given
/// alone, for all of its files.
///
/// # Errors
/// Names the first file and line at which the chain is broken.
pub fn verify_trail(paths: &[PathBuf], first_lines: FirstLines) -> Result<TrailSummary, TrailError> {
    let mut tries = 1;
    loop {
        let files = expanded(paths)?;
        let verified = verify_files(&files).and_then(|found| from_the_beginning(found, &files, first_lines));
        // A file that was put aside between the look at the folder and the look at the file is missed, and no gap.
        if verified.is_ok() || tries == TRIES || expanded(paths)? == files {
            return verified;
        }
        tries += 1;
    }
}

fn verify_files(files: &[PathBuf]) -> Result<TrailSummary, TrailError> {
    let mut whole: Option<AuditSummary> = None;
    let mut before: Option<&Path> = None;
    for file in files {
        let end = whole.as_ref().map(|whole| Chain { sequence: whole.last_sequence, digest: whole.last_digest.clone() });
        let found = verify_after(file, end).map_err(|error| match before {
            Some(before) if error.line == Some(1) => TrailError::Gap { before: before.to_owned(), file: file.clone(), error },
            _ => TrailError::File { file: file.clone(), error },
        })?;
        whole = Some(match whole {
            None => found,
            Some(whole) => AuditSummary { lines: whole.lines + found.lines, start: whole.start, ..found },
        });
        before = Some(file);
    }
    let empty = || AuditSummary { lines: 0, start: ChainStart::Beginning, last_sequence: 0, last_digest: Chain::start().digest };
    Ok(TrailSummary { files: files.len(), lines: whole.unwrap_or_else(empty) })
}

fn from_the_beginning(found: TrailSummary, files: &[PathBuf], first_lines: FirstLines) -> Result<TrailSummary, TrailError> {
    match (&found.lines.start, files.first()) {
        (ChainStart::Continued { sequence, .. }, Some(file)) if first_lines == FirstLines::Required => {
            Err(TrailError::NoBeginning { file: file.clone(), missing: *sequence })
        }
        _ => Ok(found),
    }
}

fn expanded(paths: &[PathBuf]) -> Result<Vec<PathBuf>, TrailError> {
    if let [file] = paths
        && !file.is_dir()
    {
        // A file that cannot be read is told of when it is.
        let before = Place::new(file).put_aside().unwrap_or_default();
        return Ok(before.into_iter().chain([file.clone()]).collect());
    }
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() { files.extend(trail_in(path)?) } else { files.push(path.clone()) }
    }
    Ok(files)
}

/// The files of the one trail in a folder, in their order.
fn trail_in(folder: &Path) -> Result<Vec<PathBuf>, TrailError> {
    let wrong = |message: String| TrailError::Folder { folder: folder.to_owned(), message };
    let entries = std::fs::read_dir(folder).map_err(|error| wrong(format!("the folder cannot be read: {error}")))?;
    let paths = entries.filter_map(Result::ok).map(|entry| folder.join(entry.file_name()));
    let is_log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "jsonl");
    let trails: BTreeSet<PathBuf> = paths.filter_map(|path| current_of(&path).or_else(|| Some(path).filter(is_log))).collect();
    let current = match &trails.iter().collect::<Vec<_>>()[..] {
        [] => return Err(wrong("there is no audit trail in this folder".to_owned())),
        [one] => *one,
        several => {
            let names: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
            return Err(wrong(format!(
                "there is more than one trail in this folder ({}); name the files of one",
                names.join(", ")
            )));
        }
    };
    let place = Place::new(current);
    let mut files = place.put_aside().map_err(|error| wrong(format!("the folder cannot be read: {error}")))?;
    // Between two steps, and after a crash there, the new file is whole and not yet in its place.
    files.extend([current.to_owned(), place.pending()].into_iter().find(|path| path.exists()));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::super::chain::tests::event;
    use super::*;

    /// A folder with files of two lines each, of one chain.
    fn trail(files: usize) -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut chain, mut paths) = (Chain::start(), Vec::new());
        for number in 0..files {
            let mut lines = Vec::new();
            let first = chain.sequence + 1;
            chain.append(&event("ann"), &mut lines);
            chain.append(&event("bob"), &mut lines);
            let aside = format!("audit-20260101T00000{number}.000Z-{first:012}.jsonl");
            paths.push(folder.path().join(if number + 1 == files { "audit.jsonl".to_owned() } else { aside }));
            std::fs::write(&paths[number], lines).expect("written");
        }
        (folder, paths)
    }

    fn verify_folder(folder: &tempfile::TempDir) -> Result<TrailSummary, TrailError> {
        verify_trail(&[folder.path().to_owned()], FirstLines::Required)
    }

    #[test]
    fn a_folder_is_the_trail_in_it() {
        let (folder, paths) = trail(3);
        std::fs::write(folder.path().join("maintenance.db"), "").expect("written");
        let found = verify_folder(&folder).expect("intact");
        assert_eq!((found.files, found.lines.lines, &found.lines.start), (3, 6, &ChainStart::Beginning));
        assert!(found.to_string().starts_with("3 files, 6 lines, last sequence 6, "), "{found}");
        assert_eq!(verify_trail(&paths, FirstLines::Required), Ok(found.clone()));
        // A crash left the new file beside its place.
        std::fs::rename(&paths[2], folder.path().join("audit.jsonl.new")).expect("renamed");
        assert_eq!(verify_folder(&folder), Ok(found));
    }

    #[test]
    fn the_current_file_alone_stands_for_all() {
        let (_folder, paths) = trail(3);
        let found = verify_trail(&paths[2..], FirstLines::Required).expect("intact");
        assert_eq!((found.files, found.lines.lines, &found.lines.start), (3, 6, &ChainStart::Beginning));
        // One that was put aside is what it is, and several are those that were named.
        assert_eq!(verify_trail(&paths[..1], FirstLines::Required).expect("intact").files, 1);
    }

    #[test]
    fn first_lines_that_are_not_there_are_missed_unless_it_is_said_that_they_were_removed() {
        let (folder, paths) = trail(3);
        let before = verify_trail(&paths[..1], FirstLines::Required).expect("intact");
        std::fs::remove_file(&paths[0]).expect("removed");
        for given in [vec![folder.path().to_owned()], paths[1..].to_vec(), paths[2..].to_vec(), paths[1..2].to_vec()] {
            let error = verify_trail(&given, FirstLines::Required).expect_err("no beginning").to_string();
            assert!(error.contains("does not begin with the first line of the trail, but after line 2."), "{error}");
            let found = verify_trail(&given, FirstLines::Removed).expect("continued");
            let words =
                format!("the chain is continued from line 2 with SHA-256 {}, in the file before", before.lines.last_digest);
            assert!(found.to_string().ends_with(&words), "{found}");
        }
        let cut: String =
            std::fs::read_to_string(&paths[1]).expect("text").lines().skip(1).map(|line| format!("{line}\n")).collect();
        std::fs::write(&paths[1], cut).expect("written");
        let error = verify_trail(&paths[1..2], FirstLines::Required).expect_err("cut off").to_string();
        assert!(error.contains("but after line 3."), "{error}");
    }

    #[test]
    fn the_first_gap_is_named() {
        let (folder, paths) = trail(4);
        std::fs::remove_file(&paths[1]).expect("removed");
        let error = verify_folder(&folder).expect_err("a gap");
        let expected = format!(
            "{} does not continue {}: line 1 has sequence 5 where 3 follows; a file between them is gone, or one of them was changed",
            paths[2].display(),
            paths[0].display()
        );
        assert_eq!(error.to_string(), expected);

        let (folder, paths) = trail(3);
        let text = std::fs::read_to_string(&paths[1]).expect("text");
        std::fs::write(&paths[1], text.replacen("bob", "eve", 1)).expect("written");
        let error = verify_folder(&folder).expect_err("a changed line at the end of a file");
        assert!(error.to_string().contains("audit.jsonl does not continue "), "{error}");
        std::fs::write(&paths[1], text.replacen("ann", "eve", 1)).expect("written");
        let error = verify_folder(&folder).expect_err("a changed line within a file");
        assert_eq!(error.to_string().split_once(": line 2 does not").map(|(file, _)| file), paths[1].to_str());
    }

    #[test]
    fn a_chain_that_begins_anew_is_a_gap() {
        let (folder, paths) = trail(2);
        let (_other, others) = trail(1);
        std::fs::copy(&others[0], &paths[1]).expect("copied");
        let error = verify_folder(&folder).expect_err("another chain");
        assert!(error.to_string().contains("line 1 has sequence 1 where 3 follows"), "{error}");
    }

    #[test]
    fn a_folder_with_no_trail_or_with_two_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(verify_folder(&folder).expect_err("none").to_string().ends_with("there is no audit trail in this folder"));
        for name in ["audit.jsonl", "other.jsonl"] {
            std::fs::write(folder.path().join(name), "").expect("written");
        }
        let error = verify_folder(&folder).expect_err("two").to_string();
        assert!(error.contains("more than one trail") && error.contains("other.jsonl"), "{error}");
        assert!(verify_trail(&[folder.path().join("audit.jsonl")], FirstLines::Required).is_ok());
    }
}
