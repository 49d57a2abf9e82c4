//! The change feed: committed changes of keys in order, from a cursor. What it shows of tables is in `tables/feed`.

use crate::bucket_name::check_bucket_name;
use crate::database::Inner;
use crate::engine::{ChangePage, FeedCursor, StoredChange, Version};
use crate::keyspace::{self, BucketId, catalog};
use crate::kv::value::{self, MediaType};
use crate::{Access, Code, Database, Error, Result, Session};
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
    /// The cursor after this change.
    pub cursor: String,
}

/// A page of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// The cursor of the next page.
    pub cursor: String,
    /// Whether this page ends at the end of the feed. If not, ask again at once, even if it is empty: the filter may have excluded every
    /// change that one call examines.
    pub at_end: bool,
}

/// Which changes to show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeFilter {
    /// Those of this bucket; without it those of all buckets that the grants show.
    pub bucket: Option<String>,
    /// Those of keys that begin with these bytes.
    pub prefix: Vec<u8>,
}

/// Where to start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Since {
    /// With the next commit.
    #[default]
    Now,
    /// With the oldest change that is still kept.
    Earliest,
    /// After this cursor.
    Cursor(String),
}

impl Session {
    /// At most `limit` committed changes after `since`. Never waits: `Database::watch` reports new commits.
    ///
    /// Belongs to no transaction: only committed changes are shown.
    ///
    /// # Errors
    /// `compacted` when changes after the cursor are no longer kept or the cursor is ahead of the newest commit, `cursor-invalid`,
    /// `limit-out-of-range`, `bucket-name-invalid`, `bucket-not-found` when the grants do not name it.
    #[allow(clippy::unused_async, reason = "an engine behind a network has to ask")]
    pub async fn changes(&mut self, filter: &ChangeFilter, since: &Since, limit: usize) -> Result<Changes> {
        self.changes_now(filter, since, limit)
    }

    pub(crate) fn changes_now(&mut self, filter: &ChangeFilter, since: &Since, limit: usize) -> Result<Changes> {
        let database = &*self.database.0;
        database.limits.check_page(limit)?;
        if let Some(bucket) = &filter.bucket {
            check_bucket_name(bucket)?;
            self.grants.check(bucket, Access::Read)?;
        }
        let begin = begin(&self.database, since)?;
        let mut names = Names::new(self);
        let read = database.engine.changes(begin, limit, |encoded| {
            keyspace::split(encoded)
                .is_some_and(|(id, key)| key.starts_with(&filter.prefix) && names.shown(id, filter.bucket.as_deref()))
        });
        let page = match read.and_then(|page| names.check_known(page)) {
            Ok(page) => page,
            Err(version) => {
                let cursor = after_compaction(&self.database, since, begin, version)?;
                return Ok(Changes { changes: Vec::new(), cursor, at_end: false });
            }
        };
        let changes = page.changes.iter().filter_map(|change| names.describe(change)).collect::<Result<_>>()?;
        Ok(Changes { changes, cursor: cursor_text(database.epoch, page.cursor), at_end: page.at_end })
    }
}

/// The place where a reader begins.
///
/// # Errors
/// `compacted`, `cursor-invalid`.
pub(crate) fn begin(database: &Database, since: &Since) -> Result<FeedCursor> {
    let Inner { engine, epoch, .. } = &*database.0;
    match since {
        Since::Now => Ok(FeedCursor::after(engine.version())),
        Since::Earliest => Ok(engine.feed_start()),
        Since::Cursor(text) => parse_cursor(text, *epoch),
    }
}

/// The cursor of a reader whose changes, up to `version`, are not kept: the oldest one, unless it had a cursor.
///
/// # Errors
/// `compacted`.
#[cfg_attr(target_family = "wasm", allow(unused_variables, reason = "nothing happens in between in a page"))]
pub(crate) fn after_compaction(
    database: &Database,
    since: &Since,
    begin: FeedCursor,
    version: Version,
) -> Result<String> {
    // No cursor promises names that were dropped after the start was determined. In a page nothing happens in between.
    #[cfg(not(target_family = "wasm"))]
    if !matches!(since, Since::Cursor(_)) {
        return Ok(cursor_text(database.0.epoch, database.0.engine.feed_start()));
    }
    if begin.version > version {
        // The cursor is of commits that were lost, or forged: the next changes would not follow it.
        return Err(Error::new(Code::Compacted, "the cursor is ahead of the newest commit"));
    }
    Err(Error::new(Code::Compacted, format!("changes up to version {version} are no longer kept")))
}

/// Bucket names by number, looked up once a page, and whether the session may see them.
pub(crate) struct Names<'s> {
    session: &'s Session,
    /// In the order of the numbers. A page has changes of few buckets.
    known: Vec<(BucketId, Name)>,
}

enum Name {
    Shown(String),
    Hidden,
    /// Forgotten: its bucket was dropped, and the feed had no changes of it left.
    Lost,
}

impl<'s> Names<'s> {
    pub(crate) fn new(session: &'s Session) -> Self {
        Self { session, known: Vec::new() }
    }

    /// Whether to show a change of a bucket; none where its name is lost.
    #[cfg(feature = "tables")]
    pub(crate) fn is_shown(&mut self, id: BucketId, wanted: Option<&str>) -> Option<bool> {
        let is_shown = self.shown(id, wanted);
        (!matches!(self.name(id), Name::Lost)).then_some(is_shown)
    }

    fn name(&mut self, id: BucketId) -> &Name {
        let session = self.session;
        let look_up = || {
            let Some(name) = catalog::name_of(&session.database.0.engine, id) else { return Name::Lost };
            if session.grants.check(&name, Access::Read).is_ok() { Name::Shown(name) } else { Name::Hidden }
        };
        let place = self.known.binary_search_by_key(&id, |(known, _)| *known).unwrap_or_else(|place| {
            self.known.insert(place, (id, look_up()));
            place
        });
        &self.known[place].1
    }

    /// Whether to show a change of a bucket. A lost name counts as shown, for [`check_known`](Self::check_known) to find.
    fn shown(&mut self, id: BucketId, wanted: Option<&str>) -> bool {
        match self.name(id) {
            Name::Shown(name) => wanted.is_none_or(|wanted| wanted == name),
            Name::Hidden => false,
            Name::Lost => true,
        }
    }

    /// The page, if the bucket of every change has a name. Otherwise the newest version without one, up to which the feed then drops its
    /// changes: the filter cannot be applied to them.
    ///
    /// A name is kept as long as the feed has changes of its bucket. But the feed may have moved on since the page was read, and after a
    /// restart it may reach further back than before: with a larger size, or by another clock. Neither happens in a page.
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

    pub(crate) fn describe(&mut self, change: &StoredChange) -> Option<Result<Change>> {
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

/// `epoch-version-index` in hexadecimal, decimal and decimal; after a whole commit without the index.
pub(crate) fn cursor_text(epoch: u64, cursor: FeedCursor) -> String {
    let FeedCursor { version, index } = cursor;
    if index == u32::MAX { format!("{epoch:016x}-{version}") } else { format!("{epoch:016x}-{version}-{index}") }
}

fn parse_cursor(text: &str, epoch: u64) -> Result<FeedCursor> {
    let parse = || {
        let (life, cursor) = text.split_once('-').filter(|(life, _)| life.len() == 16)?;
        let life = u64::from_str_radix(life, 16).ok()?;
        let (version, index) = match cursor.split_once('-') {
            Some((version, index)) => (version, index.parse().ok()?),
            None => (cursor, u32::MAX),
        };
        Some((life, FeedCursor { version: version.parse().ok()?, index }))
    };
    let (life, cursor) = parse().ok_or(Code::CursorInvalid)?;
    if life != epoch {
        return Err(Error::new(
            Code::Compacted,
            "the cursor is of another database, or from before this one was emptied or restored",
        ));
    }
    Ok(cursor)
}
