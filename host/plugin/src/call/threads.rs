//! The threads that run functions which have not proved quick, so that they never block the runtime.
//!
//! One plugin gets all threads but one, and three quarters of the queue: a plugin that spins leaves room for its neighbours.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use crate::Error;

/// Bytes of stack of a thread that runs guests: a guest's own, and that of host functions below it.
const STACK_BYTES: usize = 4 << 20;

type Job = Box<dyn FnOnce() + Send>;

/// The plugin whose job it is.
pub(crate) type Owner = u64;

/// A few threads and a bounded queue. Dropping it waits for the jobs under way and drops the waiting ones.
pub(crate) struct Threads {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Notified when a job arrives, and when an owner at its bound of threads gives one back.
    changed: Condvar,
    queued_max: usize,
    queued_each_max: usize,
    running_each_max: usize,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<(Owner, Job)>,
    owners: HashMap<Owner, Share>,
    ended: bool,
}

/// An owner's share of the threads and of the queue.
#[derive(Default)]
struct Share {
    running: usize,
    queued: usize,
}

impl Threads {
    pub(crate) fn start(count: usize, queued_max: usize) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
            queued_max,
            queued_each_max: queued_max - queued_max / 4,
            running_each_max: count.saturating_sub(1).max(1),
        });
        let mut threads = Self { shared, threads: Vec::new() };
        for number in 1..=count.max(1) {
            let shared = Arc::clone(&threads.shared);
            let thread = std::thread::Builder::new()
                .name(format!("mantis-guest-{number}"))
                .stack_size(STACK_BYTES)
                .spawn(move || shared.run())
                .map_err(|error| Error::Engine(format!("cannot start a guest thread: {error}")))?;
            threads.threads.push(thread);
        }
        Ok(threads)
    }

    /// Puts a job at the end of the queue; false when it is full.
    pub(crate) fn submit(&self, owner: Owner, job: impl FnOnce() + Send + 'static) -> bool {
        let shared = &self.shared;
        let mut queue = shared.queue.lock();
        if queue.jobs.len() >= shared.queued_max || queue.ended {
            return false;
        }
        let share = queue.owners.entry(owner).or_default();
        if share.queued >= shared.queued_each_max {
            return false;
        }
        share.queued += 1;
        queue.jobs.push_back((owner, Box::new(job)));
        drop(queue);
        shared.changed.notify_one();
        true
    }

    pub(crate) fn queued(&self) -> usize {
        self.shared.queue.lock().jobs.len()
    }
}

impl Shared {
    fn run(&self) {
        while let Some((owner, job)) = self.next() {
            // A panic of the host in one job must not end the thread. The caller sees its reply channel close.
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a guest thread's job panicked");
            }
            self.finish(owner);
        }
    }

    fn next(&self) -> Option<(Owner, Job)> {
        let mut queue = self.queue.lock();
        loop {
            if queue.ended {
                return None;
            }
            match queue.take(self.running_each_max) {
                Some(job) => return Some(job),
                None => self.changed.wait(&mut queue),
            }
        }
    }

    fn finish(&self, owner: Owner) {
        let mut queue = self.queue.lock();
        let Some(share) = queue.owners.get_mut(&owner) else { return };
        share.running -= 1;
        if share.running == 0 && share.queued == 0 {
            queue.owners.remove(&owner);
        } else if share.running + 1 == self.running_each_max {
            // Another thread may have passed over this owner's jobs.
            drop(queue);
            self.changed.notify_one();
        }
    }
}

impl Queue {
    /// The first job whose owner has threads left to take.
    fn take(&mut self, running_each_max: usize) -> Option<(Owner, Job)> {
        let running = |owner: &Owner| self.owners.get(owner).map_or(0, |share| share.running);
        let place = self.jobs.iter().position(|(owner, _)| running(owner) < running_each_max)?;
        let (owner, job) = self.jobs.remove(place)?;
        let share = self.owners.entry(owner).or_default();
        share.queued -= 1;
        share.running += 1;
        Some((owner, job))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let waiting = {
            let mut queue = self.shared.queue.lock();
            queue.ended = true;
            std::mem::take(&mut queue.jobs)
        };
        drop(waiting);
        self.shared.changed.notify_all();
        let this = std::thread::current().id();
        for thread in self.threads.drain(..) {
            // The last handle to the host may be dropped by a job; it cannot wait for itself.
            if thread.thread().id() != this {
                let _ = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Occupies a thread until the returned sender is dropped.
    fn occupy(threads: &Threads, owner: Owner) -> mpsc::Sender<()> {
        let (begun, has_begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        assert!(threads.submit(owner, move || {
            begun.send(()).unwrap();
            let _ = released.recv();
        }));
        has_begun.recv().unwrap();
        release
    }

    #[test]
    fn the_queue_is_bounded_and_a_panic_costs_no_thread() {
        let threads = Threads::start(1, 1).unwrap();
        let release = occupy(&threads, 1);
        assert!(threads.submit(1, || panic!("on purpose")));
        assert!(!threads.submit(2, || {}), "one waits already");
        assert_eq!(threads.queued(), 1);
        drop(release);
        let (done, is_done) = mpsc::channel();
        while !threads.submit(1, {
            let done = done.clone();
            move || done.send(()).unwrap()
        }) {
            std::thread::yield_now();
        }
        is_done.recv().unwrap();
    }

    #[test]
    fn one_plugin_leaves_room_for_others() {
        let threads = Threads::start(2, 4).unwrap();
        let release = occupy(&threads, 1);
        for _ in 0..3 {
            assert!(threads.submit(1, || {}));
        }
        assert!(!threads.submit(1, || {}), "three quarters of the queue are its own");
        let (done, is_done) = mpsc::channel();
        assert!(threads.submit(2, move || done.send(()).unwrap()));
        is_done.recv().unwrap();
        assert_eq!(threads.queued(), 3, "the other thread is not for the first owner");
        drop(release);
        while threads.queued() > 0 {
            std::thread::yield_now();
        }
        let mut queue = threads.shared.queue.lock();
        while !queue.owners.is_empty() {
            parking_lot::MutexGuard::unlocked(&mut queue, std::thread::yield_now);
        }
    }
}
