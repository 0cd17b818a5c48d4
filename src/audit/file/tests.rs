//! The sink on real files, and on one that fails when it is told to.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc as std_mpsc;

use super::super::chain::tests::{Time, event};
use super::super::verify::verify_file;
use super::*;

/// Far longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

fn folder_and_file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/er/audit.jsonl");
    (folder, path)
}

fn open(path: &Path) -> Result<FileAudit, AuditError> {
    FileAudit::open(path, Rotation::NEVER, Arc::new(Time::new()))
}

fn events(actors: &[&str]) -> Vec<EncodedEvent> {
    actors.iter().map(|actor| event(actor)).collect()
}

fn actors(text: &str) -> Vec<String> {
    let actor =
        |line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["actor"].as_str().expect("a text").to_owned();
    text.lines().map(actor).collect()
}

#[tokio::test]
async fn lines_are_chained_from_the_first_and_reopening_continues_the_chain() {
    let (_folder, path) = folder_and_file();
    let audit = open(&path).expect("a new file");
    audit.record(events(&["a", "b"])).await;
    audit.flush().await;
    assert_eq!(actors(&fs::read_to_string(&path).expect("a file")), ["a", "b"]);
    audit.record(events(&["c"])).await;
    audit.close().await;
    let audit = open(&path).expect("its own file");
    audit.record(events(&["d"])).await;
    drop(audit);
    assert_eq!(actors(&fs::read_to_string(&path).expect("a file")), ["a", "b", "c", "d"]);
    assert_eq!(verify_file(&path).expect("intact").lines, 4);
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_belongs_to_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = folder_and_file();
    let _audit = open(&path).expect("a new file");
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn what_a_crash_left_of_a_line_is_cut_off() {
    let (_folder, path) = folder_and_file();
    let audit = open(&path).expect("a new file");
    audit.record(events(&["a", "b"])).await;
    audit.close().await;
    let intact = fs::read(&path).expect("a file");
    fs::write(&path, [intact.as_slice(), br#"{"sequence":3,"time"#].concat()).expect("written");
    assert_eq!(verify_file(&path).expect_err("torn").line, Some(3));
    let audit = open(&path).expect("cut");
    assert_eq!(fs::read(&path).expect("a file"), intact);
    audit.record(events(&["c"])).await;
    audit.close().await;
    assert_eq!(verify_file(&path).expect("intact").last_sequence, 3);
}

#[test]
fn a_foreign_last_line_keeps_the_service_from_starting_and_the_file_as_it_is() {
    let (folder, _) = folder_and_file();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "dear diary\nto").expect("written");
    let error = open(&path).err().expect("not one of ours");
    let command = format!("`themis-maintenance audit verify {}`", path.display());
    assert!(error.to_string().contains(&command), "{error}");
    assert_eq!(fs::read_to_string(&path).expect("a file"), "dear diary\nto");
}

#[tokio::test]
async fn a_file_takes_one_sink_at_a_time() {
    let (_folder, path) = folder_and_file();
    let first = open(&path).expect("a new file");
    assert!(matches!(open(&path), Err(AuditError::InUse { .. })));
    first.close().await;
    open(&path).expect("free again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_keep_their_order_and_make_one_chain() {
    const CALLERS: usize = 8;
    const EVENTS: usize = 300;
    let (_folder, path) = folder_and_file();
    let audit = Arc::new(open(&path).expect("a new file"));
    let callers = (0..CALLERS).map(|caller| {
        let audit = Arc::clone(&audit);
        tokio::spawn(async move {
            for number in (0..EVENTS).step_by(3) {
                audit.record((number..number + 3).map(|number| event(&format!("{caller}:{number:04}"))).collect()).await;
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("no panic");
    }
    audit.flush().await;
    assert_eq!(verify_file(&path).expect("intact").lines, (CALLERS * EVENTS) as u64);
    let actors = actors(&fs::read_to_string(&path).expect("a file"));
    for caller in 0..CALLERS {
        let own: Vec<_> = actors.iter().filter(|actor| actor.starts_with(&format!("{caller}:"))).collect();
        assert!(own.is_sorted() && own.len() == EVENTS);
    }
    audit.close().await;
}

#[tokio::test]
async fn a_healthy_file_says_where_it_is() {
    let (_folder, path) = folder_and_file();
    let audit = open(&path).expect("a new file");
    let probe = audit.probe();
    audit.record(events(&["a", "b"])).await;
    audit.flush().await;
    let signal = probe.check().await;
    assert_eq!(signal.status, HealthStatus::Healthy);
    assert_eq!(signal.details["sequence"], 2);
    assert_eq!(signal.details["file"], path.display().to_string());
    audit.close().await;
    assert_eq!(probe.check().await.status, HealthStatus::Unhealthy);
    audit.flush().await;
    drop(audit);
    assert_eq!(probe.check().await.status, HealthStatus::Unhealthy);
}

/// A file that asks the test what to do on each call.
struct ScriptedFile {
    /// Told at the start of every call.
    called: std_mpsc::Sender<&'static str>,
    /// What the call then does: takes so many bytes, or fails.
    script: std_mpsc::Receiver<io::Result<usize>>,
    /// What was taken.
    content: Arc<Mutex<Vec<u8>>>,
}

impl LineFile for ScriptedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.called.send("append");
        let taken = self.script.recv_timeout(LIMIT).expect("a script")?.min(bytes.len());
        self.content.lock().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn sync(&mut self) -> io::Result<()> {
        let _ = self.called.send("sync");
        self.script.recv_timeout(LIMIT).expect("a script").map(|_| ())
    }

    fn rotate(&mut self, _lines: &[u8]) -> io::Result<bool> {
        Ok(false)
    }
}

struct Scripted {
    audit: FileAudit,
    called: std_mpsc::Receiver<&'static str>,
    script: std_mpsc::Sender<io::Result<usize>>,
    content: Arc<Mutex<Vec<u8>>>,
}

fn scripted(retry_delay: Duration) -> Scripted {
    let (called_sender, called) = std_mpsc::channel();
    let (script, script_receiver) = std_mpsc::channel();
    let content = Arc::new(Mutex::new(Vec::new()));
    let file = ScriptedFile { called: called_sender, script: script_receiver, content: Arc::clone(&content) };
    let audit = FileAudit::start(file, Chain::start(), Path::new("scripted"), retry_delay).expect("a thread");
    Scripted { audit, called, script, content }
}

impl Scripted {
    fn expect_call(&self, call: &str) {
        assert_eq!(self.called.recv_timeout(LIMIT).expect("a call"), call);
    }

    fn answer(&self, answer: io::Result<usize>) {
        self.script.send(answer).expect("the thread lives");
    }

    fn disk_full() -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }
}

#[tokio::test]
async fn a_write_that_fails_shows_in_the_health_and_no_line_is_lost_or_written_twice() {
    let file = scripted(Duration::ZERO);
    let probe = file.audit.probe();
    file.audit.record(events(&["a"])).await;
    file.expect_call("append");
    file.answer(Ok(10));
    file.expect_call("append");
    file.answer(Scripted::disk_full());
    // The call after a failure begins when the failure has been noted.
    file.expect_call("append");
    let signal = probe.check().await;
    assert_eq!(signal.status, HealthStatus::Unhealthy);
    assert!(signal.message.starts_with("the audit file cannot be written: "), "{}", signal.message);
    assert_eq!(signal.details["sequence"], 0);
    // Recording goes on meanwhile.
    file.audit.record(events(&["b"])).await;
    file.answer(Ok(0));
    file.expect_call("append");
    file.answer(Err(io::ErrorKind::Interrupted.into()));
    file.expect_call("append");
    file.answer(Ok(usize::MAX));
    file.expect_call("append");
    file.answer(Ok(usize::MAX));
    let flush = file.audit.flush();
    let answers = async {
        file.expect_call("sync");
        file.answer(Scripted::disk_full());
        file.expect_call("sync");
        file.answer(Ok(0));
    };
    tokio::join!(flush, answers);
    assert_eq!(probe.check().await.status, HealthStatus::Healthy);
    let content = file.content.lock().clone();
    assert_eq!(actors(std::str::from_utf8(&content).expect("text")), ["a", "b"]);
    let mut chain = Chain::start();
    for line in content.split(|byte| *byte == b'\n').take(2) {
        chain = chain.followed_by(line).expect("the next line");
    }
    file.answer(Ok(0));
    file.audit.close().await;
}

#[tokio::test]
async fn closing_does_not_wait_for_a_disk_that_stays_broken() {
    let file = scripted(Duration::from_secs(3600));
    file.audit.record(events(&["a"])).await;
    file.expect_call("append");
    file.audit.record(events(&["b"])).await;
    file.answer(Scripted::disk_full());
    // One more attempt, whether the thread was already waiting or not.
    file.answer(Scripted::disk_full());
    tokio::time::timeout(LIMIT, file.audit.close()).await.expect("the hour is cut short");
    assert!(file.content.lock().is_empty());
    // Later ones are lost, and neither panic nor wait.
    file.audit.record(events(&["c"])).await;
    file.audit.flush().await;
}

#[tokio::test]
async fn a_full_queue_makes_callers_wait_and_lets_them_go_on_when_the_disk_does() {
    let file = scripted(Duration::ZERO);
    file.audit.record(events(&["first"])).await;
    file.expect_call("append");
    // The thread holds the first one; the queue takes this many more without waiting.
    file.audit.record((0..QUEUE_CAPACITY).map(|_| event("queued")).collect()).await;
    let mut one_too_many = Box::pin(file.audit.record(events(&["waits"])));
    assert!(poll_once(&mut one_too_many).await.is_none());
    for _ in 0..=QUEUE_CAPACITY {
        file.answer(Ok(usize::MAX));
    }
    tokio::time::timeout(LIMIT, one_too_many).await.expect("there is room again");
    file.audit.close().await;
    assert_eq!(actors(std::str::from_utf8(&file.content.lock()).expect("text")).last().expect("a line"), "waits");
}

/// Polls a future once.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    use std::task::Poll;
    std::future::poll_fn(|context| {
        Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}
