//! Checks a whole file, line by line, in constant memory.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::chain::{Chain, MAX_LINE_BYTES};

/// What an intact file holds. Keep the digest elsewhere to notice later that the end was rewritten or cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSummary {
    /// Number of lines.
    pub lines: u64,
    /// Where the chain begins.
    pub start: ChainStart,
    /// Sequence of the last line; 0 for an empty file.
    pub last_sequence: u64,
    /// Digest of the last line, lower-case hex; 64 zeros for an empty file.
    pub last_digest: String,
}

/// What comes before the first line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainStart {
    /// Nothing: it is the first line of all.
    Beginning,
    /// A line in the file before.
    Continued {
        /// Its sequence.
        sequence: u64,
        /// Its digest.
        digest: String,
    },
}

impl fmt::Display for AuditSummary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lines, start, last_sequence, last_digest } = self;
        write!(formatter, "{lines} lines, last sequence {last_sequence}, SHA-256 of the last line {last_digest}; ")?;
        match start {
            ChainStart::Beginning => formatter.write_str("the chain starts at its beginning"),
            ChainStart::Continued { sequence, digest } => {
                write!(formatter, "the chain is continued from line {sequence} with SHA-256 {digest}, in the file before")
            }
        }
    }
}

/// The first thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", line.map(|line| format!("line {line} ")).unwrap_or_default())]
pub struct VerifyError {
    /// The line, from 1; `None` when the file cannot be read.
    pub line: Option<u64>,
    /// What is wrong, as an end of the sentence that begins with the line.
    pub message: String,
}

/// Checks every line's JSON, sequence and digest of the line before. What the first line says of the file before is taken on trust;
/// [`verify_trail`](super::verify_trail()) checks it. An empty file is valid. The file is read as it is; a service that is writing to it
/// is not disturbed.
///
/// # Errors
/// Names the first line at which the chain is broken, or says why the file cannot be read.
pub fn verify_file(path: impl AsRef<Path>) -> Result<AuditSummary, VerifyError> {
    verify_after(path.as_ref(), None)
}

/// The same of a file that has to continue a chain.
pub(super) fn verify_after(path: &Path, before: Option<Chain>) -> Result<AuditSummary, VerifyError> {
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    verify(BufReader::new(file), before)
}

fn unreadable(error: &io::Error) -> VerifyError {
    VerifyError { line: None, message: format!("the file cannot be read: {error}") }
}

fn verify(mut reader: impl BufRead, before: Option<Chain>) -> Result<AuditSummary, VerifyError> {
    let (mut start, mut chain) = (before.clone(), before);
    let (mut lines, mut line) = (0, Vec::new());
    loop {
        line.clear();
        let bytes =
            reader.by_ref().take(MAX_LINE_BYTES as u64).read_until(b'\n', &mut line).map_err(|error| unreadable(&error))?;
        if bytes == 0 {
            break;
        }
        let number = lines + 1;
        let wrong = |message: String| VerifyError { line: Some(number), message };
        let Some(content) = line.strip_suffix(b"\n") else {
            return Err(wrong(match bytes {
                MAX_LINE_BYTES => format!("is longer than {MAX_LINE_BYTES} bytes"),
                _ => format!(
                    "is not complete: the file ends after {bytes} bytes of it, without a line break, as after a crash; the service cuts \
                     it off when it starts"
                ),
            }));
        };
        let before = match chain {
            Some(chain) => chain,
            None => start.insert(Chain::before(content).map_err(|error| wrong(error.to_string()))?).clone(),
        };
        chain = Some(before.followed_by(content).map_err(|error| wrong(error.to_string()))?);
        lines = number;
    }
    let start = match start.unwrap_or_else(Chain::start) {
        start if start.is_start() => ChainStart::Beginning,
        Chain { sequence, digest } => ChainStart::Continued { sequence, digest },
    };
    let Chain { sequence, digest } = chain.unwrap_or_else(Chain::start);
    Ok(AuditSummary { lines, start, last_sequence: sequence, last_digest: digest })
}

#[cfg(test)]
mod tests {
    use super::super::chain::tests::event;
    use super::*;
    use proptest::prelude::*;

    /// The lines of a file, each with its line break.
    fn lines(actors: &[impl AsRef<str>]) -> Vec<Vec<u8>> {
        let mut chain = Chain::start();
        let line = |actor: &_| {
            let mut line = Vec::new();
            chain.append(&event(AsRef::<str>::as_ref(actor)), &mut line);
            line
        };
        actors.iter().map(line).collect()
    }

    fn broken_line(lines: &[Vec<u8>]) -> (u64, String) {
        let error = verify(lines.concat().as_slice(), None).expect_err("the chain is broken");
        (error.line.expect("a line"), error.to_string())
    }

    #[test]
    fn an_intact_file_is_summed_up() {
        let lines = lines(&["a", "b", "c"]);
        let summary = verify(lines.concat().as_slice(), None).expect("intact");
        assert_eq!((summary.lines, summary.last_sequence), (3, 3));
        let after_one = verify(lines[0].as_slice(), None).expect("intact");
        assert!(String::from_utf8_lossy(&lines[1]).contains(&after_one.last_digest));
        let empty = verify(&b""[..], None).expect("an empty file is valid");
        assert_eq!(
            empty.to_string(),
            format!("0 lines, last sequence 0, SHA-256 of the last line {}; the chain starts at its beginning", "0".repeat(64))
        );
    }

    #[test]
    fn removed_doubled_and_swapped_lines_are_found_where_they_are() {
        let good = lines(&["a", "b", "c", "d"]);
        let pick = |order: &[usize]| order.iter().map(|&index| good[index].clone()).collect::<Vec<_>>();
        let sequence = |line: u64, found: u64| (line, format!("line {line} has sequence {found} where {line} follows"));
        assert_eq!(broken_line(&pick(&[0, 2, 3])), sequence(2, 3));
        assert_eq!(broken_line(&pick(&[0, 1, 1, 2, 3])), sequence(3, 2));
        assert_eq!(broken_line(&pick(&[0, 2, 1, 3])), sequence(2, 3));
        // A line of another chain in the place of ours.
        let mut mixed = good.clone();
        mixed[1] = lines(&["x", "y"])[1].clone();
        assert_eq!(broken_line(&mixed).0, 2);
    }

    /// Whether the file before is there is seen when all files are verified.
    #[test]
    fn a_file_without_its_first_lines_says_what_it_continues() {
        let good = lines(&["a", "b", "c"]);
        let first = verify(good[0].as_slice(), None).expect("intact");
        let rest = verify(good[1..].concat().as_slice(), None).expect("a continued chain");
        assert_eq!((rest.lines, rest.last_sequence), (2, 3));
        assert_eq!(rest.start, ChainStart::Continued { sequence: 1, digest: first.last_digest });
        // Only the first line of all has no line before it.
        let unchained = String::from_utf8(good[1].clone()).expect("text").replace(&first_digest(&good), &"0".repeat(64));
        let error = verify(unchained.as_bytes(), None).expect_err("no first line");
        assert!(error.message.starts_with("does not carry the digest of the line before it"), "{error}");
        let zeroth = String::from_utf8(good[0].clone()).expect("text").replace("\"sequence\":1", "\"sequence\":0");
        assert_eq!(verify(zeroth.as_bytes(), None).expect_err("no line").message, "has sequence 0 where 1 follows");
    }

    fn first_digest(lines: &[Vec<u8>]) -> String {
        verify(lines[0].as_slice(), None).expect("intact").last_digest
    }

    #[test]
    fn an_empty_line_and_a_torn_last_line_are_reported() {
        let mut torn = lines(&["a", "b"]);
        torn[1].truncate(20);
        let (line, message) = broken_line(&torn);
        assert_eq!(line, 2);
        assert!(message.starts_with("line 2 is not complete: the file ends after 20 bytes of it"), "{message}");
        let mut blank = lines(&["a"]);
        blank.push(b"\n".to_vec());
        assert!(broken_line(&blank).1.starts_with("line 2 is not an audit line"));
    }

    #[test]
    fn lines_cut_off_at_the_end_show_only_in_the_summary() {
        let good = lines(&["a", "b", "c"]);
        let whole = verify(good.concat().as_slice(), None).expect("intact");
        let cut = verify(good[..2].concat().as_slice(), None).expect("a shorter chain is a chain");
        assert_ne!((whole.last_sequence, whole.last_digest), (cut.last_sequence, cut.last_digest));
    }

    #[test]
    fn a_file_that_is_not_there_is_said_to_be_unreadable() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = verify_file(folder.path().join("none")).expect_err("nothing there");
        assert_eq!(error.line, None);
        assert!(error.to_string().starts_with("the file cannot be read: "), "{error}");
    }

    proptest! {
        /// Any changed byte before the last line breaks the chain. One in the last line breaks its form or at least shows in
        /// the digest; nothing within the file could tell that such a line was changed, because no line follows it.
        #[test]
        fn every_changed_byte_is_found(
            actors in prop::collection::vec(".{0,12}", 1..5),
            position in any::<prop::sample::Index>(),
            flip in 1_u8..,
        ) {
            let lines = lines(&actors);
            let intact = lines.concat();
            let position = position.index(intact.len());
            let mut changed = intact.clone();
            changed[position] ^= flip;
            let last_line_start = intact.len() - lines[lines.len() - 1].len();
            match verify(changed.as_slice(), None) {
                Err(_) => {}
                Ok(summary) => {
                    prop_assert!(position >= last_line_start, "a change before the last line went unnoticed");
                    let before = verify(intact.as_slice(), None).expect("intact");
                    prop_assert_ne!(summary.last_digest, before.last_digest);
                }
            }
        }
    }
}
