//! Operations on single keys: get, set, delete, increment.

use std::ops::ControlFlow;

use crate::engine::{EngineError, EntryHeader, Expect, Unsettled, UnsettledError, Update, View};
use crate::keyspace::catalog;
use crate::kv::handle::{Effect, Kv};
use crate::kv::outcome::{Counted, Outcome, SetOptions, Written};
use crate::kv::value::{self, Entry, EntryRef};
use crate::kv::write::{self, WriteStop};
use crate::{Code, Error, Limits, Result};

#[allow(
    clippy::unused_async,
    reason = "reads of the embedded engine never wait, but those of an engine behind a network will"
)]
impl Kv<'_> {
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
        let encoded = bucket.id.key(key);
        let stored = match &mut self.session.transaction {
            None => self.session.database.0.engine.get(&encoded),
            Some(transaction) => transaction.get(&encoded)?,
        };
        self.check_reads()?;
        stored.map(value::entry).transpose()
    }

    /// The entries of several keys at one moment, in the keys' order.
    ///
    /// # Errors
    /// `keys-too-many`, `answer-too-large`, and those of [`get`](Self::get).
    pub async fn get_many<K: AsRef<[u8]>>(&mut self, keys: &[K]) -> Result<Vec<Option<Entry>>> {
        self.check_keys(keys)?;
        self.check_reads()?;
        let Some(bucket) = self.existing()? else { return Ok(vec![None; keys.len()]) };
        let limits = self.limits().clone();
        let mut bytes = 0;
        let mut read = |view: &mut dyn View| {
            let one = |key: &K| {
                let entry = view.get(&bucket.id.key(key.as_ref()))?.map(value::entry).transpose()?;
                limits.check_answer(&mut bytes, entry.as_ref().map_or(0, |entry| entry.value.len()))?;
                Ok(entry)
            };
            keys.iter().map(one).collect()
        };
        let entries = match &mut self.session.transaction {
            None => read(&mut &self.session.database.0.engine.snapshot()),
            Some(transaction) => read(&mut **transaction),
        };
        self.check_reads()?;
        entries
    }

    /// Shows `see` the entry of `key`, borrowed, and returns what it made of it; none when the key is missing or has expired. Costs less
    /// than [`get`](Self::get) where the value is copied anyway. `see` may be called more than once: what it made last is the answer.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub async fn read<R>(&mut self, key: &[u8], mut see: impl FnMut(EntryRef<'_>) -> R) -> Result<Option<R>> {
        self.limits().check_key(key)?;
        self.check_reads()?;
        let Some(bucket) = self.existing()? else { return Ok(None) };
        let encoded = bucket.id.key(key);
        let mut show = |header: &EntryHeader, stored: &[u8]| -> Result<R> { Ok(see(EntryRef::new(header, stored)?)) };
        let made = match &mut self.session.transaction {
            None => self.session.database.0.engine.read(&encoded, show),
            Some(transaction) => transaction.get(&encoded)?.map(|entry| show(&entry.header(), &entry.value)),
        };
        self.check_reads()?;
        made.transpose()
    }

    /// Shows `see` the entry of each of several keys at one moment, in the keys' order; none where there is none. Values are borrowed and
    /// looked up together, which costs less than [`get_many`](Self::get_many) where they are copied anyway.
    ///
    /// # Errors
    /// Those of [`get_many`](Self::get_many), possibly after some entries were shown.
    pub async fn read_many<K: AsRef<[u8]>>(
        &mut self,
        keys: &[K],
        see: &mut dyn FnMut(Option<EntryRef<'_>>),
    ) -> Result<()> {
        self.check_keys(keys)?;
        self.check_reads()?;
        let Some(bucket) = self.existing()? else {
            for _ in keys {
                see(None);
            }
            return Ok(());
        };
        let limits = self.limits().clone();
        let encoded = bucket.id.keys(keys);
        let encoded: Vec<&[u8]> = encoded.iter().collect();
        let (mut bytes, mut shown, mut outcome) = (0, 0, Ok(()));
        let mut one = |place: usize, header: &EntryHeader, stored: &[u8]| {
            (shown..place).for_each(|_| see(None));
            shown = place + 1;
            let entry = EntryRef::new(header, stored);
            outcome = entry.and_then(|entry| {
                limits.check_answer(&mut bytes, entry.value.len())?;
                see(Some(entry));
                Ok(())
            });
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        match &mut self.session.transaction {
            None => self.session.database.0.engine.snapshot().get_many(&encoded, &mut one)?,
            Some(transaction) => transaction.get_many(&encoded, &mut one)?,
        }
        outcome?;
        self.check_reads()?;
        (shown..keys.len()).for_each(|_| see(None));
        Ok(())
    }

    fn check_keys<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<()> {
        let limits = self.limits();
        if keys.len() > limits.get_many_keys_max {
            let (count, max) = (keys.len(), limits.get_many_keys_max);
            return Err(Error::new(Code::KeysTooMany, format!("{count} keys were asked for; the limit is {max}")));
        }
        keys.iter().try_for_each(|key| limits.check_key(key.as_ref()))
    }

    /// Sets `key`, whatever it was.
    ///
    /// # Errors
    /// `key-empty`, `key-too-long`, `value-too-large`, `buckets-too-many`, `store-full`, `read-only`; in a transaction
    /// `transaction-too-large`, `transaction-too-old`.
    pub async fn set(&mut self, key: &[u8], value: &[u8]) -> Result<Written> {
        self.set_with(key, value, &SetOptions::default()).await?.unconditional()
    }

    /// Sets `key` if it is as expected.
    ///
    /// # Errors
    /// Those of [`set`](Self::set), and `ttl-invalid`.
    pub async fn set_with(&mut self, key: &[u8], value: &[u8], options: &SetOptions) -> Result<Outcome> {
        #[cfg(not(target_family = "wasm"))]
        self.wait_for_turns(&|bucket, footprint| footprint.names(&bucket.key(key))).await;
        let outcome = self.set_now(key, value, options);
        self.settle(outcome).await
    }

    pub(crate) fn set_now(&mut self, key: &[u8], value: &[u8], options: &SetOptions) -> Unsettled<Outcome> {
        self.limits().check_key(key)?;
        self.limits().check_value(value)?;
        let expires_at_ms = Limits::deadline_ms(options.ttl_ms, self.session.database.now_ms())?;
        let update = Update::Put { value: value::encode(&options.media_type, value), expires_at_ms };
        self.write(key, &update, options.expect)
    }

    /// Deletes `key`. [`replaced`](Written::replaced) says whether there was something to delete; if not, nothing changes,
    /// and the version is the newest commit's.
    ///
    /// # Errors
    /// `key-empty`, `key-too-long`, `read-only`; in a transaction `transaction-too-large`, `transaction-too-old`.
    pub async fn delete(&mut self, key: &[u8]) -> Result<Written> {
        self.delete_if(key, Expect::Anything).await?.unconditional()
    }

    /// Deletes `key` if it is as expected. Deleting what does not exist changes nothing, as with [`delete`](Self::delete).
    ///
    /// # Errors
    /// Those of [`delete`](Self::delete).
    pub async fn delete_if(&mut self, key: &[u8], expect: Expect) -> Result<Outcome> {
        #[cfg(not(target_family = "wasm"))]
        self.wait_for_turns(&|bucket, footprint| footprint.names(&bucket.key(key))).await;
        let outcome = self.delete_now(key, expect);
        self.settle(outcome).await
    }

    pub(crate) fn delete_now(&mut self, key: &[u8], expect: Expect) -> Unsettled<Outcome> {
        self.limits().check_key(key)?;
        self.write(key, &Update::Delete, expect)
    }

    /// Adds `by` to a decimal number kept as text. A missing key counts as 0. Keeps the expiry.
    ///
    /// # Errors
    /// `not-an-integer`, `integer-overflow`, and those of [`set`](Self::set).
    pub async fn increment(&mut self, key: &[u8], by: i64) -> Result<Counted> {
        #[cfg(not(target_family = "wasm"))]
        self.wait_for_turns(&|bucket, footprint| footprint.names(&bucket.key(key))).await;
        let outcome = self.increment_now(key, by);
        let ((number, replaced), version, durable) = self.session.settle(outcome).await?;
        Ok(Counted { number, written: Written { version, replaced, durable } })
    }

    /// The sum, and whether the key had a value before.
    pub(crate) fn increment_now(&mut self, key: &[u8], by: i64) -> Unsettled<(i64, bool)> {
        self.limits().check_key(key)?;
        let limits = self.limits().clone();
        self.through(Effect::Grows, |transaction, bucket| write::increment(transaction, bucket, key, by, &limits))
    }

    /// Writes one key: by the engine's short path if the bucket exists and no transaction is open.
    fn write(&mut self, key: &[u8], update: &Update, expect: Expect) -> Unsettled<Outcome> {
        let effect = if *update == Update::Delete { Effect::Frees } else { Effect::Grows };
        self.check_allowed(effect)?;
        if let Update::Put { value, .. } = update {
            self.session.database.check_room(key.len() + value.len())?;
        }
        let done = |version, replaced| Outcome::Written(Written { version, replaced, durable: false });
        if !self.session.in_transaction()
            && let Some(bucket) = self.existing()?
        {
            let encoded = bucket.id.key(key);
            let guard = catalog::guard_key(self.bucket);
            let unchanged = bucket.made.map(|made| (&guard[..], made));
            match self.session.database.0.engine.write(&encoded, update.clone(), expect, unchanged) {
                Ok((Ok(written), seen)) => return Ok((done(seen, written.previous.is_some()), seen)),
                Ok((Err(refused), seen)) => {
                    return match refused.current.map(value::entry).transpose() {
                        Ok(current) => Ok((Outcome::Refused(current), seen)),
                        Err(error) => Err(UnsettledError { error, seen }),
                    };
                }
                // The bucket was dropped since it was looked up, and perhaps made again: below it is looked up again.
                Err(EngineError::Conflict) => {}
                Err(error) => return Err(Error::from(error).into()),
            }
        }
        let limits = self.limits().clone();
        let result = self.through(effect, |transaction, bucket| {
            write::write(transaction, bucket, key, update.clone(), expect, &limits)
        });
        match result {
            Ok((replaced, version)) => Ok((done(version, replaced), version)),
            Err(UnsettledError { error: WriteStop::Refused(current), seen }) => Ok((Outcome::Refused(current), seen)),
            Err(UnsettledError { error: WriteStop::Failed(error), seen }) => Err(UnsettledError { error, seen }),
        }
    }

    /// Waits until a write is final.
    async fn settle(&mut self, outcome: Unsettled<Outcome>) -> Result<Outcome> {
        let (mut outcome, _, is_durable) = self.session.settle(outcome).await?;
        if let Outcome::Written(written) = &mut outcome {
            written.durable = is_durable;
        }
        Ok(outcome)
    }
}
