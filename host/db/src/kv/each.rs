//! Independent operations one after the other, each in commits of its own, which share the wait until they are durable.

use smallvec::SmallVec;

use crate::engine::{Engine, Unsettled};
use crate::keyspace::Span;
use crate::kv::batch::{self, Op, OpResult};
use crate::kv::handle::{Effect, Kv};
use crate::kv::outcome::Outcome;
use crate::kv::value::Entry;
use crate::limits::COMMITS_UNSETTLED_MAX;
use crate::{Error, Result};

/// The outcome of one of several independent operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Each {
    /// It was done.
    Done {
        /// Its result.
        result: OpResult,
        /// The commit, the last one of several, or the newest that was seen where there was nothing to write; of a get and a check the
        /// version of what was read, 0 where there is nothing. 0 inside a transaction.
        version: u64,
    },
    /// The key was not as expected; this is its version.
    Refused(Option<u64>),
    /// It failed. [`Error::deleted`] says what of a span was deleted all the same.
    Failed(Error),
}

/// The outcomes of independent operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedEach {
    /// In the operations' order.
    pub results: Vec<Each>,
    /// The newest commit among those of the results, also of deletions that found nothing; 0 for reads alone, and inside a transaction.
    pub version: u64,
    /// Whether that one, and so all of them, is certain to survive a power cut.
    pub durable: bool,
}

/// The outcome of an operation, and the commits that it rests on.
struct Made {
    each: Each,
    /// Versions to settle before it is reported, and how many keys of a span were deleted by each.
    steps: Steps,
    writes: bool,
}

type Steps = SmallVec<[(u64, u64); 1]>;

impl Kv<'_> {
    /// Does many independent operations one after the other: one that fails keeps no other from being done, and each sees the writes of
    /// those before it. Consecutive writes share one wait until they are as durable as promised; every result rests on its own commits,
    /// all of them. When it is [interrupted](Self::interrupted), those that have not begun fail with `interrupted`.
    ///
    /// # Errors
    /// `operations-too-many`. The error of one operation is its result: `answer-too-large` for a value that does not fit into the rest of
    /// [`Limits::answer_bytes_max`](crate::Limits::answer_bytes_max).
    pub async fn apply_each(&mut self, operations: &[Op]) -> Result<AppliedEach> {
        let limits = self.limits().clone();
        let mut bytes = 0;
        let mut keep = |entry: &Entry| {
            let mut with = bytes;
            limits.check_answer(&mut with, entry.value.len())?;
            bytes = with;
            Ok(())
        };
        self.apply_each_kept(operations, &mut keep).await
    }

    /// As [`apply_each`](Self::apply_each), where `keep` decides for each entry that was read whether the answer has room for it: its error
    /// replaces the entry.
    ///
    /// # Errors
    /// `operations-too-many`.
    pub async fn apply_each_kept(
        &mut self,
        operations: &[Op],
        keep: &mut (dyn FnMut(&Entry) -> Result<()> + Send),
    ) -> Result<AppliedEach> {
        batch::check_operations(self.limits(), operations.len())?;
        let engine = self.database().0.engine.clone();
        let mut settling =
            Settling { engine, open: Vec::new(), results: Vec::with_capacity(operations.len()), newest: 0 };
        self.wait_for_turns_of(operations).await;
        for operation in operations {
            // A reader sees the writes before it, and nothing that could still be undone.
            if operation.effect() == Effect::Reads {
                settling.settle().await;
            }
            settling.open.push(self.make(operation, keep).await);
        }
        settling.settle().await;
        let Settling { engine, results, newest: version, .. } = settling;
        Ok(AppliedEach { results, version, durable: engine.is_durable(version) })
    }

    async fn make(&mut self, operation: &Op, keep: &mut (dyn FnMut(&Entry) -> Result<()> + Send)) -> Made {
        if let Err(error) = self.interrupt.check_keys() {
            return Made::read(Err(error));
        }
        let written = match operation {
            Op::Get(key) => {
                let entry = self.get_now(key).and_then(|entry| {
                    entry.as_ref().map_or(Ok(()), keep)?;
                    Ok(entry)
                });
                let version = |entry: &Option<Entry>| entry.as_ref().map_or(0, |entry| entry.version);
                return Made::read(
                    entry.map(|entry| Each::Done { version: version(&entry), result: OpResult::Entry(entry) }),
                );
            }
            Op::Check(key, expect) => {
                let version = self.get_now(key).map(|entry| entry.map(|entry| entry.version));
                return Made::read(version.map(|version| match version {
                    version if !expect.holds(version) => Each::Refused(version),
                    version => Each::Done { result: OpResult::Done, version: version.unwrap_or(0) },
                }));
            }
            Op::DeleteSpan(span) => return self.make_deletion(span).await,
            Op::Increment(key, by) => {
                let counted = self.increment_now(key, *by);
                counted
                    .map(|((number, _), version)| (Each::Done { result: OpResult::Number(number), version }, version))
            }
            Op::Set(key, value, options) => {
                let written = self.set_now(key, value, options);
                written.map(|(outcome, version)| (each(outcome, |_| OpResult::Done), version))
            }
            Op::Delete(key, expect) => {
                let written = self.delete_now(key, *expect);
                written
                    .map(|(outcome, version)| (each(outcome, |replaced| OpResult::Deleted(replaced.into())), version))
            }
        };
        Made::written(written)
    }

    /// Deletes a span in as many commits as that takes.
    async fn make_deletion(&mut self, span: &Span) -> Made {
        let (mut keys, mut newest, mut left) = (0, 0, None);
        let mut made = Made { each: Each::Refused(None), steps: Steps::new(), writes: true };
        loop {
            match self.delete_step(span, left.as_ref()) {
                Ok(((gone, rest), version)) => {
                    made.steps.push((version, gone));
                    (keys, newest, left) = (keys + gone, version.max(newest), rest);
                }
                Err(unsettled) => {
                    made.steps.push((unsettled.seen, 0));
                    made.each = Each::Failed(unsettled.error);
                    return made;
                }
            }
            if left.is_none() {
                made.each = Each::Done { result: OpResult::Deleted(keys), version: newest };
                return made;
            }
            if let Err(error) = self.interrupt.check_keys() {
                made.each = Each::Failed(error);
                return made;
            }
            if made.steps.len() >= COMMITS_UNSETTLED_MAX {
                let (gone, refused) = settle_steps(&self.database().0.engine, &mut made.steps).await;
                if let Some(error) = refused {
                    made.each = Each::Failed(error.after_deleting(gone));
                    return made;
                }
                made.steps.push((newest, gone));
            }
        }
    }
}

impl Made {
    /// Of what everybody can see, or the open transaction.
    fn read(each: Result<Each>) -> Self {
        Self { each: each.unwrap_or_else(Each::Failed), steps: Steps::new(), writes: false }
    }

    fn written(written: Unsettled<Each>) -> Self {
        let (each, version) = written.unwrap_or_else(|unsettled| (Each::Failed(unsettled.error), unsettled.seen));
        Self { each, steps: Steps::from_elem((version, 0), 1), writes: true }
    }
}

/// Operations in order: first those with a final outcome, then those that share the next wait.
struct Settling {
    engine: Engine,
    results: Vec<Each>,
    open: Vec<Made>,
    newest: u64,
}

impl Settling {
    /// Waits for every commit so far, and notes undone ones: a later one may have succeeded, if the disk had space again in between.
    async fn settle(&mut self) {
        for mut made in self.open.drain(..) {
            let (gone, refused) = settle_steps(&self.engine, &mut made.steps).await;
            let mut each = match (refused, made.each) {
                (Some(error), _) | (None, Each::Failed(error)) => Each::Failed(error.after_deleting(gone)),
                (None, each) => each,
            };
            if let Each::Done { version, .. } = &mut each
                && made.writes
            {
                // If there was nothing to do, that was so at the commit before it too.
                *version = self.newest.max(*version);
                self.newest = *version;
            }
            self.results.push(each);
        }
    }
}

/// Waits for all of these commits. Returns how many keys those that happened have deleted, and why the first of the others did not.
async fn settle_steps(engine: &Engine, steps: &mut Steps) -> (u64, Option<Error>) {
    let (mut gone, mut refused) = (0, None);
    for (version, keys) in steps.drain(..) {
        match engine.settled(version).await {
            Ok(()) => gone += keys,
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    (gone, refused)
}

fn each(outcome: Outcome, result: impl FnOnce(bool) -> OpResult) -> Each {
    match outcome {
        Outcome::Written(written) => Each::Done { result: result(written.replaced), version: written.version },
        Outcome::Refused(current) => Each::Refused(current.map(|entry| entry.version)),
    }
}
