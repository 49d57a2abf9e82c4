//! The change feed of rows and of definitions, beside that of keys.
//!
//! Where a row changes, its entry in the feed has what it is now, and what it was where its table keeps that (`"changes": "full"`). Both are
//! shown as the table's schema of that time says. The feed knows a table by the number of its rows' space; `schema/history` has the schemas.
//!
//! | module | holds |
//! |---|---|
//! | this one | [`Session::feed`]: a page of changes |
//! | `event` | [`FeedEvent`]: what is shown |
//! | `scope` | [`FeedScope`]: which changes are shown |
//! | `eras` | the schema of a change's time |
//! | `era` | a filter and a select as one schema understands them: what matches, and the JSON of rows |

mod era;
mod eras;
mod event;
mod scope;

use std::sync::Arc;

pub use event::{FeedError, FeedEvent, FeedPage, Matches, RowChange, RowChangeKind, TableEvent, TableEventKind};
pub use scope::{FeedScope, TableFeed};

use self::era::Era;
use self::eras::{Eras, Found};
use crate::bucket_name::check_bucket_name;
use crate::changes::{Names, after_compaction, begin, cursor_text};
use crate::engine::{Decision, Examined, Version};
use crate::keyspace::{self, name_in_schema_key, space_of};
use crate::tables::schema::describe::describe;
use crate::tables::schema::stored;
use crate::tables::table::TableSchema;
use crate::tables::{Environment, TableResult};
use crate::{Access, Session, Since};

/// Bytes of rows and values in a page, at least one change: a slow reader holds those of one page.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// How long a page is looked for: a filter beside fast writers does not hold up others. The next page goes on from there.
const PAGE_US_MAX: u64 = 5_000;

/// Changes between two looks at the clock, and their bytes: conditions take long on large rows.
const CHANGES_PER_LOOK: usize = 32;
const BYTES_PER_LOOK: usize = 1 << 16;

impl Session {
    /// At most `limit` committed changes of keys, rows and definitions after `since`. Never waits: `Database::watch` reports new commits.
    ///
    /// Belongs to no transaction: only committed changes are shown. Changes that the grants do not show are passed over.
    ///
    /// # Errors
    /// Those of [`Session::changes`]; of a scope of one table `PGRST205`, and those of its filter and select.
    #[allow(clippy::unused_async, reason = "an engine behind a network has to ask")]
    pub async fn feed(
        &mut self,
        scope: &FeedScope,
        since: &Since,
        limit: usize,
    ) -> std::result::Result<FeedPage, FeedError> {
        let database = &*self.database.0;
        database.limits.check_page(limit)?;
        if let FeedScope::Keys(filter) = scope
            && let Some(bucket) = &filter.bucket
        {
            check_bucket_name(bucket)?;
            self.grants.check(bucket, Access::Read)?;
        }
        let begin = begin(&self.database, since)?;
        let mut reader = Reader::new(self, scope)?;
        if let FeedScope::Table(table) = scope {
            reader.eras.check(table, since)?;
        }
        let read = database.engine.changes_decided(begin, limit, |change| reader.decide(change));
        let Reader { names, eras, taken, lost, failed, .. } = &mut reader;
        #[cfg(not(target_family = "wasm"))]
        if let Some(version) = *lost {
            database.engine.forget_changes(version);
        }
        let page = match lost.map_or(read, Err) {
            Ok(page) => page,
            Err(version) => {
                let cursor = after_compaction(&self.database, since, begin, version)?;
                return Ok(FeedPage { events: Vec::new(), cursor, at_end: false });
            }
        };
        if page.cursor == begin
            && let Some(error) = failed.take()
        {
            return Err(error);
        }
        let mut events = Vec::with_capacity(page.changes.len());
        let (mut shown_bytes, mut shown_to) = (0, None);
        for (change, taken) in page.changes.iter().zip(taken.drain(..)) {
            match taken {
                Taken::Key => {
                    events.extend(names.describe(change).transpose()?.map(|change| FeedEvent::Key(Box::new(change))));
                }
                Taken::Row { era, matches } => {
                    // What a select shows may be larger than what is stored, and may fail: the page ends before it then.
                    if shown_bytes > PAGE_BYTES_MAX {
                        break;
                    }
                    match eras.row(&era, change, matches, cursor_text(database.epoch, change.cursor)) {
                        Ok(row) => {
                            let event = FeedEvent::Row(Box::new(row));
                            shown_bytes += event.size_bytes();
                            events.push(event);
                        }
                        Err(error) if events.is_empty() => return Err(error.into()),
                        Err(_) => break,
                    }
                }
                Taken::Table(event) => {
                    let cursor = cursor_text(database.epoch, change.cursor);
                    events.push(FeedEvent::Table(Box::new(TableEvent { cursor, time_ms: change.time_ms, ..*event })));
                }
            }
            shown_to = Some(change.cursor);
        }
        let is_whole = shown_to == page.changes.last().map(|change| change.cursor);
        let cursor = if is_whole { page.cursor } else { shown_to.unwrap_or(page.cursor) };
        Ok(FeedPage { events, cursor: cursor_text(database.epoch, cursor), at_end: page.at_end && is_whole })
    }
}

/// A change that is in the page.
enum Taken {
    Key,
    Row { era: Arc<Era>, matches: Matches },
    Table(Box<TableEvent>),
}

/// Decides about changes, one after the other.
struct Reader<'s> {
    scope: &'s FeedScope,
    session: &'s Session,
    names: Names<'s>,
    eras: Eras<'s>,
    taken: Vec<Taken>,
    bytes: usize,
    looked: usize,
    looked_bytes: usize,
    started_us: u64,
    /// The newest change whose names or schema are not known any more.
    lost: Option<Version>,
    failed: Option<FeedError>,
}

/// What a change is to the reader.
enum Seen {
    Shown(Taken, usize),
    Hidden,
    Lost,
}

impl<'s> Reader<'s> {
    fn new(session: &'s Session, scope: &'s FeedScope) -> TableResult<Self> {
        let table = match scope {
            FeedScope::Table(table) => Some(table),
            _ => None,
        };
        Ok(Self {
            scope,
            session,
            names: Names::new(session),
            eras: Eras::new(session, table)?,
            taken: Vec::new(),
            bytes: 0,
            looked: 0,
            looked_bytes: 0,
            started_us: session.database.0.engine.monotonic_us(),
            lost: None,
            failed: None,
        })
    }

    fn decide(&mut self, change: &Examined<'_>) -> Decision {
        // The schemas are those of a snapshot, which may be older than the newest change.
        if change.version > self.eras.version() || self.bytes > PAGE_BYTES_MAX || self.is_late() {
            return Decision::Stop;
        }
        self.looked_bytes += change.value.map_or(0, <[u8]>::len) + change.replaced.map_or(0, <[u8]>::len);
        match self.see(change) {
            Ok(Seen::Shown(taken, bytes)) => {
                self.bytes += bytes;
                self.taken.push(taken);
                Decision::Take
            }
            Ok(Seen::Hidden) => Decision::Pass,
            Ok(Seen::Lost) => {
                self.lost = Some(change.version);
                Decision::Stop
            }
            Err(error) => {
                self.failed = Some(error);
                Decision::Stop
            }
        }
    }

    fn is_late(&mut self) -> bool {
        self.looked += 1;
        let engine = &self.session.database.0.engine;
        let is_due = self.looked.is_multiple_of(CHANGES_PER_LOOK) || self.looked_bytes > BYTES_PER_LOOK;
        if is_due {
            self.looked_bytes = 0;
        }
        is_due && engine.monotonic_us().saturating_sub(self.started_us) > PAGE_US_MAX
    }

    fn see(&mut self, change: &Examined<'_>) -> std::result::Result<Seen, FeedError> {
        if let Some((bucket, key)) = keyspace::split(change.key) {
            let (wanted, prefix) = match self.scope {
                FeedScope::All => (None, &[][..]),
                FeedScope::Keys(filter) => (filter.bucket.as_deref(), &filter.prefix[..]),
                FeedScope::Table(_) => return Ok(Seen::Hidden),
            };
            if !key.starts_with(prefix) {
                return Ok(Seen::Hidden);
            }
            return Ok(match self.names.is_shown(bucket, wanted) {
                Some(true) => Seen::Shown(Taken::Key, change.value.map_or(0, <[u8]>::len)),
                Some(false) => Seen::Hidden,
                None => Seen::Lost,
            });
        }
        if matches!(self.scope, FeedScope::Keys(_)) {
            return Ok(Seen::Hidden);
        }
        if let Some(space) = space_of(change.key) {
            let era = match self.eras.find(space, change.version)? {
                Found::Era(era) => era,
                Found::Nothing => return Ok(Seen::Hidden),
                Found::Lost => return Ok(Seen::Lost),
            };
            let Some(matches) = self.eras.matches(&era, change)? else { return Ok(Seen::Hidden) };
            let bytes = [change.value, change.replaced].iter().flatten().map(|bytes| bytes.len()).sum();
            return Ok(Seen::Shown(Taken::Row { era, matches }, bytes));
        }
        let Some(name) = name_in_schema_key(change.key) else { return Ok(Seen::Hidden) };
        if !self.eras.shows(name) {
            return Ok(Seen::Hidden);
        }
        Ok(match table_event(name, change)? {
            Some(event) => Seen::Shown(Taken::Table(Box::new(event)), change.value.map_or(0, <[u8]>::len)),
            None => Seen::Hidden,
        })
    }
}

/// What has happened to a definition; nothing where it shows the same as before: what other tables reference of it, or an index that is built.
fn table_event(name: &str, change: &Examined<'_>) -> TableResult<Option<TableEvent>> {
    let schema = |bytes: Option<&[u8]>| bytes.map(stored::decode).transpose();
    let document = |schema: &TableSchema| describe(schema, &Environment::neutral());
    let (new, old) = (schema(change.value)?, schema(change.replaced)?);
    let kind = match (&new, &old) {
        (None, _) => TableEventKind::Drop,
        (Some(_), _) if change.previous.is_none() => TableEventKind::Create,
        (Some(new), Some(old)) if document(new) == document(old) => return Ok(None),
        (Some(_), _) => TableEventKind::Alter,
    };
    let number = new.as_ref().or(old.as_ref()).map_or(0, |schema| schema.version);
    Ok(Some(TableEvent {
        kind,
        table: name.to_owned(),
        schema_version: number,
        schema: new.as_ref().map(document),
        version: change.version,
        previous_version: change.previous,
        time_ms: 0,
        cursor: String::new(),
    }))
}
