//! The threads that run functions which have not proved quick, so that they never block the runtime.
//!
//! Plugins share them fairly: a thread that comes free takes a job of the plugin with the fewest jobs under way, and among those the one
//! whose jobs have used the least processor time, sleep included. One plugin gets all threads but one, and three quarters of the queue. A plugin without
//! a job under way need not wait until those of others end: while all threads are busy, a spare one runs its job, and the system shares
//! the cores among them.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::Error;
use crate::engine::clock;

/// Bytes of stack of a thread that runs guests: a guest's own, and that of host functions below it.
const STACK_BYTES: usize = 4 << 20;
/// Spare threads for each other one.
const SPARE_EACH: usize = 2;

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
    /// Notified when the other threads are busy and an owner has jobs, but none under way.
    spare_wanted: Condvar,
    bounds: Bounds,
}

#[derive(Clone, Copy)]
struct Bounds {
    threads: usize,
    queued_max: usize,
    queued_each_max: usize,
    running_each_max: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    /// Takes any job.
    Usual,
    /// Takes jobs of owners that have none under way, while the usual threads are busy.
    Spare,
}

#[derive(Default)]
struct Queue {
    owners: HashMap<Owner, Share>,
    queued: usize,
    /// Usual threads that run a job.
    busy: usize,
    /// Jobs that have been queued so far.
    submitted: u64,
    /// What the owner that was served last had used by then: newcomers begin there, with neither credit nor debt.
    used_by_served: Duration,
    ended: bool,
}

/// An owner's share of the threads and of the queue.
#[derive(Default)]
struct Share {
    running: usize,
    jobs: VecDeque<(u64, Job)>,
    /// Processor time of its jobs, and how long they slept.
    used: Duration,
}

impl Threads {
    pub(crate) fn start(count: usize, queued_max: usize) -> Result<Self, Error> {
        let count = count.max(1);
        let bounds = Bounds {
            threads: count,
            queued_max,
            queued_each_max: queued_max - queued_max / 4,
            running_each_max: count.saturating_sub(1).max(1),
        };
        let shared =
            Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new(), spare_wanted: Condvar::new(), bounds });
        let mut threads = Self { shared, threads: Vec::new() };
        for number in 1..=count + count * SPARE_EACH {
            let shared = Arc::clone(&threads.shared);
            let role = if number <= count { Role::Usual } else { Role::Spare };
            let thread = std::thread::Builder::new()
                .name(format!("mantis-guest-{number}"))
                .stack_size(STACK_BYTES)
                .spawn(move || shared.run(role))
                .map_err(|error| Error::Engine(format!("cannot start a guest thread: {error}")))?;
            threads.threads.push(thread);
        }
        Ok(threads)
    }

    /// Puts a job at the end of its owner's queue; false when that or all of them together are full.
    pub(crate) fn submit(&self, owner: Owner, job: impl FnOnce() + Send + 'static) -> bool {
        let shared = &self.shared;
        let mut queue = shared.queue.lock();
        if !queue.put(&shared.bounds, owner, Box::new(job)) {
            return false;
        }
        let wants_spare = queue.wants_spare(&shared.bounds);
        drop(queue);
        shared.changed.notify_one();
        if wants_spare {
            shared.spare_wanted.notify_one();
        }
        true
    }

    pub(crate) fn queued(&self) -> usize {
        self.shared.queue.lock().queued
    }
}

impl Shared {
    fn run(&self, role: Role) {
        while let Some((owner, job)) = self.next(role) {
            let begun = clock::thread_used();
            // A panic of the host in one job must not end the thread. The caller sees its reply channel close.
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a guest thread's job panicked");
            }
            self.finish(role, owner, clock::thread_used().saturating_sub(begun));
        }
    }

    fn next(&self, role: Role) -> Option<(Owner, Job)> {
        let mut queue = self.queue.lock();
        loop {
            if queue.ended {
                return None;
            }
            if let Some(job) = queue.take(&self.bounds, role) {
                let wants_spare = queue.wants_spare(&self.bounds);
                drop(queue);
                if wants_spare {
                    self.spare_wanted.notify_one();
                }
                return Some(job);
            }
            match role {
                Role::Usual => self.changed.wait(&mut queue),
                Role::Spare => self.spare_wanted.wait(&mut queue),
            }
        }
    }

    fn finish(&self, role: Role, owner: Owner, used: Duration) {
        let mut queue = self.queue.lock();
        let others_may_run = queue.finish(&self.bounds, role, owner, used);
        drop(queue);
        if others_may_run {
            // Another thread may have passed over this owner's jobs.
            self.changed.notify_one();
        }
    }
}

impl Queue {
    /// False when the queue is full.
    fn put(&mut self, bounds: &Bounds, owner: Owner, job: Job) -> bool {
        if self.queued >= bounds.queued_max || self.ended {
            return false;
        }
        let used = self.used_by_served;
        let share = self.owners.entry(owner).or_insert_with(|| Share { used, ..Share::default() });
        if share.jobs.len() >= bounds.queued_each_max {
            return false;
        }
        self.submitted += 1;
        self.queued += 1;
        share.jobs.push_back((self.submitted, job));
        true
    }

    /// The job whose turn it is, if a thread of this kind may take it.
    fn take(&mut self, bounds: &Bounds, role: Role) -> Option<(Owner, Job)> {
        if role == Role::Spare && !self.wants_spare(bounds) {
            return None;
        }
        let waiting = self.owners.iter_mut().filter(|(_, share)| share.running < bounds.running_each_max);
        let first = |share: &Share| share.jobs.front().map(|&(number, _)| (share.running, share.used, number));
        let next = waiting.filter_map(|(owner, share)| Some((first(share)?, *owner, share)));
        let (_, owner, share) = next.min_by_key(|(order, ..)| *order)?;
        let (_, job) = share.jobs.pop_front()?;
        share.running += 1;
        self.used_by_served = share.used;
        self.queued -= 1;
        self.busy += usize::from(role == Role::Usual);
        Some((owner, job))
    }

    /// Whether all usual threads are busy, and some owner has jobs but none under way.
    fn wants_spare(&self, bounds: &Bounds) -> bool {
        self.busy >= bounds.threads && self.owners.values().any(|share| share.running == 0 && !share.jobs.is_empty())
    }

    /// Notes the end of a job. True when the owner was at its bound of threads and has more jobs.
    fn finish(&mut self, bounds: &Bounds, role: Role, owner: Owner, used: Duration) -> bool {
        self.busy -= usize::from(role == Role::Usual);
        let Some(share) = self.owners.get_mut(&owner) else { return false };
        share.running -= 1;
        share.used += used;
        if share.running == 0 && share.jobs.is_empty() {
            self.owners.remove(&owner);
            return false;
        }
        share.running + 1 == bounds.running_each_max
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let waiting = {
            let mut queue = self.shared.queue.lock();
            queue.ended = true;
            queue.queued = 0;
            std::mem::take(&mut queue.owners)
        };
        drop(waiting);
        self.shared.changed.notify_all();
        self.shared.spare_wanted.notify_all();
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

    const BOUNDS: Bounds = Bounds { threads: 1, queued_max: 100, queued_each_max: 75, running_each_max: 1 };

    /// The owners in the order in which one thread runs 12 of their jobs, each of which uses as much time as `used` says.
    fn order(queue: &mut Queue, used: impl Fn(Owner) -> u64) -> Vec<Owner> {
        let turns = (0..12).map(|_| {
            let (owner, _) = queue.take(&BOUNDS, Role::Usual).unwrap();
            queue.finish(&BOUNDS, Role::Usual, owner, Duration::from_millis(used(owner)));
            owner
        });
        turns.collect()
    }

    fn crowd(owners: &[(Owner, usize)]) -> Queue {
        let mut queue = Queue::default();
        for &(owner, jobs) in owners {
            for _ in 0..jobs {
                assert!(queue.put(&BOUNDS, owner, Box::new(|| {})));
            }
        }
        queue
    }

    #[test]
    fn plugins_take_turns_however_many_jobs_one_has_queued() {
        let mut queue = crowd(&[(1, 40), (2, 20), (3, 4)]);
        assert_eq!(order(&mut queue, |_| 10), [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn turns_are_by_processor_time() {
        let mut queue = crowd(&[(1, 20), (2, 20)]);
        let turns = order(&mut queue, |owner| if owner == 1 { 50 } else { 10 });
        assert_eq!(turns, [1, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2]);
    }

    #[test]
    fn a_newcomer_has_neither_credit_nor_debt() {
        let mut queue = crowd(&[(1, 20), (2, 20)]);
        order(&mut queue, |_| 100);
        for _ in 0..6 {
            queue.put(&BOUNDS, 3, Box::new(|| {}));
        }
        let turns = order(&mut queue, |_| 100);
        assert_eq!(turns.iter().filter(|owner| **owner == 3).count(), 4, "{turns:?}");
    }

    /// Two plugins that spin have all usual threads, and a third runs all the same.
    #[test]
    fn spinning_plugins_do_not_starve_another() {
        let threads = Threads::start(3, 100).unwrap();
        let spinning: Vec<_> = [1, 1, 2].map(|owner| occupy(&threads, owner)).into();
        for owner in [1, 2] {
            for _ in 0..20 {
                assert!(threads.submit(owner, || {}));
            }
        }
        for _ in 0..10 {
            let (done, is_done) = mpsc::channel();
            assert!(threads.submit(3, move || done.send(()).unwrap()));
            is_done.recv().unwrap();
        }
        // Two more on the spare threads at once.
        let more = [4, 5].map(|owner| occupy(&threads, owner));
        assert_eq!(threads.queued(), 40, "those that spin wait for their own");
        drop(more);
        drop(spinning);
    }
}
