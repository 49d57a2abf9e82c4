//! The catalogue: names and numbers of buckets.
//!
//! All that reads and writes the keys of the catalogue is here, but for schemas, which `tables/schema` has. A bucket goes through three
//! states:
//!
//! | state | keys of the catalogue |
//! |---|---|
//! | in use | its number by name, its name by number |
//! | dropped, with keys left | its name by number, the mark of a dropped bucket |
//! | dropped, without keys | its former name, as long as the feed has changes of it |
//!
//! The last two are those of a table's rows too, and but for the names of an index.

use std::ops::ControlFlow;

use crate::bucket_name::DEFAULT_BUCKET;
#[cfg(not(target_family = "wasm"))]
use crate::engine::Footprint;
use crate::engine::{Direction, Engine, KeyRange, StoredEntry, Transaction, Version};
#[cfg(all(feature = "tables", not(target_family = "wasm")))]
use crate::keyspace::layout::SpaceId;
use crate::keyspace::layout::{
    self, BUCKET_NUMBERS, BucketId, Dropped, NEXT_BUCKET, former_name_key, name_key, number_key,
};
use crate::{Code, Error, Limits, Result};

/// The number of the first bucket that a client makes.
const FIRST_BUCKET_ID: BucketId = BucketId(16);

/// A bucket in use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    pub(crate) id: BucketId,
    /// The commit that made it; none for the default bucket, which always exists.
    pub(crate) made: Option<Version>,
}

impl Bucket {
    pub(crate) const DEFAULT: Self = Self { id: BucketId(1), made: None };

    fn from_stored(stored: &StoredEntry) -> Result<Self> {
        Ok(Self { id: BucketId::from_stored(&stored.value)?, made: Some(stored.version) })
    }
}

/// The next number and the count of buckets.
#[derive(Debug, Clone, Copy)]
struct Numbering {
    /// The number that the next bucket gets.
    next: BucketId,
    /// How many there are besides the default bucket; none in a catalogue of an older program.
    count: Option<u32>,
}

impl Numbering {
    fn from_stored(bytes: &[u8]) -> Result<Self> {
        match bytes {
            [next @ .., _, _, _, _] if next.len() == size_of::<u32>() => {
                let count = BucketId::from_stored(&bytes[next.len()..])?.0;
                Ok(Self { next: BucketId::from_stored(next)?, count: Some(count) })
            }
            next => Ok(Self { next: BucketId::from_stored(next)?, count: None }),
        }
    }

    fn stored(self) -> Vec<u8> {
        let mut bytes = self.next.0.to_be_bytes().to_vec();
        bytes.extend(self.count.iter().flat_map(|count| count.to_be_bytes()));
        bytes
    }
}

/// The key whose version tells whether the bucket of this name is still the same one.
pub(crate) fn guard_key(name: &str) -> layout::EncodedKey {
    number_key(name)
}

/// The bucket of this name, if it exists: as the transaction sees it, or else as it is now.
pub(crate) fn look_up(engine: &Engine, transaction: Option<&mut Transaction>, name: &str) -> Result<Option<Bucket>> {
    if name == DEFAULT_BUCKET {
        return Ok(Some(Bucket::DEFAULT));
    }
    let key = number_key(name);
    let stored = match transaction {
        None => engine.get(&key),
        Some(transaction) => transaction.get(&key)?,
    };
    stored.map(|stored| Bucket::from_stored(&stored)).transpose()
}

/// The bucket of this name, if it exists. The commit is a conflict if the bucket has been dropped or made by then: what a transaction
/// writes must not end up in a dropped bucket.
pub(crate) fn find(transaction: &mut Transaction, name: &str) -> Result<Option<Bucket>> {
    if name == DEFAULT_BUCKET {
        return Ok(Some(Bucket::DEFAULT));
    }
    transaction.get_guarded(&number_key(name))?.map(|stored| Bucket::from_stored(&stored)).transpose()
}

/// Makes a bucket that does not exist.
pub(crate) fn make(transaction: &mut Transaction, name: &str, limits: &Limits) -> Result<BucketId> {
    let numbering = match transaction.get_guarded(&NEXT_BUCKET)? {
        Some(stored) => Numbering::from_stored(&stored.value)?,
        None => Numbering { next: FIRST_BUCKET_ID, count: Some(0) },
    };
    let id = numbering.next;
    let count = match numbering.count {
        Some(count) => u64::from(count),
        None => count(transaction, &KeyRange::prefix(&BUCKET_NUMBERS))?,
    };
    if count >= limits.buckets_max as u64 {
        return Err(Error::new(Code::BucketsTooMany, format!("there are {count} buckets; that is the limit")));
    }
    let next = BucketId(id.0.checked_add(1).ok_or(Code::BucketsTooMany)?);
    let count = u32::try_from(count + 1).ok();
    transaction.put(&NEXT_BUCKET, Numbering { next, count }.stored(), None);
    transaction.put(&number_key(name), id.0.to_be_bytes().to_vec(), None);
    transaction.put(&name_key(id), name.as_bytes().to_vec(), None);
    Ok(id)
}

/// Takes the bucket's name away from it, and marks it as dropped.
///
/// # Errors
/// `bucket-not-found`.
pub(crate) fn mark_dropped(transaction: &mut Transaction, name: &str) -> Result<BucketId> {
    let key = number_key(name);
    let stored = transaction.get(&key)?.ok_or_else(|| Error::from(Code::BucketNotFound))?;
    let id = Bucket::from_stored(&stored)?.id;
    transaction.delete(&key);
    transaction.put(&Dropped::Bucket(id).mark_key(), Vec::new(), None);
    if let Some(stored) = transaction.get(&NEXT_BUCKET)?
        && let Numbering { next, count: Some(count) } = Numbering::from_stored(&stored.value)?
    {
        transaction.put(&NEXT_BUCKET, Numbering { next, count: count.checked_sub(1) }.stored(), None);
    }
    Ok(id)
}

/// Whether it is marked as dropped and its keys are not all removed. The mark is gone for good once no read sees it: a commit that is not
/// visible yet may be undone.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn is_dropped(engine: &Engine, dropped: Dropped) -> bool {
    engine.get(&dropped.mark_key()).is_some()
}

/// As [`is_dropped`], as the transaction sees it.
pub(crate) fn is_dropped_in(transaction: &mut Transaction, dropped: Dropped) -> Result<bool> {
    Ok(transaction.get(&dropped.mark_key())?.is_some())
}

/// Ends the drop of what has no keys left: its name becomes a former name, for readers of its changes. The version of that is no older than
/// the last of these.
pub(crate) fn retire(transaction: &mut Transaction, dropped: Dropped) -> Result<()> {
    let key = dropped.name_key();
    if let Some(name) = transaction.get(&key)? {
        transaction.put(&dropped.former_name_key(), name.value, None);
        transaction.delete(&key);
    }
    transaction.delete(&dropped.mark_key());
    Ok(())
}

/// Whether a former name is still the one of that commit. If not, the commit was undone, or is not visible yet.
pub(crate) fn has_former_name(engine: &Engine, dropped: Dropped, version: Version) -> bool {
    engine.get(&dropped.former_name_key()).is_some_and(|stored| stored.version == version)
}

/// Deletes these former names.
pub(crate) fn forget_names(transaction: &mut Transaction, dropped: &[Dropped]) {
    for dropped in dropped {
        transaction.delete(&dropped.former_name_key());
    }
}

/// The name of a bucket, also of a dropped one; none when that is forgotten.
pub(crate) fn name_of(engine: &Engine, id: BucketId) -> Option<String> {
    if id == Bucket::DEFAULT.id {
        return Some(DEFAULT_BUCKET.to_owned());
    }
    // In this order: one commit turns the name into a former name.
    let stored = engine.get(&name_key(id)).or_else(|| engine.get(&former_name_key(id)));
    stored.and_then(|stored| String::from_utf8(stored.value.to_vec()).ok())
}

/// Names and numbers of the buckets in use whose name `is_wanted` accepts, by name.
pub(crate) fn list(engine: &Engine, is_wanted: &dyn Fn(&str) -> bool) -> Result<Vec<(String, BucketId)>> {
    let mut buckets: Vec<(String, BucketId)> = Vec::new();
    let mut damaged = Ok(());
    engine.snapshot().visit_shared(&KeyRange::prefix(&BUCKET_NUMBERS), Direction::Forward, |key, stored| {
        match layout::name_in(key).and_then(|name| Ok((name, Bucket::from_stored(&stored)?.id))) {
            Ok((name, id)) if is_wanted(&name) => buckets.push((name, id)),
            Ok(_) => {}
            Err(error) => damaged = Err(error),
        }
        ControlFlow::Continue(())
    })?;
    damaged?;
    // The catalogue has all names but that of the bucket that always exists, in their order.
    if is_wanted(DEFAULT_BUCKET) {
        let place = buckets.partition_point(|(name, _)| name.as_str() < DEFAULT_BUCKET);
        buckets.insert(place, (DEFAULT_BUCKET.to_owned(), Bucket::DEFAULT.id));
    }
    Ok(buckets)
}

/// What was dropped and still has keys, as it was when the engine was opened: in a page there is none.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn dropped(engine: &Engine) -> Vec<Dropped> {
    let buckets = numbers(engine, layout::DROPPED_BUCKETS, |number| Dropped::Bucket(BucketId(number)));
    #[cfg(feature = "tables")]
    let buckets = buckets.chain(numbers(engine, layout::tables::DROPPED, |space| Dropped::Space(SpaceId(space))));
    buckets.map(|(_, dropped)| dropped).collect()
}

/// What was dropped and has a former name, each with the version of that.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn former_names(engine: &Engine) -> Vec<(Version, Dropped)> {
    let buckets = numbers(engine, layout::FORMER_NAMES, |number| Dropped::Bucket(BucketId(number)));
    #[cfg(feature = "tables")]
    let buckets = buckets.chain(numbers(engine, layout::tables::FORMER, |space| Dropped::Space(SpaceId(space))));
    buckets.collect()
}

/// The numbers in a section of the catalogue, each with the version of its entry.
#[cfg(not(target_family = "wasm"))]
fn numbers(
    engine: &Engine,
    section: layout::Section,
    dropped: fn(u32) -> Dropped,
) -> impl Iterator<Item = (Version, Dropped)> + use<> {
    let mut numbers = Vec::new();
    let seen = engine.snapshot().visit_shared(&KeyRange::prefix(&section), Direction::Forward, |key, stored| {
        numbers.extend(BucketId::from_stored(&key[section.len()..]).ok().map(|id| (stored.version, dropped(id.0))));
        ControlFlow::Continue(())
    });
    debug_assert!(seen.is_ok(), "a snapshot is not too old at once");
    numbers.into_iter()
}

/// Whether making or dropping the bucket of this name would change what a transaction has read or written of the catalogue.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn disturbs(name: &str) -> impl Fn(&Footprint) -> bool + Sync {
    let key = number_key(name);
    move |footprint| footprint.names(&key) || footprint.names(&NEXT_BUCKET)
}

/// Counts the keys of a range one by one.
pub(crate) fn count(transaction: &mut Transaction, range: &KeyRange) -> Result<u64> {
    let mut count = 0;
    transaction.visit(range, Direction::Forward, |_, _, _| {
        count += 1;
        ControlFlow::Continue(())
    })?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::{EngineOptions, Isolation};
    use crate::{ManualClock, SeededRandom};

    fn engine() -> Engine {
        Engine::in_memory(EngineOptions::new(Arc::new(ManualClock::new(0)), Arc::new(SeededRandom::new(1))))
    }

    /// Makes buckets, each in a commit of its own, and returns how many keys that walked over.
    fn make_some(engine: &Engine, beginning: &str, buckets: usize) -> u64 {
        let mut walked = 0;
        for number in 0..buckets {
            let made = engine.alone(|transaction| {
                make(transaction, &format!("{beginning}{number}"), &Limits::DEFAULT)?;
                walked += transaction.walked_count();
                Ok::<_, Error>(())
            });
            made.unwrap();
        }
        walked
    }

    fn counted(engine: &Engine) -> Option<u32> {
        let stored = engine.get(&NEXT_BUCKET).unwrap();
        Numbering::from_stored(&stored.value).unwrap().count
    }

    #[test]
    fn making_a_bucket_scans_no_others() {
        let engine = engine();
        assert_eq!(make_some(&engine, "a", 10_000), 0);
        assert_eq!(counted(&engine), Some(10_000));
        let mut transaction = engine.begin(Isolation::Serializable);
        let refused = make(&mut transaction, "one-more", &Limits::DEFAULT).unwrap_err();
        assert_eq!((refused.code(), transaction.walked_count()), (Code::BucketsTooMany, 0));
    }

    #[test]
    fn a_catalogue_without_a_count_is_counted_once() {
        let engine = engine();
        make_some(&engine, "a", 3);
        engine
            .alone(|transaction| {
                let stored = transaction.get(&NEXT_BUCKET)?.unwrap();
                transaction.put(&NEXT_BUCKET, stored.value.slice(..4), None);
                Ok::<_, Error>(())
            })
            .unwrap();
        assert_eq!(counted(&engine), None);
        assert_eq!([make_some(&engine, "b", 1), make_some(&engine, "c", 5)], [3, 0]);
        assert_eq!(counted(&engine), Some(9));
    }
}
