//! The audit sink that writes to a file.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::chain::Chain;
use super::error::AuditError;
use super::opening::{open_locked, recover};
use super::reconcile::missing;
use super::rotation::Rotation;
use super::tail::read_tail;
use super::trail_file::TrailFile;
use super::writer::{LineFile, Message, Shared, Writer};
use crate::domain::audit::EncodedEvent;
use crate::domain::health::{HealthSignal, HealthStatus};
use crate::domain::ports::{AuditSink, Clock, HealthProbe, OutboxEntry};

/// How many events wait at most. An event holds up to two images of a schedule, typically 2 KiB in all: the full queue is a few
/// MiB. It bridges some seconds of a slow disk at full load; a disk that is slower than that has to slow the callers down.
const QUEUE_CAPACITY: usize = 1024;
/// How long to wait after a write that failed.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Writes events to a file. To be closed with [`FileAudit::close`]; dropping it does the same and blocks the thread meanwhile.
pub struct FileAudit {
    /// `None` only while it is dropped.
    queue: Option<mpsc::Sender<Message>>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl FileAudit {
    /// Opens a file and continues its chain; makes the file (readable by its owner alone) and its folders if they are not there, and
    /// begins new ones as `rotation` says, by `clock`.
    /// What a crash left of a line that was being written is cut off, with a warning. Blocks for the time of a few disk accesses.
    ///
    /// # Errors
    /// When the file cannot be opened or is in use, and when its last line is not an audit line.
    pub fn open(path: impl AsRef<Path>, rotation: Rotation, clock: Arc<dyn Clock>) -> Result<Self, AuditError> {
        let path = path.as_ref();
        let open_error = |source| AuditError::Open { path: path.to_owned(), source };
        recover(path)?;
        let mut file = open_locked(path)?;
        let tail = read_tail(&mut file).map_err(open_error)?;
        let chain = tail.chain.map_err(|error| AuditError::Broken { path: path.to_owned(), message: error.to_string() })?;
        if tail.torn_bytes > 0 {
            file.set_len(tail.complete_bytes).and_then(|()| file.sync_data()).map_err(open_error)?;
            tracing::warn!(
                file = %path.display(),
                bytes = tail.torn_bytes,
                sequence = chain.sequence,
                "the last line of the audit file was incomplete and has been cut off"
            );
        }
        let file = TrailFile::new(path, file, rotation, clock).map_err(open_error)?;
        Self::start(file, chain, path, RETRY_DELAY)
    }

    fn start(file: impl LineFile, chain: Chain, path: &Path, retry_delay: Duration) -> Result<Self, AuditError> {
        let (queue, receiver) = mpsc::channel(QUEUE_CAPACITY);
        let shared = Arc::new(Shared::new(path.to_owned(), chain.sequence));
        let writer = Writer { file, chain, shared: Arc::clone(&shared), retry_delay };
        let thread =
            thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(receiver)).map_err(AuditError::Thread)?;
        Ok(Self { queue: Some(queue), shared, thread: Mutex::new(Some(thread)) })
    }

    /// The health of the file: UNHEALTHY while it cannot be written.
    pub fn probe(&self) -> Arc<dyn HealthProbe> {
        Arc::new(AuditProbe { queue: self.queue().downgrade(), shared: Arc::clone(&self.shared) })
    }

    /// Writes what is queued, brings it to disk and ends the thread. If the file cannot be written now, the lines are lost, and
    /// the log says how many. Events recorded later are lost too.
    pub async fn close(&self) {
        self.shared.begin_closing();
        // An error means that the thread has ended already.
        let _ = self.queue().send(Message::Close).await;
        self.queue().closed().await;
        // The thread lets go of the queue as its last act, so this does not block for long.
        self.join();
    }

    fn queue(&self) -> &mpsc::Sender<Message> {
        self.queue.as_ref().expect("only Drop takes the queue")
    }

    fn join(&self) {
        let thread = self.thread.lock().take();
        if let Some(Err(_)) = thread.map(JoinHandle::join) {
            tracing::error!(file = %self.shared.path.display(), "the thread that writes the audit file has panicked");
        }
    }
}

impl Drop for FileAudit {
    fn drop(&mut self) {
        self.shared.begin_closing();
        self.queue = None;
        self.join();
    }
}

#[async_trait]
impl AuditSink for FileAudit {
    async fn record(&self, events: Vec<EncodedEvent>) {
        for event in events {
            if let Err(mpsc::error::SendError(message)) = self.queue().send(Message::Event(event)).await {
                let Message::Event(event) = message else { return };
                let event = event.decoded();
                tracing::error!(action = %event.action, object = %event.object, actor = %event.actor, "the audit trail is closed; an event is lost");
            }
        }
    }

    async fn flush(&self) -> bool {
        let (reply, flushed) = oneshot::channel();
        // After the end of the thread there is nothing left that could be flushed.
        if self.queue().send(Message::Flush(reply)).await.is_err() {
            return false;
        }
        let on_disk = flushed.await.is_ok();
        if !on_disk {
            tracing::error!(file = %self.shared.path.display(), "the audit trail was closed before it could be flushed");
        }
        on_disk
    }

    async fn reconcile(&self, outbox: Vec<OutboxEntry>) -> usize {
        let path = self.shared.path.clone();
        let looked_at = outbox.clone();
        let found = tokio::task::spawn_blocking(move || missing(&path, looked_at)).await;
        let events = found.map_err(io::Error::other).flatten().unwrap_or_else(|error| {
            tracing::error!(file = %self.shared.path.display(), %error, "the audit file cannot be searched: events may be in it twice");
            outbox.into_iter().filter_map(|entry| entry.event).collect()
        });
        let count = events.len();
        self.record(events.iter().map(EncodedEvent::from).collect()).await;
        count
    }
}

/// Says whether the last write succeeded.
struct AuditProbe {
    queue: mpsc::WeakSender<Message>,
    shared: Arc<Shared>,
}

#[async_trait]
impl HealthProbe for AuditProbe {
    async fn check(&self) -> HealthSignal {
        let state = self.shared.state();
        let queue = self.queue.upgrade().filter(|queue| !queue.is_closed());
        let signal = match (&queue, &state.failure) {
            (None, _) => HealthSignal::new(HealthStatus::Unhealthy, "the audit trail is closed"),
            (_, Some(failure)) => {
                HealthSignal::new(HealthStatus::Unhealthy, format!("the audit file cannot be written: {failure}"))
            }
            (_, None) => match &state.rotation_failure {
                Some(failure) => HealthSignal::new(
                    HealthStatus::Degraded,
                    format!("the audit file is written, but cannot be put aside to begin a new one: {failure}"),
                ),
                None => HealthSignal::new(HealthStatus::Healthy, "the audit file is written"),
            },
        };
        let queued = queue.map_or(0, |queue| queue.max_capacity() - queue.capacity());
        signal
            .with_detail("sequence", state.sequence)
            .with_detail("queued", queued)
            .with_detail("rotations", state.rotations)
            .with_detail("file", self.shared.path.display().to_string())
    }
}

#[cfg(test)]
mod rotating;
#[cfg(test)]
mod tests;
