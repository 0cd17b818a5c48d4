//! Clients that ask in a closed loop: each sends its next request when it has the answer to the last.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use themis_maintenance::telemetry::Stopwatch;
use tokio::task::{JoinHandle, JoinSet};

use super::http::Connection;
use super::sample::Sample;

/// How many ask, what, and how long each rests in between.
#[derive(Clone)]
pub struct Clients {
    pub address: SocketAddr,
    pub count: usize,
    /// Each client begins at a place of its own and goes round.
    pub requests: Arc<[Vec<u8>]>,
    pub pause: Duration,
}

/// Clients at work.
pub struct AtWork {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Sample>,
}

impl Clients {
    pub fn new(address: SocketAddr, count: usize, requests: Vec<Vec<u8>>) -> Self {
        Self { address, count, requests: requests.into(), pause: Duration::ZERO }
    }

    pub fn with_pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Sends them to work, all on one thread: they leave the other core, and most of this one, to the service.
    pub fn start(&self) -> AtWork {
        let (clients, stop) = (self.clone(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let task = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(clients.work(&stopped))
        });
        AtWork { stop, task }
    }

    pub async fn work_for(&self, time: Duration) -> Sample {
        let at_work = self.start();
        tokio::time::sleep(time).await;
        at_work.end().await
    }

    async fn work(self, stop: &Arc<AtomicBool>) -> Sample {
        let mut connections = JoinSet::new();
        for number in 0..self.count {
            connections.spawn(client(self.clone(), number, Arc::clone(stop)));
        }
        let mut sample = Sample::default();
        while let Some(one) = connections.join_next().await {
            sample.add(one.unwrap());
        }
        sample
    }
}

impl AtWork {
    /// Lets each finish what it has asked.
    pub async fn end(self) -> Sample {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

async fn client(clients: Clients, number: usize, stop: Arc<AtomicBool>) -> Sample {
    let mut sample = Sample::default();
    let mut connection = match Connection::open(clients.address).await {
        Ok(connection) => connection,
        Err(error) => return Sample::refused(error.to_string()),
    };
    let begin = number * clients.requests.len() / clients.count;
    let all = Stopwatch::start();
    for request in clients.requests.iter().cycle().skip(begin) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let one = Stopwatch::start();
        match connection.ask(request).await {
            Ok(answer) if answer.status < 400 => sample.note(one.seconds()),
            Ok(answer) => sample.refuse(format!("{}: {}", answer.status, String::from_utf8_lossy(answer.body))),
            Err(error) => {
                sample.refuse(error.to_string());
                break;
            }
        }
        if !clients.pause.is_zero() {
            tokio::time::sleep(clients.pause).await;
        }
    }
    sample.seconds = all.seconds();
    sample
}
