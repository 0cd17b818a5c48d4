//! New files: when they begin, and what a crash between two steps leaves to the next start.

use std::fs;
use std::path::PathBuf;

use chrono::TimeDelta;

use super::super::chain::tests::{Time, event, plain_event};
use super::super::rotation::Place;
use super::super::verify_trail::{FirstLines, verify_trail};
use super::*;
use crate::domain::audit::AuditEvent;

/// A line of [`event`] has some 390 bytes: two of them fit, a third does not.
const TWO_LINES: u64 = 900;

struct Bench {
    folder: tempfile::TempDir,
    time: Arc<Time>,
    rotation: Rotation,
}

impl Bench {
    fn new(rotation: Rotation) -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), time: Arc::new(Time::new()), rotation }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    fn place(&self) -> Place {
        Place::new(&self.path())
    }

    fn open(&self) -> FileAudit {
        FileAudit::open(self.path(), self.rotation.clone(), Arc::clone(&self.time) as Arc<dyn Clock>).expect("a trail")
    }

    fn aside(&self) -> Vec<PathBuf> {
        self.place().put_aside().expect("readable")
    }

    /// How many lines each file has, oldest first; the chain is whole.
    fn lines(&self) -> Vec<usize> {
        self.lines_from(FirstLines::Required)
    }

    fn lines_from(&self, first_lines: FirstLines) -> Vec<usize> {
        let files = self.aside().into_iter().chain([self.path()]);
        let lines: Vec<usize> = files.map(|path| fs::read_to_string(path).expect("text").lines().count()).collect();
        let found = verify_trail(&[self.folder.path().to_owned()], first_lines).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((found.files, found.lines.lines), (lines.len(), lines.iter().sum::<usize>() as u64));
        lines
    }
}

async fn record(audit: &FileAudit, number: usize) {
    for _ in 0..number {
        audit.record(vec![event("ann")]).await;
        assert!(audit.flush().await);
    }
}

fn at_two_lines() -> Rotation {
    Rotation { max_bytes: TWO_LINES, ..Rotation::NEVER }
}

#[tokio::test]
async fn a_file_that_is_long_enough_is_put_aside_and_the_chain_goes_on() {
    let bench = Bench::new(at_two_lines());
    let audit = bench.open();
    record(&audit, 5).await;
    assert_eq!(bench.lines(), [2, 2, 1]);
    let names: Vec<_> = bench.aside().iter().map(|path| path.file_name().expect("a name").to_owned()).collect();
    assert_eq!(names, ["audit-20260101T000000.123Z-000000000001.jsonl", "audit-20260101T000000.123Z-000000000003.jsonl"]);
    audit.close().await;
    // Lines that are written at once stay together.
    let audit = bench.open();
    audit.record(vec![event("bob"); 1]).await;
    audit.flush().await;
    assert_eq!(bench.lines(), [2, 2, 2]);
    let signal = audit.probe().check().await;
    assert_eq!((signal.details["sequence"].clone(), signal.details["rotations"].clone()), (6.into(), 0.into()));
    record(&audit, 1).await;
    assert_eq!(audit.probe().check().await.details["rotations"], 1);
    assert!(!bench.place().pending().exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_belongs_to_its_owner_alone_and_to_one_sink_at_a_time() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new(at_two_lines());
    let audit = bench.open();
    record(&audit, 3).await;
    assert_eq!(fs::metadata(bench.path()).expect("a file").permissions().mode() & 0o777, 0o600);
    let second = FileAudit::open(bench.path(), Rotation::NEVER, Arc::new(Time::new()));
    assert!(matches!(second, Err(AuditError::InUse { .. })));
}

#[tokio::test]
async fn a_file_whose_first_line_is_old_enough_is_put_aside_also_after_a_restart() {
    let bench = Bench::new(Rotation { max_age: Some(TimeDelta::days(30)), ..Rotation::NEVER });
    let audit = bench.open();
    record(&audit, 2).await;
    bench.time.advance(TimeDelta::days(30) - TimeDelta::seconds(1));
    record(&audit, 1).await;
    assert_eq!(bench.lines(), [3]);
    audit.close().await;
    let audit = bench.open();
    bench.time.advance(TimeDelta::seconds(1));
    record(&audit, 1).await;
    assert_eq!(bench.lines(), [3, 1]);
}

#[tokio::test]
async fn only_so_many_files_are_kept_and_they_still_make_a_chain() {
    let bench = Bench::new(Rotation { keep: Some(2), ..at_two_lines() });
    let audit = bench.open();
    record(&audit, 11).await;
    assert_eq!(bench.lines_from(FirstLines::Removed), [2, 2, 1]);
    let found = verify_trail(&[bench.folder.path().to_owned()], FirstLines::Removed).expect("intact");
    assert!(found.to_string().contains("the chain is continued from line 6 with SHA-256"), "{found}");
}

/// The states that a kill can leave: the new file begun, written in part, whole; the old one put aside; the new one in its place.
#[tokio::test]
async fn whatever_step_a_crash_comes_after_no_line_that_was_on_disk_is_lost() {
    for step in ["begun", "torn", "whole", "put aside", "in its place"] {
        let bench = Bench::new(at_two_lines());
        let audit = bench.open();
        record(&audit, 2).await;
        audit.close().await;
        let current = fs::read(bench.path()).expect("a file");
        let mut chain =
            Chain::after(current.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().expect("a line")).expect("ours");
        let mut next = Vec::new();
        chain.append(&event("next"), &mut next);
        let pending = bench.place().pending();
        let aside = bench.place().name_aside(bench.time.now(), 1).expect("a name");
        match step {
            "begun" => fs::write(&pending, b"").expect("written"),
            "torn" => fs::write(&pending, &next[..next.len() / 2]).expect("written"),
            "whole" => fs::write(&pending, &next).expect("written"),
            "put aside" => {
                fs::write(&pending, &next).expect("written");
                fs::rename(bench.path(), aside).expect("renamed");
            }
            _ => {
                fs::rename(bench.path(), aside).expect("renamed");
                fs::write(bench.path(), &next).expect("written");
            }
        }
        let audit = bench.open();
        assert!(!pending.exists(), "{step}");
        let written_before: usize = bench.lines().iter().sum();
        // Of a new file that was not put in its place nobody was told that it is on disk.
        assert_eq!(written_before, if matches!(step, "put aside" | "in its place") { 3 } else { 2 }, "{step}");
        record(&audit, 3).await;
        assert_eq!(bench.lines().iter().sum::<usize>(), written_before + 3, "{step}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_put_aside_is_used_on_and_the_health_says_so() {
    let bench = Bench::new(at_two_lines());
    let audit = bench.open();
    // A folder in the place of the new file.
    fs::create_dir(bench.place().pending()).expect("a folder");
    record(&audit, 4).await;
    let signal = audit.probe().check().await;
    assert_eq!(signal.status, HealthStatus::Degraded);
    assert!(signal.message.starts_with("the audit file is written, but cannot be put aside to begin a new one: "), "{signal:?}");
    assert!(bench.aside().is_empty());
    fs::remove_dir(bench.place().pending()).expect("removed");
    record(&audit, 1).await;
    assert!(bench.aside().is_empty(), "it is tried once a minute");
    bench.time.advance(TimeDelta::minutes(1));
    record(&audit, 1).await;
    assert_eq!(bench.lines(), [5, 1]);
    assert_eq!(audit.probe().check().await.status, HealthStatus::Healthy);
}

#[tokio::test]
async fn another_file_in_its_place_is_not_put_aside() {
    let bench = Bench::new(at_two_lines());
    let audit = bench.open();
    record(&audit, 2).await;
    let moved = bench.folder.path().join("moved");
    fs::rename(bench.path(), &moved).expect("moved");
    fs::write(bench.path(), "mine").expect("written");
    record(&audit, 1).await;
    assert_eq!(audit.probe().check().await.status, HealthStatus::Degraded);
    assert_eq!((fs::read_to_string(bench.path()).expect("text").as_str(), bench.aside().len()), ("mine", 0));
    // Where there is none, the new one goes there.
    fs::remove_file(bench.path()).expect("removed");
    bench.time.advance(TimeDelta::minutes(1));
    record(&audit, 1).await;
    assert!(verify_trail(&[moved, bench.path()], FirstLines::Required).is_ok());
}

/// As it always was: whoever moves the file away while the service is down begins a new chain, and the old one is missed.
#[tokio::test]
async fn a_trail_that_was_taken_away_begins_anew_and_is_missed() {
    let bench = Bench::new(at_two_lines());
    let audit = bench.open();
    record(&audit, 3).await;
    audit.close().await;
    let moved = bench.folder.path().join("audit.jsonl.1");
    fs::rename(bench.path(), moved).expect("moved");
    let audit = bench.open();
    record(&audit, 1).await;
    assert!(fs::read_to_string(bench.path()).expect("text").starts_with("{\"sequence\":1,"));
    let error = verify_trail(&[bench.folder.path().to_owned()], FirstLines::Required).expect_err("missed");
    assert!(error.to_string().contains("line 1 has sequence 1 where 3 follows"), "{error}");
    audit.close().await;
}

/// A crash before the lines were on disk, and a rotation since the last line that is known to be.
#[tokio::test]
async fn what_is_missing_after_a_crash_is_found_over_a_rotation() {
    let bench = Bench::new(at_two_lines());
    let audit = bench.open();
    let numbered = |number: u128| AuditEvent { event_id: uuid::Uuid::from_u128(number), ..plain_event("ann") };
    for number in [1, 2, 100, 101] {
        audit.record(vec![EncodedEvent::from(&numbered(number))]).await;
        audit.flush().await;
    }
    audit.close().await;
    assert_eq!(bench.lines(), [2, 2]);
    let audit = bench.open();
    let entry = |number: u64| OutboxEntry {
        position: number,
        event_id: uuid::Uuid::from_u128(u128::from(number)),
        event: (number > 1).then(|| numbered(u128::from(number))),
    };
    assert_eq!(audit.reconcile((1..=4).map(entry).collect()).await, 2);
    audit.flush().await;
    assert_eq!(bench.lines().iter().sum::<usize>(), 6);
    assert_eq!(audit.reconcile((1..=4).map(entry).collect()).await, 0);
}
