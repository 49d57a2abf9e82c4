//! The schema of a change's time.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::era::Era;
use super::event::{Matches, RowChange, RowChangeKind};
use super::scope::TableFeed;
use crate::engine::{Examined, Snapshot, StoredChange, Version, View};
use crate::keyspace::{Dropped, tables as sections};
use crate::tables::schema::history::{self, Former};
use crate::tables::schema::{Table, stored};
use crate::tables::table::SpaceId;
use crate::tables::{Environment, TableResult, code};
use crate::{Access, Session, Since};

/// Former definitions of a name to which a filter is tried to bind, newest first.
const FORMER_TRIED_MAX: usize = 32;

/// The definitions of tables, of one page.
pub(super) struct Eras<'s> {
    session: &'s Session,
    snapshot: Snapshot,
    /// The only table that is shown, if there is one.
    feed: Option<&'s TableFeed>,
    environment: Environment,
    /// Changes before this version may have lost their schemas.
    forgotten: Version,
    known: HashMap<SpaceId, Known>,
}

/// What is known of a space.
enum Known {
    /// An index, or rows that nobody is to see.
    Hidden,
    Rows(Rows),
}

struct Rows {
    /// The schemas that are no longer in force, oldest first, and what was made of them.
    former: Vec<(Former, Option<Arc<Era>>)>,
    /// The one in force; none of a dropped table.
    current: Option<Arc<Table>>,
    current_era: Option<Arc<Era>>,
}

/// What a space's key is at some version.
pub(super) enum Found {
    /// A row by this schema.
    Era(Arc<Era>),
    /// Nothing that is shown.
    Nothing,
    /// Its schema is not kept any more.
    Lost,
}

impl<'s> Eras<'s> {
    pub(super) fn new(session: &'s Session, feed: Option<&'s TableFeed>) -> TableResult<Self> {
        let snapshot = session.database.0.engine.snapshot();
        let forgotten = history::forgotten(&mut &snapshot)?;
        let environment = session.database.environment_utc();
        Ok(Self { session, snapshot, feed, environment, forgotten, known: HashMap::new() })
    }

    /// The newest commit whose schemas are known.
    pub(super) fn version(&self) -> Version {
        self.snapshot.version()
    }

    /// Whether changes of a table of this name are shown.
    pub(super) fn shows(&self, name: &str) -> bool {
        self.feed.is_none_or(|feed| feed.name == name) && self.session.grants.table_access(name).is_some()
    }

    /// Checks that the table is there, and that the filter and the select are of it. Where a reader begins in the past, the table may have been
    /// dropped since, and its columns may have had other names.
    ///
    /// # Errors
    /// PGRST205, those of binding.
    pub(super) fn check(&mut self, feed: &TableFeed, since: &Since) -> TableResult<()> {
        let is_past = !matches!(since, Since::Now);
        let catalog = self.session.database.catalog();
        let shown = catalog.shown(&mut &self.snapshot, &self.session.grants, &feed.name, Access::Read);
        let table = match shown {
            Err(error) if error.code == code::NO_TABLE && is_past && self.shows(&feed.name) => return Ok(()),
            shown => shown?,
        };
        match self.bind(&table) {
            Err(error) if is_past && error.code == code::COLUMN_UNDEFINED => {
                // Also those of tables that had the name before: their changes may be in the feed.
                let former = history::former_schemas_named(&mut &self.snapshot, &feed.name, FORMER_TRIED_MAX)?;
                for former in former.iter().rev() {
                    if self.bind(&table_of(former)?).is_ok() {
                        return Ok(());
                    }
                }
                Err(error)
            }
            bound => bound.map(drop),
        }
    }

    /// What a key of a space is that a commit changed.
    pub(super) fn find(&mut self, space: SpaceId, version: Version) -> TableResult<Found> {
        if version < self.forgotten {
            return Ok(Found::Lost);
        }
        if !self.known.contains_key(&space) {
            let known = self.look_up(space)?;
            self.known.insert(space, known);
        }
        let Some(Known::Rows(rows)) = self.known.get(&space) else { return Ok(Found::Nothing) };
        let place = rows.former.partition_point(|(former, _)| former.ended <= version);
        let (ready, table) = match rows.former.get(place) {
            Some((_, Some(era))) => (Some(era), None),
            Some((former, None)) => (None, Some(table_of(former)?)),
            None => (rows.current_era.as_ref(), rows.current.clone()),
        };
        if let Some(era) = ready {
            return Ok(Found::Era(Arc::clone(era)));
        }
        // The keys of a dropped table are removed after that: what its readers learn of is the drop.
        let Some(table) = table else { return Ok(Found::Nothing) };
        let era = Arc::new(self.bind(&table)?);
        if let Some(Known::Rows(rows)) = self.known.get_mut(&space) {
            match rows.former.get_mut(place) {
                Some((_, ready)) => *ready = Some(Arc::clone(&era)),
                None => rows.current_era = Some(Arc::clone(&era)),
            }
        }
        Ok(Found::Era(era))
    }

    fn look_up(&self, space: SpaceId) -> TableResult<Known> {
        let view: &mut dyn View = &mut &self.snapshot;
        let former = history::former_schemas(view, space)?;
        let name = match former.last() {
            Some(last) => Some(stored::decode(&last.stored)?.name),
            // Of rows only, and the name unless the table is dropped.
            None => match view.get(&space.catalog_key(sections::NAMES))? {
                Some(name) if view.get(&Dropped::Space(space).mark_key())?.is_none() => {
                    String::from_utf8(name.value.to_vec()).ok()
                }
                _ => None,
            },
        };
        let Some(name) = name.filter(|name| self.shows(name)) else { return Ok(Known::Hidden) };
        let current = self.session.database.catalog().find(view, &name)?;
        Ok(Known::Rows(Rows {
            former: former.into_iter().map(|former| (former, None)).collect(),
            current: current.filter(|table| table.schema.rows == space),
            current_era: None,
        }))
    }

    /// The filter and the select as the table's schema understands them, with the columns that today's table of that name has besides.
    fn bind(&self, table: &Arc<Table>) -> TableResult<Era> {
        match Era::new(table, table, self.feed, &self.environment) {
            Err(error) if error.code == code::COLUMN_UNDEFINED => {
                // Its own last schema first: a table of that name that was made later is another one.
                let today = self.session.database.catalog().find(&mut &self.snapshot, &table.schema.name)?;
                let is_same = today.as_ref().is_some_and(|today| today.schema.rows == table.schema.rows);
                let mut extended = table.schema.clone();
                if !is_same && let Some(last) = history::former_schemas(&mut &self.snapshot, table.schema.rows)?.last()
                {
                    extended = super::era::extended(&extended, &stored::decode(&last.stored)?);
                }
                if let Some(today) = today {
                    extended = super::era::extended(&extended, &today.schema);
                }
                Era::new(table, &Arc::new(Table::new(extended, 0)), self.feed, &self.environment)
            }
            bound => bound,
        }
    }

    /// Which of a change's rows the filter selects; none where neither may be.
    pub(super) fn matches(&self, era: &Era, change: &Examined<'_>) -> TableResult<Option<Matches>> {
        let engine = &self.session.database.0.engine;
        let matches = era.matches(change, engine, &self.environment, &self.session.database.0.limits)?;
        Ok(Some(matches).filter(|matches| matches.new || matches.old != Some(false)))
    }

    /// A change of a row, as it is shown.
    pub(super) fn row(
        &self,
        era: &Era,
        change: &StoredChange,
        matches: Matches,
        cursor: String,
    ) -> TableResult<RowChange> {
        let database = &self.session.database.0;
        let shower = era.shower(&self.snapshot, &database.engine, &self.environment, &database.limits);
        let shown = examined(change);
        let show = |bytes: Option<&[u8]>| bytes.map(|bytes| shower.row(&shown, bytes)).transpose();
        Ok(RowChange {
            kind: match (shown.value, shown.previous) {
                (None, _) => RowChangeKind::Delete,
                (Some(_), None) => RowChangeKind::Insert,
                (Some(_), Some(_)) => RowChangeKind::Update,
            },
            table: era.table.schema.name.clone(),
            schema_version: era.table.schema.version,
            key: shower.key(&shown)?.map(Bytes::from),
            row: show(shown.value)?.map(Bytes::from),
            old: show(era.old_row(&shown))?.map(Bytes::from),
            matches,
            version: change.version,
            previous_version: change.previous,
            time_ms: change.time_ms,
            cursor,
        })
    }
}

fn table_of(former: &Former) -> TableResult<Arc<Table>> {
    let schema = stored::decode(&former.stored)?;
    Ok(Arc::new(Table::new(schema, former.ended)))
}

/// The key, value and replaced value of a change, for those that are shown later.
fn examined(change: &StoredChange) -> Examined<'_> {
    Examined {
        key: change.key(),
        value: change.value.as_deref(),
        replaced: change.replaced.as_deref(),
        version: change.version,
        previous: change.previous,
    }
}
