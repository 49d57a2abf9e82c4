//! The change feed: what was committed, in order, from a cursor.

use std::collections::HashMap;

use crate::engine::{ChangePage, FeedCursor, StoredChange, Version};
use crate::keyspace::{self, BucketId, DEFAULT_BUCKET};
use crate::kv::value;
use crate::{Access, Code, Error, MediaType, Result, Session};
use bytes::Bytes;

/// What happened to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It got a value.
    Put,
    /// It was deleted, or it expired.
    Delete,
}

/// One key that a commit changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The key's bucket.
    pub bucket: String,
    /// The key.
    pub key: Vec<u8>,
    /// The new value with its media type.
    pub value: Option<(MediaType, Bytes)>,
    /// When the new value will expire, in milliseconds since the epoch.
    pub expires_at_ms: Option<u64>,
    /// The commit.
    pub version: u64,
    /// The commit that had written the value before, if there was one.
    pub previous_version: Option<u64>,
    /// When the commit was made, in milliseconds since the epoch.
    pub time_ms: u64,
    /// Where to resume behind this change.
    pub cursor: String,
}

/// Some changes, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// Where to go on.
    pub cursor: String,
    /// Whether the feed had been read to its end. If not, there is more: ask again at once, even when this page is empty, because the
    /// filter may have passed over all that one call looks at.
    pub at_end: bool,
}

/// Which changes to show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeFilter {
    /// Those of this bucket; of all buckets that the grants show when none is named.
    pub bucket: Option<String>,
    /// Those of keys that begin with these bytes.
    pub prefix: Vec<u8>,
}

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Since {
    /// With the next commit.
    #[default]
    Now,
    /// With the oldest change that is still kept.
    Earliest,
    /// Behind this cursor.
    Cursor(String),
}

impl Session {
    /// At most `limit` committed changes behind `since`. Never waits: `Database::watch` tells when there is more.
    ///
    /// Belongs to no transaction: what is not committed is not shown.
    ///
    /// # Errors
    /// `compacted` when what follows the cursor is no longer kept or the cursor is ahead of the newest commit, `cursor-invalid`, `limit-out-of-range`, `bucket-name-invalid`,
    /// `bucket-not-found` when the grants do not name it.
    #[allow(clippy::unused_async, reason = "an engine behind a network has to ask")]
    pub async fn changes(&mut self, filter: &ChangeFilter, since: &Since, limit: usize) -> Result<Changes> {
        let database = &*self.database.0;
        database.limits.check_page(limit)?;
        if let Some(bucket) = &filter.bucket {
            keyspace::check_bucket_name(bucket)?;
            self.grants.check(bucket, Access::Read)?;
        }
        let begin = match since {
            Since::Now => FeedCursor::after(database.engine.version()),
            Since::Earliest => database.engine.feed_start(),
            Since::Cursor(text) => parse_cursor(text, database.epoch)?,
        };
        let mut names = Names { session: self, known: HashMap::new() };
        let read = database.engine.changes(begin, limit, |place| {
            keyspace::split(place)
                .is_some_and(|(id, key)| key.starts_with(&filter.prefix) && names.shown(id, filter.bucket.as_deref()))
        });
        let read = read.and_then(|page| names.check_known(page));
        // What has gone since it was looked up where to begin was not promised to anybody. In a page nothing comes in between.
        #[cfg(not(target_family = "wasm"))]
        if read.is_err() && !matches!(since, Since::Cursor(_)) {
            let cursor = cursor_text(database.epoch, database.engine.feed_start());
            return Ok(Changes { changes: Vec::new(), cursor, at_end: false });
        }
        let page = read.map_err(|version| {
            if begin.version > version {
                // Behind commits that were lost, or invented: what comes next would not be what follows.
                return Error::new(Code::Compacted, "the cursor is ahead of the newest commit");
            }
            Error::new(Code::Compacted, format!("changes up to version {version} are no longer kept"))
        })?;
        let changes = page.changes.iter().filter_map(|change| names.describe(change)).collect::<Result<_>>()?;
        Ok(Changes { changes, cursor: cursor_text(database.epoch, page.cursor), at_end: page.at_end })
    }
}

/// The buckets' names by number, looked up once a page, and whether the session may see them.
struct Names<'s> {
    session: &'s Session,
    known: HashMap<BucketId, Name>,
}

enum Name {
    Shown(String),
    Hidden,
    /// Nobody knows it any more: its bucket was dropped, and the feed had forgotten all changes of it.
    Lost,
}

impl Names<'_> {
    fn name(&mut self, id: BucketId) -> &Name {
        let session = self.session;
        let look_up = || {
            let name = if id == keyspace::Bucket::DEFAULT.id {
                DEFAULT_BUCKET.to_owned()
            } else {
                let engine = &session.database.0.engine;
                // In this order: a name goes from the one place to the other in one commit.
                let stored =
                    engine.get(&keyspace::number_place(id)).or_else(|| engine.get(&keyspace::former_place(id)));
                match stored.and_then(|stored| String::from_utf8(stored.value.to_vec()).ok()) {
                    Some(name) => name,
                    None => return Name::Lost,
                }
            };
            if session.grants.check(&name, Access::Read).is_ok() { Name::Shown(name) } else { Name::Hidden }
        };
        self.known.entry(id).or_insert_with(look_up)
    }

    /// Whether to show a change of a bucket. Those whose name is lost are to be noticed.
    fn shown(&mut self, id: BucketId, wanted: Option<&str>) -> bool {
        match self.name(id) {
            Name::Shown(name) => wanted.is_none_or(|wanted| wanted == name),
            Name::Hidden => false,
            Name::Lost => true,
        }
    }

    /// The page, if the bucket of every change can be named. Otherwise the version up to which that is not so, which the feed no longer
    /// holds then: nobody can tell whether what it holds was asked for.
    ///
    /// A name is kept as long as the feed holds changes of its bucket. But the feed may have gone on since they were read from it, and it
    /// may hold more than in an earlier life of the store, out of the log: with more room, by another clock. Neither happens in a page.
    #[cfg_attr(
        target_family = "wasm",
        allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "nothing is lost in a page")
    )]
    fn check_known(&mut self, page: ChangePage) -> std::result::Result<ChangePage, Version> {
        #[cfg(not(target_family = "wasm"))]
        {
            let is_lost = |change: &&StoredChange| {
                keyspace::split(change.key()).is_some_and(|(id, _)| matches!(self.name(id), Name::Lost))
            };
            if let Some(version) = page.changes.iter().rev().find(is_lost).map(|change| change.version) {
                self.session.database.0.engine.forget_changes(version);
                return Err(version);
            }
        }
        Ok(page)
    }

    fn describe(&mut self, change: &StoredChange) -> Option<Result<Change>> {
        let (id, key) = keyspace::split(change.key())?;
        let Name::Shown(bucket) = self.name(id) else { return None };
        let bucket = bucket.clone();
        let epoch = self.session.database.0.epoch;
        Some(change.value.clone().map(value::decode).transpose().map(|value| Change {
            kind: if value.is_some() { ChangeKind::Put } else { ChangeKind::Delete },
            bucket,
            key: key.to_vec(),
            value,
            expires_at_ms: change.expires_at_ms,
            version: change.version,
            previous_version: change.previous,
            time_ms: change.time_ms,
            cursor: cursor_text(epoch, change.cursor),
        }))
    }
}

/// `epoch-version-index` in hexadecimal, decimal and decimal; the index is left out behind a whole commit.
fn cursor_text(epoch: u64, cursor: FeedCursor) -> String {
    let FeedCursor { version, index } = cursor;
    if index == u32::MAX { format!("{epoch:016x}-{version}") } else { format!("{epoch:016x}-{version}-{index}") }
}

fn parse_cursor(text: &str, epoch: u64) -> Result<FeedCursor> {
    let parse = || {
        let mut parts = text.split('-');
        let life = parts.next().filter(|life| life.len() == 16)?;
        let life = u64::from_str_radix(life, 16).ok()?;
        let version = parts.next()?.parse().ok()?;
        let index = parts.next().map_or(Some(u32::MAX), |index| index.parse().ok())?;
        parts.next().is_none().then_some((life, FeedCursor { version, index }))
    };
    let (life, cursor) = parse().ok_or(Code::CursorInvalid)?;
    if life != epoch {
        return Err(Error::new(Code::Compacted, "the cursor is from before the store was last emptied"));
    }
    Ok(cursor)
}
