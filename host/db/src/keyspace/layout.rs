//! Where buckets and their keys lie in the engine's one key space.
//!
//! | first byte | then | value |
//! |---|---|---|
//! | `00` | `n` | the number that the next bucket gets (u32 BE), and how many there are (u32 BE), which may be missing |
//! | `00` | `b` name | the bucket's number (u32 BE) |
//! | `00` | `r` number (u32 BE) | the bucket's name |
//! | `00` | `d` number (u32 BE) | nothing; the bucket was dropped, and its keys are being removed |
//! | `00` | `f` number (u32 BE) | the name of a bucket that was dropped and has no keys left; kept as long as the feed has changes of it |
//! | `10` | number (u32 BE), key | the stored value |
//!
//! A number is never used twice, so that a dropped bucket's leftovers cannot appear in a new one.

use std::ops::Bound;

use smallvec::SmallVec;

use crate::engine::{KeyRange, Version};
use crate::limits::BUCKET_NAME_BYTES_MAX;
use crate::{Code, Error, Result};

/// Room for a key of common length without an allocation.
pub(crate) type StoreKey = SmallVec<[u8; 128]>;

/// Bytes that stand before a key of a bucket.
pub(crate) const BUCKET_PREFIX_BYTES: usize = 5;

const CATALOGUE: u8 = 0x00;
const ENTRIES: u8 = 0x10;

pub(crate) const NEXT_BUCKET: [u8; 2] = [CATALOGUE, b'n'];
pub(crate) const BUCKET_NAMES: [u8; 2] = [CATALOGUE, b'b'];
pub(crate) const DROPPED_BUCKETS: [u8; 2] = [CATALOGUE, b'd'];
pub(crate) const FORMER_NAMES: [u8; 2] = [CATALOGUE, b'f'];

/// The bucket that always exists.
pub const DEFAULT_BUCKET: &str = "default";
const DEFAULT_BUCKET_ID: BucketId = BucketId(1);
/// The number of the first bucket that a client makes.
pub(crate) const FIRST_BUCKET_ID: u32 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BucketId(pub(crate) u32);

/// What the catalogue says of all buckets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbering {
    /// The number that the next bucket gets.
    pub(crate) next: BucketId,
    /// How many there are beside the default bucket, if that is known.
    pub(crate) count: Option<u32>,
}

impl Numbering {
    pub(crate) fn from_stored(bytes: &[u8]) -> Result<Self> {
        match bytes {
            [next @ .., _, _, _, _] if next.len() == size_of::<u32>() => {
                let count = BucketId::from_stored(&bytes[next.len()..])?.0;
                Ok(Self { next: BucketId::from_stored(next)?, count: Some(count) })
            }
            next => Ok(Self { next: BucketId::from_stored(next)?, count: None }),
        }
    }

    pub(crate) fn stored(self) -> Vec<u8> {
        let mut bytes = self.next.0.to_be_bytes().to_vec();
        bytes.extend(self.count.iter().flat_map(|count| count.to_be_bytes()));
        bytes
    }
}

/// A bucket that exists, and the commit that made it: `None` for the default bucket, which nobody made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    pub(crate) id: BucketId,
    pub(crate) made: Option<Version>,
}

impl Bucket {
    pub(crate) const DEFAULT: Self = Self { id: DEFAULT_BUCKET_ID, made: None };
}

pub(crate) fn check_bucket_name(name: &str) -> Result<()> {
    let first_fits = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let rest_fits = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.'));
    if first_fits && rest_fits && name.len() <= BUCKET_NAME_BYTES_MAX {
        Ok(())
    } else {
        Err(Code::BucketNameInvalid.into())
    }
}

impl BucketId {
    /// No bucket has this number: what looks for keys in it finds none.
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn from_stored(bytes: &[u8]) -> Result<Self> {
        let bytes = bytes.try_into().map_err(|_| Error::new(Code::ReadOnly, "the bucket catalogue is damaged"))?;
        Ok(Self(u32::from_be_bytes(bytes)))
    }

    pub(crate) fn prefix(self) -> [u8; BUCKET_PREFIX_BYTES] {
        let [a, b, c, d] = self.0.to_be_bytes();
        [ENTRIES, a, b, c, d]
    }

    /// Where a key of this bucket lies.
    pub(crate) fn key(self, key: &[u8]) -> StoreKey {
        let mut place = StoreKey::with_capacity(BUCKET_PREFIX_BYTES + key.len());
        place.extend_from_slice(&self.prefix());
        place.extend_from_slice(key);
        place
    }

    /// Where the keys of a span lie.
    pub(crate) fn range(self, span: &Span) -> KeyRange {
        let whole = || KeyRange::prefix(&self.prefix());
        match span {
            Span::All => whole(),
            Span::Prefix(prefix) => KeyRange::prefix(&self.key(prefix)),
            Span::Between { start, end } => KeyRange {
                start: start.as_ref().map_or_else(|| whole().start, |key| Bound::Included(self.key(key)[..].into())),
                end: end.as_ref().map_or_else(|| whole().end, |key| Bound::Excluded(self.key(key)[..].into())),
            },
        }
    }
}

/// The bucket and the key that lie at a place of the key space; none for the catalogue.
pub(crate) fn split(place: &[u8]) -> Option<(BucketId, &[u8])> {
    let (prefix, key) = place.split_at_checked(BUCKET_PREFIX_BYTES)?;
    let (&tag, id) = prefix.split_first()?;
    (tag == ENTRIES).then_some((BucketId(u32::from_be_bytes(id.try_into().ok()?)), key))
}

pub(crate) fn name_place(name: &str) -> StoreKey {
    let mut place = StoreKey::from_slice(&BUCKET_NAMES);
    place.extend_from_slice(name.as_bytes());
    place
}

pub(crate) fn number_place(id: BucketId) -> StoreKey {
    numbered([CATALOGUE, b'r'], id)
}

pub(crate) fn dropped_place(id: BucketId) -> StoreKey {
    numbered(DROPPED_BUCKETS, id)
}

pub(crate) fn former_place(id: BucketId) -> StoreKey {
    numbered(FORMER_NAMES, id)
}

fn numbered(table: [u8; 2], id: BucketId) -> StoreKey {
    let mut place = StoreKey::from_slice(&table);
    place.extend_from_slice(&id.0.to_be_bytes());
    place
}

/// A set of neighbouring keys of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Span {
    /// All of them.
    #[default]
    All,
    /// Those that begin with these bytes.
    Prefix(Vec<u8>),
    /// Those from `start` (included) to `end` (excluded), where given.
    Between {
        /// The first key.
        start: Option<Vec<u8>>,
        /// The first key beyond.
        end: Option<Vec<u8>>,
    },
}
