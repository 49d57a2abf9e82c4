//! The byte layout of the engine's one key space.
//!
//! | first byte | then | value |
//! |---|---|---|
//! | `00` | `n` | the number that the next bucket gets (u32 BE), and how many there are (u32 BE), which may be missing |
//! | `00` | `b` name | the bucket's number (u32 BE) |
//! | `00` | `r` number (u32 BE) | the bucket's name |
//! | `00` | `d` number (u32 BE) | nothing; the bucket is dropped, and its keys are being removed |
//! | `00` | `f` number (u32 BE) | the name of a dropped bucket without keys, kept as long as the feed has changes of it |
//! | `00` | `s` | the number that the next space gets (u32 BE), and how many tables there are (u32 BE) |
//! | `00` | `t` table's name | its schema |
//! | `00` | `u` space (u32 BE) | of rows: the table's name; of a dropped table: its last schema |
//! | `00` | `m` space (u32 BE) | of rows: the largest value that an identity column ever had (i64 BE), unless it is stored, and the column's id (u32 BE) |
//! | `00` | `x` space (u32 BE) | nothing; the space is dropped, and its keys are being removed |
//! | `00` | `g` space (u32 BE) | the last schema of a dropped table without keys, kept as long as the feed has changes of it |
//! | `00` | `h` space (u32 BE) number (u32 BE) | of rows: the schema of this number, replaced or dropped by the commit of this entry; kept as long as the feed has earlier changes |
//! | `00` | `k` | the newest commit of an entry `h` that was removed (u64 BE): the feed's changes before it cannot be decoded |
//! | `00` | `p` plugin's name | the plugin: `plugins/record.rs` |
//! | `00` | `a` hash (32 bytes) | of an attachment of the store: how many versions of plugins name it (u32 BE) |
//! | `10` | number (u32 BE), key | the stored value |
//! | `20` | space (u32 BE), key | a row, or an entry of an index |
//!
//! A number is never used twice, so that what is left of a dropped bucket cannot appear in a new one. The same goes for spaces: a table has one
//! for its rows and one for each index.

use std::ops::Bound;

use crate::engine::KeyRange;
use crate::keyspace::span::Span;
use crate::{Code, Error, Result};

/// A key as the engine has it. A key of common length needs no allocation.
#[cfg(any(feature = "tables", not(target_family = "wasm")))]
pub(crate) type EncodedKey = smallvec::SmallVec<[u8; 128]>;

/// A key as the engine has it. A page without tables allocates each: it downloads less code.
#[cfg(all(not(feature = "tables"), target_family = "wasm"))]
pub(crate) type EncodedKey = Vec<u8>;

/// Bytes before a key of a bucket or space: the tag and the number.
pub(crate) const BUCKET_PREFIX_BYTES: usize = 5;

const CATALOGUE: u8 = 0x00;
const ENTRIES: u8 = 0x10;
#[cfg(feature = "tables")]
const SPACES: u8 = 0x20;

/// A part of the catalogue: the two bytes before each of its keys.
pub(crate) type Section = [u8; 2];

pub(crate) const NEXT_BUCKET: Section = [CATALOGUE, b'n'];
pub(crate) const BUCKET_NUMBERS: Section = [CATALOGUE, b'b'];
pub(crate) const BUCKET_NAMES: Section = [CATALOGUE, b'r'];
pub(crate) const DROPPED_BUCKETS: Section = [CATALOGUE, b'd'];
pub(crate) const FORMER_NAMES: Section = [CATALOGUE, b'f'];
#[cfg(not(target_family = "wasm"))]
pub(crate) const PLUGINS: Section = [CATALOGUE, b'p'];

/// The sections of tables.
#[cfg(feature = "tables")]
pub(crate) mod tables {
    use super::{CATALOGUE, Section};

    pub(crate) const NEXT_SPACE: Section = [CATALOGUE, b's'];
    pub(crate) const SCHEMAS: Section = [CATALOGUE, b't'];
    pub(crate) const NAMES: Section = [CATALOGUE, b'u'];
    pub(crate) const IDENTITY_MARKS: Section = [CATALOGUE, b'm'];
    pub(crate) const DROPPED: Section = [CATALOGUE, b'x'];
    pub(crate) const FORMER: Section = [CATALOGUE, b'g'];
    pub(crate) const FORMER_SCHEMAS: Section = [CATALOGUE, b'h'];
    pub(crate) const FORGOTTEN: Section = [CATALOGUE, b'k'];
}

/// Encoded keys, one behind the other.
pub(crate) struct EncodedKeys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl EncodedKeys {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| &self.bytes[std::mem::replace(&mut start, end)..end])
    }
}

/// A bucket's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BucketId(pub(crate) u32);

impl BucketId {
    /// No bucket has this number: it has no keys.
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn from_stored(bytes: &[u8]) -> Result<Self> {
        Ok(Self(u32::from_be_bytes(bytes.try_into().map_err(|_| damaged())?)))
    }

    pub(crate) fn prefix(self) -> [u8; BUCKET_PREFIX_BYTES] {
        numbered(ENTRIES, self.0)
    }

    /// A key of this bucket, encoded.
    pub(crate) fn key(self, key: &[u8]) -> EncodedKey {
        let mut encoded = EncodedKey::with_capacity(BUCKET_PREFIX_BYTES + key.len());
        encoded.extend_from_slice(&self.prefix());
        encoded.extend_from_slice(key);
        encoded
    }

    /// Keys of this bucket, encoded, in memory of their own together.
    pub(crate) fn keys<K: AsRef<[u8]>>(self, keys: &[K]) -> EncodedKeys {
        let length = |key: &K| BUCKET_PREFIX_BYTES + key.as_ref().len();
        let mut encoded = EncodedKeys {
            bytes: Vec::with_capacity(keys.iter().map(length).sum()),
            ends: Vec::with_capacity(keys.len()),
        };
        let prefix = self.prefix();
        for key in keys {
            encoded.bytes.extend_from_slice(&prefix);
            encoded.bytes.extend_from_slice(key.as_ref());
            encoded.ends.push(encoded.bytes.len());
        }
        encoded
    }

    /// The encoded keys of a span.
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

fn numbered(tag: u8, number: u32) -> [u8; BUCKET_PREFIX_BYTES] {
    let [a, b, c, d] = number.to_be_bytes();
    [tag, a, b, c, d]
}

/// Bytes before a key of a space: the tag and the number.
#[cfg(feature = "tables")]
pub(crate) const SPACE_PREFIX_BYTES: usize = BUCKET_PREFIX_BYTES;

/// What each key of the space of this number begins with.
#[cfg(feature = "tables")]
pub(crate) fn space_prefix(space: u32) -> [u8; SPACE_PREFIX_BYTES] {
    numbered(SPACES, space)
}

/// The number of a space: the rows of a table, or the entries of one index. Never used twice.
#[cfg(feature = "tables")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpaceId(pub u32);

#[cfg(feature = "tables")]
impl SpaceId {
    /// What each of its keys begins with.
    pub(crate) fn prefix(self) -> [u8; BUCKET_PREFIX_BYTES] {
        space_prefix(self.0)
    }

    /// The key of the catalogue that a section has for it.
    pub(crate) fn catalog_key(self, section: Section) -> EncodedKey {
        catalog_key(section, &self.0.to_be_bytes())
    }
}

/// Holds the schema of the table of this name.
#[cfg(feature = "tables")]
pub(crate) fn schema_key(name: &str) -> EncodedKey {
    catalog_key(tables::SCHEMAS, name.as_bytes())
}

/// Holds a schema of the table with these rows that is no longer in force.
#[cfg(feature = "tables")]
pub(crate) fn former_schema_key(rows: SpaceId, number: u32) -> EncodedKey {
    let mut encoded = rows.catalog_key(tables::FORMER_SCHEMAS);
    encoded.extend_from_slice(&number.to_be_bytes());
    encoded
}

/// The table's name in a key of the catalogue of schemas.
#[cfg(feature = "tables")]
pub(crate) fn name_in_schema_key(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.strip_prefix(&tables::SCHEMAS)?).ok()
}

/// The space that an encoded key is of.
#[cfg(feature = "tables")]
pub(crate) fn space_of(encoded: &[u8]) -> Option<SpaceId> {
    let (prefix, _) = encoded.split_at_checked(SPACE_PREFIX_BYTES)?;
    let (&tag, number) = prefix.split_first()?;
    (tag == SPACES).then_some(SpaceId(u32::from_be_bytes(number.try_into().ok()?)))
}

/// The space of rows whose name a key of the catalogue holds.
#[cfg(all(feature = "tables", not(target_family = "wasm")))]
pub(crate) fn rows_named_by(key: &[u8]) -> Option<SpaceId> {
    Some(SpaceId(u32::from_be_bytes(key.strip_prefix(&tables::NAMES)?.try_into().ok()?)))
}

/// Something that was dropped as a whole, and whose keys are removed after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// A bucket.
    Bucket(BucketId),
    /// The rows of a table, or the entries of an index.
    #[cfg(feature = "tables")]
    Space(SpaceId),
}

impl Dropped {
    /// What each of its keys begins with.
    pub(crate) fn prefix(self) -> [u8; BUCKET_PREFIX_BYTES] {
        match self {
            Self::Bucket(id) => id.prefix(),
            #[cfg(feature = "tables")]
            Self::Space(id) => id.prefix(),
        }
    }

    /// What a key of the catalogue marks as dropped.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn marked_by(key: &[u8]) -> Option<Self> {
        let number = |section: Section| Some(u32::from_be_bytes(key.strip_prefix(&section)?.try_into().ok()?));
        #[cfg(feature = "tables")]
        if let Some(space) = number(tables::DROPPED) {
            return Some(Self::Space(SpaceId(space)));
        }
        number(DROPPED_BUCKETS).map(|bucket| Self::Bucket(BucketId(bucket)))
    }

    /// Exists while its keys are being removed.
    pub(crate) fn mark_key(self) -> EncodedKey {
        match self {
            Self::Bucket(id) => catalog_key(DROPPED_BUCKETS, &id.0.to_be_bytes()),
            #[cfg(feature = "tables")]
            Self::Space(id) => id.catalog_key(tables::DROPPED),
        }
    }

    /// Holds its name as long as it has keys.
    pub(crate) fn name_key(self) -> EncodedKey {
        match self {
            Self::Bucket(id) => name_key(id),
            #[cfg(feature = "tables")]
            Self::Space(id) => id.catalog_key(tables::NAMES),
        }
    }

    /// Holds its name as long as the feed has changes of it.
    pub(crate) fn former_name_key(self) -> EncodedKey {
        match self {
            Self::Bucket(id) => former_name_key(id),
            #[cfg(feature = "tables")]
            Self::Space(id) => id.catalog_key(tables::FORMER),
        }
    }
}

/// Whether an encoded key is one of a bucket.
pub(crate) fn is_of_bucket(encoded: &[u8]) -> bool {
    encoded.first() == Some(&ENTRIES)
}

/// The bucket and the key that an encoded key names; none for the catalogue.
pub(crate) fn split(encoded: &[u8]) -> Option<(BucketId, &[u8])> {
    let (prefix, key) = encoded.split_at_checked(BUCKET_PREFIX_BYTES)?;
    let (&tag, id) = prefix.split_first()?;
    (tag == ENTRIES).then_some((BucketId(u32::from_be_bytes(id.try_into().ok()?)), key))
}

/// Holds the number of the bucket of this name.
pub(crate) fn number_key(name: &str) -> EncodedKey {
    catalog_key(BUCKET_NUMBERS, name.as_bytes())
}

/// The bucket's name in a key of the catalogue of numbers.
pub(crate) fn name_in(number_key: &[u8]) -> Result<String> {
    String::from_utf8(number_key[BUCKET_NUMBERS.len()..].to_vec()).map_err(|_| damaged())
}

fn damaged() -> Error {
    Error::new(Code::ReadOnly, "the bucket catalogue is damaged")
}

/// Holds the name of the bucket of this number.
pub(crate) fn name_key(id: BucketId) -> EncodedKey {
    catalog_key(BUCKET_NAMES, &id.0.to_be_bytes())
}

/// Holds the name of a dropped bucket without keys.
pub(crate) fn former_name_key(id: BucketId) -> EncodedKey {
    catalog_key(FORMER_NAMES, &id.0.to_be_bytes())
}

/// Holds the plugin of this name.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn plugin_key(name: &str) -> EncodedKey {
    catalog_key(PLUGINS, name.as_bytes())
}

/// The plugin's name in a key of the catalogue of plugins.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn name_in_plugin_key(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.strip_prefix(&PLUGINS)?).ok()
}

fn catalog_key(section: Section, rest: &[u8]) -> EncodedKey {
    let mut encoded = EncodedKey::from(&section[..]);
    encoded.extend_from_slice(rest);
    encoded
}
