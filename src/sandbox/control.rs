//! The handle with which tests and the control routes steer a running sandbox and look into it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use serde_json::Value;

use super::chance::Chance;
use super::fault::{Fault, FaultKind};
use super::hold::HoldGuard;
use super::index::IndexKind;
use super::record::RecordedRequest;
use super::shared::Shared;
use super::store::object;

/// A running sandbox. Clones steer the same one; dropping them all does not end it.
#[derive(Clone)]
pub struct Sandbox {
    pub(super) shared: Arc<Shared>,
}

impl Sandbox {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Where it listens, as a URL without a trailing slash.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    /// Adds a fault to the end of the queue. One for 0 times is ignored.
    pub fn script(&self, fault: Fault) {
        self.shared.faults.push(fault);
    }

    /// From now on a share (0 to 1) of the requests meets one of these kinds, beside what is scripted; replaces an earlier call.
    /// The same seed decides in the same way, in the order in which requests arrive.
    pub fn script_randomly(&self, seed: u64, share: f64, kinds: impl IntoIterator<Item = FaultKind>) {
        self.shared.faults.leave_to(Chance::new(seed, share, kinds.into_iter().collect()));
    }

    /// How many requests have met a fault.
    pub fn faults_met(&self) -> u64 {
        self.shared.faults.met()
    }

    /// Removes all faults, random ones too. A request that is held up by one already is not released.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// The faults that are still to come, with what is left of their counts.
    pub fn faults(&self) -> Vec<Fault> {
        self.shared.faults.list()
    }

    /// Makes requests that match wait, before any fault, until the guard is released or dropped.
    pub fn hold(&self, method: Option<Method>, path_prefix: impl Into<String>) -> HoldGuard {
        self.shared.holds.add(method, path_prefix.into())
    }

    /// The requests so far, oldest first; at most some thousands are kept. The control routes are not among them.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.recorder.requests()
    }

    /// Forgets the requests, and begins all that is said of the most anew.
    pub fn clear_requests(&self) {
        self.shared.recorder.clear();
        self.shared.work.clear_most();
    }

    /// Waits until the recorded requests are as the caller wants them. Looks at once, and again whenever a request arrives or
    /// ends; sets no limit of its own.
    pub async fn wait_for_requests(&self, predicate: impl Fn(&[RecordedRequest]) -> bool) {
        let mut changes = self.shared.recorder.subscribe();
        // The sender lives in `shared`, so `changed` cannot fail while we wait.
        while !predicate(&self.requests()) && changes.changed().await.is_ok() {}
    }

    /// How many requests have arrived and have not ended. Answered means ended, abandoned too.
    pub fn in_flight(&self) -> usize {
        self.shared.recorder.in_flight().0
    }

    /// The most that were ever in flight at once.
    pub fn max_in_flight(&self) -> usize {
        self.shared.recorder.in_flight().1
    }

    /// The most requests with a method other than GET that were ever in flight at once. A caller who gives up and calls again may
    /// be counted twice for as long as the first connection is not seen to be closed.
    pub fn max_changing_in_flight(&self) -> usize {
        self.shared.recorder.max_changing_in_flight()
    }

    /// The most requests that arrived in any stretch of this length, out of the last half million.
    pub fn max_requests_in_any(&self, stretch: Duration) -> usize {
        self.shared.recorder.most_in_any(stretch)
    }

    /// Stops listening, while the process lives on, as ThemisDB does on SIGTERM: connecting is refused, idle connections end,
    /// requests under way are answered, work goes on.
    pub async fn close_listener(&self) {
        self.shared.door.close().await;
    }

    /// Listens again at the same address.
    ///
    /// # Errors
    ///
    /// If another process has taken the address, or the sandbox has ended.
    pub async fn open_listener(&self) -> io::Result<()> {
        self.shared.door.open(self.shared.address).await
    }

    /// Closes the store: `/stats` says so, `/maintenance` fails, and index work succeeds without doing anything.
    pub fn close_store(&self) {
        self.shared.store.lock().set_open(false);
    }

    /// Opens the store again, with the data that it had.
    pub fn open_store(&self) {
        self.shared.store.lock().set_open(true);
    }

    /// Whether the store is open.
    pub fn store_is_open(&self) -> bool {
        self.shared.store.lock().is_open()
    }

    /// Adds a table, or rows (key and JSON object) to it.
    pub fn add_table(&self, table: &str, rows: impl IntoIterator<Item = (String, Value)>) {
        let rows = rows.into_iter().map(|(key, row)| (key, object(row)));
        self.shared.store.lock().put_rows(table, rows);
    }

    /// Adds an index (of `column`, or of `a+b`) that holds the rows which are there, unlike one made by `/index/create`.
    pub fn add_index(&self, table: &str, column: &str, kind: IndexKind) {
        let mut store = self.shared.store.lock();
        store.create_index(table, column, kind, false);
        store.fill_index(table, column);
    }

    /// Makes the next rebuild of an index end with this many entries too few, and call itself a success.
    pub fn spoil_next_rebuild(&self, table: &str, column: &str, count: usize) {
        self.shared.store.lock().spoil_next_rebuild(table, column, count);
    }

    /// Damages an index: it misses `count` of its entries until it is rebuilt.
    pub fn lose_index_entries(&self, table: &str, column: &str, count: usize) {
        self.shared.store.lock().lose_index_entries(table, column, count);
    }

    /// How many entries an index has; none if there is no such index, also while the store is closed.
    pub fn index_entry_count(&self, table: &str, column: &str) -> Option<u64> {
        Some(self.shared.store.lock().table(table)?.indexes.get(column)?.entry_count())
    }

    /// The directories of the backups that were taken.
    pub fn backups(&self) -> Vec<String> {
        self.shared.store.lock().backups().cloned().collect()
    }

    /// How often a restore was asked for. The service must never ask for one.
    pub fn restores(&self) -> u64 {
        self.shared.store.lock().restores()
    }
}
