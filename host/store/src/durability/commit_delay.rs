//! How long the log's thread waits for further commits before it writes and syncs.
//!
//! Clients that wait for their commits split into two halves during a slow sync: one half is being synced while the other, which came too
//! late for it, waits for its own. Each client then waits for two syncs, where one would do for all. So the thread waits until as many
//! commits are pending as were answered and pending when the last sync ended, because those clients are likely to send their next one. It
//! waits at most for half of a sync's time, and no longer than until a sync's time after the answers.
//!
//! That pays if all of them return within the time of a sync. If they take longer, the processor has enough to do for one half while the
//! disk is busy with the other, and waiting would idle both in turn. Waits that did not pay become rare. (`commit_delay` of PostgreSQL and
//! `binlog_group_commit_sync_delay` of `MySQL` do the same with values that an administrator has to choose.)

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Faster syncs end before many clients have returned.
const SYNC_US_MIN: u64 = 100;
/// The longest wait, however slow syncs are.
const WAIT_US_MAX: u64 = 5_000;
/// A sync slower than this many usual ones counts as that many: disks stall now and then.
const OUTLIER: u64 = 4;
/// The most groups without a wait, after waits that did not pay.
const PASSES_MAX: u32 = 64;

/// The expected size of the next group of commits, from the last ones.
#[derive(Debug, Default)]
pub(crate) struct CommitDelay(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Commits in the group being written.
    group: u64,
    /// Commits in the last group, or pending when it ended.
    expected: u64,
    /// When it ended.
    answered_at: Option<Instant>,
    /// The time of a sync, a moving average; `None` before the first.
    sync_us: Option<u64>,
    /// Groups left to write without a wait.
    passes: u32,
    /// The number of groups without a wait after the next one that does not pay.
    passes_next: u32,
}

impl CommitDelay {
    /// Notes how long a sync took.
    pub(crate) fn took(&self, us: u64) {
        let mut state = self.0.lock();
        state.sync_us =
            Some(state.sync_us.map_or(us, |usual| (usual * 7 + us.min(usual.max(SYNC_US_MIN) * OUTLIER)) / 8));
    }

    /// Notes how many commits are in the group that is written next.
    pub(crate) fn taken(&self, commits: u64) {
        self.0.lock().group = commits;
    }

    /// Notes that the group is durable, and its clients are about to be answered, while others are `pending`.
    pub(crate) fn answered(&self, pending: u64, now: Instant) {
        let mut state = self.0.lock();
        state.expected = state.group + pending;
        state.answered_at = Some(now);
    }

    /// How many commits are worth waiting for while this many are `pending`, and for how long.
    pub(crate) fn worth(&self, pending: u64, now: Instant) -> Option<(u64, Duration)> {
        let mut state = self.0.lock();
        let sync_us = state.sync_us.filter(|us| pending > 0 && pending < state.expected && *us >= SYNC_US_MIN)?;
        // A client that has not returned by then was not about to.
        let left = (state.answered_at? + Duration::from_micros(sync_us)).saturating_duration_since(now);
        let time = left.min(Duration::from_micros((sync_us / 2).min(WAIT_US_MAX)));
        if time.is_zero() {
            return None;
        }
        if state.passes > 0 {
            state.passes -= 1;
            return None;
        }
        Some((state.expected, time))
    }

    /// Notes the result of a wait: `before` commits were pending when it began, and `after` are at `now`.
    pub(crate) fn waited(&self, before: u64, after: u64, now: Instant) {
        let mut state = self.0.lock();
        // There are fewer if somebody else wrote them, and then the wait shows nothing.
        let Some(came) = after.checked_sub(before) else { return };
        let most_came = came * 2 >= state.expected.saturating_sub(before);
        let sync = Duration::from_micros(state.sync_us.unwrap_or(0));
        let is_within_a_sync = state.answered_at.is_some_and(|at| now.saturating_duration_since(at) < sync);
        if most_came && is_within_a_sync {
            state.passes_next = 0;
        } else {
            state.passes_next = (state.passes_next * 2).clamp(1, PASSES_MAX);
            state.passes = state.passes_next;
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a native program, and any time will do")]
mod tests {
    use super::*;

    /// After a group was answered, and when that was.
    fn after(released: u64, pending: u64, sync_us: u64) -> (CommitDelay, Instant) {
        let (delay, now) = (CommitDelay::default(), Instant::now());
        delay.took(sync_us);
        delay.taken(released);
        delay.answered(pending, now);
        (delay, now)
    }

    /// The number of groups that are written without a wait.
    fn passes((delay, answered): &(CommitDelay, Instant)) -> usize {
        (0..1_000).take_while(|_| delay.worth(1, *answered).is_none()).count()
    }

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    #[test]
    fn answered_clients_are_expected_besides_waiting_ones() {
        let (delay, now) = after(32, 30, 1_000);
        assert_eq!(delay.worth(31, now), Some((62, us(500))));
        assert_eq!(delay.worth(62, now), None, "all are there");
        assert_eq!(delay.worth(0, now), None, "nobody waits");
    }

    #[test]
    fn a_single_client_waits_for_nobody() {
        let (delay, now) = after(1, 0, 1_000);
        assert_eq!(delay.worth(1, now), None);
        assert_eq!(CommitDelay::default().worth(1, now), None, "nothing is known yet");
    }

    #[test]
    fn a_wait_is_short_compared_with_a_sync_and_bounded() {
        let worth = |sync_us| {
            let (delay, now) = after(2, 0, sync_us);
            delay.worth(1, now)
        };
        assert_eq!(worth(0), None);
        assert_eq!(worth(SYNC_US_MIN - 1), None);
        assert_eq!(worth(SYNC_US_MIN), Some((2, us(SYNC_US_MIN / 2))));
        assert_eq!(worth(60_000_000), Some((2, us(WAIT_US_MAX))));
    }

    #[test]
    fn clients_slower_than_a_sync_are_not_waited_for() {
        let (delay, now) = after(2, 0, 1_000);
        assert_eq!(delay.worth(1, now + us(700)), Some((2, us(300))));
        assert_eq!(delay.worth(1, now + us(1_000)), None);
        assert_eq!(delay.worth(1, now + Duration::from_secs(10)), None);
    }

    #[test]
    fn one_slow_sync_counts_once() {
        let (delay, now) = after(2, 0, 800);
        delay.took(1_600);
        assert_eq!(delay.worth(1, now), Some((2, us(450))));
        delay.took(60_000_000);
        assert_eq!(delay.worth(1, now), Some((2, us((900 * 7 + 3_600) / 8 / 2))));
        let (delay, now) = after(2, 0, 0);
        delay.took(60_000_000);
        assert_eq!(delay.worth(1, now), None);
    }

    #[test]
    fn useless_waits_become_rare_until_one_pays() {
        let after = after(4, 0, 1_000);
        let (delay, now) = &after;
        let mut all = Vec::new();
        for _ in 0..9 {
            all.push(passes(&after));
            delay.waited(1, 2, *now);
        }
        assert_eq!(all, [0, 1, 2, 4, 8, 16, 32, 64, 64]);
        assert_eq!(passes(&after), 64);
        delay.waited(1, 3, *now);
        assert_eq!(passes(&after), 0, "most of them came");
    }

    #[test]
    fn a_wait_longer_than_a_sync_does_not_pay() {
        let after = after(4, 0, 1_000);
        after.0.waited(1, 4, after.1 + us(999));
        assert_eq!(passes(&after), 0);
        after.0.waited(1, 4, after.1 + Duration::from_millis(1));
        assert_eq!(passes(&after), 1, "though all of them came");
    }

    #[test]
    fn a_wait_cut_short_by_another_writer_is_not_judged() {
        let after = after(4, 0, 1_000);
        after.0.waited(2, 0, after.1);
        assert_eq!(passes(&after), 0);
    }
}
