//! The thread that owns the file: turns events into lines, writes them in batches, and keeps what it could not write.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{mpsc, oneshot};

use super::chain::Chain;
use crate::domain::audit::EncodedEvent;

/// Events in one batch at most, so that the first of them is not held back by a stream of others.
const MAX_BATCH: usize = 256;

/// What goes through the queue.
pub(super) enum Message {
    /// To be written.
    Event(EncodedEvent),
    /// To be answered when everything before it is on disk.
    Flush(oneshot::Sender<()>),
    /// Nothing comes after this.
    Close,
}

/// The file, as far as the thread sees it; tests put their own in its place.
pub(super) trait LineFile: Send + 'static {
    /// Appends some of the bytes and says how many, as [`std::io::Write::write`] does.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Returns when all that was appended is on disk.
    fn sync(&mut self) -> io::Result<()>;

    /// Begins a new file with these lines when the current one has had its time, and says whether it did; then they are on disk. An
    /// error means that the current file is used on.
    fn rotate(&mut self, lines: &[u8]) -> io::Result<bool>;
}

/// What the thread lets others see, and the sign for it to end.
pub(super) struct Shared {
    /// Path of the file, for messages.
    pub path: PathBuf,
    state: Mutex<State>,
    /// Wakes the thread out of its wait before another attempt.
    wake: Condvar,
}

/// How the writing goes.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// Sequence of the last line that was written.
    pub sequence: u64,
    /// Why the last write failed; `None` after one that succeeded.
    pub failure: Option<String>,
    /// Why the file could not be put aside when it was time; `None` once it could.
    pub rotation_failure: Option<String>,
    /// How many files were begun by this process.
    pub rotations: u64,
    closing: bool,
}

impl Shared {
    /// Before the first write of this process; `sequence` is that of the line at the end of the file.
    pub fn new(path: PathBuf, sequence: u64) -> Self {
        Self { path, state: Mutex::new(State { sequence, ..State::default() }), wake: Condvar::new() }
    }

    /// How the writing goes now.
    pub fn state(&self) -> State {
        self.state.lock().clone()
    }

    /// From now on a write that fails is not tried again.
    pub fn begin_closing(&self) {
        self.state.lock().closing = true;
        self.wake.notify_all();
    }

    fn note_success(&self, sequence: u64) {
        let mut state = self.state.lock();
        state.sequence = sequence;
        if state.failure.take().is_some() {
            tracing::info!(file = %self.path.display(), sequence, "the audit file can be written again");
        }
    }

    fn note_rotation(&self, rotated: io::Result<bool>) -> bool {
        let mut state = self.state.lock();
        match rotated {
            Ok(true) => {
                state.rotations += 1;
                state.rotation_failure = None;
                tracing::info!(file = %self.path.display(), "a new audit file was begun");
                true
            }
            Ok(false) => false,
            Err(error) => {
                if state.rotation_failure.replace(error.to_string()).is_none() {
                    tracing::error!(file = %self.path.display(), %error, "the audit file cannot be put aside; it is used on");
                }
                false
            }
        }
    }

    /// Notes a failure and waits; false when the service is closing and there is no point in another attempt.
    fn wait_after(&self, error: &io::Error, delay: Duration) -> bool {
        let mut state = self.state.lock();
        // Once per outage, not once per attempt.
        if state.failure.replace(error.to_string()).is_none() {
            tracing::error!(file = %self.path.display(), error = %error, "the audit file cannot be written; the lines are kept");
        }
        if !state.closing {
            let _woken_or_elapsed = self.wake.wait_for(&mut state, delay);
            return true;
        }
        false
    }
}

/// The thread's own state.
pub(super) struct Writer<F> {
    /// The file, at its end.
    pub file: F,
    /// The chain after the last line in the file.
    pub chain: Chain,
    /// Seen by the others.
    pub shared: Arc<Shared>,
    /// How long to wait after a write that failed.
    pub retry_delay: Duration,
}

/// The service is closing and the file still cannot be written.
struct GivenUp;

/// What is written with one call.
#[derive(Default)]
struct Batch {
    events: usize,
    lines: Vec<u8>,
    waiting: Vec<oneshot::Sender<()>>,
    last: bool,
}

impl<F: LineFile> Writer<F> {
    /// Writes what comes until [`Message::Close`], or until nobody can send any more. Everything is on disk then, unless the file
    /// could not be written to the end; the number of lines that are lost then is logged.
    pub fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        loop {
            let batch = self.next_batch(&mut queue);
            let last = batch.last;
            match self.write_out(batch) {
                Ok(()) if last => return,
                Ok(()) => {}
                Err(GivenUp) => return self.count_lost(queue),
            }
        }
    }

    /// Waits for a message and takes what has queued up behind it.
    fn next_batch(&mut self, queue: &mut mpsc::Receiver<Message>) -> Batch {
        let mut batch = Batch::default();
        let mut next = queue.blocking_recv();
        loop {
            match next {
                Some(Message::Event(event)) => {
                    self.chain.append(&event, &mut batch.lines);
                    batch.events += 1;
                }
                Some(Message::Flush(reply)) => batch.waiting.push(reply),
                Some(Message::Close) | None => batch.last = true,
            }
            if batch.last || batch.events == MAX_BATCH {
                return batch;
            }
            next = match queue.try_recv() {
                Ok(message) => Some(message),
                Err(mpsc::error::TryRecvError::Empty) => return batch,
                Err(mpsc::error::TryRecvError::Disconnected) => None,
            };
        }
    }

    fn write_out(&mut self, batch: Batch) -> Result<(), GivenUp> {
        // A write can take a part of the bytes before it fails; the next attempt goes on behind them, not from the start.
        let mut left = batch.lines.as_slice();
        let rotated = self.file.rotate(left);
        if self.shared.note_rotation(rotated) {
            left = &[];
        }
        while !left.is_empty() {
            match self.file.append(left) {
                Ok(0) => self.wait_after(&ErrorKind::WriteZero.into())?,
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.wait_after(&error)?,
            }
        }
        if batch.last || !batch.waiting.is_empty() {
            while let Err(error) = self.file.sync() {
                self.wait_after(&error)?;
            }
        }
        self.shared.note_success(self.chain.sequence);
        for reply in batch.waiting {
            // Whoever waited may have gone; the lines are on disk all the same.
            let _ = reply.send(());
        }
        Ok(())
    }

    fn wait_after(&self, error: &io::Error) -> Result<(), GivenUp> {
        if self.shared.wait_after(error, self.retry_delay) { Ok(()) } else { Err(GivenUp) }
    }

    fn count_lost(self, mut queue: mpsc::Receiver<Message>) {
        queue.close();
        let mut lost = self.chain.sequence - self.shared.state().sequence;
        while let Ok(message) = queue.try_recv() {
            lost += u64::from(matches!(message, Message::Event(_)));
        }
        tracing::error!(file = %self.shared.path.display(), lost, "the audit file cannot be written; lines are lost");
    }
}
