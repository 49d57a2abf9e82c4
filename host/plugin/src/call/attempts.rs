//! The attempts of a call: it is run again after a conflict, until its transaction commits.

use std::sync::Arc;
use std::time::Duration;

use mantis_db::{Committed, Database, Kind, Retry};
use serde_json::Value;

use super::answer::{self, Called};
use super::session::{Accepts, Call, Session};
use crate::CallError;
use crate::instance::Outcome;

/// The longest pause after the first lost attempt, in microseconds. It doubles with each attempt.
const BACKOFF_US: u64 = 100;

/// The result of one attempt.
enum Attempt {
    Done(Called),
    /// Another commit came first. Holds the retry if the host noticed it, and not the guest.
    Lost(Option<Retry>),
}

impl Call<'_> {
    /// Runs the call until it counts.
    pub(super) async fn run(&self, accepts: &Accepts<'_>) -> Result<Called, CallError> {
        let attempts_max = self.executor.attempts_max;
        let mut retry = None;
        for attempt in 1..=attempts_max {
            match self.attempt(retry.take(), accepts).await? {
                Attempt::Done(called) => return Ok(called),
                Attempt::Lost(lost) => retry = lost,
            }
            if attempt < attempts_max {
                self.plugin.counters.conflicts_retried.add(1);
                // With a retry the next attempt queues for a turn; without one it pauses.
                if retry.is_none() {
                    let pause = backoff(&self.plugin.blueprint.database, attempt);
                    tokio::time::sleep(pause).await;
                }
            }
        }
        Err(CallError::Conflict { attempts: attempts_max })
    }

    async fn attempt(&self, mut retry: Option<Retry>, accepts: &Accepts<'_>) -> Result<Attempt, CallError> {
        if let Some(lost) = retry.take() {
            // A call that waits for its turn holds no session.
            let turn = self.plugin.blueprint.database.wait_for_turn(lost);
            let turn = tokio::time::timeout_at(self.deadline.into(), turn).await;
            retry = Some(turn.map_err(|_| self.deadline_reached())?);
        }
        let mut session = self.session().await?;
        session.set_grants(Arc::clone(&self.plugin.grants));
        let session = self.begin(session, retry).await?;
        let (finished, session) = self.run_where_it_fits(session).await?;
        self.plugin.counters.log_lines_dropped.add(finished.log_lines_dropped);
        let returned = match finished.outcome {
            Outcome::Returned(returned) => returned,
            Outcome::Failed(error) => return Err(error),
            Outcome::Stopped(_) => return Err(self.deadline_reached()),
        };
        let info = &self.plugin.functions[self.function];
        let lost = finished.conflict_seen || answer::is_conflict(info, returned.as_ref());
        match answer::to_json(info, returned) {
            // Its earlier losses still count.
            Err(_) if lost && !self.plugin.own_transactions => {
                Ok(Attempt::Lost(session.and_then(|mut session| session.restart())))
            }
            Err(error) => Err(CallError::Plugin(error)),
            Ok(value) if !accepts(&value) => Err(CallError::Declined),
            Ok(value) if self.plugin.own_transactions => {
                Ok(Attempt::Done(Called { value, committed: newest(&self.plugin.blueprint.database) }))
            }
            Ok(value) => self.commit(session, value).await,
        }
    }

    async fn commit(&self, session: Option<Session>, value: Value) -> Result<Attempt, CallError> {
        let Some(mut session) = session else {
            return Err(CallError::Trap { reason: "the call lost its session".into() });
        };
        match session.commit().await {
            Ok(committed) => Ok(Attempt::Done(Called { value, committed })),
            Err(error) if error.kind() == Kind::Conflict => Ok(Attempt::Lost(session.take_retry())),
            Err(error) => Err(CallError::Db(error)),
        }
    }
}

/// The newest visible commit.
fn newest(database: &Database) -> Committed {
    let version = database.version();
    Committed { version, durable: version > 0 && database.store().is_durable(version) }
}

/// A random pause, so that calls that lost together do not meet again.
fn backoff(database: &Database, attempt: u32) -> Duration {
    let mut random = [0; 8];
    database.random(&mut random);
    let longest_us = BACKOFF_US << attempt.min(8);
    Duration::from_micros(u64::from_le_bytes(random) % longest_us)
}
