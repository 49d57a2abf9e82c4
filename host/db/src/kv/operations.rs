//! The operations on the keys of one bucket.
//!
//! Outside a transaction each is atomic by itself; inside one it belongs to it and sees what it wrote.

use std::ops::ControlFlow;

use crate::engine::{
    Direction, Expect, Isolation, KeyRange, Savepoint, Snapshot, StoredEntry, Transaction, Unsettled, UnsettledError,
    Update, View, resting_on,
};
#[cfg(not(target_family = "wasm"))]
use crate::engine::{Engine, Footprint, Places};
use crate::keyspace::{self, Bucket, BucketId, Span};
use crate::kv::batch::{self, Applied, Effect, Op};
use crate::kv::scan::{self, Collected, KeyPage, Page, Scan, ScanOptions};
use crate::kv::value;
use crate::{Access, Code, Entry, Error, Limits, MediaType, Result, Session};
use bytes::Bytes;

/// Keys that deleting a span outside a transaction removes in one commit.
const DELETE_KEYS_PER_COMMIT: usize = 1_000;

/// How a value is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetOptions {
    /// What the value is.
    pub media_type: MediaType,
    /// How long it is served, in milliseconds: 1 to 100 years' worth.
    pub ttl_ms: Option<u64>,
    /// What must hold of the key for the write to happen.
    pub expect: Expect,
}

/// A write that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The commit; 0 inside a transaction, which gets its number when it commits.
    pub version: u64,
    /// Whether the key had a value before.
    pub replaced: bool,
    /// Whether the write is certain to survive a power cut.
    pub durable: bool,
}

/// Keys that were deleted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// How many.
    pub keys: u64,
    /// The last commit, or the newest one seen where there was nothing to delete; 0 inside a transaction.
    pub version: u64,
    /// Whether it is certain to survive a power cut.
    pub durable: bool,
}

/// A number that was added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The sum.
    pub number: i64,
    /// The write.
    pub written: Written,
}

/// What a conditional write came to. A lost race is an answer, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It happened.
    Written(Written),
    /// The key was not as expected. Holds what it is.
    Refused(Option<Entry>),
}

/// What is left of a span that is being deleted, and in which bucket.
pub(crate) type Left = (BucketId, KeyRange);

/// One bucket, through one session.
#[derive(Debug)]
pub struct Kv<'s> {
    session: &'s mut Session,
    bucket: &'s str,
}

#[allow(
    clippy::unused_async,
    reason = "reads of the embedded engine never wait, but those of an engine behind a network will"
)]
impl<'s> Kv<'s> {
    pub(crate) fn new(session: &'s mut Session, bucket: &'s str) -> Self {
        Self { session, bucket }
    }

    /// The entry of `key`; none when it is missing or has expired.
    ///
    /// # Errors
    /// `key-empty`, `key-too-long`; in a transaction `transaction-too-old`, `transaction-too-large`.
    pub async fn get(&mut self, key: &[u8]) -> Result<Option<Entry>> {
        self.get_now(key)
    }

    pub(crate) fn get_now(&mut self, key: &[u8]) -> Result<Option<Entry>> {
        self.limits().check_key(key)?;
        self.check_reads()?;
        let Some(bucket) = self.existing()? else { return Ok(None) };
        let place = bucket.id.key(key);
        let stored = match &mut self.session.transaction {
            None => self.session.database.0.engine.get(&place),
            Some(transaction) => transaction.get(&place)?,
        };
        self.check_reads()?;
        stored.map(value::entry).transpose()
    }

    /// The entries of several keys at one moment, in the keys' order.
    ///
    /// # Errors
    /// `keys-too-many`, `answer-too-large`, and those of [`get`](Self::get).
    pub async fn get_many<K: AsRef<[u8]>>(&mut self, keys: &[K]) -> Result<Vec<Option<Entry>>> {
        let limits = self.limits();
        if keys.len() > limits.get_many_keys_max {
            let (count, max) = (keys.len(), limits.get_many_keys_max);
            return Err(Error::new(Code::KeysTooMany, format!("{count} keys were asked for; the limit is {max}")));
        }
        keys.iter().try_for_each(|key| limits.check_key(key.as_ref()))?;
        self.check_reads()?;
        let Some(bucket) = self.existing()? else { return Ok(vec![None; keys.len()]) };
        let limits = self.limits().clone();
        let mut bytes = 0;
        let mut read = |view: &mut dyn FnMut(&[u8]) -> Result<Option<StoredEntry>>| {
            let one = |key: &K| {
                let entry = view(&bucket.id.key(key.as_ref()))?.map(value::entry).transpose()?;
                limits.check_answer(&mut bytes, entry.as_ref().map_or(0, |entry| entry.value.len()))?;
                Ok(entry)
            };
            keys.iter().map(one).collect()
        };
        let entries = match &mut self.session.transaction {
            None => {
                let snapshot = self.session.database.0.engine.snapshot();
                read(&mut |place| View::get(&mut &snapshot, place))
            }
            Some(transaction) => read(&mut |place| View::get(&mut **transaction, place)),
        };
        self.check_reads()?;
        entries
    }

    /// Gives `key` a value, whatever it was.
    ///
    /// # Errors
    /// `key-empty`, `key-too-long`, `value-too-large`, `buckets-too-many`, `store-full`, `read-only`; in a transaction
    /// `transaction-too-large`, `transaction-too-old`.
    pub async fn set(&mut self, key: &[u8], value: &[u8]) -> Result<Written> {
        written(&self.set_with(key, value, &SetOptions::default()).await?)
    }

    /// Gives `key` a value if it is as expected.
    ///
    /// # Errors
    /// Those of [`set`](Self::set), and `ttl-invalid`.
    pub async fn set_with(&mut self, key: &[u8], value: &[u8], options: &SetOptions) -> Result<Outcome> {
        #[cfg(not(target_family = "wasm"))]
        self.give_way(&|bucket, footprint| footprint.names(&bucket.key(key))).await;
        let outcome = self.set_now(key, value, options);
        self.settle(outcome).await
    }

    pub(crate) fn set_now(&mut self, key: &[u8], value: &[u8], options: &SetOptions) -> Unsettled<Outcome> {
        self.limits().check_key(key)?;
        self.limits().check_value(value)?;
        let expires_at_ms = Limits::deadline_ms(options.ttl_ms, self.session.database.now_ms())?;
        let update = Update::Put { value: value::encode(&options.media_type, value), expires_at_ms };
        self.write(key, update, options.expect)
    }

    /// Deletes `key`. [`replaced`](Written::replaced) says whether there was something to delete; if there was not, nothing changes,
    /// and the version is the newest commit's.
    ///
    /// # Errors
    /// `key-empty`, `key-too-long`, `read-only`; in a transaction `transaction-too-large`, `transaction-too-old`.
    pub async fn delete(&mut self, key: &[u8]) -> Result<Written> {
        written(&self.delete_if(key, Expect::Anything).await?)
    }

    /// Deletes `key` if it is as expected. Deleting what does not exist changes nothing, as with [`delete`](Self::delete).
    ///
    /// # Errors
    /// Those of [`delete`](Self::delete).
    pub async fn delete_if(&mut self, key: &[u8], expect: Expect) -> Result<Outcome> {
        #[cfg(not(target_family = "wasm"))]
        self.give_way(&|bucket, footprint| footprint.names(&bucket.key(key))).await;
        let outcome = self.delete_now(key, expect);
        self.settle(outcome).await
    }

    pub(crate) fn delete_now(&mut self, key: &[u8], expect: Expect) -> Unsettled<Outcome> {
        self.limits().check_key(key)?;
        self.write(key, Update::Delete, expect)
    }

    /// Adds `by` to a decimal number kept as text. A missing key counts as 0. Keeps the expiry.
    ///
    /// # Errors
    /// `not-an-integer`, `integer-overflow`, and those of [`set`](Self::set).
    pub async fn increment(&mut self, key: &[u8], by: i64) -> Result<Counted> {
        #[cfg(not(target_family = "wasm"))]
        self.give_way(&|bucket, footprint| footprint.names(&bucket.key(key))).await;
        let outcome = self.increment_now(key, by);
        let ((number, replaced), version, durable) = self.session.database.0.engine.settle(outcome).await?;
        Ok(Counted { number, written: Written { version, replaced, durable } })
    }

    /// The sum, and whether the key had a value before.
    pub(crate) fn increment_now(&mut self, key: &[u8], by: i64) -> Unsettled<(i64, bool)> {
        self.limits().check_key(key)?;
        let limits = self.limits().clone();
        self.through(Effect::Grows, |transaction, bucket| batch::increment(transaction, bucket, key, by, &limits))
    }

    /// A page of entries.
    ///
    /// # Errors
    /// `limit-out-of-range`, `cursor-invalid`; in a transaction `transaction-too-old`, `transaction-too-large`.
    pub async fn scan(&mut self, options: &ScanOptions) -> Result<Page> {
        let Some((entries, cursor)) = self.page(options, |scan, view| match view {
            Either::Snapshot(snapshot) => scan::collect_entries(scan, &mut &*snapshot),
            Either::Transaction(transaction) => scan::collect_entries(scan, transaction),
        })?
        else {
            return Ok(Page::default());
        };
        Ok(Page { entries, cursor })
    }

    /// A page of keys.
    ///
    /// # Errors
    /// Those of [`scan`](Self::scan).
    pub async fn scan_keys(&mut self, options: &ScanOptions) -> Result<KeyPage> {
        let Some((keys, cursor)) = self.page(options, |scan, view| match view {
            Either::Snapshot(snapshot) => scan::collect_keys(scan, &mut &*snapshot),
            Either::Transaction(transaction) => scan::collect_keys(scan, transaction),
        })?
        else {
            return Ok(KeyPage::default());
        };
        Ok(KeyPage { keys, cursor })
    }

    /// How many keys the span has. Costs a walk over them: about 100 ns a key.
    ///
    /// # Errors
    /// In a transaction `transaction-too-old`, `transaction-too-large`.
    pub async fn count(&mut self, span: &Span) -> Result<u64> {
        self.check_reads()?;
        let Some(bucket) = self.existing()? else { return Ok(0) };
        let range = bucket.id.range(span);
        let mut count = 0;
        let mut see = |_: &[u8], _| {
            count += 1;
            ControlFlow::Continue(())
        };
        match &mut self.session.transaction {
            None => View::visit(&mut &self.session.database.0.engine.snapshot(), &range, Direction::Forward, &mut see)?,
            Some(transaction) => View::visit(&mut **transaction, &range, Direction::Forward, &mut see)?,
        }
        self.check_reads()?;
        Ok(count)
    }

    /// Deletes the keys of a span. Inside a transaction all at once; outside in commits of 1,000 keys, so
    /// that other writers are not held up: keys written meanwhile may or may not be among them.
    ///
    /// # Errors
    /// `access-denied`, `read-only`, `disk-full`, `storage-failed`: outside a transaction [`Error::deleted`] says how many keys are gone
    /// all the same; in a transaction `transaction-too-large`, `transaction-too-old`.
    pub async fn delete_span(&mut self, span: &Span) -> Result<Deleted> {
        #[cfg(not(target_family = "wasm"))]
        self.give_way(&|bucket, footprint| footprint.names_some_of(&bucket.range(span))).await;
        let (mut keys, mut left) = (0, None);
        loop {
            let step = self.delete_step(span, left);
            let settled = self.session.database.0.engine.settle(step).await;
            #[cfg(not(target_family = "wasm"))]
            let settled = settled.map_err(|error| error.after_deleting(keys));
            let ((gone, rest), version, durable) = settled?;
            keys += gone;
            if rest.is_none() {
                return Ok(Deleted { keys, version, durable });
            }
            left = rest;
        }
    }

    /// Deletes the next keys of a span in one commit, or all of them in the open transaction: how many, and what may be left.
    pub(crate) fn delete_step(&mut self, span: &Span, left: Option<Left>) -> Unsettled<(u64, Option<Left>)> {
        let limits = self.limits().clone();
        if self.session.in_transaction() {
            return self.through(Effect::Frees, |transaction, bucket| {
                Ok::<_, Error>((batch::delete_whole_span(transaction, bucket, span, &limits)?, None))
            });
        }
        self.through(Effect::Frees, |transaction, bucket| {
            // It goes on where it was: what it deleted may stay in the way for as long as somebody reads a snapshot.
            let range = match left {
                Some((id, rest)) if id == bucket => rest,
                _ => bucket.range(span),
            };
            let (gone, rest) = batch::delete_some(transaction, &range, DELETE_KEYS_PER_COMMIT)?;
            Ok::<_, Error>((gone, rest.map(|rest| (bucket, rest))))
        })
    }

    /// Does many operations in one commit: all of them, or none when an expectation fails.
    ///
    /// # Errors
    /// `operations-too-many`, `answer-too-large`, and those of the single operations, naming the operation by its place from 0.
    pub async fn apply(&mut self, operations: &[Op]) -> Result<Applied> {
        self.apply_weighed(operations, &|entry| entry.value.len()).await
    }

    /// Like [`apply`](Self::apply), where the answer is bounded by what `weigh` says of each entry: how many bytes it takes in the
    /// form in which the caller hands it on.
    ///
    /// # Errors
    /// Those of [`apply`](Self::apply).
    pub async fn apply_weighed(
        &mut self,
        operations: &[Op],
        weigh: &(dyn Fn(&Entry) -> usize + Sync),
    ) -> Result<Applied> {
        let limits = self.limits().clone();
        batch::check(&limits, operations)?;
        #[cfg(not(target_family = "wasm"))]
        self.give_way_to(operations).await;
        let effect = operations.iter().map(Op::effect).max().unwrap_or(Effect::Reads);
        #[cfg(not(target_family = "wasm"))]
        let engine = self.session.database.0.engine.clone();
        #[cfg(not(target_family = "wasm"))]
        let places = self.places(&engine, operations)?;
        let result =
            self.through(effect, |transaction, bucket| batch::apply(transaction, bucket, operations, &limits, weigh));
        #[cfg(not(target_family = "wasm"))]
        drop(places);
        match self.session.database.0.engine.settle(result).await {
            Ok((Applied::Committed { results, .. }, version, durable)) => {
                Ok(Applied::Committed { version, durable, results })
            }
            Ok((refused, ..)) => Ok(refused),
            Err(batch::Stop::Refused(refusals)) => Ok(Applied::Refused(refusals)),
            Err(batch::Stop::Failed(error)) => Err(error),
        }
    }

    /// Waits until no transaction has its turn that this would disturb, for the time of a turn at most: it may still commit first.
    #[cfg(not(target_family = "wasm"))]
    async fn give_way(&mut self, disturbs: &(dyn Fn(BucketId, &Footprint) -> bool + Sync)) {
        if self.session.in_transaction() || !self.session.database.0.engine.has_turns() {
            return;
        }
        let engine = self.session.database.0.engine.clone();
        match self.existing() {
            Ok(Some(bucket)) => engine.wait_for_turns(&|footprint| disturbs(bucket.id, footprint)).await,
            // It is made with its first write.
            Ok(None) => engine.wait_for_turns(&crate::buckets::disturbed(self.bucket)).await,
            Err(_) => {}
        }
    }

    /// Places for the new keys of a large batch, made before it takes the writers' lock.
    #[cfg(not(target_family = "wasm"))]
    fn places<'p>(&mut self, engine: &'p Engine, operations: &[Op]) -> Result<Option<Places<'p>>> {
        if self.session.in_transaction() || self.check_allowed(Effect::Grows).is_err() {
            return Ok(None);
        }
        let Some(bucket) = self.existing()? else { return Ok(None) };
        let set = operations.iter().filter_map(|operation| match operation {
            Op::Set(key, ..) => Some(bucket.id.key(key)),
            _ => None,
        });
        let keys: Vec<_> = set.collect();
        Ok(Some(engine.insert_ahead(keys.iter().map(|key| &key[..]))))
    }

    /// As [`give_way`](Self::give_way), once for all operations.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) async fn give_way_to(&mut self, operations: &[Op]) {
        let disturbs = |operation: &Op, bucket: BucketId, footprint: &Footprint| match operation {
            Op::Get(_) | Op::Check(..) => false,
            Op::Set(key, ..) | Op::Delete(key, _) | Op::Increment(key, _) => footprint.names(&bucket.key(key)),
            Op::DeleteSpan(span) => footprint.names_some_of(&bucket.range(span)),
        };
        self.give_way(&|bucket, footprint| operations.iter().any(|operation| disturbs(operation, bucket, footprint)))
            .await;
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn database(&self) -> &crate::Database {
        &self.session.database
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.session.database.0.limits
    }

    /// The bucket, if it exists.
    fn existing(&mut self) -> Result<Option<Bucket>> {
        if self.bucket == keyspace::DEFAULT_BUCKET {
            return Ok(Some(Bucket::DEFAULT));
        }
        let place = keyspace::name_place(self.bucket);
        let stored = match &mut self.session.transaction {
            None => self.session.database.0.engine.get(&place),
            Some(transaction) => transaction.get(&place)?,
        };
        stored.map(|stored| bucket_from(&stored)).transpose()
    }

    /// Writes one key: by the engine's short path where the bucket exists and no transaction is open.
    fn write(&mut self, key: &[u8], update: Update, expect: Expect) -> Unsettled<Outcome> {
        let effect = if update == Update::Delete { Effect::Frees } else { Effect::Grows };
        self.check_allowed(effect)?;
        if let Update::Put { value, .. } = &update {
            self.session.database.check_room(key.len() + value.len())?;
        }
        let write = |version, replaced| Outcome::Written(Written { version, replaced, durable: false });
        if !self.session.in_transaction()
            && let Some(bucket) = self.existing()?
        {
            let place = bucket.id.key(key);
            let name = keyspace::name_place(self.bucket);
            let unchanged = bucket.made.map(|made| (&name[..], made));
            match self.session.database.0.engine.write(&place, update.clone(), expect, unchanged) {
                Ok((Ok(replaced), seen)) => return Ok((write(seen, replaced), seen)),
                Ok((Err(current), seen)) => {
                    return resting_on(seen, current.map(value::entry).transpose().map(Outcome::Refused));
                }
                // The bucket was dropped, or dropped and made again, since it was looked up: below it is looked up anew.
                Err(error) if error.code() == Code::Conflict => {}
                Err(error) => return Err(error.into()),
            }
        }
        let limits = self.limits().clone();
        let result =
            self.through(effect, |transaction, bucket| batch::write(transaction, bucket, key, update, expect, &limits));
        match result {
            Ok((replaced, version)) => Ok((write(version, replaced), version)),
            Err(UnsettledError { error: batch::WriteStop::Refused(current), seen }) => {
                Ok((Outcome::Refused(current), seen))
            }
            Err(UnsettledError { error: batch::WriteStop::Failed(error), seen }) => Err(UnsettledError { error, seen }),
        }
    }

    /// Waits for a write.
    async fn settle(&self, outcome: Unsettled<Outcome>) -> Result<Outcome> {
        let (mut outcome, _, is_durable) = self.session.database.0.engine.settle(outcome).await?;
        if let Outcome::Written(written) = &mut outcome {
            written.durable = is_durable;
        }
        Ok(outcome)
    }

    /// Runs `work` in the open transaction, or alone in a commit of its own, and returns the version that its outcome rests on. Where the
    /// bucket does not exist, work that grows it makes it, and other work finds it empty.
    fn through<T, E: From<Error>>(
        &mut self,
        effect: Effect,
        work: impl FnOnce(&mut Transaction, BucketId) -> std::result::Result<T, E>,
    ) -> Unsettled<T, E> {
        self.check_allowed(effect)?;
        let database = self.session.database.clone();
        let (bucket, limits) = (self.bucket, &database.0.limits);
        let run = |transaction: &mut Transaction| {
            let (id, before) = place(transaction, bucket, effect, limits)?;
            let done = work(transaction, id);
            // A bucket comes into being with its first write, and not by one that failed.
            match (before, &done) {
                (Some(before), Ok(_)) => transaction.release(before),
                (Some(before), Err(_)) => transaction.rollback_to(before),
                (None, _) => {}
            }
            done
        };
        match &mut self.session.transaction {
            Some(transaction) => {
                batch::check_reads(transaction, limits)?;
                resting_on(0, run(transaction))
            }
            None if effect == Effect::Reads => {
                let mut transaction = database.0.engine.begin(Isolation::Snapshot);
                resting_on(transaction.version(), run(&mut transaction))
            }
            None => database.0.engine.alone(|transaction| {
                let value = run(transaction)?;
                if transaction.puts() {
                    database.check_room(transaction.written_bytes())?;
                }
                Ok(value)
            }),
        }
    }

    fn check_allowed(&self, effect: Effect) -> Result<()> {
        if effect > Effect::Reads {
            self.session.grants.check(self.bucket, Access::Write)?;
            self.session.database.check_open()?;
        }
        Ok(())
    }

    /// Runs a scan's page in the snapshot of its cursor, a new one, or the transaction.
    fn page<T>(
        &mut self,
        options: &ScanOptions,
        collect: impl Fn(&Scan<'_>, Either<'_>) -> Result<Collected<T>>,
    ) -> Result<Option<Collected<T>>> {
        self.limits().check_page(options.limit)?;
        self.check_reads()?;
        let Some(bucket) = self.existing()? else {
            // A cursor belongs to its bucket, which this one is not.
            return if options.cursor.is_some() { Err(Code::CursorInvalid.into()) } else { Ok(None) };
        };
        let database = self.session.database.clone();
        let database = &*database.0;
        let scan = Scan::new(&database.limits, bucket.id, options)?;
        if let Some(transaction) = &mut self.session.transaction {
            let (items, last) = collect(&scan, Either::Transaction(transaction))?;
            let cursor = last.map(|key| scan.cursor_at(key, transaction.version()));
            self.check_reads()?;
            return Ok(Some((items, cursor)));
        }
        let mut snapshot = scan::snapshot_of(database, scan.cursor.as_ref());
        let page = match collect(&scan, Either::Snapshot(&snapshot)) {
            // Kept for too long: the scan goes on in the newest state.
            Err(error) if error.code() == Code::TransactionTooOld => {
                database.cursor_snapshots.lock().forget(snapshot.version());
                snapshot = std::sync::Arc::new(database.engine.snapshot());
                collect(&scan, Either::Snapshot(&snapshot))
            }
            page => page,
        };
        let (items, last) = page?;
        let cursor = last.map(|key| {
            let gone = database.cursor_snapshots.lock().keep(&snapshot, database.engine.monotonic_us());
            drop(gone);
            scan.cursor_at(key, snapshot.version())
        });
        Ok(Some((items, cursor)))
    }

    fn check_reads(&self) -> Result<()> {
        match &self.session.transaction {
            Some(transaction) => batch::check_reads(transaction, self.limits()),
            None => Ok(()),
        }
    }
}

/// Where work of this effect on a bucket takes place. Beside a bucket that was made for it stands what was written before.
fn place(
    transaction: &mut Transaction,
    bucket: &str,
    effect: Effect,
    limits: &Limits,
) -> Result<(BucketId, Option<Savepoint>)> {
    Ok(match crate::buckets::find(transaction, bucket)? {
        Some(found) => (found.id, None),
        None if effect < Effect::Grows => (BucketId::NONE, None),
        None => {
            let before = transaction.savepoint();
            match crate::buckets::make(transaction, bucket, limits) {
                Ok(made) => (made.id, Some(before)),
                Err(error) => {
                    transaction.rollback_to(before);
                    return Err(error);
                }
            }
        }
    })
}

/// The write that a call without a condition came to.
fn written(outcome: &Outcome) -> Result<Written> {
    match outcome {
        Outcome::Written(written) => Ok(*written),
        Outcome::Refused(_) => Err(Error::new(Code::Conflict, "a write without a condition was refused")),
    }
}

/// What a scan runs in.
enum Either<'a> {
    Snapshot(&'a Snapshot),
    Transaction(&'a mut Transaction),
}

pub(crate) fn bucket_from(stored: &StoredEntry) -> Result<Bucket> {
    Ok(Bucket { id: BucketId::from_stored(&stored.value)?, made: Some(stored.version) })
}

/// Text of a number, as increments store it.
pub(crate) fn number_text(number: i64) -> Bytes {
    value::encode(&MediaType::TEXT, number.to_string().as_bytes())
}
