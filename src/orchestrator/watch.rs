//! Who waits for a job: told of its changes when they are published, beside the [`view`](super::view).
//!
//! Nobody is queued for: a slow reader finds the latest state, and what it did not see in between is gone. While nobody waits, a
//! commit costs one look at a counter.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::domain::ids::JobId;
use crate::domain::job::Job;
use crate::domain::ports::Change;

/// All who wait, by the job that they wait for. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Watchers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// How many jobs are watched. Changed under the lock of `watched`, read without it.
    count: AtomicUsize,
    watched: Mutex<Watched>,
}

/// Bounded by the number of those who wait: a connection each.
#[derive(Default)]
struct Watched {
    jobs: HashMap<JobId, watch::Sender<Option<Arc<Job>>>>,
    /// The service ends: nobody waits any more.
    closed: bool,
}

impl Watchers {
    /// Takes a place. The job is looked up after that: what is published in between is then either in it or told.
    pub fn join(&self, id: JobId, look_up: impl FnOnce() -> Option<Arc<Job>>) -> Option<JobWatch> {
        let mut watched = self.0.watched.lock();
        let news = if watched.closed {
            // Without a sender there is no news, and nothing to wait for.
            watch::channel(None).1
        } else {
            watched.jobs.entry(id).or_insert_with(|| watch::channel(None).0).subscribe()
        };
        self.count(&watched);
        drop(watched);
        let place = Place { id, news, watchers: self.clone() };
        Some(JobWatch { job: look_up()?, place })
    }

    /// Tells what was published.
    pub fn tell(&self, changes: &[Change]) {
        // Whoever joined before the changes came into the view is counted: both went through the view's lock. Whoever joined later
        // finds them there.
        if self.0.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut watched = self.0.watched.lock();
        for change in changes {
            match change {
                Change::Job { after: Some(job), .. } => watched.tell(job),
                // Pruned: what was told last stays with those who waited.
                Change::Job { before: Some(job), after: None } => drop(watched.jobs.remove(&job.id)),
                _ => {}
            }
        }
        self.count(&watched);
    }

    /// Tells what has changed when everything was read anew.
    pub fn tell_all(&self, look_up: impl Fn(JobId) -> Option<Arc<Job>>) {
        let mut watched = self.0.watched.lock();
        let known: Vec<JobId> = watched.jobs.keys().copied().collect();
        for id in known {
            match look_up(id) {
                Some(job) => watched.tell(&job),
                None => drop(watched.jobs.remove(&id)),
            }
        }
        self.count(&watched);
    }

    /// Ends all waits, now and from now on.
    pub fn close(&self) {
        let mut watched = self.0.watched.lock();
        watched.closed = true;
        watched.jobs.clear();
        self.count(&watched);
    }

    /// How many jobs are watched.
    pub fn len(&self) -> usize {
        self.0.count.load(Ordering::Relaxed)
    }

    fn count(&self, watched: &Watched) {
        self.0.count.store(watched.jobs.len(), Ordering::Relaxed);
    }
}

impl Watched {
    fn tell(&self, job: &Arc<Job>) {
        if let Some(sender) = self.jobs.get(&job.id) {
            sender.send_replace(Some(Arc::clone(job)));
        }
    }
}

/// A job that somebody waits for. The place is free again when this is dropped.
pub struct JobWatch {
    job: Arc<Job>,
    place: Place,
}

struct Place {
    id: JobId,
    news: watch::Receiver<Option<Arc<Job>>>,
    watchers: Watchers,
}

impl JobWatch {
    /// The job as it was seen last.
    pub fn job(&self) -> &Arc<Job> {
        &self.job
    }

    /// Returns when the job has changed; with `false` when it will not any more, or nobody will tell: it is over, it was pruned, or
    /// the service ends. May be dropped and called again.
    pub async fn changed(&mut self) -> bool {
        while self.job.is_active() && self.place.news.changed().await.is_ok() {
            let latest = self.place.news.borrow_and_update().clone();
            if let Some(job) = latest.filter(|job| !Arc::ptr_eq(job, &self.job)) {
                self.job = job;
                return true;
            }
        }
        false
    }

    /// Returns when the job is over, or nobody will tell any more.
    pub async fn over(&mut self) {
        while self.changed().await {}
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut watched = self.watchers.0.watched.lock();
        // Under the lock: of two that leave at once the second has to see that it is the last.
        drop(std::mem::replace(&mut self.news, watch::channel(None).1));
        if watched.jobs.get(&self.id).is_some_and(|sender| sender.receiver_count() == 0) {
            watched.jobs.remove(&self.id);
        }
        self.watchers.count(&watched);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::holds::Holds;
    use crate::domain::job::JobState;
    use crate::domain::sample::job;
    use crate::orchestrator::view::ReadView;

    fn change(before: Option<&Arc<Job>>, after: Option<&Arc<Job>>) -> [Change; 1] {
        [Change::Job { before: before.cloned(), after: after.cloned() }]
    }

    #[tokio::test]
    async fn a_change_is_told_once_and_the_last_one_counts() {
        let view = ReadView::default();
        let [waiting, running, done] = [JobState::Pending, JobState::Running, JobState::Succeeded].map(|state| job(1, state));
        view.publish(&change(None, Some(&waiting)));
        let mut watch = view.watch(waiting.id).expect("a job");
        assert_eq!(watch.job().state, JobState::Pending);
        view.publish(&change(Some(&waiting), Some(&running)));
        assert!(watch.changed().await);
        assert_eq!(watch.job().state, JobState::Running);
        let again = Arc::new(Job { error_message: Some("x".to_owned()), ..Job::clone(&running) });
        view.publish(&change(Some(&running), Some(&again)));
        view.publish(&change(Some(&again), Some(&done)));
        assert!(watch.changed().await, "two changes are seen as one");
        assert_eq!(watch.job().state, JobState::Succeeded);
        assert!(!watch.changed().await, "it is over");
    }

    #[tokio::test]
    async fn nothing_is_missed_between_the_look_and_the_wait() {
        let view = ReadView::default();
        let [waiting, done] = [JobState::Pending, JobState::Skipped].map(|state| job(1, state));
        view.publish(&change(None, Some(&waiting)));
        let mut watch = view.watch(waiting.id).expect("a job");
        view.publish(&change(Some(&waiting), Some(&done)));
        // Pruned at once, too: the end is seen all the same.
        view.publish(&change(Some(&done), None));
        watch.over().await;
        assert_eq!(watch.job().state, JobState::Skipped);
        assert!(view.watch(done.id).is_none(), "it is not there any more");
    }

    #[tokio::test]
    async fn places_are_given_back() {
        let view = ReadView::default();
        let [one, other] = [1, 2].map(|number| job(number, JobState::Running));
        view.publish(&[change(None, Some(&one)), change(None, Some(&other))].concat());
        let watches = [one.id, one.id, other.id].map(|id| view.watch(id).expect("a job"));
        assert_eq!(view.watched_jobs(), 2);
        let [first, second, third] = watches;
        drop(first);
        assert_eq!(view.watched_jobs(), 2, "somebody else still waits for it");
        drop((second, third));
        assert!(view.watch(job(3, JobState::Running).id).is_none());
        assert_eq!(view.watched_jobs(), 0);
    }

    #[tokio::test]
    async fn all_waits_end_when_they_are_closed_and_none_begins() {
        let view = ReadView::default();
        let running = job(1, JobState::Running);
        view.publish(&change(None, Some(&running)));
        let mut before = view.watch(running.id).expect("a job");
        view.end_watches();
        let mut after = view.watch(running.id).expect("a job");
        for watch in [&mut before, &mut after] {
            watch.over().await;
            assert_eq!(watch.job().state, JobState::Running);
        }
        assert_eq!(view.watched_jobs(), 0);
    }

    #[tokio::test]
    async fn what_was_read_anew_is_told() {
        let view = ReadView::default();
        let [running, done] = [JobState::Running, JobState::Failed].map(|state| job(1, state));
        let gone = job(2, JobState::Running);
        view.reset([].iter(), [&running, &gone].into_iter(), Holds::default());
        let mut watches = [running.id, gone.id].map(|id| view.watch(id).expect("a job"));
        view.reset([].iter(), [&done].into_iter(), Holds::default());
        for watch in &mut watches {
            watch.over().await;
        }
        assert_eq!(watches.map(|watch| watch.job().state), [JobState::Failed, JobState::Running]);
    }
}
